"""One permitted attempt: sent or not, counted or not, settled once."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from attrs import frozen

if TYPE_CHECKING:
    from enlighten_async.wire import Response


@frozen
class Wait:
    """Why a request may not leave now.

    Attributes:
        reason: "minute", "month", "throttled" (the server said so), "doubt" (one at a time for now),
            "in_flight" (what is on its way may use up the rest) or "priority" (a class above goes first).
        at: monotonic time at which to ask again; `None`: when something in flight has settled.
        until: the same as the server's time (epoch seconds), where known.
        certain: whether the wait holds even if nothing in flight turns out to count.
        in_flight: requests of all clients of the store on their way.
        period: the service's word for the window that is full, if one is.
        limit: requests it allows, where known.
        held: how many of them are held back for the classes above.
    """

    reason: str
    at: float | None = None
    until: float | None = None
    certain: bool = False
    in_flight: int = 0
    period: str = ""
    limit: int | None = None
    held: int = 0


@frozen
class Settlement:
    """What became of a granted request.

    Attributes:
        sent_at: monotonic time when its first byte went out; `None`: it never did.
        ended_at: monotonic time when the answer was whole, or was given up.
        wall: the local wall clock's time at `ended_at`.
        landed: whether a whole answer arrived.
        accepted: whether that answer was something else than a refusal to serve more.
        date: the answer's `Date` (epoch seconds).
    """

    sent_at: float | None
    ended_at: float
    wall: float = 0.0
    landed: bool = False
    accepted: bool = False
    date: float | None = None


class Grant:
    """The permission to send one request now; leaving its `with` block settles it, however it is left.

    Not sent: the token comes back. Answered: it is charged to the windows the server can have counted
    it in. Sent without a whole answer: the server may have counted it, so it is charged as well.

    Attributes:
        ticket: its number.
        waited: seconds the acquisition waited, by reason.
        sent_at: monotonic time when the first byte went out.
        landed_at: monotonic time when the answer was whole.
        response: the answer, once it has landed.
        settled: whether it is over.
    """

    __slots__ = ("_monotonic", "_settle", "landed_at", "response", "sent_at", "settled", "ticket", "waited")

    def __init__(
        self,
        ticket: int,
        *,
        waited: dict[str, float],
        monotonic: Callable[[], float],
        settle: Callable[[Grant], None],
    ) -> None:
        self.ticket = ticket
        self.waited = waited
        self.sent_at: float | None = None
        self.landed_at = 0.0
        self.response: Response | None = None
        self.settled = False
        self._monotonic = monotonic
        self._settle = settle

    def __repr__(self) -> str:
        sent = "unsent" if self.sent_at is None else "sent" if self.response is None else "landed"
        return f"<Grant {self.ticket} {sent}{' settled' * self.settled}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.settle()

    @property
    def sent(self) -> bool:
        """Whether the request left, so that the server may have counted it."""
        return self.sent_at is not None

    def mark_sent(self) -> None:
        """Note that bytes go out now; to be called before they do. The first call counts."""
        if self.sent_at is None:
            self.sent_at = self._monotonic()

    def land(self, response: Response) -> None:
        """Keep the whole answer; nothing can be cancelled away from here on."""
        self.landed_at = self._monotonic()
        if self.sent_at is None:
            self.sent_at = response.sent_at
        self.response = response

    def settle(self) -> None:
        """Give the token back or charge it; only the first call does."""
        if not self.settled:
            self.settled = True
            self._settle(self)
