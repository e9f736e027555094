"""Cached parts: split at the weeks of the grid, and of each interval the newest answer. Pure."""

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
"""Seconds of a week of the grid; weeks are counted from the epoch.

A cached part is at most a week long, so that a new answer rewrites no more than that.
"""

DEVICE_LAG_S = 3600
"""Seconds from the first of a system's devices that reports an interval to the last of them."""

_UNANSWERED = frozenset({Reason.BEYOND_RETENTION, Reason.UNAVAILABLE, Reason.REFUSED, Reason.FAILED})
_NOTHING_THERE = frozenset({Reason.NO_DEVICE, Reason.NO_ROW})


@frozen
class CachedPart(Generic[P]):
    """A part of a series, with the span it answers."""

    span: CachedSpan
    part: P

    @property
    def window(self) -> Window:
        """The range of time it answers."""
        return self.span.window

    def cut(self, window: Window) -> CachedPart[P]:
        """Return the part of a window within its own."""
        if window == self.window:
            return self
        return CachedPart(evolve(self.span, window=window), self.part._slice(window))


def split_window_by_week(window: Window) -> list[Window]:
    """Split a window at the edges of the grid's weeks."""
    first = floor(window.start, WEEK) + WEEK
    edges = [window.start, *range(first, window.end, WEEK), window.end]
    return [Window(a, b) for a, b in pairwise(edges) if a < b]


def split_by_week(part: P, fetched: float) -> Iterator[CachedPart[P]]:
    """Split an answer into the parts to cache, without the windows it does not answer.

    Args:
        part: the answer.
        fetched: time of the answer, epoch seconds.
    """
    coverage, meta, reported_until = part.coverage, part.meta, _reported_until(part)
    operational_at = meta.operational_at.timestamp() if meta and meta.operational_at else None
    unanswered = [gap.window for gap in coverage.gaps() if gap.reason in _UNANSWERED]
    for answered in without(part.window, unanswered):
        for window in split_window_by_week(answered):
            piece = part._slice(window)
            empty_reason = _empty_reason(piece.coverage, reported_until)
            span = CachedSpan(window, fetched, reported_until, operational_at, empty_reason)
            yield CachedPart(span, piece)


def _reported_until(part: SeriesResult) -> float | None:
    """Return the time (epoch seconds) up to which all of a system's devices had reported, where known.

    If an outage began at the last report of the system, some of its devices had fallen silent before: their
    intervals come after the outage, so the last `DEVICE_LAG_S` may still change. An answer that does not
    tell of the last report may end with its last row for that reason, unless its rows reach the end of the
    window.
    """
    until, last = part.coverage.reported_until, part.meta.last_report_at if part.meta else None
    if until is None:
        return None
    if last is None and until >= part.window.end_at:
        return until.timestamp()
    return min(until, (last or until) - timedelta(seconds=DEVICE_LAG_S)).timestamp()


def _empty_reason(coverage: Coverage, reported_until: float | None) -> Reason | None:
    """Return the one reason why there are no rows, where the service says that it has nothing."""
    whole = len(coverage.gaps()) == 1 and coverage.gaps()[0].window == coverage.window
    reason = coverage.gaps()[0].reason if whole else None
    # Where the service tells how far the system has reported, `final_until` judges a window without rows.
    if reason not in _NOTHING_THERE or (reason is Reason.NO_ROW and reported_until is not None):
        return None
    return reason


def parts_within(window: Window, parts: Iterable[CachedPart[P]]) -> tuple[CachedPart[P], ...]:
    """Return the parts of a window, cut to it; `parts` are in order of time."""
    inside = ((each, window.clip(each.window)) for each in parts)
    return tuple(each.cut(piece) for each, piece in inside if piece.seconds)


def overlay(
    cached: Iterable[CachedPart[P]], new: CachedPart[P], join: Callable[[Sequence[P]], P]
) -> list[CachedPart[P]]:
    """Return the parts of one week after a new one: of each interval the answer that was fetched last.

    Args:
        cached: the cached parts of the week, in order of time.
        new: the new part, within the week; it wins over one that was fetched at the same time.
        join: joins parts that lie side by side, oldest first.
    """
    stay, newer = [], []
    for each in cached:
        if each.span.fetched > new.span.fetched:
            newer.append(each.window)
            stay.append(each)
        else:
            stay += [each.cut(window) for window in without(each.window, [new.window])]
    stay += [new.cut(window) for window in without(new.window, newer)]
    joined: list[CachedPart[P]] = []
    for each in sorted(stay, key=lambda each: each.window):
        if joined and (span := _joined_span(joined[-1].span, each.span)) is not None:
            joined[-1] = CachedPart(span, join([joined[-1].part, each.part]))
        else:
            joined.append(each)
    return joined


def _joined_span(first: CachedSpan, second: CachedSpan) -> CachedSpan | None:
    """Return the span of two that lie side by side, if both are final.

    Others stay apart: the time of an answer decides how long it may be served.
    """
    if first.window.end != second.window.start or not (first.final and second.final):
        return None
    return CachedSpan(
        Window(first.window.start, second.window.end),
        max(first.fetched, second.fetched),
        max(first.reported_until or 0.0, second.reported_until or 0.0),
        second.operational_at if second.operational_at is not None else first.operational_at,
    )
