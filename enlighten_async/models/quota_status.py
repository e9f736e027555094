"""What a key has used and has left, told without asking the service."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from attrs import frozen

from enlighten_async.models.rows import Plain


@frozen
class QuotaWindow(Plain):
    """The running window of one period.

    Attributes:
        limit: requests that may be used in it: the plan, the service's word or a budget, whichever is
            least; `None` if there is no limit.
        used: requests that may have been counted in it, at the most; those in flight are among them.
        left: requests left in it for the priority of who asks, at the least; `None` without a limit.
        turns_at: when the next window begins (aware UTC).
        closed_until: until when the service said that it serves nothing (aware UTC); `None`: it did not.
    """

    limit: int | None
    used: int
    left: int | None
    turns_at: datetime
    closed_until: datetime | None = None


@frozen
class QuotaStatus(Plain):
    """What is known of a key's quota; to tell it costs no request.

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
        learned: limits the service named when it refused a request, by period.
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
