"""Tasks of an event loop, counted."""

from __future__ import annotations

import asyncio

import trio


def living(backend: str) -> int:
    """Return how many tasks live in this event loop, the fake clock's own not counted."""
    if backend == "asyncio":
        return len(asyncio.all_tasks())
    tasks = [trio.lowlevel.current_root_task()]
    for task in tasks:
        tasks += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return sum(task.name != "FakeClock" for task in tasks)
