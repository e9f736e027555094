"""The endpoints of v4 that answer a value for each day."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

from enlighten_async.emulator.local_time import local_date, local_midnight, parse_date
from enlighten_async.emulator.status import meta, newest_day
from enlighten_async.emulator.v4.refusals import IN_FUTURE, RefusedError, bad_range
from enlighten_async.emulator.v4.telemetry import check_consumption

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from enlighten_async.emulator.v4.api import ApiV4
    from enlighten_async.emulator.v4.routes import Asked

HOUR = 3600

Row: TypeAlias = dict[str, object]


@frozen
class Days:
    """The days that are asked for, and how many at their end are not known yet.

    Attributes:
        first: the first one; `None` if the system has never reported.
        last: the last one.
        dark: how many of the last ones read zero for now.
    """

    first: date | None
    last: date
    dark: int = 0

    def of(self, values: Callable[[int, date, date], list[int]], system_id: int) -> list[int]:
        """Return the values of these days."""
        return [] if self.first is None else self._known(values(system_id, self.first, self.last))

    def of_each(
        self, values: Callable[[int, date, date], dict[str, list[int]]], system_id: int, *names: str
    ) -> dict[str, list[int]]:
        """Return several series of these days by their names."""
        if self.first is None:
            return {name: [] for name in names}
        found = values(system_id, self.first, self.last)
        return {name: self._known(found[name]) for name in names}

    def _known(self, values: list[int]) -> list[int]:
        return values[: len(values) - self.dark] + [0] * min(self.dark, len(values))

    @property
    def start(self) -> str | None:
        """The first one as text."""
        return None if self.first is None else self.first.isoformat()


def energy_lifetime(api: ApiV4, asked: Asked) -> Row:
    """Answer the energy made on each day: the inverters' until the meters count."""
    system_id, truth = asked.system.system_id, api.truth
    days = asked_days(api, asked, in_future=None)
    content: Row = {"system_id": system_id, "start_date": days.start}
    if switch := truth.meter_start_date(system_id):
        content["meter_start_date"] = switch.isoformat()
    content["production"] = days.of(truth.lifetime_days, system_id)
    if switch and asked.get("production") == "all":
        content["micro_production"] = days.of(truth.micro_days, system_id)
        content["meter_production"] = days.of(truth.meter_days, system_id)
    return content | {"meta": meta(truth, asked.system)}


def consumption_lifetime(api: ApiV4, asked: Asked) -> Row:
    """Answer the energy consumed on each day; none without a meter."""
    system = asked.system
    check_consumption(system)
    days = asked_days(api, asked)
    if system.consumption == "none":
        days = Days(None, days.last)
    return {
        "system_id": system.system_id,
        "start_date": days.start,
        "consumption": days.of(api.truth.consumption_days, system.system_id),
        "meta": meta(api.truth, system),
    }


def asked_days(api: ApiV4, asked: Asked, in_future: str | None = IN_FUTURE) -> Days:
    """Return the days that are asked for: by default from the first day of service until yesterday.

    Args:
        api: knows the time.
        asked: the request.
        in_future: what is said of a day that is not over; `None`: the same as of ranges out of order.

    Raises:
        RefusedError: a day is not over, or the last comes before the first.
    """
    system, now = asked.system, api.clock.now()
    today = local_date(now, system.timezone)
    begun = local_date(system.operational_at, system.timezone)
    first, last = parse_date(asked.get("start_date")), parse_date(asked.get("end_date"))
    newest = newest_day(api.truth, system)
    if last is None:
        ended = today - timedelta(days=1)
        last = today if first == today else min(ended, newest or ended)
    elif last >= today or (first or begun) > today:
        raise RefusedError(422, in_future or bad_range(first or begun, last))
    if first is not None and first > today:
        raise RefusedError(422, in_future or bad_range(first, last))
    named = asked.get("start_date") or asked.get("end_date")
    shown = None if newest is None and first is None else max(first or begun, begun)
    if named and shown is not None and shown > last:
        raise RefusedError(422, bad_range(shown, last))
    return _as_known(api, asked, Days(shown, last), today)


def _as_known(api: ApiV4, asked: Asked, days: Days, today: date) -> Days:
    """Return the days as far as they are known: yesterday may take until some hour of today."""
    hour = (api.clock.now() - local_midnight(today, asked.system.timezone)) / HOUR
    yesterday = today - timedelta(days=1)
    if days.first is None or days.last != yesterday or hour >= api.manners.yesterday_from:
        return days
    if api.manners.yesterday_until == "zero":
        return Days(days.first, days.last, dark=1)
    return Days(days.first, days.last - timedelta(days=1))
