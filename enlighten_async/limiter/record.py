"""What is written down of a key, in the server's terms: it means the same to every process, at any time.

Monotonic times end with the machine's boot, and wall clocks are wrong: no decision rests on one of them
alone. Where they are kept, they serve to tell how much time has passed for a reader on the same clock.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec
from attrs import evolve, field, frozen

K = TypeVar("K", int, str)
N = TypeVar("N", int, float)

RENEWED = 0.5
"""Seconds by which a claim has to be prolonged to be written again."""


@frozen
class PendingRequest:
    """A request on its way.

    Attributes:
        number: its number; later ones are higher.
        since: the earliest the server can have counted it (epoch seconds), where that was known.
        until: the latest (epoch seconds), where that was known.
        life: seconds after which it is over for sure, for whoever sees it first.
    """

    number: int
    since: float | None
    until: float | None
    life: float


@frozen
class ClockReading:
    """What the newest answer to any process told of the server's time.

    Attributes:
        number: of the answer; later ones are higher.
        least: the earliest the server's time can have been when this was written (epoch seconds).
        most: the latest.
        guessed: whether it is only a wall clock's word.
        monotonic: the writer's monotonic time.
        wall: the writer's wall clock's time.
    """

    number: int
    least: float
    most: float
    guessed: bool
    monotonic: float
    wall: float


@frozen
class LearnedLimit:
    """A limit that the server named.

    Attributes:
        limit: requests in a window.
        believed: what was believed before; who believes more than that has a new plan.
        until: when it is forgotten (server's time, epoch seconds).
    """

    limit: int
    believed: int
    until: float


@frozen
class Record:
    """The counts of one key.

    Attributes:
        charged: requests that may have been counted, by period and number of the window.
        closed: until when (server's time, epoch seconds) the server said that it serves nothing, by period.
        words: the limits that it named, by period.
        tickets: the requests on their way.
        lost: requests that were sent and not answered, before anybody knew the server's time.
        newest: the highest number given to a request so far.
        doubt: requests up to this number prove nothing about the limit; `None`: it is not in doubt.
        guard: seconds by which `Date` and the server's counter are taken to differ, and until when
            (server's time, epoch seconds) that holds.
        stamp: what is known of the server's time.
        claims: from when until when (server's time) a class has the first word, by its rank.
        alarmed: the month of the last alarm, and its share.
    """

    charged: dict[str, dict[int, int]] = field(factory=dict)
    closed: dict[str, float] = field(factory=dict)
    words: dict[str, LearnedLimit] = field(factory=dict)
    tickets: tuple[PendingRequest, ...] = ()
    lost: int = 0
    newest: int = 0
    doubt: int | None = None
    guard: tuple[float, float] = (0.0, 0.0)
    stamp: ClockReading | None = None
    claims: dict[int, tuple[float, float]] = field(factory=dict)
    alarmed: tuple[int, float] = (0, 0.0)

    @classmethod
    def read(cls, text: str) -> Record:
        """Return what was written.

        Raises:
            ValueError: it was not written by `write`.
        """
        return msgspec.json.decode(text, type=cls)

    def write(self) -> str:
        """Return it as text."""
        return msgspec.json.encode(self).decode()

    def tells_more_than(self, other: Record) -> bool:
        """Tell whether it is worth the disk's time to write this in place of the other.

        Claims end soon, and those who wait renew them every moment.
        """
        if evolve(self, claims={}) != evolve(other, claims={}) or self.claims.keys() != other.claims.keys():
            return True
        return any(abs(end - other.claims[rank][1]) > RENEWED for rank, (_, end) in self.claims.items())

    def merged(self, other: Record) -> Record:
        """Return the worse of both, where two files tell of the same key; the tickets are this one's."""
        stamps = [stamp for stamp in (self.stamp, other.stamp) if stamp is not None]
        return evolve(
            self,
            charged={
                period: _most(self.charged.get(period, {}), other.charged.get(period, {}))
                for period in self.charged.keys() | other.charged.keys()
            },
            closed=_most(self.closed, other.closed),
            words={**other.words, **self.words},
            lost=max(self.lost, other.lost),
            newest=max(self.newest, other.newest),
            doubt=self.doubt if other.doubt is None else other.doubt,
            guard=max(self.guard, other.guard),
            stamp=max(stamps, key=lambda stamp: stamp.least, default=None),
        )


def _most(one: dict[K, N], other: dict[K, N]) -> dict[K, N]:
    """Return the higher value of each."""
    return {key: max(each[key] for each in (one, other) if key in each) for key in one.keys() | other.keys()}
