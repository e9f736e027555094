"""The cache in a file: shared by processes, as if empty while the file fails, and whole again afterwards."""

# ruff: noqa: ASYNC240  (files are small)

from __future__ import annotations

import logging
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from enlighten_async.cache import CachedPart, SqliteCache
from enlighten_async.cache.sqlite import Look, bytes_of, perform
from enlighten_async.cache.tables import encode, part_of
from enlighten_async.errors import InputError
from enlighten_async.models import Stats
from enlighten_async.state import StateFile
from enlighten_async.testing import FakeClock
from enlighten_async.windows import Window
from tests.cache.faulty import NOT_CACHED, Limited, no_file_beyond
from tests.cache.filled import WEEK
from tests.cache.parts import NOW, REPLY, SCOPE, SERIES, hours, open_cache, response, stats_part

EVER = Window(0, 1 << 32)
ACCOUNTS = "SELECT account FROM series UNION ALL SELECT account FROM replies"


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the texts of warnings."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


async def cached(cache: SqliteCache) -> list[Window]:
    """Return the cached windows, by spans, parts and replies, which must agree."""
    known = [span.window for span in await cache.spans(SCOPE, SERIES)]
    assert [part.window for part in await cache.get(SCOPE, SERIES, EVER)] == known
    assert (await cache.reply(SCOPE, REPLY) is not None) == bool(known)
    return known


def buy(cache: SqliteCache, *windows: Window) -> None:
    """Cache answers for some windows, and a reply."""
    for window in windows:
        cache.put(SCOPE, SERIES, stats_part(window, reported=NOW), NOW)
    cache.put_reply(SCOPE, REPLY, response())


async def test_another_process_finds_what_was_flushed(
    path: Path, clock: FakeClock, cache: SqliteCache
) -> None:
    """And nothing of it before; the scope is not in the file."""
    buy(cache, hours(0, 1))
    other = open_cache(path, clock)
    assert await cached(other) == []
    assert repr(cache).endswith("pending=2>")
    await cache.flush()
    assert repr(cache) == f"<SqliteCache {str(path)!r} pending=0>"
    assert await cached(other) == await cached(cache) == [hours(0, 1)]
    other.file.release()
    assert SCOPE not in path.read_bytes()


async def test_a_scope_has_another_name_in_each_file(tmp_path: Path, clock: FakeClock) -> None:
    """Without the file nobody can tell whose it is, not even with the scope."""
    names = []
    for name in "ab":
        cache = open_cache(tmp_path / name, clock)
        buy(cache, hours(0, 1))
        names += cache.file.read(lambda connection: connection.execute(ACCOUNTS).fetchall())
        cache.file.release()
    assert [names.count(name) for name in names] == [2, 2, 2, 2]


async def test_a_cancel_does_not_cut_off_what_is_written(cache: SqliteCache) -> None:
    """A paid-for answer is on the disk when the flush is over."""
    buy(cache, hours(0, 1))
    with anyio.CancelScope() as scope:
        scope.cancel()
        await cache.flush()
    assert len(cache.file.pending) == 0
    assert await cached(cache) == [hours(0, 1)]


async def test_processes_at_once(path: Path) -> None:
    """No answer is lost, whoever had to wait."""
    clock = FakeClock(NOW)
    caches = [open_cache(path, clock) for _ in range(4)]

    async def work(number: int) -> None:
        for each in range(8):
            start = 4 * each + number
            buy(caches[number], hours(start, start + 1))
            await caches[number].flush()
            mine = hours(start, start + 1)
            known = await caches[number].spans(SCOPE, SERIES)
            assert mine in [each.window.clip(mine) for each in known]

    async with anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(work, number)
    assert await cached(caches[0]) == [hours(0, 32)]
    for cache in caches:
        cache.file.release()


async def test_a_file_locked_for_a_moment(
    path: Path, clock: FakeClock, cache: SqliteCache, caplog: pytest.LogCaptureFixture
) -> None:
    """It is waited for, without a word."""
    buy(cache, hours(0, 1))
    await cache.flush()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cached, cache)
        await clock.sleep(0.5)
        other.close()
    assert await cached(cache) == [hours(0, 1)]
    assert warnings(caplog) == []


