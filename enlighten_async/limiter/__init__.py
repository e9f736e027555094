"""The rate limiter: keeps step with the server's own windows, so that a key used through this package is not rejected."""

from enlighten_async.limiter.bucket import MINUTE, MONTH, TokenBucket, runs_out
from enlighten_async.limiter.grant import Grant, Outcome, Wait
from enlighten_async.limiter.key_state import Account, Alarm, Standing
from enlighten_async.limiter.limiter import LONG, RateLimiter
from enlighten_async.limiter.plan import RANKS, Plan, Priority
from enlighten_async.limiter.queue import Place, Waiting
from enlighten_async.limiter.server_clock import ServerClock
from enlighten_async.limiter.sqlite_store import SqliteQuotaStore
from enlighten_async.limiter.store import MemoryQuotaStore, QuotaStore, shared_store

__all__ = [
    "LONG",
    "MINUTE",
    "MONTH",
    "RANKS",
    "Account",
    "Alarm",
    "Grant",
    "MemoryQuotaStore",
    "Outcome",
    "Place",
    "Plan",
    "Priority",
    "QuotaStore",
    "RateLimiter",
    "ServerClock",
    "SqliteQuotaStore",
    "Standing",
    "TokenBucket",
    "Wait",
    "Waiting",
    "runs_out",
    "shared_store",
]
