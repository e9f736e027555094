"""A process of a machine whose clocks are its own: it asks for summaries until it is ended."""

from __future__ import annotations

import json
import sys

import anyio

from enlighten_async import EnlightenClient, EnlightenError, Plan
from enlighten_async.clock import SystemClock
from tests.limiter.stores import ProcessClock
from tests.world import API_KEY

TASKS = 10


async def main() -> None:
    """Ask with so many tasks."""
    options = json.loads(sys.argv[1])
    clock = ProcessClock(SystemClock(), options["wall"], options["monotonic"])
    async with EnlightenClient(
        API_KEY,
        options["user"],
        base_url=options["url"],
        state=options["state"],
        clock=clock,
        plan=Plan(minute=options["minute"]),
        max_concurrency=options.get("at_once", 6),
    ) as client:
        print("ready", flush=True)  # noqa: T201
        async with anyio.create_task_group() as tasks:
            for number in range(TASKS):
                tasks.start_soon(ask, client, options["systems"][number % len(options["systems"])])


async def ask(client: EnlightenClient, system: int) -> None:
    """Ask for ever; tell of errors."""
    while True:
        try:
            await client.with_options(max_age=0).summary(system)
        except EnlightenError as error:
            print(type(error).__name__, error, flush=True)  # noqa: T201
            await anyio.sleep(1)


if __name__ == "__main__":
    anyio.run(main)
