"""What single inverters report, and the odometer of consumption: parts that make the whole."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.emulator import Emulator, System
from enlighten_async.emulator.simulation.devices import INVERTERS_REPLACED_AFTER_S, inverters
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS
from enlighten_async.testing import FakeClock
from tests.effort import SEED, examples

DAY = 86_400
NOW = 1_750_014_000  # noon in California, 2025-06-15
FLEET = Emulator(seed=SEED, clock=FakeClock(NOW), systems=len(SYSTEM_KINDS)).truth


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
