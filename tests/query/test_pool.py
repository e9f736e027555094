"""A pool of queries: every outcome once, a few at a time, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import httpx
import pytest
from anyio.lowlevel import checkpoint

from enlighten_async import (
    Answered,
    EnlightenClient,
    Failed,
    InputError,
    NotFound,
    Plan,
    Query,
    Receipt,
    Summary,
    UsageError,
    as_completed,
)
from enlighten_async.api.series import SeriesPlan, SeriesRequests
from enlighten_async.api.single import SinglePlan
from enlighten_async.emulator import Fault
from enlighten_async.models import rgm_stats
from enlighten_async.query import fetch
from enlighten_async.wire import Request, Response
from tests.tasks import living
from tests.world import World

LIMIT = 3
UNKNOWN = 424_242


def fleet(systems: int = 12, **settings: Any) -> tuple[World, EnlightenClient, list[int]]:
    """Return a service, a client and the ids of its user's systems."""
    world = World(systems=systems, users=1, **settings)
    ids = [each.system_id for each in world.emulator.truth.systems(world.emulator.demo_user)]
    return world, world.client(), ids


async def test_every_query_is_answered_once() -> None:
    """Each answer comes with its query and its number; the costs add up."""
    world, client, ids = fleet()
    queries = [client.summary(system_id) for system_id in ids]
    numbers = []
    async with as_completed(queries, limit=LIMIT) as outcomes:
        async for outcome in outcomes:
            assert isinstance(outcome, Answered)
            assert outcome.answer.system_id == ids[outcome.number]
            assert outcome.query is queries[outcome.number]
            numbers.append(outcome.number)
    assert sorted(numbers) == list(range(len(ids)))
    assert outcomes.receipt.sent == world.emulator.counts.sent == len(ids) > LIMIT


async def test_one_that_fails_does_not_stop_the_others() -> None:
    """Its error comes as an outcome of its own class, with what it cost."""
    _, client, ids = fleet()
    queries = [client.summary(each) for each in [*ids[:2], UNKNOWN, *ids[2:]]]
    async with as_completed(queries, limit=LIMIT) as outcomes:
        ends = [outcome async for outcome in outcomes]
    failed = [each for each in ends if isinstance(each, Failed)]
    assert [(each.number, type(each.error)) for each in failed] == [(2, NotFound)]
    assert len(ends) == len(ids) + 1
    assert outcomes.receipt.sent == len(ids) + 1


@pytest.mark.parametrize("ordered", [False, True])
async def test_outcomes_come_as_they_are_or_in_order(ordered: bool) -> None:
    """The slow one comes last, unless the order of the queries is asked for."""
    slow = Fault(path="/summary", times=1, delay=5.0)
    _, client, ids = fleet(faults=[slow], latency=0.1)
    async with as_completed(map(client.summary, ids), limit=LIMIT, ordered=ordered) as outcomes:
        numbers = [outcome.number async for outcome in outcomes]
    assert sorted(numbers) == list(range(len(ids)))
    assert (numbers == sorted(numbers)) is ordered
    assert ordered or numbers[-1] < LIMIT


class Source:
    """Queries without end, counted as they are taken; those that are still alive."""

    def __init__(self, ask: Callable[[], Query[object, Summary]]) -> None:
        self.ask = ask
        self.taken = 0
        self.alive: weakref.WeakSet[Query[object, Summary]] = weakref.WeakSet()

    def __iter__(self) -> Iterator[Query[object, Summary]]:
        while True:
            self.taken += 1
            query = self.ask()
            self.alive.add(query)
            yield query
            del query


async def read(source: Source, count: int, *, ordered: bool = False) -> None:
    """Read so many outcomes; at each, no more queries were taken than there are places for."""
    async with as_completed(source, limit=LIMIT, ordered=ordered) as outcomes:
        seen = 0
        async for outcome in outcomes:
            del outcome
            seen += 1
            assert source.taken <= seen + LIMIT
            assert len(source.alive) <= LIMIT + 3
            if seen == count:
                return


@pytest.mark.parametrize("ordered", [False, True])
async def test_queries_are_taken_one_by_one_and_not_kept(world: World, ordered: bool) -> None:
    """Of an endless iterable only as many are alive as there are places; the rest was never asked for."""
    client = world.client()
    source = Source(lambda: client.summary(world.system))
    await read(source, 200, ordered=ordered)
    assert 200 <= source.taken <= 200 + LIMIT
    gc.collect()
    assert not source.alive


async def test_a_reader_that_stands_still_stops_the_pool(world: World) -> None:
    """While no outcome is taken, no query is started beyond the places."""
    client = world.client()
    source = Source(lambda: client.summary(world.system))
    async with as_completed(source, limit=LIMIT) as outcomes:
        await anext(outcomes)
        await world.clock.sleep(600)
        assert source.taken == outcomes.progress.done == LIMIT + 1
        await anext(outcomes)
        await world.clock.sleep(600)
        assert source.taken == outcomes.progress.done == LIMIT + 2


