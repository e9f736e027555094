"""Time zones and local days for tests, those on which clocks change above all."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import strategies as st

ODD = (
    "Africa/Cairo",
    "America/Caracas",
    "America/Havana",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Pyongyang",
    "Australia/Lord_Howe",
    "Europe/Dublin",
    "Kwajalein",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
)
"""Zones with half hours, clocks that change at midnight, days that were left out."""

ZONES = st.sampled_from(ODD) | st.sampled_from(sorted(available_timezones()))


@cache
def changes(zone: str, year: int) -> tuple[date, ...]:
    """Return the UTC days of a year in which a zone's offset changes."""
    here, first = ZoneInfo(zone), datetime(year, 1, 1, tzinfo=UTC)
    offsets = [(first + timedelta(days=n)).astimezone(here).utcoffset() for n in range(366)]
    return tuple((first + timedelta(days=n)).date() for n in range(365) if offsets[n] != offsets[n + 1])


@st.composite
def local_dates(draw: st.DrawFn, zone: str, first: int = 1972, last: int = 2037) -> date:
    """Draw a day, most often one on which the clocks of the zone change."""
    year = draw(st.integers(first, last))
    near = changes(zone, year)
    if near and draw(st.integers(0, 3)):
        return draw(st.sampled_from(near)) + timedelta(days=draw(st.integers(-1, 1)))
    return date(year, 1, 1) + timedelta(days=draw(st.integers(0, 364)))
