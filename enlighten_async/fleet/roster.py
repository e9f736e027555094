"""Roster: the systems of a fleet, with what is known of each, and which is to be asked next. Pure: no I/O.

Time is given to it: epoch seconds, as the service has them.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from math import floor, inf
from typing import TYPE_CHECKING, Final, NamedTuple

from attrs import define, evolve, field, frozen

from enlighten_async.fleet.backfill import Backfill, Backlog, History, WindowAsk
from enlighten_async.fleet.notes import ALWAYS, NO_PAUSE, Pause, Period
from enlighten_async.fleet.schedule import (
    CELLULAR_REPORT_S,
    FIRST_LAG_S,
    GIVE_UP_FAILURES,
    LONGEST_S,
    MAX_LAG_S,
    REPORT_S,
    SILENT_POLLS,
    Budget,
    Daylight,
    after_report,
    learned_age,
    learned_lag,
    learned_settling,
    near_report,
    phase,
    polls_a_day,
    share,
    wait_after_failures,
)
from enlighten_async.windows import DAY

if TYPE_CHECKING:
    from enlighten_async.cache import CachedSpan

OVERLAP_S: Final = 2 * 3_600
"""Seconds before what is held that each poll asks for again: late rows cost no request."""

LAST_OVERLAP_S: Final = 5 * DAY
"""Seconds that the day's last poll asks for: what came since yesterday's, though it was three days late."""

FINAL_S: Final = 3 * DAY + OVERLAP_S
"""Seconds after its end from which on a row does not change any more."""

LATE_S: Final = 4 * DAY
"""Seconds before what is held that it asks for again: what is older was final when the day before ended."""

REACH_S: Final = 350 * DAY
"""Seconds before now that a poll asks for at the most: the service keeps rows for a year, or two."""

FRESH_S: Final = 300.0
"""Seconds for which a cached answer will do, such as one that a killed process had paid for."""

IN_FLIGHT_S: Final = 300
"""Seconds for which a request of a process whose lease has ended may wait, be repeated and be answered."""

SILENT_S: Final = 3 * DAY
"""Seconds without news after which a system is asked once a week."""

WEEK: Final = 7
"""Days from one poll of a silent system to the next."""

MOST_WEEKS: Final = 4
"""Weeks for which a system without a device is left alone at the most: one at first, then twice as long."""


def final_by_cache(until: float, written: Iterable[CachedSpan]) -> float:
    """Return up to when the rows of a system cannot have changed since they were answered, epoch seconds.

    Args:
        until: up to when it is held, epoch seconds: nothing later is final, and nothing is looked at that was
            so before.
        written: what is cached of it and written, in order of time.
    """
    final = until - LATE_S
    for span in written:
        if span.window.start <= final < span.window.end:
            final = max(final, min(span.fetched - FINAL_S, span.window.end, until))
    return final


@define(eq=False, weakref_slot=False)
class Member:
    """One system of a roster; there may be 100,000 of them, so each is as small as it can be."""

    system_id: int
    """The service's number of it."""
    key: int = 0
    """The number of the key that asks about it."""
    daylight: Daylight = field(factory=lambda: Daylight.assumed(0.0))
    """When it produces."""
    until: float | None = None
    """Up to when it is held, epoch seconds; `None`: not at all."""
    cellular: bool = False
    """Whether its gateway reports by a cellular modem."""
    lag: float = FIRST_LAG_S
    """Seconds after which an interval of it can be had, whenever it is asked."""
    age: float = FIRST_LAG_S
    """Seconds after which an interval of it can just be had."""
    settling: float = 0.0
    """Seconds after which an interval of it has its last value, where that is longer."""
    answered: float = -inf
    """When its last answer came to this process, epoch seconds."""
    in_doubt: bool = False
    """Whether answers about it may be cached and not written, as its last poll failed."""
    last_report: float | None = None
    """When it last reported, epoch seconds."""
    seldom: bool = False
    """Whether it reports every six hours only."""
    polled: float = -inf
    """When it was asked last, epoch seconds."""
    barren: int = 0
    """Polls in a row that brought nothing."""
    absent: int = 0
    """Polls in a row that told that it has no such device."""
    failures: int = 0
    """Polls in a row that failed."""
    gone: bool = False
    """Whether it is in no list of systems any more."""
    away_until: float = -inf
    """Up to when nothing is asked about it, epoch seconds."""
    held: bool = True
    """Whether this process polls it; else another one does, from the same budget."""

    @property
    def day_phase(self) -> float:
        """Its own number for its share of a day."""
        return phase(self.system_id)

    @property
    def moment_phase(self) -> float:
        """Its own number for the moment of a poll."""
        return phase(self.system_id, "moment")

    @property
    def pause(self) -> Pause | None:
        """Why it is asked less often than others; `None`: it is not."""
        if not (self.barren or self.absent or self.failures):
            return None
        return Pause(self.barren, self.absent, self.failures, max(self.away_until, 0.0))

    @pause.setter
    def pause(self, pause: Pause) -> None:
        self.barren, self.absent, self.failures, self.away_until = pause

    def is_asked(self, now: float) -> bool:
        """Tell whether this process asks about it now."""
        return self.held and not self.gone and self.away_until <= now

    def is_silent(self, now: float) -> bool:
        """Tell whether it has had no news for days, though it was asked."""
        return self.barren >= SILENT_POLLS and (self.until is None or now - self.until > SILENT_S)

    def polls(self, day: float, by_rate: int) -> int:
        """Return the polls that it gets of its share of a day (midnight UTC, epoch seconds)."""
        if self.gone or self.away_until >= day + DAY:
            return 0
        if self.is_silent(day):
            return int(floor(day / DAY + WEEK * self.day_phase) % WEEK == 0)
        most = self.daylight.length / (CELLULAR_REPORT_S if self.seldom else REPORT_S)
        return min(by_rate, 1 if self.barren >= SILENT_POLLS else max(1, int(most)))

    def moments(self, day: float, polls: int, rates: KeyRates) -> list[float]:
        """Return the moments of its polls on a day, each but the last when an interval can just be had.

        Where its reports are seldom, they are after these.
        """
        if not polls:
            return []
        own, even = self.moment_phase, polls >= rates.even_from
        lag = max(self.lag, self.settling)
        found = self.daylight.moments(day, polls, lag, own * rates.spread, even=even)
        found[:-1] = (near_report(each, self.age, own * rates.stagger) for each in found[:-1])
        if self.seldom and self.last_report is not None:
            last = self.last_report
            found = sorted({after_report(each, last, CELLULAR_REPORT_S, REPORT_S) for each in found})
        return found

    def final_until(self, cached: float) -> float:
        """Return up to when its rows cannot change any more, since its last answer, epoch seconds.

        Args:
            cached: the same by what is cached, for who has had no answer.
        """
        if self.until is None or self.absent:
            return inf
        known = self.answered - LATE_S if self.answered > -inf else cached
        return max(known, self.until - LATE_S)

    def misses(self, moment: float) -> bool:
        """Tell whether a poll that was due at a moment is missing from what is held."""
        return self.until is None or self.until < moment - max(self.lag, self.settling) - 2 * REPORT_S


