"""KeyState: the counts, learned limits and server time of one API key. The rule behind every `QuotaStore`.

No I/O and no clock in here: every time is passed in, so that a store in memory, in a file or on a
server can take the same decision inside its own lock or transaction. Without a file the state lives in
memory, and is neither loaded nor dumped.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from attrs import evolve
from msgspec.structs import replace

from enlighten_async.limiter.bucket import (
    MINUTE,
    MONTH,
    PERIOD_END_TOLERANCE_S,
    PERIODS_S,
    UNKNOWN_MONTH,
    WARNING_SHARES,
    Blocks,
    Limits,
    Pace,
    UsageWarning,
    forecast,
    usage_warning,
)
from enlighten_async.limiter.decision import LONG_WAIT_S, KeySnapshot, Settlement, Take, Wait
from enlighten_async.limiter.outage import CALM, RENEWAL, TOKENS, Failure, FailureRun
from enlighten_async.limiter.plan import Reservations
from enlighten_async.limiter.queue import LIVE_S, Senders
from enlighten_async.limiter.record import (
    LOOSE_S,
    ClockReading,
    MinuteLog,
    PendingRequest,
    Record,
)
from enlighten_async.limiter.server_clock import DATE_SLACK_S, FAR_S, ServerClock, from_peer

if TYPE_CHECKING:
    from enlighten_async.errors import Throttled
    from enlighten_async.limiter.bucket import Paced, Rule, TokenBucket
    from enlighten_async.limiter.decision import Subject
    from enlighten_async.limiter.plan import Plan
    from enlighten_async.limiter.record import LiveSender
    from enlighten_async.state import Moment

GUARD_S = 1.0
"""Seconds by which `Date` and the clock of the server's counter are taken to differ."""
LATE_COUNT_S = 5.0
"""Seconds for which a request given up may still be counted after that."""
WAKE_MARGIN_S = 0.001
"""Seconds added to a wait, so that rounding never wakes the waiter just too early."""
PRIORITY_POLL_S = 0.25
"""Seconds after which a request that lets a class above go first asks again."""
CLOCK_POLL_S = 1.0
"""Seconds after which a process that does not know the server's time asks again: others may write it down."""
PLACE_POLL_S = 0.1
"""Seconds after which a request asks again for one of the places in flight: others may leave one."""
ANSWER_S = 5.0
"""Seconds for which the answer to a request of another process is waited for; that may have ended by then."""
MAX_SETTLED = 64
"""Requests settled last whose numbers are remembered: their rejections may still have to be recorded."""


