"""Fake time: when it passes, for whom, and that nothing is left running."""

from __future__ import annotations

import asyncio
import gc
import math
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

import anyio
import pytest
import trio
import trio.testing
from anyio.lowlevel import cancel_shielded_checkpoint, checkpoint
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.clock import Clock
from enlighten_async.state import in_body_thread
from enlighten_async.testing import FakeClock
from enlighten_async.testing import clock as clock_module

BACKENDS = ["asyncio", "trio"]
START = 1000.0
SLEEPS = st.lists(st.integers(1, 40).map(lambda n: n / 4) | st.floats(0.001, 1e7), max_size=30)


async def sleep_and_note(clock: Clock, seconds: float, woken: list[tuple[float, float]]) -> None:
    """Sleep, then note for how long it should have been, and what the time was."""
    await clock.sleep(seconds)
    woken.append((seconds, clock.monotonic()))


async def let_others_run() -> None:
    """Let all other tasks go on until they wait, without letting time pass."""
    for _ in range(10):
        await checkpoint()


# Autojump: time passes when everybody waits


@given(sleeps=SLEEPS)
async def test_sleepers_wake_in_order_of_due_time_and_on_the_dot(sleeps: list[float]) -> None:
    """Any set of sleeps wakes in the order of their due times, and each reads exactly its due time."""
    clock, woken = FakeClock(), []
    async with anyio.create_task_group() as tasks:
        for seconds in sleeps:
            tasks.start_soon(sleep_and_note, clock, seconds, woken)
    assert [at for _, at in woken] == sorted(START + seconds for seconds in sleeps)
    assert all(at == START + seconds for seconds, at in woken)


@given(sleeps=SLEEPS)
async def test_sleeps_in_a_row_add_up(sleeps: list[float]) -> None:
    """One task's sleeps, one after another, take the sum of their lengths."""
    clock = FakeClock()
    for seconds in sleeps:
        await clock.sleep(seconds)
    assert clock.monotonic() == pytest.approx(START + math.fsum(sleeps))


@given(sleep=st.floats(0.1, 1e6), deadline=st.floats(0.1, 1e6))
async def test_the_earlier_of_sleep_and_deadline_wins(sleep: float, deadline: float) -> None:
    """A deadline cancels exactly those bodies that are not done by then, at its own moment."""
    clock, done = FakeClock(), False
    with clock.move_on_after(deadline) as scope:
        await clock.sleep(sleep)
        done = True
    if sleep != deadline:
        assert (done, scope.cancelled_caught) == (sleep < deadline, deadline < sleep)
    assert clock.monotonic() == START + min(sleep, deadline)


async def test_a_deadline_does_not_fire_while_another_task_can_go_on() -> None:
    """A request's deadline waits for the task that serves it, however many turns that takes."""
    clock, answer = FakeClock(), anyio.Event()

    async def serve() -> None:
        for _ in range(500):
            await checkpoint()
        answer.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        with clock.move_on_after(30) as scope:
            await answer.wait()
    assert not scope.cancelled_caught
    assert clock.monotonic() == START


async def test_a_checkpoint_is_not_a_wait() -> None:
    """A task that merely yields holds the time back, though nothing wakes it."""
    clock, seen = FakeClock(), []

    async def yield_often() -> None:
        for _ in range(50):
            await checkpoint()
            await cancel_shielded_checkpoint()
            seen.append(clock.monotonic())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.sleep, 1)
        tasks.start_soon(yield_often)
    assert set(seen) == {START}
    assert clock.monotonic() == START + 1


async def test_a_deadline_ends_a_wait_for_what_never_comes() -> None:
    """A lone deadline fires once all is blocked, so that a hang becomes a timeout."""
    clock = FakeClock()
    with clock.move_on_after(30) as scope:
        await anyio.Event().wait()
    assert scope.cancelled_caught
    assert clock.monotonic() == START + 30


async def test_nested_deadlines_fire_inner_first_and_once() -> None:
    """The inner deadline leaves the outer one standing."""
    clock = FakeClock()
    with clock.move_on_after(10) as outer:
        with clock.move_on_after(3) as inner:
            await clock.sleep(math.inf)
        assert (inner.cancelled_caught, clock.monotonic()) == (True, START + 3)
        await clock.sleep(math.inf)
    assert (outer.cancelled_caught, clock.monotonic()) == (True, START + 10)


