"""What endpoints of whole local days have in common: the days asked for, and what refusals stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import Any, Literal, Self, TypeVar

from attrs import evolve, frozen

from enlighten_async.dialect import decode
from enlighten_async.dialect.once import once
from enlighten_async.errors import APIError, EnlightenError, InputError, RangeError
from enlighten_async.models.coverage import Reason
from enlighten_async.models.lifetime import EnergyLifetime, Lifetime
from enlighten_async.session.outline import Draft
from enlighten_async.windows import calendar_day
from enlighten_async.wire import Request, Response

INVALID = "Requested date range is invalid for this system"
"""What the service says when the start is after the end, one of which it may have chosen itself."""

IN_FUTURE = "Requested date is in the future"
"""What it says of days to come, and some endpoints of today."""

L = TypeVar("L", bound=Lifetime[Any])


@frozen
class Days:
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
    def params(self) -> tuple[tuple[str, str], ...]:
        """The days as the service takes them."""
        given = (("start_date", self.start_date), ("end_date", self.end_date))
        return tuple((name, str(day)) for name, day in given if day is not None)

    def empty(self, refusal: APIError) -> Reason | None:
        """Tell why the service has nothing for these days, if that is what a refusal says."""
        if refusal.status == 204:
            return Reason.NOT_REPORTED_YET
        if not isinstance(refusal, RangeError) or INVALID not in str(refusal):
            return None
        if self.start_date is None:
            # The service's own start is after the end: the caller's, or else its own.
            return Reason.NOT_REPORTED_YET if self.end_date is None else Reason.BEFORE_OPERATION
        first, last = refusal.start_date, refusal.end_date
        if first is None or last is None or first <= last:
            return Reason.NOT_REPORTED_YET if recent(self.start_date, refusal) else None
        # It moved an end of the range past the other: to where data begins, or to where it ends.
        return Reason.BEFORE_OPERATION if first > self.start_date else Reason.NOT_REPORTED_YET


def recent(day: date, refusal: RangeError) -> bool:
    """Tell whether a day may be the system's today: in any time zone, it is within a day of UTC's."""
    now = decode.fetched_at(refusal.response)
    return now is not None and abs(day - now.date()) <= timedelta(days=1)


def lifetime(
    model: type[L],
    name: str,
    system_id: int,
    days: Days,
    *,
    path: str = "",
    more: tuple[tuple[str, str], ...] = (),
    empty: Callable[[APIError], Reason | None] | None = None,
    known: Mapping[str, object] = MappingProxyType({}),
    shape: decode.Shape | None = None,
) -> Draft[L, L, L]:
    """Ask for a value a day.

    Args:
        model: what the answer becomes.
        name: the API's name of the endpoint.
        system_id: the system.
        days: the days.
        path: where it is, below the system; the name by default.
        more: further parameters.
        empty: tells why there are no days, if a refusal stands for that; `days.empty` by default.
        known: attributes of the answer which the service leaves out.
        shape: turns the answer into what the model is made of.
    """
    read = _reader(model, system_id, days, known, shape)
    forgive = _forgiver(model, system_id, empty or days.empty, known)
    where = f"/systems/{system_id}/{path or name}"
    return once(Request(name, where, (*days.params, *more), read, None, forgive))


def energy_lifetime(
    system_id: int,
    *,
    start_date: date | None = None,
    end_date: date | None = None,
    production: Literal["all"] | None = None,
) -> Draft[EnergyLifetime, EnergyLifetime, EnergyLifetime]:
    """Ask for what a system produced, day by day.

    Args:
        system_id: the system.
        start_date: first local day.
        end_date: last local day, inclusive.
        production: "all" asks for microinverters and meters apart as well.

    Raises:
        InputError: an argument is wrong.
    """
    days = Days.of(start_date, end_date)
    if production not in {None, "all"}:
        raise InputError(f"production must be 'all' or left out, not {production!r}")
    more = () if production is None else (("production", production),)
    return lifetime(EnergyLifetime, "energy_lifetime", system_id, days, more=more)


def _reader(
    model: type[L], system_id: int, days: Days, known: Mapping[str, object], shape: decode.Shape | None
) -> Callable[[Response], L]:
    """Return what decodes an answer; its system and start are known also if it leaves them out."""
    usual = {"system_id": system_id, "start_date": days.start_date and str(days.start_date), **known}

    def read(response: Response) -> L:
        part = decode.value(model, response, usual=usual, shape=shape)
        return part or evolve(part, start_date=None, reason=Reason.NOT_REPORTED_YET)

    return read


def _forgiver(
    model: type[L],
    system_id: int,
    empty: Callable[[APIError], Reason | None],
    known: Mapping[str, object],
) -> Callable[[EnlightenError], L | None]:
    """Return what makes an answer without days of a refusal that stands for one."""

    def forgive(refusal: EnlightenError) -> L | None:
        if not isinstance(refusal, APIError) or (reason := empty(refusal)) is None:
            return None
        return model.nothing(system_id, reason, decode.fetched_at(refusal.response), **known)

    return forgive
