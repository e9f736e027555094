"""A cache in a state file, and the clock it goes by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from enlighten_async.cache import SqliteCache
from enlighten_async.testing import FakeClock
from tests.cache.parts import NOW, open_cache


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of the file, with a name that a URL has to quote."""
    return tmp_path / "sta te?#%.db"


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that shows NOW."""
    return FakeClock(NOW)


@pytest.fixture
def cache(path: Path, clock: FakeClock) -> Iterator[SqliteCache]:
    """Return the cache as a process has it that uses the file all the time."""
    made = open_cache(path, clock)
    yield made
    made.file.release()
