"""Who gets the requests of a minute: processes that all want more, and tenants of which one wants much."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from statistics import fmean, median

from aiolimiter import AsyncLimiter
from pyrate_limiter import Limiter, Rate

from benchmarks.quota.contenders import SlidingBucket
from benchmarks.quota.virtual import LoopClock, run
from benchmarks.state.gates import CONTENDERS
from benchmarks.state.worker import together
from enlighten_async.limiter import MemoryQuotaStore, Plan, QuotaStore, RateLimiter, SharedQuotaStore
from enlighten_async.state import MemoryBackend
from enlighten_async.wire import Response

START = 1_750_032_000
"""A whole minute: 2025-06-16T00:00Z."""
LATENCY_S = 0.2

PROCESSES, SHARED = 16, 300
PERIOD_S, PERIODS = 6, 3
"""Length of a window, and their number, where time is real."""
MAX_UNFAIR = 0.25
"""Share of the mean by which a process may have more or less."""

TENANTS, GREEDY, FEW = 50, 200, 10
MAX_LAST_S = 360.0
"""Seconds after which the last of the tenants has its answer."""


class Caller:
    """One who asks by a limiter of ours a service that takes some time.

    Args:
        store: the counts.
        minute: requests a minute.
    """

    def __init__(self, store: QuotaStore, minute: int) -> None:
        self._clock = LoopClock(START)
        self._limiter = RateLimiter(
            store=store, plan=Plan(minute=minute), clock=self._clock, max_in_flight=minute
        )
        self.got: Counter[int] = Counter()

    async def ask(self, tenant: str = "") -> None:
        """Ask for one thing; it is counted in the minute in which it was sent."""
        permit = await self._limiter.acquire(self._limiter.waiter(tenant=tenant.encode()))
        self.got[int(self._clock.now() // 60)] += 1
        sent_at, date = self._clock.monotonic(), int(self._clock.now())
        await self._clock.sleep(LATENCY_S)
        now = self._clock.monotonic()
        permit.settle(now, Response(200, b"{}", date=date, sent_at=sent_at, received_at=now))
        await self._limiter.sync()


async def _shares(processes: int, minute: int) -> list[int]:
    """Return what each of the processes got in the second minute: in the first nobody knows of the others."""
    backend = MemoryBackend(LoopClock(START))
    callers = [
        Caller(SharedQuotaStore(backend, lambda _: b"key", clock=LoopClock(START)), minute)
        for _ in range(processes)
    ]
    work = asyncio.gather(*(each.ask() for each in callers for _ in range(minute)))
    await asyncio.sleep(119)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    return [each.got[START // 60 + 1] for each in callers]


def shares(redis: str | None, processes: int = PROCESSES, minute: int = SHARED) -> dict[str, list[int]]:
    """Return what each process got, of ours in a virtual minute, of others in short windows.

    Args:
        processes: how many there are.
        minute: requests a minute, or a window.
        redis: URL of the server for the others' buckets.
    """
    found = {"enlighten_async": run(_shares(processes, minute))}
    for name in CONTENDERS["redis"][1:] if redis else ():
        setting = {"state": redis, "limit": minute, "period": PERIOD_S}
        task = {"contender": name, "setting": setting, "seconds": PERIOD_S * PERIODS, "tasks": 6}
        found[name] = [int(each["passed"]) for each in together([task] * processes)]
    return found


def shares_table(found: Mapping[str, Sequence[int]]) -> Iterator[str]:
    """Return the figures as Markdown."""
    count, some = len(next(iter(found.values()))), sum(next(iter(found.values())))
    yield f"| {count} processes that want more than {some} | least | mean | most | most of mean |"
    yield "|---|---|---|---|---|"
    for name, got in found.items():
        mean = fmean(got)
        yield f"| {name} | {min(got)} | {mean:.1f} | {max(got)} | {max(got) / max(mean, 1):.2f} |"
    yield ""


def unfair(got: Sequence[int]) -> bool:
    """Tell whether one has more or less than a quarter above or below the mean."""
    return any(abs(each - fmean(got)) > MAX_UNFAIR * fmean(got) for each in got)


Asking = Callable[[str], Awaitable[object]]


def _ours() -> Asking:
    return Caller(MemoryQuotaStore(), FEW).ask


def _pyrate() -> Asking:
    limiter = Limiter(SlidingBucket([Rate(FEW, 60_000)]))
    return lambda _: limiter.try_acquire_async()


def _aiolimiter() -> Asking:
    limiter = AsyncLimiter(FEW, 60)
    return lambda _: limiter.acquire()


async def _waits(make: Callable[[], Asking]) -> tuple[list[float], float]:
    """Return when each of the others has its answer, and when the greedy one has its last."""
    ask, clock = make(), LoopClock(START)
    began = clock.monotonic()

    async def asked(tenant: str) -> float:
        await ask(tenant)
        return clock.monotonic() - began

    greedy = [asyncio.create_task(asked("greedy")) for _ in range(GREEDY)]
    await asyncio.sleep(0.001)
    others = await asyncio.gather(*(asked(f"tenant {number}") for number in range(1, TENANTS)))
    return sorted(others), max(await asyncio.gather(*greedy))


def waits() -> dict[str, tuple[list[float], float]]:
    """Return the seconds that 49 tenants wait beside one who asked for 200 things before, by contender."""
    made = {"enlighten_async": _ours, "pyrate-limiter": _pyrate, "aiolimiter": _aiolimiter}
    return {name: run(_waits(make)) for name, make in made.items()}


def waits_table(found: Mapping[str, tuple[list[float], float]]) -> Iterator[str]:
    """Return the figures as Markdown."""
    what = f"{GREEDY} of one tenant, then one each of {TENANTS - 1}, {FEW} a minute"
    yield f"| {what} | first of the {TENANTS - 1} | median | last | last of the {GREEDY} |"
    yield "|---|---|---|---|---|"
    for name, (others, greedy) in found.items():
        figures = (others[0], median(others), others[-1], greedy)
        yield f"| {name} | {' | '.join(f'{each:,.0f} s' for each in figures)} |"
    yield ""
