"""Answers in intervals: their common attributes, sums by local time, and the joining of parts."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import date, datetime
from math import isnan
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Literal, Self, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from attrs import define, evolve, field, fields, frozen

from enlighten_async.errors import InputError
from enlighten_async.lazy import LazyModule
from enlighten_async.models.convert import ToDict
from enlighten_async.models.coverage import Coverage, Gap, combined, earlier, row_lengths
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.series import Series, changed, concatenated, row_class
from enlighten_async.models.tabular import Tabular
from enlighten_async.windows import DAY, Window, steady, time_zone

if TYPE_CHECKING:
    from enlighten_async.export import report
else:
    report = LazyModule("enlighten_async.export.report")


@frozen
class Meta(ToDict):
    """The state of a system when it was asked about."""

    status: str | None = None
    """The API's word ("normal", "comm", "micro", ...); an open set."""
    last_report_at: datetime | None = None
    """When its gateway last reported (aware UTC); null if never."""
    last_energy_at: datetime | None = None
    """When it last reported energy (aware UTC); null if never."""
    operational_at: datetime | None = None
    """When it went into operation (aware UTC); null if not yet."""

    @property
    def reported_until(self) -> datetime | None:
        """End of the data that it had reported: the earlier of its last report and its last energy."""
        return earlier(self.last_report_at, self.last_energy_at)


Unit: TypeAlias = Literal["hour", "day", "month"]

_HOUR_S = 3_600

QUARTER_S = 900
"""Seconds of a quarter of an hour, the cell of a profile."""

QUARTERS = DAY // QUARTER_S

_EPOCH_DAY = date(1970, 1, 1).toordinal()


@frozen
class Sum(ToDict):
    """The energy of one local hour, day or month, as far as the answer's range reaches."""

    start: datetime
    """Its first moment inside the range, in the system's local time."""
    wh: float
    """Energy in Wh of the intervals there are."""
    got: int
    """Number of intervals on the grid that have a value, or lie in a longer one that has."""
    expected: int
    """Number of intervals on the grid; fewer than usual at the ends of the range and on days of 23 hours,
    more on days of 25.
    """


@define
class _RunningSum:
    start: int
    wh: float = 0.0
    got: int = 0
    expected: int = 0


def sums(
    window: Window,
    grid: int,
    ends: Sequence[int],
    values: Sequence[float],
    zone: ZoneInfo,
    unit: Unit,
    lengths: Sequence[int] | None = None,
) -> list[Sum]:
    """Add up intervals by the local hour, day or month in which they begin.

    Args:
        window: the range, on the grid.
        grid: seconds from one interval to the next.
        ends: the intervals' ends, epoch seconds, ascending.
        values: their energy in Wh, NaN for null.
        zone: the system's time zone.
        unit: "hour" (a repeated hour counts as two), "day" or "month".
        lengths: seconds of each interval, where some are longer: see `row_lengths`.
    """
    if unit not in _CUTS:
        raise InputError(f"unit must be 'hour', 'day' or 'month', not {unit!r}")
    running: dict[object, _RunningSum] = {}
    for piece, offset in steady(window, zone):
        for start, end, key in _CUTS[unit](piece, offset):
            total = running.setdefault(key, _RunningSum(start))
            # An interval belongs to the piece in which it begins: start <= end_at - grid < end.
            low, high = bisect_right(ends, start + grid - 1), bisect_right(ends, end + grid - 1)
            there = [value for value in values[low:high] if not isnan(value)]
            total.wh += sum(there)
            total.got += len(there) if lengths is None else _cells_of(values, lengths, low, high, grid)
            total.expected += _cells(window, start, end, grid)
    return [Sum(datetime.fromtimestamp(t.start, zone), t.wh, t.got, t.expected) for t in running.values()]


