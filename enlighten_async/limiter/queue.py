"""WaitQueue: who waits before a limiter; Senders: the limiters of a key; what they wait for, and how long."""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import anyio
from attrs import define, field
from msgspec.structs import replace

from enlighten_async.errors import InputError
from enlighten_async.limiter.bucket import MINUTE
from enlighten_async.limiter.decision import LONG_WAIT_S
from enlighten_async.limiter.outage import SLOW_START
from enlighten_async.limiter.record import LiveSender

if TYPE_CHECKING:
    from enlighten_async.errors import EnlightenError
    from enlighten_async.limiter.decision import Subject, Take, Wait

CLAIM_S = 1.0
"""Seconds for which the first claim to a place holds; who still waits has renewed it then."""
QUEUED_S = 5.0
"""Seconds after its next look for which a limiter that waits is taken to want more: the state may be busy."""
TURNS_S = 40.0
"""Seconds of a minute in which a limiter lets others that want more have as much as itself. In the rest each
takes what there is: those who are slow to ask leave nothing unused."""
LIVE_S = 35.0
"""Seconds after its last request for which a limiter is taken to live, where requests have no time limit."""


@define(eq=False, repr=False)
class Waiter:
    """A place in the queue; kept when a request has to go through the limiter again.

    Attributes:
        priority: lower goes first.
        number: order of arrival within the priority.
        tenant: whose request it is; the tenants of a priority take turns.
        turn: its tenant's turn, once it is the first of its tenant; lower goes first.
        queued: whether it is in the queue now.
        path: the path that its request asks.
        subject: what it asks for, where others may wait for the answer.
        deadline: until when (monotonic) it waits.
        refusal: why it waits in vain, if it does.
        wants_place: whether it waits for a place in flight of its own limiter.
    """

    priority: int
    number: int
    tenant: bytes = b""
    turn: int | None = field(default=None, init=False)
    queued: bool = field(default=False, init=False)
    path: str = field(default="", init=False)
    subject: Subject | None = field(default=None, init=False)
    deadline: float = field(default=math.inf, init=False)
    refusal: EnlightenError | None = field(default=None, init=False)
    wants_place: bool = field(default=False, init=False)
    _event: anyio.Event | None = field(default=None, init=False)
    _woken: bool = field(default=False, init=False)

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
    """The waiters by priority, then by turn, then by number.

    Within a priority tenants take turns, by start-time fair queueing: the first waiter of a tenant has the
    turn after the last that was served, the next of its waiters the turn after that. So one tenant with
    hundreds of requests delays another one's by a request for each of its own.

    A waiter that leaves from elsewhere than the head is deleted lazily: cancelling 10,000 waiters is linear.

    Attributes:
        head: the waiter that is next; `None`: nobody waits.
        count: the number of waiters.
        wakes: how often the head was let ask again.
    """

    def __init__(self) -> None:
        self.head: Waiter | None = None
        self.count = self.wakes = 0
        self._front: list[tuple[int, int, int, Waiter]] = []  # the first of each tenant, and repeats
        self._lines: dict[tuple[int, bytes], OrderedDict[Waiter, None]] = {}  # of each tenant, repeats not
        self._turns: dict[int, int] = {}  # the turn after the last that was served, by priority

    def join(self, waiter: Waiter) -> None:
        """Add a waiter; one that has had its turn before is the first of all."""
        waiter.queued = True
        self.count += 1
        if waiter.turn is None:
            line = self._lines.setdefault((waiter.priority, waiter.tenant), OrderedDict())
            line[waiter] = None
            if len(line) > 1:
                return
            waiter.turn = self._turns.get(waiter.priority, 0)
        if len(self._front) > 64 and len(self._front) > 2 * self.count:
            self._front = [entry for entry in self._front if entry[3].queued]
            heapq.heapify(self._front)
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
        tenant, front = (waiter.priority, waiter.tenant), self._front
        line = self._lines.get(tenant, OrderedDict())
        line.pop(waiter, None)
        if not line:
            self._lines.pop(tenant, None)
        if waiter.turn is None:
            return
        turn = waiter.turn + served
        self._turns[waiter.priority] = max(self._turns.get(waiter.priority, 0), turn)
        if line:
            self._promote(next(iter(line)), turn)
        if self.head is waiter:
            while front and not front[0][3].queued:
                heapq.heappop(front)
            self.head = front[0][3] if front else None
            if self.head is not None:
                self.head.wake()

    def put_back(self, waiter: Waiter) -> None:
        """Add a waiter again that left as served, and was not: it has its turn, and its place in the line."""
        line = self._lines.setdefault((waiter.priority, waiter.tenant), OrderedDict())
        line[waiter] = None
        line.move_to_end(waiter, last=False)
        self.join(waiter)
        self._turns[waiter.priority] = min(self._turns[waiter.priority], waiter.turn or 0)

    def _promote(self, first: Waiter, turn: int) -> None:
        """Give the first waiter of a tenant its turn, unless it has one."""
        if first.turn is None:
            first.turn = turn
            heapq.heappush(self._front, (first.priority, turn, first.number, first))

    def wake_head(self) -> None:
        """Let the head ask again, and whoever is asking at the moment."""
        self.wakes += 1
        if self.head is not None:
            self.head.wake()

    def offer_place(self) -> None:
        """Let the head ask again, if it waits for a place in flight."""
        if self.head is not None and self.head.wants_place:
            self.head.wake()

    def refuse(self, refusal_of: Callable[[Waiter], EnlightenError | None]) -> None:
        """Tell those who wait in vain why, by a function that returns `None` for the others."""
        waiters = {each[3] for each in self._front if each[3].queued}
        for waiter in waiters.union(*self._lines.values()):
            if (refusal := refusal_of(waiter)) is not None:
                waiter.refusal = refusal
                waiter.wake()

    def ahead(self, priority: int, tenant: bytes, requests: int = 1) -> int:
        """Return the number of waiters that go before the last of so many that a tenant would add now."""
        own = self._lines.get((priority, tenant), OrderedDict())
        last = self._turns.get(priority, 0) + requests - 1
        if own:
            last = _turn_of_first(own) + len(own) + requests - 1
        count = len(own)
        for (each, _), line in self._lines.items():
            if each < priority:
                count += len(line)
            elif each == priority and line is not own:
                count += min(len(line), max(0, last - _turn_of_first(line) + 1))
        return count


