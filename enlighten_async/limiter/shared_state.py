"""The state of a key that processes share: loaded from a record, decided on, and written down again.

The record is in the server's terms. Knowledge that belongs to this process alone, such as the server's
time by this process's monotonic clock, stays in the state and is handed on by `fork`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from copy import copy
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from attrs import define, evolve, frozen

from enlighten_async.limiter.bucket import MINUTE, MONTH
from enlighten_async.limiter.grant import Settlement, Wait
from enlighten_async.limiter.key_state import (
    GUARD,
    LENGTHS,
    LINGER,
    MARGIN,
    MAX_GUARD,
    KeyState,
    Reservations,
)
from enlighten_async.limiter.limits import REMEMBERED, RememberedLimits
from enlighten_async.limiter.record import ClockReading, PendingRequest, Record
from enlighten_async.limiter.server_clock import ServerClock, overheard

if TYPE_CHECKING:
    from enlighten_async.errors import Throttled
    from enlighten_async.limiter.grant import Wait
    from enlighten_async.limiter.plan import Plan
    from enlighten_async.limiter.record import Record

GLIMPSE = 1.0
"""Seconds between two looks of who does not know the time, and sees it in what the others write."""
REMEMBERED_TICKETS = 64
"""Requests that were settled last, of which the server's word may still have to be noted."""


