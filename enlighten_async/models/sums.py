"""Energy per local hour, day or month."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from attrs import define, frozen

from enlighten_async.errors import InputError
from enlighten_async.windows import DAY, Window, steady

Unit: TypeAlias = Literal["hour", "day", "month"]

HOUR = 3_600

_EPOCH = date(1970, 1, 1).toordinal()


@frozen
class Sum:
    """The energy of one local hour, day or month, as far as the answer's range reaches.

    Attributes:
        start: its first moment inside the range, in the system's local time.
        wh: energy in Wh of the intervals there are.
        got: how many intervals have a value.
        expected: how many the grid has; fewer than usual at the ends of the range and on days of
            23 hours, more on days of 25.
    """

    start: datetime
    wh: float
    got: int
    expected: int


@define
class _Tally:
    start: int
    wh: float = 0.0
    got: int = 0
    expected: int = 0


def sums(
    window: Window, grid: int, ends: Sequence[int], values: Sequence[float], zone: ZoneInfo, unit: Unit
) -> list[Sum]:
    """Add up intervals by the local hour, day or month in which they begin.

    Args:
        window: the range, on the grid.
        grid: seconds from one interval to the next.
        ends: the intervals' ends, epoch seconds, ascending.
        values: their energy in Wh, NaN for null.
        zone: the system's time zone.
        unit: "hour" (a repeated hour counts as two), "day" or "month".
    """
    if unit not in _CUTS:
        raise InputError(f"unit must be 'hour', 'day' or 'month', not {unit!r}")
    tallies: dict[object, _Tally] = {}
    for piece, offset in steady(window, zone):
        for start, end, key in _CUTS[unit](piece, offset):
            tally = tallies.setdefault(key, _Tally(start))
            # An interval belongs to the stretch in which it begins: start <= end_at - grid < end.
            low, high = bisect_right(ends, start + grid - 1), bisect_right(ends, end + grid - 1)
            there = [value for value in values[low:high] if value == value]  # noqa: PLR0124 - not NaN
            tally.wh += sum(there)
            tally.got += len(there)
            tally.expected += _cells(window, start, end, grid)
    return [Sum(datetime.fromtimestamp(t.start, zone), t.wh, t.got, t.expected) for t in tallies.values()]


def _cells(window: Window, start: int, end: int, grid: int) -> int:
    """Count the grid's intervals that begin in `[start, end)`; the window's start is on the grid."""
    return -((window.start - end) // grid) - -((window.start - start) // grid)


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
    for start, end, number in _equal(HOUR, piece, offset):
        yield start, end, (number, offset)


def _days(piece: Window, offset: int) -> Iterator[tuple[int, int, object]]:
    """Cut at local days; a day of two offsets is one day."""
    return _equal(DAY, piece, offset)


def _months(piece: Window, offset: int) -> Iterator[tuple[int, int, object]]:
    """Cut at local days and name them by their month."""
    for start, end, number in _equal(DAY, piece, offset):
        day = date.fromordinal(_EPOCH + number)
        yield start, end, (day.year, day.month)


_CUTS = {"hour": _hours, "day": _days, "month": _months}
