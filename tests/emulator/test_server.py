"""The emulator on a socket: the same responses, faults included, and a quick end."""

from __future__ import annotations

import time
from statistics import median

import anyio
import httpx
import pytest

from enlighten_async.emulator import Emulator, Fault, Quota

CREDENTIALS = {"key": "a-key", "user_id": "4d7a45774e6a41320a"}
SUMMARY = "/systems/1765/summary"


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
