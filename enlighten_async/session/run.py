"""Drives the tracks of one query: the newest alone, then the rest side by side."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

import anyio

from enlighten_async.errors import BudgetExceeded, EnlightenError, TransportError
from enlighten_async.models.coverage import Hole, Reason
from enlighten_async.quota import LONG, Grant
from enlighten_async.session.keeping import Keeping
from enlighten_async.session.outline import Outline
from enlighten_async.session.purchases import Purchase
from enlighten_async.session.session import Options, Session
from enlighten_async.session.tally import Tally
from enlighten_async.session.track import Track
from enlighten_async.transport import Credentials
from enlighten_async.windows import as_datetime

P = TypeVar("P")
I = TypeVar("I")  # noqa: E741 - an item
T = TypeVar("T")

logger = logging.getLogger("enlighten_async")

PILOTS = 2
"""How many windows may fail to get any answer before the others are given up."""


class Run(Generic[P, I, T]):
    """A query under way. Cut off at any point, it goes on from there when it is driven again.

    Attributes:
        tracks: one for each leg, oldest first.
        deadline: monotonic time after which nothing more is sent; `None` sets no limit.
    """

    def __init__(
        self,
        session: Session,
        options: Options,
        outline: Outline[P, I, T],
        keeping: Keeping,
        tally: Tally,
        failures: list[EnlightenError],
    ) -> None:
        self.outline = outline
        self.deadline: float | None = None
        place, rank = session.limiter.place, options.rank
        self.tracks = [Track.start(leg, place(rank), outline.learn) for leg in outline.legs]
        self._session = session
        self._options = options
        self._keeping = keeping
        self._tally = tally
        self._failures = failures
        self._waiting: set[anyio.CancelScope] = set()
        self._crash: BaseException | None = None
        self._led = False
        self._handed_out = 0

    @property
    def pending(self) -> list[Track[P]]:
        """Tracks that have more to ask, oldest first."""
        return [track for track in self.tracks if track.request is not None]

    async def lead(self) -> None:
        """Ask for the newest window alone: it tells whether key and system are right, and what is empty."""
        unbought = [track for track in self.tracks if not track.held]
        if self._led or len(self.tracks) < 2 or not unbought:
            return
        for pilot in unbought[: -1 - PILOTS : -1]:
            await self.drive(pilot)
            if not isinstance(pilot.error, TransportError):
                break
        else:
            self._refuse(self.pending)
        self._led = True
        self._prune()

    async def side_by_side(self, tracks: Iterable[Track[P]]) -> None:
        """Drive tracks to their ends, as many at once as the session allows."""
        tracks = list(tracks)
        held = [track for track in tracks if track.held and track.request is not None]
        self._tally.from_store += await self._keeping.recall(held)
        queue = deque(track for track in tracks if track.request is not None)
        workers = min(len(queue), self._session.max_concurrency)
        if workers == 1:
            await self._work(queue)
        elif workers:
            async with anyio.create_task_group() as group:
                for _ in range(workers):
                    group.start_soon(self._worker, queue, group.cancel_scope)
        if self._crash is not None:
            crash, self._crash = self._crash, None
            raise crash

    async def advance(self) -> list[P] | None:
        """Return the next few parts, oldest first, and forget them; `None` at the end."""
        if len(self.tracks) == 1:
            return await self._page(self.tracks[0])
        if self._handed_out >= len(self.tracks):
            return None
        batch = self.tracks[self._handed_out :][: self._session.max_concurrency]
        await self.side_by_side(batch)
        self._handed_out += len(batch)
        return [part for track in batch for part in track.hand_out()]

    async def _page(self, track: Track[P]) -> list[P] | None:
        """Return the next part of a flow that stands alone, as soon as it is there."""
        if track.request is not None and not track.parts:
            await self.drive(track, once=True)
        return track.hand_out() or None

    async def drive(self, track: Track[P], *, once: bool = False) -> None:
        """Drive one track to its end, or (`once`) until it has got its next part."""
        goal = len(track.parts) + 1
        while track.request is not None and not (once and len(track.parts) >= goal):
            if not await self._served(track):
                await self._buy(track)

    async def _served(self, track: Track[P]) -> bool:
        """Serve a track from what was bought; `False`: nobody has it, nor is about to get it."""
        request = track.asking
        part = await self._keeping.recalled(request) if request.reply is not None else None
        if part is None:
            other = self._keeping.under_way(request)
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
            self._tally.from_store += 1
            track.accept(part)

    async def _buy(self, track: Track[P]) -> None:
        """Send a track's request until it is answered or given up, or somebody else has sent it."""
        request = track.asking
        with self._keeping.buying(track) as purchase:
            while track.request is request:
                permit = await self._permitted(track)
                if permit is not None:
                    if not await self._needed(track, purchase, permit[0]):
                        return
                    purchase.sent = True
                    await self._pause(track, await self._session.attempt(track, *permit, self._tally))
                if track.error is not None:
                    self._note(track.error)

    async def _needed(self, track: Track[P], purchase: Purchase, grant: Grant) -> bool:
        """Look again: others may have bought it, or be at it, while this track stood at the gate."""
        needed, part = False, None
        try:
            part = await self._keeping.recalled(track.asking)
            needed = part is None and self._keeping.under_way(track.asking, purchase) is None
        finally:
            if not needed:
                grant.settle()  # as it was not sent, it costs nothing
                self._tally.count(grant, again=False)
        self._serve(track, part)
        return needed

    async def _permitted(self, track: Track[P]) -> tuple[Grant, Credentials] | None:
        """Wait for credentials and at the gate; `None` ends the track, as nothing more is sent for it."""
        permit = None
        try:
            self._check_budget()
            with self._leaving():
                permit = await self._granted(track)
                self._tally.granted += 1
        except EnlightenError as refusal:
            track.fail(refusal, Reason.REFUSED)
        else:
            if permit is None:
                track.skip(Reason.REFUSED)
        return permit

    async def _granted(self, track: Track[P]) -> tuple[Grant, Credentials]:
        """Return the permission to send a track's request, and credentials that hold at that moment."""
        access, limiter = self._options.access, self._session.limiter
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
        return None if self.deadline is None else max(0.0, self.deadline - self._session.clock.monotonic())

    def _check_budget(self) -> None:
        allowed = self._options.max_requests
        if allowed is not None and self._tally.sent + self._tally.granted >= allowed:
            raise BudgetExceeded(f"max_requests={allowed} are spent, and it takes more")

    async def _pause(self, track: Track[P], seconds: float) -> None:
        if seconds <= 0:
            return
        if seconds > LONG:
            until = f"{as_datetime(self._session.now() + seconds):%Y-%m-%d %H:%M:%S}"
            logger.info("waiting %.0f s (retry) until %s UTC", seconds, until)
        with self._leaving() as scope:
            await self._session.clock.sleep(seconds)
            self._tally.wait("retry", seconds)
        if scope.cancelled_caught:
            track.skip(Reason.REFUSED)

    @property
    def ended(self) -> bool:
        """Whether a refusal came that every other request of the query would meet too."""
        return any(failure.ends_query for failure in self._failures)

    def parts(self) -> list[P]:
        """Return what arrived so far, oldest first."""
        return [part for track in self.tracks for part in track.parts]

    def holes(self) -> list[Hole]:
        """Return what is missing so far, as far as it is known by time."""
        holes = (track.missing(Reason.REFUSED) for track in self.tracks)
        return [hole for hole in holes if hole is not None]

    def _note(self, failure: EnlightenError) -> None:
        """Book a failure; one that ends the query sends home whoever waits to send."""
        self._failures.append(failure)
        if failure.ends_query:
            for scope in self._waiting:
                scope.cancel()

    def _prune(self) -> None:
        """Leave out what the newest part shows to be empty."""
        parts = self.parts()
        if self._options.exhaustive or not parts:
            return
        for track in self.pending:
            window = track.request.window if track.request else None
            reason = self.outline.skip(parts[-1], window) if window else None
            if reason is not None:
                track.skip(reason)

    @staticmethod
    def _refuse(tracks: Sequence[Track[P]]) -> None:
        for track in tracks:
            if track.request is not None:
                track.skip(Reason.REFUSED)

    async def _worker(self, queue: deque[Track[P]], scope: anyio.CancelScope) -> None:
        """Work; a fault that is not ours ends the others and is raised as it is, not in a group."""
        try:
            await self._work(queue)
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as crash:  # noqa: BLE001 - raised again by `side_by_side`
            self._crash = crash
            scope.cancel()

    async def _work(self, queue: deque[Track[P]]) -> None:
        while queue:
            track = queue.popleft()
            if self.ended:
                self._refuse([track])
            else:
                await self.drive(track)

    @contextmanager
    def _leaving(self) -> Iterator[anyio.CancelScope]:
        """Mark a wait before sending, which a refusal met by another track puts an end to."""
        with anyio.CancelScope() as scope:
            self._waiting.add(scope)
            try:
                yield scope
            finally:
                self._waiting.discard(scope)
