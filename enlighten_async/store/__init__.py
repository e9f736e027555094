"""Intervals already paid for, and which of them are final."""

from enlighten_async.store.finality import HORIZON, REMEMBERED, good_until, over
from enlighten_async.store.held import Held, Stretch
from enlighten_async.store.interval_store import IntervalStore
from enlighten_async.store.kept import Kept, weeks
from enlighten_async.store.memory import MemoryIntervalStore
from enlighten_async.store.sqlite_store import SqliteIntervalStore

__all__ = [
    "HORIZON",
    "REMEMBERED",
    "Held",
    "IntervalStore",
    "Kept",
    "MemoryIntervalStore",
    "SqliteIntervalStore",
    "Stretch",
    "good_until",
    "over",
    "weeks",
]
