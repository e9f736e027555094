"""Facts: what a page tells of an answer, and the texts of its days, energies, shares and reasons. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import cached_property
from itertools import groupby
from types import MappingProxyType
from typing import ClassVar, Final, Generic, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from attrs import define

from enlighten_async.errors import InputError
from enlighten_async.models.convert import ToDict
from enlighten_async.models.coverage import Coverage, Gap, Reason
from enlighten_async.models.intervals import IntervalStats, Profile, Sum, profile
from enlighten_async.models.lifetime import Lifetime
from enlighten_async.windows import DAY, Window, local_days, time_zone

HOUR_S = 3_600

LONGEST_NIGHT_S = 20 * HOUR_S
"""Seconds; a longer gap of a series that has rows by daylight only is one."""

ROWS_BY_DAY = frozenset({"Stats", "MicroTelemetry"})
"""Answers for which the service has rows by daylight only: a night without rows is no gap in a day."""

FIGURES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "micro_production": "by microinverters",
        "meter_production": "by meters",
        "charge": "taken in",
        "discharge": "given",
    }
)
"""The figures of a day in words, where it has several, by their names in a lifetime."""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

GAP_REASONS: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.NO_ROW: "The service has no row for it: nothing was reported.",
        Reason.NOT_REPORTED_YET: "It lies after what the system had reported when asked.",
        Reason.NO_DEVICE: "The system has no device of this kind.",
        Reason.BEYOND_RETENTION: "It is older than the service keeps.",
        Reason.BEFORE_OPERATION: "The system was not yet in operation.",
        Reason.LEFT_OUT: "The service sent rows that could not be understood.",
        Reason.UNAVAILABLE: "The service said that the data is not available for now.",
        Reason.REFUSED: "It was not asked for, as another request had ended the query.",
        Reason.FAILED: "Its request failed.",
    }
)

WAITS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "minute": "the plan's next minute",
        "month": "the plan's next month",
        "in_flight": "other requests",
        "priority": "more urgent requests",
        "turn": "other programs' turns",
        "state": "the server of the shared state",
        "pace": "the month's even spending",
        "retry": "the next try",
    }
)
"""The reasons of a receipt's waits, in words."""

SUBJECTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "RgmStats": "Energy delivered, by revenue-grade meters",
        "Stats": "Energy produced, by microinverters",
        "ProductionMeter": "Energy delivered, by production meters",
        "ConsumptionStats": "Energy consumed",
        "EnergyImportTelemetry": "Energy drawn from the grid",
        "EnergyExportTelemetry": "Energy fed into the grid",
        "Battery": "Energy discharged by batteries",
        "StorageTelemetry": "Energy discharged by a battery",
        "MicroTelemetry": "Energy produced, by a microinverter",
        "EnergyLifetime": "Energy produced, day by day",
        "ConsumptionLifetime": "Energy consumed, day by day",
        "EnergyImportLifetime": "Energy drawn from the grid, day by day",
        "EnergyExportLifetime": "Energy fed into the grid, day by day",
        "BatteryLifetime": "Energy that batteries took in and gave, day by day",
        "HpLifetime": "Energy used by a heat pump, day by day",
        "EvseLifetime": "Energy used by an EV charger, day by day",
        "EvChargerLifetime": "Energy used by an EV charger, day by day",
    }
)
"""The quantity of an answer, by the name of its class."""

SeriesAnswer: TypeAlias = IntervalStats[object]
"""The answer of a series, such as `RgmStats`."""

Days: TypeAlias = Lifetime[ToDict]
"""The figures of each day, such as `EnergyLifetime`."""

Answer: TypeAlias = SeriesAnswer | Days

Peak: TypeAlias = tuple[str, tuple[str, str], str]
"""Title, value and unit, and when."""

A_co = TypeVar("A_co", bound=Answer, covariant=True)


