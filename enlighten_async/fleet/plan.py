"""Plan of a fleet: what it will cost and how fresh it will be, before anything is spent. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from math import ceil, inf
from typing import Final

from attrs import field, frozen

from enlighten_async.client import EnlightenClient
from enlighten_async.fleet.schedule import (
    MEAN_DAYLIGHT_S,
    MINUTE_USE,
    REPORT_S,
    Budget,
    affordable_every,
    mean_delay,
    polls_a_day,
)
from enlighten_async.limiter import Plan
from enlighten_async.models import QuotaStatus
from enlighten_async.windows import DAY, as_datetime

PRICED: Final = "Partner"
"""The plan that charges by request."""

FREE_OF_PARTNER: Final = 10_000
"""Requests of a month that it does not charge."""

USD_A_REQUEST: Final = 0.005
"""USD for each request beyond them."""

PAGE: Final = 100
"""Systems on a page of a list."""

DAYS_OF_MONTH: Final = 30.0
"""Days of a month, where a price is told for one."""


LONGEST_DAYS: Final = 3_650
"""Days beyond which a length of time is told as for ever."""


@frozen(eq=False)
class Account:
    """The account that some systems of a fleet belong to."""

    client: EnlightenClient
    """The view of the client that asks about them."""
    name: str
    """Its name; empty where the client's own is followed."""
    key: int = field(init=False)
    """The number that tells its key from others."""

    @key.default
    def _number_of_key(self) -> int:
        return id(self.client._session.limiter)


@frozen
class FleetSystem:
    """One system of a fleet, as its list tells of it."""

    system_id: int
    """The service's number of it."""
    account: Account
    """The account that it belongs to."""
    timezone: str | None
    """IANA name of its time zone, where known."""
    cellular: bool
    """Whether its gateway reports by a cellular modem."""
    energy: float | None = None
    """When it last reported energy, epoch seconds, where its list tells."""


def lists_of(accounts: Iterable[Account]) -> int:
    """Return the requests that the lists of systems take, an account and a hundred systems each.

    Args:
        accounts: the account of each system.
    """
    return sum(ceil(count / PAGE) for count in Counter(accounts).values())


@frozen
class KeyShare:
    """The systems of one key, and what the key may spend on them."""

    systems: int
    """Their number."""
    budget: Budget
    """What is left of the month and the minute."""
    plan: Plan
    """The tariff."""
    history: int = 0
    """Requests for the history of each system."""

    def history_days(self, rate: float) -> float:
        """Return the days until the history of all systems is held, beside so many polls of each a day.

        What polls and people leave of this month is spent at once, then that of each month of 30 days.
        """
        polls, requests = self.systems * rate, float(self.systems * self.history)
        by_minute = self.budget.minute * MINUTE_USE * 1_440 - polls
        this_month = self.budget.spare(polls)
        if not requests or by_minute <= 0:
            return inf if requests else 0.0
        if requests <= this_month:
            return requests / by_minute
        month = self.plan.allows("month")
        later = Budget(float(month or inf), DAYS_OF_MONTH, self.budget.minute).spare(polls)
        if later <= 0:
            return inf
        months, rest = divmod(requests - this_month, later)
        return max(self.budget.days_left + months * DAYS_OF_MONTH + rest / by_minute, requests / by_minute)

    def affordable(self, daylight: float) -> float:
        """Return the polls that each system may have in a day, and has a use for."""
        return min(self.budget.rate(self.systems), daylight / REPORT_S)


@frozen
class FleetPlan:
    """The cost and the freshness of a fleet, by the quota that is left now.

    It is made of figures that hold on average: daylight of 12 hours (a whole day for series that never
    rest), clear skies, and systems that all report. Systems that fall silent leave more to the others.
    """

    systems: int
    """Number of systems."""
    fits: bool
    """Whether the quota allows `every`; true without one."""
    every: timedelta | None
    """The `every` of the fleet; `None`: as often as the quota allows."""
    affordable_every: timedelta | None
    """The shortest `every` that the quota of all keys allows; `None`: no poll now."""
    requests_per_day: float
    """Requests a day with `every`, or, if that does not fit, with `affordable_every`."""
    cost_usd: float | None
    """USD that a month (30 days) of these requests costs beyond the fee of the plan; `None`: the plan has no
    name, so that its price is not known.
    """
    mean_delay: timedelta | None
    """Time from the production of energy until its rows are written, weighted by energy; `None`: nothing is
    polled.
    """
    backfill_done_at: datetime | None = None
    """When (aware UTC) the history of all systems is written, for a fleet that begins now; `None`: without a
    backfill, or if polls leave no request for it.
    """
    backfill: bool = False
    """Whether the history of the systems is fetched."""

    def __str__(self) -> str:
        rate = f"{self.requests_per_day:,.0f} requests a day"
        price = f", {self.cost_usd:,.2f} USD a month" if self.cost_usd else ""
        fresh = "" if self.mean_delay is None else f", rows {told(self.mean_delay)} old on average"
        cadence = self.affordable_every if self.every is None or not self.fits else self.every
        if cadence is None:
            return f"{self.systems:,} systems: the quota allows no poll now"
        over = "" if self.fits or self.every is None else f" (every {told(self.every)} does not fit)"
        return f"{self.systems:,} systems every {told(cadence)}{over}: {rate}{fresh}{price}{self._history}"

    @property
    def _history(self) -> str:
        if not self.backfill:
            return ""
        if self.backfill_done_at is None:
            return ", polls leave no requests for history"
        return f", history by {self.backfill_done_at:%Y-%m-%d %H:%M} UTC"


