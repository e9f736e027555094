"""Maintenance of the state file: statistics, integrity, and eviction, while other processes use the file.

The space of evicted rows is given back by rewriting the file, for which SQLite locks it: a process that
wants to write meanwhile finds the file busy, and a process that has it open goes on afterwards.
"""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import msgspec
from attrs import frozen

from enlighten_async.cache.codec import Unreadable, decode_any
from enlighten_async.cache.sqlite import Row, answer, stretch
from enlighten_async.errors import InputError
from enlighten_async.models.intervals import IntervalStats, SeriesResult
from enlighten_async.state import PATIENCE, Broken, Visit, meaning, visited
from enlighten_async.windows import as_datetime

_SERIES = """
    SELECT endpoint, count(DISTINCT system_id), count(*), min(start), max(stop), total(length(body))
    FROM stretches JOIN series ON series.id = stretches.series
    GROUP BY endpoint ORDER BY endpoint
"""
_REPLIES = """
    SELECT endpoint, count(*), min(fetched), max(fetched), total(length(body))
    FROM replies GROUP BY endpoint ORDER BY endpoint
"""
_ACCOUNTS = "SELECT count(*) FROM (SELECT account FROM series UNION SELECT account FROM replies)"


@frozen
class SeriesHeld:
    """What is held of the series of one endpoint.

    Attributes:
        endpoint: the API's name of it.
        systems: of how many systems.
        stretches: in how many pieces, none of them longer than a week.
        oldest: where the first begins (aware UTC); `None` if that cannot be read.
        newest: where the last ends (aware UTC); `None` if that cannot be read.
        bytes: how large they are, compressed as they are.
    """

    endpoint: str
    systems: int
    stretches: int
    oldest: datetime | None
    newest: datetime | None
    bytes: int


@frozen
class RepliesHeld:
    """What is held of the answers of one endpoint that are no series.

    Attributes:
        endpoint: the API's name of it.
        replies: how many.
        oldest: when the first was fetched (aware UTC); `None` if that cannot be read.
        newest: when the last was fetched (aware UTC); `None` if that cannot be read.
        bytes: how large they are, compressed as they are.
    """

    endpoint: str
    replies: int
    oldest: datetime | None
    newest: datetime | None
    bytes: int


@frozen
class Contents:
    """What a state file holds.

    Attributes:
        path: the file.
        bytes: its size on the disk.
        journal: size on the disk of the journal beside it, bytes.
        free: how much of the file is free for what will be kept, bytes.
        form: the number of its form; 0 for an empty file.
        keys: how many API keys are counted in it.
        accounts: for how many who ask something was bought.
        series: what was bought of series, by endpoint.
        replies: what was bought otherwise, by endpoint.
    """

    path: Path
    bytes: int
    journal: int
    free: int
    form: int
    keys: int
    accounts: int
    series: tuple[SeriesHeld, ...]
    replies: tuple[RepliesHeld, ...]


def contents(path: str | os.PathLike[str]) -> Contents:
    """Return what a state file holds; nothing is changed. Blocks.

    Raises:
        InputError: there is no such file, or it is a newer version's or another program's.
        OSError: it is broken, or cannot be read.
    """
    with visited(path) as visit:
        visit.connection.execute("BEGIN")
        found = _contents(visit)
        visit.connection.execute("ROLLBACK")
    return found


def used(visit: Visit) -> tuple[int, int]:
    """Return how many bytes of a file are used, and how many are free."""
    names = ("page_size", "page_count", "freelist_count")
    size, count, free = (int(visit.connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in names)
    return size * (count - free), size * free


def _contents(visit: Visit) -> Contents:
    ask = visit.connection.execute
    journal = visit.path.with_name(f"{visit.path.name}-journal")
    return Contents(
        path=visit.path,
        bytes=visit.path.stat().st_size,
        journal=journal.stat().st_size if journal.exists() else 0,
        free=used(visit)[1],
        form=visit.form,
        keys=ask("SELECT count(*) FROM quota").fetchone()[0] if visit.form else 0,
        accounts=ask(_ACCOUNTS).fetchone()[0] if visit.keeps else 0,
        series=tuple(map(_series, ask(_SERIES))) if visit.keeps else (),
        replies=tuple(map(_replies, ask(_REPLIES))) if visit.keeps else (),
    )


def _series(row: tuple[Any, ...]) -> SeriesHeld:
    endpoint, systems, stretches, oldest, newest, size = row
    return SeriesHeld(str(endpoint), systems, stretches, _moment(oldest), _moment(newest), int(size))


def _replies(row: tuple[Any, ...]) -> RepliesHeld:
    endpoint, replies, oldest, newest, size = row
    return RepliesHeld(str(endpoint), replies, _moment(oldest), _moment(newest), int(size))


def _moment(seconds: object) -> datetime | None:
    """Return an instant of the file; `None` for what cannot be one."""
    try:
        return as_datetime(float(seconds))  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, OSError):
        return None


