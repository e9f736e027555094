"""The state of one API key: counts, learned limits, server time. The rule behind every `QuotaStore`.

No I/O and no clock in here: every time is passed in, so that a store in memory, in a file or on a
server can take the same decision inside its own lock or transaction.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import frozen

from enlighten_async.limiter.bucket import MINUTE, MONTH, forecast
from enlighten_async.limiter.grant import Wait
from enlighten_async.limiter.limits import Limits
from enlighten_async.limiter.server_clock import SLACK, ServerClock

if TYPE_CHECKING:
    from enlighten_async.errors import Throttled
    from enlighten_async.limiter.grant import Settlement
    from enlighten_async.limiter.plan import Plan

LENGTHS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800, "month": 31 * 86_400}
"""Seconds of each period at the most. The service documents two words; the list is open."""
TOLERANCE = 60.0
"""Seconds by which a period's end may lie outside what we know of the time."""


def closed_until(refusal: Throttled, earliest: float, latest: float, *, again: bool) -> float:
    """Return until when (server's time, epoch seconds) nothing more may be sent.

    The service says: "After period_end, you can make another request." A `period_end` that cannot be
    is replaced by the end of our own window.

    Args:
        refusal: what the server said.
        earliest: the earliest its time can be (epoch seconds).
        latest: the latest its time can be.
        again: whether the request before was refused as well, so that an end in the past is no help.
    """
    length = LENGTHS.get(refusal.period) or _length(refusal)
    end = refusal.period_end
    possible = end is not None and earliest - TOLERANCE <= end <= latest + length + TOLERANCE
    if end is not None and possible and (end > earliest or not again):
        return end
    own = {bucket.name: bucket for bucket in (MINUTE, MONTH)}.get(refusal.period or MINUTE.name)
    return own.start(own.index(latest) + 1) if own else latest + length


def _length(refusal: Throttled) -> float:
    """Return the length of a period we have no word for, if it is a sane one."""
    if refusal.period_start is None or refusal.period_end is None:
        return 60.0
    length = refusal.period_end - refusal.period_start
    return length if 0 < length <= LENGTHS["month"] else 60.0


HOLD = 5.0
"""Seconds for which a token is kept for who waited for it: its event loop may be slow to wake it."""
SOON = 120.0
"""Seconds: a claim on what comes free later than that would outlive the one who made it."""
AGAIN = 1.0
"""Seconds for which a claim on whatever settles next holds; who still waits has renewed it by then."""


class Reservations:
    """The claims of the classes that wait, one each. Not thread-safe, and without a clock.

    Within one limiter the queue has an order. Limiters in several event loops or processes race for
    what comes free, and with a limit of 1 there is nothing to hold back: so who waits lays claim to it.

    Attributes:
        spans: from when until when (monotonic) a class has the first word, by its rank.
    """

    def __init__(self) -> None:
        self.spans: dict[int, tuple[float, float]] = {}

    def lay(self, rank: int, at: float | None, now: float) -> None:
        """Note that a class waits until `at` (monotonic), or (`None`) for what settles next."""
        if at is None:
            self.spans[rank] = now, now + AGAIN
        elif at <= now + SOON:
            self.spans[rank] = at, at + HOLD

    def drop(self, rank: int) -> None:
        """Note that a class got what it waited for."""
        self.spans.pop(rank, None)

    def ahead(self, rank: int, now: float) -> float | None:
        """Return until when (monotonic) a class above has the first word; `None`: it has not."""
        ends = [until for above, (at, until) in self.spans.items() if above < rank and at <= now < until]
        return max(ends, default=None)


@frozen
class KeySnapshot:
    """The counts of a key.

    Attributes:
        used: requests that may have been counted in the running windows, at the most, by period; those in
            flight are among them.
        limits: requests that may be used in a window, by period; a period without limit is absent.
        learned: limits that the server named when it refused a request, by period.
        closed: until when (server's time, epoch seconds) it said that it serves nothing, by period.
        in_flight: requests of all clients of the store on their way.
        earliest: the earliest the server's time can be (epoch seconds); `None`: nothing has told it yet.
        latest: the latest it can be.
    """

    used: Mapping[str, int]
    limits: Mapping[str, int]
    learned: Mapping[str, int]
    closed: Mapping[str, float]
    in_flight: int
    earliest: float | None
    latest: float | None


