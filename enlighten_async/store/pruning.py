"""Forgetting what was bought: what nobody can use, and on demand what is old or too much.

All of it is deleted in one transaction. The space it took is given back by rewriting the file, for which
SQLite locks it: who wants to write meanwhile finds it busy, as ever, and who has it open reads on.
"""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

from attrs import frozen

from enlighten_async.errors import InputError
from enlighten_async.state import Visit, meaning, visited
from enlighten_async.store.contents import used
from enlighten_async.store.soundness import Found, replies_read, stretches_read

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

_Bad: TypeAlias = tuple[Sequence[Found], Sequence[Found]]

PASSING: Final = timedelta(days=30)
"""Age at which an answer that is not final is forgotten."""


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
class Pruned:
    """What pruning has done to a file, or would do.

    Attributes:
        path: the file.
        removed: what was forgotten, by reason; reasons that applied to nothing are left out.
        before: size of the file, bytes.
        after: its size afterwards, bytes; of a dry run an estimate.
        unshrunk: why the space is not given back to the disk, though it is free within the file; else
            empty.
    """

    path: Path
    removed: Mapping[Why, Removed]
    before: int
    after: int
    unshrunk: str = ""


def prune(
    path: str | os.PathLike[str],
    *,
    now: float,
    older_than: timedelta | None = None,
    max_size: int | None = None,
    dry_run: bool = False,
) -> Pruned:
    """Forget what nobody can use, and what is old or too much; give the space back to the disk. Blocks.

    Counts stay as they are, whatever their size. What is forgotten is bought again when it is asked for.

    Args:
        path: the state file.
        now: the time, epoch seconds.
        older_than: forget stretches that ended so long ago, and other answers that were fetched then.
        max_size: forget what ended first until the file has at most so many bytes.
        dry_run: only tell what would be forgotten.

    Raises:
        InputError: there is no such file, or it is a newer version's or another program's; an age or a
            size below zero.
        OSError: it is broken, or cannot be written, or others held it too long; nothing was forgotten.
    """
    if (older_than is not None and older_than < timedelta()) or (max_size is not None and max_size < 0):
        raise InputError("an age or a size below zero: give older_than and max_size as 0 or more")
    old = None if older_than is None else now - older_than.total_seconds()
    limits = _Limits(now - PASSING.total_seconds(), old, max_size)
    with visited(path) as visit:
        # Not as the programs have it: their journal would stay as large as what is rewritten here.
        visit.connection.execute("PRAGMA journal_mode = TRUNCATE")
        before = visit.path.stat().st_size
        bad = stretches_read(visit).bad, replies_read(visit).bad
        removed, rest = _forgotten(visit, bad, limits, "ROLLBACK" if dry_run else "COMMIT")
        unshrunk = "" if dry_run else _shrunk(visit)
        after = rest if dry_run else visit.path.stat().st_size
        return Pruned(visit.path, MappingProxyType(removed), before, after, unshrunk)


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
class _Limits:
    """Moments (epoch seconds) before which answers are outdated and before which all is old; bytes."""

    passed: float
    old: float | None
    size: int | None

    def why(self, row: _Row) -> Why | None:
        """Tell why a row is forgotten, whatever the size."""
        if self.old is not None and row.ended < self.old:
            return Why.OLD
        return Why.PASSED if row.passing and row.ended < self.passed else None


@contextmanager
def _transaction(connection: sqlite3.Connection, end: str) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute(end)


def _forgotten(visit: Visit, bad: _Bad, limits: _Limits, end: str) -> tuple[dict[Why, Removed], int]:
    """Delete what is to be forgotten; return it, and how many bytes are used by what stays."""
    removed: dict[Why, Removed] = {}
    with _transaction(visit.connection, end):
        if visit.keeps:
            for row, why in _deleted(visit, bad, limits):
                removed[why] = removed.get(why, Removed()) + row.removed
            visit.connection.execute(_NO_SERIES)
        return removed, used(visit)[0]


def _deleted(visit: Visit, bad: _Bad, limits: _Limits) -> Iterator[tuple[_Row, Why]]:
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


def _still_bad(visit: Visit, bad: _Bad) -> set[tuple[bool, int]]:
    """Return which rows that could not be read are what they were: others may have written meanwhile."""
    return {
        (reply, number)
        for reply, found in zip((False, True), bad, strict=True)
        for number, body in found
        if visit.connection.execute(_SAME[reply], (number, body)).fetchone()
    }


def _shrunk(visit: Visit) -> str:
    """Give free space back to the disk; return why not, if that is not possible now."""
    if not used(visit)[1]:
        return ""
    try:
        visit.connection.execute("VACUUM")
    except sqlite3.Error as error:
        return meaning(error)
    return ""
