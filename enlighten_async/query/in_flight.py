"""Requests in flight: those that queries share, and tasks in which a stream's go on between two items."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Hashable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from hashlib import blake2b
from typing import Any

import anyio
from attrs import Factory, define, field

from enlighten_async.clock import in_trio, run_shielded
from enlighten_async.errors import EnlightenError, UsageError
from enlighten_async.limiter import Subject
from enlighten_async.models.intervals import SeriesResult
from enlighten_async.transport import CLOSED
from enlighten_async.windows import Window
from enlighten_async.wire import Request


def subject_of(scope: bytes, request: Request[Any]) -> Subject | None:
    """Return what a request asks for, in words for other processes; `None` if its answer is not kept.

    Args:
        scope: digest of who asks.
        request: the request.
    """
    series, wanted = request.series, request.wanted
    if series is not None and wanted is not None:
        thing = f"{series.endpoint} {series.system_id} {series.device}"
    elif series is None and (reply := request.reply_key) is not None:
        thing, wanted = f"{reply.endpoint} {reply.asked}", None
    else:
        return None
    about = blake2b(scope + thing.encode(), digest_size=8).hexdigest()
    return Subject(about) if wanted is None else Subject(about, wanted.start, (request.window or wanted).end)


@define(eq=False)
class SharedRequest:
    """One request under way, from before the limiter until it is answered or given up.

    Attributes:
        window: the range it asks for; `None` if that is left to the service, or no matter of time.
        rank: the number of classes that go before it at the limiter.
        sent: whether it has passed the limiter.
        part: the part that it got, if it did.
        failure: why it got none, if it is of no use that another query sends it.
        over: set when it is over, whether or not it has got its part; made when somebody waits for it.
    """

    window: Window | None
    rank: int
    sent: bool = False
    part: Any = field(default=None, repr=False)
    failure: EnlightenError | None = None
    over: anyio.Event | None = field(default=None, init=False, repr=False)

    async def wait(self) -> None:
        """Wait until it is over."""
        if self.over is None:
            self.over = anyio.Event()
        await self.over.wait()

    def begins(self, wanted: Window | None) -> bool:
        """Tell whether it asks for the beginning of what is wanted."""
        if self.window is None or wanted is None:
            return self.window is wanted
        return self.window.start <= wanted.start < self.window.end

    def share(self, wanted: Window | None) -> Any:
        """Return its part, cut to the beginning of what is wanted; `None` if it has nothing of that."""
        if wanted is None or not isinstance(self.part, SeriesResult):
            return self.part
        share = wanted.clip(self.part.window)
        return self.part._slice(share) if share.seconds and share.start == wanted.start else None


@define
class InFlight:
    """All requests under way of those who share it, in one event loop.

    A query that wants the same part waits for it. If the request is cancelled or fails, all who wait are
    woken, and the first of them sends it; if the service is down or cannot be reached, all are told.
    """

    _shared: dict[Hashable, list[SharedRequest]] = Factory(dict)

    def find(
        self, key: Hashable, wanted: Window | None, rank: int, own: SharedRequest | None = None
    ) -> SharedRequest | None:
        """Return a request under way that asks for the beginning of what is wanted.

        Args:
            key: identity of the scope and of the thing that is asked about, at whatever time.
            wanted: the range that is wanted; `None` if that is left to the service, or no matter of time.
            rank: the number of classes that go before it; a request that waits behind it does not count.
            own: the entry with which it has passed the limiter; then only one that was sent counts.
        """
        for each in self._shared.get(key, ()):
            first = each.sent or (own is None and each.rank <= rank)
            if first and each is not own and each.begins(wanted):
                return each
        return None

    @contextmanager
    def entered(self, key: Hashable, window: Window | None, rank: int) -> Iterator[SharedRequest]:
        """Share a request for a window: queries that want the same wait until this is left."""
        shared = SharedRequest(window, rank)
        others = self._shared.setdefault(key, [])
        others.append(shared)
        try:
            yield shared
        finally:
            others.remove(shared)
            if not others:
                del self._shared[key]
            if shared.over is not None:
                shared.over.set()


@define(eq=False)
class Background:
    """The tasks of a client's streams, each with the scope that cancels it; they end with the client.

    One event loop at a time. asyncio and trio cancel what is left when the event loop ends.
    """

    _tasks: dict[anyio.CancelScope, BackgroundTask] = Factory(dict)
    _closed: bool = False
    _all_ended: anyio.Event | None = None

    def start(
        self,
        work: Callable[[], Coroutine[Any, Any, None]],
        *,
        scope: anyio.CancelScope,
        stop: Callable[[], None],
    ) -> None:
        """Start a task, in a copy of the caller's context.

        Args:
            work: what it does, within the scope; it raises no error.
            scope: cancels it.
            stop: has it end by itself, when what it has sent is answered.

        Raises:
            UsageError: the client is closed, or is being closed.
        """
        if self._closed:
            raise UsageError(CLOSED)
        started = self._tasks[scope] = BackgroundTask(stop)
        if in_trio():
            sys.modules["trio"].lowlevel.spawn_system_task(
                self._work, work, scope, name="enlighten_async", context=copy_context()
            )
        else:
            started.task = asyncio.create_task(work())
            started.task.add_done_callback(lambda task: self._ended(scope, task))

    async def _work(self, work: Callable[[], Coroutine[Any, Any, None]], scope: anyio.CancelScope) -> None:
        try:
            await work()
        finally:
            self._ended(scope)

    def _ended(self, scope: anyio.CancelScope, task: asyncio.Task[None] | None = None) -> None:
        del self._tasks[scope]
        if task is not None and not task.cancelled():
            task.exception()  # or asyncio would log that nobody looked at it
        if self._all_ended is not None and not self._tasks:
            self._all_ended.set()

    def cancel(self) -> None:
        """Cancel all tasks."""
        for scope in self._tasks:
            scope.cancel()

    async def aclose(self, *, patient: bool) -> None:
        """End all tasks, and start no more.

        Args:
            patient: whether they are waited for, as far as they have sent something, and only cancelled if
                the caller is.
        """
        self._closed = True
        for each in list(self._tasks.values()):
            each.stop()
        try:
            if patient:
                await self._end()
        finally:
            self.cancel()
            await run_shielded(self._end)

    async def _end(self) -> None:
        """Wait until all tasks have ended."""
        if self._tasks:
            self._all_ended = self._all_ended or anyio.Event()
            await self._all_ended.wait()


@define(eq=False)
class BackgroundTask:
    """A task, and how it is stopped.

    Attributes:
        stop: has it end by itself, when what it has sent is answered.
        task: the task, of which asyncio itself holds no reference.
    """

    stop: Callable[[], None]
    task: asyncio.Task[None] | None = None
