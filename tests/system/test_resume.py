"""Asking again is the resume: what arrived before an error or a cancel is not bought again."""

from __future__ import annotations

from functools import cache
from itertools import count
from typing import Any

import anyio
import httpx
import pytest
from anyio.lowlevel import checkpoint
from attrs import evolve

from enlighten_async import EnlightenClient, Plan, Reason
from enlighten_async.emulator import Fault
from enlighten_async.emulator.simulation.system import Meter
from enlighten_async.errors import EnlightenError, QuotaExhausted, ServerError, TransportError
from enlighten_async.models import RgmStats
from enlighten_async.retry import RetryPolicy
from tests.cache_setup import DAY, CacheSetup, check
from tests.world import World

WINDOWS, AT_ONCE = 53, 4
FINAL = 4 * DAY
ONCE = RetryPolicy(attempts=1)
KEYS = count()

versions = pytest.mark.parametrize("version", ["v2", "v4"])


@cache
def world() -> World:
    """One service for all interruptions, with few rows: its readings are costly to make."""
    system = World().emulator.truth.systems()[0]
    meter = Meter(serial="1", envoy_serial="2")
    return World(fleet=[evolve(system, meters=(meter,), night_rows=False)])


def year(version: str) -> dict[str, float]:
    """Return the range of a year: all of it final, where the service keeps more than that."""
    end = world().clock.now() - (FINAL if version == "v4" else 0)
    return {"start_at": end - 365 * DAY + 2 * 3600, "end_at": end}


def opened(cache_setup: CacheSetup, version: str = "v4", **options: Any) -> EnlightenClient:
    """Open a client; what others have asked so far is forgotten."""
    return cache_setup.client(world(), version=version, key=f"{next(KEYS):032x}", **options)


