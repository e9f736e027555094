"""What is held of a series, and how much of it may be served."""

from __future__ import annotations

from functools import cached_property

from attrs import define, field, frozen

from enlighten_async.models.coverage import Reason
from enlighten_async.windows import DAY, Window, floor

HORIZON = 3 * DAY
"""Seconds after which an interval that was reported does not change any more."""

REMEMBERED = DAY
"""Seconds for which it is remembered that there is nothing, such as no device."""


@frozen
class Stretch:
    """A stretch of time that was bought, at once or bit by bit.

    Attributes:
        window: the stretch, within one week of the grid.
        fetched: when the oldest bit of it was fetched, epoch seconds.
        reported: how far the system had reported then, epoch seconds, where known.
        started: when the system went into operation, epoch seconds, where known.
        empty: why the service has nothing for all of it, where it says so: that is remembered for a day.
    """

    window: Window
    fetched: float
    reported: float | None = None
    started: float | None = None
    empty: Reason | None = None

    @property
    def aged(self) -> bool:
        """Whether all of it was old enough not to change any more when it was fetched."""
        return self.empty is None and self.window.end <= self.fetched - HORIZON


@define(frozen=True, slots=False)
class Held:
    """What is held of one series, as one query may use it.

    Final is what was older than the horizon when it was fetched and lies before the system's last report,
    as far as any answer knows of that.

    Attributes:
        stretches: what is held, in order of time.
        grid: seconds from one interval to the next.
        now: the service's time when the query began; what was fetched later will do in any case.
        max_age: seconds for which also what is not final will do; 0: nothing will; `None`: what is final.
    """

    stretches: tuple[Stretch, ...] = ()
    grid: int = field(kw_only=True, default=1)
    now: float = field(kw_only=True, default=0.0)
    max_age: float | None = field(kw_only=True, default=None)

    @cached_property
    def _reported(self) -> float:
        return max((each.reported for each in self.stretches if each.reported is not None), default=0.0)

    def good(self, stretch: Stretch) -> Window:
        """Return the beginning of a stretch that may be served, possibly nothing."""
        window = stretch.window
        if self._young(stretch.fetched):
            return window
        if self.max_age == 0:
            return Window(window.start, window.start)
        if stretch.empty is not None:
            return window if stretch.fetched + REMEMBERED > self.now else Window(window.start, window.start)
        reported = max(self._reported, stretch.reported or 0.0)
        final = floor(min(stretch.fetched - HORIZON, reported), self.grid)
        return Window(window.start, max(window.start, min(window.end, final)))

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
        """Return up to when a window that ends by now is worth asking for: what came later is too young."""
        ends = [piece.end for piece in self.within(window)]
        young = bool(ends) and bool(self.max_age) and ends[-1] >= self.now - (self.max_age or 0.0)
        return ends[-1] if young else window.end

    def empty(self, window: Window) -> Reason | None:
        """Tell why the service has nothing for a window, if that is known."""
        if not self.stretches or self.max_age == 0:
            return None
        newest = self.stretches[-1]
        if newest.empty is Reason.NO_DEVICE and self.good(newest).seconds:
            return Reason.NO_DEVICE
        started = next((each.started for each in reversed(self.stretches) if each.started), None)
        return Reason.BEFORE_OPERATION if started is not None and window.end <= started else None

    def _young(self, fetched: float) -> bool:
        return fetched > self.now or (bool(self.max_age) and fetched >= self.now - (self.max_age or 0.0))
