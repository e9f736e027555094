"""A sink or a state that is lost, full or slow: polls wait, nothing is lost, memory is bounded."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from enlighten_async import Plan
from enlighten_async.cache import IntervalCache, MemoryCache, SqliteCache
from enlighten_async.errors import StateUnavailable
from enlighten_async.fleet import Change, Fleet
from enlighten_async.fleet.follow import BATCH, WORKERS
from enlighten_async.windows import DAY
from tests.fleet.test_backfill import Kept
from tests.limiter.stores import Crowded, store_in
from tests.world import AMPLE, World

START = 1_750_032_000.0  # midnight UTC
MOST_ROWS = 672
"""Rows of a system that one change has at the most: a week's."""


class Unsteady:
    """A sink that is away for a time, takes its time, and keeps what it has acknowledged.

    Attributes:
        rows: energy of each row, by system and end.
        held: changes that were in memory at a write, at the most.
        longest: rows of a system in one change, at the most.
        attempts: writes that failed.
        polled: whether anything was polled between the attempts of one write.
    """

    def __init__(self, world: World, away: tuple[float, float], takes: float = 0.0) -> None:
        self.world, self.away, self.takes = world, away, takes
        self.rows: dict[tuple[int, float], float | None] = {}
        self.until: dict[int, datetime] = {}
        self.held = self.longest = self.attempts = 0
        self.polled = False
        self._sent = 0

    async def cursors(self, series: str) -> dict[int, datetime]:
        """Return up to when systems are held."""
        return dict(self.until)

    async def write(self, changes: Sequence[Change]) -> None:
        """Keep rows, unless it is away."""
        if self.attempts % 1_000 == 0:
            self.held = max(self.held, sum(isinstance(each, Change) for each in gc.get_objects()))
        self.longest = max(self.longest, *(len(each.rows) for each in changes))
        sent = len(self.world.emulator.log)
        await self.world.clock.sleep(self.takes)
        if self.away[0] <= self.world.clock.now() - START < self.away[1]:
            self.polled |= bool(self.attempts) and sent != self._sent
            self.attempts, self._sent = self.attempts + 1, len(self.world.emulator.log)
            raise OSError(28, "no space left on device")
        self.polled |= sent != len(self.world.emulator.log)
        for change in changes:
            self.until[change.system_id] = change.until
            self.rows |= {(change.system_id, row.end_at.timestamp()): row.wh_del for row in change.rows}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("away", "takes"),
    [
        pytest.param((0.0, 0.0), 3_600.0, id="an hour for each write"),
        pytest.param((0.4 * DAY, 1.4 * DAY), 600.0, id="lost for a day, and slow"),
    ],
)
async def test_an_unsteady_sink_gets_all_and_memory_is_bounded(
    away: tuple[float, float], takes: float
) -> None:
    """Of a fleet of which more is due than one batch."""
    world = World(now=START, systems=150, users=1)
    sink = Unsteady(world, away, takes)
    async with world.v4(plan=Plan(minute=6_000), interval_cache=MemoryCache()) as client:
        with world.clock.move_on_after(2 * DAY):
            await Fleet(client, "rgm_stats", every=timedelta(hours=6)).run(sink)
    assert not sink.polled
    assert sink.held <= 2 * (BATCH + WORKERS)  # the batch before may not be collected yet
    assert sink.longest <= MOST_ROWS
    assert bool(sink.attempts) == (away[1] > 0)
    wrong = missing = 0
    for system, until in sink.until.items():
        for row in world.emulator.truth.rgm_stats(system, START, until.timestamp()):
            place = (system, float(row["end_at"]))
            missing += place not in sink.rows
            wrong += sink.rows.get(place) != row["wh_del"]
    fresh = [until for until in sink.until.values() if until.timestamp() > START + 1.4 * DAY]
    assert len(fresh) > 0.7 * len(sink.until) > 0
    assert missing == 0
    assert wrong <= 0.01 * len(sink.rows)  # corrected after the last poll


class Lost(MemoryCache):
    """A cache of several machines; it may be lost."""

    lost = False

    async def spans(self, *asked: Any) -> Any:
        """Return them, unless it is lost."""
        if self.lost:
            raise StateUnavailable("the state cannot be reached")
        return await super().spans(*asked)


@pytest.mark.parametrize("fault", ["full", "lost"])
async def test_a_fleet_waits_for_a_state_that_cannot_keep_answers(tmp_path: Path, fault: str) -> None:
    """It ends for no such reason, takes none of it for a failure of a system, and goes on at once."""
    world = World(now=START + 0.8 * DAY, systems=3, users=1)
    file, lost, sink = Crowded(tmp_path / "state.db", durable=False), Lost(), Kept()
    cache: IntervalCache = SqliteCache(file, clock=world.clock) if fault == "full" else lost
    store = store_in(file, world.clock)
    async with world.client(plan=AMPLE, quota_store=store, interval_cache=cache) as client:
        await client.systems()
        fleet = Fleet(client, "rgm_stats", every=timedelta(hours=1), backfill=timedelta(weeks=3))
        async with anyio.create_task_group() as tasks:
            file.free, lost.lost = (0 if fault == "full" else None), fault == "lost"
            tasks.start_soon(fleet.run, sink)
            await world.clock.sleep(1_800)
            assert world.emulator.counts.sent == 1
            assert fleet.status().failed == 0
            file.free, lost.lost = None, False
            await world.clock.sleep(60)
            assert len(sink.moved["rgm_stats"]) == len(sink.moved["rgm_stats_history_2"]) == 3
            tasks.cancel_scope.cancel()
