"""Events and alarms in v4: ranges of time in windows of a week, each row once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from zoneinfo import ZoneInfo

from attrs import evolve, field, frozen

from enlighten_async import models
from enlighten_async.api import decode
from enlighten_async.api.error_bodies import longest_range
from enlighten_async.api.series import LearnedSpans, RangeFacts
from enlighten_async.api.single import SinglePlan, read_object
from enlighten_async.cache import SeriesIndex
from enlighten_async.errors import EnlightenError, InputError, RangeError
from enlighten_async.models.convert import RowSequence
from enlighten_async.models.coverage import Coverage, Gap, Reason, combined, nothing_missing
from enlighten_async.models.receipt import Receipt
from enlighten_async.query.plan import Part, QueryPlan, Segment, Segments, with_kept
from enlighten_async.windows import DAY, Moment, Window, as_datetime, epoch, split, without
from enlighten_async.wire import Params, Request, Requests, Response

if TYPE_CHECKING:
    from enlighten_async.models import Alarm, Alarms, Event, Events, EventTypes

WEEK = 7 * DAY
"""Seconds of the longest range that one request may ask for."""

RETENTION_S = 273 * DAY
"""Seconds for which the service keeps events: nine months, the shortest there are."""

SURE_RETENTION_S = 181 * DAY
"""Seconds for which it keeps them by another of its notes: six months."""

RETENTION_MARGIN_S = 3_600
"""Seconds kept from the limit of retention, which moves on while a request waits for its turn."""

CLOCK_BEHIND_S = 3_600
"""Seconds by which our clock may differ from the service's before a range ends by the service's."""

R = TypeVar("R", "Event", "Alarm")
A = TypeVar("A", "Events", "Alarms")


@frozen
class EventLog(Generic[R, A]):
    """One endpoint that lists events of a range of time.

    Attributes:
        name: the API's name of it.
        page: returns the model of a response; loads its module.
        answer: returns the class of an answer, made of the system, rows, coverage, the time it was fetched,
            and a receipt.
        key: returns the identity of a row, which several responses may have.
        times: returns the start and the end of a row's event.
    """

    name: str
    page: Callable[[], type[RowSequence[R]]]
    answer: Callable[[], Callable[..., A]]
    key: Callable[[R], object]
    times: Callable[[R], tuple[datetime | None, datetime | None]]

    def plan(
        self,
        system_id: int,
        start_time: Moment,
        end_time: Moment | None,
        params: Params = (),
        spans: LearnedSpans | None = None,
    ) -> EventsPlan[R, A]:
        """Return the plan of a query for a range.

        Args:
            system_id: the system.
            start_time: its start.
            end_time: its end; `None`: now.
            params: parameters beside the range.
            spans: the lengths of ranges that the service has named in earlier queries.

        Raises:
            InputError: an end is no instant, or they are the wrong way round.
        """
        start = epoch(start_time, "start_time")
        end = None if end_time is None else epoch(end_time, "end_time")
        if end is not None and end < start:
            raise InputError(f"end_time {end_time} is before start_time {start_time}: swap them")
        return EventsPlan(self, system_id, start, end, params, spans or LearnedSpans())

    def newest_of_each(self, parts: Sequence[A]) -> tuple[R, ...]:
        """Return the rows of all parts, oldest first, each as its newest response has it.

        An event that reaches over several windows may be in several responses; that it is over is newer
        than that it is not.
        """
        known: dict[object, R] = {}
        for row in self._by_fetch(parts):
            before = known.get(self.key(row))
            if before is None or self.times(before)[1] is None or self.times(row)[1] is not None:
                known[self.key(row)] = row
        return tuple(sorted(known.values(), key=lambda row: self.times(row)[0] or _EPOCH))

    @staticmethod
    def _by_fetch(parts: Sequence[Any]) -> list[R]:
        """Return the rows of all parts, those fetched first first."""
        return [row for part in sorted(parts, key=lambda part: part.as_of or _EPOCH) for row in part]


_EPOCH = as_datetime(0)
"""Stands for the time of what has none: earlier than any."""


@frozen
class EventsPlan(QueryPlan[A, A], Generic[R, A]):
    """The plan of a query for the events of a range: one request per week, or as long as the service allows.

    Attributes:
        log: the endpoint.
        system_id: the system.
        start: epoch seconds.
        end: epoch seconds; `None`, or later than now: now.
        params: parameters beside the range.
        spans: the lengths of ranges that the service has named in earlier queries.
        facts: the facts about ranges that the service has told meanwhile.
    """

    log: EventLog[R, A]
    system_id: int
    start: float
    end: float | None
    params: Params
    spans: LearnedSpans = field(eq=False, repr=False)
    facts: RangeFacts = field(init=False, eq=False, repr=False, factory=partial(RangeFacts, WEEK))

    @property
    def name(self) -> str:
        """The API's name of the endpoint."""
        return self.log.name

    def load(self) -> None:
        """Load the modules that the answer needs."""
        decode.load(self.log.page)

    def segments(self, now: float, zone: ZoneInfo | None, cached: SeriesIndex) -> Segments:
        """Return one segment per week; what is older than the service keeps is not asked for."""
        self.facts.span = span = min(self.facts.span, self.spans.of(self.log.name, WEEK, now))
        end = now if self.end is None else min(self.end, now)
        window = Window(int(self.start), max(int(self.start), int(end)))
        retained = window.clip(Window(_oldest(now), window.end))
        gone = Window(window.start, retained.start)
        doubted = not retained.seconds and cached.doubts_time and cached.doubts_time()
        if doubted and gone.seconds:  # the service's answer to its newest week tells
            retained = Window(max(gone.start, gone.end - span), gone.end)
            gone = Window(gone.start, retained.start)
        weeks = split(retained, span)
        return Segments(
            tuple(Segment(self._requests(week, last=week == weeks[-1]), week) for week in weeks),
            window=window,
            unasked=(Gap(gone, Reason.BEYOND_RETENTION),) if gone.seconds else (),
            pruned=len(split(gone, span)),
        )

    def reopened(self, layout: Segments, now: float) -> Segments:
        """Return a layout with what it left out as too old, though the service has it by its own time."""

        def asking(wanted: Sequence[Window]) -> list[Segment]:
            weeks = (week for each in wanted for week in split(each, self.facts.span))
            return [Segment(self._requests(week), week) for week in weeks]

        return with_kept(layout, _oldest(now), asking)

    def is_outdated(self, window: Window) -> bool:
        """Tell whether a window is longer than the service allows, as it has said meanwhile."""
        return window.seconds > self.facts.span

    def skip(self, part: A, window: Window) -> Reason | None:
        """Tell by a part that a window has not come yet by the service's clock."""
        now, gaps = part.coverage.as_of, part.coverage.gaps()
        ahead = now is not None and window.start >= now.timestamp()
        told = any(gap.reason is Reason.NOT_REPORTED_YET for gap in gaps)
        return Reason.NOT_REPORTED_YET if ahead and told else None

    def merge(self, parts: Sequence[Part], gaps: Sequence[Gap], receipt: Receipt, window: Window | None) -> A:
        """Return the events of all parts, each once."""
        covered: list[Coverage] = [part.coverage for part in parts]
        if window is None:
            window = Window(covered[0].window.start, covered[-1].window.end)
        end = max([window.end, *(each.window.end for each in covered)])
        now = max((each.as_of for each in covered if each.as_of), default=None)
        if self.end is None and now is not None and now.timestamp() + CLOCK_BEHIND_S < end:
            end = max(window.start, int(now.timestamp()))  # our clock is ahead
        coverage = combined(covered, Window(window.start, max(end, window.end)), 1, gaps)
        coverage = coverage.cut(Window(window.start, end)) if end < window.end else coverage
        rows = self.log.newest_of_each(parts)
        return self.log.answer()(self.system_id, rows, coverage, coverage.as_of, receipt)

    def items(self, part: A) -> tuple[A, ...]:
        """Return the part: a stream hands out one per week, none for a range refused as too long."""
        return (part,) if part.coverage.window.seconds else ()

    def _requests(self, window: Window, *, last: bool = False) -> Requests[A]:
        """Ask for a window, and for what a response did not speak for, in shorter ones if it was too long.

        The last one goes on to the service's now where our clock is far behind it.
        """
        left: list[Window] = [window] if window.seconds else []
        while left:
            *later, asked = split(left.pop(), self.facts.span)[::-1]
            left += later
            part = yield self._request(asked)
            if part is None:
                left.append(asked)
                continue
            now: int = self._until(part)
            if last and now >= window.end + CLOCK_BEHIND_S:
                left, last = [Window(window.end, now), *left], False
            left += without(asked, [part.coverage.window])[::-1]

    def _until(self, part: A) -> int:
        """Return the end of the range by the time of a part, as far as it was asked for."""
        now = 0.0 if part.coverage.as_of is None else part.coverage.as_of.timestamp()
        return int(now if self.end is None else min(self.end, now))

    def _request(self, window: Window) -> Request[A]:
        return Request(
            self.log.name,
            f"/systems/{self.system_id}/{self.log.name}",
            (("start_time", str(window.start)), ("end_time", str(window.end)), *self.params),
            partial(self._decode, window),
            window,
            partial(self._empty_answer_for, window),
        )

    def _decode(self, window: Window, response: Response) -> A:
        system_id = self.system_id
        page: Any = decode.value(
            self.log.page(), response, defaults={"system_id": system_id}, system_id=system_id
        )
        coverage = Coverage(window, 1, as_of=page.as_of)
        if not page.complete:
            note = "items that cannot be read were left out"
            coverage = evolve(coverage, gaps=(nothing_missing(window),), notes=(note,))
            decode.warn_incomplete(self.log.name, system_id, [note])
        return self.log.answer()(page.system_id, tuple(page), coverage, page.as_of)

    def _empty_answer_for(self, window: Window, error: EnlightenError) -> A | None:
        """Return the part for the end of a window for which there can be nothing, if a 422 is about that.

        Or for nothing of it, if it is too long: it is asked for in pieces.
        """
        if (span := longest_range(error, window.seconds)) is not None:
            self.facts.span = min(self.facts.span, span)
            if isinstance(error, RangeError) and error.response is not None and error.response.date:
                self.spans.learn(self.log.name, self.facts.span, error.response.date)
            return self.log.answer()(
                self.system_id, (), Coverage(Window(window.start, window.start), 1), None
            )
        response = error.response if isinstance(error, RangeError) else None
        if response is None or response.status != 422 or response.date is None:
            return None
        gap = _impossible(window, int(response.date))
        if gap is None:
            return None
        as_of, note = decode.fetched_at(response), f"the service said: {error}"
        return self.log.answer()(
            self.system_id, (), Coverage(gap.window, 1, (gap,), as_of, notes=(note,)), as_of
        )


