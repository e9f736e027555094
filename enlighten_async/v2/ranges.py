"""The endpoint table, one place for what the service allows, and the ranges callers give."""

from __future__ import annotations

from datetime import date
from typing import Self
from zoneinfo import ZoneInfo

from attrs import frozen

from enlighten_async.errors import InputError
from enlighten_async.windows import DAY, Moment, Window, calendar_day, epoch, floor, local_days

MARGIN = 3_600
"""Seconds kept from the limit of retention, which moves on while a request waits for its turn."""


@frozen
class Endpoint:
    """What the service allows of a series.

    Attributes:
        grid: seconds from one interval to the next.
        span: seconds one request may ask for.
        retention: seconds the service keeps.
    """

    grid: int
    span: int
    retention: int

    def oldest(self, now: float) -> int:
        """Return the moment from which on the service still has data, on the grid, with a margin."""
        return floor(now - self.retention + MARGIN, self.grid)


RGM_STATS = Endpoint(grid=900, span=7 * DAY, retention=365 * DAY)
"""15 minutes; longer than 7 days is an error; older than one year is an empty list."""


@frozen
class Range:
    """A range as the caller gave it: two instants, or two local days; the end may be open."""

    start: float | date
    end: float | date | None

    @classmethod
    def of(
        cls,
        *,
        start_at: Moment | None,
        end_at: Moment | None,
        start_date: date | None,
        end_date: date | None,
    ) -> Self | None:
        """Check what the caller gave; return `None` if that is nothing.

        Raises:
            InputError: instants and dates are mixed, the start is missing, or the end is before it.
        """
        if (start_at is not None or end_at is not None) and (start_date is not None or end_date is not None):
            raise InputError("give start_at/end_at (instants) or start_date/end_date (local days), not both")
        if end_at is not None and start_at is None:
            raise InputError("end_at without start_at: give start_at too, or use start_date for local days")
        if end_date is not None and start_date is None:
            raise InputError("end_date without start_date: give start_date too")
        if start_date is not None:
            return cls._days(start_date, end_date)
        return None if start_at is None else cls._instants(start_at, end_at)

    @classmethod
    def _instants(cls, start_at: Moment, end_at: Moment | None) -> Self:
        start, end = epoch(start_at, "start_at"), None if end_at is None else epoch(end_at, "end_at")
        if end is not None and end < start:
            raise InputError(f"end_at {end_at} is before start_at {start_at}: swap them")
        return cls(start, end)

    @classmethod
    def _days(cls, start_date: date, end_date: date | None) -> Self:
        first = calendar_day(start_date, "start_date")
        last = None if end_date is None else calendar_day(end_date, "end_date")
        if last is not None and last < first:
            raise InputError(f"end_date {last} is before start_date {first}: swap them")
        return cls(first, last)

    @property
    def local(self) -> bool:
        """Whether it is given in local days, whose instants depend on the system's time zone."""
        return isinstance(self.start, date)

    def window(self, now: float, zone: ZoneInfo | None, grid: int) -> Window:
        """Return the range on the grid, ended by now."""
        if isinstance(self.start, date):
            start, end = self._local(self.start, now, zone)
        else:
            start, end = self.start, now if not isinstance(self.end, float) else self.end
        first = floor(start, grid)
        return Window(first, max(first, floor(min(end, now), grid)))

    def _local(self, first: date, now: float, zone: ZoneInfo | None) -> tuple[float, float]:
        days = local_days(first, self.end if isinstance(self.end, date) else first, zone or ZoneInfo("UTC"))
        return days.start, days.end if self.end is not None else now
