"""Cached parts: cut at the weeks of the grid, and each cell from its newest answer. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Generic, TypeVar

from attrs import evolve, frozen

from enlighten_async.cache.freshness import CachedSpan
from enlighten_async.models.coverage import Coverage, Reason
from enlighten_async.models.intervals import SeriesResult
from enlighten_async.windows import DAY, Window, floor, without

P = TypeVar("P", bound=SeriesResult)

WEEK = 7 * DAY
"""Seconds of a week of the grid; they are counted from the epoch."""

OVERDUE = timedelta(hours=1)
"""How long after the first of a system's devices the last of them reports an interval."""

_UNSPOKEN = frozenset({Reason.BEYOND_RETENTION, Reason.UNAVAILABLE, Reason.REFUSED, Reason.FAILED})
_NOTHING = frozenset({Reason.NO_DEVICE, Reason.NO_ROW})


@frozen
class CachedPart(Generic[P]):
    """A part, and what it is good for."""

    stretch: CachedSpan
    part: P

    @property
    def window(self) -> Window:
        """The stretch of time it is for."""
        return self.stretch.window

    def cut(self, window: Window) -> CachedPart[P]:
        """Return what it holds of a window within its own."""
        if window == self.window:
            return self
        return CachedPart(evolve(self.stretch, window=window), self.part._slice(window))


def weeks(window: Window) -> list[Window]:
    """Cut a window at the edges of the grid's weeks."""
    first = floor(window.start, WEEK) + WEEK
    edges = [window.start, *range(first, window.end, WEEK), window.end]
    return [Window(a, b) for a, b in pairwise(edges) if a < b]


def kept(part: P, fetched: float) -> Iterator[CachedPart[P]]:
    """Return a part as it is kept, without what it does not speak for.

    Args:
        part: what was answered.
        fetched: when, epoch seconds.
    """
    coverage, meta, reported = part.coverage, part.meta, _reported(part)
    started = meta.operational_at.timestamp() if meta and meta.operational_at else None
    unspoken = [gap.window for gap in coverage.gaps() if gap.reason in _UNSPOKEN]
    for spoken in without(part.window, unspoken):
        for window in weeks(spoken):
            piece = part._slice(window)
            empty = _empty(piece.coverage, reported)
            yield CachedPart(CachedSpan(window, fetched, reported, started, empty), piece)


def _reported(part: SeriesResult) -> float | None:
    """Return up to when all that a system had to report was there, epoch seconds, where known.

    If its last report is where an outage began, some of its devices were not heard any more by then: what
    they had to say comes after the outage. An answer that does not tell of the last report may end with its
    last row for that reason, unless that is the end of what was asked for.
    """
    until, last = part.coverage.reported_until, part.meta.last_report_at if part.meta else None
    if until is None:
        return None
    if last is None and until >= part.window.end_at:
        return until.timestamp()
    return min(until, (last or until) - OVERDUE).timestamp()


def _empty(coverage: Coverage, reported: float | None) -> Reason | None:
    """Return the one reason why there are no rows, where the service says that it has nothing."""
    whole = len(coverage.gaps()) == 1 and coverage.gaps()[0].window == coverage.window
    reason = coverage.gaps()[0].reason if whole else None
    if reason not in _NOTHING or (reason is Reason.NO_ROW and reported is not None):
        return None
    return reason


def cut_to(window: Window, pieces: Iterable[CachedPart[P]]) -> tuple[CachedPart[P], ...]:
    """Return what pieces, in order of time, hold of a window."""
    inside = ((each, window.clip(each.window)) for each in pieces)
    return tuple(each.cut(part) for each, part in inside if part.seconds)


def overlay(
    old: Iterable[CachedPart[P]], new: CachedPart[P], merge: Callable[[Sequence[P]], P]
) -> list[CachedPart[P]]:
    """Return what is kept of one week: of each cell the answer that was fetched last.

    Args:
        old: what was kept of it, in order of time.
        new: an answer for a stretch of it.
        merge: joins parts that lie side by side, oldest first.
    """
    stay, newer = [], []
    for each in old:
        if each.stretch.fetched > new.stretch.fetched:
            newer.append(each.window)
            stay.append(each)
        else:
            stay += [each.cut(window) for window in without(each.window, [new.window])]
    stay += [new.cut(window) for window in without(new.window, newer)]
    joined: list[CachedPart[P]] = []
    for each in sorted(stay, key=lambda each: each.window):
        if joined and (both := _both(joined[-1], each)) is not None:
            joined[-1] = CachedPart(both, merge([joined[-1].part, each.part]))
        else:
            joined.append(each)
    return joined


def _both(first: CachedPart[P], second: CachedPart[P]) -> CachedSpan | None:
    """Return what two that lie side by side are good for together, if both are final."""
    one, two = first.stretch, second.stretch
    if one.window.end != two.window.start or not (one.final and two.final):
        return None
    return CachedSpan(
        Window(one.window.start, two.window.end),
        max(one.fetched, two.fetched),
        max(one.reported or 0.0, two.reported or 0.0),
        two.started if two.started is not None else one.started,
    )
