"""Streams: each part at once, those after it fetched ahead, nothing sent between two, nothing lost."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from contextvars import ContextVar
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import trio
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async import (
    AuthenticationError,
    BudgetExceeded,
    Plan,
    RequestTimeout,
    RetryPolicy,
    ServerError,
    UsageError,
)
from enlighten_async.cache import MemoryCache
from enlighten_async.emulator import Fault, Quota
from tests.effort import examples
from tests.tasks import living
from tests.world import World

WINDOWS, AT_ONCE = 9, 4


def starts(world: World, windows: int = WINDOWS) -> list[int]:
    """Return the beginnings of the windows that a stream of so many weeks asks for, oldest first."""
    newest = int(world.clock.now()) // 900 * 900
    return [newest - 7 * 86_400 * (windows - number) for number in range(windows)]


def slow(world: World, number: int, seconds: float = 20.0) -> None:
    """Let the service take that much longer for a window."""
    world.emulator.inject(Fault(query={"start_at": starts(world)[number]}, delay=seconds))


def asked(world: World) -> list[int]:
    """Return the numbers of the windows that were asked for, in order."""
    known = {start: number for number, start in enumerate(starts(world))}
    return [known[int(dict(each.params)["start_at"])] for each in world.emulator.log]


def weeks(world: World, client: Any, windows: int = WINDOWS) -> Any:
    """Ask for so many windows that end at the newest quarter of an hour."""
    first = starts(world, windows)[0]
    return client.rgm_stats(world.system, start_at=first, end_at=first + windows * 7 * 86_400)


async def come(world: World, stream: AsyncIterator[Any]) -> list[tuple[float, Any]]:
    """Return the parts, with the seconds after which each came."""
    began = world.clock.monotonic()
    return [(world.clock.monotonic() - began, part) async for part in stream]


async def read(world: World, stream: Any, parts: list[Any], pause: float) -> None:
    """Take up all parts, with so many seconds for each."""
    async for part in stream:
        parts.append(part)
        await world.clock.sleep(pause)


# Each part at once


async def test_a_part_does_not_wait_for_those_sent_with_it() -> None:
    """It is handed out when it and all older ones are there, though a sibling takes 30 s more."""
    world = World(latency=0.5)
    slow(world, 3, seconds=30.0)
    query = weeks(world, world.client(timeout=60))
    times = [seconds for seconds, _ in await come(world, query)]
    assert max(times[:3]) < 2  # the newest is asked for first, and alone
    assert min(times[3:]) > 30
    assert query.receipt.sent == world.emulator.counts.sent == WINDOWS


async def test_the_next_are_fetched_while_one_is_waited_for() -> None:
    """With each part that is handed out the window of those ahead moves on, and no further."""
    world = World(latency=1.0)
    slow(world, 3, seconds=5.0)
    stream = aiter(weeks(world, world.client(max_concurrency=AT_ONCE)))
    for number in range(3):
        await anext(stream)
        assert set(asked(world)) == {8, 0, 1, 2, 3}, number
    assert (await anext(stream)).window.start == starts(world)[3]
    assert set(asked(world)) == {8, *range(7)}


async def test_where_the_minute_is_short_the_oldest_are_asked_for_first() -> None:
    """In whatever order the event loop lets tasks begin: a younger part would be of no use for a minute."""
    for _ in range(5):
        world = World(quota=Quota(minute=5), latency=1.0)
        stream = weeks(world, world.client(plan=Plan(minute=5)))
        began, minute = world.clock.monotonic(), []
        async for part in stream:
            if world.clock.monotonic() - began > 30:
                break
            minute.append(part.window.start)
        assert minute == starts(world)[:4]
        assert sorted(asked(world)[:5]) == [0, 1, 2, 3, 8]


async def test_a_year_streamed_is_53_requests(world: World) -> None:
    """As many as a year that is awaited."""
    query = world.client().rgm_stats(world.system, **world.days(365))
    parts = [part async for part in query]
    assert all(one.window.end == two.window.start for one, two in pairwise(parts))
    assert (query.receipt.sent, world.emulator.counts.sent) == (53, 53)


# Between two items


async def test_nothing_is_sent_between_two_items() -> None:
    """However long the reader is away; what was sent by then is answered meanwhile, and counted."""
    world = World(latency=1.0)
    slow(world, 2)
    query = weeks(world, world.client(max_concurrency=AT_ONCE))
    async for _ in query:
        await world.clock.sleep(0.5)  # what had its permission has left
        before = world.emulator.counts.sent
        await world.clock.sleep(600)
        assert query.receipt.sent == world.emulator.counts.sent == before
    assert world.emulator.counts.sent == WINDOWS


async def test_what_only_has_its_permission_is_put_off_too() -> None:
    """It is given back, where a part comes while the cache is looked into for the last time."""
    world, at_work, left = World(latency=(0.1, 3.0)), False, list[bool]()

    class SlowCache(MemoryCache):
        async def get(self, *args: Any) -> Any:
            await world.clock.sleep(1.0)
            return await super().get(*args)

    options: dict[str, Any] = {"on_request": lambda _: left.append(at_work)}
    async with world.client(interval_cache=SlowCache(), max_concurrency=8, **options) as client:
        query = weeks(world, client)
        async for _ in query:
            at_work = True
            await world.clock.sleep(0.5)
            at_work = False
    assert left == [False] * WINDOWS
    assert query.receipt.sent == WINDOWS


async def test_what_fails_between_two_items_is_repeated_with_the_next() -> None:
    """Not before; and the time that the reader takes is not that of `max_wait`."""
    world = World(latency=1.0)
    fault = Fault(query={"start_at": starts(world)[2]}, delay=3.0, status=500, body="{}")
    world.emulator.inject(fault)
    client = world.client(max_concurrency=AT_ONCE).with_options(max_wait=20)
    query = weeks(world, client)
    stream = aiter(query)
    await anext(stream)
    await world.clock.sleep(0.5)  # what had its permission has left
    before = world.emulator.counts.sent
    await world.clock.sleep(600)
    assert world.emulator.counts.sent == before
    assert len([part async for part in stream]) == WINDOWS - 1
    assert query.receipt.sent == world.emulator.counts.sent == WINDOWS + 1
    assert query.receipt.retried == 1


async def test_another_query_takes_what_is_in_flight() -> None:
    """It waits for the request that goes on, and sends none of its own."""
    world = World(latency=1.0)
    slow(world, 2)
    client = world.client(max_concurrency=AT_ONCE)
    stream = aiter(weeks(world, client))
    await anext(stream)
    await anext(stream)
    start = starts(world)[2]
    assert 2 in asked(world)
    other = await client.rgm_stats(world.system, start_at=start, end_at=start + 7 * 86_400)
    assert (other.receipt.sent, other.receipt.from_cache, other.coverage.complete) == (0, 1, True)
    assert len([part async for part in stream]) == WINDOWS - 2
    assert world.emulator.counts.sent == WINDOWS


async def test_a_request_that_goes_on_runs_in_the_context_of_the_reader() -> None:
    """Hooks see the variables of whoever asked, as those of OpenTelemetry have to."""
    world, context, seen = World(), ContextVar("context", default=""), []
    client = world.client(on_request=lambda _: seen.append(context.get()))
    context.set("reader")
    assert len([part async for part in weeks(world, client)]) == WINDOWS
    assert seen == ["reader"] * WINDOWS


# Left early


@pytest.mark.parametrize("cached", [True, False])
async def test_what_was_sent_is_waited_for_where_answers_are_cached(
    cached: bool, anyio_backend_name: str
) -> None:
    """When the client is closed; without a cache it is cancelled at once."""
    world, cache = World(latency=1.0), MemoryCache()
    slow(world, 2, seconds=20.0)
    options: dict[str, Any] = {"interval_cache": cache} if cached else {}
    tasks, began = living(anyio_backend_name), world.clock.monotonic()
    async with world.client(max_concurrency=AT_ONCE, **options) as client:
        query = weeks(world, client)
        stream = aiter(query)
        await anext(stream)
        await anext(stream)
        await world.clock.sleep(0.5)  # what had its permission has left
        sent = world.emulator.counts.sent
        assert 2 in asked(world)
    assert (world.clock.monotonic() - began > 20) is cached
    assert living(anyio_backend_name) == tasks
    assert query.receipt.sent == world.emulator.counts.sent == sent
    again = world.client(max_concurrency=AT_ONCE, **options)
    answer = await weeks(world, again.with_options(max_age=3600))
    assert answer.coverage.complete
    assert answer.receipt.sent == (WINDOWS - sent if cached else WINDOWS)
    await again.aclose()


async def test_what_is_left_is_in_the_state_file(tmp_path: Path) -> None:
    """Asked again for what had been sent, nothing is sent."""
    world, state = World(latency=1.0), tmp_path / "state.db"
    windows = 4
    async with world.client(state=state) as client:
        async for _ in weeks(world, client, windows):
            break
    assert world.emulator.counts.sent == windows
    async with world.client(state=state) as client:
        assert (await weeks(world, client.with_options(max_age=3600), windows)).receipt.sent == 0


@pytest.mark.parametrize("where", ["at the limiter", "before a retry"])
async def test_what_waits_to_be_sent_is_not_waited_for(where: str) -> None:
    """A client that is closed sends nothing more."""
    world = World(latency=1.0, quota=Quota(minute=4))
    plan = Plan(minute=4) if where == "at the limiter" else None
    if where == "before a retry":
        world = World(latency=1.0)
        body = Fault(query={"start_at": starts(world)[2]}, status=500, body="{}")
        world.emulator.inject(body)
    retry = RetryPolicy(base=25, cap=25)
    options: dict[str, Any] = {"plan": plan} if plan else {}
    async with world.client(interval_cache=MemoryCache(), retry=retry, **options) as client:
        async for _ in weeks(world, client):
            break
        await world.clock.sleep(0.5)  # what had its permission has left
        began, sent = world.clock.monotonic(), world.emulator.counts.sent
    assert world.clock.monotonic() - began < 1.5
    assert world.emulator.counts.sent == sent


async def test_whoever_is_cancelled_waits_for_nothing(anyio_backend_name: str) -> None:
    """A time limit, or Ctrl-C, around the client ends at once; no task is left."""
    world = World(latency=1.0)
    slow(world, 0)
    tasks, began = living(anyio_backend_name), world.clock.monotonic()
    with world.clock.move_on_after(5) as scope:
        async with world.client(interval_cache=MemoryCache()) as client:
            await anext(aiter(weeks(world, client)))
    assert scope.cancelled_caught
    assert world.clock.monotonic() - began == pytest.approx(5)
    assert living(anyio_backend_name) == tasks


async def test_a_cancel_while_the_client_is_closed_cancels_what_goes_on(anyio_backend_name: str) -> None:
    """And the client is closed."""
    world = World(latency=1.0)
    slow(world, 2)
    tasks, client = living(anyio_backend_name), world.client(interval_cache=MemoryCache())
    await anext(aiter(weeks(world, client)))
    with world.clock.move_on_after(5) as scope:
        await client.aclose()
    assert scope.cancelled_caught
    assert living(anyio_backend_name) == tasks
    with pytest.raises(UsageError, match="closed"):
        await client.quota()


async def test_a_reader_whose_client_is_closed_is_told(anyio_backend_name: str) -> None:
    """By the error that everybody gets from a client that is closed."""
    world = World(latency=1.0)
    slow(world, 0)
    client, told = world.client(interval_cache=MemoryCache()), []

    async def be_told() -> None:
        with pytest.raises(UsageError, match="closed") as caught:
            await read(world, weeks(world, client), [], pause=0)
        told.append(caught.value)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(be_told)
        await world.clock.sleep(5)
        await client.aclose()
    assert len(told) == 1


# Cancelled, and gone on with


@pytest.mark.parametrize("after", [0.5, 1.5, 2.5, 7.0])
async def test_a_cancelled_step_is_taken_up_by_the_next(after: float, anyio_backend_name: str) -> None:
    """Of the newest window as of the others: nothing is sent twice, and nothing is missing."""
    world = World(latency=1.0)
    slow(world, 1, seconds=8.0)
    tasks = living(anyio_backend_name)
    query, parts = weeks(world, world.client(max_concurrency=AT_ONCE)), []
    stream = aiter(query)
    while True:
        with world.clock.move_on_after(after):
            try:
                parts.append(await anext(stream))
            except StopAsyncIteration:
                break
    assert [part.window.start for part in parts] == starts(world)
    assert query.receipt.sent == world.emulator.counts.sent == WINDOWS
    assert sorted(asked(world)) == list(range(WINDOWS))
    assert living(anyio_backend_name) == tasks


@pytest.mark.slow
async def test_cancelled_at_every_step_of_the_event_loop_and_gone_on_with(anyio_backend_name: str) -> None:
    """After 0, 1, 2, ... turns: the parts are in order, each is paid for once, and no task is left."""
    steps, whole = 0, False
    while not whole:
        world = World()
        tasks = living(anyio_backend_name)
        query, parts = weeks(world, world.client(max_concurrency=AT_ONCE), 6), list[Any]()
        stream = aiter(query)
        whole = await cut_after(steps, world, stream, parts)
        await read(world, stream, parts, pause=0)
        assert [part.window.start for part in parts] == starts(world, 6), steps
        assert query.receipt.sent == world.emulator.counts.sent == 6
        assert living(anyio_backend_name) == tasks
        steps += 1
    assert steps > 10


async def cut_after(steps: int, world: World, stream: Any, parts: list[Any]) -> bool:
    """Read, and cancel that after so many turns of the event loop; return whether it was done before."""
    done = False

    async def work() -> None:
        nonlocal done
        await read(world, stream, parts, pause=0)
        done = True

    async with anyio.create_task_group() as group:
        group.start_soon(work)
        for _ in range(steps):
            await checkpoint()
            if done:
                break
        group.cancel_scope.cancel()
    return done


async def test_the_question_for_the_time_zone_is_taken_up_too(anyio_backend_name: str) -> None:
    """Of a stream of local days; and it ends with `max_wait`."""
    world, tasks = World(latency=3.0), living(anyio_backend_name)
    days: Any = {"start_date": date(2025, 6, 1), "end_date": date(2025, 6, 2)}
    query = world.client().rgm_stats(world.system, **days)
    stream, parts = aiter(query), list[Any]()
    while not parts:
        with world.clock.move_on_after(1.0):
            parts.append(await anext(stream))
    assert query.receipt.sent == world.emulator.counts.sent == 2
    hasty = world.client().with_options(max_wait=2).rgm_stats(world.system, **days)
    with pytest.raises(RequestTimeout, match="max_wait"):
        await anext(aiter(hasty))
    assert hasty.receipt.sent == 1
    assert living(anyio_backend_name) == tasks


async def test_pages_are_taken_up_too() -> None:
    """Of a list of systems, of which a page is asked for when it is needed."""
    world = World(systems=2500, latency=3.0)
    stream, seen = aiter(world.client().systems()), []
    while True:
        with world.clock.move_on_after(2.0):
            try:
                seen.append(await anext(stream))
            except StopAsyncIteration:
                break
    assert len({system.system_id for system in seen}) == len(seen) == 2500
    assert world.emulator.counts.sent == 3


# The end


async def test_max_wait_ends_what_is_in_flight(anyio_backend_name: str) -> None:
    """It is counted before the error is raised, and nothing of it goes on."""
    world = World(latency=1.0)
    slow(world, 2)
    tasks = living(anyio_backend_name)
    client = world.client(max_concurrency=AT_ONCE).with_options(max_wait=10)
    query, parts = weeks(world, client), list[Any]()
    with pytest.raises((BudgetExceeded, RequestTimeout), match="max_wait") as caught:
        await read(world, query, parts, pause=3)
    assert [part.window.start for part in parts] == starts(world)[:2]
    assert caught.value.receipt is not None
    assert caught.value.receipt.sent == query.receipt.sent == world.emulator.counts.sent
    assert living(anyio_backend_name) == tasks


async def test_an_error_that_ends_the_query_comes_after_the_parts_before_it() -> None:
    """Though it arrived while the reader was away; nothing is sent after it."""
    world = World(latency=1.0)
    text = '{"reason":"401","message":["Not authorized to access requested resource."]}'
    world.emulator.inject(Fault(query={"start_at": starts(world)[3]}, status=401, body=text, delay=3.0))
    query, parts = weeks(world, world.client(max_concurrency=AT_ONCE)), list[Any]()
    with pytest.raises(AuthenticationError):
        await read(world, query, parts, pause=60)
    assert [part.window.start for part in parts] == [*starts(world)[:3], starts(world)[-1]]
    assert world.emulator.counts.sent == AT_ONCE + 1


async def test_a_window_that_fails_does_not_stop_the_others() -> None:
    """Its error comes after the last part, as ever."""
    world = World(latency=1.0)
    world.emulator.inject(
        Fault(query={"start_at": starts(world)[3]}, status=500, body="{}", delay=2.0, times=9)
    )
    parts = list[Any]()
    with pytest.raises(ServerError):
        await read(world, weeks(world, world.client(retry=RetryPolicy(attempts=1))), parts, pause=0)
    assert [part.window.start for part in parts] == [*starts(world)[:3], *starts(world)[4:]]


class CrashError(BaseException):
    """A fault that nobody expects."""


async def test_a_crash_is_raised_by_the_next_step_as_it_is() -> None:
    """Not in a group, and not where nobody sees it; the next step goes on."""
    world = World(latency=1.0)
    inner, crashes = world.emulator.transport(), [starts(world)[2]]

    class Crashing(httpx.AsyncBaseTransport):
        app = world.emulator

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if int(request.url.params["start_at"]) in crashes:
                await world.clock.sleep(3.0)
                crashes.clear()
                raise CrashError
            return await inner.handle_async_request(request)

    stream = aiter(weeks(world, world.client(transport=Crashing(), max_concurrency=AT_ONCE)))
    parts = [await anext(stream), await anext(stream)]
    await world.clock.sleep(60)
    with pytest.raises(CrashError):
        await anext(stream)
    parts += [part async for part in stream]
    assert [part.window.start for part in parts] == starts(world)


@pytest.mark.usefixtures("collected")
async def test_a_crash_that_no_step_can_raise_is_logged(
    caplog: pytest.LogCaptureFixture, anyio_backend_name: str
) -> None:
    """Where the stream is left before: by its kind alone, as its text may hold what nobody should read."""
    world = World(latency=1.0)
    inner, crashed = world.emulator.transport(), starts(world)[2]

    class Crashing(httpx.AsyncBaseTransport):
        app = world.emulator

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if int(request.url.params["start_at"]) == crashed:
                await world.clock.sleep(3.0)
                raise CrashError(str(request.url))
            return await inner.handle_async_request(request)

    async with world.client(transport=Crashing(), max_concurrency=AT_ONCE) as client:
        async for part in weeks(world, client):
            if part.window.start == starts(world)[1]:
                break
        await world.clock.sleep(60)
    del client
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == [
        "a query that was left had failed in the background: CrashError"
    ]


@pytest.mark.usefixtures("collected")
def test_an_event_loop_that_ends_without_a_close_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Neither asyncio nor trio warns of a task or an error that nobody looked at."""

    async def leave() -> None:
        world = World(latency=1.0)
        slow(world, 2)
        await anext(aiter(weeks(world, world.client(max_concurrency=AT_ONCE))))

    with caplog.at_level(logging.WARNING):
        asyncio.run(leave())
        trio.run(leave)
        gc.collect()
    assert caplog.records == []


