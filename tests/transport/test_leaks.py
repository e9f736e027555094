"""The key and the user id are nowhere but in the bytes to the configured host, whatever the server does."""

# ruff: noqa: D102, D103  (names of tests and of what they bring are sentences)

from __future__ import annotations

import base64
import gc
import logging
import pickle
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import anyio
import httpx
import pytest

from enlighten_async.clock import SystemClock
from enlighten_async.errors import TransportError
from enlighten_async.transport import Credentials, Exchange, Transport
from enlighten_async.transport.credentials import LOGGERS
from enlighten_async.wire import Request

CANARY = "CANARY"  # in both secrets of the fixture, next to characters that are encoded


class Everything(logging.Handler):
    """Keeps what every logger says, with all a handler could make of it."""

    def __init__(self) -> None:
        super().__init__(0)
        self.shown: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.shown.append(f"{self.format(record)} {record.__dict__}")


@pytest.fixture
def log() -> Iterator[list[str]]:
    handler, root = Everything(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(0)
    yield handler.shown
    root.setLevel(level)
    root.removeHandler(handler)


def family(error: BaseException | None, seen: set[int]) -> Iterator[BaseException]:
    """Yield an error and all that hang on it."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield error
    yield from family(error.__cause__, seen)
    yield from family(error.__context__, seen)
    for inner in getattr(error, "exceptions", ()):
        yield from family(inner, seen)


def look_into(value: object) -> str:
    """Show a value and, where it is not of these tests, its fields."""
    fields = "" if "tests" in type(value).__module__ else getattr(value, "__dict__", "")
    return f"{value!r} {fields}"


def frames(error: BaseException) -> str:
    """Show everything of an error: texts, fields, and the locals of all its frames."""
    shown = []
    for one in family(error, set()):
        lines = traceback.TracebackException.from_exception(one, capture_locals=True).format()
        shown += [repr(one), str(one), repr(one.args), repr(vars(one)), *lines]
        tb = one.__traceback__
        while tb is not None:
            shown += map(look_into, tb.tb_frame.f_locals.values())
            tb = tb.tb_next
    return "\n".join(shown)


def echo_in_location(sock: Any, head: bytes) -> bool:
    target = head.split(b" ")[1]
    sock.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://x" + target + b"\r\nContent-Length: 0\r\n\r\n")
    return False


def echo_in_status(sock: Any, head: bytes) -> bool:
    sock.sendall(b"garbage " + head.split(b" ")[1] + b"\r\n\r\n")
    return False


def echo_in_reason(sock: Any, head: bytes) -> bool:
    sock.sendall(b"HTTP/1.1 500 no " + head.split(b" ")[1] + b"\r\nContent-Length: 0\r\n\r\n")
    return False


def echo_in_header(sock: Any, head: bytes) -> bool:
    target = head.split(b" ")[1]
    sock.sendall(b"HTTP/1.1 200 OK\r\nBad Header" + target + b": 1\r\nContent-Length: 0\r\n\r\n")
    return False


def echo_in_types(sock: Any, head: bytes) -> bool:
    target = head.split(b" ")[1]
    sock.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: "
        + target
        + b"\r\nDate: "
        + target
        + b"\r\nSet-Cookie: "
        + target
        + b"\r\nContent-Length: 0\r\n\r\n"
    )
    return False


def echo_in_encoding(sock: Any, head: bytes) -> bool:
    target = head.split(b" ")[1]
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: " + target + b"\r\nContent-Length: 0\r\n\r\n")
    return False


def echo_in_chunk(sock: Any, head: bytes) -> bool:
    target = head.split(b" ")[1]
    sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + target + b"\r\n")
    return False


def echo_in_body(sock: Any, head: bytes) -> bool:
    page = b"<p>no " + head.split(b" ")[1] + b" nor k3y/CANARY+7f8e== nor k3y\\/CANARY+7f8e==</p>"
    sock.sendall(b"HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n" % len(page) + page)
    return False


def short(sock: Any, head: bytes) -> bool:
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + head.split(b" ")[1])
    return False


def drop(sock: Any, head: bytes) -> bool:
    return False


def plain(sock: Any, head: bytes) -> None:
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


SERVERS = [
    plain, echo_in_location, echo_in_status, echo_in_reason, echo_in_header, echo_in_types, echo_in_encoding,
    echo_in_chunk, echo_in_body, short, drop,
]  # fmt: skip


@pytest.mark.parametrize("handler", SERVERS)
async def test_nothing_shows_the_secrets(handler, log, server, connect, credentials, exchange) -> None:
    server.handler = handler
    shown = ""
    async with aclosing(connect()) as transport:
        try:
            response = await transport.send(exchange)
            shown += f"{response!r} {response.body!r} {pickle.dumps(response)!r}"
        except Exception as error:  # noqa: BLE001
            shown += frames(error) + repr(pickle.dumps(error))
        shown += (
            f"{transport!r} {vars(transport)} {vars(transport._client)} {credentials!r} {vars(credentials)}"
        )
    assert CANARY in server.heads[0].decode()
    assert CANARY.lower() not in shown.lower()
    assert log
    assert CANARY.lower() not in "".join(log).lower()


def echo_the_form(sock: Any, _: bytes) -> bool:
    sock.sendall(b"HTTP/1.1 400 No\r\nContent-Type: c0de/CANARY+7f8e==\r\nContent-Length: 0\r\n\r\n")
    return False


@pytest.mark.parametrize("handler", [plain, echo_the_form, echo_in_status, short, drop])
async def test_nothing_shows_a_form(handler, log, server, connect) -> None:
    server.handler = handler
    ask: Request[Any] = Request("token", "/token", (), lambda _: None, method="POST")
    form = Credentials(form=[("grant_type", "authorization_code"), ("code", "c0de/CANARY+7f8e==")])
    shown = ""
    async with aclosing(connect()) as transport:
        try:
            response = await transport.send(Exchange(ask, form))
            shown += f"{response!r} {response.content_type}"
        except Exception as error:  # noqa: BLE001
            shown += frames(error) + repr(pickle.dumps(error))
        shown += f"{transport!r} {vars(transport)} {vars(transport._client)} {form!r} {vars(form)}"
    assert CANARY in server.bodies[0].decode()
    assert log
    assert CANARY.lower() not in (shown + "".join(log)).lower()


def test_every_client_installs_the_filter(connect) -> None:
    loggers = [logging.getLogger(name) for name in LOGGERS]
    for logger in loggers:
        logger.filters.clear()
    connect()
    assert [len(logger.filters) for logger in loggers] == [1] * len(loggers)


async def test_refused_and_hanging_connections(log, server, connect, new_exchange) -> None:
    server.handler = lambda *_: server.stopped.wait()
    shown = ""
    async with aclosing(connect(timeout=0.1)) as transport:
        for stop in (lambda: None, server.stop):
            stop()
            try:
                await transport.send(new_exchange())
            except Exception as error:  # noqa: BLE001
                shown += frames(error)
    assert "no whole answer" in shown
    assert CANARY.lower() not in (shown + "".join(log)).lower()


async def test_cancel_carries_no_secret(log, server, connect, question, exchange) -> None:
    server.handler = lambda *_: server.stopped.wait()
    shown = ""
    async with aclosing(connect()) as transport:
        with anyio.move_on_after(0.1) as scope:
            try:
                await transport.send(exchange)
            except BaseException as error:
                shown = frames(error)
                raise
    assert scope.cancelled_caught
    assert "question" in shown
    assert CANARY.lower() not in (shown + "".join(log)).lower()


async def test_cancel_keeps_nothing_of_what_was_handled_below(question, exchange) -> None:
    class Breaking(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                raise OSError("broken k3y/CANARY+7f8e==")  # noqa: TRY301
            except OSError:
                await anyio.sleep_forever()
            yield b""

    transport = Transport(
        base_url="https://api.example.com",
        clock=SystemClock(),
        transport=httpx.MockTransport(lambda _: httpx.Response(200, stream=Breaking())),
    )
    shown = ""
    async with aclosing(transport):
        with anyio.move_on_after(0.05):
            try:
                await transport.send(exchange)
            except BaseException as error:
                shown = frames(error)
                raise
    assert "question" in shown
    assert CANARY.lower() not in shown.lower()


async def test_error_while_another_is_handled_keeps_that_one(connect, server, exchange) -> None:
    server.stop()
    async with aclosing(connect()) as transport:
        mine = ValueError("mine")
        with pytest.raises(TransportError) as caught:  # noqa: PT012
            try:
                raise mine
            except ValueError:
                await transport.send(exchange)
    assert caught.value.__context__ is mine


async def test_nothing_of_a_failed_request_is_kept_alive(server, connect, exchange) -> None:
    server.handler = short
    async with aclosing(connect()) as transport:
        with pytest.raises(Exception, match="no whole answer"):
            await transport.send(exchange)
        gc.collect()
        held = [one for one in gc.get_objects() if isinstance(one, httpx.Request)]
    assert [one for one in held if CANARY in str(one.url)] == []


async def test_users_transport_hears_the_secrets_and_nobody_else(log, exchange) -> None:
    heard = []

    def handler(request: httpx.Request) -> httpx.Response:
        heard.append(str(request.url))
        return httpx.Response(403, text=f"no {request.url}", headers={"location": str(request.url)})

    shown = ""
    transport = Transport(
        base_url="https://api.example.com", clock=SystemClock(), transport=httpx.MockTransport(handler)
    )
    async with aclosing(transport):
        response = await transport.send(exchange)
        shown += f"{response!r} {response.body!r}"
    assert CANARY in heard[0]
    assert CANARY.lower() not in (shown + "".join(log)).lower()


async def test_proxy_password_is_a_secret_too(log, server, connect, exchange) -> None:
    def handler(sock: Any, head: bytes) -> bool:
        sock.sendall(b"HTTP/1.1 407 " + head.replace(b"\r\n", b" ") + b"\r\n\r\n")
        return False

    server.handler = handler
    proxy = f"http://somebody:pr0xy%2Fpass@127.0.0.1:{server.port}"
    async with aclosing(connect(base_url="https://api.example.com", proxy=proxy)) as transport:
        with pytest.raises(Exception, match="407") as caught:
            await transport.send(exchange)
    shown = frames(caught.value) + "".join(log)
    basic = base64.b64encode(b"somebody:pr0xy/pass")
    assert basic in server.heads[0]
    assert server.heads[0].startswith(b"CONNECT api.example.com:443 ")
    assert CANARY not in server.heads[0].decode()
    assert not caught.value.sent
    assert exchange.sent_at is None
    for secret in (basic.decode(), "pr0xy/pass", "somebody", CANARY):
        assert secret not in shown.replace(proxy, "")
