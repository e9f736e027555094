"""Schedule of a fleet: how many polls a day each system gets, and when. Pure: no clock, no I/O.

A *poll* is one request for the newest intervals of one system. Their number follows from the plan of the
key, once a UTC day: what is left of the month, by the days that are left. The sum of these rates, and a hash
of the system's number, give each system its polls of a day; its own daylight gives their moments.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from hashlib import blake2b
from itertools import pairwise
from math import ceil, cos, floor, inf, isnan, pi, sin
from typing import Final

from attrs import frozen

from enlighten_async.windows import DAY

HOUR: Final = 3_600

MEAN_DAYLIGHT_S: Final = 12 * HOUR
"""Seconds of daylight of a day, on average over a year, wherever the roof."""

FIRST_DAWN_S, FIRST_DUSK_S = 5 * HOUR, 21 * HOUR
"""Local time between which a system is taken to produce, until its rows have told."""

DRIFT_S: Final = 600
"""Seconds by which a few days make a learned day shorter at the most: clouds hide the ends of a day."""

CLEAR_DAYS: Final = 4
"""Days of which one is taken to have shown both of its ends."""

NIGHT_S: Final = 2 * HOUR
"""Seconds without production that end a day."""

FAINT: Final = 0.005
"""The part of the highest value of an answer up to which a value is none of daylight."""

PEOPLE: Final = 0.05
"""The part of what is left of a month that is not planned with: it is for people's requests."""

MINUTE_USE: Final = 0.9
"""The part of each minute that is planned with."""

LONGEST_S: Final = 7 * DAY - 900
"""Seconds that one request may ask for, whatever of it is off the grid."""

REPORT_S: Final = 900
"""Seconds from one report of a gateway to the next, as a rule: more polls than reports bring nothing."""

CELLULAR_REPORT_S: Final = 6 * HOUR
"""Seconds from one report to the next of a gateway that saves on a cellular modem's data."""

FIRST_LAG_S: Final = 1_800.0
"""Seconds after which an interval can be had, until the system's reports have told."""

MAX_LAG_S: Final = 2.0 * HOUR
"""Seconds of a lag at the most; who reports later than that is not waited for."""

RETRY_S: Final = 900
"""Seconds until a system that failed is asked again; after each further failure twice as long."""

GIVE_UP_FAILURES: Final = 5
"""Failures in a row, over 3 hours and three quarters, after which nobody waits for a system's history."""

SILENT_POLLS: Final = 3
"""Polls in a row that brought nothing, after which a system is polled once a day."""


@frozen
class Budget:
    """The requests that a key may spend on polls."""

    left: float
    """Requests left of the month; infinite without a limit."""
    days_left: float
    """Days that are left of it."""
    minute: float
    """Requests of a minute; infinite without a limit."""

    @property
    def per_day(self) -> float:
        """Polls of a day that use the month evenly, and fit into the minutes."""
        by_month = self.left * (1 - PEOPLE) / max(self.days_left, 1 / 24)
        return min(by_month, self.minute * MINUTE_USE * 1_440)

    def spare(self, polls: float) -> float:
        """Return the requests of the month that so many polls a day leave, and people.

        A twentieth more than these polls is left to them, for those that fail and for lists of systems.
        """
        if self.left == inf:
            return inf
        return max(0.0, self.left * (1 - PEOPLE) - polls * self.days_left * (1 + PEOPLE))

    def rate(self, systems: int) -> float:
        """Return the polls that each of so many systems may have in a day."""
        return self.per_day / systems if systems else inf

    def seconds_for(self, requests: float) -> float:
        """Return the seconds that so many requests take by the minute's limit."""
        return requests / (self.minute * MINUTE_USE) * 60


def polls_a_day(every: float, daylight: float = MEAN_DAYLIGHT_S) -> float:
    """Return the polls of a day that make a system's intervals at most so old while it produces.

    Args:
        every: seconds between two polls in daylight. Once a day completes the day, so that from 12 to 24
            hours it is the same.
        daylight: seconds in which it produces.
    """
    return max(daylight / every, min(1.0, DAY / every))


def affordable_every(rate: float, daylight: float = MEAN_DAYLIGHT_S) -> float:
    """Return the shortest time between two polls that so many polls a day allow, seconds.

    Args:
        rate: polls of a system in a day.
        daylight: seconds in which it produces.
    """
    if rate <= 1:
        return DAY / rate if rate else inf
    return daylight / rate


