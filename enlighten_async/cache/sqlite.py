"""The cache in the state file, for all processes of a machine.

All work on the file, encoding and decoding included, is done in threads. A part to be cached is at first a
pending write: the next transaction of the file, as a rule the one that counts its request, writes it.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import anyio
from attrs import frozen

from enlighten_async.cache.codec import COMPRESSION_LEVEL, Unreadable, decode, encode
from enlighten_async.cache.freshness import CachedSpan, tells_the_same
from enlighten_async.cache.pieces import WEEK, CachedPart, overlay, parts_within, split_by_week
from enlighten_async.errors import EnlightenError
from enlighten_async.models.coverage import Reason
from enlighten_async.models.intervals import SeriesResult
from enlighten_async.state import DatabaseUnavailable, FaultLog, retry_while_busy, salt
from enlighten_async.windows import Window, floor
from enlighten_async.wire import ReplyKey, Response, SeriesKey

if TYPE_CHECKING:
    from enlighten_async.clock import Clock
    from enlighten_async.state import StateFile

P = TypeVar("P", bound=SeriesResult)
T = TypeVar("T")

Row: TypeAlias = tuple[Any, ...]

CACHE_LOCK_TIMEOUT_S = 1.0
"""Seconds to wait for the file while others write it; after that the cache is as if it were empty."""

_SPANS = """
    SELECT start, stop, fetched, reported, started, empty, since
    FROM stretches JOIN series ON series.id = stretches.series
    WHERE account = ? AND endpoint = ? AND system_id = ? AND device = ?
    ORDER BY start
"""
_HELD = """
    SELECT system_id, min((
        SELECT min(stop, coalesce(reported, stop)) FROM stretches
        WHERE stretches.series = series.id ORDER BY start DESC LIMIT 1
    ))
    FROM series WHERE account = ? AND endpoint = ?
"""
_OF_SYSTEMS = " AND system_id IN (SELECT value FROM json_each(?))"
_BY_SYSTEM = " GROUP BY system_id"
_PARTS = """
    SELECT start, stop, fetched, reported, started, empty, since, body
    FROM stretches JOIN series ON series.id = stretches.series
    WHERE account = ? AND endpoint = ? AND system_id = ? AND device = ?
        AND start >= ? AND start < ? AND stop >= ?
    ORDER BY start
"""
_ADD_SERIES = "INSERT OR IGNORE INTO series (account, endpoint, system_id, device) VALUES (?, ?, ?, ?)"
_SERIES_ID = "SELECT id FROM series WHERE account = ? AND endpoint = ? AND system_id = ? AND device = ?"
_ADD_PART = "INSERT INTO stretches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_DELETE_PART = "DELETE FROM stretches WHERE series = ? AND start = ?"
_DELETE_UNCHANGED_PART = """
    DELETE FROM stretches WHERE start = ? AND body = ? AND series = (
        SELECT id FROM series WHERE account = ? AND endpoint = ? AND system_id = ? AND device = ?
    )
"""
_REPLY = """
    SELECT fetched, status, content_type, since, body FROM replies
    WHERE account = ? AND endpoint = ? AND asked = ?
"""
_PUT_REPLY = """
    INSERT INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
    SET since = excluded.since, fetched = excluded.fetched, final = excluded.final, status = excluded.status,
        content_type = excluded.content_type, body = excluded.body
    WHERE excluded.fetched >= fetched
