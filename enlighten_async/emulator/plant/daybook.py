"""Solar days of systems: made when first asked for, kept for a while, added up once and for all."""

from __future__ import annotations

from array import array
from collections import deque
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from enlighten_async.emulator.plant.sun import DAY, day_number, day_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from enlighten_async.emulator.plant.system import System

MAX_DAYS = 4000  # days kept at a time, at most 15 kB each
MAX_SUMS = 2000  # systems whose sums are kept at a time, 8 bytes a day each

ADDING = Lock()

DayT = TypeVar("DayT")


class Sums(Generic[DayT]):
    """The energy of all days before a day, for every system.

    They follow from the seed and the system alone, and years of days are costly to make: so all emulators
    of a process add them up together.

    Args:
        name: what is added up.
        seed: of the days.
        day: gives a system's day of this number.
        count: tells the energy (Wh) that was reported of a whole day.
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

    def settled(self, system: System, moment: float) -> tuple[int, int]:
        """Return the start of the solar day an instant lies in, and the energy (Wh) up to there."""
        number = day_number(moment, system.longitude)
        return day_start(number, system.longitude), self._before(system, number)

    def _before(self, system: System, number: int) -> int:
        first = day_number(system.operational_at, system.longitude)
        sums = _sums(*self._key, system)
        with ADDING:  # emulators may serve from several threads
            while len(sums) <= number - first:
                sums.append(sums[-1] + self._count(self._day(system, first + len(sums) - 1), system))
        return sums[max(0, number - first)]


class DayBook(Generic[DayT]):
    """The days of all systems; the oldest made are forgotten first.

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
            if len(self._days) >= MAX_DAYS:
                del self._days[next(iter(self._days))]
            found = self._days[key] = self._make(system, number)
        return found


def forget() -> None:
    """Forget what was added up, so that it must be made again."""
    _sums.cache_clear()


@lru_cache(maxsize=MAX_SUMS)
def _sums(name: str, seed: int, system: System) -> array[int]:
    """Return the sums known of a system, a day each, to be gone on with."""
    return array("q", [0])


def days_between(system: System, start: int, end: int) -> range:
    """Return the numbers of the solar days that hold intervals with `start < end_at <= end`."""
    if end <= start:
        return range(0)
    return range(day_number(start, system.longitude), day_number(end - 1, system.longitude) + 1)


def newest(
    system: System, until: float, rows: Callable[[float, float], Iterator[tuple[int, ...]]]
) -> int | None:
    """Return the end of the last row up to an instant (epoch seconds), looking back day by day."""
    for number in reversed(days_between(system, system.operational_at, int(until))):
        begin = day_start(number, system.longitude)
        found = deque(rows(begin, min(until, begin + DAY)), maxlen=1)
        if found:
            return found[0][0]
    return None


def slots_between(system: System, start: float, end: float, grid: int) -> Iterator[tuple[int, int, int, int]]:
    """Give each solar day of a window: number, start, first slot in it and first slot after it."""
    low, high = int(start), int(end)
    for number in days_between(system, low, high):
        begin = day_start(number, system.longitude)
        yield number, begin, max(0, (low - begin) // grid), min(DAY // grid, (high - begin) // grid)
