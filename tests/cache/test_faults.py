"""A state file that fails: said once, nothing raised, nothing held meanwhile, and kept again afterwards."""

# ruff: noqa: ASYNC240  (files are small)

from __future__ import annotations

import logging
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from enlighten_async.cache import SqliteCache
from enlighten_async.cache.codec import encode
from enlighten_async.errors import InputError
from enlighten_async.state import StateFile
from enlighten_async.testing import FakeClock
from enlighten_async.windows import Window
from tests.cache.parts import ACCOUNT, NOW, REPLY, SHELF, a_store, hours, response, stats

NOT_KEPT = "what is bought is not kept"
EVER = Window(0, 1 << 32)
ACCOUNTS = "SELECT account FROM series UNION ALL SELECT account FROM replies"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the file is."""
    return tmp_path / "state.db"


@pytest.fixture
def clock() -> FakeClock:
    """Return the time at NOW."""
    return FakeClock(NOW)


@pytest.fixture
def store(path: Path, clock: FakeClock) -> Iterator[SqliteCache]:
    """Return the store as this process has it."""
    made = a_store(path, clock)
    yield made
    made.file.release()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was warned of."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


async def held(store: SqliteCache) -> list[Window]:
    """Return what is held, by all ways to ask for it, which must say the same."""
    known = [stretch.window for stretch in await store.stretches(ACCOUNT, SHELF)]
    assert [kept.window for kept in await store.get(ACCOUNT, SHELF, EVER)] == known
    assert (await store.reply(ACCOUNT, REPLY) is not None) == bool(known)
    return known


def buy(store: SqliteCache, *windows: Window) -> None:
    """Put answers for some windows, and one that is no series."""
    for window in windows:
        store.put(ACCOUNT, SHELF, stats(window, reported=NOW), NOW)
    store.put_reply(ACCOUNT, REPLY, response())


async def test_another_process_finds_what_was_flushed(
    path: Path, clock: FakeClock, store: SqliteCache
) -> None:
    """And nothing of it before; the account's name is not in the file."""
    buy(store, hours(0, 1))
    other = a_store(path, clock)
    assert await held(other) == []
    assert repr(store).endswith("unwritten=2>")
    await store.flush()
    assert repr(store) == f"<SqliteIntervalStore {str(path)!r} unwritten=0>"
    assert await held(other) == await held(store) == [hours(0, 1)]
    other.file.release()
    assert ACCOUNT not in path.read_bytes()


async def test_an_account_has_another_name_in_each_file(tmp_path: Path, clock: FakeClock) -> None:
    """Without the file nobody can tell whose it is, not even who knows the account."""
    names = []
    for name in "ab":
        store = a_store(tmp_path / name, clock)
        buy(store, hours(0, 1))
        names += store.file.look(lambda connection: connection.execute(ACCOUNTS).fetchall())
        store.file.release()
    assert [names.count(name) for name in names] == [2, 2, 2, 2]


async def test_a_cancel_does_not_cut_off_what_is_written(store: SqliteCache) -> None:
    """What was paid for is on the disk when the flush is over."""
    buy(store, hours(0, 1))
    with anyio.CancelScope() as scope:
        scope.cancel()
        await store.flush()
    assert store.file.noted == 0
    assert await held(store) == [hours(0, 1)]


async def test_processes_at_once(path: Path) -> None:
    """Nothing of what they bought is lost, whoever had to wait."""
    clock = FakeClock(NOW)
    stores = [a_store(path, clock) for _ in range(4)]

    async def work(number: int) -> None:
        for each in range(8):
            start = 4 * each + number
            buy(stores[number], hours(start, start + 1))
            await stores[number].flush()
            mine = hours(start, start + 1)
            known = await stores[number].stretches(ACCOUNT, SHELF)
            assert mine in [each.window.clip(mine) for each in known]

    async with anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(work, number)
    assert await held(stores[0]) == [hours(0, 32)]
    for store in stores:
        store.file.release()


async def test_a_file_held_for_a_moment(
    path: Path, clock: FakeClock, store: SqliteCache, caplog: pytest.LogCaptureFixture
) -> None:
    """It is waited for, without a word."""
    buy(store, hours(0, 1))
    await store.flush()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(held, store)
        await clock.sleep(0.5)
        other.close()
    assert await held(store) == [hours(0, 1)]
    assert warnings(caplog) == []


async def test_a_locked_file(
    path: Path, clock: FakeClock, store: SqliteCache, caplog: pytest.LogCaptureFixture
) -> None:
    """Waited for once; then it is as if nothing were held, until it is free."""
    buy(store, hours(0, 1))
    await store.flush()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    before = clock.monotonic()
    assert await held(store) == []
    assert 1 <= clock.monotonic() - before <= 1.2
    before = clock.monotonic()
    buy(store, hours(2, 3))
    await store.flush()
    assert await held(store) == []
    assert clock.monotonic() == before
    assert [NOT_KEPT in text and "others held it" in text for text in warnings(caplog)] == [True]
    other.close()
    assert await held(store) == [hours(0, 1), hours(2, 3)]
    assert ["can be used again" in text for text in warnings(caplog)] == [False, True]


