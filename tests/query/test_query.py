"""A query: awaited, iterated, priced, passed around as a coroutine."""

from __future__ import annotations

import asyncio
import gc
import json
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from typing import Any

import anyio
import pytest
import trio

from enlighten_async import BudgetExceeded, Gap, NotFound, Plan, Reason, RequestTimeout, UsageError, Window
from enlighten_async.cache import MemoryCache
from enlighten_async.emulator import Fault, Quota
from enlighten_async.state import disk_threads
from enlighten_async.testing import FakeClock
from tests.world import World


def rows(world: World, start: float, end: float) -> list[tuple[int, int]]:
    """Return end and energy of each interval as the service knows them."""
    return [
        (row["end_at"], row["wh_del"]) for row in world.emulator.truth.rgm_stats(world.system, start, end)
    ]


async def test_a_year_is_53_requests_and_equals_the_truth(world: World) -> None:
    """The last 365 days, clipped to retention, cost 53 requests and hold what the service holds."""
    year = await world.client().rgm_stats(world.system, **world.days(365))
    ends, energy = year.intervals.columns["end_at"], year.intervals.columns["wh_del"]
    assert list(zip(ends, energy, strict=True)) == rows(world, year.window.start + 3600, year.window.end)
    assert (year.receipt.sent, world.emulator.counts.sent, world.emulator.counts.rejected) == (53, 53, 0)
    assert year.coverage.complete
    assert {gap.reason for gap in year.coverage.gaps()} <= {
        Reason.BEYOND_RETENTION,
        Reason.NOT_REPORTED_YET,
    }


async def test_meters_equal_the_truth_channel_by_channel(world: World) -> None:
    """Each meter's channels hold the service's rows in order, each once."""
    answer = await world.client().rgm_stats(world.system, **world.days(30))
    truth = world.emulator.truth.meter_intervals(world.system, answer.window.start, answer.window.end)
    assert [meter.meter_serial_number for meter in answer.meter_intervals] == [
        meter["meter_serial_number"] for meter in truth
    ]
    for meter, known in zip(answer.meter_intervals, truth, strict=True):
        listed: Any = known["intervals"]
        assert [
            (row.channel, row.end_at.timestamp(), row.wh_del, row.curr_w) for row in meter.intervals
        ] == sorted((row["channel"], row["end_at"], row["wh_del"], row["curr_w"]) for row in listed)


async def test_the_newest_window_is_asked_first_and_alone() -> None:
    """The first request is the newest window; the others leave when its answer is there."""
    world = World(latency=2.0)
    await world.client().rgm_stats(world.system, **world.days(21))
    first, *others = world.emulator.log
    starts = [int(dict(arrival.params)["start_at"]) for arrival in world.emulator.log]
    assert (starts[0], len(others)) == (max(starts), 2)
    assert all(arrival.at >= first.at + 2 for arrival in others)


async def test_streamed_parts_come_in_order_of_time_and_add_up(world: World) -> None:
    """A stream hands out each window's part, oldest first, for the same price."""
    client = world.client()
    whole = await client.rgm_stats(world.system, **world.days(100))
    world.emulator.counts.reset()
    parts = [part async for part in client.rgm_stats(world.system, **world.days(100))]
    assert [part.window.start for part in parts] == [
        whole.window.start + 7 * 86_400 * number for number in range(15)
    ]
    assert [row for part in parts for row in part.intervals] == list(whole.intervals)
    assert world.emulator.counts.sent == 15


async def test_leaving_a_stream_early_buys_no_more(world: World) -> None:
    """After `break` nothing is sent, and no more was than the batch at hand and the newest window."""
    query = world.client(max_concurrency=4).rgm_stats(world.system, **world.days(365))
    async for _ in query:
        break
    assert query.receipt.sent == world.emulator.counts.sent == 5
    await world.clock.sleep(600)
    assert world.emulator.counts.sent == 5


async def test_an_estimate_costs_nothing_and_is_right(world: World) -> None:
    """The price is known before: at most 53 requests, six windows of ten, 0.53 % of the month."""
    client = world.client(plan=None)
    query = client.rgm_stats(world.system, **world.days(365))
    price = await query.estimate()
    assert world.emulator.counts.sent == 0
    assert (price.at_least, price.at_most, price.month_share, price.fits) == (1, 53, 0.0053, True)
    answer = await query
    assert answer.receipt.sent == price.at_most
    assert abs(price.ready_at.timestamp() - world.clock.now()) <= 61


