"""Rows added up by local day, without gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enlighten_async.emulator.local_time import local_date, local_midnight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from enlighten_async.emulator.plant.system import System


def day_sums(
    system: System,
    first: date,
    last: date,
    rows: Callable[[float, float], Iterable[tuple[int, int]]],
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
