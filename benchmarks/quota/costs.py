"""What the limiter itself costs: CPU for each waiter, for each that is cancelled, and with nobody before."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Coroutine
from statistics import median

import anyio
from attrs import frozen

from benchmarks.quota.scenarios import MIDNIGHT
from benchmarks.quota.virtual import LoopClock, run
from enlighten_async.clock import Clock, SystemClock
from enlighten_async.limiter import MemoryQuotaStore, Plan, RateLimiter
from enlighten_async.wire import Response

ROUNDS = 7
SINGLE = 5_000
"""Requests one after another in a round."""


@frozen
class Costs:
    """Microseconds of CPU.

    Attributes:
        waiter: for each waiter that is served, by how many wait at once.
        collected: the same of the largest crowd with Python's garbage collector at work, which walks through
            all tasks there are again and again, whatever they do.
        task: for each task that only waits for an event, by how many: what the loop itself costs.
        cancelled: for each waiter that is cancelled, by how many.
        acquire: for an acquisition with nobody before.
        settle: for what follows an answer.
    """

    waiter: dict[int, float]
    collected: float
    task: dict[int, float]
    cancelled: dict[int, float]
    acquire: float
    settle: float


def costs(*, smoke: bool) -> Costs:
    """Measure; in a smoke test with few waiters, once."""
    crowds, rounds = ((100, 1_000), 1) if smoke else ((1_000, 10_000), ROUNDS)
    pairs = [anyio.run(_single) for _ in range(rounds)]
    return Costs(
        waiter={n: median(_alone(_served, n) for _ in range(rounds)) for n in crowds},
        collected=median(run(_served(crowds[-1])) for _ in range(rounds)),
        task={n: median(_alone(_idle, n) for _ in range(rounds)) for n in crowds},
        cancelled={n: median(_alone(_cancelled, n) for _ in range(rounds)) for n in crowds},
        acquire=median(pair[0] for pair in pairs),
        settle=median(pair[1] for pair in pairs),
    )


def _alone(cost: Callable[[int], Coroutine[object, object, float]], crowd: int) -> float:
    """Measure without the garbage collector, as `timeit` does: what it takes grows with all there is."""
    gc.collect()
    gc.disable()
    try:
        return run(cost(crowd))
    finally:
        gc.enable()


def _limiter(clock: Clock, minute: int) -> RateLimiter:
    plan = Plan(minute=minute, month=10**9)
    return RateLimiter(store=MemoryQuotaStore(), plan=plan, clock=clock, max_in_flight=1_000)


def _response(clock: Clock) -> Response:
    now = clock.monotonic()
    return Response(200, b"", "application/json", int(clock.now()), now, now)


async def _buy(clock: Clock, limiter: RateLimiter) -> None:
    grant = await limiter.acquire(limiter.waiter())
    response = _response(clock)
    grant.settle(response.sent_at, response)


async def _served(crowd: int) -> float:
    """Serve a crowd in ten windows; the tasks themselves are counted in."""
    clock = LoopClock(MIDNIGHT)
    limiter = _limiter(clock, crowd // 10)
    began = time.process_time()
    async with anyio.create_task_group() as tasks:
        for _ in range(crowd):
            tasks.start_soon(_buy, clock, limiter)
    return (time.process_time() - began) / crowd * 1e6


async def _idle(crowd: int) -> float:
    """Let a crowd wait for an event each."""
    began = time.process_time()
    events = [anyio.Event() for _ in range(crowd)]
    async with anyio.create_task_group() as tasks:
        for event in events:
            tasks.start_soon(event.wait)
        await anyio.sleep(1)
        for event in events:
            event.set()
    return (time.process_time() - began) / crowd * 1e6


async def _cancelled(crowd: int) -> float:
    """Cancel a crowd that waits for the next window."""
    clock = LoopClock(MIDNIGHT)
    limiter = _limiter(clock, 1)
    await _buy(clock, limiter)
    async with anyio.create_task_group() as tasks:
        for _ in range(crowd):
            tasks.start_soon(_buy, clock, limiter)
        await clock.sleep(1)
        began = time.process_time()
        tasks.cancel_scope.cancel()
    return (time.process_time() - began) / crowd * 1e6


async def _single() -> tuple[float, float]:
    """Acquire and settle, one request after another, by the clock of the machine."""
    clock = SystemClock()
    limiter = _limiter(clock, 10**8)
    await _buy(clock, limiter)
    spent, tick = [0.0, 0.0], _tick()
    for _ in range(SINGLE):
        began = time.perf_counter()
        grant = await limiter.acquire(limiter.waiter())
        spent[0] += time.perf_counter() - began - tick
        response = _response(clock)
        began = time.perf_counter()
        grant.settle(response.sent_at, response)
        spent[1] += time.perf_counter() - began - tick
    return spent[0] / SINGLE * 1e6, spent[1] / SINGLE * 1e6


def _tick(clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the seconds that reading the clock takes itself."""
    began = clock()
    for _ in range(SINGLE):
        clock()
    return (clock() - began) / SINGLE
