"""A cache in memory."""

from __future__ import annotations

from typing import Any, TypeVar

from enlighten_async.cache.freshness import Stretch
from enlighten_async.cache.pieces import WEEK, Kept, cut_to, kept, laid_over
from enlighten_async.models.intervals import Ranged
from enlighten_async.windows import Window, floor
from enlighten_async.wire import Reply, Response, Shelf

P = TypeVar("P", bound=Ranged)


class MemoryIntervalStore:
    """Keeps what was paid for as long as it lives, without a bound; as an `IntervalStore`."""

    def __init__(self) -> None:
        self._weeks: dict[tuple[bytes, Shelf[Any]], dict[int, list[Kept[Any]]]] = {}
        self._replies: dict[tuple[bytes, Reply[Any]], Response] = {}

    async def stretches(self, account: bytes, shelf: Shelf[P]) -> tuple[Stretch, ...]:
        """Return what is held of a series, in order of time."""
        weeks = self._weeks.get((account, shelf), {})
        return tuple(each.stretch for _, week in sorted(weeks.items()) for each in week)

    async def get(self, account: bytes, shelf: Shelf[P], window: Window) -> tuple[Kept[P], ...]:
        """Return what is held of a window of a series, cut to it, in order of time."""
        weeks = self._weeks.get((account, shelf), {})
        numbers = range(floor(window.start, WEEK), window.end, WEEK)
        return cut_to(window, (each for number in numbers for each in weeks.get(number, ())))

    def put(self, account: bytes, shelf: Shelf[P], part: P, fetched: float) -> None:
        """Keep an answer about a series."""
        weeks = self._weeks.setdefault((account, shelf), {})
        for each in kept(part, fetched):
            number = floor(each.window.start, WEEK)
            weeks[number] = laid_over(weeks.get(number, ()), each, shelf.join)

    async def reply(self, account: bytes, reply: Reply[Any]) -> Response | None:
        """Return the answer that was kept last."""
        return self._replies.get((account, reply))

    def put_reply(
        self, account: bytes, reply: Reply[Any], response: Response, *, final: bool = False
    ) -> None:
        """Keep an answer that is no series; nothing is ever forgotten."""
        before = self._replies.get((account, reply))
        if before is None or (before.date or 0.0) <= (response.date or 0.0):
            self._replies[account, reply] = response

    async def flush(self) -> None:
        """Do nothing: memory has no disk."""
