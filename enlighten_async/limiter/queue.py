"""WaitQueue: waiters before the limiter; ConcurrencyLimit: requests in flight; WaitTimes: seconds waited."""

from __future__ import annotations

import heapq
from collections import OrderedDict
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
        tenant: whose request it is; the tenants of a priority take turns.
        turn: its tenant's turn, once it is the first of its tenant; lower goes first.
        queued: whether it is in the queue now.
        path: the path that its request asks.
        refusal: why it waits in vain, if it does.
    """

    __slots__ = ("_event", "_woken", "number", "path", "priority", "queued", "refusal", "tenant", "turn")

    def __init__(self, priority: int, number: int, tenant: bytes = b"") -> None:
        self.priority = priority
        self.number = number
        self.tenant = tenant
        self.turn: int | None = None
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


class TenantLine:
    """The waiters of one tenant and priority, in order of arrival.

    Attributes:
        first: the one whose turn is the next.
        behind: the others.
    """

    __slots__ = ("behind", "first")

    def __init__(self, first: Waiter) -> None:
        self.first = first
        self.behind: OrderedDict[Waiter, None] = OrderedDict()

    def up_to(self, turn: int) -> int:
        """Return the number of its waiters whose turn comes up to this one."""
        return min(1 + len(self.behind), max(0, turn - (self.first.turn or 0) + 1))


class WaitQueue:
    """The waiters by priority, then by turn, then by number.

    Within a priority tenants take turns, by start-time fair queueing: the first waiter of a tenant has the
    turn after the last that was served, the next of its waiters the turn after that. So one tenant with
    hundreds of requests delays another one's by a request for each of its own.

    A waiter that leaves from the front is deleted lazily: cancelling 10,000 waiters is linear.

    Attributes:
        head: the waiter that is next; `None`: nobody waits.
        count: the number of waiters.
    """

    def __init__(self) -> None:
        self.head: Waiter | None = None
        self.count = 0
        self._front: list[tuple[int, int, int, Waiter]] = []  # the first of each tenant, and repeats
        self._lines: dict[tuple[int, bytes], TenantLine] = {}
        self._turns: dict[int, int] = {}  # the turn after the last that was served, by priority

    def join(self, waiter: Waiter) -> None:
        """Add a waiter; one that has had its turn before is the first of all."""
        waiter.queued = True
        self.count += 1
        if waiter.turn is None:
            tenant = waiter.priority, waiter.tenant
            if (line := self._lines.get(tenant)) is not None:
                line.behind[waiter] = None
                return
            self._lines[tenant] = TenantLine(waiter)
            waiter.turn = self._turns.get(waiter.priority, 0)
        heapq.heappush(self._front, (waiter.priority, waiter.turn, waiter.number, waiter))
        self.head = self._front[0][3]

    def leave(self, waiter: Waiter, *, served: bool = False) -> None:
        """Remove a waiter, if it is in the queue; the next one is woken if it was the head.

        Args:
            waiter: the one that leaves.
            served: whether it has had its turn; otherwise the next of its tenant has it.
        """
        if not waiter.queued:
            return
        waiter.queued = False
        self.count -= 1
        line = self._lines.get((waiter.priority, waiter.tenant))
        if waiter.turn is None:
            if line is not None:
                del line.behind[waiter]
            return
        if served:
            self._turns[waiter.priority] = max(self._turns.get(waiter.priority, 0), waiter.turn + 1)
        if line is not None and line.first is waiter:
            self._promote(line, waiter.turn + served)
        if self.head is waiter:
            self._find_head()

    def _promote(self, line: TenantLine, turn: int) -> None:
        """Give the next of a tenant's waiters a turn."""
        before = line.first
        if not line.behind:
            del self._lines[before.priority, before.tenant]
            return
        line.first, _ = line.behind.popitem(last=False)
        line.first.turn = turn
        heapq.heappush(self._front, (line.first.priority, turn, line.first.number, line.first))

    def _find_head(self) -> None:
        """Wake the next one."""
        front = self._front
        while front and not front[0][3].queued:
            heapq.heappop(front)
        self.head = front[0][3] if front else None
        self.wake_head()

    def wake_head(self) -> None:
        """Let the head ask again."""
        if self.head is not None:
            self.head.wake()

    def refuse(self, refusal_of: Callable[[Waiter], EnlightenError | None]) -> None:
        """Tell those who wait in vain why, by a function that returns `None` for the others."""
        waiters = [each[3] for each in self._front if each[3].queued]
        waiters += [waiter for line in self._lines.values() for waiter in line.behind]
        for waiter in waiters:
            if (refusal := refusal_of(waiter)) is not None:
                waiter.refusal = refusal
                waiter.wake()

    def ahead(self, priority: int, tenant: bytes, requests: int = 1) -> int:
        """Return the number of waiters that go before the last of so many that a tenant would add now."""
        own = self._lines.get((priority, tenant))
        lines = [line for line in self._lines.values() if line.first.priority == priority]
        turn = self._turns.get(priority, 0) + requests - 1
        if own is not None:
            turn = (own.first.turn or 0) + len(own.behind) + requests
        others = sum(line.up_to(turn) for line in lines if line is not own)
        above = sum(1 + len(line.behind) for line in self._lines.values() if line.first.priority < priority)
        return above + others + (0 if own is None else 1 + len(own.behind))


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
