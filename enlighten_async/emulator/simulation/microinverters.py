"""Microinverters: power and reporting devices of a system in every five minutes.

A row exists while the sun is up and the system is not in an outage; of few systems also at night, with zeros.
"""

from __future__ import annotations

from array import array
from functools import partial
from itertools import compress
from random import Random
from typing import TYPE_CHECKING

from attrs import frozen

from enlighten_async.emulator.simulation.day_cache import DayCache, RunningSums, day_slots, solar_days
from enlighten_async.emulator.simulation.production import array_energy, outage_slots, slots_without_rows
from enlighten_async.emulator.simulation.sun import DAY_S, METER_INTERVAL_S, day_start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enlighten_async.emulator.simulation.system import System

MICRO_INTERVAL_S = 300
"""Seconds of one interval."""

MICRO_SLOTS_PER_SLOT = METER_INTERVAL_S // MICRO_INTERVAL_S
DAWN_SHARES = (0.2, 0.6, 0.9)
"""Shares of the inverters that report in the first three intervals of a day."""

POWER_NOISE = 0.98, 1.02  # factors of the interpolated power


@frozen(eq=False)
class MicroDay:
    """One solar day: mean power (W) and reporting devices of each slot; no devices means no row."""

    start: int
    watts: array[int]
    devices: array[int]


def enwh(watts: int) -> int:
    """Return the energy (Wh) of an interval of this mean power (W); the service rounds half up."""
    return (watts + 6) // 12


class Microinverters:
    """The inverters' rows of all systems."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._days = DayCache(partial(_make_day, seed))
        self._sums = RunningSums("micro", seed, self._days.day, _day_total)

    def day(self, system: System, number: int) -> MicroDay:
        """Return the solar day of this number."""
        return self._days.day(system, number)

    def rows(
        self, system: System, start: float, end: float, horizon: float
    ) -> Iterator[tuple[int, int, int]]:
        """Yield end, mean power (W) and reporting devices of rows with `start < end_at <= end`.

        Of an interval that ended shortly before the horizon (epoch seconds) only some inverters have
        reported: the row's values rise as the others follow.
        """
        low, high = max(start, system.operational_at), min(end, horizon)
        for number, begin, first, last in day_slots(system, low, high, MICRO_INTERVAL_S):
            day = self._days.day(system, number)
            for slot in range(first, last):
                devices, at = day.devices[slot], begin + (slot + 1) * MICRO_INTERVAL_S
                if not devices:
                    continue
                watts = day.watts[slot]
                if horizon - at < system.micro_late:
                    # the last inverters report late: the known share rises from 0.4 to 1
                    share = 0.4 + 0.6 * (horizon - at) / system.micro_late
                    known = max(1, int(devices * share))
                    watts, devices = watts * known // devices, known
                yield at, watts, devices

    def last_row_end(self, system: System, horizon: float) -> int | None:
        """Return the end of the newest row up to an instant (epoch seconds), without making its energy."""
        since = system.operational_at
        for number in reversed(solar_days(system, since, int(horizon))):
            missing = slots_without_rows(self._seed, system, number, nights=system.micro_night_rows)
            begin = day_start(number, system.longitude) + MICRO_INTERVAL_S
            last = min(DAY_S // MICRO_INTERVAL_S - 1, int((horizon - begin) // MICRO_INTERVAL_S))
            for slot in range(last, -1, -1):
                at = begin + slot * MICRO_INTERVAL_S
                if at > since and slot // MICRO_SLOTS_PER_SLOT not in missing:
                    return at
        return None

    def energy(self, system: System, start: float, end: float, horizon: float) -> int:
        """Return the sum (Wh) of the rows of a window."""
        if start <= system.operational_at:
            return self.lifetime(system, end, horizon)
        return sum(enwh(watts) for _, watts, _ in self.rows(system, start, end, horizon))

    def lifetime(self, system: System, end: float, horizon: float) -> int:
        """Return the energy (Wh) of all rows up to an instant (epoch seconds)."""
        settled = min(end, horizon - system.micro_late)
        begin, known = self._sums.before_day_of(system, settled)
        rows = self.rows(system, begin, end, horizon)
        return known + sum(enwh(watts) for _, watts, _ in rows)


def _make_day(seed: int, system: System, number: int) -> MicroDay:
    made = array_energy(seed, system, number) if system.modules else array("d")
    missing = outage_slots(seed, system, number)
    draw = Random(f"{seed}/{system.system_id}/{number}/micro").random
    low, width = POWER_NOISE[0], POWER_NOISE[1] - POWER_NOISE[0]
    slots = DAY_S // MICRO_INTERVAL_S
    watts, devices = array("l", [0]) * slots, array("l", [0]) * slots
    awake = array("l", [max(1, round(system.modules * share)) for share in DAWN_SHARES])
    for slot in compress(range(len(made)), made):
        # the power is interpolated between neighbouring quarters of an hour
        twice, parts = 2 * made[slot], (made[slot - 1], made[slot], made[(slot + 1) % len(made)])
        here = slice(slot * MICRO_SLOTS_PER_SLOT, (slot + 1) * MICRO_SLOTS_PER_SLOT)
        # as random.uniform() computes it, without two calls in the hottest loop of the simulation
        watts[here] = array(
            "l", [round((twice + p) / 3 * 3600 / METER_INTERVAL_S * (low + width * draw())) for p in parts]
        )
        if slot not in missing:
            devices[here] = awake
        awake = array("l", [system.modules]) * MICRO_SLOTS_PER_SLOT
    if made and system.micro_night_rows:
        known = enumerate(devices)
        devices = array(
            "l", [0 if n // MICRO_SLOTS_PER_SLOT in missing else seen or system.modules for n, seen in known]
        )
    return MicroDay(day_start(number, system.longitude), watts, devices)


def _day_total(day: MicroDay, system: System) -> int:
    """Return the energy (Wh) of the slots that have a row and lie in the time of service."""
    first = max(0, (system.operational_at - day.start) // MICRO_INTERVAL_S)
    return sum(map(enwh, compress(day.watts[first:], day.devices[first:])))
