"""Solar days of systems, made on demand and cached, and sums over days that are made once per process."""

from __future__ import annotations

from array import array
from collections import deque
from datetime import timedelta
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from enlighten_async.emulator.local_time import local_date, local_midnight
from enlighten_async.emulator.simulation.sun import DAY_S, day_number, day_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import date

    from enlighten_async.emulator.simulation.system import System

MAX_CACHED_DAYS = 4000  # at most 15 kB each
MAX_RUNNING_SUM_SYSTEMS = 2000  # 8 bytes a day each
MAX_DAILY_SUM_SYSTEMS = 128  # at most 150 kB of three years each

SUMS_LOCK = Lock()
"""Held while a running sum is continued: emulators may serve from several threads."""

DayT = TypeVar("DayT")

Rows: TypeAlias = "Callable[[float, float], Iterable[tuple[int, int]]]"
"""A function that gives end (epoch seconds) and energy (Wh) of the rows of a window, in order."""


class DayCache(Generic[DayT]):
    """The days of all systems; the oldest made are dropped first.

    Args:
        make: makes a system's day of this number; the same one each time.
    """

    def __init__(self, make: Callable[[System, int], DayT]) -> None:
        self._make = make
        self._days: dict[tuple[int, int], DayT] = {}

    def day(self, system: System, number: int) -> DayT:
        """Return the solar day of this number."""
        key = (system.system_id, number)
        found = self._days.get(key)
        if found is None:
            if len(self._days) >= MAX_CACHED_DAYS:
                del self._days[next(iter(self._days))]
            found = self._days[key] = self._make(system, number)
        return found


class RunningSums(Generic[DayT]):
    """The energy of all days before a day, for every system.

    The sums follow from the seed and the system alone, and years of days are costly to make: so all
    emulators of a process share them.

    Args:
        name: name of the summed quantity.
        seed: seed of the days.
        day: returns a system's day of this number.
        count: returns the energy (Wh) that was reported of a whole day.
    """

    def __init__(
        self,
        name: str,
        seed: int,
        day: Callable[[System, int], DayT],
        count: Callable[[DayT, System], int],
    ) -> None:
        self._key = name, seed
        self._day = day
        self._count = count

    def before_day_of(self, system: System, moment: float) -> tuple[int, int]:
        """Return the start of the solar day an instant lies in, and the energy (Wh) up to that start."""
        number = day_number(moment, system.longitude)
        return day_start(number, system.longitude), self._before(system, number)

    def _before(self, system: System, number: int) -> int:
        first = day_number(system.operational_at, system.longitude)
        sums = _running_sums(*self._key, system)
        with SUMS_LOCK:
            while len(sums) <= number - first:
                sums.append(sums[-1] + self._count(self._day(system, first + len(sums) - 1), system))
        return sums[max(0, number - first)]


class DailySums:
    """The energy of each local day, for every system; days that are over are summed once.

    The sums follow from the seed and the system alone: so all emulators of a process share them.

    Args:
        name: name of the summed quantity.
        seed: seed of the days.
    """

    def __init__(self, name: str, seed: int) -> None:
        self._key = name, seed

    def daily_energy(self, system: System, first: date, last: date, rows: Rows, settled: float) -> list[int]:
        """Return the energy (Wh) of each day from the first to the last; 0 where nothing was reported.

        Days before the start of service are zeros and are not cached: they may be very many.

        Args:
            system: the system, in whose time zone days begin.
            first: the first day.
            last: the last day.
            rows: gives the rows of a window.
            settled: the instant up to which no row can change any more (epoch seconds).
        """
        begun, over = (local_date(at, system.timezone) for at in (system.operational_at, settled))
        if first < begun:
            before = [0] * ((min(begun, last + timedelta(days=1)) - first).days)
            return before + (self.daily_energy(system, begun, last, rows, settled) if begun <= last else [])
        cached = _daily_sums(*self._key, system)
        days = _days(first, last)
        missing = [day for day in days if day >= over or day not in cached]
        fresh: dict[date, int] = {}
        if missing:
            made = daily_energy(system, missing[0], missing[-1], rows)
            fresh = dict(zip(_days(missing[0], missing[-1]), made, strict=True))
            cached.update((day, energy) for day, energy in fresh.items() if day < over)
        return [fresh[day] if day in fresh else cached[day] for day in days]


def clear_sums() -> None:
    """Drop all sums, so that they must be made again."""
    _running_sums.cache_clear()
    _daily_sums.cache_clear()


@lru_cache(maxsize=MAX_RUNNING_SUM_SYSTEMS)
def _running_sums(name: str, seed: int, system: System) -> array[int]:
    """Return the sums of a system, one element a day, to be continued by the caller."""
    return array("q", [0])


@lru_cache(maxsize=MAX_DAILY_SUM_SYSTEMS)
def _daily_sums(name: str, seed: int, system: System) -> dict[date, int]:
    """Return the days of a system summed so far, to be added to by the caller."""
    return {}


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def daily_energy(system: System, first: date, last: date, rows: Rows) -> list[int]:
    """Return the energy (Wh) of each day from the first to the last; 0 where nothing was reported.

    Args:
        system: the system, in whose time zone days begin.
        first: the first day.
        last: the last day.
        rows: gives the rows of a window.
    """
    sums = [0] * max(0, (last - first).days + 1)
    # no row is older than the system, and midnights of many years would be slow to find
    begun = max(first, min(last, local_date(system.operational_at, system.timezone)))
    start = local_midnight(begun, system.timezone)
    end = local_midnight(last, system.timezone, 1)
    index, until = (begun - first).days, local_midnight(begun, system.timezone, 1)
    for at, energy in rows(start, end):
        while at > until:
            index += 1
            until = local_midnight(first, system.timezone, index + 1)
        sums[index] += energy
    return sums


def solar_days(system: System, start: int, end: int) -> range:
    """Return the numbers of the solar days that hold intervals with `start < end_at <= end`."""
    if end <= start:
        return range(0)
    return range(day_number(start, system.longitude), day_number(end - 1, system.longitude) + 1)


def last_row_end(
    system: System, until: float, rows: Callable[[float, float], Iterator[tuple[int, ...]]]
) -> int | None:
    """Return the end of the last row up to an instant (epoch seconds), looking back day by day."""
    for number in reversed(solar_days(system, system.operational_at, int(until))):
        begin = day_start(number, system.longitude)
        found = deque(rows(begin, min(until, begin + DAY_S)), maxlen=1)
        if found:
            return found[0][0]
    return None


def day_slots(system: System, start: float, end: float, step: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield each solar day of a window: number, start, first slot in it and first slot after it.

    Args:
        system: the system, whose longitude says when solar days begin.
        start: start of the window (epoch seconds).
        end: end of the window (epoch seconds).
        step: seconds of one slot.
    """
    low, high = int(start), int(end)
    for number in solar_days(system, low, high):
        begin = day_start(number, system.longitude)
        yield number, begin, max(0, (low - begin) // step), min(DAY_S // step, (high - begin) // step)
