"""Grants: given back, charged, and settled once."""

from __future__ import annotations

import anyio
from anyio.lowlevel import checkpoint

from enlighten_async.limiter import Plan
from enlighten_async.testing import FakeClock
from tests.limiter.fake_server import attempt, build, purchase, rejection


async def test_what_was_never_sent_comes_back() -> None:
    """A grant that is not used costs nothing."""
    limiter, _ = build(FakeClock(), plan=Plan(minute=1))
    for _ in range(20):
        (await limiter.acquire(limiter.waiter())).settle()
    assert limiter.left() == {"minute": 1}


async def test_what_was_sent_and_not_answered_is_charged() -> None:
    """The server may have counted it."""
    limiter, server = build(FakeClock(), phase=10.0)
    await purchase(limiter, server)
    grant = await limiter.acquire(limiter.waiter())
    grant.settle(server.clock.monotonic())
    assert limiter.left()["minute"] == 8
    assert grant.settled


async def test_what_was_given_up_may_be_counted_a_while_later() -> None:
    """A request given up shortly before the minute's end is charged to the next minute as well."""
    limiter, server = build(FakeClock(), phase=10.0)
    await purchase(limiter, server)
    await server.clock.sleep(56 - server.time() % 60)
    (await limiter.acquire(limiter.waiter())).settle(server.clock.monotonic())
    await server.clock.sleep(10)
    assert limiter.left()["minute"] == 9
    await server.clock.sleep(60)
    assert limiter.left()["minute"] == 10


async def test_requests_never_answered_are_counted_without_knowing_the_time() -> None:
    """While nothing is known of the server's minute, ten in any 65 seconds are all that is sent."""
    limiter, server = build(FakeClock(), phase=10.0)
    sent: list[float] = []
    for _ in range(35):
        grant = await limiter.acquire(limiter.waiter())
        sent.append(server.clock.monotonic())
        await server.clock.sleep(0.5)
        grant.settle(sent[-1])
    assert all(later - earlier > 60 for earlier, later in zip(sent, sent[10:], strict=False))
    assert limiter.left()["minute"] == 0


async def test_a_grant_settles_once() -> None:
    """Settling after `rejected` gives nothing back a second time."""
    limiter, server = build(FakeClock())
    await purchase(limiter, server)
    grant = await limiter.acquire(limiter.waiter())
    response = await server.send()
    limiter.rejected(grant, rejection(period="minute", limit=10))
    assert grant.settled
    grant.settle(response.sent_at, response)
    assert repr(limiter) == "<RateLimiter in_flight=0/10 queued=0>"


async def test_a_grant_that_is_settled_in_a_cancelled_scope() -> None:
    """Cancelled after sending: charged; before: given back."""
    limiter, server = build(FakeClock(), phase=10.0, plan=Plan(minute=10))
    await attempt(limiter, server)
    for sent, left in ((False, 9), (True, 8)):
        with anyio.CancelScope() as scope:
            grant = await limiter.acquire(limiter.waiter())
            try:
                scope.cancel()
                await checkpoint()
            finally:
                grant.settle(server.clock.monotonic() if sent else None)
        assert limiter.left() == {"minute": left}
