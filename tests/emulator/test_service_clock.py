"""The clock of a served emulator: it can start at another time, and be moved ahead."""

from __future__ import annotations

import time

import pytest

from enlighten_async.emulator import ServiceClock


def test_it_is_real_time_moved() -> None:
    """The wall clock alone is moved, and never back."""
    clock, plain = ServiceClock(1_750_000_000.0), ServiceClock()
    assert 0 <= clock.now() - 1_750_000_000.0 < 60
    assert abs(plain.now() - time.time()) < 60
    before = clock.monotonic()
    clock.advance(86_400)
    assert 86_400 <= clock.now() - 1_750_000_000.0 < 86_460
    assert clock.monotonic() - before < 60
    for seconds in (-1, float("nan"), float("inf"), 1e18):
        with pytest.raises(ValueError, match="give 0 or more, a century at most"):
            clock.advance(seconds)