@frozen
class UsageWarning:
    """The news that most of a month is used up.

    Attributes:
        share: the stage that was reached, of 1.
        used: requests used in the month.
        limit: requests that may be used in it.
        until: when the month ends (server's time, epoch seconds).
    """

    share: float
    used: int
    limit: int
    until: float


GUARD = 1.0
"""Seconds by which `Date` and the clock of the server's counter are taken to differ."""
MAX_GUARD = 8.0
"""The guard doubles up to this when the server contradicts our count."""
LINGER = 5.0
"""Seconds for which a request given up may still be counted after that."""
MARGIN = 0.001
"""Seconds added to a wait, so that rounding never wakes the waiter just too early."""
GLANCE = 0.25
"""Seconds between two looks of who lets a class above go first."""
ALARMS = (0.95, 0.80)
"""Shares of the month at which an alarm is raised."""


class KeyState:
    """The counts of one key. Not thread-safe: the store that owns it sees to that."""

    def __init__(self) -> None:
        self.clock = ServerClock()
        self.guard = GUARD
        self._charged: dict[str, dict[int, int]] = {MINUTE.name: {}, MONTH.name: {}}
        self._in_flight: set[int] = set()
        self._newest = 0
        self._limits = Limits()
        self._claims = Reservations()
        self._alarmed = 0, 0.0  # the month of the last alarm, and its share
        self._closed: dict[str, float] = {}
        # Requests granted up to this ticket prove nothing about the limit; None: no doubt.
        self._doubt: int | None = None
        # Sent, never answered, and no reply has told the time yet: their windows are not known.
        self._unplaced: deque[Settlement] = deque()

    def __repr__(self) -> str:
        return f"<Account charged={self._charged} in_flight={len(self._in_flight)} guard={self.guard}>"

    # Taking and settling

    def take(self, ticket: int, plan: Plan, now: float, rank: int = 0) -> Wait | None:
        """Put a request in flight and return `None`, or say why it has to wait.

        Args:
            ticket: a number of its own; later ones are higher.
            plan: what the caller believes the key may spend.
            now: monotonic time.
            rank: its class: how many classes go before it.
        """
        wait = self._decide(plan, now, rank)
        if wait is None:
            self._in_flight.add(ticket)
            self._newest = max(self._newest, ticket)
            if self._claims.spans:
                self._claims.drop(rank)
        elif wait.reason != "priority":
            self._claims.lay(rank, wait.at, now)
        return wait

    def settle(self, ticket: int, outcome: Settlement) -> None:
        """Take a request out of flight and charge it; nothing happens if it is not in flight."""
        if ticket not in self._in_flight:
            return
        self._in_flight.remove(ticket)
        self._book(ticket, outcome)

    def _book(self, ticket: int, outcome: Settlement) -> None:
        """Charge what is out of flight."""
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
        lowered = self._limits.learn(period, refusal.limit, plan)
        if news and period == MINUTE.name and not lowered:
            self.guard = min(2 * self.guard, MAX_GUARD)
        self._doubt = self._newest
        if self.clock.known:
            until = closed_until(refusal, self._earliest(now), self.clock.latest(now), again=news and again)
            self._closed[period] = max(until, self._closed.get(period, until))

    # What is left

    def left(self, plan: Plan, now: float, rank: int = 0) -> dict[str, int]:
        """Return the requests left to a class at the least in the running windows, by period."""
        earliest = self._earliest(now)
        spent = len(self._in_flight) + len(self._unplaced)
        shut = {name for name, until in self._closed.items() if until > earliest}
        return {
            rule.bucket.name: 0
            if rule.bucket.name in shut
            else max(0, rule.room - spent - rule.bucket.used(self._charged[rule.bucket.name], earliest))
            for rule in self._limits.rules(plan, rank)
        }

    def ready_at(self, plan: Plan, requests: int, now: float, wall: float, rank: int = 0) -> float:
        """Return the server's time (epoch seconds) by when so many more of a class would be granted."""
        moment = self.clock.latest(now) if self.clock.known else wall
        rooms = {rule.bucket.name: rule.room for rule in self._limits.rules(plan, rank)}
        return forecast(requests, moment, self.left(plan, now, rank), rooms)

    def standing(self, plan: Plan, now: float) -> KeySnapshot:
        """Return what is known of the key."""
        known = self.clock.known
        earliest = self._earliest(now)
        spent = len(self._in_flight) + len(self._unplaced)
        return KeySnapshot(
            used={b.name: spent + b.used(self._charged[b.name], earliest) for b in (MINUTE, MONTH)},
            limits=self._limits.in_force(plan),
            learned=dict(self._limits.learned),
            closed={name: until for name, until in self._closed.items() if until > earliest},
            in_flight=len(self._in_flight),
            earliest=earliest if known else None,
            latest=self.clock.latest(now) if known else None,
        )

    def alarm(self, plan: Plan, now: float) -> UsageWarning | None:
        """Return the news that most of the month is used up, each stage once a month; else `None`."""
        limit, charged = self._limits.month(plan), self._charged[MONTH.name]
        # Asked after each request: the common answer must come before any look at the calendar.
        if limit is None or max(charged.values(), default=0) < ALARMS[-1] * limit:
            return None
        month = MONTH.index(self._earliest(now))
        used = charged.get(month, 0)
        share = next((share for share in ALARMS if used >= share * limit), 0.0)
        if share <= (self._alarmed[1] if self._alarmed[0] == month else 0.0):
            return None
        self._alarmed = month, share
        return UsageWarning(share, used, limit, MONTH.start(month + 1))

    # How it is decided

    def _decide(self, plan: Plan, now: float, rank: int) -> Wait | None:
        flying = len(self._in_flight)
        if flying and self._one_by_one():
            return Wait("doubt", in_flight=flying)
        wait = self._full(plan, now, flying, rank) if self.clock.known else self._crowded(plan, now, rank)
        if wait is None and rank:
            ahead = self._claims.ahead(rank, now)
            if ahead is not None:
                return Wait("priority", min(ahead, now + GLANCE), in_flight=flying)
        return wait

    def _one_by_one(self) -> bool:
        """Tell whether nothing more may leave while something is in flight."""
        return self._doubt is not None or not self.clock.known

    def _earliest(self, now: float) -> float:
        """Return the earliest moment (server's time) that the counter may be at; 0 while nothing is known."""
        return self.clock.earliest(now) - self.guard if self.clock.known else 0.0

    def _full(self, plan: Plan, now: float, flying: int, rank: int) -> Wait | None:
        """Return the longest wait for a window; of two reasons to wait it is the one that matters."""
        earliest = self._earliest(now)
        waits: list[Wait] = []
        if self._closed:
            self._closed = {name: until for name, until in self._closed.items() if until > earliest}
            waits = [self._shut(name, until, flying) for name, until in self._closed.items()]
        for rule in self._limits.rules(plan, rank):
            name = rule.bucket.name
            opening = rule.bucket.opening(self._charged[name], flying, earliest, rule.room)
            if opening is not None:
                reason, at = name if opening.at is not None else "in_flight", self._when(opening.at)
                waits.append(
                    Wait(reason, at, opening.at, opening.certain, flying, name, rule.limit, rule.held)
                )
        return max(waits, key=_weight) if waits else None

    def _shut(self, period: str, until: float, flying: int) -> Wait:
        """Return the wait for a window the server said is full."""
        reason = period if period == MONTH.name else "throttled"
        return Wait(reason, self._when(until), until, True, flying, period, self._limits.learned.get(period))

    def _when(self, server_time: float | None) -> float | None:
        """Return the monotonic time from when the server's time cannot be before this."""
        return None if server_time is None else self.clock.when(server_time + self.guard) + MARGIN

    def _crowded(self, plan: Plan, now: float, rank: int) -> Wait | None:
        """Return the wait while requests were sent, none answered, and the time is not known."""
        while self._unplaced and self._unplaced[0].ended_at < now - LENGTHS["month"] - LINGER:
            self._unplaced.popleft()
        rules = {rule.bucket.name: rule for rule in self._limits.rules(plan, rank)}
        month, minute, sent = rules.get(MONTH.name), rules.get(MINUTE.name), len(self._unplaced)
        if month is not None and sent >= month.room:
            return Wait(MONTH.name, certain=True, period=MONTH.name, limit=month.limit, held=month.held)
        if minute is None or sent < minute.room:
            return None
        # The last so many fit in one window, unless the first of them is more than a minute old.
        at = self._unplaced[-minute.room].ended_at + LINGER + LENGTHS["minute"] + MARGIN
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

    def _charge(self, outcome: Settlement) -> None:
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


def _weight(wait: Wait) -> tuple[bool, float]:
    """Sort waits by what is certain, then by how long."""
    return wait.certain, math.inf if wait.at is None else wait.at
