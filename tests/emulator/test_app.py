"""The emulator: latency, and the times at which requests are counted and dated."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

from enlighten_async.emulator import Emulator
from enlighten_async.testing import FakeClock

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.mark.parametrize(
    ("latency", "least", "most"),
    [(0.8, 0.8, 0.8), ((0.2, 0.6), 0.2, 0.6), (lambda: 2.0, 2.0, 2.0), (0.0, 0.0, 0.0)],
)
async def test_latency_passes_on_the_emulators_clock(
    clock: FakeClock, connect: Connect, latency: Any, least: float, most: float
) -> None:
    """A number, a range, or whatever a function says."""
    async with connect(Emulator(clock=clock, latency=latency)) as client:
        for _ in range(5):
            began = clock.monotonic()
            await client.get("/systems")
            assert least - 1e-6 <= clock.monotonic() - began <= most + 1e-6


async def test_a_request_counts_when_it_arrives_and_is_dated_when_answered(connect: Connect) -> None:
    """Sent in one minute, it may count in the next; dated later still."""
    clock = FakeClock(now=1_750_014_000 - 0.4)
    emulator = Emulator(clock=clock, latency=4.0)
    async with connect(emulator) as client:
        answer = await client.get("/systems")
    assert list(emulator.counts.windows) == [1_750_014_000]
    assert emulator.log[0].at == pytest.approx(1_750_014_000.6)
    assert answer.headers["date"] == "Sun, 15 Jun 2025 19:00:02 GMT"
