"""Cached days and sums: the same values in every order, and for every emulator of a process."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from attrs import evolve

from enlighten_async.emulator import Emulator
from enlighten_async.emulator.simulation import day_cache, production
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS
from enlighten_async.testing import FakeClock
from tests.emulator.fleets import recent_fleet

NOW = 1_750_014_000
FLEET = recent_fleet(len(SYSTEM_KINDS), NOW)


@pytest.mark.slow
def test_the_truth_does_not_depend_on_what_was_asked_before() -> None:
    """The same seed tells the same, in whichever order."""
    one, two = (Emulator(clock=FakeClock(NOW), fleet=FLEET).truth for _ in range(2))
    for system in two.systems():
        two.lifetime_days(system.system_id, date(2024, 1, 1), date(2025, 6, 14))
    shown = {system.system_id: last_day_of(two, system.system_id) for system in two.systems()}
    forget()
    for system in reversed(one.systems()):
        assert last_day_of(one, system.system_id) == shown[system.system_id]


def test_emulators_share_what_they_add_up() -> None:
    """Of the same seed and system; to whom it is not over yet, a day is not told of."""
    begun, yesterday = date(2025, 5, 1), date(2025, 6, 14)
    fleet = [evolve(system, operational_at=NOW - 40 * 86_400) for system in FLEET]
    late, early = (Emulator(clock=FakeClock(at), fleet=fleet).truth for at in (NOW, NOW - 86_400 * 9.4))
    other = Emulator(clock=FakeClock(NOW), fleet=fleet, seed=1).truth
    for number in (system.system_id for system in fleet):
        alone = []
        for truth in (early, late, other, early):
            forget()
            alone.append((last_day_of(truth, number), truth.lifetime_days(number, begun, yesterday)))
        forget()
        together = [
            (last_day_of(truth, number), truth.lifetime_days(number, begun, yesterday))
            for truth in (early, late, other, early)
        ]
        assert together == alone
        assert alone[0] != alone[1] != alone[2]


def forget() -> None:
    """Let everything be made again."""
    day_cache.clear_sums()
    production.array_energy.cache_clear()


def last_day_of(truth: Any, number: int) -> list[Any]:
    """Return a system's last day, and the counts of its devices."""
    window = (number, NOW - 86_400, NOW)
    days = truth.stats(*window), truth.consumption_stats(*window)
    return [*days, truth.meter_readings(number, NOW), truth.inverters(number)]
