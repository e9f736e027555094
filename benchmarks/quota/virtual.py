"""An asyncio loop whose time passes as soon as everybody waits for it, for libraries that read its clock."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import anyio

T = TypeVar("T")

TURN = 1e-6
"""Seconds each turn of the loop takes: libraries count on a clock that never stands still."""


class _Jumping(selectors.SelectSelector):
    """Waits for nothing: the time it was to wait for has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        """Return what is ready, and let the rest of the time pass."""
        ready = super().select(0)
        self.elapsed += max(0.0 if ready else timeout or 0.0, TURN)
        return ready


class Loop(asyncio.SelectorEventLoop):
    """A loop in virtual time."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the virtual seconds since it began."""
        return self._jumping.elapsed


class LoopClock:
    """The running loop's time as a `Clock`; one for each loop.

    Args:
        start: what the wall says when the loop begins, epoch seconds.
    """

    def __init__(self, start: float) -> None:
        self._start = start
        self._time = asyncio.get_running_loop().time

    def now(self) -> float:
        """Return the wall's time."""
        return self._start + self.monotonic()

    def monotonic(self) -> float:
        """Return the loop's time."""
        return self._time()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def move_on_after(self, seconds: float | None) -> AbstractContextManager[anyio.CancelScope]:
        """Cancel the body after this many seconds."""
        return anyio.move_on_after(seconds)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, in no time."""
    loop = Loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()
