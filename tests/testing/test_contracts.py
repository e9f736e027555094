"""The contracts: what the package brings keeps them, and a store that breaks a promise is caught."""

from __future__ import annotations

import math
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from enlighten_async.cache import IntervalCache, MemoryCache
from enlighten_async.clock import Clock, SystemClock
from enlighten_async.limiter import MemoryQuotaStore, QuotaStore
from enlighten_async.oauth import FileTokenStore, MemoryTokenStore, StateTokenStore, Tokens, TokenStore
from enlighten_async.state import MemoryBackend, SqliteBackend, StateBackend, StateFile
from enlighten_async.testing import FakeClock
from enlighten_async.testing.contracts import ClockContract, Contract, TokenStoreContract, TransportContract
from enlighten_async.testing.state_contracts import (
    IntervalCacheContract,
    QuotaStoreContract,
    StateBackendContract,
)
from tests.cache.parts import NOW, open_cache
from tests.limiter.stores import file_of, sqlite_store


class Placed(Contract):
    """A contract of something that is in a folder, by a fake clock and on both event loops."""

    @pytest.fixture(autouse=True, params=["asyncio", "trio"])
    def place(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        """Give the test a folder of its own."""
        self.backend, self.path, self.clock = request.param, tmp_path, FakeClock(NOW)


# What the package brings


class TestFileTokenStore(Placed, TokenStoreContract):
    """Tokens in a file."""

    @asynccontextmanager
    async def open_store(self) -> AsyncIterator[TokenStore]:
        """Open the file."""
        yield FileTokenStore(self.path / "tokens.json", clock=self.clock)


class TestStateTokenStore(Placed, TokenStoreContract):
    """Tokens in a state file."""

    @asynccontextmanager
    async def open_store(self) -> AsyncIterator[TokenStore]:
        """Open the file."""
        yield StateTokenStore(self.path / "state.db", clock=self.clock)


class TestMemoryTokenStore(Placed, TokenStoreContract):
    """Tokens in memory."""

    shared = False

    @asynccontextmanager
    async def open_store(self) -> AsyncIterator[TokenStore]:
        """Make a store."""
        yield MemoryTokenStore(clock=self.clock)


class TestSqliteQuotaStore(Placed, QuotaStoreContract):
    """Counts in a state file."""

    @asynccontextmanager
    async def open_store(self, clock: Clock) -> AsyncIterator[QuotaStore]:
        """Open the file."""
        store = sqlite_store(self.path / "state.db", clock)
        yield store
        file_of(store).release()


class TestSqliteBackend(Placed, StateBackendContract):
    """Texts in a state file."""

    @asynccontextmanager
    async def open_backend(self) -> AsyncIterator[StateBackend]:
        """Open the file."""
        backend = SqliteBackend(StateFile(self.path / "state.db", durable=False), self.clock)
        yield backend
        await backend.aclose()


class TestMemoryBackend(Placed, StateBackendContract):
    """Texts in memory."""

    @pytest.fixture(autouse=True)
    def texts(self, place: None) -> None:
        """Share the texts."""
        self.memory = MemoryBackend(self.clock)

    @asynccontextmanager
    async def open_backend(self) -> AsyncIterator[StateBackend]:
        """Return what all share."""
        yield self.memory


class TestMemoryQuotaStore(Placed, QuotaStoreContract):
    """Counts in memory."""

    shared = durable = False

    @asynccontextmanager
    async def open_store(self, clock: Clock) -> AsyncIterator[QuotaStore]:
        """Make a store."""
        yield MemoryQuotaStore()


class TestSqliteCache(Placed, IntervalCacheContract):
    """Answers in a state file."""

    @asynccontextmanager
    async def open_cache(self) -> AsyncIterator[IntervalCache]:
        """Open the file."""
        cache = open_cache(self.path / "state.db", self.clock)
        yield cache
        cache.file.release()


class TestMemoryCache(Placed, IntervalCacheContract):
    """Answers in memory."""

    shared = False

    @asynccontextmanager
    async def open_cache(self) -> AsyncIterator[IntervalCache]:
        """Make a cache."""
        yield MemoryCache()


class TestHttpxTransport(TransportContract):
    """The transport that httpx brings."""

    @asynccontextmanager
    async def open_transport(self) -> AsyncIterator[httpx.AsyncBaseTransport]:
        """Open it."""
        async with httpx.AsyncHTTPTransport() as transport:
            yield transport


class TestSystemClock(ClockContract):
    """The clock of the machine."""

    def make_clock(self) -> Clock:
        """Return it."""
        return SystemClock()


class TestFakeClock(Placed, ClockContract):
    """The clock of tests."""

    def make_clock(self) -> Clock:
        """Return one."""
        return FakeClock()


# What breaks a promise


def broken_tests(contract: type[Contract]) -> set[str]:
    """Return the names of the tests of a contract that fail."""
    failed = set()
    for name in (name for name in dir(contract) if name.startswith("test_")):
        made = contract()
        try:
            getattr(made, name)()
        except Exception:  # noqa: BLE001 - as pytest does
            failed.add(name)
    return failed


def token_contract(store: Callable[..., TokenStore]) -> type[TokenStoreContract]:
    """Return the contract of a store that is one and the same for all who open it."""

    class OfStore(TokenStoreContract):
        patience_s = 0.3

        def __init__(self) -> None:
            self.clock = FakeClock()
            self.store = store(clock=self.clock)

        @asynccontextmanager
        async def open_store(self) -> AsyncIterator[TokenStore]:
            yield self.store

        def test_the_lock_of_a_killed_process_comes_free(self) -> None:
            """Memory has no processes."""

    return OfStore


class Forgetful(MemoryTokenStore):
    """Loses half of what it is given."""

    async def save(self, account: str, tokens: Tokens) -> None:
        """Save the access token alone."""
        await super().save(account, Tokens(tokens.access_token, None, tokens.expires_at, tokens.obtained_at))


class CaseBlind(MemoryTokenStore):
    """Takes two accounts for one, as a collation does."""

    async def load(self, account: str) -> Tokens | None:
        """Load by the small letters."""
        return await super().load(account.lower())

    async def save(self, account: str, tokens: Tokens) -> None:
        """Save by the small letters."""
        await super().save(account.lower(), tokens)


class Unlocked(MemoryTokenStore):
    """Has a lock that excludes nobody."""

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncIterator[None]:
        """Do nothing."""
        yield


class OneLock(MemoryTokenStore):
    """Has one lock for all accounts, as a database that one writes to at a time."""

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        """Lock them all."""
        return super().lock("all")


class Stuck(MemoryTokenStore):
    """Leaves the lock held where its holder fails."""

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncIterator[None]:
        """Free it only at a good end."""
        lock = self._locks.setdefault(account, threading.Lock())
        while not lock.acquire(blocking=False):
            await self._clock.sleep(0.01)
        yield
        lock.release()


class Kept(MemoryTokenStore):
    """Removes nothing."""

    async def remove(self, account: str) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("store", "failed"),
    [
        (MemoryTokenStore, set()),
        (Forgetful, {"test_what_was_saved_last_is_loaded"}),
        (CaseBlind, {"test_accounts_are_kept_apart"}),
        (Kept, {"test_what_was_removed_is_gone"}),
        (Unlocked, {"test_a_lock_is_held_by_one_at_a_time", "test_a_lock_comes_free_however_it_is_left"}),
        (OneLock, {"test_each_account_has_a_lock_of_its_own"}),
        (Stuck, {"test_a_lock_comes_free_however_it_is_left"}),
    ],
)
def test_a_token_store_that_breaks_a_promise_is_caught(store: Any, failed: set[str]) -> None:
    """By the test of that promise."""
    contract = token_contract(store)
    assert failed <= broken_tests(contract)
    assert failed or not broken_tests(contract)


