"""Costs: the receipt of a query, its estimate, and the quota of a key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from attrs import Factory, frozen

from enlighten_async.models.convert import ToDict


@frozen
class Receipt:
    """The cost of a query: requests sent, and waits.

    Attributes:
        sent: requests that left, the only ones a plan pays for.
        rejected: of these, how many the service turned down as over the limit (409).
        retried: of these, how many repeated one that failed.
        from_cache: windows (or answers) that had been paid for before, or by another query meanwhile.
        waited: seconds spent waiting, by reason: "minute" and "month" (the plan's windows),
            "in_flight" (others' requests), "priority" (more urgent ones), "retry" (back-off). Waits that
            overlap are added up.
        left: requests left in the running window of the plan, by period, when the query ended.
        failure: text of the error in place of which a cached answer stands (`stale_if_error`); empty if none
            does.
    """

    sent: int = 0
    rejected: int = 0
    retried: int = 0
    from_cache: int = 0
    waited: Mapping[str, float] = Factory(dict)
    left: Mapping[str, int] = Factory(dict)
    failure: str = ""

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
    """The price of a query.

    Attributes:
        at_least: requests it takes if the first answer shows that the rest is not worth asking for.
        at_most: requests it takes if all of them are needed and none has to be repeated; `None` where
            only the service knows how many pages there are.
        from_cache: windows that are served from the cache.
        pruned: windows that are not asked for, since they are documented as empty.
        ready_at: when all of it would be there on this plan (aware UTC).
        month_share: the requests as a share of the plan's month; `None` if the plan has no such limit.
        fits: whether the running month has that much left for its priority.
        cheaper: a way that costs less, in words; `None` if none is known.
    """

    at_least: int
    at_most: int | None
    from_cache: int
    pruned: int
    ready_at: datetime
    month_share: float | None
    fits: bool
    cheaper: str | None = None


@frozen
class QuotaWindow(ToDict):
    """The running window of one period.

    Attributes:
        limit: requests that may be used in it: the plan, the service's word or a budget, whichever is
            least; `None` if there is no limit.
        used: requests that may have been counted in it, at the most; those in flight are among them.
        left: requests left in it for the priority of who asks, at the least; `None` without a limit.
        turns_at: when the next window begins (aware UTC).
        closed_until: until when nothing is sent, since the service said that it serves nothing, or, after it
            rejected everything for some minutes and did not say why, until the next try (aware UTC);
            `None`: it did not.
    """

    limit: int | None
    used: int
    left: int | None
    turns_at: datetime
    closed_until: datetime | None = None


@frozen
class QuotaStatus(ToDict):
    """The known state of a key's quota; it costs no request.

    Counts in memory know what this process has sent; those in a file, what all did that share it.

    Attributes:
        as_of: the moment it is told of, by the service's clock as well as it is known (aware UTC).
        minute: the running minute.
        month: the running calendar month (UTC).
        runs_out_at: when the month is used up if it goes on as so far: on average as much a day as since
            the month began (aware UTC); `None` if it lasts, or has no limit.
        in_flight: requests of all users of these counts on their way.
        queued: requests of this client that wait.
        waiting: why the first of them waits: "minute", "month", "in_flight", "throttled", "doubt" or
            "priority"; `None` if none does.
        until: when that wait ends (aware UTC), where it is a matter of time.
        learned: limits the service named when it rejected a request, by period.
    """

    as_of: datetime
    minute: QuotaWindow
    month: QuotaWindow
    runs_out_at: datetime | None
    in_flight: int
    queued: int
    waiting: str | None
    until: datetime | None
    learned: Mapping[str, int]
