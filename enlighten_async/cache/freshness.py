"""Freshness of cached answers: final, young enough, or to be asked for again. Pure."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, date, datetime, time
from functools import cached_property
from itertools import accumulate

from attrs import define, field, frozen

from enlighten_async.models.coverage import Reason
from enlighten_async.windows import DAY, Window, floor

HORIZON_S = 3 * DAY
"""Seconds after which an interval that was reported does not change any more."""

ABSENCE_MEMORY_S = DAY
"""Seconds for which it is remembered that there is nothing, such as no device."""

FOR_EVER, NEVER = float("inf"), float("-inf")


def final_until(fetched: float, reported: float | None) -> float:
    """Return up to when (epoch seconds) an answer does not change any more.

    Args:
        fetched: when it was fetched, epoch seconds.
        reported: up to when the system had reported then, epoch seconds, where known.
    """
    return NEVER if reported is None else min(fetched - HORIZON_S, reported)


def valid_until(end: float, fetched: float, reported: datetime | None) -> float:
    """Return for how long (until when, epoch seconds) an answer will do that speaks of time up to `end`."""
    told = None if reported is None else reported.timestamp()
    return FOR_EVER if end <= final_until(fetched, told) else fetched


def day_end_anywhere(day: date) -> float:
    """Return the moment (epoch seconds) at which a local day is over in every time zone."""
    return datetime.combine(day, time(), UTC).timestamp() + 1.5 * DAY


@frozen
class CachedSpan:
    """A stretch of time that was bought.

    Attributes:
        window: the stretch, within one week of the grid.
        fetched: when, epoch seconds.
        reported: up to when all it had to report was there then, epoch seconds, where known.
        started: when the system went into operation, epoch seconds, where known.
        empty: why the service has nothing for all of it, where it says so: that is remembered for a day.
    """

    window: Window
    fetched: float
    reported: float | None = None
    started: float | None = None
    empty: Reason | None = None

    @property
    def final(self) -> bool:
        """Whether no later answer can differ, as far as its own answer tells."""
        return self.empty is None and self.window.end <= final_until(self.fetched, self.reported)


@define(frozen=True, slots=False)
class SeriesIndex:
    """What is held of one series, as one query may use it.

    Final is what was older than the horizon when it was fetched and lies before the last report that the
    service had of the system by then: what came later may have filled it.

    Attributes:
        stretches: what is held, in order of time.
        grid: seconds from one interval to the next.
        now: the service's time when the query began; what was fetched later will do in any case.
        max_age: seconds for which also what is not final will do; 0: nothing will; `None`: what is final.
        exhaustive: whether also that is asked for of which it is known that there is nothing.
    """

    stretches: tuple[CachedSpan, ...] = ()
    grid: int = field(kw_only=True, default=1)
    now: float = field(kw_only=True, default=0.0)
    max_age: float | None = field(kw_only=True, default=None)
    exhaustive: bool = field(kw_only=True, default=False)

    @cached_property
    def _reports(self) -> tuple[list[float], list[float]]:
        """Times of answers, and how far the system had reported by then as each or an earlier one tells."""
        told = sorted((each.fetched, each.reported) for each in self.stretches if each.reported is not None)
        return [fetched for fetched, _ in told], list(accumulate((until for _, until in told), max))

    def _reported(self, stretch: CachedSpan) -> float | None:
        """Return how far the system had reported when a stretch was fetched, as far as any answer tells."""
        times, reports = self._reports
        place = bisect_right(times, stretch.fetched)
        told = (reports[place - 1] if place else None, stretch.reported)
        return max((until for until in told if until is not None), default=None)

    def good(self, stretch: CachedSpan) -> Window:
        """Return the beginning of a stretch that may be served, possibly nothing."""
        window = stretch.window
        if self.young(stretch.fetched):
            return window
        nothing = Window(window.start, window.start)
        if self.max_age == 0:
            return nothing
        if stretch.empty is not None:
            return window if stretch.fetched + ABSENCE_MEMORY_S > self.now else nothing
        final = final_until(stretch.fetched, self._reported(stretch))
        until = floor(final, self.grid) if final > window.start else window.start
        return Window(window.start, min(window.end, until))

    def within(self, window: Window) -> list[Window]:
        """Return the stretches of a window that may be served, in order of time."""
        found: list[Window] = []
        for piece in (window.clip(self.good(stretch)) for stretch in self.stretches):
            if piece.seconds and found and found[-1].end == piece.start:
                found[-1] = Window(found[-1].start, piece.end)
            elif piece.seconds:
                found.append(piece)
        return found

    def served_until(self, window: Window) -> int:
        """Return up to when a window that ends by now is worth asking for: what came later is too young.

        That is so after an answer which itself ended by the time of its fetch; after another one, what
        follows was never asked for.
        """
        served = (each for each in reversed(self.stretches) if window.clip(self.good(each)).seconds)
        newest = next(served, None)
        if newest is None or not self.max_age:
            return window.end
        by_then = newest.window.end > newest.fetched - 2 * self.grid
        return min(newest.window.end, window.end) if by_then and self.young(newest.fetched) else window.end

    def empty(self, window: Window) -> Reason | None:
        """Tell why the service has nothing for a window, if that is known."""
        if not self.stretches or self.max_age == 0 or self.exhaustive:
            return None
        newest = max(reversed(self.stretches), key=lambda each: each.fetched)
        if newest.empty is Reason.NO_DEVICE and self.good(newest).seconds:
            return Reason.NO_DEVICE
        started = next((each.started for each in reversed(self.stretches) if each.started), None)
        return Reason.BEFORE_OPERATION if started is not None and window.end <= started else None

    def young(self, fetched: float) -> bool:
        """Tell whether an answer that was fetched then will do, whatever it speaks of."""
        return fetched > self.now or (bool(self.max_age) and fetched >= self.now - (self.max_age or 0.0))
