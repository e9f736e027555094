"""Threads for the disk, apart from those of the program."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
from anyio import CapacityLimiter
from anyio.lowlevel import RunVar

T = TypeVar("T")

THREADS = 4
"""How many threads of an event loop may be at the disk at once."""

_threads: RunVar[CapacityLimiter] = RunVar("enlighten_async.disk_threads")


def disk_threads() -> CapacityLimiter:
    """Return what limits the threads at the disk in the running event loop.

    Not anyio's default limiter: a program may have all of its threads wait for our answers, and those
    would then wait for one of these threads.
    """
    try:
        return _threads.get()
    except LookupError:
        limiter = CapacityLimiter(THREADS)
        _threads.set(limiter)
        return limiter


async def in_thread(work: Callable[[], T]) -> T:
    """Do what blocks in a thread; it is never left half done."""
    return await anyio.to_thread.run_sync(work, limiter=disk_threads())
