"""RateLimiter: the one gate to the service: order, priorities, and requests in flight."""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING

import anyio
from attrs import Factory, define, field

from enlighten_async.clock import in_trio
from enlighten_async.errors import (
    BudgetExceeded,
    EnlightenError,
    InputError,
    QuotaExhausted,
    RequestTimeout,
    StateUnavailable,
    UsageError,
)
from enlighten_async.limiter.bucket import MINUTE, MONTH, RETRY_AFTER, UNKNOWN_MONTH, runs_out
from enlighten_async.limiter.decision import KeySnapshot, Sender, Settlement, Take, Wait
from enlighten_async.limiter.outage import (
    CALM,
    MAX_IN_FLIGHT,
    RENEWAL,
    SLOW_START,
    TOKENS,
    Failure,
    FailureRun,
)
from enlighten_async.limiter.queue import ConcurrencyLimit, Waiter, WaitQueue, WaitTimes
from enlighten_async.windows import as_datetime

if TYPE_CHECKING:
    from enlighten_async.clock import Clock
    from enlighten_async.errors import Throttled
    from enlighten_async.limiter.bucket import Pace, UsageWarning
    from enlighten_async.limiter.decision import Subject
    from enlighten_async.limiter.key_state import KeyState
    from enlighten_async.limiter.plan import Plan
    from enlighten_async.limiter.store import QuotaStore
    from enlighten_async.wire import Response

LOGGED_WAIT_S = 5.0
"""Seconds; shorter waits are not logged."""
SAME_WAIT_S = 2.0
"""Seconds between the ends of two waits that are one: the head of the queue may change, and so may its
knowledge of the time."""
DEFAULT_MAX_WAIT_S = 120.0
"""Seconds a caller without `max_wait` waits for a window; a longer sleep is the caller's to choose."""
IN_FLIGHT_POLL_S = 0.1
"""Seconds after which the head asks again while another client of the store has requests in flight."""
SHORT_REST_S = 20.0
"""Seconds that callers wait where the service asks for so much rest (`Retry-After`); of more they hear."""
TIME_HOLDS_S = 3600.0
"""Seconds for which the server's time holds that responses have told, where it is far off our own."""
MAX_RENEWALS = 32
"""Requests for tokens in flight at the most, once as many have been answered: each has its own connection."""
SENDER_BITS = 48
"""Bits of a limiter's random number."""
TOO_MANY = frozenset({409, 429, 503})
"""Statuses that say "too many requests": v2's and v4's for the limit, and both's for concurrency."""

_CAUSES = {
    "": "the service has rejected every request for some minutes and does not say which quota is used up: it "
    "is taken to be the month's. One request about every hour asks again, the next at retry_at",
    MINUTE.name: "the service rejects requests as over the limit of the minute, one minute after the other: "
    "others use the key too, or its plan is smaller. It is asked ever more seldom, the next time at retry_at",
    UNKNOWN_MONTH: "nobody knows how much of this month is used: the state is new, or has lost its counts. "
    "Tell it by set_month_used (the developer portal shows the figure; 0 for a new key)",
    RETRY_AFTER: "the service wants no requests for now (Retry-After): ask again at retry_at",
}
"""Texts where it is not simply so that a quota is used up, by the period of the wait."""

logger = logging.getLogger("enlighten_async")

_tickets = count(1)  # unique per process, since limiters may share a store


