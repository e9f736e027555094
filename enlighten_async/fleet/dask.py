"""Backfills of a fleet on a cluster of Dask: shards as tasks, which return receipts, and no rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent import futures
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import frozen

from enlighten_async.client import EnlightenClient
from enlighten_async.errors import EnlightenError, InputError
from enlighten_async.fleet.change import change_of
from enlighten_async.fleet.leases import shard_of
from enlighten_async.fleet.schedule import LONGEST_S
from enlighten_async.fleet.sinks import Sink
from enlighten_async.lazy import LazyModule
from enlighten_async.models.receipt import Receipt
from enlighten_async.windows import as_datetime

if TYPE_CHECKING:
    import distributed
    from distributed import Client
else:  # an extra
    distributed = LazyModule("distributed")

Connect: TypeAlias = Callable[[], AbstractAsyncContextManager[tuple[EnlightenClient, Sink]]]
"""Opens a client and a sink in a worker, and closes both: a function of a module that they have."""

MAX_WAIT: Final = timedelta(seconds=5)
"""The longest time for which a task waits for the quota; for a longer one it ends, and comes again later."""

AWAY_POLL_S: Final = 0.5
"""Seconds until a scheduler that is away is asked again."""

RETRIES: Final = 2
"""How often Dask itself does a task again whose error it takes for the worker's."""


@frozen
class Done:
    """A shard is held up to the end."""

    receipt: Receipt
    """Cost of it, by the last task of it."""


@frozen
class NotBefore:
    """The quota is used up: the rest of a shard comes later, and nobody waits for it in a worker."""

    at: datetime
    """When (aware UTC) it may be asked for again."""


async def run_shard(
    connect: Connect, series: str, systems: Collection[int], start: datetime, end: datetime
) -> Done | NotBefore:
    """Ask for a series of some systems, week after week from where the sink holds them, and have it kept.

    Args:
        connect: opens the client and the sink.
        series: name of the series' method, such as "rgm_stats".
        systems: numbers of the systems.
        start: from when on (aware), where the sink holds nothing.
        end: up to when.

    Raises:
        EnlightenError: one of those that `Query` lists.
        OSError: the sink cannot write.
    """
    receipt = Receipt()
    async with connect() as (client, sink):
        view = client.with_options(priority="backfill", max_wait=MAX_WAIT)
        cursors = await sink.cursors(series)
        for system_id in sorted(systems):
            until = max(cursors.get(system_id, start), start)
            while until < end:
                stop = min(end, until + timedelta(seconds=LONGEST_S))
                query: Any = getattr(view, series)(system_id, start_at=until, end_at=stop)
                try:
                    changes = await query.changes()
                except EnlightenError as error:
                    at: datetime | None = getattr(error, "retry_at", None)
                    if at is None:
                        raise
                    return NotBefore(at)
                receipt += changes.answer.receipt
                change = change_of(changes, until.timestamp(), stop.timestamp(), "", series)
                if change is not None:
                    await sink.write([change])
                until = as_datetime(stop.timestamp())
    return Done(receipt)


async def run(
    cluster: Client,
    connect: Connect,
    series: str,
    systems: Collection[int],
    *,
    start: datetime,
    end: datetime,
) -> Receipt:
    """Have a cluster ask for a range of many systems, and write it; needs the extra `dask`.

    Rows and cursors go from the workers to the sink. A task whose worker died is done again, and goes on at
    the cursors; so is one that a scheduler has forgotten, as soon as it is back with a worker. Where the
    quota is used up a task ends, and is submitted again when there is some.

    The clients of all workers have to share a state, such as `state="postgresql://…"`, and the sink has to
    take several writers, as `PostgresSink` does. The range has to be over: what is late is no correction
    here, so that a fleet's own run comes after it.

    Args:
        cluster: the cluster, opened with `asynchronous=True`.
        connect: opens a client and a sink in a worker, and closes both; a function of a module.
        series: name of the series' method, such as "rgm_stats".
        systems: numbers of the systems.
        start: begin of the range (aware), for systems that the sink does not hold.
        end: its end.

    Returns:
        The cost, without that of tasks that were lost.

    Raises:
        InputError: the cluster is not asynchronous, or the range is empty.
        EnlightenError: a request failed: one of those that `Query` lists.
        OSError: the sink cannot write; or the workers that had a shard died, one after another.
    """
    if not cluster.asynchronous:
        raise InputError("the cluster has to be opened by Client(..., asynchronous=True)")
    if not start < end:
        raise InputError(f"start must be before end, not {start} and {end}")
    shards: dict[int, list[int]] = {}
    for system_id in systems:
        shards.setdefault(shard_of(system_id), []).append(system_id)
    works = [
        asyncio.ensure_future(_done(cluster, (connect, series, own, start, end))) for own in shards.values()
    ]
    try:
        return sum(await asyncio.gather(*works), Receipt())
    finally:
        for work in works:
            work.cancel()


async def _done(cluster: Client, arguments: Sequence[Any]) -> Receipt:
    """Have a shard done, however often it has to be submitted.

    Raises:
        OSError: its workers died, more often than Dask allows.
    """
    while True:
        future = cluster.submit(run_shard, *arguments, pure=False, retries=RETRIES)
        try:
            found = await future
        except futures.CancelledError:  # no cancel of this task: the scheduler has forgotten it
            await _wait_for_workers(cluster)
            continue
        except distributed.KilledWorker as killed:
            text = "the workers of a part of the systems died again and again: run again to continue"
            raise OSError(text) from killed
        if isinstance(found, Done):
            return found.receipt
        wait = found.at.timestamp() - datetime.now(found.at.tzinfo).timestamp()
        await asyncio.sleep(max(wait, 1.0))


async def _wait_for_workers(cluster: Client) -> None:
    """Wait until the scheduler is back, with a worker.

    Raises:
        OSError: the cluster's client has given it up.
    """
    while True:
        try:
            await cluster.wait_for_workers(1)
        except OSError as error:
            if cluster.status == "closed":
                raise OSError("the scheduler has been away for too long: run again to continue") from error
        else:
            return
        await asyncio.sleep(AWAY_POLL_S)