# Whatever comes


@pytest.mark.slow
@examples(25)
@given(
    seed=st.integers(0, 10_000),
    at_once=st.integers(1, 5),
    failing=st.lists(st.integers(0, WINDOWS - 1), max_size=2, unique=True),
    pauses=st.lists(st.sampled_from([0.3, 2.0, 9.0]), min_size=1, max_size=8),
    limits=st.lists(st.sampled_from([None, 0.2, 1.0, 4.0]), min_size=1, max_size=8),
    left_after=st.integers(1, 2 * WINDOWS),
    minute=st.sampled_from([4, 100_000]),
)
async def test_parts_are_in_order_and_paid_for_once(
    seed: int,
    at_once: int,
    failing: list[int],
    pauses: list[float],
    limits: list[float | None],
    left_after: int,
    minute: int,
) -> None:
    """Whatever latencies, failures and cancels there are, and whenever the stream is left for an answer."""
    world = World(latency=(0.1, 3.0), seed=seed, quota=Quota(minute=minute))
    for number in failing:
        world.emulator.inject(Fault(query={"start_at": starts(world)[number]}, status=500, body="{}"))
    begins, parts, steps = starts(world), [], 0
    cache, plan = MemoryCache(), Plan(minute=minute)
    first = begins[0]
    span = {"start_at": first, "end_at": first + WINDOWS * 7 * 86_400}
    async with world.client(max_concurrency=at_once, interval_cache=cache, plan=plan) as client:
        stream = aiter(client.rgm_stats(world.system, **span))
        while len(parts) < left_after:
            with world.clock.move_on_after(limits[steps % len(limits)] if steps < 40 else None):
                try:
                    parts.append(await anext(stream))
                except StopAsyncIteration:
                    break
            await world.clock.sleep(pauses[steps % len(pauses)])
            steps += 1
    assert [part.window.start for part in parts] == begins[:left_after]
    async with world.client(max_concurrency=at_once, interval_cache=cache, plan=plan) as client:
        answer = await client.with_options(max_age=86_400).rgm_stats(world.system, **span)
    assert answer.coverage.complete
    rows = [row for part in parts for row in part.intervals]
    assert rows == list(answer.intervals)[: len(rows)]
    assert world.emulator.counts.sent == WINDOWS + len(failing)
    assert world.emulator.counts.rejected == 0
