"""The protocol of a cache of paid-for answers."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, runtime_checkable

from enlighten_async.cache.freshness import CachedSpan
from enlighten_async.cache.pieces import CachedPart
from enlighten_async.models.intervals import SeriesResult
from enlighten_async.windows import Window
from enlighten_async.wire import ReplyKey, Response, SeriesKey

P = TypeVar("P", bound=SeriesResult)


@runtime_checkable
class IntervalCache(Protocol):
    """Keeps what was paid for, by account: intervals by series, and other answers by what was asked.

    No method raises, but `InputError` for a file that is not ours to use: a store that has a fault says so
    in the log, and holds nothing. An account is a digest of what proves who asks.
    """

    async def stretches(self, account: bytes, series: SeriesKey[P]) -> tuple[CachedSpan, ...]:
        """Return what is held of a series, in order of time."""
        ...

    async def get(self, account: bytes, series: SeriesKey[P], window: Window) -> tuple[CachedPart[P], ...]:
        """Return what is held of a window of a series, cut to it, in order of time."""
        ...

    def put(self, account: bytes, series: SeriesKey[P], part: P, fetched: float) -> None:
        """Keep an answer about a series; what it speaks for is held from now on.

        It never waits, and no cancel can prevent it: a durable store notes it, and writes it with the next
        thing that is written, at the latest in `flush`.

        Args:
            account: whose.
            series: the series.
            part: the answer.
            fetched: when it was fetched, epoch seconds.
        """
        ...

    async def reply(self, account: bytes, reply: ReplyKey[Any]) -> Response | None:
        """Return the answer that was kept last, with its `date`; `None` if there is none."""
        ...

    def put_reply(
        self, account: bytes, reply: ReplyKey[Any], response: Response, *, final: bool = False
    ) -> None:
        """Keep an answer that is no series, as `put` does, in place of an earlier one; it has a `date`.

        Args:
            account: whose.
            reply: what was asked.
            response: the answer.
            final: whether it will do for ever; one that will not may be forgotten some day.
        """
        ...

    async def flush(self) -> None:
        """Write down what was noted; no cancel cuts it off, and it does not take long."""
        ...
