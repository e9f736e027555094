"""Decisions on a request: the reason why it has to wait, and its settlement."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from attrs import frozen

if TYPE_CHECKING:
    from enlighten_async.limiter.outage import FailureRun
    from enlighten_async.limiter.plan import Plan


class Sender(NamedTuple):
    """A limiter that asks for tokens of a key.

    Attributes:
        number: its number, unique among the limiters of all processes.
        most: requests that may be in flight at once, of all limiters of the key, while it lives.
    """

    number: int
    most: int


ANYBODY = Sender(0, 0)
"""A caller without a limiter."""


@frozen
class Take:
    """The question whether a request may be put in flight.

    Attributes:
        ticket: this process's number of the request.
        plan: the caller's.
        rank: the request's class: how many classes go before it.
        path: the path that it asks.
        sender: the limiter that asks.
    """

    ticket: int
    plan: Plan
    rank: int = 0
    path: str = ""
    sender: Sender = ANYBODY


@frozen
class Wait:
    """The reason why a request may not leave now.

    Attributes:
        reason: "minute", "month", "throttled" (the server said so), "doubt" (one at a time for now),
            "in_flight" (those in flight may use up the rest, or are as many as may be at once), "priority" (a
            class above goes first) or "outage" (the service fails).
        at: monotonic time at which to ask again; `None`: when something in flight has settled.
        until: the same as the server's time (epoch seconds), where known.
        certain: whether the wait holds even if nothing in flight turns out to count.
        in_flight: requests in flight of all clients of the store.
        period: the service's word for the window that is full, if one is.
        limit: requests the window allows, where known.
        reserved: how many of them are held back for the classes above.
        failures: the failures because of which nothing is sent until then, if that is the reason ("outage").
    """

    reason: str
    at: float | None = None
    until: float | None = None
    certain: bool = False
    in_flight: int = 0
    period: str = ""
    limit: int | None = None
    reserved: int = 0
    failures: FailureRun | None = None


@frozen
class Settlement:
    """The end of a granted request.

    Attributes:
        sent_at: monotonic time when its first byte went out; `None`: it never did.
        ended_at: monotonic time when the response was whole, or was given up.
        wall: the local wall clock's time at `ended_at` (epoch seconds).
        landed: whether a whole response arrived.
        accepted: whether that response was something else than "too many requests".
        date: the response's `Date` (epoch seconds).
    """

    sent_at: float | None
    ended_at: float
    wall: float = 0.0
    landed: bool = False
    accepted: bool = False
    date: float | None = None
