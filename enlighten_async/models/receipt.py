"""Costs: the receipt of a query, its estimate, and the quota of a key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from attrs import Factory, frozen

from enlighten_async.models.convert import ToDict


@frozen
class Receipt(ToDict):
    """The cost of a query: requests sent, and waits."""

    sent: int = 0
    """Requests that left, the only ones a plan pays for."""
    rejected: int = 0
    """Of these, how many the service rejected as over the limit (409, 429)."""
    retried: int = 0
    """Of these, how many repeated one that failed."""
    from_cache: int = 0
    """Windows (or answers) that had been paid for before, or by another query meanwhile."""
    waited: Mapping[str, float] = Factory(dict)
    """Seconds spent waiting, by reason: "minute" and "month" (the plan's windows), "in_flight" (others'
    requests), "priority" (more urgent ones), "turn" (other programs have had less of the minute), "pace"
    (the month is spent evenly), "state" (its server is away), "retry" (back-off). Waits that overlap are
    added up.
    """
    left: Mapping[str, int] = Factory(dict)
    """Requests left in the running window of the plan, by period, when the query ended. What other programs
    have used is known as of this process's last request; `client.quota()` reads it anew. Empty: nothing has
    been read of that yet, as where all of a program's answers were cached.
    """
    failure: str = ""
    """Text of the error in place of which a cached answer stands (`stale_if_error`); empty if none does."""

    def __add__(self, later: Receipt) -> Receipt:
        """Return the cost of both; the requests left are those after the later one."""
        reasons = {**self.waited, **later.waited}
        return Receipt(
            sent=self.sent + later.sent,
            rejected=self.rejected + later.rejected,
            retried=self.retried + later.retried,
            from_cache=self.from_cache + later.from_cache,
            waited={each: self.waited.get(each, 0.0) + later.waited.get(each, 0.0) for each in reasons},
            left=later.left or self.left,
            failure=self.failure or later.failure,
        )


@frozen
class Estimate(ToDict):
    """The price of a query."""

    at_least: int
    """Requests it takes if the first answer shows that the rest is not worth asking for."""
    at_most: int | None
    """Requests it takes if all of them are needed and none has to be repeated; `None` where only the service
    knows how many pages there are.
    """
    from_cache: int
    """Windows that are served from the cache."""
    pruned: int
    """Windows that are not asked for, since they are documented as empty."""
    ready_at: datetime
    """When all of it would be there on this plan (aware UTC)."""
    month_share: float | None
    """The requests as a share of the plan's month; `None` if the plan has no such limit."""
    fits: bool
    """Whether the running month has that much left today for its priority."""
    cheaper: str | None = None
    """A way that costs less, in words; `None` if none is known."""


@frozen
class QuotaWindow(ToDict):
    """The running window of one period."""

    limit: int | None
    """Requests that may be used in it: the plan, the service's word or a budget, whichever is least; `None`
    if there is no limit.
    """
    used: int | None
    """Requests that may have been counted in it, at the most; those in flight are among them. `None`: nobody
    knows, since a shared state is new or has lost its counts; `set_month_used` tells.
    """
    left: int | None
    """Requests left in it today for the priority of who asks, at the least; `None` without a limit. Of the
    month, more is left each day to "poll" and "backfill".
    """
    turns_at: datetime
    """When the next window begins (aware UTC)."""
    closed_until: datetime | None = None
    """Until when nothing is sent, since the service said that it serves nothing, or, after it rejected
    everything for some minutes and did not say why, until the next try (aware UTC); `None`: it did not.
    """


@frozen
class QuotaPace(ToDict):
    """The speed at which a month is spent, beside the one that would use it up evenly."""

    per_day: float
    """Requests a day that use up evenly what is left of the month."""
    used_per_day: float
    """Requests a day that were used since the month began, on average."""
    ahead: int
    """Requests used beyond those that even use would have taken by now; below 0: so many fewer."""
    next_at: datetime | None
    """When the next request may leave by the client's `pace` (aware UTC); `None` where that is not on, or the
    priority of who asks is "interactive".
    """


@frozen
class QuotaStatus(ToDict):
    """The known state of a key's quota; it costs no request.

    Counts in memory are those of this process; counts in a shared state are those of all its programs.
    """

    as_of: datetime
    """The moment it is told of, by the service's clock as well as it is known (aware UTC)."""
    minute: QuotaWindow
    """The running minute."""
    month: QuotaWindow
    """The running calendar month (UTC)."""
    runs_out_at: datetime | None
    """When the month is used up if it goes on as so far: on average as much a day as since the month began
    (aware UTC); `None` if it lasts, or has no limit.
    """
    in_flight: int
    """Requests of all users of these counts on their way."""
    queued: int
    """Requests of this client that wait."""
    waiting: str | None
    """Why the first of them waits: "minute", "month", "in_flight", "throttled", "doubt", "priority", "turn",
    "pace", "state" or "outage"; `None` if none does.
    """
    until: datetime | None
    """When that wait ends (aware UTC), where it is a matter of time."""
    learned: Mapping[str, int]
    """Limits the service named when it rejected a request, or that its rejections tell, by period."""
    pace: QuotaPace | None = None
    """The speed at which the month is spent; `None` if it has no limit or nothing left, or while nothing has
    told the time.
    """