@define
class Facts(ABC, Generic[A_co]):
    """The facts that sections tell of an answer.

    Attributes:
        answer: the answer.
        name: name of the system.
        zone: time zone of its days.
        level: level of the headings, 2 for `h2`.
    """

    unit: ClassVar[str]
    """The thing that its coverage counts."""

    answer: A_co
    name: str
    zone: ZoneInfo
    level: int = 2

    @property
    @abstractmethod
    def place(self) -> str:
        """The system, and the days that are meant."""

    @property
    @abstractmethod
    def figures(self) -> Mapping[str, list[Sum]]:
        """The local days of each figure by its words; the main one is the first."""

    @property
    @abstractmethod
    def kept(self) -> str:
        """The part of the range that is there, in words: "3 of 3 days have a figure"."""

    @property
    @abstractmethod
    def whole(self) -> Window:
        """The time from the first to the last of its days."""

    @abstractmethod
    def times(self, gap: Gap) -> str:
        """Return the local times of a gap, or its days."""

    @abstractmethod
    def minute(self, moment: datetime) -> str:
        """Return a moment in the zone of the days."""

    @property
    @abstractmethod
    def peak(self) -> Peak | None:
        """Its highest figure of a kind that only such answers have."""

    @property
    def days(self) -> list[Sum]:
        """The local days of its main figure."""
        return next(iter(self.figures.values()))

    @property
    def wh(self) -> float:
        """Its energy, Wh."""
        return sum(each.wh for each in self.days)

    @property
    def gaps(self) -> Sequence[Gap]:
        """Its gaps, without those that are in the nature of the data."""
        return self.answer.coverage.gaps()

    @cached_property
    def whole_days(self) -> list[Sum]:
        """The days that are wholly inside the range and have no gap."""
        grid = self.answer.coverage.grid
        whole = [day for day in self.days if day.expected * grid >= DAY - HOUR_S]
        return [day for day in whole if day.got and day.start.date() not in self.days_with_gaps]

    @cached_property
    def days_with_gaps(self) -> frozenset[date]:
        """The local days that have less than they should."""
        return frozenset(day.start.date() for day in self.days if day.got < day.expected)

    @property
    def span(self) -> str:
        """The first and the last local day."""
        if not self.days:
            return "no day"
        return between((self.days[0].start, self.days[-1].start))


@define
class SeriesFacts(Facts[SeriesAnswer]):
    """Those of measurements in intervals."""

    unit: ClassVar[str] = "interval"

    @property
    def place(self) -> str:
        """The system, and the zone of the days."""
        return f"system {self.answer.system_id}, local time of {self.zone.key}"

    @cached_property
    def figures(self) -> Mapping[str, list[Sum]]:
        """Its local days."""
        return {"": self.answer.sums("day", timezone=self.zone.key)}

    @property
    def kept(self) -> str:
        """The number of intervals, and their length."""
        coverage = self.answer.coverage
        length = f"{coverage.grid // 60} minutes"
        return f"{coverage.got:,} of {coverage.expected:,} intervals of {length} have a row"

    @property
    def whole(self) -> Window:
        """Its local days, whole."""
        return local_days(self.days[0].start.date(), self.days[-1].start.date(), self.zone)

    @property
    def span(self) -> str:
        """The first and the last local day."""
        return super().span if self.days else day_text(self.local(self.answer.window.start_at))

    @cached_property
    def profile(self) -> Profile:
        """Its power by day and quarter of an hour."""
        return profile(self.answer, self.zone)

    @property
    def peak(self) -> Peak | None:
        """The highest quarter-hour."""
        peak, at = self.profile.peak, self.profile.peak_at
        if peak is None or at is None or peak <= 0:
            return None
        return "Highest quarter-hour", (f"{peak / 1000:,.2f}", "kW"), minute_text(at)

    @property
    def gaps(self) -> Sequence[Gap]:
        """Its gaps, without the nights of a series that has rows by daylight only."""
        return [gap for gap in super().gaps if not self._is_night(gap)]

    @cached_property
    def days_with_gaps(self) -> frozenset[date]:
        """The local days that have less than they should; a night without rows is none."""
        if type(self.answer).__name__ not in ROWS_BY_DAY:
            return frozenset(day.start.date() for day in self.days if day.got < day.expected)
        starts = [(int(day.start.timestamp()), day) for day in self.days]
        gaps = [gap.window for gap in self.gaps]
        return frozenset(
            day.start.date()
            for start, day in starts
            if any(gap.start < start + DAY and gap.end > start for gap in gaps)
        )

    def _is_night(self, gap: Gap) -> bool:
        short = gap.reason is Reason.NO_ROW and gap.window.seconds <= LONGEST_NIGHT_S
        return short and type(self.answer).__name__ in ROWS_BY_DAY

    def local(self, moment: datetime) -> datetime:
        """Return a moment in the zone of the days."""
        return moment.astimezone(self.zone)

    def minute(self, moment: datetime) -> str:
        """Return a moment in the zone of the days."""
        return minute_text(self.local(moment))

    def times(self, gap: Gap) -> str:
        """Return the local times of a gap; the day of its end only if it is another one."""
        start, end = self.local(gap.start_at), self.local(gap.end_at)
        until = f"{end:%H:%M}" if start.date() == end.date() else minute_text(end)
        return f"{minute_text(start)} to {until}"


