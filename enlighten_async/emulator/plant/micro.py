"""What the microinverters of a system report every five minutes.

A row exists while the sun is up and the system is not in an outage: nights are never filled with zeros.
"""

from __future__ import annotations

from array import array
from functools import partial
from itertools import compress
from random import Random
from typing import TYPE_CHECKING

from attrs import frozen

from enlighten_async.emulator.plant.daybook import DayBook, Sums, slots_between
from enlighten_async.emulator.plant.readings import energy_made, slots_lost
from enlighten_async.emulator.plant.sun import DAY, GRID, day_start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enlighten_async.emulator.plant.system import System

STEP = 300
"""Seconds of one interval."""

PARTS = GRID // STEP
DAWN = (
    0.2,
    0.6,
    0.9,
)  # shares of the inverters that are awake in the parts of a day's first quarter of an hour
STEADY = 0.98, 1.02  # how far the power may be from gliding


@frozen(eq=False)
class MicroDay:
    """One solar day: mean power (W) and reporting devices of each slot; no devices means no row."""

    start: int
    watts: array[int]
    devices: array[int]


def enwh(watts: int) -> int:
    """Return the energy (Wh) of an interval the way the service rounds it: half up."""
    return (watts + 6) // 12


class Inverters:
    """The inverters' rows of all systems."""

    def __init__(self, seed: int) -> None:
        self._book = DayBook(partial(_make_day, seed))
        self._sums = Sums("micro", seed, self._book.day, _reported)

    def day(self, system: System, number: int) -> MicroDay:
        """Return the solar day of this number."""
        return self._book.day(system, number)

    def rows(
        self, system: System, start: float, end: float, horizon: float
    ) -> Iterator[tuple[int, int, int]]:
        """Give end, mean power (W) and reporting devices of rows with `start < end_at <= end`.

        Of an interval that ended shortly before the horizon (epoch seconds) only some inverters have
        reported: the row's values rise as the others follow.
        """
        low, high = max(start, system.operational_at), min(end, horizon)
        for number, begin, first, last in slots_between(system, low, high, STEP):
            day = self._book.day(system, number)
            for slot in range(first, last):
                devices, at = day.devices[slot], begin + (slot + 1) * STEP
                if not devices:
                    continue
                watts = day.watts[slot]
                if horizon - at < system.micro_late:
                    share = 0.4 + 0.6 * (horizon - at) / system.micro_late
                    known = max(1, int(devices * share))
                    watts, devices = watts * known // devices, known
                yield at, watts, devices

    def energy(self, system: System, start: float, end: float, horizon: float) -> int:
        """Return the sum (Wh) of the rows of a window."""
        if start <= system.operational_at:
            return self.lifetime(system, end, horizon)
        return sum(enwh(watts) for _, watts, _ in self.rows(system, start, end, horizon))

    def lifetime(self, system: System, end: float, horizon: float) -> int:
        """Return the energy (Wh) of all rows up to an instant (epoch seconds)."""
        settled = min(end, horizon - system.micro_late)
        begin, known = self._sums.settled(system, settled)
        rows = self.rows(system, begin, end, horizon)
        return known + sum(enwh(watts) for _, watts, _ in rows)


def _make_day(seed: int, system: System, number: int) -> MicroDay:
    made = energy_made(seed, system, number) if system.modules else ()
    lost = slots_lost(seed, system, number)
    uniform = Random(f"{seed}/{system.system_id}/{number}/micro").uniform
    watts, devices = array("l", [0]) * (DAY // STEP), array("l", [0]) * (DAY // STEP)
    awake = array("l", [max(1, round(system.modules * share)) for share in DAWN])
    for slot in compress(range(len(made)), made):
        # the power glides from one quarter of an hour to the next
        twice, parts = 2 * made[slot], (made[slot - 1], made[slot], made[(slot + 1) % len(made)])
        here = slice(slot * PARTS, (slot + 1) * PARTS)
        watts[here] = array("l", [round((twice + p) / 3 * 3600 / GRID * uniform(*STEADY)) for p in parts])
        if slot not in lost:
            devices[here] = awake
        awake = array("l", [system.modules]) * PARTS
    return MicroDay(day_start(number, system.longitude), watts, devices)


def _reported(day: MicroDay, system: System) -> int:
    """Return the energy (Wh) of the slots that have a row and lie in the time of service."""
    first = max(0, (system.operational_at - day.start) // STEP)
    return sum(map(enwh, compress(day.watts[first:], day.devices[first:])))
