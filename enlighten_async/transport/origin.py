"""Origin: the one host that requests, and with them the credentials, may go to; proxies, and options."""

from __future__ import annotations

import base64
import importlib.util
import ipaddress
import re
import ssl
import sys
import urllib.request
from typing import TYPE_CHECKING, TypeAlias, TypedDict, TypeGuard
from urllib.parse import SplitResult, unquote, urlsplit

from attrs import frozen

from enlighten_async.clock import Clock
from enlighten_async.errors import MASK, InputError
from enlighten_async.transport.credentials import Secret

if TYPE_CHECKING:
    import httpx

DEFAULT_PORTS = {"http": 80, "https": 443}


@frozen
class Origin:
    """The configured host.

    Attributes:
        scheme: "http" or "https".
        host: name or address, lower case, without brackets.
        port: the port, also where it is the default of the scheme.
        path: the prefix of every path, without a slash at its end.
    """

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def netloc(self) -> str:
        """Host and port as a URL and the `Host` field write them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def base(self) -> str:
        """The base URL, without a slash at its end."""
        return f"{self.scheme}://{self.netloc}{self.path}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"


def origin(base_url: str, *, any_http: bool = False) -> Origin:
    """Return the checked origin of a base URL.

    Args:
        base_url: such as "https://api.enphaseenergy.com/api/v2".
        any_http: accept plain http for any host (the transport is the caller's own).

    Raises:
        InputError: the text is not such a URL, or plain http would show the credentials on the way.
    """
    if not isinstance(base_url, str):
        raise InputError(f"base_url must be a text such as https://host/path, not {base_url!r}")
    parts, port = _split(base_url)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in DEFAULT_PORTS or not host:
        raise InputError("base_url must look like https://host/path")
    if "@" in parts.netloc:
        raise InputError("base_url must not hold a user name or password: give them to the client")
    if parts.query or parts.fragment or "?" in base_url or "#" in base_url:
        raise InputError("base_url must end with its path: remove the query and the fragment")
    if parts.scheme == "http" and not (any_http or is_loopback(host)):
        raise InputError(f"base_url must be https, as http shows the API key to anybody on the way to {host}")
    return Origin(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme], parts.path.rstrip("/"))


def without_secrets(base_url: str) -> str:
    """Return a base URL with a mask for its password and query, which no base URL may have."""
    text = f"{base_url}"  # it may be of any type, which is told later
    masked = _SECRET_PARTS.sub(MASK, text)
    return base_url if masked == text else masked


_SECRET_PARTS = re.compile(r"(?<=//)[^/?#]*(?=@)|(?<=[?#]).+")


def _split(base_url: str) -> tuple[SplitResult, int | None]:
    if base_url != base_url.strip() or not base_url.isprintable() or not base_url.isascii():
        raise InputError("base_url must be printable ASCII without spaces around it (IDNs as xn--...)")
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError:
        # The text of the ValueError may quote a password.
        raise InputError("base_url is not a URL: the host or the port is malformed") from None
    return parts, port


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine: nobody can read along on the way."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# The options of the way there

Verify: TypeAlias = bool | str | ssl.SSLContext
"""`True`: the system's trust store; a path: this CA file or directory; `False`: no check at all."""


class ConnectionOptions(TypedDict, total=False):
    """Options of the connections."""

    proxy: str | Secret | None
    """URL of a proxy, "" for none; by default as the environment says."""
    verify: Verify
    """`True` for the system's certificates, or a CA file, or a context."""
    transport: httpx.AsyncBaseTransport | None
    """Any httpx transport in place of our own, such as an emulator's; it gets complete requests, with the
    credentials in query and headers.
    """


class NetworkOptions(ConnectionOptions, total=False):
    """Options of the way to the service, for the client and for `OAuth`."""

    base_url: str
    """Where the API is; an emulator's address, say. https, unless it is this machine."""
    timeout: float | None
    """Seconds for one request, from connect to the last byte, 30 by default; `None`: no limit."""
    clock: Clock | None
    """The source of time."""


def hide_secrets(options: NetworkOptions) -> None:
    """Hide what may be a password in the URLs of a proxy and of the API, which no traceback must show."""
    if options.get("proxy") is not None:
        options["proxy"] = Secret(options["proxy"] or "")
    if "base_url" in options:
        options["base_url"] = without_secrets(options["base_url"])


def check_network(
    timeout: object = 30.0, clock: object = None, verify: object = True, transport: object = None
) -> None:
    """Check the options that say how the service is reached, but for the URLs.

    Raises:
        InputError: one of them is of another kind; the text says of which it must be.
    """
    if timeout is not None and not (is_number(timeout) and timeout > 0):
        raise InputError(
            f"timeout must be a number of seconds above 0, or None for no limit, not {timeout!r}"
        )
    if clock is not None and (isinstance(clock, type) or not isinstance(clock, Clock)):
        raise InputError(
            f"clock must have the methods of enlighten_async.clock.Clock; {_kind(clock)} has them not"
        )
    if not isinstance(verify, bool | str | ssl.SSLContext) or verify == "":
        raise InputError(f"verify must be True, the path of a CA file, or a context, not {_kind(verify)}")
    if transport is not None and not _is_transport(transport):
        raise InputError(
            f"transport must be an httpx.AsyncBaseTransport, such as httpx.AsyncHTTPTransport(), "
            f"not {_kind(transport)}"
        )


def _is_transport(value: object) -> bool:
    """Tell whether a value is a transport of httpx; if it is, whoever made it has loaded httpx."""
    base = getattr(sys.modules.get("httpx"), "AsyncBaseTransport", None)
    return base is not None and isinstance(value, base)


LARGEST_NUMBER = 1e15
"""Seconds at the most, some 30 million years: clocks can add them up, and files can keep the sum."""


def is_number(value: object) -> TypeGuard[float]:
    """Tell whether a value is a number to reckon with, `True` and `False` and infinity left out."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_NUMBER


def _kind(value: object) -> str:
    """Return the name of a value's type; the value itself may be a secret in the wrong place."""
    return f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"


# Proxies

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
