"""Origins: base URLs, and requests that cannot lead anywhere else."""

# ruff: noqa: D103  (names of tests and of what they bring are sentences)

from __future__ import annotations

from contextlib import aclosing
from functools import partial
from typing import Any

import httpx
import pytest

from enlighten_async.errors import InputError, TransportError
from enlighten_async.transport import (
    Exchange,
    Origin,
    origin,
)
from enlighten_async.transport.origin import is_loopback
from enlighten_async.wire import Request
from tests.transport.servers import mocked

API = "https://api.enphaseenergy.com/api/v2"


@pytest.mark.parametrize(
    ("url", "expected", "base"),
    [
        (API, Origin("https", "api.enphaseenergy.com", 443, "/api/v2"), API),
        (f"{API}/", Origin("https", "api.enphaseenergy.com", 443, "/api/v2"), API),
        (
            "HTTPS://API.example.com:8443",
            Origin("https", "api.example.com", 8443),
            "https://api.example.com:8443",
        ),
        ("https://example.com:443/", Origin("https", "example.com", 443), "https://example.com"),
        ("http://localhost:80/x", Origin("http", "localhost", 80, "/x"), "http://localhost/x"),
        ("http://[::1]:8000", Origin("http", "::1", 8000), "http://[::1]:8000"),
        ("http://127.9.9.9:8000", Origin("http", "127.9.9.9", 8000), "http://127.9.9.9:8000"),
    ],
)
def test_base_url(url: str, expected: Origin, base: str) -> None:
    assert origin(url) == expected
    assert origin(url).base == base


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("http://api.example.com", "must be https"),
        ("http://localhost.example.com", "must be https"),
        ("http://127.0.0.1.example.com", "must be https"),
        ("https://user:s3cret@api.example.com", "user name or password"),
        ("https://s3cret@api.example.com", "user name or password"),
        ("https://api.example.com/?key=s3cret", "remove the query"),
        ("https://api.example.com/#s3cret", "remove the query"),
        ("https://api.example.com?", "remove the query"),
        ("api.example.com/api", "must look like"),
        ("ftp://api.example.com", "must look like"),
        ("https:///api", "must look like"),
        ("", "must look like"),
        ("https://api.example.com:s3cret/", "malformed"),
        ("https://api.example.com:99999/", "malformed"),
        ("https://[::1/", "malformed"),
        (" https://api.example.com", "printable ASCII"),
        ("https://api.example.com/\n", "printable ASCII"),
        ("https://b\u00fccher.example", "printable ASCII"),
    ],
)
def test_base_url_that_is_refused(url: str, advice: str) -> None:
    with pytest.raises(InputError, match=advice) as caught:
        origin(url)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_plain_http_by_a_transport_of_the_users_own() -> None:
    assert origin("http://api.example.com", any_http=True).scheme == "http"


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "::1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


async def test_credentials_go_to_the_configured_origin_only(exchange, new_exchange) -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    async def lead_to(url: httpx.URL, request: httpx.Request) -> None:
        request.url = url

    async with aclosing(mocked(handler)) as transport:
        await transport.send(new_exchange())
        client: Any = transport._client
        seen.clear()
        for url in ("http://api.example.com/", "https://example.com/", "https://api.example.com:444/"):
            client.event_hooks = {"request": [partial(lead_to, httpx.URL(url))]}
            with pytest.raises(TransportError, match="not below the configured") as caught:
                await transport.send(exchange)
            assert not caught.value.sent
        for url in ("https://api.example.com:443/", "https://API.example.com/x"):
            client.event_hooks = {"request": [partial(lead_to, httpx.URL(url))]}
            await transport.send(new_exchange())
    assert len(seen) == 2
    assert exchange.sent_at is None


@pytest.mark.parametrize("path", ["systems", "@evil.example/", "", "/a\nb", ":1@evil.example/"])
async def test_path_cannot_lead_elsewhere(path: str, credentials, exchange) -> None:
    request: Request[Any] = Request("x", path, (), lambda _: None)
    async with aclosing(
        mocked(lambda _: httpx.Response(200), base_url="https://api.example.com")
    ) as transport:
        with pytest.raises(InputError, match="path"):
            await transport.send(Exchange(request, credentials))
    assert exchange.sent_at is None
