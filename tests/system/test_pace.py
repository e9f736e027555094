"""Pace: polls and history spend the month evenly, people first, in all programs and over restarts."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from enlighten_async import BudgetExceeded, EnlightenClient, InputError, Plan
from enlighten_async.emulator import Quota
from enlighten_async.models import Reason
from tests.limiter.stores import ProcessClock
from tests.world import World

JUNE, JULY = (datetime(2025, month, 1, tzinfo=UTC).timestamp() for month in (6, 7))
HOUR, DAY = 3600.0, 86_400.0
PLAN, QUOTA = Plan(minute=10, month=600), Quota(minute=10, month=600, name="Watt")


def views(client: EnlightenClient, **options: Any) -> tuple[EnlightenClient, EnlightenClient]:
    """Return the client as a poller and as a backfill have it."""
    poll = client.with_options(priority="poll", **options)
    return poll, client.with_options(priority="backfill", **options)


@pytest.mark.parametrize("version", [pytest.param("v2", marks=pytest.mark.slow), "v4"])
async def test_a_paced_month_is_spent_evenly_and_to_its_last_request(version: str) -> None:
    """By polls and history without end; who waits for an answer has it at once, until the month is over."""
    world = World(now=JUNE + 17, quota=QUOTA)
    made = world.client(plan=PLAN, pace=True) if version == "v2" else world.v4(plan=PLAN, pace=True)
    days: Counter[int] = Counter()
    waits: list[float] = []
    draw = random.Random(3).uniform  # noqa: S311

    async def poll(view: EnlightenClient) -> None:
        while True:
            receipt = (await view.summary(world.system)).receipt
            days[int((world.clock.now() - JUNE) // DAY)] += receipt.sent

    async def call() -> None:
        while world.clock.now() < JULY - DAY:
            await world.clock.sleep(draw(0, DAY))
            began = world.clock.monotonic()
            await made.summary(world.system)
            waits.append(world.clock.monotonic() - began)

    with world.clock.move_on_after(JULY - 1 - world.clock.now()):
        async with anyio.create_task_group() as tasks:
            for view in views(made, max_wait=31 * DAY):
                tasks.start_soon(poll, view)
            tasks.start_soon(call)
    counts = world.emulator.counts
    assert (counts.rejected, counts.sent) == (0, 600)
    assert max(waits) < 1
    even = (600 - len(waits)) / 30
    # The calls of people come off what is left for later days.
    assert min(days[day] for day in range(30)) >= 0.6 * even
    assert max(days[day] for day in range(1, 30)) <= 1.2 * even
    assert days[0] <= 1.2 * even + 6


async def test_what_waits_for_the_pace_says_so_and_until_when() -> None:
    """In the error, with nothing sent; in the status; in the receipt of who has the time."""
    world = World(now=JUNE + 17, quota=QUOTA)
    client = world.client(plan=PLAN, pace=True)
    poll, backfill = views(client)
    await client.summary(world.system)
    for _ in range(5):  # a hundredth of the month at once
        await poll.summary(world.system)
    for view in (poll, backfill):
        with pytest.raises(BudgetExceeded, match="spent evenly") as caught:
            await view.summary(world.system)
        assert caught.value.retry_at is not None
        later = caught.value.retry_at.timestamp() - world.clock.now()
        assert later == pytest.approx(30 * DAY / 594, rel=0.05)
        status = await view.quota()
        assert status.pace is not None
        assert status.pace.next_at == caught.value.retry_at
    await client.summary(world.system)
    assert world.emulator.counts.sent == 7
    patient = poll.with_options(max_wait=timedelta(hours=2))
    receipt = (await patient.summary(world.system)).receipt
    assert receipt.waited["pace"] == pytest.approx(later, abs=5)
    with pytest.raises(BudgetExceeded):
        await patient.with_options(max_wait=60).summary(world.system)


async def test_programs_and_restarts_share_one_pace(tmp_path: Path) -> None:
    """Whatever the clocks of the others say; one without the option is not held back."""
    world = World(now=JUNE + 17, quota=QUOTA)

    def program(wall: float, **options: Any) -> EnlightenClient:
        clock = ProcessClock(world.clock, wall=wall, monotonic=1000 * wall)
        return world.client(plan=PLAN, state=tmp_path / "state.db", clock=clock, **options)

    async with program(0.0, pace=True) as one:
        await one.summary(world.system)  # tells the time
        for _ in range(5):
            await views(one)[0].summary(world.system)
    for wall in (0.5, 1.0):
        async with program(wall, pace=True) as other:
            await other.summary(world.system)
            with pytest.raises(BudgetExceeded, match="spent evenly"):
                await views(other, max_age=0)[1].summary(world.system)
    async with program(1.5) as free:
        await views(free, max_age=0)[1].summary(world.system)
    assert world.emulator.counts.sent == 9


async def test_a_request_under_a_small_budget_does_not_hold_up_a_big_one() -> None:
    """One of a budget that is all but used takes ten days of that, and an hour of what the other has left."""
    world = World(now=JUNE + 17, quota=QUOTA)
    big, small = (views(world.client(plan=each, pace=True))[0] for each in (PLAN, PLAN.capped(month=3)))
    await small.summary(world.system)
    await small.summary(world.system)
    for _ in range(4):
        await big.summary(world.system)
    patient = big.with_options(max_wait=timedelta(hours=2))
    for _ in range(3):
        assert (await patient.summary(world.system)).receipt.waited["pace"] < 1.1 * 30 * DAY / 594


async def test_a_wrong_figure_that_is_put_right_does_not_hold_up_the_month() -> None:
    """A request that was sent meanwhile took days of the little that seemed to be left."""
    world = World(now=JUNE + 17, quota=QUOTA)
    client = world.client(plan=PLAN, pace=True)
    poll = views(client)[0]
    await client.summary(world.system)
    await client.set_month_used(565)
    await poll.summary(world.system)
    await client.set_month_used(10)
    for _ in range(3):
        await poll.summary(world.system)
    pace = (await poll.quota()).pace
    assert pace is not None
    assert pace.next_at is not None
    assert pace.next_at.timestamp() - world.clock.now() < 2 * 3600


async def test_the_price_counts_with_the_pace() -> None:
    """53 windows take as many intervals, but for the first few; who has no time for it is refused."""
    world = World(now=JUNE + 17, quota=QUOTA)
    client = world.client(plan=PLAN, pace=True)
    await client.summary(world.system)
    backfill = views(client)[1]
    year = world.days(365)
    price = await backfill.rgm_stats(world.system, **year).estimate()
    interval = 30 * DAY / 599
    assert price.at_most == 53
    assert price.ready_at.timestamp() - world.clock.now() == pytest.approx(48 * interval, rel=0.01)
    assert (await client.rgm_stats(world.system, **year).estimate()).ready_at.timestamp() < JUNE + 400
    with pytest.raises(BudgetExceeded, match="on this plan.* or later"):
        await backfill.with_options(max_wait=DAY).rgm_stats(world.system, **year)
    assert world.emulator.counts.sent == 1
    answer = await backfill.with_options(max_wait=4 * DAY).rgm_stats(world.system, **year)
    assert answer.receipt.sent == 53
    assert world.clock.now() == pytest.approx(price.ready_at.timestamp(), abs=2 * interval)


@pytest.mark.parametrize(("version", "kept_days"), [("v2", 365), ("v4", 730)])
async def test_what_the_service_drops_during_a_wait_is_not_asked_for(version: str, kept_days: int) -> None:
    """It would answer nothing of the whole window, so each of those requests would be lost."""
    month = 150
    world = World(now=JUNE + 17, quota=Quota(minute=10, month=month, name="Watt"))
    plan = Plan(minute=10, month=month)
    client = world.client(plan=plan, pace=True) if version == "v2" else world.v4(plan=plan, pace=True)
    await client.summary(world.system)
    backfill = views(client, max_wait=31 * DAY)[1]
    for _ in range(2):  # a hundredth of the month at once
        await backfill.summary(world.system)
    method = backfill.rgm_stats if version == "v2" else backfill.stats
    oldest = (JUNE - kept_days * DAY) // HOUR * HOUR + 2 * HOUR
    answer = await method(world.system, start_at=oldest, end_at=oldest + 2 * DAY)
    waited = world.clock.now() - JUNE
    assert waited > 4 * HOUR
    assert answer.receipt.sent == 1
    assert answer.coverage.complete
    dropped = [gap for gap in answer.coverage.gaps() if gap.reason is Reason.BEYOND_RETENTION]
    assert sum(gap.window.seconds for gap in dropped) <= waited


@pytest.mark.parametrize(
    ("used", "day", "per_day", "used_per_day", "ahead"),
    [(300, 15, 20.0, 20.0, 0), (450, 15, 10.0, 30.0, 150), (30, 15, 38.0, 2.0, -270), (60, 3, 20.0, 20.0, 0)],
)
async def test_the_quota_tells_the_pace(
    used: int, day: int, per_day: float, used_per_day: float, ahead: int
) -> None:
    """Requests a day that use the month up evenly, those that were used, and how far ahead that is."""
    world = World(now=JUNE + day * DAY, quota=QUOTA)
    client = world.client(plan=PLAN)
    await client.summary(world.system)
    await client.set_month_used(used)
    pace = (await client.with_options(priority="poll").quota()).pace
    assert pace is not None
    assert pace.per_day == pytest.approx(per_day, abs=0.1)
    assert pace.used_per_day == pytest.approx(used_per_day, abs=0.1)
    assert (pace.ahead, pace.next_at) == (ahead, None)


async def test_without_a_limit_of_the_month_there_is_no_pace() -> None:
    """Nothing waits, and nothing is told."""
    world = World(quota=Quota.UNLIMITED)
    client = world.client(pace=True)
    for _ in range(20):
        await views(client)[1].summary(world.system)
    assert (await client.quota()).pace is None


def test_the_option_is_a_flag() -> None:
    """Anything else is refused."""
    with pytest.raises(InputError, match="pace must be True or False, not 0.5"):
        World().client(pace=0.5)
