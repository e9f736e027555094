"""The event loop is never blocked: no file, certificate or database is read or written in its thread.

But for sixteen bytes of the state file, which tell whether another process has written it.
"""

from __future__ import annotations

import asyncio
import inspect
import sqlite3
import ssl
import sys
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import pytest

import enlighten_async
from enlighten_async import EnlightenClient, EnlightenError, OAuth, RetryPolicy
from enlighten_async.clock import SystemClock
from enlighten_async.emulator.v4.tokens import user_name
from enlighten_async.oauth.token_files import _load_file
from enlighten_async.state import DatabaseUnavailable, PostgresBackend, StateFile, server_backend
from enlighten_async.state.backend import Moment
from enlighten_async.state.migrations import migrate
from enlighten_async.state.threads import in_thread
from enlighten_async.transport import connections
from tests.world import API_KEY, World

PACKAGE = str(Path(enlighten_async.__file__).parent)

FILES = """open listdir scandir mkdir rmdir rename replace remove unlink link symlink chmod fchmod truncate
    ftruncate fsync fdatasync sendfile system waitpid"""
CERTIFICATES = "load_verify_locations load_cert_chain set_default_verify_paths load_default_certs"
DATABASE = "execute executemany executescript commit rollback backup fetchone fetchall"
BLOCKING: dict[str, tuple[str | type, ...]] = {
    **dict.fromkeys(FILES.split(), ("posix", "nt", "io", "_io")),
    **dict.fromkeys(CERTIFICATES.split(), (ssl.SSLContext,)),
    **dict.fromkeys(DATABASE.split(), (sqlite3.Connection, sqlite3.Cursor)),
    "open_code": ("io", "_io"),
    "connect": ("_sqlite3",),
    "flock": ("fcntl",),
    "lockf": ("fcntl",),
    "sleep": ("time",),
    "getaddrinfo": ("_socket",),
}
"""Functions that may wait for a disk, a name server or another program, by the name of each: their modules,
or the classes whose methods they are."""


class Watch:
    """Records the blocking calls which a thread makes on behalf of the package, while it runs a loop.

    Attributes:
        calls: each call, and the innermost line of the package that led to it.
    """

    def __init__(self) -> None:
        self.calls: set[str] = set()

    def on(self) -> None:
        """Watch this thread; threads that it starts are not watched."""
        sys.setprofile(self._see)

    @staticmethod
    def off() -> None:
        """Watch no more."""
        sys.setprofile(None)

    def _see(self, frame: FrameType, event: str, called: Any) -> None:
        if event != "c_call":
            return
        for owner in BLOCKING.get(called.__name__, ()):
            is_it = (
                called.__module__ == owner if isinstance(owner, str) else isinstance(called.__self__, owner)
            )
            if is_it and (line := self._line_of_ours(frame)):
                self.calls.add(f"{called.__name__} at {line}")

    @staticmethod
    def _line_of_ours(frame: FrameType | None) -> str:
        """Return the innermost line of the package that led to a call; empty if none did."""
        while frame is not None:
            name = frame.f_code.co_filename
            if frame.f_code is StateFile._version.__code__:
                return ""
            if name.startswith(PACKAGE):
                return f"{name.removeprefix(PACKAGE)}:{frame.f_lineno}"
            frame = frame.f_back
        return ""


