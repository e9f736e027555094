"""TokenBucket: the windows of one period, and the limits in force: refill late, charge every possible window.

The server counts per wall-clock minute and per UTC calendar month: fixed windows. Tokens come back
at a window's start, but only once the earliest the server's time can be has passed it; and requests in
flight count against every window they may fall in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from attrs import Factory, define, field, frozen
from msgspec.structs import replace

from enlighten_async.limiter.decision import Opening
from enlighten_async.limiter.record import UNLIMITED, LearnedLimit, PlanLimits

if TYPE_CHECKING:
    from enlighten_async.errors import Throttled
    from enlighten_async.limiter.plan import Plan

DAY_S = 86_400
HORIZON_MONTHS = 1200
"""Months looked ahead: a caller that needs more than a century of quota gets `inf`."""
LEARNED_LIMIT_S = 7 * 86_400.0
"""Seconds for which a limit named by the server is obeyed; a key may have got a better plan since."""
INFERRED_LIMIT_S = 3600.0
"""Seconds after which one request more is tried than a limit that was concluded from rejections."""
LOWEST_RANK = 2
"""Rank of the lowest class."""

WARNING_SHARES = (0.95, 0.80)
"""Shares of the month at which a usage warning is given."""
PERIODS_S = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800, "month": 31 * 86_400}
"""Seconds of each period at the most. The service documents two words; the list is open."""
PERIOD_END_TOLERANCE_S = 60.0
"""Seconds by which a period's end may lie outside the interval of the server's time."""

RETRY_AFTER = "Retry-After"
"""Name, beside the periods, of the time for which the header of a rejection wants no requests."""
UNKNOWN_MONTH = "unknown"
"""Name, beside the periods, of a month of which nobody knows how much is spent."""
MAX_REJECTED_MINUTES = 4
"""Minutes in a row with a rejection, from which on it is not believed that the next minute is open: where no
period was named the month is taken to be full, else each pause is twice as long as the one before."""
MIN_PAUSE_S = 120.0
"""Seconds of the first of those pauses."""
PROBE_GAP_S = 3570.0
"""Seconds from one request to the next while the month is taken to be full: callers who come once an hour
find one due each time."""

MAX_RULES = 8
"""Rules of classes and days that are remembered."""

_EPOCH = date(1970, 1, 1).toordinal()


# Cached by day: a calendar computed afresh was most of what a request cost.
@lru_cache(maxsize=64)
def _month_of_day(day: int) -> int:
    moment = date.fromordinal(_EPOCH + day)
    return moment.year * 12 + moment.month - 1


@lru_cache(maxsize=64)
def _month_start(index: int) -> float:
    year, month = divmod(index, 12)
    return float((date(year, month + 1, 1).toordinal() - _EPOCH) * DAY_S)


@frozen
class TokenBucket:
    """The windows of one period, and the rules of counting in them.

    Attributes:
        name: the service's word for the period.
        index: number of the window that holds a moment (epoch seconds).
        start: first moment of a window, epoch seconds.
        share: the part of a window that is held back from a class for each class above it.
        shrinks: whether that part is less each day (UTC), and on the last day of a window nothing.
    """

    name: str
    index: Callable[[float], int]
    start: Callable[[int], float]
    share: float
    shrinks: bool = False

    def reserved(self, limit: int, rank: int, moment: float = 0.0) -> int:
        """Return the number of requests of a window that are held back from a class.

        At least one for each class above it; but one is left to everybody, so that nobody starves.

        Args:
            limit: requests in a window.
            rank: how many classes are above it.
            moment: the time (epoch seconds); by default, a first day.
        """
        most = max(0, min(rank * max(1, int(limit * self.share)), limit - 1))
        if not self.shrinks or not most:
            return most
        window = self.index(moment)
        last, day = self._last_day(window), int((moment - self.start(window)) // DAY_S)
        return -(-most * (last - day) // last)

    def freed_at(self, window: int, limit: int, rank: int, count: int) -> float:
        """Return the moment (epoch seconds) from which a class may use more than so many of a window.

        That is its end, if that many are all.

        Args:
            window: its number.
            limit: requests in a window.
            rank: how many classes are above it.
            count: so many.
        """
        start = self.start(window)
        most, spare = self.reserved(limit, rank, start), limit - count
        if spare > most:
            return start
        if not self.shrinks or spare <= 0:
            return self.start(window + 1)
        last = self._last_day(window)
        return start + DAY_S * max(0, last - (spare - 1) * last // most)

    def _last_day(self, window: int) -> int:
        """Return the number of a window's last day; the first is 0."""
        return int((self.start(window + 1) - self.start(window)) // DAY_S) - 1

    def opening(
        self, charged: Mapping[int, int], in_flight: int, earliest: float, limit: int
    ) -> Opening | None:
        """Return the moment at which one more request may leave; `None`: now.

        Args:
            charged: requests that may have been counted, by window.
            in_flight: requests in flight, which may be counted in any window from now on.
            earliest: the earliest the server's time can be (epoch seconds).
            limit: requests that may be used in a window.
        """
        first = self.index(earliest)
        ahead = None
        for window, count in charged.items():  # a plain loop: nearly always one or two windows with room
            if window >= first and count + in_flight >= limit:
                ahead = {w: n for w, n in charged.items() if w >= first and n + in_flight >= limit}
                break
        if ahead is None:
            return None if in_flight < limit else Opening(None, certain=False)
        full = [w for w, n in ahead.items() if n >= limit]
        if full:
            return Opening(self.start(max(full) + 1), certain=True)
        return Opening(self.start(max(ahead) + 1) if in_flight < limit else None, certain=False)

    def charge(self, charged: dict[int, int], first: float, last: float, now: float) -> None:
        """Count a request in every window it may have fallen in, and forget windows that have ended.

        Args:
            charged: requests that may have been counted, by window; changed in place.
            first: the earliest it can have been counted (epoch seconds).
            last: the latest it can have been counted.
            now: the earliest the server's time can be; windows before it can never fill up again.
        """
        for window in range(self.index(first), self.index(last) + 1):
            if window in charged:
                charged[window] += 1
            elif window >= self.index(now):
                # A window is met for the first time: others may have ended.
                for ended in [w for w in charged if w < self.index(now)]:
                    del charged[ended]
                charged[window] = 1

    def used(self, charged: Mapping[int, int], earliest: float) -> int:
        """Return the number of requests the running window may have counted, at the most."""
        first = self.index(earliest)
        return max((n for window, n in charged.items() if window >= first), default=0)


MINUTE = TokenBucket("minute", lambda moment: int(moment // 60), lambda index: index * 60.0, share=0.10)
MONTH = TokenBucket(
    "month", lambda moment: _month_of_day(int(moment // DAY_S)), _month_start, 0.05, shrinks=True
)


def blocked_until(error: Throttled, earliest: float, latest: float, *, again: bool) -> float:
    """Return the server's time (epoch seconds) until which nothing more may be sent.

    The service says: "After period_end, you can make another request." A `period_end` that cannot be
    is replaced by the end of our own window.

    Args:
        error: the server's rejection.
        earliest: the earliest the server's time can be (epoch seconds).
        latest: the latest it can be.
        again: whether the request before was rejected as well, so that an end in the past is no help, nor a
            few seconds by `Retry-After` alone.
    """
    length = PERIODS_S.get(error.period) or _length(error)
    end, tolerance = error.period_end, PERIOD_END_TOLERANCE_S
    possible = end is not None and earliest - tolerance <= end <= latest + length + tolerance
    if end is not None and possible and (not again or (error.period and end > earliest)):
        return min(end, latest + length)  # a later end tells of a clock of ours that is behind
    own = {bucket.name: bucket for bucket in (MINUTE, MONTH)}.get(error.period or MINUTE.name)
    return own.start(own.index(latest) + 1) if own else latest + length


def _length(error: Throttled) -> float:
    """Return the seconds of a period that is not in our list, if they are sane."""
    if error.period_start is None or error.period_end is None:
        return 60.0
    length = error.period_end - error.period_start
    return length if 0 < length <= PERIODS_S["month"] else 60.0


def outgrown(period: str, heard: PlanLimits, limits: PlanLimits) -> bool:
    """Tell whether a plan allows more than the one under which the server said something of a period.

    The words of a rejection hold for the plan that the key had then; a client with a bigger one has it since.
    Periods without a limit in plans, such as the hour, go by both limits.

    Args:
        period: the service's word for the window.
        heard: the limits of the plan at that time.
        limits: those of the plan today.
    """
    pairs = list(zip(map(_at_most, heard), map(_at_most, limits), strict=True))
    pairs = {MINUTE.name: pairs[:1], MONTH.name: pairs[1:]}.get(period, pairs)
    return all(then <= today for then, today in pairs) and any(then < today for then, today in pairs)


def _at_most(limit: int | None) -> float:
    return math.inf if limit is None else limit


@define
class Blocks:
    """The times until which the server serves nothing, as it said when it rejected requests.

    A rejection without a period is taken for the minute's. If that goes on through several minutes, the month
    is taken to be full; one request about every hour then tells whether it is. If it goes on though
    the minute is named, others use it up, or it is none: each pause is then twice as long, up to an hour.

    Attributes:
        ends: until when (server's time, epoch seconds), by period.
        heard: the limits of the plan under which the server said so, by period; under "" those of the latest
            rejection without a period.
        unnamed: minutes in a row with a rejection without a period, and the number of the last.
        probe_at: when one request may go although the month is taken to be full; 0: it is not.
        named: minutes with a rejection that names the minute, none served since, and the number of the last.
    """

    ends: dict[str, float] = Factory(dict)
    heard: dict[str, PlanLimits] = Factory(dict)
    unnamed: tuple[int, int] = (0, 0)
    probe_at: float = 0.0
    named: tuple[int, int] = (0, 0)

    def copy(self) -> Blocks:
        """Return a copy that goes its own way."""
        return Blocks(dict(self.ends), dict(self.heard), self.unnamed, self.probe_at, self.named)

    def binding(self, plan: Plan, moments: Mapping[str, float]) -> dict[str, float]:
        """Return the ends of the blocks that bind a plan, by period.

        Args:
            plan: the caller's.
            moments: the earliest the server's time can be (epoch seconds), as to the minute and to the month,
                which stands for all other periods.
        """
        limits, later = (plan.minute, plan.month), moments[MONTH.name]
        return {
            period: end
            for period, end in self.ends.items()
            if end > moments.get(period, later)
            and not outgrown(period, self.heard.get(period, UNLIMITED), limits)
        }

    def waits(self, plan: Plan, moments: Mapping[str, float]) -> dict[str, float]:
        """Return the same; but where the month is taken to be full, until the next probe."""
        ends = self.binding(plan, moments)
        if self.probe_at and MONTH.name in ends:
            ends[MONTH.name] = self.probe_at
        return {period: end for period, end in ends.items() if end > moments.get(period, moments[MONTH.name])}

    def add(
        self, error: Throttled, plan: Plan, earliest: float, latest: float, *, news: bool, again: bool
    ) -> None:
        """Block what a rejection names.

        Args:
            error: the server's rejection.
            plan: the caller's.
            earliest: the earliest the server's time can be (epoch seconds).
            latest: the latest it can be.
            news: whether the request left after the last rejection; the rest of a burst says nothing new.
            again: whether one was rejected before it, and none accepted since.
        """
        self.ends = {period: end for period, end in self.ends.items() if end > earliest}
        limits, period = (plan.minute, plan.month), error.period or MINUTE.name
        end = blocked_until(error, earliest, latest, again=news and again)
        if error.period:
            self._open_month()  # what is full has a name now
        elif news:
            self._count(limits, latest)
        if error.period == MINUTE.name and news and (pause := self._pause(limits, latest)):
            end = max(end, latest + pause)
        self._block(period, limits, end)
        if error.retry_after is not None:
            self._block(RETRY_AFTER, limits, latest + error.retry_after)

    def accepted(self) -> None:
        """End what was concluded without the server's word: it serves."""
        self.named = 0, 0
        self._open_month()

    def _pause(self, limits: PlanLimits, latest: float) -> float:
        """Count the minute of a rejection that names it; return the seconds until the next request."""
        minutes, last = self.named
        if outgrown(MINUTE.name, self.heard.get(MINUTE.name, UNLIMITED), limits):
            minutes = last = 0
        if MINUTE.index(latest) > last:
            self.named = minutes, last = minutes + 1, MINUTE.index(latest)
        late = minutes - MAX_REJECTED_MINUTES
        return 0.0 if late < 0 else min(PROBE_GAP_S, MIN_PAUSE_S * 2 ** min(late, 10))

    def _open_month(self) -> None:
        """End that the month is taken to be full."""
        self.unnamed = 0, 0
        if self.probe_at:
            self.probe_at = 0.0
            self.ends.pop(MONTH.name, None)

    def _count(self, limits: PlanLimits, latest: float) -> None:
        """Count the minute of a rejection without a period; take the month to be full after several."""
        minutes, last = self.unnamed
        if outgrown("", self.heard.get("", UNLIMITED), limits):
            minutes = last = 0
        if MINUTE.index(latest) > last:
            self.unnamed, self.heard[""] = (minutes + 1, MINUTE.index(latest)), limits
        if self.unnamed[0] >= MAX_REJECTED_MINUTES:
            end = MONTH.start(MONTH.index(latest) + 1)
            self._block(MONTH.name, limits, end)
            self.probe_at = min(latest + PROBE_GAP_S, end)

    def _block(self, period: str, limits: PlanLimits, end: float) -> None:
        """Block a period for a plan, until the later end of those that bind it."""
        heard, before = self.heard.get(period, UNLIMITED), self.ends.get(period)
        if before is not None and outgrown(period, limits, heard):
            return  # heard under a bigger plan, which this one's word does not bind
        later = before is None or outgrown(period, heard, limits)
        self.ends[period] = end if before is None or later else max(end, before)
        self.heard[period] = limits


@frozen
class Rule:
    """The number of requests that a class may use in each window of a period.

    Attributes:
        bucket: the windows.
        limit: requests of all classes together.
        reserved: how many of them are held back for the classes above, on a certain day.
        room: how many that leaves.
        rank: the class.
    """

    bucket: TokenBucket
    limit: int
    reserved: int
    room: int
    rank: int = 0

    def opens_at(self, opening: Opening, charged: Mapping[int, int], in_flight: int) -> float | None:
        """Return when a window that is full for the class has room for it: it ends, or less is held back.

        Args:
            opening: when it ends.
            charged: requests that may have been counted, by window.
            in_flight: requests in flight.
        """
        if opening.at is None or not self.reserved:
            return opening.at
        window = self.bucket.index(opening.at) - 1
        count = charged.get(window, 0) + (0 if opening.certain else in_flight)
        return self.bucket.freed_at(window, self.limit, self.rank, count)


@define(eq=False)
class Limits:
    """The limits in force for a key: from the plan, from the server's rejections, from the user's budget.

    A limit that the server named does not outlive a change of plan: a caller whose plan allows more than
    the plan did at that time has a new one.

    Attributes:
        learned: the limits the server named when it rejected a request, or that were concluded, by period.
    """

    learned: dict[str, LearnedLimit] = Factory(dict)
    _rules: tuple[Plan, dict[tuple[int, int], tuple[Rule, ...]]] | None = field(default=None, init=False)

    def with_learned(self, learned: Mapping[str, LearnedLimit]) -> Limits:
        """Return the limits with these learned ones; the rules are worked out anew only if they differ."""
        other = Limits(dict(learned))
        if other.learned == self.learned:
            other._rules = self._rules
        return other

    def learn(self, period: str, limit: int | None, plan: Plan, latest: float) -> bool:
        """Keep the limit the server named; return whether it is lower than the one in force.

        Args:
            period: the service's word for the window.
            limit: requests it allows, if the server said.
            plan: the caller's.
            latest: the latest the server's time can be (epoch seconds).
        """
        if limit is None or limit < 1:
            return False
        believed = {MINUTE.name: plan.minute, MONTH.name: plan.month}.get(period)
        lowered = limit < self.of_server(plan).get(period, math.inf)
        self.learned[period] = LearnedLimit(limit, believed or 0, latest + LEARNED_LIMIT_S)
        self._rules = None
        return lowered

    @property
    def binding(self) -> dict[str, int]:
        """The limits that hold, of those that the server named or that were concluded, by period."""
        return {period: each.limit for period, each in self.learned.items() if each.binds}

    def infer(self, answered: int, plan: Plan, latest: float, newest: int) -> None:
        """Conclude the minute's limit from a rejection that names none, though less than the limit was used.

        One such minute may have another cause, so the limit in force stays; in the next one, if none between
        them has answered more, what is answered is taken for the limit. A minute that answers nothing tells
        nothing of it.

        Args:
            answered: requests that the minute has answered.
            plan: the caller's.
            latest: the latest the server's time can be (epoch seconds).
            newest: the highest number of a request so far.
        """
        limit, before = self.of_server(plan).get(MINUTE.name), self.learned.get(MINUTE.name)
        if plan.minute is None or limit is None or answered >= limit:
            return
        goes_on = before is not None and before.minutes and (before.binds or latest < before.rises_at)
        minutes = before.minutes + 1 if before is not None and goes_on else 1
        until, rises_at = latest + LEARNED_LIMIT_S, latest + INFERRED_LIMIT_S
        self.learned[MINUTE.name] = LearnedLimit(answered, plan.minute, until, rises_at, minutes, newest)
        self._rules = None

    def correct(self, number: int, answered: int) -> None:
        """Correct a limit that was concluded, as one of those comes back that were in flight then.

        One that is only suspected is forgotten as soon as a later minute answers more.

        Args:
            number: the request's number.
            answered: requests that the minute has answered.
        """
        learned = self.learned.get(MINUTE.name)
        if learned is None or not learned.minutes:
            return
        if number <= learned.newest:
            self._set_minute(replace(learned, limit=min(answered, learned.believed)))
        elif not learned.binds and answered > learned.limit:
            self._set_minute(None)

    def rise(self, answered: int, latest: float) -> None:
        """Let a minute have one request more than a limit that was concluded, once an hour has passed.

        Each minute that is used up then allows one more, until one is rejected, or the plan's limit is
        reached: a limit that is still in force costs one rejection in an hour.

        Args:
            answered: requests that the minute has answered.
            latest: the latest the server's time can be (epoch seconds).
        """
        learned = self.learned.get(MINUTE.name)
        if learned is None or not learned.minutes or not learned.binds or latest < learned.rises_at:
            return
        if answered < learned.limit - MINUTE.reserved(learned.limit, LOWEST_RANK):
            return
        limit, rises_at = learned.limit + 1, latest + PERIODS_S[MINUTE.name]
        higher = replace(learned, limit=limit, rises_at=rises_at)
        self._set_minute(None if limit >= learned.believed else higher)

    def _set_minute(self, learned: LearnedLimit | None) -> None:
        self.learned.pop(MINUTE.name, None)
        if learned is not None:
            self.learned[MINUTE.name] = learned
        self._rules = None

    def of_server(self, plan: Plan) -> dict[str, int]:
        """Return the server's limits by period: the plan's, or lower ones that it named of this plan."""
        believed = {MONTH.name: plan.month, MINUTE.name: plan.minute}
        return {period: self._lowest(period, n) for period, n in believed.items() if n is not None}

    def in_force(self, plan: Plan) -> dict[str, int]:
        """Return the limits to keep to by period: the server's, or the user's budget if it is lower."""
        limits = self.of_server(plan)
        for name, cap in ((MONTH.name, plan.month_cap), (MINUTE.name, plan.minute_cap)):
            if cap is not None:
                limits[name] = min(cap, limits.get(name, cap))
        return limits

    def rules(self, plan: Plan, rank: int, moment: float = 0.0) -> tuple[Rule, ...]:
        """Return the rules for a class, the longest period first.

        Args:
            plan: the caller's.
            rank: the class.
            moment: the time (epoch seconds), on whose day depends what is held back.
        """
        # Cached for the plan and days seen last: they are nearly always the same.
        case = rank, int(moment // DAY_S) if rank else 0
        if self._rules is None or self._rules[0] is not plan or len(self._rules[1]) > MAX_RULES:
            self._rules = plan, {}
        rules = self._rules[1].get(case)
        if rules is None:
            rules = self._rules[1][case] = self._make_rules(plan, rank, moment)
        return rules

    def _lowest(self, period: str, believed: int) -> int:
        learned = self.learned.get(period)
        if learned is None or not learned.binds or believed > (learned.believed or math.inf):
            return believed
        return min(believed, learned.limit)

    def _make_rules(self, plan: Plan, rank: int, moment: float) -> tuple[Rule, ...]:
        limits = self.in_force(plan)
        buckets = [bucket for bucket in (MONTH, MINUTE) if bucket.name in limits]
        reserved = {bucket.name: bucket.reserved(limits[bucket.name], rank, moment) for bucket in buckets}
        return tuple(
            Rule(b, limits[b.name], reserved[b.name], limits[b.name] - reserved[b.name], rank)
            for b in buckets
        )


def forecast(
    requests: int, moment: float, left: Mapping[str, int], limits: Mapping[str, int], rank: int = 0
) -> float:
    """Return the moment (epoch seconds) at which the last of so many requests may leave.

    It is infinite if that takes more than a century.

    Args:
        requests: how many.
        moment: the time to start from, epoch seconds.
        left: requests left in the running windows, by period; a period without limit is absent. Of the month,
            those left to the highest class.
        limits: requests in a whole window, by period; of the month, those of the highest class.
        rank: the class, from which some of the month are held back.
    """
    minute, month = left.get(MINUTE.name, math.inf), left.get(MONTH.name, math.inf)
    per_minute, per_month = limits.get(MINUTE.name, math.inf), limits.get(MONTH.name, math.inf)
    for _ in range(HORIZON_MONTHS):
        turn = MONTH.start(MONTH.index(moment) + 1)
        minutes = MINUTE.index(turn) - MINUTE.index(moment) - 1
        batch = min(requests, month, minute + (per_minute * minutes if minutes else 0))
        if batch == requests:
            at = _after(batch, moment, minute, per_minute)
            if not (rank and batch) or month == math.inf:
                return at
            return max(at, _freed(int(batch), moment, int(month), limits, rank))
        requests -= int(batch)
        moment, minute, month = turn, per_minute, per_month
    return math.inf


def _after(requests: float, moment: float, left: float, limit: float) -> float:
    """Return the moment at which the last of the requests may leave if only the minutes count."""
    if requests <= left:
        return moment
    return MINUTE.start(MINUTE.index(moment) + math.ceil((requests - left) / limit))


def _freed(requests: int, moment: float, left: int, limits: Mapping[str, int], rank: int) -> float:
    """Return when the last of so many requests may leave a class if only what is held back counts."""
    window, limit = MONTH.index(moment), limits[MONTH.name]
    freed = MONTH.freed_at(window, limit, rank, limit - left + requests - 1)
    if freed <= moment:
        return moment
    before = max(0, left - MONTH.reserved(limit, rank, freed - 1))
    per_minute = limits.get(MINUTE.name, math.inf)
    return _after(requests - before, freed, per_minute, per_minute)


Paced: TypeAlias = tuple[float, float]
"""Until when (server's time) the paced requests have taken the time of the month, and seconds that one took
when that was written: under a bigger plan, or once less turns out to be used, they have taken less."""


@frozen
class Pace:
    """The even spending of a month: what is left of it, spread over the time that is left of it.

    A paced request takes the time of one such interval. After a pause as many as `burst` may leave at once,
    so that the few windows or pages of a query need not wait for each other: at most seven hours' worth.

    Attributes:
        moment: the time now (server's, epoch seconds).
        limit: requests of a month.
        left: requests left in the running month, of all classes; at least 1.
        minute: requests of a minute; infinite without a limit.
    """

    moment: float
    limit: int
    left: int
    minute: float

    @property
    def burst(self) -> int:
        """Requests that may leave at once: those of a minute, or a hundredth of what is left if less."""
        return int(min(self.minute, max(1, self.left // 100)))

    @property
    def until(self) -> float:
        """The end of the month (epoch seconds)."""
        return MONTH.start(MONTH.index(self.moment) + 1)

    @property
    def interval(self) -> float:
        """Seconds between two requests that use up the month evenly."""
        return (self.until - self.moment) / self.left

    def opens_at(self, paced: Paced, requests: int = 1) -> float:
        """Return the moment (epoch seconds) at which the last of so many paced requests may leave.

        It is infinite if that takes more than a century.

        Args:
            paced: the time that the paced requests before have taken.
            requests: how many; at least 1.
        """
        until = self.until
        if requests <= self.left:
            began = self._spent_until(paced)
            return min(until, began + (requests - self.burst) * self.interval)
        rest = requests - self.left
        month = MONTH.index(self.moment) + 1 + (rest - 1) // self.limit
        if month > MONTH.index(self.moment) + HORIZON_MONTHS:
            return math.inf
        start, end = MONTH.start(month), MONTH.start(month + 1)
        number = (rest - 1) % self.limit + 1
        return start + max(0, number - self.burst) * (end - start) / self.limit

    def after(self, paced: Paced) -> Paced:
        """Return the time that is taken with one request more; a new month begins anew.

        Args:
            paced: the time without it.
        """
        spent_until = min(self.until, self._spent_until(paced) + self.interval)
        return spent_until, (self.until - self.moment) / max(1, self.left - 1)

    def _spent_until(self, paced: Paced) -> float:
        """Return until when the time is taken: by each request no more than one takes now."""
        ahead, interval = max(0.0, paced[0] - self.moment), paced[1]
        return self.moment + ahead * (min(1.0, self.interval / interval) if interval else 1.0)


def runs_out(used: int, limit: int, moment: float) -> float | None:
    """Return the moment (epoch seconds) at which a month is used up; `None`: not before it ends.

    Each day is taken to use as much as was used, on average, in each day since the month began.

    Args:
        used: requests used in the running month.
        limit: requests that may be used in it.
        moment: the time now, epoch seconds.
    """
    start, end = (MONTH.start(MONTH.index(moment) + number) for number in (0, 1))
    if used >= limit:
        return moment
    at = start + (moment - start) * limit / used if used else math.inf
    return at if at < end else None


@frozen
class UsageWarning:
    """The news that most of a month is used up.

    Attributes:
        month: the month's number.
        share: the stage that was reached, of 1.
        used: requests used in the month.
        limit: requests that may be used in it.
        until: when the month ends (server's time, epoch seconds).
    """

    month: int
    share: float
    used: int
    limit: int
    until: float


def usage_warning(charged: Mapping[int, int], limit: int, earliest: float) -> UsageWarning | None:
    """Return the warning for the running month's count; `None`: it has not reached a stage.

    Args:
        charged: requests that may have been counted, by month.
        limit: requests that may be used in a month.
        earliest: the earliest the server's time can be (epoch seconds).
    """
    month = MONTH.index(earliest)
    used = charged.get(month, 0)
    share = next((share for share in WARNING_SHARES if used >= share * limit), None)
    return None if share is None else UsageWarning(month, share, used, limit, MONTH.start(month + 1))
