"""HTTP requests: credentials added last, one deadline, whole responses, errors that show no secret."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterable, Callable, Iterator
from contextlib import suppress
from functools import partial
from importlib import metadata
from pathlib import Path
from traceback import extract_tb
from typing import TypeVar, cast
from urllib.parse import urlencode

import anyio
import anyio.lowlevel
import httpcore2
import httpx

from enlighten_async.clock import Clock
from enlighten_async.errors import InputError, RequestTimeout, TransportError, UsageError
from enlighten_async.state import in_body_thread
from enlighten_async.transport.body import LARGE_BODY_BYTES, Body, BodyError, Head
from enlighten_async.transport.connections import Pool, proxy_for, show_to_respx
from enlighten_async.transport.credentials import Redactor, Secret, install_filter, masked
from enlighten_async.transport.exchange import EXTENSION, Exchange, RawResponse, RawTransport
from enlighten_async.transport.origin import DEFAULT_PORTS, Origin, Verify, origin
from enlighten_async.wire import Response


def _user_agent() -> str:
    try:
        return f"enlighten-async/{metadata.version('enlighten-async')}"
    except metadata.PackageNotFoundError:
        return "enlighten-async"


USER_AGENT = _user_agent()
"""This package and its version; read at the import, as clients are made in event loops."""


MAX_LARGE_BODIES = 6
"""Exchanges that hold a large body at a time; the others wait before they read on."""


TURN_BYTES = 128 * 1024
"""Bytes of a body, about, that are decompressed before others run: small ones may unpack to large ones."""


class WrongOriginError(Exception):
    """The request would have taken the credentials to another host."""


class CredentialTransport(httpx.AsyncBaseTransport):
    """The httpx transport below which credentials exist: sends a request and reads its whole response.

    No object above this transport holds a credential, so hooks, logs and tracers cannot show one.

    Args:
        origin: the only origin that is sent credentials.
        raw: the layer that adds the credentials: our pool, or the user's transport.
        clock: the source of `Response.received_at`.
    """

    def __init__(self, origin: Origin, raw: RawTransport, clock: Clock) -> None:
        self._origin = (origin.scheme, origin.host.encode(), origin.port)
        self._default_port = DEFAULT_PORTS[origin.scheme]
        self._raw = raw
        self._clock = clock
        self._large = anyio.Semaphore(MAX_LARGE_BODIES)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request and return the whole response, decoded.

        Raises:
            WrongOriginError: the URL is not below the configured origin; nothing was sent.
            BodyError: the body is cut off, damaged or too large.
        """
        exchange: Exchange = request.extensions[EXTENSION]
        url = request.url
        if (url.scheme, url.raw_host, url.port or self._default_port) != self._origin:
            raise WrongOriginError("the URL is not below the configured base_url")
        raw = await self._raw.open(request, exchange)
        try:
            response = await self._receive(raw, exchange)
        finally:
            # The response is complete, or another error is on its way: a failing close changes neither.
            with suppress(Exception):
                await raw.aclose()
        # No other header: httpx would act upon some (redirects, cookies), and some may echo a secret.
        content_type = [("content-type", response.content_type)]
        return httpx.Response(response.status, headers=content_type, content=response.body)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._raw.aclose()

    async def _receive(self, raw: RawResponse, exchange: Exchange) -> Response:
        exchange.phase = "body"
        head = Head.parse(raw.headers)
        body = Body(head)
        chunks = aiter(raw.stream)
        try:
            async for chunk in chunks:
                body.feed(chunk, body.size + TURN_BYTES)
                while body.left or (body.size > LARGE_BODY_BYTES and exchange.place is None):
                    await self._take_turn(exchange, body.size)
                    body.go_on(body.size + TURN_BYTES)
            now = self._clock.monotonic()
            if exchange.place is None:
                return complete(exchange, raw.status, head, body.finish(), now)
            await in_body_thread(partial(_complete, exchange, raw.status, head, body, now))
            assert exchange.response is not None  # noqa: S101 - set just now
            return exchange.response
        finally:
            # The event loop would finish a generator that is left half-way in a task of its own.
            if hasattr(chunks, "aclose"):
                with suppress(Exception):
                    await chunks.aclose()

    async def _take_turn(self, exchange: Exchange, size: int) -> None:
        """Let others run before a body is read on; of a large one, when there is a place for it."""
        turns = 1
        if size > LARGE_BODY_BYTES and exchange.place is None:
            await self._large.acquire()
            exchange.place = self._large
            turns = MAX_LARGE_BODIES - self._large.value  # or all would go on in one step of the loop
        for _ in range(turns):  # shielded: what was paid for is not given up half-way
            await anyio.lowlevel.cancel_shielded_checkpoint()