class QuotaLog:
    """The log lines about a key's quota: each wait is told once, however many requests wait for it."""

    def __init__(self) -> None:
        self._until = 0.0

    def waiting(self, wait: Wait, seconds: float, queued: int) -> None:
        """Log a wait of so many seconds from now on, if it takes long.

        Args:
            wait: the reason, and its end by the server's time.
            seconds: its length.
            queued: the number of waiters.
        """
        until = wait.until
        if until is None or seconds <= LOGGED_WAIT_S or abs(until - self._until) < SAME_WAIT_S:
            return
        self._until = until
        logger.info(
            "waiting %.0f s (%s) until %s UTC; %d in the queue",
            seconds,
            wait.reason,
            f"{as_datetime(until):%Y-%m-%d %H:%M:%S}",
            queued,
        )

    def usage(self, warning: UsageWarning, moment: float) -> None:
        """Warn that most of a month is used up.

        Args:
            warning: the counts.
            moment: the server's time, epoch seconds.
        """
        end = runs_out(warning.used, warning.limit, moment)
        pace = "lasts" if end is None else f"is used up on {as_datetime(end):%Y-%m-%d}"
        logger.warning(
            "%.0f %% of this month's requests are used (%d of %d): at this pace it %s; it ends on %s UTC",
            100 * warning.share,
            warning.used,
            warning.limit,
            pace,
            f"{as_datetime(warning.until):%Y-%m-%d %H:%M}",
        )


@define(eq=False)
class Grant:
    """The permission to send one request now.

    Its holder settles it, whatever happens: a request that is never settled counts as in flight for ever,
    and no other request gets its token.

    Attributes:
        ticket: its number, unique in this process.
        waited: seconds the acquisition waited, by reason.
        settled: whether it is over.
        failing: whether requests have failed, or were repeated, when it was settled: then its answer is news.
        subject: what the request asks for, where others may wait for the answer.
        contended: whether other requests are in flight that may be about the same.
    """

    ticket: int
    _settle: Callable[[Grant, float | None, Response | None], None] = field(repr=False)
    waited: dict[str, float] = Factory(dict)
    settled: bool = False
    failing: bool = False
    subject: Subject | None = None
    contended: bool = False

    def settle(self, sent_at: float | None = None, response: Response | None = None) -> None:
        """Give the token back or charge it; only the first call does.

        Unsent, the token comes back. Sent without a response, the request is charged to all windows in
        which the server may have counted it; with one, to those between `sent_at` and the `Date`.

        Args:
            sent_at: monotonic time when the first byte went out; `None`: it never did.
            response: the whole response, if one arrived.
        """
        if not self.settled:
            self.settled = True
            self._settle(self, sent_at, response)