class SharedKeyState(KeyState):
    """The counts of one key, for one of the processes that use it.

    Tickets of this process go by its own names, and have numbers of the record.

    Args:
        life: seconds after which no answer to a request can come any more, and it is counted nowhere.
    """

    def __init__(self, life: float) -> None:
        super().__init__()
        self.life = life
        self._limits: RememberedLimits = RememberedLimits()
        self._tickets: dict[int, PendingRequest] = {}
        self._mine: dict[int, int] = {}
        self._settled: dict[int, int] = {}
        self._seen: dict[int, float] = {}
        self._guard_until = 0.0
        self._stamp: ClockReading | None = None
        self._heard = False  # whether an answer has told the time since the record was loaded
        self._looked: float | None = None
        self._floor: ServerClock | None = None

    def fork(self) -> SharedKeyState:
        """Return a copy that goes its own way."""
        other = copy(self)
        other._charged = {period: dict(windows) for period, windows in self._charged.items()}
        other._closed, other._in_flight = dict(self._closed), set(self._in_flight)
        other._unplaced = deque(self._unplaced)
        other._limits, other._claims = copy(self._limits), Reservations()
        other._limits.restore(self._limits.words(), 0.0)
        other._claims.spans = dict(self._claims.spans)
        other._tickets, other._seen = dict(self._tickets), dict(self._seen)
        other._mine, other._settled = dict(self._mine), dict(self._settled)
        return other

    # The record

    def load(self, record: Record, now: float, wall: float) -> None:
        """Take over what is written down of the key.

        Args:
            record: what all processes have written.
            now: monotonic time.
            wall: the local wall clock's time.
        """
        self._hear(record.stamp, now, wall)
        self._charged = {name: dict(record.charged.get(name, {})) for name in (MINUTE.name, MONTH.name)}
        self._closed = dict(record.closed)
        self._newest, self._doubt, self._alarmed = record.newest, record.doubt, record.alarmed
        self._tickets = {ticket.number: ticket for ticket in record.tickets}
        self._in_flight = set(self._tickets)
        self._seen = {number: self._seen.get(number, now) for number in self._tickets}
        self.guard, self._guard_until = record.guard
        if self._guard_until <= self._earliest(now):
            self.guard = GUARD
        self._limits.restore(record.words, self._earliest(now))
        self._claims.spans = self._shifted(record.claims, -1)
        self._match_lost(record.lost, now)
        self.expire(now)

    def dump(self, now: float, wall: float) -> Record:
        """Return what is to be written down; the times as in `load`."""
        if self._heard:
            number = 1 if self._stamp is None else self._stamp.number + 1
            least, most = self.clock.earliest(now), self.clock.latest(now)
            self._stamp = ClockReading(number, least, most, self.clock.guessed, now, wall)
            self._heard = False
        return Record(
            charged={period: dict(windows) for period, windows in self._charged.items()},
            closed=dict(self._closed),
            words=self._limits.words(),
            tickets=tuple(self._tickets.values()),
            lost=len(self._unplaced),
            newest=self._newest,
            doubt=self._doubt,
            guard=(self.guard, self._guard_until),
            stamp=self._stamp,
            claims=self._shifted(self._claims.spans, 1),
            alarmed=self._alarmed,
        )

    def move(self, record: Record | None, now: float, wall: float) -> None:
        """Load the record of another file than before, or begin one with what is known."""
        mine = {name: self._tickets.get(number) for name, number in self._mine.items()}
        known = evolve(self.dump(now, wall), tickets=())
        self._stamp = self._looked = None
        self.load(known if record is None else record.merged(known), now, wall)
        self._mine = {}
        for name, ticket in mine.items():
            self._newest += 1
            self._keep(name, ticket or PendingRequest(0, None, None, self.life), now)

    # Taking and settling, by this process's own names

    def take_as(self, name: int, plan: Plan, now: float, rank: int) -> Wait | None:
        """Put a request of this process in flight and return `None`, or say why it has to wait."""
        self.expire(now)
        wait = self.take(self._newest + 1, plan, now, rank)
        if wait is None:
            self._put(name, now)
        return wait

    def admit(self, name: int, now: float) -> None:
        """Put a request in flight that has left already, whatever others have spent."""
        self._newest += 1
        self._put(name, now)

    def settle_as(self, name: int, outcome: Settlement) -> None:
        """Take a request of this process out of flight and charge it."""
        number = self._mine.pop(name, None)
        if number is None:
            return
        self._settled[name] = number
        while len(self._settled) > REMEMBERED_TICKETS:
            del self._settled[next(iter(self._settled))]
        self._tickets.pop(number, None)
        self._in_flight.discard(number)
        # Also if it was taken for dead, and charged: it has ended later than that.
        self._book(number, outcome)

    def refuse_as(self, name: int, refusal: Throttled, plan: Plan, now: float) -> None:
        """Learn from the server's word on a request of this process."""
        before, period = self.guard, refusal.period or MINUTE.name
        self.refuse(self._settled.get(name, self._newest), refusal, plan, now)
        latest = self.clock.latest(now) if self.clock.known else 0.0
        if refusal.limit is not None:
            believed = {MINUTE.name: plan.minute, MONTH.name: plan.month}
            self._limits.remember(period, believed.get(period), latest)
        if self.guard > before:
            self._guard_until = latest + REMEMBERED

    def expire(self, now: float) -> None:
        """Charge the requests that nobody can answer any more: their processes have ended."""
        earliest, mine = self._earliest(now), set(self._mine.values())
        for ticket in [ticket for number, ticket in self._tickets.items() if number not in mine]:
            late = ticket.until is not None and ticket.until < earliest
            if late or self._seen.get(ticket.number, now) + ticket.life < now:
                del self._tickets[ticket.number]
                self._in_flight.discard(ticket.number)
                self._give_up(ticket, now)

    def _put(self, name: int, now: float) -> None:
        known = self.clock.known
        since = self._earliest(now) if known else None
        until = self.clock.latest(now) + self.guard + self.life if known else None
        self._keep(name, PendingRequest(0, since, until, self.life), now)

    def _keep(self, name: int, ticket: PendingRequest, now: float) -> None:
        """Keep the ticket of the newest request, which is this process's."""
        number = self._newest
        self._tickets[number] = evolve(ticket, number=number)
        self._in_flight.add(number)
        self._seen[number], self._mine[name] = now, number

    def _give_up(self, ticket: PendingRequest, now: float) -> None:
        """Charge a request that nobody can answer any more to all windows it may have fallen in."""
        known, since, until = self.clock.known, ticket.since, ticket.until
        latest = self.clock.latest(now) + self.guard if known else math.inf
        if since is None or until is None:
            if not known:
                self._unplaced.append(_somewhen(now))
                return
            since, until = self._earliest(self._seen.get(ticket.number, now)), latest
        oldest = self._earliest(now) - MAX_GUARD
        for bucket in (MINUTE, MONTH):
            bucket.charge(self._charged[bucket.name], since, min(until, latest), oldest)

    # The server's time, also where only others know it

    def _hear(self, stamp: ClockReading | None, now: float, wall: float) -> None:
        before = None if self._stamp is None else self._stamp.number
        if stamp is not None and stamp.number != before:
            least, most = overheard(stamp, self._looked, now, wall)
            if most == math.inf:
                self._floor = ServerClock(least, most, now)
            elif not (stamp.guessed and self.clock.known):
                self.clock = evolve(self.clock.told(least, most, now), guessed=stamp.guessed)
        self._stamp, self._looked = stamp, now

    def _observe(self, date: float | None, sent: float, received: float, wall: float) -> None:
        super()._observe(date, sent, received, wall)
        self._heard = True

    def _earliest(self, now: float) -> float:
        if self.clock.known or self._floor is None:
            return super()._earliest(now)
        return self._floor.earliest(now) - self.guard

    def _when(self, server_time: float | None) -> float | None:
        if self.clock.known or server_time is None:
            return super()._when(server_time)
        return None if self._floor is None else self._floor.when(server_time + self.guard) + MARGIN

    def _one_by_one(self) -> bool:
        # What others have in flight is no hindrance to learn the time.
        return self._doubt is not None or (not self.clock.known and bool(self._mine))

    def _crowded(self, plan: Plan, now: float, rank: int) -> Wait | None:
        """Return the wait of who does not know the time, but may know that it is not before some moment."""
        ended = now - LINGER - LENGTHS["minute"]
        lately = sum(1 for outcome in self._unplaced if outcome.ended_at > ended)
        month = self._full(plan, now, len(self._in_flight) + len(self._unplaced), rank)
        if month is not None and month.period == MONTH.name:
            return month if month.certain or month.at is not None else evolve(month, at=now + GLIMPSE)
        wait = self._full(plan, now, len(self._in_flight) + lately, rank)
        if wait is None or wait.period == MONTH.name:
            return wait
        return evolve(wait, at=min(now + GLIMPSE, math.inf if wait.at is None else wait.at))

    def _match_lost(self, count: int, now: float) -> None:
        """Follow how many requests are in no window yet; place them as soon as the time is known."""
        while len(self._unplaced) > count:
            self._unplaced.popleft()
        while len(self._unplaced) < count:
            self._unplaced.append(_somewhen(now))
        while self._unplaced and self.clock.known:
            self._charge(self._unplaced.popleft())

    def _shifted(self, spans: dict[int, tuple[float, float]], sign: int) -> dict[int, tuple[float, float]]:
        """Return claims in the server's time in place of this process's own (sign 1), or the other way."""
        if not self.clock.known:
            return {}
        shift = sign * (self.clock.least + self.clock.most) / 2
        return {rank: (start + shift, end + shift) for rank, (start, end) in spans.items()}


