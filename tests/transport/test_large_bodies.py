"""Large bodies: so many are held at a time, and none for longer than it is needed."""

from __future__ import annotations

import gc
import gzip
import tracemalloc
import weakref

import anyio
import anyio.lowlevel
import httpx

from enlighten_async.clock import SystemClock
from enlighten_async.transport import LARGE_BODY_BYTES, Credentials, Exchange, Transport
from enlighten_async.transport.connections import MAX_LARGE_BODIES, TURN_BYTES
from enlighten_async.wire import Request

QUESTION = Request("stats", "/systems/7/stats", (), lambda _: None)


def answering(size: int) -> Transport:
    """Return a transport to a service whose answers have this size."""
    service = httpx.MockTransport(lambda _: httpx.Response(200, content=bytes(size)))
    return Transport(
        base_url="http://127.0.0.1:9/api/v2", clock=SystemClock(), max_connections=1, transport=service
    )


def asked() -> Exchange:
    """Return a new exchange."""
    return Exchange(QUESTION, Credentials())


async def test_large_bodies_wait_for_each_other() -> None:
    """Until the answers before them have been decoded; small ones pass."""
    large, small = answering(LARGE_BODY_BYTES + 1), answering(LARGE_BODY_BYTES)
    held = [asked() for _ in range(MAX_LARGE_BODIES)]
    for exchange in held:
        await large.send(exchange)
    for _ in range(MAX_LARGE_BODIES + 1):
        await small.send(exchange := asked())
        assert exchange.place is None
    late = asked()
    async with anyio.create_task_group() as group:
        group.start_soon(large.send, late)
        await anyio.wait_all_tasks_blocked()
        assert (late.phase, late.response) == ("body", None)
        held[0].release()
        held[0].release()  # once is enough
    assert late.response is not None


async def test_a_place_is_free_again_where_nothing_came_of_it() -> None:
    """After a cancel, say."""
    large = answering(LARGE_BODY_BYTES + 1)
    held = [asked() for _ in range(MAX_LARGE_BODIES)]
    for exchange in held:
        await large.send(exchange)
    for _ in range(2):
        async with anyio.create_task_group() as group:
            group.start_soon(large.send, asked())
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
    held[0].release()
    await large.send(last := asked())
    assert last.response is not None


async def test_a_large_body_is_freed_with_its_exchange() -> None:
    """It does not wait for a collection of cycles."""
    large = answering(LARGE_BODY_BYTES + 1)
    gc.collect()
    gc.disable()
    try:
        await large.send(exchange := asked())
        assert exchange.response is not None
        body = weakref.ref(exchange.response)
        exchange.release()
        del exchange
        await anyio.to_thread.run_sync(gc.isenabled)  # the thread that has joined it has ended that work
        assert body() is None
    finally:
        gc.enable()


async def test_a_small_body_that_unpacks_to_a_large_one_waits_before_it_is_unpacked() -> None:
    """It comes in one piece: so many of them at once would fill the memory."""
    whole = b'{"a":' * 2_000_000
    packed = gzip.compress(whole)
    head = {"content-encoding": "gzip", "content-length": str(len(packed))}
    # Not as `content`, which httpx would unpack.
    service = httpx.MockTransport(
        lambda _: httpx.Response(200, stream=httpx.ByteStream(packed), headers=head)
    )
    transport = Transport(
        base_url="http://127.0.0.1:9/api/v2", clock=SystemClock(), max_connections=1, transport=service
    )
    held = [asked() for _ in range(MAX_LARGE_BODIES)]
    for exchange in held:
        await transport.send(exchange)
    tracemalloc.start()
    late = [asked() for _ in range(8)]
    async with anyio.create_task_group() as group:
        for exchange in late:
            group.start_soon(transport.send, exchange)
        await anyio.wait_all_tasks_blocked()
        assert tracemalloc.get_traced_memory()[1] < len(late) * 2 * LARGE_BODY_BYTES
        tracemalloc.stop()
        waiting = [*held, *late]
        while waiting:
            await anyio.lowlevel.checkpoint()
            for exchange in [each for each in waiting if each.response is not None]:
                waiting.remove(exchange)
                assert exchange.response is not None
                assert exchange.response.body == whole
                exchange.release()


async def test_other_tasks_run_while_a_small_body_unpacks_to_a_large_one() -> None:
    """After each quarter of a mebibyte."""
    packed = gzip.compress(bytes(8 * LARGE_BODY_BYTES))
    service = httpx.MockTransport(
        lambda _: httpx.Response(200, stream=httpx.ByteStream(packed), headers={"content-encoding": "gzip"})
    )
    transport = Transport(
        base_url="http://127.0.0.1:9/api/v2", clock=SystemClock(), max_connections=1, transport=service
    )
    exchange, turns = asked(), 0
    async with anyio.create_task_group() as group:
        group.start_soon(transport.send, exchange)
        while exchange.response is None:
            await anyio.lowlevel.checkpoint()
            turns += 1
    assert turns >= 8 * LARGE_BODY_BYTES // (2 * TURN_BYTES)
