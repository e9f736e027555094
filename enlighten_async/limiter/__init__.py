"""The rate limiter: keeps step with the server's own windows, so that a key is not rejected."""

from enlighten_async.limiter.bucket import MINUTE, MONTH, TokenBucket, UsageWarning, runs_out
from enlighten_async.limiter.decision import KeySnapshot, Settlement, Subject, Take, Wait
from enlighten_async.limiter.key_state import KeyState
from enlighten_async.limiter.limiter import LOGGED_WAIT_S, Grant, RateLimiter, Renewals
from enlighten_async.limiter.outage import MAX_IN_FLIGHT
from enlighten_async.limiter.plan import MAX_REQUESTS, RANKS, Plan, Priority
from enlighten_async.limiter.queue import Waiter
from enlighten_async.limiter.server_clock import ServerClock
from enlighten_async.limiter.shared_store import SharedQuotaStore
from enlighten_async.limiter.store import MemoryQuotaStore, QuotaStore, UserQuotaStore, shared_store

__all__ = [
    "LOGGED_WAIT_S",
    "MAX_IN_FLIGHT",
    "MAX_REQUESTS",
    "MINUTE",
    "MONTH",
    "RANKS",
    "Grant",
    "KeySnapshot",
    "KeyState",
    "MemoryQuotaStore",
    "Plan",
    "Priority",
    "QuotaStore",
    "RateLimiter",
    "Renewals",
    "ServerClock",
    "Settlement",
    "SharedQuotaStore",
    "Subject",
    "Take",
    "TokenBucket",
    "UsageWarning",
    "UserQuotaStore",
    "Wait",
    "Waiter",
    "runs_out",
    "shared_store",
]