def _cells(window: Window, start: int, end: int, grid: int) -> int:
    """Count the grid's intervals that begin in `[start, end)`; the window's start is on the grid."""
    return -((window.start - end) // grid) - -((window.start - start) // grid)


def _cells_of(values: Sequence[float], lengths: Sequence[int], low: int, high: int, grid: int) -> int:
    """Count the grid's intervals that have a value, as rows may be of longer ones."""
    return sum(max(1, lengths[place] // grid) for place in range(low, high) if not isnan(values[place]))


def _equal(size: int, piece: Window, offset: int) -> Iterator[tuple[int, int, int]]:
    """Cut at multiples of `size` seconds of local time."""
    start = piece.start
    while start < piece.end:
        number = (start + offset) // size
        end = min((number + 1) * size - offset, piece.end)
        yield start, end, number
        start = end


def _hours(piece: Window, offset: int) -> Iterator[tuple[int, int, object]]:
    """Cut at local hours; the same hour at another offset is another hour."""
    for start, end, number in _equal(_HOUR_S, piece, offset):
        yield start, end, (number, offset)


def _days(piece: Window, offset: int) -> Iterator[tuple[int, int, object]]:
    """Cut at local days; a day of two offsets is one day."""
    return _equal(DAY, piece, offset)


def _months(piece: Window, offset: int) -> Iterator[tuple[int, int, object]]:
    """Cut at local days and name them by their month."""
    for start, end, number in _equal(DAY, piece, offset):
        day = date.fromordinal(_EPOCH_DAY + number)
        yield start, end, (day.year, day.month)


_CUTS = {"hour": _hours, "day": _days, "month": _months}


R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")
T = TypeVar("T")

Steps: TypeAlias = Generator[None, None, T]
"""Work in steps of a few milliseconds; between two an event loop can go on. It returns its result."""

KEEP_NEWEST: Final = "keep_newest"
"""In the metadata of a field: joined parts keep the newest value that is not null."""


@frozen
class SeriesResult(ToDict, Tabular):
    """The data of a system over a range of time."""

    system_id: int
    """The service's number of the system."""
    total_devices: int
    """Number of its devices of the kind that measures."""
    meta: Meta | None
    """The system's state when the newest part was fetched; null where the service does not tell."""
    window: Window
    """The range that was asked for in the end: `(start, end]`, epoch seconds on the grid."""
    timezone: str | None
    """IANA name of the system's time zone, where known."""
    coverage: Coverage = field(eq=False)
    """The part of the range that has rows, and the reasons for gaps."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query; empty on a part of a stream."""

    @classmethod
    def empty(cls, system_id: int, coverage: Coverage, **known: str) -> Self:
        """Return an answer without rows.

        Args:
            system_id: the service's number of the system.
            coverage: its range, and why there is nothing in it.
            known: values of the model's own attributes, such as `serial_number`.
        """
        fields = cls._without_rows() | known
        return cls(system_id, 0, None, coverage.window, None, coverage=coverage, **fields)

    @classmethod
    def _without_rows(cls) -> dict[str, Any]:
        """Return the field that holds the rows, empty."""
        raise NotImplementedError

    @property
    def _last(self) -> int | None:
        """The end of the newest row, epoch seconds; `None` without rows."""
        raise NotImplementedError

    def _with_timezone(self, timezone: str | None) -> Self:
        """Return the answer with the name of the system's time zone."""
        return evolve(self, timezone=timezone)

    def _with_rows_of(self, parts: Sequence[Self]) -> Steps[Self]:
        """Return this answer, which has no rows, with the rows of its parts."""
        raise NotImplementedError

    def _slice(self, window: Window) -> Self:
        """Return the part of the answer in a window, which lies within its own."""
        return evolve(self, window=window, coverage=self.coverage.cut(window))

    def _changed(self, before: Sequence[Self]) -> tuple[Self, Self]:
        """Return the answer with those of its rows alone that are not in earlier parts; or are, but other."""
        raise NotImplementedError


S_co = TypeVar("S_co", covariant=True)


@frozen
class Changes(Generic[S_co]):
    """The rows of an answer that were not cached, or with other values, when its query began."""

    answer: S_co
    """The whole answer."""
    new: S_co
    """The answer with those of its rows alone that were not cached."""
    corrected: S_co
    """The answer with those of its rows alone that were cached with other values."""
    unwritten: tuple[S_co, ...] = ()
    """Earlier answers, cut to what is before this one's range, that were cached and not written; in order of
    time.
    """
    cached: tuple[Window, ...] = ()
    """What was cached of the range, and written, in order of time; rows outside of it are new to the cache
    alone.
    """


@frozen
class IntervalStats(SeriesResult, Generic[R_co]):
    """The measurements of a system over a range of time, in intervals."""

    _energy: ClassVar[str]
    """The column that holds the energy of each interval, Wh."""

    intervals: Series[R_co]
    """Its rows, in order of time."""
    coverage: Coverage = field(eq=False)
    """The part of the range that has rows, and the reasons for gaps."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query; empty on a part of a stream."""

    @classmethod
    def _without_rows(cls) -> dict[str, Any]:
        return {"intervals": Series.of(row_class(cls))}

    @property
    def _last(self) -> int | None:
        ends = self.intervals._columns["end_at"]
        return int(ends[-1]) if ends else None

    def _with_rows_of(self, parts: Sequence[Self]) -> Steps[Self]:
        pieces = [part.intervals for part in parts]
        yield
        return evolve(self, intervals=concatenated(pieces or [self.intervals]))

    def _slice(self, window: Window) -> Self:
        return evolve(super()._slice(window), intervals=within(self.intervals, window))

    def _changed(self, before: Sequence[Self]) -> tuple[Self, Self]:
        new, corrected = changed(self.intervals, (part.intervals for part in before))
        return evolve(self, intervals=new), evolve(self, intervals=corrected)

    def _repr_html_(self) -> str:
        """Return a small table and a picture, for notebooks."""
        return report.summary(self)

    def sums(self, unit: Unit, *, timezone: str | None = None) -> list[Sum]:
        """Return the energy of each local hour, day or month of the range.

        Args:
            unit: "hour", "day" or "month".
            timezone: IANA name; by default the system's own, where known.

        Raises:
            InputError: the time zone is not known, or the unit is none of the three.
        """
        return self._sums(self._energy, unit, timezone)

    def _sums(self, column: str, unit: Unit, timezone: str | None) -> list[Sum]:
        name = timezone or self.timezone
        if name is None:
            raise InputError(
                f"the time zone of system {self.system_id} is not known yet: pass timezone='Europe/Berlin', "
                f"say, or await client.systems() before, which learns it for all your systems"
            )
        columns, coverage = self.intervals.columns, self.coverage
        ends, values = columns["end_at"], columns[column]
        lengths = row_lengths(coverage, ends)
        return sums(self.window, coverage.grid, ends, values, time_zone(name), unit, lengths)


@frozen
class Profile:
    """Power by local day and quarter of an hour."""

    days: tuple[date, ...]
    """Its local days, in order, without a gap."""
    watts: tuple[tuple[float | None, ...], ...]
    """For each day 96 means of power, W, from midnight on; null where there is no value."""
    peak: float | None
    """The highest of them, W; null without values."""
    peak_at: datetime | None
    """When the quarter of the peak began, in local time; null without values."""


@frozen
class _Cell:
    """The intervals that begin in a quarter: sum of their means of power (W), number, first start."""

    sum: float
    count: int
    start: int

    @property
    def watts(self) -> float:
        return self.sum / self.count


def profile(answer: IntervalStats[object], zone: ZoneInfo) -> Profile:
    """Return the power of an answer by local day and quarter.

    In the hour that a clock repeats, a quarter has the mean of both; one that it skips has no value.

    Args:
        answer: a series.
        zone: time zone of the days.
    """
    cells: dict[tuple[int, int], _Cell] = {}
    numbers, lengths = range(0), row_lengths(answer.coverage, answer.intervals.columns["end_at"])
    for piece, offset in steady(answer.window, zone):
        for start, watts in _means(answer, lengths, piece.start, piece.end):
            second = start + offset
            place = second // DAY, second % DAY // QUARTER_S
            before = cells.get(place, _Cell(0.0, 0, start))
            cells[place] = _Cell(before.sum + watts, before.count + 1, before.start)
        begun, ended = (piece.start + offset) // DAY, (piece.end - 1 + offset) // DAY
        numbers = range(numbers.start if numbers else begun, ended + 1)
    peak = max(cells.values(), key=lambda cell: cell.watts, default=None)
    return Profile(
        tuple(date.fromordinal(_EPOCH_DAY + number) for number in numbers),
        tuple(tuple(_watts(cells.get((day, quarter))) for quarter in range(QUARTERS)) for day in numbers),
        None if peak is None else peak.watts,
        None if peak is None else datetime.fromtimestamp(peak.start, zone),
    )


def _watts(cell: _Cell | None) -> float | None:
    return None if cell is None else cell.watts


def _means(
    answer: IntervalStats[object], lengths: Sequence[int] | None, start: int, end: int
) -> Iterator[tuple[int, float]]:
    """Yield start (epoch seconds) and mean power (W) of the intervals that begin in `[start, end)`.

    One whose length is not known has no power.
    """
    columns, grid = answer.intervals.columns, answer.coverage.grid
    ends, energy = columns["end_at"], columns[answer._energy]
    for place in range(bisect_right(ends, start + grid - 1), bisect_right(ends, end + grid - 1)):
        length = grid if lengths is None else lengths[place]
        if length and not isnan(wh := energy[place]):
            yield ends[place] - length, wh * _HOUR_S / length


S = TypeVar("S", bound=SeriesResult)


def merge_parts(parts: Sequence[S], empty: S, unasked: Iterable[Gap] = ()) -> S:
    """Join parts of one system into one answer, all at once; see `merge_in_steps`."""
    return finish(merge_in_steps(parts, empty, unasked))


def finish(steps: Steps[T]) -> T:
    """Do all steps, one right after another, and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


def merge_in_steps(parts: Sequence[S], empty: S, unasked: Iterable[Gap] = ()) -> Steps[S]:
    """Join parts of one system into one answer, on the finest of their grids.

    Args:
        parts: in order of time; no two share an interval of one device.
        empty: an answer without rows for the whole range, to be filled.
        unasked: gaps for which there is no part.
    """
    # A part that stands for an error says nothing of the system.
    newest = next((part for part in reversed(parts) if part.meta or part.total_devices), empty)
    grid = min((part.coverage.grid for part in parts), default=empty.coverage.grid)
    coverages = [part.coverage for part in parts]
    merged = evolve(
        empty,
        total_devices=newest.total_devices,
        meta=newest.meta,
        coverage=combined(coverages, empty.coverage.window, grid, unasked),
        **_newest_values(parts, empty),
    )
    return (yield from merged._with_rows_of(parts))


def _newest_values(parts: Sequence[S], empty: S) -> dict[str, Any]:
    """Return the newest values of the attributes of which the newest is kept."""
    names = [each.name for each in fields(type(empty)) if each.metadata.get(KEEP_NEWEST)]
    return {name: value for name in names for part in parts if (value := getattr(part, name)) is not None}


def within(rows: Series[R], window: Window) -> Series[R]:
    """Return those of rows, in order of time, whose intervals end in a window."""
    ends = rows.columns["end_at"]
    return rows[bisect_right(ends, window.start) : bisect_right(ends, window.end)]
