"""The service's two kinds of time: instants in epoch seconds, and dates in a system's time zone."""

from __future__ import annotations

import math
import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

LATEST = 253_402_300_799  # the last second a date can name


class BadMomentError(ValueError):
    """A date or an instant that cannot be read."""


def parse_moment(text: str, default: float) -> float:
    """Return an instant in epoch seconds; fractions are taken, as real clients send them."""
    if not text:
        return default
    try:
        moment = float(text)
    except ValueError:
        raise BadMomentError(text) from None
    if not math.isfinite(moment) or abs(moment) > LATEST:
        raise BadMomentError(text)
    return moment


def parse_date(text: str) -> date | None:
    """Return a date written YYYY-mm-dd; `None` if nothing was given."""
    if not text:
        return None
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            raise BadMomentError(text)
        return date.fromisoformat(text)
    except ValueError:
        raise BadMomentError(text) from None


def local_date(moment: float, timezone: str) -> date:
    """Return the date in this zone at an instant (epoch seconds)."""
    return datetime.fromtimestamp(moment, tz=ZoneInfo(timezone)).date()


def local_midnight(day: date, timezone: str, later: int = 0) -> int:
    """Return when a local day starts (epoch seconds), or the one some days later.

    Where midnight is skipped, the day starts at the moment of the change; where it comes twice, with
    the first of the two.
    """
    day += timedelta(days=later)
    naive = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the zone is set on the next line
    return int(naive.replace(tzinfo=ZoneInfo(timezone)).timestamp())


def next_month(day: date) -> date:
    """Return the same day of the next month, or that month's last day."""
    first = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
    return first.replace(day=min(day.day, monthrange(first.year, first.month)[1]))


def month_later(moment: int, timezone: str) -> int:
    """Return the instant at which it is the same time of day a month later (epoch seconds)."""
    local = datetime.fromtimestamp(moment, tz=ZoneInfo(timezone))
    return int(datetime.combine(next_month(local.date()), local.timetz()).timestamp())


def iso(moment: int, timezone: str) -> str:
    """Return an instant as the service writes it: local, whole seconds, numeric offset."""
    local = datetime.fromtimestamp(moment, tz=UTC).astimezone(ZoneInfo(timezone))
    return local.isoformat()
