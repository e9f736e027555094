"""Connections to one origin, and the client of httpx over them; loaded with the first request.

TLS, proxies, a pool that a cancelled request costs no connection, strict reading of responses, and the errors
of a network. No other module of the client's needs httpx and httpcore2, which take long to load.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import AsyncIterable, Iterator
from contextlib import suppress
from functools import lru_cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import anyio
import anyio.lowlevel
import httpcore2
import httpx

from enlighten_async.clock import Clock, run_shielded
from enlighten_async.errors import InputError
from enlighten_async.state import in_body_thread, in_thread
from enlighten_async.transport.body import Body, BodyError, Head
from enlighten_async.transport.credentials import masked
from enlighten_async.transport.exchange import (
    EXTENSION,
    LARGE_BODY_BYTES,
    Exchange,
    Phase,
    RawResponse,
    RawTransport,
)
from enlighten_async.transport.origin import DEFAULT_PORTS, Origin, Proxy, Verify
from enlighten_async.wire import Response


def ssl_context(verify: Verify) -> ssl.SSLContext:
    """Return the TLS context for a setting.

    Raises:
        InputError: the CA file or directory cannot be read.
    """
    if isinstance(verify, ssl.SSLContext):
        return verify
    if isinstance(verify, bool):
        return _system_context(verify)
    return _context_from_path(verify)


@lru_cache(maxsize=2)
def _system_context(verify: bool) -> ssl.SSLContext:
    context = httpcore2.default_ssl_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@lru_cache(maxsize=8)
def _context_from_path(path: str) -> ssl.SSLContext:
    try:
        if Path(path).is_dir():
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        reason = str(error)
    raise InputError(f"verify={path!r}: no CA certificates could be read from there ({reason})")


def pool_proxy(proxy: Proxy, verify: Verify) -> httpcore2.Proxy:
    """Return the pool's form of a proxy, with a TLS context if the proxy itself speaks TLS."""
    host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
    auth = (proxy.username.reveal().encode(), proxy.password.reveal().encode()) if proxy.username else None
    context = ssl_context(verify) if proxy.scheme == "https" else None
    return httpcore2.Proxy(f"{proxy.scheme}://{host}:{proxy.port}", auth=auth, ssl_context=context)


class ServicePool(httpcore2.AsyncConnectionPool):
    """A pool whose methods a mock can replace, and those of no other user of httpcore2."""

    # Attributes of this very class; a call through them takes no frame more than without them.
    handle_async_request = httpcore2.AsyncConnectionPool.handle_async_request
    create_connection = httpcore2.AsyncConnectionPool.create_connection


class ProxiedPool(ServicePool):
    """A pool whose connections are `SelfClosingConnection`."""

    def create_connection(self, origin: httpcore2.Origin) -> httpcore2.AsyncConnectionInterface:
        """Return a connection to the origin, not open yet."""
        return SelfClosingConnection(super().create_connection(origin))


class SelfClosingConnection(httpcore2.AsyncConnectionInterface):
    """A connection that closes itself when a request on it fails.

    httpcore2 leaves a tunnel as it is when TLS inside the tunnel fails or is cancelled: neither usable nor
    closed, so that its place in the pool would be lost.
    """

    def __init__(self, inner: httpcore2.AsyncConnectionInterface) -> None:
        self._inner = inner
        self._broken = False

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        """Send the request; close the connection if that fails."""
        try:
            return await self._inner.handle_async_request(request)
        except httpcore2.ConnectionNotAvailable:
            raise  # another request is using the connection, which is sound
        except BaseException:
            self._broken = True
            with anyio.CancelScope(shield=True):
                await self._inner.aclose()
            raise

    async def aclose(self) -> None:
        """Close the connection."""
        await self._inner.aclose()

    def info(self) -> str:
        """Describe the state of the connection."""
        return self._inner.info()

    def can_handle_request(self, origin: httpcore2.Origin) -> bool:
        """Tell whether the connection leads to this origin."""
        return self._inner.can_handle_request(origin)

    def is_connected(self) -> bool:
        """Tell whether the connection is open."""
        return not self._broken and self._inner.is_connected()

    def is_available(self) -> bool:
        """Tell whether the connection can take a request."""
        return not self._broken and self._inner.is_available()

    def has_expired(self) -> bool:
        """Tell whether the connection was idle for too long."""
        return self._inner.has_expired()

    def is_idle(self) -> bool:
        """Tell whether no request uses the connection."""
        return self._inner.is_idle()

    def is_closed(self) -> bool:
        """Tell whether the connection is closed or must not be used again."""
        return self._broken or self._inner.is_closed()

    def can_multiplex(self) -> bool:
        """Tell whether the connection takes several requests at a time."""
        return self._inner.can_multiplex()


