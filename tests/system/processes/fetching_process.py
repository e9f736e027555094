"""A process that buys a range of a system once: `python -m tests.system.processes.fetching_process`.

It is given one JSON object, says "ready" when it begins, and writes what it got at its end.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import anyio

from enlighten_async import EnlightenClient, Plan
from enlighten_async.cache import SqliteCache
from enlighten_async.clock import SystemClock
from enlighten_async.windows import DAY
from tests.system.processes.fast_clock import SwiftClock
from tests.system.processes.kill_points import Debits, Paper, Reaper, Way
from tests.system.processes.measured_rows import digest, rows


def client(task: dict[str, Any]) -> EnlightenClient:
    """Open a client; where it may be killed at a point, one of parts on which that is possible."""
    clock = SwiftClock(task["start"], task["began"]) if "began" in task else SystemClock()
    plan = Plan(minute=task["minute"], month=10_000_000)
    options = {"base_url": task["url"], "plan": plan, "clock": clock}
    if "point" not in task:
        return EnlightenClient(task["key"], task["user"], state=task["state"], **options)
    reaper = Reaper(task["point"], task["nth"])
    file = Paper(Path(task["state"]), reaper)
    return EnlightenClient(
        task["key"],
        task["user"],
        transport=Way(reaper),
        quota_store=Debits(file, lambda salt: salt[:8], clock, reaper),
        interval_cache=SqliteCache(file, clock=clock),
        max_concurrency=task["at_once"],
        **options,
    )


async def work(task: dict[str, Any]) -> dict[str, Any]:
    """Buy the range; return what tells the rows, and what was spent."""
    async with client(task) as one:
        print("ready", flush=True)  # noqa: T201
        view = one.with_options(max_age=DAY)  # the newest days are held as well
        answer = await view.rgm_stats(task["system"], start_at=task["from"], end_at=task["until"])
    return {
        "rows": digest(rows(answer)),
        "complete": answer.coverage.complete,
        "sent": answer.receipt.sent,
        "rejected": answer.receipt.rejected,
        "from_cache": answer.receipt.from_cache,
    }


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps(anyio.run(work, given, backend=given["backend"])), flush=True)  # noqa: T201
