"""The queue before the gate: strictly first come first served within a priority."""

from __future__ import annotations

import heapq

import anyio


class Place:
    """A place in the queue; kept when a request has to go through the gate again.

    Attributes:
        priority: lower goes first.
        number: order of arrival within the priority.
    """

    __slots__ = ("_event", "_woken", "number", "priority", "queued")

    def __init__(self, priority: int, number: int) -> None:
        self.priority = priority
        self.number = number
        self.queued = False
        self._event: anyio.Event | None = None
        self._woken = False

    def __repr__(self) -> str:
        return f"<Place priority={self.priority} number={self.number}{' queued' * self.queued}>"

    def wake(self) -> None:
        """Let the waiter look again; remembered if it is not waiting yet."""
        self._woken = True
        if self._event is not None:
            self._event.set()

    async def woken(self) -> None:
        """Wait to be woken, unless that has happened since the last time."""
        if not self._woken:
            self._event = anyio.Event()
            try:
                await self._event.wait()
            finally:
                self._event = None
        self._woken = False


class Line:
    """The places of those who wait, best first.

    Who leaves is deleted lazily: cancelling 10,000 waiters is linear.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Place]] = []
        self._waiting: dict[int, int] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def head(self) -> Place | None:
        """Who is next."""
        heap = self._heap
        while heap and not heap[0][2].queued:
            heapq.heappop(heap)
        return heap[0][2] if heap else None

    def join(self, place: Place) -> None:
        """Stand in line at this place."""
        place.queued = True
        heapq.heappush(self._heap, (place.priority, place.number, place))
        self._waiting[place.priority] = self._waiting.get(place.priority, 0) + 1
        self._count += 1

    def leave(self, place: Place) -> None:
        """Leave the line; nothing happens if the place is not in it."""
        if not place.queued:
            return
        place.queued = False
        self._count -= 1
        self._waiting[place.priority] -= 1
        if len(self._heap) > 64 and len(self._heap) > 2 * self._count:
            self._heap = [entry for entry in self._heap if entry[2].queued]
            heapq.heapify(self._heap)

    def ahead(self, place: Place) -> int:
        """Return how many are before a place in line; more than that if the place is an old one."""
        return 0 if self.head is place else self.upto(place.priority) - 1

    def upto(self, priority: int) -> int:
        """Return how many are in line up to this priority."""
        return sum(n for each, n in self._waiting.items() if each <= priority)