class Leased(FileTokenStore):
    """Has a lock that a killed process holds for ever: a file that is there."""

    @asynccontextmanager
    async def lock(self, account: str) -> AsyncIterator[None]:
        """Make a file, and remove it at the end."""
        path = self.path.with_suffix(".held")
        while True:
            with suppress(FileExistsError):
                path.touch(exist_ok=False)
                break
            await anyio.sleep(0.01)
        try:
            yield
        finally:
            path.unlink()


def test_a_lock_that_outlives_its_process_is_caught(tmp_path: Path) -> None:
    """By the kill of a process that holds it."""

    class OfLeased(TokenStoreContract):
        lease_s = 0.1

        @asynccontextmanager
        async def open_store(self) -> AsyncIterator[TokenStore]:
            yield Leased(tmp_path / "tokens.json")

    with pytest.raises(AssertionError, match=r"killed process is free within lease_s=0\.1"):
        OfLeased().test_the_lock_of_a_killed_process_comes_free()


class Doubtful(MemoryQuotaStore):
    """Looks first and takes later, while others do the same."""

    async def take(self, asked: Any, now: float) -> Any:
        """Look at a copy of the state, and let others run before it is changed."""
        state = deepcopy(self._state)
        wait = state.take(asked, now)
        await anyio.lowlevel.checkpoint()
        if wait is None:
            self._state = state
        return wait