async def test_no_deadline_and_spent_deadline() -> None:
    """`None` never cancels; zero and below cancel at the first wait, and take no time."""
    clock = FakeClock()
    with clock.move_on_after(None) as never:
        await clock.sleep(1e6)
    with clock.move_on_after(0) as zero:
        await clock.sleep(5)
    with clock.move_on_after(-1) as past:
        await checkpoint()
    assert (never.cancel_called, zero.cancelled_caught, past.cancelled_caught) == (False, True, True)
    assert clock.monotonic() == START + 1e6


async def test_sleeping_no_time_is_a_checkpoint() -> None:
    """A sleep of zero or less lets others run and can be cancelled, and no time passes."""
    clock, others = FakeClock(), []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sleep_and_note, clock, 0, others)
        for nothing in (0, -5, 0):  # one turn to start the other, one for its checkpoint, one to be sure
            await clock.sleep(nothing)
        assert others
    with anyio.CancelScope() as scope:
        scope.cancel()
        await clock.sleep(0)
    assert scope.cancelled_caught
    assert clock.monotonic() == START


async def test_a_cancelled_sleep_moves_no_time() -> None:
    """Who was cancelled while sleeping no longer draws the time to their due moment."""
    clock = FakeClock()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.sleep, 3600)
        await let_others_run()
        tasks.cancel_scope.cancel()
    await clock.sleep(1)
    assert clock.monotonic() == START + 1


def call_back_often() -> None:
    """Keep a worker thread busy for many turns of the event loop, in each of which all tasks wait."""
    for _ in range(50):
        anyio.from_thread.run_sync(list)


@pytest.mark.parametrize("in_worker", [anyio.to_thread.run_sync, in_body_thread])
async def test_a_worker_thread_is_waited_for(
    in_worker: Callable[[Callable[[], None]], Awaitable[None]],
) -> None:
    """Time stands still while a worker thread is busy, and goes on afterwards."""
    clock = FakeClock()
    with clock.move_on_after(30) as scope:
        await in_worker(call_back_often)
    assert (scope.cancelled_caught, clock.monotonic()) == (False, START)
    await clock.sleep(2)
    assert clock.monotonic() == START + 2


async def test_nan_is_refused() -> None:
    """A wait that could never be ordered raises instead of hanging."""
    with pytest.raises(ValueError, match="NaN"):
        await FakeClock().sleep(math.nan)


class CountedSeconds(float):
    """Seconds that count, over all of them, how often a due time made from them is compared."""

    comparisons = 0

    def __radd__(self, start: float) -> CountedSeconds:
        return CountedSeconds(start + float(self))

    def __eq__(self, other: object) -> bool:
        CountedSeconds.comparisons += 1
        return super().__eq__(other)

    def __lt__(self, other: float) -> bool:
        CountedSeconds.comparisons += 1
        return super().__lt__(other)

    __hash__ = float.__hash__


@pytest.mark.slow
async def test_ten_thousand_sleepers_and_deadlines_cost_near_linear() -> None:
    """Pending entries are compared as often as a heap of them needs, not each with each."""
    clock, woken, number_of_tasks = FakeClock(), [], 10_000
    CountedSeconds.comparisons = 0

    async def work(number: int) -> None:
        with clock.move_on_after(CountedSeconds(1e9)):
            await sleep_and_note(clock, CountedSeconds(number + 1), woken)

    async with anyio.create_task_group() as tasks:
        for number in range(number_of_tasks):
            tasks.start_soon(work, number)
    assert len(woken) == number_of_tasks
    assert [at for _, at in woken] == [START + number + 1 for number in range(number_of_tasks)]
    entries = 2 * number_of_tasks
    assert CountedSeconds.comparisons < 2 * entries * math.log2(entries)  # two for each pair of entries


