"""The emulator as an ASGI application, for any server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio

from enlighten_async.emulator.messages import Answer, Call, DroppedError

if TYPE_CHECKING:
    from enlighten_async.emulator.app import Emulator

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


async def respond(app: Emulator, scope: Message, receive: Receive, send: Send) -> None:
    """Answer one connection scope; a caller who leaves ends the work for them.

    Raises DroppedError where the connection is to be closed: servers close it, or answer 500 if nothing
    was sent yet.
    """
    if scope["type"] == "lifespan":
        await _live(receive, send)
    if scope["type"] != "http":
        return
    dropped = False
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_leave, receive, tasks.cancel_scope)
        try:
            await _send(app, await app.answer(_call(scope)), send)
        except DroppedError:
            dropped = True
        tasks.cancel_scope.cancel()
    if dropped:
        raise DroppedError


async def _send(app: Emulator, answer: Answer, send: Send) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.head()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    for piece in answer.pieces():
        if answer.pause:
            await app.clock.sleep(answer.pause)
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    if not answer.whole:
        raise DroppedError
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _call(scope: Message) -> Call:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    query = scope["query_string"].decode("latin-1")
    host = headers.get(b"host", b"localhost").decode("latin-1")
    return Call(
        method=scope["method"],
        url=f"{scope['scheme']}://{host}{scope['path']}" + (f"?{query}" if query else ""),
        path=scope["path"],
        query=query,
        gzip=b"gzip" in headers.get(b"accept-encoding", b""),
    )


async def _leave(receive: Receive, scope: anyio.CancelScope) -> None:
    """Cancel the work when the caller has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _live(receive: Receive, send: Send) -> None:
    """Follow a server's start and end."""
    for step in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{step}.complete"})
