"""Energy of whole local days, since the beginning."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from attrs import NOTHING, evolve, field, fields, frozen

from enlighten_async.lazy import LazyModule
from enlighten_async.models.convert import RowSequence, ToDict
from enlighten_async.models.coverage import Coverage, Gap, Reason
from enlighten_async.models.intervals import Meta
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.series import row_class
from enlighten_async.models.tabular import SingleRow
from enlighten_async.windows import DAY, Window

if TYPE_CHECKING:
    from attrs import Attribute

    from enlighten_async.export import report
else:
    report = LazyModule("enlighten_async.export.report")

D_co = TypeVar("D_co", bound=ToDict, covariant=True)


@frozen
class LifetimeDay(ToDict, SingleRow):
    """The energy of one local day."""

    date: datetime.date
    """The day, in the system's own time zone."""
    wh: int | None
    """Wh of the day; null where the service has no figure. 0 also stands for days without a report."""
    micro_wh: int | None = None
    """Wh by the microinverters alone; null unless asked for (`production="all"`)."""
    meter_wh: int | None = None
    """Wh by the meters alone; null unless asked for."""


@frozen
class BatteryDay(ToDict, SingleRow):
    """Energy that a system's batteries took in and gave on one local day."""

    date: datetime.date
    """The day, in the system's own time zone."""
    charge: int | None
    """Wh that went into them; null where the service has no figure."""
    discharge: int | None
    """Wh that came out of them; null where the service has no figure."""


def _on_the_calendar(lifetime: Lifetime[ToDict], _: Attribute[datetime.date | None], start: object) -> None:
    """Check that each value has a day."""
    if isinstance(start, datetime.date):
        start + datetime.timedelta(days=len(lifetime))  # raises beyond the calendar
    elif len(lifetime):
        raise ValueError("values without a start_date")


_NO_DAY = datetime.date(1970, 1, 1)


def days_of_utc(first: datetime.date, count: int) -> Window:
    """Return local days as days of UTC, so that they can be counted; none if there are fewer than one."""
    start = int(datetime.datetime.combine(first, datetime.time(), datetime.UTC).timestamp())
    return Window(start, start + max(0, count) * DAY)