async def test_pages_of_systems_are_followed_to_the_end() -> None:
    """All systems arrive, whatever the page size, and a stream hands them out one by one."""
    world = World(systems=2500)
    client = world.client()
    systems = await client.systems()
    assert (len(systems), systems.complete, systems.receipt.sent) == (2500, True, 3)
    assert [system.system_id async for system in client.systems()] == [s.system_id for s in systems]
    assert world.emulator.counts.sent == 6


async def test_a_stream_of_systems_asks_for_a_page_when_it_is_needed() -> None:
    """Whoever stops on the first page pays for one."""
    world = World(systems=2500)
    async for _ in world.client().systems():
        break
    assert world.emulator.counts.sent == 1


async def test_summary_of_today_and_of_a_past_day(world: World) -> None:
    """One request each; the day asked for is the day answered."""
    client = world.client()
    today = await client.summary(world.system)
    past = await client.summary(str(world.system), summary_date=date(2025, 5, 1))
    assert (today.system_id, today.receipt.sent, past.summary_date) == (world.system, 1, date(2025, 5, 1))
    assert (past.current_power, world.emulator.counts.sent) == (0, 2)


# Local days


async def test_local_days_need_the_time_zone_which_is_asked_for_once() -> None:
    """The first query of local days costs one request more, those beside it share it all."""
    world = World(latency=0.1)
    client = world.client()
    price = await client.rgm_stats(world.system, start_date=date(2025, 6, 1)).estimate()
    answers = []

    async def ask() -> None:
        answers.append(await client.rgm_stats(world.system, start_date=date(2025, 6, 1)))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(ask)
    windows = len(answers[0].intervals) // 672 + 1
    assert sum(answer.receipt.sent for answer in answers) == world.emulator.counts.sent == windows + 1
    assert price.at_least == 2
    assert windows + 1 <= (price.at_most or 0) <= windows + 2
    assert (await client.rgm_stats(world.system, start_date=date(2025, 6, 1))).receipt.sent == windows


async def test_local_days_are_whole_days_of_the_system(world: World) -> None:
    """A day begins after midnight there and ends with the interval that ends at the next midnight."""
    day = date(2025, 3, 9)  # the clocks go forward
    answer = await world.client().rgm_stats(world.system, start_date=day, end_date=day)
    zone = world.emulator.truth.system(world.system).timezone
    (total,) = answer.sums("day")
    assert (answer.timezone, total.start.isoformat()) == (zone, "2025-03-09T00:00:00-08:00")
    assert (total.expected, len(answer.sums("hour"))) == (92, 23)
    assert total.wh == sum(wh for _, wh in rows(world, answer.window.start, answer.window.end))


async def test_a_system_that_is_not_seen_has_no_time_zone(world: World) -> None:
    """Local days of an unknown system cost one request and say what to check."""
    with pytest.raises(NotFound, match="check the system id") as caught:
        await world.client().rgm_stats(424_242, start_date=date(2025, 6, 1))
    assert world.emulator.counts.sent == 1
    assert caught.value.receipt is not None
    assert caught.value.receipt.sent == 1


async def test_no_range_is_the_systems_own_today(world: World) -> None:
    """Without a range the service decides: from local midnight to now, in one request."""
    client = world.client()
    await client.systems()
    today = await client.rgm_stats(world.system)
    (total,) = today.sums("day")
    assert (total.start.hour, today.receipt.sent) == (0, 1)
    assert total.got == len(today.intervals) == total.expected


async def test_sums_without_a_time_zone_say_what_to_do(world: World) -> None:
    """Nothing is guessed: the error names the two ways out."""
    week = await world.client().rgm_stats(world.system, **world.days(7))
    with pytest.raises(ValueError, match="client.systems"):
        week.sums("day")
    assert len(week.sums("day", timezone="UTC")) == 8


# Ranges that need no or fewer requests


async def test_a_range_in_the_future_or_beyond_retention_costs_nothing(world: World) -> None:
    """What is known to be empty is not asked for, once the service has told its time."""
    now = world.clock.now()
    client = world.client()
    await client.summary(world.system)
    future = await client.rgm_stats(world.system, start_at=now + 86_400, end_at=now + 2 * 86_400)
    ancient = await client.rgm_stats(
        world.system, start_at=now - 3 * 365 * 86_400, end_at=now - 2 * 365 * 86_400
    )
    assert (len(future.intervals), len(ancient.intervals), world.emulator.counts.sent) == (0, 0, 1)
    assert [gap.reason for gap in ancient.coverage.gaps()] == [Reason.BEYOND_RETENTION]
    assert ancient.coverage.complete


