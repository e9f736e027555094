"""A server that counts as Enlighten does, for the limiter to be held against."""

from __future__ import annotations

import bisect
import json
import math
import random
from collections import Counter
from typing import Any

import anyio
from attrs import define, field

from enlighten_async.clock import Clock
from enlighten_async.errors import Throttled
from enlighten_async.limiter import Grant, MemoryQuotaStore, Plan, RateLimiter, Waiter
from enlighten_async.testing import FakeClock
from enlighten_async.wire import Response

MONTH_START = 1_748_736_000  # 2025-06-01T00:00Z
MONTH_END = 1_751_328_000  # 2025-07-01T00:00Z
IDLE = "<RateLimiter in_flight=0/10 queued=0>"


class Lost(Exception):
    """No answer comes."""


@define(slots=False)
class FakeServer:
    """Counts per wall-clock minute and per June 2025 of its own time; answers after some latency.

    Its time is the clock's monotonic time plus `ahead`; its `Date` is cut to seconds. A share `lost` of
    the requests gets no answer: the client gives up, and the server counts them up to 4 s after that.
    """

    clock: Clock
    ahead: float
    minute: int = 10
    month: int = 10_000
    latency: float = 0.2
    date_skew: float = 0.0
    dates: bool = True
    busy_above: int | None = None
    outsiders: int = 0
    drift: float = 0.0
    lost: float = 0.0
    seed: int = 0
    used: Counter[int] = field(factory=Counter)
    rejected: Counter[int] = field(factory=Counter)
    busy: int = 0
    spent: int = 0
    now_serving: int = 0
    most_serving: int = 0
    served_at: list[float] = field(factory=list)
    late: list[float] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - latencies, not secrets

    def time(self) -> float:
        """Return the server's time."""
        return self.clock.monotonic() * (1 + self.drift) + self.ahead

    def windows(self) -> list[int]:
        """Return the minutes in which anything was served, in order."""
        return sorted(w for w, n in self.used.items() if n)

    async def send(self, clock: Clock | None = None) -> Response:
        """Serve one request of a client, who may have a clock of its own: there and back again."""
        clock = clock or self.clock
        sent_at = clock.monotonic()
        await self._travel()
        if self._random.random() < self.lost:
            bisect.insort(self.late, self.time() + self._random.uniform(0, 4))
            raise Lost
        self.now_serving += 1
        self.most_serving = max(self.most_serving, self.now_serving)
        status, body = self._answer()
        date = math.floor(self.time() + self.date_skew) if self.dates else None
        await self._travel()
        self.now_serving -= 1
        return Response(
            status, json.dumps(body).encode(), "application/json", date, sent_at, clock.monotonic()
        )

    async def _travel(self) -> None:
        await self.clock.sleep(self._random.uniform(0, self.latency))

    def _answer(self) -> tuple[int, dict[str, object]]:
        self.catch_up()
        return self._count(self.time())

    def catch_up(self) -> None:
        """Count what came in after its client had given up."""
        while self.late and self.late[0] <= self.time():
            self._count(self.late.pop(0))

    def _count(self, now: float) -> tuple[int, dict[str, object]]:
        window = int(now // 60)
        if self.busy_above is not None and self.now_serving > self.busy_above:
            self.busy += 1
            return 503, {}
        used = self.used[window] + min(self.outsiders, self.minute)
        if self.spent >= self.month:
            self.rejected[window] += 1
            return 409, self._rejection("month", MONTH_START, MONTH_END, self.month)
        if used >= self.minute:
            self.rejected[window] += 1
            return 409, self._rejection("minute", window * 60, window * 60 + 60, self.minute)
        self.used[window] += 1
        self.spent += 1
        self.served_at.append(now)
        return 200, {}

    def _rejection(self, period: str, start: int, end: int, limit: int) -> dict[str, object]:
        return {
            "reason": "409",
            "message": ["Usage limit exceeded for plan Watt"],
            "period": period,
            "period_start": start,
            "period_end": end,
            "limit": limit,
        }


def read_rejection(response: Response) -> Throttled:
    """Read a 409 as the API modules do."""
    facts = json.loads(response.body)
    error = Throttled("over the limit", status=409, response=response)
    for name in ("period", "period_start", "period_end", "limit"):
        setattr(error, name, facts.get(name, getattr(Throttled, name)))
    return error


async def purchase(
    limiter: RateLimiter,
    server: FakeServer,
    max_wait: float | None = None,
    rank: int = 0,
    tenant: bytes = b"",
) -> Response:
    """Send one request until it is served, as the fetcher does."""
    waiter = limiter.waiter(rank, tenant)
    while True:
        try:
            grant, response = await attempt(limiter, server, waiter, max_wait)
        except Lost:
            continue
        finally:
            await limiter.sync()
        if response.status == 409:
            limiter.rejected(grant, read_rejection(response))
        elif response.status == 503:
            limiter.overloaded(grant)
        else:
            return response


async def purchase_all(limiters: list[RateLimiter], server: FakeServer, jobs: int) -> None:
    """Run so many jobs at once, dealt out to the limiters in turn."""
    async with anyio.create_task_group() as tasks:
        for number in range(jobs):
            tasks.start_soon(purchase, limiters[number % len(limiters)], server)


async def attempt(
    limiter: RateLimiter, server: FakeServer, waiter: Waiter | None = None, max_wait: float | None = None
) -> tuple[Grant, Response]:
    """Send one request once, and settle its grant."""
    grant = await limiter.acquire(waiter or limiter.waiter(), max_wait)
    return grant, await send(limiter, server, grant)


async def send(limiter: RateLimiter, server: FakeServer, grant: Grant) -> Response:
    """Send the request of a grant, and settle it."""
    clock, response = limiter._clock, None
    sent_at = clock.monotonic()
    try:
        response = await server.send(clock)
    finally:
        grant.settle(sent_at, response)
    return response


def build(
    clock: FakeClock,
    *,
    phase: float = 10.0,
    wrong: float = 600.0,
    plan: Plan | None = None,
    store: MemoryQuotaStore | None = None,
    max_in_flight: int = 10,
    **options: Any,
) -> tuple[RateLimiter, FakeServer]:
    """Return a limiter and the server behind it."""
    ahead = 1_750_000_020.0 + phase - clock.monotonic()  # 20 s: the next whole minute
    server = FakeServer(clock, ahead, **options)
    clock.step_wall(server.time() - clock.now() + wrong)
    limiter = RateLimiter(
        store=store or MemoryQuotaStore(),
        plan=plan or Plan(minute=10, month=10_000),
        clock=clock,
        max_in_flight=max_in_flight,
    )
    return limiter, server


def beside(limiter: RateLimiter, server: FakeServer, plan: Plan | None = None) -> RateLimiter:
    """Return another limiter on the same store, as of another client."""
    plan = plan or limiter.plan
    return RateLimiter(store=limiter._store, plan=plan, clock=server.clock, max_in_flight=10)


def rejection(**facts: object) -> Throttled:
    """Return a rejection with these facts."""
    error = Throttled("over the limit", status=409)
    for name, value in facts.items():
        setattr(error, name, value)
    return error
