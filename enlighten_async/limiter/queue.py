"""WaitQueue: waiters before the limiter; ConcurrencyLimit: requests in flight; WaitTimes: seconds waited."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import anyio

from enlighten_async.errors import InputError
from enlighten_async.limiter.outage import SLOW_START

if TYPE_CHECKING:
    from enlighten_async.errors import EnlightenError
    from enlighten_async.limiter.decision import Wait


class Waiter:
    """A place in the queue; kept when a request has to go through the limiter again.

    Attributes:
        priority: lower goes first.
        number: order of arrival within the priority.
        queued: whether it is in the queue now.
        path: the path that its request asks.
        refusal: why it waits in vain, if it does.
    """

    __slots__ = ("_event", "_woken", "number", "path", "priority", "queued", "refusal")

    def __init__(self, priority: int, number: int) -> None:
        self.priority = priority
        self.number = number
        self.queued = False
        self.path = ""
        self.refusal: EnlightenError | None = None
        self._event: anyio.Event | None = None
        self._woken = False

    def __repr__(self) -> str:
        return f"<Waiter priority={self.priority} number={self.number}{' queued' * self.queued}>"

    def wake(self) -> None:
        """Let the waiter ask again; remembered if it is not waiting yet."""
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
    """The waiters by priority, then by number.

    A waiter that leaves is deleted lazily: cancelling 10,000 waiters is linear.

    Attributes:
        head: the waiter that is next; `None`: nobody waits.
        count: the number of waiters.
    """

    def __init__(self) -> None:
        self.head: Waiter | None = None
        self.count = 0
        self._heap: list[tuple[int, int, Waiter]] = []
        self._by_priority: dict[int, int] = {}

    def join(self, waiter: Waiter) -> None:
        """Add a waiter."""
        waiter.queued = True
        heapq.heappush(self._heap, (waiter.priority, waiter.number, waiter))
        self._by_priority[waiter.priority] = self._by_priority.get(waiter.priority, 0) + 1
        self.count += 1
        self.head = self._heap[0][2]

    def leave(self, waiter: Waiter) -> None:
        """Remove a waiter, if it is in the queue; the next one is woken if it was the head."""
        if not waiter.queued:
            return
        waiter.queued = False
        self.count -= 1
        self._by_priority[waiter.priority] -= 1
        heap = self._heap
        if len(heap) > 64 and len(heap) > 2 * self.count:
            heap = self._heap = [entry for entry in heap if entry[2].queued]
            heapq.heapify(heap)
        if self.head is waiter:
            while heap and not heap[0][2].queued:
                heapq.heappop(heap)
            self.head = heap[0][2] if heap else None
            if self.head is not None:
                self.head.wake()

    def wake_head(self) -> None:
        """Let the head ask again."""
        if self.head is not None:
            self.head.wake()

    def refuse(self, refusal_of: Callable[[Waiter], EnlightenError | None]) -> None:
        """Tell those who wait in vain why, by a function that returns `None` for the others."""
        for _, _, waiter in self._heap:
            if waiter.queued and (refusal := refusal_of(waiter)) is not None:
                waiter.refusal = refusal
                waiter.wake()

    def ahead(self, waiter: Waiter) -> int:
        """Return the number of waiters before a queued one; more than that if its place is an old one."""
        return 0 if self.head is waiter else self.up_to(waiter.priority) - 1

    def up_to(self, priority: int) -> int:
        """Return the number of waiters up to this priority."""
        return sum(n for each, n in self._by_priority.items() if each <= priority)


class ConcurrencyLimit:
    """The number of requests in flight, and its limit, which follows the server (additive up, half down).

    After a pause a few may leave, and one more with each success: a service that went down meanwhile is met
    by those few.

    Args:
        most: the limit when all is well.

    Attributes:
        count: requests in flight.

    Raises:
        InputError: `most` is below 1.
    """

    def __init__(self, most: int) -> None:
        if most < 1:
            raise InputError(f"max_in_flight must be 1 or more, not {most!r}")
        self.count = 0
        self._most = most
        self._limit = float(most)
        self._proven = SLOW_START
        self._halved_at = 0

    @property
    def limit(self) -> int:
        """The number of requests that may be in flight."""
        return int(self._limit)

    def enter(self) -> bool:
        """Count one more in flight, if the limit allows it."""
        if not self.count:
            self._proven = SLOW_START
        if self.count + 1 > min(self._limit, self._proven):
            return False
        self.count += 1
        return True

    def leave(self, *, accepted: bool = False) -> None:
        """Count one less; the limit grows by one after as many accepted requests as it allows."""
        self.count -= 1
        self._proven += accepted
        if accepted and self._limit < self._most:
            self._limit = min(float(self._most), self._limit + 1 / int(self._limit))

    def reset(self) -> None:
        """Lift the limit to what it is when all is well."""
        self._limit = float(self._most)

    def halve(self, newest: int, ticket: int | None) -> None:
        """Halve the limit, once for all requests that were in flight together.

        Args:
            newest: a ticket above all that were granted.
            ticket: the request the server was too busy for; `None` halves in any case.
        """
        if ticket is None or ticket > self._halved_at:
            self._limit = float(max(1, self.limit // 2))
            self._halved_at = newest


class WaitTimes:
    """The seconds the queue has waited, by reason.

    All waiters wait for what the head waits for; so one sum serves them all, and the wait of one of them
    is the difference of two readings.

    Attributes:
        waiting: the reason why the head waits; `None`: it does not.
    """

    def __init__(self) -> None:
        self.waiting: Wait | None = None
        self._started = 0.0
        self._sums: dict[str, float] = {}

    def start(self, wait: Wait, now: float) -> None:
        """Begin a wait of the head (monotonic seconds)."""
        if self.waiting is not None:
            self.stop(self.waiting, now)
        self.waiting, self._started = wait, now

    def stop(self, wait: Wait, now: float) -> None:
        """End a wait; nothing happens if another has begun since."""
        if self.waiting is wait:
            self._sums[wait.reason] = self._sums.get(wait.reason, 0.0) + now - self._started
            self.waiting = None

    def read(self, now: float) -> dict[str, float]:
        """Return the seconds waited so far, by reason."""
        sums = dict(self._sums)
        if self.waiting is not None:
            reason = self.waiting.reason
            sums[reason] = sums.get(reason, 0.0) + now - self._started
        return sums

    def since(self, before: Mapping[str, float], now: float) -> dict[str, float]:
        """Return the seconds waited since an earlier reading, by reason."""
        spent = {reason: n - before.get(reason, 0.0) for reason, n in self.read(now).items()}
        return {reason: n for reason, n in spent.items() if n > 0}
