"""The order in which the segments of one query are fetched: the newest alone, then the rest side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any

import anyio

from enlighten_async.cache import IntervalCache
from enlighten_async.errors import DecodeError
from enlighten_async.limiter import Waiter
from enlighten_async.models.coverage import Gap, Reason
from enlighten_async.query.fetch import Fetcher, SegmentState
from enlighten_async.query.plan import Part, QueryPlan, Segment, Segments
from enlighten_async.retry import is_outage
from enlighten_async.windows import Window

MAX_PROBES = 2
"""Windows that the service may fail to answer before the others are given up."""


class Runner:
    """A query under way. Cut off at any point, it goes on from there when it is run again.

    Attributes:
        plan: the plan of the query.
        layout: its segments, as they were laid out when the run began.
        segments: the state of each, oldest first.
        fetcher: gets them their parts.

    Args:
        plan: the plan of the query.
        layout: its segments.
        fetcher: gets them their parts.
        place: the query's own place in the queue of the limiter, which the newest segment has.
    """

    def __init__(
        self, plan: QueryPlan[Any, Any], layout: Segments, fetcher: Fetcher, place: Waiter | None = None
    ) -> None:
        self.plan = plan
        self.layout = layout
        self.fetcher = fetcher
        self.segments = [self._state(each) for each in layout.ordered]
        if self.segments and place is not None:
            self.segments[-1].waiter = place
        self._crash: BaseException | None = None
        self._probed = False
        self._backwards = False
        self._handed_out = 0

    def _state(self, segment: Segment) -> SegmentState:
        """Return the state of a segment; its generator says what it asks for first."""
        options = self.fetcher.options
        waiter = self.fetcher.session.limiter.waiter(options.rank, options.scope)
        first = next(segment.requests, None)
        return SegmentState(segment.requests, first, waiter, self.layout.learn, segment.cached)

    @property
    def pending(self) -> list[SegmentState]:
        """The segments that have more to ask, oldest first."""
        return [segment for segment in self.segments if segment.request is not None]

    async def run(self) -> None:
        """Fetch all that has not arrived yet."""
        if len(self.segments) > 1 or self.layout.unasked:
            await self.fetch_newest()
            await self.fetch_side_by_side(self.segments)
            return
        for segment in self.segments:  # no task group for a single segment
            if segment.cached:
                await self.fetcher.serve_cached([segment])
            while segment.request is not None:
                await self.fetcher.fetch(segment, segment.request)

    async def take_cached(self, cache: IntervalCache) -> None:
        """Take the cached replies, up to the first that is not cached; nothing is sent, nothing counted."""
        for segment in self.segments:
            while segment.request is not None:
                part = await self.fetcher.cached_part(cache, segment.request)
                if part is None:
                    break
                segment.accept(part)

    async def fetch_newest(self) -> None:
        """Fetch the newest window alone: it tells whether key and system are right, and what is empty."""
        unpaid = [segment for segment in self.segments if not segment.cached]
        if self._probed or len(self.segments) < (1 if self.layout.unasked else 2) or not unpaid:
            return
        down = False
        for probe in unpaid[: -1 - MAX_PROBES : -1]:
            while probe.request is not None:
                await self.fetcher.fetch(probe, probe.request)
            down = probe.error is not None and (
                is_outage(probe.error) or isinstance(probe.error, DecodeError)
            )
            if not (down and probe.repeatable) or self.fetcher.ended:
                break
        if down:
            self._refuse([segment for segment in self.pending if not segment.cached])
        elif self.layout.unasked:
            self._reopen()
        self._probed = True
        await self._prune()

    def _reopen(self) -> None:
        """Take up what was left out as too old by our clock, if it was ahead of the time that is now told."""
        session = self.fetcher.session
        layout = self.plan.reopened(self.layout, min(session.limiter.now(), session.clock.now()))
        if layout is not self.layout:
            known = dict(zip(map(id, self.layout.ordered), self.segments, strict=True))
            self.segments = [known.get(id(each)) or self._state(each) for each in layout.ordered]
            self.layout = layout

    async def fetch_side_by_side(
        self, segments: Iterable[SegmentState], until: SegmentState | None = None
    ) -> None:
        """Fetch segments to their ends, as many at once as the session allows.

        Args:
            segments: the segments, oldest first.
            until: one of them with whose end nothing more is sent; `None`: all are fetched.
        """
        segments, self.fetcher.paused = list(segments), False
        await self.fetcher.serve_cached(
            [each for each in segments if each.cached and each.request is not None]
        )
        queue = deque(segment for segment in segments if segment.request is not None)
        workers = min(len(queue), self.fetcher.session.max_concurrency)
        if workers == 1:
            await self._work(queue, until)
        elif workers:
            async with anyio.create_task_group() as group:
                for _ in range(workers):
                    group.start_soon(self._worker, queue, until, group.cancel_scope)
        if self._crash is not None:
            crash, self._crash = self._crash, None
            raise crash

    async def next_parts(self) -> list[Part] | None:
        """Return the next few parts, oldest first, and forget them; `None` at the end.

        Those after the next one are fetched ahead. When that one is there, those that still wait to be sent
        are put off until the next call: no part is held back for the sake of another.
        """
        if len(self.segments) == 1:
            return await self._next_page(self.segments[0])
        if self._handed_out >= len(self.segments):
            return None
        ahead = self.segments[self._handed_out :][: self.fetcher.session.max_concurrency]
        await self.fetch_side_by_side(ahead, until=ahead[0])
        done = list(takewhile(lambda segment: segment.request is None, ahead))
        self._handed_out += len(done)
        return [part for segment in done for part in segment.hand_out()]

    async def _next_page(self, segment: SegmentState) -> list[Part] | None:
        """Return the next part of a segment that stands alone, as soon as it is there."""
        while segment.request is not None and not segment.parts:
            await self.fetcher.fetch(segment, segment.request)
        return segment.hand_out() or None

    def parts(self) -> list[Part]:
        """Return the parts so far, oldest first."""
        return [part for segment in self.segments for part in segment.parts]

    def gaps(self) -> list[Gap]:
        """Return the time without a part so far, as far as it is known."""
        unfinished = [each for each in self.segments if each.request is not None or each.gap is not None]
        missing = [segment.missing(Reason.REFUSED) for segment in unfinished]
        return [*self.layout.unasked, *(gap for gap in missing if gap is not None)]

    async def _prune(self) -> None:
        """Leave out the windows that the newest part shows to be empty; try one of those that may be."""
        parts = self.parts()
        if self.fetcher.options.exhaustive or not parts:
            return
        newest = parts[-1]
        self._skip_by(newest)
        doubtful = [each for each, window in self._unpaid() if self.plan.is_doubtful(newest, window)]
        for trial in doubtful[-1:]:
            while trial.request is not None:
                await self.fetcher.fetch(trial, trial.request)
            for part in trial.parts:
                self._skip_by(part)

    def _skip_by(self, part: Part) -> None:
        """Leave out the windows that a part shows to be empty."""
        for segment, window in self._unpaid():
            reason = self.plan.skip(part, window)
            if reason is not None:
                segment.skip(reason)

    def _unpaid(self) -> list[tuple[SegmentState, Window]]:
        """Return the segments that would be paid for, and what they ask for, oldest first."""
        asking = [(each, each.request.window) for each in self.pending if each.request and not each.cached]
        return [(each, window) for each, window in asking if window]

    @staticmethod
    def _refuse(segments: Sequence[SegmentState]) -> None:
        for segment in segments:
            if segment.request is not None:
                segment.skip(Reason.REFUSED)

    async def _worker(
        self, queue: deque[SegmentState], until: SegmentState | None, scope: anyio.CancelScope
    ) -> None:
        """Work; a fault that is not ours ends the others and is raised as it is, not in a group."""
        try:
            await self._work(queue, until)
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as crash:  # noqa: BLE001 - raised again by `fetch_side_by_side`
            self._crash = crash
            scope.cancel()

    async def _work(self, queue: deque[SegmentState], until: SegmentState | None) -> None:
        """Fetch one segment after another; where another process has been already, go on at the other end.

        So processes that ask for the same range at the same time meet in the middle of it.
        """
        while queue and not self.fetcher.paused:
            backwards = self._backwards
            segment = queue.pop() if backwards else queue.popleft()
            if self.fetcher.ended:
                self._refuse([segment])
                continue
            window = segment.request and segment.request.window
            if window and self.plan.is_outdated(window):
                segment.renew()
            while segment.request is not None and not self.fetcher.paused:
                await self.fetcher.fetch(segment, segment.request)
            if until is not None and until.request is None:
                self.fetcher.pause()
            if segment.late_hit:
                self._backwards = not backwards
