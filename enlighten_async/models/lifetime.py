"""Energy of whole local days, since the beginning."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from attrs import field, frozen

from enlighten_async.models.coverage import Coverage, Hole, Reason
from enlighten_async.models.meta import Meta
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.rows import Plain, Rows
from enlighten_async.windows import DAY, Window

if TYPE_CHECKING:
    from attrs import Attribute


@frozen
class LifetimeDay(Plain):
    """The energy of one local day.

    Attributes:
        date: the day, in the system's own time zone.
        wh: Wh of the day; null where the service has no figure. 0 also stands for days without a report.
        micro_wh: Wh by the microinverters alone; null unless asked for (`production="all"`).
        meter_wh: Wh by the meters alone; null unless asked for.
    """

    date: datetime.date
    wh: int | None
    micro_wh: int | None = None
    meter_wh: int | None = None


def _on_the_calendar(
    lifetime: EnergyLifetime | ConsumptionLifetime, _: Attribute[datetime.date | None], start: object
) -> None:
    """Check that each value has a day."""
    if isinstance(start, datetime.date):
        start + datetime.timedelta(days=len(lifetime))  # raises beyond the calendar
    elif len(lifetime):
        raise ValueError("values without a start_date")


@frozen
class EnergyLifetime(Rows[LifetimeDay]):
    """What a system produced, day by day: a sequence of `LifetimeDay`, without gaps.

    Days without a report are 0, not missing; so zeros at the end may mean that nothing was reported yet.

    Attributes:
        system_id: the service's number of the system.
        start_date: local day of the first value; null if it never produced, or there are no values.
        production: Wh of each day from `start_date` on: by the microinverters until the first full day
            with a meter, then by the meter.
        meter_start_date: local day from which on `production` is the meter's; null without a meter.
        micro_production: Wh of each day by the microinverters alone; empty unless asked for.
        meter_production: Wh of each day by the meters alone; empty unless asked for.
        meta: the system's state; null in answers of the first years, and where `reason` is set.
        reason: why there are no days, also in `coverage`; null if there are.
        as_of: when it was fetched (aware UTC).
        receipt: what the query spent.
    """

    system_id: int
    start_date: datetime.date | None = field(validator=_on_the_calendar)
    production: tuple[int | None, ...]
    meter_start_date: datetime.date | None = None
    micro_production: tuple[int | None, ...] = ()
    meter_production: tuple[int | None, ...] = ()
    meta: Meta | None = None
    reason: Reason | None = None
    as_of: datetime.datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)

    def __len__(self) -> int:
        return max(len(self.production), len(self.micro_production), len(self.meter_production))

    @property
    def coverage(self) -> Coverage:
        """What it covers, see `covered`."""
        return covered(self)

    def _row(self, place: int) -> LifetimeDay:
        return LifetimeDay(
            _day(self.start_date, place),
            _value(self.production, place),
            _value(self.micro_production, place),
            _value(self.meter_production, place),
        )


@frozen
class ConsumptionLifetime(Rows[LifetimeDay]):
    """What was consumed at a system, day by day: a sequence of `LifetimeDay`, without gaps.

    Days without a report are 0, not missing; so zeros at the end may mean that nothing was reported yet.

    Attributes:
        system_id: the service's number of the system.
        start_date: local day of the first value; null if there are no values.
        consumption: Wh of each day from `start_date` on.
        meta: the system's state; null in answers of the first years, and where `reason` is set.
        reason: why there are no days; `Reason.NO_DEVICE` without a meter of consumption; null if there are.
        as_of: when it was fetched (aware UTC).
        receipt: what the query spent.
    """

    system_id: int
    start_date: datetime.date | None = field(validator=_on_the_calendar)
    consumption: tuple[int | None, ...]
    meta: Meta | None = None
    reason: Reason | None = None
    as_of: datetime.datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)

    def __len__(self) -> int:
        return len(self.consumption)

    @property
    def coverage(self) -> Coverage:
        """What it covers, see `covered`."""
        return covered(self)

    def _row(self, place: int) -> LifetimeDay:
        return LifetimeDay(_day(self.start_date, place), _value(self.consumption, place))


def covered(lifetime: EnergyLifetime | ConsumptionLifetime) -> Coverage:
    """Return what a lifetime covers: its days, each as a day of UTC.

    It has no gaps. One without days has an empty hole, which bears the reason.
    """
    days = [datetime.datetime.combine(day, datetime.time(), datetime.UTC) for day in _ends(lifetime)]
    window = Window(*(int(day.timestamp()) for day in days))
    holes = () if lifetime.reason is None else (Hole(window, lifetime.reason),)
    return Coverage(window, DAY, holes, as_of=lifetime.as_of)


def _ends(lifetime: EnergyLifetime | ConsumptionLifetime) -> tuple[datetime.date, datetime.date]:
    """Return the first day and the one after the last; the same two where there are none."""
    first = lifetime.start_date or datetime.date(1970, 1, 1)
    return first, _day(first, len(lifetime))


def _day(start: datetime.date | None, place: int) -> datetime.date:
    # Where there are values there is a start: it was checked.
    return (start or datetime.date.min) + datetime.timedelta(days=place)


def _value(column: tuple[int | None, ...], place: int) -> int | None:
    return column[place] if place < len(column) else None