def _turn_of_first(line: OrderedDict[Waiter, None]) -> int:
    return next(iter(line)).turn or 0


class Senders(dict[int, LiveSender]):
    """The limiters that live (monotonic times), of all processes, by number.

    Of all methods, `asked` is the question of a limiter, `wait` the answer to it, `now` the monotonic time,
    `ahead` the seconds by which the server's clock is ahead of that (`None`: the server's time is not known),
    and `life` those after which no response to a request can come any more.
    """

    def places(self, asked: Take, in_flight: Iterable[int], now: float) -> int:
        """Return how many requests may be in flight before the asker's.

        As many may be in flight as any limiter that lives allows, and the one that has waited longest has the
        first claim to the next place.

        Args:
            asked: the question.
            in_flight: what the limiters of those in flight allow; 0: nothing is said.
            now: monotonic time.
        """
        live, others = self.get(asked.sender.number), self._others(asked, now)
        since = now if live is None or live.claim is None else live.claim[0]
        claims = [each.claim for each in others if each.claim is not None]
        claimed = any(at < since and end > now and above <= asked.rank for at, end, above in claims)
        limits = [asked.sender.most, *(each.most for each in others), *(most for most in in_flight if most)]
        return min(limits) - claimed

    def owed(self, asked: Take, now: float, ahead: float) -> int:
        """Return how many requests others need to have as much of the minute as the asker; later on, 0.

        Others are those that want more, but for lower classes.
        """
        moment = now + ahead
        minute = MINUTE.index(moment)
        live = self.get(asked.sender.number)
        mine = 0 if live is None else live.taken(minute)
        if not mine or moment - MINUTE.start(minute) >= TURNS_S:
            return 0
        wanting = [each for each in self._others(asked, now) if each.wants_now(now, asked.rank)]
        return sum(max(0, mine - each.taken(minute)) for each in wanting)

    def admit(self, asked: Take, now: float, ahead: float | None, life: float) -> None:
        """Note that a limiter lives, has put a request in flight, and may want more."""
        if not asked.sender.most:
            return
        live = self._known(asked, now)
        minute = 0 if ahead is None else MINUTE.index(now + ahead)
        took = minute, live.taken(minute) + 1
        wants = now, now + CLAIM_S, asked.rank
        self[asked.sender.number] = replace(
            live, until=now + _lease(life), claim=None, took=took, wants=wants
        )

    def keep_waiting(self, asked: Take, wait: Wait, now: float, ahead: float | None, life: float) -> None:
        """Note that a limiter lives, asks again when its wait ends at the latest, and what it waits for."""
        if not asked.sender.most:
            return
        live, rank = self._known(asked, now), asked.rank
        asks_at = now if wait.at is None else max(now, wait.at)
        claim, wants = live.claim, None
        if asks_at <= min(now + LONG_WAIT_S, asked.patience):
            # From the window's start on: those who know the time less well than others ask later.
            opens = now if ahead is None or wait.until is None else wait.until - ahead
            wants = opens, asks_at + QUEUED_S, rank
        if wait.reason in {"in_flight", "turn"} and not wait.period:
            since = now if claim is None else claim[0]
            claim = (since, now + CLAIM_S, rank) if wait.reason == "in_flight" else None
        until = min(asks_at, now + LONG_WAIT_S) + _lease(life)
        self[asked.sender.number] = replace(live, until=until, claim=claim, wants=wants)

    def want_nothing(self, number: int) -> None:
        """Note that a limiter waits no more: others need not leave it anything."""
        live = self.get(number)
        if live is not None:
            self[number] = replace(live, claim=None, wants=None)

    def _others(self, asked: Take, now: float) -> list[LiveSender]:
        """Return the limiters that live beside the asker."""
        number = asked.sender.number
        return [each for other, each in self.items() if other != number and each.until > now]

    def _known(self, asked: Take, now: float) -> LiveSender:
        """Return what is known of the asker; where it is new, those that live no more are forgotten."""
        live = self.get(asked.sender.number)
        if live is not None:
            return live
        for number in [number for number, each in self.items() if each.until <= now]:
            del self[number]
        return LiveSender(asked.sender.most, now)


def _lease(life: float) -> float:
    """Return the seconds for which a limiter is taken to live after it has asked."""
    return LIVE_S if life == math.inf else life


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
        last: why it has waited last; empty: it never has.
    """

    def __init__(self) -> None:
        self.waiting: Wait | None = None
        self.last = ""
        self._started = 0.0
        self._sums: dict[str, float] = {}

    def start(self, wait: Wait, now: float) -> None:
        """Begin a wait of the head (monotonic seconds)."""
        if self.waiting is not None:
            self.stop(self.waiting, now)
        self.waiting, self._started, self.last = wait, now, wait.reason

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
