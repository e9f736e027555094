"""Exchange: one request, its response, and how far it got in between."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from attrs import define, field, frozen

from enlighten_async.transport.credentials import Credentials
from enlighten_async.wire import Request, Response

if TYPE_CHECKING:
    import anyio
    import httpx

EXTENSION = "enlighten_async"
"""Key of the `Exchange` in the extensions of an `httpx.Request`: the one way for it through httpx."""

LARGE_BODY_BYTES = 1024 * 1024
"""Larger bodies are held by a few exchanges at a time only, and decoded in a thread: to decode a body of this
size in the event loop takes up to a tenth of a second.
"""

Phase: TypeAlias = Literal["connect", "send", "wait", "body"]


@define(eq=False, repr=False)
class Exchange:
    """One request sent once, and its response: the only holder of both.

    `Transport.send` fills it in. However `send` is left, also by a cancel, `sent_at` and `response` are
    true: nothing is awaited between the last byte of a body and setting `response`.

    Attributes:
        request: the request; holds no secret.
        credentials: added below the HTTP client, for the configured origin only.
        phase: how far the request got: connecting, sending, waiting for the head, or reading the body.
        sent_at: monotonic time at which the first byte was about to go out (from then on the service may
            count the request); `None` if it certainly was not sent.
        response: the response; `None` until its body is whole.
        place: the limit in which its large body has a place, until it is decoded; `None` for small ones.
    """

    request: Request[Any]
    credentials: Credentials
    phase: Phase = field(default="connect", init=False)
    sent_at: float | None = field(default=None, init=False)
    response: Response | None = field(default=None, init=False)
    place: anyio.Semaphore | None = field(default=None, init=False)

    def release(self) -> None:
        """Give back the place among the large bodies that are held at the same time, if it has one."""
        if self.place is not None:
            self.place.release()
            self.place = None

    def __repr__(self) -> str:
        return f"<Exchange {self.request.method} {self.request.path}, phase {self.phase}>"


@frozen
class RawResponse:
    """A response whose body is still to be read.

    Attributes:
        status: HTTP status.
        headers: the fields in order, names in any case.
        stream: the body as sent over the wire, not decoded.
        aclose: gives the connection back to its pool, or closes it if the body was not read to its end.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    stream: AsyncIterable[bytes]
    aclose: Callable[[], Awaitable[None]]


class RawTransport(Protocol):
    """The layer that adds the credentials: our pool, or a user's transport."""

    async def open(self, request: httpx.Request, exchange: Exchange) -> RawResponse:
        """Add the credentials, send the request and return the response, its body unread."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...
