"""The cache: intervals and replies already paid for, and which of them are final."""

from typing import TYPE_CHECKING

from enlighten_async.cache.base import (
    NOTHING_CACHED,
    IntervalCache,
    MemoryCache,
    UserCache,
    without_waiting,
)
from enlighten_async.cache.freshness import (
    ABSENCE_MEMORY_S,
    FOR_EVER,
    HORIZON_S,
    NEVER,
    CachedSpan,
    SeriesIndex,
    absent_until,
    day_end_anywhere,
    recheck_at,
    valid_until,
)
from enlighten_async.cache.pieces import CachedPart, split_window_by_week
from enlighten_async.cache.postgres import PostgresCache
from enlighten_async.cache.sqlite import SqliteCache
from enlighten_async.cache.tables import part_converter
from enlighten_async.lazy import lazy_names

if TYPE_CHECKING:
    from enlighten_async.cache.upkeep import (
        EndpointStats,
        Evicted,
        EvictionReason,
        IntegrityReport,
        PostgresUpkeep,
        PruneReport,
        StateFileStats,
        prune,
        stats,
        verify,
    )
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "upkeep": (
                "EndpointStats Evicted EvictionReason IntegrityReport PostgresUpkeep PruneReport "
                "StateFileStats prune stats verify"
            )
        },
    )

__all__ = [
    "ABSENCE_MEMORY_S",
    "FOR_EVER",
    "HORIZON_S",
    "NEVER",
    "NOTHING_CACHED",
    "CachedPart",
    "CachedSpan",
    "EndpointStats",
    "Evicted",
    "EvictionReason",
    "IntegrityReport",
    "IntervalCache",
    "MemoryCache",
    "PostgresCache",
    "PostgresUpkeep",
    "PruneReport",
    "SeriesIndex",
    "SqliteCache",
    "StateFileStats",
    "UserCache",
    "absent_until",
    "day_end_anywhere",
    "part_converter",
    "prune",
    "recheck_at",
    "split_window_by_week",
    "stats",
    "valid_until",
    "verify",
    "without_waiting",
]
