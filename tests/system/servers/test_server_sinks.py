"""Rows and cursors of a fleet in PostgreSQL: the contract of sinks, fences, and a server that is lost."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from enlighten_async import InputError
from enlighten_async.fleet import Change, PostgresSink, Sink, StaleFence
from enlighten_async.fleet.sinks import postgres
from tests.cli.conftest import Commands
from tests.fleet.sinks.changes import START, Key, Row, change, cursors, expected, stats_change
from tests.fleet.sinks.contract import SinkContract
from tests.state.servers import PostgresServer

pytestmark = pytest.mark.servers

pytest.importorskip("asyncpg")

TABLES = ("rgm_stats", "stats", "enlighten_cursors")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """The library is one of asyncio."""
    return "asyncio"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """Start a server."""
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    yield server
    server.stop()


def read(server: PostgresServer) -> dict[Key, Row]:
    """Return the rows in the database."""
    held: dict[Key, Row] = {}
    for table in ("rgm_stats", "stats"):
        if server.executed(f"SELECT to_regclass('{table}')") == [(None,)]:
            continue
        for (text,) in server.executed(
            f"SELECT row_to_json(t)::text FROM (SELECT *, extract(epoch FROM end_at) AS e FROM {table}) AS t"  # noqa: S608
        ):
            row: dict[str, Any] = json.loads(text)
            del row["end_at"]
            key = table, *(row.pop(name) for name in ("system_id", "meter", "channel", "e"))
            assert key not in held
            held[key] = {name: value for name, value in row.items() if value is not None}
    return held


class Closing:
    """A sink of a database, with a connection for each call."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def cursors(self, series: str) -> Mapping[int, datetime]:
        """Read them."""
        async with PostgresSink(self._url) as sink:
            return await sink.cursors(series)

    async def write(self, changes: Sequence[Change]) -> None:
        """Write them."""
        async with PostgresSink(self._url) as sink:
            await sink.write(changes)


class TestPostgresSink(SinkContract):
    """A database."""

    on_disk = False

    @pytest.fixture(autouse=True)
    def database(self, server: PostgresServer) -> None:
        """Drop the tables."""
        server.executed(f"DROP TABLE IF EXISTS {', '.join(TABLES)}")
        self.server = server

    @property
    def target(self) -> str:
        """Its URL."""
        return self.server.url

    def sink(self) -> Sink:
        """Return one that closes its connection each time."""
        return Closing(self.server.url)

    def held(self) -> dict[Key, Row]:
        """Return its rows."""
        return read(self.server)

    async def fail(self, changes: list[Change]) -> None:
        """The second table has no such columns."""
        self.server.executed("CREATE TABLE stats (a integer)")
        with pytest.raises(InputError, match="of another shape"):
            await self.sink().write([*changes, stats_change(1, 3)])
        self.server.executed("DROP TABLE stats")

    async def test_a_writer_with_an_older_fence_is_refused(self) -> None:
        """Of any of the systems; nothing is written, and others are not held up."""
        old, new = PostgresSink(self.server.url), PostgresSink(self.server.url)
        async with old, new:
            await old.write([change(1, 0, 4), change(2, 0, 4)], fence=7)
            await new.write([change(1, 4, 4)], fence=8)
            for stale in ([change(1, 4, 4, 99.0)], [change(3, 0, 4), change(1, 8, 2), change(2, 4, 4)]):
                with pytest.raises(StaleFence, match="system 1 "):
                    await old.write(stale, fence=7)
            await old.write([change(2, 4, 4)], fence=7)
            await new.write([change(1, 8, 2)], fence=8)
            held = [change(1, 0, 4), change(2, 0, 4), change(1, 4, 4), change(2, 4, 4), change(1, 8, 2)]
            assert self.held() == expected(held)
            assert await old.cursors("rgm_stats") == cursors(held)

    async def test_two_writers_at_once_are_both_heard(self) -> None:
        """Of the same systems in another order, with and without a fence; the same rows are there once."""
        changes = [change(system, 0, 4) for system in range(1, 40)]

        async def write(order: list[Change]) -> None:
            async with PostgresSink(self.server.url) as sink:
                for _ in range(5):
                    await sink.write(order)

        await asyncio.gather(write(changes), write(changes[::-1]), write(changes[10:] + changes[:10]))
        assert self.held() == expected(changes)

    async def test_a_zombie_at_the_very_moment_writes_all_or_nothing(self) -> None:
        """Two writers with fences 1 and 2, for systems that nobody has written: what is there is whole."""
        for attempt in range(10):
            low, high = (change(100 + attempt, 0, 4, wh) for wh in (1.0, 2.0))
            async with PostgresSink(self.server.url) as old, PostgresSink(self.server.url) as new:
                await asyncio.gather(old.cursors("rgm_stats"), new.cursors("rgm_stats"))
                results = await asyncio.gather(
                    old.write([low], fence=1), new.write([high], fence=2), return_exceptions=True
                )
            assert results[1] is None
            assert results[0] is None or isinstance(results[0], StaleFence)
            held = {key: row for key, row in self.held().items() if key[1] == 100 + attempt}
            assert held == expected([high])

    async def test_a_lost_server_is_an_error_that_passes(self) -> None:
        """And when it is back the next write succeeds."""
        async with PostgresSink(self.server.url) as sink:
            await sink.write([change(1, 0, 4)])
            await asyncio.to_thread(self.server.kill)
            with pytest.raises(OSError, match="postgresql://127.0.0.1"):
                await sink.write([change(1, 4, 4)])
            await asyncio.to_thread(self.server.start)
            await sink.write([change(1, 4, 4)])
        assert self.held() == expected([change(1, 0, 4), change(1, 4, 4)])


