"""Endpoints of whole local days: their ranges, their plans, and the errors that stand for empty answers.

The service answers 422 to ranges for which it has nothing yet, and several statuses to systems without a
meter. Such an error becomes an empty answer with a reason; one that says the call is wrong stays an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar

from attrs import evolve, field, frozen

from enlighten_async import models
from enlighten_async.api import decode
from enlighten_async.api.error_bodies import FUTURE_RANGE, INVALID_RANGE, says_no_device
from enlighten_async.api.ranges import DayRange
from enlighten_async.api.single import OneRequestPlan
from enlighten_async.cache import absent_until, day_end_anywhere, valid_until
from enlighten_async.errors import APIError, EnlightenError, InputError, RangeError, unknown_keyword
from enlighten_async.models.coverage import Gap, Reason, nothing_missing
from enlighten_async.windows import as_datetime, calendar_day
from enlighten_async.wire import Params, Request, Requests, Response

if TYPE_CHECKING:
    from enlighten_async.models.lifetime import Lifetime

L = TypeVar("L", bound="Lifetime[Any]")

ALL_PRODUCTION: Params = (("production", "all"),)
"""The parameter that asks for microinverters and meters apart."""

_EASTERNMOST = timedelta(hours=14)
"""What the clocks of the easternmost time zone are ahead of UTC."""


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
    def of(
        cls,
        method: str = "DateRange.of",
        /,
        *,
        start_date: date | None = None,
        end_date: date | None = None,
        **unknown: object,
    ) -> Self:
        """Return the range of a caller's arguments.

        Args:
            method: the method that was called, for errors.
            start_date: see `DayRange`.
            end_date: see `DayRange`.
            unknown: keywords that there are not.

        Raises:
            InputError: one is not a date, or the end is before the start.
            TypeError: there is no such keyword.
        """
        if unknown:
            raise unknown_keyword(method, unknown, DayRange.__annotations__)
        first = None if start_date is None else calendar_day(start_date, "start_date")
        last = None if end_date is None else calendar_day(end_date, "end_date")
        if first is not None and last is not None and last < first:
            raise InputError(f"end_date {last} is before start_date {first}: swap them")
        return cls(first, last)

    @property
    def params(self) -> Params:
        """The days as parameters of a request."""
        given = (("start_date", self.start_date), ("end_date", self.end_date))
        return tuple((name, str(day)) for name, day in given if day is not None)

    def empty_reason(self, error: APIError) -> Reason | None:
        """Return the reason why these days are empty, if an error of the service says that they are."""
        if error.status == 204:
            return Reason.NOT_REPORTED_YET
        if says_no_device(error):
            return Reason.NO_DEVICE
        if not isinstance(error, RangeError) or INVALID_RANGE not in str(error):
            return None
        first, last = error.start_date, error.end_date
        ordered = first is not None and last is not None and first <= last
        if self.start_date is None:
            # The service's own start is after the end: the caller's, or else its own.
            reason = Reason.NOT_REPORTED_YET if self.end_date is None else Reason.BEFORE_OPERATION
            return None if ordered else reason
        if first is None or last is None or ordered:
            return Reason.NOT_REPORTED_YET if may_be_today(self.start_date, error) else None
        # It moved an end of the range past the other: to where data begins, or to where it ends.
        return Reason.BEFORE_OPERATION if first > self.start_date else Reason.NOT_REPORTED_YET

    def is_ahead(self, error: APIError) -> bool:
        """Tell whether an error says that the last day has not come yet, by the service's clock."""
        now = decode.fetched_at(error.response)
        begun = now is not None and (self.start_date is None or self.start_date <= now.date())
        return begun and self.end_date is not None and FUTURE_RANGE in str(error)


def may_be_today(day: date, error: RangeError) -> bool:
    """Tell whether a day may be the system's today: in any time zone, that is within a day of UTC's."""
    now = decode.fetched_at(error.response)
    return now is not None and abs(day - now.date()) <= timedelta(days=1)


def _today(part: Lifetime[Any]) -> date:
    """Return the last day that has begun anywhere when an answer was fetched, as far as that is known."""
    return date.max if part.as_of is None else (part.as_of + _EASTERNMOST).date()


def _last_reported(part: Lifetime[Any]) -> date:
    """Return the last day of which a system has reported all, as far as that is known.

    The service may be late by a day: that before the last day which is over in any time zone counts.
    """
    until = part.meta.reported_until if part.meta else None
    return date.min if until is None else until.date() - timedelta(days=3)


