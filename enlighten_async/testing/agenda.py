"""Who waits for what fake time in one event loop, and when the loop has nothing else to do."""

from __future__ import annotations

import asyncio
import heapq
import math
import sys
from itertools import count
from typing import TYPE_CHECKING, Any

import anyio
from anyio.to_thread import current_default_thread_limiter

from enlighten_async.state import disk_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

THREAD_POLL = 0.001  # real seconds between two looks at whether a worker thread has finished
QUIET_TURNS = 3  # turns of an asyncio loop without work: each callback of a future may take one
MAX_DEAD = 64  # entries nobody waits for any more that may be kept in any case


class Entry:
    """Somebody who waits: until when, and how to wake them. Sorts by due time, then by arrival."""

    __slots__ = ("alive", "due", "number", "wake")

    def __init__(self, due: float, number: int, wake: Callable[[], object]) -> None:
        self.due = due
        self.number = number
        self.wake = wake
        self.alive = due < math.inf

    def __lt__(self, other: Entry) -> bool:
        return (self.due, self.number) < (other.due, other.number)


class Agenda:
    """The pending entries of one event loop, earliest first; who was dropped is deleted lazily."""

    def __init__(self, loop: object) -> None:
        self.loop = loop
        self._heap: list[Entry] = []
        self._numbers = count()
        self._dead = 0

    def add(self, due: float, wake: Callable[[], object]) -> Entry:
        """Note that somebody waits until then; who waits for ever is never due, so not kept."""
        entry = Entry(due, next(self._numbers), wake)
        if entry.alive:
            heapq.heappush(self._heap, entry)
        return entry

    def drop(self, entry: Entry) -> None:
        """Forget an entry; nothing happens if its time has come already."""
        if not entry.alive:
            return
        entry.alive = False
        self._dead += 1
        if self._dead > MAX_DEAD and 2 * self._dead > len(self._heap):
            self._heap = [entry for entry in self._heap if entry.alive]
            heapq.heapify(self._heap)
            self._dead = 0

    def next_due(self) -> float | None:
        """Return the earliest time somebody waits for."""
        while self._heap and not self._heap[0].alive:
            heapq.heappop(self._heap)
            self._dead -= 1
        return self._heap[0].due if self._heap else None

    def pop_until(self, when: float) -> Iterator[Entry]:
        """Take out, in order, all entries that are due by then."""
        while (due := self.next_due()) is not None and due <= when:
            entry = heapq.heappop(self._heap)
            entry.alive = False
            yield entry


class AsyncioDriver:
    """Calls `jump` whenever nothing in an asyncio loop can go on, for as long as somebody waits."""

    def __init__(self, agenda: Agenda, jump: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        self._agenda = agenda
        self._jump = jump
        self._loop = loop
        self._threads = current_default_thread_limiter(), disk_threads()
        self._running = False
        self._quiet = 0

    def ensure(self) -> None:
        """Start, unless it runs already."""
        if not self._running:
            self._running = True
            self._quiet = 0
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        if self._agenda.next_due() is None:
            self._running = False
            return
        self._quiet = self._quiet + 1 if _is_idle(self._loop) else 0
        if any(limiter.borrowed_tokens for limiter in self._threads):
            self._loop.call_later(THREAD_POLL, self._turn)
            return
        if self._quiet >= QUIET_TURNS:
            self._quiet = 0
            self._jump()
        self._loop.call_soon(self._turn)


class TrioDriver:
    """Calls `jump` whenever nothing in a trio run can go on, for as long as somebody waits."""

    def __init__(self, agenda: Agenda, jump: Callable[[], None], lowlevel: Any) -> None:
        self._agenda = agenda
        self._jump = jump
        self._lowlevel = lowlevel
        self._threads = current_default_thread_limiter(), disk_threads()
        self._running = False

    def ensure(self) -> None:
        """Start, unless it runs already."""
        if not self._running:
            self._running = True
            self._lowlevel.spawn_system_task(self._run, name="FakeClock")

    async def _run(self) -> None:
        try:
            while self._agenda.next_due() is not None:
                await anyio.wait_all_tasks_blocked()
                if any(limiter.borrowed_tokens for limiter in self._threads):
                    await anyio.sleep(THREAD_POLL)
                else:
                    self._jump()
        finally:
            self._running = False


def running_loop() -> object:
    """Return what stands for the running event loop: trio's token, or asyncio's loop."""
    trio = sys.modules.get("trio")  # trio is optional; in guest mode an asyncio loop runs as well
    if trio is not None and trio.lowlevel.in_trio_task():
        return trio.lowlevel.current_trio_token()
    return asyncio.get_running_loop()


def driver_for(agenda: Agenda, jump: Callable[[], None]) -> AsyncioDriver | TrioDriver:
    """Return the driver that suits the loop of this agenda."""
    if isinstance(agenda.loop, asyncio.AbstractEventLoop):
        return AsyncioDriver(agenda, jump, agenda.loop)
    return TrioDriver(agenda, jump, sys.modules["trio"].lowlevel)


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
