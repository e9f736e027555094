"""A state file that fails under a whole query: it is said, all is answered, and all is kept afterwards."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from enlighten_async import EnlightenClient, Plan, RgmStats
from enlighten_async.cache import SqliteCache
from enlighten_async.errors import UsageError
from enlighten_async.limiter import Priority
from tests.cache.test_sqlite import NOT_CACHED, Limited, no_file_beyond
from tests.limiter.stores import store_in
from tests.world import World

WEEK = 7 * 86_400
HELD, ALL = 3, 8
"""Weeks that were bought before, and weeks that are asked for."""
COUNTED = "what is spent is counted in memory"


@contextmanager
def full(path: Path) -> Iterator[None]:
    """Let the disk have no room for more than the count of what is spent."""
    with no_file_beyond(path.stat().st_size):
        yield


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let another program hold the file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


@contextmanager
def read_only(_: Path) -> Iterator[None]:
    """Let the file be read, but not written."""
    Limited.limit = "PRAGMA query_only = ON"
    try:
        yield
    finally:
        Limited.limit = ""


@contextmanager
def corrupt(path: Path) -> Iterator[None]:
    """Let somebody have written all over the file's pages, while it is in use."""
    whole = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (len(whole) - 4096))
    yield


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the file will be."""
    return tmp_path / "state.db"


def weeks(world: World, first: int, last: int) -> dict[str, float]:
    """Return the range of some weeks, counted from nine weeks ago."""
    begin = world.clock.now() // WEEK * WEEK - 9 * WEEK
    return {"start_at": begin + first * WEEK, "end_at": begin + last * WEEK}


def client(world: World, path: Path, fault: str) -> EnlightenClient:
    """Open a client; its way to the file may be one for reading only."""
    if fault != "read-only":
        return world.client(state=path)
    file = Limited(path, durable=False)
    return world.client(
        quota_store=store_in(file, world.clock),
        interval_cache=SqliteCache(file, clock=world.clock),
    )


def on_a_full_disk(world: World, path: Path, version: str) -> EnlightenClient:
    """Open a client whose file may have room for counts, but not for answers: see `Limited.limit`."""
    file = Limited(path, durable=False)
    return (world.client if version == "v2" else world.v4)(
        quota_store=store_in(file, world.clock),
        interval_cache=SqliteCache(file, clock=world.clock),
    )


def true(world: World, answer: RgmStats) -> bool:
    """Tell whether an answer is whole, and the truth."""
    known = world.emulator.truth.rgm_stats(world.system, answer.window.start, answer.window.end)
    columns = answer.intervals.columns
    return answer.coverage.complete and dict(zip(columns["end_at"], columns["wh_del"], strict=True)) == {
        row["end_at"]: row["wh_del"] for row in known
    }


FAULTS: dict[str, tuple[Callable[[Path], AbstractContextManager[None]], int, list[str]]] = {
    "full": (full, ALL - HELD, [NOT_CACHED]),
    "locked": (locked, ALL, [COUNTED, NOT_CACHED]),
    "read-only": (read_only, ALL - HELD, [COUNTED, NOT_CACHED]),
    "corrupt": (corrupt, ALL, ["is broken"]),
}
"""What happens to the file, how many weeks have to be bought then, and what is said."""


@pytest.mark.skipif(os.name != "posix", reason="needs limits of POSIX")
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_whole_query(world: World, path: Path, caplog: pytest.LogCaptureFixture, fault: str) -> None:
    """Answered all the same, by what is held as far as that can be read; and nothing is bought once more."""
    befall, price, said = FAULTS[fault]
    async with client(world, path, fault) as before:
        await before.rgm_stats(world.system, **weeks(world, 0, HELD))
    world.emulator.counts.reset()
    async with client(world, path, fault) as one:
        await one.rgm_stats(world.system, **weeks(world, 1, HELD))  # the file is open
        with befall(path):
            if fault == "read-only":
                file: Any = one._session.cache
                file.file.release()
            answer = await one.rgm_stats(world.system, **weeks(world, 0, ALL))
        assert true(world, answer)
        assert answer.receipt.sent == world.emulator.counts.sent == price
        warned = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        assert [any(words in text for text in warned) for words in said] == [True] * len(said)
        assert len(warned) == len(said)
        assert all(str(path) in text for text in warned)
    world.clock.advance(60)
    async with client(world, path, fault) as other:
        again = await other.rgm_stats(world.system, **weeks(world, 0, ALL))
    assert again == answer
    assert (again.receipt.sent, world.emulator.counts.sent) == (0, price)
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("version", ["v2", "v4"])
@pytest.mark.parametrize("priority", ["poll", "backfill"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_nothing_is_bought_for_a_full_disk(
    world: World,
    path: Path,
    caplog: pytest.LogCaptureFixture,
    version: str,
    priority: Priority,
    streamed: bool,
) -> None:
    """But what somebody waits for, which is kept when there is room; then the others go on by themselves."""
    Limited.limit = "PRAGMA max_page_count = 1"  # it does not grow any more
    try:
        async with on_a_full_disk(world, path, version) as client:
            patient = client.with_options(priority=priority)

            async def ask() -> None:
                query = patient.rgm_stats(world.system, **weeks(world, 0, ALL))
                _ = [part async for part in query] if streamed else await query

            answer = await client.rgm_stats(world.system, **weeks(world, HELD, ALL))
            assert true(world, answer)
            sent = world.emulator.counts.sent
            for _ in range(2):
                with pytest.raises(UsageError, match="make room on the disk"):
                    await ask()
                with pytest.raises(UsageError, match="make room on the disk"):
                    await patient.systems()
            assert world.emulator.counts.sent == sent
            assert [
                NOT_CACHED in record.getMessage() for record in caplog.records if record.levelno >= 30
            ] == [True]
            file: Any = client._session.cache
            Limited.limit = ""
            file.file.release()
            await ask()
            assert world.emulator.counts.sent == sent + HELD
    finally:
        Limited.limit = ""


@pytest.mark.skipif(os.name != "posix", reason="needs limits of POSIX")
@pytest.mark.parametrize("version", ["v2", "v4"])
async def test_a_file_that_may_not_grow(
    world: World, path: Path, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Though the disk has room: no process of poll or backfill buys what it cannot keep, and each says so."""
    async with on_a_full_disk(world, path, version) as client:
        await client.rgm_stats(world.system, **weeks(world, 0, HELD))
    with closing(sqlite3.connect(path)) as file:
        file.execute("VACUUM")
    sent = world.emulator.counts.sent
    with full(path):
        for priority in ("poll", "backfill"):
            caplog.clear()
            async with on_a_full_disk(world, path, version) as process:
                with pytest.raises(UsageError, match="make room on the disk"):
                    await process.with_options(priority=priority).systems()
                assert "queries of priority poll and backfill are refused" in caplog.text
    assert world.emulator.counts.sent == sent
    for _ in range(2):
        async with on_a_full_disk(world, path, version) as process:
            poll = process.with_options(priority="poll")
            assert true(world, await poll.rgm_stats(world.system, **weeks(world, 0, ALL)))
    assert world.emulator.counts.sent == sent + ALL - HELD


