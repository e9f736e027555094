"""Decisions on a request: the reason why it has to wait, and its settlement; and the counts they rest on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from attrs import frozen

if TYPE_CHECKING:
    from enlighten_async.limiter.outage import FailureRun
    from enlighten_async.limiter.plan import Plan

LONG_WAIT_S = 120.0
"""Seconds; who has to wait for longer is told so, and does not wait for the time to become known."""


class Sender(NamedTuple):
    """A limiter that asks for tokens of a key."""

    number: int
    """Its number, unique among the limiters of all processes."""
    most: int
    """Requests that may be in flight at once, of all limiters of the key, while it lives."""


ANYBODY = Sender(0, 0)
"""A caller without a limiter."""


class Subject(NamedTuple):
    """The thing that a request asks for, and the window; who wants the same waits for its answer."""

    about: str
    """Digest of who asks, and of the thing."""
    start: int = 0
    """Begin of the window (epoch seconds)."""
    end: int = 1
    """Its end; of what is no matter of time all windows are the same."""

    def begins(self, other: Subject) -> bool:
        """Tell whether the answer has the beginning of another subject."""
        return self.about == other.about and self.start <= other.start < self.end


@frozen
class Take:
    """The question whether a request may be put in flight."""

    ticket: int
    """This process's number of the request."""
    plan: Plan
    """The caller's."""
    rank: int = 0
    """The request's class: how many classes go before it."""
    path: str = ""
    """The path that it asks."""
    sender: Sender = ANYBODY
    """The limiter that asks."""
    patience: float = math.inf
    """Monotonic time until which its caller waits."""
    pace: bool = False
    """Whether the month is to be spent evenly; the highest class is not held back by that."""
    subject: Subject | None = None
    """What it asks for, if its answer is kept where all who share the state find it."""


@frozen
class Opening:
    """The moment from which a request that has to wait may be granted.

    Attributes:
        at: server's time (epoch seconds); `None` if only the settling of requests in flight can tell.
        certain: whether it holds even if nothing in flight turns out to count.
    """

    at: float | None
    certain: bool


@frozen
class Wait:
    """The reason why a request may not leave now."""

    reason: str
    """Why: "minute", "month", "throttled" (the server said so), "doubt" (one at a time for now), "in_flight"
    (those in flight may use up the rest, or are as many as may be at once), "priority" (a class above goes
    first), "turn" (other processes have had less of the minute), "pace" (the month is spent evenly), "state"
    (the state cannot be reached) or "outage" (the service fails).
    """
    at: float | None = None
    """Monotonic time at which to ask again; `None`: when something in flight has settled."""
    until: float | None = None
    """The same as the server's time (epoch seconds), where known."""
    certain: bool = False
    """Whether the wait holds even if nothing in flight turns out to count."""
    in_flight: int = 0
    """Requests in flight of all clients of the store."""
    period: str = ""
    """The service's word for the window that is full, if one is."""
    limit: int | None = None
    """Requests the window allows, where known."""
    reserved: int = 0
    """How many of them are held back for the classes above."""
    failures: FailureRun | None = None
    """The failures because of which nothing is sent until then, if that is the reason ("outage")."""


@frozen
class Settlement:
    """The end of a granted request."""

    sent_at: float | None
    """Monotonic time when its first byte went out; `None`: it never did."""
    ended_at: float
    """Monotonic time when the response was whole, or was given up."""
    wall: float = 0.0
    """The local wall clock's time at `ended_at` (epoch seconds)."""
    landed: bool = False
    """Whether a whole response arrived."""
    accepted: bool = False
    """Whether that response was something else than "too many requests"."""
    date: float | None = None
    """The response's `Date` (epoch seconds)."""


@frozen
class KeySnapshot:
    """The counts of a key at a moment."""

    used: Mapping[str, int]
    """Requests that may have been counted in the running windows, at the most, by period; those in flight are
    among them.
    """
    limits: Mapping[str, int]
    """Requests that may be used in a window, by period; a period without limit is absent."""
    learned: Mapping[str, int]
    """Limits that the server named when it rejected a request, or that were concluded, by period."""
    blocked_until: Mapping[str, float]
    """Until when (server's time, epoch seconds) the server said that it serves nothing, by period."""
    in_flight: int
    """Requests in flight of all clients of the store."""
    knows_month: bool
    """Whether it is known how many requests of the running month are spent."""
    earliest: float | None
    """The earliest the server's time can be (epoch seconds); `None`: nothing has told it yet."""
    latest: float | None
    """The latest it can be."""