"""

logger = logging.getLogger("enlighten_async")


@frozen
class Tables:
    """The cache's tables in an open file: `series`, `stretches` (the spans with their parts) and `replies`.

    Attributes:
        connection: to the file, within a transaction.
    """

    connection: sqlite3.Connection

    def spans(self, scope: bytes, series: SeriesKey[Any]) -> list[Row]:
        """Return the rows of a series, in order of time, without the parts."""
        return self.connection.execute(_SPANS, self._series(scope, series)).fetchall()

    def held(self, scope: bytes, endpoint: str, system_ids: Collection[int] | None) -> dict[int, float]:
        """Return up to when each system is held by its newest span, as `CachedSpan.held_until` has it."""
        key = self._hashed(scope), endpoint
        if system_ids is None:
            found = self.connection.execute(_HELD + _BY_SYSTEM, key)
        else:
            asked = json.dumps(list(system_ids))
            found = self.connection.execute(_HELD + _OF_SYSTEMS + _BY_SYSTEM, (*key, asked))
        return {system_id: float(until) for system_id, until in found if isinstance(until, int | float)}

    def parts(self, scope: bytes, series: SeriesKey[Any], window: Window) -> list[Row]:
        """Return the rows that touch a window of a series, within the weeks of the window, in order of time.

        A row that only touches the window may be joined with a new part.
        """
        return self._touching(self._series(scope, series), window)

    def write_part(self, scope: bytes, series: SeriesKey[P], part: P, fetched: float) -> None:
        """Lay an answer over the cached parts of a series."""
        key = self._series(scope, series)
        self.connection.execute(_ADD_SERIES, key)
        (series_id,) = self.connection.execute(_SERIES_ID, key).fetchone()
        for each in split_by_week(part, fetched):
            before = {row[0]: part_of(row, series) for row in self._touching(key, each.window)}
            after = overlay((old for old in before.values() if old is not None), each, series.join)
            self._replace(series_id, before, after)

    def delete_part(self, scope: bytes, series: SeriesKey[Any], row: Row) -> None:
        """Delete a row that cannot be read, if it has not been replaced since."""
        self.connection.execute(_DELETE_UNCHANGED_PART, (row[0], row[-1], *self._series(scope, series)))

    def reply(self, scope: bytes, key: ReplyKey[T]) -> Row | None:
        """Return the row of the newest reply."""
        found: Row | None = self.connection.execute(_REPLY, self._reply(scope, key)).fetchone()
        return found

    def write_reply(
        self, scope: bytes, key: ReplyKey[Any], response: Response, fetched: float, *, final: bool
    ) -> None:
        """Write a reply in place of an older one."""
        found = self.reply(scope, key)
        before, since = None if found is None else response_of(found), None
        if before is not None and tells_the_same(response.body, before.body):
            since = before.date if before.same_since is None else before.same_since
        body = zlib.compress(response.body, COMPRESSION_LEVEL)
        row = fetched, final, response.status, response.content_type, body, since
        self.connection.execute(_PUT_REPLY, (*self._reply(scope, key), *row))

    def _touching(self, key: Row, window: Window) -> list[Row]:
        first, last = floor(window.start, WEEK), floor(window.end - 1, WEEK) + WEEK
        limits = first, min(window.end + 1, last), window.start
        return self.connection.execute(_PARTS, (*key, *limits)).fetchall()

    def _replace(
        self, series_id: int, before: Mapping[int, CachedPart[P] | None], after: Iterable[CachedPart[P]]
    ) -> None:
        """Write the difference between the rows before, by start (`None`: unreadable), and after."""
        parts = {each.window.start: each for each in after}
        gone = [start for start, old in before.items() if old is None or parts.get(start) is not old]
        self.connection.executemany(_DELETE_PART, [(series_id, start) for start in gone])
        rows = [(series_id, *row_of(each)) for start, each in parts.items() if before.get(start) is not each]
        self.connection.executemany(_ADD_PART, rows)

    def _series(self, scope: bytes, series: SeriesKey[Any]) -> tuple[bytes, str, int, str]:
        return self._hashed(scope), series.endpoint, series.system_id, series.device

    def _reply(self, scope: bytes, key: ReplyKey[T]) -> tuple[bytes, str, str]:
        return self._hashed(scope), key.endpoint, key.asked

    def _hashed(self, scope: bytes) -> bytes:
        """Return the name of a scope in this file: without the file nobody can tell whose it is."""
        return blake2b(scope, key=salt(self.connection), digest_size=16, person=b"bought").digest()


def span_of(row: Row) -> CachedSpan | None:
    """Return the span of a row of `stretches`; `None` if it cannot be read."""
    start, stop, fetched, reported, started, empty, since = row[:7]
    try:
        reason = None if empty is None else Reason(empty)
        return CachedSpan(Window(int(start), int(stop)), float(fetched), reported, started, reason, since)
    except (ValueError, TypeError) as error:
        logger.debug("a cached span cannot be read: %s", error)
        return None


def part_of(row: Row, series: SeriesKey[P]) -> CachedPart[P] | None:
    """Return the part of a row of `stretches`; `None` if it cannot be read."""
    span = span_of(row)
    try:
        part = decode(row[-1], series.model)
    except Unreadable as error:
        logger.debug("a cached part of %s of system %d %s", series.endpoint, series.system_id, error)
        return None
    return None if span is None or part.window != span.window else CachedPart(span, part)


def row_of(each: CachedPart[Any]) -> Row:
    """Return a part as a row of `stretches`, without the number of its series."""
    span = each.span
    times = span.window.start, span.window.end, span.fetched, span.reported_until, span.data_begins
    return (*times, span.empty_reason, span.since, encode(each.part))


def response_of(row: Row) -> Response | None:
    """Return the reply of a row of `replies`; `None` if it cannot be read."""
    fetched, status, content_type, since, body = row
    try:
        return Response(status, zlib.decompress(body), content_type, fetched, same_since=since)
    except (zlib.error, TypeError) as error:
        logger.debug("a cached reply cannot be read: %s", error)
        return None


class SqliteCache:
    """An `IntervalCache` in the state file, for all who use the file.

    While the file takes no writes, they wait until it does, as far as they are remembered, and are read from
    memory; while it cannot be used at all, the cache is as if it were empty. A part or a reply that cannot be
    read is as if it were not there.

    Args:
        file: the state file.
        clock: the source of time.
    """

    def __init__(self, file: StateFile, *, clock: Clock) -> None:
        self.file = file
        self._clock = clock
        self._faults = FaultLog(
            str(file.path),
            meanwhile="answers are not cached there meanwhile: this process keeps the newest in memory, and "
            "others may request them again",
            after="answers are cached again",
        )

    def __repr__(self) -> str:
        return f"<SqliteCache {str(self.file.path)!r} pending={len(self.file.pending)}>"

    async def spans(self, scope: bytes, series: SeriesKey[P]) -> tuple[CachedSpan, ...]:
        """Return the cached spans of a series, in order of time.

        Raises:
            InputError: the file was made by a newer version of this package or by another program.
        """

        def read() -> tuple[CachedSpan, ...]:
            rows = self._read(lambda tables: tables.spans(scope, series))
            return tuple(span for row in rows if (span := span_of(row)) is not None)

        return await self._in_thread(read, ())

    async def get(self, scope: bytes, series: SeriesKey[P], window: Window) -> tuple[CachedPart[P], ...]:
        """Return the cached parts of a window of a series, cut to it, in order of time.

        Raises:
            InputError: as for `spans`.
        """
        if not window.seconds:
            return ()

        def read() -> tuple[CachedPart[P], ...]:
            rows = self._read(lambda tables: tables.parts(scope, series, window))
            found = [(row, part_of(row, series)) for row in rows]
            for row in (row for row, each in found if each is None):
                self._write(partial(Tables.delete_part, scope=scope, series=series, row=row))
            return parts_within(window, (each for _, each in found if each is not None))

        return await self._in_thread(read, ())

    async def held(self, scope: bytes, endpoint: str, system_ids: Collection[int] | None) -> dict[int, float]:
        """Return up to when (epoch seconds) each system is held, by one look at the file.

        Raises:
            InputError: as for `spans`.
        """
        work = partial(self._read, lambda tables: tables.held(scope, endpoint, system_ids))
        return await self._in_thread(work, dict[int, float]())

    def put(self, scope: bytes, series: SeriesKey[P], part: P, fetched: float) -> None:
        """Cache a part of a series: it becomes a pending write, encoded by the thread that writes it."""
        self._write(partial(Tables.write_part, scope=scope, series=series, part=part, fetched=fetched))

    async def reply(self, scope: bytes, key: ReplyKey[T]) -> Response | None:
        """Return the newest cached reply, with its `date`; `None` if there is none.

        Raises:
            InputError: as for `spans`.
        """

        def read() -> Response | None:
            row = self._read(lambda tables: tables.reply(scope, key))
            return None if row is None else response_of(row)

        return await self._in_thread(read, None)

    def put_reply(self, scope: bytes, key: ReplyKey[T], response: Response, *, final: bool = False) -> None:
        """Cache a reply that is no series, in place of an older one; `prune` evicts those not final."""
        fetched = self._clock.now() if response.date is None else response.date
        write = partial(Tables.write_reply, scope=scope, key=key, response=response, final=final)
        self._write(partial(write, fetched=fetched))

    async def flush(self) -> None:
        """Write the pending writes; no cancel interrupts it, and no fault of the file is raised."""
        if not self.file.pending:
            return
        with anyio.CancelScope(shield=True):
            try:
                await self._in_thread(partial(self._read, lambda _: None), None)
            except EnlightenError as error:
                logger.debug("nothing was written: %s", error)

    def _write(self, work: Callable[[Tables], object]) -> None:
        """Add a pending write."""
        self.file.pending.add(lambda connection: work(Tables(connection)))

    def _read(self, work: Callable[[Tables], T]) -> T:
        """Read the tables, after the pending writes; blocks."""
        return self.file.read(lambda connection: work(Tables(connection)))

    async def _in_thread(self, work: Callable[[], T], otherwise: T) -> T:
        """Do blocking work in a thread; if the file cannot be used, log it and return `otherwise`."""
        # During an outage nobody waits for the file again: one attempt tells whether it is over.
        timeout_s = 0.0 if self._faults else CACHE_LOCK_TIMEOUT_S
        try:
            found = await retry_while_busy(work, self._clock, timeout_s)
        except DatabaseUnavailable as fault:
            self._faults.begin(fault)
            return otherwise
        if self.file.pending.fault is None:
            self._faults.end()
        else:
            self._faults.begin(self.file.pending.fault)
        return found