@pytest.mark.parametrize("damage", ["garbage", "truncated", "page", "table"])
async def test_a_broken_file(
    path: Path, clock: FakeClock, store: SqliteCache, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    """It is set aside, which is said, and a new one is begun with what is bought."""
    buy(store, *(hours(170 * n, 170 * n + 168) for n in range(40)))
    await store.flush()
    store.file.release()
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
    assert await held(store) == []
    buy(store, hours(0, 1))
    await store.flush()
    assert await held(a_store(path, clock)) == [hours(0, 1)]
    assert [("broken-1" in text) for text in warnings(caplog)] == [True]


class Limited(StateFile):
    """A file on a disk that may be full, or that may only be read."""

    limit = ""

    def _open(self) -> None:
        super()._open()
        if self.limit and self._connection is not None:
            self._connection.execute(self.limit)


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
    """What is held is served as far as it can be read; what is bought is written when there is room."""
    file = Limited(path, durable=False)
    store = SqliteCache(file, clock=clock)
    buy(store, hours(0, 1))
    await store.flush()
    file.release()
    file.limit = limit
    many = [hours(170 * n, 170 * n + 168) for n in range(1, 60)]
    buy(store, *many)
    await store.flush()
    assert await held(store) == [hours(0, 1)]
    assert [NOT_KEPT in text and reason in text for text in warnings(caplog)] == [True]
    file.limit = ""
    file.release()
    await store.flush()
    assert len(await held(store)) > len(many)
    assert ["can be used again" in text for text in warnings(caplog)] == [False, True]
    file.release()


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """Let no file of this process become larger."""
    import resource  # noqa: PLC0415 - POSIX only

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(os.name != "posix", reason="needs limits of POSIX")
async def test_a_disk_that_is_full_to_the_system(
    path: Path, store: SqliteCache, caplog: pytest.LogCaptureFixture
) -> None:
    """The same, where it is the system that refuses a write."""
    buy(store, hours(0, 1))
    await store.flush()
    many = [hours(170 * n, 170 * n + 168) for n in range(1, 200)]
    with no_file_beyond(path.stat().st_size + 8192):
        buy(store, *many)
        await store.flush()
        assert await held(store) == [hours(0, 1)]
    assert [NOT_KEPT in text for text in warnings(caplog)] == [True]
    assert len(await held(store)) > len(many)
    with sqlite3.connect(path) as other:
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    other.close()


def can_be_barred(folder: Path) -> bool:
    """Tell whether permissions mean anything to this user, which they do not to root."""
    probe = folder / "probe"
    probe.touch(0o400)
    return not os.access(probe, os.W_OK)


@pytest.mark.parametrize("folder", [False, True])
async def test_what_may_only_be_read(
    tmp_path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture, folder: bool
) -> None:
    """A file, or its folder: nothing is raised, and all is kept when it may be written."""
    where = tmp_path / "folder"
    where.mkdir()
    if not can_be_barred(tmp_path):
        pytest.skip("nothing is forbidden to this user")
    store = a_store(where / "state.db", clock)
    buy(store, hours(0, 1))
    await store.flush()
    store.file.release()
    barred = where if folder else store.file.path
    barred.chmod(0o500)
    for journal in where.glob("*-journal"):
        if folder:
            journal.chmod(0o400)
    buy(store, hours(2, 3))
    await store.flush()
    assert await held(store) == [hours(0, 1)]
    assert [NOT_KEPT in text for text in warnings(caplog)] == [True]
    barred.chmod(0o700)
    for journal in where.glob("*-journal"):
        journal.chmod(0o600)
    await store.flush()  # finds out that its way to the file is one for reading
    assert await held(store) == [hours(0, 1), hours(2, 3)]
    store.file.release()


async def test_a_folder_that_is_gone(
    tmp_path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """And back again."""
    (tmp_path / "folder").mkdir()
    store = a_store(tmp_path / "folder" / "state.db", clock)
    buy(store, hours(0, 1))
    await store.flush()
    (tmp_path / "folder").rename(tmp_path / "away")
    buy(store, hours(2, 3))
    await store.flush()
    assert await held(store) == []
    (tmp_path / "away").rename(tmp_path / "folder")
    assert await held(store) == [hours(0, 1), hours(2, 3)]
    assert [NOT_KEPT in text for text in warnings(caplog) if "cannot be used" in text] == [True]
    store.file.release()


async def test_a_newer_file_is_refused(store: SqliteCache) -> None:
    """By whatever reads, before anything is spent; what cannot wait raises nothing."""
    buy(store, hours(0, 1))
    await store.flush()
    store.file.transact(lambda connection: connection.execute("PRAGMA user_version = 99"))
    store.file.release()
    before = store.file.path.read_bytes()
    buy(store, hours(2, 3))
    await store.flush()
    for read in (
        store.stretches(ACCOUNT, SHELF),
        store.get(ACCOUNT, SHELF, EVER),
        store.reply(ACCOUNT, REPLY),
    ):
        with pytest.raises(InputError, match="newer version"):
            await read
    assert store.file.path.read_bytes() == before


def stretch_with(column: str, value: object) -> Callable[[sqlite3.Connection], object]:
    """Return what spoils the second stretch."""
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
        encode(stats(hours(4, 5))),
        encode(stats(hours(2, 3)))[:-1],
    ],
)
async def test_a_blob_that_cannot_be_read(
    store: SqliteCache, caplog: pytest.LogCaptureFixture, value: object
) -> None:
    """It is as if it were not there, for the store as well once it was found out; and bought anew."""
    for window in (hours(0, 1), hours(2, 3), hours(4, 5)):
        store.put(ACCOUNT, SHELF, stats(window), NOW)
    store.file.transact(stretch_with("body", value))
    found = await store.get(ACCOUNT, SHELF, EVER)
    assert [kept.window for kept in found] == [hours(0, 1), hours(4, 5)]
    assert [each.window for each in await store.stretches(ACCOUNT, SHELF)] == [hours(0, 1), hours(4, 5)]
    store.put(ACCOUNT, SHELF, stats(hours(2, 3)), NOW)
    assert len(await store.get(ACCOUNT, SHELF, EVER)) == 3
    store.file.transact(stretch_with("body", value))
    store.put(ACCOUNT, SHELF, stats(hours(2, 2.5)), NOW)
    assert [each.window for each in await store.stretches(ACCOUNT, SHELF)] == [
        hours(0, 1),
        hours(2, 2.5),
        hours(4, 5),
    ]
    assert warnings(caplog) == []


