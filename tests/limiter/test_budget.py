"""A budget below the plan, what is known of a key, and the alarms of a month."""

from __future__ import annotations

from datetime import UTC, datetime

import anyio
import pytest

from enlighten_async.errors import QuotaExhausted, Throttled
from enlighten_async.limiter import MemoryQuotaStore, Plan, Settlement, UsageWarning, runs_out
from enlighten_async.limiter.key_state import GUARD_S, KeyState
from enlighten_async.testing import FakeClock
from tests.limiter.fake_server import beside, build, purchase
from tests.limiter.stores import settle, warn

DATE = 1_750_000_000
MONTH_END = 1_751_328_000.0


async def test_a_budget_is_never_exceeded() -> None:
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


async def test_who_has_no_budget_goes_on() -> None:
    """It binds the client that has it, not the others on the key."""
    plan = Plan(minute=10, month=10_000)
    limiter, server = build(FakeClock(), plan=plan.capped(month=5))
    for _ in range(5):
        await purchase(limiter, server)
    other = beside(limiter, server, plan)
    await purchase(other, server)
    assert limiter.left()["month"] == 0
    assert other.left()["month"] == 9_994


@pytest.mark.parametrize(("limit", "guard"), [(10, 2 * GUARD_S), (7, GUARD_S)])
def test_what_the_service_says_is_read_by_the_plan(limit: int, guard: float) -> None:
    """A limit below the plan's explains a refusal, be it above the budget; the plan's own does not."""
    account, plan = KeyState(), Plan(minute=10).capped(minute=5)
    account.take(1, plan, 999.9)
    account.settle(1, Settlement(999.9, 1000.0, landed=True, date=DATE))
    error = Throttled("over the limit", status=409)
    error.period, error.limit = "minute", limit
    account.record_rejection(1, error, plan, 1000.0)
    assert account.guard == guard
    assert account.snapshot(plan, 1000.0).limits == {"minute": 5}


# Standing


def test_a_snapshot_tells_all_that_is_known() -> None:
    """Counts at the most, limits in force, what the server said, and the time."""
    account, plan = KeyState(), Plan(minute=10, month=1000).capped(month=500)
    assert account.snapshot(plan, 999.0).earliest is None
    account.take(1, plan, 999.9)
    account.settle(1, Settlement(999.9, 1000.0, landed=True, accepted=True, date=DATE))
    account.take(2, plan, 1001.0)
    snapshot = account.snapshot(plan, 1001.0)
    assert snapshot.used == {"minute": 2, "month": 2}
    assert (snapshot.limits, snapshot.in_flight) == ({"minute": 10, "month": 500}, 1)
    assert (snapshot.learned, snapshot.blocked_until) == ({}, {})
    assert snapshot.earliest is not None
    assert snapshot.latest is not None
    assert snapshot.earliest <= DATE + 1 <= snapshot.latest
    error = Throttled("over the limit", status=409)
    error.period, error.limit, error.period_end = "minute", 8, DATE + 40
    account.settle(2, Settlement(1001.0, 1001.1, landed=True, date=DATE + 1))
    account.record_rejection(2, error, plan, 1001.1)
    snapshot = account.snapshot(plan, 1001.1)
    assert (snapshot.learned, snapshot.blocked_until) == ({"minute": 8}, {"minute": DATE + 40})
    assert account.snapshot(plan, 1060.0).blocked_until == {}


# Alarms


async def test_each_stage_of_a_month_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """At 80 and at 95 of 100, by whichever client of the store; the next month begins anew."""
    plan = Plan(minute=100, month=100)
    limiter, server = build(FakeClock(), plan=plan, minute=100, month=100)
    other = beside(limiter, server, plan)
    stages = []
    for number in range(1, 101):
        await purchase((limiter, other)[number % 2], server)
        stages += [number for record in caplog.records if record.levelname == "WARNING"]
        texts = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        caplog.clear()
        assert len(texts) == (number in {80, 95})
        assert all(f"({number} of 100)" in text and "2025-07-01 00:00 UTC" in text for text in texts)
    assert stages == [80, 95]
    await server.clock.sleep(MONTH_END - server.time() + 5)
    server.month = 200  # the fake server has but one month
    for _ in range(80):
        assert "WARNING" not in caplog.text
        await purchase(limiter, server)
    assert "(80 of 100)" in caplog.text


async def test_there_is_no_alarm_before_the_time_is_known_nor_without_a_limit() -> None:
    """Nothing is counted then, and nothing can be used up."""
    store, plan = MemoryQuotaStore(), Plan(month=1)
    assert warn(store, plan, 0.0) is None
    await store.take(1, plan, 999.9)
    settle(store, 1, Settlement(999.9, 1000.0, landed=True, accepted=True, date=DATE))
    assert warn(store, Plan(minute=1), 1000.0) is None
    assert warn(store, plan, 1000.0) == UsageWarning(0.95, 1, 1, MONTH_END)
    assert warn(store, plan, 1000.0) is None


@pytest.mark.parametrize(
    ("used", "days", "end"), [(0, 10, None), (100, 10, None), (500, 10, 20), (400, 10, 25), (1000, 3, 3)]
)
def test_a_month_runs_out_at_the_pace_so_far(used: int, days: float, end: float | None) -> None:
    """What was used since it began, by the time that took: 50 a day last 20 days of June."""
    june = MONTH_END - 30 * 86_400
    expected = None if end is None else june + end * 86_400
    assert runs_out(used, 1000, june + days * 86_400) == expected


async def test_a_long_wait_is_told_once_with_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """However many wait, and whoever is the head; short waits are not worth a line."""
    caplog.set_level("INFO", "enlighten_async")
    limiter, server = build(FakeClock(), phase=20.0)

    async def job(patience: float | None) -> None:
        with server.clock.move_on_after(patience):
            await purchase(limiter, server)

    async with anyio.create_task_group() as tasks:
        for patience in [None] * 10 + [15.0] * 5 + [None] * 15:
            tasks.start_soon(job, patience)
    lines = [record.getMessage() for record in caplog.records]
    end = server.windows()[0] * 60 + 60
    assert len(lines) == 2
    assert all("s (minute) until 2025-06-15 15:0" in line and "in the queue" in line for line in lines)
    assert all(f"{datetime.fromtimestamp(end + 60 * n, UTC):%H:%M:%S} UTC" in lines[n] for n in range(2))
    assert all(record.levelname == "INFO" for record in caplog.records)
