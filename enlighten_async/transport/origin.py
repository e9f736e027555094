"""Origin: the one host that requests, and with them the credentials, may go to."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from attrs import frozen

from enlighten_async.errors import MASK, InputError

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
