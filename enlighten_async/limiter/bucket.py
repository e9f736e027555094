"""The rule of one limit: refill late, charge every possible window. Pure functions.

The server counts per wall-clock minute and per UTC calendar month: fixed windows. Tokens come back
at a window's start, but only once the earliest the server's time can be has passed it; and what is
on its way counts against every window it may fall in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache

from attrs import frozen

DAY = 86_400
_EPOCH = date(1970, 1, 1).toordinal()


@lru_cache(maxsize=64)
def _month_of_day(day: int) -> int:
    moment = date.fromordinal(_EPOCH + day)
    return moment.year * 12 + moment.month - 1


def _month(moment: float) -> int:
    # Cached by day: a calendar computed afresh was most of what a request cost.
    return _month_of_day(int(moment // DAY))


@lru_cache(maxsize=64)
def _month_start(index: int) -> float:
    year, month = divmod(index, 12)
    return float((date(year, month + 1, 1).toordinal() - _EPOCH) * DAY)


def _minute(moment: float) -> int:
    return int(moment // 60)


def _minute_start(index: int) -> float:
    return index * 60.0


@frozen
class Opening:
    """Why a request has to wait.

    Attributes:
        at: server's time (epoch seconds) from when it may be granted; `None` if only the settling of
            what is in flight can tell.
        certain: whether it holds even if nothing in flight turns out to count.
    """

    at: float | None
    certain: bool


@frozen
class TokenBucket:
    """The windows of one period, and who may pass in them.

    Attributes:
        name: the service's word for the period.
        index: number of the window that holds a moment (epoch seconds).
        start: first moment of a window, epoch seconds.
        share: the part of a window that is held back from a class for each class above it.
    """

    name: str
    index: Callable[[float], int]
    start: Callable[[int], float]
    share: float

    def held(self, limit: int, rank: int) -> int:
        """Return how many requests of a window are held back from a class.

        At least one for each class above it; but one is left to everybody, so that nobody starves.

        Args:
            limit: requests in a window.
            rank: how many classes are above it.
        """
        return max(0, min(rank * max(1, int(limit * self.share)), limit - 1))

    def opening(
        self, charged: Mapping[int, int], in_flight: int, earliest: float, limit: int
    ) -> Opening | None:
        """Return when one more request may leave, or `None` for now.

        Args:
            charged: requests that may have been counted, by window.
            in_flight: requests on their way, which may be counted in any window from now on.
            earliest: the earliest the server's time can be (epoch seconds).
            limit: requests that may be used in a window.
        """
        first = self.index(earliest)
        ahead = None
        for window, count in charged.items():  # a plain loop: nearly always one or two windows with room
            if window >= first and count + in_flight >= limit:
                ahead = {w: n for w, n in charged.items() if w >= first and n + in_flight >= limit}
                break
        if ahead is None:
            return None if in_flight < limit else Opening(None, certain=False)
        full = [w for w, n in ahead.items() if n >= limit]
        if full:
            return Opening(self.start(max(full) + 1), certain=True)
        return Opening(self.start(max(ahead) + 1) if in_flight < limit else None, certain=False)

    def charge(self, charged: dict[int, int], first: float, last: float, now: float) -> None:
        """Count a request in every window it may have fallen in, and forget windows that have ended.

        Args:
            charged: requests that may have been counted, by window; changed in place.
            first: the earliest it can have been counted (epoch seconds).
            last: the latest it can have been counted.
            now: the earliest the server's time can be; windows before it can never fill up again.
        """
        for window in range(self.index(first), self.index(last) + 1):
            if window in charged:
                charged[window] += 1
            elif window >= self.index(now):
                # A window is met for the first time: others may have ended.
                for over in [w for w in charged if w < self.index(now)]:
                    del charged[over]
                charged[window] = 1

    def used(self, charged: Mapping[int, int], earliest: float) -> int:
        """Return how many requests the running window may have counted, at the most."""
        first = self.index(earliest)
        return max((n for window, n in charged.items() if window >= first), default=0)


MINUTE = TokenBucket("minute", _minute, _minute_start, share=0.10)
MONTH = TokenBucket("month", _month, _month_start, share=0.05)


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
