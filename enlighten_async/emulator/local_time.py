"""Instants in epoch seconds and dates in a system's time zone: parsing, conversion and formatting."""

from __future__ import annotations

import math
import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

LATEST_MOMENT_S = 253_402_300_799  # the last second of the year 9999, the last that `datetime` can hold
TIMESTAMP_FIELDS = {
    "start_at",
    "end_at",
    "read_at",
    "first_interval",
    "last_interval",
    "last_interval_end_at",
    "last_report_at",
    "last_energy_at",
    "operational_at",
}


class BadMomentError(ValueError):
    """A date or an instant that cannot be read."""


def parse_moment(text: str, default: float) -> float:
    """Return an instant in epoch seconds; fractions are accepted, as real clients send them."""
    if not text:
        return default
    try:
        moment = float(text)
    except ValueError:
        raise BadMomentError(text) from None
    if not math.isfinite(moment) or abs(moment) > LATEST_MOMENT_S:
        raise BadMomentError(text)
    return moment


def parse_date(text: str) -> date | None:
    """Return a date written YYYY-mm-dd; `None` for an empty text. Raises BadMomentError."""
    if not text:
        return None
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            raise BadMomentError(text)
        return date.fromisoformat(text)
    except ValueError:
        raise BadMomentError(text) from None


@lru_cache(maxsize=1024)  # more than there are; `ZoneInfo` keeps the last eight, and fleets have dozens
def zone(name: str) -> ZoneInfo:
    """Return a time zone."""
    return ZoneInfo(name)


def local_date(moment: float, timezone: str) -> date:
    """Return the date in this zone at an instant (epoch seconds)."""
    return datetime.fromtimestamp(moment, tz=zone(timezone)).date()


def local_midnight(day: date, timezone: str, later: int = 0) -> int:
    """Return the start of a local day, or of the day some days later (epoch seconds).

    If a change of the clock skips midnight, the day starts at the change; if midnight comes twice, at the
    first of the two.
    """
    day += timedelta(days=later)
    return int(datetime(day.year, day.month, day.day, tzinfo=zone(timezone)).timestamp())


def next_month(day: date) -> date:
    """Return the same day of the next month, or that month's last day."""
    first = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
    return first.replace(day=min(day.day, monthrange(first.year, first.month)[1]))


def month_later(moment: int, timezone: str) -> int:
    """Return the instant at which it is the same time of day a month later (epoch seconds)."""
    local = datetime.fromtimestamp(moment, tz=zone(timezone))
    return int(datetime.combine(next_month(local.date()), local.timetz()).timestamp())


def iso(moment: int, timezone: str) -> str:
    """Return an instant as the service writes it: local, whole seconds, numeric offset."""
    local = datetime.fromtimestamp(moment, tz=UTC).astimezone(zone(timezone))
    return local.isoformat()


def with_iso_timestamps(content: object, timezone: str) -> object:
    """Return the same JSON content with every timestamp field as local ISO 8601 text."""
    if isinstance(content, dict):
        return {
            name: iso(value, timezone)
            if name in TIMESTAMP_FIELDS and isinstance(value, int)
            else with_iso_timestamps(value, timezone)
            for name, value in content.items()
        }
    if isinstance(content, list):
        return [with_iso_timestamps(item, timezone) for item in content]
    return content
