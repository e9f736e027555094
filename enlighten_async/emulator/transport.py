"""The emulator for httpx, without a socket: on any event loop, with any clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
from anyio.lowlevel import checkpoint

from enlighten_async.emulator.messages import MAX_BODY, WITH_BODY, Call, DroppedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from enlighten_async.emulator.app import Emulator
    from enlighten_async.emulator.messages import Answer


class EmulatorTransport(httpx.AsyncBaseTransport):
    """Leads every request to an emulator, whatever host it names.

    Attributes:
        app: the emulator; transports of the same emulator lead to the same service.
    """

    def __init__(self, app: Emulator) -> None:
        self.app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the emulator's answer; the body follows as it is read.

        Raises httpx.ReadError if the connection is dropped.
        """
        await checkpoint()
        call = Call(
            method=request.method,
            url=str(request.url),
            path=request.url.path,
            query=request.url.query.decode("ascii"),
            headers=dict(request.headers),
            body=await _read(request) if request.method in WITH_BODY else b"",
        )
        try:
            answer = await self.app.answer(call)
        except DroppedError:
            raise httpx.ReadError("connection dropped", request=request) from None
        return httpx.Response(answer.status, headers=answer.head(), stream=_Body(answer, self.app))


async def _read(request: httpx.Request) -> bytes:
    """Return the body of a request, or its beginning if it is too long."""
    body = b""
    if isinstance(request.stream, httpx.AsyncByteStream):
        async for piece in request.stream:
            body += piece
            if len(body) >= MAX_BODY:
                break
    return body[:MAX_BODY]


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: Answer, app: Emulator) -> None:
        self._answer = answer
        self._app = app

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Pieces(self._answer, self._app)


class _Pieces:
    """The body as it is read; no async generator, so that it may be left at any point."""

    def __init__(self, answer: Answer, app: Emulator) -> None:
        self._answer = answer
        self._app = app
        self._pieces = answer.pieces()

    def __aiter__(self) -> _Pieces:
        return self

    async def __anext__(self) -> bytes:
        for piece in self._pieces:
            await self._app.clock.sleep(self._answer.pause)
            return piece
        if not self._answer.whole:
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
        raise StopAsyncIteration
