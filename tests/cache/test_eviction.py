"""Eviction: what goes, what stays, and the space of the file."""

# ruff: noqa: ASYNC240  (files are small)

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from enlighten_async.cache import (
    Evicted,
    EvictionReason,
    IntegrityReport,
    SqliteCache,
    prune,
    stats,
    verify,
)
from enlighten_async.errors import InputError
from enlighten_async.state import CorruptFileError
from enlighten_async.testing import FakeClock
from tests.cache.filled import SPOIL, WEEK, cached, fill, sql
from tests.cache.parts import MONDAY, NOW, REPLY, SCOPE, SERIES, hours, open_cache, stats_part


async def test_outdated_replies_are_evicted_by_default(path: Path, cache: SqliteCache) -> None:
    """Those of more than 30 days ago, unless they are final; no part is, whatever its age."""
    fill(cache)
    done = prune(path, now=NOW)
    assert set(done.evicted) == {EvictionReason.OUTDATED}
    assert (done.evicted[EvictionReason.OUTDATED].parts, done.evicted[EvictionReason.OUTDATED].replies) == (
        0,
        1,
    )
    assert await cache.reply(SCOPE, REPLY) is None
    assert await cache.reply(SCOPE, evolve(REPLY, asked="young")) is not None
    assert await cache.reply(SCOPE, evolve(REPLY, endpoint="summary")) is not None
    assert len(await cached(cache)) == 3
    assert prune(path, now=NOW).evicted == {}


async def test_old_entries_are_evicted(path: Path, cache: SqliteCache) -> None:
    """By the end of a part and the time of a reply; an entry that ended just then stays."""
    fill(cache)
    age = timedelta(seconds=NOW - MONDAY - WEEK * 3600)
    gone = prune(path, now=NOW, older_than=age).evicted
    assert (gone[EvictionReason.TOO_OLD].parts, gone[EvictionReason.TOO_OLD].replies) == (2, 0)
    assert [window.start for window in await cached(cache)] == [MONDAY + n * WEEK * 3600 for n in range(3)]
    gone = prune(path, now=NOW, older_than=age - timedelta(seconds=1)).evicted
    assert (gone[EvictionReason.TOO_OLD].parts, gone[EvictionReason.TOO_OLD].replies) == (1, 0)
    assert [window.start for window in await cached(cache)] == [MONDAY + n * WEEK * 3600 for n in (1, 2)]
    prune(path, now=NOW, older_than=timedelta(days=30))
    assert (await cached(cache), stats(path).series) == ([], ())
    assert [each.endpoint for each in stats(path).replies] == ["inventory"]
    assert sql(path, "SELECT count(*) FROM series") == [(0,)]


async def test_entries_that_ended_first_are_evicted_until_the_file_fits(
    path: Path, cache: SqliteCache
) -> None:
    """No more than that, and the space is given back: of the file and of its journal."""
    fill(cache, weeks=60)
    whole = path.stat().st_size
    limit = whole * 9 // 10
    done = prune(path, now=NOW, max_size=limit)
    assert (done.bytes_before, done.bytes_after) == (whole, path.stat().st_size)
    assert limit * 0.9 < done.bytes_after <= limit
    assert (stats(path).journal, stats(path).free, done.unshrunk) == (0, 0, "")
    gone = done.evicted[EvictionReason.OVER_SIZE]
    stay = await cached(cache)
    assert (gone.parts, gone.replies) == (62 - len(stay), 0)
    assert gone.bytes > 0
    assert [window.start for window in stay] == [MONDAY + n * WEEK * 3600 for n in range(60 - len(stay), 60)]
    assert verify(path).sound
    assert prune(path, now=NOW, max_size=limit).evicted == {}


def test_a_size_of_zero(path: Path, cache: SqliteCache) -> None:
    """It leaves the smallest file, with all counts in it."""
    fill(cache)
    sql(path, "INSERT INTO quota VALUES (x'01', '{}')")
    done = prune(path, now=NOW, max_size=0)
    total = sum(done.evicted.values(), Evicted())
    assert (total.parts, total.replies) == (5, 3)
    assert 0 < done.bytes_after < done.bytes_before
    assert (stats(path).keys, stats(path).scopes) == (1, 0)


def test_a_dry_run_changes_nothing(path: Path, cache: SqliteCache) -> None:
    """It reports the evictions of the real run."""
    fill(cache, weeks=60)
    sql(path, SPOIL.format(table="stretches", body="x'00'"), "DELETE FROM stretches WHERE rowid > 45")
    wanted: dict[str, Any] = {
        "now": NOW,
        "max_size": path.stat().st_size // 2,
        "older_than": timedelta(days=108),
    }
    before = path.read_bytes()
    told = prune(path, dry_run=True, **wanted)
    assert path.read_bytes() == before
    done = prune(path, **wanted)
    assert told.evicted == done.evicted
    assert set(told.evicted) == set(EvictionReason)
    assert abs(told.bytes_after - done.bytes_after) <= 3 * 4096


@pytest.mark.parametrize("wrong", [{"older_than": timedelta(-1)}, {"max_size": -1}])
def test_an_age_or_a_size_below_zero(path: Path, wrong: dict[str, Any]) -> None:
    """Refused before the file is opened."""
    with pytest.raises(InputError, match="below zero"):
        prune(path, now=NOW, **wrong)


async def test_a_program_that_uses_the_file_goes_on(path: Path, cache: SqliteCache) -> None:
    """With the same connection, before and after; nothing is renamed aside."""
    fill(cache)
    prune(path, now=NOW, max_size=0)
    assert await cached(cache) == []
    cache.put(SCOPE, SERIES, stats_part(hours(0, 1), reported=NOW), NOW)
    await cache.flush()
    other = open_cache(path, FakeClock(NOW))
    assert await cached(other) == await cached(cache) == [hours(0, 1)]
    other.file.release()
    assert verify(path) == IntegrityReport(path, parts=1)
    assert [each.name for each in path.parent.iterdir() if "broken" in each.name] == []


async def test_a_locked_file(path: Path, cache: SqliteCache) -> None:
    """An error says so after the timeout; nothing is evicted."""
    fill(cache)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        for begin in ("BEGIN EXCLUSIVE", "BEGIN IMMEDIATE"):
            other.execute(begin)
            with pytest.raises(OSError, match="other programs use the file") as busy:
                prune(path, now=NOW, max_size=0, lock_timeout_s=0)
            other.execute("ROLLBACK")
            assert (busy.value.filename, isinstance(busy.value, CorruptFileError)) == (str(path), False)
    assert len(await cached(cache)) == 3


def test_space_that_cannot_be_given_back_now(path: Path, cache: SqliteCache) -> None:
    """While somebody reads it stays in the file, and the report says why; the next run gives it back."""
    fill(cache, weeks=60)
    sql(path, "DELETE FROM stretches WHERE rowid BETWEEN 2 AND 30", "DELETE FROM replies")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM stretches").fetchone()
        done = prune(path, now=NOW, lock_timeout_s=0)
    assert done.bytes_after == done.bytes_before
    assert done.unshrunk == "other programs use the file: try again later"
    done = prune(path, now=NOW)
    assert done.bytes_after < done.bytes_before
    assert (done.evicted, done.unshrunk) == ({}, "")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM stretches").fetchone()
        assert prune(path, now=NOW, lock_timeout_s=0).unshrunk == ""
