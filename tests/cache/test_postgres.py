"""The cache in PostgreSQL: nothing that was paid for is lost while the server is away, and who waits."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from enlighten_async.cache import IntervalCache, PostgresCache, without_waiting
from enlighten_async.cache.postgres import CACHE_TIMEOUT_S
from enlighten_async.errors import StateUnavailable
from enlighten_async.state import AWAY_POLL_S, MAX_AWAY_S
from enlighten_async.testing import FakeClock
from enlighten_async.testing.state_contracts import IntervalCacheContract
from enlighten_async.windows import Window
from enlighten_async.wire import SeriesKey
from tests.cache.parts import NOW, REPLY, SCOPE, SERIES, hours, response, stats_part
from tests.cache.served import Server, cache_at


class TestPostgresCache(IntervalCacheContract):
    """By a stand-in for the server; the real one has a session of its own."""

    @pytest.fixture(autouse=True)
    def place(self) -> None:
        """Begin empty."""
        self.server = Server()

    @asynccontextmanager
    async def open_cache(self) -> AsyncIterator[IntervalCache]:
        """Open it."""
        yield cache_at(self.server, FakeClock(NOW))


@pytest.fixture
def server() -> Server:
    """Return a server whose database is empty."""
    return Server()


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that shows NOW."""
    return FakeClock(NOW)


@pytest.fixture
def cache(server: Server, clock: FakeClock) -> PostgresCache:
    """Return a cache there."""
    return cache_at(server, clock)


async def windows(cache: PostgresCache) -> list[Window]:
    """Return the windows that are cached."""
    return [span.window for span in await cache.spans(SCOPE, SERIES)]


def buy(cache: PostgresCache, hour: int) -> None:
    """Cache an hour."""
    cache.put(SCOPE, SERIES, stats_part(hours(hour, hour + 1)), NOW)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings."""
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


async def test_what_was_paid_for_is_written_when_the_server_is_back(
    server: Server, clock: FakeClock, cache: PostgresCache, caplog: pytest.LogCaptureFixture
) -> None:
    """By the next one who reads; the log tells once that it is away, and once that it is back."""
    server.away = "Connection refused"
    for hour in (0, 2):
        buy(cache, hour)
        await cache.flush()
    cache.put_reply(SCOPE, REPLY, response())
    assert (cache.away, repr(cache)) == (True, "<PostgresCache 'postgresql://db.example/solar' pending=3>")
    server.away = ""
    await clock.sleep(AWAY_POLL_S)
    assert await windows(cache) == [hours(0, 1), hours(2, 3)]
    assert (cache.away, repr(cache)[-10:]) == (False, "pending=0>")
    assert await cache_at(server, clock).reply(SCOPE, REPLY) == response()
    assert [text.rpartition(": ")[2] for text in warnings(caplog)] == [
        "answers that arrive are kept in memory, and queries wait for it",
        "answers are cached again",
    ]


async def test_reading_waits_for_the_server(server: Server, clock: FakeClock, cache: PostgresCache) -> None:
    """It is tried once a second, however many wait."""
    buy(cache, 0)
    await cache.flush()
    server.away, server.asked = "Connection refused", 0
    found: list[list[Window]] = []

    async def read() -> None:
        found.append(await windows(cache))

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(read)
        await clock.sleep(9.5)
        assert (found, server.asked <= 11) == ([], True)
        server.away = ""
    assert found == [[hours(0, 1)]] * 20


@pytest.mark.parametrize(("lost", "seconds"), [(False, CACHE_TIMEOUT_S), (True, 1.0)])
async def test_one_finds_out_that_the_server_hangs(
    server: Server, clock: FakeClock, cache: PostgresCache, lost: bool, seconds: float
) -> None:
    """Whoever comes meanwhile waits for that, and no longer; a connection is not waited for as long."""
    server.away, server.hangs, server.connection.closed = "no answer", clock, lost
    began, told = clock.monotonic(), list[float]()

    async def read() -> None:
        with without_waiting(), pytest.raises(StateUnavailable):
            await windows(cache)
        told.append(clock.monotonic() - began)

    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(read)
    assert (len(told), max(told), server.asked) == (30, seconds, 1)


async def test_a_wait_can_be_cancelled(server: Server, clock: FakeClock, cache: PostgresCache) -> None:
    """By the caller's `max_wait`, say."""
    server.away = "Connection refused"
    with clock.move_on_after(5) as scope:
        await windows(cache)
    assert scope.cancelled_caught


async def test_a_server_that_is_away_for_long_is_told(
    server: Server, clock: FakeClock, cache: PostgresCache
) -> None:
    """As the gate does; and at once for those who do not wait."""
    server.away = "Connection refused"
    began = clock.monotonic()
    with pytest.raises(StateUnavailable, match=r"postgresql://db.example/solar cannot be reached \(Conn"):
        await windows(cache)
    assert MAX_AWAY_S < clock.monotonic() - began < MAX_AWAY_S + 2
    before = clock.monotonic()
    with without_waiting(), pytest.raises(StateUnavailable):
        await cache.held(SCOPE, "stats", None)
    assert clock.monotonic() == before


async def test_a_server_that_takes_no_writes(
    server: Server, clock: FakeClock, cache: PostgresCache, caplog: pytest.LogCaptureFixture
) -> None:
    """It is read, and what was paid for waits."""
    buy(cache, 0)
    await cache.flush()
    server.connection.read_only = True
    buy(cache, 2)
    assert await windows(cache) == [hours(0, 1)]
    assert "read-only" in warnings(caplog)[0]
    server.connection.read_only = False
    assert await windows(cache) == [hours(0, 1), hours(2, 3)]
    assert "can be used again" in warnings(caplog)[-1]


async def test_a_connection_that_is_lost_while_writing(server: Server, cache: PostgresCache) -> None:
    """The answer waits for the next one."""
    server.connection.read_only = server.connection.closed = True
    buy(cache, 0)
    with without_waiting(), pytest.raises(ConnectionError):  # the backend tells it in its words
        await windows(cache)
    server.connection.read_only = server.connection.closed = False
    assert await windows(cache) == [hours(0, 1)]


async def test_a_write_that_fails_by_its_own_fault_is_dropped(
    cache: PostgresCache, caplog: pytest.LogCaptureFixture
) -> None:
    """And holds up no other."""

    def broken(_: object) -> None:
        raise KeyError("join")

    cache.put(SCOPE, SERIES, stats_part(hours(0, 1), reported=NOW), NOW)
    series = SeriesKey("stats", SERIES.system_id, grid=SERIES.grid, load=SERIES.load, join=broken)  # type: ignore[arg-type]
    cache.put(SCOPE, series, stats_part(hours(1, 2), reported=NOW), NOW)
    buy(cache, 3)
    assert await windows(cache) == [hours(0, 1), hours(3, 4)]
    assert ["dropped" in text for text in warnings(caplog)] == [True]


async def test_what_cannot_be_written_at_the_end_is_told(
    server: Server, cache: PostgresCache, caplog: pytest.LogCaptureFixture
) -> None:
    """The process ends, and the answers with it."""
    server.away = "Connection refused"
    buy(cache, 0)
    await cache.aclose()
    assert warnings(caplog)[-1].endswith("answers that could not be cached there: 1")


async def test_a_part_that_cannot_be_read_goes(server: Server, cache: PostgresCache) -> None:
    """It is as if it were not there."""
    buy(cache, 0)
    await cache.flush()
    server.connection.file.execute("UPDATE stretches SET body = x'00'")
    assert await cache.get(SCOPE, SERIES, hours(0, 1)) == ()
    await cache.flush()
    assert await windows(cache) == []
