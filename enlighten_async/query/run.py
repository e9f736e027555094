"""The order in which the segments of one query are fetched: the newest alone, then the rest side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

import anyio

from enlighten_async.errors import TransportError
from enlighten_async.models.coverage import Gap, Reason
from enlighten_async.query.fetch import Driver
from enlighten_async.query.plan import Outline
from enlighten_async.query.segment_state import Track

P = TypeVar("P")
I = TypeVar("I")  # noqa: E741 - an item
T = TypeVar("T")

PILOTS = 2
"""How many windows may fail to get any answer before the others are given up."""


class Run(Generic[P, I, T]):
    """A query under way. Cut off at any point, it goes on from there when it is driven again.

    Attributes:
        tracks: one for each leg, oldest first.
        driver: gets them what they ask for.
    """

    def __init__(self, outline: Outline[P, I, T], driver: Driver) -> None:
        self.outline = outline
        self.driver = driver
        place, rank = driver.session.limiter.waiter, driver.options.rank
        self.tracks = [Track.start(leg, place(rank), outline.learn) for leg in outline.legs]
        self._crash: BaseException | None = None
        self._led = False
        self._backwards = False
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
            await self.driver.drive(pilot)
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
        self.driver.tally.from_cache += await self.driver.keeping.recall(held)
        queue = deque(track for track in tracks if track.request is not None)
        workers = min(len(queue), self.driver.session.max_concurrency)
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
        batch = self.tracks[self._handed_out :][: self.driver.session.max_concurrency]
        await self.side_by_side(batch)
        self._handed_out += len(batch)
        return [part for track in batch for part in track.hand_out()]

    async def _page(self, track: Track[P]) -> list[P] | None:
        """Return the next part of a flow that stands alone, as soon as it is there."""
        if track.request is not None and not track.parts:
            await self.driver.drive(track, once=True)
        return track.hand_out() or None

    def parts(self) -> list[P]:
        """Return what arrived so far, oldest first."""
        return [part for track in self.tracks for part in track.parts]

    def gaps(self) -> list[Gap]:
        """Return what is missing so far, as far as it is known by time."""
        gaps = (track.missing(Reason.REFUSED) for track in self.tracks)
        return [gap for gap in gaps if gap is not None]

    def _prune(self) -> None:
        """Leave out what the newest part shows to be empty."""
        parts = self.parts()
        if self.driver.options.exhaustive or not parts:
            return
        for track in self.pending:
            window = track.request.window if track.request and not track.held else None
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
        """Take one track after another; where another process has been already, go on at the other end."""
        while queue:
            backwards = self._backwards
            track = queue.pop() if backwards else queue.popleft()
            if self.driver.ended:
                self._refuse([track])
                continue
            await self.driver.drive(track)
            if track.met:
                self._backwards = not backwards
