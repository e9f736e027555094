"""What was bought, in the tables of the state file. For use within one transaction."""

from __future__ import annotations

import logging
import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, TypeAlias, TypeVar

from attrs import frozen

from enlighten_async.models.coverage import Reason
from enlighten_async.models.intervals import Ranged
from enlighten_async.state import salt
from enlighten_async.store.codec import LEVEL, Unreadable, decode, encode
from enlighten_async.store.held import Stretch
from enlighten_async.store.kept import WEEK, Kept, kept, laid_over
from enlighten_async.windows import Window, floor
from enlighten_async.wire import Reply, Response, Shelf

P = TypeVar("P", bound=Ranged)

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

    def stretches(self, account: bytes, shelf: Shelf[Any]) -> list[Row]:
        """Return what is held of a series, in order of time, without the parts."""
        return self.connection.execute(_STRETCHES, self._series(account, shelf)).fetchall()

    def bodies(self, account: bytes, shelf: Shelf[Any], window: Window) -> list[Row]:
        """Return what touches a window of a series, within the weeks of the window, in order of time."""
        first, last = floor(window.start, WEEK), floor(window.end - 1, WEEK) + WEEK
        touching = first, min(window.end + 1, last), window.start
        return self.connection.execute(_BODIES, (*self._series(account, shelf), *touching)).fetchall()

    def lay(self, account: bytes, shelf: Shelf[P], part: P, fetched: float) -> None:
        """Lay an answer over what is held of a series."""
        named = self._series(account, shelf)
        self.connection.execute(_NEW_SERIES, named)
        (series,) = self.connection.execute(_SERIES, named).fetchone()
        for each in kept(part, fetched):
            held = {row[0]: read(row, shelf) for row in self.bodies(account, shelf, each.window)}
            new = laid_over((old for old in held.values() if old is not None), each, shelf.join)
            self._replace(series, held, new)

    def drop(self, account: bytes, shelf: Shelf[Any], row: Row) -> None:
        """Delete a stretch, if it is still what it was."""
        self.connection.execute(_NOT_THIS_STRETCH, (row[0], row[-1], *self._series(account, shelf)))

    def reply(self, account: bytes, reply: Reply[Any]) -> Row | None:
        """Return the answer that was kept last."""
        named = self._name(account), reply.endpoint, reply.asked
        found: Row | None = self.connection.execute(_REPLY, named).fetchone()
        return found

    def keep(
        self, account: bytes, reply: Reply[Any], response: Response, fetched: float, *, final: bool
    ) -> None:
        """Keep an answer in place of an earlier one."""
        named = self._name(account), reply.endpoint, reply.asked
        told = response.status, response.content_type, zlib.compress(response.body, LEVEL)
        self.connection.execute(_NEW_REPLY, (*named, fetched, final, *told))

    def _replace(self, series: int, held: Mapping[int, Kept[P] | None], new: Iterable[Kept[P]]) -> None:
        """Write down what differs from what is held, by its start; `None` for what cannot be read."""
        news = {each.window.start: each for each in new}
        gone = [start for start, old in held.items() if old is None or news.get(start) is not old]
        self.connection.executemany(_NO_STRETCH, [(series, start) for start in gone])
        rows = [(series, *_row(each)) for start, each in news.items() if held.get(start) is not each]
        self.connection.executemany(_NEW_STRETCH, rows)

    def _series(self, account: bytes, shelf: Shelf[Any]) -> tuple[bytes, str, int, str]:
        return self._name(account), shelf.endpoint, shelf.system_id, shelf.device

    def _name(self, account: bytes) -> bytes:
        """Return the name of an account in this file: without the file nobody can tell whose it is."""
        return blake2b(account, key=salt(self.connection), digest_size=16, person=b"bought").digest()


def stretch(row: Row) -> Stretch | None:
    """Return what a row is good for; `None` if it cannot be read."""
    start, stop, fetched, reported, started, empty = row[:6]
    try:
        reason = None if empty is None else Reason(empty)
        return Stretch(Window(int(start), int(stop)), float(fetched), reported, started, reason)
    except (ValueError, TypeError) as error:
        logger.debug("a stretch cannot be read: %s", error)
        return None


def read(row: Row, shelf: Shelf[P]) -> Kept[P] | None:
    """Return what a row holds; `None` if it cannot be read."""
    good = stretch(row)
    try:
        part = decode(row[-1], shelf.model)
    except Unreadable as error:
        logger.debug("what was kept of %s of system %d %s", shelf.endpoint, shelf.system_id, error)
        return None
    return None if good is None or part.window != good.window else Kept(good, part)


def answer(row: Row) -> Response | None:
    """Return the answer of a row; `None` if it cannot be read."""
    fetched, status, content_type, body = row
    try:
        return Response(status, zlib.decompress(body), content_type, fetched)
    except (zlib.error, TypeError) as error:
        logger.debug("an answer that was kept is damaged: %s", error)
        return None


def _row(each: Kept[Any]) -> Row:
    """Return what is kept as a row, without its series."""
    good = each.stretch
    return (
        *(each.window.start, each.window.end, good.fetched, good.reported, good.started),
        good.empty,
        encode(each.part),
    )
