"""Whether a state file is whole, and everything in it can be read."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from attrs import frozen

from enlighten_async.models.intervals import IntervalStats, Ranged
from enlighten_async.state import Broken, Visit, visited
from enlighten_async.store.codec import Unreadable, decode_any
from enlighten_async.store.tables import Row, answer, stretch

BATCH = 64
"""Rows that are read at once: while they are, nobody can write."""

_STRETCHES = """
    SELECT stretches.rowid, start, stop, fetched, reported, started, empty, series.id, body
    FROM stretches LEFT JOIN series ON series.id = stretches.series
    WHERE stretches.rowid > ? ORDER BY stretches.rowid LIMIT ?
"""
_REPLIES = """
    SELECT rowid, fetched, status, content_type, body
    FROM replies WHERE rowid > ? ORDER BY rowid LIMIT ?
"""
_DAMAGE = "PRAGMA integrity_check(10)"

Found: TypeAlias = tuple[int, object]
"""Number and body of a row that cannot be read: a row that bears the number later may be another one."""


@frozen
class Reading:
    """How many rows were read, and which of them cannot be."""

    rows: int = 0
    bad: tuple[Found, ...] = ()


@frozen
class Verdict:
    """What was found in a state file.

    Attributes:
        path: the file.
        damage: what is wrong with the database itself, in SQLite's words.
        stretches: how many stretches of series were looked at.
        replies: how many other answers were looked at.
        unreadable_stretches: how many of these cannot be read: they are as if they were not there.
        unreadable_replies: how many of those cannot be read.
        unreadable_counts: of how many keys the counts cannot be read: whoever counts sets the file aside.
    """

    path: Path
    damage: tuple[str, ...] = ()
    stretches: int = 0
    replies: int = 0
    unreadable_stretches: int = 0
    unreadable_replies: int = 0
    unreadable_counts: int = 0

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        unreadable = self.unreadable_stretches + self.unreadable_replies + self.unreadable_counts
        return not (self.damage or unreadable)


def verify(path: str | os.PathLike[str]) -> Verdict:
    """Return what is wrong with a state file; nothing is changed, nor is the file set aside. Blocks.

    Raises:
        InputError: there is no such file, or it is a newer version's or another program's.
        OSError: it cannot be read, for another reason than that it is broken.
    """
    try:
        with visited(path) as visit:
            return _looked_through(visit)
    except Broken as broken:
        return Verdict(Path(str(broken.filename)), damage=(str(broken.strerror),))


def stretches_read(visit: Visit) -> Reading:
    """Read all stretches."""
    return _read(visit, _STRETCHES, _is_good) if visit.keeps else Reading()


def replies_read(visit: Visit) -> Reading:
    """Read all answers that are no series."""
    return _read(visit, _REPLIES, lambda row: answer(row) is not None) if visit.keeps else Reading()


def _looked_through(visit: Visit) -> Verdict:
    damage = tuple(str(row[0]) for row in visit.connection.execute(_DAMAGE))
    if damage != ("ok",):
        return Verdict(visit.path, damage=damage)
    stretches, replies = stretches_read(visit), replies_read(visit)
    counts = visit.connection.execute("SELECT counts FROM quota").fetchall() if visit.form else []
    return Verdict(
        visit.path,
        stretches=stretches.rows,
        replies=replies.rows,
        unreadable_stretches=len(stretches.bad),
        unreadable_replies=len(replies.bad),
        unreadable_counts=sum(not _is_json(text) for (text,) in counts),
    )


def _read(visit: Visit, query: str, is_good: Callable[[Row], bool]) -> Reading:
    """Read all rows, a few at a time: they are judged while the file is left to others."""
    rows, last, bad = 0, -1, list[Found]()
    while batch := visit.connection.execute(query, (last, BATCH)).fetchall():
        bad += [(row[0], row[-1]) for row in batch if not is_good(row[1:])]
        rows, last = rows + len(batch), batch[-1][0]
    return Reading(rows, tuple(bad))


def _is_good(row: Row) -> bool:
    """Tell whether a stretch can be read, is of a series, and has nothing from outside of it."""
    good, series, body = stretch(row), *row[-2:]
    if good is None or series is None:
        return False
    try:
        part = decode_any(body)
    except Unreadable:
        return False
    return part.window == good.window and _inside(part)


def _inside(part: Ranged) -> bool:
    """Tell whether the rows of a part lie within its window."""
    if not isinstance(part, IntervalStats) or not part.intervals:
        return True
    ends = part.intervals.columns["end_at"]
    return part.window.start < min(ends) and max(ends) <= part.window.end


def _is_json(text: Any) -> bool:
    with suppress(ValueError, TypeError):
        return isinstance(msgspec.json.decode(text), dict)
    return False
