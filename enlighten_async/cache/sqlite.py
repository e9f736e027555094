"""The cache in the state file, for all processes of a machine.

All of the work, parts to bytes and back as well, is done in threads. A part to be cached is only noted at
first: the next transaction of the file writes it, which is as a rule the one that counts the request.
"""

from __future__ import annotations

import logging
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import anyio
from attrs import frozen

from enlighten_async.cache.codec import LEVEL, Unreadable, decode, encode
from enlighten_async.cache.freshness import CachedSpan
from enlighten_async.cache.pieces import WEEK, CachedPart, cut_to, kept, overlay
from enlighten_async.errors import EnlightenError
from enlighten_async.models.coverage import Reason
from enlighten_async.models.intervals import SeriesResult
from enlighten_async.state import DatabaseUnavailable, OutageLog, retry_while_busy, salt
from enlighten_async.windows import Window, floor
from enlighten_async.wire import ReplyKey, Response, SeriesKey

if TYPE_CHECKING:
    from enlighten_async.clock import Clock
    from enlighten_async.state import StateFile

P = TypeVar("P", bound=SeriesResult)

Row: TypeAlias = tuple[Any, ...]

_STRETCHES = """
    SELECT start, stop, fetched, reported, started, empty
    FROM stretches JOIN series ON series.id = stretches.series
    WHERE account = ? AND endpoint = ? AND system_id = ? AND device = ?
    ORDER BY start
"""
_BODIES = """
    SELECT start, stop, fetched, reported, started, empty, body
    FROM stretches JOIN series ON series.id = stretches.series
    WHERE account = ? AND endpoint = ? AND system_id = ? AND device = ?
        AND start >= ? AND start < ? AND stop >= ?
    ORDER BY start
"""
_NEW_SERIES = "INSERT OR IGNORE INTO series (account, endpoint, system_id, device) VALUES (?, ?, ?, ?)"
_SERIES = "SELECT id FROM series WHERE account = ? AND endpoint = ? AND system_id = ? AND device = ?"
_NEW_STRETCH = "INSERT INTO stretches VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_NO_STRETCH = "DELETE FROM stretches WHERE series = ? AND start = ?"
_NOT_THIS_STRETCH = """
    DELETE FROM stretches WHERE start = ? AND body = ? AND series = (
        SELECT id FROM series WHERE account = ? AND endpoint = ? AND system_id = ? AND device = ?
    )
"""
_REPLY = """
    SELECT fetched, status, content_type, body FROM replies
    WHERE account = ? AND endpoint = ? AND asked = ?
"""
_NEW_REPLY = """
    INSERT INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
    SET fetched = excluded.fetched, final = excluded.final, status = excluded.status,
        content_type = excluded.content_type, body = excluded.body
    WHERE excluded.fetched >= fetched
"""

logger = logging.getLogger("enlighten_async")