@pytest.mark.parametrize(("column", "value"), [("empty", "luck"), ("stop", "never"), ("fetched", b"x")])
async def test_a_stretch_that_cannot_be_read(
    store: SqliteCache, caplog: pytest.LogCaptureFixture, column: str, value: object
) -> None:
    """The same."""
    for window in (hours(0, 1), hours(2, 3)):
        store.put(ACCOUNT, SHELF, stats(window), NOW)
    store.file.transact(stretch_with(column, value))
    assert [each.window for each in await store.stretches(ACCOUNT, SHELF)] == [hours(0, 1)]
    assert [kept.window for kept in await store.get(ACCOUNT, SHELF, EVER)] == [hours(0, 1)]
    assert warnings(caplog) == []


@pytest.mark.parametrize("body", [b"", b"rubbish", "text", zlib.compress(b"{}")[:-1]])
async def test_an_answer_that_cannot_be_read(store: SqliteCache, body: object) -> None:
    """It is as if it were not there, until it is bought again."""
    store.put_reply(ACCOUNT, REPLY, response())
    store.file.transact(lambda connection: connection.execute("UPDATE replies SET body = ?", (body,)))
    assert await store.reply(ACCOUNT, REPLY) is None
    store.put_reply(ACCOUNT, REPLY, response())
    assert await store.reply(ACCOUNT, REPLY) == response()


async def test_an_older_answer_does_not_replace_a_newer_one(
    path: Path, clock: FakeClock, store: SqliteCache
) -> None:
    """A process that wrote late does not undo what another one learned since."""
    late = a_store(path, clock)
    late.put_reply(ACCOUNT, REPLY, response(b"old", NOW))
    store.put_reply(ACCOUNT, REPLY, response(b"new", NOW + 1))
    await store.flush()
    await late.flush()
    assert await store.reply(ACCOUNT, REPLY) == response(b"new", NOW + 1)
    late.file.release()


async def test_what_cannot_be_kept_is_given_up(store: SqliteCache, caplog: pytest.LogCaptureFixture) -> None:
    """And does not keep anything else from being kept."""

    def broken(_: object) -> None:
        raise ZeroDivisionError

    store.put(ACCOUNT, SHELF, stats(hours(0, 1), reported=NOW), NOW)
    series = type(SHELF)("stats", SHELF.system_id, grid=SHELF.grid, model=SHELF.model, join=broken)
    store.put(ACCOUNT, series, stats(hours(1, 2), reported=NOW), NOW)
    store.put(ACCOUNT, SHELF, stats(hours(3, 4)), NOW)
    assert [each.window for each in await store.stretches(ACCOUNT, SHELF)] == [hours(0, 1), hours(3, 4)]
    assert ["given up" in text for text in warnings(caplog)] == [True]
