"""Fake clock: minutes and months pass as soon as all tasks wait for them."""

from __future__ import annotations

import asyncio
import heapq
import math
import sys
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import anyio
from anyio.lowlevel import checkpoint
from anyio.to_thread import current_default_thread_limiter

from enlighten_async.clock import in_trio
from enlighten_async.state import body_thread, disk_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from enlighten_async.clock import Clock

THREAD_POLL_S = 0.001
"""Real seconds between two looks at whether a worker thread has finished."""

IDLE_TURNS = 3
"""Turns of an asyncio loop without work after which it is idle: a chain of futures takes one turn a link."""

MAX_DEAD_TIMERS = 64
"""Timers that nobody waits for any more and that may stay in the heap in any case."""


class FakeClock:
    """A `Clock` whose time stands still until it is advanced, or until all tasks wait for it.

    With `autojump` the time jumps to the earliest pending sleep or deadline as soon as every task of
    the event loop is blocked, on asyncio and trio. Only waits on this clock move it, and nothing outside
    the loop holds it back but worker threads (of anyio's default limiter, or ours): no answer on a real
    socket, no other process, no real sleep. For those use `SystemClock`, or `autojump=False` and
    `advance()`.

    A clock may serve several event loops one after another, not two at a time. On trio the order in
    which tasks woken at the same moment run is trio's, which is random.

    Args:
        now: the wall clock's first time, epoch seconds.
        monotonic: the monotonic clock's first reading, seconds.
        autojump: whether the time jumps when all tasks wait.
    """

    def __init__(
        self, now: float = 1_750_000_000.0, monotonic: float = 1000.0, *, autojump: bool = True
    ) -> None:
        self._monotonic = monotonic
        self._offset = now - monotonic
        self._autojump = autojump
        self._timers = TimerHeap(None)
        self._ensure_driver: Callable[[], None] = _stand_still

    def __repr__(self) -> str:
        return f"<FakeClock now={self.now()!r} monotonic={self._monotonic!r}>"

    def now(self) -> float:
        """Return the wall clock's time in epoch seconds (UTC)."""
        return self._offset + self._monotonic

    def monotonic(self) -> float:
        """Return the monotonic clock's reading in seconds."""
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """Wait until this many seconds of fake time have passed.

        Args:
            seconds: how long.
        """
        if seconds <= 0:
            await checkpoint()
            return
        event = anyio.Event()
        with self._pending(seconds, event.set):
            await event.wait()

    @contextmanager
    def move_on_after(self, seconds: float | None) -> Iterator[anyio.CancelScope]:
        """Cancel the body after this many seconds of fake time (`None`: never).

        Args:
            seconds: how long; `None`: for ever.
        """
        with (
            anyio.CancelScope() as scope,
            self._pending(math.inf if seconds is None else seconds, scope.cancel),
        ):
            if seconds is not None and seconds <= 0:
                scope.cancel()
            yield scope

    def advance(self, seconds: float) -> None:
        """Let this many seconds pass at once, and wake in order the tasks whose time has come.

        They run when the caller next waits, and then all of them read the time after the whole step.

        Args:
            seconds: how long, 0 or more.

        Raises:
            ValueError: the time would step back (see `step_wall`), or never end.
        """
        if not 0 <= seconds < math.inf:
            raise ValueError(f"cannot advance by {seconds} seconds: give a finite number, not below 0")
        self._run_to(self._monotonic + seconds)

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forward (back, if below 0) by this many seconds; no time elapses.

        Args:
            seconds: by how much; below 0: back.
        """
        self._offset += seconds

    def skewed(self, seconds: float) -> Clock:
        """Return a view of this clock whose wall clock is ahead (behind, if below 0) by this much.

        Args:
            seconds: by how much it is ahead; below 0: behind.
        """
        return _Skewed(self, seconds)

    @contextmanager
    def _pending(self, seconds: float, wake: Callable[[], object]) -> Iterator[None]:
        due = self._monotonic + seconds
        if math.isnan(due):
            raise ValueError("cannot wait for NaN seconds")
        self._enter_loop()
        timers = self._timers
        timer = timers.add(due, wake)
        self._ensure_driver()
        try:
            yield
        finally:
            timers.drop(timer)

    def _enter_loop(self) -> None:
        """Start anew in another event loop than the last one; the last one's timers are forgotten."""
        loop = _running_loop()
        if self._timers.loop is not loop:
            self._timers = TimerHeap(loop)
            self._ensure_driver = (
                _driver_for(self._timers, self._jump).ensure if self._autojump else _stand_still
            )

    def _jump(self) -> None:
        due = self._timers.next_due()
        if due is not None:
            self._run_to(max(due, self._monotonic))

    def _run_to(self, when: float) -> None:
        self._monotonic = when
        for timer in self._timers.pop_until(when):
            timer.wake()


