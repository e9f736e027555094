"""Faults: replaced, delayed, cut and dropped responses, and the requests they apply to."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import httpx
import pytest

from enlighten_async.emulator import Emulator, Fault, Quota
from enlighten_async.testing import FakeClock

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
SUMMARY = "/systems/1765/summary"
NO_METHOD = """{"reason": "500", "type": "NoMethodError", "message": \
["undefined method `manufacturer' for #<EimDevice:0x00000013e41250>"]}"""


def make(clock: FakeClock, *faults: Fault) -> Emulator:
    """Return an emulator with these faults."""
    return Emulator(clock=clock, quota=Quota.UNLIMITED, faults=faults)


async def raw(client: httpx.AsyncClient, path: str = SUMMARY) -> tuple[httpx.Response, bytes]:
    """Return an answer and its body as it travelled."""
    async with client.stream("GET", path) as answer:
        return answer, b"".join([piece async for piece in answer.aiter_raw()])


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        (Fault.unavailable(), 500, '{"errorCode": 7, "errorMessages": ["Data temporarily unavailable."]}'),
        (
            Fault.exception(),
            500,
            NO_METHOD,
        ),
        (Fault.overloaded(), 503, '{"reason": "503", "message": ["Service Unavailable"]}'),
        (Fault(status=204), 204, ""),
        (Fault(status=410, body="gone", content_type="text/plain"), 410, "gone"),
        (Fault(body=b"\xff\xfe"), 200, b"\xff\xfe"),
    ],
)
async def test_an_answer_in_place_of_the_real_one(
    clock: FakeClock, connect: Connect, fault: Fault, status: int, text: str | bytes
) -> None:
    """Once, and then all is well again."""
    async with connect(make(clock, fault)) as client:
        answer = await client.get(SUMMARY)
        assert answer.status_code == status
        assert answer.content == (text.encode() if isinstance(text, str) else text)
        assert (await client.get(SUMMARY)).status_code == 200


async def test_a_web_page(clock: FakeClock, connect: Connect) -> None:
    """Its status is 502 unless another is given."""
    async with connect(make(clock, Fault.html(), Fault.html(status=200))) as client:
        for status in (502, 200):
            answer = await client.get(SUMMARY)
            assert answer.status_code == status
            assert answer.headers["content-type"].startswith("text/html")
            assert "<html>" in answer.text


async def test_echoes_repeat_the_key(clock: FakeClock, connect: Connect) -> None:
    """So that a client can prove that it keeps it to itself."""
    elsewhere = Fault.redirect("https://elsewhere.test{path}?{query}")
    async with connect(make(clock, Fault.redirect(), elsewhere, Fault.echo())) as client:
        back, away, echo = [await client.get(SUMMARY) for _ in range(3)]
    assert back.status_code == away.status_code == 302
    assert back.headers["location"] == str(back.request.url)
    assert away.headers["location"].startswith("https://elsewhere.test/api/v2/systems/1765/summary?key=a-key")
    assert echo.status_code == 500
    assert str(echo.request.url) in echo.json()["message"][0]


async def test_echoes_repeat_headers_and_bodies(clock: FakeClock, connect: Connect) -> None:
    """In v4 secrets are in both."""
    async with connect(make(clock, Fault(body="{headers}|{body}"))) as client:
        echo = await client.post(SUMMARY, headers={"Authorization": "Bearer a-token"}, content="a=b")
    headers, _, body = echo.text.partition("|")
    assert "authorization: Bearer a-token" in headers
    assert body == "a=b"


async def test_which_requests_meet_a_fault(clock: FakeClock, connect: Connect) -> None:
    """Path, parameters, the number of requests before it, and the number it applies to."""
    emulator = make(
        clock,
        Fault(status=500, path="/summary", after=1, times=2),
        Fault(status=418, query={"start_at": 1_750_000_000}, times=float("inf")),
    )
    async with connect(emulator) as client:
        seen = [(await client.get(SUMMARY)).status_code for _ in range(4)]
        assert seen == [200, 500, 500, 200]
        stats = "/systems/1765/rgm_stats"
        assert (await client.get(stats)).status_code == 200
        for _ in range(3):
            assert (await client.get(stats, params={"start_at": 1_750_000_000})).status_code == 418


async def test_faults_come_and_go_at_run_time(clock: FakeClock, connect: Connect) -> None:
    """By `inject`, and by changing or replacing the list."""
    emulator = make(clock)
    async with connect(emulator) as client:
        assert (await client.get(SUMMARY)).status_code == 200
        emulator.inject(Fault(status=500, times=float("inf")))
        assert (await client.get(SUMMARY)).status_code == 500
        emulator.faults = []
        assert (await client.get(SUMMARY)).status_code == 200


async def test_truncated_gzip_looks_whole_from_outside(clock: FakeClock, connect: Connect) -> None:
    """The length is as announced; only the end of the gzip stream is missing."""
    async with connect(make(clock, Fault.truncated_gzip())) as client:
        answer, body = await raw(client)
    assert len(body) == int(answer.headers["content-length"])
    assert answer.headers["content-encoding"] == "gzip"
    reader = zlib.decompressobj(31)
    assert reader.decompress(body)
    assert not reader.eof


async def test_short_bodies_end_before_the_announced_length(clock: FakeClock, connect: Connect) -> None:
    """The transport reports it as httpx's own does."""
    async with connect(make(clock, Fault.short_body())) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(SUMMARY)


