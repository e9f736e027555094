"""Tokens in PostgreSQL: the contract of token stores, one renewal by all machines, a server that crashes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from enlighten_async import EnlightenClient, Plan
from enlighten_async.emulator import Emulator, Quota
from enlighten_async.errors import InputError, UsageError
from enlighten_async.oauth import OAuth, PostgresTokenStore, TokenStore
from enlighten_async.oauth import token_files as files
from enlighten_async.testing import EmulatorTokenStore
from enlighten_async.testing.contracts import TokenStoreContract
from tests.cli.test_process import until
from tests.oauth.accounts import KEY, renewed, stored
from tests.oauth.authority import CLIENT_ID, CLIENT_SECRET, DAY, Authority
from tests.oauth.test_token_store import made
from tests.state.servers import PostgresServer
from tests.system.processes.test_kills import WINDOWS

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[3]


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


@pytest.fixture
def database(server: PostgresServer) -> PostgresServer:
    """Return a server whose database is empty."""
    server.empty()
    return server


class TestPostgresTokenStore(TokenStoreContract):
    """Tokens in PostgreSQL, of any accounts."""

    accounts = (*TokenStoreContract.accounts, "\x00")

    @pytest.fixture(autouse=True)
    def place(self, database: PostgresServer) -> None:
        """Begin empty."""
        self.url = database.url

    @asynccontextmanager
    async def open_store(self) -> AsyncIterator[TokenStore]:
        """Connect."""
        yield PostgresTokenStore(self.url)


@pytest.fixture
def authority() -> Authority:
    """Return the service's token endpoint, which takes a refresh token once."""
    return Authority(strict=True)


@pytest.fixture
def url(authority: Authority) -> Iterator[str]:
    """Start it."""
    with authority.running() as url:
        yield url


def start(url: str, place: str, kind: str, count: int) -> subprocess.Popen[str]:
    """Start a process that renews the tokens of an account by so many tasks."""
    line = [sys.executable, "-m", "tests.oauth.worker", "asyncio", url, place, kind, str(count)]
    return subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