def told(span: timedelta) -> str:
    """Return a length of time in words, such as "1.5 h"."""
    minutes = span.total_seconds() / 60
    if minutes < 90:
        return f"{minutes:.3g} min"
    return f"{minutes / 60:.3g} h" if minutes < 72 * 60 else f"{minutes / 1_440:.3g} days"


def fleet_plan(
    keys: Sequence[KeyShare],
    every: timedelta | None,
    daylight: float = MEAN_DAYLIGHT_S,
    now: float = 0.0,
) -> FleetPlan:
    """Return the plan of the systems of some keys.

    Args:
        keys: the keys, each with its systems; those without any do not count.
        every: the cadence that is asked for; `None`: as fresh as the quota allows.
        daylight: seconds of a day in which a system has news.
        now: the time, epoch seconds.
    """
    used = [key for key in keys if key.systems]
    rates = [key.affordable(daylight) for key in used]
    wanted = None if every is None else polls_a_day(max(every.total_seconds(), REPORT_S), daylight)
    taken = [rate if wanted is None else min(wanted, rate) for rate in rates]
    requests = sum(key.systems * rate for key, rate in zip(used, taken, strict=True))
    systems = sum(key.systems for key in used)
    even = [daylight >= DAY or (wanted is not None and rate >= wanted) for rate in rates]
    delays = [
        key.systems * mean_delay(rate, daylight, even=each)
        for key, rate, each in zip(used, taken, even, strict=True)
    ]
    costs = [_cost(key, rate) for key, rate in zip(used, taken, strict=True)]
    history = any(key.history for key in used)
    days = max((key.history_days(rate) for key, rate in zip(used, taken, strict=True)), default=0.0)
    return FleetPlan(
        systems=systems,
        fits=wanted is None or all(rate >= wanted for rate in rates),
        every=every,
        affordable_every=_span(max((affordable_every(rate, daylight) for rate in rates), default=0.0)),
        requests_per_day=requests,
        cost_usd=None if None in costs else sum(cost or 0.0 for cost in costs),
        mean_delay=_span(sum(delays) / systems) if systems else None,
        backfill_done_at=as_datetime(now + days * DAY) if history and days < LONGEST_DAYS else None,
        backfill=history,
    )


def _cost(key: KeyShare, rate: float) -> float | None:
    """Return what a month of so many polls a day of each system costs, USD; `None` if nobody knows."""
    if not key.plan.name:
        return None if key.plan.allows("month") else 0.0
    charged = key.systems * rate * DAYS_OF_MONTH - FREE_OF_PARTNER
    return max(0.0, charged) * USD_A_REQUEST if key.plan.name == PRICED else 0.0


def _span(seconds: float) -> timedelta | None:
    """Return seconds as a length of time; `None` for one beyond ten years, such as for ever."""
    return timedelta(seconds=seconds) if seconds <= LONGEST_DAYS * DAY else None


def budget_of(quota: QuotaStatus) -> Budget:
    """Return what may be spent by what is known of a key's quota.

    A month of which nobody knows what was used is planned with as if it were fresh; the limiter knows better
    before anything is sent.
    """
    month, minute = quota.month, quota.minute
    left = inf if month.limit is None else float(max(0, month.limit - (month.used or 0)))
    if month.closed_until is not None and month.closed_until >= month.turns_at:
        left = 0.0
    days = (month.turns_at - quota.as_of).total_seconds() / DAY
    return Budget(left, days, inf if minute.limit is None else float(minute.limit))
