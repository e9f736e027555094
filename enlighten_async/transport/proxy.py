"""Through which proxy a host is reached: httpx leaves this to us once it is given a transport."""

from __future__ import annotations

import base64
import importlib.util
import urllib.request
from urllib.parse import unquote, urlsplit

import httpcore2
from attrs import frozen

from enlighten_async.errors import InputError
from enlighten_async.transport.credentials import Secret
from enlighten_async.transport.origin import Origin, is_loopback
from enlighten_async.transport.tls import Verify, ssl_context

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
