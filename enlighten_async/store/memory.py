"""An interval store in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from enlighten_async.models.intervals import Ranged
from enlighten_async.store.held import Held, Stretch
from enlighten_async.store.kept import WEEK, Kept, kept, laid_over
from enlighten_async.windows import Window, floor
from enlighten_async.wire import Shelf

P = TypeVar("P", bound=Ranged)


class MemoryIntervalStore:
    """Keeps intervals for as long as it lives; as an `IntervalStore`."""

    def __init__(self) -> None:
        self._weeks: dict[tuple[bytes, Shelf[Any]], dict[int, list[Kept[Any]]]] = {}

    async def stretches(self, account: bytes, shelf: Shelf[P]) -> tuple[Stretch, ...]:
        """Return what is held of a series, in order of time."""
        weeks = self._weeks.get((account, shelf), {})
        return tuple(each.stretch for _, week in sorted(weeks.items()) for each in week)

    async def get(self, account: bytes, shelf: Shelf[P], window: Window, held: Held) -> P | None:
        """Return a part for the beginning of a window, as long as there is one that may be served."""
        week: Sequence[Kept[P]] = self._weeks.get((account, shelf), {}).get(floor(window.start, WEEK), ())
        for each in week:
            good = window.clip(held.good(each.stretch))
            if good.seconds and good.start == window.start:
                return each.cut(good).part
        return None

    def put(self, account: bytes, shelf: Shelf[P], part: P, fetched: float) -> None:
        """Keep an answer."""
        weeks = self._weeks.setdefault((account, shelf), {})
        for each in kept(part, fetched):
            number = floor(each.window.start, WEEK)
            weeks[number] = laid_over(weeks.get(number, ()), each, shelf.join)

    async def flush(self) -> None:
        """Do nothing: memory has no disk."""
