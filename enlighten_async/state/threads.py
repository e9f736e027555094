"""Threads for disk work, apart from those of the program, and the wait for a file held by others."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import anyio
from anyio import CapacityLimiter
from anyio.lowlevel import RunVar

from enlighten_async.state.file import Busy, DatabaseUnavailable

if TYPE_CHECKING:
    from enlighten_async.clock import Clock

T = TypeVar("T")

THREADS = 4
"""How many threads of an event loop may be at the disk at once."""

FIRST, LONGEST = 0.001, 0.05
"""Seconds between two tries to get the file."""

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


async def retry_while_busy(work: Callable[[], T], clock: Clock, patience: float) -> T:
    """Do what blocks in a thread, and again while others hold the file.

    Args:
        work: what is to be done.
        clock: the source of time.
        patience: seconds after which it is not tried again.

    Raises:
        Fault: others held the file all that time.
    """
    deadline = clock.monotonic() + patience
    pause = FIRST
    while True:
        try:
            return await in_thread(work)
        except Busy:
            if clock.monotonic() >= deadline:
                raise DatabaseUnavailable(f"others held it for {patience:g} s") from None
            await clock.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter, not a secret
            pause = min(LONGEST, pause * 1.5)
