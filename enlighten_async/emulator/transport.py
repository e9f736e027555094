"""An httpx transport that leads to the emulator without a socket: on any event loop, with any clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
from anyio.lowlevel import checkpoint

from enlighten_async.emulator.messages import MAX_BODY_BYTES, METHODS_WITH_BODY, DroppedError, Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from enlighten_async.emulator.messages import Application, Response


class EmulatorTransport(httpx.AsyncBaseTransport):
    """Leads every request to an emulator, whatever host it names."""

    def __init__(self, app: Application) -> None:
        self.app = app
        """The emulator; transports of the same emulator lead to the same service."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the emulator's response; the body follows as it is read.

        Raises httpx.ReadError if the connection is dropped.
        """
        await checkpoint()
        received = Request(
            method=request.method,
            url=str(request.url),
            path=request.url.path,
            query=request.url.query.decode("ascii"),
            headers=dict(request.headers),
            body=await _read(request) if request.method in METHODS_WITH_BODY else b"",
        )
        try:
            response = await self.app.respond(received)
        except DroppedError:
            raise httpx.ReadError("connection dropped", request=request) from None
        body = _ResponseBody(response, self.app)
        return httpx.Response(response.status, headers=response.sent_headers(), stream=body)


async def _read(request: httpx.Request) -> bytes:
    """Return the body of a request, or its beginning if it is too long; the rest is read and dropped."""
    body = b""
    if isinstance(request.stream, httpx.AsyncByteStream):
        async for piece in request.stream:  # to its end: it may be a generator
            body = (body + piece)[:MAX_BODY_BYTES]
    return body


class _ResponseBody(httpx.AsyncByteStream):
    def __init__(self, response: Response, app: Application) -> None:
        self._response = response
        self._app = app

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Chunks(self._response, self._app)


class _Chunks:
    """The body as it is read; no async generator, so that a reader may stop at any point."""

    def __init__(self, response: Response, app: Application) -> None:
        self._response = response
        self._app = app
        self._chunks = response.chunks()

    def __aiter__(self) -> _Chunks:
        return self

    async def __anext__(self) -> bytes:
        for chunk in self._chunks:
            await self._app.clock.sleep(self._response.byte_delay)
            return chunk
        if not self._response.complete:
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
        raise StopAsyncIteration
