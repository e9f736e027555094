"""The protocol of an interval cache: intervals and replies already paid for."""

from __future__ import annotations

from typing import Protocol, TypeVar, runtime_checkable

from enlighten_async.cache.freshness import CachedSpan
from enlighten_async.cache.pieces import CachedPart
from enlighten_async.models.intervals import SeriesResult
from enlighten_async.windows import Window
from enlighten_async.wire import ReplyKey, Response, SeriesKey

P = TypeVar("P", bound=SeriesResult)
T = TypeVar("T")


@runtime_checkable
class IntervalCache(Protocol):
    """Parts of series by window, and other replies by request, each in the scope of who asked.

    A scope is a digest of the credentials, API version and base URL: answers for one user are never given
    to another. No method raises an error, but `InputError` for a file that is not ours to use: a cache that
    has a fault says so in the log, and is as if it were empty.
    """

    async def spans(self, scope: bytes, series: SeriesKey[P]) -> tuple[CachedSpan, ...]:
        """Return the cached spans of a series, in order of time."""
        ...

    async def get(self, scope: bytes, series: SeriesKey[P], window: Window) -> tuple[CachedPart[P], ...]:
        """Return the cached parts of a window of a series, cut to it, in order of time."""
        ...

    def put(self, scope: bytes, series: SeriesKey[P], part: P, fetched: float) -> None:
        """Cache a part of a series.

        It never waits, and no cancel can prevent it: a cache on disk adds it to the pending writes of the
        file, which are part of the next transaction, at the latest of that in `flush`.

        Args:
            scope: digest of who asked.
            series: the series.
            part: the part; windows of it that were not answered are not cached.
            fetched: time of the answer, epoch seconds.
        """
        ...

    async def reply(self, scope: bytes, key: ReplyKey[T]) -> Response | None:
        """Return the newest cached reply, with its `date` and `same_since`; `None` if there is none."""
        ...

    def put_reply(self, scope: bytes, key: ReplyKey[T], response: Response, *, final: bool = False) -> None:
        """Cache a reply that is no series, as `put` does, in place of an older one.

        Args:
            scope: digest of who asked.
            key: the request.
            response: the reply, with its `date`.
            final: whether it never changes any more; other replies may be evicted some day.
        """
        ...

    async def flush(self) -> None:
        """Write the pending writes; no cancel interrupts it, and it does not take long."""
        ...
