"""The last station below the HTTP client: credentials on the way out, a whole body on the way in."""

from __future__ import annotations

from contextlib import suppress

import httpx

from enlighten_async.transport.body import Body, Head
from enlighten_async.transport.origin import Origin
from enlighten_async.transport.sending import EXTENSION, Carrier, Reply, Sending


class WrongOriginError(Exception):
    """The request would have taken the credentials to another host."""


class Stamp(httpx.AsyncBaseTransport):
    """Lets a carrier add the credentials, reads the answer to its end and hands it over.

    Above it no object holds a credential, so hooks, logs and tracers cannot show one.

    Args:
        origin: the only one that is sent credentials.
        carrier: our pool, or the user's transport.
    """

    def __init__(self, origin: Origin, carrier: Carrier) -> None:
        self._origin = (origin.scheme, origin.host.encode(), origin.port)
        self._default_port = 443 if origin.scheme == "https" else 80
        self._carrier = carrier

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request and return the whole answer, decoded.

        Raises:
            WrongOriginError: the URL is not below the configured origin; nothing was sent.
            BodyError: the body is cut, damaged or too large.
        """
        sending: Sending = request.extensions[EXTENSION]
        url = request.url
        if (url.scheme, url.raw_host, url.port or self._default_port) != self._origin:
            raise WrongOriginError("the URL is not below the configured base_url")
        reply = await self._carrier.open(request, sending)
        try:
            sending.phase = "body"
            await _read(reply, sending)
        finally:
            # Either the answer is kept, or another error is on its way: a failing close changes neither.
            with suppress(Exception):
                await reply.aclose()
        return _bare(sending)

    async def aclose(self) -> None:
        """Close what carries the requests."""
        await self._carrier.aclose()


async def _read(reply: Reply, sending: Sending) -> None:
    head = Head.of(reply.headers)
    body = Body(head)
    chunks = aiter(reply.stream)
    try:
        async for chunk in chunks:
            body.feed(chunk)
        sending.land(reply.status, body.finish(), head)
    finally:
        # A generator left half-way would be finished by the event loop in a task of its own.
        if hasattr(chunks, "aclose"):
            with suppress(Exception):
                await chunks.aclose()


def _bare(sending: Sending) -> httpx.Response:
    """Return the answer for the HTTP client: no header that it would act upon, or that may echo."""
    response = sending.response
    assert response is not None  # noqa: S101
    return httpx.Response(
        response.status, headers=[("content-type", response.content_type)], content=response.body
    )
