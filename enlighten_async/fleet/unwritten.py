"""Unwritten: which answers about a fleet may be cached and not written, as a process was killed. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final, TypeAlias

import msgspec
from attrs import evolve, frozen

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


@frozen
class Unwritten:
    """What a fleet notes beside its state file after each write of the sink, for the next process."""

    written: float
    """Answers that came before this moment are written but for those below, epoch seconds."""
    periods: tuple[Period, ...] = ()
    """When answers came that may not be written: from the last write of a process that was killed to the
    start of the one after it."""
    systems: frozenset[int] = frozenset()
    """The systems of which answers may not be written, whenever they came: their last poll failed."""
    ended: bool = False
    """Whether the process has ended by itself, and what came after `written` is written too."""

    @classmethod
    def of(cls, text: bytes | None, now: float) -> Unwritten:
        """Return it for a process that begins.

        Args:
            text: what the process before has left; `None`: there was none.
            now: the time, epoch seconds.
        """
        if text is None:
            return cls(now - SLACK_S)
        with suppress(msgspec.MsgspecError, UnicodeDecodeError):
            return msgspec.json.decode(text, type=cls)._begun(now)
        return cls(now - SLACK_S, (ALWAYS,))

    def encoded(self) -> bytes:
        """Return the text of it."""
        return msgspec.json.encode(self)

    def after_write(self, came: float, systems: Collection[int]) -> Unwritten:
        """Return it once the sink has written all answers that had come.

        Args:
            came: the time before the write, epoch seconds.
            systems: the systems whose last poll failed.
        """
        periods = tuple(each for each in self.periods if each[1] > came - KEPT_S)
        return Unwritten(max(self.written, came - SLACK_S), periods, frozenset(systems))

    def _begun(self, now: float) -> Unwritten:
        """Return it for a process that begins after the one that has left it."""
        if self.ended:
            return evolve(self, written=now - SLACK_S, ended=False)
        periods = [*self.periods, (self.written, max(now, self.written) + SLACK_S)]
        while len(periods) > MOST_PERIODS:
            periods[:2] = [(periods[0][0], periods[1][1])]
        return evolve(self, periods=tuple(periods))


def moments(periods: Sequence[Period]) -> list[tuple[datetime, datetime]]:
    """Return periods as aware datetimes."""
    return [(as_datetime(first), as_datetime(last)) for first, last in periods]
