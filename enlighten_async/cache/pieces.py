"""Cached parts: split at the weeks of the grid, and of each interval the newest answer. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from math import inf
from typing import Generic, TypeVar

from attrs import evolve, frozen

from enlighten_async.cache.freshness import CachedSpan, final_until, told_until
from enlighten_async.models.coverage import Coverage, Reason, data_begins
from enlighten_async.models.intervals import SeriesResult
from enlighten_async.windows import DAY, Window, floor, without

P = TypeVar("P", bound=SeriesResult)

WEEK = 7 * DAY
"""Seconds of a week of the grid; weeks are counted from the epoch.

A cached part is at most a week long, so that a new answer rewrites no more than that.
"""

DEVICE_LAG_S = 3600
"""Seconds from the first of a system's devices that reports an interval to the last of them."""

NEXT_REPORT_S = 900
"""Seconds from one report of a system to the next, at the most while it produces."""

_UNANSWERED = frozenset({Reason.BEYOND_RETENTION, Reason.UNAVAILABLE, Reason.REFUSED, Reason.FAILED})
_NOTHING_THERE = frozenset(
    {Reason.NO_DEVICE, Reason.NO_ROW, Reason.BEFORE_OPERATION, Reason.NOT_REPORTED_YET}
)


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
    coverage, reported_until = part.coverage, _reported_until(part, fetched)
    # An answer with `meta` may call time before operation by a day that was set by hand.
    begins = None if part.meta else data_begins(coverage)
    is_to_come = _reason_of_all(coverage) is Reason.NOT_REPORTED_YET  # as the service itself says
    unanswered = [gap.window for gap in coverage.gaps() if gap.reason in _UNANSWERED]
    for answered in without(part.window, unanswered):
        for window in split_window_by_week(answered):
            piece = part._slice(window)
            empty_reason = _empty_reason(piece.coverage, reported_until)
            old = window.end <= final_until(fetched, None)
            if old and not is_to_come and empty_reason in {Reason.NO_ROW, Reason.NOT_REPORTED_YET}:
                empty_reason = None  # what has stopped is not asked about for ever
            span = CachedSpan(window, fetched, reported_until, begins, empty_reason)
            yield CachedPart(span, piece)


def _reported_until(part: SeriesResult, fetched: float) -> float | None:
    """Return the time (epoch seconds) up to which all of a system's devices had reported, where it is told.

    Only the system's state tells. Its newest row does not: with several devices, or gateways, rows of one
    may come before older ones of another. If an outage began at the last report of the system, some of its
    devices had fallen silent before: their intervals come after the outage, so the last `DEVICE_LAG_S` may
    still change.
    """
    told = told_until(part.meta, fetched)
    return None if told is None else told - DEVICE_LAG_S


def _empty_reason(coverage: Coverage, reported_until: float | None) -> Reason | None:
    """Return why a part is never final: rows were left out, or the service says that it has nothing."""
    if any(gap.reason is Reason.LEFT_OUT for gap in coverage.gaps()):
        return Reason.LEFT_OUT
    reason = _reason_of_all(coverage)
    # Where the service tells how far the system has reported, `final_until` judges a window without rows.
    if reason not in _NOTHING_THERE or (reason is not Reason.NO_DEVICE and reported_until is not None):
        return None
    return reason


def _reason_of_all(coverage: Coverage) -> Reason | None:
    """Return the reason why there is nothing in a whole window; `None` if there is something."""
    gaps = coverage.gaps()
    return gaps[0].reason if len(gaps) == 1 and gaps[0].window == coverage.window else None


def parts_within(window: Window, parts: Iterable[CachedPart[P]]) -> tuple[CachedPart[P], ...]:
    """Return the parts of a window, cut to it; `parts` are in order of time."""
    inside = ((each, window.clip(each.window)) for each in parts)
    return tuple(each.cut(piece) for each, piece in inside if piece.seconds)


def unwritten_spans(
    spans: Sequence[CachedSpan], until: float, in_doubt: Sequence[tuple[float, float]] = ()
) -> list[CachedSpan]:
    """Return the spans of answers that are not written where a system is held up to a moment.

    Such an answer knew of the next report. In doubt also one that knew of no more than another answer before
    it: the last of several devices reports late, so that it may have corrected rows.

    Args:
        spans: the cached spans.
        until: up to when the system is held there, epoch seconds.
        in_doubt: first and last moments, epoch seconds, of the periods in which answers came that may be
            missing there though they knew of no more.
    """
    told = [(span, span.reported_until + DEVICE_LAG_S) for span in spans if span.reported_until is not None]
    more = [span for span, reported in told if reported >= until + NEXT_REPORT_S]
    as_much = [span for span, reported in told if until <= reported < until + NEXT_REPORT_S]
    first = min((span.fetched if span.since is None else span.since for span in as_much), default=inf)
    later = (span for span in as_much if span.fetched > first)
    return more + [each for each in later if any(a <= each.fetched <= b for a, b in in_doubt)]


def overlay(
    cached: Iterable[CachedPart[P]], new: CachedPart[P], join: Callable[[Sequence[P]], P]
) -> list[CachedPart[P]]:
    """Return the parts of one week after a new one: of each interval the answer that was fetched last.

    Args:
        cached: the cached parts of the week, in order of time.
        new: the new part, within the week; it wins over one that was fetched at the same time. One of which
            rows were left out does not replace what is final.
        join: joins parts that lie side by side, oldest first.
    """
    stay, newer = [], []
    cached, left_out = list(cached), new.span.empty_reason is Reason.LEFT_OUT
    new = evolve(new, span=evolve(new.span, since=_same_since(new.span, [each.span for each in cached])))
    for each in cached:
        if each.span.fetched > new.span.fetched or (left_out and each.span.final):
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


def _same_since(new: CachedSpan, cached: Iterable[CachedSpan]) -> float | None:
    """Return the time of the first answer that told of no less than a new one; `None`: no other did."""
    same = (
        each.fetched if each.since is None else each.since
        for each in cached
        if each.window.clip(new.window).seconds
        and each.empty_reason is new.empty_reason
        and (each.reported_until == new.reported_until or new.empty_reason is Reason.LEFT_OUT)
    )
    since = min(same, default=new.fetched)
    return since if since < new.fetched and not new.final else None


def _joined_span(first: CachedSpan, second: CachedSpan) -> CachedSpan | None:
    """Return the span of two that lie side by side, if both are final.

    Others stay apart: the time of an answer decides how long it may be served.
    """
    if first.window.end != second.window.start or not (first.final and second.final):
        return None
    told = [each.reported_until for each in (first, second) if each.reported_until is not None]
    if len(told) == 1:
        return None  # one that tells, and one that is final by its age alone
    return CachedSpan(
        Window(first.window.start, second.window.end),
        max(first.fetched, second.fetched),
        max(told, default=None),
        second.data_begins if second.data_begins is not None else first.data_begins,
    )
