"""What one API key has used, and what is known of its limits: the state behind a `QuotaStore`.

No I/O and no clock in here: every time is passed in, so that a store in memory, in a file or on a
server can take the same decision inside its own lock or transaction.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from attrs import frozen

from enlighten_async.quota.bucket import MINUTE, MONTH
from enlighten_async.quota.forecast import forecast
from enlighten_async.quota.refusal import LENGTHS, closed_until
from enlighten_async.quota.server_clock import SLACK, ServerClock

if TYPE_CHECKING:
    from enlighten_async.errors import Throttled
    from enlighten_async.quota.bucket import TokenBucket
    from enlighten_async.quota.plan import Plan

GUARD = 1.0
"""Seconds by which `Date` and the clock of the server's counter are taken to differ."""
MAX_GUARD = 8.0
"""The guard doubles up to this when the server contradicts our count."""
LINGER = 5.0
"""Seconds for which a request given up may still be counted after that."""
MARGIN = 0.001
"""Seconds added to a wait, so that rounding never wakes the waiter just too early."""


@frozen
class Wait:
    """Why a request may not leave now.

    Attributes:
        reason: "minute", "month", "throttled" (the server said so), "doubt" (one at a time for now) or
            "in_flight" (what is on its way may use up the rest).
        at: monotonic time at which to ask again; `None`: when something in flight has settled.
        until: the same as the server's time (epoch seconds), where known.
        certain: whether the wait holds even if nothing in flight turns out to count.
        in_flight: requests of all clients of the store on their way.
        period: the service's word for the window that is full, if one is.
        limit: requests it allows, where known.
    """

    reason: str
    at: float | None = None
    until: float | None = None
    certain: bool = False
    in_flight: int = 0
    period: str = ""
    limit: int | None = None


@frozen
class Outcome:
    """What became of a granted request.

    Attributes:
        sent_at: monotonic time when its first byte went out; `None`: it never did.
        ended_at: monotonic time when the answer was whole, or was given up.
        wall: the local wall clock's time at `ended_at`.
        landed: whether a whole answer arrived.
        accepted: whether that answer was something else than a refusal to serve more.
        date: the answer's `Date` (epoch seconds).
    """

    sent_at: float | None
    ended_at: float
    wall: float = 0.0
    landed: bool = False
    accepted: bool = False
    date: float | None = None