class Ask(NamedTuple):
    """A poll that is due."""

    at: float
    """When it was due, epoch seconds."""
    member: int
    """The number of the member."""
    completes: bool
    """Whether it completes the day."""
    last: float = inf
    """When the day's last poll is due, epoch seconds; one that is made later, after a pause, completes it."""

    def max_age(self, now: float, *, paid: bool) -> float:
        """Return the seconds for which a cached answer will do; 0 for the day's last poll, which asks anew.

        Args:
            now: epoch seconds.
            paid: whether a process that was killed has made the poll: then its answers serve.
        """
        if paid:
            return max(FRESH_S, now - self.at)
        return 0.0 if self.completes else FRESH_S


class Handover(NamedTuple):
    """A member that came from a process of which requests may still be in flight."""

    at: float
    """When it came, epoch seconds."""
    until: float
    """Up to when it was held then, epoch seconds; 0: not at all."""

    def is_over(self, polled: float) -> bool:
        """Tell whether a poll of this moment finds cached whatever that process had asked for."""
        return polled >= self.at + IN_FLIGHT_S


@define(eq=False)
class KeyRates:
    """The rates of a key: their sum over the days so far, and today's."""

    total: float
    """The sum, today's included."""
    rate: float
    """Polls of a system today."""
    spread: float
    """Seconds over which the polls of one moment are spread, so that the minutes hold them."""
    stagger: float = 0.0
    """Seconds over which those of one quarter of an hour are spread, likewise."""
    even_from: float = 0.0
    """Polls of a system in a day from which on the times between them are the same: those of its cadence."""
    closed_until: float = -inf
    """Up to when the key is used up, epoch seconds."""