async def test_a_locked_file(
    path: Path, clock: FakeClock, cache: SqliteCache, caplog: pytest.LogCaptureFixture
) -> None:
    """Waited for once; then the cache is as if it were empty, until the lock is free."""
    buy(cache, hours(0, 1))
    await cache.flush()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    before = clock.monotonic()
    assert await cached(cache) == []
    assert 1 <= clock.monotonic() - before <= 1.2
    before = clock.monotonic()
    buy(cache, hours(2, 3))
    await cache.flush()
    assert await cached(cache) == []
    assert clock.monotonic() == before
    assert [NOT_CACHED in text and "other programs locked it" in text for text in warnings(caplog)] == [True]
    other.close()
    assert await cached(cache) == [hours(0, 1), hours(2, 3)]
    assert ["can be used again" in text for text in warnings(caplog)] == [False, True]


@pytest.mark.parametrize("damage", ["garbage", "truncated", "page", "table"])
async def test_a_broken_file(
    path: Path, clock: FakeClock, cache: SqliteCache, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    """It is renamed aside, with a warning, and a new one is begun with the new answers."""
    buy(cache, *(hours(170 * n, 170 * n + 168) for n in range(40)))
    await cache.flush()
    cache.file.release()
    whole = path.read_bytes()
    if damage == "table":
        with sqlite3.connect(path) as other:
            other.execute("PRAGMA writable_schema = ON")
            other.execute("UPDATE sqlite_schema SET rootpage = 99999 WHERE name = 'stretches'")
        other.close()
    else:
        path.write_bytes(
            {
                "garbage": b"nonsense" * 1000,
                "truncated": whole[: len(whole) // 2],
                "page": whole[:100] + bytes(4096) + whole[4196:],
            }[damage]
        )
    assert await cached(cache) == []
    buy(cache, hours(0, 1))
    await cache.flush()
    assert await cached(open_cache(path, clock)) == [hours(0, 1)]
    assert [("broken-1" in text) for text in warnings(caplog)] == [True]


@pytest.mark.parametrize(
    ("limit", "reason"), [("PRAGMA max_page_count = 24", "full"), ("PRAGMA query_only = ON", "readonly")]
)
async def test_a_disk_that_takes_nothing(
    path: Path,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
    limit: str,
    reason: str,
) -> None:
    """New parts are served from memory, to this process alone, and written when there is room."""
    file = Limited(path, durable=False)
    cache = SqliteCache(file, clock=clock)
    buy(cache, hours(0, 1))
    await cache.flush()
    file.release()
    file.limit = limit
    many = [hours(170 * n, 170 * n + 168) for n in range(1, 60)]
    buy(cache, *many)
    await cache.flush()
    assert len(await cached(cache)) > len(many)
    assert await cached(open_cache(path, clock)) == [hours(0, 1)]
    assert [NOT_CACHED in text and reason in text for text in warnings(caplog)] == [True]
    file.limit = ""
    file.release()
    await cache.flush()
    assert len(await cached(cache)) > len(many)
    assert ["can be used again" in text for text in warnings(caplog)] == [False, True]
    file.release()


@pytest.mark.skipif(os.name != "posix", reason="needs limits of POSIX")
async def test_a_disk_that_is_full_to_the_system(
    path: Path, clock: FakeClock, cache: SqliteCache, caplog: pytest.LogCaptureFixture
) -> None:
    """The same, where it is the system that refuses a write."""
    buy(cache, hours(0, 1))
    await cache.flush()
    many = [hours(170 * n, 170 * n + 168) for n in range(1, 200)]
    with no_file_beyond(path.stat().st_size + 8192):
        buy(cache, *many)
        await cache.flush()
        assert len(await cached(cache)) > len(many)
        assert await cached(open_cache(path, clock)) == [hours(0, 1)]
    assert [NOT_CACHED in text for text in warnings(caplog)] == [True]
    assert len(await cached(cache)) > len(many)
    with sqlite3.connect(path) as other:
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    other.close()


def can_be_barred(folder: Path) -> bool:
    """Tell whether permissions mean anything to this user, which they do not to root."""
    probe = folder / "probe"
    probe.touch(0o400)
    return not os.access(probe, os.W_OK)


@pytest.mark.parametrize("folder", [False, True])
async def test_a_file_that_may_only_be_read(
    tmp_path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture, folder: bool
) -> None:
    """A file, or its folder: nothing is raised, and all is written when it may be."""
    where = tmp_path / "folder"
    where.mkdir()
    if not can_be_barred(tmp_path):
        pytest.skip("nothing is forbidden to this user")
    cache = open_cache(where / "state.db", clock)
    buy(cache, hours(0, 1))
    await cache.flush()
    cache.file.release()
    barred = where if folder else cache.file.path
    barred.chmod(0o500)
    for journal in where.glob("*-journal"):
        if folder:
            journal.chmod(0o400)
    buy(cache, hours(2, 3))
    await cache.flush()
    assert await cached(cache) == [hours(0, 1)]
    assert [NOT_CACHED in text for text in warnings(caplog)] == [True]
    barred.chmod(0o700)
    for journal in where.glob("*-journal"):
        journal.chmod(0o600)
    await cache.flush()  # finds out that its way to the file is one for reading
    assert await cached(cache) == [hours(0, 1), hours(2, 3)]
    cache.file.release()


async def test_a_folder_that_is_gone(
    tmp_path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """And back again."""
    (tmp_path / "folder").mkdir()
    cache = open_cache(tmp_path / "folder" / "state.db", clock)
    buy(cache, hours(0, 1))
    await cache.flush()
    (tmp_path / "folder").rename(tmp_path / "away")
    buy(cache, hours(2, 3))
    await cache.flush()
    assert await cached(cache) == []
    (tmp_path / "away").rename(tmp_path / "folder")
    assert await cached(cache) == [hours(0, 1), hours(2, 3)]
    assert [NOT_CACHED in text for text in warnings(caplog) if "cannot be used" in text] == [True]
    cache.file.release()


async def test_a_newer_file_is_refused(cache: SqliteCache) -> None:
    """By each method that reads, before anything is sent; those that only write raise nothing."""
    buy(cache, hours(0, 1))
    await cache.flush()
    cache.file.transact(lambda connection: connection.execute("PRAGMA user_version = 99"))
    cache.file.release()
    before = cache.file.path.read_bytes()
    buy(cache, hours(2, 3))
    await cache.flush()
    for read in (
        cache.spans(SCOPE, SERIES),
        cache.get(SCOPE, SERIES, EVER),
        cache.reply(SCOPE, REPLY),
    ):
        with pytest.raises(InputError, match="newer version"):
            await read
    assert cache.file.path.read_bytes() == before


def spoil_part(column: str, value: object) -> Callable[[sqlite3.Connection], object]:
    """Return work that spoils the second part."""
    statement = f"UPDATE stretches SET {column} = ? WHERE start = ?"  # noqa: S608 - ours
    return lambda connection: connection.execute(statement, (value, hours(2, 3).start))


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\x02 another form",
        b"\x01 rubbish",
        "text",
        5,
        encode(stats_part(hours(4, 5))),
        encode(stats_part(hours(2, 3)))[:-1],
    ],
)
async def test_a_blob_that_cannot_be_read(
    cache: SqliteCache, caplog: pytest.LogCaptureFixture, value: object
) -> None:
    """It is as if it were not there, and deleted once it was found; a new answer takes its place."""
    for window in (hours(0, 1), hours(2, 3), hours(4, 5)):
        cache.put(SCOPE, SERIES, stats_part(window), NOW)
    cache.file.transact(spoil_part("body", value))
    found = await cache.get(SCOPE, SERIES, EVER)
    assert [part.window for part in found] == [hours(0, 1), hours(4, 5)]
    assert [each.window for each in await cache.spans(SCOPE, SERIES)] == [hours(0, 1), hours(4, 5)]
    cache.put(SCOPE, SERIES, stats_part(hours(2, 3)), NOW)
    assert len(await cache.get(SCOPE, SERIES, EVER)) == 3
    cache.file.transact(spoil_part("body", value))
    cache.put(SCOPE, SERIES, stats_part(hours(2, 2.5)), NOW)
    assert [each.window for each in await cache.spans(SCOPE, SERIES)] == [
        hours(0, 1),
        hours(2, 2.5),
        hours(4, 5),
    ]
    assert warnings(caplog) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("empty", "luck"), ("stop", "never"), ("stop", 2**62), ("stop", 1e300)),
        *(("fetched", b"x"), ("fetched", 1e300), ("fetched", -1)),
        *((name, value) for name in ("reported", "started", "since") for value in ("x", b"", -1, 2**62)),
    ],
)
async def test_a_span_that_cannot_be_read(
    cache: SqliteCache, caplog: pytest.LogCaptureFixture, column: str, value: object
) -> None:
    """The same."""
    for window in (hours(0, 1), hours(2, 3)):
        cache.put(SCOPE, SERIES, stats_part(window), NOW)
    cache.file.transact(spoil_part(column, value))
    assert [each.window for each in await cache.spans(SCOPE, SERIES)] == [hours(0, 1)]
    assert [part.window for part in await cache.get(SCOPE, SERIES, EVER)] == [hours(0, 1)]
    assert warnings(caplog) == []


