"""One request and its response on the way: how far it got, and who observes it."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any, Protocol

import httpx
from attrs import frozen

from enlighten_async.clock import Clock
from enlighten_async.transport.body import Head
from enlighten_async.transport.credentials import Credentials
from enlighten_async.wire import Response

EXTENSION = "enlighten_async"
"""Under this name a `Exchange` travels in the extensions of an `httpx.Request`."""

_PHASES = {
    "http11.send_request_headers.started": "send",
    "http11.receive_response_headers.started": "wait",
}


class ExchangeObserver(Protocol):
    """Who keeps the books of one request; both calls are made at most once and must not raise."""

    def mark_sent(self) -> None:
        """The request is about to leave: from here on the service may count it."""
        ...

    def land(self, response: Response) -> None:
        """The answer is whole. Called before anything else is awaited, so no cancel comes between."""
        ...


class Exchange:
    """One request on its way.

    Attributes:
        credentials: to be added as the last act.
        phase: how far it got: "connect", "send", "wait" or "body".
        sent_at: monotonic time when it left; `None` if it certainly did not.
        response: the answer, once it is whole.
    """

    __slots__ = ("_attempt", "_clock", "credentials", "phase", "response", "sent_at")

    def __init__(self, credentials: Credentials, attempt: ExchangeObserver, clock: Clock) -> None:
        self._attempt = attempt
        self._clock = clock
        self.credentials = credentials
        self.phase = "connect"
        self.sent_at: float | None = None
        self.response: Response | None = None

    def __repr__(self) -> str:
        return f"<Sending {self.phase}>"

    async def trace(self, event: str, info: dict[str, Any]) -> None:
        """Follow what the pool reports; the signature is the pool's."""
        phase = _PHASES.get(event)
        # A tunnel is asked for with a request of its own, which the service never sees.
        if phase is None or info["request"].method == b"CONNECT":
            return
        self.phase = phase
        self.leave()

    def leave(self) -> None:
        """Note that the first byte is about to go out. Later would be too late: it may have arrived."""
        if self.sent_at is None:
            self.sent_at = self._clock.monotonic()
            self._attempt.mark_sent()

    def land(self, status: int, body: bytes, head: Head) -> None:
        """Keep the whole answer, secrets masked, and hand it over."""
        redactor = self.credentials.redactor
        self.leave()
        self.response = Response(
            status=status,
            body=redactor.body(body) if self.credentials.masks_body else body,
            # Masked first: in lower case, or cut, a secret would not be known again.
            content_type=redactor.text(head.content_type).partition(";")[0].strip().lower(),
            date=head.date,
            sent_at=self.sent_at or 0.0,
            received_at=self._clock.monotonic(),
            retry_after=head.retry_after,
        )
        self._attempt.land(self.response)


@frozen
class RawResponse:
    """An answer whose body is still to be read, raw as it came.

    Attributes:
        status: HTTP status.
        headers: the fields in order, names in any case.
        stream: the body as it came over the wire.
        aclose: gives the connection back, or closes it if the body was not read to its end.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    stream: AsyncIterable[bytes]
    aclose: Callable[[], Awaitable[None]]


class RawTransport(Protocol):
    """Brings a request to the service."""

    async def open(self, request: httpx.Request, exchange: Exchange) -> RawResponse:
        """Add the credentials, send the request and return the answer, its body unread."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...
