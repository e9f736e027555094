"""Exchange: faults, deadlines and cancels at any step leave it true, and leave nothing behind."""

# ruff: noqa: D103  (names of tests and of what they bring are sentences)

from __future__ import annotations

import asyncio
import gc
import gzip
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
import trio

from enlighten_async.errors import RequestTimeout, TransportError
from enlighten_async.testing import FakeClock
from enlighten_async.transport import (
    Exchange,
)
from enlighten_async.wire import Request
from tests.transport.servers import HEAD, mocked, say
from tests.transport.steps import Steps, run


def reset(*parts: bytes):
    def handler(sock, head):
        for part in parts:
            sock.sendall(part)
            time.sleep(0.02)  # a reset overtakes bytes that were not read yet
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    return handler


PACKED = gzip.compress(b'{"a": 1}' * 99)


HEAD_CLOSE = HEAD + b"Connection: close\r\n"  # whole as HTTP, so the connection would be used again


GZIPPED = HEAD_CLOSE + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"


FAULTS = {
    "closed at once": (say(), "wait"),
    "reset at once": (reset(), "wait"),
    "closed within the head": (say(b"HTTP/1.1 200 O"), "wait"),
    "garbage": (say(b"220 smtp.example.com ESMTP\r\n\r\n"), "wait"),
    "binary": (say(bytes(range(256)) * 4), "wait"),
    "endless head": (say(b"HTTP/1.1 200 OK\r\n" + b"X-Y: z\r\n" * 40_000), "wait"),
    "short body": (say(HEAD + b"Content-Length: 9\r\n\r\n{}"), "body"),
    "reset within the body": (reset(HEAD + b"Content-Length: 9\r\n\r\n{}"), "body"),
    "cut chunk": (say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\n{}"), "body"),
    "no last chunk": (say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"), "body"),
    "bad chunk": (say(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"), "body"),
    "two lengths": (say(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"), "wait"),
    "truncated gzip": (say(GZIPPED % (len(PACKED) - 9), PACKED[:-9]), "body"),
    "gzip without its trailer": (say(GZIPPED % (len(PACKED) - 8), PACKED[:-8]), "body"),
    "gzip that is none": (say(GZIPPED % 2, b"{}"), "body"),
    "gzip twice over": (say(GZIPPED % (2 * len(PACKED)), PACKED * 2), "body"),
    "unknown encoding": (say(HEAD_CLOSE + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}"), "body"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_fault_is_one_error_of_ours(fault, server, connect, exchange, new_exchange) -> None:
    server.handler, phase = FAULTS[fault]
    async with aclosing(connect()) as transport:
        with pytest.raises(TransportError) as caught:
            await transport.send(exchange)
        assert not isinstance(caught.value, RequestTimeout)
        assert caught.value.sent
        assert caught.value.phase == phase
        assert "/systems/1765/stats" in str(caught.value)
        assert caught.value.__cause__ is caught.value.__context__ is None
        assert caught.traceback[-1].name == "send"  # no frame of the libraries came along
        assert exchange.sent_at is not None
        assert exchange.response is None
        # The next one is served: the broken connection was not kept.
        del server.handler
        assert (await transport.send(new_exchange())).status == 200


async def test_refused_connection_was_certainly_not_sent(server, connect, exchange) -> None:
    server.stop()
    async with aclosing(connect()) as transport:
        with pytest.raises(
            TransportError, match=r"connection refused \(GET /systems/1765/stats was not sent\)"
        ) as caught:
            await transport.send(exchange)
    assert (caught.value.sent, caught.value.phase, exchange.sent_at) == (False, "connect", None)


async def test_unknown_host_was_certainly_not_sent(connect, exchange) -> None:
    async with aclosing(connect(base_url="https://no-such-host.invalid", proxy="")) as transport:
        with pytest.raises(TransportError) as caught:
            await transport.send(exchange)
    assert (caught.value.sent, caught.value.phase, exchange.sent_at) == (False, "connect", None)


async def test_web_page_is_an_answer(server, connect, exchange) -> None:
    page = b"<html>Gone</html>"
    server.handler = say(b"HTTP/1.1 410 Gone\r\nContent-Type: Text/HTML; charset=utf-8\r\n\r\n" + page)
    async with aclosing(connect()) as transport:
        response = await transport.send(exchange)
    assert (response.status, response.content_type, response.body) == (410, "text/html", page)


async def test_server_that_never_answers(server, connect, exchange) -> None:
    server.handler = lambda *_: server.stopped.wait()
    async with aclosing(connect(timeout=0.15)) as transport:
        with pytest.raises(RequestTimeout) as caught:
            await transport.send(exchange)
        assert not transport._client._transport._raw._pool.connections
    assert (caught.value.sent, caught.value.phase) == (True, "wait")


async def test_server_that_drips_does_not_outlive_the_deadline(server, connect, exchange) -> None:
    def drip(sock, _):
        sock.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
        while not server.stopped.wait(0.02):
            sock.sendall(b" ")

    server.handler = drip
    async with aclosing(connect(timeout=0.2)) as transport:
        with anyio.fail_after(2), pytest.raises(RequestTimeout) as caught:
            await transport.send(exchange)
    assert (caught.value.sent, caught.value.phase) == (True, "body")


async def test_deadline_is_one_for_the_whole_request(exchange) -> None:
    clock = FakeClock()

    class Drip(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for _ in range(1000):
                await clock.sleep(1)
                yield b" "

    started = clock.monotonic()
    async with aclosing(mocked(lambda _: httpx.Response(200, stream=Drip()), clock=clock)) as transport:
        with pytest.raises(RequestTimeout, match="within 30 s") as caught:
            await transport.send(exchange)
    assert clock.monotonic() - started == 30
    assert (caught.value.sent, caught.value.phase) == (True, "body")
    assert exchange.response is None


async def test_answer_that_is_whole_at_the_deadline_is_kept(exchange) -> None:
    clock = FakeClock()

    class SlowClose(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"{}"

        async def aclose(self) -> None:
            await clock.sleep(99)

    async with aclosing(mocked(lambda _: httpx.Response(200, stream=SlowClose()), clock=clock)) as transport:
        response = await transport.send(exchange)
    assert response.body == b"{}"
    assert exchange.response is response


async def test_no_timeout_means_none(exchange) -> None:
    clock = FakeClock()

    async def handler(_: httpx.Request) -> httpx.Response:
        await clock.sleep(86_400)
        return httpx.Response(200)

    async with aclosing(mocked(handler, clock=clock, timeout=None)) as transport:
        assert (await transport.send(exchange)).status == 200


async def test_failing_close_changes_nothing(exchange) -> None:
    class BadClose(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"{}"

        async def aclose(self) -> None:
            raise OSError("close failed")

    async with aclosing(mocked(lambda _: httpx.Response(200, stream=BadClose()))) as transport:
        assert (await transport.send(exchange)).body == b"{}"


async def test_failing_close_does_not_swallow_a_cancel(exchange) -> None:
    class BadClose(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            scope.cancel()
            await anyio.sleep_forever()
            yield b""

        async def aclose(self) -> None:
            raise OSError("close failed")

    async with aclosing(mocked(lambda _: httpx.Response(200, stream=BadClose()))) as transport:
        with anyio.CancelScope() as scope:
            await transport.send(exchange)
    assert scope.cancelled_caught


async def test_cancel_after_the_last_byte_loses_nothing(exchange) -> None:
    class HangingClose(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"{}"

        async def aclose(self) -> None:
            scope.cancel()
            await anyio.sleep_forever()

    async with aclosing(mocked(lambda _: httpx.Response(200, stream=HangingClose()))) as transport:
        with anyio.CancelScope() as scope:
            await transport.send(exchange)
    assert scope.cancelled_caught
    assert exchange.response.body == b"{}"


SIZE = 2


MAX_STEPS = 60


async def by_scope(transport: Any, exchange: Any, at: int) -> tuple[bool, BaseException | None, Steps]:
    """Cancel an anyio scope at the n-th step; on asyncio and trio."""
    raised = None
    with anyio.CancelScope() as scope:
        steps = Steps(transport.send(exchange), at, scope.cancel)
        try:
            await run(steps)
        except BaseException as error:
            raised = error
            raise
    return steps.count >= at, raised, steps


async def natively(transport: Any, exchange: Any, at: int) -> tuple[bool, BaseException | None, Steps]:
    """Cancel the asyncio task itself at the n-th step."""
    steps = Steps(transport.send(exchange), at, lambda: task.cancel())
    task = asyncio.create_task(run(steps))
    with suppress(asyncio.CancelledError):
        await asyncio.wait([task])
    raised = None
    try:
        task.result()
    except BaseException as error:  # noqa: BLE001
        raised = error
    return steps.count >= at, raised, steps


def pool_of(transport: Any) -> Any:
    return transport._client._transport._raw._pool


def check_nothing_left(transport: Any) -> None:
    pool = pool_of(transport)
    if pool is None:
        return
    assert pool._requests == []
    for connection in pool.connections:
        assert connection.is_idle() or connection.is_closed() or not connection.is_connected(), connection


async def check_all_slots(transport: Any, new_exchange: Any) -> None:
    """All connections can be used at once."""
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for _ in range(SIZE):
                group.start_soon(transport.send, new_exchange())
    assert len(pool_of(transport).connections) <= SIZE


def is_cancel(error: BaseException) -> bool:
    """Tell whether it is a cancel: trio's own connecting raises a group of them."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_cancel, error.exceptions))
    return isinstance(error, asyncio.CancelledError | trio.Cancelled)


def tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return trio.lowlevel.current_statistics().tasks_living


ANSWERS = {
    "keep-alive": (),
    "close": ("Connection: close",),
}


@pytest.fixture(params=ANSWERS)
def answers(request, server, wire_answer) -> None:
    server.keeps = not ANSWERS[request.param]
    server.handler = lambda sock, _: (
        sock.sendall(wire_answer(b"[1]" * 999, *ANSWERS[request.param]))
        or (False if ANSWERS[request.param] else None)
    )


@pytest.fixture(params=[by_scope, natively])
def cancel(request, anyio_backend) -> Any:
    if request.param is natively and anyio_backend == "trio":
        pytest.skip("trio knows scopes only")
    return request.param


@pytest.mark.slow
@pytest.mark.parametrize("state", ["cold", "warm", "contended"])
@pytest.mark.usefixtures("answers")
async def test_cancel_at_every_step(state, cancel, server, connect, new_exchange) -> None:
    reached = True
    at = 0
    while reached:
        at += 1
        assert at < MAX_STEPS
        async with aclosing(connect(max_connections=SIZE)) as transport:
            if state != "cold":
                await transport.send(new_exchange())
            before = tasks()
            async with anyio.create_task_group() as group:
                if state == "contended":
                    for _ in range(2 * SIZE):
                        group.start_soon(transport.send, new_exchange())
                    await anyio.lowlevel.checkpoint()
                exchange = new_exchange()
                reached, raised, steps = await cancel(transport, exchange, at)
            check_nothing_left(transport)
            assert tasks() == before
            if raised is None:
                assert exchange.response is not None  # it was through before the cancel could be delivered
            else:
                assert is_cancel(raised)
                if steps.thrown and server.keeps and state == "warm":
                    assert raised is steps.thrown
                assert exchange.response is None or exchange.sent_at is not None
            await check_all_slots(transport, new_exchange)
    assert at > 2
    gc.collect()


@pytest.mark.usefixtures("answers")
async def test_cancel_after_every_turn(cancel, server, connect, new_exchange) -> None:
    """By turns of the loop instead of steps of the task: a step can take several of them."""
    for turns in range(25):
        async with aclosing(connect(max_connections=SIZE)) as transport:
            before = tasks()
            async with anyio.create_task_group() as group:
                scopes = [anyio.CancelScope() for _ in range(SIZE)]
                exchanges = [new_exchange() for _ in scopes]

                async def ask(scope: anyio.CancelScope, exchange: Any, transport: Any = transport) -> None:
                    with scope:
                        await transport.send(exchange)

                for pair in zip(scopes, exchanges, strict=True):
                    group.start_soon(ask, *pair)
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                for scope in scopes:
                    scope.cancel()
            check_nothing_left(transport)
            assert tasks() == before
            assert all(
                exchange.response or scope.cancelled_caught
                for exchange, scope in zip(exchanges, scopes, strict=True)
            )
            await check_all_slots(transport, new_exchange)


@pytest.mark.usefixtures("answers")
async def test_deadline_at_any_moment(server, connect, new_exchange) -> None:
    async with aclosing(connect(max_connections=SIZE)) as transport:
        await transport.send(new_exchange())
        for microseconds in range(0, 1500, 25):
            transport._timeout = microseconds / 1e6
            with suppress(Exception):
                await transport.send(new_exchange())
            check_nothing_left(transport)
        transport._timeout = 5
        await check_all_slots(transport, new_exchange)


async def test_cancel_with_an_answer_on_the_way(server, connect, new_exchange, credentials) -> None:
    """What a cancelled request was answered is not taken for the answer of the next one."""
    server.handler = lambda sock, head: sock.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(head), head)
    )
    async with aclosing(connect(max_connections=1)) as transport:
        for at in range(1, 8):
            await by_scope(transport, new_exchange(), at)
            mine = Request("x", f"/mine/{at}", (), lambda _: None)
            response = await transport.send(Exchange(mine, credentials))
            assert f"/mine/{at}?".encode() in response.body
