"""Rows added up by local day, without gaps."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.local_time import local_date, local_midnight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from enlighten_async.emulator.plant.system import System

MAX_KNOWN = 128  # systems whose days are kept at a time, at most 150 kB of three years each

Rows: TypeAlias = "Callable[[float, float], Iterable[tuple[int, int]]]"
"""What gives end (epoch seconds) and energy (Wh) of the rows of a window, in order."""


class DaySums:
    """The energy of each local day, for every system; days that are over are added up once.

    They follow from the seed and the system alone: so all emulators of a process share them.

    Args:
        name: what is added up.
        seed: of the days.
    """

    def __init__(self, name: str, seed: int) -> None:
        self._key = name, seed

    def of(self, system: System, first: date, last: date, rows: Rows, settled: float) -> list[int]:
        """Return what `day_sums` does.

        Args:
            system: as there.
            first: as there.
            last: as there.
            rows: as there.
            settled: up to when no row can change any more (epoch seconds).
        """
        begun, over = (local_date(at, system.timezone) for at in (system.operational_at, settled))
        if first < begun:  # none of these days is kept: they may be very many
            before = [0] * ((min(begun, last + timedelta(days=1)) - first).days)
            return before + (self.of(system, begun, last, rows, settled) if begun <= last else [])
        known = _known(*self._key, system)
        days = _days(first, last)
        lacking = [day for day in days if day >= over or day not in known]
        fresh: dict[date, int] = {}
        if lacking:
            made = day_sums(system, lacking[0], lacking[-1], rows)
            fresh = dict(zip(_days(lacking[0], lacking[-1]), made, strict=True))
            known.update((day, energy) for day, energy in fresh.items() if day < over)
        return [fresh[day] if day in fresh else known[day] for day in days]


def forget() -> None:
    """Forget what was added up, so that it must be made again."""
    _known.cache_clear()


@lru_cache(maxsize=MAX_KNOWN)
def _known(name: str, seed: int, system: System) -> dict[date, int]:
    """Return the days known of a system, to be added to."""
    return {}


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def day_sums(
    system: System,
    first: date,
    last: date,
    rows: Rows,
) -> list[int]:
    """Return the energy (Wh) of each day from the first to the last; 0 where nothing was reported.

    Args:
        system: whose time zone says when its days begin.
        first: the first day.
        last: the last day.
        rows: gives end (epoch seconds) and energy (Wh) of the rows of a window, in order.
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
