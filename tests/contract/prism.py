"""Stoplight Prism, a mock server made from an OpenAPI file, and what a client asked it.

Prism checks every request, and answers with the file's examples (static) or with random values of the
file's types (dynamic).
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import anyio.to_thread
import httpx
from attrs import frozen

from enlighten_async import EnlightenClient, EnlightenError
from enlighten_async.models import Reason
from enlighten_async.testing import FakeClock
from tests.contract import openapi
from tests.world import AMPLE

Connect: TypeAlias = Callable[..., EnlightenClient]
"""Makes a client with these options."""

Row: TypeAlias = tuple[str, str, dict[str, Any]]
"""An operation by the file's name, a method of the client that asks for it, and what it is asked with."""

MODES: dict[str, tuple[str, ...]] = {"static": (), "dynamic": ("--dynamic",), "wild": ("--dynamic",)}
"""How Prism answers: with the file's examples, with random values that make sense, with any."""

WITHIN_A_DAY = {"end_at": {"minimum": 1_700_000_000, "maximum": 1_700_080_000}}
"""Ends of rows: those of one answer lie not far apart."""

ROUNDS = {"static": 1, "dynamic": 10, "wild": 10}
"""How often each is asked."""

MOST = 250
"""Requests a single call may take here; its windows are 20 at most, each rejected ten times at most."""


V2_ROOT = "/api/v2"
"""Path of the API's root, which the file of version 2 has in its address and not in its paths."""


class Wire(httpx.AsyncBaseTransport):
    """The way to Prism: may wish for a status, and keeps what was asked and answered.

    It goes by a thread: a `FakeClock` waits for those, though it does not see sockets.

    Args:
        operation: whose answers are to be of that status, by the file's name.
        status: the status; `None`: a good one.
    """

    def __init__(self, operation: str, status: int | None) -> None:
        self.met: list[tuple[httpx.Request, httpx.Response]] = []
        self._wishes = {} if status is None else {operation: {"Prefer": f"code={status}"}}
        self._pool = httpx.Client(transport=httpx.HTTPTransport())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry a request there and back."""
        url = request.url.copy_with(raw_path=request.url.raw_path.removeprefix(V2_ROOT.encode()))
        content = await request.aread()
        asked = httpx.Request(request.method, url, headers=request.headers, content=content)
        asked.headers.update(self._wishes.get(_asked(asked), {}))
        reply = await anyio.to_thread.run_sync(self._pool.send, asked)
        self.met.append((asked, reply))
        # Without a Date the client goes by its own clock, on which minutes pass faster than on Prism's.
        kept = [(name, value) for name, value in reply.headers.items() if name.lower() != "date"]
        return httpx.Response(reply.status_code, headers=kept, content=reply.content)

    async def aclose(self) -> None:
        """Close the connections."""
        self._pool.close()

    @property
    def operations(self) -> set[str | None]:
        """What was asked, by the file's names; `None` for what it does not have."""
        return {_asked(request) for request, _ in self.met}

    def objections(self) -> Iterator[str]:
        """Say which requests the file does not allow."""
        for request, reply in self.met:
            asked = f"{request.method} {request.url.path}"
            if reply.headers.get("content-type", "").startswith("application/problem"):
                yield f"{asked}: {reply.text}"
            for violation in json.loads(reply.headers.get("sl-violations", "[]")):
                if violation["location"][0] == "request":  # others are about the file's own examples
                    yield f"{asked}: {violation}"
            if operation := _asked(request):
                unknown = set(request.url.params) - openapi.parameters(operation)
                yield from (f"{asked}: the file has no parameter {name}" for name in unknown)


def _asked(request: httpx.Request) -> str | None:
    return openapi.operation_of(request.method, request.url.path)


@frozen(repr=False)
class Outcome:
    """What became of one call.

    Attributes:
        answer: the answer, or the error raised in its place.
        wire: what was asked and answered for it.
    """

    answer: object
    wire: Wire

    def __repr__(self) -> str:
        met = (
            f"{request.url.raw_path!r}: {reply.status_code} {reply.text}" for request, reply in self.wire.met
        )
        return "\n".join([repr(self.answer), *met])


async def ask(
    connect: Connect,
    row: Row,
    status: int | None = None,
    *,
    zones: str,
) -> Outcome:
    """Call a method of a new client; see that every request was allowed, and that there were few.

    Args:
        connect: makes the client.
        row: what is asked.
        status: what Prism is to answer with; by default a good one.
        zones: the operation that tells of time zones, which may be asked as well.
    """
    operation, method, arguments = row
    wire, clock = Wire(operation, status), FakeClock(now=time.time())
    answer: object
    async with connect(plan=AMPLE, transport=wire, clock=clock) as client:
        try:
            answer = await getattr(client.with_options(max_requests=MOST), method)(**arguments)
        except EnlightenError as error:
            answer = error
    assert list(wire.objections()) == []
    assert 0 < len(wire.met) <= MOST
    assert wire.operations <= {operation, zones}
    return Outcome(answer, wire)


def served(folder: Path, whole: dict[str, Any], sensible: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Run Prism in all modes; gives their addresses.

    Args:
        folder: where the files go that Prism is given.
        whole: what the file holds, for the wild mode.
        sensible: the same with less room, for the others; random rows lie within a day, too.
    """
    dense = openapi.narrowed(sensible, WITHIN_A_DAY, {})
    for mode, content in {"wild": whole, "static": sensible, "dynamic": dense}.items():
        (folder / f"{mode}.json").write_text(json.dumps(content), encoding="utf-8")
    with ExitStack() as stack:
        yield {
            mode: stack.enter_context(_prism(*options, str(folder / f"{mode}.json")))
            for mode, options in MODES.items()
        }


@contextmanager
def _prism(*options: str) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = [os.environ["PRISM"], "mock", "--host=127.0.0.1", f"--port={port}", *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _await_start(process, port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _await_start(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("Prism did not start")


def label(value: object) -> str:
    """Return the name of one of a test's parameters."""
    if isinstance(value, tuple):
        return "-".join(label(each) for each in value[1:])
    return f"({', '.join(value)})" if isinstance(value, dict) else str(value)


def without_data(answer: object) -> bool:
    """Tell whether an answer is all gaps, since the service does not have the data for now."""
    coverage = getattr(answer, "coverage", None)
    return coverage is not None and {gap.reason for gap in coverage.gaps()} == {Reason.UNAVAILABLE}