def mean_delay(
    rate: float, daylight: float = MEAN_DAYLIGHT_S, lag: float = FIRST_LAG_S, *, even: bool = True
) -> float:
    """Return how long after the energy a system's polls bring it, seconds; each Wh counts the same.

    By a clear day: the power rises and falls as half a wave.

    Args:
        rate: polls of a system in a day.
        daylight: seconds in which it produces.
        lag: seconds after which an interval can be had.
        even: whether the polls of a day are as far from one another; see `parts_of_daylight`.
    """
    if rate <= 0:
        return inf
    if rate < 1:
        return _within_day(1, even=True) * daylight + (1 / rate - 1) / 2 * DAY + lag
    whole = floor(min(rate, DAY / REPORT_S))
    part = min(rate - whole, 1.0)
    waits = [_within_day(polls, even=even) for polls in (whole, whole + 1)]
    return ((1 - part) * waits[0] + part * waits[1]) * daylight + lag


def _within_day(polls: int, *, even: bool) -> float:
    """Return the mean time from the energy to the next of a day's polls, as a part of the daylight."""
    parts = parts_of_daylight(polls, even=even)
    pieces = pairwise((0.0, *parts))
    return sum(to * (_energy(to) - _energy(start)) for start, to in pieces) - 0.5


def _energy(x: float) -> float:
    """Return the part of a clear day's energy up to a part of its daylight."""
    return (1 - cos(pi * x)) / 2


@lru_cache(maxsize=128)
def parts_of_daylight(polls: int, *, even: bool) -> tuple[float, ...]:
    """Return the moments of so many polls of a day, as parts of its daylight; the last one is its end.

    Where they need not be even, they are close to one another at noon: a Wh then waits no longer than one of
    the morning, so that by a clear day the mean delay of all is the least.

    Args:
        polls: how many.
        even: whether the times between them are the same.
    """
    if even or polls < 2:
        return tuple((n + 1) / polls for n in range(polls))
    low, high = 0.0, 1.0
    for _ in range(60):  # the first decides on all others: a later first one on later ones
        first = (low + high) / 2
        reached = _parts_from(first, polls)
        low, high = (first, high) if reached is not None and reached[-1] < 1 else (low, first)
    found = _parts_from(low, polls)
    return (*(found or ())[:-1], 1.0)


def _parts_from(first: float, polls: int) -> list[float] | None:
    """Return moments of which none can be moved to make the mean delay less; `None`: they pass the end."""
    parts = [0.0, first]
    while len(parts) <= polls:
        before, last = parts[-2:]
        power = pi / 2 * sin(pi * last)
        if last >= 1 or power <= 0:
            return None
        parts.append(last + (_energy(last) - _energy(before)) / power)
    return parts[1:]


def phase(system_id: int, use: str = "day") -> float:
    """Return a system's own number in [0, 1), the same in each process and for ever.

    Args:
        system_id: the service's number of the system.
        use: a word; another gives another number.
    """
    digest = blake2b(f"{use}/{system_id}".encode(), digest_size=7).digest()
    return int.from_bytes(digest) / 2**56


def share(before: float, after: float, own_phase: float) -> int:
    """Return the polls that a system gets on a day.

    On average exactly the rate; of many systems the same number on each day.

    Args:
        before: the sum of the rates of all days before.
        after: that sum with this day's rate.
        own_phase: the system's number in [0, 1).
    """
    return floor(after + own_phase) - floor(before + own_phase)


@frozen(weakref_slot=False)
class Daylight:
    """The time of a day in which a system produces; all day for a series that never rests."""

    dawn: float
    """Its begin, seconds after midnight UTC; below 0, or above 86,400, where it has moved past midnight."""
    length: float
    """Its length, seconds."""

    @staticmethod
    def assumed(offset: float) -> Daylight:
        """Return that of a system of which nothing is known but its local time's offset (seconds)."""
        return _shared((FIRST_DAWN_S - offset) % DAY, FIRST_DUSK_S - FIRST_DAWN_S)

    @staticmethod
    def whole(offset: float) -> Daylight:
        """Return the local day of a series that never rests."""
        return _shared(-offset % DAY, DAY)

    def learned(self, ends: Sequence[int], values: Sequence[float], until: float, grid: int) -> Daylight:
        """Return the daylight by a system's rows: from the earliest dawn to the latest dusk of whole days.

        A longer day is believed at once. A shorter one is where the rows hold several days; by fewer of them
        it gets shorter by a few minutes.

        Args:
            ends: ends of intervals, epoch seconds, ascending.
            values: their energy, Wh; NaN is null.
            until: up to when (epoch seconds) the system has reported.
            grid: seconds of an interval.
        """
        runs = list(_whole_days(ends, values, until))
        if not runs:
            return self
        dawns = [(first - grid - self.dawn + DAY / 2) % DAY - DAY / 2 for first, _ in runs]  # after the known
        dusks = [dawn + last - first + grid for dawn, (first, last) in zip(dawns, runs, strict=True)]
        begin, end = min(dawns), max(dusks)
        if len(runs) < CLEAR_DAYS:
            begin, end = min(begin, DRIFT_S), max(end, self.length - DRIFT_S)
        return _shared(self.dawn + begin, min(end - begin, DAY))

    def moments(self, day: float, polls: int, lag: float, spread: float, *, even: bool = True) -> list[float]:
        """Return the moments (epoch seconds) of so many polls of the daylight that begins on a UTC day.

        They are at parts of it; the last one completes it.

        Args:
            day: midnight UTC, epoch seconds.
            polls: how many.
            lag: seconds after which an interval can be had.
            spread: seconds by which this system is asked later than others.
            even: whether the times between them are the same; see `parts_of_daylight`.
        """
        begin = day + self.dawn + lag + spread
        parts = parts_of_daylight(polls, even=even or self.length >= DAY)
        return [begin + self.length * part for part in parts]


