"""Ranges of time as callers give them, and the limits of the series endpoints. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Literal, Self, TypedDict
from zoneinfo import ZoneInfo

from attrs import field, frozen

from enlighten_async.errors import InputError, unknown_keyword
from enlighten_async.models.coverage import Reason
from enlighten_async.windows import (
    DAY,
    END_OF_TIME,
    Moment,
    Window,
    as_datetime,
    calendar_day,
    epoch,
    floor,
    local_days,
)
from enlighten_async.wire import Params

HOUR = 3_600

LONGEST_DAY_S = DAY + HOUR
"""Seconds of the longest local day, on which clocks are set back."""

MARGIN = HOUR
"""Seconds kept from the limit of retention, which moves on while a request waits for its turn."""


class TimeRange(TypedDict, total=False):
    """A range of time: two instants, or two local days of the system; nothing is the system's own today."""

    start_at: Moment | None
    """Start, exclusive: an aware datetime or epoch seconds."""
    end_at: Moment | None
    """End, inclusive; now if not given."""
    start_date: date | None
    """First local day."""
    end_date: date | None
    """Last local day, inclusive; today if not given."""


class DayRange(TypedDict, total=False):
    """A range of local days of the system."""

    start_date: date | None
    """First day; by default the one on which the system went into operation."""
    end_date: date | None
    """Last day, inclusive; by default yesterday."""


_DAILY_ENDPOINTS: Mapping[str, str] = MappingProxyType(
    {
        "stats": "energy_lifetime",
        "rgm_stats": "energy_lifetime",
        "production_meter": "energy_lifetime",
        "consumption_stats": "consumption_lifetime",
        "battery": "battery_lifetime",
        "energy_import_telemetry": "energy_import_lifetime",
        "energy_export_telemetry": "energy_export_lifetime",
    }
)
"""Endpoints with a value for each day, of all days in one request, by the series of the same energy."""


def both_ends(window: Window, *, newest: bool) -> Params:
    """Return the parameters of a window for endpoints that take its start and its end."""
    return (("start_at", str(window.start)), ("end_at", str(window.end)))


@frozen
class SeriesLimits:
    """The limits of one series: what the service allows one request, and how it answers a longer range."""

    name: str
    """The API's name of it."""
    grid: int
    """Seconds from one interval to the next."""
    span: int
    """Seconds one request may ask for."""
    path: str = field(kw_only=True)
    """Where it is, `{}` standing for the system's number."""
    params: Callable[..., Params] = field(kw_only=True, default=both_ends)
    """The parameters that ask for a window, `newest` if it ends by now."""
    retention: int = 365 * DAY
    """Seconds the service keeps."""
    cut: Literal["error", "silent", "declared"] = "silent"
    """What happens to a longer range, as a rule: "error", or "silent": the answer ends early, or "declared":
    the answer declares its end.
    """
    dense: bool = True
    """Whether each interval has a row, day and night, so that rows which end early tell of a cut."""
    may_overrun: bool = False
    """Whether rows may go on beyond the window, as the answer has a length of its own."""
    counted: bool = True
    """Whether `total_devices` counts the devices, so that 0 means that there is none."""
    no_content: Reason = Reason.LEFT_OUT
    """What an answer without content (204) says: that a list did not come, where nothing is documented."""
    absent: str = ""
    """What is said (404, lower case) of a system that has no such device; empty if nothing is."""
    knows_today: bool = True
    """Whether the service answers the system's own today where no range is given."""
    begun: int | None = None
    """When the system's own today began, where that is known; of an answer for which no range was given."""

    def cheaper(self, window: Window) -> str:
        """Return a query that costs less than this one for a window, in words; empty: none is known."""
        daily = _DAILY_ENDPOINTS.get(self.name)
        if daily is None or window.seconds <= max(self.span, 7 * DAY):
            return ""
        return f"one {daily} request has a value for each day"

    def oldest(self, now: float) -> int:
        """Return the moment from which on the service still has data, on the grid, with a margin."""
        return floor(now - self.retention + MARGIN, self.grid)

    def pieces(self, wanted: Sequence[Window], zone: ZoneInfo | None, *, local: bool) -> list[Window]:
        """Return the fewest windows, each what one request may ask for, that cover all that is wanted.

        Of the limits that cut silently it is not known whether their days have 24 hours or are those of
        the system's clock, of 23 hours in spring. With a known time zone, no piece is longer than
        either; and single local days end at midnight, so that one of 25 hours is two pieces.

        Args:
            wanted: windows on the grid, in order.
            zone: the system's time zone, where known.
            local: whether the range was given in local days.
        """
        pieces: list[Window] = []
        reached = 0
        for window in wanted:
            if pieces and window.start < reached:
                last = pieces.pop()
                pieces.append(Window(last.start, min(reached, window.end)))
            start = max(window.start, reached)
            while start < window.end:
                reached = start + self.span
                if self.cut == "silent" and zone is not None:
                    reached = self._reach(start, zone, local=local)
                pieces.append(Window(start, min(reached, window.end)))
                start = reached
        return pieces

    def _reach(self, start: int, zone: ZoneInfo, *, local: bool) -> int:
        """Return the end of the longest request that begins here, where longer ranges are cut silently."""
        later = floor(_later(start, self.span, zone), self.grid)
        if local and self.span == DAY:
            later = min(later, floor(_midnight_after(start, zone), self.grid))
        return max(later, start + self.grid)

    def spare(self, window: Window, zone: ZoneInfo | None, *, local: bool) -> int:
        """Return the requests that it may take beyond those for `pieces`, as the time zone is not known.

        A clock is set forward or back once a year, or twice in a little more than 300 days.
        """
        healed = self.dense and window.seconds >= self.span
        if self.cut != "silent" or zone is not None or not (local or healed):
            return 0
        return 1 + window.seconds // (300 * DAY)

    def answered_until(self, window: Window, last: int) -> int:
        """Return up to when a response speaks for its window, by the end of its last row.

        Rows that end early tell of a cut where they are dense: the service may count days by a clock that
        is not known, and give an hour less than the span; or it may give less days than is known of it.
        One that says where it ends, or of a range that is refused if it is too long, is believed, unless its
        rows fill no more than the first of several days: then it speaks for that one.
        """
        got, rest = last - window.start, window.end - last
        cut = False
        if self.cut != "silent":
            days_lost = DAY - HOUR <= got < window.seconds - HOUR if self.dense else window.seconds >= 2 * DAY
            return window.start + DAY if got <= DAY and days_lost else window.end
        if self.dense:
            short = min(got, rest) >= DAY - HOUR and (got + HOUR) % DAY <= 2 * HOUR
            cut = window.seconds == self.span if rest == HOUR else short
        return last if cut else window.end


