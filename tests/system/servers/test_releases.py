"""Two releases on one server: the older one refuses what the newer one has made, and loses nothing of it."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import pytest

from enlighten_async import EnlightenClient, Plan
from enlighten_async.clock import SystemClock
from enlighten_async.emulator import Emulator, Quota
from enlighten_async.errors import InputError
from enlighten_async.state import PostgresBackend, server_backend
from enlighten_async.state.servers import POSTGRES_MIGRATIONS
from tests.state.servers import SERVERS, PostgresServer, Server
from tests.system.processes.state_files import counted_in
from tests.world import API_KEY

pytestmark = pytest.mark.servers

PROCESSES = 8


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio, which is all that the libraries for servers know."""
    return "asyncio"


@pytest.fixture(scope="module", params=["postgres", "redis-aof"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start a server."""
    server = SERVERS[request.param](tmp_path_factory.mktemp(request.param))
    yield server
    server.stop()


@pytest.fixture
def server(running: Server) -> Server:
    """Return a server that is empty."""
    running.empty()
    return running


@pytest.fixture
def emulator() -> Emulator:
    """Return the service."""
    return Emulator(quota=Quota.UNLIMITED, concurrent=None)


def client(emulator: Emulator, server: Server) -> EnlightenClient:
    """Open a client, as a process of its own has it."""
    transport, plan = emulator.transport(), Plan(minute=100_000, month=100_000)
    return EnlightenClient(API_KEY, emulator.demo_user, transport=transport, state=server.url, plan=plan)


async def test_a_newer_schema_is_refused_before_anything_is_sent(server: Server, emulator: Emulator) -> None:
    """However often it is tried; what is there stays as it is."""
    async with client(emulator, server) as one:
        await one.summary(emulator.demo_system)
    before = server.texts()
    server.set_version(99)
    async with client(emulator, server) as older:
        for ask in (lambda: older.summary(emulator.demo_system), older.systems, older.quota) * 2:
            with pytest.raises(InputError, match="made by a newer version"):
                await ask()
    assert (emulator.counts.sent, server.texts()) == (1, before)


async def test_the_same_schema_is_used(server: Server, emulator: Emulator) -> None:
    """Counts of one process are known to the next."""
    for used in range(3):
        async with client(emulator, server) as one:
            assert (await one.quota()).month.used == used
            await one.summary(emulator.demo_system)


@pytest.mark.parametrize("version", range(len(POSTGRES_MIGRATIONS)))
@pytest.mark.parametrize("running", ["postgres"], indirect=True)
async def test_an_older_schema_is_brought_up_to_date_once(
    running: PostgresServer, emulator: Emulator, version: int
) -> None:
    """By eight processes that begin at once, under a lock; what was counted stays."""
    running.empty()
    async with client(emulator, running) as one:
        await one.summary(emulator.demo_system)
    columns, texts = await running.execute(COLUMNS), running.texts()
    await made_by(running, version)

    async def begins() -> None:
        backend = server_backend(lambda: running.url, SystemClock())
        assert isinstance(backend, PostgresBackend)
        await backend.perform(lambda connection: connection.fetch("TABLE enlighten_tokens"), timeout_s=10)
        await backend.aclose()

    async with anyio.create_task_group() as tasks:
        for _ in range(PROCESSES):
            tasks.start_soon(begins)
    assert await running.execute(COLUMNS) == columns
    assert running.texts() == (texts if version else [])
    async with client(emulator, running) as newer:
        assert (await newer.quota()).month.used == (1 if version else 0)
        await newer.summary(emulator.demo_system)
    assert counted_in(running.texts())[0] == (2 if version else 1)


async def made_by(server: PostgresServer, version: int) -> None:
    """Leave of the tables what a release of this version had made."""
    tables = {"enlighten_series, enlighten_stretches, enlighten_replies": 2, "enlighten_tokens": 3}
    tables["enlighten_leases, enlighten_workers"] = 4
    tables["enlighten_texts"] = 1
    for names, since in tables.items():
        if since > version:
            await server.execute(f"DROP TABLE {names}")
    server.set_version(version)


COLUMNS = """
    SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns
    WHERE table_name LIKE 'enlighten%' ORDER BY table_name, column_name
"""


@pytest.mark.parametrize("step", POSTGRES_MIGRATIONS)
def test_steps_add_and_take_nothing_away(step: str) -> None:
    """So that a release that is running goes on until it is ended."""
    for statement in step.split(";"):
        assert statement.split()[:2] in (["CREATE", "TABLE"], ["CREATE", "INDEX"], ["ALTER", "TABLE"])
        assert not {"DROP", "RENAME", "TYPE"} & set(statement.upper().split())
