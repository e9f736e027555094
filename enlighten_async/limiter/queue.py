"""The queue before the limiter, how many requests may be in flight, and the seconds waited by reason."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

import anyio
from attrs import frozen

from enlighten_async.errors import InputError


class Waiter:
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


class WaitQueue:
    """The places of those who wait, best first.

    Who leaves is deleted lazily: cancelling 10,000 waiters is linear.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Waiter]] = []
        self._waiting: dict[int, int] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def head(self) -> Waiter | None:
        """Who is next."""
        heap = self._heap
        while heap and not heap[0][2].queued:
            heapq.heappop(heap)
        return heap[0][2] if heap else None

    def join(self, place: Waiter) -> None:
        """Stand in line at this place."""
        place.queued = True
        heapq.heappush(self._heap, (place.priority, place.number, place))
        self._waiting[place.priority] = self._waiting.get(place.priority, 0) + 1
        self._count += 1

    def leave(self, place: Waiter) -> None:
        """Leave the line; nothing happens if the place is not in it."""
        if not place.queued:
            return
        place.queued = False
        self._count -= 1
        self._waiting[place.priority] -= 1
        if len(self._heap) > 64 and len(self._heap) > 2 * self._count:
            self._heap = [entry for entry in self._heap if entry[2].queued]
            heapq.heapify(self._heap)

    def ahead(self, place: Waiter) -> int:
        """Return how many are before a place in line; more than that if the place is an old one."""
        return 0 if self.head is place else self.upto(place.priority) - 1

    def upto(self, priority: int) -> int:
        """Return how many are in line up to this priority."""
        return sum(n for each, n in self._waiting.items() if each <= priority)


class ConcurrencyLimit:
    """Counts what is in flight against a limit that follows the server (additive up, half down).

    Args:
        most: the limit when all is well.

    Raises:
        InputError: `most` is below 1.
    """

    def __init__(self, most: int) -> None:
        if most < 1:
            raise InputError(f"max_in_flight must be 1 or more, not {most!r}")
        self.count = 0
        self._most = most
        self._room = float(most)
        self._halved = 0

    @property
    def room(self) -> int:
        """How many may be on their way."""
        return int(self._room)

    def enter(self) -> bool:
        """Count one more in flight, if there is room."""
        if self.count + 1 > self._room:
            return False
        self.count += 1
        return True

    def leave(self) -> None:
        """Count one less."""
        self.count -= 1

    def grow(self) -> None:
        """Make room for one more after as many successes as there is room for."""
        if self._room < self._most:
            self._room = min(float(self._most), self._room + 1 / int(self._room))

    def halve(self, newest: int, ticket: int | None) -> None:
        """Halve the room, once for all requests that were in flight together.

        Args:
            newest: a ticket above all that were granted.
            ticket: the request the server was too busy for; `None` halves in any case.
        """
        if ticket is None or ticket > self._halved:
            self._room = float(max(1, self.room // 2))
            self._halved = newest


@frozen(eq=False)
class Waiting:
    """Why the head of the queue waits.

    Attributes:
        reason: "minute", "month", "in_flight", "throttled" or "doubt".
        until: server's time (epoch seconds) at which the wait ends, where it is a matter of time.
    """

    reason: str
    until: float | None = None


class WaitTimes:
    """Adds up the seconds the queue has waited, by reason.

    All who wait, wait for what the head waits for; so one tally serves them all, and what one of them
    waited is the difference of two readings.
    """

    def __init__(self) -> None:
        self.waiting: Waiting | None = None
        self._started = 0.0
        self._tally: dict[str, float] = {}

    def start(self, waiting: Waiting, now: float) -> None:
        """The head waits for this from now on (monotonic seconds)."""
        if self.waiting is not None:
            self.stop(self.waiting, now)
        self.waiting, self._started = waiting, now

    def stop(self, waiting: Waiting, now: float) -> None:
        """The wait is over; nothing happens if another has begun since."""
        if self.waiting is waiting:
            self._tally[waiting.reason] = self._tally.get(waiting.reason, 0.0) + now - self._started
            self.waiting = None

    def read(self, now: float) -> dict[str, float]:
        """Return the seconds waited so far, by reason."""
        tally = dict(self._tally)
        if self.waiting is not None:
            reason = self.waiting.reason
            tally[reason] = tally.get(reason, 0.0) + now - self._started
        return tally

    def since(self, before: Mapping[str, float], now: float) -> dict[str, float]:
        """Return the seconds waited since an earlier reading, by reason."""
        spent = {reason: n - before.get(reason, 0.0) for reason, n in self.read(now).items()}
        return {reason: n for reason, n in spent.items() if n > 0}
