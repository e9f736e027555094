"""A transport the user brought: a mock, an ASGI app, an emulator, a pool of their own."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import cast

import httpx

from enlighten_async.transport.sending import Reply, Sending


class Guest:
    """Carries requests by a user's transport.

    Args:
        transport: any `httpx.AsyncBaseTransport`; it is closed with the client, as httpx does.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def open(self, request: httpx.Request, sending: Sending) -> Reply:
        """Send a copy of the request with the credentials and return the answer, its body unread."""
        sending.phase = "wait"
        sending.leave()
        # No local of ours names the copy: a traceback through here may be shown with its locals.
        response = await self._transport.handle_async_request(_stamped(request, sending))
        stream = cast("AsyncIterable[bytes]", response.stream)
        return Reply(response.status_code, response.headers.raw, stream, response.aclose)

    async def aclose(self) -> None:
        """Close the user's transport."""
        await self._transport.aclose()


def _stamped(request: httpx.Request, sending: Sending) -> httpx.Request:
    credentials = sending.credentials
    extensions = {name: value for name, value in request.extensions.items() if name == "timeout"}
    return httpx.Request(
        request.method,
        request.url.copy_with(raw_path=credentials.add_to(request.url.raw_path)),
        headers=credentials.add_fields(request.headers.raw),
        content=credentials.body_for(request.content) or None,
        extensions=extensions,
    )


def service_of(transport: httpx.AsyncBaseTransport | None) -> object | None:
    """Return the object that stands for the service behind a transport; `None` for the real one.

    A service inside this process counts requests by itself, so it is given counts of its own: the
    app behind an ASGI transport or an emulator, else the transport itself.
    """
    return None if transport is None else getattr(transport, "app", transport)
