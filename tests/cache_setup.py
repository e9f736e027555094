"""The cache of clients in tests: in memory, or in a file that each process opens for itself."""

from __future__ import annotations

from pathlib import Path

from attrs import Factory, define

from enlighten_async import EnlightenClient
from enlighten_async.cache import IntervalCache, MemoryCache, SqliteCache
from enlighten_async.clock import Clock
from enlighten_async.models.intervals import IntervalStats
from enlighten_async.state import StateFile
from tests.world import World

DAY = 86_400


@define
class CacheSetup:
    """A place where what was bought outlives clients.

    Attributes:
        path: the file; `None` keeps it in memory.
    """

    path: Path | None = None
    _memory: MemoryCache = Factory(MemoryCache)

    def open(self, clock: Clock) -> IntervalCache:
        """Return it as a process of its own has it."""
        if self.path is None:
            return self._memory
        return SqliteCache(StateFile(self.path, durable=False), clock=clock)

    def client(self, world: World, *, version: str = "v2", **options: object) -> EnlightenClient:
        """Open a client, as a process of its own does."""
        opened = world.client if version == "v2" else world.v4
        return opened(interval_cache=self.open(world.clock), **options)


def starts(world: World) -> list[int]:
    """Return where the windows began that were asked for, and forget them."""
    found = [int(each.params["start_at"]) for each in world.emulator.log if "start_at" in each.params]
    world.emulator._request_log.entries.clear()
    return sorted(found)


def check(world: World, name: str, answer: IntervalStats[object]) -> None:
    """Compare an answer with the truth of this moment, row by row, and its gaps with what is missing."""
    window, grid = answer.window, answer.coverage.grid
    known = getattr(world.emulator.truth, name)(answer.system_id, window.start, window.end)
    columns = answer.intervals.columns
    assert list(zip(*columns.values(), strict=True)) == [tuple(row.values()) for row in known]
    gaps = [
        end
        for gap in answer.coverage.gaps()
        for end in range(gap.window.start + grid, gap.window.end + 1, grid)
    ]
    cells = set(range(window.start + grid, window.end + 1, grid))
    assert len(gaps) == len(set(gaps))
    assert set(gaps) == cells - set(columns["end_at"])