async def test_an_async_iterable_of_queries() -> None:
    """The systems are asked for page by page, each system when there is a place for it."""
    _, client, ids = fleet()
    queries = (client.summary(system.system_id) async for system in client.systems())
    async with as_completed(queries, limit=LIMIT) as outcomes:
        seen = {each.answer.system_id async for each in outcomes if isinstance(each, Answered)}
        assert outcomes.progress.total == len(ids)
    assert seen == set(ids)


async def test_an_async_generator_is_closed_when_the_block_is_left(world: World) -> None:
    """What it holds open is released at once, not when it is collected."""
    client, closed = world.client(), False

    async def queries() -> AsyncIterator[Query[Any, Summary]]:
        nonlocal closed
        try:
            while True:
                yield client.summary(world.system)
        finally:
            closed = True

    async with as_completed(queries()) as outcomes:
        async for _ in outcomes:
            break
    assert closed


async def test_leaving_the_loop_leaves_no_task_and_sends_nothing_more(anyio_backend_name: str) -> None:
    """After `break` all tasks are over, and those under way count as costs."""
    world, client, ids = fleet(latency=1.0)
    before = living(anyio_backend_name)
    async with as_completed(map(client.summary, ids), limit=LIMIT) as outcomes:
        async for _ in outcomes:
            assert living(anyio_backend_name) > before
            break
    assert living(anyio_backend_name) == before
    sent = world.emulator.counts.sent
    await world.clock.sleep(600)
    assert world.emulator.counts.sent == sent == outcomes.receipt.sent < len(ids)


@pytest.mark.parametrize("moment", [0.0, 0.5, 1.5, 2.5])
async def test_a_cancellation_leaves_no_task(anyio_backend_name: str, moment: float) -> None:
    """Whenever it comes."""
    world, client, ids = fleet(latency=1.0)
    before = living(anyio_backend_name)
    with world.clock.move_on_after(moment) as scope:
        async with as_completed(map(client.summary, ids), limit=LIMIT) as outcomes:
            async for _ in outcomes:
                await world.clock.sleep(0.1)
    assert scope.cancelled_caught
    assert living(anyio_backend_name) == before
    sent = world.emulator.counts.sent
    await world.clock.sleep(600)
    assert world.emulator.counts.sent == sent < len(ids)


