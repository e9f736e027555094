"""Processes on one key share each of its minutes: nobody has much more than another who waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from attrs import define, field

from enlighten_async.clock import Clock
from enlighten_async.errors import BudgetExceeded
from enlighten_async.limiter import Plan, RateLimiter, SharedQuotaStore
from enlighten_async.state import Change, MemoryBackend, Name
from enlighten_async.testing import FakeClock
from tests.limiter.fake_server import FakeServer, purchase
from tests.limiter.stores import ProcessClock


class Memory(MemoryBackend):
    """The state of a machine.

    Attributes:
        written: how often anything in it was changed.
    """

    written = 0

    async def update(self, name: Name, change: Change, **options: Any) -> None:
        """Change a text."""
        before = dict(self._texts)
        await super().update(name, change, **options)
        self.written += self._texts != before


class Access(MemoryBackend):
    """The way of one process to the state of the machine.

    Attributes:
        ended: whether the process was killed, and writes nothing more.
    """

    def __init__(self, memory: Memory, clock: Clock) -> None:
        super().__init__(clock)
        self._memory, self.ended = memory, False

    async def update(self, name: Name, change: Change, **options: Any) -> None:
        """Change a text."""
        before = dict(self._memory._texts)
        await self._memory.update(name, change, **options)
        if self.ended:
            self._memory._texts = before


@define
class Process:
    """A process with a client on the key.

    Attributes:
        limiter: its limiter.
        server: the service.
        got: the requests that were served to it, by minute.
    """

    limiter: RateLimiter
    server: FakeServer
    got: Counter[int] = field(factory=Counter)

    async def ask(self, requests: int, rank: int = 0) -> None:
        """Ask for so many at once."""
        async with anyio.create_task_group() as tasks:
            for _ in range(requests):
                tasks.start_soon(self.buy, rank)

    async def ask_in_turn(self, requests: int) -> None:
        """Ask for so many, one after the other."""
        for _ in range(requests):
            await self.buy()

    async def buy(self, rank: int = 0) -> None:
        """Ask for one."""
        await purchase(self.limiter, self.server, rank=rank)
        self.got[int(self.server.time() // 60)] += 1


class Machine:
    """A machine on which processes share the record of a key, at the start of a minute.

    Attributes:
        memory: the state.
        server: the service, which counts the truth.
        processes: those that were started.
    """

    def __init__(self, minute: int, count: int, latency: float = 0.2) -> None:
        self.clock, self._plan = FakeClock(), Plan(minute=minute)
        self.memory = Memory(self.clock)
        ahead = 1_750_000_020.0 - self.clock.monotonic()
        self.server = FakeServer(self.clock, ahead, latency=latency, minute=minute, month=10**9)
        self.clock.step_wall(self.server.time() - self.clock.now())
        self._minute = minute
        self.processes: list[Process] = []
        for _ in range(count):
            self.start()

    def start(self) -> Process:
        """Start a process; its clocks began elsewhere and are off."""
        number = len(self.processes)
        clock = ProcessClock(self.clock, wall=number % 7 - 3, monotonic=1000.0 * number)
        store = SharedQuotaStore(Access(self.memory, self.clock), lambda _: b"key", clock=clock)
        process = Process(
            RateLimiter(store=store, plan=self._plan, clock=clock, max_in_flight=6), self.server
        )
        self.processes.append(process)
        return process

    async def run(self, minutes: int, *works: Callable[[], Awaitable[None]]) -> None:
        """Let all work until shortly before the end of a minute; no request may be rejected."""
        with self.clock.move_on_after(minutes * 60 - 1 - self.clock.monotonic() + 1000):
            async with anyio.create_task_group() as tasks:
                for work in works:
                    tasks.start_soon(work)
        assert self.server.rejected.total() == 0

    def full(self) -> list[bool]:
        """Tell of each minute whether it was used up."""
        return [self.server.used[each] == self._minute for each in self.server.windows()]

    def shares(self, minute: int) -> list[int]:
        """Return what each process got in a minute, the first of which is 0."""
        return [each.got[self.server.windows()[minute]] for each in self.processes]


def asking(process: Process, requests: int = 400, rank: int = 0) -> Callable[[], Awaitable[None]]:
    """Return the work of a process that asks for so many at once."""
    return lambda: process.ask(requests, rank)


@pytest.mark.parametrize(
    ("count", "minute", "latency"),
    [
        (2, 10, 0.2),
        (2, 300, 0.02),
        (4, 120, 0.2),
        pytest.param(16, 300, 0.02, marks=pytest.mark.slow),
        pytest.param(16, 300, 0.2, marks=pytest.mark.slow),
        (16, 60, 0.2),
    ],
)
async def test_all_that_want_more_get_the_same(count: int, minute: int, latency: float) -> None:
    """From the first minute within a quarter of the mean, or one; and each minute is full."""
    machine = Machine(minute, count, latency)
    await machine.run(3, *(asking(each, 2 * minute) for each in machine.processes))
    assert machine.full() == [True] * 3
    mean, first = minute / count, machine.shares(0)  # at first nobody knows the time, nor of the others
    assert (min(first) > mean * 0.75 - 1, max(first) < mean * 1.25 + 4) == (True, True)
    for shares in map(machine.shares, (1, 2)):
        assert max(shares) - min(shares) <= 1


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ((1000, 5, 1000, 20), [48, 5, 47, 20]),
        ((1000, 1000), [60, 60]),
        ((1000, 0), [120, 0]),
        ((1000, 10, 10, 10), [90, 10, 10, 10]),
        ((1000, 70), [60, 60]),
        ((30, 30, 30, 30), [30, 30, 30, 30]),
        ((30, 30, 30, 1000), [30, 30, 30, 30]),
    ],
)
async def test_what_one_does_not_want_the_others_share(wanted: tuple[int, ...], got: list[int]) -> None:
    """Who asks for less than its part gets all of it, and nobody else has less than that."""
    machine = Machine(120, len(wanted))
    first = machine.processes[0]
    await machine.run(1, asking(first))
    assert machine.full() == [True]

    async def later(process: Process, requests: int) -> None:
        await machine.clock.sleep(1.0)
        await process.ask(requests)

    works = zip(machine.processes, wanted, strict=True)
    await machine.run(2, *(lambda each=each: later(*each) for each in works))
    assert machine.full()[1] == (sum(wanted) >= 120)
    for share, expected in zip(machine.shares(1), got, strict=True):
        assert abs(share - expected) <= 1


async def test_one_that_comes_late_catches_up() -> None:
    """As far as what is left of the minute lets it; in the next one it has as much as any other."""
    machine = Machine(120, 2)
    late = machine.start()

    async def early(process: Process) -> None:
        await machine.clock.sleep(65.0)
        for _ in range(15):
            await process.buy()
            await machine.clock.sleep(0.8)
        await process.ask(300)

    async def join() -> None:
        await machine.clock.sleep(80.0)
        await late.ask(300)

    await machine.processes[0].buy()
    await machine.run(3, *(lambda each=each: early(each) for each in machine.processes[:2]), join)
    assert machine.full()[1:] == [True] * 2
    assert max(machine.shares(1)) - min(machine.shares(1)) <= 4  # it did not know the time at first
    assert machine.shares(2) == [40, 40, 40]


@pytest.mark.parametrize("killed", [False, True])
async def test_nothing_is_kept_for_one_that_has_ended(killed: bool) -> None:
    """Whether it closed or was killed: the others have the whole minute, but for what it had in flight."""
    machine = Machine(120, 3)
    gone = machine.processes[0]

    async def end() -> None:
        with machine.clock.move_on_after(61.5):
            await gone.ask(1000)

    async def close() -> None:
        await machine.clock.sleep(61.5)
        if killed:
            store = gone.limiter._store
            assert isinstance(store, SharedQuotaStore)
            assert isinstance(store.backend, Access)
            store.backend.ended = True
        else:
            await machine.clock.sleep(0.01)
            gone.limiter.close()
            await gone.limiter.sync()

    await machine.run(4, close, end, *map(asking, machine.processes[1:]))
    used = [machine.server.used[each] for each in machine.server.windows()]
    assert used[1] >= 120 - 6
    assert used[3] == 120
    assert machine.shares(3) == [0, 60, 60]


async def test_one_that_is_slow_to_ask_leaves_nothing_unused() -> None:
    """It asks one after the other and would not get its part in a minute: the other takes that in time."""
    machine = Machine(300, 2, latency=0.45)
    slow, quick = machine.processes
    await machine.run(3, lambda: slow.ask_in_turn(1000), asking(quick, 900))
    assert machine.full() == [True] * 3
    assert machine.shares(1)[0] >= 60


async def test_who_goes_first_is_not_held_back_for_who_goes_last() -> None:
    """A backfill that waits elsewhere gets what the caller has no place for; half of the minute it is not."""
    machine = Machine(120, 2)
    await machine.run(3, asking(machine.processes[0]), asking(machine.processes[1], rank=2))
    assert machine.shares(1)[0] >= 90


async def test_who_does_not_wait_for_the_next_minute_has_no_part_in_it() -> None:
    """Callers of little patience, who were told to come later, delay nobody at its start."""
    machine = Machine(10, 4)
    busy, *hasty = machine.processes
    for each in hasty:
        await each.buy()
    await machine.run(1, asking(busy, 20))
    for each in hasty:
        with pytest.raises(BudgetExceeded):
            await each.limiter.acquire(each.limiter.waiter(), 0.5)
    began = machine.clock.monotonic()
    await busy.ask(10)
    assert machine.clock.monotonic() - began < 6


async def test_a_single_process_writes_no_more_than_its_requests_take() -> None:
    """With many at once a request is written when it leaves, together with the answers before it."""
    machine = Machine(300, 1)
    await machine.run(4, asking(machine.processes[0], 1200))
    assert machine.full() == [True] * 4
    assert machine.memory.written <= 1.03 * 1200
