"""Threads for disk work, and the one way to wait for a lock."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import RLock, Thread
from typing import TypeVar, cast
from weakref import finalize

import anyio
from anyio import CapacityLimiter
from anyio.lowlevel import RunVar

from enlighten_async.clock import Clock, in_trio, run_shielded
from enlighten_async.errors import TransportError
from enlighten_async.lazy import is_loaded

T = TypeVar("T")

MAX_DISK_THREADS = 4
"""Threads of one event loop that may be at the disk at the same time."""

SHORT_SWITCH_INTERVAL_S = 0.0005
"""Seconds for which a thread with a large body keeps the interpreter, at most, where others want it."""

FIRST_POLL_INTERVAL_S, MAX_POLL_INTERVAL_S = 0.001, 0.05
"""Seconds between two attempts to get a lock: the first pause, and the longest."""

POLL_INTERVAL_GROWTH = 1.5
"""Factor from one pause to the next."""

FORK_PATIENCE_S = 10.0
"""Seconds for which a fork waits for modules that a thread is loading."""

_disk_threads: RunVar[DiskThreads] = RunVar("enlighten_async.disk_threads")
_body_threads: RunVar[CapacityLimiter] = RunVar("enlighten_async.body_threads")


class Outcome(asyncio.Future[tuple[T, None] | tuple[None, BaseException]]):
    """The result or the error of work in a thread; no cancel ends the wait for it.

    A native cancel of the task that awaits it is raised when the work is over.
    """

    def cancel(self, msg: object = None) -> bool:
        """Do nothing: the task raises the cancel when it goes on."""
        return False


class DiskThread:
    """A thread that does one work after another, from the first one until nobody uses this any more."""

    def __init__(self) -> None:
        self._works: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._runs = False

    def perform(self, work: Callable[[], T]) -> Outcome[T]:
        """Have some work done; never blocks."""
        if not self._runs:
            self._runs = True
            finalize(self, self._works.put, None)
            # A daemon: while work is under way the event loop waits for it, and so does the process.
            Thread(target=_perform_all, args=(self._works,), name="enlighten_async disk", daemon=True).start()
        outcome: Outcome[T] = Outcome()
        self._works.put(partial(_perform, work, outcome, asyncio.get_running_loop()))
        return outcome


def _perform_all(works: SimpleQueue[Callable[[], None] | None]) -> None:
    while (perform := works.get()) is not None:
        perform()
        del perform


def _perform(work: Callable[[], T], outcome: Outcome[T], loop: asyncio.AbstractEventLoop) -> None:
    """Do some work, and tell its outcome to the event loop that waits for it."""
    found: tuple[T, None] | tuple[None, BaseException]
    try:
        found = work(), None
    except BaseException as error:  # noqa: BLE001 - raised by whoever waits
        found = None, error
    try:
        with suppress(RuntimeError):  # the event loop is closed
            loop.call_soon_threadsafe(outcome.set_result, found)
    finally:
        del found, outcome  # the traceback of its error holds this frame


class DiskThreads:
    """The threads of one event loop at the disk, `MAX_DISK_THREADS` at the most.

    They are not those of the program: it may have all of them wait for our answers, which would then wait for
    one of them. On asyncio they are not anyio's either: a native cancel would leave those alone with their
    work, or each work would take a task of its own, which doubles its cost.

    Attributes:
        works: how much work is under way in each thread, or waits for it.
        threads: the threads on asyncio.
        limiter: the number of them on trio.
    """

    def __init__(self) -> None:
        self.works = [0] * MAX_DISK_THREADS
        self.threads = [DiskThread() for _ in self.works]
        self.limiter = CapacityLimiter(MAX_DISK_THREADS)


async def _found(outcome: Outcome[T]) -> T:
    result, error = await outcome
    if error is None:
        return cast("T", result)
    try:
        raise error
    finally:
        del outcome, error  # its traceback holds this frame


def disk_threads() -> DiskThreads:
    """Return the threads at the disk of the running event loop."""
    try:
        return _disk_threads.get()
    except LookupError:
        threads = DiskThreads()
        _disk_threads.set(threads)
        return threads


async def in_thread(work: Callable[[], T]) -> T:
    """Do blocking work in a thread, to its end: a cancel of either kind takes effect afterwards.

    So the next work of the caller, such as what is written at its end, never meets this one half done.
    """
    disk = disk_threads()
    # The first one that is free: turns of two threads take a tenth more CPU than one that is in use.
    number = min(range(MAX_DISK_THREADS), key=disk.works.__getitem__)
    disk.works[number] += 1
    try:
        with anyio.CancelScope(shield=True):
            if in_trio():
                result = await anyio.to_thread.run_sync(work, limiter=disk.limiter)
            else:
                result = await _found(disk.threads[number].perform(work))
    finally:
        disk.works[number] -= 1
    return result


async def loaded(load: Callable[[], object]) -> None:
    """Have modules loaded: in a thread, if they are not, as modules are files.

    Args:
        load: uses names whose modules are loaded when they are first used.

    Raises:
        TransportError: their files cannot be read now, as too many others are open, say.
    """
    if is_loaded(load):
        return
    try:
        await in_thread(partial(_load, load))
    except OSError as error:
        text = f"modules cannot be read: {(error.strerror or 'unknown reason').lower()} (nothing was sent)"
        raise TransportError(text, phase="connect") from error


def _load(load: Callable[[], object]) -> None:
    with _loading:
        load()


def _before_fork() -> None:
    _held.append(_loading.acquire(timeout=FORK_PATIENCE_S))


def _after_fork() -> None:
    if _held.pop():
        _loading.release()


_loading, _held = RLock(), list[bool]()
if hasattr(os, "register_at_fork"):  # a child would have modules half loaded, and nobody who goes on
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


async def in_body_thread(work: Callable[[], T]) -> T:
    """Do so with work on a large body, one after another, as it takes much memory.

    Such work keeps the interpreter busy, and other threads get it only after a switch interval: the event
    loop would wait that long after each read from a socket, which with 50 of them is a quarter of a second.
    So the interval is short meanwhile.
    """
    worker = partial(_with_short_switch_interval, work)
    return await run_shielded(partial(anyio.to_thread.run_sync, worker, limiter=body_thread()))


def body_thread() -> CapacityLimiter:
    """Return the limiter of the thread for large bodies of the running event loop."""
    try:
        return _body_threads.get()
    except LookupError:
        limiter = CapacityLimiter(1)
        _body_threads.set(limiter)
        return limiter


def _with_short_switch_interval(work: Callable[[], T]) -> T:
    # With two event loops at it, the first that ends restores the interval, which only costs the other time.
    before = sys.getswitchinterval()
    if before <= SHORT_SWITCH_INTERVAL_S:
        return work()
    sys.setswitchinterval(SHORT_SWITCH_INTERVAL_S)
    during = sys.getswitchinterval()
    try:
        return work()
    finally:
        if sys.getswitchinterval() == during:  # else the user has set another one meanwhile
            sys.setswitchinterval(before + 0.5e-6)  # Python cuts it to whole microseconds


async def poll_until(
    attempt: Callable[[], Awaitable[T]], clock: Clock, timeout_s: float, *, locked: type[Exception]
) -> T:
    """Attempt until the lock is free, with growing pauses; return the result of the attempt that got it.

    Neither SQLite nor a lock file can tell an event loop that it comes free, so it is polled. No cancel
    comes between a successful attempt and the return.

    Args:
        attempt: tries once, without waiting for others.
        clock: the source of time.
        timeout_s: seconds after which there is no further attempt.
        locked: the error of an attempt that found the lock taken; all others are raised at once.

    Raises:
        Exception: `locked`, if the lock was taken all that time.
    """
    deadline = clock.monotonic() + timeout_s
    pause = FIRST_POLL_INTERVAL_S
    while True:
        try:
            return await attempt()
        except locked:
            if clock.monotonic() >= deadline:
                raise
        # Jitter: processes that found the lock taken at the same moment must not come back together.
        await clock.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - no secret
        pause = min(MAX_POLL_INTERVAL_S, pause * POLL_INTERVAL_GROWTH)