@frozen
class Lifetime(RowSequence[D_co]):
    """Figures of a system, day by day: a sequence of days, without gaps.

    Days without a report are 0, not missing; so zeros at the end may mean that nothing was reported yet.
    """

    _columns: ClassVar[tuple[str, ...]]
    """The attributes that hold a value a day, in the order of the day's own attributes."""

    system_id: int
    """The service's number of the system."""
    start_date: datetime.date | None = field(validator=_on_the_calendar)
    """Local day of the first value; null if there are no values."""
    meta: Meta | None = field(default=None, kw_only=True)
    """The system's state; null in answers of the first years, and where `reason` is set."""
    reason: Reason | None = field(default=None, kw_only=True)
    """Why there are no days, also in `coverage`; null if there are."""
    missing: tuple[Gap, ...] = field(default=(), eq=False, kw_only=True)
    """The gaps of what was asked for, where that is known; those of `coverage`."""
    notes: tuple[str, ...] = field(default=(), eq=False, kw_only=True)
    """Descriptions of what the service sent that was left out."""
    as_of: datetime.datetime | None = field(default=None, eq=False, kw_only=True)
    """When it was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False, kw_only=True)
    """Cost of the query."""

    @classmethod
    def empty(cls, system_id: int, reason: Reason, as_of: datetime.datetime | None, **known: object) -> Self:
        """Return an answer without days, with known values of other attributes.

        Args:
            system_id: the service's number of the system.
            reason: why there are no days.
            as_of: when it was fetched (aware UTC).
            known: values of other attributes.
        """
        values: dict[str, Any] = {**dict.fromkeys(cls._columns, ()), **known}
        return cls(system_id, None, **values, reason=reason, as_of=as_of)

    def _repr_html_(self) -> str:
        """Return a small table and a picture, for notebooks."""
        return report.summary(self)

    def within(self, first: datetime.date, last: datetime.date) -> Self:
        """Return the answer without the days before the first and after the last.

        Args:
            first: first local day.
            last: last local day, included.
        """
        if self.start_date is None:
            return self
        skipped = min(max(0, (first - self.start_date).days), len(self))
        count = max(0, (last - self.start_date).days + 1)
        columns: dict[str, Any] = {name: getattr(self, name)[skipped:count] for name in self._columns}
        return evolve(self, start_date=self.start_date + datetime.timedelta(days=skipped), **columns)

    @property
    def days(self) -> Window:
        """Its days, each as a day of UTC."""
        return days_of_utc(self.start_date or _NO_DAY, len(self))

    @property
    def dates(self) -> tuple[datetime.date, ...]:
        """The local day of each value."""
        first = (self.start_date or _NO_DAY).toordinal()
        return tuple(map(datetime.date.fromordinal, range(first, first + len(self))))

    @property
    def has_all_figures(self) -> bool:
        """Whether each of its days has a figure: in the first column, and in the others that were sent."""
        main, *others = (getattr(self, name) for name in self._columns)
        given = (main, *filter(None, others))
        return all(len(each) == len(self) and None not in each for each in given)

    def shorter(self, *, all_asked: bool) -> list[str]:
        """Return the names of lists that have no figure of some of its days.

        Args:
            all_asked: whether the lists that the service only sends if asked to were asked for.
        """
        asked = [each.name for each in fields(type(self)) if all_asked or each.default is NOTHING]
        lists = {name: getattr(self, name) for name in self._columns}
        return [
            name.rstrip("_")
            for name, figures in lists.items()
            if (figures or name in asked) and len(figures) < len(self)
        ]

    def __len__(self) -> int:
        return max(len(getattr(self, column)) for column in self._columns)

    @property
    def coverage(self) -> Coverage:
        """The coverage: the days that were asked for, each as a day of UTC.

        One without days has a gap, which bears the reason; an empty one, where it is not known of which days.
        """
        gaps = self.missing
        if self.reason is not None and not gaps:
            gaps = (Gap(self.days, self.reason),)
        spans = [*(gap.window for gap in gaps), *([self.days] if len(self) else [])] or [self.days]
        window = Window(min(span.start for span in spans), max(span.end for span in spans))
        reported = self.meta.reported_until if self.meta else None
        return Coverage(window, DAY, gaps, as_of=self.as_of, reported_until=reported, notes=self.notes)

    def _row(self, place: int) -> D_co:
        # Where there are values there is a start: it was checked.
        day = (self.start_date or datetime.date.min) + datetime.timedelta(days=place)
        columns = [getattr(self, name) for name in self._columns]
        row: D_co = row_class(type(self))(
            day, *[column[place] if place < len(column) else None for column in columns]
        )
        return row


@frozen
class EnergyLifetime(Lifetime[LifetimeDay]):
    """Energy that a system produced, day by day."""

    _columns: ClassVar[tuple[str, ...]] = ("production", "micro_production", "meter_production")

    production: tuple[int | None, ...]
    """Wh of each day from `start_date` on: by the microinverters until the first full day with a meter, then
    by the meter.
    """
    meter_start_date: datetime.date | None = None
    """Local day from which on `production` is the meter's; null without a meter."""
    micro_production: tuple[int | None, ...] = ()
    """Wh of each day by the microinverters alone; empty unless asked for."""
    meter_production: tuple[int | None, ...] = ()
    """Wh of each day by the meters alone; empty unless asked for."""


@frozen
class ConsumptionLifetime(Lifetime[LifetimeDay]):
    """Energy consumed at a system's site, day by day."""

    _columns: ClassVar[tuple[str, ...]] = ("consumption",)

    consumption: tuple[int | None, ...]
    """Wh of each day from `start_date` on."""


@frozen
class EvseLifetime(ConsumptionLifetime):
    """Energy that one EV charger (EVSE) used, day by day."""

    serial_number: str = field(kw_only=True)
    """The charger."""


@frozen
class HpLifetime(ConsumptionLifetime):
    """Energy that a system's heat pump used, day by day."""


@frozen
class EvChargerLifetime(ConsumptionLifetime):
    """Energy that one of Enphase's EV chargers used, day by day."""

    serial_number: str = field(kw_only=True)
    """The charger."""


@frozen
class EnergyImportLifetime(Lifetime[LifetimeDay]):
    """Energy that a system's site drew from the grid, day by day."""

    _columns: ClassVar[tuple[str, ...]] = ("import_",)

    import_: tuple[int | None, ...]
    """Wh of each day from `start_date` on; the service's own name of it is a word of Python."""


@frozen
class EnergyExportLifetime(Lifetime[LifetimeDay]):
    """Energy that a system's site fed into the grid, day by day."""

    _columns: ClassVar[tuple[str, ...]] = ("export",)

    export: tuple[int | None, ...]
    """Wh of each day from `start_date` on."""


@frozen
class BatteryLifetime(Lifetime[BatteryDay]):
    """Energy that a system's batteries took in and gave, day by day."""

    _columns: ClassVar[tuple[str, ...]] = ("charge", "discharge")

    charge: tuple[int | None, ...]
    """Wh that went in on each day from `start_date` on."""
    discharge: tuple[int | None, ...]
    """Wh that came out on each day."""
