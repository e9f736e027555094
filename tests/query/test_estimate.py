"""The price before it is paid, budgets, priorities, and what the client tells of its quota."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import anyio
import pytest

from enlighten_async import BudgetExceeded, InputError, Plan, QuotaExhausted, QuotaStatus
from enlighten_async.emulator import Quota
from tests.world import AMPLE, World

START = 1_750_000_020.0 // 60 * 60
JULY = datetime(2025, 7, 1, tzinfo=UTC)


# The price


@pytest.mark.parametrize(
    ("name", "days", "cheaper"),
    [
        ("rgm_stats", 365, "one energy_lifetime request has a value for each day"),
        ("rgm_stats", 7, None),
        ("stats", 30, "one energy_lifetime request has a value for each day"),
        ("stats", 3, None),
        ("consumption_stats", 90, "one consumption_lifetime request has a value for each day"),
        ("consumption_stats", 28, None),
    ],
)
async def test_a_cheaper_way_is_told_where_there_is_one(
    world: World, name: str, days: int, cheaper: str | None
) -> None:
    """Daily values of a long range come in one request."""
    price = await getattr(world.client(), name)(world.system, **world.days(days)).estimate()
    assert price.cheaper == cheaper
    assert json.loads(json.dumps(price.to_dict()))["cheaper"] == cheaper
    assert world.emulator.counts.sent == 0


async def test_the_cheaper_way_is_one() -> None:
    """What the estimate names has a value for each day of the range, for the price it names."""
    world = World()
    month = {"start_date": date(2025, 5, 1), "end_date": date(2025, 5, 31)}
    days = await world.client().energy_lifetime(world.system, **month)
    assert (len(days), days.receipt.sent) == (31, 1)


async def test_a_query_is_priced_by_its_class_and_budget() -> None:
    """History may take less of a minute, so it is there later; of a budget, the share is larger."""
    world = World(now=START, quota=Quota.WATT)
    client = world.client(plan=Plan.WATT.capped(month=530))
    views = [client.with_options(priority=name) for name in ("interactive", "poll", "backfill")]
    prices = [await v.rgm_stats(world.system, **world.days(365)).estimate() for v in views]
    minutes = [round((price.ready_at.timestamp() - world.clock.now()) / 60) for price in prices]
    assert minutes == [5, 5, 6]
    assert [price.month_share for price in prices] == [0.1] * 3
    assert all(price.fits for price in prices)
    for _ in range(45):
        await client.summary(world.system)
    assert [(await v.rgm_stats(world.system, **world.days(365)).estimate()).fits for v in views] == [True] * 3


async def test_what_does_not_fit_is_told_and_what_is_held_back_does_not_count() -> None:
    """53 requests fit into the last 55 of a budget for whoever waits; for history when less is held back."""
    world = World(quota=Quota.UNLIMITED)
    client = world.client(plan=AMPLE.capped(month=100))
    for _ in range(45):
        await client.summary(world.system)
    year = world.days(365)
    assert (await client.rgm_stats(world.system, **year).estimate()).fits
    history = client.with_options(priority="backfill")
    price = await history.rgm_stats(world.system, **year).estimate()
    assert (price.at_most, price.fits) == (53, False)
    assert price.ready_at == datetime(2025, 6, 25, tzinfo=UTC)


# Refused beforehand


async def test_a_query_the_month_has_no_room_for_is_refused_by_max_wait() -> None:
    """Before the first request is sent, with the moment from which on it would fit."""
    world = World(quota=Quota.UNLIMITED)
    client = world.client(plan=AMPLE.capped(month=50)).with_options(max_wait=3600)
    with pytest.raises(BudgetExceeded) as caught:
        await client.rgm_stats(world.system, **world.days(365))
    assert (caught.value.retry_at, world.emulator.counts.sent) == (JULY, 0)


async def test_a_month_that_is_used_up_is_an_error_before_anything_is_sent() -> None:
    """It says until when, and the next month starts by itself."""
    world = World(quota=Quota.UNLIMITED)
    client = world.client(plan=AMPLE.capped(month=5))
    for _ in range(5):
        await client.summary(world.system)
    with pytest.raises(QuotaExhausted) as caught:
        await client.rgm_stats(world.system, **world.days(365))
    assert (caught.value.retry_at, caught.value.limit, world.emulator.counts.sent) == (JULY, 5, 5)
    await world.clock.sleep(JULY.timestamp() - world.clock.now())
    assert (await client.summary(world.system)).receipt.left["month"] == 4


async def test_a_month_that_ends_in_a_query_leaves_what_it_bought() -> None:
    """Whoever set no limit of their own gets what there was, and the rest is a gap."""
    world = World(quota=Quota.UNLIMITED)
    client = world.client(plan=AMPLE.capped(month=10))
    with pytest.raises(QuotaExhausted) as caught:
        await client.rgm_stats(world.system, **world.days(365))
    answer: Any = caught.value.partial
    assert (world.emulator.counts.sent, answer.receipt.sent, caught.value.retry_at) == (10, 10, JULY)
    assert len(answer.intervals) > 0
    assert not answer.coverage.complete


# Priorities


async def test_whoever_waits_goes_before_a_backfill() -> None:
    """A year of history on ten a minute does not delay a call by more than an answer's time."""
    world = World(now=START, quota=Quota.WATT, latency=0.2)
    client = world.client(plan=Plan.WATT)
    history = client.with_options(priority="backfill")
    delays = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_buy, history, world)
        for _ in range(5):
            await world.clock.sleep(61)
            began = world.clock.monotonic()
            await client.summary(world.system)
            delays.append(world.clock.monotonic() - began)
    assert max(delays) < 2
    assert world.emulator.counts.rejected == 0


