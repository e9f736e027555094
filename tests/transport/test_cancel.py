"""Cancelled at any step, natively or by a scope, a request leaves nothing behind and loses nothing."""

# ruff: noqa: D103  (names of tests and of what they bring are sentences)

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Generator
from contextlib import aclosing, suppress
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trio

from enlighten_async.transport import Exchange
from enlighten_async.wire import Request

SIZE = 2
MAX_STEPS = 60


class Steps:
    """Awaits a coroutine and calls `act` at its n-th suspension; keeps what was thrown into it."""

    def __init__(self, coro: Coroutine[Any, Any, Any], at: int, act: Callable[[], object]) -> None:
        self._coro = coro
        self._at = at
        self._act = act
        self.count = 0
        self.thrown: BaseException | None = None

    def __await__(self) -> Generator[Any, Any, Any]:
        step = self._coro.send
        value: Any = None
        while True:
            try:
                asked = step(value)
            except StopIteration as stop:
                return stop.value
            self.count += 1
            if self.count == self._at:
                self._act()
            try:
                value, step = (yield asked), self._coro.send
            except BaseException as error:  # noqa: BLE001
                self.thrown = self.thrown or error
                value, step = error, self._coro.throw


async def run(steps: Steps) -> Any:
    return await steps


async def by_scope(transport: Any, exchange: Any, at: int) -> tuple[bool, BaseException | None, Steps]:
    """Cancel an anyio scope at the n-th step; on asyncio and trio."""
    raised = None
    with anyio.CancelScope() as scope:
        steps = Steps(transport.send(exchange), at, scope.cancel)
        try:
            await run(steps)
        except BaseException as error:
            raised = error
            raise
    return steps.count >= at, raised, steps


async def natively(transport: Any, exchange: Any, at: int) -> tuple[bool, BaseException | None, Steps]:
    """Cancel the asyncio task itself at the n-th step."""
    steps = Steps(transport.send(exchange), at, lambda: task.cancel())
    task = asyncio.create_task(run(steps))
    with suppress(asyncio.CancelledError):
        await asyncio.wait([task])
    raised = None
    try:
        task.result()
    except BaseException as error:  # noqa: BLE001
        raised = error
    return steps.count >= at, raised, steps


def pool_of(transport: Any) -> Any:
    return transport._client._transport._raw._pool


def check_nothing_left(transport: Any) -> None:
    pool = pool_of(transport)
    if pool is None:
        return
    assert pool._requests == []
    for connection in pool.connections:
        assert connection.is_idle() or connection.is_closed() or not connection.is_connected(), connection


async def check_all_slots(transport: Any, new_exchange: Any) -> None:
    """All connections can be used at once."""
    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for _ in range(SIZE):
                group.start_soon(transport.send, new_exchange())
    assert len(pool_of(transport).connections) <= SIZE


def is_cancel(error: BaseException) -> bool:
    """Tell whether it is a cancel: trio's own connecting raises a group of them."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_cancel, error.exceptions))
    return isinstance(error, asyncio.CancelledError | trio.Cancelled)


def tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return trio.lowlevel.current_statistics().tasks_living


ANSWERS = {
    "keep-alive": (),
    "close": ("Connection: close",),
}


@pytest.fixture(params=ANSWERS)
def answers(request, server, wire_answer) -> None:
    server.keeps = not ANSWERS[request.param]
    server.handler = lambda sock, _: (
        sock.sendall(wire_answer(b"[1]" * 999, *ANSWERS[request.param]))
        or (False if ANSWERS[request.param] else None)
    )


@pytest.fixture(params=[by_scope, natively])
def cancel(request, anyio_backend) -> Any:
    if request.param is natively and anyio_backend == "trio":
        pytest.skip("trio knows scopes only")
    return request.param


@pytest.mark.parametrize("state", ["cold", "warm", "contended"])
@pytest.mark.usefixtures("answers")
async def test_cancel_at_every_step(state, cancel, server, connect, new_exchange) -> None:
    reached = True
    at = 0
    while reached:
        at += 1
        assert at < MAX_STEPS
        async with aclosing(connect(max_connections=SIZE)) as transport:
            if state != "cold":
                await transport.send(new_exchange())
            before = tasks()
            async with anyio.create_task_group() as group:
                if state == "contended":
                    for _ in range(2 * SIZE):
                        group.start_soon(transport.send, new_exchange())
                    await anyio.lowlevel.checkpoint()
                exchange = new_exchange()
                reached, raised, steps = await cancel(transport, exchange, at)
            check_nothing_left(transport)
            assert tasks() == before
            if raised is None:
                assert exchange.response is not None  # it was through before the cancel could be delivered
            else:
                assert is_cancel(raised)
                if steps.thrown and server.keeps and state == "warm":
                    assert raised is steps.thrown
                assert exchange.response is None or exchange.sent_at is not None
            await check_all_slots(transport, new_exchange)
    assert at > 2
    gc.collect()


@pytest.mark.usefixtures("answers")
async def test_cancel_after_every_turn(cancel, server, connect, new_exchange) -> None:
    """By turns of the loop instead of steps of the task: a step can take several of them."""
    for turns in range(25):
        async with aclosing(connect(max_connections=SIZE)) as transport:
            before = tasks()
            async with anyio.create_task_group() as group:
                scopes = [anyio.CancelScope() for _ in range(SIZE)]
                exchanges = [new_exchange() for _ in scopes]

                async def ask(scope: anyio.CancelScope, exchange: Any, transport: Any = transport) -> None:
                    with scope:
                        await transport.send(exchange)

                for pair in zip(scopes, exchanges, strict=True):
                    group.start_soon(ask, *pair)
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                for scope in scopes:
                    scope.cancel()
            check_nothing_left(transport)
            assert tasks() == before
            assert all(
                exchange.response or scope.cancelled_caught
                for exchange, scope in zip(exchanges, scopes, strict=True)
            )
            await check_all_slots(transport, new_exchange)


@pytest.mark.usefixtures("answers")
async def test_deadline_at_any_moment(server, connect, new_exchange) -> None:
    async with aclosing(connect(max_connections=SIZE)) as transport:
        await transport.send(new_exchange())
        for microseconds in range(0, 1500, 25):
            transport._timeout = microseconds / 1e6
            with suppress(Exception):
                await transport.send(new_exchange())
            check_nothing_left(transport)
        transport._timeout = 5
        await check_all_slots(transport, new_exchange)


async def test_cancel_with_an_answer_on_the_way(server, connect, new_exchange, credentials) -> None:
    """What a cancelled request was answered is not taken for the answer of the next one."""
    server.handler = lambda sock, head: sock.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(head), head)
    )
    async with aclosing(connect(max_connections=1)) as transport:
        for at in range(1, 8):
            await by_scope(transport, new_exchange(), at)
            mine = Request("x", f"/mine/{at}", (), lambda _: None)
            response = await transport.send(Exchange(mine, credentials))
            assert f"/mine/{at}?".encode() in response.body
