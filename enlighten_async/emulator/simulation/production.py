"""Production: the energy of an array, its outages, and the readings of revenue-grade meters.

A solar day is generated as a whole and depends on the seed, the system and the day alone, so every window
shows the same values.
"""

from __future__ import annotations

import math
from array import array
from functools import lru_cache
from itertools import compress
from random import Random
from typing import TYPE_CHECKING

from attrs import frozen

from enlighten_async.emulator.simulation.sun import (
    METER_INTERVAL_S,
    SLOTS_PER_DAY,
    clear_sky,
    day_start,
    weather,
)

if TYPE_CHECKING:
    from enlighten_async.emulator.simulation.system import Meter, System


MAX_CACHED_ARRAY_DAYS = 8192
"""Days of array energy in the cache, 1 kB each; both inverters and meters are derived from them."""


@frozen(eq=False)
class ChannelDay:
    """One channel's day: watt-hours and watts of each slot; None in every slot if it is not wired."""

    wh: list[float | None]
    watts: list[int | None]


@frozen(eq=False)
class MeterDay:
    """One meter's day: its channels, their sum (Wh), and the slots it never reported."""

    channels: list[ChannelDay]
    wh: list[int]
    missing: frozenset[int]


@frozen(eq=False)
class SystemDay:
    """One solar day of a system: slot `i` ends at `start + (i + 1) * GRID`."""

    start: int
    missing: frozenset[int]
    meters: list[MeterDay]


def make_day(seed: int, system: System, number: int) -> SystemDay:
    """Return the readings of a system's meters on the solar day of this number."""
    power = array_energy(seed, system, number)
    weight = sum(meter.weight for meter in system.meters)
    randoms = _meter_randoms(seed, system, number)
    meters = [
        _read(random, m, power, m.weight / weight) for random, m in zip(randoms, system.meters, strict=True)
    ]
    return SystemDay(
        day_start(number, system.longitude),
        slots_without_rows(seed, system, number, nights=system.night_rows),
        meters,
    )


def missing_slots(seed: int, system: System, number: int) -> tuple[frozenset[int], list[frozenset[int]]]:
    """Return the slots of a solar day without rows, and those that each meter never reported.

    They are those of the day, without its readings, which take ten times as long to make.
    """
    outages = [
        _meter_outage(random, meter)
        for random, meter in zip(_meter_randoms(seed, system, number), system.meters, strict=True)
    ]
    return slots_without_rows(seed, system, number, nights=system.night_rows), outages


def _meter_randoms(seed: int, system: System, number: int) -> list[Random]:
    """Return the random numbers of each meter's day."""
    return [Random(f"{seed}/{system.system_id}/{number}/{meter.serial}") for meter in system.meters]


def slots_without_rows(seed: int, system: System, number: int, *, nights: bool) -> frozenset[int]:
    """Return the slots of a solar day for which no device has a row.

    Args:
        seed: seed of the days.
        system: the system.
        number: number of the solar day.
        nights: whether its devices have rows of nights.
    """
    missing = outage_slots(seed, system, number)
    if nights:
        return missing
    profile = clear_sky(system.latitude, system.longitude, number)
    return missing | frozenset(slot for slot, share in enumerate(profile) if not share)


@lru_cache(maxsize=MAX_CACHED_ARRAY_DAYS)
def array_energy(seed: int, system: System, number: int) -> array[float]:
    """Return the energy of a system's panels in each slot of a solar day (Wh)."""
    profile = clear_sky(system.latitude, system.longitude, number)
    made = weather(Random(f"{seed}/{system.system_id}/{number}/sky"), profile)
    return array("d", [share * system.size_w * METER_INTERVAL_S / 3600 for share in made])


def outage_slots(seed: int, system: System, number: int) -> frozenset[int]:
    """Return the slots of a solar day that the whole system never reported."""
    if not system.outages:
        return frozenset()
    return _outage(Random(f"{seed}/{system.system_id}/{number}/gap"), system.outages)


def metered_day_total(day: SystemDay, system: System) -> int:
    """Return the energy (Wh) of the slots that were reported while the system was metered."""
    return sum(sum(reading) for reading in odometer_energy(day, system))


def odometer_energy(day: SystemDay, system: System) -> list[list[int]]:
    """Return, meter by meter, the energies (Wh) of the reported slots of a metered day."""
    first = max(0, (system.metered_from - day.start) // METER_INTERVAL_S)
    slots = [slot for slot in range(min(first, SLOTS_PER_DAY), SLOTS_PER_DAY) if slot not in day.missing]
    return [[meter.wh[slot] for slot in slots if slot not in meter.missing] for meter in day.meters]


def _read(random: Random, meter: Meter, power: array[float], share: float) -> MeterDay:
    """Return a meter's day, given its share of the system's energy (Wh of each slot)."""
    missing = _meter_outage(random, meter)
    wired = min(meter.phases, meter.listed)
    weights = [random.uniform(0.9, 1.1) for _ in range(wired)]
    channels = [_channel_day(random, meter, power, share * weight / sum(weights)) for weight in weights]
    wh = [round(sum(slot)) for slot in zip(*(trace.wh for trace in channels), strict=True)]
    unwired = ChannelDay([None] * SLOTS_PER_DAY, [None] * SLOTS_PER_DAY)
    return MeterDay(channels + [unwired] * (meter.listed - wired), wh, missing)


def _channel_day(random: Random, meter: Meter, power: array[float], share: float) -> ChannelDay:
    """Return one channel: whole watt-hours as floats, and watts of a moment inside the interval."""
    draw = random.random
    wh: list[float | None] = [0.0] * SLOTS_PER_DAY
    watts: list[int | None] = [meter.standby_w] * SLOTS_PER_DAY
    for slot in compress(range(SLOTS_PER_DAY), power):
        energy = power[slot] * share
        read = float(round(energy))
        noisy = meter.noise and read and draw() < 0.2
        wh[slot] = math.nextafter(read, math.inf) if noisy else read
        watts[slot] = round(energy * 4 * (0.94 + 0.12 * draw()))  # the power at a random moment
    return ChannelDay(wh, watts)


def _meter_outage(random: Random, meter: Meter) -> frozenset[int]:
    """Return the slots of a solar day that a meter never reported; these are its first random numbers."""
    return _outage(random, meter.outages) if meter.outages else frozenset()


def _outage(random: Random, chance: float) -> frozenset[int]:
    """Return the slots missing in an outage: none on most days, on few days all until midnight."""
    if random.random() >= chance:
        return frozenset()
    first = random.randrange(SLOTS_PER_DAY)
    length = SLOTS_PER_DAY if random.random() < 0.2 else random.randint(1, 24)
    return frozenset(range(first, min(SLOTS_PER_DAY, first + length)))
