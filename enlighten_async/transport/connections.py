"""Connections to one origin: TLS, proxies, and a pool that loses no slot when a request is cancelled."""

from __future__ import annotations

import base64
import importlib.util
import ssl
import urllib.request
from collections.abc import AsyncIterable, Callable, Coroutine, Generator
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias, cast
from urllib.parse import unquote, urlsplit

import anyio
import httpcore2
import httpx
from attrs import frozen

from enlighten_async.errors import InputError
from enlighten_async.transport.credentials import Secret
from enlighten_async.transport.exchange import Exchange, RawResponse
from enlighten_async.transport.origin import Origin, is_loopback

Verify: TypeAlias = bool | str | ssl.SSLContext
"""`True`: the system's trust store; a path: this CA file or directory; `False`: no check at all."""


def ssl_context(verify: Verify) -> ssl.SSLContext:
    """Return the context for a setting.

    Raises:
        InputError: the CA file or directory cannot be read.
    """
    if isinstance(verify, ssl.SSLContext):
        return verify
    if isinstance(verify, bool):
        return _builtin(verify)
    return _from_path(verify)


@lru_cache(maxsize=2)
def _builtin(verify: bool) -> ssl.SSLContext:
    context = httpcore2.default_ssl_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@lru_cache(maxsize=8)
def _from_path(path: str) -> ssl.SSLContext:
    try:
        if Path(path).is_dir():
            return ssl.create_default_context(capath=path)
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        reason = str(error)
    raise InputError(f"verify={path!r}: no CA certificates could be read from there ({reason})")


_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


@frozen
class Proxy:
    """A proxy and how to log in to it.

    Attributes:
        scheme: "http", "https", "socks5" or "socks5h".
        host: its name or address, without brackets.
        port: always given.
        username: empty if the proxy needs none.
        password: may be empty.
    """

    scheme: str
    host: str
    port: int
    username: Secret
    password: Secret

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown: name, password, and both as they go into a header."""
        name, password = self.username.reveal(), self.password.reveal()
        basic = base64.b64encode(f"{name}:{password}".encode()).decode() if name else ""
        return tuple(filter(None, (name, password, basic)))

    def build(self, verify: Verify) -> httpcore2.Proxy:
        """Return it as the pool wants it; builds the TLS context if the proxy itself speaks TLS."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        auth = (self.username.reveal().encode(), self.password.reveal().encode()) if self.username else None
        context = ssl_context(verify) if self.scheme == "https" else None
        return httpcore2.Proxy(f"{self.scheme}://{host}:{self.port}", auth=auth, ssl_context=context)


def proxy_for(origin: Origin, url: str | None) -> Proxy | None:
    """Return the proxy to this origin, or `None` to connect directly.

    Args:
        origin: where requests go.
        url: the proxy; "" for none at all; `None` for what the environment says (HTTP_PROXY,
            HTTPS_PROXY, ALL_PROXY, NO_PROXY or the system's settings; never for loopback).

    Raises:
        InputError: it is no proxy URL, or it needs a package that is not installed.
    """
    found = _from_environment(origin) if url is None else url
    return _parse(found) if found else None


def _from_environment(origin: Origin) -> str:
    if is_loopback(origin.host) or urllib.request.proxy_bypass(f"{origin.host}:{origin.port}"):
        return ""
    proxies = urllib.request.getproxies()
    return proxies.get(origin.scheme) or proxies.get("all") or ""


def _parse(url: str) -> Proxy:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError:
        # The text of the ValueError may quote the password.
        raise InputError("the proxy is not a URL: the host or the port is malformed") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise InputError("the proxy must look like http://host:port (or https, socks5, socks5h)")
    if parts.scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        raise InputError("a SOCKS proxy needs the package socksio: install httpcore2[socks]")
    return Proxy(
        parts.scheme,
        parts.hostname,
        port or _PORTS[parts.scheme],
        Secret(unquote(parts.username or "")),
        Secret(unquote(parts.password or "")),
    )


class ProxiedPool(httpcore2.AsyncConnectionPool):
    """A pool whose connections are `SelfClosingConnection`."""

    def create_connection(self, origin: httpcore2.Origin) -> httpcore2.AsyncConnectionInterface:
        """Return a connection to the origin, not open yet."""
        return SelfClosingConnection(super().create_connection(origin))


