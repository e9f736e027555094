"""Eviction from the cache in the state file, while other processes use the file.

The space of evicted rows is given back by rewriting the file, for which SQLite locks it: a process that wants
to write meanwhile finds the file busy, and a process that has it open goes on afterwards.
"""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from attrs import frozen

from enlighten_async.cache.inspection import Entry, read_entries, space
from enlighten_async.errors import InputError
from enlighten_async.state import INSPECT_LOCK_TIMEOUT_S, ExistingFile, describe, open_existing

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

    def __add__(self, other: Evicted) -> Evicted:
        return Evicted(self.parts + other.parts, self.replies + other.replies, self.bytes + other.bytes)


@frozen
class EvictionLimits:
    """The limits within which an entry may stay.

    Attributes:
        non_final_since: time from which on a reply that is not final was fetched, epoch seconds.
        ended_since: time from which on an entry ended, epoch seconds; `None` for no limit.
        max_bytes: the bytes of the file that are used; `None` for no limit.
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


@frozen
class PruneReport:
    """The effect of pruning a file, or of a dry run.

    Attributes:
        path: the file.
        evicted: the evicted entries by reason; a reason that applied to none is left out.
        bytes_before: size of the file before.
        bytes_after: size of the file afterwards; of a dry run an estimate.
        unshrunk: the reason why the free space could not be given back to the disk; else empty.
    """

    path: Path
    evicted: Mapping[EvictionReason, Evicted]
    bytes_before: int
    bytes_after: int
    unshrunk: str = ""


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
    if (older_than is not None and older_than < timedelta()) or (max_size is not None and max_size < 0):
        raise InputError("an age or a size below zero: give older_than and max_size as 0 or more")
    ended_since = None if older_than is None else now - older_than.total_seconds()
    limits = EvictionLimits(now - MAX_NON_FINAL_AGE.total_seconds(), ended_since, max_size)
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
            file.connection.execute(entry.table.delete, (entry.rowid,))
            one = Evicted(int(not entry.is_reply), int(entry.is_reply), entry.bytes)
            evicted[reason] = evicted.get(reason, Evicted()) + one
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
        if file.connection.execute(entry.table.unchanged, (entry.rowid, body)).fetchone()
    }
    stay = deque[Entry]()
    entries = [entry for entry, _ in read_entries(file, bodies=False)]
    for entry in sorted(entries, key=lambda entry: entry.ended):
        is_broken = (entry.is_reply, entry.rowid) in broken
        reason = EvictionReason.UNREADABLE if is_broken else limits.reason(entry)
        if reason is None:
            stay.append(entry)
        else:
            yield entry, reason
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
