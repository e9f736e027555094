"""What heat pumps draw: much in winter, hot water all year, and now and then less than nothing."""

from __future__ import annotations

import math
from array import array
from datetime import date
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from enlighten_async.emulator.plant.daily import day_sums
from enlighten_async.emulator.plant.daybook import DayBook, slots_between
from enlighten_async.emulator.plant.micro import STEP
from enlighten_async.emulator.plant.sun import DAY, EPOCH_ORDINAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enlighten_async.emulator.plant.system import HeatPump, System
    from enlighten_async.emulator.plant.truth import Truth

PER_HOUR = 3600 // STEP
HOT_WATER = (5, 17)  # solar hours


class Heating:
    """The heat pumps of all systems; KeyError where a system has none."""

    def __init__(self, truth: Truth, seed: int) -> None:
        self._truth = truth
        self._book = DayBook(partial(_make_day, seed))

    def rows(self, system_id: int, start: float, end: float) -> list[dict[str, int]]:
        """Return the rows with `start < end_at <= end` (epoch seconds) in the pump's own intervals."""
        system, pump = self.heat_pump(system_id)
        return [{"end_at": at, "wh_consumed": wh} for at, wh in self._energies(system, pump, start, end)]

    def days(self, system_id: int, first: date, last: date) -> list[int]:
        """Return the energy (Wh) of each local day."""
        system, pump = self.heat_pump(system_id)
        return day_sums(system, first, last, partial(self._energies, system, pump))

    def mode(self, system_id: int) -> str:
        """Return what the pump was doing when it reported last: MODE_1 rests, MODE_2 runs."""
        horizon = self._truth.horizon()
        rows = self.rows(system_id, horizon - 2 * DAY, horizon)
        return "MODE_2" if rows and rows[-1]["wh_consumed"] > 0 else "MODE_1"

    def heat_pump(self, system_id: int) -> tuple[System, HeatPump]:
        """Return a system and its heat pump."""
        system = self._truth.system(system_id)
        if system.heat_pump is None:
            raise KeyError(system_id)
        return system, system.heat_pump

    def _energies(
        self, system: System, pump: HeatPump, start: float, end: float
    ) -> Iterator[tuple[int, int]]:
        low, high = max(start, system.operational_at), min(end, self._truth.horizon())
        parts = pump.step // STEP
        for number, begin, first, last in slots_between(system, low, high, pump.step):
            wh = self._book.day(system, number)
            for slot in range(first, last):
                yield begin + (slot + 1) * pump.step, sum(wh[slot * parts : (slot + 1) * parts])


def _make_day(seed: int, system: System, number: int) -> array[int]:
    """Return the energy (Wh) of every five minutes of a solar day."""
    pump, wh = system.heat_pump, array("l")
    if pump is None:
        return wh
    random = Random(f"{seed}/{system.system_id}/{number}/heat")
    cold = coldness(system.latitude, number) * random.uniform(0.8, 1.2)
    for hour in range(24):
        runs = PER_HOUR * (1.0 if hour in HOT_WATER else min(1.0, cold * random.uniform(0.6, 1.4)))
        for part in range(PER_HOUR):
            watts = pump.power_w * random.uniform(0.9, 1.1) if part < int(runs) else pump.standby_w
            wh.append(math.floor(watts * STEP / 3600 + random.random()))
    return wh


def coldness(latitude: float, number: int) -> float:
    """Return which part of the time a house must be heated on a solar day: none in summer."""
    season = date.fromordinal(EPOCH_ORDINAL + number).timetuple().tm_yday
    warmth = -math.cos(math.tau * (season - 20) / 365) * math.copysign(1.0, latitude)
    return max(0.0, (abs(latitude) - 20) / 60 * (1 - warmth) - 0.1)
