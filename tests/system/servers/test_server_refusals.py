"""Servers that cannot keep the state as they are: nobody waits for that to pass, and nothing is sent."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from enlighten_async import EnlightenClient, Plan
from enlighten_async.emulator import Emulator, Quota
from enlighten_async.errors import InputError, QuotaExhausted
from tests.cli.test_process import until
from tests.state.servers import PostgresServer, RedisServer
from tests.world import API_KEY

pytestmark = pytest.mark.servers

PASSWORD = "CANARY"


@pytest.fixture
def anyio_backend() -> str:
    """Run on asyncio, which is all that the libraries for servers know."""
    return "asyncio"


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """Start a server with a user who has no rights."""
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    server.executed(f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'")
    yield server
    server.stop()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """Start a server."""
    server = RedisServer(tmp_path, durable=True)
    yield server
    server.stop()


@pytest.fixture
def emulator() -> Emulator:
    """Return the service."""
    return Emulator(quota=Quota.UNLIMITED, concurrent=None)


async def asked(emulator: Emulator, url: str, plan: Plan | None = None) -> None:
    """Ask once, as a process of its own."""
    plan = plan or Plan(minute=100_000)
    async with EnlightenClient(
        API_KEY, emulator.demo_user, transport=emulator.transport(), state=url, plan=plan
    ) as client:
        await client.summary(emulator.demo_system)


async def refused(emulator: Emulator, url: str, words: str) -> None:
    """Expect that a state is refused with these words, and nothing is sent."""
    sent = emulator.counts.sent
    with pytest.raises(InputError, match=words) as caught:
        await asked(emulator, url)
    assert PASSWORD not in str(caught.value)
    assert emulator.counts.sent == sent


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DROP SCHEMA public", "no schema has been selected"),
        ("CREATE TABLE enlighten_meta (number int)", "does not exist"),
        ("CREATE TABLE enlighten_texts (number int)", "already exists"),
    ],
)
async def test_a_database_with_other_tables_or_no_place_for_ours(
    postgres: PostgresServer, emulator: Emulator, statement: str, words: str
) -> None:
    """It stays as it is."""
    postgres.empty()
    await postgres.execute(statement)
    try:
        await refused(emulator, postgres.url, words)
    finally:
        await postgres.execute("DROP SCHEMA IF EXISTS public CASCADE")
        await postgres.execute("CREATE SCHEMA public")
        await postgres.execute("GRANT USAGE ON SCHEMA public TO guest")
    await asked(emulator, postgres.url)


async def test_a_user_without_rights(postgres: PostgresServer, emulator: Emulator) -> None:
    """A user needs the right to make tables, or, once they are made, to read and write them."""
    postgres.empty()
    await postgres.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    url = postgres.url.replace("postgres@", f"guest:{PASSWORD}@")
    await refused(emulator, url, "permission denied for schema public.*what the user may do")
    await asked(emulator, postgres.url)
    await refused(emulator, url, "permission denied for table")
    await postgres.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guest")
    await asked(emulator, url)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE enlighten_meta SET value = 'x' WHERE name = 'version'",
        "UPDATE enlighten_meta SET value = 'x' WHERE name = 'salt'",
        "DELETE FROM enlighten_meta WHERE name = 'salt'",
    ],
)
async def test_a_damaged_database(postgres: PostgresServer, emulator: Emulator, damage: str) -> None:
    """Without the salt each process would count for itself."""
    postgres.empty()
    await asked(emulator, postgres.url)
    await postgres.execute(damage)
    await refused(emulator, postgres.url, "a version or a salt that cannot be read")


async def test_options_that_postgresql_does_not_know(postgres: PostgresServer, emulator: Emulator) -> None:
    """Such as one that is misspelt."""
    await refused(emulator, f"{postgres.url}?sslmod=require", "unrecognized configuration parameter")


async def test_redis_without_such_a_database(redis: RedisServer, emulator: Emulator) -> None:
    """There are 16."""
    await refused(emulator, redis.url.removesuffix("0") + "99", "DB index is out of range")


@pytest.mark.parametrize("name", ["1:salt", "version"])
async def test_a_damaged_redis(redis: RedisServer, emulator: Emulator, name: str) -> None:
    """Another program has written there."""
    redis.execute("SET", "{enlighten_async}:" + name, "x")
    await refused(emulator, redis.url, "a version or a salt that cannot be read")


async def test_texts_of_another_kind(redis: RedisServer, emulator: Emulator) -> None:
    """The salt is a list."""
    redis.execute("LPUSH", "{enlighten_async}:1:salt", "x")
    await refused(emulator, redis.url, "wrong kind of value")


async def test_a_node_of_a_cluster_that_has_not_the_counts(tmp_path: Path, emulator: Emulator) -> None:
    """All are in one slot, so that the node that has it can be named."""
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    one, other = (RedisServer(folder, more=("--cluster-enabled", "yes")) for folder in folders)
    try:
        other.execute("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        one.execute("CLUSTER", "MEET", "127.0.0.1", other.url.partition("1:")[2].removesuffix("/0"))
        until(lambda: b"cluster_slots_ok:16384" in one.execute("CLUSTER", "INFO"))
        until(lambda: b"cluster_state:ok" in one.execute("CLUSTER", "INFO"))
        await refused(emulator, one.url, "one of a cluster, and the counts belong to another node")
        until(lambda: b"cluster_state:ok" in other.execute("CLUSTER", "INFO"))
        await asked(emulator, other.url, Plan())
    finally:
        one.stop()
        other.stop()


async def test_a_redis_that_evicts_is_no_ledger_of_a_month(
    redis: RedisServer, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Though it appends to a file: what it evicts is gone, and counts would begin at nothing."""
    redis.execute("CONFIG", "SET", "maxmemory", "50mb")
    redis.execute("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    with pytest.raises(QuotaExhausted, match="nobody knows how much of this month is used"):
        await asked(emulator, redis.url, Plan(minute=10, month=1000))
    assert emulator.counts.sent == 0
    warnings = [each.message for each in caplog.records if each.levelno == logging.WARNING]
    assert ["maxmemory-policy noeviction" in each for each in warnings] == [True]
