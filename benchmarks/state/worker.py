"""A process that goes through a gate, or asks with a client: `python -m benchmarks.state.worker`.

It is given one JSON object, says "ready", begins when it is told to, and writes what it did at its end.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.state.gates import GATES, Setting
from enlighten_async import EnlightenClient, Plan


async def pass_gate(task: Mapping[str, Any]) -> dict[str, float]:
    """Go through the gate with so many tasks for so many seconds; return how often, and the CPU of it."""
    gate = await GATES[task["contender"]](Setting(**task["setting"]))
    passed = 0
    await _told()
    end, begun = time.monotonic() + task["seconds"], time.process_time()

    async def work() -> None:
        nonlocal passed
        while time.monotonic() < end:
            await gate()
            passed += 1

    tasks = [asyncio.create_task(work()) for _ in range(task["tasks"])]
    await asyncio.wait(tasks, timeout=end - time.monotonic() + 0.5)
    spent = time.process_time() - begun
    for each in tasks:
        each.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return {"passed": passed, "cpu_s": spent}


async def ask(task: Mapping[str, Any]) -> dict[str, float]:
    """Ask for each system so often, one after another or so many side by side; return the CPU."""
    state = {"state": task["state"]} if task["state"] else {}
    plan = Plan(minute=10**6, month=10**8)
    async with EnlightenClient("key", task["user"], base_url=task["url"], plan=plan, **state) as client:
        for system in task["systems"][:2]:
            await client.summary(system)  # what is imported or made at first use
        await _told()
        left = iter(task["systems"] * task["rounds"])
        begun = time.process_time()

        async def work() -> None:
            for system in left:
                await client.summary(system)

        await asyncio.gather(*(work() for _ in range(task["tasks"])))
        spent = time.process_time() - begun
    return {"passed": len(task["systems"]) * task["rounds"], "cpu_s": spent}


async def _told() -> None:
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)


def together(tasks: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """Let processes begin at once, when all are ready; return what each did."""
    command = [sys.executable, "-m", "benchmarks.state.worker"]
    processes = [
        subprocess.Popen(  # noqa: S603
            [*command, json.dumps(task)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for task in tasks
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [json.loads(process.communicate()[0]) for process in processes]


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps(asyncio.run(pass_gate(given) if "contender" in given else ask(given))), flush=True)
