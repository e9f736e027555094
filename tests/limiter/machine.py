"""A machine with several processes on one state file, without any process."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import anyio

from enlighten_async.clock import Clock
from enlighten_async.limiter import Plan, RateLimiter, SqliteQuotaStore
from enlighten_async.state import StateFile

LIFE = 30.0
"""Seconds a request may take; its ticket lives 5 s longer."""


class Local(Clock):
    """A process's own view of the time: its wall clock is off, and its monotonic one began elsewhere."""

    def __init__(self, clock: Clock, wall: float = 0.0, monotonic: float = 0.0) -> None:
        self._clock = clock
        self.wall = wall
        self._began = monotonic

    def now(self) -> float:
        """Return what the wall clock says."""
        return self._clock.now() + self.wall

    def monotonic(self) -> float:
        """Return the time since some other moment."""
        return self._clock.monotonic() + self._began

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._clock.sleep(seconds)

    def move_on_after(self, seconds: float | None) -> AbstractContextManager[anyio.CancelScope]:
        """Give up after some time."""
        return self._clock.move_on_after(seconds)


def a_store(path: Path, clock: Clock, key: bytes = b"key", timeout: float | None = LIFE) -> SqliteQuotaStore:
    """Return the counts of a key as a process of its own has them."""
    file = StateFile(path, durable=False)
    return SqliteQuotaStore(file, lambda salt: salt[:8] + key, clock=clock, timeout=timeout)


def a_process(path: Path, clock: Clock, plan: Plan, max_in_flight: int = 10) -> RateLimiter:
    """Return the gate of a process of its own."""
    return RateLimiter(store=a_store(path, clock), plan=plan, clock=clock, max_in_flight=max_in_flight)