def _not_reported_yet(_part: object) -> Reason:
    return Reason.NOT_REPORTED_YET


@frozen
class DailyEndpoint(Generic[L]):
    """One endpoint that answers with a value for each local day.

    Attributes:
        model: returns the class of the answer; loads its module.
        name: the API's name of it.
        path: where it is, below the system; the name by default.
        empty_reason_of_error: returns why there are no days, if an error of the service says so.
        empty_reason: returns why a response has no days.
        defaults: fields of the answer that the service leaves out.
        shape: turns a response into the fields of the model.
        past_days_only: whether the service takes no last day before it is over by the system's clock. One
            that may not be is left out of the request, which means the last that is; days of the response
            that were not asked for are cut off.
    """

    model: Callable[[], type[L]]
    name: str
    path: str = field(kw_only=True, default="")
    empty_reason_of_error: Callable[[DateRange, APIError], Reason | None] = field(
        kw_only=True, default=DateRange.empty_reason
    )
    empty_reason: Callable[[L], Reason] = field(kw_only=True, default=_not_reported_yet)
    defaults: Mapping[str, object] = field(kw_only=True, factory=dict)
    shape: decode.Shape | None = field(kw_only=True, default=None)
    past_days_only: bool = field(kw_only=True, default=False)

    def plan(self, system_id: int, days: DateRange, params: Params = ()) -> DailyPlan[L]:
        """Return the plan of a query for a value a day.

        Args:
            system_id: the system.
            days: the days.
            params: further parameters.
        """
        return DailyPlan(self, system_id, days, params)


