"""Rejections in both versions: what the service says is obeyed, the rest is found out sparingly."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from enlighten_async import (
    BudgetExceeded,
    EnlightenClient,
    EnlightenError,
    Plan,
    QuotaExhausted,
    Throttled,
)
from enlighten_async.emulator import Fault
from tests.world import World

START = 1_750_000_020.0 // 60 * 60 + 15
WATT, MEGAWATT = Plan(minute=10, month=1000), Plan(minute=120, month=120_000)
SHORT = {"message": "Too Many Requests", "details": "Usage limit exceeded for plan Watt", "code": 429}
HOUR_S = 3600


@pytest.fixture
def world() -> World:
    """A service whose own limits nobody reaches."""
    return World(now=START)


@pytest.fixture(params=["v2", "v4"])
def make(request: pytest.FixtureRequest, world: World) -> Callable[..., EnlightenClient]:
    """Return the maker of clients of a version."""
    return world.client if request.param == "v2" else world.v4


def reject(world: World, status: int = 429, times: float = math.inf, **fields: object) -> None:
    """Let the service reject requests, with `Retry-After` if such a field is given."""
    seconds = fields.pop("retry_after", None)
    headers = () if seconds is None else (("Retry-After", str(seconds)),)
    body = json.dumps({**SHORT, **fields})
    world.emulator.inject(Fault(status=status, body=body, headers=headers, times=times, counted=False))


def sent(world: World) -> int:
    """Return the requests that the service has seen."""
    return world.emulator.counts.by_status.total()


@pytest.mark.parametrize("status", [409, 429])
async def test_both_statuses_are_waited_out(
    world: World, make: Callable[..., EnlightenClient], status: int
) -> None:
    """The request keeps its place and is sent again in the next minute."""
    reject(world, status, times=1)
    async with make(plan=WATT) as client:
        answer = await client.summary(world.system)
    assert (answer.receipt.sent, answer.receipt.rejected) == (2, 1)
    assert 45 <= world.clock.now() - START <= 50


@pytest.mark.parametrize("max_wait", [10, 70])
async def test_who_cannot_wait_is_told_of_the_rejection(
    world: World, make: Callable[..., EnlightenClient], max_wait: float
) -> None:
    """`BudgetExceeded` with the rejection in its text, as its cause, and among the causes."""
    reject(world)
    async with make(plan=WATT) as client:
        with pytest.raises(BudgetExceeded, match=r"longer than max_wait; .*rejected.*429") as caught:
            await client.with_options(max_wait=max_wait).summary(world.system)
    assert isinstance(caught.value.__cause__, Throttled)
    assert [type(each) for each in caught.value.causes] == [BudgetExceeded, Throttled]
    assert caught.value.retry_at is not None
    assert caught.value.receipt is not None
    assert caught.value.receipt.rejected == sent(world) == (1 if max_wait == 10 else 2)


async def test_a_rejection_that_was_followed_by_an_answer_is_no_cause(
    world: World, make: Callable[..., EnlightenClient]
) -> None:
    """What is over is not told."""
    reject(world, times=1)
    async with make(plan=Plan(minute=10, month=4)) as client:
        with pytest.raises(EnlightenError) as caught:
            await client.rgm_stats(world.system, **world.days(60))
    assert caught.value.receipt is not None
    assert caught.value.receipt.rejected == 1
    assert not any(isinstance(each, Throttled) for each in caught.value.causes)


@pytest.mark.parametrize("status", [409, 429])
@pytest.mark.parametrize("seconds", [600, 3600, 86_400])
async def test_a_long_retry_after_is_obeyed(
    world: World, make: Callable[..., EnlightenClient], status: int, seconds: int
) -> None:
    """Sent once; who waits for less is told when, and nothing is sent until then."""
    reject(world, status, times=1, retry_after=seconds)
    client = make(plan=WATT)
    for view, kind in ((client.with_options(max_wait=300), BudgetExceeded), (client, QuotaExhausted)):
        with pytest.raises(kind) as caught:
            await view.summary(world.system)
        assert caught.value.retry_at is not None
        assert caught.value.retry_at.timestamp() == pytest.approx(START + seconds, abs=3)
    quota = await client.quota()
    assert (quota.minute.left, quota.minute.closed_until) == (0, caught.value.retry_at)
    assert sent(world) == 1
    await world.clock.sleep(START + seconds + 3 - world.clock.now())
    assert (await client.summary(world.system)).receipt.sent == 1


async def test_a_short_retry_after_is_waited_for(world: World, make: Callable[..., EnlightenClient]) -> None:
    """It is shorter than the minute would be."""
    reject(world, times=1, retry_after=5)
    answer = await make(plan=WATT).summary(world.system)
    assert (answer.receipt.sent, answer.receipt.rejected) == (2, 1)
    assert 5 <= world.clock.now() - START <= 10


@pytest.mark.parametrize("value", ["junk", "-5", "1e9", "1000000000", "Wed, 21 Oct 2099 07:28:00 GMT"])
async def test_a_retry_after_that_cannot_be_meant_is_none(
    world: World, make: Callable[..., EnlightenClient], value: str
) -> None:
    """The minute is waited for, as without it."""
    reject(world, times=1, retry_after=value)
    await make(plan=WATT).summary(world.system)
    assert 45 <= world.clock.now() - START <= 50


@pytest.mark.parametrize("fields", [{}, {"retry_after": 1}, {"retry_after": 60}])
async def test_a_day_of_rejections_without_a_period_takes_a_request_an_hour(
    world: World, make: Callable[..., EnlightenClient], fields: dict[str, object], tmp_path: Path
) -> None:
    """Several minutes say that it is not the minute; nobody is told that requests are left."""
    reject(world, **fields)
    refusals: set[type[EnlightenError]] = set()
    for hour in range(24):
        async with make(plan=WATT, state=tmp_path / "enlighten.db") as client:  # a program run once an hour
            for number in range(3):
                with pytest.raises(EnlightenError) as caught:
                    await client.with_options(max_age=0).summary(world.system + number)
                refusals.add(type(caught.value))
                assert caught.value.retry_at is not None
                assert caught.value.retry_at.timestamp() <= world.clock.now() + HOUR_S
            quota = await client.quota()
            assert (quota.month.left, quota.minute.left) == (0, 0)
        await world.clock.sleep(START + (hour + 1) * HOUR_S - world.clock.now())
    assert 25 <= sent(world) <= 30
    assert refusals <= {QuotaExhausted, Throttled}
    async with make(plan=WATT, state=tmp_path / "enlighten.db") as client:
        assert ((await client.quota()).month.left) == 0


@pytest.mark.slow
@pytest.mark.parametrize("max_wait", [None, 5])
@pytest.mark.parametrize("shared", [False, True])
async def test_a_day_of_rejections_that_name_the_minute_does_not_eat_the_month(
    world: World,
    make: Callable[..., EnlightenClient],
    max_wait: float | None,
    shared: bool,
    tmp_path: Path,
) -> None:
    """After some minutes each pause is twice as long, up to an hour; callers hear until when."""
    reject(world, period="minute")
    kept = {"state": tmp_path / "enlighten.db"} if shared else {}
    client, told = make(plan=WATT, **kept), set[type[EnlightenError]]()
    while world.clock.now() < START + 24 * HOUR_S:
        if shared:
            client = make(plan=WATT, **kept)
        with pytest.raises(EnlightenError) as caught:
            await client.with_options(max_wait=max_wait).summary(world.system)
        told.add(type(caught.value))
        assert caught.value.retry_at is None or caught.value.retry_at.timestamp() > world.clock.now() - 60
        await world.clock.sleep(300)
    assert sent(world) <= 40
    assert told <= {QuotaExhausted, BudgetExceeded, Throttled}
    world.emulator.faults.clear()
    await world.clock.sleep(HOUR_S)
    for _ in range(3):  # the first that is served opens everything
        assert (await client.summary(world.system)).receipt.sent == 1
    reject(world, period="minute", times=3)
    began = world.clock.monotonic()
    await client.summary(world.system)  # as ever, it is waited out
    assert world.clock.monotonic() - began <= 200


async def test_the_first_request_that_is_served_ends_it(
    world: World, make: Callable[..., EnlightenClient]
) -> None:
    """The month was not full, or is another one."""
    reject(world, times=4)
    client = make(plan=WATT)
    for _ in range(2):
        with pytest.raises(EnlightenError):
            await client.summary(world.system)
    assert sent(world) == 4
    await world.clock.sleep(HOUR_S)
    for _ in range(3):
        assert (await client.summary(world.system)).receipt.sent == 1
    quota = await client.quota()
    assert (quota.month.closed_until, quota.month.left) == (None, 1000 - quota.month.used)


@pytest.mark.parametrize("period", ["month", "week", "day", "hour", "minute", "", "fortnight"])
@pytest.mark.parametrize("limit", [1, None])
async def test_a_bigger_plan_is_not_bound_by_what_a_smaller_one_heard(
    world: World, make: Callable[..., EnlightenClient], period: str, limit: int | None, tmp_path: Path
) -> None:
    """One that was heard under it binds both, for as long as it lasts."""
    state = tmp_path / "enlighten.db"
    words: dict[str, object] = {"period": period} if period else {}
    reject(world, times=1, limit=limit, retry_after=HOUR_S, **words)
    for plan, served in ((WATT, False), (WATT, False), (MEGAWATT, True), (Plan(), True)):
        async with make(plan=plan, state=state) as client:
            try:
                await client.with_options(max_age=0, max_wait=100).summary(world.system)
            except (QuotaExhausted, BudgetExceeded):
                assert not served
            else:
                assert served
                quota = await client.quota()
                assert (quota.month.closed_until, quota.minute.closed_until) == (None, None)
                assert (quota.minute.limit, quota.month.limit) == (plan.minute, plan.month)
    assert world.clock.now() - START < 1


async def test_a_smaller_plan_is_bound_by_what_a_bigger_one_heard(
    world: World, make: Callable[..., EnlightenClient], tmp_path: Path
) -> None:
    """The key is what the service rejects."""
    reject(world, times=1, period="month")
    for plan in (MEGAWATT, WATT):
        async with make(plan=plan, state=tmp_path / "enlighten.db") as client:
            with pytest.raises(QuotaExhausted) as caught:
                await client.summary(world.system)
            assert caught.value.retry_at is not None
            assert caught.value.retry_at - (await client.quota()).as_of > timedelta(days=10)
    assert sent(world) == 1