class SelfClosingConnection(httpcore2.AsyncConnectionInterface):
    """A connection that is closed when a request on it fails.

    httpcore2 leaves a tunnel as it is when TLS inside of it fails or is cancelled: neither usable nor
    closed, so that its slot in the pool would be lost.
    """

    def __init__(self, inner: httpcore2.AsyncConnectionInterface) -> None:
        self._inner = inner
        self._broken = False

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        """Send the request; close the connection if that fails."""
        try:
            return await self._inner.handle_async_request(request)
        except httpcore2.ConnectionNotAvailable:
            raise  # somebody else's request is on it
        except BaseException:
            self._broken = True
            with anyio.CancelScope(shield=True):
                await self._inner.aclose()
            raise

    async def aclose(self) -> None:
        """Close it."""
        await self._inner.aclose()

    def info(self) -> str:
        """Describe its state."""
        return self._inner.info()

    def can_handle_request(self, origin: httpcore2.Origin) -> bool:
        """Tell whether it leads to this origin."""
        return self._inner.can_handle_request(origin)

    def is_connected(self) -> bool:
        """Tell whether it is open."""
        return not self._broken and self._inner.is_connected()

    def is_available(self) -> bool:
        """Tell whether it can take a request."""
        return not self._broken and self._inner.is_available()

    def has_expired(self) -> bool:
        """Tell whether it was idle for too long."""
        return self._inner.has_expired()

    def is_idle(self) -> bool:
        """Tell whether no request is on it."""
        return self._inner.is_idle()

    def is_closed(self) -> bool:
        """Tell whether it is closed, or as good as."""
        return self._broken or self._inner.is_closed()

    def can_multiplex(self) -> bool:
        """Tell whether it takes several requests at a time."""
        return self._inner.can_multiplex()


KEEPALIVE = 10.0
"""Seconds an idle connection is kept; servers close theirs after 15 and more."""


class Pool:
    """Keeps connections to one origin, HTTP/1.1 only.

    The credentials enter here, in the bytes that go out: no object of httpx holds them. They
    go to the configured origin whatever the request's URL says.

    Args:
        origin: where all requests go.
        max_connections: how many at a time, also when idle; more requests wait.
        proxy: through which, if any.
        verify: see `Verify`; the TLS context is built with the first request.
    """

    def __init__(self, origin: Origin, *, max_connections: int, proxy: Proxy | None, verify: Verify) -> None:
        self._origin = origin
        self._max_connections = max_connections
        self._proxy = proxy
        self._verify = verify
        self._pool: httpcore2.AsyncConnectionPool | None = None

    async def open(self, request: httpx.Request, exchange: Exchange) -> RawResponse:
        """Send the request and return the answer, its body unread."""
        pool = self._pool or self._build()
        response = await pool.handle_async_request(self._outgoing(request, exchange))
        stream = cast("AsyncIterable[bytes]", response.stream)
        return RawResponse(response.status, response.headers, stream, lambda: _ToTheEnd(response.aclose()))

    async def aclose(self) -> None:
        """Close all connections."""
        if self._pool is not None:
            await self._pool.aclose()

    def _outgoing(self, request: httpx.Request, exchange: Exchange) -> httpcore2.Request:
        credentials = exchange.credentials
        return httpcore2.Request(
            request.method,
            httpcore2.URL(
                scheme=self._origin.scheme,
                host=self._origin.host,
                port=self._origin.port,
                target=credentials.add_to(request.url.raw_path),
            ),
            headers=credentials.add_fields(request.headers.raw),
            content=credentials.body_for(request.content),
            extensions={"trace": exchange.trace},
        )

    def _build(self) -> httpcore2.AsyncConnectionPool:
        kind = ProxiedPool if self._proxy else httpcore2.AsyncConnectionPool
        self._pool = kind(
            ssl_context=ssl_context(self._verify) if self._origin.scheme == "https" else None,
            proxy=self._proxy.build(self._verify) if self._proxy else None,
            max_connections=self._max_connections,
            max_keepalive_connections=self._max_connections,
            keepalive_expiry=KEEPALIVE,
            http1=True,
            http2=False,
            retries=0,  # each try is paid for at the gate, so none is made behind its back
        )
        return self._pool


class _ToTheEnd:
    """Awaits the release of a connection to its end; a cancel that comes meanwhile is raised after it.

    The pool shields its own closing from cancel scopes. `asyncio.Task.cancel` reaches through that, and
    where it did, the pool would keep the finished request for ever.
    """

    def __init__(self, release: Coroutine[Any, Any, None]) -> None:
        self._release = release

    def __await__(self) -> Generator[Any, Any, None]:
        cancelled: BaseException | None = None
        step: Callable[[Any], Any] = self._release.send
        value: Any = None
        while True:
            try:
                asked = step(value)
            except StopIteration:
                break
            try:
                step, value = self._release.send, (yield asked)
            except BaseException as error:  # noqa: BLE001
                if asked is None:  # it merely let others run, and can go on
                    step, value, cancelled = self._release.send, None, error
                else:
                    step, value = self._release.throw, error
        if cancelled is not None:
            raise cancelled