@define(eq=False)
class Roster:
    """The members of a fleet, and the moments at which they are asked, in a heap."""

    members: list[Member]
    """The members; their places are their numbers."""
    every: float | None = None
    """The longest time between two polls in daylight, seconds; `None`: as short as the budget allows."""
    backfill: Backfill | None = None
    """The history that is fetched of each member; `None`: none."""
    keys: dict[int, KeyRates] = field(factory=dict)
    """The rates of each key."""
    day: float | None = None
    """Midnight UTC of the day that is planned, epoch seconds; `None` before the first."""
    unwritten: Sequence[Period] = (ALWAYS,)
    """When answers came that may be cached and not written, as processes before this one were killed."""
    _heap: list[Ask] = field(factory=list)
    _backlogs: dict[int, Backlog] = field(factory=dict, init=False)
    """The histories of each key's members."""
    _handovers: dict[int, Handover] = field(factory=dict, init=False)
    """The handovers whose end no poll has seen yet, by the number of the member."""

    def begin_day(self, day: float, now: float, budgets: Mapping[int, Budget], day_of_month: int) -> None:
        """Plan a day: its rates by what is left, and the moments of all members.

        On the first day also those of the two days before that are still to come; of the moments that have
        passed the last one is due at once, where what is held shows that it was missed. Where the sun rises
        just before midnight UTC that is a poll of the day before yesterday.

        Args:
            day: midnight UTC, epoch seconds.
            now: the time, epoch seconds.
            budgets: what each key may spend.
            day_of_month: days of the month before this one; a roster that begins takes them to have been like
                today, so that after a restart the same systems are asked.
        """
        first = self.day is None
        self.day = day
        for key, budget in budgets.items():
            rates, before = self._rates(key, budget, now), self.keys.get(key)
            rates.total += rates.rate * day_of_month if before is None else before.total
            rates.closed_until = -inf if before is None else before.closed_until
            self.keys[key] = rates
            if self.backfill is not None:  # those that are left alone may come back: their polls are spared
                polls = rates.rate * sum(each.key == key and not each.gone for each in self.members)
                self._backlog(key).begin_day(budget.spare(polls), budget.minute)
        self.divide()
        for number in range(len(self.members)):
            self._plan(number, day, now, first=first)

    def _rates(self, key: int, budget: Budget, now: float) -> KeyRates:
        """Return today's rates of a key, without those of the days before."""
        own = [
            each for each in self.members if each.key == key and each.away_until < now + DAY and not each.gone
        ]
        silent = sum(each.is_silent(now) for each in own)
        active = len(own) - silent
        if not active:
            return KeyRates(0.0, 0.0, 0.0)
        daylight = sum(each.daylight.length for each in own) / len(own)
        rate = max(0.0, budget.per_day - silent / WEEK) / active
        wanted = inf if self.every is None else polls_a_day(max(self.every, REPORT_S), daylight)
        rate = min(rate, daylight / REPORT_S, wanted)
        return KeyRates(
            total=rate,
            rate=rate,
            spread=budget.seconds_for(active * min(rate, 1.0)),
            stagger=min(budget.seconds_for(active * rate * REPORT_S / daylight), REPORT_S / 2),
            even_from=floor(wanted) if wanted < inf else inf,
        )

    def _plan(self, number: int, day: float, now: float, *, first: bool) -> None:
        """Add the moments of a member."""
        member = self.members[number]
        if member.key not in self.keys or not member.held:
            return
        rates = self.keys[member.key]
        past: list[float] = []
        for back in range(3 if first else 1):
            high = rates.total - back * rates.rate
            polls = member.polls(day - back * DAY, share(high - rates.rate, high, member.day_phase))
            moments = member.moments(day - back * DAY, polls, rates)
            past += [each for each in moments if each <= now]
            for each in moments:
                if each > now:
                    self._push(each, number, completes=each == moments[-1], last=moments[-1])
            if back and not (len(moments) > 1 and moments[0] > now):
                break  # the day before counts where yesterday's several polls are all to come
        if past and (not first or member.misses(max(past)) or self.begins_history(number)):
            at = max(*past, member.away_until)  # not now: answers may tell that it is earlier
            self._push(at, number, completes=True)

    def hold(
        self,
        number: int,
        until: float | None,
        now: float,
        *,
        history: History | None = None,
        in_flight: bool = False,
    ) -> None:
        """Poll a member from now on.

        A pause does not hold up the poll with which a history begins: the answer that was its reason may be
        one that was not written.

        Args:
            number: the member's.
            until: up to when it is held, epoch seconds; `None`: not at all.
            now: the time, epoch seconds.
            history: what is held of its history; `None`: it has not begun.
            in_flight: whether requests about it may be in flight, or answers cached, that nobody writes.
        """
        member = self.members[number]
        member.held, member.until, member.in_doubt = True, until, in_flight
        member.answered = member.polled = -inf
        self.set_history(number, history)
        if self.begins_history(number):
            member.pause = NO_PAUSE
        if in_flight:
            self._handovers[number] = Handover(now, until or 0.0)
        if self.day is not None:
            self._plan(number, self.day, now, first=True)

    def _push(self, at: float, number: int, *, completes: bool, last: float = inf) -> None:
        heapq.heappush(self._heap, Ask(at, number, completes, last))

    @property
    def next_at(self) -> float:
        """The moment of the next poll, or window of a history, epoch seconds; infinite without any."""
        polls = self._heap[0].at if self._heap else inf
        return min([polls, *(backlog.next_at for backlog in self._backlogs.values())])

    def due(self, now: float) -> int:
        """Return the number of members that are due.

        Args:
            now: the time, epoch seconds.
        """
        return len({ask.member for ask in self._heap if ask.at <= now and self.members[ask.member].held})

    def lag(self, now: float) -> float | None:
        """Return the seconds for which that poll has been due that waits longest; `None` if none is due.

        Args:
            now: the time, epoch seconds.
        """
        waits = (now - ask.at for ask in self._heap if ask.at <= now and self.members[ask.member].held)
        return max(waits, default=None)

    def listed(self, number: int, energy: float | None) -> None:
        """Note that a member is in the list of systems, which tells when it last reported energy.

        One that was silent and has reported since gets its polls again.

        Args:
            number: the number of the member.
            energy: when it last reported energy, epoch seconds; `None`: nobody knows.
        """
        member = self.members[number]
        if member.gone:
            member.gone = False
            self.set_history(number, self._history(number))
        if energy is not None and (member.until is None or energy > member.until + REPORT_S):
            member.barren = 0

    def pop(self, now: float) -> Ask | None:
        """Return the next poll that is due, and take it out; `None` if there is none."""
        while self._heap and self._heap[0].at <= now:
            ask = heapq.heappop(self._heap)
            member, closed = self.members[ask.member], self.keys[self.members[ask.member].key].closed_until
            if closed > now:
                self._push(closed, ask.member, completes=ask.completes, last=ask.last)
            elif member.is_asked(now) and (member.polled < ask.at or member.failures):
                member.polled = now
                return ask._replace(completes=ask.completes or ask.last <= now)
        return None

    def _backlog(self, key: int) -> Backlog:
        """Return the histories of a key's members."""
        if key not in self._backlogs:
            self._backlogs[key] = Backlog(self.backfill or Backfill(0))
        return self._backlogs[key]

    def _history(self, number: int) -> History | None:
        """Return what is held of a member's history; `None`: it has not begun."""
        return self._backlog(self.members[number].key).histories.get(number)

    def begins_history(self, number: int) -> bool:
        """Tell whether the next poll of a member is where its history ends.

        Args:
            number: the number of the member.
        """
        return self.backfill is not None and self._history(number) is None

    def set_history(self, number: int, history: History | None) -> None:
        """Note what the sink holds of a member's history.

        Args:
            number: the number of the member.
            history: its history; `None`: it has not begun.
        """
        member = self.members[number]
        histories = self._backlog(member.key).histories
        if history is None:
            histories.pop(number, None)
        elif member.held:
            self._backlog(member.key).set(number, history)
        else:
            histories[number] = history

    def begin_history(self, ask: Ask, start: float, *, absent: bool) -> History | None:
        """Return the history that ends where a poll began, and fetch it; `None` if it has begun before.

        Args:
            ask: the poll.
            start: the begin of what it asked for, epoch seconds.
            absent: whether the system has no such device, so that it has no history.
        """
        if self.backfill is None or not self.begins_history(ask.member):
            return None
        history = History.before(start)
        if absent:
            history = History(history.end, self.backfill.windows)
        self.set_history(ask.member, history)
        return history

    def divide(self) -> None:
        """Take the part of what polls leave for histories that belongs to the members that are held."""
        held, own = Counter[int](), Counter[int]()
        for member in self.members:
            own[member.key] += not member.gone
            held[member.key] += member.held and not member.gone
        for key, backlog in self._backlogs.items():
            backlog.part = held[key] / max(1, own[key])

    def pop_window(self, now: float) -> tuple[Backlog, WindowAsk] | None:
        """Return the next window of a history, and take it out; `None`: there is none now.

        Args:
            now: the time, epoch seconds.
        """
        for key, backlog in self._backlogs.items():
            found = backlog.pop(now, self._fetches, partial(self._polls_before, key))
            if found is not None:
                return backlog, found
        return None

    def _fetches(self, number: int) -> bool:
        """Tell whether this process fetches the history of a member."""
        return self.members[number].held and not self.members[number].gone

    def _polls_before(self, key: int, end: float) -> int:
        """Return the number of polls by a key that are due before a moment."""
        return sum(ask.at < end and self.members[ask.member].key == key for ask in self._heap)

    def windows_left(self) -> int:
        """Return the number of windows of history that are not held, as far as this process knows."""
        return sum(self._windows_of(number) for number, member in enumerate(self.members) if not member.gone)

    def windows_failed(self) -> int:
        """Return the number of those among them that failed here when they were asked for last."""
        return sum(
            self._backlog(member.key).failed_windows(number)
            for number, member in enumerate(self.members)
            if self._fetches(number)
        )

    def _windows_of(self, number: int) -> int:
        """Return the number of windows of a member's history that are not held."""
        return 0 if self.backfill is None else len(self._backlog(self.members[number].key).windows(number))

    def fetches_histories(self) -> bool:
        """Tell whether windows are left that this process fetches, and has not given up."""
        return any(
            self._fetches(number) and not self._gives_up(number) and self._windows_of(number)
            for number in range(len(self.members))
        )

    def given_up(self) -> dict[int, int]:
        """Return the number of windows of those histories here that failed again and again, by system."""
        return {
            member.system_id: windows
            for number, member in enumerate(self.members)
            if self._fetches(number) and self._gives_up(number) and (windows := self._windows_of(number))
        }

    def _gives_up(self, number: int) -> bool:
        """Tell whether what comes next of a member's history has failed again and again."""
        member = self.members[number]
        polls = self.begins_history(number)  # it begins with the member's next poll
        failures = member.failures if polls else self._backlog(member.key).failures(number)
        return failures >= GIVE_UP_FAILURES

    def window(self, ask: Ask, now: float, final: float = -inf) -> tuple[float, float]:
        """Return the time that a poll asks for, epoch seconds: in one request, what is held before all else.

        After a stop of days the first poll goes back to rows that may have changed since the last one.

        Args:
            ask: the poll.
            now: the time, epoch seconds.
            final: up to when its rows cannot change any more, epoch seconds; see `final_by_cache`.
        """
        member = self.members[ask.member]
        until, start = member.until, now - LONGEST_S
        if until is not None:
            start = until - OVERLAP_S
            if ask.completes:
                late = max(min(now - LAST_OVERLAP_S, until - LATE_S), now - LONGEST_S)
                start = min(start, late, member.final_until(final))
            start = max(start, now - REACH_S)
        if self.begins_history(ask.member):
            start = min(start, now - LONGEST_S)
        return start, min(now, start + LONGEST_S)

    def written(self, ask: Ask) -> float | None:
        """Return up to when a member's rows are written, epoch seconds; `None`: all that is cached of it is.

        What was cached and not written, as a process was killed or has lost its lease, is told by a member's
        first poll, and by the last one of a day; and by all polls until nothing can be in flight any more.

        Args:
            ask: the poll that is made.
        """
        if (handover := self._handovers.get(ask.member)) is not None:
            return handover.until
        member = self.members[ask.member]
        return member.until if ask.completes or member.in_doubt or member.answered == -inf else None

    def in_doubt(self, ask: Ask) -> Sequence[Period]:
        """Return when answers about a member came that may be cached and not written.

        Args:
            ask: the poll that is made.
        """
        member = self.members[ask.member]
        if member.in_doubt or ask.member in self._handovers:
            return [ALWAYS]
        return self.unwritten if member.answered == -inf else ()

    def answered(self, ask: Ask, now: float, answer: Answered) -> None:
        """Note what a poll brought.

        Args:
            ask: the poll.
            now: the time, epoch seconds.
            answer: what it brought.
        """
        member = self.members[ask.member]
        if self.in_doubt(ask):
            answer = evolve(answer, late=())  # rows that are told again had not come late
        if ask.member in self._handovers and self._handovers[ask.member].is_over(member.polled):
            del self._handovers[ask.member]
        member.failures, member.in_doubt = 0, False
        member.barren = 0 if answer.news else member.barren + 1
        member.until = answer.until if answer.until is not None else member.until
        if answer.absent:
            member.away_until = now + WEEK * DAY * min(2**member.absent, MOST_WEEKS)
            member.absent += 1
            return
        member.absent = 0
        self._learn(member, now, answer)
        member.answered = now
        if answer.more:
            self._push(now, ask.member, completes=False)
            member.polled = -inf

    @staticmethod
    def _learn(member: Member, now: float, answer: Answered) -> None:
        """Learn when a system reports."""
        member.settling = learned_settling(member.settling, member.answered, answer.late)
        if answer.daylight is not None:
            member.daylight = answer.daylight
        if answer.reported is None:
            return
        age, last = now - answer.reported, member.last_report
        if member.cellular and answer.news and age > MAX_LAG_S:
            member.seldom = True
        elif last is not None and 0 < answer.reported - last < CELLULAR_REPORT_S - REPORT_S:
            member.seldom = False
        if answer.news and not member.seldom and member.until is not None:
            member.lag = learned_lag(member.lag, now - member.until)
            member.age = learned_age(member.age, now - member.until)
        member.last_report = answer.reported

    def failed(self, ask: Ask, now: float, *, absent: bool = False) -> None:
        """Note that a poll failed: the system waits alone, longer each time.

        Args:
            ask: the poll.
            now: the time, epoch seconds.
            absent: whether there is no such system, so that it is left alone for a week, and given up.
        """
        member = self.members[ask.member]
        member.failures, member.in_doubt = member.failures + (GIVE_UP_FAILURES if absent else 1), True
        wait = WEEK * DAY if absent else wait_after_failures(member.failures)
        member.away_until = now + wait
        self._push(now + wait, ask.member, completes=ask.completes, last=ask.last)

    def put_back(self, ask: Ask, opens_at: float = -inf) -> None:
        """Take a poll back that was not made.

        Args:
            ask: the poll.
            opens_at: the moment up to which its key is used up, epoch seconds.
        """
        member = self.members[ask.member]
        member.polled, member.in_doubt, rates = -inf, True, self.keys[member.key]
        rates.closed_until = max(rates.closed_until, opens_at)
        self._push(ask.at, ask.member, completes=ask.completes, last=ask.last)


@frozen
class Answered:
    """The result of a poll."""

    until: float | None
    """Up to when the system is held now, epoch seconds; `None`: as before."""
    news: bool
    """Whether it brought a row that is new or differs."""
    reported: float | None = None
    """When the system last reported, epoch seconds, where the answer tells."""
    daylight: Daylight | None = None
    """When it produces, by the answer's rows; `None`: as before."""
    late: Sequence[int] = ()
    """Ends of earlier intervals that it brought or corrected, epoch seconds, ascending."""
    absent: bool = False
    """Whether it has no device of this kind."""
    more: bool = False
    """Whether the rest of what is not held is to be asked for at once."""