KEEPALIVE_S = 10.0
"""Seconds for which an idle connection is kept; servers close theirs after 15 seconds and more."""

_PHASES: dict[str, Phase] = {
    "http11.send_request_headers.started": "send",
    "http11.receive_response_headers.started": "wait",
}
"""Events of httpcore's trace extension that begin a phase."""


class Pool:
    """The connections to one origin, HTTP/1.1 only.

    The credentials are added here, to the bytes that go out: no object of httpx holds them. The bytes go
    to the configured origin whatever the request's URL says.

    Args:
        origin: where all requests go.
        clock: the source of `Exchange.sent_at`.
        max_connections: how many at a time, idle ones included; more requests wait.
        proxy: the proxy to go through, if any.
        verify: see `Verify`; the TLS context is built with the first request.
    """

    def __init__(
        self, origin: Origin, *, clock: Clock, max_connections: int, proxy: Proxy | None, verify: Verify
    ) -> None:
        self._origin = origin
        self._place = origin.scheme.encode(), origin.host.encode(), origin.port  # as httpcore has it
        self._clock = clock
        self._max_connections = max_connections
        self._proxy = proxy
        self._verify = verify
        self._pool: httpcore2.AsyncConnectionPool | None = None

    async def open(self, request: httpx.Request, exchange: Exchange) -> RawResponse:
        """Send the request and return the response, its body unread."""
        pool = self._pool or await self._built()
        response = await pool.handle_async_request(self._with_credentials(request, exchange))
        stream = cast("AsyncIterable[bytes]", response.stream)
        # httpcore shields the release from cancel scopes, but asyncio.Task.cancel reaches through such a
        # shield, and the pool would count the finished request for ever.
        release = partial(run_shielded, response.aclose)
        return RawResponse(response.status, response.headers, stream, release)

    async def aclose(self) -> None:
        """Close all connections."""
        if self._pool is not None:
            await self._pool.aclose()

    def _with_credentials(self, request: httpx.Request, exchange: Exchange) -> httpcore2.Request:
        target, headers, body = exchange.credentials.add_to(
            request.url.raw_path, request.headers.raw, request.content
        )
        scheme, host, port = self._place
        return httpcore2.Request(
            request.method,
            httpcore2.URL(scheme=scheme, host=host, port=port, target=target),
            headers=headers,
            content=body,
            extensions={"trace": partial(self._follow, exchange)},
        )

    async def _follow(self, exchange: Exchange, event: str, info: dict[str, Any]) -> None:
        """Note how far an exchange got; httpcore calls this with each of its events."""
        phase = _PHASES.get(event)
        # A tunnel is opened by a CONNECT to the proxy, which the service never sees.
        if phase is None or info["request"].method == b"CONNECT":
            return
        exchange.phase = phase
        if exchange.sent_at is None:
            # Before the first byte: after it, a failure could leave a request uncounted that has arrived.
            exchange.sent_at = self._clock.monotonic()

    async def _built(self) -> httpcore2.AsyncConnectionPool:
        """Return the pool, built in a thread: certificates are files, and the event loop must not wait."""
        built = await in_thread(self._build)
        # Another task may have been faster, and may have a connection in its pool.
        self._pool = self._pool or built
        return self._pool

    def _build(self) -> httpcore2.AsyncConnectionPool:
        kind = ProxiedPool if self._proxy else ServicePool
        return kind(
            ssl_context=ssl_context(self._verify) if self._origin.scheme == "https" else None,
            proxy=pool_proxy(self._proxy, self._verify) if self._proxy else None,
            max_connections=self._max_connections,
            max_keepalive_connections=self._max_connections,
            keepalive_expiry=KEEPALIVE_S,
            http1=True,
            http2=False,
            retries=0,  # each attempt costs quota, so each needs a grant of the limiter
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


LASTING_TLS = frozenset(
    {
        *("NO_PROTOCOLS_AVAILABLE", "RECORD_LAYER_FAILURE", "SSLV3_ALERT_HANDSHAKE_FAILURE"),
        *("TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "WRONG_VERSION_NUMBER"),
    }
)
"""Reasons of TLS that a server gives each time: it speaks no version that is accepted, or no TLS at all."""


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
        if isinstance(cause, ssl.SSLError) and getattr(cause, "reason", None) in LASTING_TLS:
            return False
    return True


def _user_agent() -> str:
    try:
        return f"enlighten-async/{metadata.version('enlighten-async')}"
    except metadata.PackageNotFoundError:
        return "enlighten-async"


USER_AGENT = _user_agent()
"""This package and its version; read at the import, as clients are made in event loops."""


class _NoCookies(httpx.Cookies):
    """A jar that stays empty: looking for cookies costs more than the rest of httpx."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Take no cookie."""


_NO_TIMEOUT: dict[str, None] = {"connect": None, "read": None, "write": None, "pool": None}


class MinimalClient(httpx.AsyncClient):
    """An HTTP client over one transport, without cookies, redirects, environment or timeouts of its own.

    Auth, redirects and cookies are four frames of httpx on the way of each request (`send`,
    `_send_handling_auth`, `_send_handling_redirects`, `_send_single_request`) for features that are all
    switched off. They stay, because users' tools hang on `AsyncClient`: respx and other mocks, event
    hooks, tracers.

    Args:
        raw: the layer that adds the credentials: our pool, or the user's transport.
        origin: where all requests go.
        clock: the source of time.
        user_agent: sent with each request; `None`: this package and its version.
    """

    no_stream = httpx.ByteStream(b"")

    def __init__(self, raw: RawTransport, *, origin: Origin, clock: Clock, user_agent: str | None) -> None:
        transport = CredentialTransport(origin, raw, clock)
        super().__init__(transport=transport, trust_env=False, follow_redirects=False, timeout=None)
        self._cookies = _NoCookies()  # the public setter would copy the jar into one that takes cookies
        self._base = origin.base
        self._clock = clock
        self._plain_headers = default_headers(origin.netloc, user_agent)
        self._json_headers = httpx.Headers([*self._plain_headers.raw, (b"Content-Type", b"application/json")])

    def request_of(self, exchange: Exchange) -> httpx.Request:
        """Return the request of an exchange, without credentials.

        Raises:
            InputError: its path cannot be part of a URL.
        """
        request = exchange.request
        query = f"?{urlencode(request.params)}" if request.params else ""
        try:
            if request.path.startswith("/"):
                return httpx.Request(
                    request.method,
                    f"{self._base}{request.path}{query}",
                    headers=self._plain_headers if request.body is None else self._json_headers,
                    content=request.body,
                    extensions={EXTENSION: exchange, "timeout": _NO_TIMEOUT},
                )
        except httpx.InvalidURL:
            pass
        raise InputError(f"the path {request.path!r} cannot be part of a URL: it must start with a slash")

    def take_mocked(self, exchange: Exchange, response: httpx.Response) -> None:
        """Complete an exchange by the response of a mock, such as respx, in the place of our transport."""
        head = Head.parse(response.headers.raw)
        complete(exchange, response.status_code, head, response.content, self._clock.monotonic())


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
