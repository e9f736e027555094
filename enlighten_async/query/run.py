"""The order in which the segments of one query are fetched: the newest alone, then the rest side by side."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeAlias
from weakref import finalize

import anyio

from enlighten_async.cache import IntervalCache
from enlighten_async.clock import run_shielded
from enlighten_async.errors import UsageError
from enlighten_async.limiter import Waiter
from enlighten_async.models.coverage import Gap, Reason
from enlighten_async.query.fetch import Fetcher, SegmentState
from enlighten_async.query.plan import Part, QueryPlan, Segment, Segments
from enlighten_async.windows import Window

Fetch: TypeAlias = Callable[[SegmentState], Awaitable[None]]
"""Fetches a segment to its end."""

MAX_PROBES = 2
"""Windows that the service may fail to answer before the others are given up."""

logger = logging.getLogger("enlighten_async")


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
        self.segments = [self._state(each) for each in layout.ordered[:-1]]
        self.segments += [self._state(newest, place) for newest in layout.ordered[-1:]]
        self._crash: BaseException | None = None
        self._untold: finalize[..., Runner] | None = None
        self._probed = False
        self._backwards = False
        # Of a stream:
        self._under_way: dict[SegmentState, anyio.CancelScope] = {}
        self._wanted: SegmentState | None = None
        self._starting: deque[SegmentState] = deque()
        self._change: anyio.Event | None = None  # made when somebody waits for it
        self._handed_out = 0

    def _state(self, segment: Segment, place: Waiter | None = None) -> SegmentState:
        """Return the state of a segment; its generator says what it asks for first."""
        options = self.fetcher.options
        waiter = place or self.fetcher.session.limiter.waiter(options.rank, options.scope)
        first = next(segment.requests, None)
        return SegmentState(segment.requests, first, waiter, self.layout.learn, segment.cached)

    @property
    def pending(self) -> list[SegmentState]:
        """The segments that have more to ask, oldest first."""
        return [segment for segment in self.segments if segment.request is not None]

    async def run(self) -> None:
        """Fetch all that has not arrived yet."""
        if len(self.segments) > 1 or self.layout.unasked:
            await self._fetch_newest(self._fetch)
            await self._fetch_side_by_side()
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

    async def _fetch_newest(self, fetch: Fetch) -> None:
        """Fetch the newest window alone: it tells whether key and system are right, and what is empty."""
        unpaid = [segment for segment in self.segments if not segment.cached]
        if self._probed or len(self.segments) < (1 if self.layout.unasked else 2) or not unpaid:
            return
        down = False
        for probe in unpaid[: -1 - MAX_PROBES : -1]:
            await fetch(probe)
            down = probe.error is not None
            if not (down and probe.repeatable) or self.fetcher.ended:
                break
        if down:
            self._refuse([segment for segment in self.pending if not segment.cached])
        elif self.layout.unasked:
            self._reopen()
        self._probed = True
        await self._prune(fetch)

    def _reopen(self) -> None:
        """Take up what was left out as too old by our clock, if it was ahead of the time that is now told."""
        session = self.fetcher.session
        layout = self.plan.reopened(self.layout, min(session.limiter.now(), session.clock.now()))
        if layout is not self.layout:
            known = dict(zip(map(id, self.layout.ordered), self.segments, strict=True))
            self.segments = [known.get(id(each)) or self._state(each) for each in layout.ordered]
            self.layout = layout

    async def _fetch_side_by_side(self) -> None:
        """Fetch all segments to their ends, as many at once as the session allows."""
        await self._serve_cached(self.segments)
        queue = deque(self.pending)
        workers = min(len(queue), self.fetcher.session.max_concurrency)
        if workers == 1:
            await self._work(queue)
        elif workers:
            async with anyio.create_task_group() as group:
                for _ in range(workers):
                    group.start_soon(self._worker, queue, group.cancel_scope)
        self._raise_crash()

    async def _serve_cached(self, segments: Iterable[SegmentState]) -> None:
        """Give segments, oldest first, what the cache holds for them, but for those under way."""
        asking = [each for each in segments if each.cached and each.request is not None]
        await self.fetcher.serve_cached([each for each in asking if each not in self._under_way])

    def _raise_crash(self) -> None:
        """Raise a fault that is not ours, once."""
        if self._crash is not None:
            crash, self._crash = self._crash, None
            if self._untold is not None:
                self._untold.detach()
            raise crash

    # A stream

    async def run_in_background(self) -> None:
        """Fetch one segment after another; what was sent goes on if the caller is cancelled."""
        for segment in self.segments:
            await self._fetch_in_background(segment)

    async def next_parts(self) -> list[Part] | None:
        """Return the next parts that are there, oldest first, and forget them; `None` at the end.

        Those after the next one are fetched ahead, in the background. When this is left, also by a cancel,
        those that still wait to be sent are put off until the next call; those that were sent go on.
        """
        self._raise_crash()
        await self._fetch_newest(self._fetch_in_background)
        if not self._ahead:
            return None
        while (ahead := self._ahead) and not self._is_there(ahead[0]):
            await self._serve_cached(ahead)
            if not self._is_there(ahead[0]):
                await self._advance(ahead[0], ahead)
        parts: list[Part] = []
        for segment in self._ahead:
            if not self._is_there(segment):
                break
            parts += segment.hand_out()
            if segment.request is not None:
                break
            self._handed_out += 1
        return parts

    @property
    def _ahead(self) -> list[SegmentState]:
        """The next segment of a stream, and those after it that are fetched ahead."""
        return self.segments[self._handed_out :][: self.fetcher.session.max_concurrency]

    def _is_there(self, segment: SegmentState) -> bool:
        """Tell whether a part of a segment can be handed out, or it has ended without one."""
        return bool(segment.parts) if segment.request is not None else segment not in self._under_way

    async def _fetch_in_background(self, segment: SegmentState) -> None:
        """Fetch a segment to its end; what was sent goes on if the caller is cancelled."""
        while segment.request is not None or segment in self._under_way:
            await self._advance(segment, [segment])

    async def _advance(self, wanted: SegmentState, ahead: Sequence[SegmentState]) -> None:
        """Wait until a segment has come a step further; send the requests of others meanwhile.

        Args:
            wanted: the segment.
            ahead: those that are fetched, this one included, oldest first.

        Raises:
            UsageError: the client is being closed.
        """
        self._wanted = wanted
        self.fetcher.go_on()
        try:
            for segment in ahead:
                if segment.request is not None and segment not in self._under_way:
                    self._start(segment)
            while wanted in self._under_way and self._crash is None:
                await self._next_change()
        finally:
            self.fetcher.pause()
        self._raise_crash()

    def _start(self, segment: SegmentState) -> None:
        """Start a task for a segment of a stream."""
        scope, fetcher = anyio.CancelScope(), self.fetcher
        self._under_way[segment] = scope
        self._starting.append(segment)
        try:
            fetcher.session.background.start(
                partial(self._fetch_ahead, scope), scope=scope, stop=fetcher.stop
            )
        except UsageError:
            self._starting.remove(segment)
            del self._under_way[segment]
            raise

    async def _fetch_ahead(self, scope: anyio.CancelScope) -> None:
        """Fetch a segment until it is put off; the one that is wanted next only one step.

        Each task takes the oldest that no task has begun: trio lets tasks begin in any order.
        """
        segment = self._starting.popleft()
        self._under_way[segment] = scope
        try:
            with scope:
                self._renew(segment)
                while segment.request is not None and not self.fetcher.paused:
                    await self.fetcher.fetch(segment, segment.request)
                    if segment is self._wanted:
                        break
        except anyio.get_cancelled_exc_class():
            raise  # the event loop ends
        except BaseException as crash:
            self._crash = crash
            if isinstance(crash, KeyboardInterrupt):
                raise  # asyncio hands it to the main thread; on trio no task of ours gets it
            # Where no step comes that could raise it, as the reader has left, the log tells it.
            text = "a query that was left had failed in the background: %s"
            self._untold = finalize(self, logger.error, text, type(crash).__name__)
        finally:
            # Nothing is awaited since the last look at `paused`; nothing is sent until the reader is here.
            del self._under_way[segment]
            if segment is self._wanted:
                self.fetcher.pause()
            if self._change is not None:
                self._change.set()
                self._change = None

    async def stop(self) -> None:
        """Cancel what is under way for a stream, and wait until it has ended."""
        for scope in self._under_way.values():
            scope.cancel()
        if self._under_way:
            await run_shielded(self._stopped)

    async def _stopped(self) -> None:
        while self._under_way:
            await self._next_change()

    async def _next_change(self) -> None:
        """Wait until a task of a stream has ended."""
        self._change = self._change or anyio.Event()
        await self._change.wait()

    def parts(self) -> list[Part]:
        """Return the parts so far, oldest first."""
        return [part for segment in self.segments for part in segment.parts]

    def gaps(self) -> list[Gap]:
        """Return the time without a part so far, as far as it is known."""
        unfinished = [each for each in self.segments if each.request is not None or each.gap is not None]
        missing = [segment.missing(Reason.REFUSED) for segment in unfinished]
        return [*self.layout.unasked, *(gap for gap in missing if gap is not None)]

    async def _prune(self, fetch: Fetch) -> None:
        """Leave out the windows that the newest part shows to be empty; try one of those that may be."""
        parts = self.parts()
        if self.fetcher.options.exhaustive or not parts:
            return
        newest = parts[-1]
        self._skip_by(newest)
        doubtful = [each for each, window in self._unpaid() if self.plan.is_doubtful(newest, window)]
        for trial in doubtful[-1:]:
            await fetch(trial)
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

    async def _worker(self, queue: deque[SegmentState], scope: anyio.CancelScope) -> None:
        """Work; a fault that is not ours ends the others and is raised as it is, not in a group."""
        try:
            await self._work(queue)
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as crash:  # noqa: BLE001 - raised again by `_fetch_side_by_side`
            self._crash = crash
            scope.cancel()

    async def _work(self, queue: deque[SegmentState]) -> None:
        """Fetch one segment after another; where another process has been already, go on at the other end.

        So processes that ask for the same range at the same time meet in the middle of it.
        """
        while queue:
            backwards = self._backwards
            segment = queue.pop() if backwards else queue.popleft()
            self._renew(segment)
            await self._fetch(segment)
            if segment.late_hit:
                self._backwards = not backwards

    async def _fetch(self, segment: SegmentState) -> None:
        """Fetch a segment to its end."""
        while segment.request is not None:
            await self.fetcher.fetch(segment, segment.request)

    def _renew(self, segment: SegmentState) -> None:
        """Make the request of a segment anew, if it is outdated; end it, if the query has ended."""
        window = segment.request and segment.request.window
        if self.fetcher.ended:
            self._refuse([segment])
        elif window and self.plan.is_outdated(window):
            segment.renew()
