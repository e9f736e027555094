"""Answers out of the cache alone: where nothing may be sent, and in place of an error that passes."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from enlighten_async import (
    AuthenticationError,
    BudgetExceeded,
    EnlightenClient,
    PermissionDenied,
    Plan,
    QuotaExhausted,
    Reason,
    ReauthorizationRequired,
    Receipt,
    RetryPolicy,
    ServerError,
    TransportError,
)
from enlighten_async.cache import MemoryCache
from enlighten_async.emulator import Fault, Quota
from tests.cache_setup import CacheSetup
from tests.world import World

HOUR = 3600
ONCE = RetryPolicy(attempts=1)


def caching(world: World, version: str = "v2", **options: Any) -> EnlightenClient:
    """Return a client with a cache, which tries each request once."""
    make = world.client if version == "v2" else world.v4
    return make(interval_cache=MemoryCache(), retry=ONCE, **options)


def sent(world: World) -> int:
    """Return the requests that the service has seen."""
    return world.emulator.counts.sent


# Nothing is sent


async def test_only_what_is_cached_is_answered_at_once() -> None:
    """The whole, where all of it is there; age by `max_age`."""
    world = World()
    client = caching(world)
    cached = client.with_options(only_cached=True, max_age=timedelta(hours=1))
    now = await client.summary(world.system)
    week = await client.rgm_stats(world.system, **world.days(20))
    world.clock.advance(HOUR / 2)
    before = sent(world)
    assert await cached.summary(world.system) == now
    assert (await cached.rgm_stats(world.system, **world.days(20))).intervals[0] == week.intervals[2]
    world.clock.advance(HOUR)
    with pytest.raises(BudgetExceeded, match=r"only_cached\): allow requests, or give a longer max_age"):
        await cached.summary(world.system)
    assert sent(world) == before


@pytest.mark.parametrize("max_wait", [None, 5])
async def test_what_is_cached_of_it_is_on_the_error(max_wait: float | None) -> None:
    """With what is missing, and why."""
    world = World()
    client = caching(world)
    whole = await client.rgm_stats(world.system, **world.days(20))
    before = sent(world)
    cached = client.with_options(only_cached=True, max_wait=max_wait)
    with pytest.raises(BudgetExceeded, match="only_cached") as caught:
        await cached.rgm_stats(world.system, **world.days(40))
    partial: Any = caught.value.partial
    assert set(partial.intervals) < set(whole.intervals)
    assert len(partial.intervals) > 16 * 96
    assert {gap.reason for gap in partial.coverage.gaps()} >= {Reason.REFUSED}
    assert not partial.coverage.complete
    assert sent(world) == before
    receipt = caught.value.receipt
    assert receipt is not None
    assert (receipt.sent, receipt.from_cache > 0) == (0, True)


async def test_nothing_is_waited_for_and_no_token_asked_for() -> None:
    """Neither what another query is fetching, nor a login."""
    world = World(latency=60.0)
    client = caching(world, "v4", oauth=world.oauth(tokens=_NoTokens()))
    began = world.clock.monotonic()
    with pytest.raises(BudgetExceeded):
        await client.with_options(only_cached=True).summary(world.system)
    assert world.clock.monotonic() == began
    assert not world.emulator.log


class _NoTokens:
    """A store that nobody may ask."""

    async def load(self, account: str) -> Any:
        """Fail."""
        raise AssertionError(account)

    save = remove = lock = load


async def test_what_another_query_fetches_is_not_waited_for() -> None:
    """Though it would cost nothing: the caller wants an answer now."""
    world = World(latency=10.0)
    client = caching(world)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_awaited, client.summary(world.system))
        await world.clock.sleep(1)
        began = world.clock.monotonic()
        with pytest.raises(BudgetExceeded, match="only_cached"):
            await client.with_options(only_cached=True).summary(world.system)
        assert world.clock.monotonic() == began
    assert sent(world) == 1


async def _awaited(query: Any) -> None:
    await query


@pytest.mark.parametrize("version", ["v2", "v4"])
async def test_without_time_what_is_cached_is_answered(cache_setup: CacheSetup, version: str) -> None:
    """Awaited and streamed, in memory and in a file: to look into the cache is no wait."""
    world = World()
    client = cache_setup.client(world, version=version)
    week = await client.rgm_stats(world.system, **world.days(20))
    await client.summary(world.system)
    before = sent(world)
    at_once = client.with_options(max_wait=0, max_age=HOUR)
    assert await at_once.rgm_stats(world.system, **world.days(20)) == week
    streamed = [part async for part in at_once.rgm_stats(world.system, **world.days(20))]
    assert sum(len(part.intervals) for part in streamed) == len(week.intervals)
    assert (await at_once.summary(world.system)).receipt.sent == 0
    with pytest.raises(BudgetExceeded, match=r"max_wait=0\)") as caught:
        await at_once.rgm_stats(world.system, **world.days(40))
    assert caught.value.partial is not None
    assert sent(world) == before


async def test_a_cache_that_takes_longer_than_the_caller_waits_is_read_to_the_end() -> None:
    """But nothing is sent, and what is not all cached is refused."""
    world = World()
    cache = _SlowCache(world)
    client = world.client(interval_cache=cache)
    week = await client.rgm_stats(world.system, **world.days(20))
    before, cache.seconds = sent(world), 2.0
    hurried = client.with_options(max_wait=1, max_age=HOUR)
    answer = await hurried.rgm_stats(world.system, **world.days(20))
    assert (answer, answer.receipt.sent, answer.receipt.failure) == (week, 0, "")
    with pytest.raises(BudgetExceeded, match="max_wait"):
        await hurried.rgm_stats(world.system, **world.days(40))
    assert sent(world) == before


class _SlowCache(MemoryCache):
    """A cache that takes its time."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.seconds = 0.0

    async def spans(self, *args: Any) -> Any:
        """Read the spans, some seconds later."""
        await self.world.clock.sleep(self.seconds)
        return await super().spans(*args)