@define
class LifetimeFacts(Facts[Days]):
    """Those of figures of each day. They are of the system's own days, whatever their zone is."""

    unit: ClassVar[str] = "day"

    zone_is_known: bool = True

    @property
    def place(self) -> str:
        """The system, and the zone of its days, where it is known."""
        of_zone = f" of {self.zone.key}" if self.zone_is_known else ""
        return f"system {self.answer.system_id}, local days{of_zone}"

    @cached_property
    def figures(self) -> Mapping[str, list[Sum]]:
        """The days of the range: of each figure that there is."""
        main, *others = ((name, getattr(self.answer, name)) for name in self.answer._columns)
        given = [main, *(each for each in others if each[1])]
        return {FIGURES.get(name, ""): self._days(values) for name, values in given}

    def _days(self, values: Sequence[float | None]) -> list[Sum]:
        """Return the days of the range; one without a figure has got none."""
        start = self.answer.days.start
        found: list[Sum] = []
        for at in range(self.whole.start, self.whole.end, DAY):
            place = (at - start) // DAY
            value = values[place] if 0 <= place < len(values) else None
            begin = datetime.combine(day_of(at), time(), self.zone)
            found.append(Sum(begin, value or 0.0, int(value is not None), 1))
        return found

    @property
    def kept(self) -> str:
        """The number of days."""
        coverage = self.answer.coverage
        return f"{coverage.got:,} of {counted(coverage.expected, 'day')} have a figure"

    @property
    def whole(self) -> Window:
        """Its days, as days of UTC."""
        return self.answer.coverage.window

    def minute(self, moment: datetime) -> str:
        """Return a moment and its zone."""
        return f"{minute_text(moment.astimezone(self.zone))} ({self.zone.key})"

    def times(self, gap: Gap) -> str:
        """Return the days of a gap."""
        return between((day_of(gap.window.start), day_of(gap.window.end - DAY)))

    @property
    def peak(self) -> Peak | None:
        """The best month."""
        best = max(by_month(self.days), key=lambda month: month.wh, default=None)
        if best is None or best.wh <= 0:
            return None
        return "Best month", energy_text(best.wh), month_text(best.start)


def facts_of(answer: Answer, name: str | None, timezone: str | None, level: int = 2) -> Facts[Answer]:
    """Return the facts of an answer.

    Args:
        answer: the answer.
        name: name of the system; its number if not given.
        timezone: IANA name of the zone of the days; by default the answer's own, or UTC.
        level: level of the headings.

    Raises:
        InputError: the time zone is not known.
    """
    name = name or f"System {answer.system_id}"
    if isinstance(answer, IntervalStats):
        return SeriesFacts(answer, name, zone_of(answer, timezone), level)
    return LifetimeFacts(
        answer, name, time_zone(timezone or "UTC"), level, zone_is_known=timezone is not None
    )


