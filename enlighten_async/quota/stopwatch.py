"""What the queue waits for, and for how long it has waited for what."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen


@frozen(eq=False)
class Waiting:
    """Why the head of the queue waits.

    Attributes:
        reason: "minute", "month", "in_flight", "throttled" or "doubt".
        until: server's time (epoch seconds) at which the wait ends, where it is a matter of time.
    """

    reason: str
    until: float | None = None


class Stopwatch:
    """Adds up the seconds the queue has waited, by reason.

    All who wait, wait for what the head waits for; so one tally serves them all, and what one of them
    waited is the difference of two readings.
    """

    def __init__(self) -> None:
        self.waiting: Waiting | None = None
        self._started = 0.0
        self._tally: dict[str, float] = {}

    def start(self, waiting: Waiting, now: float) -> None:
        """The head waits for this from now on (monotonic seconds)."""
        if self.waiting is not None:
            self.stop(self.waiting, now)
        self.waiting, self._started = waiting, now

    def stop(self, waiting: Waiting, now: float) -> None:
        """The wait is over; nothing happens if another has begun since."""
        if self.waiting is waiting:
            self._tally[waiting.reason] = self._tally.get(waiting.reason, 0.0) + now - self._started
            self.waiting = None

    def read(self, now: float) -> dict[str, float]:
        """Return the seconds waited so far, by reason."""
        tally = dict(self._tally)
        if self.waiting is not None:
            reason = self.waiting.reason
            tally[reason] = tally.get(reason, 0.0) + now - self._started
        return tally

    def since(self, before: Mapping[str, float], now: float) -> dict[str, float]:
        """Return the seconds waited since an earlier reading, by reason."""
        spent = {reason: n - before.get(reason, 0.0) for reason, n in self.read(now).items()}
        return {reason: n for reason, n in spent.items() if n > 0}