async def _buy(client: Any, world: World) -> None:
    await client.rgm_stats(world.system, **world.days(365))


async def test_there_are_three_priorities(world: World) -> None:
    """Others are refused with their names; a view keeps its own when other options are changed."""
    client = world.client()
    with pytest.raises(InputError, match="one of interactive, poll, backfill"):
        client.with_options(priority="urgent")  # type: ignore[arg-type]
    view = client.with_options(priority="poll").with_options(max_wait=5)
    assert (view._options.priority, view._options.max_wait) == ("poll", 5)
    assert client._options.priority == "interactive"


# What is told of the quota


async def test_the_quota_is_told_for_nothing() -> None:
    """Before anything is sent, after it, and as plain values."""
    world = World(now=START + 10, quota=Quota.WATT, latency=0.1)
    client = world.client(plan=Plan.WATT.capped(month=100))
    fresh = await client.quota()
    assert (fresh.minute.left, fresh.month.left, fresh.month.used, fresh.runs_out_at) == (10, 100, 0, None)
    for _ in range(60):
        await client.summary(world.system)
    told = await client.quota()
    counts = world.emulator.counts
    assert (counts.sent, told.month.used, told.month.left, told.month.limit) == (60, 60, 40, 100)
    assert told.month.turns_at == JULY
    assert told.minute.turns_at.timestamp() % 60 == 0
    began = datetime(2025, 6, 1, tzinfo=UTC)
    assert told.runs_out_at is not None
    assert abs(told.runs_out_at - began - (told.as_of - began) / 60 * 100) < timedelta(seconds=1)
    assert ((await client.with_options(priority="backfill").quota()).month.left) == 34
    plain = json.loads(json.dumps(told.to_dict()))
    assert plain["month"]["turns_at"] == "2025-07-01T00:00:00+00:00"
    assert isinstance(told, QuotaStatus)


async def test_the_quota_tells_who_waits_and_why() -> None:
    """What waits for the minute, what is on its way, and what the service has said."""
    world = World(now=START + 10, quota=Quota(minute=8, month=1000, name="Watt"), latency=0.1)
    client = world.client(plan=Plan(minute=10, month=1000))
    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(_one, client, world, number)
        await world.clock.sleep(0.15)
        busy = await client.quota()
        await world.clock.sleep(10)
        told = await client.quota()
    assert busy.in_flight > 0
    assert (told.waiting, told.queued, told.in_flight) == ("throttled", 12, 0)
    assert (told.learned, told.minute.limit, told.minute.left) == ({"minute": 8}, 8, 0)
    assert told.until is not None
    assert told.until == told.minute.closed_until
    assert told.until > told.as_of


async def _one(client: Any, world: World, number: int) -> None:
    await client.rgm_stats(world.system, **world.quarter(number))
