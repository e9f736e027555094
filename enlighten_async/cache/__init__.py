"""The cache: intervals and replies already paid for, and which of them are final."""

from enlighten_async.cache.base import IntervalCache
from enlighten_async.cache.freshness import (
    ABSENCE_MEMORY_S,
    FOR_EVER,
    HORIZON_S,
    CachedSpan,
    SeriesIndex,
    day_end_anywhere,
    valid_until,
)
from enlighten_async.cache.maintenance import (
    Contents,
    Evicted,
    EvictionReason,
    IntegrityReport,
    Pruned,
    RepliesHeld,
    SeriesHeld,
    contents,
    prune,
    verify,
)
from enlighten_async.cache.memory import MemoryCache
from enlighten_async.cache.pieces import CachedPart, weeks
from enlighten_async.cache.sqlite import SqliteCache

__all__ = [
    "ABSENCE_MEMORY_S",
    "FOR_EVER",
    "HORIZON_S",
    "CachedPart",
    "CachedSpan",
    "Contents",
    "Evicted",
    "EvictionReason",
    "IntegrityReport",
    "IntervalCache",
    "MemoryCache",
    "Pruned",
    "RepliesHeld",
    "SeriesHeld",
    "SeriesIndex",
    "SqliteCache",
    "contents",
    "day_end_anywhere",
    "prune",
    "valid_until",
    "verify",
    "weeks",
]
