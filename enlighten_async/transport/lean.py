"""The HTTP client, rid of what the API does not need: cookies, redirects, settings of the environment."""

from __future__ import annotations

from importlib import metadata

import httpx


class _NoCookies(httpx.Cookies):
    """Keeps nothing: looking for cookies costs more than the rest of httpx."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Leave them."""


class LeanClient(httpx.AsyncClient):
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