async def test_a_later_view_may_send_again() -> None:
    """With the limit that the client had."""
    world = World()
    client = caching(world).with_options(max_requests=3).with_options(only_cached=True)
    with pytest.raises(BudgetExceeded, match="only_cached"):
        await client.summary(world.system)
    again = client.with_options(only_cached=False)
    assert (await again.summary(world.system)).receipt.sent == 1
    with pytest.raises(BudgetExceeded, match="max_requests=3"):
        await again.rgm_stats(world.system, **world.days(60))


async def test_what_is_cached_waits_for_nobody() -> None:
    """A full minute, or others in the queue, are no reason to refuse what takes no request."""
    world = World(latency=5.0)
    client = caching(world, plan=Plan(minute=1))
    now = await client.summary(world.system)
    page = client.with_options(max_age=HOUR, max_wait=5)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_awaited, client.rgm_stats(world.system))
        await world.clock.sleep(1)
        assert await page.summary(world.system) == now
        with pytest.raises(BudgetExceeded, match="^1 request takes .* s on this plan"):
            await page.with_options(max_age=0).summary(world.system)


# In place of an error


@pytest.mark.parametrize("version", ["v2", "v4"])
async def test_a_cached_answer_stands_in_for_an_outage(version: str) -> None:
    """As old as it may be; the receipt tells the error and what was sent in vain, the coverage the age."""
    world = World()
    client = caching(world, version).with_options(stale_if_error=timedelta(hours=6))
    day = await client.rgm_stats(world.system, **world.days(1))
    fetched = day.coverage.as_of
    assert day.receipt.failure == ""
    world.clock.advance(5 * HOUR)
    world.emulator.inject(Fault(status=500, body="{}", times=math.inf))
    stale = await client.rgm_stats(world.system, start_at=day.window.start, end_at=day.window.end)
    assert stale == day
    assert stale.coverage.as_of == fetched
    assert (stale.receipt.sent, stale.receipt.failure != "") == (1, True)
    world.clock.advance(2 * HOUR)
    with pytest.raises(ServerError):
        await client.rgm_stats(world.system, start_at=day.window.start, end_at=day.window.end)