@pytest.mark.skipif(os.name != "posix", reason="needs limits of POSIX")
async def test_a_full_disk_is_told_once(world: World, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One warning, though one count fits and the next does not; and one more when there is room."""

    def told() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]

    caplog.set_level(logging.INFO)
    async with world.client(state=path, plan=Plan(minute=1000)) as client:
        await client.rgm_stats(world.system, **weeks(world, 0, HELD))
        with full(path):
            for first in range(6):
                await client.stats(world.system, **weeks(world, first, first + 3))
                await client.with_options(max_age=0).summary(world.system)
            assert ["cannot be used" in text for text in told()] == [True]
            assert NOT_CACHED in caplog.text
        await client.stats(world.system, **weeks(world, 0, 3))
        await client.with_options(max_age=0).summary(world.system)
        assert ["can be used again" in text for text in told()] == [False, True]


@pytest.mark.skipif(os.name != "posix", reason="needs limits of POSIX")
@pytest.mark.parametrize("version", ["v2", "v4"])
async def test_what_a_full_disk_does_not_take_is_kept_in_memory(
    world: World, path: Path, version: str
) -> None:
    """Bought once by this process, whoever asks again; and once more by the next one."""
    async with on_a_full_disk(world, path, version) as client:
        await client.rgm_stats(world.system, **weeks(world, 0, HELD))
    with full(path):
        for price in (ALL - HELD, ALL - HELD):
            sent = world.emulator.counts.sent
            async with on_a_full_disk(world, path, version) as process:
                for _ in range(3):
                    assert true(world, await process.rgm_stats(world.system, **weeks(world, 0, ALL)))
                    day = world.clock.now() - 86_400
                    recent = process.with_options(max_age=3600)
                    await recent.rgm_stats(world.system, start_at=day)
                    await recent.summary(world.system)
                assert world.emulator.counts.sent == sent + price + 2


def written_over(start: int, content: bytes) -> Callable[[Path], object]:
    """Return what writes over the file from a byte on, without SQLite."""

    def spoil(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(start)
            file.write(content)

    return spoil


def statement(sql: str) -> Callable[[Path], object]:
    """Return what another program does to the file by SQLite."""

    def spoil(path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute(sql)

    return spoil


def cut(path: Path) -> None:
    """Cut the file in the middle."""
    os.truncate(path, path.stat().st_size // 2)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no header": written_over(0, bytes(100)),
    "junk header": written_over(0, b"nonsense" * 12),
    "first page": written_over(100, b"\xa5" * 3996),
    "all zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "text": lambda path: path.write_text("my thesis\n" * 2000),
    "page count": written_over(28, b"\x7f\xff\xff\xff"),
    "free list": written_over(32, b"\x00\x00\x00\x02\x00\x00\x00\x09"),
    "schema format": written_over(44, b"\x00\x00\x00\x63"),
    "half": cut,
    "empty": lambda path: os.truncate(path, 0),
    "few bytes": lambda path: os.truncate(path, 50),
    "junk journal": lambda path: path.with_name(f"{path.name}-journal").write_bytes(b"nonsense" * 2000),
    "WAL": written_over(18, b"\x02\x02"),
    "deleted": lambda path: path.unlink(),
    "replaced": lambda path: path.with_name("junk").rename(path),
    **{
        f"salt {value}": statement(f"UPDATE meta SET value = {value} WHERE name = 'salt'")  # noqa: S608 - ours
        for value in ("'nonsense'", "-1", "5", "1e9", "zeroblob(1000)")
    },
    "older schema": statement("PRAGMA user_version = 1"),
    "no counts": statement("UPDATE quota SET counts = 'nonsense'"),
    "trigger": statement("CREATE TRIGGER t BEFORE INSERT ON quota BEGIN SELECT RAISE(ABORT, 'no'); END"),
    **{
        f"no {table}": statement(f"DROP TABLE {table}")
        for table in ("meta", "quota", "series", "stretches", "replies")
    },
    "no column": statement("ALTER TABLE stretches DROP COLUMN body"),
}


@pytest.mark.skipif(os.name != "posix", reason="files in use are replaced")
@pytest.mark.slow
@pytest.mark.parametrize("in_use", [False, True])
@pytest.mark.parametrize("damage", DAMAGES)
async def test_whatever_happened_to_the_file(world: World, path: Path, damage: str, in_use: bool) -> None:
    """The answer is whole and true; and what is bought from then on is kept, by this process and the next."""
    path.with_name("junk").write_bytes(b"nonsense" * 2000)
    async with world.client(state=path) as client:
        for first in range(HELD):
            await client.rgm_stats(world.system, **weeks(world, first, first + 1))
        if in_use:
            DAMAGES[damage](path)
            assert true(world, await client.rgm_stats(world.system, **weeks(world, 0, HELD)))
    if not in_use:
        DAMAGES[damage](path)
    async with world.client(state=path) as client:
        assert true(world, await client.rgm_stats(world.system, **weeks(world, 0, ALL)))
    sent = world.emulator.counts.sent
    async with world.client(state=path) as client:
        assert true(world, await client.rgm_stats(world.system, **weeks(world, 0, ALL)))
    assert world.emulator.counts.sent == sent
