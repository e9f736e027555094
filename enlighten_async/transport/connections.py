"""Connections to one origin: TLS, proxies, and a pool that a cancelled request costs no connection."""

from __future__ import annotations

import base64
import importlib.util
import ssl
import sys
import urllib.request
from collections.abc import AsyncIterable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import unquote, urlsplit

import anyio
import httpcore2
import httpx
from attrs import frozen

from enlighten_async.clock import Clock, run_shielded
from enlighten_async.errors import InputError
from enlighten_async.state.threads import in_thread
from enlighten_async.transport.credentials import Secret
from enlighten_async.transport.exchange import Exchange, Phase, RawResponse
from enlighten_async.transport.origin import Origin, Verify, is_loopback

T = TypeVar("T")


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


HAS_SOCKS = importlib.util.find_spec("socksio") is not None
"""Whether the package for SOCKS is installed; looked up at the import, as clients are made in event loops."""

_PROXY_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


@frozen
class Proxy:
    """A proxy and the login to it."""

    scheme: str
    """One of "http", "https", "socks5", "socks5h"."""
    host: str
    """Name or address of the proxy, without brackets."""
    port: int
    """Its port, also where it is the default of the scheme."""
    username: Secret
    """Empty if the proxy needs none."""
    password: Secret
    """May be empty."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts to mask: name, password, and both as a header field encodes them."""
        name, password = self.username.reveal(), self.password.reveal()
        basic = base64.b64encode(f"{name}:{password}".encode()).decode() if name else ""
        return tuple(filter(None, (name, password, basic)))

    def to_httpcore(self, verify: Verify) -> httpcore2.Proxy:
        """Return the pool's form of the proxy, with a TLS context if the proxy itself speaks TLS."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        auth = (self.username.reveal().encode(), self.password.reveal().encode()) if self.username else None
        context = ssl_context(verify) if self.scheme == "https" else None
        return httpcore2.Proxy(f"{self.scheme}://{host}:{self.port}", auth=auth, ssl_context=context)


def proxy_for(origin: Origin, url: Secret | None) -> Proxy | None:
    """Return the proxy to this origin, or `None` to connect directly.

    Args:
        origin: where requests go.
        url: the URL of the proxy, which may hold a password; "" for no proxy; `None` for the proxy of the
            environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY or the system's settings; never for
            loopback).

    Raises:
        InputError: the URL is not one of a proxy, or the proxy needs a package that is not installed.
    """
    found = Secret(_proxy_from_environment(origin)) if url is None else url
    proxy = _parse_proxy(found) if found else None
    if isinstance(proxy, str):
        raise InputError(proxy)
    return proxy


def _proxy_from_environment(origin: Origin) -> str:
    if is_loopback(origin.host) or urllib.request.proxy_bypass(f"{origin.host}:{origin.port}"):
        return ""
    proxies = urllib.request.getproxies()
    return proxies.get(origin.scheme) or proxies.get("all") or ""


def _parse_proxy(secret: Secret) -> Proxy | str:
    """Return the proxy of a URL, or the reason why it is none.

    Nothing is raised from here: a traceback that shows variables would show the password.
    """
    url = secret.reveal()
    if not isinstance(url, str):
        return 'proxy must be a text such as "http://host:port", "" for no proxy, or None'
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError:
        return "the proxy is not a URL: the host or the port is malformed"
    if parts.scheme not in _PROXY_PORTS or not parts.hostname:
        return "the proxy must look like http://host:port (or https, socks5, socks5h)"
    if parts.scheme.startswith("socks") and not HAS_SOCKS:
        return "a SOCKS proxy needs the package socksio: install httpcore2[socks]"
    return Proxy(
        parts.scheme,
        parts.hostname,
        port or _PROXY_PORTS[parts.scheme],
        Secret(unquote(parts.username or "")),
        Secret(unquote(parts.password or "")),
    )


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


def show_to_respx() -> None:
    """Have respx, where a test has imported it, answer the requests of the pools while it mocks."""
    mocks = sys.modules.get("respx.mocks")
    if mocks is not None:
        mocks.HTTPCoreMocker.add_targets(f"{__name__}.{ServicePool.__name__}")


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
            proxy=self._proxy.to_httpcore(self._verify) if self._proxy else None,
            max_connections=self._max_connections,
            max_keepalive_connections=self._max_connections,
            keepalive_expiry=KEEPALIVE_S,
            http1=True,
            http2=False,
            retries=0,  # each attempt costs quota, so each needs a grant of the limiter
        )
