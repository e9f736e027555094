"""An HTTP/1.1 server that costs its clients nothing: ready bytes, keep-alive, a process of its own."""

from __future__ import annotations

import asyncio
import gzip
import multiprocessing
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from multiprocessing.connection import Connection
from typing import cast
from urllib.parse import parse_qs, urlsplit

from benchmarks.payload import SYSTEM_ID, body, summary, weeks

SUMMARY = re.compile(r"/api/v2/systems/(\d+)/summary")
PATH = f"/api/v2/systems/{SYSTEM_ID}/rgm_stats"
NOT_FOUND = b'{"reason":"404","message":["Not Found"]}'


class Bodies:
    """Answers by window, plain and gzip'd: those of the year made beforehand, others when first asked for."""

    def __init__(self, start: int, end: int) -> None:
        self._newest = end
        self._made: dict[tuple[int, int], tuple[bytes, bytes]] = {}
        self._by_target: dict[bytes, tuple[bytes, bytes] | None] = {}
        for window in weeks(start, end):
            self._make(window)

    def find(self, target: bytes) -> tuple[bytes, bytes] | None:
        """Return the plain and the gzip'd answer to a request's target."""
        if target not in self._by_target:
            self._by_target[target] = self._look_up(target.decode("ascii"))
        return self._by_target[target]

    def _look_up(self, target: str) -> tuple[bytes, bytes] | None:
        url = urlsplit(target)
        query, small = parse_qs(url.query), SUMMARY.fullmatch(url.path)
        if small is not None:
            plain = summary(int(small[1]), self._newest)
            return plain, gzip.compress(plain, mtime=0)
        if url.path != PATH or not query.keys() >= {"start_at", "end_at"}:
            return None
        return self._make((int(query["start_at"][0]), int(query["end_at"][0])))

    def _make(self, window: tuple[int, int]) -> tuple[bytes, bytes]:
        if window not in self._made:
            plain = body(*window, newest=self._newest)
            self._made[window] = plain, gzip.compress(plain, compresslevel=6, mtime=0)
        return self._made[window]


class Answering(asyncio.Protocol):
    """One connection."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note whom to answer."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer each request whose head is whole; a GET has no body."""
        *heads, self._received = (self._received + data).split(b"\r\n\r\n")
        for head in heads:
            self._transport.write(self._answer(head))

    def _answer(self, head: bytes) -> bytes:
        line, _, headers = head.partition(b"\r\n")
        found = self._bodies.find(line.split(b" ")[1])
        if found is None:
            return _response(b"404 Not Found", NOT_FOUND)
        plain, packed = found
        if b"gzip" in headers:
            return _response(b"200 OK", packed, b"Content-Encoding: gzip\r\n")
        return _response(b"200 OK", plain)


def _response(status: bytes, content: bytes, extra: bytes = b"") -> bytes:
    date = formatdate(time.time(), usegmt=True).encode()
    kind = b"Content-Type: application/json; charset=utf-8\r\n" + extra
    head = b"HTTP/1.1 %b\r\nDate: %b\r\n%bContent-Length: %d\r\n\r\n" % (status, date, kind, len(content))
    return head + content


async def _serve(announce: Connection, start: int, end: int) -> None:
    bodies = Bodies(start, end)
    server = await asyncio.get_running_loop().create_server(lambda: Answering(bodies), "127.0.0.1", 0)
    announce.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _main(announce: Connection, start: int, end: int) -> None:
    asyncio.run(_serve(announce, start, end))


@contextmanager
def serving(start: int, end: int) -> Iterator[str]:
    """Serve that span from another process; the value is the base URL, up to and with the API's version."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_main, args=(there, start, end), daemon=True)
    process.start()
    there.close()
    try:
        yield f"http://127.0.0.1:{here.recv()}/api/v2"
    finally:
        process.terminate()
        process.join()