class Late(MemoryQuotaStore):
    """Writes changes only with the next sync."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[Any] = []

    def update(self, change: Any) -> Any:
        """Note the change."""
        self.noted.append(change)

    async def sync(self, *, refresh: bool = False) -> None:
        """Apply what was noted; a cancellation cuts it off."""
        await anyio.lowlevel.checkpoint()
        for change in self.noted:
            change(self._state)
        self.noted = []


@pytest.mark.parametrize(
    ("kind", "failed"),
    [
        (Doubtful, {"test_takes_at_the_same_time_are_atomic"}),
        (Late, {"test_what_is_settled_shows_at_once", "test_a_cancellation_does_not_cut_off_a_sync"}),
        (MemoryQuotaStore, {"test_counts_outlive_the_process", "test_all_processes_count_together"}),
    ],
)
def test_a_quota_store_that_breaks_a_promise_is_caught(kind: Any, failed: set[str]) -> None:
    """By the test of that promise; counts of its own memory are not shared."""

    class OfStore(QuotaStoreContract):
        clock = FakeClock()

        @asynccontextmanager
        async def open_store(self, clock: Clock) -> AsyncIterator[QuotaStore]:
            yield kind()

    assert failed <= broken_tests(OfStore)


class LastWins(MemoryCache):
    """Takes what came last for the newest."""

    def put(self, scope: Any, series: Any, part: Any, fetched: float) -> None:
        """Put it with the time of no fetch."""
        super().put(scope, series, part, math.floor(fetched / 100))


class Shared(MemoryCache):
    """Knows nobody from another."""

    async def get(self, scope: Any, series: Any, window: Any) -> Any:
        """Get it for everybody."""
        return await super().get(b"", series, window)

    async def spans(self, scope: Any, series: Any) -> Any:
        """Tell everybody."""
        return await super().spans(b"", series)

    def put(self, scope: Any, series: Any, part: Any, fetched: float) -> None:
        """Put it for everybody."""
        super().put(b"", series, part, fetched)


@pytest.mark.parametrize(
    ("kind", "failed"),
    [
        (LastWins, {"test_the_newest_answer_wins"}),
        (Shared, {"test_nobody_is_given_what_others_asked_for"}),
        (MemoryCache, {"test_a_part_is_there_at_once_and_for_all_after_a_flush"}),
    ],
)
def test_a_cache_that_breaks_a_promise_is_caught(kind: Any, failed: set[str]) -> None:
    """By the test of that promise; what is in its own memory is not shared."""

    class OfCache(IntervalCacheContract):
        clock = FakeClock()

        @asynccontextmanager
        async def open_cache(self) -> AsyncIterator[IntervalCache]:
            yield kind()

    assert failed <= broken_tests(OfCache)


class Eager(httpx.AsyncHTTPTransport):
    """Tries again by itself."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it three times until it is answered well."""
        for _ in range(2):
            with suppress(httpx.TransportError):
                response = await super().handle_async_request(request)
                if response.status_code < 400:
                    return response
        return await super().handle_async_request(request)


def test_a_transport_that_retries_is_caught() -> None:
    """The service counts what the client does not know of."""

    class OfTransport(TransportContract):
        @asynccontextmanager
        async def open_transport(self) -> AsyncIterator[httpx.AsyncBaseTransport]:
            async with Eager() as transport:
                yield transport

    assert broken_tests(OfTransport) == {
        "test_an_answer_with_an_error_is_an_answer",
        "test_a_broken_connection_is_an_error_of_httpx",
    }


class Sleepless(FakeClock):
    """Does not wait."""

    async def sleep(self, seconds: float) -> None:
        """Return at once."""


def test_a_clock_that_does_not_wait_is_caught() -> None:
    """By all tests of it."""

    class OfClock(ClockContract):
        def make_clock(self) -> Clock:
            return Sleepless()

    assert len(broken_tests(OfClock)) == 3
