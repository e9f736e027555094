"""Contracts: tests of token stores, transports and clocks that users bring.

Each class tests one protocol. Derive a class of tests from it and say how yours is opened:

    class TestSqlTokenStore(TokenStoreContract):
        @asynccontextmanager
        async def open_store(self) -> AsyncGenerator[TokenStore]:
            async with SqlTokenStore("postgresql+asyncpg://...") as store:
                yield store

The tests are functions that are not async, each with an event loop of its own, so that they need no plugin of
pytest. A test that fails says what the protocol promises and what was found instead.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Literal, TypeVar

import anyio
from attrs import frozen

from enlighten_async.client import EnlightenClient
from enlighten_async.clock import Clock, SystemClock
from enlighten_async.emulator import Emulator, Fault, Quota
from enlighten_async.errors import EnlightenError, ServerError, TransportError
from enlighten_async.limiter import Plan
from enlighten_async.oauth import Tokens, TokenStore
from enlighten_async.retry import RetryPolicy

if TYPE_CHECKING:
    import httpx

C = TypeVar("C", bound="Contract")

TURN_S = 0.1
"""Seconds that others are given to do what they should not do."""


class Contract:
    """A set of tests that each run in an event loop of their own."""

    backend: Literal["asyncio", "trio"] = "asyncio"
    """The event loop: "asyncio" or "trio"."""
    shared: bool = True
    """Whether what one opening has written is seen by another, as by another process."""
    clock: Clock = SystemClock()
    """The clock by which the tests wait; a `FakeClock` if yours goes by the same one."""
    patience_s: float = 20.0
    """Seconds after which a call that does not return is taken for a deadlock."""


def in_event_loop(check: Callable[[C], Awaitable[None]]) -> Callable[[C], None]:
    """Return a test as a function that is not async."""

    def test(self: C) -> None:
        async def run() -> None:
            done = False
            with anyio.move_on_after(self.patience_s):
                await check(self)
                done = True
            require(done, f"no call may wait for ever: nothing happened for {self.patience_s:g} s")

        anyio.run(run, backend=self.backend)

    test.__name__, test.__qualname__, test.__doc__ = check.__name__, check.__qualname__, check.__doc__
    return test


def require(kept: object, promise: str) -> None:
    """Raise `AssertionError` with the promise that was not kept."""
    if not kept:
        raise AssertionError(promise)


# Stores of tokens


def _tokens(name: str = "a", *, refresh: str | None = "r", refresh_end: float | None = 9e9) -> Tokens:
    return Tokens(f"{name}-SECRET-é", refresh, 1_750_086_400.5, 1_750_000_000.25, refresh_end)


def _alike(one: Tokens | None, other: Tokens) -> bool:
    """Tell whether two are the same tokens; their times may lose digits in a database."""
    if one is None or (one.refresh_expires_at is None) != (other.refresh_expires_at is None):
        return False
    ends = (one.refresh_expires_at or 0.0) - (other.refresh_expires_at or 0.0)
    times = (one.expires_at - other.expires_at, one.obtained_at - other.obtained_at, ends)
    same = (one.access_token, one.refresh_token) == (other.access_token, other.refresh_token)
    return same and max(map(abs, times)) < 1


class TokenStoreContract(Contract):
    """The promises of a `TokenStore`."""

    lease_s: float = 10.0
    """Seconds after which the lock of a process that was killed has to be free."""
    accounts: Sequence[str] = ("anna", "Anna", "a/b", "../x", "e\u0301", "%", "x" * 200)
    """Names of accounts, which the store keeps apart."""

    def open_store(self) -> AbstractAsyncContextManager[TokenStore]:
        """Open the store, as another process does: a new connection to the same place."""
        raise NotImplementedError

    @in_event_loop
    async def test_what_was_saved_last_is_loaded(self) -> None:
        """By whatever process, and every field of it."""
        async with self.open_store() as one, self.open_store() as other:
            require(isinstance(one, TokenStore), "a TokenStore has load, save, lock and remove")
            require(await one.load("anna") is None, "load returns None where nothing was saved")
            for saved in (_tokens(), _tokens("b", refresh=None, refresh_end=None), _tokens("c")):
                await one.save("anna", saved)
                for store in (one, other if self.shared else one):
                    found = await store.load("anna")
                    require(_alike(found, saved), f"load returns what was saved last, not {found}")
                    require("SECRET" not in repr(store), "repr shows no token")

    @in_event_loop
    async def test_accounts_are_kept_apart(self) -> None:
        """Whatever their names are."""
        async with self.open_store() as store:
            for name in self.accounts:
                await store.save(name, _tokens(name))
            for name in self.accounts:
                found = await store.load(name)
                require(_alike(found, _tokens(name)), f"account {name!r} has tokens of its own, not {found}")

    @in_event_loop
    async def test_what_was_removed_is_gone(self) -> None:
        """For all processes, and for that account alone."""
        async with self.open_store() as one, self.open_store() as other:
            await one.save("anna", _tokens())
            await one.save("bert", _tokens("b"))
            await one.remove("anna")
            await one.remove("anna")
            for store in (one, other if self.shared else one):
                require(await store.load("anna") is None, "load returns None after remove")
                require(_alike(await store.load("bert"), _tokens("b")), "remove leaves other accounts alone")

    @in_event_loop
    async def test_a_lock_is_held_by_one_at_a_time(self) -> None:
        """In all processes; the tokens can be loaded and saved meanwhile, by any task."""
        async with self.open_store() as one, self.open_store() as other:
            for first, second in ((one, one), *([(one, other), (other, one)] if self.shared else [])):
                order = await self._turns(first, second)
                require(order == ["first in", "first out", "second in"], f"a lock excludes others: {order}")

    async def _turns(self, first: TokenStore, second: TokenStore) -> list[str]:
        """Return what happened while two wanted the lock of one account, one after the other."""
        order: list[str] = []

        async def follow() -> None:
            async with second.lock("anna"):
                order.append("second in")

        async with anyio.create_task_group() as tasks, first.lock("anna"):
            order.append("first in")
            tasks.start_soon(follow)
            await self.clock.sleep(TURN_S)
            tasks.start_soon(first.save, "anna", _tokens())
            await self.clock.sleep(TURN_S)
            require(_alike(await first.load("anna"), _tokens()), "load and save work inside of the lock")
            order.append("first out")
        return order

    @in_event_loop
    async def test_each_account_has_a_lock_of_its_own(self) -> None:
        """A renewal of one account holds up no other."""
        async with self.open_store() as one, self.open_store() as two:
            other = two if self.shared else one
            async with one.lock("anna"), other.lock("bert"):
                await one.save("anna", _tokens())
                await other.save("bert", _tokens("b"))

    @in_event_loop
    async def test_a_lock_comes_free_however_it_is_left(self) -> None:
        """By an error, by a cancellation inside of it, and by one while it is waited for."""
        async with self.open_store() as store:
            try:
                async with store.lock("anna"):
                    raise LookupError  # noqa: TRY301 - to leave it by an error
            except LookupError:
                pass
            with anyio.CancelScope() as scope:
                async with store.lock("anna"):
                    scope.cancel()
                    await anyio.sleep_forever()
            async with store.lock("anna"):
                with self.clock.move_on_after(TURN_S) as waiting:
                    async with store.lock("anna"):
                        pass
                require(waiting.cancelled_caught, "a wait for a lock can be cancelled")
            async with store.lock("anna"):
                pass

    def test_the_lock_of_a_killed_process_comes_free(self) -> None:
        """Within `lease_s` seconds; where processes can fork."""
        if self.shared and sys.platform != "win32":
            reader, writer = os.pipe()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # the child has no use of other threads
                child = os.fork()
            if child == 0:
                self._hold(writer)
            os.close(writer)
            held = os.read(reader, 1)
            os.close(reader)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            require(held, "the lock can be taken by another process")
            anyio.run(self._take_after_kill, backend=self.backend)

    def _hold(self, writer: int) -> None:
        """Take the lock in a child process, tell so, and hold it until the process is killed."""

        async def hold() -> None:
            async with self.open_store() as store, store.lock("anna"):
                os.write(writer, b"1")
                await anyio.sleep_forever()

        try:
            anyio.run(hold, backend=self.backend)
        finally:
            os._exit(1)

    async def _take_after_kill(self) -> None:
        taken = False
        async with self.open_store() as store:
            with anyio.move_on_after(self.lease_s):
                async with store.lock("anna"):
                    taken = True
        require(taken, f"the lock of a killed process is free within lease_s={self.lease_s:g}")


# Transports


@frozen
class _Service:
    """A service at a socket of this machine, and a client of it."""

    emulator: Emulator
    client: EnlightenClient

    def summary(self) -> Awaitable[object]:
        """Ask for something that is not cached."""
        return self.client.with_options(max_age=0).summary(self.emulator.demo_system)


class TransportContract(Contract):
    """The promises of a transport that is given as `transport=`; needs the extra `emulator`.

    The client pays for each request, so a transport sends exactly what it is given, once.
    """

    def open_transport(self) -> AbstractAsyncContextManager[httpx.AsyncBaseTransport]:
        """Open the transport; it is asked for http://127.0.0.1."""
        raise NotImplementedError

    @asynccontextmanager
    async def _service(self) -> AsyncIterator[_Service]:
        emulator, plan = Emulator(quota=Quota.UNLIMITED), Plan(minute=100_000)
        with emulator.running() as url:
            async with self.open_transport() as transport:
                once = RetryPolicy(attempts=1)
                async with EnlightenClient(
                    "api-key", emulator.demo_user, base_url=url, transport=transport, plan=plan, retry=once
                ) as client:
                    yield _Service(emulator, client)

    async def _failure(self, fault: Fault) -> tuple[EnlightenError | None, int]:
        """Return the error that a fault of the service leads to, and the requests that the service saw."""
        async with self._service() as service:
            service.emulator.inject(fault)
            try:
                await service.summary()
            except EnlightenError as error:
                return error, len(service.emulator.log)
            return None, len(service.emulator.log)

    @in_event_loop
    async def test_requests_and_answers_pass_unchanged(self) -> None:
        """Each is sent, also one that was sent before."""
        async with self._service() as service:
            first, again = await service.summary(), await service.summary()
            require(first == again, "the answer comes as the service gives it")
            require(len(service.emulator.log) == 2, "every request is sent: answers are cached elsewhere")

    @in_event_loop
    async def test_an_answer_with_an_error_is_an_answer(self) -> None:
        """It is neither raised nor asked for again."""
        error, seen = await self._failure(Fault(status=500, body="{}", times=9))
        require(isinstance(error, ServerError), f"a status is for the client to read, not {error!r}")
        require(seen == 1, f"a request is sent once, not {seen} times: the client retries, and counts it")

    @in_event_loop
    async def test_a_broken_connection_is_an_error_of_httpx(self) -> None:
        """And not tried again: the service may have counted the request."""
        error, seen = await self._failure(Fault(dropped=True, times=9))
        require(isinstance(error, TransportError), f"httpx.TransportError is raised, not {error!r}")
        require(seen == 1, f"a request is sent once, not {seen} times")

    @in_event_loop
    async def test_a_redirect_is_not_followed(self) -> None:
        """It would take the key elsewhere."""
        location = (("Location", "/api/v2/systems"),)
        error, seen = await self._failure(Fault(status=302, headers=location, body="{}", times=1))
        require(error is not None and seen == 1, "a redirect is an answer, and is not followed")

    @in_event_loop
    async def test_a_request_can_be_cancelled(self) -> None:
        """At once, and the next one is served."""
        async with self._service() as service:
            service.emulator.inject(Fault(delay=float("inf"), times=1))
            with anyio.move_on_after(TURN_S) as scope:
                await service.summary()
            require(scope.cancelled_caught, "a cancellation passes through the transport")
            await service.summary()


