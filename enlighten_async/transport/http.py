"""HTTP requests: credentials added last, one deadline, whole responses, errors that show no secret.

httpx and httpcore2 are loaded with the first request, in a thread: see `connections`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, TypeVar

from enlighten_async.clock import Clock, in_trio
from enlighten_async.errors import InputError, RequestTimeout, TransportError, UsageError
from enlighten_async.lazy import LazyModule
from enlighten_async.state import loaded
from enlighten_async.transport.credentials import Redactor, Secret, install_filter, masked
from enlighten_async.transport.exchange import Exchange
from enlighten_async.transport.origin import Verify, origin, proxy_for
from enlighten_async.wire import Response

if TYPE_CHECKING:
    import httpx

    from enlighten_async.transport import connections
    from enlighten_async.transport.connections import MinimalClient
else:
    connections = LazyModule("enlighten_async.transport.connections")

E = TypeVar("E", bound=BaseException)


def without_secrets_of(error: Exception, masked: Callable[[str], str]) -> Exception | None:
    """Return an error of a user's transport without its frames; `None` if it may hold a secret.

    Args:
        error: the error.
        masked: returns a text with the secrets in it masked.
    """
    cause: BaseException | None = error
    while cause is not None:
        told = (*cause.args, *vars(cause).values())
        plain = all(isinstance(each, str | int | float | None) for each in told)
        if not plain or any(masked(text) != text for text in map(str, (cause, *told))):
            return None
        cause = strip_frames(cause).__cause__
    return error


def _place(error: Exception) -> str:
    """Return the function and the line that raised an error."""
    frame = next(iter(extract_tb(error.__traceback__, limit=-1)), None)
    return f"{frame.name} ({Path(frame.filename).name}:{frame.lineno})" if frame else "the transport"


def strip_frames(error: E) -> E:
    """Return the same error without its frames and without the error that was being handled there.

    On trio a cancel while connecting is a group of cancels: the frames of each are removed.
    """
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            strip_frames(inner)
    error.__context__ = None
    error.__traceback__ = None
    return error


def service_of(transport: httpx.AsyncBaseTransport | None) -> object | None:
    """Return the object that stands for the service behind a transport; `None` for the real one.

    A service inside this process counts requests by itself, so it is given counts of its own: the
    app behind an ASGI transport or an emulator, else the transport itself.
    """
    return None if transport is None else getattr(transport, "app", transport)


CLOSED = "the client is closed: open a new one"


def show_to_respx() -> None:
    """Have respx, where a test has imported it, answer the requests of the pools while it mocks."""
    mocks = sys.modules.get("respx.mocks")
    if mocks is not None:
        mocks.HTTPCoreMocker.add_targets(f"{__package__}.connections.ServicePool")


class Transport:
    """The way to one origin, for one event loop.

    Args:
        base_url: the prefix of every path; https, unless it is this machine or `transport` is given.
        clock: the source of time.
        timeout: seconds for one request from connecting to the last byte; `None`: no limit.
        max_connections: how many at a time; admit no more requests than this, the rest would wait here.
        proxy: URL of a proxy, "" for none, `None` for the proxy of the environment.
        verify: `True`: the system's trust store; a path: this CA file or directory; or a context.
        transport: the user's own transport, in place of our pool.
        user_agent: sent with each request; `None`: this package and its version.

    Raises:
        InputError: a setting is wrong; the text says how to correct it.
    """

    def __init__(
        self,
        *,
        base_url: str,
        clock: Clock,
        timeout: float | None = 30.0,
        max_connections: int,
        proxy: str | Secret | None = None,
        verify: Verify = True,
        transport: httpx.AsyncBaseTransport | None = None,
        user_agent: str | None = None,
    ) -> None:
        install_filter()
        show_to_respx()
        proxy = None if proxy is None else Secret(proxy)  # a traceback that shows variables must not show it
        self.origin = origin(base_url, any_http=transport is not None)
        self.service = service_of(transport)
        self._proxy = proxy_for(self.origin, proxy) if transport is None else None
        self._transport = transport
        self._verify = verify
        self._max_connections = max_connections
        self._user_agent = user_agent
        self._clock = clock
        self._timeout = timeout
        self._redactor = Redactor(self._proxy.secrets if self._proxy else ())
        self._client: MinimalClient | None = None
        self._closed = False
        self.process: int | None = None

    def __repr__(self) -> str:
        # A traceback that shows variables may show a transport whose origin was not accepted.
        return f"<Transport to {self.origin}>" if hasattr(self, "origin") else "<Transport>"

    async def send(self, exchange: Exchange) -> Response:
        """Send the request of an exchange and return its whole response, whatever the status.

        Args:
            exchange: the request and its credentials; it is sent once only. After this method, however
                it was left, the exchange tells whether the request was sent and holds the response.

        Raises:
            RequestTimeout: the deadline passed.
            TransportError: no whole response arrived.
            UsageError: the client is closed.
            InputError: the request's path cannot be part of a URL, or the CA file cannot be read.
        """
        if self._closed:
            raise UsageError(CLOSED)
        client = self._client or await self._opened()
        request = client.request_of(exchange)
        failure: BaseException | None = None
        try:
            with self._clock.move_on_after(self._timeout):
                response = await client.send(request)
                # Response and stream of httpx hold each other, and the body, until the next collection.
                response.stream = client.no_stream
                if exchange.response is None:
                    client.take_mocked(exchange, response)
        except BaseException as error:  # noqa: BLE001 - a cancel as well: its frames may hold secrets
            failure = self._error_for(exchange, error)
        finally:
            if exchange.response is None:
                exchange.release()
        # A deadline that passed, or a connection that broke, after the last byte takes nothing away.
        if exchange.response is not None and (failure is None or isinstance(failure, TransportError)):
            return exchange.response
        # Raised here, outside of `except`: neither the foreign error nor its frames come along.
        try:
            raise failure or self._timeout_error(exchange)
        finally:
            del failure  # its traceback holds this frame

    async def aclose(self) -> None:
        """Close all connections; doing so again changes nothing."""
        unused = None if self._closed or self._client else self._transport
        self._closed = True
        closing = self._client or unused
        if closing is not None:
            await closing.aclose()

    async def _opened(self) -> MinimalClient:
        """Return the HTTP client, which is made for the first request."""
        await loaded(lambda: connections.MinimalClient)
        if self._closed:  # meanwhile
            raise UsageError(CLOSED)
        self._client = self._client or self._make_client()  # another task may have been faster
        return self._client

    def _make_client(self) -> MinimalClient:
        clock, raw, most = self._clock, self._transport, self._max_connections
        http, proxy, verify = connections, self._proxy, self._verify
        return http.MinimalClient(
            http.Pool(self.origin, clock=clock, max_connections=most, proxy=proxy, verify=verify)
            if raw is None
            else http.UserTransport(raw, clock),
            origin=self.origin,
            clock=clock,
            user_agent=self._user_agent,
        )

    def _error_for(self, exchange: Exchange, error: BaseException) -> BaseException:
        """Return the error that the caller gets for one that ended an exchange."""
        http, own = connections, self._transport is None
        if isinstance(error, InputError) or not isinstance(error, Exception):
            # The CA file, read when it is first needed; or a cancel, which stays the same object.
            return strip_frames(error)
        if isinstance(error, AssertionError):
            # Of a mock that does not know this request; its text names the URL, as it would have left.
            error.args = (self._masked(exchange, str(error)),)
            return strip_frames(error) if own else error
        if own and exchange.phase == "connect":
            text = self._not_connected(exchange, self._masked(exchange, http.connect_reason(error)))
            return TransportError(text, phase="connect", passing=http.may_pass(error))
        known = own or isinstance(error, http.NETWORK_ERRORS)
        why = http.reason(error) if known else f"{_place(error)} raised {type(error).__name__}: {error}"
        text = f"no whole answer to {self._describe(exchange)}: {self._masked(exchange, why)}"
        # Errors of Python's own that are not of a network are bugs of the user's transport.
        passing = http.may_pass(error) and (known or type(error).__module__ != "builtins")
        sent = exchange.sent_at is not None
        failure = TransportError(text, sent=sent, phase=exchange.phase, passing=passing)
        if not own:  # in our pool, others could say no more than this
            failure.__cause__ = without_secrets_of(error, partial(self._masked, exchange))
        return failure

    def _not_connected(self, exchange: Exchange, why: str) -> str:
        request = f"{exchange.request.method} {exchange.request.path}"
        text = f"cannot connect to {self.origin}: {why} ({request} was not sent)"
        return exchange.credentials.redactor.text(text)

    def _masked(self, exchange: Exchange, text: str) -> str:
        """Return a text of others with the secrets in it masked."""
        return masked(text, self._redactor, exchange.credentials.redactor)

    def _timeout_error(self, exchange: Exchange) -> RequestTimeout:
        if self._transport is None and exchange.phase == "connect":
            why = f"no answer within {self._timeout:g} s"
            return RequestTimeout(self._not_connected(exchange, why), phase="connect")
        text = f"no whole answer within {self._timeout:g} s to {self._describe(exchange)}"
        return RequestTimeout(text, sent=exchange.sent_at is not None, phase=exchange.phase)

    def _describe(self, exchange: Exchange) -> str:
        request = exchange.request
        sent = "it may have been counted" if exchange.sent_at is not None else "it was not sent"
        text = f"{request.method} {request.path} at {self.origin} (phase: {exchange.phase}; {sent})"
        return exchange.credentials.redactor.text(text)

    def check_usable(self, *, closing: bool = False) -> None:
        """Check, before anything is waited for, that the client may be used here.

        Args:
            closing: whether it is about to be closed, which it may be more than once.

        Raises:
            UsageError: it is closed, or belongs to another event loop or process: where it was first used.
        """
        if self._closed and not closing:
            raise UsageError(CLOSED)
        self.process = self.process or os.getpid()
        if self.process != os.getpid():
            raise UsageError("the client was used before this process was forked: open one in this process")
        try:
            loop: object = asyncio.get_running_loop()
        except RuntimeError:
            loop = sys.modules["trio"].lowlevel.current_trio_token() if in_trio() else None
        # One step, so that of two threads one is the first.
        if self.__dict__.setdefault("_loop", loop) is not loop:
            raise UsageError(
                "the client was first used in another event loop: open one client in each loop, "
                "such as by `async with` inside the function given to asyncio.run"
            )
