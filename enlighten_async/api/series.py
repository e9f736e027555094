"""Endpoints that answer in intervals: planned by windows, requested, and merged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar, Unpack
from zoneinfo import ZoneInfo

from attrs import Factory, define, evolve, field, frozen

from enlighten_async.api.decode import warn_incomplete
from enlighten_async.api.error_bodies import FUTURE_RANGE, INVALID_RANGE, longest_range, says_no_device
from enlighten_async.api.ranges import HOUR, LONGEST_DAY_S, Range, SeriesLimits, TimeRange
from enlighten_async.cache import SeriesIndex, split_window_by_week
from enlighten_async.errors import APIError, EnlightenError, RangeError, Unavailable
from enlighten_async.models.coverage import Coverage, Gap, Reason, data_begins, explained
from enlighten_async.models.intervals import SeriesResult, Steps, finish, merge_in_steps, merge_parts
from enlighten_async.models.receipt import Receipt
from enlighten_async.query.plan import QueryPlan, Segment, Segments, with_kept
from enlighten_async.windows import DAY, Window, as_datetime, floor, known_zone, local_days, without
from enlighten_async.wire import Request, Response, SeriesKey, WindowRequests

S = TypeVar("S", bound=SeriesResult)

CLOCK_BEHIND_S = HOUR
"""Seconds by which our clock may be behind the service's before more is asked for, up to its now."""

MAX_SMALL_STEPS = 3
"""Responses in a row without rows that speak for less than a day of a longer window: the rest is given up.

Where they are of an hour or more, or others of their length bring rows, it is after a day of them.
"""


NO_CONTENT = "an answer came without content"
"""The note of an empty answer (204) of which it is not documented what it says."""

SPAN_MEMORY_S = DAY
"""Seconds for which it holds that the service refused a range as too long."""


@define(eq=False)
class LearnedSpans:
    """The lengths of ranges, shorter than the documented, that the service named when it refused longer ones.

    Each holds for a day, and for all systems: a request of the documented length then tells whether it still
    does.
    """

    _spans: dict[str, tuple[int, float]] = Factory(dict)

    def learn(self, endpoint: str, span: int, now: float) -> None:
        """Note the seconds that one request may ask for, by an answer of this time (epoch seconds)."""
        self._spans[endpoint] = span, now

    def of(self, endpoint: str, longest: int, now: float) -> int:
        """Return the seconds that one request may ask for; `longest`, as documented, if none were named."""
        span, learned = self._spans.get(endpoint, (longest, now))
        return min(span, longest) if abs(now - learned) < SPAN_MEMORY_S else longest


