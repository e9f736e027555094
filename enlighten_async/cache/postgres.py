"""The cache in PostgreSQL, for all processes of any number of machines; on asyncio.

Nothing can be sent while the server is away, so that reading waits for it, as long as the caller does. A
part to be cached is at first a pending write: `flush`, or whoever reads next, writes it, each in a
transaction of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio
from attrs import frozen

from enlighten_async.cache.base import StoredCache, may_wait
from enlighten_async.cache.tables import Row, Statement, Steps, Tables
from enlighten_async.errors import EnlightenError
from enlighten_async.state import (
    AWAY_POLL_S,
    MAX_AWAY_S,
    DatabaseFull,
    DatabaseUnavailable,
    FaultLog,
    PendingWrites,
    PostgresBackend,
    in_thread,
    unavailable,
)

if TYPE_CHECKING:
    import asyncpg

    from enlighten_async.clock import Clock

R = TypeVar("R")
T = TypeVar("T")

CACHE_TIMEOUT_S = 5.0
"""Seconds that one look at the server, or the writes before it, may take."""

logger = logging.getLogger("enlighten_async")


class PostgresCache(StoredCache):
    """An `IntervalCache` in PostgreSQL, for all who use the database.

    While the server is away, what is to be written is kept in memory, as far as it is remembered, and
    written as soon as it is back; reading waits.

    Args:
        server: a connection of its own to the database.
        clock: the source of time.
    """

    def __init__(self, server: PostgresBackend, *, clock: Clock) -> None:
        super().__init__(clock)
        self._server = server
        self._pending: PendingWrites[Callable[[Tables], Steps[None]]] = PendingWrites(str(server))
        self._away: DatabaseUnavailable | None = None
        self._away_since = self._tried_at = 0.0
        self._turn = anyio.Lock(fast_acquire=True)
        self._faults = FaultLog(
            str(server),
            meanwhile="answers that arrive are kept in memory, and queries wait for it",
            after="answers are cached again",
        )

    def __repr__(self) -> str:
        return f"<PostgresCache {str(self._server)!r} pending={len(self._pending)}>"

    @property
    def away(self) -> bool:
        """Whether the server could not be reached when it was tried last."""
        return self._away is not None

    async def flush(self) -> None:
        """Write the pending writes; no cancel interrupts it, and no fault of the server is raised."""
        if not self._pending:
            return
        with anyio.CancelScope(shield=True):
            try:
                await self._perform(_nothing)
            except (DatabaseUnavailable, EnlightenError) as error:
                logger.debug("nothing was written: %s", error)

    async def require_room(self) -> None:
        """Raise `DatabaseFull` if answers that wait to be kept cannot be, after one more attempt.

        Where the server is away, whoever asks finds that out by itself.
        """
        if self._pending.fault is not None:
            await self.flush()
        if self._pending.fault is not None and not self.away:
            raise DatabaseFull(str(self._pending.fault), logged=True)

    async def aclose(self) -> None:
        """Close the connection, after one more attempt to write; it is opened again when it is needed."""
        await self.flush()
        if self._pending:
            logger.warning("%s: answers that could not be cached there: %d", self._server, len(self._pending))
        with anyio.CancelScope(shield=True):
            await self._server.aclose()

    def _write(self, work: Callable[[Tables], Steps[None]], about: Hashable) -> None:
        """Add a pending write."""
        self._pending.add(work)

    async def _read(
        self,
        work: Callable[[Tables], Steps[R]],
        made: Callable[[R], T],
        otherwise: T,
        asked: tuple[Hashable, Hashable] | None = None,
    ) -> T:
        """Return what is made of what is read, after the pending writes.

        Raises:
            StateUnavailable: the server has been away for long, or the caller does not wait for it.
        """
        while True:
            try:
                found = await self._perform(work)
            except DatabaseUnavailable as fault:
                if not may_wait.get() or self._clock.monotonic() > self._away_since + MAX_AWAY_S:
                    raise unavailable(self._server, fault) from None
            else:
                return await in_thread(partial(made, found))
            await self._clock.sleep(AWAY_POLL_S)

    async def _perform(self, work: Callable[[Tables], Steps[R]]) -> R:
        """Do some work at the server, after the pending writes; while it is away, once in a while.

        Raises:
            DatabaseUnavailable: it is away.
        """
        async with self._turn:  # of many that wait for a server that hangs, one finds out
            began = self._clock.monotonic()
            if self._away is not None and began < self._tried_at + AWAY_POLL_S:
                raise DatabaseUnavailable(str(self._away))
            patient = self._away is None and (may_wait.get() or self._server.connected)
            timeout_s = CACHE_TIMEOUT_S if patient else 0.0
            try:
                found = await self._server.perform(partial(self._work, work), timeout_s=timeout_s)
            except DatabaseUnavailable as fault:
                if self._away is None:
                    self._away_since = began
                self._away, self._tried_at = fault, self._clock.monotonic()
                self._faults.begin(fault)
                raise
            self._away = None
        if self._pending.fault is None:
            self._faults.end()
        else:
            self._faults.begin(self._pending.fault)
        return found

    async def _work(self, work: Callable[[Tables], Steps[R]], connection: asyncpg.Connection) -> R:
        tables = Tables(self._server.salt)
        writes = self._pending.snapshot()
        for number, write in writes.items():
            try:
                async with connection.transaction():
                    await execute(connection, write(tables), in_threads=True)
            except Exception as error:
                if not self._server.is_fault(error):
                    self._pending.drop(number, error)
                    continue
                fault = DatabaseUnavailable(self._server.described(error))
                self._pending.mark_failed(writes, fault)
                if connection.is_closed():
                    raise
                break  # it can be read, but takes no writes: a full disk, say
            self._pending.mark_written({number: write})
        return await execute(connection, work(tables), in_threads=False)


@frozen
class _End(Generic[T]):
    """The end of some work.

    Attributes:
        result: what it returned.
    """

    result: T


def _nothing(_: Tables) -> Steps[None]:
    """Do nothing."""
    yield from ()


def _advance(steps: Steps[T], rows: list[Row] | None) -> tuple[Statement, Sequence[Row]] | _End[T]:
    """Return the next statement of some work, or its end; no thread can raise `StopIteration`."""
    try:
        return next(steps) if rows is None else steps.send(rows)
    except StopIteration as end:
        return _End(end.value)


async def execute(connection: asyncpg.Connection, steps: Steps[T], *, in_threads: bool) -> T:
    """Do some work on the tables.

    Args:
        connection: the connection; in a transaction, if something is written.
        steps: the work.
        in_threads: whether what comes between the statements takes long.
    """
    rows: list[Row] | None = None
    while True:
        step = partial(_advance, steps, rows)
        asked = await in_thread(step) if in_threads else step()
        if isinstance(asked, _End):
            return asked.result
        statement, values = asked
        rows = [tuple(row) for each in values for row in await connection.fetch(statement.postgres, *each)]
