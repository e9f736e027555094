"""A poller that reads all systems once: `python -m tests.system.processes.polling_process`.

It is given one JSON object, says "ready" when it begins, and writes what it spent at its end.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio

from enlighten_async import EnlightenClient, Plan, as_completed

CADENCE, OVERLAP = timedelta(minutes=15), timedelta(hours=2)


async def poll(task: dict[str, Any]) -> dict[str, int]:
    """Read each system from where it is held; return what that took."""
    plan = Plan(minute=10_000, month=1_000_000)
    # The places of requests that were on their way at a kill come free 35 s later.
    options = {"plan": plan, "pace": True, "max_concurrency": 100}
    async with EnlightenClient(
        "any", task["user"], base_url=task["url"], state=task["state"], **options
    ) as client:
        print("ready", flush=True)  # noqa: T201
        fleet = client.with_options(priority="poll", max_age=0.9 * CADENCE)
        listed = await fleet.with_options(max_age=timedelta(days=1)).systems()
        held = await fleet.held("rgm_stats", [system.system_id for system in listed])
        first = datetime.now(UTC) - timedelta(days=2)
        queries = [fleet.rgm_stats(n, start_at=(until or first) - OVERLAP) for n, until in held.items()]
        async with as_completed(queries) as outcomes:
            answered = [outcome async for outcome in outcomes]
        return {
            "systems": len(answered),
            "sent": outcomes.receipt.sent,
            "rejected": outcomes.receipt.rejected,
        }


if __name__ == "__main__":
    print(json.dumps(anyio.run(poll, json.loads(sys.argv[1]))), flush=True)  # noqa: T201
