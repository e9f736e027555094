"""Notes: what a process that follows a fleet leaves to the next one. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from math import inf
from typing import Final, NamedTuple, TypeAlias

import msgspec
from attrs import evolve, field, frozen

from enlighten_async.windows import DAY, as_datetime

SLACK_S: Final = 60.0
"""Seconds by which the time of an answer may differ from what a process takes for the time."""

KEPT_S: Final = 8.0 * DAY
"""Seconds for which a period counts: no poll tells rows that are older."""

MOST_PERIODS: Final = 32
"""Periods that are kept apart; of more the oldest two become one."""

Period: TypeAlias = tuple[float, float]
"""First and last moment, epoch seconds."""

ALWAYS: Final[Period] = (0.0, 2.0**37)
"""The period of all answers, up to the year 6325."""


class Pause(NamedTuple):
    """Why a system is asked less often than others."""

    barren: int
    """Polls in a row that brought nothing."""
    absent: int
    """Polls in a row that told that it has no such device."""
    failures: int
    """Polls in a row that failed."""
    away_until: float
    """Up to when nothing is asked about it, epoch seconds."""


NO_PAUSE: Final = Pause(0, 0, 0, -inf)
"""That of a system that is asked as often as others."""


@frozen
class Notes:
    """The notes about a fleet, as they are kept each time after the sink has written."""

    written: float
    """Answers that came before this moment are written but for those below, epoch seconds."""
    periods: tuple[Period, ...] = ()
    """When answers came that may not be written: from the last write of a process that was killed to the
    start of the one after it."""
    in_doubt: frozenset[int] = frozenset()
    """The systems of which answers may not be written, whenever they came: their last poll failed."""
    ended: bool = False
    """Whether the process has ended by itself, and what came after `written` is written too."""
    pauses: Mapping[int, Pause] = field(factory=dict)
    """Why systems are asked less often than others, by their numbers."""

    @classmethod
    def of(cls, text: str | None, now: float, *, holds: bool = False) -> Notes:
        """Return the notes of a text.

        Args:
            text: what is in the state; `None`: nobody has noted anything, or the state is another one.
            now: the time, epoch seconds.
            holds: whether the sink holds rows: then there was a process before.
        """
        if text is not None:
            with suppress(msgspec.MsgspecError):
                return msgspec.json.decode(text, type=cls)
        elif not holds:
            return cls(now - SLACK_S, ended=True)
        return cls(0.0)

    def text(self) -> str:
        """Return them as a text."""
        return msgspec.json.encode(self).decode()

    def begun(self, now: float) -> Notes:
        """Return them for a process that begins after the one that has left them.

        Args:
            now: the time, epoch seconds.
        """
        if self.ended:
            return evolve(self, written=now - SLACK_S, ended=False)
        periods = [*self.periods, (self.written, max(now, self.written) + SLACK_S)]
        while len(periods) > MOST_PERIODS:
            periods[:2] = [(periods[0][0], periods[1][1])]
        return evolve(self, periods=tuple(periods))

    def after_write(self, came: float, in_doubt: Collection[int]) -> Notes:
        """Return them once the sink has written all answers that had come.

        Args:
            came: the time before the write, epoch seconds.
            in_doubt: the systems whose last poll failed.
        """
        periods = tuple(each for each in self.periods if each[1] > came - KEPT_S)
        written = max(self.written, came - SLACK_S)
        return evolve(self, written=written, periods=periods, in_doubt=frozenset(in_doubt))

    def with_pauses(self, pauses: Mapping[int, Pause], holds: Callable[[int], bool]) -> Notes:
        """Return them with the pauses of now.

        Args:
            pauses: by the numbers of the systems; without those that are asked like others.
            holds: tells whether this process polls a system; others stay as they are.
        """
        others = {each: pause for each, pause in self.pauses.items() if not holds(each)}
        return evolve(self, pauses={**others, **pauses})


def moments(periods: Sequence[Period]) -> list[tuple[datetime, datetime]]:
    """Return periods as aware datetimes."""
    return [(as_datetime(first), as_datetime(last)) for first, last in periods]
