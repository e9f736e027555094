"""Waits on this machine for the owner to come back from the service's page."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit

import anyio
from anyio.abc import SocketAttribute, SocketListener, SocketStream
from attrs import frozen

from enlighten_async.transport import Secret

HOST = "127.0.0.1"
MAX_HEAD = 8192
"""Bytes of a request that are read, at most."""
PATIENCE = 10.0
"""Seconds a request may take to arrive: browsers open connections they do not use."""

PAGE = """\
HTTP/1.1 {status}\r
Content-Type: text/html; charset=utf-8\r
Content-Length: {length}\r
Cache-Control: no-store\r
Content-Security-Policy: default-src 'none'\r
Referrer-Policy: no-referrer\r
Connection: close\r
\r
{body}"""
BODY = "<!doctype html><title>enlighten</title><p>{text}</p>\n"

CAME = "The code has arrived: you can close this page and go back to the terminal."
REFUSED = "The login was refused: you can close this page and go back to the terminal."
STRANGER = "This address does not belong to the login that is waited for."
NOTHING = "There is nothing here."


@frozen
class Arrival:
    """With what the owner came back.

    Attributes:
        code: the code; empty if there is none.
        error: OAuth's word for why there is none, such as "access_denied".
    """

    code: Secret
    error: str = ""


def arrival(query: str, state: str) -> Arrival | None:
    """Return what the query of an address says; `None` if it belongs to no login, or to another one."""
    fields = {name: values[0] for name, values in parse_qs(query).items() if len(values) == 1}
    if not hmac.compare_digest(fields.get("state", "").encode(), state.encode()):
        return None
    code, error = Secret(fields.get("code", "")), fields.get("error", "")
    return Arrival(code, error) if code or error else None


class Callback:
    """The page to which the owner is led back; it is there until somebody has come who belongs here.

    Args:
        listener: where it is.
        path: its path; others are not found.
        state: what the owner has to bring back.
    """

    def __init__(self, listener: SocketListener, path: str, state: str) -> None:
        self._listener = listener
        self._path = path
        self._state = state
        self._found: Arrival | None = None

    async def wait(self) -> Arrival:
        """Return what the owner came back with."""
        async with anyio.create_task_group() as group:
            self._scope = group.cancel_scope
            await self._listener.serve(self._serve, group)
        assert self._found is not None  # noqa: S101 - or it would still be waiting
        return self._found

    async def _serve(self, stream: SocketStream) -> None:
        found: Arrival | None = None
        async with stream:
            with anyio.move_on_after(PATIENCE), suppress(anyio.BrokenResourceError, anyio.EndOfStream):
                found, page = self._answer(await _head(stream))
                await stream.send(page)
        if found is not None:
            self._found = found
            self._scope.cancel()

    def _answer(self, head: bytes) -> tuple[Arrival | None, bytes]:
        method, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
        try:
            address = urlsplit(rest.partition(" ")[0])
        except ValueError:
            address = urlsplit("")
        if method != "GET" or address.path != self._path:
            return None, _page("404 Not Found", NOTHING)
        found = arrival(address.query, self._state)
        if found is None:
            return None, _page("400 Bad Request", STRANGER)
        return found, _page("200 OK", CAME if found.code else REFUSED)


@asynccontextmanager
async def listening(port: int) -> AsyncIterator[SocketListener]:
    """Listen on this machine, for this machine only.

    Raises:
        OSError: the port is in use.
    """
    try:
        listener = await anyio.create_tcp_listener(local_host=HOST, local_port=port)
    except OSError as error:
        reason = f"cannot listen at {HOST} port {port}: choose another --port, or --paste the code"
        raise OSError(error.errno, reason) from None
    async with listener:
        yield listener.listeners[0]  # type: ignore[misc]


def port_of(listener: SocketListener) -> int:
    """Return the port of a listener."""
    return int(listener.extra(SocketAttribute.local_port))  # noqa: S610 - not of a database


async def _head(stream: SocketStream) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < MAX_HEAD:
        head += await stream.receive(MAX_HEAD - len(head))
    return head


def _page(status: str, text: str) -> bytes:
    body = BODY.format(text=text)
    return PAGE.format(status=status, length=len(body), body=body).encode()
