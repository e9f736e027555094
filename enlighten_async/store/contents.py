"""What a state file holds, in figures: nothing in them tells whose it is."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import frozen

from enlighten_async.state import Visit, visited
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
