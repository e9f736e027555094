"""A segment under way, and the receipt of its query."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, Self, TypeVar

from attrs import Factory, define

from enlighten_async.errors import EnlightenError
from enlighten_async.limiter import Grant, Waiter
from enlighten_async.models.coverage import Gap, Reason
from enlighten_async.models.receipt import Receipt
from enlighten_async.query.plan import Leg
from enlighten_async.transport import Credentials
from enlighten_async.wire import Flow, Request, Response

P = TypeVar("P")


@define(eq=False)
class Track(Generic[P]):
    """One leg of a query as it is run. A run that was cut off goes on where its tracks stand.

    Attributes:
        flow: the flow itself.
        request: what to ask next; `None` when the flow has ended.
        place: its place in the queue at the gate.
        learn: is shown each part.
        held: whether the store may have what it asks for.
        keep: is given each part that was bought, and the answer it was in.
        parts: what it got so far, in order.
        error: why it ended early, if it did.
        gap: the stretch of time that it did not get, and why.
        met: whether another process had bought something of it when it came past the gate.
        failures: how often the present request failed, not counting rejections.
        rejections: how often it was rejected as over the limit.
        refused: credentials which the service did not accept for it, until they are renewed.
        renewed: whether they were renewed for it.
    """

    flow: Flow[P]
    request: Request[P] | None
    place: Waiter
    learn: Callable[[P], None]
    held: bool = False
    keep: Callable[[P, Response], None] | None = None
    parts: list[P] = Factory(list)
    error: EnlightenError | None = None
    gap: Gap | None = None
    met: bool = False
    failures: int = 0
    rejections: int = 0
    refused: Credentials | None = None
    renewed: bool = False

    @classmethod
    def start(cls, leg: Leg[P], place: Waiter, learn: Callable[[P], None]) -> Self:
        """Start a leg: its flow says what it asks first."""
        return cls(leg.flow, next(leg.flow, None), place, learn, leg.held)

    @property
    def asking(self) -> Request[P]:
        """The request that is asked now; only while the track has not ended."""
        if self.request is None:
            raise RuntimeError("the track has ended")
        return self.request

    def bought(self, part: P, response: Response) -> None:
        """Accept a part, and have it kept."""
        if self.keep is not None:
            self.keep(part, response)
        self.accept(part)

    def accept(self, part: P) -> None:
        """Send a part to the flow, which may ask again."""
        self.parts.append(part)
        self.learn(part)
        self.failures = self.rejections = 0
        self.renewed = False
        try:
            self.request = self.flow.send(part)
        except StopIteration:
            self.request = None

    def hand_out(self) -> list[P]:
        """Return the parts and forget them."""
        parts, self.parts = self.parts, []
        return parts

    def fail(self, error: EnlightenError, reason: Reason = Reason.FAILED) -> None:
        """End with an error; what arrived is kept."""
        self.error = error
        self.skip(reason)

    def skip(self, reason: Reason) -> None:
        """End without asking for the rest."""
        self.gap = self.missing(reason)
        self.request = None
        self.flow.close()

    def missing(self, reason: Reason) -> Gap | None:
        """Return the stretch of time that was not got yet, as a gap."""
        window = self.request.window if self.request else None
        return Gap(window, reason) if window else self.gap


@define
class Tally:
    """Counts the attempts of one query.

    Attributes:
        granted: requests that have the permission to leave and have not come back.
        sent: requests that left, and came back or were given up.
        rejected: of these, how many were over the limit.
        retried: of these, how many repeated one that failed.
        from_cache: parts that had been bought before, or by another query meanwhile.
        waited: seconds, by reason.
    """

    granted: int = 0
    sent: int = 0
    rejected: int = 0
    retried: int = 0
    from_cache: int = 0
    waited: dict[str, float] = Factory(dict)

    def count(self, grant: Grant, *, sent: bool, again: bool) -> None:
        """Count an attempt that is over; `again` if the request had failed before."""
        self.granted -= 1
        for reason, seconds in grant.waited.items():
            self.wait(reason, seconds)
        if sent:
            self.sent += 1
            self.retried += again

    def wait(self, reason: str, seconds: float) -> None:
        """Count a wait."""
        self.waited[reason] = self.waited.get(reason, 0.0) + seconds

    def receipt(self, left: Mapping[str, int]) -> Receipt:
        """Return what was spent so far."""
        return Receipt(
            sent=self.sent,
            rejected=self.rejected,
            retried=self.retried,
            from_cache=self.from_cache,
            waited=dict(self.waited),
            left=dict(left),
        )
