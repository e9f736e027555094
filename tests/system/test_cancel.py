"""Cancelled at every step: nothing is lost, nothing is left behind, and asking again goes on."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import httpx
import pytest
from anyio.lowlevel import checkpoint

from enlighten_async import Query, TransportError
from enlighten_async.emulator import Quota
from tests.tasks import living
from tests.world import World

DAYS, WINDOWS, AT_ONCE = 70, 10, 4

Use = Callable[[Query[Any, Any]], Awaitable[Any]]


async def awaited(query: Query[Any, Any]) -> Any:
    """Await a query."""
    return await query


async def streamed(query: Query[Any, Any]) -> Any:
    """Stream a query."""
    return [part async for part in query]


class Delivery(httpx.AsyncBaseTransport):
    """Counts the bodies that were read to their ends."""

    def __init__(self, world: World) -> None:
        self.app = world.emulator
        self.whole = 0
        self._inner = world.emulator.transport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on, and watch its answer."""
        response = await self._inner.handle_async_request(request)
        return httpx.Response(response.status_code, headers=response.headers, stream=Watched(response, self))


class Watched(httpx.AsyncByteStream):
    """A body that says when it was read to its end."""

    def __init__(self, response: httpx.Response, delivery: Delivery) -> None:
        self._response, self._delivery = response, delivery

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Hand out the raw bytes."""
        stream = self._response.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        async for chunk in stream:
            yield chunk
        self._delivery.whole += 1

    async def aclose(self) -> None:
        """Close it; takes a moment, in which a cancel may come."""
        await checkpoint()
        await self._response.aclose()


class Trial:
    """One run that is cut off, and what is to hold after it."""

    def __init__(self, **settings: Any) -> None:
        self.world = World(**settings)
        self.delivery = Delivery(self.world)
        self.client = self.world.client(max_concurrency=AT_ONCE, transport=self.delivery)
        self.query = self.client.rgm_stats(self.world.system, **self.world.days(DAYS))
        self.tasks = self.arrived = 0

    async def check(self, anyio_backend_name: str, use: Use) -> None:
        """See that no task, no token and no answer is lost, and that others are served."""
        if use is streamed:
            await self.world.clock.sleep(1.0)  # what had been sent goes on to its answer
        assert living(anyio_backend_name) == self.tasks
        sent = self.world.emulator.counts.sent
        spent = 100_000 - self.query.progress.left["minute"]
        # What left is charged, whether or not its answer came; what did not leave is not.
        assert sent <= self.query.receipt.sent == spent <= sent + AT_ONCE
        self.arrived = self.delivery.whole
        assert (await self.client.rgm_stats(self.world.system)).receipt.sent == 1

    async def resume(self) -> None:
        """Await the query again: it buys only what has not arrived."""
        before = self.world.emulator.counts.sent
        assert self.query.progress.done == self.arrived
        answer = await self.query
        assert answer.coverage.complete
        assert answer.receipt.sent == self.query.receipt.sent
        assert self.world.emulator.counts.sent - before == WINDOWS - self.arrived
        truth = self.world.emulator.truth.rgm_stats(self.world.system, answer.window.start, answer.window.end)
        assert [row.end_at.timestamp() for row in answer.intervals] == [row["end_at"] for row in truth]


async def cut_after_steps(trial: Trial, use: Use, steps: int) -> bool:
    """Cancel after so many turns of the event loop; return whether it had been done before."""
    done = False

    async def work() -> None:
        nonlocal done
        await use(trial.query)
        done = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        for _ in range(steps):
            await checkpoint()
            if done:
                break
        tasks.cancel_scope.cancel()
    return done


@pytest.mark.slow
@pytest.mark.parametrize("use", [awaited, streamed])
async def test_cancelled_at_every_step_of_the_event_loop(use: Use, anyio_backend_name: str) -> None:
    """By a cancel scope, after 0, 1, 2, ... turns, until it is done before that."""
    done, steps = False, 0
    while not done:
        trial = Trial()
        trial.tasks = living(anyio_backend_name)
        done = await cut_after_steps(trial, use, steps)
        await trial.check(anyio_backend_name, use)
        if not done and use is awaited:
            await trial.resume()
        steps += 1
    assert steps > 10


@pytest.mark.slow
@pytest.mark.parametrize("use", [awaited, streamed])
async def test_cancelled_as_asyncio_does_it(use: Use, anyio_backend_name: str) -> None:
    """By `task.cancel()`, after 0, 1, 2, ... turns: the task ends as cancelled, with the message given."""
    if anyio_backend_name != "asyncio":
        pytest.skip("asyncio's own cancellation")
    done, steps = False, 0
    while not done:
        trial = Trial()
        trial.tasks = living(anyio_backend_name)
        task = asyncio.ensure_future(use(trial.query))
        for _ in range(steps):
            await checkpoint()
        done = task.done()
        task.cancel("enough")
        if not done:
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            assert task.cancelled()
            assert caught.value.args == ("enough",)
            trial.query.close()  # the task may have ended before it began
        await trial.check(anyio_backend_name, use)
        if not done and use is awaited:
            await trial.resume()
        steps += 1
    assert steps > 10


@pytest.mark.slow
@pytest.mark.parametrize("use", [awaited, streamed])
async def test_cancelled_at_every_moment_of_a_slow_service(use: Use, anyio_backend_name: str) -> None:
    """By time, in the midst of latency and of the waits for the next minute."""
    for tenths in range(30):
        trial = Trial(latency=0.25, quota=Quota(minute=1000))
        trial.tasks = living(anyio_backend_name)
        with trial.world.clock.move_on_after(tenths / 10) as scope:
            await use(trial.query)
        await trial.check(anyio_backend_name, use)
        if scope.cancelled_caught and use is awaited:
            await trial.resume()


async def test_a_cancelled_waiter_at_the_gate_loses_no_token() -> None:
    """Of 30 on the Watt plan, every second is cancelled while it waits: the rest take their places."""
    world = World(quota=Quota.WATT, latency=0.1)
    client, served = world.client(plan=None), []

    async def job(number: int) -> None:
        with world.clock.move_on_after(15 if number % 2 else None):
            await client.rgm_stats(world.system, **world.quarter(number))
            served.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(40):
            tasks.start_soon(job, number)
    assert set(range(0, 40, 2)) <= set(served)
    assert world.emulator.counts.sent == len(served)
    assert len(world.emulator.counts.windows) == -(-len(served) // 10)
    assert world.emulator.counts.rejected == 0


async def test_whoever_awaits_takes_over_from_who_was_cancelled(world: World) -> None:
    """Two await one query; the one that runs it is cancelled, the other gets the whole answer."""
    trial = Trial(latency=1.0)
    answers = []

    async def wait_for_it() -> None:
        answers.append(await trial.query)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(cut_by_time, trial, 1.5)
        await trial.world.clock.sleep(0.1)
        tasks.start_soon(wait_for_it)
    assert answers[0].coverage.complete
    assert trial.world.emulator.counts.sent <= WINDOWS + AT_ONCE


async def cut_by_time(trial: Trial, seconds: float) -> None:
    """Await a query for a while."""
    with trial.world.clock.move_on_after(seconds):
        await trial.query


async def test_nothing_but_the_answer_is_left(anyio_backend_name: str) -> None:
    """No task, no reference cycle that holds a query, no warning."""
    trial = Trial()
    trial.tasks = living(anyio_backend_name)
    await trial.query
    await trial.check(anyio_backend_name, awaited)
    gc.collect()


async def test_a_fault_in_a_users_transport_is_told_by_its_place(world: World) -> None:
    """A programming error of theirs is one of our family, not a group; its cause is what was raised."""

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.params.get("start_at", "0") < "1749000000":
            raise KeyError("theirs")
        return httpx.Response(200, json={"system_id": 1765, "total_devices": 1})

    client = world.client(transport=httpx.MockTransport(handler))
    place = r"handler \(test_cancel.py:\d+\) raised KeyError: .theirs."
    with pytest.raises(TransportError, match=place) as caught:
        await client.rgm_stats(1765, **world.days(70))
    assert isinstance(caught.value.__cause__, KeyError)
