"""The grid: imports and exports balance production, batteries and consumption."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.emulator import Emulator, System
from enlighten_async.emulator.local_time import local_midnight
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS
from enlighten_async.emulator.simulation.system import Battery, Meter
from enlighten_async.testing import FakeClock
from tests.effort import SEED, examples

DAY, QUARTER = 86_400, 900
NOW = 1_750_014_000  # noon in California, 2025-06-15
FLEET = Emulator(seed=SEED, clock=FakeClock(NOW), systems=len(SYSTEM_KINDS)).truth
METERED = [s for s in FLEET.systems() if s.consumption in {"metered", "refused"}]
LATER = System(
    system_id=9,
    consumption="metered",
    meters=(Meter(serial="M", envoy_serial="E"),),
    operational_at=NOW - 20 * DAY + 77,
    metered_at=NOW - 10 * DAY + 99,
    batteries=(Battery(serial="B"),),
)
CHANGED = Emulator(clock=FakeClock(NOW), fleet=[LATER]).truth


def check_balance(truth: Any, system: System, start: int, end: int) -> list[dict[str, int]]:
    """Hold every row against what else is known of its interval, and return the rows."""
    rows: list[dict[str, int]] = truth.grid.rows(system.system_id, start, end)
    for row in rows:
        at = row["end_at"]
        window = (system.system_id, at - QUARTER, at)
        (used,) = truth.consumption_stats(*window)
        stored = truth.storage.rows(*window)
        charged = sum(r["charge"]["enwh"] - r["discharge"]["enwh"] for r in stored)
        balance = used["enwh"] + charged - truth.produced(*window)
        assert row["wh_imported"] - row["wh_exported"] == balance
        assert min(row["wh_imported"], row["wh_exported"]) == 0
        assert start < at <= end
    return rows


@examples(30)
@given(system=st.sampled_from(METERED), start=st.integers(NOW - 400 * DAY, NOW))
def test_energy_is_conserved(system: System, start: int) -> None:
    """Bought less sold is used and stored less produced, in every interval."""
    rows = check_balance(FLEET, system, start, start + DAY)
    assert len(rows) > 48 or start > NOW - DAY or any(meter.outages for meter in system.meters)


def test_energy_is_conserved_where_meters_came_later() -> None:
    """Production counts by the inverters first, by the meters then."""
    rows = check_balance(CHANGED, LATER, 0, NOW)
    assert len(rows) > 19 * 96
    assert rows[0]["end_at"] == -(-LATER.operational_at // QUARTER) * QUARTER + QUARTER


def test_houses_export_at_noon_and_import_when_the_battery_is_empty() -> None:
    """Both happen in a summer month."""
    rows = FLEET.grid.rows(METERED[0].system_id, NOW - 30 * DAY, NOW)
    assert sum(row["wh_exported"] for row in rows) > 10_000
    assert sum(row["wh_imported"] for row in rows) > 100


@pytest.mark.parametrize("system", METERED, ids=lambda system: system.timezone)
def test_days_are_sums_of_rows(system: System) -> None:
    """Over the changes of the clock as well."""
    for first, last in ((date(2025, 3, 6), date(2025, 4, 8)), (date(2024, 10, 24), date(2024, 11, 5))):
        days = FLEET.grid.days(system.system_id, first, last)
        for index in range((last - first).days + 1):
            window = [local_midnight(first, system.timezone, index + n) for n in (0, 1)]
            rows = FLEET.grid.rows(system.system_id, *window)
            assert days["import"][index] == sum(row["wh_imported"] for row in rows)
            assert days["export"][index] == sum(row["wh_exported"] for row in rows)


def test_a_row_comes_when_the_last_device_has_reported(clock: FakeClock) -> None:
    """So that no row ever changes."""
    meters = (Meter(serial="M", envoy_serial="E", late=1800),)
    system = System(
        system_id=7, consumption="metered", meters=meters, batteries=(Battery(serial="B", late=60),)
    )
    truth = Emulator(clock=clock, fleet=[system]).truth
    last = truth.grid.last_row(7)
    assert last == int(truth.horizon() - 1800) // QUARTER * QUARTER
    assert truth.grid.rows(7, last, clock.now()) == []
    before = truth.grid.rows(7, last - DAY, last)
    clock.advance(DAY)
    assert truth.grid.rows(7, last - DAY, last) == before


@pytest.mark.parametrize("consumption", ["none", "disabled"])
def test_without_a_meter_of_consumption_nothing_is_known(clock: FakeClock, consumption: Any) -> None:
    """There are no rows, and days of zeros."""
    truth = Emulator(clock=clock, fleet=[System(system_id=7, consumption=consumption)]).truth
    assert truth.grid.rows(7, NOW - DAY, NOW) == []
    assert truth.grid.first_row(7) is truth.grid.last_row(7) is None
    assert truth.grid.days(7, date(2025, 6, 1), date(2025, 6, 2)) == {"import": [0, 0], "export": [0, 0]}


def test_what_a_meter_never_reported_is_not_balanced(clock: FakeClock) -> None:
    """An interval in which one of two meters is silent has no row."""
    meters = (Meter(serial="M", envoy_serial="E"), Meter(serial="N", envoy_serial="E", outages=1.0))
    system = System(system_id=7, consumption="metered", meters=meters)
    truth = Emulator(clock=clock, fleet=[system]).truth
    window = (7, NOW - 10 * DAY, NOW - DAY)
    whole = [row["end_at"] for row in truth.rgm_stats(*window) if row["devices_reporting"] == 2]
    assert [row["end_at"] for row in truth.grid.rows(*window)] == whole
    assert len(whole) < 9 * 96