class KeyState:
    """The state of one key. Not thread-safe: the store that owns it sees to that.

    Requests of this process go by its own tickets, unique in it; in the record each has a number of its own.
    Of all methods, `plan` is the caller's, `now` its monotonic time, `wall` the local wall clock's (epoch
    seconds), and `rank` its class: how many classes go before it.

    Args:
        life: seconds after which no response to a request can come any more, and it is counted nowhere.
    """

    is_read = True
    """Whether what others have counted is known: it has been read once, or there are no others."""

    def __init__(self, life: float = math.inf) -> None:
        self.life = life
        self.clock = ServerClock()
        """The server's time."""
        self.paced: Paced = 0.0, 0.0
        """The time of the month that the paced requests have taken."""
        self.outage = CALM
        """The failures of the service in a row, and when the next request may go."""
        self.senders = Senders()
        """The limiters that live."""
        # The same in the server's time, until that is known.
        self._senders_elsewhere: dict[int, LiveSender] = {}
        # The requests of the last minute (by the backend's wall clock), while the server's minutes may begin
        # at any second; None: they are known by its Date.
        self._recent: MinuteLog | None = None
        self._charged: dict[str, dict[int, int]] = {MINUTE.name: {}, MONTH.name: {}}
        self._blocks, self._limits, self._reservations = Blocks(), Limits(), Reservations()
        self._elsewhere = 0, 0  # a month, and how many of its charged requests only the user has told of
        self._warned = 0, 0.0  # the month of the last usage warning, and its share
        self._pending: dict[int, PendingRequest] = {}  # in flight, by number, of all processes
        self.newest = 0
        """The highest number given to a request so far: a record with a lower one has lost some."""
        # Requests up to this number prove nothing about the limit; None: no doubt.
        self._doubt: int | None = None
        # Sent, never answered, and no response has told the time yet: their windows are not known.
        self._unplaced: deque[Settlement] = deque()
        # Known to this process only:
        self.own: dict[int, int] = {}  # numbers of its requests in flight, by ticket
        self.settled: dict[int, int] = {}  # the same of those settled last
        self.subjects: dict[int, tuple[Subject, float]] = {}  # as in the record
        self._seen: dict[int, float] = {}  # since when (monotonic) a request is known to be in flight
        self._reading: ClockReading | None = None
        self._reading_due = False  # whether a response has told the time since the record was loaded
        self._read_at: float | None = None  # monotonic time when the record was loaded last
        # Seconds more that have passed by the wall clock alone, until a response tells the time. They count
        # for months, which would not open after days asleep, but not for a minute.
        self._by_wall = 0.0
        self._ahead = 0.0  # seconds by which the backend's wall clock is ahead of the monotonic one
        # Until when (that clock) the minute is taken to be full, and until when nobody knows the month's use.
        self._unknown = 0.0, 0.0

    def __repr__(self) -> str:
        return f"<KeyState charged={self._charged} in_flight={len(self._pending)}>"

    # Taking and settling

    def take(self, asked: Take, now: float) -> Wait | None:
        """Put a request in flight and return `None`, or return the reason why it has to wait."""
        rank, path, sender, in_flight = asked.rank, asked.path, asked.sender, len(self._pending)
        wait = None if self.outage is CALM else self._outage_wait(path, now)
        if wait is not None:
            return wait
        if in_flight and self._doubt is not None:  # nothing more may leave while something is in flight
            wait = Wait("doubt", in_flight=in_flight)
        else:
            wait = self._window_wait(asked, now)
        live = self.senders.get(sender.number)
        alone = live is not None and len(self.senders) == 1 and now < live.until - LIVE_S / 2
        if wait is None and sender.most and (in_flight or not alone):
            wait = self._sender_wait(asked, now)
        if wait is None:
            if rank or self.outage is not CALM or self._reservations.spans:
                self._note_admitted(asked, now)
            self.admit(asked.ticket, now, most=sender.most)
            if asked.subject is not None:
                self.subjects[self.newest] = asked.subject, now + self._ahead
        elif wait.reason != "priority":
            self._reservations.reserve(rank, wait.at, now)
            self.senders.keep_waiting(asked, wait, now, self._server_ahead, self.life)
        return wait

    def admit(self, ticket: int, now: float, request: PendingRequest | None = None, most: int = 0) -> None:
        """Put a request of this process, known or new, in flight, whatever the counts say."""
        self.newest = number = self.newest + 1
        if request is not None:
            request = replace(request, number=number)
        elif self.clock.known:
            until = self.clock.latest(now) + GUARD_S + self.life
            request = PendingRequest(number, self._earliest(now), until, self.life, most)
        else:
            request = PendingRequest(number, None, None, self.life, most)
        self._pending[number], self.own[ticket] = request, number

    def asked_for(self, subject: Subject, now: float, *, before: int | None = None) -> float | None:
        """Return the seconds since a request was put in flight for the beginning of a subject.

        `None`: there is none whose answer others do not find yet, or only such that take too long.

        Args:
            subject: what is wanted.
            now: monotonic time.
            before: the ticket of a request in flight: only those count that were put in flight before it.
        """
        newest = self.newest if before is None else self.own.get(before, 0) - 1
        found = (
            now + self._ahead - asked_at
            for number, (each, asked_at) in self.subjects.items()
            if number <= newest and each.begins(subject)
        )
        return max((seconds for seconds in found if _may_be_answered(seconds)), default=None)

    def _note_admitted(self, asked: Take, now: float) -> None:
        """Note what a request that is about to be admitted means for later ones."""
        if self.outage is not CALM:
            self.outage = self.outage.sent(asked.path, self.newest + 1, now + self._ahead)
        self._reservations.release(asked.rank)
        pace = self.pace(asked.plan, now) if asked.pace and asked.rank else None
        if pace is not None:
            self.paced = pace.after(self.paced)

    def settle(self, ticket: int, settlement: Settlement) -> None:
        """Take a request out of flight and charge it; nothing happens if it is not in flight."""
        number = self.own.pop(ticket, None)
        if number is None:
            return
        self.settled[ticket] = number
        if len(self.settled) > MAX_SETTLED:
            del self.settled[next(iter(self.settled))]
        # Another process may have taken it for dead, and charged it: it has ended later than that.
        self._pending.pop(number, None)
        if settlement.sent_at is None:
            self.unsent(number, settlement.ended_at)
            return
        if settlement.landed:
            self._observe(settlement, settlement.sent_at)
        if settlement.accepted and (self._doubt is not None or self._limits.learned):
            self._note_accepted(number, settlement.ended_at)
        if not self.clock.known:
            self._keep_unplaced(settlement)
            return
        self._charge(settlement, settlement.sent_at)
        if self._unplaced:
            self._place()

    def record_rejection(self, ticket: int, error: Throttled, plan: Plan, now: float) -> None:
        """Learn from the server's rejection of a request, settled before, that a limit is reached."""
        number, period = self.settled.get(ticket, self.newest), error.period or MINUTE.name
        # The rest of a burst is rejected for the same cause: only its first says something new.
        news, again = self._doubt is None or number > self._doubt, self._doubt is not None
        latest = self.clock.latest(now) if self.clock.known else 0.0
        lowered = self._limits.learn(period, error.limit, plan, latest)
        self._doubt = self.newest
        if period == MINUTE.name and not lowered and (news or self._recent is not None):
            self._contradicted(number, error.limit, plan, now, news=news)
        if self.clock.known:
            self._blocks.add(error, plan, self._earliest(now), latest, news=news, again=again)

    def _contradicted(self, number: int, named: int | None, plan: Plan, now: float, *, news: bool) -> None:
        """Note that a request was rejected though the minute had room for it, as far as is known.

        Either the server's minutes begin at another second, or they allow less; or others use the key.

        Args:
            number: the request's number.
            named: the limit that the server named; it is not lower than the one in force.
            plan: the caller's.
            now: monotonic time.
            news: whether the request left after the last rejection.
        """
        recent = self._loosen(now, LOOSE_S if news else 0.0)
        self._recent = recent = recent.discard()  # a minute that is full does not count it
        answered = recent.used(now + self._ahead)
        if not news:
            self._limits.correct(number, answered)
        elif named is None and self.clock.known:
            self._limits.infer(answered, plan, self.clock.latest(now), self.newest)

    def _note_accepted(self, number: int, now: float) -> None:
        """Take back what was concluded from rejections, as far as an answer that is not one disproves it."""
        if self._doubt is not None and number > self._doubt:
            self._doubt = None
            self._blocks.accepted()
        if self._recent is not None and self.clock.known:
            minute = MINUTE.used(self._charged[MINUTE.name], self._earliest(now))
            answered = min(minute, self._recent.used(now + self._ahead)) + 1
            self._limits.correct(number, answered)
            self._limits.rise(answered, self.clock.latest(now))

    def set_month_used(self, used: int, now: float, wall: float) -> None:
        """Take the number of requests that the service has counted in the running month, by the user's word.

        It replaces an earlier word, and never lowers what the key is known to have sent by these counts.
        """
        month, charged = MONTH.index(self.now(now, wall)), self._charged[MONTH.name]
        told = self._elsewhere[1] if self._elsewhere[0] == month else 0
        own = charged.get(month, 0) - told
        charged[month] = max(own, used)
        self._unknown = self._unknown[0], self._unknown[0]
        self._elsewhere = month, charged[month] - own

    def forget_limits(self) -> None:
        """Forget the limits and blocks that the server named; the counts stay."""
        self._limits, self._blocks, self._doubt = Limits(), Blocks(), None

    # Failures

    def record_failure(
        self, path: str, failure: Failure, now: float, attempts: int, rest: float = 0.0
    ) -> FailureRun | None:
        """Count a failure that may pass; return the run because of which nothing more is sent, if so.

        Args:
            path: the path that was asked.
            failure: the failure.
            now: when it came.
            attempts: how often one request is sent at the most.
            rest: seconds for which the service asked to be left alone.
        """
        moment = now + self._ahead
        self.outage = self.outage.failed(path, failure, moment, attempts, rest)
        return self.outage.closed(path, moment)

    def record_answer(self, path: str) -> bool:
        """Note that the service answered; return whether that ends an outage."""
        before, self.outage = self.outage, self.outage.answered(path)
        if self.outage == CALM:
            self.outage = CALM
        return before.service.next_at is not None

    def begin_renewal(self, now: float) -> FailureRun | None:
        """Let a request for tokens through, or return the failures because of which it may not be sent."""
        closed = self.refused(TOKENS, now)
        if closed is None and self.outage is not CALM:
            self.outage = self.outage.sent(TOKENS, RENEWAL, now + self._ahead)
        return closed

    def record_renewal(self, now: float) -> bool:
        """Note that the service answered a request for tokens; return whether others were refused for it."""
        before, self.outage = self.outage, self.outage.renewed(now + self._ahead)
        if self.outage == CALM:
            self.outage = CALM
        return before is not self.outage

    def refused(self, path: str, now: float) -> FailureRun | None:
        """Return the failures because of which a path may not be asked now, if there are any."""
        return None if self.outage is CALM else self.outage.closed(path, now + self._ahead)

    def failing(self, path: str, now: float) -> FailureRun | None:
        """Return the failures of which a caller of a path is told who cannot wait, if there are any."""
        return None if self.outage is CALM else self.outage.lasting(path, now + self._ahead)

    def repeat(self, allowed: float, now: float) -> bool:
        """Spend one of the repeats that are allowed in a minute; return whether there was one left."""
        after = self.outage.repeated(allowed, now + self._ahead)
        self.outage = self.outage if after is None else after
        return after is not None

    def unsent(self, number: int, now: float) -> None:
        """Let another request be the probe, if this one was it; nobody waits for its answer."""
        self.subjects.pop(number, None)
        if self.outage is not CALM:
            self.outage = self.outage.unsent(number, now + self._ahead)

    def outage_time(self, now: float) -> float:
        """Return a monotonic time on the clock of `outage`."""
        return now + self._ahead

    # What is left

    def now(self, now: float, wall: float) -> float:
        """Return the latest the server's time can be (epoch seconds); the wall clock's until it is known."""
        return self.clock.latest(now) if self.clock.known else wall

    def left(self, plan: Plan, now: float, rank: int = 0, *, latest: bool = False) -> dict[str, int]:
        """Return the requests left to a class at the least in the running windows, by period.

        Args:
            plan: the caller's.
            now: monotonic time.
            rank: the class.
            latest: whether a window is taken to have begun as soon as it may have, if the time is known.
        """
        earliest = self.clock.latest(now) if latest and self.clock.known else self._earliest(now)
        moments = {MINUTE.name: earliest, MONTH.name: earliest + self._by_wall}
        spent = len(self._pending) + len(self._unplaced)
        charged = self._charged if self._recent is None else self._charged_lately(self._recent, earliest, now)
        blocked = set(self._blocks.binding(plan, moments)) if self._blocks.ends else set()
        unknown = self._unknown_wait(plan, now) if self._unknown[1] else None
        if unknown is not None:
            blocked.add(unknown.reason)
        if blocked:
            blocked.add(MINUTE.name)  # whatever else is blocked, nothing can be sent in this minute
        return {
            name: 0
            if name in blocked
            else max(0, rule.room - spent - rule.bucket.used(charged[name], moments[name]))
            for rule in self._limits.rules(plan, rank, moments[MONTH.name])
            for name in (rule.bucket.name,)
        }

    def pace(self, plan: Plan, now: float) -> Pace | None:
        """Return the even spending of the month; `None` if it has no limit or no rest, or is not known."""
        moment, limits = self._earliest(now) + self._by_wall, self._limits.in_force(plan)
        limit = limits.get(MONTH.name)
        if limit is None or not moment:
            return None
        left = limit - len(self._pending) - MONTH.used(self._charged[MONTH.name], moment)
        return Pace(moment, limit, left, limits.get(MINUTE.name, math.inf)) if left > 0 else None

    def ready_at(
        self, plan: Plan, requests: int, now: float, wall: float, rank: int = 0, *, paced: bool = False
    ) -> float:
        """Return the server's time (epoch seconds) by when so many more of a class would be granted."""
        rooms = {rule.bucket.name: rule.room for rule in self._limits.rules(plan, rank)}
        left = self.left(plan, now, rank, latest=True)
        if rank and MONTH.name in left:  # what is held back today comes free in time
            rooms[MONTH.name] = self._limits.in_force(plan)[MONTH.name]
            left[MONTH.name] = self.left(plan, now, latest=True)[MONTH.name]
        opens = max(self.snapshot(plan, now).blocked_until.values(), default=0.0)
        pace = self.pace(plan, now) if paced and rank and requests else None
        opens = opens if pace is None else max(opens, pace.opens_at(self.paced, requests))
        return max(opens, forecast(requests, self.now(now, wall), left, rooms, rank))

    def snapshot(self, plan: Plan, now: float) -> KeySnapshot:
        """Return the counts at this moment."""
        known, earliest = self.clock.known, self._earliest(now)
        moments = {MINUTE.name: earliest, MONTH.name: earliest + self._by_wall}
        spent = len(self._pending) + len(self._unplaced)
        charged = self._charged if self._recent is None else self._charged_lately(self._recent, earliest, now)
        return KeySnapshot(
            used={b.name: spent + b.used(charged[b.name], moments[b.name]) for b in (MINUTE, MONTH)},
            limits=self._limits.in_force(plan),
            learned=self._limits.binding,
            blocked_until=self._blocks.waits(plan, moments),
            in_flight=len(self._pending),
            knows_month=now >= self._unknown[1] - self._ahead or self._unknown[1] <= self._unknown[0],
            earliest=earliest if known else None,
            latest=self.clock.latest(now) if known else None,
        )

    def usage_warning(self, plan: Plan, now: float) -> UsageWarning | None:
        """Return the warning that most of the month is used up, if it is due; each stage is once a month."""
        rules, charged = self._limits.rules(plan, 0), self._charged[MONTH.name]
        limit = rules[0].limit if rules and rules[0].bucket is MONTH else None
        # Asked after each request: the common answer must come before any look at the calendar.
        if limit is None or max(charged.values(), default=0) < WARNING_SHARES[-1] * limit:
            return None
        warning = usage_warning(charged, limit, self._earliest(now))
        return None if warning is None or (warning.month, warning.share) <= self._warned else warning

    def record_warning(self, warning: UsageWarning) -> bool:
        """Note that a warning is given; `False`: another client of the store has given it."""
        before, self._warned = self._warned, max(self._warned, (warning.month, warning.share))
        return self._warned > before

    # The record

    def fork(self) -> KeyState:
        """Return a copy that goes its own way."""
        other = KeyState.__new__(KeyState)
        vars(other).update(vars(self))  # `copy` takes as long as all the rest
        other._charged = {period: dict(windows) for period, windows in self._charged.items()}
        other._blocks, other._unplaced = self._blocks.copy(), deque(self._unplaced)
        other._limits = self._limits.with_learned(self._limits.learned)
        other._reservations = Reservations(dict(self._reservations.spans))
        other._pending, other._seen = dict(self._pending), dict(self._seen)
        other.subjects = dict(self.subjects)
        other.senders = Senders(self.senders)
        other.own, other.settled = dict(self.own), dict(self.settled)
        return other

    def load(self, record: Record, now: float, moment: Moment) -> None:
        """Take over the record, which all processes have written, as of a moment of the backend it is in."""
        wall = moment.wall
        self._hear(record.reading, now, moment)
        self._charged = {name: dict(record.charged.get(name, {})) for name in (MINUTE.name, MONTH.name)}
        heard, month = dict(record.heard), record.learned.get(MONTH.name)
        if month is not None and month.believed:  # earlier versions wrote down no more of the plan
            heard.setdefault(MONTH.name, (None, month.believed))
        self._blocks = Blocks(dict(record.blocked), heard, record.unnamed, record.probe_at, record.named)
        self.newest, self._doubt, self._warned = record.newest, record.doubt, record.warned
        self._elsewhere, self._unknown = record.elsewhere, record.unknown
        self.paced = record.paced_until, record.paced_interval
        self._pending = {request.number: request for request in record.pending}
        self._seen = {
            number: self._seen.get(number, now - _age(each.written, wall))
            for number, each in self._pending.items()
        }
        # Persisted times are the wall clock's: another process's monotonic clock is another.
        self.outage, self._ahead = CALM if record.outage == CALM else record.outage, wall - now
        self.subjects = {
            number: each for number, each in record.subjects.items() if _may_be_answered(wall - each[1])
        }
        self._recent = record.recent and record.recent.not_later(wall + LATE_COUNT_S)
        earliest = self._earliest(now)
        learned = {name: each for name, each in record.learned.items() if each.until > earliest}
        self._limits = self._limits.with_learned(learned)
        self._reservations.spans = self._shifted(record.reservations, -1)
        ahead = self._server_ahead
        self._senders_elsewhere = {} if self.clock.known else record.senders
        living = {} if ahead is None else {n: each.shifted(-ahead) for n, each in record.senders.items()}
        self.senders = Senders((n, each) for n, each in living.items() if each.until > now)
        while len(self._unplaced) > record.unplaced:
            self._unplaced.popleft()
        while len(self._unplaced) < record.unplaced:
            self._unplaced.append(_any_time_before(now - _age(record.unplaced_at, wall)))
        if self.clock.known:
            self._place()
        self.expire(now)

    def dump(self, now: float, moment: Moment) -> Record:
        """Return the record of this state, for a backend at a moment of its own."""
        wall = moment.wall
        if self._reading_due:
            number = 1 if self._reading is None else self._reading.number + 1
            least, most = self.clock.earliest(now) - moment.age_s, self.clock.latest(now)
            self._reading = ClockReading(number, least, most, self.clock.guessed, moment.steady, wall)
            self._reading_due = False
        ahead = self._server_ahead
        living = {} if ahead is None else {n: each.shifted(ahead) for n, each in self.senders.items()}
        return Record(
            charged={period: dict(windows) for period, windows in self._charged.items()},
            blocked=dict(self._blocks.ends),
            learned=dict(self._limits.learned),
            pending=tuple(
                each if each.until or each.written else replace(each, written=wall)
                for each in self._pending.values()
            ),
            unplaced=len(self._unplaced),
            unplaced_at=round(wall - now + max(each.ended_at for each in self._unplaced))
            if self._unplaced
            else 0.0,
            newest=self.newest,
            doubt=self._doubt,
            recent=self._recent,
            reading=self._reading,
            reservations=self._shifted(self._reservations.spans, 1),
            warned=self._warned,
            heard=dict(self._blocks.heard),
            unnamed=self._blocks.unnamed,
            probe_at=self._blocks.probe_at,
            named=self._blocks.named,
            elsewhere=self._elsewhere,
            unknown=self._unknown,
            outage=self.outage,
            senders=self._senders_elsewhere | living,
            paced_until=self.paced[0],
            paced_interval=self.paced[1],
            subjects=dict(self.subjects),
        )

    def begin(self, now: float, moment: Moment) -> None:
        """Begin where no record is.

        A backend that is not durable may have lost it: then nobody knows what others have spent, unless this
        process knows what was spent.
        """
        self._ahead = moment.wall - now
        if not moment.durable and not self.newest and not self._charged[MONTH.name]:
            minute = moment.wall + PERIODS_S[MINUTE.name] + LATE_COUNT_S
            month = MONTH.start(MONTH.index(moment.wall) + 1) + PERIOD_END_TOLERANCE_S
            self._unknown = minute, max(minute, month)

    def move(self, record: Record | None, now: float, moment: Moment) -> None:
        """Load the record of another backend than before, or one that has gone back, or begin one.

        What is known is added to it.
        """
        own = {ticket: self._pending.get(number) for ticket, number in self.own.items()}
        known = replace(self.dump(now, moment), pending=())
        self._reading = self._read_at = None
        self.load(known if record is None else record.merged(known), now, moment)
        self.own = {}
        for ticket, request in own.items():
            self.admit(ticket, now, request or PendingRequest(0, None, None, self.life))

    def expire(self, now: float) -> None:
        """Charge the requests that nobody can settle any more: their processes have ended."""
        earliest, own = self._earliest(now), set(self.own.values())
        for request in [request for number, request in self._pending.items() if number not in own]:
            over = request.until is not None and request.until < earliest
            if over or self._seen.get(request.number, now) + request.life < now:
                del self._pending[request.number]
                self._give_up(request, now)

    # How it is decided

    def _outage_wait(self, path: str, now: float) -> Wait | None:
        """Return the wait of a request while failures last: until a probe may go, or fewer are in flight."""
        run, in_flight = self.outage.closed(path, now + self._ahead), len(self._pending)
        if run is None:
            return Wait("in_flight", in_flight=in_flight) if in_flight >= self.outage.room else None
        at = None if run.next_at is None else run.next_at - self._ahead
        return Wait("outage", at, certain=True, in_flight=in_flight, failures=run)

    def _unknown_wait(self, plan: Plan, now: float) -> Wait | None:
        """Return the wait of a request because of counts that are lost."""
        minute, month = (until - self._ahead for until in self._unknown)
        if now < month and month > minute and plan.allows(MONTH.name) is not None:
            return Wait(MONTH.name, month, self._unknown[1], True, len(self._pending), UNKNOWN_MONTH)
        if now < minute and plan.allows(MINUTE.name) is not None:
            return Wait(MINUTE.name, minute, None, True, len(self._pending), MINUTE.name)
        return None

    def _earliest(self, now: float) -> float:
        """Return the earliest moment (server's time) that the counter may be at; 0 while nothing is known."""
        return max(0.0, self.clock.earliest(now) - GUARD_S)

    def _monotonic_at(self, server_time: float | None, period: str) -> float | None:
        """Return the monotonic time from when the server's time cannot be before this, as to a period."""
        if server_time is None:
            return None
        passed = 0.0 if period == MINUTE.name else self._by_wall
        return self.clock.monotonic_at(server_time + GUARD_S - passed) + WAKE_MARGIN_S

    def _window_wait(self, asked: Take, now: float) -> Wait | None:
        """Return the longest wait for a window with room, or for a class above that has the first claim.

        Of two windows to wait for the longer wait matters, and so does the wait of what is paced.
        """
        plan, rank = asked.plan, asked.rank
        unknown = self._unknown_wait(plan, now) if self._unknown[1] else None
        if unknown is not None:
            return unknown
        earliest, in_flight = self._earliest(now), len(self._pending)
        moments = {MINUTE.name: earliest, MONTH.name: earliest + self._by_wall}
        waits: list[Wait] = []
        if self._blocks.ends:
            waits = [self._blocked_wait(*each) for each in self._blocks.waits(plan, moments).items()]
        for rule in self._limits.rules(plan, rank, moments[MONTH.name]):
            name, unplaced = rule.bucket.name, self._unplaced_in(rule.bucket, now) if self._unplaced else ()
            if len(unplaced) >= rule.room:
                waits.append(self._unplaced_wait(rule, unplaced))
                continue
            if rule.bucket is MINUTE and self._recent is not None:
                waits += self._recent_waits(self._recent, rule, now)
                continue
            spent = in_flight + len(unplaced)
            opening = rule.bucket.opening(self._charged[name], spent, moments[name], rule.room)
            if opening is not None:
                until = rule.opens_at(opening, self._charged[name], spent)
                certain, limit = opening.certain, rule.limit
                reason, at = "in_flight" if until is None else name, self._monotonic_at(until, name)
                waits.append(Wait(reason, at, until, certain, in_flight, name, limit, rule.reserved))
        waits += self._pace_waits(plan, now) if rank and asked.pace else ()
        if not waits:
            return self._priority_wait(now, rank) if rank else None
        wait = max(waits, key=_by_length)
        return wait if self._read_at is None or self.clock.known else _rechecked(wait, now)

    def _recent_waits(self, recent: MinuteLog, rule: Rule, now: float) -> Sequence[Wait]:
        """Return the wait of a request until the last sixty seconds have room for it, if they have none."""
        moment, in_flight = now + self._ahead, len(self._pending)
        opening = recent.opening(in_flight + len(self._unplaced), moment, rule.room)
        if opening is None:
            return ()
        name, limit = rule.bucket.name, rule.limit
        if opening.at is None:
            return (Wait("in_flight", None, None, False, in_flight, name, limit, rule.reserved),)
        at = opening.at - self._ahead + WAKE_MARGIN_S
        until = self.clock.latest(at) if self.clock.known else None
        return (Wait(name, at, until, opening.certain, in_flight, name, limit, rule.reserved),)

    def _pace_waits(self, plan: Plan, now: float) -> Sequence[Wait]:
        """Return the wait of a request until the month's even spending has come to it, if it has not."""
        pace = self.pace(plan, now)
        opens = 0.0 if pace is None else pace.opens_at(self.paced)
        if pace is None or opens <= pace.moment:
            return ()
        at = self._monotonic_at(opens, MONTH.name)
        return (Wait("pace", at, opens, True, len(self._pending), limit=pace.limit),)

    def _priority_wait(self, now: float, rank: int) -> Wait | None:
        """Return the wait for a class above that has the first claim on the token."""
        until = self._reservations.held_until(rank, now)
        if until is None:
            return None
        return Wait("priority", min(until, now + PRIORITY_POLL_S), in_flight=len(self._pending))

    def _sender_wait(self, asked: Take, now: float) -> Wait | None:
        """Return the wait of a limiter for a place in flight, or until others have as much of the minute."""
        in_flight, ahead = len(self._pending), self._server_ahead
        if in_flight >= self.senders.places(asked, (each.most for each in self._pending.values()), now):
            return Wait("in_flight", now + PLACE_POLL_S, in_flight=in_flight)
        owed = 0 if ahead is None else self.senders.owed(asked, now, ahead)
        if owed and self._left_of_minute(asked, now) <= owed:
            return Wait("turn", now + PLACE_POLL_S, in_flight=in_flight)
        self.senders.admit(asked, now, ahead, self.life)
        return None

    def _left_of_minute(self, asked: Take, now: float) -> float:
        """Return the requests that are left to the asker's class in the minute; the time is known."""
        rule = self._limits.rules(asked.plan, asked.rank, self._earliest(now))[-1:]
        if not rule or rule[0].bucket is MONTH:
            return math.inf
        used = MINUTE.used(self._charged[MINUTE.name], self._earliest(now))
        return rule[0].room - len(self._pending) - used

    def _blocked_wait(self, period: str, until: float) -> Wait:
        """Return the wait for a window that the server said is full."""
        reason = period if period == MONTH.name else "throttled"
        if period == MONTH.name and self._blocks.probe_at:
            period = ""  # the service has not named it
        limit, in_flight = self._limits.binding.get(period), len(self._pending)
        return Wait(reason, self._monotonic_at(until, period), until, True, in_flight, period, limit)

    def _unplaced_in(self, bucket: TokenBucket, now: float) -> Sequence[Settlement]:
        """Return the requests without a response that the running window may have counted, oldest first."""
        since = now - LATE_COUNT_S - PERIODS_S[bucket.name]
        return [each for each in self._unplaced if each.ended_at > since]

    def _unplaced_wait(self, rule: Rule, unplaced: Sequence[Settlement]) -> Wait:
        """Return the wait for a window that is full if it counted all requests without a response."""
        name, at = rule.bucket.name, None
        if rule.bucket is MINUTE:
            # The last so many fit in one minute, unless the first of them is more than a minute old.
            at = unplaced[-rule.room].ended_at + LATE_COUNT_S + PERIODS_S[name] + WAKE_MARGIN_S
        return Wait(name, at, None, True, len(self._pending), name, rule.limit, rule.reserved)

    # How it is charged

    def _charge(self, settlement: Settlement, sent_at: float) -> None:
        """Count a request in every window that may hold the moment at which the server counted it."""
        first, last = self._earliest(sent_at), self.clock.latest(settlement.ended_at)
        if not settlement.landed:
            last += LATE_COUNT_S
        elif settlement.date is not None and settlement.date + 1 + DATE_SLACK_S >= first:
            # The service counts before it answers, so not after the second of the response's Date.
            last = min(last, settlement.date + 1 + DATE_SLACK_S)
        oldest = self.clock.earliest(settlement.ended_at) - GUARD_S
        if self._recent is not None:
            ended = settlement.ended_at + self._ahead
            self._recent = self._recent.add(ended if settlement.landed else ended + LATE_COUNT_S, ended)
        for bucket in (MINUTE, MONTH):
            bucket.charge(self._charged[bucket.name], first, last + GUARD_S, oldest)

    def _keep_unplaced(self, settlement: Settlement) -> None:
        """Keep a request without a response for as long as it may count in a month."""
        self._unplaced.append(settlement)
        while self._unplaced[0].ended_at < settlement.ended_at - PERIODS_S["month"] - LATE_COUNT_S:
            self._unplaced.popleft()

    def _place(self) -> None:
        """Charge the requests without a response, now that the server's time is known."""
        while self._unplaced:
            settlement = self._unplaced.popleft()
            self._charge(settlement, settlement.sent_at or settlement.ended_at)

    def _give_up(self, request: PendingRequest, now: float) -> None:
        """Charge a request that nobody can settle any more to all windows it may have fallen in."""
        known, since, until = self.clock.known, request.since, request.until
        latest = self.clock.latest(now) + GUARD_S if known else math.inf
        if since is None or until is None:
            if not known:
                over = self._seen.get(request.number, now) + request.life
                self._unplaced.append(_any_time_before(min(now, over)))
                return
            since, until = self._earliest(self._seen.get(request.number, now)), latest
        oldest = self._earliest(now) - GUARD_S
        if self._recent is not None:
            self._recent = self._recent.add(now + self._ahead, now + self._ahead)
        for bucket in (MINUTE, MONTH):
            bucket.charge(self._charged[bucket.name], since, min(until, latest), oldest)

    # The server's time

    def _observe(self, settlement: Settlement, sent_at: float) -> None:
        """Learn the server's time from a response."""
        now, resets = settlement.ended_at, self.clock.resets
        self.clock = self.clock.observe(settlement.date, sent_at, now, settlement.wall)
        self._reading_due, self._by_wall = True, 0.0
        contradicts = self.clock.resets > resets
        if contradicts or self.clock.guessed:
            self._recent = self._loosen(now, LOOSE_S if contradicts else 0.0)
        elif self._recent is not None and self._recent.until < now + self._ahead:
            self._recent = None
        if not contradicts or self._recent is None:
            return
        # What was charged by the wrong time lies in the wrong minutes: count it in those possible now.
        # It costs a minute at the most. A month is too long to be blocked for a doubt of this kind.
        latest = self.clock.latest(now) + GUARD_S
        possible = range(MINUTE.index(self._earliest(now)), MINUTE.index(latest) + 1)
        total = self._recent.used(now + self._ahead)
        self._charged[MINUTE.name] = dict.fromkeys(possible, total) if total else {}
        longest = PERIODS_S["month"]
        self._blocks.ends = {
            name: until
            for name, until in self._blocks.ends.items()
            if until <= latest + PERIODS_S.get(name, longest)
        }

    def _loosen(self, now: float, seconds: float) -> MinuteLog:
        """Take the server's minutes to begin at any second, for so long at the least."""
        moment, recent = now + self._ahead, self._recent
        if recent is None:
            recent = MinuteLog(0.0).add(moment, moment, sum(self._charged[MINUTE.name].values()))
        return replace(recent, until=max(recent.until, moment + seconds))

    def _charged_lately(self, recent: MinuteLog, earliest: float, now: float) -> dict[str, dict[int, int]]:
        """Return the requests that may have been counted: all recent ones in the running minute."""
        minute = {MINUTE.index(earliest): recent.used(now + self._ahead)}
        return {**self._charged, MINUTE.name: minute}

    def _hear(self, reading: ClockReading | None, now: float, moment: Moment) -> None:
        """Learn the server's time from another process's reading."""
        before = None if self._reading is None else self._reading.number
        if reading is not None and reading.number != before:
            ahead = moment.steady - now
            read_at = None if self._read_at is None else self._read_at + ahead
            least, most, self._by_wall = from_peer(reading, read_at, moment.steady, moment.wall)
            least, most = least + ahead, most + ahead + moment.age_s
            if most == math.inf:
                self.clock = self.clock if self.clock.known else ServerClock(least, most, now)
            elif not (reading.guessed and self.clock.known):
                clock = self.clock.narrow(least, most, now)
                doubtful = abs(clock.latest(now) - moment.wall) > FAR_S
                self.clock = evolve(clock, guessed=reading.guessed, doubtful=doubtful)
        self._by_wall = 0.0 if self.clock.known else self._by_wall
        self._reading, self._read_at = reading, now

    @property
    def _server_ahead(self) -> float | None:
        """Seconds by which the server's clock is ahead of the monotonic one, about; `None`: not known."""
        return (self.clock.least + self.clock.most) / 2 if self.clock.known else None

    def _shifted(self, spans: dict[int, tuple[float, float]], sign: int) -> dict[int, tuple[float, float]]:
        """Return reservations in the server's time in place of this process's own (sign 1), or back (-1)."""
        ahead = self._server_ahead
        if ahead is None:
            return {}
        return {rank: (start + sign * ahead, end + sign * ahead) for rank, (start, end) in spans.items()}


def _by_length(wait: Wait) -> tuple[bool, float]:
    """Sort waits by whether they are certain, then by how long they are."""
    return wait.certain, math.inf if wait.at is None else wait.at


def _rechecked(wait: Wait, now: float) -> Wait:
    """Shorten a wait that may end as soon as another process writes down the server's time."""
    long = wait.at is not None and (wait.period == MONTH.name or wait.at > now + LONG_WAIT_S)
    if wait.certain and (long or wait.period == MONTH.name):
        return wait  # the caller is told, and does not wait
    at = now + CLOCK_POLL_S
    return evolve(wait, at=at if wait.at is None else min(at, wait.at), certain=False)


def _may_be_answered(seconds: float) -> bool:
    """Tell whether a request that has taken so long is waited for; below 0 a clock was set back."""
    return 0.0 <= seconds < ANSWER_S


def _age(written: float, wall: float) -> float:
    """Return the seconds since something was written down, by the wall clock; 0 where it does not tell."""
    return max(0.0, wall - written) if written else 0.0


def _any_time_before(now: float) -> Settlement:
    """Return the end of a request that may have been counted in any window until now."""
    return Settlement(now - PERIODS_S["minute"], now)
