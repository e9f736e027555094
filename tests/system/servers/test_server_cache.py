"""The cache in PostgreSQL keeps the contract of caches, and loses nothing while the server is away."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import evolve

from enlighten_async import EnlightenClient, Plan
from enlighten_async.cache import (
    EvictionReason,
    IntegrityReport,
    IntervalCache,
    PostgresCache,
    PostgresUpkeep,
    tables,
)
from enlighten_async.cache.tables import encode
from enlighten_async.clock import Clock, SystemClock
from enlighten_async.errors import BudgetExceeded, InputError, StateUnavailable, UsageError
from enlighten_async.state import PostgresBackend
from enlighten_async.testing.contracts import Contract
from enlighten_async.testing.state_contracts import IntervalCacheContract
from enlighten_async.windows import DAY
from tests.cache.parts import MONDAY, NOW, REPLY, SCOPE, SERIES, hours, response, stats_part
from tests.cli.test_process import until
from tests.state.servers import PostgresServer
from tests.system.processes.test_kills import AT_ONCE, WINDOWS, File, Shop, kill_until_done
from tests.world import API_KEY

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio, which is all that the library for PostgreSQL knows."""
    return "asyncio"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """Start a server."""
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    yield server
    server.stop()


def cache_at(server: PostgresServer, clock: Clock | None = None) -> PostgresCache:
    """Return a cache as a process of its own has it."""
    clock = clock or SystemClock()
    return PostgresCache(PostgresBackend(lambda: server.url, clock), clock=clock)


class Served(Contract):
    """A contract of something in a database that is empty at first."""

    @pytest.fixture(autouse=True)
    def place(self, server: PostgresServer) -> None:
        """Empty the database."""
        server.empty()
        self.server = server


class TestPostgresCache(Served, IntervalCacheContract):
    """Intervals and replies in PostgreSQL."""

    @asynccontextmanager
    async def open_cache(self) -> AsyncIterator[IntervalCache]:
        """Connect."""
        cache = cache_at(self.server)
        yield cache
        await cache.aclose()


@pytest.fixture
def database(server: PostgresServer) -> PostgresServer:
    """Return a server whose database is empty."""
    server.empty()
    return server


@pytest.fixture
def shop() -> Iterator[Shop]:
    """Open the service."""
    made = Shop()
    with made.emulator.running() as made.url:
        yield made


def client(shop: Shop, server: PostgresServer) -> EnlightenClient:
    """Open a client of the service, as a process of its own has it."""
    plan = Plan(minute=100_000)
    return EnlightenClient(API_KEY, shop.emulator.demo_user, base_url=shop.url, state=server.url, plan=plan)


def test_a_year_is_paid_for_once(database: PostgresServer, shop: Shop, tmp_path: Path) -> None:
    """By two processes one after the other: 53 requests in all."""
    both = File(shop, tmp_path, API_KEY)
    where = {"state": database.url, "backend": "asyncio"}
    spent = [both.finished(both.start(**where)) for _ in range(2)]
    assert [one["sent"] for one in spent] == [WINDOWS, 0]
    assert both.sent == WINDOWS


def test_two_processes_want_the_same_year(database: PostgresServer, shop: Shop, tmp_path: Path) -> None:
    """At once: each has it whole, and what one has got the other does not pay for."""
    both = File(shop, tmp_path, API_KEY)
    where = {"state": database.url, "backend": "asyncio"}
    with shop.slow(0.05, 0.2):
        processes = [both.start(**where) for _ in range(2)]
        spent = [both.finished(process) for process in processes]
    print(spent, both.sent)  # noqa: T201
    assert sum(one["sent"] for one in spent) == both.sent
    assert WINDOWS <= both.sent <= WINDOWS + 2  # where the server is so slow that an answer is late


class InDatabase(File):
    """A key whose counts and answers are in a database, which its processes name."""

    url: str

    def start(self, **more: Any) -> subprocess.Popen[str]:
        """Start a process that buys the year."""
        return super().start(state=self.url, backend="asyncio", **more)

    def check(self) -> None:
        """Do nothing: there is no file."""


def test_a_year_by_processes_that_are_killed(database: PostgresServer, shop: Shop, tmp_path: Path) -> None:
    """Again and again, until one is done: 53 requests, and what was on its way."""
    chance, kills = random.Random(7), 0  # noqa: S311
    with shop.slow(0.002, 0.03):
        while kills < 12:
            bought = InDatabase(shop, tmp_path, f"{chance.getrandbits(128):032x}")
            bought.url = database.url
            kill_until_done(bought, chance, 2.0)
            assert WINDOWS <= bought.sent <= WINDOWS + bought.kills * AT_ONCE
            kills += bought.kills
        assert bought.finished(bought.start())["sent"] == 0
        print(f"{kills} kills")  # noqa: T201


