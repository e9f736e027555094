"""Clocks: the only source of time, of waits, and of time limits."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

import anyio


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

    def monotonic(self) -> float:
        """Return the monotonic clock's reading in seconds."""
        return time.monotonic()

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
