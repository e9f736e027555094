"""A process that follows a fleet into PostgreSQL, with leases, until it is ended."""

from __future__ import annotations

import json
import logging
import signal
import sys
from datetime import timedelta

import anyio

from enlighten_async import EnlightenClient, Plan
from enlighten_async.fleet import Fleet, PostgresSink
from tests.world import API_KEY


async def main() -> None:
    """Follow, until SIGTERM; or until all history is held, where some is asked for."""
    options = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout)
    async with (
        EnlightenClient(
            API_KEY,
            options["user"],
            base_url=options["url"],
            state=options["state"],
            plan=Plan(minute=options["minute"]),
            max_concurrency=8,
        ) as client,
        PostgresSink(options["sink"]) as sink,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(end, tasks.cancel_scope)
        weeks = options.get("history")
        backfill = None if weeks is None else timedelta(weeks=weeks)
        fleet = Fleet(client, "rgm_stats", every=timedelta(hours=1), backfill=backfill)
        print("ready", flush=True)  # noqa: T201
        lease = timedelta(seconds=options["lease"])
        await fleet.run(sink, lease=lease, until_done=backfill is not None)
        tasks.cancel_scope.cancel()


async def end(scope: anyio.CancelScope) -> None:
    """Cancel at the first SIGTERM."""
    with anyio.open_signal_receiver(signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()
            return


if __name__ == "__main__":
    anyio.run(main)
