"""Large answers: decoded beside the event loop, one at a time, and kept whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from enlighten_async import APIError, DecodeError, RetryPolicy
from enlighten_async.api.decode import decode_error
from enlighten_async.api.single import SinglePlan
from enlighten_async.cache import MemoryCache
from enlighten_async.models import EventTypes
from enlighten_async.query.fetch import LONG_BODY_BYTES
from enlighten_async.transport import LARGE_BODY_BYTES
from enlighten_async.transport.body import Body
from enlighten_async.wire import Request, Response, never_final
from tests.world import World

LARGE, SMALL = b" " * LARGE_BODY_BYTES + b"{}", b"{}"
ANSWER = EventTypes()


class Decoder:
    """A decoder that says which threads it ran in, how often, and waits until it may go on."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self.error = ""

    def __call__(self, response: Response) -> EventTypes:
        """Return an answer, or raise the error."""
        self.threads.append(threading.current_thread())
        self.begun.set()
        assert self.go_on.wait(10)
        if self.error:
            raise decode_error(response, "$", self.error)
        return ANSWER

    @property
    def plan(self) -> SinglePlan[EventTypes]:
        """The plan of a request that it decodes."""
        return SinglePlan(Request("things", "/things", (), self, valid_until=never_final), lambda: EventTypes)


def serving(body: bytes, **options: Any) -> Any:
    """Return a client of a service that gives this body."""
    service = httpx.MockTransport(lambda _: httpx.Response(200, content=body))
    return World().client(base_url="http://127.0.0.1:9/api/v2", transport=service, **options)


@pytest.mark.parametrize(
    ("size", "beside"),
    [(2, False), (LONG_BODY_BYTES, False), (LONG_BODY_BYTES + 1, True), (LARGE_BODY_BYTES + 1, True)],
)
async def test_a_large_answer_is_decoded_in_a_thread(size: int, beside: bool) -> None:
    """Once; a small one in the loop, which is quicker."""
    decoder = Decoder()
    answer = await serving(SMALL.rjust(size))._query(decoder.plan)
    assert answer == ANSWER
    assert [thread is not threading.current_thread() for thread in decoder.threads] == [beside]


async def test_a_cached_reply_of_a_moment_is_not_decoded_when_it_is_too_old() -> None:
    """Each answer is decoded once: what is no longer served is not."""
    decoder = Decoder()
    client = serving(SMALL, interval_cache=MemoryCache())
    for number in range(3):
        answer = await client._query(decoder.plan)
        assert (answer.receipt.sent, len(decoder.threads)) == (1, number + 1)


@pytest.mark.parametrize(("size", "beside"), [(LONG_BODY_BYTES, False), (LONG_BODY_BYTES + 1, True)])
async def test_a_cached_reply_that_is_not_small_is_decoded_in_a_thread(size: int, beside: bool) -> None:
    """Once for each question."""
    decoder = Decoder()
    client = serving(SMALL.rjust(size), interval_cache=MemoryCache()).with_options(max_age=3600)
    await client._query(decoder.plan)
    decoder.threads.clear()
    for _ in range(2):
        again = await client._query(decoder.plan)
        assert (again, again.receipt.sent) == (ANSWER, 0)
    assert [each is not threading.current_thread() for each in decoder.threads] == 2 * [beside]


@pytest.mark.parametrize(
    ("rows", "odd", "beside"),
    [(100, True, False), (2000, True, True), (2000, False, False), (9000, False, True)],
)
async def test_rows_that_have_to_be_normalized_are_so_in_a_thread(
    rows: int, odd: bool, beside: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A week of rows as documented takes milliseconds, and where each is odd fifty times that."""
    start = 1_749_945_600
    row = '{"end_at":"%d","wh_del":"7","curr_w":"28"}' if odd else '{"end_at":%d,"wh_del":7,"curr_w":28}'
    ends = [start - 20 * 86_400, *(start + 900 * (n % 672 + 1) for n in range(rows))]
    body = f'{{"system_id":7,"total_devices":1,"intervals":[{",".join(row % end for end in ends)}]}}'
    answer = await serving(body.encode()).rgm_stats(7, start_at=start, end_at=start + 7 * 86_400)
    assert {each.wh_del for each in answer.intervals} == {7}
    threads = {
        each.thread for each in caplog.records if "not complete" in each.getMessage()
    }  # that of the decoder
    assert [each != threading.get_ident() for each in threads] == [beside]


async def test_its_error_is_raised_as_always() -> None:
    """From one attempt."""
    decoder = Decoder()
    decoder.error = "odd"
    with pytest.raises(DecodeError, match="odd"):
        await serving(LARGE)._query(decoder.plan)
    assert len(decoder.threads) == 1


@pytest.mark.parametrize("status", [200, 422, 500])
async def test_a_large_error_is_read_as_far_as_its_beginning_goes(status: int) -> None:
    """It is no data: neither decoded in a thread, nor parsed in the loop."""
    text = b"Requested date range is invalid for this system" + b" " * LARGE_BODY_BYTES
    body = b'{"reason":"422","message":["%b"]}' % text
    service = httpx.MockTransport(lambda _: httpx.Response(status, content=body))
    decoder = Decoder()
    decoder.error = "odd"
    client = World().client(
        base_url="http://127.0.0.1:9/api/v2", transport=service, retry=RetryPolicy(attempts=1)
    )
    with pytest.raises((DecodeError, APIError)) as caught:
        await client._query(decoder.plan)
    assert "Requested" not in str(caught.value)
    assert len(decoder.threads) == (status == 200)
    kept = caught.value.response
    assert kept is not None
    assert len(kept.body) == LARGE_BODY_BYTES


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_cancel_while_it_is_decoded_takes_nothing_away(anyio_backend: str, tmp_path: Path) -> None:
    """The answer is in the cache, and the loop was free meanwhile."""
    decoder, client = Decoder(), serving(LARGE, state=tmp_path / "state.db").with_options(max_age=3600)
    decoder.go_on.clear()
    query = asyncio.ensure_future(client._query(decoder.plan))
    await anyio.to_thread.run_sync(decoder.begun.wait)
    query.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not query.done()
    decoder.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await query
    again = await client._query(decoder.plan)
    assert (again, again.receipt.sent) == (ANSWER, 0)


async def test_large_answers_are_joined_and_decoded_one_after_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Several threads would hand the interpreter to one another, and the event loop would wait for each."""
    at_work, most, begun = 0, 0, 0

    def counted(work: Any) -> Any:
        def worked(*args: Any) -> Any:
            nonlocal at_work, most, begun
            at_work, begun = at_work + 1, begun + 1
            most = max(most, at_work)
            threading.Event().wait(0.001)
            at_work -= 1
            return work(*args)

        return worked

    monkeypatch.setattr(Body, "finish", counted(Body.finish))
    client, decode = serving(LARGE), counted(lambda _: ANSWER)

    async def ask(number: int) -> None:
        request = Request("things", f"/things/{number}", (), decode, valid_until=never_final)
        assert await client._query(SinglePlan(request, lambda: EventTypes)) == ANSWER

    async with anyio.create_task_group() as group:
        for number in range(6):
            group.start_soon(ask, number)
    assert (begun, most) == (12, 1)