@frozen
class Tables:
    """The tables of one open file.

    Attributes:
        connection: to the file; within a transaction.
    """

    connection: sqlite3.Connection

    def stretches(self, account: bytes, series: SeriesKey[Any]) -> list[Row]:
        """Return what is held of a series, in order of time, without the parts."""
        return self.connection.execute(_STRETCHES, self._series(account, series)).fetchall()

    def bodies(self, account: bytes, series: SeriesKey[Any], window: Window) -> list[Row]:
        """Return what touches a window of a series, within the weeks of the window, in order of time."""
        first, last = floor(window.start, WEEK), floor(window.end - 1, WEEK) + WEEK
        touching = first, min(window.end + 1, last), window.start
        return self.connection.execute(_BODIES, (*self._series(account, series), *touching)).fetchall()

    def lay(self, account: bytes, series: SeriesKey[P], part: P, fetched: float) -> None:
        """Lay an answer over what is held of a series."""
        named = self._series(account, series)
        self.connection.execute(_NEW_SERIES, named)
        (series_id,) = self.connection.execute(_SERIES, named).fetchone()
        for each in kept(part, fetched):
            held = {row[0]: read(row, series) for row in self.bodies(account, series, each.window)}
            new = overlay((old for old in held.values() if old is not None), each, series.join)
            self._replace(series_id, held, new)

    def drop(self, account: bytes, series: SeriesKey[Any], row: Row) -> None:
        """Delete a stretch, if it is still what it was."""
        self.connection.execute(_NOT_THIS_STRETCH, (row[0], row[-1], *self._series(account, series)))

    def reply(self, account: bytes, reply: ReplyKey[Any]) -> Row | None:
        """Return the answer that was kept last."""
        named = self._name(account), reply.endpoint, reply.asked
        found: Row | None = self.connection.execute(_REPLY, named).fetchone()
        return found

    def keep(
        self, account: bytes, reply: ReplyKey[Any], response: Response, fetched: float, *, final: bool
    ) -> None:
        """Keep an answer in place of an earlier one."""
        named = self._name(account), reply.endpoint, reply.asked
        told = response.status, response.content_type, zlib.compress(response.body, LEVEL)
        self.connection.execute(_NEW_REPLY, (*named, fetched, final, *told))

    def _replace(
        self, series_id: int, held: Mapping[int, CachedPart[P] | None], new: Iterable[CachedPart[P]]
    ) -> None:
        """Write down what differs from what is held, by its start; `None` for what cannot be read."""
        news = {each.window.start: each for each in new}
        gone = [start for start, old in held.items() if old is None or news.get(start) is not old]
        self.connection.executemany(_NO_STRETCH, [(series_id, start) for start in gone])
        rows = [(series_id, *_row(each)) for start, each in news.items() if held.get(start) is not each]
        self.connection.executemany(_NEW_STRETCH, rows)

    def _series(self, account: bytes, series: SeriesKey[Any]) -> tuple[bytes, str, int, str]:
        return self._name(account), series.endpoint, series.system_id, series.device

    def _name(self, account: bytes) -> bytes:
        """Return the name of an account in this file: without the file nobody can tell whose it is."""
        return blake2b(account, key=salt(self.connection), digest_size=16, person=b"bought").digest()


def stretch(row: Row) -> CachedSpan | None:
    """Return what a row is good for; `None` if it cannot be read."""
    start, stop, fetched, reported, started, empty = row[:6]
    try:
        reason = None if empty is None else Reason(empty)
        return CachedSpan(Window(int(start), int(stop)), float(fetched), reported, started, reason)
    except (ValueError, TypeError) as error:
        logger.debug("a stretch cannot be read: %s", error)
        return None


def read(row: Row, series: SeriesKey[P]) -> CachedPart[P] | None:
    """Return what a row holds; `None` if it cannot be read."""
    good = stretch(row)
    try:
        part = decode(row[-1], series.model)
    except Unreadable as error:
        logger.debug("what was kept of %s of system %d %s", series.endpoint, series.system_id, error)
        return None
    return None if good is None or part.window != good.window else CachedPart(good, part)


def answer(row: Row) -> Response | None:
    """Return the answer of a row; `None` if it cannot be read."""
    fetched, status, content_type, body = row
    try:
        return Response(status, zlib.decompress(body), content_type, fetched)
    except (zlib.error, TypeError) as error:
        logger.debug("an answer that was kept is damaged: %s", error)
        return None


def _row(each: CachedPart[Any]) -> Row:
    """Return what is kept as a row, without its series."""
    good = each.stretch
    return (
        *(each.window.start, each.window.end, good.fetched, good.reported, good.started),
        good.empty,
        encode(each.part),
    )


T = TypeVar("T")

PATIENCE = 1.0
"""Seconds to wait for the file while others hold it; after that it is as if nothing were held."""