def complete(exchange: Exchange, status: int, head: Head, body: bytes, now: float) -> Response:
    """Set and return the response of an exchange, the secrets in it masked.

    Args:
        exchange: the exchange that ends by this.
        status: HTTP status.
        head: the header fields.
        body: the whole body, decoded.
        now: the monotonic time.
    """
    if exchange.sent_at is None:
        exchange.sent_at = now  # a mock took the place of our transport, and did not tell when
    redactor = exchange.credentials.redactor
    exchange.response = Response(
        status=status,
        body=redactor.body(body) if exchange.credentials.masks_body else body,
        # Masked before the rest: in lower case, or cut, a secret would not be found.
        content_type=masked(head.content_type, redactor).partition(";")[0].strip().lower(),
        date=head.date,
        sent_at=exchange.sent_at,
        received_at=now,
        retry_after=head.retry_after,
    )
    return exchange.response


def _complete(exchange: Exchange, status: int, head: Head, body: Body, now: float) -> None:
    """Do so in a thread: to join a large body and to search it for secrets takes tens of milliseconds."""
    complete(exchange, status, head, body.finish(), now)


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
"""Errors of a failing network. Others of a user's transport are told with the place that raised them."""

LASTING_ERRORS: tuple[type[Exception], ...] = (
    WrongOriginError,
    ssl.SSLCertVerificationError,
    httpx.InvalidURL,
    httpx.UnsupportedProtocol,
    httpcore2.UnsupportedProtocol,
)
"""Those of them that the next attempt would meet as well."""

UNSENT_ERRORS = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
"""Errors by which a user's transport says that it had no connection to send the request over."""


UNKNOWN_HOST = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
"""Errors of a name that does not exist or has no address; a failing name server has another (EAI_AGAIN)."""


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, its cause, the cause of that, and so on."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def reason(error: BaseException) -> str:
    """Return the text of an error, or of its first cause that has one: on trio the pool's own have none."""
    return next(filter(None, map(str, chain(error))), type(error).__name__)


def connect_reason(error: BaseException) -> str:
    """Return why there is no connection, in words: of the first address, if there were several."""
    for each in chain(error):
        cause = each.exceptions[0] if isinstance(each, BaseExceptionGroup) else each
        if isinstance(cause, socket.gaierror):
            return "no such host is known" if cause.errno in UNKNOWN_HOST else str(cause.strerror)
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted: {getattr(cause, 'verify_message', '') or cause}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS has failed: {(getattr(cause, 'reason', '') or str(cause)).replace('_', ' ').lower()}"
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno).lower()
    return reason(error)


def may_pass(error: BaseException) -> bool:
    """Tell whether a failure of the network may be over when the request is sent again."""
    for cause in chain(error):
        if isinstance(cause, BodyError):
            return cause.passing
        if isinstance(cause, socket.gaierror):
            return cause.errno not in UNKNOWN_HOST
        if isinstance(cause, LASTING_ERRORS):
            return False
    return True


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


class _NoCookies(httpx.Cookies):
    """A jar that stays empty: looking for cookies costs more than the rest of httpx."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Take no cookie."""


class MinimalClient(httpx.AsyncClient):
    """An HTTP client over one transport, without cookies, redirects, environment or timeouts of its own.

    Auth, redirects and cookies are four frames of httpx on the way of each request (`send`,
    `_send_handling_auth`, `_send_handling_redirects`, `_send_single_request`) for features that are all
    switched off. They stay, because users' tools hang on `AsyncClient`: respx and other mocks, event
    hooks, tracers.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        super().__init__(transport=transport, trust_env=False, follow_redirects=False, timeout=None)
        self._cookies = _NoCookies()  # the public setter would copy the jar into one that takes cookies


def default_headers(host: str, user_agent: str | None) -> httpx.Headers:
    """Return the header fields of every request.

    Args:
        host: host and port as the `Host` field writes them.
        user_agent: `None` for this package and its version.
    """
    return httpx.Headers(
        [
            ("Host", host),
            ("Accept", "application/json"),
            ("Accept-Encoding", "gzip"),  # httpx would add br and zstd where those packages are installed
            ("User-Agent", user_agent or USER_AGENT),
        ]
    )


class UserTransport:
    """A user's transport in place of our pool.

    Args:
        transport: any `httpx.AsyncBaseTransport`; it is closed with the client, as httpx does.
        clock: the source of `Exchange.sent_at`.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock

    async def open(self, request: httpx.Request, exchange: Exchange) -> RawResponse:
        """Send a copy of the request with the credentials and return the response, its body unread."""
        exchange.phase = "wait"
        exchange.sent_at = self._clock.monotonic()
        try:
            # No local variable holds the copy: a traceback through this frame may be shown with its locals.
            response = await self._transport.handle_async_request(_with_credentials(request, exchange))
        except UNSENT_ERRORS:
            exchange.phase, exchange.sent_at = "connect", None
            raise
        stream = cast("AsyncIterable[bytes]", response.stream)
        return RawResponse(response.status_code, response.headers.raw, stream, response.aclose)

    async def aclose(self) -> None:
        """Close the user's transport."""
        await self._transport.aclose()


