"""Freshness of cached answers: final, fresh enough, or to be requested again. Pure."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from functools import cached_property
from operator import attrgetter

from attrs import define, evolve, field, frozen

from enlighten_async.models.coverage import Reason, earlier
from enlighten_async.models.intervals import Meta
from enlighten_async.windows import DAY, Window, floor

HORIZON_S = 3 * DAY
"""Seconds after which a reported interval does not change any more."""

UNTOLD_HORIZON_S = 30 * DAY
"""The same where no answer tells how far the system had reported."""

RECHECK_S = 3600
"""Seconds for which time older than the horizon that has not been reported is not asked for again, at first.

As long as no answer tells more, they double with each answer, up to a day.
"""

_LAST_REPORT = re.compile(rb'"last_report_at"\s*:\s*[^,}]*')

ABSENCE_MEMORY_S = DAY
"""Seconds for which an answer "there is nothing" holds, such as that there is no such device."""

FOR_EVER, NEVER = float("inf"), float("-inf")

_PASSING = frozenset({Reason.LEFT_OUT, Reason.NOT_REPORTED_YET})
"""The reasons for which there is nothing that a later answer may end at any time."""

_START, _END, _FETCHED = attrgetter("window.start"), attrgetter("window.end"), attrgetter("fetched")
"""Of a span."""


def told_until(meta: Meta | None, fetched: float) -> float | None:
    """Return the time (epoch seconds) up to which all data has come, by a system's state; `None`: untold.

    The last report alone does not tell that, as a gateway makes reports while it uploads its backlog: it
    only tells that nothing later has come.

    Args:
        meta: the state of the system; `None` where the answer has none.
        fetched: time of the answer, epoch seconds.
    """
    told = None if meta is None else earlier(meta.last_report_at, meta.last_energy_at)
    if meta is None or told is None:
        return None
    until = told.timestamp()
    return until if meta.last_energy_at is not None or until < fetched - UNTOLD_HORIZON_S else None


def tells_the_same(body: bytes, before: bytes) -> bool:
    """Tell whether a reply is the one before it but for the last report, which goes on without data."""
    return body == before or _LAST_REPORT.sub(b"", body) == _LAST_REPORT.sub(b"", before)


def final_until(fetched: float, reported_until: float | None) -> float:
    """Return the time (epoch seconds) up to which an answer does not change any more.

    An interval is final when it was older than the horizon and had been reported when it was fetched: a
    gateway that comes back uploads its backlog, oldest first, for hours to days.

    Args:
        fetched: time of the answer, epoch seconds.
        reported_until: time up to which the system had reported then, energy included, epoch seconds;
            `None` if no answer tells.
    """
    if reported_until is None:
        return fetched - UNTOLD_HORIZON_S
    return min(fetched - HORIZON_S, reported_until)


def recheck_at(fetched: float, since: float | None = None) -> float:
    """Return when (epoch seconds) to ask again for time that is older than the horizon and not final.

    After an hour at first. A system that stands still is not asked for ever: each further answer that tells
    no more holds twice as long as the one before it, up to a day.

    Args:
        fetched: time of the newest answer, epoch seconds.
        since: time of the first answer that told no less, epoch seconds; `None`: the newest is the first.
    """
    standing = 0.0 if since is None else max(0.0, fetched - since)
    return fetched + min(float(DAY), RECHECK_S + standing)


def valid_until(
    end: float, fetched: float, meta: Meta | None, since: float | None = None, *, whole: bool = True
) -> float:
    """Return the time (epoch seconds) until which an answer about time up to `end` may be served.

    A final answer may be served for ever, and one that is not though it is older than the horizon until it
    is to be asked for again. Any other one is of the moment it was fetched.

    Args:
        end: end of the time it is about, epoch seconds.
        fetched: time of the answer, epoch seconds.
        meta: the state of the system then; `None` if it does not tell.
        since: time since which answers have been the same, epoch seconds; `None`: this one is the first.
        whole: whether it has every figure that was asked for; else it is never final.
    """
    if whole and end <= final_until(fetched, told_until(meta, fetched)):
        return FOR_EVER
    return recheck_at(fetched, since) if end <= fetched - HORIZON_S else fetched


def absent_until(reason: Reason, fetched: float, since: float | None = None) -> float:
    """Return the time (epoch seconds) until which an answer that there is nothing may be served.

    Args:
        reason: why there is nothing.
        fetched: time of the answer, epoch seconds.
        since: time since which answers have been the same, epoch seconds; `None`: this one is the first.
    """
    if reason is Reason.UNAVAILABLE:
        return fetched
    return recheck_at(fetched, since) if reason in _PASSING else fetched + ABSENCE_MEMORY_S


def day_end_anywhere(day: date) -> float:
    """Return the moment (epoch seconds) at which a local day is over in every time zone.

    The westernmost zone is 12 hours behind UTC.
    """
    return datetime.combine(day, time(), UTC).timestamp() + 1.5 * DAY


@frozen
class CachedSpan:
    """A range of time that was answered by one answer, without the part."""

    window: Window
    """The range, within one week of the grid."""
    fetched: float
    """Time of the answer, epoch seconds."""
    reported_until: float | None = None
    """Time up to which all devices had reported then, epoch seconds; `None` if the answer does not tell."""
    data_begins: float | None = None
    """Time before which the service says that it has nothing, epoch seconds, where it does."""
    empty_reason: Reason | None = None
    """Why it is never final: the service has nothing for all of it, or rows were left out."""
    since: float | None = None
    """Time of the first answer about it that told of no less, epoch seconds; `None`: this one."""

    @property
    def final(self) -> bool:
        """Whether no later answer can differ, as far as its own answer tells."""
        last = final_until(self.fetched, self.reported_until)
        return self.empty_reason is None and self.window.end <= last

    @property
    def held_until(self) -> float:
        """Time (epoch seconds) up to which it was answered and, where told, all devices had reported."""
        told = self.window.end if self.reported_until is None else self.reported_until
        return min(self.window.end, told)


def spans_within(window: Window, spans: Sequence[CachedSpan]) -> Sequence[CachedSpan]:
    """Return the spans that have some of a window; `spans` are in order of time, and do not overlap."""
    first = bisect_right(spans, window.start, key=_END)
    return spans[first : bisect_left(spans, window.end, first, key=_START)]


@define(frozen=True, slots=False)
class SeriesIndex:
    """The cached spans of one series, and the rule of which of them one query may be served."""

    spans: tuple[CachedSpan, ...] = ()
    """The cached spans, in order of time; they do not overlap."""
    grid: int = field(kw_only=True, default=1)
    """Seconds from one interval to the next."""
    now: float = field(kw_only=True, default=0.0)
    """The service's time (epoch seconds) when the query began."""
    max_age: float | None = field(kw_only=True, default=None)
    """Seconds for which also an answer that is not final may be served; 0: no cached answer may be; `None`:
    final ones only.
    """
    newest: float = field(kw_only=True, default=NEVER)
    """Time (epoch seconds) of the newest answer that was cached when the query began, as it was told then: it
    may be wrong.
    """
    shared_since: float = field(kw_only=True, default=FOR_EVER)
    """Time (epoch seconds) since which answers are as good as the query's own: it has waited for a request of
    another process.
    """
    exhaustive: bool = field(kw_only=True, default=False)
    """Whether also windows are requested that are known to be empty."""
    doubts_time: Callable[[], bool] | None = field(kw_only=True, default=None)
    """Tells whether `now` may be wrong; `None`: it is not."""

    def servable(self, span: CachedSpan) -> Window:
        """Return the beginning of a span that may be served, possibly an empty window."""
        window = span.window
        if self.is_fresh(span.fetched):
            return window
        nothing = Window(window.start, window.start)
        if self.max_age == 0:
            return nothing
        if span.empty_reason is not None and span.empty_reason not in _PASSING:
            return window if span.fetched + ABSENCE_MEMORY_S > self.now else nothing
        known = self._known_until(span)
        until = floor(known, self.grid) if known > window.start else window.start
        return Window(window.start, min(window.end, until))

    def _known_until(self, span: CachedSpan) -> float:
        """Return the time (epoch seconds) up to which a span is final, or not worth another request yet."""
        reported, left_out = self._reported_until(span), span.empty_reason is Reason.LEFT_OUT
        newest = self._reports[-1][1] if self._reports else None
        # Where a younger answer tells of more, what was missing may have come; not what was left out.
        outdated = newest is not None and not left_out and (reported is None or newest > reported)
        if not outdated and self.now < recheck_at(span.fetched, span.since):
            return span.fetched - HORIZON_S
        return NEVER if span.empty_reason in _PASSING else final_until(span.fetched, reported)

    def is_fresh(self, fetched: float) -> bool:
        """Tell whether an answer of this time (epoch seconds) may be served, final or not.

        An answer that was fetched after the query began is always fresh: it was fetched for this query, or
        for another one that ran at the same time.
        """
        if fetched > max(self.now, self.newest) or fetched >= self.shared_since:
            return True
        return bool(self.max_age) and fetched >= self.now - (self.max_age or 0.0)

    def begun_after(self, fetched: float) -> SeriesIndex:
        """Return the index of a query that began when an answer of this time (epoch seconds) was cached.

        Where the time is in doubt, it is that of the answer, if that is later: our clock may be behind.
        """
        newest = max(fetched, self.newest)
        behind = newest > self.now and self.doubts_time is not None and self.doubts_time()
        return evolve(self, newest=newest, now=newest if behind else self.now)

    def servable_within(self, window: Window) -> list[Window]:
        """Return the ranges of a window that may be served, in order of time."""
        found: list[Window] = []
        for piece in (window.clip(self.servable(span)) for span in spans_within(window, self.spans)):
            if piece.seconds and found and found[-1].end == piece.start:
                found[-1] = Window(found[-1].start, piece.end)
            elif piece.seconds:
                found.append(piece)
        return found

    def asked_until(self, window: Window) -> int:
        """Return the time (epoch seconds) up to which a window that ends by now is worth a request.

        Intervals after the end of a fresh answer are younger than `max_age`, so the caller can do without
        them; but only if that answer reached up to the moment of its fetch, as time after the end of an
        older range was never requested.
        """
        if not self.max_age:
            return window.end
        near = reversed(spans_within(window, self.spans))
        newest = next((span for span in near if window.clip(self.servable(span)).seconds), None)
        if newest is None:
            return window.end
        up_to_date = newest.window.end > newest.fetched - 2 * self.grid
        recent = up_to_date and self.is_fresh(newest.fetched)
        return min(newest.window.end, window.end) if recent else window.end

    def known_empty(self, window: Window) -> Reason | None:
        """Return the reason why the service has nothing for a window, if it is known to have nothing."""
        if not self.spans or self.max_age == 0 or self.exhaustive:
            return None
        newest = max(reversed(self.spans), key=_FETCHED)
        if newest.empty_reason is Reason.NO_DEVICE and self.servable(newest).seconds:
            return Reason.NO_DEVICE
        later = (span for span in self.spans if (span.data_begins or NEVER) >= window.end)
        return Reason.BEFORE_OPERATION if any(self.servable(span).seconds for span in later) else None

    def _reported_until(self, span: CachedSpan) -> float | None:
        """Return the time up to which the system had reported when a span was fetched.

        Its own answer, or else the last one before it that tells. A younger one may not: the system may have
        filled the span after it was fetched.
        """
        if span.reported_until is not None:
            return span.reported_until
        place = bisect_right(self._reports, (span.fetched, FOR_EVER))
        return self._reports[place - 1][1] if place else None

    @cached_property
    def _reports(self) -> list[tuple[float, float]]:
        """Times of the answers that tell, ascending, and how far each saw the system report."""
        return sorted(
            (span.fetched, span.reported_until) for span in self.spans if span.reported_until is not None
        )
