"""Endpoints of whole local days: the days asked for, and the empty answers that errors stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, Generic, Self, TypeVar
from zoneinfo import ZoneInfo

from attrs import evolve, field, frozen

from enlighten_async.api import decode
from enlighten_async.api.ranges import Params
from enlighten_async.api.single import once
from enlighten_async.cache import ABSENCE_MEMORY_S, day_end_anywhere, valid_until
from enlighten_async.errors import APIError, EnlightenError, InputError, RangeError
from enlighten_async.models.coverage import Reason
from enlighten_async.models.lifetime import Lifetime
from enlighten_async.query.plan import Draft, Outline
from enlighten_async.windows import as_datetime, calendar_day
from enlighten_async.wire import Request, Response

INVALID = "Requested date range is invalid for this system"
"""What the service says when the start is after the end, one of which it may have chosen itself."""

IN_FUTURE = "Requested date is in the future"
"""What it says of days to come, and some endpoints of today."""

L = TypeVar("L", bound=Lifetime[Any])


@frozen
class DateRange:
    """Local days, both inclusive; the service chooses an end that is not given.

    Attributes:
        start_date: first day; by default the one on which the system went into operation.
        end_date: last day; by default yesterday, or the last day that was reported if that is earlier.
    """

    start_date: date | None
    end_date: date | None

    @classmethod
    def of(cls, start_date: date | None, end_date: date | None) -> Self:
        """Check what the caller gave.

        Raises:
            InputError: one is not a date, or the end is before the start.
        """
        first = None if start_date is None else calendar_day(start_date, "start_date")
        last = None if end_date is None else calendar_day(end_date, "end_date")
        if first is not None and last is not None and last < first:
            raise InputError(f"end_date {last} is before start_date {first}: swap them")
        return cls(first, last)

    @property
    def params(self) -> Params:
        """The days as the service takes them."""
        given = (("start_date", self.start_date), ("end_date", self.end_date))
        return tuple((name, str(day)) for name, day in given if day is not None)

    def empty(self, refusal: APIError) -> Reason | None:
        """Tell why the service has nothing for these days, if that is what a refusal says."""
        if refusal.status == 204:
            return Reason.NOT_REPORTED_YET
        if not isinstance(refusal, RangeError) or INVALID not in str(refusal):
            return None
        first, last = refusal.start_date, refusal.end_date
        ordered = first is not None and last is not None and first <= last
        if self.start_date is None:
            # The service's own start is after the end: the caller's, or else its own.
            reason = Reason.NOT_REPORTED_YET if self.end_date is None else Reason.BEFORE_OPERATION
            return None if ordered else reason
        if first is None or last is None or ordered:
            return Reason.NOT_REPORTED_YET if recent(self.start_date, refusal) else None
        # It moved an end of the range past the other: to where data begins, or to where it ends.
        return Reason.BEFORE_OPERATION if first > self.start_date else Reason.NOT_REPORTED_YET


def recent(day: date, refusal: RangeError) -> bool:
    """Tell whether a day may be the system's today: in any time zone, it is within a day of UTC's."""
    now = decode.fetched_at(refusal.response)
    return now is not None and abs(day - now.date()) <= timedelta(days=1)


def _not_yet(_part: object) -> Reason:
    """Tell that nothing was reported yet."""
    return Reason.NOT_REPORTED_YET


@frozen
class DailyEndpoint(Generic[L]):
    """One endpoint that answers a value for each local day.

    Attributes:
        model: what an answer becomes.
        name: the API's name of it.
        path: where it is, below the system; the name by default.
        empty: tells why there are no days, if a refusal stands for that.
        why: tells why an answer has no days.
        known: attributes of the answer which the service leaves out.
        shape: turns an answer into what the model is made of.
        over: whether a last day has to be over by the system's clock, or is refused. One that may not be
            is left out, which means the last that is, and what is not wanted of the answer is cut off.
    """

    model: type[L]
    name: str
    path: str = field(kw_only=True, default="")
    empty: Callable[[DateRange, APIError], Reason | None] = field(kw_only=True, default=DateRange.empty)
    why: Callable[[L], Reason] = field(kw_only=True, default=_not_yet)
    known: Mapping[str, object] = field(kw_only=True, factory=dict)
    shape: decode.Shape | None = field(kw_only=True, default=None)
    day_end_anywhere: bool = field(kw_only=True, default=False)

    def draft(self, system_id: int, days: DateRange, more: Params = ()) -> Draft[L, L, L]:
        """Ask for a value a day.

        Args:
            system_id: the system.
            days: the days.
            more: further parameters.
        """

        def outline(now: float, zone: ZoneInfo | None) -> Outline[L, L, L]:
            last = days.end_date
            sure = (
                not self.day_end_anywhere
                or last is None
                or last < as_datetime(now).date() - timedelta(days=1)
            )
            asked = days if sure else evolve(days, end_date=None)
            return once(self._request(system_id, asked, last, more)).outline(now, zone)

        return Draft(outline)

    def _request(self, system_id: int, days: DateRange, last: date | None, more: Params) -> Request[L]:
        usual = {"system_id": system_id, "start_date": days.start_date and str(days.start_date), **self.known}

        def read(response: Response) -> L:
            part = decode.value(self.model, response, usual=usual, shape=self.shape)
            part = part if last is None or not self.day_end_anywhere else part.ended(last)
            return part if len(part) else evolve(part, start_date=None, reason=self.why(part))

        def forgive(refusal: EnlightenError) -> L | None:
            if not isinstance(refusal, APIError) or (reason := self.empty(days, refusal)) is None:
                return None
            as_of = decode.fetched_at(refusal.response)
            return self.model.nothing(system_id, reason, as_of, **self.known)

        def until(part: L, fetched: float) -> float:
            if part.reason is not None:
                return fetched + ABSENCE_MEMORY_S
            reported = part.meta.last_report_at if part.meta else None
            return fetched if last is None else valid_until(day_end_anywhere(last), fetched, reported)

        where = f"/systems/{system_id}/{self.path or self.name}"
        return Request(self.name, where, (*days.params, *more), read, None, forgive, valid_until=until)


def produced(production: object) -> Params:
    """Return the parameter that asks for microinverters and meters apart, if that is wanted.

    Raises:
        InputError: it is neither "all" nor left out.
    """
    if production not in {None, "all"}:
        raise InputError(f"production must be 'all' or left out, not {production!r}")
    return () if production is None else (("production", "all"),)
