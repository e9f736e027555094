"""Windows: ranges of time on the service's grids, and a system's local calendar over them. Pure.

The service stamps an interval by its end and returns those with `start < end_at <= end`, after
flooring both to the grid. So a window is open on the left and closed on the right, and windows
that share an edge share no interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from attrs import frozen

from enlighten_async.errors import InputError

DAY = 86_400
"""Seconds of a UTC day."""

END_OF_TIME = 253_402_300_800
"""The first second (epoch) that a datetime cannot hold."""

END_OF_SECONDS = 10_000_000_000
"""The least epoch number that is too large for seconds, those of the year 2286."""

FIRST_MILLISECOND = 100 * END_OF_SECONDS
"""The least that may be milliseconds, those of the year 2001, up to ten times as much."""

Moment: TypeAlias = datetime | int | float
"""An instant: an aware datetime, or epoch seconds."""


def as_datetime(epoch: float) -> datetime:
    """Return epoch seconds as an aware UTC datetime, clamped to what a datetime can hold."""
    try:
        return datetime.fromtimestamp(epoch, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(min(max(epoch, 0.0), END_OF_TIME - 1), UTC)


@frozen(order=True, repr=False)
class Window:
    """The time in `(start, end]`, in epoch seconds on a UTC grid."""

    start: int
    """The start, exclusive (epoch seconds)."""
    end: int
    """The end, inclusive (epoch seconds)."""

    def __repr__(self) -> str:
        return f"Window('{self.start_at:%Y-%m-%dT%H:%M:%SZ}', '{self.end_at:%Y-%m-%dT%H:%M:%SZ}')"

    @property
    def start_at(self) -> datetime:
        """The start, exclusive, as an aware UTC datetime."""
        return as_datetime(self.start)

    @property
    def end_at(self) -> datetime:
        """The end, inclusive, as an aware UTC datetime."""
        return as_datetime(self.end)

    @property
    def seconds(self) -> int:
        """Its length, seconds; 0 if it is empty."""
        return max(0, self.end - self.start)

    def clip(self, other: Window) -> Window:
        """Return the overlap of both windows, possibly an empty window.

        Args:
            other: the other window.
        """
        start = min(max(self.start, other.start), self.end)
        return Window(start, max(start, min(self.end, other.end)))


def without(window: Window, others: Iterable[Window]) -> list[Window]:
    """Return the pieces of a window that lie in none of the others, which are in order and do not overlap."""
    left, start = [], window.start
    for other in map(window.clip, others):
        if other.seconds:
            left.append(Window(start, other.start))
            start = other.end
    return [piece for piece in (*left, Window(start, window.end)) if piece.seconds]


def floor(moment: float, grid: int) -> int:
    """Return the last moment of the grid at or before this one."""
    return int(moment // grid) * grid


def split(window: Window, span: int) -> list[Window]:
    """Cut a window into the fewest windows of at most `span` seconds, oldest first."""
    edges = [*range(window.start, window.end, span), window.end]
    return [Window(a, b) for a, b in pairwise(edges)]


def epoch(moment: object, name: str) -> float:
    """Return an instant as epoch seconds.

    Raises:
        InputError: it does not name one instant.
    """
    if isinstance(moment, datetime):
        if moment.tzinfo is None or moment.utcoffset() is None:
            raise InputError(
                f"{name} is a naive datetime, which could mean any time zone: "
                f"give it one, such as {name}.replace(tzinfo=UTC), or use start_date/end_date for local days"
            )
        moment = moment.timestamp()
    elif isinstance(moment, date):
        raise InputError(
            f"{name} is a date: use start_date/end_date for local days, or an aware datetime here"
        )
    if isinstance(moment, bool) or not isinstance(moment, int | float):
        raise InputError(
            f"{name} must be an aware datetime or epoch seconds, not {type(moment).__name__} {moment!r}"
        )
    if not 0 <= moment < END_OF_TIME:
        raise InputError(f"{name} must lie between 1970 and 9999; a number means epoch seconds")
    return float(moment)


def calendar_day(day: object, name: str) -> date:
    """Return a local date.

    Raises:
        InputError: it is no date; a datetime would say more than is used.
    """
    if isinstance(day, datetime) or not isinstance(day, date):
        raise InputError(
            f"{name} must be a date (a whole local day of the system), not {type(day).__name__}: "
            f"use start_at/end_at for instants"
        )
    if not 1970 < day.year < 9999:
        raise InputError(f"{name} must lie between 1971 and 9998, not {day}")
    return day


def time_zone(name: str) -> ZoneInfo:
    """Return the time zone of this name; the service sends IANA names, old ones among them."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(
            f"time zone {name!r} is not known: pass an IANA name such as 'Europe/Berlin'"
        ) from None


def known_zone(names: Mapping[int, str], system_id: int | None) -> ZoneInfo | None:
    """Return the time zone of a system, where it is known by a name that is one."""
    name = None if system_id is None else names.get(system_id)
    try:
        return None if name is None else time_zone(name)
    except InputError:
        return None


def local_days(first: date, last: date, zone: ZoneInfo) -> Window:
    """Return the time from the first moment of one local date to the last of another, inclusive."""
    if last < first:
        raise InputError(f"end_date {last} is before start_date {first}: swap them")
    return Window(_midnight(first, zone), _midnight(last + timedelta(days=1), zone))


def _midnight(day: date, zone: ZoneInfo) -> int:
    """Return the first moment at which the local date is `day` or later (days can lack a midnight)."""
    wall = datetime(day.year, day.month, day.day, tzinfo=zone)
    moment = int(wall.timestamp())
    if datetime.fromtimestamp(moment, zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return moment
    # The clock jumps over this midnight: the day begins at the jump.
    return _jump(zone, moment - 2 * DAY, moment)


def offset(zone: ZoneInfo, moment: float) -> int:
    """Return seconds east of UTC at an instant."""
    shift = datetime.fromtimestamp(moment, UTC).astimezone(zone).utcoffset()
    return int(shift.total_seconds()) if shift is not None else 0


def _jump(zone: ZoneInfo, before: int, after: int) -> int:
    """Return the first moment of the offset in force at `after`, which is not that at `before`."""
    goal = offset(zone, after)
    while after - before > 1:
        middle = (before + after) // 2
        if offset(zone, middle) == goal:
            after = middle
        else:
            before = middle
    return after


def steady(window: Window, zone: ZoneInfo) -> Iterator[tuple[Window, int]]:
    """Cut a window where the zone's offset changes; yield each piece with its offset in seconds."""
    start = window.start
    while start < window.end:
        here = offset(zone, start)
        day = start
        while day < window.end and offset(zone, min(day + DAY, window.end)) == here:
            day += DAY
        end = window.end if day >= window.end else _jump(zone, day, min(day + DAY, window.end))
        yield Window(start, end), here
        start = end
