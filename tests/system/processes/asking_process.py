"""Worker process: asks the service as often as told; `python -m tests.system.processes.asking_process`.

It is given one JSON object, says "ready" when it begins, and writes what became of it at its end.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from typing import Any

import anyio

from enlighten_async import EnlightenClient, Plan
from enlighten_async.errors import EnlightenError
from tests.system.processes.fast_clock import SwiftClock
from tests.world import API_KEY


def quarter(task: dict[str, Any], number: int) -> dict[str, float]:
    """Return the range of one of the quarters of an hour that this process asks for, and no other does."""
    end = task["start"] // 900 * 900 - (task["first"] + number + 4) * 900
    return {"start_at": end - 900, "end_at": end}


async def work(task: dict[str, Any]) -> dict[str, Any]:
    """Ask for so many quarters of an hour at once; return how often that went well, and an error.

    After `seconds` of the real clock it ends in any case.
    """
    clock = SwiftClock(task["start"], task["began"], task["wrong"], task["step"], task["factor"])
    plan = Plan(minute=task["minute"], month=task["month"])
    done: dict[str, Any] = {"answers": 0, "rejected": 0, "error": "", "retry_at": None, "minutes": Counter()}
    async with EnlightenClient(
        API_KEY, task["user"], base_url=task["url"], plan=plan, state=task["state"], clock=clock
    ) as client:

        async def job(number: int) -> None:
            try:
                answer = await client.rgm_stats(task["system"], **quarter(task, number))
                done["answers"] += 1
                done["minutes"][str(int(clock.now() // 60))] += 1
                done["rejected"] += answer.receipt.rejected
            except EnlightenError as error:
                done["error"] = type(error).__name__
                done["retry_at"] = error.retry_at and error.retry_at.timestamp()

        async def stall() -> None:
            for _ in range(task["stalls"]):
                await clock.sleep(17)
                time.sleep(0.2)  # noqa: ASYNC251 - the event loop stands still, as busy programs let it

        print("ready", flush=True)  # noqa: T201
        async with anyio.create_task_group() as tasks:
            tasks.cancel_scope.deadline = anyio.current_time() + task["seconds"]
            for number in range(task["jobs"]):
                tasks.start_soon(job, number)
            tasks.start_soon(stall)
    return done


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps(anyio.run(work, given, backend=given["backend"])), flush=True)  # noqa: T201