@define(eq=False)
class RangeFacts:
    """The facts about ranges that the service has told while a query runs; all its segments share them.

    Attributes:
        span: seconds that one request may ask for: the limit known of the endpoint, or a shorter one that the
            service named when it refused a range as too long.
        valid_from: start of the earliest range so far that the service took for valid, epoch seconds.
        patience: small steps in a row without rows after which the rest of a window is given up.
        answered: windows that the service has answered itself; cached parts are as short as they may be.
    """

    span: int
    valid_from: int | None = None
    patience: int = MAX_SMALL_STEPS
    answered: set[Window] = Factory(set)

    def small_step(self, part: SeriesResult, before: int) -> int:
        """Return the small steps in a row without rows, with that of a part; a night may be without any."""
        size, has_rows = part.window.seconds, part._last is not None
        if has_rows or (self.patience and size >= HOUR):
            self.patience = max(self.patience, DAY // size)
        return 0 if has_rows else before + 1


@frozen
class SeriesRequests(Generic[S]):
    """The requests of one endpoint about one system, and the parts that their responses stand for.

    Attributes:
        endpoint: the endpoint.
        system_id: the system.
        time_zones: names of systems' time zones, as far as they are known.
        spans: the lengths of ranges that the service has named in earlier queries.
        facts: the facts about ranges that the service has told meanwhile.
    """

    endpoint: SeriesEndpoint[S]
    system_id: int
    time_zones: Mapping[int, str]
    spans: LearnedSpans = field(factory=LearnedSpans, eq=False, repr=False)
    facts: RangeFacts = field(
        init=False,
        eq=False,
        repr=False,
        default=Factory(lambda self: RangeFacts(self.endpoint.limits.span), takes_self=True),
    )

    @property
    def zone(self) -> ZoneInfo | None:
        """The system's time zone, where it is known and has a name that we know."""
        return known_zone(self.time_zones, self.system_id)

    @property
    def series(self) -> SeriesKey[S] | None:
        """The key under which parts are cached; pages, which hold some of the devices, are not."""
        endpoint, limits = self.endpoint, self.endpoint.limits
        if endpoint.paged:
            return None
        return SeriesKey(
            limits.name,
            self.system_id,
            endpoint.device,
            grid=limits.grid,
            load=endpoint.model,
            join=self._join,
        )

    def segment(
        self, window: Window | None, *, newest: bool = False, asked: Range | None = None
    ) -> WindowRequests[S]:
        """Ask for a window, and for the rest of it where a response spoke for a part of it only.

        Returns the rest that is given up, as the service answers it in too small steps.

        Args:
            window: the window; `None` leaves it to the service, which answers for the system's own today.
            newest: whether it ends by now.
            asked: the range that the caller gave, which may end later than our clock's now.
        """
        if window is None:
            yield self.request(None)
            return None
        facts, steps = self.facts, 0
        while window.start < window.end and steps <= facts.patience:
            piece = window if window.end - window.start <= facts.span else self._first_piece(window)
            part = yield self.request(piece, newest=newest and piece == window, wanted=window)
            if part is None:
                continue
            answered, fetched = part.window, part.coverage.as_of
            if part.meta or part.total_devices:
                facts.valid_from = min(answered.start, facts.valid_from or answered.start)
            short = 0 < answered.end - answered.start < min(DAY - HOUR, window.end - window.start)
            steps = facts.small_step(part, steps) if short and piece in facts.answered else 0
            if answered.start == window.start:
                window = Window(answered.end, window.end)
            else:  # its end has not come yet, by the clock of the service
                window, newest = Window(window.start, answered.start), True
            behind = newest and fetched and fetched.timestamp() >= window.end + CLOCK_BEHIND_S
            if behind and fetched and asked and not _has_not_come(part):
                window = self._later(window, fetched.timestamp(), asked)
        if window.start == window.end:
            return None
        facts.patience = 0
        return window

    def _first_piece(self, window: Window) -> Window:
        """Return as much of a window as one request may ask for; a cached window may be longer than that."""
        limits, span = self.endpoint.limits, self.facts.span
        if span < limits.span:
            return Window(window.start, window.start + span)
        return limits.pieces([window], self.zone, local=False)[0]

    def _later(self, rest: Window, now: float, asked: Range) -> Window:
        """Return the rest of a window that ends by our now, as far as the range that the caller gave goes.

        It is asked for up to the service's now where our clock is far behind it, request by request: the
        next answer may show that the time of this one was wrong.
        """
        grid = self.endpoint.limits.grid
        end = min(floor(now, grid), asked.until(self.zone, grid), rest.start + self.facts.span)
        return Window(rest.start, max(rest.end, end))

    def request(
        self, window: Window | None, *, newest: bool = False, wanted: Window | None = None
    ) -> Request[S]:
        """Return the request for one window.

        Args:
            window: the window; `None` leaves it to the service.
            newest: whether it ends by now.
            wanted: all that is wanted from its beginning on.
        """
        limits, series = self.endpoint.limits, self.series
        return Request(
            limits.name,
            limits.path.format(self.system_id),
            () if window is None else limits.params(window, newest=newest),
            self._today_part if window is None else partial(self._part, window=window),
            window,
            partial(self.empty_answer_for, window=window),
            partial(self._beyond_retention, window),
            series=series,
            wanted=wanted or window,
        )

    def read(self, response: Response, window: Window | None) -> S:
        """Return the rows of a response within a window; `None`: those of the system's own today."""
        endpoint, limits = self.endpoint, self.endpoint.limits
        if window is None and response.date is not None and (today := self._today(response.date)).seconds:
            limits = evolve(limits, begun=today.start)
        return endpoint.decode()(limits, response, self.system_id, window, **endpoint.attributes)

    def empty(self, gaps: Sequence[Gap], window: Window, until: float | None = None) -> S:
        """Return an answer without rows, with these gaps; `until` is how far the system had reported."""
        reported = None if until is None else as_datetime(until)
        coverage = Coverage(window, self.endpoint.limits.grid, tuple(gaps), reported_until=reported)
        return self.endpoint.model().empty(self.system_id, coverage, **self.endpoint.attributes)

    def with_timezone(self, part: S) -> S:
        """Return a part with the name of the system's time zone, where it is known."""
        name = self.time_zones.get(self.system_id)
        return part if name is None else part._with_timezone(name)

    def _join(self, parts: Sequence[S]) -> S:
        window = Window(parts[0].window.start, parts[-1].window.end)
        return merge_parts(parts, self.empty((), window))

    # Responses

    def _part(self, response: Response, window: Window) -> S:
        """Return the part of a response, for as much of its window as it speaks for."""
        endpoint, limits = self.endpoint, self.endpoint.limits
        self.facts.answered.add(window)
        part = endpoint.decode()(limits, response, self.system_id, window, **endpoint.attributes)
        blanks = [gap.window for gap in part.coverage._gaps]
        if limits.cut == "error" and not any(blank.end - blank.start >= DAY - HOUR for blank in blanks):
            return part  # the service refuses, as a rule, what it does not answer in full
        if (last := part._last) is not None:
            until = limits.answered_until(part.window, last)
            cut = until < part.window.end and _may_have_reported(part, last + HOUR)
            return self.read(response, Window(window.start, until)) if cut else part
        gone = self._beyond_retention(window, response.date)
        return part if gone is None else _fetched(gone, response.date)

    def _today_part(self, response: Response) -> S:
        """Return the part of a response for the range that its rows span; without any, for today."""
        part = self.read(response, None)
        if part._last is not None or response.date is None:
            return part
        today = self._today(response.date)
        if today.seconds:
            return self.read(response, today)
        # Without the time zone it is not known when today began: the reason is given all the same.
        newest = Window(today.end - self.endpoint.limits.grid, today.end)
        part = self.read(response, newest)
        gaps = tuple(Gap(today, gap.reason) for gap in part.coverage.gaps())
        return evolve(part, window=today, coverage=evolve(part.coverage, window=today, gaps=gaps))

    def _today(self, now: float) -> Window:
        """Return the system's own today so far; an empty window where its time zone is not known."""
        grid, zone = self.endpoint.limits.grid, self.zone
        end = floor(now, grid)
        if zone is None:
            return Window(end, end)
        day = datetime.fromtimestamp(now, zone).date()
        return Window(min(end, floor(local_days(day, day, zone).start, grid)), end)

    def _beyond_retention(self, window: Window | None, date: float | None) -> S | None:
        """Return the empty part for the beginning of a window that the service does not keep any more.

        The service then answers an empty list, or an error, for the whole of the window, also where only its
        beginning is too old: the response speaks for that beginning, and the rest is asked for again.
        """
        limit = None if date is None else self.endpoint.limits.oldest(date)
        if window is None or limit is None or window.start >= limit:
            return None
        gone = Window(window.start, min(limit, window.end))
        return self.empty([Gap(gone, Reason.BEYOND_RETENTION)], gone)

    # Errors that stand for an empty answer

    def empty_answer_for(self, error: EnlightenError, window: Window | None) -> S | None:
        """Return the empty part that a documented error stands for, if its range is known."""
        if not isinstance(error, APIError):
            return None
        date = None if error.response is None else error.response.date
        if window is not None:
            self.facts.answered.add(window)
        part = self._empty_range(error, window, date)
        if part is None:
            part = self._empty_for_reason(error, window, date)
        return None if part is None else _fetched(part, date)

    def _empty_for_reason(self, error: APIError, window: Window | None, date: float | None) -> S | None:
        """Return the empty part of an error that gives one reason for the whole range."""
        reason = self._reason(error)
        if window is None and reason is not Reason.UNAVAILABLE:
            window = None if date is None else self._today(date)
        if reason is None or window is None:
            return None
        part = self.empty([Gap(window, reason)], window)
        if reason is not Reason.LEFT_OUT:
            return part
        warn_incomplete(self.endpoint.limits.name, self.system_id, [NO_CONTENT])
        return evolve(part, coverage=evolve(part.coverage, notes=(NO_CONTENT,)))

    def _reason(self, error: APIError) -> Reason | None:
        """Return the reason for which the whole of a range is empty, if an error gives one."""
        limits = self.endpoint.limits
        if says_no_device(error) or (limits.absent and limits.absent in str(error).lower()):
            return Reason.NO_DEVICE
        if error.status == 204:
            return limits.no_content
        return Reason.UNAVAILABLE if isinstance(error, Unavailable) and error.status == 500 else None

    def _empty_range(self, error: APIError, window: Window | None, date: float | None) -> S | None:
        """Return the part that an error about a range stands for: too long, too old, or without data."""
        gone = self._beyond_retention(window, date) if isinstance(error, RangeError) else None
        if gone is not None:
            return gone
        text = str(error)
        if INVALID_RANGE in text:
            return self._outside_data(error, window, date)
        if window is None:
            return None
        if FUTURE_RANGE in text:
            # Ranges end by now: this one was asked for by a clock that is ahead. Its beginning, if it has
            # come by the service's clock, has to be asked for again.
            now = floor(date or 0.0, self.endpoint.limits.grid)
            tail = Window(now, window.end) if window.start < now < window.end else window
            return self.empty([Gap(tail, Reason.NOT_REPORTED_YET)], tail)
        return self._too_long(error, window, date)

    def _too_long(self, error: APIError, window: Window, date: float | None) -> S | None:
        """Return a part for nothing of a window that is refused as too long: it is asked for in pieces."""
        span = longest_range(error, window.seconds)
        if span is None:
            return None
        self.facts.span = min(self.facts.span, span)
        if date is not None:
            self.spans.learn(self.endpoint.limits.name, self.facts.span, date)
        return self.empty((), Window(window.start, window.start))

    def _outside_data(self, error: APIError, window: Window | None, date: float | None) -> S | None:
        """Return the empty part of a range that lies outside of a system's data, if the range is known."""
        facts = error if isinstance(error, RangeError) else RangeError("")
        asked = window or self._declared_range(facts)
        if asked is None:  # today, of which there is nothing yet
            today = None if date is None else self._today(date)
            return None if today is None else self.empty([Gap(today, Reason.NOT_REPORTED_YET)], today)
        grid, first, last = self.endpoint.limits.grid, facts.first_interval, facts.last_interval
        # Both are ends of intervals that exist: the first one began one interval before.
        started = self._begins_after(asked) if first is None else first - grid
        return self.empty(explained(asked, grid, started, last), asked, last)

    def _begins_after(self, window: Window) -> int | None:
        """Return when data begins, at the earliest, if an invalid range lies before a valid one."""
        valid = self.facts.valid_from
        return window.end if valid is not None and window.end <= valid else None

    def _declared_range(self, error: RangeError) -> Window | None:
        """Return the range that an error names: shortly after midnight, "today" is one without data yet."""
        if error.start_at is None or error.end_at is None:
            return None
        limits = self.endpoint.limits
        start, end = floor(error.start_at, limits.grid), floor(error.end_at, limits.grid)
        return Window(start, end) if 0 <= end - start <= LONGEST_DAY_S else None


@frozen
class SeriesEndpoint(Generic[S]):
    """One endpoint that answers in intervals.

    Attributes:
        limits: the service's limits of it.
        model: returns the type of its parts and of its answer; loads its module.
        decode: returns what decodes a response for a window, where `None` leaves the range to what the
            response spans; loads its module.
        device: serial number of the device it is about; empty if it is about the whole system.
        paged: whether a window is answered page by page.
        attributes: the attributes of every answer that the endpoint itself tells.
    """

    limits: SeriesLimits
    model: Callable[[], type[S]]
    decode: Callable[[], Callable[..., S]]
    device: str = ""
    attributes: Mapping[str, str] = field(init=False, eq=False)
    paged: ClassVar[bool] = False
    requests_class: ClassVar[type[SeriesRequests[Any]]] = SeriesRequests

    @attributes.default
    def _attributes(self) -> Mapping[str, str]:
        return {"serial_number": self.device} if self.device else {}

    def plan(
        self,
        system_id: int,
        time_zones: Mapping[int, str],
        spans: LearnedSpans | None = None,
        **range_: Unpack[TimeRange],
    ) -> SeriesPlan[S]:
        """Return the plan of a query for the intervals of a system.

        Args:
            system_id: the system.
            time_zones: names of systems' time zones, as far as they are known.
            spans: the lengths of ranges that the service has named in earlier queries.
            range_: the range of time; nothing is the system's own today.

        Raises:
            InputError: the range makes no sense.
        """
        asked = Range.of(self.limits.name, **range_)
        requests = self.requests_class(self, system_id, time_zones, spans or LearnedSpans())
        local = asked.local if asked else not self.limits.knows_today
        return SeriesPlan(requests, asked, system_id if local else None, requests.series)


@frozen
class SeriesPlan(QueryPlan[S, S]):
    """The plan of a query for the intervals of a system over a range of time.

    Attributes:
        requests: makes the requests.
        range: the range as the caller gave it; `None` for the system's own today, so far.
        zone_of: the system, where its local days are asked for and the service does not know them by itself.
        series: the key under which the parts are cached.
    """

    requests: SeriesRequests[S]
    range: Range | None
    zone_of: int | None
    series: SeriesKey[S] | None

    @property
    def name(self) -> str:
        """The API's name of the endpoint."""
        return self.requests.endpoint.limits.name

    def load(self) -> None:
        """Load the modules that the answer needs."""
        self.requests.endpoint.model()
        self.requests.endpoint.decode()

    def question(self, now: float) -> str:
        """Return the endpoint, the system and the range."""
        requests = self.requests
        of_range = "its today" if self.range is None else str(self.range)
        return f"{requests.endpoint.limits.name} of system {requests.system_id}, {of_range}"

    def segments(self, now: float, zone: ZoneInfo | None, cached: SeriesIndex) -> Segments:
        """Return the fewest windows for all that is neither cached nor known to be empty."""
        requests, limits = self.requests, self.requests.endpoint.limits
        if zone is None and requests.system_id in requests.time_zones:
            zone = requests.zone
        # Today as it was some minutes ago may be cached; today as it is now is not.
        if self.range is None and limits.knows_today and not (cached.max_age and zone):
            return Segments((Segment(requests.segment(None)),), open_ended=requests.endpoint.paged)
        requests.facts.span = min(requests.facts.span, requests.spans.of(limits.name, limits.span, now))
        if requests.facts.span < limits.span:
            limits = evolve(limits, span=requests.facts.span)
        asked = self.range or Range.today(now, zone)
        window, newest = asked.window(now, zone, limits.grid), floor(now, limits.grid)
        if window.start > newest and cached.doubts_time and cached.doubts_time():
            # The range may have begun by the service's clock.
            end = min(window.start + limits.span, asked.until(zone, limits.grid))
            window = Window(window.start, end)
        to_ask, known, unasked = _split(limits, window, now, zone, cached, local=asked.local)
        if unasked and not to_ask and not known and cached.doubts_time and cached.doubts_time():
            to_ask, unasked = _tried(limits, unasked)
        bounds = Window(to_ask[0].start, to_ask[-1].end) if to_ask else Window(0, 0)
        windows = sorted([(each, False) for each in to_ask] + [(each, True) for each in known])
        return Segments(
            tuple(
                Segment(
                    requests.segment(each, newest=each.end >= newest, asked=asked),
                    each,
                    cached=is_cached,
                )
                for each, is_cached in windows
            ),
            window,
            tuple(unasked),
            pruned=sum(-(-gap.window.seconds // limits.span) for gap in unasked),
            spare=limits.spare(bounds, zone, local=asked.local) if limits.cut == "silent" else 0,
            open_ended=requests.endpoint.paged,
            cheaper=limits.cheaper(bounds) if len(to_ask) > 1 else "",
        )

    def reopened(self, layout: Segments, now: float) -> Segments:
        """Return a layout with what it left out as too old, though the service has it by its own time."""
        requests, limits = self.requests, self.requests.endpoint.limits

        def asking(wanted: Sequence[Window]) -> list[Segment]:
            local = self.range is not None and self.range.local
            pieces = limits.pieces(wanted, requests.zone, local=local)
            return [Segment(requests.segment(each, asked=self.range), each) for each in pieces]

        return with_kept(layout, limits.oldest(now), asking)

    def merge(self, parts: Sequence[S], gaps: Sequence[Gap], receipt: Receipt, window: Window | None) -> S:
        """Return the answer: the parts side by side, and the gaps between them."""
        if len(parts) != 1 or gaps or window not in {None, parts[0].window}:
            return finish(self.merge_in_steps(parts, gaps, receipt, window))
        requests, answer = self.requests, parts[0]
        if requests.system_id in requests.time_zones:
            answer = requests.with_timezone(answer)
        return evolve(answer, receipt=receipt)

    def merge_in_steps(
        self, parts: Sequence[S], gaps: Sequence[Gap], receipt: Receipt, window: Window | None
    ) -> Steps[S]:
        """Return the answer, in steps."""
        requests = self.requests
        if window is not None and parts:  # by a clock that was behind, more was asked for than at first
            window = Window(window.start, max(window.end, parts[-1].window.end))
        empty = requests.empty((), window or parts[0].window)
        answer = yield from merge_in_steps(parts, empty, gaps)
        return evolve(requests.with_timezone(answer), receipt=receipt)

    def items(self, part: S) -> Iterable[S]:
        """Return the part itself, unless it speaks for nothing: its range was refused as too long."""
        speaks = part.window.seconds or part.coverage.gaps()
        return (self.requests.with_timezone(part),) if speaks else ()

    def skip(self, part: S, window: Window) -> Reason | None:
        """Tell by a part why a window before it is known to be empty."""
        gaps = part.coverage.gaps()
        if any(gap.reason is Reason.NO_DEVICE for gap in gaps):
            return Reason.NO_DEVICE
        # An answer that has `meta` may call it so by the day of operation, which may have been set by hand.
        began = None if part.meta else data_begins(part.coverage)
        if began is not None and window.end <= began:
            return Reason.BEFORE_OPERATION
        # Not by the time of an answer alone, which may be wrong: the service has also said so.
        now = part.coverage.as_of if _has_not_come(part) else None
        return Reason.NOT_REPORTED_YET if now and window.start >= now.timestamp() else None

    def is_outdated(self, window: Window) -> bool:
        """Tell whether a window is longer than one request may ask for, as the service has told meanwhile."""
        return window.seconds > self.requests.facts.span < self.requests.endpoint.limits.span

    def is_doubtful(self, newest: S, window: Window) -> bool:
        """Tell whether a window lies before the day of operation, which may have been set by hand."""
        started = newest.meta.operational_at if newest.meta else None
        return started is not None and window.end <= started.timestamp()


def _has_not_come(part: SeriesResult) -> bool:
    """Tell whether a part stands for a refusal of its whole range, which has not come yet."""
    gaps = part.coverage.gaps()
    whole = bool(gaps) and gaps[0].window == part.window
    return whole and not part.meta and gaps[0].reason is Reason.NOT_REPORTED_YET


def _split(
    limits: SeriesLimits,
    window: Window,
    now: float,
    zone: ZoneInfo | None,
    cached: SeriesIndex,
    *,
    local: bool,
) -> tuple[list[Window], list[Window], list[Gap]]:
    """Return the windows to ask for, the windows to serve from the cache, and the gaps left unasked."""
    if not cached.spans:
        wanted, unasked = _missing(limits, window, (), now)
        return limits.pieces(wanted, zone, local=local), [], unasked
    known = cached.servable_within(window)
    # Intervals since a young answer that itself ended by now are not worth a request of their own.
    until = cached.asked_until(window)
    wanted, unasked = _missing(limits, Window(window.start, until), known, now)
    if until < window.end and not wanted:
        unasked.append(Gap(Window(until, window.end), Reason.NOT_REPORTED_YET))
    elif until < window.end:
        # A request is made anyway: asked up to now, it also tells how far the system has reported.
        wanted, unasked = _missing(limits, window, known, now)
    to_ask = []
    for piece in limits.pieces(wanted, zone, local=local):
        reason = cached.known_empty(piece)
        if reason is None:
            to_ask.append(piece)
        else:
            unasked += [Gap(blank, reason) for blank in without(piece, known)]
    # Requests that bridge two gaps also bring what is cached between them.
    served = [part for each in known for part in without(each, to_ask)]
    return to_ask, [week for each in served for week in split_window_by_week(each)], unasked


def _tried(limits: SeriesLimits, unasked: Sequence[Gap]) -> tuple[list[Window], list[Gap]]:
    """Return the newest window of what is too old by a clock that may be wrong, and the gaps before it."""
    last = unasked[-1]
    if last.reason is not Reason.BEYOND_RETENTION:
        return [], [*unasked]
    newest = Window(max(last.window.start, last.window.end - limits.span), last.window.end)
    before = Gap(Window(last.window.start, newest.start), last.reason)
    return [newest], [*unasked[:-1], *([before] if before.window.seconds else [])]


def _missing(
    limits: SeriesLimits, window: Window, known: Sequence[Window], now: float
) -> tuple[list[Window], list[Gap]]:
    """Return the windows that are not cached, and the gaps that lie beyond the service's retention."""
    if not known and limits.oldest(now) <= window.start < window.end:
        return [window], []
    wanted, gone = [], []
    for blank in without(window, known):
        retained = blank.clip(Window(limits.oldest(now), blank.end))
        lost = Window(blank.start, retained.start)
        gone += [Gap(lost, Reason.BEYOND_RETENTION)] if lost.seconds else []
        wanted += [retained] if retained.seconds else []
    return wanted, gone


def _fetched(part: S, date: float | None) -> S:
    """Return a part with the time when it was fetched, where that is known."""
    if date is None:
        return part
    return evolve(part, coverage=evolve(part.coverage, as_of=as_datetime(date)))


def _may_have_reported(part: SeriesResult, until: int) -> bool:
    """Tell whether a system is known to have reported up to then, or may have."""
    reported = part.meta.reported_until if part.meta else None
    return reported is None or reported.timestamp() >= until
