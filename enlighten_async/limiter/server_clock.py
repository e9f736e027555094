"""ServerClock: the server's time as an interval, never a point."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from attrs import Factory, evolve, field, frozen

if TYPE_CHECKING:
    from enlighten_async.limiter.record import ClockReading

MAX_DRIFT = 200e-6
"""Seconds per second by which two clocks may part: twice what a bad quartz does."""
DATE_SLACK_S = 0.1
"""Seconds by which a `Date` may be stale beyond its cut to whole seconds: servers cache the header."""
WALL_ERROR_S = 1.0
"""Seconds by which the local wall clock is taken to be wrong, where nothing better is known."""
MAX_DATE_S = 1e11
"""Epoch seconds; a `Date` from here on (or below 0) is no time at all."""
SAME_CLOCKS_S = 2.0
"""Seconds that (wall clock - monotonic clock) may differ between two readers of the same clocks."""
FAR_S = 86_400.0
"""Seconds between a `Date` and the local wall clock from which on one response does not tell the time."""
WALL_STEP_S = 900.0
"""Seconds by which a wall clock may have been set between two readings that tell how much time passed."""


@frozen
class ServerClock:
    """The interval that holds (server's time - monotonic time), narrowed by each response.

    A response to a request sent at `s`, received at `r`, says that the server's time was in
    `[Date, Date + 1)` at some moment between them, for the header is cut to seconds. Many such statements
    are intersected: their median would keep a bias, because bursts at a window's start all meet the same
    phase of the second. Between responses the interval widens with the drift.

    Attributes:
        least: lower end of the interval, in seconds, as of `at`.
        most: upper end; infinite if it is only known that the server's time is not earlier.
        at: monotonic time of the observation it stems from.
        guessed: whether it stems from the local wall clock only.
        resets: how often a response contradicted what was known, and was believed.
        doubtful: whether one response alone has told it, far off the local wall clock: either may be wrong.
        rival: what the last response told instead, far off the local wall clock, and is not believed yet.
        known: whether both ends are known.
    """

    least: float = -math.inf
    most: float = math.inf
    at: float = 0.0
    guessed: bool = False
    resets: int = 0
    doubtful: bool = False
    rival: ServerClock | None = None
    known: bool = field(init=False, default=Factory(lambda self: self.most < math.inf, takes_self=True))

    def doubts(self, before: float) -> bool:
        """Tell whether the time is not known, is told by one response alone, or was told before a moment."""
        return not self.known or self.guessed or self.doubtful or self.at < before

    def earliest(self, monotonic: float) -> float:
        """Return the earliest the server's time can be at this monotonic time (epoch seconds)."""
        return self.least + monotonic - MAX_DRIFT * abs(monotonic - self.at)

    def latest(self, monotonic: float) -> float:
        """Return the latest the server's time can be at this monotonic time (epoch seconds)."""
        return self.most + monotonic + MAX_DRIFT * abs(monotonic - self.at)

    def monotonic_at(self, server_time: float) -> float:
        """Return the monotonic time (not before `at`) at which `earliest` reaches this server time."""
        return max(self.at, (server_time - self.least - MAX_DRIFT * self.at) / (1 - MAX_DRIFT))

    def observe(self, date: float | None, sent: float, received: float, wall: float) -> ServerClock:
        """Return the clock after a response.

        Args:
            date: its `Date` header (epoch seconds, whole), if it had one.
            sent: monotonic time when the request left.
            received: monotonic time when the response was whole.
            wall: the local wall clock's time at `received`. It is used where there is no `Date`; and one that
                is far off it, as a proxy may have it, is not believed against what is known until the next
                response tells the same.
        """
        if date is None or not 0 <= date < MAX_DATE_S:
            return self._guess(received, wall)
        told = ServerClock(date - received, date + 1 + DATE_SLACK_S - sent, received)
        clock = self.narrow(told.least, told.most, received)
        if abs(date - wall) > FAR_S:
            contradicts = clock.resets > self.resets
            if not self.known or self.guessed or (contradicts and self.doubtful):
                return evolve(clock, doubtful=True)
            if contradicts and (
                self.rival is None or self.rival.narrow(told.least, told.most, received).resets
            ):
                return evolve(self, rival=told)
        return evolve(clock, doubtful=False, rival=None) if clock.doubtful or clock.rival else clock

    def narrow(self, least: float, most: float, received: float) -> ServerClock:
        """Return the clock after a statement that (server's time - monotonic time) is between two values.

        Args:
            least: the lower one.
            most: the upper one.
            received: monotonic time as of which that holds.
        """
        if not self.known:
            return ServerClock(least, most, received)
        spread = MAX_DRIFT * abs(received - self.at)
        if least > self.most + spread or most < self.least - spread:
            # The server's clock stepped, this machine slept, or the old one was wrong: trust the newest.
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
        return evolve(self, least=ahead - WALL_ERROR_S, most=ahead + WALL_ERROR_S, at=received, guessed=True)


def from_peer(
    reading: ClockReading, read_at: float | None, now: float, wall: float
) -> tuple[float, float, float]:
    """Return the bounds of (server's time - monotonic time), going by a reading of another process.

    A reader on the writer's clocks knows when the reading was written. Any other reader knows that it was
    after the record was read before, and one that reads for the first time, only that the server's time is
    not earlier: the upper bound is infinite. Wall clocks may have been set between, so the time that has
    passed by them counts as far as the monotonic clock has seen it pass too. That clock stands still while
    the machine sleeps, and begins anew with a boot: the seconds that only the wall clocks tell of are
    returned beside the bounds.

    Args:
        reading: the other process's; not seen before.
        read_at: monotonic time when the record was read before; `None`: it was not.
        now: monotonic time.
        wall: the local wall clock's time.
    """
    drift = abs((wall - now) - (reading.wall - reading.monotonic))
    if reading.monotonic <= now and drift < SAME_CLOCKS_S:
        # Neither a boot nor a sleep of the machine came between: they would have moved one clock only.
        spread = MAX_DRIFT * (now - reading.monotonic)
        return reading.least - reading.monotonic - spread, reading.most - reading.monotonic + spread, 0.0
    if read_at is not None:
        return reading.least - now, reading.most - read_at, 0.0
    by_wall = max(0.0, wall - reading.wall - WALL_STEP_S)
    passed = min(by_wall, max(0.0, now - reading.monotonic))
    return reading.least + passed - now, math.inf, by_wall - passed
