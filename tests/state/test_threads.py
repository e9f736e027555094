"""Threads at the disk, and the wait for a lock."""

from __future__ import annotations

import asyncio
import errno
import gc
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import pairwise
from weakref import ReferenceType, ref

import anyio
import pytest

from enlighten_async.errors import TransportError
from enlighten_async.lazy import NotLoadedError
from enlighten_async.state import (
    DatabaseBusy,
    DatabaseUnavailable,
    disk_threads,
    in_body_thread,
    in_thread,
    poll_until,
    retry_while_busy,
)
from enlighten_async.state.threads import (
    MAX_DISK_THREADS,
    MAX_POLL_INTERVAL_S,
    SHORT_SWITCH_INTERVAL_S,
    loaded,
)
from enlighten_async.testing import FakeClock


class Taken(Exception):
    """The lock is taken."""


def lock_that_comes_free(clock: FakeClock, at: float) -> Callable[[], str]:
    """Return an attempt at a lock that comes free at a monotonic time."""

    def attempt() -> str:
        if clock.monotonic() < at:
            raise Taken
        return "got it"

    return attempt


def awaitable(attempt: Callable[[], str]) -> Callable[[], object]:
    """Return an attempt that can be awaited."""

    async def awaited() -> str:
        return attempt()

    return awaited


async def test_a_free_lock_is_taken_at_once() -> None:
    """Without a pause."""
    clock = FakeClock()
    before = clock.monotonic()
    assert (
        await poll_until(awaitable(lock_that_comes_free(clock, before)), clock, 0, locked=Taken) == "got it"
    )
    assert clock.monotonic() == before


@pytest.mark.parametrize("seconds", [0.001, 0.2, 4.9])
async def test_a_taken_lock_is_polled(seconds: float) -> None:
    """It is got not much later than it comes free."""
    clock = FakeClock()
    before = clock.monotonic()
    attempt = awaitable(lock_that_comes_free(clock, before + seconds))
    assert await poll_until(attempt, clock, 5, locked=Taken) == "got it"
    assert seconds <= clock.monotonic() - before <= seconds + MAX_POLL_INTERVAL_S


async def test_the_wait_for_a_lock_has_an_end() -> None:
    """The error of the last attempt is raised."""
    clock = FakeClock()
    before = clock.monotonic()
    with pytest.raises(Taken):
        await poll_until(awaitable(lock_that_comes_free(clock, before + 9)), clock, 2, locked=Taken)
    assert 2 <= clock.monotonic() - before <= 2 + MAX_POLL_INTERVAL_S