async def test_a_system_without_meters_costs_one_request_unless_exhaustive() -> None:
    """The newest answer says that there is no device; the rest is bought only on demand."""
    world = World(systems=12)
    bare = next(s for s in world.emulator.truth.systems() if not s.meters)
    client = world.client()
    answer = await client.rgm_stats(bare.system_id, **world.days(70))
    assert (answer.receipt.sent, answer.total_devices, len(answer.intervals)) == (1, 0, 0)
    assert [gap.reason for gap in answer.coverage.gaps()] == [Reason.NO_DEVICE]
    assert answer.coverage.complete
    thorough = await client.with_options(exhaustive=True).rgm_stats(bare.system_id, **world.days(70))
    assert thorough.receipt.sent == 10


async def test_windows_before_operation_are_not_bought() -> None:
    """A young system's year costs the weeks since it went into operation."""
    world = World(systems=60)
    now = world.clock.now()
    young = next(
        s
        for s in world.emulator.truth.systems()
        if s.meters and now - 200 * 86_400 < s.operational_at < now - 86_400
    )
    answer = await world.client().rgm_stats(young.system_id, **world.days(365))
    weeks = -(-(now - young.operational_at) // (7 * 86_400))
    assert weeks <= answer.receipt.sent <= weeks + 1
    assert answer.coverage.gaps()[1].reason is Reason.BEFORE_OPERATION


# Coroutine protocol


async def test_it_passes_for_a_coroutine(world: World, anyio_backend_name: str) -> None:
    """`create_task`, task groups and nurseries take it as they take a coroutine."""
    client = world.client()
    if anyio_backend_name == "asyncio":
        assert (await asyncio.create_task(client.summary(world.system))).system_id == world.system
        assert (await asyncio.gather(client.summary(world.system), client.systems()))[1].complete
        async with asyncio.TaskGroup() as group:
            task = group.create_task(client.rgm_stats(world.system, **world.days(20)))
        assert task.result().coverage.complete
    else:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: client.rgm_stats(world.system, **world.days(20)))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: client.summary(world.system))


def test_it_runs_in_asyncio_run(world: World) -> None:
    """A script of one line works."""
    assert asyncio.run(world.client().rgm_stats(world.system, **world.days(20))).receipt.sent == 3  # type: ignore[arg-type]
    assert trio.run(lambda: world.client().summary(world.system)).system_id == world.system


def test_a_query_that_is_dropped_complains_of_nothing(world: World) -> None:
    """Like a coroutine that never ran, but without a warning: nothing was bought."""
    query = world.client().rgm_stats(world.system)
    query.close()
    del query
    assert world.emulator.counts.sent == 0


async def test_it_is_bought_once(world: World) -> None:
    """Awaited again or by several at once, it gives the same answer for the same price."""
    query = world.client().rgm_stats(world.system, **world.days(30))
    answers = []

    async def ask() -> None:
        answers.append(await query)

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(ask)
    answers.append(await query)
    assert all(answer is answers[0] for answer in answers)
    assert world.emulator.counts.sent == 5


async def test_it_is_awaited_or_streamed_not_both(world: World) -> None:
    """The second use is refused and says what to do."""
    client = world.client()
    streamed, awaited = client.systems(), client.systems()
    async for _ in streamed:
        break
    with pytest.raises(UsageError, match="new one"):
        await streamed
    with pytest.raises(UsageError, match="new one"):
        aiter(streamed)
    await awaited
    with pytest.raises(UsageError, match="new one"):
        aiter(awaited)


# Limits of the caller


async def test_max_requests_refuses_before_anything_is_sent(world: World) -> None:
    """A query that may cost more than allowed is not begun."""
    client = world.client().with_options(max_requests=52)
    with pytest.raises(BudgetExceeded, match="53 requests"):
        await client.rgm_stats(world.system, **world.days(365))
    assert world.emulator.counts.sent == 0
    assert (await client.rgm_stats(world.system, **world.days(300))).receipt.sent == 43
    with pytest.raises(BudgetExceeded, match="max_requests=0"):
        await client.with_options(max_requests=0).summary(world.system)


@pytest.mark.slow
async def test_max_requests_stops_a_cursor() -> None:
    """Where nobody knows the price before, it stops at the limit and hands over what there is."""
    world = World(systems=3500)
    with pytest.raises(BudgetExceeded) as caught:
        await world.client().with_options(max_requests=2).systems()
    assert world.emulator.counts.sent == 2
    partial: Any = caught.value.partial
    assert (len(partial), partial.complete) == (2000, False)


