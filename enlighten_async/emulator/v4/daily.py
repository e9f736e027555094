"""The endpoints of v4 about days: production and consumption, and the range of requested days."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

from enlighten_async.emulator.local_time import local_date, local_midnight, parse_date
from enlighten_async.emulator.service import DATE_IN_FUTURE
from enlighten_async.emulator.v4.errors import ApiError, bad_range
from enlighten_async.emulator.v4.telemetry import check_consumption

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from enlighten_async.emulator.v4.endpoint import EndpointRequest, ServiceV4

HOUR_S = 3600

Row: TypeAlias = dict[str, object]


@frozen
class RequestedDays:
    """A range of requested days.

    Attributes:
        first: the first day; `None` if the system has never reported.
        last: the last day.
        zeros: number of days at the end whose values are not known yet and shown as zero.
    """

    first: date | None
    last: date
    zeros: int = 0

    def of(self, values: Callable[[int, date, date], list[int]], system_id: int) -> list[int]:
        """Return the values of these days."""
        return [] if self.first is None else self._with_zeros(values(system_id, self.first, self.last))

    def of_each(
        self, values: Callable[[int, date, date], dict[str, list[int]]], system_id: int, *names: str
    ) -> dict[str, list[int]]:
        """Return several series of these days by their names."""
        if self.first is None:
            return {name: [] for name in names}
        found = values(system_id, self.first, self.last)
        return {name: self._with_zeros(found[name]) for name in names}

    def _with_zeros(self, values: list[int]) -> list[int]:
        return values[: len(values) - self.zeros] + [0] * min(self.zeros, len(values))

    @property
    def start(self) -> str | None:
        """The first day as text."""
        return None if self.first is None else self.first.isoformat()


def energy_lifetime(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the production of each day: the inverters' until the meters start."""
    system_id, truth = request.system.system_id, service.truth
    days = requested_days(service, request, not_over=None)
    content: Row = {"system_id": system_id, "start_date": days.start}
    if switch := truth.meter_start_date(system_id):
        content["meter_start_date"] = switch.isoformat()
    content["production"] = days.of(truth.lifetime_days, system_id)
    if switch and request.get("production") == "all":
        content["micro_production"] = days.of(truth.micro_days, system_id)
        content["meter_production"] = days.of(truth.meter_days, system_id)
    return content | {"meta": service.meta(request.system)}


def consumption_lifetime(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the consumption of each day; no days without a meter."""
    system = request.system
    check_consumption(system)
    days = requested_days(service, request)
    if system.consumption == "none":
        days = RequestedDays(None, days.last)
    return {
        "system_id": system.system_id,
        "start_date": days.start,
        "consumption": days.of(service.truth.consumption_days, system.system_id),
        "meta": service.meta(system),
    }


def requested_days(
    service: ServiceV4, request: EndpointRequest, not_over: str | None = DATE_IN_FUTURE
) -> RequestedDays:
    """Return the requested days: by default from the first day of service until yesterday.

    Args:
        service: the service.
        request: the request.
        not_over: details of the error for a day that is not over; `None`: those for a range out of order, or
            in the future if it begins after today.

    Raises:
        ApiError: a day is not over, or the last comes before the first.
    """
    system, now = request.system, service.now()
    today = local_date(now, system.timezone)
    begun = local_date(system.operational_at, system.timezone)
    first, last = parse_date(request.get("start_date")), parse_date(request.get("end_date"))
    newest = service.newest_day(system)
    if first is not None and first > today:
        raise ApiError(422, not_over or DATE_IN_FUTURE)
    if last is None:
        ended = today - timedelta(days=1)
        last = today if first == today else min(ended, newest or ended)
    elif last >= today or (first or begun) > today:
        raise ApiError(422, not_over or bad_range(first or begun, last))
    named = request.get("start_date") or request.get("end_date")
    shown = None if newest is None and first is None else max(first or begun, begun)
    if named and shown is not None and shown > last:
        raise ApiError(422, bad_range(shown, last))
    return _as_with_zeros(service, request, RequestedDays(shown, last), today)


def _as_with_zeros(
    service: ServiceV4, request: EndpointRequest, days: RequestedDays, today: date
) -> RequestedDays:
    """Return the days that are known: yesterday may be unknown until some hour of today."""
    hour = (service.now() - local_midnight(today, request.system.timezone)) / HOUR_S
    yesterday = today - timedelta(days=1)
    if days.first is None or days.last != yesterday or hour >= service.options.yesterday_from:
        return days
    if service.options.yesterday_until == "zero":
        return RequestedDays(days.first, days.last, zeros=1)
    return RequestedDays(days.first, days.last - timedelta(days=1))
