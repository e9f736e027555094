"""Keeps step with the server's own windows, so that a key used through this package is not rejected."""

from enlighten_async.quota.account import Account, Outcome, Wait
from enlighten_async.quota.bucket import TokenBucket
from enlighten_async.quota.grant import Grant
from enlighten_async.quota.limiter import RateLimiter
from enlighten_async.quota.line import Place
from enlighten_async.quota.plan import Plan
from enlighten_async.quota.server_clock import ServerClock
from enlighten_async.quota.stopwatch import Waiting
from enlighten_async.quota.store import MemoryQuotaStore, QuotaStore, shared_store

__all__ = [
    "Account",
    "Grant",
    "MemoryQuotaStore",
    "Outcome",
    "Place",
    "Plan",
    "QuotaStore",
    "RateLimiter",
    "ServerClock",
    "TokenBucket",
    "Wait",
    "Waiting",
    "shared_store",
]
