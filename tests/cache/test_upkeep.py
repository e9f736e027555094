"""Looking after a state file: what it holds, whether it can be read, and what is forgotten of it."""

# ruff: noqa: ASYNC240  (files are small)

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
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
    contents,
    prune,
    verify,
)
from enlighten_async.cache.codec import encode
from enlighten_async.errors import InputError
from enlighten_async.state import Broken
from enlighten_async.state.migrations import APPLICATION, MIGRATIONS
from enlighten_async.testing import FakeClock
from enlighten_async.windows import Window
from tests.cache.parts import ACCOUNT, MONDAY, NOW, REPLY, SHELF, a_store, at, hours, response, stats

DAY = 86_400
WEEK = 168
EVER = Window(0, 1 << 32)
SPOIL = "UPDATE {table} SET body = {body} WHERE rowid = (SELECT min(rowid) FROM {table})"

USES: dict[str, Callable[[Path], object]] = {
    "contents": contents,
    "verify": verify,
    "prune": lambda path: prune(path, now=NOW),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the file is, by a name that an address would have to quote."""
    return tmp_path / "sta te?#%.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteCache]:
    """Return the store as a process has it that uses the file all the time."""
    made = a_store(path, FakeClock(NOW))
    yield made
    made.file.release()


async def fill(store: SqliteCache, weeks: int = 3) -> None:
    """Buy so many weeks of a system and a day of another, and three other answers."""
    for week in range(weeks):
        store.put(ACCOUNT, SHELF, stats(hours(WEEK * week, WEEK * week + WEEK), reported=NOW), NOW)
    store.put(ACCOUNT, evolve(SHELF, system_id=1), stats(hours(0, 24)), NOW)
    store.put(b"another", evolve(SHELF, endpoint="rgm_stats"), stats(hours(1, 2)), NOW)
    store.put_reply(ACCOUNT, REPLY, response(b"x" * 99, NOW - 31 * DAY))
    store.put_reply(ACCOUNT, evolve(REPLY, asked="young"), response(date=NOW - 29 * DAY))
    store.put_reply(ACCOUNT, evolve(REPLY, endpoint="summary"), response(date=NOW - 31 * DAY), final=True)
    await store.flush()


def sql(path: Path, *statements: str) -> list[Any]:
    """Do something to the file, as another program; return what the last statement gives."""
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        return [file.execute(statement).fetchall() for statement in statements][-1]


async def held(store: SqliteCache) -> list[Window]:
    """Return what is held of the first system."""
    return [kept.window for kept in await store.get(ACCOUNT, SHELF, EVER)]


async def test_what_a_file_holds(path: Path, store: SqliteCache) -> None:
    """By endpoint; nothing tells whose it is."""
    await fill(store)
    store.file.transact(lambda file: file.execute("INSERT INTO quota VALUES (x'01', '{}')"))
    found = contents(path)
    assert (found.path, found.form, found.keys, found.accounts) == (path, len(MIGRATIONS), 1, 2)
    assert (found.bytes, found.free) == (path.stat().st_size, 0)
    assert found.journal == path.with_name(f"{path.name}-journal").stat().st_size > 0
    assert [(each.endpoint, each.systems, each.stretches) for each in found.series] == [
        ("rgm_stats", 1, 1),
        ("stats", 2, 4),
    ]
    assert (found.series[1].oldest, found.series[1].newest) == (at(MONDAY), at(MONDAY + 3 * WEEK * 3600))
    assert [(each.endpoint, each.replies, each.oldest, each.newest) for each in found.replies] == [
        ("inventory", 2, at(NOW - 31 * DAY), at(NOW - 29 * DAY)),
        ("summary", 1, at(NOW - 31 * DAY), at(NOW - 31 * DAY)),
    ]
    size = sql(
        path, "SELECT sum(length(body)) FROM (SELECT body FROM stretches UNION ALL SELECT body FROM replies)"
    )
    assert sum(each.bytes for each in (*found.series, *found.replies)) == size[0][0] > 0
    assert "account=" not in repr(found)


async def test_moments_that_are_none(path: Path, store: SqliteCache) -> None:
    """What a stranger wrote into the file is no reason to tell nothing."""
    await fill(store)
    sql(path, "UPDATE stretches SET stop = 'never'", "UPDATE replies SET fetched = 1e300")
    found = contents(path)
    assert [(each.oldest is None, each.newest) for each in found.series] == [(False, None)] * 2
    assert found.replies[0].newest is not None


async def test_a_whole_file(path: Path, store: SqliteCache) -> None:
    """Everything in it can be read, in more than one go."""
    await fill(store, weeks=70)
    assert verify(path) == IntegrityReport(path, stretches=72, replies=3)
    assert verify(path).sound


OTHER_WINDOW = encode(stats(hours(0, 1))).hex()
FROM_OUTSIDE = encode(evolve(stats(hours(0, WEEK)), intervals=stats(hours(0, WEEK + 1)).intervals)).hex()


@pytest.mark.parametrize(
    ("statement", "stretches", "replies"),
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
async def test_what_cannot_be_read_is_found_and_forgotten(
    path: Path, store: SqliteCache, statement: str, stretches: int, replies: int
) -> None:
    """Whatever is wrong with it; the rest stays."""
    await fill(store)
    sql(path, statement)
    found = verify(path)
    assert (found.sound, found.damage, found.stretches, found.replies) == (False, (), 5, 3)
    assert (found.unreadable_stretches, found.unreadable_replies) == (stretches, replies)
    gone = prune(path, now=NOW - 10 * DAY).removed
    assert {why: (each.stretches, each.replies) for why, each in gone.items()} == {
        EvictionReason.UNREADABLE: (stretches, replies)
    }
    assert verify(path) == IntegrityReport(path, stretches=5 - stretches, replies=3 - replies)


async def test_counts_that_cannot_be_read(path: Path, store: SqliteCache) -> None:
    """Nobody may forget them: whoever counts next has to know."""
    await fill(store)
    sql(path, "INSERT INTO quota VALUES (x'01', '{}'), (x'02', 'seven'), (x'03', x'00')")
    assert verify(path) == IntegrityReport(path, stretches=5, replies=3, unreadable_counts=2)
    prune(path, now=NOW)
    assert not verify(path).sound


@pytest.mark.parametrize("damage", ["garbage", "truncated", "page", "index"])
async def test_a_broken_file_is_left_as_it_is(path: Path, store: SqliteCache, damage: str) -> None:
    """It is said what is wrong, and nobody sets it aside behind anybody's back."""
    await fill(store, weeks=40)
    store.file.release()
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
        for use in (contents, lambda path: prune(path, now=NOW)):
            with pytest.raises(Broken) as broken:
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
            [f"PRAGMA application_id = {APPLICATION}", "PRAGMA user_version = 99"],
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
    assert (contents(path).form, contents(path).series, verify(path).sound) == (0, (), True)
    assert prune(path, now=NOW, max_size=0).removed == {}
    sql(path, *MIGRATIONS[0], f"PRAGMA application_id = {APPLICATION}", "PRAGMA user_version = 1")
    sql(path, "INSERT INTO quota VALUES (x'01', '{}')")
    assert (contents(path).form, contents(path).keys, contents(path).accounts) == (1, 1, 0)
    assert (verify(path), prune(path, now=NOW, max_size=0).removed) == (IntegrityReport(path), {})
    assert sql(path, "PRAGMA user_version") == [(1,)]


async def test_outdated_answers_are_forgotten_by_themselves(path: Path, store: SqliteCache) -> None:
    """Those of more than 30 days ago, unless they are final; no stretch is, whatever its age."""
    await fill(store)
    done = prune(path, now=NOW)
    assert set(done.removed) == {EvictionReason.PASSED}
    assert (done.removed[EvictionReason.PASSED].stretches, done.removed[EvictionReason.PASSED].replies) == (
        0,
        1,
    )
    assert await store.reply(ACCOUNT, REPLY) is None
    assert await store.reply(ACCOUNT, evolve(REPLY, asked="young")) is not None
    assert await store.reply(ACCOUNT, evolve(REPLY, endpoint="summary")) is not None
    assert len(await held(store)) == 3
    assert prune(path, now=NOW).removed == {}


async def test_what_is_old_is_forgotten(path: Path, store: SqliteCache) -> None:
    """By when a stretch ended, and when another answer was fetched; what ended just then stays."""
    await fill(store)
    age = timedelta(seconds=NOW - MONDAY - WEEK * 3600)
    gone = prune(path, now=NOW, older_than=age).removed
    assert (gone[EvictionReason.OLD].stretches, gone[EvictionReason.OLD].replies) == (2, 0)
    assert [window.start for window in await held(store)] == [MONDAY + n * WEEK * 3600 for n in range(3)]
    gone = prune(path, now=NOW, older_than=age - timedelta(seconds=1)).removed
    assert (gone[EvictionReason.OLD].stretches, gone[EvictionReason.OLD].replies) == (1, 0)
    assert [window.start for window in await held(store)] == [MONDAY + n * WEEK * 3600 for n in (1, 2)]
    prune(path, now=NOW, older_than=timedelta(days=30))
    assert (await held(store), contents(path).series) == ([], ())
    assert [each.endpoint for each in contents(path).replies] == ["inventory"]
    assert sql(path, "SELECT count(*) FROM series") == [(0,)]


async def test_what_ended_first_is_forgotten_until_the_file_fits(path: Path, store: SqliteCache) -> None:
    """No more than that, and the space is given back: of the file and of its journal."""
    await fill(store, weeks=60)
    whole = path.stat().st_size
    limit = whole * 9 // 10
    done = prune(path, now=NOW, max_size=limit)
    assert (done.before, done.after) == (whole, path.stat().st_size)
    assert limit * 0.9 < done.after <= limit
    assert (contents(path).journal, contents(path).free, done.unshrunk) == (0, 0, "")
    gone = done.removed[EvictionReason.OVER]
    stay = await held(store)
    assert (gone.stretches, gone.replies) == (62 - len(stay), 0)
    assert gone.bytes > 0
    assert [window.start for window in stay] == [MONDAY + n * WEEK * 3600 for n in range(60 - len(stay), 60)]
    assert verify(path).sound
    assert prune(path, now=NOW, max_size=limit).removed == {}


async def test_nothing_may_be_left(path: Path, store: SqliteCache) -> None:
    """Whoever wants no file at all gets the smallest, with all counts in it."""
    await fill(store)
    sql(path, "INSERT INTO quota VALUES (x'01', '{}')")
    done = prune(path, now=NOW, max_size=0)
    total = sum(done.removed.values(), Evicted())
    assert (total.stretches, total.replies) == (5, 3)
    assert 0 < done.after < done.before
    assert (contents(path).keys, contents(path).accounts) == (1, 0)


async def test_a_dry_run_tells_and_does_nothing(path: Path, store: SqliteCache) -> None:
    """It tells what the other then does."""
    await fill(store, weeks=60)
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
    assert told.removed == done.removed
    assert set(told.removed) == set(EvictionReason)
    assert abs(told.after - done.after) <= 3 * 4096


@pytest.mark.parametrize("wrong", [{"older_than": timedelta(-1)}, {"max_size": -1}])
def test_less_than_nothing(path: Path, wrong: dict[str, Any]) -> None:
    """Refused before the file is looked at."""
    with pytest.raises(InputError, match="below zero"):
        prune(path, now=NOW, **wrong)


async def test_who_uses_the_file_goes_on(path: Path, store: SqliteCache) -> None:
    """With the same connection, before and after; nothing is set aside."""
    await fill(store)
    prune(path, now=NOW, max_size=0)
    assert await held(store) == []
    store.put(ACCOUNT, SHELF, stats(hours(0, 1), reported=NOW), NOW)
    await store.flush()
    other = a_store(path, FakeClock(NOW))
    assert await held(other) == await held(store) == [hours(0, 1)]
    other.file.release()
    assert verify(path) == IntegrityReport(path, stretches=1)
    assert [each.name for each in path.parent.iterdir() if "broken" in each.name] == []


async def test_a_file_that_others_hold(path: Path, store: SqliteCache) -> None:
    """It is said that they do, after some patience; nothing is done."""
    await fill(store)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        for begin in ("BEGIN EXCLUSIVE", "BEGIN IMMEDIATE"):
            other.execute(begin)
            with pytest.raises(OSError, match="others hold the file") as busy:
                prune(path, now=NOW, max_size=0, patience=0)
            other.execute("ROLLBACK")
            assert (busy.value.filename, isinstance(busy.value, Broken)) == (str(path), False)
    assert len(await held(store)) == 3


async def test_space_that_cannot_be_given_back_now(path: Path, store: SqliteCache) -> None:
    """While somebody reads it stays in the file, which is said; the next time it is given back."""
    await fill(store, weeks=60)
    sql(path, "DELETE FROM stretches WHERE rowid BETWEEN 2 AND 30", "DELETE FROM replies")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM stretches").fetchone()
        done = prune(path, now=NOW, patience=0)
    assert (done.after, done.unshrunk) == (done.before, "others hold the file: try again later")
    done = prune(path, now=NOW)
    assert done.after < done.before
    assert (done.removed, done.unshrunk) == ({}, "")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM stretches").fetchone()
        assert prune(path, now=NOW, patience=0).unshrunk == ""
