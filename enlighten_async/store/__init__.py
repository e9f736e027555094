"""Intervals already paid for, and which of them are final."""

from enlighten_async.store.contents import Contents, RepliesHeld, SeriesHeld, contents
from enlighten_async.store.finality import FOR_EVER, HORIZON, REMEMBERED, good_until, over
from enlighten_async.store.forgetting import Removed, Why
from enlighten_async.store.held import Held, Stretch
from enlighten_async.store.interval_store import IntervalStore
from enlighten_async.store.kept import Kept, weeks
from enlighten_async.store.memory import MemoryIntervalStore
from enlighten_async.store.pruning import Pruned, prune
from enlighten_async.store.soundness import Verdict, verify
from enlighten_async.store.sqlite_store import SqliteIntervalStore

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
