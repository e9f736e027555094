"""The emulator as an ASGI application: responses, disconnects and the lifespan protocol."""

from __future__ import annotations

import gzip
import json
from collections.abc import MutableMapping
from typing import Any

import anyio

from enlighten_async.emulator import Emulator, Fault
from enlighten_async.testing import FakeClock

CREDENTIALS = {"key": "a-key", "user_id": "4d7a45774e6a41320a"}


async def ask_asgi(emulator: Emulator, query: str, *, leave: bool = False) -> list[MutableMapping[str, Any]]:
    """Run the ASGI application for one request; `leave` hangs up at once. Returns what was sent."""
    sent: list[MutableMapping[str, Any]] = []
    requests = 0

    async def receive() -> MutableMapping[str, Any]:
        nonlocal requests
        requests += 1
        if requests == 1:
            return {"type": "http.request", "body": b"", "more_body": False}
        if not leave:
            await anyio.sleep_forever()
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": "/api/v2/systems",
        "query_string": query.encode(),
        "headers": [(b"host", b"service.test"), (b"accept-encoding", b"gzip")],
    }
    await emulator(scope, receive, send)
    return sent


async def test_as_an_asgi_application(clock: FakeClock) -> None:
    """Start, body, end."""
    query = "&".join(f"{name}={value}" for name, value in CREDENTIALS.items())
    start, *pieces = await ask_asgi(Emulator(clock=clock), query)
    assert start["type"] == "http.response.start"
    assert start["status"] == 200
    assert [piece["more_body"] for piece in pieces] == [True, False]
    body = gzip.decompress(b"".join(piece["body"] for piece in pieces))
    assert json.loads(body)["systems"][0]["system_id"] == 1765


async def test_a_caller_who_hangs_up_ends_the_work(clock: FakeClock) -> None:
    """Nothing is sent, and no time passes."""
    emulator = Emulator(clock=clock, faults=[Fault.hang(counted=False)])
    assert await ask_asgi(emulator, "key=k", leave=True) == []


async def test_lifespan(clock: FakeClock) -> None:
    """Servers that ask are told that all went well."""
    sent: list[str] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message["type"])

    await Emulator(clock=clock)({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