class Renewals:
    """Lets requests for tokens through: a few at once, and in an outage one now and then.

    They cost no quota and wait for no window, but the service fails them with all others: their failures
    are those of one target of the key. For a few are sent after a pause, and one more with each success, a
    service that is down is met by those few.

    Args:
        limiter: the limiter of the key.
        store: the counts of the key.
        clock: the source of time.
    """

    def __init__(self, limiter: RateLimiter, store: QuotaStore, clock: Clock) -> None:
        self._limiter = limiter
        self._store = store
        self._clock = clock
        self._places, self._room = anyio.Semaphore(SLOW_START), SLOW_START
        self._excess = self._taken = 0  # places that are not given back, and those that are held

    def __repr__(self) -> str:
        return f"<Renewals room={self._room}>"

    async def look(self) -> EnlightenError | None:
        """Return the error for a caller, if nothing may be sent, by what all clients of the store know."""
        await self._limiter.refresh(patient=True)
        return self.refusal()

    def refusal(self) -> EnlightenError | None:
        """Return the same by what this client knows; a short rest is waited out."""
        now = self._clock.monotonic()
        run = self._store.read(lambda state: state.refused(TOKENS, now))
        return None if run is None or self._rest(run, now) is not None else self._limiter.refused(run, now)

    def may_repeat(self, error: EnlightenError) -> bool:
        """Tell whether a request may be sent again after this error: not after silence.

        Its caller has waited for a whole timeout by then, also where other requests are answered.
        """
        return not isinstance(error, RequestTimeout) and self.refusal() is None

    def failures(self) -> int:
        """Return the number of failures in a row, by what this client knows."""
        run = self._store.read(lambda state: state.outage.targets.get(TOKENS))
        return 0 if run is None else run.failures

    @asynccontextmanager
    async def turn(self, patience: float, failures: int) -> AsyncIterator[EnlightenError | None]:
        """Wait for a place in flight, and hold it; yields the error for the caller, if nothing may be sent.

        Args:
            patience: monotonic time until which the caller waits.
            failures: failures in a row when its wait began.
        """
        if not self._taken:
            self._begin_slowly()
        await self._places.acquire()
        self._taken += 1
        try:
            yield await self._begin(patience, failures)
        finally:
            self._taken -= 1
            if self._excess:
                self._excess -= 1
            else:
                self._places.release()

    async def answered(self) -> None:
        """Count a request that was answered, by tokens or by a verdict about the login."""
        now = self._clock.monotonic()
        if self._room < MAX_RENEWALS:
            self._room += 1
            self._places.release()
        if self._store.read(lambda state: state.outage is CALM):
            return
        if self._store.update(lambda state: state.record_renewal(now)):
            self._limiter.reopen()
        await self._store.sync()

    async def failed(self, error: EnlightenError, attempts: int) -> None:
        """Count a request that failed.

        Args:
            error: the error.
            attempts: how often it is sent at the most.
        """
        self._begin_slowly()
        rest = 0.0 if error.retry_at is None else error.retry_at.timestamp() - self._clock.now()
        self._limiter.failed(error, TOKENS, attempts=attempts, rest=rest)
        await self._store.sync()

    def _begin_slowly(self) -> None:
        """Leave no more places than at first; of those that are held now, some are not given back."""
        for _ in range(self._room - SLOW_START):
            if self._places.value:
                self._places.acquire_nowait()
            else:
                self._excess += 1
        self._room = SLOW_START

    async def _begin(self, patience: float, failures: int) -> EnlightenError | None:
        """Let a request through, after a short rest if one is asked for, or return its caller's error."""
        while True:
            now = self._clock.monotonic()
            run = await self._let_through(now)
            if run is None:
                return self._silence(failures)
            rest = self._rest(run, now)
            if rest is None or now + rest >= patience:
                return self._limiter.refused(run, now)
            await self._clock.sleep(rest)

    async def _let_through(self, now: float) -> FailureRun | None:
        """Let a request through: of all clients of the store the only one, if it is a probe."""
        run: FailureRun | None = None

        def begin(state: KeyState) -> None:
            nonlocal run
            run = state.begin_renewal(now)  # in the end that of the state that is written down

        self._store.update(begin)
        try:
            await self._store.sync()
        except BaseException:
            self._store.update(lambda state: state.unsent(RENEWAL, now))
            raise
        return run

    def _silence(self, failures: int) -> EnlightenError | None:
        """Return the error for a caller during whose wait another's request got no answer."""
        run = self._store.read(lambda state: state.outage.targets.get(TOKENS))
        last = None if run is None or run.failures <= failures else run.last
        if last is None or last.kind != RequestTimeout.__name__:
            return None
        now = self._clock.monotonic()
        self._store.update(lambda state: state.unsent(RENEWAL, now))
        return last.error(f"not sent: nothing comes from it; {last.text}")

    def _rest(self, run: FailureRun, now: float) -> float | None:
        """Return the seconds for which the service asked for rest, if callers wait so long."""
        seconds = (run.next_at or 0.0) - self._store.read(lambda state: state.outage_time(now))
        return seconds if run.held and seconds <= SHORT_REST_S else None


