"""What the consumption meter of a house reads: a day and a night of made-up quarters of an hour."""

from __future__ import annotations

import math
from array import array
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from attrs import frozen

from enlighten_async.emulator.plant.daybook import DayBook, Sums, slots_between
from enlighten_async.emulator.plant.readings import slots_lost
from enlighten_async.emulator.plant.sun import GRID, SLOTS, day_start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enlighten_async.emulator.plant.system import System

PEAKS = ((7.5, 1.2, 0.8), (19.0, 2.0, 1.6))  # solar hour, hours it lasts, how many times the base load


@frozen(eq=False)
class LoadDay:
    """One solar day: the energy (Wh) of each slot, and the slots that were never reported."""

    start: int
    wh: array[int]
    missing: frozenset[int]


class Loads:
    """The consumption of all systems."""

    def __init__(self, seed: int) -> None:
        self._book = DayBook(partial(_make_day, seed))
        self._sums = Sums("load", seed, self._book.day, _reported)

    def day(self, system: System, number: int) -> LoadDay:
        """Return the solar day of this number."""
        return self._book.day(system, number)

    def lifetime(self, system: System, end: float, horizon: float) -> int:
        """Return the energy (Wh) of all rows up to an instant (epoch seconds)."""
        begin, known = self._sums.settled(system, min(end, horizon))
        return known + sum(wh for _, wh in self.rows(system, begin, end, horizon))

    def rows(self, system: System, start: float, end: float, horizon: float) -> Iterator[tuple[int, int]]:
        """Give end and energy (Wh) of what was reported with `start < end_at <= end`; nights too.

        Of a system without a consumption meter that is switched on there are none.
        """
        if system.consumption in {"none", "disabled"}:
            return
        low, high = max(start, system.operational_at), min(end, horizon)
        for number, begin, first, last in slots_between(system, low, high, GRID):
            day = self._book.day(system, number)
            for slot in range(first, last):
                if slot not in day.missing:
                    yield begin + (slot + 1) * GRID, day.wh[slot]


def _make_day(seed: int, system: System, number: int) -> LoadDay:
    random = Random(f"{seed}/{system.system_id}/{number}/load")
    base = system.size_w * 0.06 * random.uniform(0.8, 1.2) * GRID / 3600
    peaks = [(hour + random.gauss(0, 0.4), width, height) for hour, width, height in PEAKS]
    wh = array("l")
    for slot in range(SLOTS):
        hour = (slot + 0.5) * 24 / SLOTS
        share = 1 + sum(high * math.exp(-(((hour - at) / width) ** 2)) for at, width, high in peaks)
        wh.append(round(base * share * random.uniform(0.8, 1.25)))
    return LoadDay(day_start(number, system.longitude), wh, slots_lost(seed, system, number))


def _reported(day: LoadDay, system: System) -> int:
    """Return the energy (Wh) of the slots that have a row and lie in the time of service."""
    first = max(0, (system.operational_at - day.start) // GRID)
    return sum(day.wh[slot] for slot in range(first, SLOTS) if slot not in day.missing)
