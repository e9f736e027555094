"""A process with many callers that wait for a minute: each asks for the summary of its system, for ever."""

from __future__ import annotations

import json
import sys

import anyio
from anyio.to_thread import run_sync

from enlighten_async import EnlightenClient, EnlightenError, Plan
from enlighten_async.clock import SystemClock
from tests.limiter.stores import ProcessClock
from tests.world import API_KEY


async def main() -> None:
    """Connect, wait for a line with the time of the service, and ask."""
    options = json.loads(sys.argv[1])
    clock = ProcessClock(SystemClock())
    async with (
        EnlightenClient(
            API_KEY,
            options["user"],
            base_url=options["url"],
            state=options["state"],
            clock=clock,
            plan=Plan(minute=options["minute"]),
            max_concurrency=options["at_once"],
            timeout=options["timeout"],
        ) as client,
        anyio.create_task_group() as tasks,
    ):
        await client.quota()  # which connects
        print("ready", flush=True)  # noqa: T201
        clock.wall = float(await run_sync(sys.stdin.readline))
        for _ in range(options["callers"]):
            tasks.start_soon(ask, client.with_options(max_age=0), options["system"])


async def ask(client: EnlightenClient, system: int) -> None:
    """Ask for ever; tell of errors."""
    while True:
        try:
            await client.summary(system)
        except EnlightenError as error:
            print(type(error).__name__, error, flush=True)  # noqa: T201
            await anyio.sleep(1)


if __name__ == "__main__":
    anyio.run(main)
