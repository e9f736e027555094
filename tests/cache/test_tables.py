"""What of a series is read when something of it is wanted, or written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from enlighten_async.cache.sqlite import Tables
from enlighten_async.state import StateFile
from enlighten_async.windows import Window
from tests.cache.parts import ACCOUNT, NOW, SHELF, hours, stats

WEEK = 168


@pytest.fixture
def file(tmp_path: Path) -> Iterator[StateFile]:
    """Return a file that holds two weeks, and the first hour of a third, hour by hour."""
    made = StateFile(tmp_path / "state.db", durable=False)

    def fill(connection: sqlite3.Connection) -> None:
        for hour in range(2 * WEEK + 1):
            Tables(connection).lay(ACCOUNT, SHELF, stats(hours(hour, hour + 1), hour), NOW + hour)

    made.transact(fill)
    yield made
    made.release()


@pytest.mark.parametrize(
    ("window", "first", "last"),
    [
        (hours(20, 21), 19, 21),
        (hours(20.5, 20.75), 20, 20),
        (hours(0, 1), 0, 1),
        (hours(WEEK - 1, WEEK), WEEK - 2, WEEK - 1),
        (hours(WEEK, WEEK + 1), WEEK, WEEK + 1),
        (hours(WEEK - 1, WEEK + 1), WEEK - 2, WEEK + 1),
        (hours(0, 2 * WEEK + 1), 0, 2 * WEEK),
    ],
)
def test_only_what_touches_a_window_is_read(file: StateFile, window: Window, first: int, last: int) -> None:
    """Not all of its weeks, which may be in hundreds of pieces; nor what lies beside it in another week."""
    rows = file.look(lambda connection: Tables(connection).bodies(ACCOUNT, SHELF, window))
    assert [Window(*row[:2]) for row in rows] == [hours(hour, hour + 1) for hour in range(first, last + 1)]
