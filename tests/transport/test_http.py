"""Requests as they go out, and responses as they come back, through our pool or a user's transport."""

# ruff: noqa: D103  (names of tests and of what they bring are sentences)

from __future__ import annotations

import asyncio
import errno
import gzip
import json
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import anyio
import anyio.lowlevel
import httpcore2
import httpx
import pytest
import respx

from enlighten_async.clock import SystemClock
from enlighten_async.errors import TransportError, UsageError
from enlighten_async.transport import (
    Credentials,
    Exchange,
    Transport,
    service_of,
)
from enlighten_async.transport.body import BodyError
from enlighten_async.transport.connections import UNKNOWN_HOST, ServicePool, connect_reason
from enlighten_async.wire import Request
from tests.transport.servers import BASE, mocked


async def test_request_goes_out_as_the_api_wants_it(server, connect, exchange) -> None:
    async with aclosing(connect()) as transport:
        response = await transport.send(exchange)
    assert server.target == (
        "/api/v2/systems/1765/stats?start_at=1&end_at=2+3"
        "&key=k3y%2FCANARY%2B7f8e%3D%3D&user_id=4d7a4577CANARY6a41320a"
    )
    lines = server.heads[0].decode().split("\r\n")
    assert lines[1:5] == [
        f"Host: 127.0.0.1:{server.port}",
        "Accept: application/json",
        "Accept-Encoding: gzip",
        f"User-Agent: {lines[4].partition(': ')[2]}",
    ]
    assert lines[4].startswith("User-Agent: enlighten-async/")
    assert lines[5:] == ["", ""]
    assert (response.status, response.body, response.content_type) == (200, b"{}", "application/json")
    assert exchange.sent_at is not None
    assert exchange.response is response


async def test_credentials_in_headers(server, connect, question) -> None:
    tokens = Credentials(params=[("key", "k")], headers=[("Authorization", "Bearer t0k3n")])
    async with aclosing(connect()) as transport:
        await transport.send(Exchange(question, tokens))
    assert b"\r\nAuthorization: Bearer t0k3n\r\n" in server.heads[0]
    assert server.target.endswith("&key=k")


async def test_json_goes_along(server, connect, credentials) -> None:
    search: Request[Any] = Request(
        "search", "/systems/search", (("page", "1"),), lambda _: None, method="POST", body=b'{"a": [1]}'
    )
    async with aclosing(connect()) as transport:
        await transport.send(Exchange(search, credentials))
        await transport.send(Exchange(Request("x", "/x", (), lambda _: None), credentials))
    assert server.heads[0].startswith(b"POST /api/v2/systems/search?page=1&key=k3y")
    assert server.bodies == [b'{"a": [1]}', b""]
    assert b"\r\nContent-Type: application/json\r\n" in server.heads[0]
    assert b"content-length: 10\r\n" in server.heads[0].lower()
    assert server.heads[1].startswith(b"GET ")
    assert b"content-" not in server.heads[1].lower()


FORM = Credentials(
    headers=[("Authorization", "Basic YWJj")],
    form=[("grant_type", "refresh_token"), ("refresh_token", "r/é &=")],
)


FORM_FIELDS = b"grant_type=refresh_token&refresh_token=r%2F%C3%A9+%26%3D"


@pytest.mark.parametrize("body", [None, b"{}"])
async def test_form_is_the_body(body, server, connect) -> None:
    ask: Request[Any] = Request("token", "/token", (), lambda _: None, method="POST", body=body)
    async with aclosing(connect()) as transport:
        await transport.send(Exchange(ask, FORM))
    assert server.heads[0].startswith(b"POST /api/v2/token HTTP/1.1\r\n")
    assert server.bodies == [FORM_FIELDS]
    lines = server.heads[0].lower().split(b"\r\n")
    assert [line for line in lines if line.startswith(b"content-")] == [
        b"content-type: application/x-www-form-urlencoded",
        b"content-length: %d" % len(FORM_FIELDS),
    ]
    assert lines.count(b"authorization: basic ywjj") == 1


async def test_users_transport_is_given_the_form() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert (request.method, request.content) == ("POST", FORM_FIELDS)
        assert request.headers.get_list("content-length") == [str(len(FORM_FIELDS))]
        assert request.headers.get_list("content-type") == ["application/x-www-form-urlencoded"]
        return httpx.Response(200)

    ask: Request[Any] = Request("token", "/token", (), lambda _: None, method="POST")
    async with aclosing(mocked(handler)) as transport:
        assert (await transport.send(Exchange(ask, FORM))).status == 200