async def test_another_error_ends_the_wait() -> None:
    """At once, as it is."""
    clock, attempts = FakeClock(), []

    async def attempt() -> None:
        attempts.append(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await poll_until(attempt, clock, 5, locked=Taken)
    assert len(attempts) == 1


async def test_pauses_grow() -> None:
    """Who waits for long does not keep the processor busy."""
    clock, times = FakeClock(), []

    async def attempt() -> None:
        times.append(clock.monotonic())
        raise Taken

    with pytest.raises(Taken):
        await poll_until(attempt, clock, 10, locked=Taken)
    pauses = [later - sooner for sooner, later in pairwise(times)]
    assert pauses[0] <= 0.001
    assert all(MAX_POLL_INTERVAL_S / 2 <= pause <= MAX_POLL_INTERVAL_S for pause in pauses[20:])
    assert len(set(pauses[20:])) > 1  # with jitter


async def test_a_busy_file_is_tried_again() -> None:
    """In a thread, until others are done with it."""
    clock, threads = FakeClock(), []

    def work() -> str:
        threads.append(threading.current_thread())
        if len(threads) < 4:
            raise DatabaseBusy("locked")
        return "done"

    assert await retry_while_busy(work, clock, 5) == "done"
    assert len(threads) == 4
    assert threading.main_thread() not in threads


async def test_a_file_that_stays_busy_is_unavailable() -> None:
    """The text says for how long; what the work raises else is raised as it is."""
    clock = FakeClock()

    def busy() -> None:
        raise DatabaseBusy("locked")

    def failing() -> None:
        raise DatabaseUnavailable("disk I/O error")

    with pytest.raises(DatabaseUnavailable, match="other programs locked it for 1.5 s"):
        await retry_while_busy(busy, clock, 1.5)
    with pytest.raises(DatabaseUnavailable, match="disk I/O error"):
        await retry_while_busy(failing, clock, 1.5)


async def test_the_threads_of_the_program_are_left_alone() -> None:
    """They may all wait for an answer, which needs a thread at the disk."""
    assert disk_threads() is disk_threads()
    with anyio.fail_after(5):
        limiter = anyio.to_thread.current_default_thread_limiter()
        before, limiter.total_tokens = limiter.total_tokens, 1
        async with limiter:
            assert await in_thread(lambda: "done") == "done"
        limiter.total_tokens = before


async def test_so_many_threads_are_at_the_disk_and_no_more() -> None:
    """More work waits; all of it is busy meanwhile."""
    all_begun, end, begun = threading.Event(), threading.Event(), list[int]()

    def work() -> None:
        begun.append(1)
        if len(begun) == MAX_DISK_THREADS:
            all_begun.set()
        assert end.wait(10)

    async with anyio.create_task_group() as tasks:
        for _ in range(MAX_DISK_THREADS + 1):
            tasks.start_soon(in_thread, work)
        await anyio.to_thread.run_sync(all_begun.wait, 10)
        assert (len(begun), sum(disk_threads().works)) == (MAX_DISK_THREADS, MAX_DISK_THREADS + 1)
        end.set()
    assert (len(begun), sum(disk_threads().works)) == (MAX_DISK_THREADS + 1, 0)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # trio chooses among threads of its own
async def test_one_thread_does_what_comes_one_after_another() -> None:
    """The processor has in its caches what that thread needs."""
    assert len({await in_thread(threading.get_ident) for _ in range(5)}) == 1


@pytest.mark.parametrize(("error", "raised"), [(Taken(), Taken), (StopIteration(), RuntimeError)])
async def test_the_error_of_the_work_is_raised(error: Exception, raised: type[Exception]) -> None:
    """Also one that would end a coroutine."""

    def work() -> None:
        raise error

    with pytest.raises(raised):
        await in_thread(work)
    assert sum(disk_threads().works) == 0


def test_a_thread_ends_with_its_event_loop() -> None:
    """And a work that fails leaves no cycle of references that would keep what it worked on."""

    class Large:
        def work(self) -> None:
            raise Taken

    async def failing() -> ReferenceType[Large]:
        large = Large()
        with suppress(Taken):
            await in_thread(large.work)
        return ref(large)

    async def run() -> threading.Thread:
        gc.disable()
        try:
            large = await failing()
            thread = await in_thread(threading.current_thread)
            assert large() is None
        finally:
            gc.enable()
        return thread

    thread = asyncio.run(run())
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


async def test_a_cancel_waits_for_the_thread() -> None:
    """Work at the disk is never left half done."""
    done: list[int] = []
    token = anyio.lowlevel.current_token()

    def work() -> None:
        anyio.from_thread.run_sync(tasks.cancel_scope.cancel, token=token)
        done.append(1)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(in_thread, work)
    assert done == [1]


def test_a_native_cancel_waits_for_the_thread_too() -> None:
    """As that of `asyncio.timeout`, and of Ctrl-C: nothing goes on behind the back of who was cancelled."""
    begun, end, done = threading.Event(), threading.Event(), list[str]()

    def work() -> None:
        begun.set()
        end.wait(10)
        done.append("work")

    async def run() -> None:
        task = asyncio.create_task(in_thread(work))
        await in_thread(partial(begun.wait, 10))
        task.cancel()
        asyncio.get_running_loop().call_later(0, end.set)
        with pytest.raises(asyncio.CancelledError):
            await task
        done.append("cancelled")

    asyncio.run(run())
    assert done == ["work", "cancelled"]


@pytest.fixture
def switch_interval() -> Iterator[None]:
    """Restore the switch interval of the interpreter after the test."""
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("switch_interval")
@pytest.mark.parametrize(
    ("before", "set_meanwhile", "during", "after"),
    [
        (0.005, None, SHORT_SWITCH_INTERVAL_S, 0.005),
        (0.0001, None, 0.0001, 0.0001),
        (0.003001, None, SHORT_SWITCH_INTERVAL_S, 0.003001),
        (0.005, 0.002, SHORT_SWITCH_INTERVAL_S, 0.002),
    ],
    ids=["default", "shorter already", "of another length", "set by the user meanwhile"],
)
@pytest.mark.parametrize("failing", [False, True])
async def test_threads_change_often_while_a_large_body_is_worked_on(
    before: float, set_meanwhile: float | None, during: float, after: float, failing: bool
) -> None:
    """So that the event loop waits for none; afterwards all is as before."""
    sys.setswitchinterval(before + 0.5e-6)
    seen: list[float] = []

    def work() -> None:
        seen.append(sys.getswitchinterval())
        if set_meanwhile is not None:
            sys.setswitchinterval(set_meanwhile + 0.5e-6)
        if failing:
            raise Taken

    try:
        await in_body_thread(work)
    except Taken:
        assert failing
    assert (*seen, sys.getswitchinterval()) == pytest.approx((during, after))


async def test_modules_that_cannot_be_read_are_an_error_of_the_package() -> None:
    """It may pass: nothing was sent."""
    answers: list[Exception] = [NotLoadedError("m"), OSError(errno.EMFILE, "Too many open files", "m.py")]

    def load() -> None:
        raise answers.pop(0)

    with pytest.raises(TransportError, match="too many open files .nothing was sent") as caught:
        await loaded(load)
    assert (caught.value.sent, caught.value.passing) == (False, True)