class Account:
    """The counts of one key. Not thread-safe: the store that owns it sees to that."""

    def __init__(self) -> None:
        self.clock = ServerClock()
        self.guard = GUARD
        self._charged: dict[str, dict[int, int]] = {MINUTE.name: {}, MONTH.name: {}}
        self._in_flight: set[int] = set()
        self._newest = 0
        self._learned: dict[str, int] = {}
        self._rules: tuple[Plan, list[tuple[TokenBucket, int]]] | None = None
        self._closed: dict[str, float] = {}
        # Requests granted up to this ticket prove nothing about the limit; None: no doubt.
        self._doubt: int | None = None
        # Sent, never answered, and no reply has told the time yet: their windows are not known.
        self._unplaced: deque[Outcome] = deque()

    def __repr__(self) -> str:
        return f"<Account charged={self._charged} in_flight={len(self._in_flight)} guard={self.guard}>"

    # Taking and settling

    def take(self, ticket: int, plan: Plan, now: float) -> Wait | None:
        """Put a request in flight and return `None`, or say why it has to wait.

        Args:
            ticket: a number of its own; later ones are higher.
            plan: what the caller believes the key may spend.
            now: monotonic time.
        """
        flying = len(self._in_flight)
        if flying and (self._doubt is not None or not self.clock.known):
            return Wait("doubt", in_flight=flying)
        wait = self._full(plan, now, flying) if self.clock.known else self._crowded(plan, now)
        if wait is None:
            self._in_flight.add(ticket)
            self._newest = max(self._newest, ticket)
        return wait

    def settle(self, ticket: int, outcome: Outcome) -> None:
        """Take a request out of flight and charge it; nothing happens if it is not in flight."""
        if ticket not in self._in_flight:
            return
        self._in_flight.remove(ticket)
        if outcome.sent_at is None:
            return
        if outcome.landed:
            self._observe(outcome.date, outcome.sent_at, outcome.ended_at, outcome.wall)
        if outcome.accepted and self._doubt is not None and ticket > self._doubt:
            self._doubt = None
        if not self.clock.known:
            self._unplaced.append(outcome)
            return
        self._charge(outcome)
        while self._unplaced:
            self._charge(self._unplaced.popleft())

    def refuse(self, ticket: int, refusal: Throttled, plan: Plan, now: float) -> None:
        """Learn from the server's word that the limit is reached.

        Args:
            ticket: the request that was refused, settled before.
            refusal: what the server said.
            plan: what the caller believed.
            now: monotonic time.
        """
        period = refusal.period or MINUTE.name
        # The rest of a burst is refused for the same cause: only its first says something new.
        news, again = self._doubt is None or ticket > self._doubt, self._doubt is not None
        lowered = self._learn(period, refusal.limit, plan)
        if news and period == MINUTE.name and not lowered:
            self.guard = min(2 * self.guard, MAX_GUARD)
        self._doubt = self._newest
        if self.clock.known:
            until = closed_until(refusal, self._earliest(now), self.clock.latest(now), again=news and again)
            self._closed[period] = max(until, self._closed.get(period, until))

    # What is left

    def limits(self, plan: Plan) -> dict[str, int]:
        """Return the limits in force: those of the plan, or what the server said where that is less."""
        believed = {MONTH.name: plan.month, MINUTE.name: plan.minute}
        learned = self._learned
        return {name: min(n, learned.get(name, n)) for name, n in believed.items() if n is not None}

    def left(self, plan: Plan, now: float) -> dict[str, int]:
        """Return the requests left at the least in the running windows, by period."""
        # Before the first reply the time is not known, and nothing is charged to a window.
        earliest = self._earliest(now) if self.clock.known else 0.0
        spent = len(self._in_flight) + len(self._unplaced)
        shut = {name for name, until in self._closed.items() if until > earliest}
        return {
            bucket.name: 0
            if bucket.name in shut
            else bucket.left(self._charged[bucket.name], spent, earliest, limit)
            for bucket, limit in self._buckets(plan)
        }

    def ready_at(self, plan: Plan, requests: int, now: float, wall: float) -> float:
        """Return the server's time (epoch seconds) by when so many more would have been granted."""
        moment = self.clock.latest(now) if self.clock.known else wall
        return forecast(requests, moment, self.left(plan, now), self.limits(plan))

    # How it is decided

    def _buckets(self, plan: Plan) -> list[tuple[TokenBucket, int]]:
        # Remembered for the plan seen last: it is nearly always the same object.
        if self._rules is None or self._rules[0] is not plan:
            limits = self.limits(plan)
            rules = [(bucket, limits[bucket.name]) for bucket in (MONTH, MINUTE) if bucket.name in limits]
            self._rules = plan, rules
        return self._rules[1]

    def _earliest(self, now: float) -> float:
        return self.clock.earliest(now) - self.guard

    def _full(self, plan: Plan, now: float, flying: int) -> Wait | None:
        """Return the longest wait for a window; of two reasons to wait it is the one that matters."""
        earliest = self._earliest(now)
        waits: list[Wait] = []
        if self._closed:
            self._closed = {name: until for name, until in self._closed.items() if until > earliest}
            waits = [self._shut(name, until, flying) for name, until in self._closed.items()]
        for bucket, limit in self._buckets(plan):
            opening = bucket.opening(self._charged[bucket.name], flying, earliest, limit)
            if opening is not None:
                reason = bucket.name if opening.at is not None else "in_flight"
                at = self._when(opening.at)
                waits.append(Wait(reason, at, opening.at, opening.certain, flying, bucket.name, limit))
        return max(waits, key=_weight) if waits else None

    def _shut(self, period: str, until: float, flying: int) -> Wait:
        """Return the wait for a window the server said is full."""
        reason = period if period == MONTH.name else "throttled"
        return Wait(reason, self._when(until), until, True, flying, period, self._learned.get(period))

    def _when(self, server_time: float | None) -> float | None:
        """Return the monotonic time from when the server's time cannot be before this."""
        return None if server_time is None else self.clock.when(server_time + self.guard) + MARGIN

    def _crowded(self, plan: Plan, now: float) -> Wait | None:
        """Return the wait while requests were sent, none answered, and the time is not known."""
        while self._unplaced and self._unplaced[0].ended_at < now - LENGTHS["month"] - LINGER:
            self._unplaced.popleft()
        if plan.month is not None and len(self._unplaced) >= plan.month:
            return Wait(MONTH.name, certain=True, period=MONTH.name)
        if plan.minute is None or len(self._unplaced) < plan.minute:
            return None
        # The last so many fit in one window, unless the first of them is more than a minute old.
        at = self._unplaced[-plan.minute].ended_at + LINGER + LENGTHS["minute"] + MARGIN
        return Wait(MINUTE.name, at=at, certain=True, period=MINUTE.name) if at > now else None

    # How it is charged

    def _observe(self, date: float | None, sent: float, received: float, wall: float) -> None:
        before, self.clock = self.clock, self.clock.observe(date, sent, received, wall)
        if self.clock.resets == before.resets:
            return
        # What was charged by the wrong time lies in the wrong minutes: count it in those possible now.
        # It costs a minute at the most. A month is too long to be shut for a doubt of this kind.
        latest = self.clock.latest(received) + self.guard
        possible = range(MINUTE.index(self._earliest(received)), MINUTE.index(latest) + 1)
        total = sum(self._charged[MINUTE.name].values())
        self._charged[MINUTE.name] = dict.fromkeys(possible, total) if total else {}
        self._closed = {
            name: until for name, until in self._closed.items() if until <= latest + LENGTHS.get(name, 60)
        }

    def _charge(self, outcome: Outcome) -> None:
        """Count a request in every window that may hold the moment at which the server counted it."""
        sent = outcome.ended_at if outcome.sent_at is None else outcome.sent_at
        first, last = self._earliest(sent), self.clock.latest(outcome.ended_at)
        if not outcome.landed:
            last += LINGER
        elif outcome.date is not None and outcome.date + 1 + SLACK >= first:
            # The service counts before it answers, so not after the second of the answer's Date.
            last = min(last, outcome.date + 1 + SLACK)
        oldest = self.clock.earliest(outcome.ended_at) - MAX_GUARD
        for bucket in (MINUTE, MONTH):
            bucket.charge(self._charged[bucket.name], first, last + self.guard, oldest)

    def _learn(self, period: str, limit: int | None, plan: Plan) -> bool:
        """Keep the limit the server named; return whether it is less than was believed."""
        if limit is None or limit < 1:
            return False
        believed = self.limits(plan).get(period, math.inf)
        self._learned[period] = limit
        self._rules = None
        return limit < believed


def _weight(wait: Wait) -> tuple[bool, float]:
    """Sort waits by what is certain, then by how long."""
    return wait.certain, math.inf if wait.at is None else wait.at