async def test_a_chain_of_futures_holds_the_time_back(anyio_backend_name: str) -> None:
    """Their callbacks run one a turn, while all tasks wait: a deadline beside them does not fire."""
    if anyio_backend_name != "asyncio":
        pytest.skip("asyncio's own futures")
    clock = FakeClock()
    chain: asyncio.Future[Any] = asyncio.ensure_future(clock.sleep(1))
    for _ in range(4):
        chain = asyncio.gather(chain)
    with clock.move_on_after(5) as scope:
        await chain
    assert (scope.cancelled_caught, clock.monotonic()) == (False, START + 1)


# By hand


async def test_without_autojump_time_stands_still_until_advanced() -> None:
    """Sleepers and deadlines fire when the hand reaches them, and not before."""
    clock, woken = FakeClock(autojump=False), []

    async def wait_at_most(seconds: float) -> None:
        with clock.move_on_after(seconds):
            await anyio.sleep_forever()
        woken.append((seconds, clock.monotonic()))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sleep_and_note, clock, 5, woken)
        tasks.start_soon(wait_at_most, 7)
        await anyio.sleep(0.01)  # real seconds, in which all tasks wait: who jumps would jump now
        assert (woken, clock.monotonic()) == ([], START)
        for seconds, expected in ((4, []), (1, [5]), (1.5, [5]), (0.5, [5, 7])):
            clock.advance(seconds)
            await let_others_run()
            assert [wait for wait, _ in woken] == expected
    assert woken == [(5, START + 5), (7, START + 7)]


@given(sleeps=SLEEPS, step=st.floats(0, 1e6))
async def test_a_step_wakes_exactly_those_it_reaches(sleeps: list[float], step: float) -> None:
    """One step by hand wakes all that are due by then, and nobody else."""
    clock, woken = FakeClock(autojump=False), []
    async with anyio.create_task_group() as tasks:
        for seconds in sleeps:
            tasks.start_soon(sleep_and_note, clock, seconds, woken)
        await let_others_run()
        clock.advance(step)
        await let_others_run()
        tasks.cancel_scope.cancel()
    due = [seconds for seconds in sleeps if START + seconds <= START + step]
    assert sorted(seconds for seconds, _ in woken) == sorted(due)
    assert {at for _, at in woken} <= {START + step}


def test_steps_by_hand_need_no_event_loop() -> None:
    """The hand works in plain functions too."""
    clock = FakeClock(now=1_000.5, monotonic=7)
    clock.advance(1.25)
    assert (clock.now(), clock.monotonic()) == (1_001.75, 8.25)
    assert repr(clock) == "<FakeClock now=1001.75 monotonic=8.25>"


@pytest.mark.parametrize("seconds", [-0.1, math.inf, math.nan])
def test_time_never_steps_back(seconds: float) -> None:
    """The monotonic clock cannot be set back, nor be driven to the end of time."""
    with pytest.raises(ValueError, match="finite number, not below 0"):
        FakeClock().advance(seconds)


# Wall clocks that are wrong


def test_a_step_of_the_wall_clock_is_no_time_passed() -> None:
    """Only `now` follows a step of the wall clock, either way."""
    clock = FakeClock()
    clock.step_wall(3600)
    clock.step_wall(-7200)
    assert (clock.now(), clock.monotonic()) == (1_750_000_000.0 - 3600, START)


async def test_a_skewed_view_shares_the_time_but_not_the_date() -> None:
    """A view with a wrong wall clock waits with everybody else."""
    clock = FakeClock()
    wrong, woken = clock.skewed(-600), []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sleep_and_note, clock, 2, woken)
        tasks.start_soon(sleep_and_note, wrong, 1, woken)
    with wrong.move_on_after(5) as scope:
        await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert woken == [(1, START + 1), (2, START + 2)]
    assert (wrong.now(), wrong.monotonic()) == (clock.now() - 600, START + 7)


def test_both_are_clocks() -> None:
    """The clock and its views can be given wherever a `Clock` is asked for."""
    clock = FakeClock()
    assert isinstance(clock, Clock)
    assert isinstance(clock.skewed(1), Clock)


# Nothing is left behind


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_clock_serves_loops_one_after_another(backend: str) -> None:
    """Time goes on from loop to loop, also after one that ended while a task still slept."""
    clock = FakeClock()

    async def leave_a_sleeper() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(clock.sleep, 100)
            await clock.sleep(1)
            tasks.cancel_scope.cancel()

    for _ in range(3):
        anyio.run(leave_a_sleeper, backend=backend)
    for name in BACKENDS:
        anyio.run(clock.sleep, 1, backend=name)
    assert clock.monotonic() == START + 5