async def test_users_transport_is_given_the_json(credentials) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert (request.method, request.content) == ("POST", b"[1]")
        assert request.headers.get_list("content-length") == ["3"]
        assert request.headers["content-type"] == "application/json"
        return httpx.Response(200)

    ask: Request[Any] = Request("search", "/s", (), lambda _: None, method="POST", body=b"[1]")
    async with aclosing(mocked(handler)) as transport:
        assert (await transport.send(Exchange(ask, credentials))).status == 200


async def test_answer_that_brings_secrets_comes_as_it_is(server, connect, wire_answer) -> None:
    secret = "r3fr3sh-t0k3n"
    server.handler = lambda sock, _: sock.sendall(wire_answer(secret.encode()))
    ask: Request[Any] = Request("token", "/token", (), lambda _: None, method="POST")
    async with aclosing(connect()) as transport:
        for masks, body in ((True, b"***"), (False, secret.encode())):
            form = Credentials(form=[("refresh_token", secret)], masks_body=masks)
            assert (await transport.send(Exchange(ask, form))).body == body


async def test_failure_names_the_method(credentials, server, connect) -> None:
    server.handler = lambda *_: False
    ask: Request[Any] = Request("search", "/s", (), lambda _: None, method="POST")
    async with aclosing(connect()) as transport:
        with pytest.raises(TransportError, match=r"POST /s at http"):
            await transport.send(Exchange(ask, credentials))


async def test_answer_is_read_decoded_and_dated(server, connect, wire_answer, exchange) -> None:
    packed = gzip.compress(b'{"a": 1}')
    server.handler = lambda sock, _: sock.sendall(
        wire_answer(packed, "Content-Encoding: gzip", "Date: Sun, 06 Nov 1994 08:49:37 GMT", status="418 Tea")
    )
    clock = SystemClock()
    before = clock.monotonic()
    async with aclosing(connect()) as transport:
        response = await transport.send(exchange)
    assert (response.status, response.body, response.date) == (418, b'{"a": 1}', 784111777.0)
    assert before <= response.sent_at <= response.received_at <= clock.monotonic()


async def test_redirect_is_an_answer_like_any_other(exchange, new_exchange) -> None:
    seen = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(
            302, headers={"location": "http:///no url\x7f", "set-cookie": "a=b"}, text="over there"
        )

    async with aclosing(mocked(handler)) as transport:
        response = await transport.send(exchange)
        await transport.send(new_exchange())
    assert (response.status, response.body) == (302, b"over there")
    assert len(seen) == 2
    assert "cookie" not in seen[1].headers


async def test_users_transport_is_given_the_same_request(exchange) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert exchange.sent_at is not None
        assert request.url.path == "/api/v2/systems/1765/stats"
        assert request.url.params.multi_items() == [
            ("start_at", "1"),
            ("end_at", "2 3"),
            ("key", "k3y/CANARY+7f8e=="),
            ("user_id", "4d7a4577CANARY6a41320a"),
        ]
        assert request.headers["accept-encoding"] == "gzip"
        assert request.headers["host"] == "api.example.com"
        assert set(request.extensions) <= {"timeout"}
        body = gzip.compress(b"[]")
        return httpx.Response(200, content=body, headers={"content-encoding": "gzip"})

    async with aclosing(mocked(handler)) as transport:
        response = await transport.send(exchange)
    assert response.body == b"[]"
    assert exchange.response is response


async def test_users_transport_is_held_to_whole_bodies(exchange) -> None:
    class Short(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"ab"

    def handler(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-length": "3"}, stream=Short())

    async with aclosing(mocked(handler)) as transport:
        with pytest.raises(TransportError, match="2 of the 3 bytes") as caught:
            await transport.send(exchange)
    assert (caught.value.sent, caught.value.phase) == (True, "body")


async def test_asgi_app_is_asked_in_process(exchange) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["query_string"][:10]})

    asgi = httpx.ASGITransport(app=app)
    async with aclosing(
        Transport(base_url="http://enphase/", clock=SystemClock(), max_connections=1, transport=asgi)
    ) as transport:
        assert (await transport.send(exchange)).body == b"start_at=1"
        assert transport.service is app


async def test_respx_as_transport_sees_the_credentials(exchange) -> None:
    router = respx.Router()
    route = router.get(f"{BASE}/systems/1765/stats", params={"key": "k3y/CANARY+7f8e=="}).respond(
        json={"a": 1}
    )
    async with aclosing(mocked(router.async_handler)) as transport:
        response = await transport.send(exchange)
    assert json.loads(response.body) == {"a": 1}
    assert route.called
    assert exchange.sent_at is not None


