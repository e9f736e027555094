"""The server's time: an interval, never a point."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from attrs import evolve, frozen

if TYPE_CHECKING:
    from enlighten_async.limiter.record import ClockReading

DRIFT = 200e-6
"""How much two clocks may part, in seconds per second: twice what a bad quartz does."""
SLACK = 0.1
"""Seconds by which a `Date` may be stale beyond its cut to whole seconds: servers cache the header."""
GUESS = 1.0
"""Seconds by which the local wall clock is taken to be wrong, where nothing better is known."""
END_OF_TIME = 1e11
"""A `Date` from here on (or below 0) is no time at all."""


@frozen
class ServerClock:
    """The interval that holds (server's time - monotonic time), narrowed by each reply.

    A reply sent at `s` and received at `r` says that the server's time was in `[Date, Date + 1)` at
    some moment between them, for the header is cut to seconds. Many such statements are intersected:
    their median would keep a bias, because bursts at a window's start all meet the same phase of the
    second. Between replies the interval widens with the drift.

    Attributes:
        least: lower end of the interval, in seconds, as of `at`.
        most: upper end.
        at: monotonic time of the observation it stems from.
        guessed: whether it is only the local wall clock's word.
        resets: how often a reply contradicted what was known, and was believed.
    """

    least: float = -math.inf
    most: float = math.inf
    at: float = 0.0
    guessed: bool = False
    resets: int = 0

    @property
    def known(self) -> bool:
        """Whether anything has been observed yet."""
        return self.least > -math.inf

    def earliest(self, monotonic: float) -> float:
        """Return the earliest the server's time can be at this monotonic time (epoch seconds)."""
        return self.least + monotonic - DRIFT * abs(monotonic - self.at)

    def latest(self, monotonic: float) -> float:
        """Return the latest the server's time can be at this monotonic time (epoch seconds)."""
        return self.most + monotonic + DRIFT * abs(monotonic - self.at)

    def when(self, server_time: float) -> float:
        """Return the monotonic time (not before `at`) at which `earliest` reaches this server time."""
        return max(self.at, (server_time - self.least - DRIFT * self.at) / (1 - DRIFT))

    def observe(self, date: float | None, sent: float, received: float, wall: float) -> ServerClock:
        """Return what is known after a reply.

        Args:
            date: its `Date` header (epoch seconds, whole), if it had one.
            sent: monotonic time when the request left.
            received: monotonic time when the reply was whole.
            wall: the local wall clock's time at `received`, used only where there is no `Date`.
        """
        if date is None or not 0 <= date < END_OF_TIME:
            return self._guess(received, wall)
        return self.told(date - received, date + 1 + SLACK - sent, received)

    def told(self, least: float, most: float, received: float) -> ServerClock:
        """Return what is known after hearing that (server's time - monotonic time) is between two values.

        Args:
            least: the lower one.
            most: the upper one.
            received: monotonic time as of which that holds.
        """
        if not self.known:
            return ServerClock(least, most, received)
        spread = DRIFT * abs(received - self.at)
        if least > self.most + spread or most < self.least - spread:
            # The server's clock stepped, this machine slept, or the old word was wrong: trust the newest.
            return ServerClock(least, most, received, resets=self.resets + 1)
        if self.guessed:
            return ServerClock(least, most, received, resets=self.resets)
        if least <= self.least - spread and most >= self.most + spread:
            return self  # nothing new, and cheaper than a copy
        return ServerClock(
            max(least, self.least - spread), min(most, self.most + spread), received, resets=self.resets
        )

    def _guess(self, received: float, wall: float) -> ServerClock:
        if self.known and not self.guessed:
            return self
        ahead = wall - received
        return evolve(self, least=ahead - GUESS, most=ahead + GUESS, at=received, guessed=True)


SAME = 2.0
"""Seconds that (wall clock - monotonic clock) may differ between two readers of the same clocks."""
WALL_DOUBT = 900.0
"""Seconds by which a wall clock may have been set between two readings that tell how much time passed."""


def overheard(stamp: ClockReading, looked: float | None, now: float, wall: float) -> tuple[float, float]:
    """Return between which values (server's time - monotonic time) is, going by a stamp not seen before.

    Whoever reads on the writer's clocks, knows when it was written. Who does not, knows that it was since
    the last look, and who has not looked before, only that the server's time is not earlier.

    Args:
        stamp: what somebody wrote.
        looked: monotonic time of the last look before; `None`: there was none.
        now: monotonic time.
        wall: the local wall clock's time.
    """
    drift = abs((wall - now) - (stamp.wall - stamp.monotonic))
    if stamp.monotonic <= now and drift < SAME:
        # Neither a boot nor a sleep of the machine came between: they would have moved the one clock only.
        spread = DRIFT * (now - stamp.monotonic)
        return stamp.least - stamp.monotonic - spread, stamp.most - stamp.monotonic + spread
    if looked is not None:
        return stamp.least - now, stamp.most - looked
    passed = max(0.0, wall - stamp.wall - WALL_DOUBT)
    return stamp.least + passed - now, math.inf