@lru_cache(maxsize=4_096)
def _shared(dawn: float, length: float) -> Daylight:
    """Return a daylight that systems share whose days are the same: neighbours' often are."""
    return Daylight(dawn, length)


def _whole_days(ends: Sequence[int], values: Sequence[float], until: float) -> Iterator[tuple[int, int]]:
    """Yield the first and the last productive end of each day that the rows hold from dawn to dusk."""
    least = FAINT * max((value for value in values if not isnan(value)), default=0.0)
    bright = [end for end, value in zip(ends, values, strict=True) if value > max(least, 0)]
    if not bright:
        return
    cuts = [at for at, (one, two) in enumerate(pairwise(bright), 1) if two - one >= NIGHT_S]
    for low, high in pairwise([0, *cuts, len(bright)]):
        first, last = bright[low], bright[high - 1]
        dark_before = low > 0 or bisect_right(ends, first - NIGHT_S) > 0
        if dark_before and until - last >= NIGHT_S / 2 and NIGHT_S < last - first < DAY - NIGHT_S:
            yield first, last


def after_report(moment: float, last_report: float, every: float, lag: float) -> float:
    """Return the first moment from this one on that follows a report of a gateway that reports seldom.

    Args:
        moment: when it would be asked, epoch seconds.
        last_report: when it last reported, epoch seconds.
        every: seconds from one of its reports to the next.
        lag: seconds after a report in which its intervals appear.
    """
    reports = max(0, ceil((moment - lag - last_report) / every))
    return max(moment, last_report + reports * every + lag)


def near_report(moment: float, age: float, stagger: float) -> float:
    """Return a moment near this one at which an interval can just be had.

    Args:
        moment: when it would be asked, epoch seconds.
        age: seconds after its end at which an interval can be had.
        stagger: seconds by which this system is asked later than others, so that the minutes hold them.
    """
    return ceil((moment - age) / REPORT_S - 0.5) * REPORT_S + age + stagger


def learned_age(age: float, sample: float) -> float:
    """Return the seconds after its end at which an interval can just be had, by one more poll.

    Args:
        age: what was known.
        sample: seconds from the newest interval to the poll that brought it.
    """
    if not 0 <= sample <= MAX_LAG_S:
        return age
    return _seconds(ceil(age + REPORT_S / 8 if sample >= age + REPORT_S else min(sample, age)))


def learned_lag(lag: float, sample: float) -> float:
    """Return how long after its end an interval of a system can be had, seconds, by one more poll.

    Args:
        lag: what was known.
        sample: seconds from the newest interval to the poll that brought it.
    """
    if not 0 <= sample <= MAX_LAG_S:
        return lag
    return _seconds(ceil(max(sample, lag + (sample - lag) / 8)))


@cache
def _seconds(whole: int) -> float:
    """Return so many seconds: one object for all systems that have this lag."""
    return float(whole)


def learned_settling(settling: float, asked: float, late: Sequence[int]) -> float:
    """Return how long after its end an interval of a system has its last value, seconds, by one more poll.

    Whatever came or was corrected after the poll before had not settled then. What is later than a lag may be
    is not waited for: the days after bring it.

    Args:
        settling: what was known.
        asked: when the poll before was answered, epoch seconds.
        late: ends of the intervals before it that this poll brought or corrected, epoch seconds, ascending.
    """
    ages = (asked - end for end in late)
    oldest = max((age for age in ages if 0 <= age <= MAX_LAG_S), default=None)
    if oldest is None:
        return settling * (1 - 1 / 512) if settling else settling  # one object 0.0 for all
    return max(settling, oldest + 2 * REPORT_S)


def wait_after_failures(failures: int) -> float:
    """Return for how long a system waits after so many failures in a row, seconds."""
    return float(min(RETRY_S * 2 ** min(failures - 1, 10), DAY))
