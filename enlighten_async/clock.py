"""Clocks: the only source of time, of waits, and of time limits; and waits that no cancel cuts off."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar, runtime_checkable

import anyio

T = TypeVar("T")


@runtime_checkable
class Clock(Protocol):
    """A source of time; everything in this package that waits or reads the time is given one."""

    def now(self) -> float:
        """Return the wall clock's time in epoch seconds (UTC); it may be wrong and may step."""
        ...

    def monotonic(self) -> float:
        """Return seconds since some fixed moment; never steps back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for this many seconds.

        Args:
            seconds: how long.
        """
        ...

    def move_on_after(self, seconds: float | None) -> AbstractContextManager[anyio.CancelScope]:
        """Cancel the body after this many seconds (`None`: never); the scope tells whether it did.

        Args:
            seconds: how long; `None`: for ever.
        """
        ...


class SystemClock:
    """The clock of this machine, on asyncio and trio."""

    def now(self) -> float:
        """Return the wall clock's time in epoch seconds (UTC)."""
        return time.time()

    monotonic = staticmethod(time.monotonic)
    """Return the monotonic clock's reading in seconds; each query asks for it eight times."""

    async def sleep(self, seconds: float) -> None:
        """Wait for this many seconds.

        Args:
            seconds: how long.
        """
        await anyio.sleep(seconds)

    def move_on_after(self, seconds: float | None) -> AbstractContextManager[anyio.CancelScope]:
        """Cancel the body after this many seconds (`None`: never).

        Args:
            seconds: how long; `None`: for ever.
        """
        return anyio.move_on_after(seconds)


def in_trio() -> bool:
    """Tell whether the running event loop is trio's, not asyncio's; nothing is imported for it."""
    # On asyncio a thread may be about the import of trio, which httpcore2 loads where it is installed.
    lowlevel = getattr(sys.modules.get("trio"), "lowlevel", None)
    return lowlevel is not None and bool(lowlevel.in_trio_task())


async def run_shielded(work: Callable[[], Coroutine[object, None, T]]) -> T:
    """Run some work to its end and return its result, even if the caller is cancelled meanwhile.

    A native cancel (`asyncio.Task.cancel`) that comes meanwhile is raised after the end; a cancelled scope
    is noticed at the caller's next checkpoint. The work must end by itself: it needs a deadline.

    Raises:
        asyncio.CancelledError: the task was cancelled natively.
        Exception: the error of the work.
    """
    with anyio.CancelScope(shield=True):
        if in_trio():
            return await work()  # trio cancels by scopes only
        # A native cancel reaches through the shield, but only into the task it is meant for.
        task = asyncio.create_task(work())
        cancel: asyncio.CancelledError | None = None
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                cancel = cancel or error
    try:
        if cancel is None:
            return task.result()
        if not task.cancelled():
            task.exception()  # or asyncio would log that nobody looked at it
        raise cancel
    finally:
        del task, cancel  # their tracebacks hold this frame