async def test_fifty_tasks_in_each_of_three_processes_refresh_once(
    database: PostgresServer, authority: Authority, url: str
) -> None:
    """The lock is held while the token endpoint is asked."""
    store = PostgresTokenStore(database.url)
    await store.save("anna", stored(authority, age=2 * DAY))
    authority.gate.clear()  # no answer before all of them wait for one
    workers = [start(url, database.url, "whole", 50) for _ in range(3)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "started\n"
    authority.gate.set()
    found = []
    for worker in workers:
        out, err = worker.communicate(timeout=60)
        assert worker.returncode == 0, err
        found.append(json.loads(out))
    kept = await store.load("anna")
    assert kept is not None
    assert (authority.refreshes, found) == (1, [[kept.access_token.reveal()]] * 3)


async def test_the_lock_of_a_process_killed_between_refresh_and_write_comes_free(
    database: PostgresServer, authority: Authority, url: str
) -> None:
    """The tokens are as they were."""
    store, old = PostgresTokenStore(database.url), stored(authority, age=2 * DAY)
    await store.save("anna", old)
    worker = start(url, database.url, "killed", 5)
    worker.communicate(timeout=60)
    assert (worker.returncode, authority.refreshes) == (-signal.SIGKILL, 1)
    with anyio.fail_after(10):
        async with store.lock("anna"):
            assert await store.load("anna") == old


async def test_a_server_that_has_crashed_is_connected_to_again(database: PostgresServer) -> None:
    """Nobody sees anything of it; while it is away that is told, and no token is spent."""
    store = PostgresTokenStore(database.url)
    await store.save("anna", made())
    database.restart()
    assert await store.load("anna") == made()
    database.kill()
    try:
        with pytest.raises(UsageError, match="cannot be read or saved"):
            await store.load("anna")
        with pytest.raises(UsageError, match="cannot be read or saved"):
            async with store.lock("anna"):
                pytest.fail("the lock was not taken")
    finally:
        database.start()
    async with store.lock("anna"):
        assert await store.load("anna") == made()


async def test_tokens_that_could_not_be_saved_are_saved_later(
    database: PostgresServer, authority: Authority, url: str
) -> None:
    """The server crashes while the token endpoint is asked: what was renewed is not lost."""
    store = PostgresTokenStore(database.url)
    await store.save("anna", stored(authority, age=2 * DAY))
    oauth = OAuth(CLIENT_ID, CLIENT_SECRET, tokens=store, base_url=url)
    authority.gate.clear()
    async with anyio.create_task_group() as tasks:
        access = oauth.access("anna", KEY)
        tasks.start_soon(access.refresh)
        await anyio.to_thread.run_sync(until, lambda: authority.refreshes == 1)
        await anyio.to_thread.run_sync(database.kill)
        authority.gate.set()
    await anyio.to_thread.run_sync(database.start)
    await oauth.save_unsaved()
    kept = await PostgresTokenStore(database.url).load("anna")
    assert kept is not None
    assert (kept.access_token.reveal(), authority.refreshes) == (await renewed(access), 1)


async def test_no_token_is_spent_that_could_not_be_saved(database: PostgresServer) -> None:
    """Such as by a server that only reads."""
    store = PostgresTokenStore(database.url)
    await store.save("anna", made())
    await database.execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
    try:
        reader = PostgresTokenStore(database.url)
        with pytest.raises(UsageError, match="it takes no writes"):
            async with reader.lock("anna"):
                pytest.fail("the lock was not given")
        assert await reader.load("anna") == made()
    finally:
        await database.execute("ALTER DATABASE postgres RESET ALL")


async def test_many_accounts(database: PostgresServer) -> None:
    """By their names; a row that cannot be read is nobody's."""
    store = PostgresTokenStore(database.url)
    for name in ("anna", "bert"):
        await store.save(name, made(access_token=name))
    await database.execute("INSERT INTO enlighten_tokens VALUES ('carl', '{}')")
    assert await store.accounts() == {name: made(access_token=name) for name in ("anna", "bert")}


async def test_an_idle_connection_is_closed(
    database: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not while a lock is held; the next use opens another."""
    monkeypatch.setattr(files, "LINGER_S", 0.1)
    store = PostgresTokenStore(database.url)
    async with store.lock("anna"):
        await anyio.sleep(0.5)
        assert store._link().backend.connected
    with anyio.fail_after(20):
        while store._link().backend.connected:  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.05)
    await store.save("anna", made())
    assert await store.load("anna") == made()


async def test_a_newer_schema_is_refused(database: PostgresServer) -> None:
    """By an older program."""
    await PostgresTokenStore(database.url).save("anna", made())
    await database.execute("UPDATE enlighten_meta SET value = '99' WHERE name = 'version'")
    with pytest.raises(InputError, match="made by a newer version"):
        await PostgresTokenStore(database.url).load("anna")


async def test_two_machines_share_a_login_and_a_year(database: PostgresServer) -> None:
    """One logs in; both have a year by local days for 53 requests, and one for the time zone."""
    emulator = Emulator(quota=Quota.UNLIMITED, concurrent=None)
    owner = await EmulatorTokenStore(emulator).load("anna")
    assert owner is not None
    await PostgresTokenStore(database.url).save("anna", owner)
    last = datetime.now(UTC).date() - timedelta(days=10)
    for sent in (WINDOWS + 1, 0):
        oauth = OAuth("client", "secret", tokens=database.url, transport=emulator.transport())
        plan = Plan(minute=100_000)
        async with EnlightenClient.v4(
            KEY, oauth=oauth, user_id="anna", state=database.url, plan=plan
        ) as machine:
            year = await machine.rgm_stats(1765, start_date=last - timedelta(days=364), end_date=last)
            assert (year.receipt.sent, year.coverage.complete) == (sent, True)
            await machine.systems()
            assert (await machine.held("rgm_stats")).keys() == {1765}
    assert emulator.counts.sent == WINDOWS + 1 + 2
