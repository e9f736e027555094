"""Record: the persisted counts of a key, in the server's terms.

It means the same to every process, at any time. Monotonic times end with the machine's boot, and wall
clocks are wrong: no decision rests on one of them alone. Where they are persisted, they serve to tell how
much time has passed for a reader on the same clock.
"""

from __future__ import annotations

from typing import TypeAlias, TypeVar

import msgspec
from msgspec.structs import replace

from enlighten_async.limiter.outage import CALM, Outage

K = TypeVar("K", int, str)
N = TypeVar("N", int, float)

PlanLimits: TypeAlias = tuple[int | None, int | None]
"""The requests that a plan allows in a minute and in a month; `None`: any."""

UNLIMITED: PlanLimits = (None, None)
RENEWAL_S = 0.5
"""Seconds by which a reservation has to be prolonged to be written again."""

APART_S = 1.0
"""Seconds by which the server's time may differ as two processes know it."""


class PendingRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request in flight.

    Attributes:
        number: its number; later ones are higher.
        since: the earliest the server can have counted it (epoch seconds), where that was known.
        until: the latest (epoch seconds), where that was known.
        life: seconds after which it is over for sure, seen from its first reader.
        most: requests that its sender lets be in flight at once; 0: any.
        written: where the server's time was not known, the wall clock's when it was first written down; 0:
            not yet.
    """

    number: int
    since: float | None
    until: float | None
    life: float
    most: int = 0
    written: float = 0.0


class LiveSender(msgspec.Struct, frozen=True):
    """A limiter, of any process, that has asked for a token lately.

    Attributes:
        most: requests that it lets be in flight at once, of all limiters.
        until: when it is taken to have gone, unless it asks again.
        claim: since when it waits for a place, until when that holds, and the class of its request; `None`:
            it does not wait.
        wants: from when until when it is taken to ask for more, and the class of its request; `None`: it does
            not. In earlier versions always.
        took: the number of a minute, and how many requests it has put in flight in that.
    """

    most: int
    until: float
    claim: tuple[float, float, int] | None = None
    wants: tuple[float, float, int] | None = None
    took: tuple[int, int] = (0, 0)

    def shifted(self, seconds: float) -> LiveSender:
        """Return the same with its times on another clock."""
        claim, wants = (
            each and (each[0] + seconds, each[1] + seconds, each[2]) for each in (self.claim, self.wants)
        )
        return LiveSender(self.most, self.until + seconds, claim, wants, self.took)

    def taken(self, minute: int) -> int:
        """Return the number of requests that it has put in flight in a minute."""
        return self.took[1] if self.took[0] == minute else 0

    def wants_now(self, now: float, rank: int) -> bool:
        """Tell whether it is taken to ask for more now, for this class or one above."""
        wants = self.wants
        return wants is not None and wants[0] <= now + APART_S and now < wants[1] and wants[2] <= rank


class ClockReading(msgspec.Struct, frozen=True):
    """The server's time, as the newest response to any process told it.

    Attributes:
        number: of the response; later ones are higher.
        least: the earliest the server's time can have been when this was written (epoch seconds).
        most: the latest.
        guessed: whether it stems from a wall clock only.
        monotonic: the writer's monotonic time.
        wall: the writer's wall clock's time.
    """

    number: int
    least: float
    most: float
    guessed: bool
    monotonic: float
    wall: float


class LearnedLimit(msgspec.Struct, frozen=True):
    """A limit that the server named when it rejected a request.

    Attributes:
        limit: requests in a window.
        believed: the plan's limit at that time; a caller with a higher one has a new plan. 0: it had none.
        until: when it is forgotten (server's time, epoch seconds).
    """

    limit: int
    believed: int
    until: float


# The names in the file are those of its first version: files of all versions can be read.
_NAMES = {
    "blocked": "closed",
    "learned": "words",
    "pending": "tickets",
    "unplaced": "lost",
    "reading": "stamp",
    "reservations": "claims",
    "warned": "alarmed",
}


class Record(msgspec.Struct, frozen=True, kw_only=True, rename=_NAMES):
    """The counts of one key.

    Attributes:
        charged: requests that may have been counted, by period and number of the window.
        blocked: until when (server's time, epoch seconds) the server said that it serves nothing, by period.
        learned: the limits that it named, by period.
        pending: the requests in flight.
        unplaced: requests without a response, sent before anybody knew the server's time.
        unplaced_at: the wall clock's time when the last of them was given up; 0: there is none.
        newest: the highest number given to a request so far.
        doubt: requests up to this number prove nothing about the limit; `None`: it is not in doubt.
        guard: seconds by which `Date` and the server's counter are taken to differ, and until when
            (server's time, epoch seconds) that holds.
        reading: the server's time as last told.
        reservations: from when until when (server's time) a class has the first claim, by its rank.
        warned: the month of the last usage warning, and its share.
        heard: the limits of the plan under which the server said until when it serves nothing, by period.
        unnamed: minutes in a row with a rejection without a period, and the number of the last.
        probe_at: when one request may go though the month is taken to be full (server's time); 0: it is not.
        named: minutes with a rejection that names the minute, none served since, and the number of the last.
        senders: the limiters that live (server's time), by number.
        elsewhere: the number of a month, and how many of its charged requests only the user has told of.
        outage: the failures of the service in a row; its times are the wall clock's.
        unknown: until when (the backend's wall clock) the minute is taken to be full, and until when nobody
            knows how much of the month is spent: the backend has lost the counts.
        paced_until: until when (server's time) the paced requests have taken the time of the month.
        paced_interval: seconds that one took when that was written; 0: an earlier version has written it.
    """

    charged: dict[str, dict[int, int]] = {}
    blocked: dict[str, float] = {}
    learned: dict[str, LearnedLimit] = {}
    pending: tuple[PendingRequest, ...] = ()
    unplaced: int = 0
    unplaced_at: float = 0.0
    newest: int = 0
    doubt: int | None = None
    guard: tuple[float, float] = (0.0, 0.0)
    reading: ClockReading | None = None
    reservations: dict[int, tuple[float, float]] = {}
    warned: tuple[int, float] = (0, 0.0)
    heard: dict[str, PlanLimits] = {}
    unnamed: tuple[int, int] = (0, 0)
    probe_at: float = 0.0
    named: tuple[int, int] = (0, 0)
    elsewhere: tuple[int, int] = (0, 0)
    outage: Outage = CALM
    senders: dict[int, LiveSender] = {}
    unknown: tuple[float, float] = (0.0, 0.0)
    paced_until: float = 0.0
    paced_interval: float = 0.0

    @classmethod
    def decode(cls, text: str) -> Record:
        """Return the record in a text.

        Raises:
            ValueError: the text was not made by `encode`.
        """
        return msgspec.json.decode(text, type=cls)

    def encode(self) -> str:
        """Return the record as JSON."""
        return msgspec.json.encode(self).decode()

    def is_news_to(self, other: Record) -> bool:
        """Tell whether it is worth the disk's time to write this in place of the other.

        Reservations and claims end soon, and waiters renew them every moment.
        """
        bare, before = replace(self, reservations={}, senders={}), replace(other, reservations={}, senders={})
        mine, others = self._ends(), other._ends()
        if bare != before or mine.keys() != others.keys():
            return True
        return any(abs(end - others[key]) > RENEWAL_S for key, end in mine.items())

    def _ends(self) -> dict[tuple[str, int], float]:
        """Return when the reservations end, the senders, their claims, and what they want."""
        ends = {("class", rank): end for rank, (_, end) in self.reservations.items()}
        for number, sender in self.senders.items():
            ends["sender", number] = sender.until
            if sender.claim is not None:
                ends["claim", number] = sender.claim[1]
            if sender.wants is not None:
                ends["wants", number] = sender.wants[1]
        return ends

    def merged(self, other: Record) -> Record:
        """Return the worse of both, where two files tell of a key; requests in flight are this one's."""
        paced = max((each.paced_until, each.paced_interval) for each in (self, other))
        readings = [reading for reading in (self.reading, other.reading) if reading is not None]
        return replace(
            self,
            charged={
                period: _highest(self.charged.get(period, {}), other.charged.get(period, {}))
                for period in self.charged.keys() | other.charged.keys()
            },
            blocked=_highest(self.blocked, other.blocked),
            heard={**other.heard, **self.heard},
            unnamed=max(self.unnamed, other.unnamed),
            probe_at=max(self.probe_at, other.probe_at),
            named=max(self.named, other.named),
            elsewhere=max(self.elsewhere, other.elsewhere),
            paced_until=paced[0],
            paced_interval=paced[1],
            senders={**other.senders, **self.senders},
            learned={**other.learned, **self.learned},
            unplaced=max(self.unplaced, other.unplaced),
            unplaced_at=max(self.unplaced_at, other.unplaced_at),
            newest=max(self.newest, other.newest),
            doubt=self.doubt if other.doubt is None else other.doubt,
            guard=max(self.guard, other.guard),
            reading=max(readings, key=lambda reading: reading.least, default=None),
            outage=self.outage if other.outage == CALM else other.outage,
            unknown=min(self.unknown, other.unknown),
        )


def _highest(one: dict[K, N], other: dict[K, N]) -> dict[K, N]:
    """Return the higher value of each."""
    return {key: max(each[key] for each in (one, other) if key in each) for key in one.keys() | other.keys()}
