"""HTTP requests: credentials last, one deadline, whole answers, errors without secrets."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterable
from contextlib import suppress
from importlib import metadata
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

import anyio
import httpcore2
import httpx

from enlighten_async.clock import Clock
from enlighten_async.errors import InputError, RequestTimeout, TransportError, UsageError
from enlighten_async.transport.body import Body, BodyError, Head
from enlighten_async.transport.connections import Pool, Verify, proxy_for
from enlighten_async.transport.credentials import Credentials, Redactor, install_filter
from enlighten_async.transport.exchange import (
    EXTENSION,
    Exchange,
    ExchangeObserver,
    RawResponse,
    RawTransport,
)
from enlighten_async.transport.origin import Origin, origin
from enlighten_async.wire import Request, Response


class WrongOriginError(Exception):
    """The request would have taken the credentials to another host."""


class CredentialTransport(httpx.AsyncBaseTransport):
    """Lets a carrier add the credentials, reads the answer to its end and hands it over.

    Above it no object holds a credential, so hooks, logs and tracers cannot show one.

    Args:
        origin: the only one that is sent credentials.
        carrier: our pool, or the user's transport.
    """

    def __init__(self, origin: Origin, carrier: RawTransport) -> None:
        self._origin = (origin.scheme, origin.host.encode(), origin.port)
        self._default_port = 443 if origin.scheme == "https" else 80
        self._carrier = carrier

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request and return the whole answer, decoded.

        Raises:
            WrongOriginError: the URL is not below the configured origin; nothing was sent.
            BodyError: the body is cut, damaged or too large.
        """
        exchange: Exchange = request.extensions[EXTENSION]
        url = request.url
        if (url.scheme, url.raw_host, url.port or self._default_port) != self._origin:
            raise WrongOriginError("the URL is not below the configured base_url")
        reply = await self._carrier.open(request, exchange)
        try:
            exchange.phase = "body"
            await _read(reply, exchange)
        finally:
            # Either the answer is kept, or another error is on its way: a failing close changes neither.
            with suppress(Exception):
                await reply.aclose()
        return _bare(exchange)

    async def aclose(self) -> None:
        """Close what carries the requests."""
        await self._carrier.aclose()


async def _read(reply: RawResponse, exchange: Exchange) -> None:
    head = Head.of(reply.headers)
    body = Body(head)
    chunks = aiter(reply.stream)
    try:
        async for chunk in chunks:
            body.feed(chunk)
        exchange.land(reply.status, body.finish(), head)
    finally:
        # A generator left half-way would be finished by the event loop in a task of its own.
        if hasattr(chunks, "aclose"):
            with suppress(Exception):
                await chunks.aclose()


def _bare(exchange: Exchange) -> httpx.Response:
    """Return the answer for the HTTP client: no header that it would act upon, or that may echo."""
    response = exchange.response
    assert response is not None  # noqa: S101
    return httpx.Response(
        response.status, headers=[("content-type", response.content_type)], content=response.body
    )


E = TypeVar("E", bound=BaseException)

NETWORK_ERRORS: tuple[type[Exception], ...] = (
    BodyError,
    WrongOriginError,
    OSError,
    httpx.HTTPError,
    httpx.StreamError,
    httpx.InvalidURL,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.TimeoutException,
    httpcore2.UnsupportedProtocol,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    anyio.EndOfStream,
)
"""What a failing network looks like. Other errors from a user's transport are bugs of theirs."""


def reason(error: BaseException) -> str:
    """Return what is known of the cause: on trio the pool's own errors say nothing, those below do."""
    cause: BaseException | None = error
    while cause is not None and not str(cause):
        cause = cause.__cause__ or cause.__context__
    return str(cause or type(error).__name__)


def strip_frames(error: E) -> E:
    """Return the very same error without the frames it came through, and what was being handled there.

    A cancel in the midst of connecting is a group of them on trio.
    """
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            strip_frames(inner)
    error.__context__ = None
    error.__traceback__ = None
    return error


class _NoCookies(httpx.Cookies):
    """Keeps nothing: looking for cookies costs more than the rest of httpx."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Leave them."""


