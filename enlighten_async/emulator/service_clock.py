"""The clock of an emulator that is served: real time, which may be moved ahead."""

from __future__ import annotations

from enlighten_async.clock import SystemClock

MAX_ADVANCE_S = 100 * 365 * 86_400.0
"""Seconds that the clock may be ahead: dates far beyond them are not known to the system's libraries."""


class ServiceClock(SystemClock):
    """The clock of this machine, moved by a constant; waits take their real time.

    Args:
        now: the time at first (epoch seconds); `None`: that of this machine.
    """

    def __init__(self, now: float | None = None) -> None:
        self._offset = 0.0 if now is None else now - super().now()

    def now(self) -> float:
        """Return the wall clock's time in epoch seconds (UTC)."""
        return super().now() + self._offset

    def advance(self, seconds: float) -> None:
        """Move the wall clock ahead at once; whoever waits goes on waiting.

        Args:
            seconds: by how much.

        Raises:
            ValueError: the time would step back.
        """
        if not 0 <= seconds <= MAX_ADVANCE_S - self._offset:
            raise ValueError(f"cannot advance by {seconds} seconds: give 0 or more, a century at most in all")
        self._offset += seconds
