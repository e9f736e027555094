"""From when on an answer does not change any more."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from enlighten_async.windows import DAY

HORIZON = 3 * DAY
"""Seconds after which an interval that was reported does not change any more."""

REMEMBERED = DAY
"""Seconds for which it is remembered that there is nothing, such as no device."""

FOR_EVER, NEVER = float("inf"), float("-inf")


def final_until(fetched: float, reported: float | None) -> float:
    """Return up to when (epoch seconds) an answer does not change any more.

    Args:
        fetched: when it was fetched, epoch seconds.
        reported: up to when the system had reported then, epoch seconds, where known.
    """
    return NEVER if reported is None else min(fetched - HORIZON, reported)


def good_until(end: float, fetched: float, reported: datetime | None) -> float:
    """Return for how long (until when, epoch seconds) an answer will do that speaks of time up to `end`."""
    told = None if reported is None else reported.timestamp()
    return FOR_EVER if end <= final_until(fetched, told) else fetched


def over(day: date) -> float:
    """Return the moment (epoch seconds) at which a local day is over in every time zone."""
    return datetime.combine(day, time(), UTC).timestamp() + 1.5 * DAY