class _Skewed:
    """A view of a clock whose wall clock is off by a constant."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds

    def now(self) -> float:
        return self._clock.now() + self._seconds

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    def move_on_after(self, seconds: float | None) -> AbstractContextManager[anyio.CancelScope]:
        return self._clock.move_on_after(seconds)


def _stand_still() -> None:
    """Start no driver: the time is advanced by hand, or no event loop has been seen yet."""


class Timer:
    """A pending sleep or deadline: its due time, and the call that wakes it. Sorts by time, then arrival."""

    __slots__ = ("alive", "due", "number", "wake")

    def __init__(self, due: float, number: int, wake: Callable[[], object]) -> None:
        self.due = due
        self.number = number
        self.wake = wake
        self.alive = due < math.inf

    def __lt__(self, other: Timer) -> bool:
        return (self.due, self.number) < (other.due, other.number)


class TimerHeap:
    """Pending timers of one event loop, earliest first; dropped ones are deleted lazily."""

    def __init__(self, loop: object) -> None:
        self.loop = loop
        self._heap: list[Timer] = []
        self._numbers = count()
        self._dead = 0

    def add(self, due: float, wake: Callable[[], object]) -> Timer:
        """Add a timer; one that waits for ever is never due, so it is not kept."""
        timer = Timer(due, next(self._numbers), wake)
        if timer.alive:
            heapq.heappush(self._heap, timer)
        return timer

    def drop(self, timer: Timer) -> None:
        """Remove a timer; nothing happens if its time has come already."""
        if not timer.alive:
            return
        timer.alive = False
        self._dead += 1
        if self._dead > MAX_DEAD_TIMERS and 2 * self._dead > len(self._heap):
            self._heap = [timer for timer in self._heap if timer.alive]
            heapq.heapify(self._heap)
            self._dead = 0

    def next_due(self) -> float | None:
        """Return the earliest due time."""
        while self._heap and not self._heap[0].alive:
            heapq.heappop(self._heap)
            self._dead -= 1
        return self._heap[0].due if self._heap else None

    def pop_until(self, when: float) -> Iterator[Timer]:
        """Take out, in order, all timers that are due by then."""
        while (due := self.next_due()) is not None and due <= when:
            timer = heapq.heappop(self._heap)
            timer.alive = False
            yield timer


class RunningThreads:
    """The threads that work for the running event loop: the program's, and ours at the disk and at bodies."""

    def __init__(self) -> None:
        self._limiters, self._disk = (current_default_thread_limiter(), body_thread()), disk_threads()

    @property
    def busy(self) -> bool:
        """Whether one of them is at work."""
        return any(self._disk.works) or any(each.borrowed_tokens for each in self._limiters)


class AsyncioDriver:
    """Calls `jump` whenever an asyncio loop is idle, for as long as there are timers.

    `anyio.wait_all_tasks_blocked` does not do: it looks at tasks only, and a task that waits for a chain
    of futures (nested `asyncio.gather`) looks blocked while their callbacks still run, one a turn. A
    deadline beside it would fire though the answer has come.
    """

    def __init__(self, timers: TimerHeap, jump: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        self._timers = timers
        self._jump = jump
        self._loop = loop
        self._threads = RunningThreads()
        self._running = False
        self._idle_turns = 0

    def ensure(self) -> None:
        """Start, unless it runs already."""
        if not self._running:
            self._running = True
            self._idle_turns = 0
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        if self._timers.next_due() is None:
            self._running = False
            return
        self._idle_turns = self._idle_turns + 1 if _is_idle(self._loop) else 0
        if self._threads.busy:
            self._loop.call_later(THREAD_POLL_S, self._turn)
            return
        if self._idle_turns >= IDLE_TURNS:
            self._idle_turns = 0
            self._jump()
        self._loop.call_soon(self._turn)


class TrioDriver:
    """Calls `jump` whenever a trio run is idle, for as long as there are timers."""

    def __init__(self, timers: TimerHeap, jump: Callable[[], None], lowlevel: Any) -> None:
        self._timers = timers
        self._jump = jump
        self._lowlevel = lowlevel
        self._threads = RunningThreads()
        self._running = False

    def ensure(self) -> None:
        """Start, unless it runs already."""
        if not self._running:
            self._running = True
            self._lowlevel.spawn_system_task(self._run, name="FakeClock")

    async def _run(self) -> None:
        try:
            while self._timers.next_due() is not None:
                await anyio.wait_all_tasks_blocked()
                if self._threads.busy:
                    await anyio.sleep(THREAD_POLL_S)
                else:
                    self._jump()
        finally:
            self._running = False


def _running_loop() -> object:
    """Return the running event loop: trio's token, or asyncio's loop."""
    if in_trio():  # where trio runs as a guest there is an asyncio loop as well
        return sys.modules["trio"].lowlevel.current_trio_token()
    return asyncio.get_running_loop()


def _driver_for(timers: TimerHeap, jump: Callable[[], None]) -> AsyncioDriver | TrioDriver:
    """Return the driver for the event loop of these timers."""
    if isinstance(timers.loop, asyncio.AbstractEventLoop):
        return AsyncioDriver(timers, jump, timers.loop)
    return TrioDriver(timers, jump, sys.modules["trio"].lowlevel)


def _is_idle(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether no callback and no task is ready to run, seen from inside a callback."""
    ready = getattr(loop, "_ready", None)
    if ready is not None:
        return not ready
    # uvloop hides its queue: ask each task, as anyio.wait_all_tasks_blocked does.
    return all(_is_blocked(task) for task in asyncio.all_tasks(loop))


def _is_blocked(task: asyncio.Task[Any]) -> bool:
    waiter = getattr(task, "_fut_waiter", None)
    return waiter is not None and not waiter.done()
