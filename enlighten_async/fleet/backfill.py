"""Backfill of a fleet: the rows from before its first polls, out of what polls leave. Pure: no I/O.

The *history* of a system ends where its first poll began. It is fetched in windows of one length, one after
another, and a cursor of its own in the sink tells how many are held. A window that fails comes after all
others, and the cursor stays before it: the next process has those behind the cursor from the state.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from math import ceil, inf
from typing import Final, NamedTuple

from attrs import define, field, frozen

from enlighten_async.fleet.schedule import GIVE_UP_FAILURES, HOUR, MINUTE_USE, wait_after_failures
from enlighten_async.windows import DAY

WINDOW_S: Final = 7 * DAY
"""Seconds of a window, the same for each series: what one request for `rgm_stats` may ask for."""

MINUTE_S: Final = 60
"""Seconds of the shortest window of a quota."""

_HISTORY: Final = "_history"


def is_of_history(series: str) -> bool:
    """Tell whether cursors of this name are of histories, and not of polls.

    Args:
        series: the name under which a sink has the cursors.
    """
    return _HISTORY in series


@frozen
class Backfill:
    """The history that is fetched of each system, and its order."""

    windows: int
    """Number of windows of each system."""
    newest_first: bool = False
    """Whether each system's newest window comes first; else its oldest one."""
    cost: int = 1
    """Requests that a window takes."""

    @classmethod
    def of(cls, span: float, newest_first: bool, longest: int, retention: float) -> Backfill:
        """Return the history that reaches back so far, in whole windows.

        Args:
            span: seconds before a system's first poll, which itself brings the last 7 days.
            newest_first: as the attribute.
            longest: seconds that one request may ask for.
            retention: seconds for which the service keeps rows: older ones are not asked for.
        """
        windows = max(0, ceil(min(span, retention) / WINDOW_S) - 1)
        return cls(windows, newest_first, max(1, ceil(WINDOW_S / longest)))

    @property
    def span(self) -> float:
        """Its length, seconds."""
        return self.windows * WINDOW_S

    def name(self, series: str) -> str:
        """Return the name under which a sink has the cursors of these histories.

        Windows that are counted from the oldest one on have their number in it: another begin is another
        history.

        Args:
            series: name of the series' method.
        """
        return f"{series}{_HISTORY}" if self.newest_first else f"{series}{_HISTORY}_{self.windows}"

    def window(self, history: History, number: int) -> tuple[float, float]:
        """Return a window of a history, epoch seconds.

        Args:
            history: the history.
            number: the number of the window, in the order in which they are fetched; the first one is 0.
        """
        back = number if self.newest_first else self.windows - 1 - number
        end = history.end - back * WINDOW_S
        return end - WINDOW_S, end


@frozen
class History:
    """The history of a system: how much of it is held.

    Its cursor is its end, which is a full hour, later by a second for each window that is held. So the cursor
    rises, as each of a sink's does, whichever window comes first.
    """

    end: float
    """Its end, epoch seconds: later rows come by polls."""
    held: int = 0
    """Number of windows that are held, up to the first one that is not."""

    @classmethod
    def before(cls, start: float) -> History:
        """Return the history of a system of which nothing older is held than from a moment on."""
        return cls(float(ceil(start / HOUR) * HOUR))

    @classmethod
    def by(cls, cursor: float) -> History:
        """Return the history that a cursor (epoch seconds) tells of."""
        end = cursor // HOUR * HOUR
        return cls(end, round(cursor - end))

    @property
    def cursor(self) -> float:
        """Its cursor, epoch seconds."""
        return self.end + self.held


class WindowAsk(NamedTuple):
    """A window of a history that is asked for."""

    member: int
    """The number of the member."""
    history: History
    """What is held of its history until then."""
    number: int
    """The number of the window."""


