"""Heat pumps: consumption for heating in winter and hot water all year, at times below zero."""

from __future__ import annotations

import math
from array import array
from datetime import date
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from enlighten_async.emulator.simulation.day_cache import DayCache, daily_energy, day_slots
from enlighten_async.emulator.simulation.microinverters import MICRO_INTERVAL_S
from enlighten_async.emulator.simulation.sun import DAY_S, EPOCH_ORDINAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enlighten_async.emulator.simulation.reports import Reports
    from enlighten_async.emulator.simulation.system import HeatPump, System

MICRO_SLOTS_PER_HOUR = 3600 // MICRO_INTERVAL_S
HOT_WATER_HOURS = (5, 17)  # solar hours


class HeatPumps:
    """The heat pumps of all systems; KeyError where a system has none."""

    def __init__(self, reports: Reports, seed: int) -> None:
        self._reports = reports
        self._days = DayCache(partial(_make_day, seed))

    def rows(self, system_id: int, start: float, end: float) -> list[dict[str, int]]:
        """Return the rows with `start < end_at <= end` (epoch seconds) in the pump's own intervals."""
        system, pump = self.heat_pump(system_id)
        return [{"end_at": at, "wh_consumed": wh} for at, wh in self._energies(system, pump, start, end)]

    def days(self, system_id: int, first: date, last: date) -> list[int]:
        """Return the energy (Wh) of each local day."""
        system, pump = self.heat_pump(system_id)
        return daily_energy(system, first, last, partial(self._energies, system, pump))

    def mode(self, system_id: int) -> str:
        """Return the pump's mode at its last report: MODE_1 is off, MODE_2 is running."""
        horizon = self._reports.horizon(self.heat_pump(system_id)[0])
        rows = self.rows(system_id, horizon - 2 * DAY_S, horizon)
        return "MODE_2" if rows and rows[-1]["wh_consumed"] > 0 else "MODE_1"

    def heat_pump(self, system_id: int) -> tuple[System, HeatPump]:
        """Return a system and its heat pump."""
        system = self._reports.system(system_id)
        if system.heat_pump is None:
            raise KeyError(system_id)
        return system, system.heat_pump

    def _energies(
        self, system: System, pump: HeatPump, start: float, end: float
    ) -> Iterator[tuple[int, int]]:
        low, high = max(start, system.operational_at), min(end, self._reports.horizon(system))
        parts = pump.step // MICRO_INTERVAL_S
        for number, begin, first, last in day_slots(system, low, high, pump.step):
            wh = self._days.day(system, number)
            for slot in range(first, last):
                yield begin + (slot + 1) * pump.step, sum(wh[slot * parts : (slot + 1) * parts])


def _make_day(seed: int, system: System, number: int) -> array[int]:
    """Return the energy (Wh) of every five minutes of a solar day."""
    pump, wh = system.heat_pump, array("l")
    if pump is None:
        return wh
    random = Random(f"{seed}/{system.system_id}/{number}/heat")
    cold = heating_share(system.latitude, number) * random.uniform(0.8, 1.2)
    for hour in range(24):
        runs = MICRO_SLOTS_PER_HOUR * (
            1.0 if hour in HOT_WATER_HOURS else min(1.0, cold * random.uniform(0.6, 1.4))
        )
        for part in range(MICRO_SLOTS_PER_HOUR):
            watts = pump.power_w * random.uniform(0.9, 1.1) if part < int(runs) else pump.standby_w
            wh.append(math.floor(watts * MICRO_INTERVAL_S / 3600 + random.random()))
    return wh


def heating_share(latitude: float, number: int) -> float:
    """Return the share of a solar day's time in which a house must be heated: none in summer."""
    season = date.fromordinal(EPOCH_ORDINAL + number).timetuple().tm_yday
    warmth = -math.cos(math.tau * (season - 20) / 365) * math.copysign(1.0, latitude)
    return max(0.0, (abs(latitude) - 20) / 60 * (1 - warmth) - 0.1)
