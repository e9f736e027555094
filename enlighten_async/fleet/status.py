"""Status of a fleet that is followed: how fresh its systems are, and what was spent. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from math import ceil

from attrs import frozen

from enlighten_async.fleet.roster import Roster


@frozen(kw_only=True)
class FleetStatus:
    """The state of a fleet during a run, as this process knows it."""

    systems: int = 0
    """Number of systems; 0 before the run has begun."""
    held: int = 0
    """Number of those that have been fetched: that have a cursor."""
    half_within: timedelta | None = None
    """Time since the cursor of the median of these; `None` without any."""
    most_within: timedelta | None = None
    """The same of 95 % of these, at most."""
    all_within: timedelta | None = None
    """The same of the one that is furthest behind."""
    due: int = 0
    """Number of polls that are due and not made yet."""
    lag: timedelta | None = None
    """Time for which that poll has been due that has waited longest; `None` where none is due."""
    silent: int = 0
    """Number of systems that had no new rows for days though they were polled."""
    absent: int = 0
    """Number of systems that are left out, as they have no such device or are not found any more."""
    failed: int = 0
    """Number of systems whose last poll failed, and that wait."""
    spent: int = 0
    """Requests that its polls have cost since the run began."""
    leases: int | None = None
    """Number of leases that this process holds, of 64; `None` where the systems are not shared."""
    backfill_left: int = 0
    """Number of windows of history, 7 days each, that are not written yet; 0 without a backfill."""
    backfill_failed: int = 0
    """Number of these whose last request by this process failed; they are requested again later."""
    left: int | None = None
    """Requests of the month that are left to all its keys; `None` without a limit."""


def fleet_status(
    roster: Roster, now: float, spent: int, left: int | None, leases: int | None = None
) -> FleetStatus:
    """Return the status of a fleet.

    Args:
        roster: its systems.
        now: the time, epoch seconds.
        spent: requests that its polls have cost.
        left: requests of the month that are left; `None` without a limit.
        leases: leases that are held; `None` where the systems are not shared.
    """
    members = [each for each in roster.members if not each.gone]
    ages = sorted(max(0.0, now - each.until) for each in members if each.until is not None)
    return FleetStatus(
        systems=len(members),
        held=len(ages),
        half_within=_quantile(ages, 0.5),
        most_within=_quantile(ages, 0.95),
        all_within=_quantile(ages, 1.0),
        due=roster.due(now),
        lag=None if (lag := roster.lag(now)) is None else timedelta(seconds=lag),
        leases=leases,
        silent=sum(each.is_silent(now) for each in members),
        absent=sum(each.away_until > now and not each.failures for each in members),
        failed=sum(each.failures > 0 for each in members),
        spent=spent,
        backfill_left=roster.windows_left(),
        backfill_failed=roster.windows_failed(),
        left=left,
    )


def _quantile(ages: Sequence[float], part: float) -> timedelta | None:
    return timedelta(seconds=ages[max(0, ceil(part * len(ages)) - 1)]) if ages else None
