"""The table that one would make without this package: a row for each interval."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.cache.days import SYSTEM_ID
from enlighten_async.models import Stats
from enlighten_async.windows import Window

_TABLE = """
    CREATE TABLE intervals (
        system_id INTEGER, end_at INTEGER, devices_reporting INTEGER, powr INTEGER, enwh INTEGER,
        PRIMARY KEY (system_id, end_at)
    ) WITHOUT ROWID
"""
_PUT = "INSERT OR REPLACE INTO intervals VALUES (?, ?, ?, ?, ?)"
_GET = """
    SELECT end_at, devices_reporting, powr, enwh FROM intervals
    WHERE system_id = ? AND end_at > ? AND end_at <= ? ORDER BY end_at
"""


class Plain:
    """Such a table, in a file."""

    def __init__(self, path: Path) -> None:
        self._file = sqlite3.connect(path)
        self._file.execute(_TABLE)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def put(self, parts: Iterable[Stats]) -> None:
        """Write answers in one transaction."""
        with self._file:
            for part in parts:
                self._file.executemany(_PUT, _rows(part))

    def get(self, window: Window) -> list[Any]:
        """Return the rows of a window."""
        return self._file.execute(_GET, (SYSTEM_ID, window.start, window.end)).fetchall()


def _rows(part: Stats) -> Iterator[tuple[float, ...]]:
    for row in zip(*part.intervals.columns.values(), strict=True):
        yield (SYSTEM_ID, *(int(value) for value in row))
