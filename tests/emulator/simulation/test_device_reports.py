"""Reports of single devices: they sum up to the system, and the last one of each device."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.emulator import Emulator, System
from enlighten_async.emulator.simulation.devices import INVERTERS_REPLACED_AFTER_S, inverters
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS
from enlighten_async.emulator.simulation.system import (
    Battery,
    EvCharger,
    HeatPump,
    Meter,
)
from enlighten_async.testing import FakeClock
from tests.effort import SEED, examples

DAY, QUARTER = 86_400, 900
NOW = 1_750_014_000  # noon in California, 2025-06-15
FLEET = Emulator(seed=SEED, clock=FakeClock(NOW), systems=len(SYSTEM_KINDS)).truth


def make(clock: FakeClock, lag: float = 600.0, **system: Any) -> Any:
    """Return the truth of one system with everything."""
    defaults = {
        "system_id": 7,
        "consumption": "metered",
        "meters": (Meter(serial="M", envoy_serial="E", phases=2, listed=3),),
        "batteries": (Battery(serial="B"), Battery(serial="L", late=3600)),
        "ev_chargers": (EvCharger(serial="C", name="A box"),),
        "heat_pump": HeatPump(name="A pump"),
    }
    return Emulator(clock=clock, report_lag=lag, fleet=[System(**defaults | system)]).truth


def test_powers_are_those_of_the_last_rows(clock: FakeClock) -> None:
    """Through a day: each channel, each battery, and what it does."""
    truth, seen = make(clock), set()
    for _ in range(12):
        clock.advance(7200)
        found, now = truth.latest(7), clock.now()
        production, consumption = found["meters"][:3], found["meters"][3:]
        last = truth.last_interval(7)
        (meter,) = truth.meter_intervals(7, last - QUARTER, last)
        assert [row["power"] for row in production] == [row["curr_w"] for row in meter["intervals"]]
        assert [row["last_report_at"] for row in production] == [last, last, None]
        used = truth.consumption_stats(7, now - 3600, now)[-1]
        assert consumption[0]["power"] == used["enwh"] * 4
        assert [row["last_report_at"] for row in consumption] == [used["end_at"], None, None]
        assert [row["channel"] for row in found["meters"]] == [1, 2, 3] * 2
        for row, serial in zip(found["encharges"], "BL", strict=True):
            read = truth.storage.device_rows(7, serial, now - 7200, now)[-1]
            assert row["last_report_at"] == read["end_at"]
            assert row["power"] == 4 * (read["discharge"]["enwh"] - read["charge"]["enwh"])
            sign = (row["power"] > 0) - (row["power"] < 0)
            assert row["operational_mode"] == ("Idle", "Discharging", "Charging")[sign]
            seen.add(row["operational_mode"])
        assert found["heat-pump"][0]["operational_mode"] == truth.heat_pumps.mode(7)
        assert found["evse"][0] == {
            "serial_number": "C",
            "name": "A box",
            "last_report_at": last,
            "operational_mode": truth.chargers.mode(7, "C"),
        }
    assert seen == {"Idle", "Discharging", "Charging"}


def test_after_a_week_without_reports_nothing_is_shown(clock: FakeClock) -> None:
    """The devices are still listed."""
    shown = make(clock, lag=7 * DAY - 3 * QUARTER).latest(7)
    gone = make(clock, lag=7 * DAY).latest(7)
    assert list(gone) == list(shown) == ["meters", "encharges", "heat-pump", "evse"]
    for kind, rows in gone.items():
        assert len(rows) == len(shown[kind])
        assert any(row["last_report_at"] is not None for row in shown[kind])
        for row in rows:
            values = [row[name] for name in ("last_report_at", "power", "operational_mode") if name in row]
            assert values == [None] * len(values)


def test_types_a_system_does_not_have_are_absent(clock: FakeClock) -> None:
    """A meter that is switched off is listed and tells nothing; ids do not repeat."""
    bare = {"batteries": (), "ev_chargers": (), "heat_pump": None, "meters": ()}
    assert make(clock, consumption="none", **bare).latest(7) == {}
    off = make(clock, consumption="disabled", **bare).latest(7)
    assert [row["power"] for row in off["meters"]] == [None] * 3
    ids = [
        (row["id"], row["channel"])
        for system in FLEET.systems()
        for kind in ("meters", "encharges")
        for row in FLEET.latest(system.system_id).get(kind, [])
    ]
    assert len(set(ids)) == len(ids)


def check_sums(truth: Any, system: System, start: float, end: float) -> None:
    """Hold the sum of all inverters' rows of a window against the system's."""
    sums: dict[str, Counter[int]] = {name: Counter() for name in ("powr", "enwh", "devices")}
    for inverter in inverters(system):
        for row in truth.micro_rows(system.system_id, inverter.serial, start, end):
            assert abs(row["enwh"] - row["powr"] / 12) < 2
            sums["devices"][row["end_at"]] += 1
            for name in ("powr", "enwh"):
                sums[name][row["end_at"]] += row[name]
    for row in truth.stats(system.system_id, start, end):
        at = row["end_at"]
        assert sums["devices"].pop(at) == row["devices_reporting"]
        assert (sums["powr"][at], sums["enwh"][at]) == (row["powr"], row["enwh"])
    assert not sums["devices"]


@examples(20)
@given(system=st.sampled_from(FLEET.systems()), start=st.integers(NOW - 400 * DAY, NOW))
def test_inverters_add_up_to_the_system(system: System, start: int) -> None:
    """Watts and watt-hours, row by row: none is lost, and the devices are counted."""
    check_sums(FLEET, system, start, start + DAY)


def test_so_they_do_while_some_have_not_reported(clock: FakeClock) -> None:
    """In the newest rows."""
    system = System(system_id=7)
    truth = Emulator(clock=clock, fleet=[system]).truth
    newest = truth.stats(7, clock.now() - 3600, clock.now())[-1]
    assert newest["devices_reporting"] < system.modules
    check_sums(truth, system, clock.now() - 3600, clock.now())


def test_a_replacement_takes_over(clock: FakeClock) -> None:
    """The old inverter reports until it was replaced, the new one since; the sums hold through it."""
    start = NOW - 300 * DAY
    system = System(system_id=7, operational_at=start, retired_inverters=1)
    truth = Emulator(clock=clock, fleet=[system]).truth
    at = start + INVERTERS_REPLACED_AFTER_S
    (new, *_), old = inverters(system), inverters(system)[-1]
    assert new.place == old.place
    assert old.retired_at == at
    assert max(row["end_at"] for row in truth.micro_rows(7, old.serial, at - DAY, at + DAY)) <= at
    assert min(row["end_at"] for row in truth.micro_rows(7, new.serial, at - DAY, at + DAY)) > at
    check_sums(truth, system, at - DAY, at + DAY)
    with pytest.raises(KeyError):
        truth.micro_rows(7, "nobody", 0, NOW)
