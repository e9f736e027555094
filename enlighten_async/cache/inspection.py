"""Inspection of the state file: the entries of the cache, statistics, and integrity. Nothing is changed.

Other processes may use the file meanwhile. `Entry`s, read by `read_entries`, are the one view of the cache's
two tables that statistics, integrity and eviction share.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import groupby
from pathlib import Path

import msgspec
from attrs import field, frozen

from enlighten_async.cache.tables import Row, Unreadable, decode_any, response_of, span_of
from enlighten_async.models.intervals import IntervalStats
from enlighten_async.state import CorruptFileError, ExistingFile, open_existing
from enlighten_async.windows import as_datetime

MAX_BATCH_ROWS = 64
"""Rows that are read at once: while they are, nobody can write."""


@frozen
class Table:
    """A table of the cache.

    Attributes:
        select: reads the rows after a number: the fields of an `Entry`, then the columns that `readable`
            takes; the last of these is the body, or NULL where bodies are not wanted.
        delete: deletes the row of a number.
        unchanged: finds the row of a number if it still has a certain body.
        readable: tells whether a row can be read.
    """

    select: str
    delete: str
    unchanged: str
    readable: Callable[[Row], bool]


@frozen
class Entry:
    """A row of the cache, without its body: a part of a series, or a reply.

    Attributes:
        table: the table it is in.
        rowid: its number; once it is deleted, another row may bear the number.
        scope: the hash of the scope it belongs to; `None` for a part of no known series.
        endpoint: the API's name of its endpoint; `None` for a part of no known series.
        system_id: the system of a part.
        start: epoch seconds: start of a part, or time of a reply; anything if the file was tampered with.
        end: epoch seconds: end of a part, or time of a reply; likewise.
        final: whether its age alone is no reason to evict it.
        bytes: size of the body, compressed as it is.
    """

    table: Table = field(repr=False)
    rowid: int
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


_PARTS = Table(
    select="""
        SELECT stretches.rowid, account, endpoint, system_id, start, stop, 1, length(body),
            series.id, start, stop, fetched, reported, started, empty, NULL, CASE WHEN :bodies THEN body END
        FROM stretches LEFT JOIN series ON series.id = stretches.series
        WHERE stretches.rowid > :after ORDER BY stretches.rowid LIMIT :batch
    """,
    delete="DELETE FROM stretches WHERE rowid = ?",
    unchanged="SELECT 1 FROM stretches WHERE rowid = ? AND body IS ?",
    readable=_is_readable_part,
)
_REPLIES = Table(
    select="""
        SELECT rowid, account, endpoint, NULL, fetched, fetched, final, length(body),
            fetched, status, content_type, NULL, CASE WHEN :bodies THEN body END
        FROM replies WHERE rowid > :after ORDER BY rowid LIMIT :batch
    """,
    delete="DELETE FROM replies WHERE rowid = ?",
    unchanged="SELECT 1 FROM replies WHERE rowid = ? AND body IS ?",
    readable=lambda row: response_of(row) is not None,
)


def read_entries(file: ExistingFile, *, bodies: bool) -> Iterator[tuple[Entry, Row]]:
    """Read all rows of the cache, each with the columns that its table's `readable` takes.

    They are read batch by batch: outside of a transaction others may write while a batch is worked on.
    """
    for table in (_PARTS, _REPLIES) if file.has_cache else ():
        after = -1
        while batch := _batch(file, table, after, bodies=bodies):
            yield from ((Entry(table, *row[:8]), row[8:]) for row in batch)
            after = batch[-1][0]


def _batch(file: ExistingFile, table: Table, after: int, *, bodies: bool) -> list[Row]:
    wanted = {"after": after, "batch": MAX_BATCH_ROWS, "bodies": bodies}
    return file.connection.execute(table.select, wanted).fetchall()


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
    """Statistics of a state file.

    Attributes:
        path: the file.
        bytes: its size on the disk.
        journal: size on the disk of the journal beside it, bytes.
        free: space within the file that is free for new data, bytes.
        schema_version: the number of migrations it has had; 0 for an empty file.
        keys: the number of API keys whose requests are counted in it.
        scopes: the number of users for whom something is cached.
        series: cached parts of series, by endpoint.
        replies: other cached replies, by endpoint.
    """

    path: Path
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
        series=_by_endpoint(entry for entry in entries if not entry.is_reply),
        replies=_by_endpoint(entry for entry in entries if entry.is_reply),
    )


def space(file: ExistingFile) -> tuple[int, int]:
    """Return the bytes of a file that are used, and those that are free."""
    names = ("page_size", "page_count", "freelist_count")
    size, count, free = (int(file.connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in names)
    return size * (count - free), size * free


def _by_endpoint(entries: Iterable[Entry]) -> tuple[EndpointStats, ...]:
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


@frozen
class IntegrityReport:
    """The faults of a state file.

    Attributes:
        path: the file.
        damage: faults of the database itself, in SQLite's words.
        parts: the number of cached parts that were read.
        replies: the number of other cached replies that were read.
        unreadable_parts: how many of these parts cannot be read: they are as if they were not there.
        unreadable_replies: how many of these replies cannot be read.
        unreadable_counts: the number of keys whose counts cannot be read: the next program that counts
            renames the file aside.
    """

    path: Path
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
        unreadable_counts=sum(not _is_json_object(text) for (text,) in counts),
    )


def _is_json_object(text: str) -> bool:
    with suppress(ValueError, TypeError):
        return isinstance(msgspec.json.decode(text), dict)
    return False
