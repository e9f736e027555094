"""The one gate: order, priorities, and how many requests are in flight."""

from __future__ import annotations

import logging
import math
from itertools import count
from typing import TYPE_CHECKING

from enlighten_async.errors import BudgetExceeded, InputError, QuotaExhausted, UsageError
from enlighten_async.limiter.bucket import MINUTE, runs_out
from enlighten_async.limiter.grant import Grant, Settlement, Wait
from enlighten_async.limiter.queue import ConcurrencyLimit, Waiter, Waiting, WaitQueue, WaitTimes
from enlighten_async.windows import as_datetime

if TYPE_CHECKING:
    from enlighten_async.clock import Clock
    from enlighten_async.errors import Throttled
    from enlighten_async.limiter.key_state import KeySnapshot, UsageWarning
    from enlighten_async.limiter.plan import Plan
    from enlighten_async.limiter.queue import Waiting
    from enlighten_async.limiter.store import QuotaStore

LONG = 5.0
"""Seconds; shorter waits are not worth a line."""
SAME = 2.0
"""Seconds between the ends of two waits that are one: the head of the queue may change, and so may its
knowledge of the time."""

logger = logging.getLogger("enlighten_async")


class QuotaLog:
    """Says each thing once, however many wait for it."""

    def __init__(self) -> None:
        self._until = 0.0

    def waiting(self, waiting: Waiting, seconds: float, queued: int) -> None:
        """Say what is waited for, if it takes long, and until when.

        Args:
            waiting: the reason, and its end by the server's time.
            seconds: how long that is from now on.
            queued: how many wait.
        """
        until = waiting.until
        if until is None or seconds <= LONG or abs(until - self._until) < SAME:
            return
        self._until = until
        logger.info(
            "waiting %.0f s (%s) until %s UTC; %d in the queue",
            seconds,
            waiting.reason,
            f"{as_datetime(until):%Y-%m-%d %H:%M:%S}",
            queued,
        )

    def alarm(self, alarm: UsageWarning, moment: float) -> None:
        """Warn that most of a month is used up.

        Args:
            alarm: the news.
            moment: the server's time, epoch seconds.
        """
        end = runs_out(alarm.used, alarm.limit, moment)
        pace = "lasts" if end is None else f"is used up on {as_datetime(end):%Y-%m-%d}"
        logger.warning(
            "%.0f %% of this month's requests are used (%d of %d): at this pace it %s; it ends on %s UTC",
            100 * alarm.share,
            alarm.used,
            alarm.limit,
            pace,
            f"{as_datetime(alarm.until):%Y-%m-%d %H:%M}",
        )


PATIENCE = 120.0
"""Seconds a caller without `max_wait` waits for a window; a longer sleep is the caller's to choose."""
POLL = 0.1
"""Seconds between two looks while another client of the store has requests in flight."""
REFUSALS = frozenset({409, 429, 503})
"""Statuses that say "too many": v2's and v4's word for the limit, and both's for concurrency."""

_tickets = count(1)  # one row of numbers per process, since limiters may share a store