@frozen
class DailyPlan(OneRequestPlan[L]):
    """The plan of a query for a value a day: one request, whatever the range.

    Attributes:
        endpoint: the endpoint.
        system_id: the system.
        days: the days that were asked for.
        params: parameters beside the days.
    """

    endpoint: DailyEndpoint[L]
    system_id: int
    days: DateRange
    params: Params

    @property
    def name(self) -> str:
        """The API's name of the endpoint."""
        return self.endpoint.name

    def load(self) -> None:
        """Load the modules that the answer needs."""
        decode.load(self.endpoint.model)

    def request_at(self, now: float) -> Request[L]:
        """Return the request; a last day that may not be over everywhere is left out where it has to be."""
        last, endpoint = self.days.end_date, self.endpoint
        is_over = last is None or last < as_datetime(now).date() - timedelta(days=1)
        days = self.days if is_over or not endpoint.past_days_only else evolve(self.days, end_date=None)
        return self._request(days)

    def asked(self, request: Request[L]) -> Requests[L]:
        """Ask for the days; and once more without their last one, if it is ahead of the service's time."""
        ahead: list[L] = []  # a cached answer may have said so that is too old to be served
        part = yield evolve(request, empty_answer_for=partial(self._ahead_or_empty, ahead))
        if any(part is each for each in ahead):
            yield self._request(evolve(self.days, end_date=None))

    def _ahead_or_empty(self, ahead: list[L], error: EnlightenError) -> L | None:
        """Return the empty part of an error; one for days that are ahead is noted."""
        part = self._empty_answer_for(error)
        if part is None and isinstance(error, APIError) and self.days.is_ahead(error):
            part = self._empty(Reason.NOT_REPORTED_YET, error)
            ahead.append(part)
        return part

    def _request(self, days: DateRange) -> Request[L]:
        endpoint = self.endpoint
        return Request(
            endpoint.name,
            f"/systems/{self.system_id}/{endpoint.path or endpoint.name}",
            (*days.params, *self.params),
            self._decode,
            empty_answer_for=self._empty_answer_for,
            valid_until=self._valid_until,
        )

    def _decode(self, response: Response) -> L:
        endpoint, start = self.endpoint, self.days.start_date
        known = {
            "system_id": self.system_id,
            "start_date": None if start is None else str(start),
            **endpoint.defaults,
        }
        part = decode.value(
            endpoint.model(), response, shape=endpoint.shape, defaults=known, system_id=self.system_id
        )
        return self._fitted(part)

    def _fitted(self, part: L) -> L:
        """Return an answer with the days that were asked for, and with the gaps of those that it lacks."""
        first, today = self.days.start_date or date.min, _today(part)
        fitted, notes = part.within(first, min(self.days.end_date or today, today)), list(part.notes)
        if part.start_date is not None and len(part):
            notes += ["days before those that were asked for were left out"] * (part.start_date < first)
            notes += ["days that have not begun were left out"] * (
                len(part) > (today - part.start_date).days + 1
            )
        if self._is_cut(part):
            notes.append("the list ends before days of which the system has reported")
        if short := ", ".join(fitted.shorter(all_asked=self.params == ALL_PRODUCTION)):
            notes.append(f"figures of some days did not come: {short}")
        if notes:
            decode.warn_incomplete(self.endpoint.name, self.system_id, notes)
        if not len(fitted):
            reason = Reason.LEFT_OUT if notes else self.endpoint.empty_reason(part)
            return self._without_days(evolve(fitted, start_date=None, notes=tuple(notes)), reason)
        left_out = [nothing_missing(fitted.days)] if notes else []
        return evolve(fitted, missing=(*self._missing(fitted), *left_out), notes=tuple(notes))

    def _without_days(self, part: L, reason: Reason) -> L:
        """Return an answer that has no days, with the reason."""
        missing = tuple(evolve(gap, reason=reason) for gap in self._missing(part))
        return evolve(part, reason=reason, missing=missing)

    def _missing(self, part: L) -> list[Gap]:
        """Return the gaps of an answer, as far as it is known which days were asked for."""
        asked, last, gaps = self.days.start_date, self.days.end_date, list[Gap]()
        start = part.start_date or asked
        if asked is not None and start is not None:
            began = part.meta.operational_at if part.meta else None
            reason = Reason.BEFORE_OPERATION if began and began.date() > asked else Reason.NO_ROW
            gaps.append(Gap(models.lifetime.days_of_utc(asked, (start - asked).days), reason))
        if start is not None and last is not None:
            end = start + timedelta(days=len(part))
            days = (min(last, _today(part)) - end).days + 1
            cut = min(max(0, (_last_reported(part) - end).days + 1), max(0, days))
            gaps.append(Gap(models.lifetime.days_of_utc(end, cut), Reason.LEFT_OUT))
            gaps.append(
                Gap(
                    models.lifetime.days_of_utc(end + timedelta(days=cut), days - cut),
                    Reason.NOT_REPORTED_YET,
                )
            )
        return [gap for gap in gaps if gap.window.seconds]

    def _is_cut(self, part: L) -> bool:
        """Tell whether a list ends before days that it has to have, as the system has reported of later ones.

        An empty list may mean that there is no meter, but for the production, which each system in operation
        has.
        """
        start, last = part.start_date or self.days.start_date, self.days.end_date or date.max
        if start is None:
            return False
        began = part.meta.operational_at if part.meta else None
        later = began is not None and began.date() > last
        told = len(part) > 0 or (self.endpoint.model() is models.EnergyLifetime and not later)
        return told and start + timedelta(days=len(part)) <= min(last, _last_reported(part))

    def _empty_answer_for(self, error: EnlightenError) -> L | None:
        if not isinstance(error, APIError):
            return None
        reason = self.endpoint.empty_reason_of_error(self.days, error)
        if reason is None:
            return None
        return self._empty(reason, error)

    def _empty(self, reason: Reason, error: APIError) -> L:
        as_of = decode.fetched_at(error.response)
        part = self.endpoint.model().empty(self.system_id, reason, as_of, **self.endpoint.defaults)
        return self._without_days(part, reason)

    def _valid_until(self, part: L, fetched: float, since: float | None) -> float:
        """Return up to when (epoch seconds) a response will do: for ever where its last day is final."""
        if part.reason is not None:
            return absent_until(part.reason, fetched, since)
        last = self.days.end_date
        if last is None:
            return fetched
        open_gaps = {gap.reason for gap in part.missing} & {Reason.NOT_REPORTED_YET, Reason.LEFT_OUT}
        whole = part.has_all_figures and not open_gaps
        return valid_until(day_end_anywhere(last), fetched, part.meta, since, whole=whole)


def production_params(production: Literal["all"] | None) -> Params:
    """Return the parameter that asks for microinverters and meters apart, if that is wanted.

    Raises:
        InputError: it is neither "all" nor left out.
    """
    if production not in (None, "all"):
        raise InputError(f"production must be 'all' or left out, not {production!r}")
    return () if production is None else ALL_PRODUCTION