def _oldest(now: float) -> int:
    """Return the moment from which on the service has events, with a margin."""
    return int(now - RETENTION_S + RETENTION_MARGIN_S)


def _impossible(window: Window, now: int) -> Gap | None:
    """Return the end of a window that may be too old, or that has not come yet by the service's clock."""
    limit = now - SURE_RETENTION_S
    if window.end > now:
        return Gap(Window(max(window.start, now), window.end), Reason.NOT_REPORTED_YET)
    if window.start < limit:
        return Gap(Window(window.start, min(limit, window.end)), Reason.BEYOND_RETENTION)
    return None


def _event_key(event: Event) -> object:
    if event.event_start_time is None:
        return event  # what is known of it has to be the same
    return (event.event_type_id, event.event_start_time, event.serial_number)


def _event_times(event: Event) -> tuple[datetime | None, datetime | None]:
    return (event.event_start_time, event.event_end_time)


def _alarm_key(alarm: Alarm) -> object:
    return alarm.id or (alarm.event_type_id, alarm.alarm_start_time)


def _alarm_times(alarm: Alarm) -> tuple[datetime | None, datetime | None]:
    return (alarm.alarm_start_time, alarm.alarm_end_time)


EVENTS: EventLog[Event, Events] = EventLog(
    "events", lambda: models.OpenEvents, lambda: models.Events, _event_key, _event_times
)
"""Events of a system and its devices."""

