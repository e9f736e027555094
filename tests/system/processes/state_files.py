"""What a state file says, as seen from outside."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from enlighten_async.cache.tables import decode
from enlighten_async.limiter.record import Record
from enlighten_async.models import RgmStats
from enlighten_async.windows import Window

HOT = bytes.fromhex("d9d505f920a163d7")
"""How a journal begins from which a file has to be mended."""


def is_hot(path: Path) -> bool:
    """Tell whether a file was left in the midst of a commit."""
    journal = path.with_name(f"{path.name}-journal")
    return journal.exists() and journal.read_bytes()[: len(HOT)] == HOT


def counted(path: Path) -> tuple[int, int]:
    """Return how many requests the file counts in this month, and how many of them are on their way.

    It has passed SQLite's check of its integrity.
    """
    return counted_in(texts(path))


def texts(path: Path) -> list[str]:
    """Return the texts of the state in the file."""
    with closing(_sound(path)) as file:
        known = file.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'quota'").fetchone()[0]
        return [text for (text,) in file.execute("SELECT counts FROM quota")] if known else []


def counted_in(records: list[str]) -> tuple[int, int]:
    """Return how many requests the record of a key counts in this month, and how many are on their way."""
    record = Record.decode(records[0]) if records else Record()
    flying = len(record.pending) + record.unplaced
    return sum(record.charged.get("month", {}).values()) + flying, flying


def bought(path: Path) -> dict[Window, bytes]:
    """Return the stretches the file holds of its only series, as blobs."""
    with closing(_sound(path)) as file:
        known = file.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'stretches'").fetchone()[0]
        found = file.execute("SELECT start, stop, body FROM stretches").fetchall() if known else []
    return {Window(start, stop): body for start, stop, body in found}


def part(blob: bytes) -> RgmStats:
    """Return what a blob holds."""
    return decode(blob, RgmStats)


def _sound(path: Path) -> sqlite3.Connection:
    file = sqlite3.connect(path, timeout=10)
    assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return file