@pytest.mark.parametrize("anyio_backend", ["asyncio"], scope="module")
async def test_a_cancelled_task_leaves_no_task() -> None:
    """As asyncio cancels one from outside; it ends as cancelled."""
    world, client, ids = fleet(latency=1.0)
    before = living("asyncio")

    async def work() -> None:
        async with as_completed(map(client.summary, ids), limit=LIMIT) as outcomes:
            async for _ in outcomes:
                pass

    task = asyncio.create_task(work())
    await world.clock.sleep(1.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert living("asyncio") == before


@pytest.mark.usefixtures("collected")
@pytest.mark.parametrize("anyio_backend", ["asyncio"], scope="module")
async def test_a_cancelled_task_leaves_no_query_to_be_awaited(recwarn: pytest.WarningsRecorder) -> None:
    """Those that were not started are over with the pool: nobody is warned of them."""
    world, client, ids = fleet(latency=1.0)

    async def work() -> None:
        async with as_completed([client.summary(each) for each in ids], limit=LIMIT) as outcomes:
            async for _ in outcomes:
                pass

    task = asyncio.create_task(work())
    await world.clock.sleep(1.5)
    task.cancel()
    await asyncio.wait([task])
    del task
    gc.collect()
    assert [str(each.message) for each in recwarn] == []


async def test_an_error_of_the_body_comes_as_it_is(world: World) -> None:
    """Not in a group, and the queries under way are over."""
    client = world.client()
    source = Source(lambda: client.summary(world.system))
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is the subject
        async with as_completed(source) as outcomes:
            async for _ in outcomes:
                raise ZeroDivisionError


async def test_an_error_of_the_iterable_comes_after_the_outcomes_before() -> None:
    """They were paid for."""
    _, client, ids = fleet(latency=1.0)

    def queries() -> Iterator[Query[Any, Summary]]:
        yield from map(client.summary, ids[:2])
        raise ZeroDivisionError

    seen = []
    async with as_completed(queries()) as outcomes:
        seen += [(await anext(outcomes)).number, (await anext(outcomes)).number]
        with pytest.raises(ZeroDivisionError):
            await anext(outcomes)
    assert sorted(seen) == [0, 1]


def broken(_: Response) -> Summary:
    """Fail in a way no decoder may."""
    raise ZeroDivisionError


async def test_a_fault_that_is_not_of_the_service_is_raised(world: World) -> None:
    """A bug is no outcome."""
    client = world.client(transport=httpx.MockTransport(lambda _: httpx.Response(200, content=b"{}")))
    plan = SinglePlan(Request("things", "/things", (), broken), lambda: Summary)
    async with as_completed([client._query(plan)]) as outcomes:
        with pytest.raises(ZeroDivisionError):
            await anext(outcomes)


async def test_progress_and_costs() -> None:
    """Queries in place of windows; the total where it is known."""
    _, client, ids = fleet()
    pool = as_completed([client.summary(each) for each in ids[:5]], limit=LIMIT)
    assert (pool.progress.done, pool.progress.total, pool.receipt) == (0, 5, Receipt())
    async with pool as outcomes:
        async for _ in outcomes:
            assert outcomes.progress.total == 5
        assert (outcomes.progress.done, outcomes.progress.sent) == (5, 5)
    assert "done=5" in repr(pool)
    endless = as_completed(iter([client.summary(ids[0])]))
    assert endless.progress.total is None
    async with endless as outcomes:
        async for _ in outcomes:
            pass
    assert endless.progress.total == 1


async def test_progress_says_what_the_oldest_query_waits_for() -> None:
    """The plan's minute, and until when."""
    world, _, ids = fleet()
    client, seen = world.client(plan=Plan(minute=4)), set()
    async with as_completed(map(client.summary, ids)) as outcomes:
        async for _ in outcomes:
            await world.clock.sleep(1)
            seen.add((outcomes.progress.waiting, outcomes.progress.until is None))
    assert seen >= {("minute", False), (None, True)}
    assert outcomes.receipt.waited["minute"] > 0


async def test_wrong_use_costs_nothing(world: World) -> None:
    """Each says what to do."""
    client = world.client()
    query = client.systems()
    with pytest.raises(InputError, match="several"):
        as_completed(query)  # type: ignore[arg-type]
    for limit in (0, -1, True, 2.5):
        with pytest.raises(InputError, match="1 or more"):
            as_completed([], limit=limit)  # type: ignore[arg-type]
    pool = as_completed([query])
    with pytest.raises(UsageError, match="async with"):
        async for _ in pool:
            pass
    with pytest.raises(UsageError, match="async with"):
        await anext(pool)
    async with as_completed([7]) as outcomes:  # type: ignore[list-item]
        with pytest.raises(InputError, match="take queries"):
            await anext(outcomes)
    with pytest.raises(UsageError, match="once"):
        async with outcomes:
            pass
    query.close()
    assert world.emulator.counts.sent == 0


async def test_queries_that_were_not_started_need_not_be_awaited(world: World) -> None:
    """Whoever leaves the block has seen enough; no warning tells of the rest."""
    client = world.client()
    async with as_completed([client.summary(world.system) for _ in range(9)], limit=2) as outcomes:
        await anext(outcomes)
    gc.collect()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # trio runs the tasks of a round in any order
async def test_long_work_goes_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a round of the loop one long body is decoded, or one meter of one answer is merged: never two."""
    rounds, busy = 0, list[int]()

    def noted(work: Callable[..., Any]) -> Callable[..., Any]:
        def in_round(*given: Any, **named: Any) -> Any:
            busy.append(rounds)
            return work(*given, **named)

        return in_round

    async def count_rounds() -> None:
        nonlocal rounds
        while True:
            await checkpoint()
            rounds += 1

    monkeypatch.setattr(fetch, "LONG_BODY_BYTES", 1000)
    monkeypatch.setattr(SeriesRequests, "_part", noted(SeriesRequests._part))
    monkeypatch.setattr(rgm_stats, "_grouped", noted(rgm_stats._grouped))
    world = World()
    ends = [world.clock.now() - 28 * 86_400 * number for number in range(LIMIT)]
    client, meters = world.client(), 0
    async with anyio.create_task_group() as group:
        group.start_soon(count_rounds)
        queries = [client.rgm_stats(world.system, start_at=end - 28 * 86_400, end_at=end) for end in ends]
        async with as_completed(queries) as outcomes:
            async for outcome in outcomes:
                assert isinstance(outcome, Answered)
                meters += len(outcome.answer.meter_intervals)
        group.cancel_scope.cancel()
    assert meters >= 2 * LIMIT
    assert len(set(busy)) == len(busy) == 4 * LIMIT + meters


async def test_what_is_cancelled_while_it_is_merged_is_there_when_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All parts are there: the same query goes on to the same answer, and sends nothing."""
    world = World()
    query, whole = (world.client().rgm_stats(world.system, **world.days(28)) for _ in range(2))
    scope, merge = anyio.CancelScope(), SeriesPlan.merge_in_steps

    def cancelled(*given: Any) -> Any:
        scope.cancel()
        return merge(*given)

    with monkeypatch.context() as patched, scope:
        patched.setattr(SeriesPlan, "merge_in_steps", cancelled)
        await query
    assert scope.cancelled_caught
    assert await query == await whole
    assert query.receipt.sent == 4