class MinimalClient(httpx.AsyncClient):
    """An HTTP client over one transport; timeouts are the caller's."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        super().__init__(transport=transport, trust_env=False, follow_redirects=False, timeout=None)
        self._none = _NoCookies()

    @property
    def cookies(self) -> httpx.Cookies:
        """An empty jar that stays empty."""
        return self._none

    @cookies.setter
    def cookies(self, _: object) -> None:
        raise AttributeError("there are no cookies")


def pinned_headers(host: str, user_agent: str | None) -> httpx.Headers:
    """Return the header fields of every request.

    Args:
        host: host and port as the `Host` field writes them.
        user_agent: `None` for this package and its version.
    """
    return httpx.Headers(
        [
            ("Host", host),
            ("Accept", "application/json"),
            ("Accept-Encoding", "gzip"),  # httpx would add br and zstd where those packages happen to be
            ("User-Agent", user_agent or _user_agent()),
        ]
    )


def _user_agent() -> str:
    try:
        return f"enlighten-async/{metadata.version('enlighten-async')}"
    except metadata.PackageNotFoundError:
        return "enlighten-async"


class UserTransport:
    """Carries requests by a user's transport.

    Args:
        transport: any `httpx.AsyncBaseTransport`; it is closed with the client, as httpx does.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def open(self, request: httpx.Request, exchange: Exchange) -> RawResponse:
        """Send a copy of the request with the credentials and return the answer, its body unread."""
        exchange.phase = "wait"
        exchange.leave()
        # No local of ours names the copy: a traceback through here may be shown with its locals.
        response = await self._transport.handle_async_request(_stamped(request, exchange))
        stream = cast("AsyncIterable[bytes]", response.stream)
        return RawResponse(response.status_code, response.headers.raw, stream, response.aclose)

    async def aclose(self) -> None:
        """Close the user's transport."""
        await self._transport.aclose()


def _stamped(request: httpx.Request, exchange: Exchange) -> httpx.Request:
    credentials = exchange.credentials
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


_NO_TIMEOUT: dict[str, None] = {"connect": None, "read": None, "write": None, "pool": None}