async def test_respx_in_place_of_our_transport(exchange, new_exchange) -> None:
    with respx.mock(using="httpx") as router:
        router.get(f"{BASE}/systems/1765/stats").respond(
            409,
            json={"period": "minute"},
            headers={"Date": "Sun, 06 Nov 1994 08:49:37 GMT", "Set-Cookie": "a=b; path=/"},
        )
        async with aclosing(Transport(base_url=BASE, clock=SystemClock(), max_connections=1)) as transport:
            await transport.send(new_exchange())
            response = await transport.send(exchange)
        assert "cookie" not in router.calls.last.request.headers
    assert (response.status, response.content_type, response.date) == (409, "application/json", 784111777.0)
    assert exchange.sent_at is not None
    assert exchange.response is response


async def test_plain_respx_sees_what_leaves(exchange, new_exchange) -> None:
    async with aclosing(Transport(base_url=BASE, clock=SystemClock(), max_connections=1)) as transport:
        with respx.mock as router:
            route = router.get(f"{BASE}/systems/1765/stats", params={"key": "k3y/CANARY+7f8e=="})
            route.side_effect = [httpx.ReadError("gone"), httpx.Response(200, json={"a": 1})]
            with pytest.raises(TransportError, match="gone"):
                await transport.send(new_exchange())
            assert (await transport.send(exchange)).body == b'{"a":1}'
            assert route.call_count == 2
        assert ServicePool.handle_async_request is httpcore2.AsyncConnectionPool.handle_async_request


@pytest.mark.parametrize("using", ["httpcore", "httpx"])
async def test_a_request_that_no_mock_knows_fails_as_the_mock_says(using, exchange) -> None:
    with respx.mock(using=using):
        async with aclosing(Transport(base_url=BASE, clock=SystemClock(), max_connections=1)) as transport:
            with pytest.raises(AssertionError, match="not mocked") as caught:
                await transport.send(exchange)
    assert "CANARY" not in str(caught.value)
    assert exchange.sent_at is None


async def test_respx_sees_what_would_go_through_a_proxy(exchange) -> None:
    proxied = Transport(base_url=BASE, clock=SystemClock(), max_connections=1, proxy="http://127.0.0.1:9")
    with respx.mock as router:
        router.get(f"{BASE}/systems/1765/stats").respond(json={"a": 1})
        async with aclosing(proxied) as transport:
            assert (await transport.send(exchange)).body == b'{"a":1}'


async def test_respx_leaves_other_pools_alone() -> None:
    Transport(base_url=BASE, clock=SystemClock(), max_connections=1)
    plain = httpcore2.AsyncConnectionPool.handle_async_request
    with respx.mock:
        assert httpcore2.AsyncConnectionPool.handle_async_request is plain
        assert ServicePool.handle_async_request is not plain


@pytest.mark.parametrize(("using", "seen"), [("httpcore", FORM_FIELDS), ("httpx", b"")])
async def test_respx_sees_a_form_where_it_sees_credentials(using, seen) -> None:
    ask: Request[Any] = Request("token", "/token", (), lambda _: None, method="POST")
    with respx.mock(using=using) as router:
        router.post(f"{BASE}/token").respond(json={"a": 1})
        async with aclosing(Transport(base_url=BASE, clock=SystemClock(), max_connections=1)) as transport:
            response = await transport.send(Exchange(ask, FORM))
        assert router.calls.last.request.content == seen
    assert json.loads(response.body) == {"a": 1}


async def test_network_errors_of_users_transports_are_mapped(exchange) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("gone", request=request)

    async with aclosing(mocked(handler)) as transport:
        with pytest.raises(TransportError, match="gone") as caught:
            await transport.send(exchange)
    assert caught.value.sent
    assert caught.value.__context__ is caught.value.__cause__ is None


def no_connection(cause: BaseException) -> BaseException:
    """Return the error of a connection that was not made, for a cause of the operating system."""
    error = httpx.ConnectError("")
    error.__cause__ = OSError("all attempts failed")
    error.__cause__.__context__ = cause
    return error


