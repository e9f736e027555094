"""Endpoints that answer in intervals: planned by windows, requested, and merged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import ClassVar, Generic, TypeVar
from zoneinfo import ZoneInfo

from attrs import evolve, frozen

from enlighten_async.api.ranges import HOUR, Range, SeriesLimits
from enlighten_async.cache import SeriesIndex, split_window_by_week
from enlighten_async.errors import APIError, EnlightenError, InputError, NotFound, RangeError, Unavailable
from enlighten_async.models.coverage import Coverage, Gap, Reason, explained
from enlighten_async.models.intervals import SeriesResult
from enlighten_async.models.receipt import Receipt
from enlighten_async.query.plan import Draft, Leg, Outline
from enlighten_async.windows import Moment, Window, as_datetime, floor, local_days, time_zone, without
from enlighten_async.wire import Flow, Request, Response, SeriesKey

S = TypeVar("S", bound=SeriesResult)

NO_METER = "does not contain any active and enabled"
"""What a refusal (401 or 422) says of a system that has no such meter."""

INVALID, IN_FUTURE = "invalid for this system", "is in the future"
"""What refusals (422) say of a range for which there is nothing."""


@frozen
class SeriesRequests(Generic[S]):
    """What is asked of one system.

    Attributes:
        kind: by which endpoint.
        system_id: the system.
        zones: names of systems' time zones, as far as they are known.
    """

    kind: SeriesEndpoint[S]
    system_id: int
    zones: Mapping[int, str]

    @property
    def zone(self) -> ZoneInfo | None:
        """The system's time zone, where it is known and has a name that we know."""
        name = self.zones.get(self.system_id)
        try:
            return None if name is None else time_zone(name)
        except InputError:
            return None

    def read(self, response: Response, window: Window | None) -> S:
        """Return what an answer says of a window; `None`: of what it spans."""
        return self.kind.decode(self.kind.endpoint, response, self.system_id, window)

    @property
    def series(self) -> SeriesKey[S] | None:
        """Where answers are kept; pages, which hold some of the devices, are not."""
        if self.kind.paged:
            return None
        endpoint, model = self.kind.endpoint, type(self.nothing((), Window(0, 0)))
        return SeriesKey(
            endpoint.name,
            self.system_id,
            self.kind.device,
            grid=endpoint.grid,
            model=model,
            join=self._joined,
        )

    def request(
        self, window: Window | None, *, newest: bool = False, wanted: Window | None = None
    ) -> Request[S]:
        """Return the request for one window.

        Args:
            window: the window; `None` leaves it to the service.
            newest: whether it ends by now.
            wanted: all that is wanted from its beginning on.
        """
        endpoint = self.kind.endpoint
        return Request(
            endpoint.name,
            endpoint.path.format(self.system_id),
            () if window is None else endpoint.params(window, newest=newest),
            self._of_today if window is None else lambda response: self._part(response, window),
            window,
            lambda refusal: self._forgiven(refusal, window),
            series=self.series,
            wanted=wanted or window,
        )

    def flow(self, window: Window | None, *, newest: bool = False) -> Flow[S]:
        """Ask for a window, and for the rest of it where an answer spoke for its beginning only.

        Args:
            window: the window; `None` leaves it to the service, which answers for all of its own.
            newest: whether it ends by now.
        """
        if window is None:
            yield self.request(None)
            return
        while window.start < window.end:
            piece = self._first(window)
            part = yield self.request(piece, newest=newest and piece == window, wanted=window)
            window = Window(part.window.end, window.end)

    def _first(self, window: Window) -> Window:
        """Return as much of a window as one request may ask for; what the store had may be longer."""
        if window.seconds <= self.kind.endpoint.span:
            return window
        return self.kind.endpoint.pieces([window], self.zone, local=False)[0]

    def nothing(self, gaps: Sequence[Gap], window: Window, until: float | None = None) -> S:
        """Return an answer without rows, for these reasons."""
        reported = None if until is None else as_datetime(until)
        coverage = Coverage(window, self.kind.endpoint.grid, tuple(gaps), reported_until=reported)
        return self.kind.nothing(self.system_id, coverage)

    def placed(self, part: S) -> S:
        """Return an answer with the name of the system's time zone, where it is known."""
        return part._with_timezone(self.zones.get(self.system_id))

    def _joined(self, parts: Sequence[S]) -> S:
        window = Window(parts[0].window.start, parts[-1].window.end)
        return self.kind.merge(parts, self.nothing((), window), ())

    def _part(self, response: Response, window: Window) -> S:
        """Return an answer, for as much of its window as it speaks for."""
        endpoint, part = self.kind.endpoint, self.read(response, window)
        if (last := part._last) is not None:
            spoken = endpoint.spoken(part.window, last)
            cut = spoken < part.window.end and _reported(part, last + HOUR)
            return self.read(response, Window(window.start, spoken)) if cut else part
        gone = self._gone(window, response.date)
        return part if gone is None else _fetched(gone, response.date)

    def _gone(self, window: Window, date: float | None) -> S | None:
        """Return what an empty answer or a refusal says of a window that begins before what is kept.

        It is for the whole of the window, also where only its beginning is too old: so it speaks for what
        is gone, and the rest is asked for again.
        """
        limit = None if date is None else self.kind.endpoint.oldest(date)
        if limit is None or window.start >= limit:
            return None
        gone = Window(window.start, min(limit, window.end))
        return self.nothing([Gap(gone, Reason.BEYOND_RETENTION)], gone)

    def _of_today(self, response: Response) -> S:
        """Return an answer for what its rows span; without any, for what is known of today."""
        part = self.read(response, None)
        if part._last is not None or response.date is None:
            return part
        today = self._today(response.date)
        if today.seconds:
            return self.read(response, today)
        # Without the time zone it is not known when today began: the reason is given all the same.
        newest = Window(today.end - self.kind.endpoint.grid, today.end)
        part = self.read(response, newest)
        gaps = tuple(Gap(today, gap.reason) for gap in part.coverage.gaps())
        return evolve(part, window=today, coverage=evolve(part.coverage, window=today, gaps=gaps))

    def _today(self, now: float) -> Window:
        """Return the system's own today so far; an empty window where its time zone is not known."""
        end = floor(now, self.kind.endpoint.grid)
        if self.zone is None:
            return Window(end, end)
        day = datetime.fromtimestamp(now, self.zone).date()
        return Window(min(end, floor(local_days(day, day, self.zone).start, self.kind.endpoint.grid)), end)

    def _forgiven(self, refusal: EnlightenError, window: Window | None) -> S | None:
        """Return the part that a documented refusal stands for, if it is known for which range."""
        if not isinstance(refusal, APIError):
            return None
        part = self._meant(refusal, window)
        return None if part is None else _fetched(part, _date(refusal))

    def _meant(self, refusal: APIError, window: Window | None) -> S | None:
        if isinstance(refusal, RangeError):
            gone = None if window is None else self._gone(window, _date(refusal))
            part = self._out_of_range(refusal, window or self._told(refusal)) if gone is None else gone
            if part is not None:
                return part
        reason = self._reason(refusal)
        if reason is Reason.UNAVAILABLE and window is None:
            return None
        if reason is not None and window is None:
            date = _date(refusal)
            window = None if date is None else self._today(date)
        return None if reason is None or window is None else self.nothing([Gap(window, reason)], window)

    def _reason(self, refusal: APIError) -> Reason | None:
        """Return why the whole of a range is empty, if a refusal says so."""
        if refusal.status in {401, 422} and NO_METER in str(refusal):
            return Reason.NO_DEVICE
        absent = self.kind.endpoint.absent
        if absent and isinstance(refusal, NotFound) and absent in str(refusal).lower():
            return Reason.NO_DEVICE
        if refusal.status == 204:
            return self.kind.endpoint.no_content
        return Reason.UNAVAILABLE if isinstance(refusal, Unavailable) and refusal.status == 500 else None

    def _out_of_range(self, refusal: RangeError, window: Window | None) -> S | None:
        """Tell by the first and the last interval of the system why there are no rows."""
        said = str(refusal)
        if window is None or not (INVALID in said or IN_FUTURE in said):
            return None
        if INVALID not in said:
            # Ranges end by now: one that begins later was asked for by a clock that is ahead.
            return self.nothing([Gap(window, Reason.NOT_REPORTED_YET)], window)
        grid, first, last = self.kind.endpoint.grid, refusal.first_interval, refusal.last_interval
        # Both are ends of intervals that exist: the first one began one interval before.
        gaps = explained(window, grid, None if first is None else first - grid, last)
        return self.nothing(gaps, window, last)

    def _told(self, refusal: RangeError) -> Window | None:
        """Return the range a refusal names: shortly after midnight, "today" is one without data yet."""
        if refusal.start_at is None or refusal.end_at is None:
            return None
        endpoint = self.kind.endpoint
        start, end = floor(refusal.start_at, endpoint.grid), floor(refusal.end_at, endpoint.grid)
        return Window(start, end) if 0 <= end - start <= endpoint.longest else None


