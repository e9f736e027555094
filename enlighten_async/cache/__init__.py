"""The cache: intervals and replies already paid for, and which of them are final."""

from enlighten_async.cache.base import IntervalStore
from enlighten_async.cache.freshness import FOR_EVER, HORIZON, REMEMBERED, Held, Stretch, good_until, over
from enlighten_async.cache.maintenance import (
    Contents,
    Pruned,
    Removed,
    RepliesHeld,
    SeriesHeld,
    Verdict,
    Why,
    contents,
    prune,
    verify,
)
from enlighten_async.cache.memory import MemoryIntervalStore
from enlighten_async.cache.pieces import Kept, weeks
from enlighten_async.cache.sqlite import SqliteIntervalStore

__all__ = [
    "FOR_EVER",
    "HORIZON",
    "REMEMBERED",
    "Contents",
    "Held",
    "IntervalStore",
    "Kept",
    "MemoryIntervalStore",
    "Pruned",
    "Removed",
    "RepliesHeld",
    "SeriesHeld",
    "SqliteIntervalStore",
    "Stretch",
    "Verdict",
    "Why",
    "contents",
    "good_until",
    "over",
    "prune",
    "verify",
    "weeks",
]