async def test_a_query_goes_on_when_the_server_is_back(database: PostgresServer, shop: Shop) -> None:
    """It crashes in the midst of a year: nothing is lost, and nothing paid for twice."""
    shop.emulator.latency = 0.05
    async with client(shop, database) as one:
        async with anyio.create_task_group() as tasks:
            year = one.rgm_stats(1765, start_at=shop.year.start, end_at=shop.year.end)
            tasks.start_soon(_awaited, year)
            await anyio.to_thread.run_sync(_restarted, database, shop)
        answer = await year
    assert (answer.coverage.complete, shop.emulator.counts.sent) == (True, WINDOWS)
    async with client(shop, database) as other:
        again = await other.with_options(only_cached=True, max_age=3600).rgm_stats(
            1765, start_at=shop.year.start, end_at=shop.year.end
        )
    assert again.receipt.sent == 0


def _restarted(server: PostgresServer, shop: Shop) -> None:
    """Let the server crash when some of the year has arrived."""
    until(lambda: shop.emulator.counts.served >= 10)
    server.restart()


async def _awaited(query: object) -> None:
    await query  # type: ignore[misc]


async def test_connections_that_have_ended_are_made_anew(
    database: PostgresServer, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as idle ones that a server, or a proxy, ends: nobody waits, and nothing is told."""
    async with client(shop, database) as one:
        for sent in range(1, 4):
            await one.summary(1765)
            await database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid != pg_backend_pid()"
            )
            assert shop.emulator.counts.sent == sent
        assert (await one.quota()).month.used == sent
        await one.with_options(only_cached=True, max_age=60).summary(1765)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_nobody_waits_longer_than_he_wants(database: PostgresServer, shop: Shop) -> None:
    """For a server that stands still: `max_wait`, or not at all where nothing may be sent."""
    async with client(shop, database) as one:
        await one.summary(1765)
        database.stand_still()
        try:
            began = time.monotonic()
            with pytest.raises(BudgetExceeded, match="the state cannot be reached"):
                await one.with_options(max_wait=2).summary(1765)
            with pytest.raises(StateUnavailable, match="cannot be reached"):
                await one.with_options(only_cached=True).summary(1765)
            with pytest.raises(StateUnavailable, match="cannot be reached"):
                await one.held("rgm_stats")
            assert time.monotonic() - began < 30
        finally:
            database.go_on()
        await one.summary(1765)
    assert shop.emulator.counts.sent == 2


async def test_a_newer_schema_is_refused_before_anything_is_sent(
    database: PostgresServer, shop: Shop
) -> None:
    """By an older program; the tables stay as they are."""
    async with client(shop, database) as one:
        await one.summary(1765)
    await database.execute("UPDATE enlighten_meta SET value = '99' WHERE name = 'version'")
    async with client(shop, database) as older:
        for query in (older.summary(1765), older.rgm_stats(1765, start_at=shop.year.end - 3600)):
            with pytest.raises(InputError, match="made by a newer version"):
                await query
    assert shop.emulator.counts.sent == 1


async def test_counts_of_an_older_release_are_kept(database: PostgresServer, shop: Shop) -> None:
    """Which had no tables for answers: these are added."""
    async with client(shop, database) as one:
        await one.summary(1765)
    await database.execute(
        "DROP TABLE enlighten_series, enlighten_stretches, enlighten_replies, enlighten_tokens, "
        "enlighten_leases, enlighten_workers"
    )
    await database.execute("UPDATE enlighten_meta SET value = '1' WHERE name = 'version'")
    async with client(shop, database) as newer:
        assert (await newer.quota()).month.used == 1
        await newer.with_options(max_age=60).summary(1765)
        assert (await newer.with_options(max_age=60).summary(1765)).receipt.sent == 0


async def test_a_database_that_takes_no_writes(
    database: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """It is read; what was paid for is written later."""
    cache = cache_at(database)
    cache.put(SCOPE, SERIES, stats_part(hours(0, 1)), NOW)
    await cache.flush()
    await cache.aclose()
    await database.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
    cache.put(SCOPE, SERIES, stats_part(hours(2, 3)), NOW)
    assert [each.window for each in await cache.spans(SCOPE, SERIES)] == [hours(0, 1)]
    assert "read-only" in caplog.text
    await database.execute("ALTER DATABASE postgres SET default_transaction_read_only = off")
    await cache.aclose()
    assert [each.window for each in await cache.spans(SCOPE, SERIES)] == [hours(0, 1), hours(2, 3)]
    await cache.aclose()


FULL = """
    CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
    END $$
"""
ANSWERS = ("enlighten_stretches", "enlighten_replies")


async def test_a_full_disk_refuses_what_nobody_waits_for(
    database: PostgresServer, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """There is room for counts alone: people are answered, and nothing else is sent until there is more."""
    counts, begin = shop.emulator.counts, int(time.time()) // 900 * 900 - 60 * DAY

    async def week(view: EnlightenClient, number: int) -> int:
        start = begin + 7 * DAY * number
        answer = await view.rgm_stats(shop.emulator.demo_system, start_at=start, end_at=start + 7 * DAY)
        assert answer.coverage.complete
        return answer.receipt.sent

    async with client(shop, database) as one:
        assert await week(one, 0) == 1
        await database.execute(FULL)
        for table in ANSWERS:
            await database.execute(
                f"CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON {table} EXECUTE FUNCTION full_disk()"
            )
        assert await week(one, 1) == 1
        for priority in ("poll", "backfill"):
            view = one.with_options(priority=priority)
            assert await week(view, 0) == 0
            with pytest.raises(UsageError, match="make room on the disk") as caught:
                await week(view, 2)
            assert caught.value.retry_at is not None
        assert counts.sent == 2
        assert await week(one, 3) == 1
        for table in ANSWERS:
            await database.execute(f"DROP TRIGGER full_disk ON {table}")
        assert await week(one.with_options(priority="poll"), 2) == 1
    async with client(shop, database) as other:
        assert [await week(other, number) for number in range(4)] == [0] * 4
    assert [record.levelname for record in caplog.records if record.levelno >= logging.WARNING] == [
        "WARNING",
        "WARNING",
    ]


async def test_writers_at_once_lose_nothing(database: PostgresServer) -> None:
    """Four processes write hours of one week, side by side."""
    caches = [cache_at(database) for _ in range(4)]

    async def work(number: int) -> None:
        for each in range(8):
            start = 4 * each + number
            caches[number].put(SCOPE, SERIES, stats_part(hours(start, start + 1), reported=NOW), NOW)
            await caches[number].flush()

    async with anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(work, number)
    assert [each.window for each in await caches[0].spans(SCOPE, SERIES)] == [hours(0, 32)]
    for cache in caches:
        await cache.aclose()


async def test_programs_that_begin_at_once_make_the_tables_once(database: PostgresServer) -> None:
    """One of them does, under a lock, and all go on."""
    caches = [cache_at(database) for _ in range(12)]
    async with anyio.create_task_group() as tasks:
        for cache in caches:
            tasks.start_soon(cache.spans, SCOPE, SERIES)
    assert await database.execute("SELECT value FROM enlighten_meta WHERE name = 'version'") == [("4",)]
    for cache in caches:
        await cache.aclose()


async def test_no_name_and_no_key_is_in_the_database(database: PostgresServer, shop: Shop) -> None:
    """Without it nobody can tell whose the answers are."""
    async with client(shop, database) as one:
        await one.summary(1765)
    texts, replies = (
        await database.execute("TABLE enlighten_texts"),
        await database.execute("TABLE enlighten_replies"),
    )
    told = str(texts + replies)
    assert (len(texts), len(replies)) == (1, 1)
    assert API_KEY not in told
    assert shop.emulator.demo_user not in told


def fill(cache: PostgresCache) -> None:
    """Cache three weeks of a system and an hour of another's, and two replies, one of them outdated."""
    for week in range(3):
        cache.put(SCOPE, SERIES, stats_part(hours(168 * week, 168 * week + 168), reported=NOW), NOW)
    cache.put(b"another", evolve(SERIES, endpoint="rgm_stats"), stats_part(hours(1, 2)), NOW)
    cache.put_reply(SCOPE, REPLY, response(b"x" * 99, NOW - 31 * DAY))
    cache.put_reply(SCOPE, evolve(REPLY, asked="young"), response(date=NOW - 29 * DAY))


@pytest.fixture
async def filled(database: PostgresServer) -> AsyncIterator[PostgresUpkeep]:
    """Return the upkeep of a database that has some entries."""
    cache = cache_at(database)
    fill(cache)
    await cache.aclose()
    upkeep = PostgresUpkeep(PostgresBackend(lambda: database.url, SystemClock()))
    yield upkeep
    await upkeep.aclose()


async def test_what_is_cached_is_told(database: PostgresServer, filled: PostgresUpkeep) -> None:
    """As of a file: by endpoint, and what cannot be read."""
    found = await filled.stats()
    assert [(each.endpoint, each.systems, each.entries) for each in found.series] == [
        ("rgm_stats", 1, 1),
        ("stats", 1, 3),
    ]
    assert [(each.endpoint, each.entries) for each in found.replies] == [("inventory", 2)]
    assert (found.path, found.scopes, found.schema_version) == (str(found.path), 2, 4)
    assert found.bytes > sum(each.bytes for each in found.series) > 0
    assert await filled.verify() == IntegrityReport(found.path, parts=4, replies=2)
    await database.execute(
        "UPDATE enlighten_stretches SET body = 'x' WHERE start = (SELECT min(start) FROM enlighten_stretches)"
    )
    await database.execute("UPDATE enlighten_replies SET body = 'x' WHERE asked = 'young'")
    broken = IntegrityReport(found.path, parts=4, replies=2, unreadable_parts=1, unreadable_replies=1)
    assert await filled.verify() == broken
    gone = (await filled.prune(now=NOW)).evicted
    assert {reason: (each.parts, each.replies) for reason, each in gone.items()} == {
        EvictionReason.UNREADABLE: (1, 1),
        EvictionReason.OUTDATED: (0, 1),
    }


async def test_entries_are_evicted(database: PostgresServer, filled: PostgresUpkeep) -> None:
    """By age and by size, those that ended first; a dry run tells the same and changes nothing."""
    limits: dict[str, Any] = {"now": NOW, "older_than": timedelta(seconds=NOW - MONDAY - 3 * 3600)}
    told, done = await filled.prune(**limits, dry_run=True), await filled.prune(**limits)
    assert told == done
    assert {reason: (each.parts, each.replies) for reason, each in done.evicted.items()} == {
        EvictionReason.TOO_OLD: (1, 0),
        EvictionReason.OUTDATED: (0, 1),
    }
    assert await database.execute("SELECT endpoint FROM enlighten_series") == [("stats",)]
    size = done.bytes_after
    done = await filled.prune(now=NOW, max_size=size - 1)
    assert done.evicted[EvictionReason.OVER_SIZE].parts == 1
    assert (done.bytes_before, done.bytes_after < size) == (size, True)
    cache = cache_at(database)
    assert [each.window for each in await cache.spans(SCOPE, SERIES)] == [hours(168, 336), hours(336, 504)]
    await cache.aclose()
    assert (await filled.prune(now=NOW, max_size=0)).bytes_after == 0
    assert (await filled.prune(now=NOW, max_size=0)).evicted == {}
    with pytest.raises(InputError, match="below zero"):
        await filled.prune(now=NOW, max_size=-1)


async def test_what_is_written_while_others_prune_stays(
    database: PostgresServer, filled: PostgresUpkeep
) -> None:
    """A series that has nothing is not removed while another program is about to write something of it."""
    import asyncpg  # noqa: PLC0415 - installed where there is a server

    await filled.prune(now=NOW, max_size=0)
    writer = await asyncpg.connect(database.url)
    await writer.execute(
        "INSERT INTO enlighten_series (account, endpoint, system_id, device) VALUES ('a', 'stats', 1, '')"
    )
    async with anyio.create_task_group() as tasks, writer.transaction():
        await writer.execute(tables._ADD_SERIES.postgres, b"a", "stats", 1, "")
        number = await writer.fetchval(tables._SERIES_ID.postgres, b"a", "stats", 1, "")
        tasks.start_soon(partial(filled.prune, now=NOW))
        await anyio.sleep(0.5)  # it waits
        row = number, 0, 900, NOW, None, None, None, None, encode(stats_part(hours(0, 1)))
        await writer.execute(tables._ADD_PART.postgres, *row)
    assert await writer.fetch("SELECT id FROM enlighten_series") == [(number,)]
    await writer.close()


def test_the_commands_of_a_state_take_a_database(database: PostgresServer) -> None:
    """By the environment's variable."""

    async def made() -> None:
        cache = cache_at(database)
        fill(cache)
        await cache.aclose()

    anyio.run(made)
    shown = str(PostgresBackend(lambda: database.url, SystemClock()))
    for words, told in (
        (("info",), f"{shown}: "),
        (("verify",), f"{shown}: sound; 4 spans, 2 answers"),
        (("prune", "--older-than", "0"), "too old"),
        (("prune",), "nothing to remove"),
    ):
        line = [sys.executable, "-m", "enlighten_async", "store", *words]
        environ = {**os.environ, "ENLIGHTEN_STATE": database.url}
        done = subprocess.run(line, env=environ, capture_output=True, text=True, check=True)
        assert told in done.stdout, (done.stdout, done.stderr)
