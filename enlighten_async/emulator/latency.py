"""How long an answer takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from random import Random

Latency: TypeAlias = float | tuple[float, float] | Callable[[], float]
"""Seconds from the caller's request to the answer: always the same, between two, or as called."""


def draw(latency: Latency, random: Random) -> float:
    """Return the seconds of one answer."""
    if callable(latency):
        return latency()
    return random.uniform(*latency) if isinstance(latency, tuple) else latency