class Transport:
    """Sends requests to one origin, from one event loop.

    Args:
        base_url: what stands before every path; https, unless it is this machine or `transport` is given.
        clock: the source of time.
        timeout: seconds for one request from connect to the last byte; `None`: no limit.
        max_connections: how many at a time; admit no more requests than this, the rest would wait here.
        proxy: URL of a proxy, "" for none, `None` for what the environment says.
        verify: `True`: the system's trust store; a path: this CA file or directory; or a context.
        transport: the user's own transport, instead of our pool.
        user_agent: sent with each request; `None`: this package and its version.

    Raises:
        InputError: a setting is wrong; the text says what to do.
    """

    def __init__(
        self,
        *,
        base_url: str,
        clock: Clock,
        timeout: float | None = 30.0,
        max_connections: int = 10,
        proxy: str | None = None,
        verify: Verify = True,
        transport: httpx.AsyncBaseTransport | None = None,
        user_agent: str | None = None,
    ) -> None:
        install_filter()
        where = origin(base_url, any_http=transport is not None)
        route = proxy_for(where, proxy) if transport is None else None
        pool = Pool(where, max_connections=max_connections, proxy=route, verify=verify)
        carrier: RawTransport = pool if transport is None else UserTransport(transport)
        self.service = service_of(transport)
        self.origin = where
        self._own = transport is None
        self._clock = clock
        self._timeout = timeout
        self._redactor = Redactor(route.secrets if route else ())
        self._headers = pinned_headers(where.netloc, user_agent)
        self._json_headers = httpx.Headers([*self._headers.raw, (b"Content-Type", b"application/json")])
        self._client = MinimalClient(CredentialTransport(where, carrier))
        self._loop: object | None = None
        self._closed = False

    def __repr__(self) -> str:
        # A traceback that shows variables may show one whose origin was refused.
        return f"<Transport to {self.origin}>" if hasattr(self, "origin") else "<Transport>"

    async def send(
        self, request: Request[Any], credentials: Credentials, attempt: ExchangeObserver
    ) -> Response:
        """Send one request and return its whole answer, whatever its status.

        Args:
            request: what to ask; holds no secret.
            credentials: added below the HTTP client, for the configured origin only.
            attempt: told when the request leaves and, before anything else, when the answer is whole.

        Raises:
            RequestTimeout: the deadline passed.
            TransportError: no whole answer arrived.
            UsageError: the client is closed or was first used in another event loop.
            InputError: the request's path cannot be part of a URL.
        """
        self._enter()
        url = self._url(request)
        exchange = Exchange(credentials, attempt, self._clock)
        failure = await self._outcome(url, request, exchange)
        answer = exchange.response
        if answer is not None and (failure is None or isinstance(failure, TransportError)):
            return answer  # also if the deadline passed or the connection broke behind the last byte
        try:
            raise failure or UsageError("the HTTP client was replaced by something that does not answer")
        finally:
            del failure  # it holds this frame by its traceback

    async def aclose(self) -> None:
        """Close all connections; doing so again changes nothing."""
        self._closed = True
        await self._client.aclose()

    async def _exchange(self, url: httpx.URL, request: Request[Any], exchange: Exchange) -> None:
        extensions = {EXTENSION: exchange, "timeout": _NO_TIMEOUT}
        headers = self._headers if request.body is None else self._json_headers
        outgoing = httpx.Request(
            request.method, url, headers=headers, content=request.body, extensions=extensions
        )
        reply = await self._client.send(outgoing)
        if exchange.response is None:
            # Something stands in for our transport, as respx does: take what it gave.
            head = Head.of(reply.headers.raw)
            exchange.land(reply.status_code, reply.content, head)

    async def _outcome(
        self, url: httpx.URL, request: Request[Any], exchange: Exchange
    ) -> BaseException | None:
        """Return what the caller is to be raised, outside of `except`.

        Raised there, neither a foreign error nor frames that hold secrets would come along.
        """
        try:
            with self._clock.move_on_after(self._timeout):
                await self._exchange(url, request, exchange)
                return None
        except NETWORK_ERRORS as error:
            return self._failure(request, exchange, error)
        except InputError as error:  # the CA file, looked at when first needed
            return strip_frames(error)
        except Exception as error:  # noqa: BLE001
            # Whatever our own pool may raise is a failing network; a user's transport shows its bugs.
            return self._failure(request, exchange, error) if self._own else error
        except BaseException as error:  # noqa: BLE001
            return strip_frames(error)  # a cancel stays the very object it is
        text = f"no whole answer within {self._timeout:g} s to {self._describe(request, exchange)}"
        return RequestTimeout(text, sent=exchange.sent_at is not None, phase=exchange.phase)

    def _failure(self, request: Request[Any], exchange: Exchange, error: Exception) -> TransportError:
        why = self._redactor.text(exchange.credentials.redactor.text(reason(error)))
        text = f"no whole answer to {self._describe(request, exchange)}: {why}"
        return TransportError(text, sent=exchange.sent_at is not None, phase=exchange.phase)

    def _describe(self, request: Request[Any], exchange: Exchange) -> str:
        where = "it may have been counted" if exchange.sent_at is not None else "it was not sent"
        text = f"{request.method} {request.path} at {self.origin} (phase: {exchange.phase}; {where})"
        return exchange.credentials.redactor.text(text)

    def _url(self, request: Request[Any]) -> httpx.URL:
        query = f"?{urlencode(request.params)}" if request.params else ""
        try:
            if request.path.startswith("/"):
                return httpx.URL(f"{self.origin.base}{request.path}{query}")
        except httpx.InvalidURL:
            pass
        raise InputError(f"the path {request.path!r} cannot be part of a URL: it must start with a slash")

    def _enter(self) -> None:
        if self._closed:
            raise UsageError("the client is closed: open a new one")
        loop = _running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise UsageError(
                "the client was first used in another event loop: open one client in each loop, "
                "such as by `async with` inside the function given to asyncio.run"
            )


def _running_loop() -> object:
    """Return what stands for the running event loop, of asyncio or trio."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        trio = sys.modules.get("trio")
        return trio.lowlevel.current_trio_token() if trio else None
