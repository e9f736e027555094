"""How much of its peak power a panel would make under a clear sky, and what weather leaves of it.

Days here are solar days: they begin at the mean solar midnight of the place, rounded to the grid, so
that no day's weather changes while the sun is up, wherever on earth the system stands.
"""

from __future__ import annotations

import math
from datetime import date
from functools import lru_cache
from itertools import compress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

GRID = 900
"""Seconds of one interval."""

DAY = 86_400
"""Seconds of a solar day; the equation of time moves noon inside it instead."""

SLOTS = DAY // GRID
"""Intervals of one day."""

TILT = 22.0  # degrees from the horizontal, facing the equator
LOSSES = 0.86  # what inverters, cables and dust leave
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()

SKIES = (  # chance, lowest and highest clearness of the day, how much clouds move it
    (0.55, 0.93, 1.0, 0.01),
    (0.30, 0.55, 0.9, 0.16),
    (0.15, 0.10, 0.4, 0.05),
)


def shift(longitude: float) -> int:
    """Return by how many seconds solar days start before UTC's, on the grid."""
    return round(longitude * 240 / GRID) * GRID


def day_number(moment: float, longitude: float) -> int:
    """Return the solar day an instant lies in, counted from the epoch; its end is the next day's."""
    return int((moment + shift(longitude)) // DAY)


def day_start(number: int, longitude: float) -> int:
    """Return the instant (epoch seconds) at which a solar day starts."""
    return number * DAY - shift(longitude)


def clear_sky(latitude: float, longitude: float, number: int) -> tuple[float, ...]:
    """Return, for each interval of a solar day, the share of peak power made without a cloud."""
    season = date.fromordinal(EPOCH_ORDINAL + number).timetuple().tm_yday
    return _profile(latitude, longitude * 240 - shift(longitude), season)


def weather(random: Random, profile: tuple[float, ...]) -> list[float]:
    """Return the profile as one day's clouds leave it; the same draws give the same day."""
    low, high, unrest = random.choices([sky[1:] for sky in SKIES], [sky[0] for sky in SKIES])[0]
    clearness = random.uniform(low, high)
    cloud = 0.0
    made = [0.0] * len(profile)
    for slot in compress(range(len(profile)), profile):  # nothing is drawn for the night
        cloud = 0.75 * cloud + random.gauss(0.0, unrest)
        made[slot] = profile[slot] * min(1.04, max(0.04, clearness + cloud))
    return made


@lru_cache(maxsize=8192)
def _profile(latitude: float, late: float, season: int) -> tuple[float, ...]:
    """Return the clear-sky day; `late` is how many seconds noon comes after the middle of the day."""
    angle = math.tau * (season - 81) / 365
    equation = 60 * (9.87 * math.sin(2 * angle) - 7.53 * math.cos(angle) - 1.5 * math.sin(angle))
    declination = math.radians(23.45) * math.sin(angle)
    level = _plane(math.radians(latitude), declination)
    tilted = _plane(math.radians(latitude - math.copysign(TILT, latitude)), declination)
    hours = (math.tau * ((slot + 0.5) * GRID + late + equation - DAY / 2) / DAY for slot in range(SLOTS))
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
    return min(1.0, LOSSES * (beam + 0.2 * global_w) / 1000)
