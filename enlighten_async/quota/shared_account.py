"""An account whose counts are shared: loaded from a record, decided on, and written down again.

What is shared is in the server's terms. What belongs to this process alone, such as what it knows of the
server's time by its own monotonic clock, stays in the account and is handed on by `fork`.
"""

from __future__ import annotations

import math
from collections import deque
from copy import copy
from typing import TYPE_CHECKING

from attrs import evolve

from enlighten_async.quota.account import GUARD, LINGER, MARGIN, MAX_GUARD, Account
from enlighten_async.quota.bucket import MINUTE, MONTH
from enlighten_async.quota.claims import Claims
from enlighten_async.quota.hearsay import overheard
from enlighten_async.quota.record import Record, Stamp, Ticket
from enlighten_async.quota.refusal import LENGTHS
from enlighten_async.quota.server_clock import ServerClock
from enlighten_async.quota.verdict import Outcome, Wait
from enlighten_async.quota.words import REMEMBERED, RememberedLimits

if TYPE_CHECKING:
    from enlighten_async.errors import Throttled
    from enlighten_async.quota.plan import Plan

GLIMPSE = 1.0
"""Seconds between two looks of who does not know the time, and sees it in what the others write."""
REMEMBERED_TICKETS = 64
"""Requests that were settled last, of which the server's word may still have to be noted."""


class SharedAccount(Account):
    """The counts of one key, for one of the processes that use it.

    Tickets of this process go by its own names, and have numbers of the record.

    Args:
        life: seconds after which no answer to a request can come any more, and it is counted nowhere.
    """

    def __init__(self, life: float) -> None:
        super().__init__()
        self.life = life
        self._limits: RememberedLimits = RememberedLimits()
        self._tickets: dict[int, Ticket] = {}
        self._mine: dict[int, int] = {}
        self._settled: dict[int, int] = {}
        self._seen: dict[int, float] = {}
        self._guard_until = 0.0
        self._stamp: Stamp | None = None
        self._heard = False  # whether an answer has told the time since the record was loaded
        self._looked: float | None = None
        self._floor: ServerClock | None = None

    def fork(self) -> SharedAccount:
        """Return a copy that goes its own way."""
        other = copy(self)
        other._charged = {period: dict(windows) for period, windows in self._charged.items()}
        other._closed, other._in_flight = dict(self._closed), set(self._in_flight)
        other._unplaced = deque(self._unplaced)
        other._limits, other._claims = copy(self._limits), Claims()
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
            self._stamp = Stamp(number, least, most, self.clock.guessed, now, wall)
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
            self._keep(name, ticket or Ticket(0, None, None, self.life), now)

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

    def settle_as(self, name: int, outcome: Outcome) -> None:
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
        self._keep(name, Ticket(0, since, until, self.life), now)

    def _keep(self, name: int, ticket: Ticket, now: float) -> None:
        """Keep the ticket of the newest request, which is this process's."""
        number = self._newest
        self._tickets[number] = evolve(ticket, number=number)
        self._in_flight.add(number)
        self._seen[number], self._mine[name] = now, number

    def _give_up(self, ticket: Ticket, now: float) -> None:
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

    def _hear(self, stamp: Stamp | None, now: float, wall: float) -> None:
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


def _somewhen(now: float) -> Outcome:
    """Return the end of a request that may have been counted in any window until now."""
    return Outcome(now - LENGTHS["minute"], now)
