"""Consumption meters: the energy a house uses in every quarter of an hour, day and night."""

from __future__ import annotations

import math
from array import array
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from attrs import frozen

from enlighten_async.emulator.simulation.day_cache import DayCache, RunningSums, day_slots
from enlighten_async.emulator.simulation.production import outage_slots
from enlighten_async.emulator.simulation.sun import METER_INTERVAL_S, SLOTS_PER_DAY, day_start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enlighten_async.emulator.simulation.system import System

CONSUMPTION_PEAKS = (
    (7.5, 1.2, 0.8),
    (19.0, 2.0, 1.6),
)  # solar hour, hours it lasts, factor of the base load


@frozen(eq=False)
class ConsumptionDay:
    """One solar day: the energy (Wh) of each slot, and the slots that were never reported."""

    start: int
    wh: array[int]
    missing: frozenset[int]


class ConsumptionMeters:
    """The consumption of all systems."""

    def __init__(self, seed: int) -> None:
        self._days = DayCache(partial(_make_day, seed))
        self._sums = RunningSums("consumption", seed, self._days.day, _day_total)

    def day(self, system: System, number: int) -> ConsumptionDay:
        """Return the solar day of this number."""
        return self._days.day(system, number)

    def lifetime(self, system: System, end: float, horizon: float) -> int:
        """Return the energy (Wh) of all rows up to an instant (epoch seconds)."""
        begin, known = self._sums.before_day_of(system, min(end, horizon))
        return known + sum(wh for _, wh in self.rows(system, begin, end, horizon))

    def rows(self, system: System, start: float, end: float, horizon: float) -> Iterator[tuple[int, int]]:
        """Yield end and energy (Wh) of the rows with `start < end_at <= end`; nights too.

        Of a system without a consumption meter that is switched on there are none.
        """
        if system.consumption in {"none", "disabled"}:
            return
        low, high = max(start, system.operational_at), min(end, horizon)
        for number, begin, first, last in day_slots(system, low, high, METER_INTERVAL_S):
            day = self._days.day(system, number)
            for slot in range(first, last):
                if slot not in day.missing:
                    yield begin + (slot + 1) * METER_INTERVAL_S, day.wh[slot]


def _make_day(seed: int, system: System, number: int) -> ConsumptionDay:
    random = Random(f"{seed}/{system.system_id}/{number}/load")
    base = system.size_w * 0.06 * random.uniform(0.8, 1.2) * METER_INTERVAL_S / 3600
    peaks = [(hour + random.gauss(0, 0.4), width, height) for hour, width, height in CONSUMPTION_PEAKS]
    wh = array("l")
    for slot in range(SLOTS_PER_DAY):
        hour = (slot + 0.5) * 24 / SLOTS_PER_DAY
        share = 1 + sum(high * math.exp(-(((hour - at) / width) ** 2)) for at, width, high in peaks)
        wh.append(round(base * share * random.uniform(0.8, 1.25)))
    return ConsumptionDay(day_start(number, system.longitude), wh, outage_slots(seed, system, number))


def _day_total(day: ConsumptionDay, system: System) -> int:
    """Return the energy (Wh) of the slots that have a row and lie in the time of service."""
    first = max(0, (system.operational_at - day.start) // METER_INTERVAL_S)
    return sum(day.wh[slot] for slot in range(first, SLOTS_PER_DAY) if slot not in day.missing)
