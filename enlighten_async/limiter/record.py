"""Record: the persisted counts of a key, in the server's terms.

It means the same to every process, at any time. Monotonic times end with the machine's boot, and wall
clocks are wrong: no decision rests on one of them alone. Where they are persisted, they serve to tell how
much time has passed for a reader on the same clock.
"""

from __future__ import annotations

import math
from typing import TypeAlias, TypeVar

import msgspec
from msgspec.structs import replace

from enlighten_async.limiter.decision import Opening, Subject
from enlighten_async.limiter.outage import CALM, Outage

K = TypeVar("K", int, str)
N = TypeVar("N", int, float)

PlanLimits: TypeAlias = tuple[int | None, int | None]
"""The requests that a plan allows in a minute and in a month; `None`: any."""

UNLIMITED: PlanLimits = (None, None)
RENEWAL_S = 0.5
"""Seconds by which a reservation has to be prolonged to be written again."""

LOOSE_S = 7 * 86_400.0
"""Seconds for which the server's minutes are taken to begin at any second, once it has contradicted what was
known of them."""
MINUTE_S = 60.0
MINUTE_SLACK_S = 0.1
"""Seconds by which a minute of the server's clock may be longer than one of ours."""
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


class LearnedLimit(msgspec.Struct, frozen=True, omit_defaults=True):
    """A limit that the server named when it rejected a request, or that was concluded from its rejections.

    Attributes:
        limit: requests in a window.
        believed: the plan's limit at that time; a caller with a higher one has a new plan. 0: it had none.
        until: when it is forgotten (server's time, epoch seconds).
        rises_at: when one request more is tried, if it was concluded (server's time, epoch seconds).
        minutes: minutes in a row from which it was concluded: one is but a suspicion. 0: the server named it.
        newest: the highest number of a request then: the answers to those up to it correct the limit.
    """

    limit: int
    believed: int
    until: float
    rises_at: float = 0.0
    minutes: int = 0
    newest: int = 0

    @property
    def binds(self) -> bool:
        """Whether it holds: it was named, or minutes in a row have answered no more, and something."""
        return not self.minutes or (self.minutes > 1 and self.limit > 0)


class MinuteLog(msgspec.Struct, frozen=True):
    """The requests of the last sixty seconds, by second: all that counts while no minute's begin is known.

    The service counts by its own minutes, which its `Date` tells. Without one, or where it contradicts what
    was known or what the service counts, they may begin at any second: a limit that holds in any sixty
    seconds holds in each of them. All times are of one clock, whichever it is.

    Attributes:
        until: until when the minutes may begin at any second, also where a `Date` tells the time.
        counts: requests, by the first whole second at which each has been counted for sure.
    """

    until: float
    counts: dict[int, int] = {}

    def add(self, latest: float, moment: float, requests: int = 1) -> MinuteLog:
        """Return the log with so many requests more, and without those of more than sixty seconds ago.

        Args:
            latest: the latest moment at which the service can have counted them.
            moment: the time now.
            requests: how many.
        """
        counts, second = self._live(moment), math.ceil(latest + MINUTE_SLACK_S)
        counts[second] = counts.get(second, 0) + requests
        return MinuteLog(self.until, counts)

    def discard(self) -> MinuteLog:
        """Return the log without one of the latest requests, which was rejected."""
        last = max(self.counts, default=0)
        return MinuteLog(self.until, {**self.counts, last: max(0, self.counts.get(last, 0) - 1)})

    def used(self, moment: float) -> int:
        """Return the number of requests that a minute which holds this moment may have counted."""
        return sum(self._live(moment).values())

    def opening(self, in_flight: int, moment: float, limit: int) -> Opening | None:
        """Return the moment at which one more request may leave; `None`: now.

        Args:
            in_flight: requests in flight, which may be counted from now on.
            moment: the time now.
            limit: requests that may be used in a minute.
        """
        live = self._live(moment)
        spent = sum(live.values())
        if spent + in_flight < limit:
            return None
        certain = spent >= limit
        over = spent - limit if certain else spent + in_flight - limit
        for second in sorted(live):
            over -= live[second]
            if over < 0:
                return Opening(second + MINUTE_S, certain)
        return Opening(None, certain=False)

    def not_later(self, latest: float) -> MinuteLog:
        """Return the log with nothing later than a moment: the clock may have been set back since.

        Args:
            latest: the latest moment of which anything can have been added by now.
        """
        last = math.ceil(latest + MINUTE_SLACK_S)
        late = sum(count for second, count in self.counts.items() if second > last)
        until = min(self.until, latest + LOOSE_S)
        if not late:
            return MinuteLog(until, self.counts)
        counts = {second: count for second, count in self.counts.items() if second <= last}
        return MinuteLog(until, {**counts, last: counts.get(last, 0) + late})

    def merged(self, other: MinuteLog | None) -> MinuteLog:
        """Return the higher count of each second, and the later end."""
        if other is None:
            return self
        return MinuteLog(max(self.until, other.until), _highest(self.counts, other.counts))

    def _live(self, moment: float) -> dict[int, int]:
        """Return the counts that are not older than a minute."""
        return {second: count for second, count in self.counts.items() if second > moment - MINUTE_S}


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
        learned: the limits that it named, or that were concluded from its rejections, by period.
        pending: the requests in flight.
        unplaced: requests without a response, sent before anybody knew the server's time.
        unplaced_at: the wall clock's time when the last of them was given up; 0: there is none.
        newest: the highest number given to a request so far.
        doubt: requests up to this number prove nothing about the limit; `None`: it is not in doubt.
        recent: the requests of the last minute (by the backend's wall clock), while the server's minutes may
            begin at any second; `None`: they are known by its `Date`.
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
        subjects: what requests have been put in flight for whose answers are not kept yet, and when (the
            backend's wall clock), by the request's number.
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
    recent: MinuteLog | None = None
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
    subjects: dict[int, tuple[Subject, float]] = {}

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
            recent=other.recent if self.recent is None else self.recent.merged(other.recent),
            reading=max(readings, key=lambda reading: reading.least, default=None),
            outage=self.outage if other.outage == CALM else other.outage,
            unknown=min(self.unknown, other.unknown),
        )


def _highest(one: dict[K, N], other: dict[K, N]) -> dict[K, N]:
    """Return the higher value of each."""
    return {key: max(each[key] for each in (one, other) if key in each) for key in one.keys() | other.keys()}