def test_a_loop_stopped_in_mid_sleep_does_not_stop_the_clock() -> None:
    """A loop that was closed over a sleeping task leaves nothing that acts in the next loop."""
    clock, loop = FakeClock(), asyncio.new_event_loop()
    task = loop.create_task(clock.sleep(50))
    loop.run_until_complete(asyncio.sleep(0))
    task.cancel()
    with suppress(asyncio.CancelledError):
        loop.run_until_complete(task)
    sleeper = clock.sleep(50)
    loop.call_soon(sleeper.send, None)
    loop.close()
    sleeper.close()
    anyio.run(clock.sleep, 1)
    assert clock.monotonic() == START + 1


def test_asyncio_driver_ends_with_the_last_entry() -> None:
    """Nothing of ours is scheduled once nobody waits, so an idle loop idles."""

    async def sleep_then_count_callbacks() -> int:
        clock = FakeClock()
        await clock.sleep(5)
        with clock.move_on_after(30):
            await checkpoint()
        await let_others_run()
        return len(asyncio.get_running_loop()._ready)  # type: ignore[attr-defined]

    assert anyio.run(sleep_then_count_callbacks, backend="asyncio") == 0


def test_trio_driver_ends_with_the_last_entry() -> None:
    """No system task of ours lives on once nobody waits."""

    async def sleep_then_count_tasks() -> tuple[int, int]:
        before = trio.lowlevel.current_statistics().tasks_living
        clock = FakeClock()
        await clock.sleep(5)
        with clock.move_on_after(30):
            await checkpoint()
        await trio.testing.wait_all_tasks_blocked()
        await checkpoint()
        return before, trio.lowlevel.current_statistics().tasks_living

    before, after = anyio.run(sleep_then_count_tasks, backend="trio")
    assert after == before


async def test_dropped_entries_do_not_pile_up() -> None:
    """A million deadlines that were met leave no million entries behind."""
    clock = FakeClock(autojump=False)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.sleep, 1)
        await let_others_run()
        for _ in range(1000):
            with clock.move_on_after(30):
                pass
        assert len(clock._timers._heap) <= 2 * clock_module.MAX_DEAD_TIMERS + 2
        clock.advance(1)


async def test_a_task_cancelled_the_asyncio_way_leaves_nothing(anyio_backend_name: str) -> None:
    """`task.cancel()` while sleeping ends the wait and the driver."""
    if anyio_backend_name != "asyncio":
        pytest.skip("asyncio's own cancellation")
    clock = FakeClock()
    task = asyncio.create_task(clock.sleep(10))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert clock.monotonic() == START
    gc.collect()


# Loops that hide their queue


class OpaqueLoop(asyncio.SelectorEventLoop):
    """A loop that, like uvloop's, does not show what is ready to run; counts who asked in vain."""

    refusals = 0

    def __getattribute__(self, name: str) -> Any:
        if name == "_ready" and sys._getframe(1).f_globals["__name__"] == clock_module.__name__:
            self.refusals += 1
            raise AttributeError(name)
        return super().__getattribute__(name)


def test_an_opaque_loop_keeps_time_as_well() -> None:
    """Sleepers wake on the dot, and a task that merely yields holds the time back."""
    clock, woken, seen = FakeClock(), [], []

    async def yield_often() -> None:
        for _ in range(50):
            await checkpoint()
            seen.append(clock.monotonic())

    async def sleep_beside_others() -> int:
        async with anyio.create_task_group() as tasks:
            for seconds in (3, 1, 2):
                tasks.start_soon(sleep_and_note, clock, seconds, woken)
            tasks.start_soon(yield_often)
        return cast("OpaqueLoop", asyncio.get_running_loop()).refusals

    refusals = anyio.run(sleep_beside_others, backend_options={"loop_factory": OpaqueLoop})
    assert refusals > 50
    assert set(seen) == {START}
    assert woken == [(1, START + 1), (2, START + 2), (3, START + 3)]