def _somewhen(now: float) -> Settlement:
    """Return the end of a request that may have been counted in any window until now."""
    return Settlement(now - LENGTHS["minute"], now)


T = TypeVar("T")

Note: TypeAlias = Callable[[SharedKeyState], object]
"""Something that happened here, to be done to the account as it is written down."""

MOST_NOTES = 100_000
"""Notes kept at the most, where nothing can be written for long; the oldest are given up."""


@define(eq=False)
class Ask:
    """A request for a token.

    Attributes:
        name: the ticket, by this process's own name.
        plan: what the caller believes the key may spend.
        now: monotonic time when it was asked for; the decision is taken later than that.
        rank: its class.
        withdrawn: whether nobody waits for the decision any more, so that it must not be taken.
    """

    name: int
    plan: Plan
    now: float
    rank: int
    withdrawn: bool = False


@frozen
class Draft:
    """The account as it is about to be written down.

    Attributes:
        account: with all that was noted done to it, and the decision taken.
        notes: how many notes those are.
        wait: the decision, if one was asked for.
    """

    account: SharedKeyState
    notes: int
    wait: Wait | None


class Notebook:
    """What this process knows of an account: as it was last written down, and as it is with our notes.

    For any number of threads; its lock is held for microseconds, so that event loops may take it.

    Args:
        life: see `SharedKeyState`.
    """

    def __init__(self, life: float) -> None:
        self._lock = Lock()
        self._written = SharedKeyState(life)
        self._current = SharedKeyState(life)
        self._notes: list[Note] = []

    def __repr__(self) -> str:
        return f"<Notebook {self._current!r} notes={len(self._notes)}>"

    @property
    def pending(self) -> bool:
        """Whether something is noted that is not written down."""
        return bool(self._notes)

    def outlast(self, life: float) -> None:
        """Let requests from now on live so long, if that is longer than up to now."""
        with self._lock:
            for account in (self._written, self._current):
                account.life = max(account.life, life)

    def read(self, look: Callable[[SharedKeyState], T]) -> T:
        """Look at the account as far as it is known here."""
        with self._lock:
            return look(self._current)

    def note(self, note: Note) -> None:
        """Note what happened; it is in effect at once for this process."""
        with self._lock:
            note(self._current)
            self._append(note)

    def decide(self, ask: Ask, now: float) -> Wait | None:
        """Take the decision here and now, by what is known: nothing can be written."""
        with self._lock:
            wait = self._current.take_as(ask.name, ask.plan, now, ask.rank)
            if wait is None:
                self._append(lambda account: account.admit(ask.name, now))
            return wait

    def withdraw(self, ask: Ask) -> None:
        """Let a decision that was not begun not be taken."""
        with self._lock:
            ask.withdrawn = True

    def draft(self, record: Record | None, now: float, wall: float, ask: Ask | None, *, moved: bool) -> Draft:
        """Do all that was noted to the account as it is written down, and take a decision.

        Args:
            record: what is written down; `None`: nothing.
            now: monotonic time.
            wall: the local wall clock's time.
            ask: what is to be decided.
            moved: whether it is another file than before.
        """
        with self._lock:
            account, notes = self._written.fork(), tuple(self._notes)
            asked = None if ask is None or ask.withdrawn else ask
        if moved:
            account.move(record, now, wall)
        elif record is not None:
            account.load(record, now, wall)
        for note in notes:
            note(account)
        wait = None if asked is None else account.take_as(asked.name, asked.plan, now, asked.rank)
        return Draft(account, len(notes), wait)

    def accept(self, draft: Draft) -> None:
        """Take over what has been written down."""
        with self._lock:
            self._written = draft.account
            del self._notes[: draft.notes]
            self._current = draft.account.fork()
            for note in self._notes:
                note(self._current)

    def _append(self, note: Note) -> None:
        self._notes.append(note)
        if len(self._notes) > MOST_NOTES:
            del self._notes[: MOST_NOTES // 2]
