"""Priorities: in one queue, between the clients of a store, and the delay at the most."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.emulator import Quota
from enlighten_async.errors import BudgetExceeded, QuotaExhausted
from enlighten_async.limiter import RANKS, MemoryQuotaStore, Plan, RateLimiter
from enlighten_async.testing import FakeClock
from tests.effort import examples
from tests.limiter.fake_server import FakeServer, beside, build, purchase
from tests.world import World

INTERACTIVE, POLL, BACKFILL = RANKS.values()


GUARD = 4.0
"""Seconds after a window's start by when it is certain to have begun, and the answer is there."""


async def backfill(limiter: RateLimiter, server: FakeServer, workers: int = 5) -> None:
    """Ask without end, several at once."""

    async def work() -> None:
        while True:
            await purchase(limiter, server, rank=BACKFILL)

    async with anyio.create_task_group() as tasks:
        for _ in range(workers):
            tasks.start_soon(work)


@pytest.mark.slow
@examples(4)
@given(
    limit=st.sampled_from([1, 3, 10]),
    apart=st.booleans(),
    pauses=st.lists(st.floats(61, 7200), min_size=10, max_size=40),
    seed=st.integers(0, 2**20),
)
async def test_a_backfill_of_days_delays_a_call_by_one_window_at_the_most(
    limit: int, apart: bool, pauses: list[float], seed: int
) -> None:
    """In the same queue or another, at 10, 3 or 1 a minute; and the backfill makes steady progress."""
    plan = Plan(minute=limit)
    limiter, server = build(FakeClock(), plan=plan, minute=limit, month=10**6, seed=seed)
    caller = beside(limiter, server) if apart else limiter
    started = server.clock.monotonic()
    async with anyio.create_task_group() as around:
        around.start_soon(backfill, limiter, server)
        for pause in pauses:
            await server.clock.sleep(pause)
            began = server.clock.monotonic()
            with server.clock.move_on_after(200):  # a starved call fails, and does not hang
                await purchase(caller, server)
            assert server.clock.monotonic() - began <= (60 + GUARD if limit == 1 else GUARD)
        around.cancel_scope.cancel()
    assert server.rejected.total() == 0
    minutes = (server.clock.monotonic() - started) / 60
    share = max(1, limit - 2 * max(1, limit // 10))
    assert server.used.total() >= len(pauses) + 0.9 * share * (minutes - len(pauses) - 1)


async def test_days_of_backfill_leave_each_minute_what_is_held_back() -> None:
    """Of 10 a minute history takes 8, fleets 9, and whoever waits all."""
    limiter, server = build(FakeClock(), phase=0.0)
    await purchase(limiter, server)
    for rank, most in ((BACKFILL, 8), (POLL, 9), (INTERACTIVE, 10)):
        await server.clock.sleep(60)
        with server.clock.move_on_after(30):
            async with anyio.create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(lambda rank=rank: purchase(limiter, server, rank=rank))
        assert server.used[server.windows()[-1]] == most


@pytest.mark.parametrize(("limit", "most"), [(1, 60), (10, 0)])
async def test_a_poll_goes_before_history_in_another_process(limit: int, most: float) -> None:
    """The middle class has its own share, and its own word at the window's start."""
    limiter, server = build(FakeClock(), plan=Plan(minute=limit), minute=limit)
    async with anyio.create_task_group() as around:
        around.start_soon(backfill, limiter, server)
        for _ in range(20):
            await server.clock.sleep(500)
            began = server.clock.monotonic()
            with server.clock.move_on_after(200):
                await purchase(beside(limiter, server), server, rank=POLL)
            assert server.clock.monotonic() - began <= most + GUARD
        around.cancel_scope.cancel()


async def test_history_ends_before_the_month_does() -> None:
    """It stops at what is held back, says why and until when; who is above it goes on."""
    plan = Plan(minute=100, month=100)
    limiter, server = build(FakeClock(), plan=plan, minute=100, month=100)
    for rank, most, day in ((BACKFILL, 94, 16), (POLL, 97, 19), (INTERACTIVE, 100, 1)):
        for _ in range(most - server.used.total()):
            await purchase(limiter, server, rank=rank)
        with pytest.raises(QuotaExhausted) as caught:
            await purchase(limiter, server, rank=rank)
        assert server.used.total() == most
        assert (f"but for {100 - most} requests held back" in str(caught.value)) == (most < 100)
        assert caught.value.retry_at is not None
        assert (caught.value.limit, caught.value.retry_at.day) == (100, day)
        assert limiter.ready_at(1, rank) == caught.value.retry_at.timestamp()
        assert limiter.left(rank)["month"] == 0
        assert limiter.left()["month"] == 100 - most
    assert server.rejected.total() == 0


async def test_the_forecast_knows_the_class() -> None:
    """What is held back makes history take longer, and who is behind in the queue does not count."""
    limiter, server = build(FakeClock(), phase=10.0)
    await purchase(limiter, server)
    window = server.time() // 60 * 60
    assert limiter.ready_at(9) < window + 60
    assert limiter.ready_at(9, BACKFILL) == window + 60
    # 9 + 8 x 10, 8 + 8 x 9, 7 + 9 x 8 are 80 or more
    assert [limiter.ready_at(80, rank) - window for rank in RANKS.values()] == [480, 480, 600]
    assert [limiter.left(rank)["minute"] for rank in RANKS.values()] == [9, 8, 7]


async def test_one_at_a_time_is_no_reason_to_go_last() -> None:
    """While a limit is in doubt, a backfill elsewhere does not slip in between two looks."""
    store = MemoryQuotaStore()
    limiter, server = build(FakeClock(), store=store, plan=Plan(), minute=10**6, latency=3.0)
    async with anyio.create_task_group() as around:
        around.start_soon(backfill, limiter, server, 3)
        await server.clock.sleep(0.01)  # before the first reply: one at a time
        began = server.clock.monotonic()
        with server.clock.move_on_after(60):
            await purchase(beside(limiter, server), server)
        assert server.clock.monotonic() - began <= 15
        around.cancel_scope.cancel()


@pytest.mark.parametrize("users", [1, 10])
async def test_what_has_begun_is_finished_before_more_is_begun(users: int) -> None:
    """Of ten homes whose time zones nobody knows some get their answer in a minute of ten requests, not none.

    The request for a time zone and the one that needs it are one turn, also where each home has a tenant.
    """
    world = World(systems=10 // users, users=users, quota=Quota(minute=10, month=None), now=1_750_000_000.0)
    client = world.client(plan=Plan(minute=10)).with_options(max_wait=10)
    emulator, today = world.emulator, datetime.fromtimestamp(world.clock.now(), UTC).date()
    homes = [(user, home.system_id) for user in emulator.users for home in emulator.truth.systems(user)]
    answered = list[int]()

    async def ask(user: str, system: int) -> None:
        with suppress(BudgetExceeded):
            await client.with_options(user_id=user).rgm_stats(system, start_date=today)
            answered.append(system)

    async with anyio.create_task_group() as tasks:
        for home in homes:
            tasks.start_soon(ask, *home)
    assert len(answered) >= 4
    assert world.emulator.counts.sent == 10
    assert world.emulator.counts.rejected == 0