@pytest.mark.parametrize("body", [b"", b"rubbish", "text", zlib.compress(b"{}")[:-1]])
async def test_a_reply_that_cannot_be_read(cache: SqliteCache, body: object) -> None:
    """It is as if it were not there, until there is a new one."""
    cache.put_reply(SCOPE, REPLY, response())
    cache.file.transact(lambda connection: connection.execute("UPDATE replies SET body = ?", (body,)))
    assert await cache.reply(SCOPE, REPLY) is None
    cache.put_reply(SCOPE, REPLY, response())
    assert await cache.reply(SCOPE, REPLY) == response()


@pytest.mark.parametrize("value", ["x", b"x"])
@pytest.mark.parametrize("column", ["fetched", "status", "since"])
async def test_a_reply_whose_times_cannot_be_read(cache: SqliteCache, column: str, value: object) -> None:
    """The same."""
    cache.put_reply(SCOPE, REPLY, response())
    update = f"UPDATE replies SET {column} = ?"  # noqa: S608 - ours
    cache.file.transact(lambda connection: connection.execute(update, (value,)))
    assert await cache.reply(SCOPE, REPLY) is None


async def test_an_older_reply_does_not_replace_a_newer_one(
    path: Path, clock: FakeClock, cache: SqliteCache
) -> None:
    """A process that wrote late does not undo what another one learned since."""
    late = open_cache(path, clock)
    late.put_reply(SCOPE, REPLY, response(b"old", NOW))
    cache.put_reply(SCOPE, REPLY, response(b"new", NOW + 1))
    await cache.flush()
    await late.flush()
    assert await cache.reply(SCOPE, REPLY) == response(b"new", NOW + 1)
    late.file.release()


