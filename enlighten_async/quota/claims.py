"""Who waits for a token that is about to come free, so that nobody of a lower class takes it first."""

from __future__ import annotations

HOLD = 5.0
"""Seconds for which a token is kept for who waited for it: its event loop may be slow to wake it."""
SOON = 120.0
"""Seconds: a claim on what comes free later than that would outlive the one who made it."""
AGAIN = 1.0
"""Seconds for which a claim on whatever settles next holds; who still waits has renewed it by then."""


class Claims:
    """The claims of the classes that wait, one each. Not thread-safe, and without a clock.

    Within one limiter the queue has an order. Limiters in several event loops or processes race for
    what comes free, and with a limit of 1 there is nothing to hold back: so who waits lays claim to it.

    Attributes:
        spans: from when until when (monotonic) a class has the first word, by its rank.
    """

    def __init__(self) -> None:
        self.spans: dict[int, tuple[float, float]] = {}

    def lay(self, rank: int, at: float | None, now: float) -> None:
        """Note that a class waits until `at` (monotonic), or (`None`) for what settles next."""
        if at is None:
            self.spans[rank] = now, now + AGAIN
        elif at <= now + SOON:
            self.spans[rank] = at, at + HOLD

    def drop(self, rank: int) -> None:
        """Note that a class got what it waited for."""
        self.spans.pop(rank, None)

    def ahead(self, rank: int, now: float) -> float | None:
        """Return until when (monotonic) a class above has the first word; `None`: it has not."""
        ends = [until for above, (at, until) in self.spans.items() if above < rank and at <= now < until]
        return max(ends, default=None)