class Unwatched(httpx.AsyncBaseTransport):
    """The way to a service in this process: its own work is not watched, which would take long."""

    def __init__(self, inner: httpx.AsyncBaseTransport, watch: Watch) -> None:
        self._inner = inner
        self._watch = watch

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Have the service answer."""
        self._watch.off()
        try:
            return await self._inner.handle_async_request(request)
        finally:
            self._watch.on()


def watched(watch: Watch, work: Callable[[], Awaitable[object]]) -> set[str]:
    """Run some work in an event loop; return the blocking calls made in its thread."""

    async def run() -> None:
        watch.on()
        try:
            await work()
        finally:
            watch.off()

    asyncio.run(run())
    return watch.calls


ARGUMENTS: dict[str, Any] = {
    "serial_num": "1",
    "serial_number": "1",
    "start_time": datetime(2025, 6, 14, tzinfo=UTC),
    "start_date": date(2025, 6, 1),
}


def queries(client: EnlightenClient, system: int) -> Iterator[Any]:
    """Yield a query of each method of a client, with the arguments that it cannot do without."""
    given = {**ARGUMENTS, "system_id": system, "site_id": system}
    for name, function in inspect.getmembers(type(client), inspect.isfunction):
        method = getattr(client, name) if not name.startswith("_") else function
        signature = inspect.signature(method)
        if not str(signature.return_annotation).startswith("Query[") or name.startswith("_"):
            continue
        needed = [
            each.name
            for each in signature.parameters.values()
            if each.default is each.empty and each.kind is not each.VAR_KEYWORD
        ]
        with suppress(EnlightenError), warnings.catch_warnings():  # not every version has it, or wants it
            warnings.simplefilter("ignore", DeprecationWarning)
            yield method(**{name: given[name] for name in needed})


async def use_all(client: EnlightenClient, system: int) -> int:
    """Call all there is: awaited, streamed, priced, from the cache; return how many were answered."""
    answered = 0
    async with client:
        for query in queries(client, system):
            with suppress(EnlightenError):
                await query
                answered += 1
        view = client.with_options(max_age=3600, max_wait=60, max_requests=5)
        for query in queries(view, system):
            with suppress(EnlightenError):
                await query.estimate()
            with suppress(EnlightenError):
                async for _ in query:
                    pass
        await client.quota()
        await client.set_month_used(5)
        await client.forget_limits()
    return answered


@pytest.mark.parametrize("stored", [False, True])
def test_no_call_of_a_client_of_v2_blocks(tmp_path: Path, stored: bool) -> None:
    """With a state file, from its making on, or without one."""
    world, answered, watch = World(), [], Watch()
    service = Unwatched(world.emulator.transport(), watch)

    async def use() -> None:
        state = tmp_path / "state.db" if stored else None
        client = world.client(state=state, transport=service)
        answered.append(await use_all(client, world.system))

    assert watched(watch, use) == set()
    assert answered[0] >= 10


@pytest.mark.slow
def test_no_call_of_a_client_of_v4_blocks(tmp_path: Path) -> None:
    """From the login on, with tokens in a file, which are refreshed."""
    world, answered, watch = World(), [], Watch()
    service = Unwatched(world.emulator.transport(), watch)

    async def use() -> None:
        oauth = world.oauth(tokens=tmp_path / "tokens.json", transport=service)
        await oauth.password("anna", user_name(world.emulator.demo_user), "any")
        world.clock.advance(90_000)
        client = world.v4(user="anna", oauth=oauth, state=tmp_path / "state.db", transport=service)
        answered.append(await use_all(client, world.system))
        assert await oauth.tokens("anna") is not None
        await oauth.save_unsaved()
        await oauth.forget("anna")

    assert watched(watch, use) == set()
    assert answered[0] >= 30


@pytest.mark.parametrize("verify", [True, False, "/etc/ssl/certs/ca-certificates.crt", "/no/such/file"])
@pytest.mark.parametrize("version", ["v2", "v4"])
def test_no_first_request_over_the_network_blocks(tmp_path: Path, version: str, verify: Any) -> None:
    """Certificates of each kind are read in another thread; nobody listens at the address."""
    for cached in (connections._system_context, connections._context_from_path):
        cached.cache_clear()
    options: dict[str, Any] = {
        "base_url": f"https://127.0.0.1:9/api/{version}",
        "verify": verify,
        "timeout": 5,
    }

    async def use() -> None:
        state, retry = tmp_path / "state.db", RetryPolicy(attempts=1)
        if version == "v2":
            client = EnlightenClient(API_KEY, "user", state=state, retry=retry, **options)
        else:
            oauth = OAuth("client", "secret", tokens=tmp_path / "tokens.json", **options)
            with suppress(EnlightenError):
                await oauth.exchange("anna", "a code")
            client = EnlightenClient.v4(
                API_KEY, oauth=oauth, user_id="anna", state=state, retry=retry, **options
            )
        async with client:
            with suppress(EnlightenError):
                await client.summary(7)

    assert watched(Watch(), use) == set()


class Unchanged:
    """A change of nothing."""

    def apply(self, text: str | None, moment: Moment) -> None:
        """Leave the text as it is."""

    def committed(self) -> None:
        """Note nothing."""


def test_no_loop_reads_the_authorities_that_verify_a_server_of_the_state() -> None:
    """Another thread does, once for each server; nobody listens at the address."""
    pytest.importorskip("redis.asyncio")  # in the thread that makes the client
    redis = server_backend(lambda: "rediss://127.0.0.1:9", SystemClock())
    postgres = server_backend(lambda: "postgresql://db.example/solar", SystemClock())
    assert isinstance(postgres, PostgresBackend)

    async def use() -> None:
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable):
                await redis.update(lambda _: b"", Unchanged(), timeout_s=5)
        assert await postgres._tls() is await postgres._tls() is not None

    assert {call for call in watched(Watch(), use) if call.split()[0] in CERTIFICATES.split()} == set()


def test_the_watch_sees_what_blocks(tmp_path: Path) -> None:
    """What another thread does is not seen, and what the loop's own does is."""
    path = tmp_path / "tokens.json"
    path.write_text("{}")

    async def well() -> None:
        await in_thread(lambda: _load_file(path))

    async def badly() -> None:
        _load_file(path)
        with suppress(EnlightenError):
            connections.ssl_context(str(path))
        with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
            migrate(connection, "state.db")

    assert watched(Watch(), well) == set()
    seen = {call.partition(" ")[0] for call in watched(Watch(), badly)}
    assert {"open", "load_verify_locations", "execute"} <= seen
