"""A budget below the plan, what is known of a key, and the alarms of a month."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from enlighten_async.errors import QuotaExhausted, Throttled
from enlighten_async.quota import Alarm, MemoryQuotaStore, Outcome, Plan, RateLimiter
from enlighten_async.quota.account import GUARD, Account
from enlighten_async.testing import FakeClock

Build = Callable[..., tuple[RateLimiter, Any]]
Purchase = Callable[..., Awaitable[Any]]
DATE = 1_750_000_000
MONTH_END = 1_751_328_000.0


async def test_a_budget_is_never_exceeded(build: Build, purchase: Purchase) -> None:
    """However much the plan would allow, in the minute and in the month."""
    plan = Plan(minute=10, month=10_000).capped(minute=4, month=30)
    limiter, server = build(FakeClock(), plan=plan)
    for _ in range(30):
        await purchase(limiter, server)
    with pytest.raises(QuotaExhausted) as caught:
        await purchase(limiter, server)
    assert caught.value.limit == 30
    assert max(server.used.values()) == 4
    assert limiter.left() == {"month": 0, "minute": pytest.approx(3, abs=1)}


async def test_who_has_no_budget_goes_on(build: Build, purchase: Purchase) -> None:
    """It binds the client that has it, not the others on the key."""
    plan = Plan(minute=10, month=10_000)
    limiter, server = build(FakeClock(), plan=plan.capped(month=5))
    for _ in range(5):
        await purchase(limiter, server)
    other = RateLimiter(store=limiter._store, plan=plan, clock=server.clock)
    await purchase(other, server)
    assert limiter.left()["month"] == 0
    assert other.left()["month"] == 9_994


@pytest.mark.parametrize(("limit", "guard"), [(10, 2 * GUARD), (7, GUARD)])
def test_what_the_service_says_is_read_by_the_plan(limit: int, guard: float) -> None:
    """A limit below the plan's explains a refusal, be it above the budget; the plan's own does not."""
    account, plan = Account(), Plan(minute=10).capped(minute=5)
    account.take(1, plan, 999.9)
    account.settle(1, Outcome(999.9, 1000.0, landed=True, date=DATE))
    error = Throttled("over the limit", status=409)
    error.period, error.limit = "minute", limit
    account.refuse(1, error, plan, 1000.0)
    assert account.guard == guard
    assert account.standing(plan, 1000.0).limits == {"minute": 5}


# Standing


def test_a_standing_tells_all_that_is_known() -> None:
    """Counts at the most, limits in force, what the server said, and the time."""
    account, plan = Account(), Plan(minute=10, month=1000).capped(month=500)
    assert account.standing(plan, 999.0).earliest is None
    account.take(1, plan, 999.9)
    account.settle(1, Outcome(999.9, 1000.0, landed=True, accepted=True, date=DATE))
    account.take(2, plan, 1001.0)
    standing = account.standing(plan, 1001.0)
    assert standing.used == {"minute": 2, "month": 2}
    assert (standing.limits, standing.in_flight) == ({"minute": 10, "month": 500}, 1)
    assert (standing.learned, standing.closed) == ({}, {})
    assert standing.earliest is not None
    assert standing.latest is not None
    assert standing.earliest <= DATE + 1 <= standing.latest
    error = Throttled("over the limit", status=409)
    error.period, error.limit, error.period_end = "minute", 8, DATE + 40
    account.settle(2, Outcome(1001.0, 1001.1, landed=True, date=DATE + 1))
    account.refuse(2, error, plan, 1001.1)
    standing = account.standing(plan, 1001.1)
    assert (standing.learned, standing.closed) == ({"minute": 8}, {"minute": DATE + 40})
    assert account.standing(plan, 1060.0).closed == {}


# Alarms


async def test_each_stage_of_a_month_is_told_once(build: Build, purchase: Purchase) -> None:
    """At four fifths, and at 95 of 100; the next month begins anew."""
    plan = Plan(minute=100, month=100)
    store = MemoryQuotaStore()
    limiter, server = build(FakeClock(), plan=plan, store=store, minute=100, month=100)
    told = []
    for _ in range(100):
        await purchase(limiter, server)
        told.append(store.alarm(plan, server.clock.monotonic()))
    stages = {number: alarm for number, alarm in enumerate(told, start=1) if alarm}
    assert stages == {80: Alarm(0.80, 80, 100, MONTH_END), 95: Alarm(0.95, 95, 100, MONTH_END)}
    await server.clock.sleep(MONTH_END - server.time() + 5)
    server.month = 200  # the fake server has but one month
    for _ in range(79):
        await purchase(limiter, server)
    assert store.alarm(plan, server.clock.monotonic()) is None
    await purchase(limiter, server)
    assert store.alarm(plan, server.clock.monotonic()) is not None


async def test_there_is_no_alarm_before_the_time_is_known_nor_without_a_limit(
    build: Build, purchase: Purchase
) -> None:
    """Nothing is counted then, and nothing can be used up."""
    limiter, server = build(FakeClock(), plan=Plan(month=1))
    assert limiter._store.alarm(limiter.plan, 0.0) is None
    await purchase(limiter, server)
    assert limiter._store.alarm(Plan(minute=1), server.clock.monotonic()) is None
    assert limiter._store.alarm(limiter.plan, server.clock.monotonic()) is not None
