"""Work that no cancel of its caller cuts off."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

T = TypeVar("T")


async def to_the_end(work: Callable[[], Awaitable[T]]) -> T:
    """Await some work to its end; a cancel that comes meanwhile is raised after it.

    In a task of its own, as `asyncio.Task.cancel` reaches through a shield around the caller. The work
    has to end by itself: it must have a deadline.
    """
    done: list[T] = []
    failed: list[Exception] = []

    async def run() -> None:
        with anyio.CancelScope(shield=True):
            try:
                done.append(await work())
            except Exception as error:  # noqa: BLE001 - raised below, and not as a group
                failed.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
    if failed:
        try:
            raise failed[0]
        finally:
            failed.clear()  # it holds this frame by its traceback
    return done[0]