def _with_credentials(request: httpx.Request, exchange: Exchange) -> httpx.Request:
    target, headers, body = exchange.credentials.add_to(
        request.url.raw_path, request.headers.raw, request.content
    )
    return httpx.Request(
        request.method,
        request.url.copy_with(raw_path=target),
        headers=headers,
        content=body or None,
        extensions={name: value for name, value in request.extensions.items() if name == "timeout"},
    )


def service_of(transport: httpx.AsyncBaseTransport | None) -> object | None:
    """Return the object that stands for the service behind a transport; `None` for the real one.

    A service inside this process counts requests by itself, so it is given counts of its own: the
    app behind an ASGI transport or an emulator, else the transport itself.
    """
    return None if transport is None else getattr(transport, "app", transport)


CLOSED = "the client is closed: open a new one"

_NO_STREAM = httpx.ByteStream(b"")
_NO_TIMEOUT: dict[str, None] = {"connect": None, "read": None, "write": None, "pool": None}


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
        where = origin(base_url, any_http=transport is not None)
        route = proxy_for(where, proxy) if transport is None else None
        pool = Pool(where, clock=clock, max_connections=max_connections, proxy=route, verify=verify)
        raw: RawTransport = pool if transport is None else UserTransport(transport, clock)
        self.service = service_of(transport)
        self.origin = where
        self._base_url = where.base
        self._uses_pool = transport is None
        self._clock = clock
        self._timeout = timeout
        self._redactor = Redactor(route.secrets if route else ())
        self._headers = default_headers(where.netloc, user_agent)
        self._json_headers = httpx.Headers([*self._headers.raw, (b"Content-Type", b"application/json")])
        self._client = MinimalClient(CredentialTransport(where, raw, clock))
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
        request = self._build_request(exchange)
        failure: BaseException | None = None
        try:
            with self._clock.move_on_after(self._timeout):
                mocked = await self._client.send(request)
                # Response and stream of httpx hold each other, and the body, until the next collection.
                mocked.stream = _NO_STREAM
                if exchange.response is None:
                    # A mock such as respx took the place of our transport.
                    head = Head.parse(mocked.headers.raw)
                    complete(exchange, mocked.status_code, head, mocked.content, self._clock.monotonic())
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
        self._closed = True
        await self._client.aclose()

    def _build_request(self, exchange: Exchange) -> httpx.Request:
        request = exchange.request
        query = f"?{urlencode(request.params)}" if request.params else ""
        try:
            if request.path.startswith("/"):
                return httpx.Request(
                    request.method,
                    f"{self._base_url}{request.path}{query}",
                    headers=self._headers if request.body is None else self._json_headers,
                    content=request.body,
                    extensions={EXTENSION: exchange, "timeout": _NO_TIMEOUT},
                )
        except httpx.InvalidURL:
            pass
        raise InputError(f"the path {request.path!r} cannot be part of a URL: it must start with a slash")

    def _error_for(self, exchange: Exchange, error: BaseException) -> BaseException:
        """Return the error that the caller gets for one that ended an exchange."""
        if isinstance(error, InputError) or not isinstance(error, Exception):
            # The CA file, read when it is first needed; or a cancel, which stays the same object.
            return strip_frames(error)
        if isinstance(error, AssertionError):
            # Of a mock that does not know this request; its text names the URL, as it would have left.
            error.args = (self._masked(exchange, str(error)),)
            return strip_frames(error) if self._uses_pool else error
        if self._uses_pool and exchange.phase == "connect":
            text = self._not_connected(exchange, self._masked(exchange, connect_reason(error)))
            return TransportError(text, phase="connect", passing=may_pass(error))
        known = self._uses_pool or isinstance(error, NETWORK_ERRORS)
        why = reason(error) if known else f"{_place(error)} raised {type(error).__name__}: {error}"
        text = f"no whole answer to {self._describe(exchange)}: {self._masked(exchange, why)}"
        # Errors of Python's own that are not of a network are bugs of the user's transport.
        passing = may_pass(error) and (known or type(error).__module__ != "builtins")
        sent = exchange.sent_at is not None
        failure = TransportError(text, sent=sent, phase=exchange.phase, passing=passing)
        if not self._uses_pool:  # in our pool, others could say no more than this
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
        if self._uses_pool and exchange.phase == "connect":
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
            trio = sys.modules.get("trio")
            loop = trio.lowlevel.current_trio_token() if trio else None
        # One step, so that of two threads one is the first.
        if self.__dict__.setdefault("_loop", loop) is not loop:
            raise UsageError(
                "the client was first used in another event loop: open one client in each loop, "
                "such as by `async with` inside the function given to asyncio.run"
            )
