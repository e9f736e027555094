"""A raw TCP server: it can break HTTP in any way, and in its thread takes no step of the loop under test."""

# ruff: noqa: D102, D103  (names of tests and of what they bring are sentences)

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from enlighten_async.clock import SystemClock
from enlighten_async.transport import Credentials, Exchange, Transport
from enlighten_async.wire import Request
from tests.transport.tracebacks import Everything

Handler = Callable[[socket.socket, bytes], object]


def answer(body: bytes = b"{}", *headers: str, status: str = "200 OK") -> bytes:
    """Write an answer as it goes over the wire."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Server:
    """Hands each request head to `handler`; a handler that returns `False` ends the connection."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.stopped = threading.Event()
        self.wrap: Callable[[socket.socket], socket.socket] = lambda sock: sock
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self._listener.settimeout(0.05)
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v2"

    @property
    def target(self) -> str:
        """What the last request line asked for."""
        return self.heads[-1].split(b" ")[1].decode()

    def handler(self, sock: socket.socket, head: bytes) -> object:
        sock.sendall(answer())
        return None

    def stop(self) -> None:
        self.stopped.set()
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def _accept(self) -> None:
        while not self.stopped.is_set():
            with suppress(TimeoutError):
                sock, _ = self._listener.accept()
                thread = threading.Thread(target=self._converse, args=(sock,))
                self._threads.append(thread)
                thread.start()

    def _converse(self, sock: socket.socket) -> None:
        with suppress(OSError):
            sock.settimeout(10)
            sock = self.wrap(sock)
            sock.settimeout(0.05)
            while (head := self._head(sock)) and self.handler(sock, head) is not False:
                pass
        sock.close()

    def _head(self, sock: socket.socket) -> bytes:
        head, body = b"", b""
        while b"\r\n\r\n" not in head or len(body) < _length(head):
            try:
                data = sock.recv(65536)
            except TimeoutError:
                if self.stopped.is_set():
                    return b""
                continue
            if not data:
                return b""
            head, end, body = (head + body + data).partition(b"\r\n\r\n")
            head += end
        self.heads.append(head)
        self.bodies.append(body)
        return head


def _length(head: bytes) -> int:
    """Return how many bytes follow a head of a request."""
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)


@pytest.fixture
def log() -> Iterator[list[str]]:
    handler, root = Everything(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(0)
    yield handler.shown
    root.setLevel(level)
    root.removeHandler(handler)


@pytest.fixture
def wire_answer() -> Callable[..., bytes]:
    return answer


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def credentials() -> Credentials:
    return Credentials(params=(("key", "k3y/CANARY+7f8e=="), ("user_id", "4d7a4577CANARY6a41320a")))


@pytest.fixture
def question() -> Request[Any]:
    return Request("stats", "/systems/1765/stats", (("start_at", "1"), ("end_at", "2 3")), lambda _: None)


@pytest.fixture
def new_exchange(question: Request[Any], credentials: Credentials) -> Callable[[], Exchange]:
    return lambda: Exchange(question, credentials)


@pytest.fixture
def exchange(new_exchange: Callable[[], Exchange]) -> Exchange:
    return new_exchange()


@pytest.fixture
def connect(server: Server) -> Callable[..., Transport]:
    def connect(**settings: Any) -> Transport:
        basic = {"base_url": server.url, "clock": SystemClock(), "timeout": 60.0, "max_connections": 10}
        return Transport(**{**basic, **settings})

    return connect


@pytest.fixture
def enlighten_no_network() -> None:
    """Let connections be attempted to hosts that do not exist, and to those behind a proxy of the test's."""
