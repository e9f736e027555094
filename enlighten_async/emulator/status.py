"""What both versions of the service tell of a system: how far its reports reach, its power, a day."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.local_time import local_date, local_midnight
from enlighten_async.emulator.plant.micro import STEP
from enlighten_async.emulator.plant.sun import GRID

if TYPE_CHECKING:
    from datetime import date

    from enlighten_async.emulator.plant.system import System
    from enlighten_async.emulator.plant.truth import Truth

Row: TypeAlias = dict[str, object]


def meta(truth: Truth, system: System) -> Row:
    """Return how far a system's reports reach: the same wherever it is told."""
    last = truth.last_interval(system.system_id)
    # The gateway reports a while after an interval ends: neither aligned nor later than now.
    behind = system.system_id * 7919 % max(1, int(min(truth.report_lag, GRID)))
    micro = 0 if system.meters else behind // 2
    return {
        "status": system.status,
        "last_report_at": None if last is None else last + behind,
        "last_energy_at": None if last is None else last + micro,
        "operational_at": system.operational_at,
    }


def power(truth: Truth, system: System) -> int:
    """Return the mean power (W) of the last interval received: it stays until the next one."""
    last = truth.last_interval(system.system_id)
    if last is None:
        return 0
    if not system.meters:
        return truth.stats(system.system_id, last - STEP, last)[0]["powr"]
    return truth.energy(system.system_id, last - GRID, last) * 3600 // GRID


def summary(truth: Truth, system: System, day: date, now: float) -> Row:
    """Return what a system is and made on a local day that is not in the future."""
    start, end = local_midnight(day, system.timezone), local_midnight(day, system.timezone, 1)
    reached = meta(truth, system)
    current = day == local_date(now, system.timezone)  # of past days the service tells energy alone
    return {
        "system_id": system.system_id,
        "modules": system.modules * current,
        "size_w": system.size_w * current,
        "current_power": power(truth, system) * current,
        "energy_today": truth.produced(system.system_id, start, end),
        "energy_lifetime": truth.lifetime(system.system_id, start),
        "summary_date": day.isoformat(),
        "source": "meter" if system.meters else "microinverters",
        "status": system.status,
        "operational_at": system.operational_at,
        "last_report_at": reached["last_report_at"],
        "last_interval_end_at": reached["last_energy_at"],
    }


def newest_day(truth: Truth, system: System) -> date | None:
    """Return the local day of the last interval received: one that ends at midnight is the day before's."""
    newest = truth.last_interval(system.system_id)
    return None if newest is None else local_date(newest - 1, system.timezone)
