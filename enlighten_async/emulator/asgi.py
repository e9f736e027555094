"""The emulator as an ASGI application, for any server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio

from enlighten_async.emulator.messages import (
    MAX_BODY_BYTES,
    METHODS_WITH_BODY,
    DroppedError,
    Request,
    Response,
)

if TYPE_CHECKING:
    from enlighten_async.emulator.messages import Application

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]


async def serve_scope(app: Application, scope: Message, receive: Receive, send: Send) -> None:
    """Serve one connection scope; a caller who disconnects cancels the work on their request.

    Raises DroppedError where the connection is to be closed: servers close it, or respond with 500 if
    nothing was sent yet.
    """
    if scope["type"] == "lifespan":
        await _complete_lifespan(receive, send)
    if scope["type"] != "http":
        return
    dropped = False
    request = await _read_request(scope, receive)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_cancel_on_disconnect, receive, tasks.cancel_scope)
        try:
            await _send(app, await app.respond(request), send)
        except DroppedError:
            dropped = True
        tasks.cancel_scope.cancel()
    if dropped:
        raise DroppedError


async def _send(app: Application, response: Response, send: Send) -> None:
    sent = response.sent_headers()
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in sent]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    for chunk in response.chunks():
        if response.byte_delay:
            await app.clock.sleep(response.byte_delay)
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    if not response.complete:
        raise DroppedError
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _read_request(scope: Message, receive: Receive) -> Request:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query = scope["query_string"].decode("latin-1")
    host = headers.get("host", "localhost")
    return Request(
        method=scope["method"],
        url=f"{scope['scheme']}://{host}{scope['path']}" + (f"?{query}" if query else ""),
        path=scope["path"],
        query=query,
        headers=headers,
        body=await _read_body(receive) if scope["method"] in METHODS_WITH_BODY else b"",
    )


async def _read_body(receive: Receive) -> bytes:
    """Return the body of a request, or its beginning if it is too long or ends early."""
    body = b""
    more = True
    while more and len(body) < MAX_BODY_BYTES:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body[:MAX_BODY_BYTES]


async def _cancel_on_disconnect(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _complete_lifespan(receive: Receive, send: Send) -> None:
    """Confirm a server's start and end."""
    for step in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{step}.complete"})
