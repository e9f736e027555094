"""What is forgotten of what was bought, and why; all of it goes in one transaction."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import TypeAlias

from attrs import frozen

from enlighten_async.state import Visit
from enlighten_async.store.contents import used
from enlighten_async.store.soundness import Found

_ROWS = """
    SELECT 0, rowid, CAST(stop AS REAL) AS ended, length(body), 0 FROM stretches
    UNION ALL SELECT 1, rowid, CAST(fetched AS REAL), length(body), NOT final FROM replies
    ORDER BY ended
"""
_DELETE = ("DELETE FROM stretches WHERE rowid = ?", "DELETE FROM replies WHERE rowid = ?")
_SAME = (
    "SELECT 1 FROM stretches WHERE rowid = ? AND body IS ?",
    "SELECT 1 FROM replies WHERE rowid = ? AND body IS ?",
)
_NO_SERIES = "DELETE FROM series WHERE id NOT IN (SELECT series FROM stretches)"

Bad: TypeAlias = tuple[Sequence[Found], Sequence[Found]]
"""Stretches and other answers that could not be read."""


class Why(StrEnum):
    """Why something is forgotten."""

    UNREADABLE = "cannot be read"
    PASSED = "outdated"
    OLD = "too old"
    OVER = "over the size"


@frozen
class Removed:
    """What was forgotten for one reason.

    Attributes:
        stretches: how many stretches of series.
        replies: how many other answers.
        bytes: how large they were, compressed as they are.
    """

    stretches: int = 0
    replies: int = 0
    bytes: int = 0

    def __add__(self, other: Removed) -> Removed:
        return Removed(
            self.stretches + other.stretches, self.replies + other.replies, self.bytes + other.bytes
        )


@frozen
class _Row:
    """What is known of a stretch or of another answer without its body."""

    reply: bool
    number: int
    ended: float
    bytes: int
    passing: bool

    @property
    def removed(self) -> Removed:
        """It as something that is forgotten."""
        return Removed(int(not self.reply), int(self.reply), self.bytes)


@frozen
class Limits:
    """What may stay.

    Attributes:
        passed: when answers that are not final have to have been fetched, epoch seconds.
        old: when all has to have ended, epoch seconds; `None` for no limit.
        size: how many bytes may be used; `None` for no limit.
    """

    passed: float
    old: float | None
    size: int | None

    def why(self, row: _Row) -> Why | None:
        """Tell why a row is forgotten, whatever the size."""
        if self.old is not None and row.ended < self.old:
            return Why.OLD
        return Why.PASSED if row.passing and row.ended < self.passed else None


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


def forgotten(visit: Visit, bad: Bad, limits: Limits, *, keep: bool) -> tuple[dict[Why, Removed], int]:
    """Delete what is to be forgotten; return it, and how many bytes are used by what stays.

    Args:
        visit: the file.
        bad: what could not be read a moment ago.
        limits: what may stay.
        keep: whether it stays deleted.
    """
    removed: dict[Why, Removed] = {}
    with _transaction(visit.connection, keep=keep):
        if visit.keeps:
            for row, why in _deleted(visit, bad, limits):
                removed[why] = removed.get(why, Removed()) + row.removed
            visit.connection.execute(_NO_SERIES)
        return removed, used(visit)[0]


def _deleted(visit: Visit, bad: Bad, limits: Limits) -> Iterator[tuple[_Row, Why]]:
    """Delete row by row; give each with the reason."""
    rows = [_Row(bool(reply), *rest) for reply, *rest in visit.connection.execute(_ROWS)]
    broken, stay = _still_bad(visit, bad), deque[_Row]()
    for row in rows:
        why = Why.UNREADABLE if (row.reply, row.number) in broken else limits.why(row)
        if why is None:
            stay.append(row)
        else:
            visit.connection.execute(_DELETE[row.reply], (row.number,))
            yield row, why
    while limits.size is not None and stay and used(visit)[0] > limits.size:
        row = stay.popleft()
        visit.connection.execute(_DELETE[row.reply], (row.number,))
        yield row, Why.OVER


def _still_bad(visit: Visit, bad: Bad) -> set[tuple[bool, int]]:
    """Return which rows that could not be read are what they were: others may have written meanwhile."""
    return {
        (reply, number)
        for reply, found in zip((False, True), bad, strict=True)
        for number, body in found
        if visit.connection.execute(_SAME[reply], (number, body)).fetchone()
    }