@define(eq=False)
class Backlog:
    """The histories of the members of one key, and which window is asked for next."""

    backfill: Backfill
    """What is fetched of each."""
    month: float = 0.0
    """Requests of the month that polls and people leave, as of the beginning of the day."""
    part: float = 1.0
    """The part of them that is this process's."""
    minute: float = inf
    """Requests of a minute; infinite without a limit."""
    histories: dict[int, History] = field(factory=dict, init=False)
    """What is held, by the number of the member."""
    _orders: dict[int, list[int]] = field(factory=dict, init=False)
    """The windows that are not held of a member of which one has failed, as they are asked for."""
    _failed: dict[int, set[int]] = field(factory=dict, init=False)
    """The windows of each member that failed when they were asked for last."""
    _heap: list[tuple[float, int, int]] = field(factory=list, init=False)
    """The moment before which nothing is asked, the windows that are held, and the member."""
    _spent: float = field(default=0.0, init=False)
    """Requests of today."""
    _asked: set[int] = field(factory=set, init=False)
    _failures: dict[int, tuple[int, float]] = field(factory=dict, init=False)
    """Failures of a member in a row, and the moment before which nothing is asked about it."""
    _opens_at: float = field(default=-inf, init=False)
    """Moment before which nothing is asked of any, epoch seconds."""
    _minute_ends: float = field(default=-inf, init=False)
    _room: float = field(default=0.0, init=False)
    """Requests that are left of the minute."""

    def begin_day(self, month: float, minute: float) -> None:
        """Note what may be spent from now on.

        Args:
            month: as the attribute.
            minute: as the attribute.
        """
        self.month, self.minute, self._spent = month, minute, 0.0

    @property
    def next_at(self) -> float:
        """The moment of the next window, epoch seconds; infinite without any that may be asked for."""
        spare = self.month * self.part - self._spent if self.part else 0.0
        if not self._heap or spare < self.backfill.cost:
            return inf
        return max(self._heap[0][0], self._opens_at)

    def set(self, member: int, history: History) -> None:
        """Note what is held of a member's history, and fetch the rest.

        Args:
            member: the number of the member.
            history: its history.
        """
        if self.histories.get(member) != history:
            for of_member in (self._orders, self._failed, self._failures):
                of_member.pop(member, None)
        self.histories[member] = history
        self._push(member)

    def windows(self, member: int) -> Sequence[int]:
        """Return the windows of a member's history that are not held, as they are asked for.

        Args:
            member: the number of the member.
        """
        held = self.histories.get(member, History(0.0)).held
        return self._orders.get(member) or range(held, self.backfill.windows)

    def _push(self, member: int) -> None:
        """Have a member asked about, if a window of it is left."""
        if self.windows(member):
            heapq.heappush(self._heap, self._entry(member))

    def _entry(self, member: int) -> tuple[float, int, int]:
        """Return what the heap has of a member now; what else it has of it is out of date."""
        _, opens_at = self._failures.get(member, (0, -inf))
        return opens_at, self.backfill.windows - len(self.windows(member)), member

    def pop(
        self, now: float, is_asked: Callable[[int], bool], polls: Callable[[float], int]
    ) -> WindowAsk | None:
        """Return the next window, and take it out; `None` if there is none now.

        Args:
            now: the time, epoch seconds.
            is_asked: tells whether a member is asked about, by its number; who is not is left out until its
                history is set again.
            polls: returns the number of polls up to a moment: the minute is theirs first.
        """
        while self.next_at <= now:
            if not self._has_room(now, polls):
                return None
            entry = heapq.heappop(self._heap)
            member, history = entry[-1], self.histories.get(entry[-1])
            old = entry != self._entry(member) or member in self._asked
            if history is None or old or not is_asked(member):
                continue
            self._asked.add(member)
            self._spent += self.backfill.cost
            self._room -= self.backfill.cost
            return WindowAsk(member, history, self.windows(member)[0])
        return None

    def _has_room(self, now: float, polls: Callable[[float], int]) -> bool:
        """Tell whether the minute has room for a window beside the polls that are due in it."""
        if now >= self._minute_ends:
            self._minute_ends = (now // MINUTE_S + 1) * MINUTE_S
            taken = 0 if self.minute == inf else polls(self._minute_ends)
            self._room = self.minute * MINUTE_USE - taken
        if self._room < min(self.backfill.cost, self.minute * MINUTE_USE):
            self._opens_at = self._minute_ends
            return False
        return True

    def answered(self, ask: WindowAsk, sent: int) -> History | None:
        """Note that a window is held, and return the history if the cursor moves.

        It does not after a window that failed, nor where another process goes on with the history.

        Args:
            ask: the window.
            sent: requests that it has cost.
        """
        self._settle(ask, sent)
        self._failures.pop(ask.member, None)
        if self.histories.get(ask.member) != ask.history:
            self._push(ask.member)  # it was set meanwhile, and not asked about, as this window was under way
            return None
        left = [number for number in self.windows(ask.member) if number != ask.number]
        history = History(ask.history.end, min(left, default=self.backfill.windows))
        self.histories[ask.member] = history
        self._failed.get(ask.member, set()).discard(ask.number)
        self._order(ask.member, left)
        self._push(ask.member)
        return history if history != ask.history else None

    def _order(self, member: int, windows: list[int]) -> None:
        """Note the windows that are left, if they are not in order."""
        self._orders.pop(member, None)
        if windows != list(self.windows(member)):
            self._orders[member] = windows

    def failed_windows(self, member: int) -> int:
        """Return the number of windows of a member that failed when they were asked for last.

        Args:
            member: the number of the member.
        """
        return len(self._failed.get(member, ()))

    def failures(self, member: int) -> int:
        """Return how often in a row a window of a member could not be had.

        Args:
            member: the number of the member.
        """
        return self._failures.get(member, (0, -inf))[0]

    def failed(self, ask: WindowAsk, now: float, sent: int = 0, *, absent: bool = False) -> None:
        """Note that a window could not be had: this history waits alone, longer each time.

        The window comes after all others. The next one is by a fifth of them further on, so that several
        failures in a row tell of all of the history, and not of a few weeks of it.

        Args:
            ask: the window.
            now: the time, epoch seconds.
            sent: requests that it has cost.
            absent: whether there is no such system, so that its history is given up.
        """
        self._settle(ask, sent)
        failures = self.failures(ask.member) + (GIVE_UP_FAILURES if absent else 1)
        self._failures[ask.member] = failures, now + wait_after_failures(failures)
        if self.histories.get(ask.member) == ask.history:
            self._failed.setdefault(ask.member, set()).add(ask.number)
            others = [number for number in self.windows(ask.member) if number != ask.number]
            step = len(others) // GIVE_UP_FAILURES
            self._order(ask.member, [*others[step:], *others[:step], ask.number])
        self._push(ask.member)

    def put_back(self, ask: WindowAsk, opens_at: float = -inf) -> None:
        """Take a window back that was not asked for.

        Args:
            ask: the window.
            opens_at: the moment before which nothing is asked of any, epoch seconds.
        """
        self._settle(ask, 0)
        self._opens_at = max(self._opens_at, opens_at)
        self._push(ask.member)

    def _settle(self, ask: WindowAsk, sent: int) -> None:
        self._asked.discard(ask.member)
        self._spent -= self.backfill.cost - sent