@pytest.mark.parametrize("cancels", [1, 2])
async def test_a_cancel_ends_a_write_that_is_held_up(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch, cancels: int
) -> None:
    """After a while, and at a second one at once; nothing is written, and the next write is."""
    import asyncpg  # noqa: PLC0415 - installed where there is a server

    server.executed(f"DROP TABLE IF EXISTS {', '.join(TABLES)}")
    monkeypatch.setattr(postgres, "DRAIN_S", 0.3 if cancels == 1 else 60.0)
    async with PostgresSink(server.url) as sink:
        await sink.write([change(1, 0, 4)])
        other = await asyncpg.connect(server.url)
        async with other.transaction():
            await other.execute("LOCK TABLE rgm_stats")
            task = asyncio.create_task(sink.write([change(1, 4, 4)]))
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            while not await other.fetchval(waiting):
                pass
            begin = time.monotonic()
            for _ in range(cancels):
                task.cancel()
                await asyncio.sleep(0.05)
            with pytest.raises(asyncio.CancelledError):
                await task
            assert time.monotonic() - begin < 5
        await other.close()
        assert await sink.cursors("rgm_stats") == cursors([change(1, 0, 4)])
        await sink.write([change(1, 4, 4)])
        assert read(server) == expected([change(1, 0, 4), change(1, 4, 4)])


async def test_a_write_that_ends_in_time_is_whole_though_it_is_cancelled(server: PostgresServer) -> None:
    """As what was paid for is written when a run is ended."""
    server.executed(f"DROP TABLE IF EXISTS {', '.join(TABLES)}")
    async with PostgresSink(server.url) as sink:
        await sink.write([change(1, 0, 4)])
        task = asyncio.create_task(sink.write([change(1, 4, 4)]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert read(server) == expected([change(1, 0, 4), change(1, 4, 4)])


def test_a_fleet_is_followed_by_the_command_line(server: PostgresServer, tmp_path: Path) -> None:
    """Into a database; the second run changes nothing."""
    server.executed(f"DROP TABLE IF EXISTS {', '.join(TABLES)}")
    enlighten = Commands(systems=4, now=START + 0.8 * 86_400)
    enlighten.home = lambda: tmp_path / "state.db"
    for _ in range(2):
        words = ("--series", "rgm_stats", "--every", "1h", "--to", server.url, "--once")
        done = enlighten("fleet", "run", *words)
        assert done.exit_code == 0, done.output
        assert ", 4 of 4 systems held" in done.stderr
    held = read(server)
    ends = sum(1 for series, _, meter, *_ in held if not meter)
    assert ends > 1_500
    assert "2,010 rows" not in done.stderr


def test_no_password_is_shown() -> None:
    """Neither of the sink nor of an error."""
    sink = PostgresSink("postgresql://anna:hush@127.0.0.1:1/none")
    with pytest.raises(OSError, match="127.0.0.1") as caught:
        asyncio.run(sink.cursors("rgm_stats"))
    assert "hush" not in f"{sink!r} {caught.value!r}"


async def test_a_hundred_changes_take_no_second(server: PostgresServer) -> None:
    """Those of a day of each system, all at once."""
    changes = [change(system, 0, 96) for system in range(1, 101)]
    async with PostgresSink(server.url) as sink:
        await sink.write(changes[:1])
        begin = time.process_time()
        await sink.write(changes)
        assert time.process_time() - begin < 2


STAND_INS = """
    CREATE FUNCTION by_range(name, interval) RETURNS text LANGUAGE sql AS 'SELECT $1::text';
    CREATE FUNCTION create_hypertable(regclass, text, migrate_data boolean) RETURNS text LANGUAGE sql
        AS 'SELECT attname::text FROM pg_attribute WHERE attrelid = $1 AND attname = $2';
    CREATE FUNCTION add_compression_policy(regclass, interval) RETURNS text LANGUAGE sql
        AS 'SELECT $1::text';
"""
"""Functions with the arguments of TimescaleDB's, which is not installed: they tell what they were given."""


async def write_one(server: PostgresServer) -> None:
    """Have a sink make its table."""
    async with PostgresSink(server.url) as sink:
        await sink.write([change(1, 0, 4)])


def test_the_statements_for_timescale_name_what_is_there(server: PostgresServer) -> None:
    """They are of PostgreSQL's grammar, and name columns of the table; what they do is not tried."""
    asyncio.run(write_one(server))
    for stand_in in STAND_INS.split(";")[:-1]:
        server.executed(stand_in)
    text = re.sub("--.*", "", Path("examples/timescale.sql").read_text())
    hypertable, compress, policy = text.split(";")[:-1]
    assert server.executed(hypertable) == [("end_at",)]
    assert server.executed(policy) == [("rgm_stats",)]
    # the options are Timescale's: PostgreSQL knows the statement, and not their values
    server.executed(f"DO $$BEGIN {compress}; EXCEPTION WHEN invalid_parameter_value THEN NULL; END$$")
    columns = ", ".join(re.findall(r"timescaledb.compress_\w+ = '(.*)'", compress))
    assert columns.split(", ") == ["system_id", "meter", "channel", "end_at"]
