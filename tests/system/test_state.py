"""Clients on one state file: what one has spent, the others know, in this process and in the next."""

# ruff: noqa: ASYNC240  (files are small)

from __future__ import annotations

import sqlite3
import zlib
from contextlib import closing
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

import anyio
import pytest

from enlighten_async import EnlightenClient, Plan
from enlighten_async.errors import InputError, QuotaExhausted
from enlighten_async.state import StateFile
from tests.limiter.stores import ProcessClock
from tests.world import API_KEY, World

MONTH_END = 1_751_328_000  # 2025-07-01T00:00Z
TIGHT = Plan(minute=100, month=3)

RELEASES = Path(__file__).parents[1] / "state" / "releases"
"""State files as releases wrote them, as SQL: three requests, a day of intervals, the systems, a summary."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the file will be."""
    return tmp_path / "state.db"


def elsewhere(world: World, path: Path, *, apart: float = 77.0, **options: Any) -> EnlightenClient:
    """Open a client as another process would: its clock began at another moment, and is off."""
    return world.client(state=path, clock=ProcessClock(world.clock, 1.5, apart), **options)


async def test_what_is_left_is_told_once_the_counts_are_read(path: Path) -> None:
    """Not by an answer from the cache in a process that has read nothing of what others have used."""
    world, plan = World(), Plan(minute=10, month=1000)
    async with world.client(state=path, plan=plan) as client:
        first = await client.summary(world.system)
    assert first.receipt.left["month"] == 1000 - first.receipt.sent
    async with elsewhere(world, path, plan=plan) as other:
        query = other.with_options(max_age=3600).summary(world.system)
        assert (await query).receipt.sent == 0
        assert (query.receipt.left, query.progress.left) == ({}, {})
        await other.quota()
        assert query.receipt.left["month"] == query.progress.left["month"] == first.receipt.left["month"]


async def test_a_month_that_is_used_up_ends_what_comes_after(path: Path) -> None:
    """An error with `retry_at`, before anything is sent, in any process; the next month begins by itself."""
    world = World()
    async with world.client(state=path, plan=TIGHT) as client:
        for _ in range(3):
            await client.rgm_stats(world.system)
        with pytest.raises(QuotaExhausted) as first:
            await client.rgm_stats(world.system)
    async with elsewhere(world, path, plan=TIGHT) as other:
        with pytest.raises(QuotaExhausted) as second:
            await other.rgm_stats(world.system)
        assert world.emulator.counts.sent == 3
        for refusal in (first.value, second.value):
            assert refusal.retry_at is not None
            assert refusal.retry_at.timestamp() == MONTH_END
        world.clock.advance(MONTH_END - world.clock.now() + 1)
        await other.rgm_stats(world.system)
    world.clock.advance(20 * 60)
    async with elsewhere(world, path, apart=-55.0, plan=TIGHT) as third:
        await third.rgm_stats(world.system)
    assert world.emulator.counts.sent == 5


async def test_a_process_that_starts_in_the_next_month_goes_on(path: Path) -> None:
    """The file's last word is of the month before; nobody has been told the time since."""
    world = World()
    async with world.client(state=path, plan=TIGHT) as client:
        for _ in range(3):
            await client.rgm_stats(world.system)
    world.clock.advance(MONTH_END - world.clock.now() + 20 * 60)
    async with elsewhere(world, path, plan=TIGHT) as other:
        await other.rgm_stats(world.system)
    assert world.emulator.counts.sent == 4
    assert world.clock.now() < MONTH_END + 21 * 60  # it did not wait


async def test_a_process_on_the_same_clocks_starts_with_all_that_is_known(path: Path) -> None:
    """As a command that is run again and again: no request alone, no wait for a minute that has passed."""
    world = World()
    plan = Plan(minute=10)
    async with world.client(state=path, plan=plan) as client:
        for _ in range(10):
            await client.rgm_stats(world.system)
    world.clock.advance(62)
    before = world.clock.monotonic()
    async with elsewhere(world, path, apart=0.0, plan=plan) as other, anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(_ask, other, world, number)
    assert world.clock.monotonic() == before
    assert world.emulator.counts.sent == 20


async def _ask(client: EnlightenClient, world: World, number: int) -> None:
    await client.rgm_stats(world.system, **world.quarter(number))


async def test_a_full_minute_is_known_to_the_next_process(path: Path) -> None:
    """It waits for its end, also where nothing tells it how much of it has passed."""
    world = World(now=1_750_000_030.0)
    plan = Plan(minute=2)
    async with world.client(state=path, plan=plan) as client:
        for _ in range(2):
            await client.rgm_stats(world.system)
    async with elsewhere(world, path, plan=plan) as other:
        await other.rgm_stats(world.system)
    assert 1_750_000_080 <= world.clock.now() <= 1_750_000_095


async def test_what_a_client_has_spent_is_written_when_it_closes(path: Path) -> None:
    """And not held to be on its way."""
    world = World()
    async with world.client(state=path) as client:
        await client.rgm_stats(world.system)
    counts = StateFile(path).transact(lambda c: c.execute("SELECT counts FROM quota").fetchall())
    assert len(counts) == 1
    assert '"tickets":[]' in counts[0][0]


async def test_what_is_left_is_told_by_the_file(path: Path) -> None:
    """To a process that has not sent anything, and what a query would cost there."""
    world, plan = World(), Plan(minute=10, month=100)
    async with world.client(state=path, plan=plan) as client:
        for _ in range(3):
            await client.rgm_stats(world.system)
    async with elsewhere(world, path, plan=plan) as other:
        assert (await other.quota()).month.left == 97
    async with elsewhere(world, path, apart=5.0, plan=TIGHT) as third:
        assert (await third.rgm_stats(world.system).estimate()).fits is False
    assert world.emulator.counts.sent == 3