class Unplugged(httpx.AsyncBaseTransport):
    """Leads to the service so often; after that nothing leaves."""

    def __init__(self, left: int) -> None:
        self.inner, self.left = world().emulator.transport(), left
        self.app = self.inner.app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass it on, or fail to connect."""
        if not self.left:
            raise httpx.ConnectError("no route", request=request)
        self.left -= 1
        return await self.inner.handle_async_request(request)


def again(cache_setup: CacheSetup, client: EnlightenClient) -> EnlightenClient:
    """Return the client of the next process of the same key."""
    following = cache_setup.client(world(), version=client._session.api.version)
    following._options = evolve(following._options, scope=client._options.scope)
    return following


@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "at_once", "step", "max_age"),
    [("v4", 1, 26, None), ("v4", AT_ONCE, 1, None), ("v2", AT_ONCE, 9, 60.0), ("v2", AT_ONCE, 26, None)],
)
async def test_interrupted_at_every_window_a_year_costs_no_more(
    version: str, at_once: int, step: int, max_age: float | None, anyio_backend_name: str
) -> None:
    """By a network that is gone; on one event loop at every window, on the other at some.

    In v2 the year ends now, so that its last days are asked for again unless they are young enough.
    """
    for done in range(0, WINDOWS + 1, step if anyio_backend_name == "asyncio" else max(step, 18)):
        cache_setup, extra = CacheSetup(), version == "v2" and max_age is None and done > 0
        world().emulator.counts.reset()
        first = opened(cache_setup, version, transport=Unplugged(done), retry=ONCE, max_concurrency=at_once)
        if done < WINDOWS:
            with pytest.raises(TransportError) as caught:
                await first.rgm_stats(world().system, **year(version))
            partial(caught.value, done)
        else:
            await first.rgm_stats(world().system, **year(version))
        assert world().emulator.counts.sent == done
        second = again(cache_setup, first).with_options(max_age=max_age)
        query = second.rgm_stats(world().system, **year(version))
        price = await query.estimate()
        answer = await query
        assert answer.receipt.sent == price.at_most == WINDOWS - done + extra
        assert world().emulator.counts.sent == WINDOWS + extra
        assert answer.coverage.complete
        if done % 26 == 0:  # it takes as long as all the rest
            check(world(), "rgm_stats", answer)


def partial(error: EnlightenError, done: int) -> None:
    """See that what arrived is on the error, and that the rest is a gap that says so."""
    answer: RgmStats | None = error.partial
    if not done:
        assert answer is None
        return
    assert answer is not None
    lost = [gap for gap in answer.coverage.gaps() if gap.reason in {Reason.FAILED, Reason.REFUSED}]
    ends = {end for gap in lost for end in range(gap.window.start + 900, gap.window.end + 1, 900)}
    assert (WINDOWS - done - 1) * 7 * 96 < len(ends) <= (WINDOWS - done) * 7 * 96
    assert not answer.coverage.complete
    if done % 26:
        return
    known = world().emulator.truth.rgm_stats(world().system, answer.window.start, answer.window.end)
    got = [int(row.end_at.timestamp()) for row in answer.intervals]
    assert got == [row["end_at"] for row in known if row["end_at"] not in ends]


@pytest.mark.parametrize("done", [1, 52])
async def test_the_next_process_goes_on_where_a_file_says(cache_setup: CacheSetup, done: int) -> None:
    """The same on a disk."""
    world().emulator.counts.reset()
    first = opened(cache_setup, transport=Unplugged(done), retry=ONCE)
    async with first:
        with pytest.raises(TransportError):
            await first.rgm_stats(world().system, **year("v4"))
    async with again(cache_setup, first) as second:
        answer = await second.rgm_stats(world().system, **year("v4"))
    assert answer.receipt.sent == WINDOWS - done
    check(world(), "rgm_stats", answer)


async def test_a_month_that_is_used_up_is_gone_on_with_in_the_next(cache_setup: CacheSetup) -> None:
    """20 requests a month: the third month has all of it, and each request was sent once."""
    here = World(fleet=world().emulator.truth.systems())
    span = {"start_at": here.clock.now() - 295 * DAY, "end_at": here.clock.now() - FINAL}
    plan = Plan(minute=1000, month=1000).capped(month=20)
    for month in (1, 2):
        async with cache_setup.client(here, plan=plan) as client:
            with pytest.raises(QuotaExhausted) as caught:
                await client.rgm_stats(here.system, **span)
        assert here.emulator.counts.sent == 20 * month
        assert caught.value.partial is not None
        assert caught.value.retry_at is not None
        here.clock.advance(caught.value.retry_at.timestamp() + 60 - here.clock.now())
    async with cache_setup.client(here, plan=plan) as client:
        answer = await client.rgm_stats(here.system, **span)
    assert answer.receipt.sent == 2
    check(here, "rgm_stats", answer)


async def test_an_error_of_some_windows_keeps_the_others(cache_setup: CacheSetup) -> None:
    """Those that failed are bought again, and no more."""
    world().emulator.counts.reset()
    world().emulator.inject(Fault.html(times=3, after=10))
    first = opened(cache_setup, retry=ONCE, max_concurrency=AT_ONCE)
    async with first:
        with pytest.raises(ServerError):
            await first.rgm_stats(world().system, **year("v4"))
    assert world().emulator.counts.sent == WINDOWS
    async with again(cache_setup, first) as second:
        answer = await second.rgm_stats(world().system, **year("v4"))
    assert answer.receipt.sent == 3
    check(world(), "rgm_stats", answer)


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [1, AT_ONCE])
async def test_cancelled_at_any_step_only_what_was_in_flight_is_lost(at_once: int) -> None:
    """After so many turns of the event loop: the next process buys the rest."""
    done, steps = False, 0
    while not done:
        cache_setup = CacheSetup()
        world().emulator.counts.reset()
        client = opened(cache_setup, max_concurrency=at_once)
        query = client.rgm_stats(world().system, **year("v4"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(awaited, query)
            for _ in range(steps):
                await checkpoint()
            done = query.progress.done == WINDOWS
            tasks.cancel_scope.cancel()
        sent, arrived = world().emulator.counts.sent, query.progress.done
        assert sent <= arrived + at_once
        answer = await again(cache_setup, client).rgm_stats(world().system, **year("v4"))
        assert answer.receipt.sent == WINDOWS - arrived
        assert answer.coverage.complete
        steps += 1 if steps < 7 else 29
    assert steps > 7


async def awaited(query: Any) -> None:
    """Await a query."""
    await query