BATCH = 64
"""Rows that are read at once: while they are, nobody can write."""

_SPAN_BODIES = """
    SELECT stretches.rowid, start, stop, fetched, reported, started, empty, series.id, body
    FROM stretches LEFT JOIN series ON series.id = stretches.series
    WHERE stretches.rowid > ? ORDER BY stretches.rowid LIMIT ?
"""
_REPLY_BODIES = """
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
class IntegrityReport:
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


def verify(path: str | os.PathLike[str]) -> IntegrityReport:
    """Return what is wrong with a state file; nothing is changed, nor is the file set aside. Blocks.

    Raises:
        InputError: there is no such file, or it is a newer version's or another program's.
        OSError: it cannot be read, for another reason than that it is broken.
    """
    try:
        with visited(path) as visit:
            return _looked_through(visit)
    except Broken as broken:
        return IntegrityReport(Path(str(broken.filename)), damage=(str(broken.strerror),))


def stretches_read(visit: Visit) -> Reading:
    """Read all stretches."""
    return _read(visit, _SPAN_BODIES, _is_good) if visit.keeps else Reading()


def replies_read(visit: Visit) -> Reading:
    """Read all answers that are no series."""
    return _read(visit, _REPLY_BODIES, lambda row: answer(row) is not None) if visit.keeps else Reading()


def _looked_through(visit: Visit) -> IntegrityReport:
    damage = tuple(str(row[0]) for row in visit.connection.execute(_DAMAGE))
    if damage != ("ok",):
        return IntegrityReport(visit.path, damage=damage)
    stretches, replies = stretches_read(visit), replies_read(visit)
    counts = visit.connection.execute("SELECT counts FROM quota").fetchall() if visit.form else []
    return IntegrityReport(
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


def _inside(part: SeriesResult) -> bool:
    """Tell whether the rows of a part lie within its window."""
    if not isinstance(part, IntervalStats) or not part.intervals:
        return True
    ends = part.intervals.columns["end_at"]
    return part.window.start < min(ends) and max(ends) <= part.window.end


def _is_json(text: Any) -> bool:
    with suppress(ValueError, TypeError):
        return isinstance(msgspec.json.decode(text), dict)
    return False


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


class EvictionReason(StrEnum):
    """Why something is forgotten."""

    UNREADABLE = "cannot be read"
    PASSED = "outdated"
    OLD = "too old"
    OVER = "over the size"


@frozen
class Evicted:
    """What was forgotten for one reason.

    Attributes:
        stretches: how many stretches of series.
        replies: how many other answers.
        bytes: how large they were, compressed as they are.
    """

    stretches: int = 0
    replies: int = 0
    bytes: int = 0

    def __add__(self, other: Evicted) -> Evicted:
        return Evicted(
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
    def removed(self) -> Evicted:
        """It as something that is forgotten."""
        return Evicted(int(not self.reply), int(self.reply), self.bytes)


@frozen
class EvictionLimits:
    """What may stay.

    Attributes:
        passed: when answers that are not final have to have been fetched, epoch seconds.
        old: when all has to have ended, epoch seconds; `None` for no limit.
        size: how many bytes may be used; `None` for no limit.
    """

    passed: float
    old: float | None
    size: int | None

    def why(self, row: _Row) -> EvictionReason | None:
        """Tell why a row is forgotten, whatever the size."""
        if self.old is not None and row.ended < self.old:
            return EvictionReason.OLD
        return EvictionReason.PASSED if row.passing and row.ended < self.passed else None


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


def forgotten(
    visit: Visit, bad: Bad, limits: EvictionLimits, *, keep: bool
) -> tuple[dict[EvictionReason, Evicted], int]:
    """Delete what is to be forgotten; return it, and how many bytes are used by what stays.

    Args:
        visit: the file.
        bad: what could not be read a moment ago.
        limits: what may stay.
        keep: whether it stays deleted.
    """
    removed: dict[EvictionReason, Evicted] = {}
    with _transaction(visit.connection, keep=keep):
        if visit.keeps:
            for row, why in _deleted(visit, bad, limits):
                removed[why] = removed.get(why, Evicted()) + row.removed
            visit.connection.execute(_NO_SERIES)
        return removed, used(visit)[0]


def _deleted(visit: Visit, bad: Bad, limits: EvictionLimits) -> Iterator[tuple[_Row, EvictionReason]]:
    """Delete row by row; give each with the reason."""
    rows = [_Row(bool(reply), *rest) for reply, *rest in visit.connection.execute(_ROWS)]
    broken, stay = _still_bad(visit, bad), deque[_Row]()
    for row in rows:
        why = EvictionReason.UNREADABLE if (row.reply, row.number) in broken else limits.why(row)
        if why is None:
            stay.append(row)
        else:
            visit.connection.execute(_DELETE[row.reply], (row.number,))
            yield row, why
    while limits.size is not None and stay and used(visit)[0] > limits.size:
        row = stay.popleft()
        visit.connection.execute(_DELETE[row.reply], (row.number,))
        yield row, EvictionReason.OVER


def _still_bad(visit: Visit, bad: Bad) -> set[tuple[bool, int]]:
    """Return which rows that could not be read are what they were: others may have written meanwhile."""
    return {
        (reply, number)
        for reply, found in zip((False, True), bad, strict=True)
        for number, body in found
        if visit.connection.execute(_SAME[reply], (number, body)).fetchone()
    }


PASSING: Final = timedelta(days=30)
"""Age at which an answer that is not final is forgotten."""


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
    removed: Mapping[EvictionReason, Evicted]
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
    patience: float = PATIENCE,
) -> Pruned:
    """Forget what nobody can use, and what is old or too much; give the space back to the disk. Blocks.

    Counts stay as they are, whatever their size. What is forgotten is bought again when it is asked for.

    Args:
        path: the state file.
        now: the time, epoch seconds.
        older_than: forget stretches that ended so long ago, and other answers that were fetched then.
        max_size: forget what ended first until the file has at most so many bytes.
        dry_run: only tell what would be forgotten.
        patience: seconds to wait for others that hold the file, each time.

    Raises:
        InputError: there is no such file, or it is a newer version's or another program's; an age or a
            size below zero.
        OSError: it is broken, or cannot be written, or others held it too long; nothing was forgotten.
    """
    if (older_than is not None and older_than < timedelta()) or (max_size is not None and max_size < 0):
        raise InputError("an age or a size below zero: give older_than and max_size as 0 or more")
    old = None if older_than is None else now - older_than.total_seconds()
    limits = EvictionLimits(now - PASSING.total_seconds(), old, max_size)
    with visited(path, patience=patience) as visit:
        # Not as the programs have it: their journal would stay as large as what is rewritten here.
        visit.connection.execute("PRAGMA journal_mode = TRUNCATE")
        before = visit.path.stat().st_size
        bad = stretches_read(visit).bad, replies_read(visit).bad
        removed, rest = forgotten(visit, bad, limits, keep=not dry_run)
        unshrunk = "" if dry_run else _shrunk(visit)
        after = rest if dry_run else visit.path.stat().st_size
        return Pruned(visit.path, MappingProxyType(removed), before, after, unshrunk)


def _shrunk(visit: Visit) -> str:
    """Give free space back to the disk; return why not, if that is not possible now."""
    if not used(visit)[1]:
        return ""
    try:
        visit.connection.execute("VACUUM")
    except sqlite3.Error as error:
        return meaning(error)
    return ""
