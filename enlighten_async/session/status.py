"""What is known of the key, put together for whoever asks."""

from __future__ import annotations

from enlighten_async.models.quota_status import QuotaStatus, QuotaWindow
from enlighten_async.quota import MINUTE, MONTH, Standing, TokenBucket, runs_out
from enlighten_async.session.session import Options, Session
from enlighten_async.windows import as_datetime


def status(session: Session, options: Options) -> QuotaStatus:
    """Return what a caller may still spend, and what is waited for; nothing is sent."""
    limiter, now = session.limiter, session.now()
    standing, left, waiting = limiter.standing(), limiter.left(options.rank), limiter.waiting
    limit, used = standing.limits.get(MONTH.name), standing.used[MONTH.name]
    end = None if limit is None else runs_out(used, limit, now)
    return QuotaStatus(
        as_of=as_datetime(now),
        minute=_window(MINUTE, standing, left.get(MINUTE.name), now),
        month=_window(MONTH, standing, left.get(MONTH.name), now),
        runs_out_at=None if end is None else as_datetime(end),
        in_flight=standing.in_flight,
        queued=limiter.queued,
        waiting=None if waiting is None else waiting.reason,
        until=None if waiting is None or waiting.until is None else as_datetime(waiting.until),
        learned=standing.learned,
    )


def _window(bucket: TokenBucket, standing: Standing, left: int | None, now: float) -> QuotaWindow:
    closed = standing.closed.get(bucket.name)
    return QuotaWindow(
        limit=standing.limits.get(bucket.name),
        used=standing.used[bucket.name],
        left=left,
        turns_at=as_datetime(bucket.start(bucket.index(now) + 1)),
        closed_until=None if closed is None else as_datetime(closed),
    )
