"""Fetching of parts: from the cache, from a request in flight, or through the limiter."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import anyio
from attrs import Factory, define, evolve, frozen

from enlighten_async.cache import ABSENCE_MEMORY_S, FOR_EVER, CachedPart, SeriesIndex
from enlighten_async.errors import BudgetExceeded, EnlightenError
from enlighten_async.limiter import LONG, Grant
from enlighten_async.models.coverage import Reason
from enlighten_async.query.in_flight import Purchase
from enlighten_async.query.plan import Leg
from enlighten_async.query.segment_state import Tally, Track
from enlighten_async.query.session import QueryOptions, Session
from enlighten_async.transport import Credentials
from enlighten_async.windows import Window, as_datetime
from enlighten_async.wire import ReplyKey, Request, Response


@frozen
class Keeping:
    """What one query may take from others, and gives to them.

    Attributes:
        session: whose store and purchases are shared.
        options: who is asking, and how old an answer will do.
        held: what the store held of its series when it began, and what of that will do.
    """

    session: Session
    options: QueryOptions
    held: SeriesIndex

    async def recall(self, tracks: Sequence[Track[Any]]) -> int:
        """Give tracks of one series what the store holds for them, in one look; return how many parts."""
        store, wanted = self.session.store, [track.asking.wanted for track in tracks]
        series = tracks[0].asking.series if tracks else None
        if store is None or series is None or wanted[0] is None or wanted[-1] is None:
            return 0
        span, served = Window(wanted[0].start, wanted[-1].end), 0
        kept = await store.get(self.options.account, series, span)
        for track in tracks:
            while track.request is not None and (part := self._first(kept, track.request.wanted)) is not None:
                track.accept(part)
                served += 1
        return served

    async def recalled(self, request: Request[Any]) -> Any:
        """Return what the store holds of the beginning of what a request wants; `None` if that is nothing."""
        store, account = self.session.store, self.options.account
        if store is None:
            return None
        if request.series is not None and request.wanted is not None:
            kept = await store.get(account, request.series, request.wanted)
            return self._first(kept, request.wanted)
        reply = request.reply
        response = None if reply is None else await store.reply(account, reply)
        if reply is None or response is None:
            return None
        return self._still_good(request, reply, response)

    async def answered(self, leg: Leg[Any]) -> bool:
        """Tell whether the store has the answer to the first request of a leg, which is used up by that."""
        request = next(leg.flow, None)
        return request is not None and request.reply is not None and await self.recalled(request) is not None

    def under_way(self, request: Request[Any], own: Purchase | None = None) -> Purchase | None:
        """Return a purchase, other than its own, that is about the beginning of what a request wants."""
        if self.options.max_age == 0:
            return None
        return self.session.purchases.under_way(self.options.account, request, self.options.rank, own)

    @contextmanager
    def buying(self, track: Track[Any]) -> Iterator[Purchase]:
        """Buy in here what a track asks for: it is kept, and others who want it wait until this is left."""
        request, options = track.asking, self.options
        with self.session.purchases.buying(options.account, request, options.rank) as purchase:

            def keep(part: Any, response: Response) -> None:
                purchase.part = part
                self._keep(request, part, response)

            track.keep = keep
            try:
                yield purchase
            finally:
                track.keep = None

    def _keep(self, request: Request[Any], part: Any, response: Response) -> None:
        store, account = self.session.store, self.options.account
        if store is None:
            return
        fetched = self.session.now() if response.date is None else response.date
        if request.series is not None:
            store.put(account, request.series, part, fetched)
        elif request.reply is not None:
            # Only what is no refusal can be final.
            final = response.status == 200 and request.reply.valid_until(part, fetched) == FOR_EVER
            store.put_reply(account, request.reply, evolve(response, date=fetched), final=final)

    def _first(self, kept: Sequence[CachedPart[Any]], wanted: Window | None) -> Any:
        """Return what pieces of a series hold of the beginning of what is wanted, as far as it will do."""
        if wanted is None:
            return None
        for piece in kept:
            if piece.window.start <= wanted.start < piece.window.end:
                good = wanted.clip(self.held.servable(piece.span))
                return piece.cut(good).part if good.seconds and good.start == wanted.start else None
        return None

    def _still_good(self, request: Request[Any], reply: ReplyKey[Any], response: Response) -> Any:
        """Return what a stored answer says, if it will do."""
        fetched, held = response.date or 0.0, self.held
        if held.max_age == 0:
            return None
        try:
            part, refused = self.session.meaning(request, response)
        except EnlightenError:
            return None  # an older version of this package could read it
        if part is None or held.is_fresh(fetched):
            return part
        until = fetched + ABSENCE_MEMORY_S if refused else reply.valid_until(part, fetched)
        return part if until > held.now else None


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
    options: QueryOptions
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
            self.tally.from_cache += 1
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
