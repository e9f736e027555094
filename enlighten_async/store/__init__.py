"""Intervals already paid for, and which of them are final."""

from enlighten_async.store.held import HORIZON, REMEMBERED, Held, Stretch, good_until
from enlighten_async.store.interval_store import IntervalStore
from enlighten_async.store.kept import Kept, weeks
from enlighten_async.store.memory import MemoryIntervalStore

__all__ = [
    "HORIZON",
    "REMEMBERED",
    "Held",
    "IntervalStore",
    "Kept",
    "MemoryIntervalStore",
    "Stretch",
    "good_until",
    "weeks",
]