async def test_max_wait_refuses_what_the_plan_cannot_do_in_time() -> None:
    """A year takes minutes on the Watt plan: a caller with half a minute pays nothing for a refusal.

    It names no moment from which on it would fit: there is none.
    """
    world = World(quota=Quota.WATT)
    client = world.client(plan=None).with_options(max_wait=30)
    with pytest.raises(BudgetExceeded, match="53 requests take .*: ask for a shorter range$") as caught:
        await client.rgm_stats(world.system, **world.days(365))
    assert (world.emulator.counts.sent, caught.value.retry_at) == (0, None)
    assert (await client.rgm_stats(world.system, **world.days(60))).receipt.sent == 9
    with pytest.raises(
        BudgetExceeded, match="9 requests take .*: ask for a shorter range, or later$"
    ) as caught:
        await client.with_options(max_age=0).rgm_stats(world.system, **world.days(60))
    assert caught.value.retry_at is not None


@pytest.mark.parametrize(("left", "sent"), [(3, 2), (2, 2), (1, 0), (0, 0)])
async def test_max_wait_refuses_no_more_than_is_known(left: int, sent: int) -> None:
    """The zone and the day take two requests, and might have taken three: two may be sent."""
    world = World(quota=Quota.WATT)
    client = world.v4(plan=None)
    for _ in range(10 - left):
        await client.with_options(max_age=0).summary(world.system)
    query = client.with_options(max_wait=5).rgm_stats(world.system, start_date=date(2025, 6, 15))
    price = await query.estimate()
    assert (price.at_least, price.at_most) == (2, 3)
    if sent:
        assert (await query).receipt.sent == sent
    else:
        with pytest.raises(BudgetExceeded, match="2 requests take"):
            await query
    assert world.emulator.counts.sent == 10 - left + sent


async def test_max_wait_ends_a_query_with_what_it_has() -> None:
    """What arrived in time is on the error, and the rest is named as missing."""
    world = World(latency=4.0)
    client = world.client(max_concurrency=1).with_options(max_wait=10)
    with pytest.raises(BudgetExceeded, match="max_wait") as caught:
        await client.rgm_stats(world.system, **world.days(28))
    partial: Any = caught.value.partial
    assert 1300 < len(partial.intervals) <= 2 * 672
    assert (partial.coverage.complete, partial.receipt.sent) == (False, 3)
    assert caught.value.retry_at is not None  # the plan has room: ask again at once
    assert caught.value.retry_at.timestamp() == pytest.approx(world.clock.now(), abs=6)
    assert [gap.window.seconds for gap in partial.coverage.gaps() if gap.reason is Reason.REFUSED] == [
        14 * 86_400
    ]


async def test_max_wait_counts_the_network_too() -> None:
    """A service that takes 20 s for an answer does not hold up a caller who waits for 5."""
    world = World(latency=20.0)
    began = world.clock.monotonic()
    with pytest.raises(RequestTimeout, match="max_wait"):
        await world.client().with_options(max_wait=5).summary(world.system)
    assert world.clock.monotonic() - began == pytest.approx(5)


# What comes out


