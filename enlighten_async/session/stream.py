"""The parts of a query, one after another in order of time."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, TypeVar

I = TypeVar("I")  # noqa: E741 - an item


class Stream(AsyncIterator[I], Generic[I]):
    """Hands out items, fetching the next few when it has none left.

    It holds no task and no connection between two items, so that it may be left at any time.
    """

    def __init__(self, advance: Callable[[], Awaitable[list[I] | None]]) -> None:
        self._advance = advance
        self._items: deque[I] = deque()

    async def __anext__(self) -> I:
        while not self._items:
            items = await self._advance()
            if items is None:
                raise StopAsyncIteration
            self._items.extend(items)
        return self._items.popleft()
