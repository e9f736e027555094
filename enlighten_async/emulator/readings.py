"""What each meter read in each interval: made up from the seed, a whole day at a time.

A day depends on the seed, the system and the day alone, so every window shows the same values.
"""

from __future__ import annotations

import math
from array import array
from random import Random
from typing import TYPE_CHECKING

from attrs import frozen

from enlighten_async.emulator.sun import GRID, SLOTS, clear_sky, day_number, day_start, weather

if TYPE_CHECKING:
    from enlighten_async.emulator.plants import Meter, System

MAX_DAYS = 4000  # days kept at a time, about 15 kB each


@frozen(eq=False)
class Trace:
    """One channel's day: watt-hours and watts of each slot; None throughout if it is not wired."""

    wh: list[float | None]
    watts: list[int | None]


@frozen(eq=False)
class MeterDay:
    """One meter's day: its channels, what they sum to (Wh), and the slots it never reported."""

    channels: list[Trace]
    wh: list[int]
    missing: frozenset[int]


@frozen(eq=False)
class SystemDay:
    """One solar day of a system: slot `i` ends at `start + (i + 1) * GRID`."""

    start: int
    wh: list[int]
    missing: frozenset[int]
    meters: list[MeterDay]


class Readings:
    """The days of all systems, made when first asked for; the oldest made are forgotten first."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._days: dict[tuple[int, int], SystemDay] = {}
        self._sums: dict[int, array[int]] = {}

    def day(self, system: System, number: int) -> SystemDay:
        """Return the solar day of this number."""
        key = (system.system_id, number)
        found = self._days.get(key)
        if found is None:
            if len(self._days) >= MAX_DAYS:
                del self._days[next(iter(self._days))]
            found = self._days[key] = self._make(system, number)
        return found

    def lifetime(self, system: System, number: int) -> int:
        """Return the energy (Wh) made from the start of service to the start of this solar day."""
        first = day_number(system.operational_at, system.longitude)
        sums = self._sums.setdefault(system.system_id, array("q", [0]))
        while len(sums) <= number - first:
            made = _reported(self.day(system, first + len(sums) - 1), system.operational_at)
            sums.append(sums[-1] + made)
        return sums[max(0, number - first)]

    def _make(self, system: System, number: int) -> SystemDay:
        name = f"{self._seed}/{system.system_id}/{number}"
        profile = clear_sky(system.latitude, system.longitude, number)
        made = weather(Random(f"{name}/sky"), profile)
        power = [share * system.size_w * GRID / 3600 for share in made]
        missing = _outage(Random(f"{name}/gap"), system.outages) if system.outages else frozenset()
        if not system.night_rows:
            missing |= frozenset(slot for slot, share in enumerate(profile) if not share)
        weight = sum(meter.weight for meter in system.meters)
        meters = [_read(f"{name}/{m.serial}", m, power, m.weight / weight) for m in system.meters]
        wh = [round(energy) for energy in power]
        return SystemDay(day_start(number, system.longitude), wh, missing, meters)


def _read(name: str, meter: Meter, power: list[float], share: float) -> MeterDay:
    """Return what a meter makes of its share of the system's energy (Wh of each slot)."""
    random = Random(name)
    missing = _outage(random, meter.outages) if meter.outages else frozenset()
    wired = min(meter.phases, meter.listed)
    lean = [random.uniform(0.9, 1.1) for _ in range(wired)]
    channels = [_trace(random, meter, power, share * part / sum(lean)) for part in lean]
    wh = [round(sum(slot)) for slot in zip(*(trace.wh for trace in channels), strict=True)]
    unwired = Trace([None] * SLOTS, [None] * SLOTS)
    return MeterDay(channels + [unwired] * (meter.listed - wired), wh, missing)


def _trace(random: Random, meter: Meter, power: list[float], share: float) -> Trace:
    """Return one channel: whole watt-hours as floats, and watts of a moment inside the interval."""
    draw = random.random
    wh: list[float | None] = [0.0] * SLOTS
    watts: list[int | None] = [meter.standby_w] * SLOTS
    for slot, energy in enumerate(power):
        if energy:
            read = float(round(energy * share))
            noisy = meter.noise and read and draw() < 0.2
            wh[slot] = math.nextafter(read, math.inf) if noisy else read
            watts[slot] = round(energy * share * 4 * (0.94 + 0.12 * draw()))  # at some moment in it
    return Trace(wh, watts)


def _outage(random: Random, chance: float) -> frozenset[int]:
    """Return the slots lost to an outage, most days none, now and then the rest of the day."""
    if random.random() >= chance:
        return frozenset()
    first = random.randrange(SLOTS)
    length = SLOTS if random.random() < 0.2 else random.randint(1, 24)
    return frozenset(range(first, min(SLOTS, first + length)))


def _reported(day: SystemDay, operational_at: int) -> int:
    """Return the energy (Wh) of the slots that were reported and lie in the time of service."""
    first = max(0, (operational_at - day.start) // GRID)
    slots = [slot for slot in range(min(first, SLOTS), SLOTS) if slot not in day.missing]
    if not day.meters:
        return sum(day.wh[slot] for slot in slots)
    return sum(meter.wh[slot] for meter in day.meters for slot in slots if slot not in meter.missing)


def days_between(system: System, start: int, end: int) -> range:
    """Return the numbers of the solar days that hold intervals with `start < end_at <= end`."""
    if end <= start:
        return range(0)
    return range(day_number(start, system.longitude), day_number(end - 1, system.longitude) + 1)