@pytest.mark.parametrize("version", ["v2", "v4"])
async def test_no_secret_is_in_the_file(path: Path, version: str) -> None:
    """Neither key, user and tokens, nor a digest by which they could be recognised without the file."""
    world = World()
    async with (world.client if version == "v2" else world.v4)(state=path) as client:
        await client.rgm_stats(world.system)
        await client.systems()
        await client.energy_lifetime(world.system)
        account = client._options.scope
        credentials = client._options.credentials.current()
    assert credentials is not None
    raw = b"".join([entry.read_bytes() for entry in path.parent.iterdir()])
    with closing(sqlite3.connect(path)) as file:
        kept = [body for (body,) in file.execute("SELECT substr(body, 2) FROM stretches")]
        kept += [body for (body,) in file.execute("SELECT body FROM replies")]
    raw += b"".join(zlib.decompress(body) for body in kept)
    assert len(kept) >= 3
    key = API_KEY.encode()
    hashed = bytes.fromhex(API_KEY), sha256(key).digest(), blake2b(key).digest(), account
    given = [secret.reveal().encode() for _, secret in (*credentials.params, *credentials.headers)]
    for secret in (*hashed, *given):
        assert secret not in raw
    assert len(given) >= 2
    assert world.emulator.demo_user.encode() not in raw


@pytest.mark.parametrize("schema", [4, 5])
async def test_a_file_of_an_older_release_keeps_all_it_has(path: Path, schema: int) -> None:
    """As that release wrote it: the counts of a key, intervals, and the systems by their names."""
    world, day = World(), {"start_at": 1_749_000_600, "end_at": 1_749_000_600 + 86_400}
    text = (RELEASES / f"schema_{schema}.sql").read_text()
    with closing(sqlite3.connect(path)) as older:
        older.executescript(text)
    path.chmod(0o600)
    async with world.client() as service, world.client(state=path) as client:
        bought = await service.rgm_stats(world.system, **day)
        listed = await service.systems()
        world.emulator.counts.reset()
        assert (await client.quota()).month.used == 3
        cached = client.with_options(only_cached=True, max_age=3600)
        held = await cached.rgm_stats(world.system, **day)
        assert len(held.intervals) == 96
        assert list(held.intervals) == list(bought.intervals)
        assert list(await cached.systems()) == list(listed)
        await client.summary(world.system)
        assert ((await client.quota()).month.used, world.emulator.counts.sent) == (4, 1)


async def test_a_file_of_a_newer_version_is_refused_before_anything_is_sent(path: Path) -> None:
    """With what to do about it."""
    world = World()
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA application_id = 0x454E4C41")
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    async with world.client(state=path) as client:
        with pytest.raises(InputError, match="newer version of enlighten_async"):
            await client.rgm_stats(world.system)
    assert world.emulator.counts.sent == 0


@pytest.mark.parametrize("version", ["v2", "v4"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_file_that_is_not_ours_is_refused_before_anything_is_sent(
    path: Path, version: str, streamed: bool
) -> None:
    """It is left as it is, and the text says what to do."""
    world = World()
    path.write_bytes(b"my thesis" * 400)
    path.chmod(0o644)
    before = path.stat()
    for ask in (lambda client: client.rgm_stats(world.system), lambda client: client.systems()):
        async with (world.client if version == "v2" else world.v4)(state=path) as client:
            with pytest.raises(InputError, match="is not a state file.*name another file"):
                _ = [part async for part in ask(client)] if streamed else await ask(client)
    after = path.stat()
    assert world.emulator.counts.sent == 0
    assert (after.st_mode, after.st_mtime_ns, after.st_ino) == (
        before.st_mode,
        before.st_mtime_ns,
        before.st_ino,
    )
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("newer", [False, True])
@pytest.mark.parametrize("version", ["v2", "v4"])
async def test_no_figures_are_told_or_taken_for_a_file_that_is_not_ours(
    path: Path, version: str, newer: bool
) -> None:
    """Counts that nothing is known of are not told to be 0, and a figure that is not kept is not accepted."""
    world = World()
    path.write_bytes(b"my thesis" * 400)
    if newer:
        path.unlink()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    async with (world.client if version == "v2" else world.v4)(state=path) as client:
        for ask in (client.quota, lambda: client.set_month_used(900), client.forget_limits):
            with pytest.raises(InputError, match="name another file|newer version"):
                await ask()
    assert path.read_bytes() == before


async def test_a_broken_file_fails_no_query(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """If it was ours it is set aside, and so it is said."""
    world = World()
    async with world.client(state=path) as client:
        await client.rgm_stats(world.system)
    path.write_bytes(b"not a database" * 400)
    async with world.client(state=path) as client:
        assert await client.rgm_stats(world.system)
    assert "is broken" in caplog.text
    assert (path.parent / "state.db.broken-1").exists()


async def test_a_query_given_up_is_no_burden_to_others(path: Path) -> None:
    """What was cancelled is written as well: nobody waits for a ticket without a holder."""
    world = World(latency=20.0)
    async with world.client(state=path) as client:
        with world.clock.move_on_after(8):
            await client.rgm_stats(world.system)
        counts = StateFile(path).transact(lambda c: c.execute("SELECT counts FROM quota").fetchone()[0])
        assert '"tickets":[]' in counts
    assert '"lost":1' in counts