class RateLimiter:
    """Lets requests through in order, as fast as the plan and the server's own windows allow.

    Only the head of the queue watches the clock; the others wait for their turn. A waiter may be
    cancelled at any moment: no token is lost and the next takes over. One event loop at a time.

    Args:
        store: the counts of the key.
        plan: the key's plan, resolved.
        clock: the source of time; all users of the store share its monotonic clock.
        max_in_flight: requests in flight at the most, also together with the other limiters that use the
            store: the smallest number of those that live holds for all.
        pace: whether the classes below the highest spend the month evenly.

    Attributes:
        answered_at: monotonic time of the last response, whatever it said.
        given_up_at: monotonic time when a request was last given up by its caller, as nothing came.
        renewals: lets requests for tokens through, which cost no quota.

    Raises:
        InputError: the plan is not resolved, or `max_in_flight` is below 1.
    """

    def __init__(
        self,
        *,
        store: QuotaStore,
        plan: Plan,
        clock: Clock,
        max_in_flight: int = MAX_IN_FLIGHT,
        pace: bool = False,
    ) -> None:
        if not plan.is_resolved:
            raise InputError(f"plan {plan.name!r} has no limits yet: use plan.resolved(table)")
        self._store = store
        self._plan = plan
        self._pace = pace
        self._clock = clock
        self._concurrency = ConcurrencyLimit(max_in_flight)
        self._asking = 0  # places in flight of those for whom the store is asked at the moment
        self._sender = Sender(secrets.randbits(SENDER_BITS), max_in_flight)
        self._queue = WaitQueue()
        self._numbers = count()
        self._wait_times = WaitTimes()
        self._log = QuotaLog()
        self.answered_at = self.given_up_at = -math.inf
        self.renewals = Renewals(self, store, clock)

    def __repr__(self) -> str:
        in_flight = f"{self._concurrency.count}/{self._concurrency.limit}"
        return f"<RateLimiter in_flight={in_flight} queued={self._queue.count}>"

    @property
    def plan(self) -> Plan:
        """The key's plan, as far as the caller knows."""
        return self._plan

    @property
    def waiting(self) -> Wait | None:
        """The reason why the head of the queue waits; `None` if nobody waits."""
        return self._wait_times.waiting

    @property
    def queued(self) -> int:
        """The number of waiters."""
        return self._queue.count

    def now(self) -> float:
        """Return the server's time (epoch seconds), the latest that it can be; ours until it is known."""
        monotonic, wall = self._clock.monotonic(), self._clock.now()
        return self._store.read(lambda state: state.now(monotonic, wall))

    def doubts_time(self) -> bool:
        """Tell whether the server's time may be wrong: no response has told it, or one alone.

        If none has for long, it may be wrong too: several in a row may have been.
        """
        before = self._clock.monotonic() - TIME_HOLDS_S
        return self._store.read(lambda state: state.clock.doubts(before))

    def snapshot(self) -> KeySnapshot:
        """Return the counts of the key."""
        now = self._clock.monotonic()
        return self._store.read(lambda state: state.snapshot(self._plan, now))

    def left(self, rank: int = 0) -> dict[str, int]:
        """Return the requests left to a class at the least in the running windows, by period."""
        now = self._clock.monotonic()
        return self._store.read(lambda state: state.left(self._plan, now, rank))

    def known_left(self) -> dict[str, int]:
        """Return the same of the highest class; empty while nothing is read of what others have used."""
        now = self._clock.monotonic()
        return self._store.read(lambda state: state.left(self._plan, now) if state.is_read else {})

    def pace(self, rank: int = 0) -> tuple[Pace | None, float | None]:
        """Return the even spending of the month, and when a class may send next by it (server's time).

        The first is `None` if the month has no limit or nothing left, the second if the class is not paced.
        """
        now = self._clock.monotonic()
        pace = self._store.read(lambda state: state.pace(self._plan, now))
        if pace is None or not (rank and self._pace):
            return pace, None
        paced = self._store.read(lambda state: state.paced)
        return pace, max(pace.moment, pace.opens_at(paced))

    def ready_at(self, requests: int, rank: int = 0, tenant: bytes = b"") -> float:
        """Return the server's time (epoch seconds) by when so many more of a class would be granted.

        The classes above go first, and other tenants' waiters in turn. It is infinite if that takes more
        than a century.
        """
        return self._forecast(requests + self._queue.ahead(rank, tenant, max(1, requests)), rank)

    def waiter(self, rank: int = 0, tenant: bytes = b"") -> Waiter:
        """Return a place in the queue of a class; a lower rank goes first (`RANKS`).

        Args:
            rank: the class.
            tenant: whose request it is: the tenants of a class take turns.
        """
        return Waiter(rank, next(self._numbers), tenant)

    async def sync(self, grant: Grant | None = None) -> None:
        """Let the store write what was settled.

        Args:
            grant: permission for a request whose answer, if it has one, is where others find it, or is
                written at the same time.
        """
        if grant is not None and grant.subject is not None:
            self._store.update(lambda state: state.subjects.pop(state.settled.get(grant.ticket, 0), None))
        # On asyncio the next in the queue asks while this waits for its turn; on trio it asks after this.
        if self._queue.head is None or not in_trio():
            await self._store.sync()

    def close(self) -> None:
        """Leave the other limiters of the key all places in flight that this one had a say in."""
        number = self._sender.number
        if self._store.read(lambda state: number in state.senders):
            self._store.update(lambda state: state.senders.pop(number, None))

    async def refresh(self, *, patient: bool = False) -> None:
        """Learn what other processes have spent, where the store is shared with any.

        Args:
            patient: whether a store that is away is waited for by the next request, and not told at once.
        """
        try:
            await self._store.sync(refresh=True)
        except StateUnavailable:
            if not patient:
                raise
            self._wait_times.last = "state"  # it is what the next request would wait for

    async def set_month_used(self, used: int) -> None:
        """Take the number of requests that the service has counted in the running month."""
        await self.refresh()  # a file that is not ours is told before anything is noted for it
        now, wall = self._clock.monotonic(), self._clock.now()
        self._store.update(lambda state: state.set_month_used(used, now, wall))
        await self._store.sync()
        self._queue.wake_head()

    async def forget_limits(self) -> None:
        """Forget the limits and blocks that the server named."""
        await self.refresh()
        self._store.update(lambda state: state.forget_limits())
        await self._store.sync()
        self._queue.wake_head()

    async def acquire(
        self,
        waiter: Waiter,
        max_wait: float | None = None,
        path: str = "",
        subject: Subject | None = None,
    ) -> Grant:
        """Wait for the permission to send one request.

        Args:
            waiter: the place in the queue; one that was granted before goes to the head again.
            max_wait: seconds the caller is ready to wait; `None`: as long as the minutes take.
            path: the path that is asked.
            subject: what it asks for, where others may wait for the answer: see `asked_for`.

        Raises:
            ServerError, Unavailable, TransportError: the service, or this path of it, fails; it is the
                last failure's own error, and nothing was sent.
            BudgetExceeded: it takes longer than `max_wait`; raised at once if that is known.
            QuotaExhausted: a longer window, such as the month, is full, and does not open in time.
            UsageError: the waiter is in the queue already.
        """
        if waiter.queued:
            raise UsageError("this waiter is in the queue already: take one per request")
        deadline = math.inf if max_wait is None else self._clock.monotonic() + max_wait
        before: dict[str, float] | None = None
        waiter.path, waiter.deadline, waiter.refusal, waiter.subject = path, deadline, None, subject
        if max_wait is not None and waiter.turn is None:
            self._refuse_hopeless(waiter, max_wait)
        self._queue.join(waiter)
        try:
            # No checkpoint while a token is free: it would cost more than the whole decision, and
            # the caller is about to send, which is one.
            while True:
                taken = await self._try_take(waiter)
                if isinstance(taken, Grant):
                    if before is not None:
                        taken.waited = self._wait_times.since(before, self._clock.monotonic())
                    return taken
                if before is None:
                    before = self._wait_times.read(self._clock.monotonic())
                await self._pause(waiter, taken, deadline)
        finally:
            if waiter.queued:
                self._give_up(waiter)

    def asked_for(self, subject: Subject, grant: Grant | None = None) -> float | None:
        """Return the seconds since a request was put in flight for a subject, of whatever process.

        `None`: there is none whose answer others do not find yet, or only such that take too long.

        Args:
            subject: what is wanted.
            grant: permission for a request of one's own: those that were permitted later do not count.
        """
        now, before = self._clock.monotonic(), None if grant is None else grant.ticket
        return self._store.read(lambda state: state.asked_for(subject, now, before=before))

    def _give_up(self, waiter: Waiter) -> None:
        """Leave the queue without a token; if nobody else is in it, others need not leave us anything."""
        self._queue.leave(waiter)
        if not self._queue.count:
            self._store.update(lambda state: state.senders.want_nothing(self._sender.number))

    def rejected(self, grant: Grant, error: Throttled) -> None:
        """Correct the counts after the server rejected a request: the limit is reached (409, 429).

        Settles the grant. The window is closed until the server says it opens, a lower limit is obeyed
        at once, and one request at a time goes out until one is accepted.
        """
        grant.settle()
        now = self._clock.monotonic()
        self._store.update(lambda state: state.record_rejection(grant.ticket, error, self._plan, now))
        if error.retry_at is None and (ends := self.snapshot().blocked_until.values()):
            error.retry_at = as_datetime(max(ends))
        self._queue.wake_head()

    def failed(self, error: EnlightenError, path: str, *, attempts: int, rest: float = 0.0) -> bool:
        """Count a failure that may pass; return whether the request may be repeated by now.

        After a few failures in a row nothing more is sent but a probe now and then: whoever waits to send is
        told, and the error says until when.

        Args:
            error: the failure.
            path: the path that was asked.
            attempts: how often one request is sent at the most.
            rest: seconds for which the service asked to be left alone.
        """
        now, failure = self._clock.monotonic(), Failure.of(error)
        run = self._store.update(lambda s: s.record_failure(path, failure, now, attempts, rest))
        if run is None:
            return True
        moment = self._store.read(lambda state: state.outage_time(now))
        if run.held and run.next_at is not None and run.next_at - moment <= SHORT_REST_S:
            return True
        run.explain(error, moment, self.now())
        self._queue.refuse(lambda waiter: self._refusal(waiter.path, now))
        return False

    def give_up_queue(self, error: EnlightenError) -> None:
        """Tell those who wait for requests in flight to come back that one got no answer in time."""
        if self.waiting is not None and self.waiting.reason == "in_flight":
            self._queue.refuse(lambda _: Failure.of(error).error(f"not sent: nothing comes from it; {error}"))

    def answered(self, path: str) -> None:
        """Note that the service answered a path: it is well, and an outage is over."""
        if self._store.update(lambda state: state.record_answer(path)):
            self.reopen()

    def reopen(self) -> None:
        """Let requests go at full speed again, as an outage is over."""
        self._concurrency.reset()
        self._queue.wake_head()

    def repeat(self, share: float) -> bool:
        """Spend one of the repeats, this share of the plan's requests; return whether there was one left."""
        now, minute = self._clock.monotonic(), self._plan.allows("minute")
        if minute is None:
            return True
        allowed = max(1.0, share * minute)
        return self._store.update(lambda state: state.repeat(allowed, now))

    def _refusal(self, path: str, now: float) -> EnlightenError | None:
        """Return the error for a caller who would ask a path now, if it may not be asked."""
        run = self._store.read(lambda state: state.refused(path, now))
        return None if run is None else self.refused(run, now)

    def refused(self, run: FailureRun, now: float, opens: float = 0.0) -> EnlightenError:
        """Return the error for a caller who is refused because of failures, at a monotonic time.

        Args:
            run: the failures.
            now: that time.
            opens: server's time (epoch seconds) before which the caller could not send anyway.
        """
        return run.refusal(self._store.read(lambda state: state.outage_time(now)), self.now(), opens)

    def refusal(self, path: str, late: BudgetExceeded) -> EnlightenError:
        """Return the error for a caller who cannot wait: in an outage that is known, its last failure.

        Args:
            path: the path that would be asked.
            late: the error where the service does not fail; its `retry_at` holds for both.
        """
        now = self._clock.monotonic()
        run = self._store.read(lambda state: state.failing(path, now))
        if run is None:
            return late
        return self.refused(run, now, 0.0 if late.retry_at is None else late.retry_at.timestamp())

    def failure_since(self, began: float, text: str) -> EnlightenError | None:
        """Return the last failure, or that nothing comes, if nobody was answered since; else `None`.

        Args:
            began: monotonic time since when nobody was answered.
            text: what came of it for the caller; the failure is added.
        """
        if self.answered_at > began:
            return None
        if self._wait_times.last == "state":
            return BudgetExceeded(f"{text}: the state cannot be reached")
        last = self._store.read(lambda state: state.outage.service.last)
        if last is not None:
            return last.error(f"{text}; the last failure: {last.text}")
        in_flight = self._concurrency.count
        return RequestTimeout(f"{text}; no answer yet to {in_flight} in flight") if in_flight else None

    def overloaded(self, grant: Grant | None = None) -> None:
        """Halve the requests that may be in flight after the server said that they are too many (503).

        Args:
            grant: the request that was answered so; a burst of such answers then counts once.
        """
        self._concurrency.halve(next(_tickets), None if grant is None else grant.ticket)

    async def _try_take(self, waiter: Waiter) -> Grant | Wait | None:
        """Take a token if it is this waiter's turn; `None` if it is not."""
        if self._queue.head is not waiter:
            return None
        waiter.wants_place = not self._concurrency.enter()
        if waiter.wants_place:
            return Wait("in_flight")
        ticket, granted, wakes = next(_tickets), False, self._queue.wakes
        # A store that shares its state may take a while: the next in the queue ask it meanwhile.
        self._queue.leave(waiter, served=True)
        self._asking += 1
        try:
            plan, rank, sender = self._plan, waiter.priority, self._sender
            path, deadline, subject = waiter.path, waiter.deadline, waiter.subject
            asked = Take(ticket, plan, rank, path, sender, deadline, self._pace, subject)
            wait = await self._store.take(asked, self._clock.monotonic())
            granted = wait is None
        except BaseException:
            # A cancelled `take` may have taken: giving back what was not taken does no harm.
            unsent = Settlement(None, self._clock.monotonic())
            self._store.update(lambda state: state.settle(ticket, unsent))
            raise
        finally:
            self._asking -= 1
            if not granted:
                self._concurrency.leave()
                self._queue.offer_place()  # who became the head meanwhile may wait for it
        if wait is None:
            contended = subject is not None and self._store.read(lambda state: len(state.subjects) > 1)
            return Grant(ticket, self._settle, subject=subject, contended=contended)
        self._queue.put_back(waiter)
        if self._queue.wakes != wakes:  # the answer is of before that
            waiter.wake()
        return wait

    def _settle(self, grant: Grant, sent_at: float | None, response: Response | None) -> None:
        now = self._clock.monotonic()
        if response is None:
            settlement = Settlement(sent_at, now)
        else:
            self.answered_at = response.received_at
            settlement = Settlement(
                sent_at=response.sent_at if sent_at is None else sent_at,
                ended_at=response.received_at,
                wall=self._clock.now() - (now - response.received_at),
                landed=True,
                accepted=response.status not in TOO_MANY,
                date=response.date,
            )
        self._concurrency.leave(
            accepted=settlement.accepted and response is not None and response.status < 500
        )

        self._store.update(lambda state: state.settle(grant.ticket, settlement))
        grant.failing, warning = self._store.read(
            lambda state: (state.outage is not CALM, state.usage_warning(self._plan, now))
        )
        if warning is not None and self._store.update(lambda state: state.record_warning(warning)):
            self._log.usage(warning, self.now())
        self._queue.wakes += 1
        if self._queue.count:
            self._queue.wake_head()

    async def _pause(self, waiter: Waiter, wait: Wait | None, deadline: float) -> None:
        """Wait until it makes sense to ask again; raise if that is too late, or if it was in vain."""
        now = self._clock.monotonic()
        self._refuse_late(waiter, wait, deadline, now)
        until = deadline
        if wait is not None:
            until = min(deadline, math.inf if wait.at is None else wait.at)
            if wait.in_flight > self._concurrency.count - self._asking:
                # Another client's response may end the wait, and it may live in another thread or
                # process, which cannot wake us.
                until = min(until, now + IN_FLIGHT_POLL_S)
            self._wait_times.start(wait, now)
            self._log.waiting(wait, (math.inf if wait.at is None else wait.at) - now, self._queue.count)
        try:
            await self._woken(waiter, until - now)
        finally:
            if wait is not None:
                self._wait_times.stop(wait, self._clock.monotonic())
        if waiter.refusal is not None:
            raise waiter.refusal

    async def _woken(self, waiter: Waiter, seconds: float) -> None:
        if seconds == math.inf:
            await waiter.woken()
            return
        with self._clock.move_on_after(max(0.0, seconds)):
            await waiter.woken()

    def _refuse_late(self, waiter: Waiter, wait: Wait | None, deadline: float, now: float) -> None:
        """Raise if the wait is known to end too late for the caller, or if the service fails."""
        if wait is not None and wait.failures is not None:
            at = math.inf if wait.at is None else wait.at
            if not wait.failures.held or at > min(now + SHORT_REST_S, deadline):
                raise self.refused(wait.failures, now)
        if wait is None or not wait.certain:
            if now >= deadline:
                state = ": the state cannot be reached" if wait is not None and wait.reason == "state" else ""
                again = as_datetime(self.ready_at(0, waiter.priority, waiter.tenant))
                late = BudgetExceeded(f"no request may be sent within max_wait{state}", retry_at=again)
                raise self.refusal(waiter.path, late)
            return
        at = math.inf if wait.at is None else wait.at
        unlimited = deadline == math.inf
        if at <= (now + DEFAULT_MAX_WAIT_S if unlimited else deadline):
            return
        if unlimited and self._may_have_opened(wait):
            return
        retry_at = None if wait.until is None else as_datetime(wait.until)
        if wait.reason == "pace" or (wait.period in {MINUTE.name, RETRY_AFTER} and not unlimited):
            why = "longer than max_wait" if wait.period else "the month is spent evenly (pace)"
            late = BudgetExceeded(
                f"the next request may be sent in {at - now:.1f} s: {why}", retry_at=retry_at
            )
            raise self.refusal(waiter.path, late)
        used_up = f"the quota of this {wait.period} is used up{_reserve_note(wait.reserved)}"
        raise QuotaExhausted(
            _CAUSES.get(wait.period, used_up),
            period={RETRY_AFTER: "", UNKNOWN_MONTH: MONTH.name}.get(wait.period, wait.period),
            limit=wait.limit,
            retry_at=retry_at,
        )

    def _may_have_opened(self, wait: Wait) -> bool:
        """Tell whether a window may be open by now, and only our doubt about the time holds back.

        After days without a response that doubt has grown to minutes. An error would name a moment that
        has passed; so it is waited out.
        """
        return wait.until is not None and self.now() >= wait.until

    def _refuse_hopeless(self, waiter: Waiter, max_wait: float) -> None:
        """Raise if so many are ahead in the queue that it takes longer than the caller waits."""
        ahead = self._queue.ahead(waiter.priority, waiter.tenant)
        # The head's wait is known better, and before the first response the time is not known at all.
        if not ahead or self.answered_at == -math.inf:
            return
        opens = self._forecast(ahead + 1, waiter.priority)
        if opens - self.now() > max_wait:
            late = BudgetExceeded(
                f"{ahead} {'request is' if ahead == 1 else 'requests are'} ahead in the queue: the wait is "
                "longer than max_wait",
                retry_at=as_datetime(opens),
            )
            raise self.refusal(waiter.path, late)

    def _forecast(self, requests: int, rank: int) -> float:
        now, wall = self._clock.monotonic(), self._clock.now()
        plan, paced = self._plan, self._pace
        return self._store.read(lambda state: state.ready_at(plan, requests, now, wall, rank, paced=paced))


def _reserve_note(reserved: int) -> str:
    """Return a note on requests that are held back, if any are."""
    return f", but for {reserved} requests held back for those who go first" if reserved else ""
