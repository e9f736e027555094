"""Several processes on one state file: as exact as one."""

from __future__ import annotations

import math
import random
import sqlite3
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.limiter import Plan, RateLimiter, SharedQuotaStore
from enlighten_async.limiter.record import Record
from enlighten_async.state import SqliteBackend, StateFile
from enlighten_async.testing import FakeClock
from tests.effort import examples
from tests.limiter.fake_server import FakeServer, build, purchase
from tests.limiter.stores import ProcessClock, process_limiter


@pytest.mark.slow
@pytest.mark.parametrize("apart", [0.0, 4321.5])
@pytest.mark.parametrize("phase", [0.0, 31.0, 57.5])
async def test_three_processes_share_a_key(tmp_path: Path, phase: float, apart: float) -> None:
    """60 jobs each, with clocks 1.5 s apart: 180 sent, none rejected, at most 2 windows more."""
    plan, clock = Plan(minute=10, month=10_000), FakeClock()
    _, server = build(clock, phase=phase)
    clocks = [ProcessClock(clock, wall, apart * n) for n, wall in enumerate((0.0, 1.5, -1.5))]
    limiters = [process_limiter(tmp_path / "state.db", local, plan) for local in clocks]
    started = server.time()
    async with anyio.create_task_group() as tasks:
        for number in range(180):
            tasks.start_soon(purchase, limiters[number % 3], server)
    assert (server.used.total(), server.rejected.total()) == (180, 0)
    assert server.windows()[-1] - int(started // 60) + 1 <= math.ceil(180 / 10) + 2


class Mortal(SharedQuotaStore):
    """The counts as a process has them that may be killed: from then on it writes nothing."""

    dead = False

    async def sync(self, *, refresh: bool = False) -> None:
        """Write what was noted, unless the process is dead."""
        if not self.dead:
            await super().sync(refresh=refresh)


def stored(path: Path) -> tuple[int, int]:
    """Return how many requests the file counts in this month, and how many of them may be on their way."""
    with sqlite3.connect(path) as file:
        record = Record.decode(file.execute("SELECT counts FROM quota").fetchone()[0])
    file.close()
    flying = len(record.pending) + record.unplaced
    return sum(record.charged.get("month", {}).values()) + flying, flying


async def killed(server: FakeServer, path: Path, clock: ProcessClock, seconds: float) -> None:
    """Let a process send all it can, and kill it after some time."""
    file = StateFile(path, durable=False)
    store = Mortal(SqliteBackend(file, clock), lambda salt: salt[:8] + b"key", clock=clock)
    limiter = RateLimiter(store=store, plan=Plan(minute=10, month=10_000), clock=clock)
    async with anyio.create_task_group() as tasks:
        for _ in range(25):
            tasks.start_soon(purchase, limiter, server)
        await server.clock.sleep(seconds)
        store.dead = True
        tasks.cancel_scope.cancel()
    file.release()


@pytest.mark.slow
@examples(8)
@given(
    seed=st.integers(0, 2**20),
    latency=st.sampled_from([0.2, 3.0]),
    lives=st.lists(st.floats(0.01, 70), min_size=1, max_size=8),
)
async def test_processes_that_are_killed(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    latency: float,
    lives: list[float],
) -> None:
    """Never less is stored than the server counts, and more by no more than what was in flight."""
    clock, chance = FakeClock(), random.Random(seed)  # noqa: S311
    path = tmp_path_factory.mktemp("machine") / "state.db"
    _, server = build(clock, phase=chance.uniform(0, 60), seed=seed, latency=latency)
    flown = 0
    for life in lives:
        local = ProcessClock(clock, chance.uniform(-1.5, 1.5), chance.uniform(-900, 900))
        await killed(server, path, local, life)
        total, flying = stored(path)
        flown += flying
        assert server.spent <= total <= server.spent + flown
    last = process_limiter(path, ProcessClock(clock), Plan(minute=10, month=10_000))
    for _ in range(2):  # tickets without a time are taken for dead by how long they are seen
        await purchase(last, server)
        await clock.sleep(40)
    await purchase(last, server)
    total, flying = stored(path)
    assert (flying, server.rejected.total()) == (0, 0)
    assert server.spent <= total <= server.spent + flown
