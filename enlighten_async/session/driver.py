"""Gets one track after another what it asks for: from others, or through the gate."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import anyio
from attrs import Factory, define

from enlighten_async.errors import BudgetExceeded, EnlightenError
from enlighten_async.models.coverage import Reason
from enlighten_async.quota import LONG, Grant
from enlighten_async.session.keeping import Keeping
from enlighten_async.session.purchases import Purchase
from enlighten_async.session.session import Options, Session
from enlighten_async.session.tally import Tally
from enlighten_async.session.track import Track
from enlighten_async.transport import Credentials
from enlighten_async.windows import as_datetime

P = TypeVar("P")

logger = logging.getLogger("enlighten_async")


@define(eq=False)
class Driver:
    """Drives the tracks of one query, as many at a time as it is asked to.

    Attributes:
        session: what all queries share.
        options: what the caller allows.
        keeping: what may be taken from others, and is given to them.
        tally: counts what the query spends.
        failures: what went wrong, in order.
        deadline: monotonic time after which nothing more is sent; `None` sets no limit.
    """

    session: Session
    options: Options
    keeping: Keeping
    tally: Tally
    failures: list[EnlightenError]
    deadline: float | None = None
    _waiting: set[anyio.CancelScope] = Factory(set)

    @property
    def ended(self) -> bool:
        """Whether a refusal came that every other request of the query would meet too."""
        return any(failure.ends_query for failure in self.failures)

    async def drive(self, track: Track[P], *, once: bool = False) -> None:
        """Drive one track to its end, or (`once`) until it has got its next part."""
        goal = len(track.parts) + 1
        while track.request is not None and not (once and len(track.parts) >= goal):
            if not await self._served(track):
                await self._buy(track)

    async def _served(self, track: Track[P]) -> bool:
        """Serve a track from what was bought; `False`: nobody has it, nor is about to get it."""
        request = track.asking
        part = await self.keeping.recalled(request) if track.held or request.reply is not None else None
        if part is None:
            other = self.keeping.under_way(request)
            if other is None:
                return False
            with self._leaving() as scope:
                await other.over.wait()
            if scope.cancelled_caught:
                track.skip(Reason.REFUSED)
                return True
            part = other.share(request.wanted)
        self._serve(track, part)
        return True

    def _serve(self, track: Track[P], part: P | None) -> None:
        if part is not None:
            self.tally.from_store += 1
            track.accept(part)

    async def _buy(self, track: Track[P]) -> None:
        """Send a track's request until it is answered or given up, or somebody else has sent it."""
        request = track.asking
        with self.keeping.buying(track) as purchase:
            while track.request is request:
                permit = await self._permitted(track)
                if permit is not None:
                    if not await self._needed(track, purchase, permit[0]):
                        return
                    purchase.sent = True
                    await self._pause(track, await self.session.attempt(track, *permit, self.tally))
                if track.error is not None:
                    self._note(track.error)

    async def _needed(self, track: Track[P], purchase: Purchase, grant: Grant) -> bool:
        """Look again: others may have bought it, or be at it, while this track stood at the gate."""
        needed, part = False, None
        try:
            part = await self.keeping.recalled(track.asking)
            needed = part is None and self.keeping.under_way(track.asking, purchase) is None
        finally:
            if not needed:
                grant.settle()  # as it was not sent, it costs nothing
                self.tally.count(grant, again=False)
        track.met |= part is not None
        self._serve(track, part)
        return needed

    async def _permitted(self, track: Track[P]) -> tuple[Grant, Credentials] | None:
        """Wait for credentials and at the gate; `None` ends the track, as nothing more is sent for it."""
        permit = None
        try:
            self._check_budget()
            with self._leaving():
                permit = await self._granted(track)
                self.tally.granted += 1
        except EnlightenError as refusal:
            track.fail(refusal, Reason.REFUSED)
        else:
            if permit is None:
                track.skip(Reason.REFUSED)
        return permit

    async def _granted(self, track: Track[P]) -> tuple[Grant, Credentials]:
        """Return the permission to send a track's request, and credentials that hold at that moment."""
        access, limiter = self.options.access, self.session.limiter
        while True:
            if track.refused is not None or access.ready() is None:
                await access.renew(track.refused)
                track.renewed |= track.refused is not None
                track.refused = None
            grant = await limiter.acquire(track.place, max_wait=self._left())
            credentials = access.ready()
            if credentials is not None:
                return grant, credentials
            grant.settle()  # they ran out while it waited; as it was not sent, it costs nothing

    def _left(self) -> float | None:
        """Return the seconds until the deadline, if there is one."""
        return None if self.deadline is None else max(0.0, self.deadline - self.session.clock.monotonic())

    def _check_budget(self) -> None:
        allowed = self.options.max_requests
        if allowed is not None and self.tally.sent + self.tally.granted >= allowed:
            raise BudgetExceeded(f"max_requests={allowed} are spent, and it takes more")

    async def _pause(self, track: Track[P], seconds: float) -> None:
        if seconds <= 0:
            return
        if seconds > LONG:
            until = f"{as_datetime(self.session.now() + seconds):%Y-%m-%d %H:%M:%S}"
            logger.info("waiting %.0f s (retry) until %s UTC", seconds, until)
        with self._leaving() as scope:
            await self.session.clock.sleep(seconds)
            self.tally.wait("retry", seconds)
        if scope.cancelled_caught:
            track.skip(Reason.REFUSED)

    def _note(self, failure: EnlightenError) -> None:
        """Book a failure; one that ends the query sends home whoever waits to send."""
        self.failures.append(failure)
        if failure.ends_query:
            for scope in self._waiting:
                scope.cancel()

    @contextmanager
    def _leaving(self) -> Iterator[anyio.CancelScope]:
        """Mark a wait before sending, which a refusal met by another track puts an end to."""
        with anyio.CancelScope() as scope:
            self._waiting.add(scope)
            try:
                yield scope
            finally:
                self._waiting.discard(scope)
