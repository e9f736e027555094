"""A clock on which minutes pass in seconds, the same for all processes of a machine."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager

import anyio
from attrs import frozen

FACTOR = 20
"""Seconds of it in a second, unless told otherwise."""

STEADY = 130.0
"""Seconds after which a wall clock is set."""


@frozen
class SwiftClock:
    """The clock of this machine, sped up.

    Attributes:
        start: what its wall clock says (epoch seconds) at `began`.
        began: a moment of the real wall clock.
        wrong: seconds by which its wall clock is ahead of those of the others.
        step: seconds by which its wall clock is set forward (or back) after `STEADY`.
        factor: seconds of it in a second.
    """

    start: float
    began: float
    wrong: float = 0.0
    step: float = 0.0
    factor: float = FACTOR

    def now(self) -> float:
        """Return the wall clock's time in epoch seconds."""
        passed = (time.time() - self.began) * self.factor
        return self.start + passed + self.wrong + (self.step if passed > STEADY else 0.0)

    def monotonic(self) -> float:
        """Return the monotonic clock's reading in seconds."""
        return time.monotonic() * self.factor

    async def sleep(self, seconds: float) -> None:
        """Wait for this many of its seconds."""
        await anyio.sleep(seconds / self.factor)

    def move_on_after(self, seconds: float | None) -> AbstractContextManager[anyio.CancelScope]:
        """Cancel the body after this many of its seconds."""
        return anyio.move_on_after(None if seconds is None else seconds / self.factor)
