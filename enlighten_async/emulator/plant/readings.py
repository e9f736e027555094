"""What each meter read in each interval: made up from the seed, a whole day at a time.

A day depends on the seed, the system and the day alone, so every window shows the same values.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import compress
from random import Random
from typing import TYPE_CHECKING

from attrs import frozen

from enlighten_async.emulator.plant.sun import GRID, SLOTS, clear_sky, day_start, weather

if TYPE_CHECKING:
    from enlighten_async.emulator.plant.system import Meter, System


MAX_MADE = 2048
"""Days kept of what panels made, 3 kB each: the inverters and the meters of some years begin with them."""


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
    missing: frozenset[int]
    meters: list[MeterDay]


def make_day(seed: int, system: System, number: int) -> SystemDay:
    """Return what the meters of a system read on the solar day of this number."""
    name = f"{seed}/{system.system_id}/{number}"
    profile = clear_sky(system.latitude, system.longitude, number)
    power = energy_made(seed, system, number)
    missing = slots_lost(seed, system, number)
    if not system.night_rows:
        missing |= frozenset(slot for slot, share in enumerate(profile) if not share)
    weight = sum(meter.weight for meter in system.meters)
    meters = [_read(f"{name}/{m.serial}", m, power, m.weight / weight) for m in system.meters]
    return SystemDay(day_start(number, system.longitude), missing, meters)


@lru_cache(maxsize=MAX_MADE)
def energy_made(seed: int, system: System, number: int) -> tuple[float, ...]:
    """Return what the panels of a system make in each slot of a solar day (Wh)."""
    profile = clear_sky(system.latitude, system.longitude, number)
    made = weather(Random(f"{seed}/{system.system_id}/{number}/sky"), profile)
    return tuple([share * system.size_w * GRID / 3600 for share in made])


def slots_lost(seed: int, system: System, number: int) -> frozenset[int]:
    """Return the slots of a solar day of which the whole system never reported anything."""
    if not system.outages:
        return frozenset()
    return _outage(Random(f"{seed}/{system.system_id}/{number}/gap"), system.outages)


def reported(day: SystemDay, system: System) -> int:
    """Return the energy (Wh) of the slots that were reported while the system was metered."""
    return sum(sum(reading) for reading in odometer_steps(day, system))


def odometer_steps(day: SystemDay, system: System) -> list[list[int]]:
    """Return, meter by meter, the energies (Wh) of the reported slots of a metered day."""
    first = max(0, (system.metered_from - day.start) // GRID)
    slots = [slot for slot in range(min(first, SLOTS), SLOTS) if slot not in day.missing]
    return [[meter.wh[slot] for slot in slots if slot not in meter.missing] for meter in day.meters]


def _read(name: str, meter: Meter, power: tuple[float, ...], share: float) -> MeterDay:
    """Return what a meter makes of its share of the system's energy (Wh of each slot)."""
    random = Random(name)
    missing = _outage(random, meter.outages) if meter.outages else frozenset()
    wired = min(meter.phases, meter.listed)
    lean = [random.uniform(0.9, 1.1) for _ in range(wired)]
    channels = [_trace(random, meter, power, share * part / sum(lean)) for part in lean]
    wh = [round(sum(slot)) for slot in zip(*(trace.wh for trace in channels), strict=True)]
    unwired = Trace([None] * SLOTS, [None] * SLOTS)
    return MeterDay(channels + [unwired] * (meter.listed - wired), wh, missing)


def _trace(random: Random, meter: Meter, power: tuple[float, ...], share: float) -> Trace:
    """Return one channel: whole watt-hours as floats, and watts of a moment inside the interval."""
    draw = random.random
    wh: list[float | None] = [0.0] * SLOTS
    watts: list[int | None] = [meter.standby_w] * SLOTS
    for slot in compress(range(SLOTS), power):
        energy = power[slot] * share
        read = float(round(energy))
        noisy = meter.noise and read and draw() < 0.2
        wh[slot] = math.nextafter(read, math.inf) if noisy else read
        watts[slot] = round(energy * 4 * (0.94 + 0.12 * draw()))  # at some moment in it
    return Trace(wh, watts)


def _outage(random: Random, chance: float) -> frozenset[int]:
    """Return the slots lost to an outage, most days none, now and then the rest of the day."""
    if random.random() >= chance:
        return frozenset()
    first = random.randrange(SLOTS)
    length = SLOTS if random.random() < 0.2 else random.randint(1, 24)
    return frozenset(range(first, min(SLOTS, first + length)))
