"""How many examples the property tests try: the same few each time, or many others in a sweep."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EFFORT = int(os.environ.get("EFFORT", "1"))
"""How many times more examples than by default; above 1 they are drawn anew each time."""

SEED = int(os.environ.get("SEED", "0"))
"""Of the emulator's fleets that the property tests ask about."""


def examples(count: int) -> settings:
    """Return settings for so many examples, times the effort."""
    return settings(
        max_examples=count * EFFORT,
        deadline=None,
        derandomize=EFFORT == 1,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
