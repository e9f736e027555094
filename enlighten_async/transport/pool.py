"""Our own connections: httpcore2's pool, which loses no slot when a request is cancelled."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Coroutine, Generator
from typing import Any, cast

import httpcore2
import httpx

from enlighten_async.transport.origin import Origin
from enlighten_async.transport.proxied import ProxiedPool
from enlighten_async.transport.proxy import Proxy
from enlighten_async.transport.sending import Reply, Sending
from enlighten_async.transport.tls import Verify, ssl_context

KEEPALIVE = 10.0
"""Seconds an idle connection is kept; servers close theirs after 15 and more."""


class Pool:
    """Keeps connections to one origin, HTTP/1.1 only.

    The credentials enter here, in the bytes that go out: no object of httpx holds them. They
    go to the configured origin whatever the request's URL says.

    Args:
        origin: where all requests go.
        max_connections: how many at a time, also when idle; more requests wait.
        proxy: through which, if any.
        verify: see `Verify`; the TLS context is built with the first request.
    """

    def __init__(self, origin: Origin, *, max_connections: int, proxy: Proxy | None, verify: Verify) -> None:
        self._origin = origin
        self._max_connections = max_connections
        self._proxy = proxy
        self._verify = verify
        self._pool: httpcore2.AsyncConnectionPool | None = None

    async def open(self, request: httpx.Request, sending: Sending) -> Reply:
        """Send the request and return the answer, its body unread."""
        pool = self._pool or self._build()
        response = await pool.handle_async_request(self._outgoing(request, sending))
        stream = cast("AsyncIterable[bytes]", response.stream)
        return Reply(response.status, response.headers, stream, lambda: _ToTheEnd(response.aclose()))

    async def aclose(self) -> None:
        """Close all connections."""
        if self._pool is not None:
            await self._pool.aclose()

    def _outgoing(self, request: httpx.Request, sending: Sending) -> httpcore2.Request:
        credentials = sending.credentials
        return httpcore2.Request(
            request.method,
            httpcore2.URL(
                scheme=self._origin.scheme,
                host=self._origin.host,
                port=self._origin.port,
                target=credentials.add_to(request.url.raw_path),
            ),
            headers=credentials.add_fields(request.headers.raw),
            content=credentials.body_for(request.content),
            extensions={"trace": sending.trace},
        )

    def _build(self) -> httpcore2.AsyncConnectionPool:
        kind = ProxiedPool if self._proxy else httpcore2.AsyncConnectionPool
        self._pool = kind(
            ssl_context=ssl_context(self._verify) if self._origin.scheme == "https" else None,
            proxy=self._proxy.build(self._verify) if self._proxy else None,
            max_connections=self._max_connections,
            max_keepalive_connections=self._max_connections,
            keepalive_expiry=KEEPALIVE,
            http1=True,
            http2=False,
            retries=0,  # each try is paid for at the gate, so none is made behind its back
        )
        return self._pool


class _ToTheEnd:
    """Awaits the release of a connection to its end; a cancel that comes meanwhile is raised after it.

    The pool shields its own closing from cancel scopes. `asyncio.Task.cancel` reaches through that, and
    where it did, the pool would keep the finished request for ever.
    """

    def __init__(self, release: Coroutine[Any, Any, None]) -> None:
        self._release = release

    def __await__(self) -> Generator[Any, Any, None]:
        cancelled: BaseException | None = None
        step: Callable[[Any], Any] = self._release.send
        value: Any = None
        while True:
            try:
                asked = step(value)
            except StopIteration:
                break
            try:
                step, value = self._release.send, (yield asked)
            except BaseException as error:  # noqa: BLE001
                if asked is None:  # it merely let others run, and can go on
                    step, value, cancelled = self._release.send, None, error
                else:
                    step, value = self._release.throw, error
        if cancelled is not None:
            raise cancelled
