"""The cache in PostgreSQL, for all processes of any number of machines; on asyncio.

Nothing can be sent while the server is away, so that reading waits for it, as long as the caller does. A
part to be cached is at first a pending write: `flush`, or whoever reads next, writes it, each in a
transaction of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Hashable, Iterable, Sequence
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio
from attrs import frozen

from enlighten_async.cache.base import StoredCache, may_wait
from enlighten_async.cache.tables import Row, Statement, Steps, Tables
from enlighten_async.cache.upkeep import (
    ENTRY_COLUMNS,
    MAX_BATCH_ROWS,
    TABLES,
    Entry,
    Evicted,
    EvictionLimits,
    EvictionReason,
    IntegrityReport,
    PruneReport,
    StateFileStats,
    Table,
    by_endpoint,
    eviction_limits,
    is_json_object,
)
from enlighten_async.errors import EnlightenError
from enlighten_async.state import (
    AWAY_POLL_S,
    MAX_AWAY_S,
    DatabaseUnavailable,
    FaultLog,
    PendingWrites,
    PostgresBackend,
    in_thread,
    unavailable,
)
from enlighten_async.state.servers import POSTGRES_MIGRATIONS

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
            timeout_s = CACHE_TIMEOUT_S if self._away is None else 0.0
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


# Upkeep

UPKEEP_TIMEOUT_S = 600.0
"""Seconds that a look at all of the cache may take."""

_SIZE = """
    SELECT pg_total_relation_size('enlighten_texts') + pg_total_relation_size('enlighten_series')
        + pg_total_relation_size('enlighten_stretches') + pg_total_relation_size('enlighten_replies')
"""
_COUNTS = "SELECT text FROM enlighten_texts"
_NO_WRITERS = "LOCK TABLE enlighten_series IN SHARE ROW EXCLUSIVE MODE"
"""Lets those who write parts wait until the end of the transaction; others read meanwhile."""
_DELETE_EMPTY_SERIES = """
    DELETE FROM enlighten_series AS series
    WHERE NOT EXISTS (SELECT 1 FROM enlighten_stretches AS stretches WHERE stretches.series = series.id)
