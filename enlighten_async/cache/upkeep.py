"""Upkeep of the state: statistics, integrity, and eviction from the cache, while others use it.

All of it for a file, and what a database has in common with that. `Entry`s are the one view of the cache's
two tables that all three share. In a file the space of evicted rows is given back by rewriting it, for which
SQLite locks it: a process that wants to write meanwhile finds the file busy, and a process that has it open
goes on afterwards.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from attrs import field, frozen

from enlighten_async.cache.tables import (
    Row,
    Statement,
    Unreadable,
    decode_any,
    response_of,
    span_of,
    statement,
)
from enlighten_async.errors import InputError
from enlighten_async.models.intervals import IntervalStats
from enlighten_async.state import (
    INSPECT_LOCK_TIMEOUT_S,
    CorruptFileError,
    DatabaseUnavailable,
    ExistingFile,
    PostgresBackend,
    describe,
    in_thread,
    open_existing,
    unavailable,
)
from enlighten_async.state.servers import POSTGRES_MIGRATIONS
from enlighten_async.windows import as_datetime

if TYPE_CHECKING:
    import asyncpg

T = TypeVar("T")

MAX_BATCH_ROWS = 64
"""Rows that are read at once: while they are, nobody can write."""


@frozen
class Table:
    """A table of the cache.

    Attributes:
        select: reads rows, in SQLite those after a number, so many: the fields of an `Entry`, then the
            columns that `readable` takes; the last of these is the body, or NULL where it is not wanted.
        delete: deletes the row of a number, in PostgreSQL the rows of some.
        unchanged: finds the row of a number if it still has a certain body.
        readable: tells whether a row can be read.
    """

    select: Statement
    delete: Statement
    unchanged: Statement
    readable: Callable[[Row], bool]


@frozen
class Entry:
    """A row of the cache, without its body: a part of a series, or a reply.

    Attributes:
        table: the table it is in.
        rowid: its number, in PostgreSQL its place; once it is deleted, another row may bear it.
        scope: the hash of the scope it belongs to; `None` for a part of no known series.
        endpoint: the API's name of its endpoint; `None` for a part of no known series.
        system_id: the system of a part.
        start: epoch seconds: start of a part, or time of a reply; anything if the file was tampered with.
        end: epoch seconds: end of a part, or time of a reply; likewise.
        final: whether its age alone is no reason to evict it.
        bytes: size of the body, compressed as it is.
    """

    table: Table = field(repr=False)
    rowid: Any
    scope: bytes | None
    endpoint: str | None
    system_id: int | None
    start: object
    end: object
    final: bool
    bytes: int

    @property
    def is_reply(self) -> bool:
        """Whether it is a reply."""
        return self.table is _REPLIES

    @property
    def ended(self) -> float:
        """Its end, epoch seconds; 0 if that cannot be read."""
        return self.end if isinstance(self.end, int | float) else 0.0


def _is_readable_part(row: Row) -> bool:
    """Tell whether a part is of a known series, can be decoded, and keeps to its window."""
    series, *columns, body = row
    span = span_of(tuple(columns))
    if series is None or span is None:
        return False
    try:
        part = decode_any(body)
    except Unreadable:
        return False
    if part.window != span.window:
        return False
    if not isinstance(part, IntervalStats) or not part.intervals:
        return True
    ends = part.intervals.columns["end_at"]
    return part.window.start < min(ends) and max(ends) <= part.window.end


_PLACE = ("rowid", "ctid")
_DELETED = ("rowid = ?", "ctid = ANY(?::tid[])")
_UNCHANGED = ("rowid = ? AND body IS ?", "ctid = ? AND body IS NOT DISTINCT FROM ?")
_PARTS = Table(
    select=statement(
        """
        SELECT stretches.{place}, account, endpoint, system_id, start, stop, 1, length(body),
            series.id, start, stop, fetched, reported, started, empty, NULL, CASE WHEN ? THEN body END
        FROM {0}stretches AS stretches LEFT JOIN {0}series AS series ON series.id = stretches.series {page}
        """,
        place=_PLACE,
        page=("WHERE stretches.rowid > ? ORDER BY stretches.rowid LIMIT ?", ""),
    ),
    delete=statement("DELETE FROM {0}stretches WHERE {rows}", rows=_DELETED),
    unchanged=statement("SELECT 1 FROM {0}stretches WHERE {row}", row=_UNCHANGED),
    readable=_is_readable_part,
)
_REPLIES = Table(
    select=statement(
        """
        SELECT {place}, account, endpoint, NULL, fetched, fetched, final, length(body),
            fetched, status, content_type, NULL, CASE WHEN ? THEN body END
        FROM {0}replies {page}
        """,
        place=_PLACE,
        page=("WHERE rowid > ? ORDER BY rowid LIMIT ?", ""),
    ),
    delete=statement("DELETE FROM {0}replies WHERE {rows}", rows=_DELETED),
    unchanged=statement("SELECT 1 FROM {0}replies WHERE {row}", row=_UNCHANGED),
    readable=lambda row: response_of(row) is not None,
)
ENTRY_COLUMNS = 8
"""Columns of a row that are those of an `Entry`."""

TABLES = (_PARTS, _REPLIES)
"""The tables of the cache whose rows are entries."""


def read_entries(file: ExistingFile, *, bodies: bool) -> Iterator[tuple[Entry, Row]]:
    """Read all rows of the cache, each with the columns that its table's `readable` takes.

    They are read batch by batch: outside of a transaction others may write while a batch is worked on.
    """
    for table in TABLES if file.has_cache else ():
        after = -1
        while batch := _batch(file, table, after, bodies=bodies):
            yield from ((Entry(table, *row[:ENTRY_COLUMNS]), row[ENTRY_COLUMNS:]) for row in batch)
            after = batch[-1][0]


def _batch(file: ExistingFile, table: Table, after: int, *, bodies: bool) -> list[Row]:
    return file.connection.execute(table.select.sqlite, (bodies, after, MAX_BATCH_ROWS)).fetchall()


# Statistics


@frozen
class EndpointStats:
    """Statistics of the cached parts, or of the cached replies, of one endpoint.

    Attributes:
        endpoint: the API's name of the endpoint.
        systems: the number of systems they are of; 0 for replies.
        entries: the number of parts, none of them longer than a week, or of replies.
        oldest: start of the first part, or time of the first reply (aware UTC); `None` if unreadable.
        newest: end of the last part, or time of the last reply (aware UTC); `None` if unreadable.
        bytes: their size, compressed as they are.
    """

    endpoint: str
    systems: int
    entries: int
    oldest: datetime | None
    newest: datetime | None
    bytes: int


@frozen
class StateFileStats:
    """Statistics of a state file, or of a database.

    Attributes:
        path: the file, or the URL of the database without user and password.
        bytes: its size on the disk, of a database that of the tables.
        journal: size on the disk of the journal beside it, bytes.
        free: space within the file that is free for new data, bytes.
        schema_version: the number of migrations it has had; 0 for an empty file.
        keys: the number of API keys whose requests are counted in it.
        scopes: the number of users for whom something is cached.
        series: cached parts of series, by endpoint.
        replies: other cached replies, by endpoint.
    """

    path: Path | str
    bytes: int
    journal: int
    free: int
    schema_version: int
    keys: int
    scopes: int
    series: tuple[EndpointStats, ...]
    replies: tuple[EndpointStats, ...]


def stats(path: str | os.PathLike[str]) -> StateFileStats:
    """Return statistics of a state file; nothing is changed. Blocks.

    Raises:
        InputError: there is no such file, or it is a newer version's or another program's.
        OSError: it is corrupt, or cannot be read.
    """
    with open_existing(path) as file:
        file.connection.execute("BEGIN")
        found = _stats(file)
        file.connection.execute("ROLLBACK")
    return found


def _stats(file: ExistingFile) -> StateFileStats:
    journal = file.path.with_name(f"{file.path.name}-journal")
    keys = file.connection.execute("SELECT count(*) FROM quota").fetchone()[0] if file.schema_version else 0
    # A part of no known series is nobody's: only `verify` and `prune` tell of it.
    entries = [entry for entry, _ in read_entries(file, bodies=False) if entry.endpoint is not None]
    return StateFileStats(
        path=file.path,
        bytes=file.path.stat().st_size,
        journal=journal.stat().st_size if journal.exists() else 0,
        free=space(file)[1],
        schema_version=file.schema_version,
        keys=keys,
        scopes=len({entry.scope for entry in entries}),
        series=by_endpoint(entry for entry in entries if not entry.is_reply),
        replies=by_endpoint(entry for entry in entries if entry.is_reply),
    )


def space(file: ExistingFile) -> tuple[int, int]:
    """Return the bytes of a file that are used, and those that are free."""
    names = ("page_size", "page_count", "freelist_count")
    size, count, free = (int(file.connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in names)
    return size * (count - free), size * free


def by_endpoint(entries: Iterable[Entry]) -> tuple[EndpointStats, ...]:
    """Return the statistics of entries, by their endpoints."""
    groups = groupby(sorted(entries, key=_endpoint), key=_endpoint)
    return tuple(_endpoint_stats(endpoint, list(group)) for endpoint, group in groups)


def _endpoint(entry: Entry) -> str:
    return str(entry.endpoint)


def _endpoint_stats(endpoint: str, entries: list[Entry]) -> EndpointStats:
    starts = [entry.start for entry in entries if isinstance(entry.start, int | float)]
    ends = [entry.end for entry in entries if isinstance(entry.end, int | float)]
    return EndpointStats(
        endpoint=endpoint,
        systems=len({entry.system_id for entry in entries} - {None}),
        entries=len(entries),
        oldest=as_datetime(min(starts)) if starts else None,
        newest=as_datetime(max(ends)) if len(ends) == len(entries) else None,
        bytes=sum(entry.bytes for entry in entries),
    )


# Integrity


@frozen
class IntegrityReport:
    """The faults of a state file, or of what is cached in a database.

    Attributes:
        path: the file, or the URL of the database without user and password.
        damage: faults of the database itself, in SQLite's words.
        parts: the number of cached parts that were read.
        replies: the number of other cached replies that were read.
        unreadable_parts: how many of these parts cannot be read: they are as if they were not there.
        unreadable_replies: how many of these replies cannot be read.
        unreadable_counts: the number of keys whose counts cannot be read: the next program that counts
            renames the file aside.
    """

    path: Path | str
    damage: tuple[str, ...] = ()
    parts: int = 0
    replies: int = 0
    unreadable_parts: int = 0
    unreadable_replies: int = 0
    unreadable_counts: int = 0

    @property
    def sound(self) -> bool:
        """Whether the file has no fault."""
        unreadable = self.unreadable_parts + self.unreadable_replies + self.unreadable_counts
        return not (self.damage or unreadable)


def verify(path: str | os.PathLike[str]) -> IntegrityReport:
    """Return the faults of a state file; nothing is changed, nor is the file renamed aside. Blocks.

    Raises:
        InputError: there is no such file, or it is a newer version's or another program's.
        OSError: it cannot be read, for another reason than that it is corrupt.
    """
    try:
        with open_existing(path) as file:
            return _verify(file)
    except CorruptFileError as error:
        return IntegrityReport(Path(str(error.filename)), damage=(str(error.strerror),))


def _verify(file: ExistingFile) -> IntegrityReport:
    damage = tuple(str(row[0]) for row in file.connection.execute("PRAGMA integrity_check(10)"))
    if damage != ("ok",):
        return IntegrityReport(file.path, damage=damage)
    rows = read_entries(file, bodies=True)
    read = Counter((entry.is_reply, entry.table.readable(row)) for entry, row in rows)
    counts = file.connection.execute("SELECT counts FROM quota").fetchall() if file.schema_version else []
    return IntegrityReport(
        file.path,
        parts=read[False, True] + read[False, False],
        replies=read[True, True] + read[True, False],
        unreadable_parts=read[False, False],
        unreadable_replies=read[True, False],
        unreadable_counts=sum(not is_json_object(text) for (text,) in counts),
    )


def is_json_object(text: str) -> bool:
    """Tell whether a text is JSON, of an object, as counts are."""
    with suppress(ValueError, TypeError):
        return isinstance(msgspec.json.decode(text), dict)
    return False


# Eviction

MAX_NON_FINAL_AGE = timedelta(days=30)
"""Age up to which a reply that is not final stays in the cache."""

_DELETE_EMPTY_SERIES = "DELETE FROM series WHERE id NOT IN (SELECT series FROM stretches)"


class EvictionReason(StrEnum):
    """A reason to evict an entry."""

    UNREADABLE = "cannot be read"
    OUTDATED = "outdated"
    TOO_OLD = "too old"
    OVER_SIZE = "over the size"


@frozen
class Evicted:
    """The entries that were evicted for one reason.

    Attributes:
        parts: the number of parts of series.
        replies: the number of other replies.
        bytes: their size, compressed as they were.
    """

    parts: int = 0
    replies: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, entry: Entry) -> Evicted:
        """Return one entry."""
        return cls(int(not entry.is_reply), int(entry.is_reply), entry.bytes)

    def __add__(self, other: Evicted) -> Evicted:
        return Evicted(self.parts + other.parts, self.replies + other.replies, self.bytes + other.bytes)


@frozen
class EvictionLimits:
    """The limits within which an entry may stay.

    Attributes:
        non_final_since: time from which on a reply that is not final was fetched, epoch seconds.
        ended_since: time from which on an entry ended, epoch seconds; `None` for no limit.
        max_bytes: the bytes of the file that are used, or those of the entries; `None` for no limit.
    """

    non_final_since: float
    ended_since: float | None
    max_bytes: int | None

    def reason(self, entry: Entry) -> EvictionReason | None:
        """Return the reason to evict an entry, whatever the size of the file; `None` if there is none."""
        if self.ended_since is not None and entry.ended < self.ended_since:
            return EvictionReason.TOO_OLD
        outdated = not entry.final and entry.ended < self.non_final_since
        return EvictionReason.OUTDATED if outdated else None

    def divide(
        self, entries: Iterable[Entry], broken: Collection[tuple[bool, object]]
    ) -> tuple[list[tuple[Entry, EvictionReason]], deque[Entry]]:
        """Return the entries to evict, with the reason, and those that may stay, by their ends.

        Args:
            entries: all entries.
            broken: those that cannot be read: whether it is a reply, and its number.
        """
        due, stay = list[tuple[Entry, EvictionReason]](), deque[Entry]()
        for entry in sorted(entries, key=lambda entry: entry.ended):
            is_broken = (entry.is_reply, entry.rowid) in broken
            reason = EvictionReason.UNREADABLE if is_broken else self.reason(entry)
            if reason is None:
                stay.append(entry)
            else:
                due.append((entry, reason))
        return due, stay


@frozen
class PruneReport:
    """The effect of pruning a state, or of a dry run.

    Attributes:
        path: the file, or the URL of the database without user and password.
        evicted: the evicted entries by reason; a reason that applied to none is left out.
        bytes_before: size of the file before; of a database, of the entries.
        bytes_after: the same afterwards; of a dry run an estimate.
        unshrunk: the reason why the free space could not be given back to the disk; else empty.
    """

    path: Path | str
    evicted: Mapping[EvictionReason, Evicted]
    bytes_before: int
    bytes_after: int
    unshrunk: str = ""


def eviction_limits(now: float, older_than: timedelta | None, max_size: int | None) -> EvictionLimits:
    """Return the limits of a time, an age and a size.

    Raises:
        InputError: an age or a size below zero.
    """
    if (older_than is not None and older_than < timedelta()) or (max_size is not None and max_size < 0):
        raise InputError("an age or a size below zero: give older_than and max_size as 0 or more")
    ended_since = None if older_than is None else now - older_than.total_seconds()
    return EvictionLimits(now - MAX_NON_FINAL_AGE.total_seconds(), ended_since, max_size)


def prune(
    path: str | os.PathLike[str],
    *,
    now: float,
    older_than: timedelta | None = None,
    max_size: int | None = None,
    dry_run: bool = False,
    lock_timeout_s: float = INSPECT_LOCK_TIMEOUT_S,
) -> PruneReport:
    """Evict entries that nobody can use, are old or too much; give their space back to the disk. Blocks.

    Counts of requests stay, whatever their size. An evicted entry is requested again when it is needed.

    Args:
        path: the state file.
        now: the time, epoch seconds.
        older_than: age at which parts, by their end, and replies, by their time, are evicted.
        max_size: bytes of the file; the entries that ended first are evicted until it has no more.
        dry_run: only tell what would be evicted.
        lock_timeout_s: seconds to wait for others that lock the file, each time.

    Raises:
        InputError: there is no such file, or it is a newer version's or another program's; an age or a
            size below zero.
        OSError: it is corrupt, or cannot be written, or others locked it too long; nothing was evicted.
    """
    limits = eviction_limits(now, older_than, max_size)
    with open_existing(path, lock_timeout_s=lock_timeout_s) as file:
        # Not PERSIST as for the programs: the journal would stay as large as what is rewritten here.
        file.connection.execute("PRAGMA journal_mode = TRUNCATE")
        before = file.path.stat().st_size
        evicted, used = _evict(file, limits, keep=not dry_run)
        unshrunk = "" if dry_run else _shrink(file)
        after = used if dry_run else file.path.stat().st_size
        return PruneReport(file.path, MappingProxyType(evicted), before, after, unshrunk)


def _evict(
    file: ExistingFile, limits: EvictionLimits, *, keep: bool
) -> tuple[dict[EvictionReason, Evicted], int]:
    """Delete entries; return them by reason, and the bytes of the file that are used afterwards.

    Bodies are decoded before the transaction, so that nobody has to wait for that.

    Args:
        file: the file.
        limits: the limits within which an entry may stay.
        keep: whether the entries stay deleted.
    """
    read = read_entries(file, bodies=True)
    unreadable = [(entry, row[-1]) for entry, row in read if not entry.table.readable(row)]
    evicted: dict[EvictionReason, Evicted] = {}
    with _transaction(file.connection, keep=keep):
        for entry, reason in _due(file, limits, unreadable):
            file.connection.execute(entry.table.delete.sqlite, (entry.rowid,))
            evicted[reason] = evicted.get(reason, Evicted()) + Evicted.of(entry)
        if file.has_cache:
            file.connection.execute(_DELETE_EMPTY_SERIES)
        return evicted, space(file)[0]


def _due(
    file: ExistingFile, limits: EvictionLimits, unreadable: Iterable[tuple[Entry, object]]
) -> Iterator[tuple[Entry, EvictionReason]]:
    """Give the entries to evict, with the reason; each has to be deleted before the next one is taken."""
    broken = {
        (entry.is_reply, entry.rowid)
        for entry, body in unreadable
        # Another process may have replaced the row since it was read.
        if file.connection.execute(entry.table.unchanged.sqlite, (entry.rowid, body)).fetchone()
    }
    due, stay = limits.divide((entry for entry, _ in read_entries(file, bodies=False)), broken)
    yield from due
    while limits.max_bytes is not None and stay and space(file)[0] > limits.max_bytes:
        yield stay.popleft(), EvictionReason.OVER_SIZE


@contextmanager
def _transaction(connection: sqlite3.Connection, *, keep: bool) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    before = connection.total_changes
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    # A commit of nothing would wait for those who read.
    connection.execute("COMMIT" if keep and connection.total_changes > before else "ROLLBACK")


def _shrink(file: ExistingFile) -> str:
    """Give free space back to the disk; return the reason if that is not possible now."""
    if not space(file)[1]:
        return ""
    try:
        file.connection.execute("VACUUM")
    except sqlite3.Error as error:
        return describe(error)
    return ""


# Upkeep

UPKEEP_TIMEOUT_S = 600.0
"""Seconds that a look at all of the cache may take."""

_POSTGRES_SIZE = """
    SELECT pg_total_relation_size('enlighten_texts') + pg_total_relation_size('enlighten_series')
        + pg_total_relation_size('enlighten_stretches') + pg_total_relation_size('enlighten_replies')
"""
_COUNTS = "SELECT text FROM enlighten_texts"
_NO_WRITERS = "LOCK TABLE enlighten_series IN SHARE ROW EXCLUSIVE MODE"
"""Lets those who write parts wait until the end of the transaction; others read meanwhile."""
_DELETE_EMPTY_POSTGRES_SERIES = """
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
                bytes=await connection.fetchval(_POSTGRES_SIZE),
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
        await connection.execute(_DELETE_EMPTY_POSTGRES_SERIES)
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