async def test_todays_answer_ends_where_it_was_fetched() -> None:
    """A dashboard asks for the day so far: the hour since then is younger than the age allowed."""
    world = World()
    client = caching(world).with_options(stale_if_error=6 * HOUR)
    today = datetime.fromtimestamp(world.clock.now(), UTC).date()
    day = await client.rgm_stats(world.system, start_date=today)
    world.clock.advance(HOUR)
    world.emulator.inject(Fault(status=503, body="{}", times=math.inf))
    stale = await client.rgm_stats(world.system, start_date=today)
    assert list(stale.intervals) == list(day.intervals)
    missing = [(gap.window.end, gap.reason) for gap in stale.coverage.gaps()]
    assert missing == [(stale.window.end, Reason.NOT_REPORTED_YET)]


@pytest.mark.parametrize(
    ("options", "view", "error"),
    [
        ({"plan": Plan(minute=1)}, {"max_wait": 5}, BudgetExceeded),
        ({}, {"max_requests": 0}, BudgetExceeded),
        ({"plan": Plan(month=1)}, {}, QuotaExhausted),
    ],
)
async def test_a_cached_answer_stands_in_where_nothing_can_be_sent(
    options: dict[str, Any], view: Any, error: type[Exception]
) -> None:
    """For want of time, of requests allowed or of quota."""
    world = World(quota=Quota.UNLIMITED)
    client = caching(world, **options)
    now = await client.summary(world.system)
    with pytest.raises(error):
        await client.with_options(**view).summary(world.system)
    stale = client.with_options(**view, stale_if_error=HOUR)
    assert await stale.summary(world.system) == now
    assert sent(world) == 1


async def test_all_of_the_answer_has_to_be_there() -> None:
    """Or the error is raised."""
    world = World()
    client = caching(world).with_options(stale_if_error=HOUR)
    await client.rgm_stats(world.system, **world.days(5))
    world.emulator.inject(Fault(dropped=True, times=math.inf))
    with pytest.raises(TransportError) as caught:
        await client.rgm_stats(world.system, **world.days(30))
    assert caught.value.receipt is not None
    assert (caught.value.receipt.sent, caught.value.receipt.failure) == (sent(world) - 1, "")


async def test_what_may_not_be_read_any_more_is_not_shown() -> None:
    """Whoever has revoked a consent, or lost access, gets no cached answer in their name."""
    world = World()
    client = caching(world, "v4").with_options(stale_if_error=30 * 24 * HOUR)
    await client.summary(world.system)
    world.emulator._tokens.revoke(world.emulator.demo_user)
    with pytest.raises(ReauthorizationRequired):
        await client.summary(world.system)
    other = caching(world).with_options(stale_if_error=HOUR)
    await other.summary(world.system)
    for status, error in ((401, AuthenticationError), (403, PermissionDenied)):
        world.emulator.inject(Fault(status=status, body="{}", times=1))
        with pytest.raises(error):
            await other.summary(world.system)


async def test_a_stream_raises() -> None:
    """Its parts have been handed out by then."""
    world = World()
    client = caching(world).with_options(stale_if_error=6 * HOUR)
    day = await client.rgm_stats(world.system, **world.days(1))
    world.clock.advance(HOUR)
    world.emulator.inject(Fault(status=500, body="{}", times=math.inf))
    with pytest.raises(ServerError):
        async for _ in client.rgm_stats(world.system, start_at=day.window.start, end_at=day.window.end):
            pass


def test_receipts_add_up_with_their_errors() -> None:
    """Of several queries the first error is told."""
    assert (Receipt() + Receipt(failure="b") + Receipt(failure="c")).failure == "b"
