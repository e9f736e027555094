"""Hooks: events about each request, for callbacks of the user and for the log. No secret is in them."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias
from urllib.parse import urlencode

from attrs import asdict, frozen

from enlighten_async.errors import EnlightenError
from enlighten_async.transport import Exchange
from enlighten_async.windows import Window, as_datetime
from enlighten_async.wire import Request

logger = logging.getLogger("enlighten_async")

_SYSTEM = re.compile(r"/systems/(?:config/)?(\d+)(?:/|$)")
_SITE = "site_id"


@frozen(kw_only=True)
class RequestEvent:
    """A request that is about to leave."""

    endpoint: str
    """The client's name of the endpoint, such as "rgm_stats"."""
    system_id: int | None
    """The system it asks about; `None` if it names none."""
    window: Window | None
    """The range of time it asks for; `None` if it asks for none."""
    method: str
    """HTTP method."""
    url: str
    """The URL, without credentials."""
    attempt: int
    """1, or more for a request that is sent again."""
    waited: float
    """Seconds that it waited for its turn: for the quota, others in flight, more urgent ones."""
    at: datetime
    """The moment (aware UTC, by the client's clock)."""


@frozen(kw_only=True)
class ResponseEvent(RequestEvent):
    """A request that is over, or a part of an answer that took none, as it had been paid for before."""

    status: int | None = None
    """HTTP status; `None` without a response."""
    seconds: float = 0.0
    """Seconds from `at` to the last byte of the response, or to the failure; decoding is not included."""
    cost: int = 0
    """Requests of the quota that it took: 1 if it left, 0 if it did not."""
    from_cache: bool = False
    """Whether the part came from the cache, or from a request of another query: nothing was sent, and no
    `RequestEvent` came before.
    """
    error: str | None = None
    """Name of the error's class, such as "Throttled" or "TransportError", or of what ended the wait for the
    response; `None` if all is well.
    """

    def __str__(self) -> str:
        system = "" if self.system_id is None else f" of system {self.system_id}"
        window = f", {_minutes(self.window)}" if self.window else ""
        if self.from_cache:
            return f"{self.method} {self.endpoint}{system}{window}: from cache"
        result = "no response" if self.status is None else str(self.status)
        error = f" ({self.error})" if self.error else ""
        waited = f", waited {self.waited:.1f} s" if self.waited else ""
        attempt = f", attempt {self.attempt}" if self.attempt > 1 else ""
        took = f"in {1000 * self.seconds:.0f} ms, cost {self.cost}"
        return f"{self.method} {self.endpoint}{system}{window}: {result}{error} {took}{waited}{attempt}"


RequestHook: TypeAlias = Callable[[RequestEvent], object]
"""A callback that is told of each request before it leaves."""

ResponseHook: TypeAlias = Callable[[ResponseEvent], object]
"""A callback that is told of each request that is over, and of each part that took none."""


@frozen
class Hooks:
    """The callbacks of a client.

    Each is called in the task of the query, and must not wait. An error of one is logged and goes no further:
    a request is paid for, whatever its observers do.
    """

    on_request: RequestHook | None = None
    """Is told of each request before it leaves."""
    on_response: ResponseHook | None = None
    """Is told of each request that is over, and of each part that took none."""

    def request(self, event: RequestEvent) -> None:
        """Tell that a request is about to leave."""
        if self.on_request is not None:
            _call("on_request", self.on_request, event)

    def response(self, event: ResponseEvent) -> None:
        """Tell that a request is over, or that a part took none."""
        if self.on_response is not None:
            _call("on_response", self.on_response, event)


@frozen
class ObservedRequest:
    """A request under way that hooks, or the log, are told of."""

    hooks: Hooks
    """The callbacks."""
    event: RequestEvent
    """The event of its beginning."""
    began: float
    """Monotonic time of that."""

    def end(self, exchange: Exchange, failure: EnlightenError | None, now: float) -> None:
        """Tell the hooks and the log that it is over.

        Args:
            exchange: the request and its response, if there is one.
            failure: the reason why it got no part, if it got none.
            now: the monotonic time.
        """
        response = exchange.response
        ended_by = failure if failure is not None or response is not None else sys.exception()
        event = ResponseEvent(
            **asdict(self.event, recurse=False),
            status=None if response is None else response.status,
            seconds=(now if response is None else response.received_at) - self.began,
            cost=int(exchange.sent_at is not None),
            error=None if ended_by is None else type(ended_by).__name__,
        )
        logger.debug("%s", event, extra={"event": event})
        self.hooks.response(event)


def described(request: Request[Any], base_url: str, now: float) -> dict[str, Any]:
    """Return the attributes of an event about a request, but for those of an attempt.

    Args:
        request: the request; it holds no secret.
        base_url: what its path is below.
        now: epoch seconds.
    """
    found = _SYSTEM.match(request.path)
    system = found[1] if found else dict(request.params).get(_SITE)
    query = f"?{urlencode(request.params)}" if request.params else ""
    return {
        "endpoint": request.endpoint,
        "system_id": int(system) if system and system.isdecimal() else None,
        "window": request.window,
        "method": request.method,
        "url": f"{base_url}{request.path}{query}",
        "at": as_datetime(now),
    }


def _call(name: str, hook: Callable[[Any], object], event: RequestEvent) -> None:
    try:
        hook(event)
    except Exception:
        logger.exception("%s= raised an error, which changes nothing for the request", name)


def _minutes(window: Window) -> str:
    return f"{window.start_at:%Y-%m-%d %H:%M} to {window.end_at:%Y-%m-%d %H:%M} UTC"
