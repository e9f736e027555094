"""The ground truth: readings of meters, and the production before and after their first full day."""

from __future__ import annotations

from typing import Any

import pytest

from enlighten_async.emulator import Emulator, Meter, Quota, System
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS
from enlighten_async.testing import FakeClock
from tests.effort import SEED

DAY = 86_400
NOW = 1_750_014_000  # noon in California, 2025-06-15
FLEET = Emulator(seed=SEED, clock=FakeClock(NOW), systems=len(SYSTEM_KINDS)).truth
PLAIN = System(system_id=7)


@pytest.mark.parametrize("number", range(len(SYSTEM_KINDS)))
def test_the_odometer_of_consumption_counts_rows(number: int) -> None:
    """Of meters that are switched on; it was read when the last row ended."""
    system = FLEET.systems()[number]
    readings = FLEET.consumption_readings(system.system_id, NOW)
    if system.consumption in {"none", "disabled"}:
        assert readings == []
        return
    (reading,) = readings
    (before,) = FLEET.consumption_readings(system.system_id, NOW - 40 * DAY)
    rows = FLEET.consumption_stats(system.system_id, before["read_at"], NOW)
    assert reading["read_at"] == rows[-1]["end_at"] == FLEET.last_consumption(system.system_id)
    assert reading["value"] - before["value"] == sum(row["enwh"] for row in rows)
    first = FLEET.consumption_stats(system.system_id, 0, system.operational_at + DAY)
    (early,) = FLEET.consumption_readings(system.system_id, system.operational_at + DAY)
    assert early["value"] == sum(row["enwh"] for row in first)
    assert FLEET.consumption_readings(system.system_id, system.operational_at) == []
    if system.meters:
        assert reading["serial_number"] == f"{system.meters[0].envoy_serial}EIM{len(system.meters) + 1}"


def make(clock: FakeClock, *fleet: System, **options: Any) -> Emulator:
    """Return an emulator without limits, of one plain system by default."""
    return Emulator(clock=clock, quota=Quota.UNLIMITED, fleet=fleet or [PLAIN], **options)


def test_meters_count_from_their_first_full_day() -> None:
    """Before it the inverters do; a system metered from the start is metered from its first day."""
    installed = NOW - 40 * DAY
    meters = (Meter(serial="m", envoy_serial="e"),)
    began = NOW - 90 * DAY
    late = System(system_id=7, operational_at=began, meters=meters, metered_at=installed)
    truth = make(FakeClock(NOW), late, System(system_id=8, meters=meters)).truth
    switch = truth.meter_start(7)
    assert switch == installed + 12 * 3600
    assert truth.first_interval(7) == installed + 900
    inverters = sum(row["enwh"] for row in truth.stats(7, 0, switch))
    metered = sum(row["wh_del"] for row in truth.rgm_stats(7, switch, NOW))
    assert truth.lifetime(7, NOW) == inverters + metered == truth.produced(7, 0, NOW)
    assert truth.lifetime(7, installed) == truth.micro_energy(7, 0, installed)
    assert truth.produced(7, switch - DAY, switch + DAY) == (
        truth.micro_energy(7, switch - DAY, switch) + truth.energy(7, switch, switch + DAY)
    )
    assert truth.lifetime(8, NOW) == truth.energy(8, 0, NOW)
    assert str(truth.meter_start_date(8)) == "2020-09-13"