def _date(refusal: APIError) -> float | None:
    """Return the service's own time of a refusal."""
    return None if refusal.response is None else refusal.response.date


def _fetched(part: S, date: float | None) -> S:
    """Return an answer with the time when it was fetched, where that is known."""
    if date is None:
        return part
    return evolve(part, coverage=evolve(part.coverage, as_of=as_datetime(date)))


def _reported(part: SeriesResult, until: int) -> bool:
    """Tell whether a system is known to have reported up to then, or may have."""
    reported = part.meta.last_report_at if part.meta else None
    return reported is None or reported.timestamp() >= until


NOTHING = SeriesIndex()
"""That nothing is held."""


@frozen
class SeriesEndpoint(Generic[S]):
    """One endpoint that answers in intervals.

    Attributes:
        endpoint: what the service allows.
        decode: reads an answer for a window; `None` leaves the range to what the answer spans.
        nothing: makes an answer without rows.
        merge: joins parts, oldest first, in place of an answer without rows, with gaps nobody spoke for.
    """

    endpoint: SeriesLimits
    decode: Callable[[SeriesLimits, Response, int, Window | None], S]
    nothing: Callable[[int, Coverage], S]
    merge: Callable[[Sequence[S], S, Iterable[Gap]], S]
    device: str = ""
    """Serial number of the device it is about; empty if it is about the whole system."""
    paged: ClassVar[bool] = False
    """Whether a window is answered page by page."""

    def ask(self, system_id: int, zones: Mapping[int, str]) -> SeriesRequests[S]:
        """Return what asks for the intervals of a system."""
        return SeriesRequests(self, system_id, zones)

    def draft(
        self,
        system_id: int,
        zones: Mapping[int, str],
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Draft[S, S, S]:
        """Ask for the intervals of a system.

        Args:
            system_id: the system.
            zones: names of systems' time zones, as far as they are known.
            start_at: start, exclusive.
            end_at: end, inclusive; now if not given.
            start_date: first local day.
            end_date: last local day; today if not given.

        Raises:
            InputError: the range makes no sense.
        """
        asked = Range.of(start_at=start_at, end_at=end_at, start_date=start_date, end_date=end_date)
        ask = self.ask(system_id, zones)
        leave = asked is None and self.endpoint.knows_today

        def outline(now: float, zone: ZoneInfo | None, held: SeriesIndex = NOTHING) -> Outline[S, S, S]:
            zone = zone or ask.zone
            # Of today as it was some minutes ago the store may know; of today as it is now it does not.
            if leave and not (held.max_age and zone):
                return _today(ask)
            range_ = asked or Range.today(now, zone)
            window = range_.window(now, zone, self.endpoint.grid)
            return _windows(ask, window, now, zone, held, local=range_.local)

        local = asked.local if asked else not leave
        return Draft(outline, zone_of=system_id if local else None, series=ask.series)


def _today(ask: SeriesRequests[S]) -> Outline[S, S, S]:
    """Leave the range to the service: the system's own today, so far."""

    def answer(parts: Sequence[S], gaps: Sequence[Gap], receipt: Receipt) -> S:
        whole, *pages = parts
        if pages or gaps:
            whole = ask.kind.merge(parts, ask.nothing([], whole.window), gaps)
        return evolve(ask.placed(whole), receipt=receipt)

    return Outline(
        legs=(Leg(ask.flow(None)),),
        merge=answer,
        unpack=lambda part: (part,),
        open_ended=ask.kind.paged,
    )


def _windows(
    ask: SeriesRequests[S],
    window: Window,
    now: float,
    zone: ZoneInfo | None,
    held: SeriesIndex,
    *,
    local: bool,
) -> Outline[S, S, S]:
    """Ask for what is missing of a range by windows; what is known to be empty is not asked for."""
    endpoint = ask.kind.endpoint
    order = _order(ask, window, now, zone, held, local=local)

    def joined(parts: Sequence[S], gaps: Sequence[Gap], receipt: Receipt) -> S:
        answer = ask.kind.merge(parts, ask.nothing([], window), [*order.unasked, *gaps])
        return evolve(ask.placed(answer), receipt=receipt)

    newest = floor(now, endpoint.grid)
    windows = [(piece, False) for piece in order.pieces] + [(piece, True) for piece in order.known]
    bought = Window(order.pieces[0].start, order.pieces[-1].end) if order.pieces else Window(0, 0)
    return Outline(
        legs=tuple(
            Leg(ask.flow(piece, newest=piece.end >= newest), piece, held=known)
            for piece, known in sorted(windows)
        ),
        merge=joined,
        unpack=lambda part: (ask.placed(part),),
        skip=_not_worth,
        pruned=sum(-(-gap.window.seconds // endpoint.span) for gap in order.unasked),
        spare=endpoint.spare(bought, zone, local=local),
        open_ended=ask.kind.paged,
        cheaper=endpoint.cheaper(bought) if len(order.pieces) > 1 else "",
    )


@frozen
class _Order:
    """How a range is got.

    Attributes:
        pieces: windows to buy, oldest first.
        known: windows to take from the store, oldest first.
        unasked: what is not asked for, and why.
    """

    pieces: Sequence[Window]
    known: Sequence[Window]
    unasked: Sequence[Gap]


def _order(
    ask: SeriesRequests[S],
    window: Window,
    now: float,
    zone: ZoneInfo | None,
    held: SeriesIndex,
    *,
    local: bool,
) -> _Order:
    """Return the fewest windows that cover what is missing, and what the store has of the rest."""
    endpoint = ask.kind.endpoint
    known = held.servable_within(window)
    late = Window(held.asked_until(window), window.end)
    wanted, unasked = _missing(endpoint, Window(window.start, late.start), known, now)
    if late.seconds and not wanted:
        unasked.append(Gap(late, Reason.NOT_REPORTED_YET))
    elif late.seconds:  # what is bought now tells of reports up to now
        wanted, unasked = _missing(endpoint, window, known, now)
    pieces = []
    for piece in endpoint.pieces(wanted, zone, local=local):
        reason = held.known_empty(piece)
        if reason is None:
            pieces.append(piece)
        else:
            unasked += [Gap(blank, reason) for blank in without(piece, known)]
    spare = [part for stretch in known for part in without(stretch, pieces)]
    return _Order(pieces, [part for stretch in spare for part in split_window_by_week(stretch)], unasked)


def _missing(
    endpoint: SeriesLimits, window: Window, known: Sequence[Window], now: float
) -> tuple[list[Window], list[Gap]]:
    """Return what is missing of a window, and what of it the service does not keep any more."""
    wanted, gone = [], []
    for stretch in without(window, known):
        kept = stretch.clip(Window(endpoint.oldest(now), stretch.end))
        lost = Window(stretch.start, kept.start)
        gone += [Gap(lost, Reason.BEYOND_RETENTION)] if lost.seconds else []
        wanted += [kept] if kept.seconds else []
    return wanted, gone


def _not_worth(newest: SeriesResult, window: Window) -> Reason | None:
    """Tell by the newest part why an older window is documented as empty, if it is."""
    if any(gap.reason is Reason.NO_DEVICE for gap in newest.coverage.gaps()):
        return Reason.NO_DEVICE
    started = newest.meta.operational_at if newest.meta else None
    if started is not None and window.end <= started.timestamp():
        return Reason.BEFORE_OPERATION
    return None