# Clocks


class ClockContract(Contract):
    """The promises of a `Clock`."""

    def make_clock(self) -> Clock:
        """Return the clock."""
        raise NotImplementedError

    @in_event_loop
    async def test_time_passes_for_those_who_sleep(self) -> None:
        """By both readings; the monotonic one never steps back."""
        clock = self.make_clock()
        require(isinstance(clock, Clock), "a Clock has now, monotonic, sleep and move_on_after")
        before, wall = clock.monotonic(), clock.now()
        await clock.sleep(TURN_S)
        passed = clock.monotonic() - before
        require(passed >= 0.99 * TURN_S, f"sleep({TURN_S}) lasts that long, not {passed} s")
        require(clock.now() > wall, "the wall clock goes on meanwhile")
        await clock.sleep(0)
        require(clock.monotonic() - before >= passed, "the monotonic clock never steps back")

    @in_event_loop
    async def test_those_who_sleep_let_others_run(self) -> None:
        """Also for no time at all."""
        clock, ran = self.make_clock(), anyio.Event()

        async def run() -> None:
            ran.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            for _ in range(10):
                await clock.sleep(0)
            require(ran.is_set(), "sleep(0) lets other tasks run")

    @in_event_loop
    async def test_a_limit_cancels_what_takes_longer(self) -> None:
        """And nothing else; `None` is no limit."""
        clock = self.make_clock()
        for limit, length, late in ((TURN_S / 2, TURN_S, True), (TURN_S, 0, False), (None, TURN_S, False)):
            with clock.move_on_after(limit) as scope:
                await clock.sleep(length)
            told = f"move_on_after({limit}) of {length} s tells {late}, not {scope.cancelled_caught}"
            require(scope.cancelled_caught is late, told)