class SlowCache(MemoryCache):
    """A cache that takes its time to write."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock

    async def flush(self) -> None:
        """Write."""
        await self.clock.sleep(10)


async def test_what_came_within_max_wait_is_told_though_it_is_written_later(world: World) -> None:
    """All of it is there: it is an answer, and no error that claims to have all."""
    client = world.client(interval_cache=SlowCache(world.clock)).with_options(max_wait=5)
    answer = await client.rgm_stats(world.system, **world.days(3))
    assert answer.coverage.complete
    assert answer.receipt.sent == 1


async def test_every_result_is_ready_for_json(world: World) -> None:
    """`to_dict()` gives plain values, instants as ISO 8601 in UTC."""
    client = world.client()
    for query in (client.systems(), client.summary(world.system), client.rgm_stats(world.system)):
        result: Any = await query
        read = json.loads(json.dumps(result.to_dict(), allow_nan=False))
        assert read["receipt"]["sent"] == 1
        assert datetime.fromisoformat(read.get("as_of") or read["coverage"]["as_of"]).tzinfo == UTC


async def test_progress_tells_how_far_it_is(world: World) -> None:
    """Before, while and after: windows done, requests sent, and what is left."""
    query = world.client().rgm_stats(world.system, **world.days(30))
    assert (query.progress.done, query.progress.total, query.progress.sent) == (0, None, 0)
    await query
    assert (query.progress.done, query.progress.total, query.progress.sent) == (5, 5, 5)
    assert query.progress.left == {"minute": 100_000 - 5}


async def test_instants_of_any_zone_mean_the_same(world: World) -> None:
    """Aware datetimes and epoch seconds give the same window."""
    client, now = world.client(), world.clock.now()
    end = datetime.fromtimestamp(now, UTC)
    a = await client.rgm_stats(world.system, start_at=now - 86_400, end_at=now)
    b = await client.rgm_stats(world.system, start_at=end - timedelta(days=1), end_at=end)
    assert a == b
    assert a.window.end == now // 900 * 900


@pytest.mark.parametrize("minute", [3, 10])
async def test_a_part_of_a_stream_does_not_wait_for_younger_ones(minute: int, anyio_backend: str) -> None:
    """Each minute's parts come in that minute; what is fetched ahead is not sent twice."""
    if anyio_backend == "trio":
        pytest.skip("trio runs tasks in random order: a part may be fetched before an older one")
    world = World(quota=Quota(minute=minute))
    async with world.client(plan=Plan(minute=minute)) as client:
        query = client.rgm_stats(world.system, **world.days(7 * 14))
        came = [(world.clock.now(), part.window.start) async for part in query]
    assert [start for _, start in came] == sorted(start for _, start in came)
    assert query.receipt.sent == len(came) == 14
    minutes = [int(moment // 60) - int(came[0][0] // 60) for moment, _ in came]
    # The newest part is fetched first, and handed out last.
    assert all(minutes.count(number) <= minute for number in set(minutes))
    assert minutes[0] == 0
    assert minutes.count(0) >= minute - 1
    assert world.emulator.counts.rejected == 0


async def test_a_slow_part_ahead_does_not_hold_back_those_before_it() -> None:
    """A request that waits to be sent again goes on in the next call."""
    world = World()
    async with world.client(max_concurrency=4) as client:
        query = client.rgm_stats(world.system, **world.days(7 * 9))
        parts, stream = [], aiter(query)
        parts.append(await anext(stream))
        world.emulator.inject(Fault(status=500, body="{}", times=1))
        parts += [part async for part in stream]
    assert len(parts) == 9
    assert all(part.coverage.complete for part in parts)
    assert query.receipt.sent == 10


# A query that is not awaited


def test_a_query_that_was_never_awaited_warns(world: World) -> None:
    """By what it asks; one that was awaited, priced, streamed or closed does not."""
    client = world.client()
    with pytest.warns(RuntimeWarning, match="summary.* was never awaited"):
        client.summary(world.system)


@pytest.mark.parametrize("use", ["await", "estimate", "stream", "close"])
async def test_a_query_that_was_used_does_not_warn(world: World, use: str) -> None:
    """Nor one whose reader stopped early."""
    query = world.client().rgm_stats(world.system, **world.days(20))
    if use == "await":
        await query
    elif use == "estimate":
        await query.estimate()
    elif use == "stream":
        await anext(aiter(query))
    else:
        query.close()
    del query
    gc.collect()


async def test_an_attribute_of_the_answer_asked_of_the_query_hints_at_await(world: World) -> None:
    """The query has none of its own."""
    query: Any = world.client().summary(world.system)
    with pytest.raises(AttributeError, match=r"\(await query\)\.energy_today"):
        query.energy_today  # noqa: B018 - what a user may write
    assert (await query).energy_today is not None


async def test_a_query_shows_its_question(world: World) -> None:
    """And how far it is."""
    client = world.client()
    day = client.rgm_stats(world.system, start_date=date(2025, 6, 1), end_date=date(2025, 6, 2))
    since = client.stats(world.system, start_at=1_748_736_000)
    summary = client.summary(world.system, summary_date=date(2025, 6, 1))
    asked = f"rgm_stats of system {world.system}, 2025-06-01 to 2025-06-02"
    assert repr(day) == f"<Query {asked}: not asked yet>"
    assert "2025-06-01T00:00:00Z to now" in repr(since)
    assert f"GET /systems/{world.system}/summary?summary_date=2025-06-01" in repr(summary)
    await day
    assert repr(day) == f"<Query {asked}: answered>"
    since.close()
    summary.close()
    assert repr(Gap(Window(1_748_736_000, 1_748_736_900), Reason.NO_ROW)) == (
        "Gap(Window('2025-06-01T00:00:00Z', '2025-06-01T00:15:00Z'), no_row)"
    )


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_is_loaded_takes_no_thread(world: World) -> None:
    """Neither for an answer nor for the first request of a client."""
    import_module("enlighten_async.transport.connections")
    async with world.client() as client:
        for query in (client.summary(world.system), client.rgm_stats(world.system)):
            query._plan.load()
            await query
    assert not any(thread._runs for thread in disk_threads().threads)
