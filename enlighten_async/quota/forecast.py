"""By when so many requests will have been granted, and when a month will be used up. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping

from enlighten_async.quota.bucket import MINUTE, MONTH

HORIZON = 1200
"""Months looked ahead: whoever needs more than a century of quota is told so."""


def forecast(requests: int, moment: float, left: Mapping[str, int], limits: Mapping[str, int]) -> float:
    """Return the epoch seconds at which the last of so many requests may leave.

    Args:
        requests: how many.
        moment: the time to start from, epoch seconds.
        left: requests left in the running windows, by period; a period without limit is absent.
        limits: requests in a whole window, by period.
    """
    minute, month = left.get(MINUTE.name, math.inf), left.get(MONTH.name, math.inf)
    per_minute, per_month = limits.get(MINUTE.name, math.inf), limits.get(MONTH.name, math.inf)
    for _ in range(HORIZON):
        turn = MONTH.start(MONTH.index(moment) + 1)
        minutes = MINUTE.index(turn) - MINUTE.index(moment) - 1
        batch = min(requests, month, minute + (per_minute * minutes if minutes else 0))
        if batch == requests:
            return _after(batch, moment, minute, per_minute)
        requests -= int(batch)
        moment, minute, month = turn, per_minute, per_month
    return math.inf


def _after(requests: float, moment: float, left: float, limit: float) -> float:
    """Return when the last of the requests may leave if only the minutes count."""
    if requests <= left:
        return moment
    return MINUTE.start(MINUTE.index(moment) + math.ceil((requests - left) / limit))


def runs_out(used: int, limit: int, moment: float) -> float | None:
    """Return when a month is used up if it goes on as so far (epoch seconds); `None`: not before it ends.

    As much is taken to be used a day as was used, on average, in each day since the month began.

    Args:
        used: requests used in the running month.
        limit: requests that may be used in it.
        moment: the time now, epoch seconds.
    """
    start, end = (MONTH.start(MONTH.index(moment) + number) for number in (0, 1))
    if used >= limit:
        return moment
    at = start + (moment - start) * limit / used if used else math.inf
    return at if at < end else None
