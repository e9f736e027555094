"""A cache in memory."""

from __future__ import annotations

from typing import Any, TypeVar

from enlighten_async.cache.freshness import CachedSpan
from enlighten_async.cache.pieces import WEEK, CachedPart, cut_to, kept, overlay
from enlighten_async.models.intervals import SeriesResult
from enlighten_async.windows import Window, floor
from enlighten_async.wire import ReplyKey, Response, SeriesKey

P = TypeVar("P", bound=SeriesResult)


class MemoryCache:
    """Keeps what was paid for as long as it lives, without a bound; as an `IntervalCache`."""

    def __init__(self) -> None:
        self._weeks: dict[tuple[bytes, SeriesKey[Any]], dict[int, list[CachedPart[Any]]]] = {}
        self._replies: dict[tuple[bytes, ReplyKey[Any]], Response] = {}

    async def stretches(self, account: bytes, series: SeriesKey[P]) -> tuple[CachedSpan, ...]:
        """Return what is held of a series, in order of time."""
        weeks = self._weeks.get((account, series), {})
        return tuple(each.stretch for _, week in sorted(weeks.items()) for each in week)

    async def get(self, account: bytes, series: SeriesKey[P], window: Window) -> tuple[CachedPart[P], ...]:
        """Return what is held of a window of a series, cut to it, in order of time."""
        weeks = self._weeks.get((account, series), {})
        numbers = range(floor(window.start, WEEK), window.end, WEEK)
        return cut_to(window, (each for number in numbers for each in weeks.get(number, ())))

    def put(self, account: bytes, series: SeriesKey[P], part: P, fetched: float) -> None:
        """Keep an answer about a series."""
        weeks = self._weeks.setdefault((account, series), {})
        for each in kept(part, fetched):
            number = floor(each.window.start, WEEK)
            weeks[number] = overlay(weeks.get(number, ()), each, series.join)

    async def reply(self, account: bytes, reply: ReplyKey[Any]) -> Response | None:
        """Return the answer that was kept last."""
        return self._replies.get((account, reply))

    def put_reply(
        self, account: bytes, reply: ReplyKey[Any], response: Response, *, final: bool = False
    ) -> None:
        """Keep an answer that is no series; nothing is ever forgotten."""
        before = self._replies.get((account, reply))
        if before is None or (before.date or 0.0) <= (response.date or 0.0):
            self._replies[account, reply] = response

    async def flush(self) -> None:
        """Do nothing: memory has no disk."""
