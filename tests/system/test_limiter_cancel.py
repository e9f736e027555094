"""Cancelled waiters: no token lost, no queue stuck, at any step, on both event loops."""

from __future__ import annotations

import asyncio

import anyio
import pytest
from anyio.lowlevel import checkpoint

from enlighten_async.errors import BudgetExceeded, QuotaExhausted
from enlighten_async.limiter import MemoryQuotaStore, Plan, Take, Wait
from enlighten_async.testing import FakeClock
from tests.limiter.fake_server import IDLE, build, purchase

STEPS = range(24)


class SlowStore(MemoryQuotaStore):
    """A store that has to wait before and after its decision, as one in a file does."""

    async def take(self, asked: Take, now: float) -> Wait | None:
        """Decide between two waits."""
        await checkpoint()
        wait = await super().take(asked, now)
        await checkpoint()
        return wait


@pytest.fixture(params=[MemoryQuotaStore, SlowStore])
def store(request: pytest.FixtureRequest) -> MemoryQuotaStore:
    """Return a store that decides at once, or one that takes its time."""
    made: MemoryQuotaStore = request.param()
    return made


@pytest.mark.slow
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("victims", [(0,), (1,), (0, 1, 2), (3, 11), range(12)])
async def test_a_scope_cancelled_at_any_step(
    store: MemoryQuotaStore, victims: tuple[int, ...], steps: int
) -> None:
    """Whoever is cancelled, and when: the others are served, and the counts are the server's."""
    limiter, server = build(FakeClock(), phase=10.0, store=store)
    scopes = [anyio.CancelScope() for _ in range(12)]

    async def job(scope: anyio.CancelScope) -> None:
        with scope:
            await purchase(limiter, server)

    async with anyio.create_task_group() as tasks:
        for scope in scopes:
            tasks.start_soon(job, scope)
        for _ in range(steps):
            await checkpoint()
        for victim in victims:
            scopes[victim].cancel()
    await purchase(limiter, server)
    assert repr(limiter) == IDLE
    assert server.used.total() >= 13 - len(victims)
    assert server.rejected.total() == 0


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("steps", STEPS)
async def test_a_task_cancelled_at_any_step(store: MemoryQuotaStore, steps: int) -> None:
    """The event loop's own way of cancelling leaves as little behind."""
    limiter, server = build(FakeClock(), phase=10.0, store=store)
    jobs = [asyncio.ensure_future(purchase(limiter, server)) for _ in range(12)]
    for _ in range(steps):
        await asyncio.sleep(0)
    for victim in (0, 1, 5):
        jobs[victim].cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    assert repr(limiter) == IDLE
    assert server.used.total() >= 9
    assert server.rejected.total() == 0


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.3, 1.0, 30.0, 49.9, 51.0, 52.5, 60.0])
async def test_the_head_hands_over(seconds: float) -> None:
    """While it waits for the window, in the midst of a burst, or just before: the next one goes on."""
    limiter, server = build(FakeClock(), phase=10.0)
    for _ in range(10):
        await purchase(limiter, server)
    async with anyio.create_task_group() as tasks, anyio.create_task_group() as doomed:
        for _ in range(3):
            doomed.start_soon(purchase, limiter, server)
        await checkpoint()
        for _ in range(5):
            tasks.start_soon(purchase, limiter, server)
        await server.clock.sleep(seconds)
        doomed.cancel_scope.cancel()
    assert repr(limiter) == IDLE
    assert server.rejected.total() == 0
    assert server.windows()[-1] - server.windows()[0] == 1


async def test_a_waiter_that_gives_up_leaves_no_trace() -> None:
    """Its error is raised, and the next in the queue is served."""
    limiter, server = build(FakeClock(), phase=10.0, plan=Plan(minute=1))
    grant = await limiter.acquire(limiter.waiter())
    async with anyio.create_task_group() as tasks:
        with pytest.raises(BudgetExceeded):
            await limiter.acquire(limiter.waiter(), 1)
        tasks.start_soon(purchase, limiter, server)
        await server.clock.sleep(1)
        grant.settle()
    assert repr(limiter) == IDLE
    assert server.used.total() == 1


async def test_what_settles_while_the_store_decides_is_not_missed() -> None:
    """The head is told to look again although it does not wait yet."""

    class Stuck(MemoryQuotaStore):
        async def take(self, asked: Take, now: float) -> Wait | None:
            wait = await super().take(asked, now)
            if wait is not None:
                await server.clock.sleep(5)
            return wait

    limiter, server = build(FakeClock(), phase=10.0, store=Stuck(), latency=0.0, plan=Plan(minute=1))
    pilot = await limiter.acquire(limiter.waiter())
    before = server.clock.monotonic()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(purchase, limiter, server)
        await server.clock.sleep(1)
        pilot.settle()
    # The store took 5 s to say "wait"; by then the pilot had settled, and no other wait was due.
    assert server.served_at[0] - server.ahead - before == pytest.approx(5.0)


async def test_a_store_that_fails_loses_nothing() -> None:
    """Its error reaches the caller, and the queue goes on."""

    class Broken(MemoryQuotaStore):
        broken = True

        async def take(self, asked: Take, now: float) -> Wait | None:
            wait = await super().take(asked, now)
            if self.broken:
                raise OSError("disk full")
            return wait

    store = Broken()
    limiter, server = build(FakeClock(), phase=10.0, store=store)
    for _ in range(20):
        with pytest.raises(OSError, match="disk full"):
            await limiter.acquire(limiter.waiter())
    store.broken = False
    await purchase(limiter, server)
    assert limiter.left()["minute"] == 9


async def test_the_month_ends_for_waiters_one_by_one() -> None:
    """An error for the head does not keep the next from its own."""
    limiter, server = build(FakeClock(), phase=10.0, plan=Plan(minute=10, month=1), month=1)
    await purchase(limiter, server)
    told: list[str] = []

    async def job() -> None:
        try:
            await purchase(limiter, server)
        except QuotaExhausted as error:
            told.append(error.period)

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(job)
    assert told == ["month"] * 20
