"""Stores of a machine with several processes on one state file, without any process."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import anyio

from enlighten_async.clock import Clock
from enlighten_async.errors import Throttled
from enlighten_async.limiter import Plan, QuotaStore, RateLimiter, Settlement, SharedQuotaStore, UsageWarning
from enlighten_async.state import SqliteBackend, StateFile

TIMEOUT_S = 30.0
"""Seconds a request may take; it is pending for 5 s longer."""


class Crowded(StateFile):
    """A file on a disk with so many bytes free."""

    free: int | None = None

    def room(self) -> int | None:
        """Return them."""
        return self.free


class ProcessClock(Clock):
    """A process's own view of the time: its wall clock is off, and its monotonic one began elsewhere."""

    def __init__(self, clock: Clock, wall: float = 0.0, monotonic: float = 0.0) -> None:
        self._clock = clock
        self.wall = wall
        self._began = monotonic

    def now(self) -> float:
        """Return the wall clock's time."""
        return self._clock.now() + self.wall

    def monotonic(self) -> float:
        """Return the seconds since some other moment."""
        return self._clock.monotonic() + self._began

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._clock.sleep(seconds)

    def move_on_after(self, seconds: float | None) -> AbstractContextManager[anyio.CancelScope]:
        """Give up after some time."""
        return self._clock.move_on_after(seconds)


def sqlite_store(
    path: Path, clock: Clock, key: bytes = b"key", timeout: float | None = TIMEOUT_S
) -> SharedQuotaStore:
    """Return the store of a key as a process of its own has it."""
    return store_in(StateFile(path, durable=False), clock, key, timeout)


def store_in(
    file: StateFile, clock: Clock, key: bytes = b"key", timeout: float | None = TIMEOUT_S
) -> SharedQuotaStore:
    """Return the store of a key in a state file."""
    backend = SqliteBackend(file, clock)
    return SharedQuotaStore(backend, lambda salt: salt[:8] + key, clock=clock, timeout=timeout)


def file_of(store: SharedQuotaStore) -> StateFile:
    """Return the state file that a store is in."""
    assert isinstance(store.backend, SqliteBackend)
    return store.backend.file


def process_limiter(path: Path, clock: Clock, plan: Plan, max_in_flight: int = 10) -> RateLimiter:
    """Return the limiter of a process of its own."""
    return RateLimiter(store=sqlite_store(path, clock), plan=plan, clock=clock, max_in_flight=max_in_flight)


def settle(store: QuotaStore, ticket: int, settlement: Settlement) -> None:
    """Settle a request."""
    store.update(lambda state: state.settle(ticket, settlement))


def reject(store: QuotaStore, ticket: int, error: Throttled, plan: Plan, now: float) -> None:
    """Record a rejection."""
    store.update(lambda state: state.record_rejection(ticket, error, plan, now))


def left(store: QuotaStore, plan: Plan, now: float) -> dict[str, int]:
    """Return the requests left."""
    return store.read(lambda state: state.left(plan, now))


def warn(store: QuotaStore, plan: Plan, now: float) -> UsageWarning | None:
    """Return the usage warning that is due, and note that it was given."""
    warning = store.read(lambda state: state.usage_warning(plan, now))
    if warning is not None:
        assert store.update(lambda state: state.record_warning(warning))
    return warning
