"""Keeps step with the server's own windows, so that a key used through this package is not rejected."""

from enlighten_async.quota.account import Account
from enlighten_async.quota.bucket import MINUTE, MONTH, TokenBucket
from enlighten_async.quota.forecast import runs_out
from enlighten_async.quota.grant import Grant
from enlighten_async.quota.limiter import RateLimiter
from enlighten_async.quota.line import Place
from enlighten_async.quota.news import LONG
from enlighten_async.quota.plan import Plan
from enlighten_async.quota.priority import RANKS, Priority
from enlighten_async.quota.server_clock import ServerClock
from enlighten_async.quota.sqlite_store import SqliteQuotaStore
from enlighten_async.quota.standing import Alarm, Standing
from enlighten_async.quota.stopwatch import Waiting
from enlighten_async.quota.store import MemoryQuotaStore, QuotaStore, shared_store
from enlighten_async.quota.verdict import Outcome, Wait

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
