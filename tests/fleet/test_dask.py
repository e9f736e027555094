"""Shards of a backfill: what they do when the quota is used up, and when their workers die."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from enlighten_async import EnlightenClient, Plan
from enlighten_async.cache import MemoryCache
from enlighten_async.emulator import Quota
from enlighten_async.fleet import Change
from enlighten_async.fleet.dask import Done, NotBefore, run, run_shard
from enlighten_async.models.receipt import Receipt
from enlighten_async.windows import as_datetime
from tests.world import World

START = datetime(2025, 3, 1, tzinfo=UTC)
END = START + timedelta(weeks=8)


class Cursors:
    """A sink that keeps cursors."""

    def __init__(self) -> None:
        self.until: dict[int, datetime] = {}

    async def cursors(self, series: str) -> dict[int, datetime]:
        """Return up to when systems are held."""
        return self.until

    async def write(self, changes: Sequence[Change]) -> None:
        """Keep the cursors."""
        self.until |= {each.system_id: each.until for each in changes}


Connected = AbstractAsyncContextManager[tuple[EnlightenClient, Any]]


def connect_to(client: EnlightenClient, sink: Cursors) -> Callable[[], Connected]:
    """Return what opens a client and a sink."""

    @asynccontextmanager
    async def connect() -> AsyncIterator[tuple[EnlightenClient, Any]]:
        yield client, sink

    return connect


async def test_a_shard_ends_when_the_quota_is_used_up_and_goes_on_when_there_is_some() -> None:
    """Nothing is asked for twice, and no time passes in a task."""
    world, sink, ends = World(quota=Quota(minute=5, month=None)), Cursors(), list[Done | NotBefore]()
    async with world.v4(plan=Plan(minute=5), interval_cache=MemoryCache()) as client:
        connect = connect_to(client, sink)
        while not ends or isinstance(ends[-1], NotBefore):
            began = world.clock.now()
            ends.append(await run_shard(connect, "rgm_stats", [world.system], START, END))
            assert world.clock.now() - began <= 5
            if isinstance(found := ends[-1], NotBefore):
                assert 0 < found.at.timestamp() - world.clock.now() <= 61
                world.clock.advance(found.at.timestamp() - world.clock.now())
    assert len(ends) >= 3
    asked = [each for each in world.emulator.log if "rgm_stats" in each.path]
    assert all(each.status == 200 for each in world.emulator.log)
    assert len(asked) == len({each.params["start_at"] for each in asked}) == 9  # a week less a quarter each
    assert sink.until == {world.system: END}


class Cluster:
    """A cluster whose tasks have these ends, one after another."""

    asynchronous = True

    def __init__(self, *ends: Any) -> None:
        self.ends = list(ends)
        self.waited = 0

    def submit(self, *_: object, **__: object) -> Awaitable[Any]:
        """Return the end of the next task."""

        async def end() -> Any:
            found = self.ends.pop(0)
            if isinstance(found, BaseException):
                raise found
            return found

        return end()

    async def wait_for_workers(self, count: int) -> None:
        """Note that workers are waited for."""
        self.waited += count


def killed() -> Exception:
    """Return the error of a task whose workers died."""
    from distributed import KilledWorker  # noqa: PLC0415 - it changes how all errors are copied

    error: Exception = KilledWorker("run_shard", None, 3)
    return error


@pytest.mark.servers
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_shard_that_was_forgotten_or_came_too_early_is_submitted_again() -> None:
    """The cost is that of the task that ended it."""
    cluster: Any = Cluster(CancelledError(), NotBefore(as_datetime(0)), Done(Receipt(sent=7)))
    receipt = await run(cluster, connect_to, "rgm_stats", [1], start=START, end=END)  # type: ignore[arg-type]
    assert receipt.sent == 7
    assert cluster.waited == 1
    assert cluster.ends == []


@pytest.mark.servers
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_workers_that_die_again_and_again_end_a_backfill() -> None:
    """With an error that says that the next run goes on."""
    cluster: Any = Cluster(killed())
    with pytest.raises(OSError, match="run again to continue"):
        await run(cluster, connect_to, "rgm_stats", [1], start=START, end=END)  # type: ignore[arg-type]
