"""The emulator as an ASGI application, for any server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio

from enlighten_async.emulator.messages import MAX_BODY, WITH_BODY, Answer, Call, DroppedError

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
    call = await _call(scope, receive)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_leave, receive, tasks.cancel_scope)
        try:
            await _send(app, await app.answer(call), send)
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


async def _call(scope: Message, receive: Receive) -> Call:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query = scope["query_string"].decode("latin-1")
    host = headers.get("host", "localhost")
    return Call(
        method=scope["method"],
        url=f"{scope['scheme']}://{host}{scope['path']}" + (f"?{query}" if query else ""),
        path=scope["path"],
        query=query,
        headers=headers,
        body=await _read(receive) if scope["method"] in WITH_BODY else b"",
    )


async def _read(receive: Receive) -> bytes:
    """Return the body of a request, or its beginning if it is too long or breaks off."""
    body = b""
    more = True
    while more and len(body) < MAX_BODY:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body[:MAX_BODY]


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
