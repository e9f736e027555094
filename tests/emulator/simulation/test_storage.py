"""Batteries: within their limits, no energy from nothing, the same in every window."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.emulator import Emulator, System
from enlighten_async.emulator.local_time import local_midnight
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS
from enlighten_async.emulator.simulation.storage import batteries
from enlighten_async.emulator.simulation.sun import day_number, day_start
from enlighten_async.emulator.simulation.system import Battery, StorageSettings
from enlighten_async.testing import FakeClock
from tests.effort import SEED, examples
from tests.emulator.fleets import recent_fleet

DAY, QUARTER = 86_400, 900
NOW = 1_750_014_000  # noon in California, 2025-06-15
FLEET = Emulator(seed=SEED, clock=FakeClock(NOW), systems=len(SYSTEM_KINDS)).truth
RECENT = Emulator(
    seed=SEED, clock=FakeClock(NOW), fleet=recent_fleet(len(SYSTEM_KINDS), NOW, seed=SEED)
).truth
WITH = [system for system in FLEET.systems() if batteries(system)]
MOMENTS = st.integers(NOW - 400 * DAY, NOW)


def make(clock: FakeClock, **system: Any) -> Emulator:
    """Return an emulator of one system with batteries."""
    defaults = {"system_id": 7, "batteries": (Battery(serial="B0"), Battery(serial="B1", late=600))}
    return Emulator(clock=clock, fleet=[System(**defaults | system)])


def energies(row: dict[str, Any]) -> tuple[int, int]:
    """Return charge and discharge (Wh)."""
    return row["charge"]["enwh"], row["discharge"]["enwh"]


def test_the_fleet_has_batteries_of_both_kinds() -> None:
    """Alone, together, late, in systems with and without meters; and systems without any."""
    systems = FLEET.systems()
    assert any(system.batteries and system.acbs for system in systems)
    assert any(battery.late for system in systems for battery in system.batteries)
    assert {bool(system.meters) for system in WITH} == {True, False}
    assert len(WITH) < len(systems)
    serials = [battery.serial for system in systems for battery in batteries(system)]
    assert len(set(serials)) == len(serials)


@examples(20)
@given(system=st.sampled_from(WITH), start=MOMENTS, days=st.integers(1, 4))
def test_batteries_keep_their_bounds(system: System, start: int, days: int) -> None:
    """Power, capacity and reserve are kept; nothing goes in and out at a time."""
    for battery in batteries(system):
        rows = FLEET.storage.device_rows(system.system_id, battery.serial, start, start + days * DAY)
        reserve, power = system.storage.reserve_soc, battery.power_w * QUARTER / 3600
        assert all(reserve - 1 <= row["soc"]["percent"] <= 100 for row in rows)
        assert all(0 in energies(row) and max(energies(row)) <= power for row in rows)


@examples(20)
@given(system=st.sampled_from(WITH), start=MOMENTS)
def test_the_state_of_charge_follows_the_energy(system: System, start: int) -> None:
    """Charge raises it, less the losses, discharge lowers it: also from day to day."""
    for battery in batteries(system):
        rows = FLEET.storage.device_rows(system.system_id, battery.serial, start, start + 3 * DAY)
        for before, row in pairwise(rows):
            if row["end_at"] - before["end_at"] == QUARTER:
                put, taken = energies(row)
                change = 100 * (0.9 * put - taken) / battery.capacity_wh
                assert row["soc"]["percent"] - before["soc"]["percent"] == pytest.approx(change, abs=1.1)


@examples(20)
@given(system=st.sampled_from(WITH), day=st.integers(1, 350))
def test_what_a_cycle_takes_in_it_gives_back(system: System, day: int) -> None:
    """From five in the morning to the next: nine tenths come back, but for the last watt-hour."""
    start = day_start(day_number(NOW, system.longitude) - day, system.longitude) + 5 * 3600
    for index, battery in enumerate(batteries(system)):
        flows = FLEET.storage.day(system, day_number(start, system.longitude)).flows[index]
        after = FLEET.storage.day(system, day_number(start + DAY, system.longitude)).flows[index]
        put = sum(flows.charge[20:]) + sum(after.charge[:20])
        taken = sum(flows.discharge[20:]) + sum(after.discharge[:20])
        assert taken == int(0.9 * put + 1e-6) or taken == int(0.9 * put + 1e-6) - 1, battery
    assert flows.stored[19] < 10


@examples(20)
@given(system=st.sampled_from(WITH), start=MOMENTS)
def test_the_system_is_the_sum_of_its_batteries(system: System, start: int) -> None:
    """Row by row, and the devices are counted."""
    window = (start, start + DAY)
    each = [
        {row["end_at"]: row for row in FLEET.storage.device_rows(system.system_id, b.serial, *window)}
        for b in batteries(system)
    ]
    rows: list[Any] = FLEET.storage.rows(system.system_id, *window)
    assert {row["end_at"] for row in rows} == {at for device in each for at in device}
    for row in rows:
        known = [device[row["end_at"]] for device in each if row["end_at"] in device]
        assert energies(row) == tuple(map(sum, zip(*map(energies, known), strict=True)))
        assert {row[name]["devices_reporting"] for name in ("charge", "discharge", "soc")} == {len(known)}
        percents = [device["soc"]["percent"] for device in known]
        assert min(percents) - 1 <= row["soc"]["percent"] <= max(percents) + 1


@examples(20)
@given(cuts=st.lists(MOMENTS, min_size=1, max_size=4), system=st.sampled_from(WITH))
def test_any_way_to_cut_time_gives_the_same_rows(cuts: list[int], system: System) -> None:
    """In another emulator too, where nothing else was asked before."""
    fresh = Emulator(seed=SEED, clock=FakeClock(NOW), systems=len(SYSTEM_KINDS)).truth
    for start in cuts:
        middle, end = start + DAY // 3 + 1, start + DAY
        late, early = (fresh.storage.rows(system.system_id, *h) for h in ((middle, end), (start, middle)))
        assert early + late == FLEET.storage.rows(system.system_id, start, end)


@pytest.mark.slow
@pytest.mark.parametrize("system", WITH, ids=lambda system: system.timezone)
def test_days_and_readings_are_sums_of_rows(system: System) -> None:
    """Over the changes of the clock as well; the meter counts from the start of service."""
    for first, last in ((date(2025, 3, 6), date(2025, 4, 8)), (date(2024, 10, 24), date(2024, 11, 5))):
        days = FLEET.storage.days(system.system_id, first, last)
        for index in range((last - first).days + 1):
            window = [local_midnight(first, system.timezone, index + n) for n in (0, 1)]
            rows = FLEET.storage.rows(system.system_id, *window)
            assert (days["charge"][index], days["discharge"][index]) == tuple(
                map(sum, zip(*map(energies, rows), strict=True))
            )
    begin = NOW - 30 * DAY
    (before,), (after,) = (RECENT.storage.readings(system.system_id, at) for at in (begin, NOW))
    rows = RECENT.storage.rows(system.system_id, before["read_at"], after["read_at"])
    assert after["value_charged"] - before["value_charged"] == sum(energies(row)[0] for row in rows)
    assert after["value_discharged"] - before["value_discharged"] == sum(energies(row)[1] for row in rows)


def test_nothing_is_known_before_it_is_reported(clock: FakeClock) -> None:
    """The late battery's row comes later, and the system's row grows with it."""
    truth = make(clock).truth
    clock.advance(int(truth.horizon()) // QUARTER * QUARTER + QUARTER - truth.horizon())  # a row is due
    at = int(truth.horizon())
    (row,) = truth.storage.rows(7, at - QUARTER, at + DAY)
    assert row["end_at"] == at
    assert row["soc"]["devices_reporting"] == 1
    assert truth.storage.device_rows(7, "B1", at - QUARTER, at) == []
    assert truth.storage.last_device_row(7, "B1")["end_at"] == at - QUARTER
    clock.advance(600)
    (grown,) = truth.storage.rows(7, at - QUARTER, at + DAY)
    assert grown["soc"]["devices_reporting"] == 2
    assert truth.storage.last_row(7) == at


def test_nothing_is_known_from_before_the_start_of_service(clock: FakeClock) -> None:
    """The first interval ends after it, in the readings as well."""
    start = int(clock.now()) - 2 * DAY + 123
    truth = make(clock, operational_at=start).truth
    assert truth.storage.first_row(7) == -(-start // QUARTER) * QUARTER
    (reading,) = truth.storage.readings(7, clock.now())
    assert reading["value_charged"] == sum(energies(row)[0] for row in truth.storage.rows(7, 0, clock.now()))
    assert truth.storage.readings(7, start) == []


def test_storms_of_outages_leave_gaps_and_meters_that_did_not_count(clock: FakeClock) -> None:
    """A lost row is nowhere; the battery went on."""
    truth = make(clock, outages=1.0).truth
    rows = truth.storage.rows(7, clock.now() - 30 * DAY, clock.now())
    assert 0 < len(rows) < 30 * 96 * 0.9


def test_a_big_reserve_leaves_little_to_give(clock: FakeClock) -> None:
    """And a system without batteries has no rows, days of zeros and no reading."""
    full = make(clock, storage=StorageSettings(reserve_soc=100)).truth.storage.days(
        7, date(2025, 6, 1), date(2025, 6, 5)
    )
    half = make(clock, storage=StorageSettings(reserve_soc=50)).truth.storage.days(
        7, date(2025, 6, 1), date(2025, 6, 5)
    )
    assert sum(full["charge"]) == 0 < sum(half["charge"]) <= 5 * 3360 / 0.9 + 5
    truth = make(clock, batteries=()).truth
    assert truth.storage.rows(7, NOW - DAY, NOW) == truth.storage.readings(7, NOW) == []
    assert truth.storage.days(7, date(2025, 6, 1), date(2025, 6, 2)) == {
        "charge": [0, 0],
        "discharge": [0, 0],
    }
    with pytest.raises(KeyError):
        truth.storage.device_rows(7, "B0", 0, NOW)