@pytest.mark.parametrize(
    ("make", "passing"),
    [
        (lambda: httpx.ReadError("reset"), True),
        (lambda: httpx.ConnectError("refused"), True),
        (lambda: ConnectionResetError(104, "reset"), True),
        (lambda: no_connection(socket.gaierror(socket.EAI_AGAIN, "later")), True),
        (lambda: no_connection(socket.gaierror(socket.EAI_NONAME, "no such name")), False),
        (lambda: no_connection(socket.gaierror(max(UNKNOWN_HOST), "no address")), False),
        (lambda: no_connection(ssl.SSLError("handshake")), True),
        (lambda: no_connection(ssl.SSLCertVerificationError("self-signed")), False),
        (lambda: httpx.UnsupportedProtocol("gopher"), False),
        (lambda: httpx.InvalidURL("no host"), False),
        (lambda: BodyError("cut off", passing=True), True),
        (lambda: BodyError("too large"), False),
        (lambda: httpx.RemoteProtocolError("no HTTP"), True),
    ],
)
async def test_failures_that_a_repeat_cannot_mend_say_so(make, passing, exchange) -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        raise make()

    async with aclosing(mocked(handler)) as transport:
        with pytest.raises(TransportError) as caught:
            await transport.send(exchange)
    assert caught.value.passing is passing


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: no_connection(ConnectionRefusedError(errno.ECONNREFUSED, "x")), "connection refused"),
        (
            lambda: no_connection(ExceptionGroup("two", [ConnectionRefusedError(errno.ECONNREFUSED, "x")])),
            "connection refused",
        ),
        (lambda: no_connection(socket.gaierror(socket.EAI_NONAME, "x")), "no such host is known"),
        (lambda: no_connection(socket.gaierror(socket.EAI_AGAIN, "later")), "later"),
        (lambda: no_connection(ssl.SSLError("NO_TLS")), "TLS has failed: "),
        (lambda: no_connection(ssl.SSLCertVerificationError("self-signed")), "is not accepted: "),
        (lambda: httpx.ConnectError("odd"), "odd"),
    ],
)
def test_why_there_is_no_connection_is_told_in_words(make, told) -> None:
    assert told in connect_reason(make())


@pytest.mark.parametrize("kind", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
async def test_users_transport_without_a_connection_has_sent_nothing(kind, exchange) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise kind("no connection", request=request)

    async with aclosing(mocked(handler)) as transport:
        with pytest.raises(TransportError, match=r"phase: connect; it was not sent") as caught:
            await transport.send(exchange)
    assert (caught.value.sent, caught.value.phase, exchange.sent_at) == (False, "connect", None)


class OwnError(Exception):
    """An error of a library that a user's transport is made with."""

    def __init__(self, text: str, told: object = None) -> None:
        super().__init__(text)
        self.told = told


@pytest.mark.parametrize(
    ("kind", "passing"), [(RuntimeError, False), (KeyError, False), (OwnError, True), (OSError, True)]
)
async def test_errors_of_users_transports_are_of_our_family(kind, passing, exchange) -> None:
    """The text says where they come from, the cause is kept."""
    error = kind("bug in a handler")

    def handler(_: httpx.Request) -> httpx.Response:
        raise error

    async with aclosing(mocked(handler)) as transport:
        with pytest.raises(TransportError, match="bug in a handler") as caught:
            await transport.send(exchange)
    assert (caught.value.passing, caught.value.sent) == (passing, True)
    assert caught.value.__cause__ is error
    assert error.__traceback__ is None
    if kind is not OSError:
        assert re.search(rf"handler \(test_http\.py:\d+\) raised {kind.__name__}: ", str(caught.value))


@pytest.mark.parametrize("kind", [RuntimeError, OwnError, OSError])
@pytest.mark.parametrize("where", ["text", "attribute", "cause"])
async def test_no_secret_comes_along_with_an_error_of_a_users_transport(kind, where, exchange) -> None:
    """Neither in the text nor on the cause."""

    def handler(request: httpx.Request) -> httpx.Response:
        error = kind(f"at {request.url} {request.headers}" if where == "text" else "bug")
        if where == "attribute":
            error.request = request
        raise error from (ValueError(f"at {request.url}") if where == "cause" else None)

    async with aclosing(mocked(handler)) as transport:
        with pytest.raises(TransportError) as caught:
            await transport.send(exchange)
    assert "CANARY" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_closed_client_says_so(exchange) -> None:
    transport = mocked(lambda _: httpx.Response(200))
    await transport.aclose()
    await transport.aclose()
    with pytest.raises(UsageError, match="closed"):
        await transport.send(exchange)
    assert exchange.sent_at is None


def test_a_transport_belongs_to_the_loop_in_which_it_was_first_used() -> None:
    transport = mocked(lambda _: httpx.Response(200))

    async def use(closing: bool = False) -> None:
        transport.check_usable(closing=closing)
        transport.check_usable()

    asyncio.run(use())
    for closing in (False, True):
        with pytest.raises(UsageError, match="another event loop"):
            asyncio.run(use(closing))
        with pytest.raises(UsageError, match="another event loop"):
            anyio.run(use, closing, backend="trio")


async def test_a_closed_transport_may_be_closed_again() -> None:
    transport = mocked(lambda _: httpx.Response(200))
    await transport.aclose()
    transport.check_usable(closing=True)
    with pytest.raises(UsageError, match="closed"):
        transport.check_usable()


def test_service_of_a_transport() -> None:
    mock = httpx.MockTransport(lambda _: httpx.Response(200))
    app: Any = object()
    assert service_of(mock) is mock
    assert service_of(httpx.ASGITransport(app=app)) is app
    assert service_of(None) is None