"""


class PostgresUpkeep:
    """Statistics, integrity, and eviction of what is cached in PostgreSQL, while others use it.

    Args:
        server: a connection of its own to the database.
    """

    def __init__(self, server: PostgresBackend) -> None:
        self._server = server

    async def stats(self) -> StateFileStats:
        """Return statistics of the database; nothing is changed.

        Raises:
            InputError: the server refuses the user, or the tables are a newer version's.
            StateUnavailable: it cannot be reached.
        """

        async def work(connection: asyncpg.Connection) -> StateFileStats:
            entries = [entry for entry in await _entries(connection) if entry.endpoint is not None]
            return StateFileStats(
                path=str(self._server),
                bytes=await connection.fetchval(_SIZE),
                journal=0,
                free=0,
                schema_version=len(POSTGRES_MIGRATIONS),
                keys=len(await connection.fetch(_COUNTS)),
                scopes=len({entry.scope for entry in entries}),
                series=by_endpoint(entry for entry in entries if not entry.is_reply),
                replies=by_endpoint(entry for entry in entries if entry.is_reply),
            )

        return await self._done(work)

    async def verify(self) -> IntegrityReport:
        """Return how much of the cache cannot be read; nothing is changed.

        Raises:
            InputError: as for `stats`.
            StateUnavailable: as for `stats`.
        """

        async def work(connection: asyncpg.Connection) -> IntegrityReport:
            entries, unreadable = await _entries(connection), await _unreadable(connection)
            replies = sum(entry.is_reply for entry in entries)
            broken = sum(entry.is_reply for entry, _ in unreadable)
            counts = await connection.fetch(_COUNTS)
            return IntegrityReport(
                str(self._server),
                parts=len(entries) - replies,
                replies=replies,
                unreadable_parts=len(unreadable) - broken,
                unreadable_replies=broken,
                unreadable_counts=sum(not is_json_object(text) for (text,) in counts),
            )

        return await self._done(work)

    async def prune(
        self,
        *,
        now: float,
        older_than: timedelta | None = None,
        max_size: int | None = None,
        dry_run: bool = False,
    ) -> PruneReport:
        """Evict entries that nobody can use, are old or too much; counts of requests and tokens stay.

        Those who write parts wait meanwhile. The server uses the space again when it has vacuumed.

        Args:
            now: the time, epoch seconds.
            older_than: age at which parts, by their end, and replies, by their time, are evicted.
            max_size: bytes of the entries; those that ended first are evicted until they have no more.
            dry_run: only tell what would be evicted.

        Raises:
            InputError: as for `stats`; or an age or a size below zero.
            StateUnavailable: as for `stats`; nothing was evicted.
        """
        limits = eviction_limits(now, older_than, max_size)

        async def work(connection: asyncpg.Connection) -> PruneReport:
            unreadable = await _unreadable(connection)
            transaction = connection.transaction()
            await transaction.start()
            try:
                await connection.execute(_NO_WRITERS)
                report = await self._evicted(connection, limits, unreadable)
            except BaseException:
                await transaction.rollback()
                raise
            await (transaction.rollback() if dry_run else transaction.commit())
            return report

        return await self._done(work)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._server.aclose()

    async def _evicted(
        self,
        connection: asyncpg.Connection,
        limits: EvictionLimits,
        unreadable: Iterable[tuple[Entry, object]],
    ) -> PruneReport:
        """Delete entries."""
        broken = [
            (entry.is_reply, entry.rowid)
            for entry, body in unreadable
            if await connection.fetchval(entry.table.unchanged.postgres, entry.rowid, body)
        ]
        entries = await _entries(connection)
        before = sum(entry.bytes for entry in entries)
        due, stay = limits.divide(entries, frozenset(broken))
        left = sum(entry.bytes for entry in stay)
        while limits.max_bytes is not None and stay and left > limits.max_bytes:
            left -= stay[0].bytes
            due.append((stay.popleft(), EvictionReason.OVER_SIZE))
        for table in TABLES:
            places = [entry.rowid for entry, _ in due if entry.table is table]
            await connection.execute(table.delete.postgres, places)
        await connection.execute(_DELETE_EMPTY_SERIES)
        evicted: dict[EvictionReason, Evicted] = {}
        for entry, reason in due:
            evicted[reason] = evicted.get(reason, Evicted()) + Evicted.of(entry)
        return PruneReport(str(self._server), MappingProxyType(evicted), before, left)

    async def _done(self, work: Callable[[asyncpg.Connection], Coroutine[object, None, T]]) -> T:
        try:
            return await self._server.perform(work, timeout_s=UPKEEP_TIMEOUT_S)
        except DatabaseUnavailable as fault:
            raise unavailable(self._server, fault) from None


async def _entries(connection: asyncpg.Connection) -> list[Entry]:
    """Return all entries."""
    return [
        Entry(table, *tuple(row)[:ENTRY_COLUMNS])
        for table in TABLES
        for row in await connection.fetch(table.select.postgres, False)
    ]


async def _unreadable(connection: asyncpg.Connection) -> list[tuple[Entry, object]]:
    """Return the entries that cannot be read, each with its body; batch by batch."""
    found: list[tuple[Entry, object]] = []
    async with connection.transaction():
        for table in TABLES:
            cursor = await connection.cursor(table.select.postgres, True)
            while rows := await cursor.fetch(MAX_BATCH_ROWS):
                found += await in_thread(partial(_broken, table, [tuple(row) for row in rows]))
    return found


def _broken(table: Table, rows: list[Row]) -> list[tuple[Entry, object]]:
    """Return those of some rows that cannot be read."""
    return [
        (Entry(table, *row[:ENTRY_COLUMNS]), row[-1])
        for row in rows
        if not table.readable(row[ENTRY_COLUMNS:])
    ]
