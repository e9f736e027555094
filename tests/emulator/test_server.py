"""The ways to the emulator: in process, as an ASGI application, over a socket."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from statistics import median
from typing import Any

import anyio
import httpx
import pytest

from enlighten_async.emulator import Emulator, Fault, Quota
from enlighten_async.testing import FakeClock

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
CREDENTIALS = {"key": "a-key", "user_id": "4d7a45774e6a41320a"}
SUMMARY = "/systems/1765/summary"


async def test_transports_of_one_emulator_lead_to_one_service(clock: FakeClock, connect: Connect) -> None:
    """Whatever host is named; each says where it leads."""
    emulator = Emulator(clock=clock)
    assert emulator.transport().app is emulator.transport().app is emulator
    for host in ("https://one.test", "http://two.test:81"):
        async with httpx.AsyncClient(transport=emulator.transport(), base_url=host) as client:
            assert (await client.get("/api/v2/systems", params=CREDENTIALS)).status_code == 200
    assert emulator.counts.sent == 2


async def test_the_log_holds_no_key(clock: FakeClock, connect: Connect) -> None:
    """What arrived, when, and what became of it."""
    emulator = Emulator(clock=clock)
    async with connect(emulator, key="very-secret") as client:
        await client.get("/systems", params={"limit": 5})
        await client.get("/nothing")
    first, second = emulator.log
    assert (first.path, first.params["limit"], first.status) == ("/api/v2/systems", "5", 200)
    assert (second.status, second.at) == (404, clock.now())
    assert "very-secret" not in repr(emulator.log)


@pytest.mark.parametrize(
    ("latency", "least", "most"),
    [(0.8, 0.8, 0.8), ((0.2, 0.6), 0.2, 0.6), (lambda: 2.0, 2.0, 2.0), (0.0, 0.0, 0.0)],
)
async def test_latency_passes_on_the_emulators_clock(
    clock: FakeClock, connect: Connect, latency: Any, least: float, most: float
) -> None:
    """A number, a range, or whatever a function says."""
    async with connect(Emulator(clock=clock, latency=latency)) as client:
        for _ in range(5):
            began = clock.monotonic()
            await client.get("/systems")
            assert least - 1e-6 <= clock.monotonic() - began <= most + 1e-6


async def test_a_request_counts_when_it_arrives_and_is_dated_when_answered(connect: Connect) -> None:
    """Sent in one minute, it may count in the next; dated later still."""
    clock = FakeClock(now=1_750_014_000 - 0.4)
    emulator = Emulator(clock=clock, latency=4.0)
    async with connect(emulator) as client:
        answer = await client.get("/systems")
    assert list(emulator.counts.windows) == [1_750_014_000]
    assert emulator.log[0].at == pytest.approx(1_750_014_000.6)
    assert answer.headers["date"] == "Sun, 15 Jun 2025 19:00:02 GMT"


async def test_gzip_only_where_it_is_asked_for(clock: FakeClock, connect: Connect) -> None:
    """The same body either way."""
    emulator = Emulator(clock=clock)
    async with connect(emulator) as client:
        packed = await client.get("/systems")
        plain = await client.get("/systems", headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()
    assert int(plain.headers["content-length"]) == len(plain.content)


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


def test_over_a_socket() -> None:
    """The same answers, faults included, and a quick end."""
    emulator = Emulator(quota=Quota.UNLIMITED)
    with emulator.running() as url, httpx.Client(base_url=url, params=CREDENTIALS, timeout=5) as client:
        assert client.get("/systems").json()["systems"][0]["system_id"] == 1765
        assert client.get(SUMMARY).headers["content-encoding"] == "gzip"
        emulator.inject(Fault.drop(), Fault.short_body(), Fault.html())
        for _ in range(2):
            with pytest.raises(httpx.TransportError):
                client.get(SUMMARY)
        assert client.get(SUMMARY).status_code == 502
        emulator.inject(Fault.hang())
        with pytest.raises(httpx.ReadTimeout):
            client.get(SUMMARY, timeout=0.2)
        assert client.get(SUMMARY).headers["date"].endswith("GMT")
        ended = time.monotonic()
    assert time.monotonic() - ended < 3


def test_an_answer_is_not_held_back() -> None:
    """On a kept connection too: no piece of it waits for the word, 40 ms late, that the one before came."""
    emulator, took = Emulator(quota=Quota.UNLIMITED), []
    with emulator.running() as url, httpx.Client(base_url=url, trust_env=False) as client:
        for _ in range(20):
            began = time.perf_counter()
            assert client.get("/systems", params=CREDENTIALS).status_code == 200
            took.append(time.perf_counter() - began)
    assert median(took) < 0.035


def test_an_end_while_a_request_hangs() -> None:
    """The server does not wait for what never ends."""
    emulator = Emulator(faults=[Fault.hang()])
    with emulator.running() as url, httpx.Client(params=CREDENTIALS) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.get(url + SUMMARY, timeout=0.1)
        began = time.monotonic()
    assert time.monotonic() - began < 3


async def test_from_an_event_loop_over_a_socket() -> None:
    """The server runs in a thread of its own, beside any loop."""
    emulator = Emulator(quota=Quota.UNLIMITED, concurrent=None)
    with emulator.running() as url:
        async with (
            httpx.AsyncClient(base_url=url, params=CREDENTIALS) as client,
            anyio.create_task_group() as tasks,
        ):
            for _ in range(20):
                tasks.start_soon(client.get, SUMMARY)
    assert emulator.counts.by_status == {200: 20}