ALARMS: EventLog[Alarm, Alarms] = EventLog(
    "alarms", lambda: models.OpenAlarms, lambda: models.Alarms, _alarm_key, _alarm_times
)
"""Alarms: events that somebody has to attend to."""


def cleared_params(cleared: object) -> Params:
    """Return the parameter that chooses between alarms that are over and those that are not.

    Args:
        cleared: whether alarms are wanted that are over; the service takes `None` for no.

    Raises:
        InputError: it is not a bool.
    """
    if cleared is not None and not isinstance(cleared, bool):
        raise InputError(f"cleared must be True, False or None, not {cleared!r}")
    return () if cleared is None else (("cleared", str(cleared).lower()),)


def event_types_plan(event_type_id: object) -> SinglePlan[EventTypes]:
    """Return the plan of a query for all types of events, or for one of them.

    Raises:
        InputError: the id is not a number.
    """
    if event_type_id is not None and not _is_natural(event_type_id):
        raise InputError(f"event_type_id must be a number such as 28, not {event_type_id!r}")
    params = () if event_type_id is None else (("event_type_id", str(event_type_id)),)
    read = partial(read_object, lambda: models.EventTypes)
    return SinglePlan(Request("event_types", "/systems/event_types", params, read), lambda: models.EventTypes)


def _is_natural(given: object) -> bool:
    text = str(given)
    return isinstance(given, int | str) and not isinstance(given, bool) and text.isascii() and text.isdigit()
