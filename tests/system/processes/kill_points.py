"""Named points of a purchase, at each of which a process can end as `kill -9` ends it."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from threading import Lock
from typing import Any

import httpx

from enlighten_async.clock import Clock
from enlighten_async.limiter import SharedQuotaStore
from enlighten_async.limiter.decision import Take, Wait
from enlighten_async.state import SqliteBackend, StateFile

BEFORE_DEBIT, AFTER_DEBIT = "before the debit", "after the debit"
AFTER_SEND, AFTER_BODY = "after the send", "after the body"
BEFORE_COMMIT, IN_COMMIT, AFTER_COMMIT = "before the commit", "in the commit", "after the commit"

AGAIN = {
    BEFORE_DEBIT: 0,
    AFTER_DEBIT: 0,
    AFTER_SEND: 1,
    AFTER_BODY: 1,
    BEFORE_COMMIT: 1,
    IN_COMMIT: 1,
    AFTER_COMMIT: 0,
}
"""The points, and how often the purchase that is cut off there has to be made again."""


class Reaper:
    """Ends this process when a point is reached for the nth time.

    Args:
        point: the point; empty for none.
        nth: how often it is to be reached.
    """

    def __init__(self, point: str, nth: int) -> None:
        self._point = point
        self._left = nth
        self._lock = Lock()  # files are written in threads
        if point == IN_COMMIT:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it

    def met(self, point: str) -> bool:
        """Tell whether this is the moment."""
        with self._lock:
            self._left -= point == self._point
            return point == self._point and self._left <= 0

    def at(self, point: str) -> None:
        """End here, if this is the moment."""
        if self.met(point):
            os.kill(os.getpid(), signal.SIGKILL)


class Way(httpx.AsyncBaseTransport):
    """The way to the service, over real sockets, on which one may be killed."""

    def __init__(self, reaper: Reaper) -> None:
        self._reaper = reaper
        self._inner = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=10))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Lead a request to the service; the body follows as it is read."""
        request.extensions = {**request.extensions, "trace": self._traced}
        response = await self._inner.handle_async_request(request)
        body = _Body(response, self._reaper)
        return httpx.Response(response.status_code, headers=response.headers.raw, stream=body)

    async def _traced(self, event: str, _: object) -> None:
        if event == "http11.send_request_body.complete":
            self._reaper.at(AFTER_SEND)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: httpx.Response, reaper: Reaper) -> None:
        self._response = response
        self._reaper = reaper

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._response.stream:  # type: ignore[union-attr]
            yield piece
        self._reaper.at(AFTER_BODY)

    async def aclose(self) -> None:
        await self._response.aclose()


class Debits(SharedQuotaStore):
    """The counts of a key in the state file."""

    def __init__(self, file: StateFile, name: Callable[[bytes], bytes], clock: Clock, reaper: Reaper) -> None:
        super().__init__(SqliteBackend(file, clock), name, clock=clock)
        self._reaper = reaper

    async def take(self, asked: Take, now: float) -> Wait | None:
        """Put a request in flight."""
        self._reaper.at(BEFORE_DEBIT)
        wait = await super().take(asked, now)
        if wait is None:
            self._reaper.at(AFTER_DEBIT)
        return wait


class Paper(StateFile):
    """The state file; its points are those of transactions that write what was bought.

    In the commit it is the kernel that ends the process, when the file is about to grow: its journal is on
    the disk then, and what was to be changed is changed in part.
    """

    def __init__(self, path: Path, reaper: Reaper) -> None:
        super().__init__(path)
        self._reaper = reaper
        self._buys = False

    def _open(self) -> None:
        super()._open()
        assert self._connection is not None
        self._connection.set_trace_callback(self._traced)

    def _traced(self, statement: str) -> None:
        if statement.startswith("BEGIN"):
            self._buys = False
        self._buys |= statement.startswith("INSERT INTO stretches")
        if statement == "COMMIT" and self._buys:
            self._reaper.at(BEFORE_COMMIT)
            if self._reaper.met(IN_COMMIT):
                self._let_it_not_grow()

    def _let_it_not_grow(self) -> None:
        import resource  # noqa: PLC0415 - POSIX only

        size, most = self.path.stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))

    def _attempt(self, work: Callable[[Any], Any], begin: str) -> Any:
        result = super()._attempt(work, begin)
        if self._buys:
            self._reaper.at(AFTER_COMMIT)
        return result