async def test_dropped_connections(clock: FakeClock, connect: Connect) -> None:
    """The request was counted, and has no status."""
    emulator = make(clock, Fault.drop())
    async with connect(emulator) as client:
        with pytest.raises(httpx.ReadError):
            await client.get(SUMMARY)
    assert emulator.counts.served == 1
    assert emulator.log[-1].status is None


async def test_hanging_requests_end_when_the_caller_leaves(clock: FakeClock, connect: Connect) -> None:
    """And their place is free again."""
    emulator = Emulator(clock=clock, quota=Quota.UNLIMITED, concurrent=1, faults=[Fault.hang()])
    async with connect(emulator) as client:
        with clock.move_on_after(3600) as scope:
            await client.get(SUMMARY)
        assert scope.cancelled_caught
        assert (await client.get(SUMMARY)).status_code == 200


async def test_delay_leaves_the_answer_as_it_is(clock: FakeClock, connect: Connect) -> None:
    """A fault with neither status nor body is only slow."""
    began = clock.monotonic()
    async with connect(make(clock, Fault(delay=42.0))) as client:
        assert (await client.get(SUMMARY)).status_code == 200
    assert clock.monotonic() - began == 42.0


async def test_drip_comes_byte_by_byte(clock: FakeClock, connect: Connect) -> None:
    """The answer is real, and slow."""
    began = clock.monotonic()
    async with connect(make(clock, Fault.drip(2.0))) as client:
        answer, body = await raw(client)
    assert clock.monotonic() - began == 2.0 * len(body) == 2.0 * int(answer.headers["content-length"])
    assert gzip.decompress(body).startswith(b'{"system_id":1765')


async def test_a_bomb_is_small_on_the_wire_and_made_as_it_is_read(clock: FakeClock, connect: Connect) -> None:
    """It unpacks to valid JSON of the requested size; it is never in memory as a whole."""
    emulator = make(clock, Fault.bomb(5_000_000), Fault.bomb(1 << 40))
    async with connect(emulator) as client:
        _, body = await raw(client)
        assert len(body) < 20_000
        assert len(unpacked := gzip.decompress(body)) == 5_000_000
        assert unpacked.strip() == b"{}"
        request = client.build_request("GET", SUMMARY)
    huge = await emulator.transport().handle_async_request(request)
    assert isinstance(huge.stream, httpx.AsyncByteStream)
    async for _ in huge.stream:
        break


@pytest.mark.parametrize("fault", [Fault.hang(), Fault.drip(1.0), Fault(delay=1e6)])
async def test_every_wait_can_be_cancelled(clock: FakeClock, connect: Connect, fault: Fault) -> None:
    """Nothing is left behind by a caller who gives up."""
    emulator = make(clock, fault)
    async with connect(emulator) as client:
        done: list[Any] = []
        async with anyio.create_task_group() as tasks:
            with clock.move_on_after(5.0):
                await client.get(SUMMARY)
            tasks.cancel_scope.cancel()
        done.append(await client.get(SUMMARY))
    assert done[0].status_code == 200


@pytest.mark.parametrize("form", ["page-200", "page-302", "page-502", "page-503", "500", "503", "504"])
async def test_an_outage_lasts_for_its_time(clock: FakeClock, connect: Connect, form: Any) -> None:
    """However often one asks, tokens included; a web page is no business of the quota."""
    begin = clock.now() + 60
    emulator = make(clock, Fault.outage(form, retry_after=30, start=begin, end=begin + 60))
    emulator.quota = Quota(5, None)
    kind, _, status = form.rpartition("-")
    async with connect(emulator) as client:
        assert (await client.get(SUMMARY)).status_code == 200
        clock.advance(60)
        for ask in (client.get(SUMMARY), client.get(SUMMARY), client.post("http://service.test/oauth/token")):
            answer = await ask
            assert answer.status_code == int(status)
            assert answer.headers["retry-after"] == "30"
            assert answer.headers["content-type"].startswith("text/html" if kind else "application/json")
            assert answer.has_redirect_location == (status == "302")
        assert emulator.counts.served == (1 if kind else 3)
        clock.advance(60)
        assert (await client.get(SUMMARY)).status_code == 200


async def test_an_outage_of_connections(clock: FakeClock, connect: Connect) -> None:
    """They are closed, or nothing comes; of a part of the service if a path is given."""
    emulator = make(clock, Fault.outage("reset", path="summary"), Fault.outage("silence", path="envoys"))
    async with connect(emulator) as client:
        for _ in range(2):
            with pytest.raises(httpx.ReadError):
                await client.get(SUMMARY)
            with clock.move_on_after(100) as scope:
                await client.get("/systems/1765/envoys")
            assert scope.cancelled_caught
        assert (await client.get("/systems")).status_code == 200