async def test_a_part_that_cannot_be_written_is_dropped(
    cache: SqliteCache, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are written all the same."""

    def broken(_: object) -> None:
        raise ZeroDivisionError

    cache.put(SCOPE, SERIES, stats_part(hours(0, 1), reported=NOW), NOW)
    series = type(SERIES)("stats", SERIES.system_id, grid=SERIES.grid, load=SERIES.load, join=broken)
    cache.put(SCOPE, series, stats_part(hours(1, 2), reported=NOW), NOW)
    cache.put(SCOPE, SERIES, stats_part(hours(3, 4)), NOW)
    assert [each.window for each in await cache.spans(SCOPE, SERIES)] == [hours(0, 1), hours(3, 4)]
    assert ["dropped" in text for text in warnings(caplog)] == [True]


@pytest.fixture
def weeks_file(tmp_path: Path) -> Iterator[StateFile]:
    """Return a file that holds two weeks, and the first hour of a third, hour by hour."""
    made = StateFile(tmp_path / "state.db", durable=False)

    def fill(connection: sqlite3.Connection) -> None:
        for hour in range(2 * WEEK + 1):
            part = stats_part(hours(hour, hour + 1), hour)
            perform(made, connection, lambda tables: tables.write_part(SCOPE, SERIES, part, NOW + hour))  # noqa: B023 - done at once

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
def test_only_rows_that_touch_a_window_are_read(
    weeks_file: StateFile, window: Window, first: int, last: int
) -> None:
    """Not all of its weeks, which may be in hundreds of pieces; nor what lies beside it in another week."""
    work = partial(perform, weeks_file, work=lambda tables: tables.parts(SCOPE, SERIES, window))
    rows = weeks_file.read(work)
    assert [Window(*row[:2]) for row in rows] == [hours(hour, hour + 1) for hour in range(first, last + 1)]


class Counted(StateFile):
    """A file that counts its transactions."""

    begun = 0

    def _attempt(self, work: Callable[[sqlite3.Connection], Any], begin: str) -> Any:
        self.begun += 1
        return super()._attempt(work, begin)


@pytest.fixture
def counted(path: Path, clock: FakeClock) -> Iterator[tuple[SqliteCache, Counted]]:
    """Return a cache that something is in, and its file."""
    file = Counted(path, durable=False)
    cache = SqliteCache(file, clock=clock)
    buy(cache, hours(0, 1))
    file.flush()
    yield cache, file
    file.release()


async def test_what_was_read_is_not_read_again(counted: tuple[SqliteCache, Counted]) -> None:
    """Nor is anything looked for in a series of which it is known that it holds nothing there."""
    cache, file = counted
    assert await cached(cache) == [hours(0, 1)]
    file.begun = 0
    assert await cached(cache) == [hours(0, 1)]
    assert await cache.get(SCOPE, SERIES, hours(5, 6)) == ()
    assert file.begun == 0


async def test_what_this_process_writes_is_read(
    counted: tuple[SqliteCache, Counted], clock: FakeClock
) -> None:
    """Also what another cache of the same file writes, and what is not on the disk yet; other things stay."""
    cache, file = counted
    await cached(cache)
    SqliteCache(file, clock=clock).put(SCOPE, SERIES, stats_part(hours(2, 3), reported=NOW), NOW)
    file.begun = 0
    assert await cache.reply(SCOPE, REPLY) is not None
    assert file.begun == 0
    assert await cached(cache) == [hours(0, 1), hours(2, 3)]
    cache.put_reply(SCOPE, REPLY, response(b"[1]", NOW + 1))
    reply = await cache.reply(SCOPE, REPLY)
    assert reply is not None
    assert reply.body == b"[1]"


async def test_what_another_process_writes_is_read(
    path: Path, counted: tuple[SqliteCache, Counted], clock: FakeClock
) -> None:
    """Whatever it was, all is read again."""
    cache, file = counted
    await cached(cache)
    other = open_cache(path, clock)
    other.put(SCOPE, SERIES, stats_part(hours(2, 3), reported=NOW), NOW)
    await other.flush()
    assert await cached(cache) == [hours(0, 1), hours(2, 3)]
    file.begun = 0
    assert await cached(cache) == [hours(0, 1), hours(2, 3)]
    assert file.begun == 0
    other.file.release()


async def test_another_file_of_the_name_is_read(path: Path, counted: tuple[SqliteCache, Counted]) -> None:
    """One that was deleted is no more, and what is closed has to be looked at again."""
    cache, file = counted
    await cached(cache)
    file.release()
    file.begun = 0
    assert await cached(cache) == [hours(0, 1)]
    assert file.begun == 3
    path.unlink()
    assert await cached(cache) == []


async def test_while_a_thread_is_at_the_file_it_is_read(counted: tuple[SqliteCache, Counted]) -> None:
    """An event loop does not wait for the thread."""
    cache, file = counted
    await cached(cache)
    assert file.hold()
    assert file.version() is None
    file.let_go()
    assert file.version() is not None


async def test_while_a_thread_writes_the_file_it_is_the_same(
    path: Path, counted: tuple[SqliteCache, Counted], clock: FakeClock
) -> None:
    """Nobody else writes meanwhile, so that what was read is good; what they wrote before is told."""
    cache, file = counted
    await cached(cache)
    before = file.version()
    assert before is not None
    assert file.transact(lambda connection: (file.version(), file.version(connection))) == (before, before)
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("INSERT INTO meta VALUES ('other', x'00')")
    after = file.transact(lambda _: file.version())
    assert after not in {before, None}
    assert file.version() == after


async def test_a_write_while_it_is_read_is_not_missed(
    counted: tuple[SqliteCache, Counted], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read a moment before is not taken for what is cached."""
    cache, file = counted
    finish = Look.finish

    def finished_late(look: Look[Any, Any]) -> None:
        finish(look)
        if not file.pending:
            cache.put(SCOPE, SERIES, stats_part(hours(2, 3), reported=NOW), NOW)

    monkeypatch.setattr(Look, "finish", finished_late)
    assert [span.window for span in await cache.spans(SCOPE, SERIES)] == [hours(0, 1)]
    assert [span.window for span in await cache.spans(SCOPE, SERIES)] == [hours(0, 1), hours(2, 3)]


async def test_what_is_kept_in_memory_is_bounded(
    counted: tuple[SqliteCache, Counted], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By number and by size; then it begins anew."""
    cache, file = counted
    monkeypatch.setattr("enlighten_async.cache.sqlite.MAX_KEPT", 3)
    for hour in range(9):
        await cache.get(SCOPE, SERIES, hours(hour, hour + 1))
    assert sum(map(len, cache._last._looks.values())) == 3
    monkeypatch.setattr("enlighten_async.cache.sqlite.MAX_KEPT", 1000)
    monkeypatch.setattr("enlighten_async.cache.sqlite.MAX_KEPT_BYTES", 1)
    await cache.get(SCOPE, SERIES, hours(0, 1))
    await cache.reply(SCOPE, REPLY)
    file.begun = 0
    await cache.get(SCOPE, SERIES, hours(0, 1))
    assert file.begun == 1


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return the rows that are decoded from now on."""
    found = list[object]()

    def noted(row: tuple[Any, ...], series: Any) -> Any:
        found.append(row[0])
        return part_of(row, series)

    monkeypatch.setattr("enlighten_async.cache.base.part_of", noted)
    return found


async def test_what_is_asked_for_again_is_kept_decoded(
    counted: tuple[SqliteCache, Counted], decoded: list[object]
) -> None:
    """From the second time on; not after something else was written about it."""
    cache, _ = counted
    again = [await cache.get(SCOPE, SERIES, hours(0, 1)) for _ in range(5)]
    assert len(decoded) == 2
    assert all(each == again[0] for each in again)
    cache.put(SCOPE, SERIES, stats_part(hours(0, 1), 7, reported=NOW), NOW + 1)
    ((new,), (same,)) = [await cache.get(SCOPE, SERIES, hours(0, 1)) for _ in range(2)]
    assert new.span.fetched == same.span.fetched == NOW + 1
    assert len(cache._last._hot) == 1


async def test_what_is_asked_for_once_is_not_kept_decoded(
    counted: tuple[SqliteCache, Counted], decoded: list[object]
) -> None:
    """As a stream of years asks: it would fill the memory."""
    cache, _ = counted
    for quarter in range(4):
        assert await cache.get(SCOPE, SERIES, hours(quarter / 4, quarter / 4 + 0.25))
    assert len(decoded) == 4
    assert not cache._last._hot


async def test_what_is_kept_decoded_is_bounded(
    counted: tuple[SqliteCache, Counted], decoded: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the memory that it takes: the oldest makes room, and what is larger than the room is not kept."""
    cache, _ = counted
    windows = [hours(0, 0.5), hours(0.5, 1)]

    async def read_all() -> int:
        decoded.clear()
        for window in windows:
            await cache.get(SCOPE, SERIES, window)
        return len(decoded)

    size = bytes_of(await cache.get(SCOPE, SERIES, windows[0]))
    monkeypatch.setattr("enlighten_async.cache.sqlite.MAX_HOT_BYTES", 2 * size)
    await read_all()
    await read_all()
    assert await read_all() == 0
    cache._last._cool(*cache._last._hot)
    monkeypatch.setattr("enlighten_async.cache.sqlite.MAX_HOT_BYTES", 2 * size - 1)
    assert [await read_all() for _ in range(3)] == [2, 2, 2]
    assert len(cache._last._hot) == 1
    cache._last._cool(*cache._last._hot)
    monkeypatch.setattr("enlighten_async.cache.sqlite.MAX_HOT_BYTES", size - 1)
    await read_all()
    assert not cache._last._hot


async def test_what_was_forgotten_meanwhile_is_not_kept_decoded(
    counted: tuple[SqliteCache, Counted],
) -> None:
    """Nobody would find it, and it would take memory."""
    cache, file = counted
    await cache.get(SCOPE, SERIES, hours(0, 1))
    look = cache._last.find((SCOPE, SERIES), hours(0, 1), file)
    assert look is not None
    made = look.again()
    cache.put(SCOPE, SERIES, stats_part(hours(0, 1), reported=NOW), NOW)
    cache._last.keep_made((SCOPE, SERIES), hours(0, 1), look, made, 1)
    assert not cache._last._hot


async def test_what_is_not_found_any_more_is_not_kept_decoded(
    path: Path, counted: tuple[SqliteCache, Counted], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As another process has written, or as all begins anew."""
    cache, _ = counted
    for _ in range(2):
        await cache.get(SCOPE, SERIES, hours(0, 1))
    assert cache._last._hot
    other = open_cache(path, clock)
    other.put(SCOPE, SERIES, stats_part(hours(2, 3), reported=NOW), NOW)
    await other.flush()
    other.file.release()
    await cache.get(SCOPE, SERIES, hours(0, 1))
    assert not cache._last._hot
    await cache.get(SCOPE, SERIES, hours(0, 1))
    assert cache._last._hot
    monkeypatch.setattr("enlighten_async.cache.sqlite.MAX_KEPT", 1)
    await cache.get(SCOPE, SERIES, hours(2, 3))
    assert not cache._last._hot


def test_the_memory_that_columns_and_bodies_take() -> None:
    """About: what is around them counts a little."""
    part = stats_part(hours(0, 10), reported=NOW)
    columns = sum(column.nbytes for column in part.intervals.columns.values())
    assert columns <= bytes_of((part,)) <= columns + 4096
    assert 1000 <= bytes_of(response(bytes(1000), NOW)) <= 1500


async def test_callers_side_by_side_look_together(counted: tuple[SqliteCache, Counted]) -> None:
    """One transaction answers many; one that fails by its own fault fails alone."""
    cache, file = counted
    found = list[tuple[CachedPart[Stats], ...]]()
    errors = list[TypeError]()

    async def look(hour: int) -> None:
        found.append(await cache.get(SCOPE, SERIES, hours(hour, hour + 1)))

    async def fail() -> None:
        with pytest.raises(TypeError) as caught:
            await cache.held(SCOPE, "stats", [object()])  # type: ignore[list-item]
        errors.append(caught.value)

    file.begun = 0
    async with anyio.create_task_group() as tasks:
        for hour in range(15):
            tasks.start_soon(look, hour)
            if hour % 5 == 0:
                tasks.start_soon(fail)
    assert sum(bool(each) for each in found) == 1
    assert (len(found), len(errors)) == (15, 3)
    assert file.begun <= 4
