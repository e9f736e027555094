"""The request log: requests and their results, without keys."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import httpx

from enlighten_async.emulator import Emulator, Quota
from enlighten_async.testing import FakeClock

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


async def test_the_log_holds_no_key(clock: FakeClock, connect: Connect) -> None:
    """Path, time and status of each request."""
    emulator = Emulator(clock=clock)
    async with connect(emulator, key="very-secret") as client:
        await client.get("/systems", params={"limit": 5})
        await client.get("/nothing")
    first, second = emulator.log
    assert (first.path, first.params["limit"], first.status) == ("/api/v2/systems", "5", 200)
    assert (second.status, second.at) == (404, clock.now())
    assert "very-secret" not in repr(emulator.log)


async def statuses(client: httpx.AsyncClient, count: int) -> list[int]:
    """Send this many requests one after another and return their statuses."""
    return [(await client.get("/systems")).status_code for _ in range(count)]


async def test_reset_clears_the_counts_not_the_quota(clock: FakeClock, connect: Connect) -> None:
    """Counting anew is for tests; the service does not forget."""
    emulator = Emulator(clock=clock, quota=Quota(2, None, "Tiny"))
    async with connect(emulator) as client:
        await statuses(client, 2)
        emulator.counts.reset()
        assert await statuses(client, 1) == [409]
    assert emulator.counts.sent == emulator.counts.rejected == 1
    assert emulator.counts.served == 0
    assert not emulator.counts.windows
