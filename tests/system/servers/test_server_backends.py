"""The backends on real servers keep the contracts of backends and quota stores."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from hashlib import blake2b

import pytest
from attrs import evolve

from enlighten_async.clock import Clock, SystemClock
from enlighten_async.limiter import QuotaStore, SharedQuotaStore
from enlighten_async.state import Change, Moment, Name, StateBackend, server_backend
from enlighten_async.testing.contracts import Contract
from enlighten_async.testing.state_contracts import QuotaStoreContract, StateBackendContract
from tests.state.servers import SERVERS, Server

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start a server."""
    server = SERVERS[request.param](tmp_path_factory.mktemp(request.param))
    yield server
    server.stop()


class Served(Contract):
    """A contract of something on a server, which is empty at first."""

    @pytest.fixture(autouse=True)
    def place(self, server: Server) -> None:
        """Empty the server."""
        server.empty()
        self.server = server


class TestServerBackend(Served, StateBackendContract):
    """Texts on a server."""

    @asynccontextmanager
    async def open_backend(self) -> AsyncIterator[StateBackend]:
        """Connect."""
        backend = server_backend(lambda: self.server.url, SystemClock())
        yield backend
        await backend.aclose()


class TestServerQuotaStore(Served, QuotaStoreContract):
    """Counts on a server, which nobody else has used: as if somebody had told so."""

    @asynccontextmanager
    async def open_store(self, clock: Clock) -> AsyncIterator[QuotaStore]:
        """Connect."""
        backend = Durable(server_backend(lambda: self.server.url, clock))
        store = SharedQuotaStore(backend, name, clock=clock)
        yield store
        await store.aclose()


def name(salt: bytes) -> bytes:
    """Return the name of a key."""
    return blake2b(b"a key", key=salt[:64], digest_size=32).digest()


class Durable:
    """A backend that says it is durable.

    Args:
        backend: the backend.
    """

    remote = True

    def __init__(self, backend: StateBackend) -> None:
        self._backend = backend
        self.aclose, self.begin_anew = backend.aclose, backend.begin_anew

    async def update(
        self, name: Name, change: Change, *, timeout_s: float, keeps_answers: bool = False
    ) -> None:
        """Change a text."""
        await self._backend.update(name, _Durable(change), timeout_s=timeout_s, keeps_answers=keeps_answers)


class _Durable:
    def __init__(self, change: Change) -> None:
        self._change, self.committed = change, change.committed

    def apply(self, text: str | None, moment: Moment) -> str | None:
        return self._change.apply(text, evolve(moment, durable=True))
