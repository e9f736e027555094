"""Energy of whole local days: `energy_lifetime` and `consumption_lifetime`.

The service refuses ranges for which it has nothing yet, and systems without a meter, each in several
ways. These are answers here, empty and with a reason. A request that is wrong stays an error.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Literal, Self, TypeVar

from attrs import evolve, frozen

from enlighten_async.dialect import decode
from enlighten_async.dialect.once import once
from enlighten_async.errors import APIError, EnlightenError, InputError, RangeError
from enlighten_async.models.coverage import Reason
from enlighten_async.models.lifetime import ConsumptionLifetime, EnergyLifetime
from enlighten_async.session.outline import Draft
from enlighten_async.windows import calendar_day
from enlighten_async.wire import Request, Response

_INVALID = "Requested date range is invalid for this system"
"""What the service says when the start is after the end, one of which it may have chosen itself."""

_NO_METER = {401: "consumption meter", 404: "Resource not found", 422: "consumption meter"}
"""What it says, by status, of a system without an enabled meter of consumption."""

_T = TypeVar("_T", EnergyLifetime, ConsumptionLifetime)


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
        if not isinstance(refusal, RangeError) or _INVALID not in str(refusal):
            return None
        if self.start_date is None:
            # The service's own start is after the end: the caller's, or else its own.
            return Reason.NOT_REPORTED_YET if self.end_date is None else Reason.BEFORE_OPERATION
        first, last = refusal.start_date, refusal.end_date
        if first is None or last is None or first <= last:
            return Reason.NOT_REPORTED_YET if _recent(self.start_date, refusal) else None
        # It moved an end of the range past the other: to where data begins, or to where it ends.
        return Reason.BEFORE_OPERATION if first > self.start_date else Reason.NOT_REPORTED_YET


def _recent(day: date, refusal: RangeError) -> bool:
    """Tell whether a day may be the system's today: in any time zone, it is within a day of UTC's."""
    now = decode.fetched_at(refusal.response)
    return now is not None and abs(day - now.date()) <= timedelta(days=1)


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

    path = f"/systems/{system_id}/energy_lifetime"
    params = days.params if production is None else (*days.params, ("production", production))
    read, forgive = _reader(EnergyLifetime, system_id, days), _forgiver(EnergyLifetime, system_id, days.empty)
    return once(Request("energy_lifetime", path, params, read, None, forgive))


def consumption_lifetime(
    system_id: int, *, start_date: date | None = None, end_date: date | None = None
) -> Draft[ConsumptionLifetime, ConsumptionLifetime, ConsumptionLifetime]:
    """Ask for what was consumed at a system, day by day.

    Args:
        system_id: the system.
        start_date: first local day.
        end_date: last local day, inclusive.

    Raises:
        InputError: an argument is wrong.
    """
    days = Days.of(start_date, end_date)

    def empty(refusal: APIError) -> Reason | None:
        return Reason.NO_DEVICE if _without_meter(refusal) else days.empty(refusal)

    path = f"/systems/{system_id}/consumption_lifetime"
    read = _reader(ConsumptionLifetime, system_id, days)
    forgive = _forgiver(ConsumptionLifetime, system_id, empty)
    return once(Request("consumption_lifetime", path, days.params, read, None, forgive))


def _without_meter(refusal: APIError) -> bool:
    """Tell whether a refusal says that the system has no enabled meter of consumption."""
    said = _NO_METER.get(refusal.status)
    return refusal.status == 204 or (said is not None and said in str(refusal))


def _reader(model: type[_T], system_id: int, days: Days) -> Callable[[Response], _T]:
    """Return what decodes an answer; its system and start are known also if it leaves them out."""
    known = {"system_id": system_id, "start_date": days.start_date and str(days.start_date)}

    def read(response: Response) -> _T:
        part = decode.value(model, response, **known)
        return part or evolve(part, start_date=None, reason=Reason.NOT_REPORTED_YET)

    return read


def _forgiver(
    model: type[_T], system_id: int, empty: Callable[[APIError], Reason | None]
) -> Callable[[EnlightenError], _T | None]:
    """Return what makes an answer without days of a refusal that stands for one."""

    def forgive(refusal: EnlightenError) -> _T | None:
        if not isinstance(refusal, APIError) or (reason := empty(refusal)) is None:
            return None
        return model(system_id, None, (), reason=reason, as_of=decode.fetched_at(refusal.response))

    return forgive
