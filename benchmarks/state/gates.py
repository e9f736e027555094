"""Gates that processes share, by state and library: awaited before each request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from attrs import frozen
from pyrate_limiter import InMemoryBucket, Limiter, PostgresBucket, Rate, RedisBucket, SQLiteBucket

from enlighten_async.clock import SystemClock
from enlighten_async.limiter import MemoryQuotaStore, Plan, QuotaStore, RateLimiter, SharedQuotaStore
from enlighten_async.state import SqliteBackend, StateFile, is_url, server_backend
from enlighten_async.wire import Response

AT_ONCE = 1000
"""Requests in flight at the most, of all processes."""

Gate: TypeAlias = Callable[[], Awaitable[object]]


@frozen
class Setting:
    """What a gate is given.

    Attributes:
        state: path of a file, or URL of a server; empty: the memory of the process.
        limit: requests in a period.
        period: seconds of it.
    """

    state: str
    limit: int = 10**9
    period: int = 60


async def _ours(setting: Setting) -> Gate:
    """Take, and settle the answer, which is written too: with the next take, or alone."""
    clock = SystemClock()
    limiter = RateLimiter(store=_store(setting.state), plan=Plan(), clock=clock, max_in_flight=AT_ONCE)

    async def gate() -> None:
        permit = await limiter.acquire(limiter.waiter())
        now = clock.monotonic()
        answer = Response(200, b"{}", date=int(time.time()), sent_at=now, received_at=now)
        permit.settle(now, answer)
        await limiter.sync()

    return gate


def _store(state: str) -> QuotaStore:
    if not state:
        return MemoryQuotaStore()
    clock = SystemClock()
    backend = (
        server_backend(lambda: state, clock) if is_url(state) else SqliteBackend(StateFile(state), clock)
    )
    return SharedQuotaStore(backend, lambda salt: (salt + b"k" * 32)[:32], clock=clock)


async def _pyrate(setting: Setting) -> Gate:
    """Let pyrate-limiter's buckets decide, each with its own library for the server."""
    rates = [Rate(setting.limit, setting.period * 1000)]
    if setting.state.startswith("redis"):
        from redis.asyncio import Redis  # noqa: PLC0415 - not for the smoke test

        bucket = await RedisBucket.init(rates, Redis.from_url(setting.state), "bench")
        return Limiter(bucket).try_acquire_async
    if setting.state.startswith("postgres"):
        from psycopg_pool import ConnectionPool  # noqa: PLC0415

        pool = ConnectionPool(setting.state, min_size=1, max_size=2, open=True)
        return Limiter(PostgresBucket(pool, "bench", rates)).try_acquire_async
    if setting.state:
        file = SQLiteBucket.init_from_file(rates, db_path=f"{setting.state}.pyrate", use_file_lock=True)
        return Limiter(file).try_acquire_async
    return Limiter(InMemoryBucket(rates)).try_acquire_async


async def _limits(setting: Setting) -> Gate:
    """Let the fixed window of limits decide; who is refused sleeps to its end, by his own clock."""
    from limits import RateLimitItemPerSecond  # noqa: PLC0415 - not for the smoke test
    from limits.aio.storage import MemoryStorage, RedisStorage  # noqa: PLC0415
    from limits.aio.strategies import FixedWindowRateLimiter  # noqa: PLC0415

    url = f"async+{setting.state}"
    storage = RedisStorage(url, implementation="redispy") if setting.state else MemoryStorage()
    limiter = FixedWindowRateLimiter(storage)
    item = RateLimitItemPerSecond(setting.limit, setting.period)

    async def gate() -> None:
        while not await limiter.hit(item, "bench"):
            stats = await limiter.get_window_stats(item, "bench")
            await asyncio.sleep(max(0.001, stats.reset_time - time.time()))

    return gate


GATES: Mapping[str, Callable[[Setting], Awaitable[Gate]]] = MappingProxyType(
    {"enlighten_async": _ours, "pyrate-limiter": _pyrate, "limits, fixed window": _limits}
)
"""Makers of gates."""

CONTENDERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "memory": ("enlighten_async", "pyrate-limiter", "limits, fixed window"),
        "file": ("enlighten_async", "pyrate-limiter"),
        "postgres": ("enlighten_async", "pyrate-limiter"),
        "redis": ("enlighten_async", "pyrate-limiter", "limits, fixed window"),
    }
)
"""Who has a gate on which state."""
