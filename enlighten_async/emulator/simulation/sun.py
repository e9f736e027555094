"""The sun: the share of its peak power that a panel makes under a clear sky, and under clouds.

Days here are solar days: they begin at the mean solar midnight of the place, rounded to the grid, so
that no day's weather changes while the sun is up, wherever on earth the system is.
"""

from __future__ import annotations

import math
from datetime import date
from functools import lru_cache
from itertools import compress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

METER_INTERVAL_S = 900
"""Seconds of one interval."""

DAY_S = 86_400
"""Seconds of a solar day; the equation of time moves noon inside it instead."""

SLOTS_PER_DAY = DAY_S // METER_INTERVAL_S
"""Intervals of one day."""

PANEL_TILT_DEG = 22.0  # from the horizontal, facing the equator
SYSTEM_EFFICIENCY = 0.86  # after losses of inverters, cables and dust
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()

SKY_TYPES = (  # chance, lowest and highest clearness of the day, how much clouds move it
    (0.55, 0.93, 1.0, 0.01),
    (0.30, 0.55, 0.9, 0.16),
    (0.15, 0.10, 0.4, 0.05),
)


def solar_offset_s(longitude: float) -> int:
    """Return the seconds by which solar days start before UTC's, a multiple of the interval."""
    return round(longitude * 240 / METER_INTERVAL_S) * METER_INTERVAL_S


def day_number(moment: float, longitude: float) -> int:
    """Return the solar day an instant lies in, counted from the epoch; its end is the next day's."""
    return int((moment + solar_offset_s(longitude)) // DAY_S)


def day_start(number: int, longitude: float) -> int:
    """Return the instant (epoch seconds) at which a solar day starts."""
    return number * DAY_S - solar_offset_s(longitude)


def clear_sky(latitude: float, longitude: float, number: int) -> tuple[float, ...]:
    """Return the share of peak power of each interval of a solar day under a clear sky."""
    season = date.fromordinal(EPOCH_ORDINAL + number).timetuple().tm_yday
    return _profile(latitude, longitude * 240 - solar_offset_s(longitude), season)


def weather(random: Random, profile: tuple[float, ...]) -> list[float]:
    """Return the profile reduced by one day's clouds; the same random state gives the same day."""
    low, high, unrest = random.choices([sky[1:] for sky in SKY_TYPES], [sky[0] for sky in SKY_TYPES])[0]
    clearness = random.uniform(low, high)
    cloud = 0.0
    made = [0.0] * len(profile)
    gauss = random.gauss
    for slot in compress(range(len(profile)), profile):  # no random numbers are used for the night
        cloud = 0.75 * cloud + gauss(0.0, unrest)
        made[slot] = profile[slot] * min(1.04, max(0.04, clearness + cloud))
    return made


@lru_cache(maxsize=8192)
def _profile(latitude: float, late: float, season: int) -> tuple[float, ...]:
    """Return the clear-sky day; `late` is the seconds by which noon follows the middle of the day."""
    angle = math.tau * (season - 81) / 365
    equation = 60 * (9.87 * math.sin(2 * angle) - 7.53 * math.cos(angle) - 1.5 * math.sin(angle))
    declination = math.radians(23.45) * math.sin(angle)
    level = _plane(math.radians(latitude), declination)
    tilted = _plane(math.radians(latitude - math.copysign(PANEL_TILT_DEG, latitude)), declination)
    hours = (
        math.tau * ((slot + 0.5) * METER_INTERVAL_S + late + equation - DAY_S / 2) / DAY_S
        for slot in range(SLOTS_PER_DAY)
    )
    return tuple(_share(*level, *tilted, math.cos(hour)) for hour in hours)


def _plane(latitude: float, declination: float) -> tuple[float, float]:
    """Return the two terms of the sine of the sun's height over a plane: constant, and times cos(hour)."""
    return (
        math.sin(latitude) * math.sin(declination),
        math.cos(latitude) * math.cos(declination),
    )


def _share(base: float, swing: float, tilted_base: float, tilted_swing: float, cosine: float) -> float:
    """Return the share of peak power; Haurwitz's clear sky, its beam turned onto the panel's plane."""
    height = base + swing * cosine
    if height <= 0.0:
        return 0.0
    global_w = 1098 * height * math.exp(-0.059 / height)
    beam = 0.8 * global_w * max(0.0, tilted_base + tilted_swing * cosine) / max(height, 0.1)
    return min(1.0, SYSTEM_EFFICIENCY * (beam + 0.2 * global_w) / 1000)
