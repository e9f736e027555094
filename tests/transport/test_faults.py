"""A network and a server at their worst: each fault is one error that tells how far it got."""

# ruff: noqa: D103  (names of tests and of what they bring are sentences)

from __future__ import annotations

import gzip
import socket
import struct
import threading
import time
import tracemalloc
import zlib
from contextlib import aclosing

import anyio
import pytest

from enlighten_async.errors import RequestTimeout, TransportError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def say(*parts: bytes):
    def handler(sock, head):
        for part in parts:
            sock.sendall(part)
        return False

    return handler


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
        with pytest.raises(TransportError, match="it was not sent") as caught:
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


async def test_bomb_does_not_go_off(server, connect, exchange) -> None:
    def bomb(sock, _):
        packer = zlib.compressobj(9, wbits=31)
        sock.sendall(HEAD + b"Content-Encoding: gzip\r\n\r\n")
        for _ in range(200):
            sock.sendall(packer.compress(bytes(1024 * 1024)))
        sock.sendall(packer.flush())
        return False

    server.handler = bomb
    tracemalloc.start()
    try:
        async with aclosing(connect()) as transport:
            with pytest.raises(TransportError, match="larger than 16777216 bytes once decompressed"):
                await transport.send(exchange)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 * 1024 * 1024


async def test_endless_body_is_refused(server, connect, exchange) -> None:
    def pour(sock, _):
        sock.sendall(HEAD + b"\r\n")
        while not server.stopped.is_set():
            sock.sendall(bytes(1024 * 1024))

    server.handler = pour
    async with aclosing(connect()) as transport:
        with pytest.raises(TransportError, match="larger than 16777216 bytes"):
            await transport.send(exchange)


async def test_connection_the_server_closed_meanwhile_is_not_used(
    server, connect, wire_answer, new_exchange
) -> None:
    server.handler = say(wire_answer())  # keep-alive promised, then closed
    async with aclosing(connect()) as transport:
        for _ in range(5):
            assert (await transport.send(new_exchange())).status == 200
            pool = transport._client._transport._raw._pool
            with anyio.fail_after(5):
                while not all(one.has_expired() for one in pool.connections):  # noqa: ASYNC110
                    await anyio.sleep(0.005)


async def test_no_more_connections_than_allowed(server, connect, wire_answer, new_exchange) -> None:
    peers = set()
    gate = threading.Barrier(3, timeout=5)

    def handler(sock, _):
        peers.add(sock.getpeername())
        gate.wait()
        sock.sendall(wire_answer())

    server.handler = handler
    async with aclosing(connect(max_connections=3)) as transport, anyio.create_task_group() as group:
        for _ in range(12):
            group.start_soon(transport.send, new_exchange())
    assert len(peers) == 3
    assert len(server.heads) == 12
