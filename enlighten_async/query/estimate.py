"""Estimates: the price of a query before it is run, and the quota of a key."""

from __future__ import annotations

from enlighten_async.errors import BudgetExceeded
from enlighten_async.limiter import MINUTE, MONTH, KeySnapshot, RateLimiter, TokenBucket, runs_out
from enlighten_async.models.receipt import Estimate, QuotaPace, QuotaStatus, QuotaWindow
from enlighten_async.query.plan import Segments
from enlighten_async.query.session import QueryOptions, Session
from enlighten_async.windows import DAY, as_datetime


def estimate(
    session: Session,
    options: QueryOptions,
    layout: Segments,
    *,
    zone_unknown: bool,
    replies: int = 0,
    something_cached: bool = False,
) -> Estimate:
    """Return the price of a query.

    Args:
        session: whose plan pays.
        options: what the caller allows.
        layout: the segments of the query.
        zone_unknown: whether the system's time zone has to be asked for first; the segments are then laid
            out for UTC, and the range may take a window more where the clock is set back in it.
        replies: segments of other answers than series whose first reply is cached.
        something_cached: whether something of the series is cached.
    """
    cached = sum(segment.cached for segment in layout.ordered) + replies
    unpaid = len(layout.ordered) - cached
    least = unpaid if options.exhaustive else min(unpaid, 1)
    if zone_unknown and something_cached:
        least = 0  # all of the range may be cached, in the system's own time
    most = unpaid + layout.spare + 2 * zone_unknown
    limit = session.limiter.snapshot().limits.get(MONTH.name)
    return Estimate(
        at_least=least + zone_unknown,
        at_most=None if layout.open_ended else most,
        from_cache=cached,
        pruned=layout.pruned,
        ready_at=as_datetime(session.limiter.ready_at(most, options.rank, options.scope)),
        month_share=most / limit if limit else None,
        fits=most <= session.limiter.left(options.rank).get(MONTH.name, most),
        cheaper=layout.cheaper or None,
    )


def check_budget(
    price: Estimate, options: QueryOptions, limiter: RateLimiter, path: str, *, zone_unknown: bool
) -> None:
    """Refuse a query that may cost more, or take longer, than its caller allows, before anything is sent.

    Args:
        price: its price.
        options: what the caller allows.
        limiter: knows when that many requests may be sent, and whether the service fails.
        path: the path that would be asked first.
        zone_unknown: whether the system's time zone has to be asked for first: only then it is known how many
            windows there are, so that as few as there may be count for the time.

    Raises:
        BudgetExceeded: it may take more requests than `max_requests`, or the plan makes it wait longer
            than `max_wait`.
        ServerError, Unavailable, TransportError: the same, while the service is known to fail: it is the
            last failure's own error.
    """
    most, requests = price.at_most or price.at_least, options.allowed
    if requests is not None and most > requests:
        raise BudgetExceeded(
            f"this may take {_counted(most)}, more than max_requests={requests}: ask for a shorter range"
        )
    count, seconds = price.at_least if zone_unknown else most, options.max_wait
    if seconds is None or not count:  # what takes no request waits for nobody
        return
    ready_at = limiter.ready_at(count, options.rank, options.scope)
    wait = ready_at - limiter.now()
    if wait <= seconds:
        return
    counts = limiter.snapshot()
    if not counts.knows_month and MONTH.name in counts.limits:
        return  # the limiter refuses, and says what to do
    limit = counts.limits.get(MINUTE.name)
    never = limit is not None and count > limit * (1 + MINUTE.index(seconds))
    late = BudgetExceeded(
        f"{_counted(count)} take{'s' * (count == 1)} {wait:.0f} s on this plan, more than "
        f"max_wait={seconds:g}: ask for a shorter range{'' if never else ', or later'}",
        retry_at=None if never else as_datetime(ready_at),
    )
    raise limiter.refusal(path, late)


def _counted(requests: int) -> str:
    return f"{requests} request{'s' * (requests != 1)}"


def quota_status(session: Session, options: QueryOptions) -> QuotaStatus:
    """Return the quota that a caller may still use, and what is waited for; nothing is sent."""
    limiter, now = session.limiter, session.limiter.now()
    snapshot, left, waiting = limiter.snapshot(), limiter.left(options.rank), limiter.waiting
    limit, used = snapshot.limits.get(MONTH.name), snapshot.used[MONTH.name]
    end = None if limit is None or not snapshot.knows_month else runs_out(used, limit, now)
    return QuotaStatus(
        as_of=as_datetime(now),
        minute=_window(MINUTE, snapshot, left.get(MINUTE.name), now),
        month=_window(MONTH, snapshot, left.get(MONTH.name), now),
        runs_out_at=None if end is None else as_datetime(end),
        in_flight=snapshot.in_flight,
        queued=limiter.queued,
        waiting=None if waiting is None else waiting.reason,
        until=None if waiting is None or waiting.until is None else as_datetime(waiting.until),
        learned=snapshot.learned,
        pace=_pace(limiter, used, options.rank),
    )


def _pace(limiter: RateLimiter, used: int, rank: int) -> QuotaPace | None:
    pace, next_at = limiter.pace(rank)
    if pace is None:
        return None
    start = MONTH.start(MONTH.index(pace.moment))
    passed, share = pace.moment - start, (pace.moment - start) / (pace.until - start)
    return QuotaPace(
        per_day=DAY / pace.interval,
        used_per_day=used * DAY / max(passed, DAY),
        ahead=round(used - pace.limit * share),
        next_at=None if next_at is None else as_datetime(next_at),
    )


def _window(bucket: TokenBucket, snapshot: KeySnapshot, left: int | None, now: float) -> QuotaWindow:
    # All blocks but the month's, such as the hour's, are told as the minute's.
    blocked = snapshot.blocked_until.items()
    ends = [end for name, end in blocked if (name == MONTH.name) == (bucket is MONTH)]
    return QuotaWindow(
        limit=snapshot.limits.get(bucket.name),
        used=snapshot.used[bucket.name] if bucket is MINUTE or snapshot.knows_month else None,
        left=left,
        turns_at=as_datetime(bucket.start(bucket.index(now) + 1)),
        closed_until=as_datetime(max(ends)) if ends else None,
    )