class RateLimiter:
    """Lets requests through in order, as fast as the plan and the server's own windows allow.

    Only the head of the queue watches the clock; the others wait for their turn. A waiter may be
    cancelled at any moment: no token is lost and the next takes over. One event loop at a time.

    Args:
        store: the counts of the key.
        plan: what the key may spend, resolved.
        clock: the source of time; all users of the store share its monotonic clock.
        max_in_flight: requests on their way at the most.

    Raises:
        InputError: the plan is not resolved, or `max_in_flight` is below 1.
    """

    def __init__(self, *, store: QuotaStore, plan: Plan, clock: Clock, max_in_flight: int = 10) -> None:
        if not plan.is_resolved:
            raise InputError(f"plan {plan.name!r} has no limits yet: use plan.resolved(table)")
        self._store = store
        self._plan = plan
        self._clock = clock
        self._flight = ConcurrencyLimit(max_in_flight)
        self._line = WaitQueue()
        self._numbers = count()
        self._watch = WaitTimes()
        self._news = QuotaLog()
        self._told = False  # whether any answer told the server's time

    def __repr__(self) -> str:
        return f"<RateLimiter in_flight={self._flight.count}/{self._flight.room} queued={len(self._line)}>"

    @property
    def plan(self) -> Plan:
        """What the key may spend, as far as the caller knows."""
        return self._plan

    @property
    def waiting(self) -> Waiting | None:
        """Why the head of the queue waits, and until when; `None` if nobody waits."""
        return self._watch.waiting

    @property
    def queued(self) -> int:
        """How many wait."""
        return len(self._line)

    def standing(self) -> KeySnapshot:
        """Return what is known of the key."""
        return self._store.standing(self._plan, self._clock.monotonic())

    def left(self, rank: int = 0) -> dict[str, int]:
        """Return the requests left to a class at the least in the running windows, by period."""
        return self._store.left(self._plan, self._clock.monotonic(), rank)

    def now(self) -> float:
        """Return the server's time (epoch seconds), the latest that it can be; ours until it is known."""
        return self._store.ready_at(self._plan, 0, self._clock.monotonic(), self._clock.now())

    def ready_at(self, requests: int, rank: int = 0) -> float:
        """Return the server's time (epoch seconds) by when so many more of a class would be granted.

        Those of it and above it who wait already go first. It is infinite if that takes more than a century.
        """
        return self._forecast(requests + self._line.upto(rank), rank)

    def place(self, priority: int = 0) -> Waiter:
        """Return a place at the end of the queue of a class; a lower priority goes first (`RANKS`)."""
        return Waiter(priority, next(self._numbers))

    async def sync(self) -> None:
        """Let the store write what was settled, unless the next in the queue lets it do so at once."""
        if self._line.head is None:
            await self._store.sync()

    async def look(self) -> None:
        """Learn what other processes have spent, where the store is shared with any."""
        await self._store.sync(look=True)

    async def acquire(self, place: Waiter, max_wait: float | None = None) -> Grant:
        """Wait for the permission to send one request.

        Args:
            place: the place in the queue; one that was granted before goes to the head again.
            max_wait: seconds the caller is ready to wait; `None`: as long as the minutes take.

        Raises:
            BudgetExceeded: it takes longer than `max_wait`; raised at once if that is known.
            QuotaExhausted: a longer window, such as the month, is full, and does not open in time.
            UsageError: the place is in the queue already.
        """
        if place.queued:
            raise UsageError("this place is in the queue already: take one place per request")
        deadline = math.inf if max_wait is None else self._clock.monotonic() + max_wait
        before: dict[str, float] | None = None
        self._line.join(place)
        try:
            if max_wait is not None:
                self._refuse_hopeless(place, max_wait)
            # No checkpoint while the gate is free: it would cost more than the whole decision, and
            # whoever has a grant is about to send, which is one.
            while True:
                verdict = await self._turn(place)
                if isinstance(verdict, Grant):
                    if before is not None:
                        verdict.waited = self._watch.since(before, self._clock.monotonic())
                    return verdict
                if before is None:
                    before = self._watch.read(self._clock.monotonic())
                await self._pause(place, verdict, deadline)
        finally:
            self._leave(place)

    def throttled(self, grant: Grant, refusal: Throttled) -> None:
        """Correct the counts after the server said that the limit is reached (409, 429).

        Settles the grant. The window is shut until the server says it opens, a lower limit is obeyed
        at once, and one request at a time goes out until one is accepted.
        """
        grant.settle()
        self._store.refuse(grant.ticket, refusal, self._plan, self._clock.monotonic())
        self._wake()

    def overloaded(self, grant: Grant | None = None) -> None:
        """Halve what may be in flight after the server said that it is too much at once (503).

        Args:
            grant: whose request it was; a burst of such answers then counts once.
        """
        self._flight.halve(next(_tickets), None if grant is None else grant.ticket)

    async def _turn(self, place: Waiter) -> Grant | Wait | None:
        """Take a token if it is this place's turn; `None` if it is not."""
        if self._line.head is not place:
            return None
        if not self._flight.enter():
            return Wait("in_flight")
        ticket, wait, asked = next(_tickets), None, False
        try:
            wait = await self._store.take(ticket, self._plan, self._clock.monotonic(), place.priority)
            asked = True
        finally:
            # A cancelled `take` may have taken: giving back what was not taken does no harm.
            if not asked:
                self._store.settle(ticket, Settlement(None, self._clock.monotonic()))
            if not asked or wait is not None:
                self._flight.leave()
        if wait is not None:
            return wait
        return Grant(ticket, waited={}, monotonic=self._clock.monotonic, settle=self._settle)

    async def _pause(self, place: Waiter, wait: Wait | None, deadline: float) -> None:
        """Wait until it makes sense to look again; raise if that is too late."""
        now = self._clock.monotonic()
        self._refuse_late(place, wait, deadline, now)
        until, waiting = deadline, None
        if wait is not None:
            until = min(deadline, math.inf if wait.at is None else wait.at)
            if wait.in_flight > self._flight.count:
                # Another client's answer may end the wait, and it may live in another thread or
                # process, which cannot wake us.
                until = min(until, now + POLL)
            waiting = Waiting(wait.reason, wait.until)
            self._watch.start(waiting, now)
            self._news.waiting(waiting, (math.inf if wait.at is None else wait.at) - now, len(self._line))
        try:
            await self._woken(place, until - now)
        finally:
            if waiting is not None:
                self._watch.stop(waiting, self._clock.monotonic())

    async def _woken(self, place: Waiter, seconds: float) -> None:
        if seconds == math.inf:
            await place.woken()
            return
        with self._clock.move_on_after(max(0.0, seconds)):
            await place.woken()

    def _refuse_late(self, place: Waiter, wait: Wait | None, deadline: float, now: float) -> None:
        """Raise if the wait is known to end too late for the caller."""
        if wait is None or not wait.certain:
            if now >= deadline:
                raise BudgetExceeded(
                    "no request may be sent within max_wait",
                    retry_at=as_datetime(self.ready_at(0, place.priority)),
                )
            return
        at = math.inf if wait.at is None else wait.at
        patient = deadline == math.inf
        if at <= (now + PATIENCE if patient else deadline) or (patient and self._may_have_opened(wait)):
            return
        retry_at = None if wait.until is None else as_datetime(wait.until)
        if wait.period == MINUTE.name and deadline < math.inf:
            raise BudgetExceeded(
                f"the next request may be sent in {at - now:.1f} s: longer than max_wait", retry_at=retry_at
            )
        raise QuotaExhausted(
            f"the quota of this {wait.period} is used up{_but(wait.held)}",
            period=wait.period,
            limit=wait.limit,
            retry_at=retry_at,
        )

    def _may_have_opened(self, wait: Wait) -> bool:
        """Tell whether a window may be open by now, and only our doubt about the time holds back.

        After days without a reply that doubt has grown to minutes. An error would name a moment that has
        passed; so it is waited out.
        """
        return wait.until is not None and self.now() >= wait.until

    def _refuse_hopeless(self, place: Waiter, max_wait: float) -> None:
        """Raise if so many are ahead in the queue that it takes longer than the caller waits."""
        ahead = self._line.ahead(place)
        # The head's wait is known better, and before the first reply the time is not known at all.
        if not ahead or not self._told:
            return
        opens = self._forecast(ahead + 1, place.priority)
        if opens - self.now() > max_wait:
            raise BudgetExceeded(
                f"{ahead} requests are ahead in the queue: the wait is longer than max_wait",
                retry_at=as_datetime(opens),
            )

    def _forecast(self, requests: int, rank: int) -> float:
        return self._store.ready_at(self._plan, requests, self._clock.monotonic(), self._clock.now(), rank)

    def _settle(self, grant: Grant) -> None:
        self._flight.leave()
        self._store.settle(grant.ticket, self._outcome(grant))
        alarm = self._store.alarm(self._plan, self._clock.monotonic())
        if alarm is not None:
            self._news.alarm(alarm, self.now())
        self._wake()

    def _outcome(self, grant: Grant) -> Settlement:
        response = grant.response
        if response is None:
            return Settlement(grant.sent_at, self._clock.monotonic())
        self._told = True
        accepted = response.status not in REFUSALS
        if accepted:
            self._flight.grow()
        landed = grant.landed_at
        wall = self._clock.now() - (self._clock.monotonic() - landed)
        return Settlement(grant.sent_at, landed, wall, True, accepted, response.date)

    def _leave(self, place: Waiter) -> None:
        """Leave the queue; whoever is next takes over."""
        if self._line.head is place:
            self._line.leave(place)
            self._wake()
        else:
            self._line.leave(place)

    def _wake(self) -> None:
        head = self._line.head
        if head is not None:
            head.wake()


def _but(held: int) -> str:
    """Say that something is held back, if so."""
    return f", but for {held} requests held back for those who go first" if held else ""