class SqliteCache:
    """Keeps what was paid for in the state file, for all who use the file; as an `IntervalCache`.

    While the file cannot be used nothing is held, and what is bought is written when it can be, as far as
    it is remembered. A stretch or an answer that cannot be read is as if it were not there.

    Args:
        file: the state file.
        clock: the source of time.
    """

    def __init__(self, file: StateFile, *, clock: Clock) -> None:
        self.file = file
        self._clock = clock
        self._trouble = OutageLog(
            file,
            meanwhile="what is bought is not kept, and what was bought before may be bought again",
            after="what is bought is kept again",
        )

    def __repr__(self) -> str:
        return f"<SqliteIntervalStore {str(self.file.path)!r} unwritten={self.file.noted}>"

    async def stretches(self, account: bytes, series: SeriesKey[P]) -> tuple[CachedSpan, ...]:
        """Return what is held of a series, in order of time.

        Raises:
            InputError: the file was made by a newer version of this package or by another program.
        """

        def look() -> tuple[CachedSpan, ...]:
            rows = self._look(lambda tables: tables.stretches(account, series))
            return tuple(found for row in rows if (found := stretch(row)) is not None)

        return await self._done(look, ())

    async def get(self, account: bytes, series: SeriesKey[P], window: Window) -> tuple[CachedPart[P], ...]:
        """Return what is held of a window of a series, cut to it, in order of time.

        Raises:
            InputError: as for `stretches`.
        """
        if not window.seconds:
            return ()

        def fetch() -> tuple[CachedPart[P], ...]:
            rows = self._look(lambda tables: tables.bodies(account, series, window))
            found = [(row, read(row, series)) for row in rows]
            for row in (row for row, each in found if each is None):
                self._note(partial(Tables.drop, account=account, series=series, row=row))
            return cut_to(window, (each for _, each in found if each is not None))

        return await self._done(fetch, ())

    def put(self, account: bytes, series: SeriesKey[P], part: P, fetched: float) -> None:
        """Keep an answer about a series: it is noted, and what it is made into is left to the thread."""
        self._note(partial(Tables.lay, account=account, series=series, part=part, fetched=fetched))

    async def reply(self, account: bytes, reply: ReplyKey[Any]) -> Response | None:
        """Return the answer that was kept last, with its `date`; `None` if there is none.

        Raises:
            InputError: as for `stretches`.
        """

        def look() -> Response | None:
            row = self._look(lambda tables: tables.reply(account, reply))
            return None if row is None else answer(row)

        return await self._done(look, None)

    def put_reply(
        self, account: bytes, reply: ReplyKey[Any], response: Response, *, final: bool = False
    ) -> None:
        """Keep an answer that is no series, in place of an earlier one; `prune` forgets what is not final."""
        fetched = self._clock.now() if response.date is None else response.date
        kept = partial(Tables.keep, account=account, reply=reply, response=response, final=final)
        self._note(partial(kept, fetched=fetched))

    async def flush(self) -> None:
        """Write down what was noted; no cancel cuts it off, and no fault of the file is raised."""
        if not self.file.noted:
            return
        with anyio.CancelScope(shield=True):
            try:
                await self._done(partial(self._look, lambda _: None), None)
            except EnlightenError as refusal:
                logger.debug("nothing was written: %s", refusal)

    def _note(self, work: Callable[[Tables], object]) -> None:
        self.file.note(lambda connection: work(Tables(connection)))

    def _look(self, work: Callable[[Tables], T]) -> T:
        """Read something, after what was noted; blocks."""
        return self.file.look(lambda connection: work(Tables(connection)))

    async def _done(self, work: Callable[[], T], otherwise: T) -> T:
        """Do what blocks, in a thread; if the file cannot be used, say so and return something else."""
        try:
            found = await retry_while_busy(work, self._clock, 0.0 if self._trouble else PATIENCE)
        except DatabaseUnavailable as fault:
            self._trouble.begin(fault)
            return otherwise
        if self.file.unwritten is None:
            self._trouble.end()
        else:
            self._trouble.begin(self.file.unwritten)
        return found