def _later(start: int, span: int, zone: ZoneInfo) -> float:
    """Return the end of so many days that begin here: by their hours or by the clock, whichever is first."""
    here = datetime.fromtimestamp(start, zone)
    clock = datetime.combine(here.date() + timedelta(seconds=span), here.time(), zone).timestamp()
    return min(start + span, max(clock, start + span - HOUR))


def _midnight_after(start: int, zone: ZoneInfo) -> int:
    today = datetime.fromtimestamp(start, zone).date()
    return local_days(today, today, zone).end


def _shown(moment: float | date) -> str:
    """Return a local day, or an instant in UTC, as ISO 8601."""
    return str(moment) if isinstance(moment, date) else f"{as_datetime(moment):%Y-%m-%dT%H:%M:%SZ}"


@frozen
class Range:
    """A range as the caller gave it: two instants, or two local days; the end may be open."""

    start: float | date
    """Epoch seconds, or the first local day."""
    end: float | date | None
    """Epoch seconds, or the last local day; `None`: now."""
    local: bool = False
    """Whether it is given in local days, whose instants depend on the system's time zone."""

    def __str__(self) -> str:
        return " to ".join("now" if each is None else _shown(each) for each in (self.start, self.end))

    @classmethod
    def of(
        cls,
        method: str = "Range.of",
        /,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
        **unknown: object,
    ) -> Self | None:
        """Return the range of a caller's arguments; `None` if nothing was given.

        Args:
            method: the method that was called, for errors.
            start_at: see `TimeRange`.
            end_at: see `TimeRange`.
            start_date: see `TimeRange`.
            end_date: see `TimeRange`.
            unknown: keywords that there are not.

        Raises:
            InputError: instants and dates are mixed, the start is missing, or the end is before it.
            TypeError: there is no such keyword.
        """
        if unknown:
            raise unknown_keyword(method, unknown, TimeRange.__annotations__)
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
    def today(cls, now: float, zone: ZoneInfo | None) -> Self:
        """Return the local day of an instant (epoch seconds), as far as it is over."""
        return cls(datetime.fromtimestamp(now, zone or ZoneInfo("UTC")).date(), None, local=True)

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
        return cls(first, last, local=True)

    def window(self, now: float, zone: ZoneInfo | None, grid: int) -> Window:
        """Return the range on the grid, ended by now."""
        if isinstance(self.start, date):
            start, end = self._local(self.start, now, zone)
        else:
            start, end = self.start, now if not isinstance(self.end, float) else self.end
        first = floor(start, grid)
        return Window(first, max(first, floor(min(end, now), grid)))

    def until(self, zone: ZoneInfo | None, grid: int) -> int:
        """Return the end on the grid, also where it is later than now; the end of time where it is open."""
        if isinstance(self.start, date):
            end = self._local(self.start, END_OF_TIME, zone)[1]
        else:
            end = self.end if isinstance(self.end, float) else END_OF_TIME
        return floor(end, grid)

    def _local(self, first: date, now: float, zone: ZoneInfo | None) -> tuple[float, float]:
        days = local_days(first, self.end if isinstance(self.end, date) else first, zone or ZoneInfo("UTC"))
        return days.start, days.end if self.end is not None else now