def zone_of(answer: SeriesAnswer, timezone: str | None) -> ZoneInfo:
    """Return the time zone of an answer's local days: the one named, the system's own if known, or UTC."""
    try:
        return time_zone(timezone or answer.timezone or "UTC")
    except InputError:
        if timezone:
            raise
        return time_zone("UTC")  # the service's name of it is none on this machine


def by_month(days: Sequence[Sum]) -> list[Sum]:
    """Return the sums of days by month."""
    months = groupby(days, key=lambda day: (day.start.year, day.start.month))
    return [added(list(group)) for _, group in months]


def added(days: Sequence[Sum]) -> Sum:
    """Return the sum of days, which begins with the first."""
    return Sum(
        days[0].start, sum(d.wh for d in days), sum(d.got for d in days), sum(d.expected for d in days)
    )


def day_of(start: int) -> date:
    """Return the day of UTC that begins at a moment, epoch seconds."""
    return date(1970, 1, 1) + timedelta(seconds=start)


def subject(answer: object) -> str:
    """Return the quantity of an answer."""
    return SUBJECTS.get(type(answer).__name__, "Energy")


def state_text(coverage: Coverage) -> str:
    """Return whether all is there that exists."""
    if coverage.is_empty:
        return "Complete: nothing exists of this range"
    return "Complete" if coverage.complete else "Incomplete"


def missing_by_reason(coverage: Coverage) -> Mapping[Reason, int]:
    """Return the number of missing intervals by reason, the most first; 0 where it is not known."""
    counts: Counter[Reason] = Counter()
    for gap in coverage.gaps():
        counts[gap.reason] += gap.window.seconds // coverage.grid
    return dict(counts.most_common())


def reason_text(value: Reason) -> str:
    """Return the name of a reason."""
    return value.value.replace("_", " ")


def energy_text(wh: float) -> tuple[str, str]:
    """Return an energy in kWh, or in MWh if it is large, and the unit."""
    return (f"{wh / 1e6:,.2f}", "MWh") if wh >= 1e7 else (f"{wh / 1e3:,.1f}", "kWh")


def kwh_text(wh: float) -> str:
    """Return an energy in kWh, without the unit."""
    return f"{wh / 1000:,.1f}"


def share_text(count: int, of: int) -> str:
    """Return a share in percent, which is 0 or 100 only if it is all or nothing."""
    if not of or count in {0, of}:
        return "100 %" if of and count else "0 %"
    share = 100 * count / of
    return "< 0.1 %" if share < 0.1 else f"{min(share, 99.9):.1f} %"


def plural(count: int, noun: str) -> str:
    """Return a noun, in the plural unless there is one of it."""
    return noun if count == 1 else f"{noun}s"


def counted(count: int, noun: str) -> str:
    """Return a number of things: "3 days"."""
    return f"{count:,} {plural(count, noun)}"


def duration_text(span: timedelta) -> str:
    """Return a length of time: "2 d 3 h"."""
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = {"d": days, "h": hours, "min": minutes, "s": seconds}
    return " ".join(f"{count} {unit}" for unit, count in parts.items() if count) or "0 s"


def day_text(moment: date) -> str:
    """Return a day: "1 Mar 2025"."""
    return f"{moment.day} {MONTHS[moment.month - 1]} {moment.year}"


def minute_text(moment: datetime) -> str:
    """Return a day and its time."""
    return f"{day_text(moment)}, {moment:%H:%M}"


def month_text(moment: date) -> str:
    """Return a month: "Mar 2025"."""
    return f"{MONTHS[moment.month - 1]} {moment.year}"


def between(ends: tuple[date, date]) -> str:
    """Return the first and the last of some days, or the only one."""
    return " to ".join(dict.fromkeys(map(day_text, ends)))
