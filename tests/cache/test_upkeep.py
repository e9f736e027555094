"""Statistics and integrity of a state file, whatever is in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from enlighten_async.cache import (
    EvictionReason,
    IntegrityReport,
    SqliteCache,
    prune,
    stats,
    verify,
)
from enlighten_async.cache.tables import encode
from enlighten_async.errors import InputError
from enlighten_async.state import CorruptFileError
from enlighten_async.state.migrations import APPLICATION_ID, MIGRATIONS
from enlighten_async.windows import DAY
from tests.cache.filled import SPOIL, WEEK, fill, sql
from tests.cache.parts import MONDAY, NOW, at, hours, stats_part

USES: dict[str, Callable[[Path], object]] = {
    "stats": stats,
    "verify": verify,
    "prune": lambda path: prune(path, now=NOW),
}


OTHER_WINDOW = encode(stats_part(hours(0, 1))).hex()

LONGER = stats_part(hours(0, WEEK + 1)).intervals

FROM_OUTSIDE = encode(evolve(stats_part(hours(0, WEEK)), intervals=LONGER)).hex()


def test_statistics_by_endpoint(path: Path, cache: SqliteCache) -> None:
    """Nothing tells whose the entries are."""
    fill(cache)
    cache.file.transact(lambda file: file.execute("INSERT INTO quota VALUES (x'01', '{}')"))
    found = stats(path)
    assert (found.path, found.schema_version, found.keys, found.scopes) == (path, len(MIGRATIONS), 1, 2)
    assert (found.bytes, found.free) == (path.stat().st_size, 0)
    assert found.journal == path.with_name(f"{path.name}-journal").stat().st_size > 0
    assert [(each.endpoint, each.systems, each.entries) for each in found.series] == [
        ("rgm_stats", 1, 1),
        ("stats", 2, 4),
    ]
    assert (found.series[1].oldest, found.series[1].newest) == (at(MONDAY), at(MONDAY + 3 * WEEK * 3600))
    assert [(each.endpoint, each.entries, each.oldest, each.newest) for each in found.replies] == [
        ("inventory", 2, at(NOW - 31 * DAY), at(NOW - 29 * DAY)),
        ("summary", 1, at(NOW - 31 * DAY), at(NOW - 31 * DAY)),
    ]
    size = sql(
        path, "SELECT sum(length(body)) FROM (SELECT body FROM stretches UNION ALL SELECT body FROM replies)"
    )
    assert sum(each.bytes for each in (*found.series, *found.replies)) == size[0][0] > 0
    assert "account=" not in repr(found)


def test_times_that_cannot_be_read(path: Path, cache: SqliteCache) -> None:
    """The rest of the statistics is told all the same."""
    fill(cache)
    sql(path, "UPDATE stretches SET stop = 'never'", "UPDATE replies SET fetched = 1e300")
    found = stats(path)
    assert [(each.oldest is None, each.newest) for each in found.series] == [(False, None)] * 2
    assert found.replies[0].newest is not None


def test_a_whole_file(path: Path, cache: SqliteCache) -> None:
    """Everything in it can be read, in more than one go."""
    fill(cache, weeks=70)
    assert verify(path) == IntegrityReport(path, parts=72, replies=3)
    assert verify(path).sound


@pytest.mark.parametrize(
    ("statement", "parts", "replies"),
    [
        (SPOIL.format(table="stretches", body="substr(body, 1, 99)"), 1, 0),
        (SPOIL.format(table="stretches", body="7"), 1, 0),
        (SPOIL.format(table="stretches", body=f"x'{OTHER_WINDOW}'"), 1, 0),
        (SPOIL.format(table="stretches", body=f"x'{FROM_OUTSIDE}'"), 1, 0),
        ("UPDATE stretches SET stop = start - 1 WHERE rowid = 1", 1, 0),
        ("UPDATE stretches SET empty = 'because' WHERE rowid = 2", 1, 0),
        ("DELETE FROM series WHERE endpoint = 'rgm_stats'", 1, 0),
        (SPOIL.format(table="replies", body="substr(body, 1, 5)"), 0, 1),
        (SPOIL.format(table="replies", body="'text'"), 0, 1),
    ],
)
def test_an_unreadable_entry_is_found_and_evicted(
    path: Path, cache: SqliteCache, statement: str, parts: int, replies: int
) -> None:
    """Whatever is wrong with it; the rest stays."""
    fill(cache)
    sql(path, statement)
    found = verify(path)
    assert (found.sound, found.damage, found.parts, found.replies) == (False, (), 5, 3)
    assert (found.unreadable_parts, found.unreadable_replies) == (parts, replies)
    gone = prune(path, now=NOW - 10 * DAY).evicted
    assert {why: (each.parts, each.replies) for why, each in gone.items()} == {
        EvictionReason.UNREADABLE: (parts, replies)
    }
    assert verify(path) == IntegrityReport(path, parts=5 - parts, replies=3 - replies)


def test_counts_that_cannot_be_read(path: Path, cache: SqliteCache) -> None:
    """They are never deleted: the next program that counts has to notice."""
    fill(cache)
    sql(path, "INSERT INTO quota VALUES (x'01', '{}'), (x'02', 'seven'), (x'03', x'00')")
    assert verify(path) == IntegrityReport(path, parts=5, replies=3, unreadable_counts=2)
    prune(path, now=NOW)
    assert not verify(path).sound


@pytest.mark.parametrize("damage", ["garbage", "truncated", "page", "index"])
def test_a_broken_file_is_left_as_it_is(path: Path, cache: SqliteCache, damage: str) -> None:
    """The report tells the damage; the file is not renamed."""
    fill(cache, weeks=40)
    cache.file.release()
    whole = path.read_bytes()
    index = sql(path, "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_stretches_1'")[0][0]
    path.write_bytes(
        {
            "garbage": b"nonsense" * 1000,
            "truncated": whole[: len(whole) // 2],
            "page": whole[:100] + bytes(3996) + whole[4096:],
            "index": whole[: 4096 * (index - 1)] + b"\x0a" + bytes(4095) + whole[4096 * index :],
        }[damage]
    )
    before = path.read_bytes()
    found = verify(path)
    assert (found.path, found.sound) == (path, False)
    assert found.damage
    if damage != "index":  # which is not needed for what they do
        for use in (stats, lambda path: prune(path, now=NOW)):
            with pytest.raises(CorruptFileError) as broken:
                use(path)
            assert broken.value.filename == str(path)
    assert sorted(each.name for each in path.parent.iterdir() if "broken" in each.name) == []
    assert path.read_bytes() == before or damage == "index"


@pytest.mark.parametrize("use", USES)
def test_a_file_that_is_not_there(tmp_path: Path, use: str) -> None:
    """It is not made."""
    for path, text in ((tmp_path / "no" / "a.db", "does not exist"), (tmp_path, "is a folder")):
        with pytest.raises(InputError, match=text):
            USES[use](path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    ("statements", "text"),
    [
        (
            [f"PRAGMA application_id = {APPLICATION_ID}", "PRAGMA user_version = 99"],
            "newer version of enlighten_async",
        ),
        (["CREATE TABLE letters (text)"], "another program"),
    ],
)
def test_a_file_that_is_not_ours(path: Path, use: str, statements: list[str], text: str) -> None:
    """It is left as it is."""
    sql(path, *statements)
    before = path.read_bytes()
    with pytest.raises(InputError, match=text):
        USES[use](path)
    assert path.read_bytes() == before


def test_an_older_or_an_empty_file(path: Path) -> None:
    """There is nothing in it, and it is not brought up to date for that."""
    path.touch()
    assert (stats(path).schema_version, stats(path).series, verify(path).sound) == (0, (), True)
    assert prune(path, now=NOW, max_size=0).evicted == {}
    sql(path, *MIGRATIONS[0], f"PRAGMA application_id = {APPLICATION_ID}", "PRAGMA user_version = 1")
    sql(path, "INSERT INTO quota VALUES (x'01', '{}')")
    assert (stats(path).schema_version, stats(path).keys, stats(path).scopes) == (1, 1, 0)
    assert (verify(path), prune(path, now=NOW, max_size=0).evicted) == (IntegrityReport(path), {})
    assert sql(path, "PRAGMA user_version") == [(1,)]
