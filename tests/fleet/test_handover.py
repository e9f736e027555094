"""Two processes that share a fleet, of which one loses its lease while its requests are in flight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import inf
from typing import Any

import anyio
import httpx
import pytest

from enlighten_async import Plan
from enlighten_async.cache import MemoryCache
from enlighten_async.emulator import Drift, Emulator
from enlighten_async.fleet import Change, Fleet, StaleFence
from enlighten_async.fleet.follow import WORKERS, Cursors
from enlighten_async.fleet.leases import SHARDS, Held, LeasedKeeper, NotesInState
from enlighten_async.state import DatabaseUnavailable, MemoryBackend
from enlighten_async.testing import FakeClock
from enlighten_async.windows import DAY
from tests.world import World

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"])  # leases are kept in PostgreSQL

NOON = 1_750_032_000.0 + 77 * 900
"""A quarter of an hour in daylight, at which rows of late meters come."""
EVERY, LEASE = timedelta(hours=1), timedelta(seconds=15)


class Rows:
    """A sink in memory, with fences."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, float], float | None] = {}
        self.until: dict[int, datetime] = {}
        self.fences: dict[int, int] = {}

    async def cursors(self, series: str) -> Mapping[int, datetime]:
        """Return up to when systems are held."""
        return dict(self.until)

    async def write(self, changes: Sequence[Change], *, fence: int | None = None) -> None:
        """Keep the rows, unless another one has written with a newer lease."""
        if any(self.fences.get(each.system_id, 0) > (fence or 0) for each in changes):
            raise StaleFence("stale")
        for each in changes:
            self.fences[each.system_id], self.until[each.system_id] = fence or 0, each.until
            self.rows |= {(each.system_id, row.end_at.timestamp()): row.wh_del for row in each.rows}


class Leases:
    """All leases of a fleet, that one process has, until the database is away for it."""

    length = LEASE

    def __init__(self, world: World, fence: int, end: float = inf) -> None:
        self.clock, self.end, shards = world.clock, end, range(SHARDS)
        self.held = Held(dict.fromkeys(shards, fence), SHARDS, shards)

    async def refresh(self) -> Held:
        """Return the leases."""
        if self.clock.now() > self.end:
            await self.clock.sleep(LEASE.total_seconds() / 3)
            raise DatabaseUnavailable("away")
        return self.held

    async def give_back(self, shards: Sequence[int], *, leaves: bool = False) -> None:
        """Do nothing: the process dies."""

    async def aclose(self) -> None:
        """Do nothing."""


class Late(httpx.AsyncBaseTransport):
    """A network that holds requests for rows up for some seconds on their way to the service."""

    def __init__(self, world: World, seconds: float) -> None:
        self.world, self.seconds, self.service = world, seconds, world.emulator.transport()
        self.sent: list[float] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Hand a request on."""
        if "rgm_stats" in request.url.path:
            self.sent.append(self.world.clock.now())
            await self.world.clock.sleep(self.seconds)
        return await self.service.handle_async_request(request)


async def work(
    world: World, cache: MemoryCache, sink: Rows, leases: Leases, until: float, network: Any = None
) -> None:
    """Follow the fleet as one process does, until it is killed."""
    options: dict[str, Any] = {} if network is None else {"transport": network}
    async with world.v4(plan=Plan(minute=600), interval_cache=cache, **options) as client:
        with world.clock.move_on_after(until - world.clock.now()):
            fleet, given = Fleet(client, "rgm_stats", every=EVERY), {"table": leases, "clock": world.clock}
            follower = await fleet._follower(await Cursors.of(sink, "rgm_stats", None))
            third = LEASE.total_seconds() / 3
            given["notes"] = NotesInState(MemoryBackend(world.clock), str, follower.now)
            keeper = LeasedKeeper(sink, third, series="rgm_stats", follower=follower, **given)  # type: ignore[arg-type]
            async with keeper.renewed():
                await fleet._keep(follower, keeper, once=False, until_done=False)


def wrong(world: World, sink: Rows, start: float, end: float) -> dict[tuple[int, int], Any]:
    """Return the rows that are not those of the service."""
    return {
        (system.system_id, row["end_at"]): (row["wh_del"], sink.rows.get((system.system_id, row["end_at"])))
        for system in world.emulator.truth.systems()
        for row in world.emulator.truth.rgm_stats(system.system_id, start, end)
        if sink.rows.get((system.system_id, row["end_at"])) != row["wh_del"]
    }


class Unreached(Rows):
    """A sink as a process sees it that is killed before it writes."""

    async def write(self, changes: Sequence[Change], *, fence: int | None = None) -> None:
        """Write nothing."""


@pytest.mark.parametrize(
    ("seconds", "writes"),
    [
        pytest.param(1, False, id="killed between the cache and the sink"),
        pytest.param(17, True, id="answered after the new holder's first poll"),
        pytest.param(25, True, id="answered with what came after that poll"),
        pytest.param(29, True, id="answered late"),
    ],
)
async def test_rows_that_a_lost_process_has_cached_are_told(seconds: float, *, writes: bool) -> None:
    """Also corrected ones, whenever they are cached; nothing is asked for twice but what was in flight."""
    world = World(now=NOON - 3 * 3_600, systems=4, users=1, drifts={Drift.LATE_HOUR})
    cache, sink, unreached = MemoryCache(), Rows(), Unreached()
    await work(world, cache, sink, Leases(world, 1), NOON - 2.9 * 3_600)
    unreached.until, before = dict(sink.until), len(world.emulator.log)
    world.clock.advance(NOON - 20 - world.clock.now())
    network = Late(world, seconds)
    async with anyio.create_task_group() as group:
        first, own = Leases(world, 2, end=world.clock.now()), sink if writes else unreached
        group.start_soon(work, world, cache, own, first, NOON + 60, network)
        await world.clock.sleep(16)
        group.start_soon(work, world, cache, sink, Leases(world, 3), NOON + 4 * 3_600)
    asked = [each for each in world.emulator.log[before:] if "rgm_stats" in each.path]
    count, times = len(network.sent), Counter(each.at for each in asked)
    cached = seconds < 16  # when the second process makes its first poll: then it is not asked for again
    assert times[NOON - 20 + seconds] == count > 0
    assert times[NOON - 4] == (0 if cached else count)
    twice = Counter((each.path, each.params["start_at"]) for each in asked)
    assert twice.total() - len(twice) <= count
    assert wrong(world, sink, NOON - 2 * 3_600, NOON) == {}


HALF_OUT_OF_SIGHT = 1980
"""A system of two meters: one has an outage, and the other one reports an hour later, during that too."""
OUTAGE = 1_750_032_000.0 + 73 * 900
"""A moment of that outage at which a row of the later meter comes some minutes afterwards."""


@pytest.mark.parametrize(
    ("after", "gap"),
    [
        (300, 600),
        pytest.param(600, 300, marks=pytest.mark.slow),
        pytest.param(600, 600, marks=pytest.mark.slow),
    ],
)
async def test_corrections_without_a_new_report_are_told(after: float, gap: float) -> None:
    """Who has bought them was killed before they were written, and the system knows of nothing newer."""
    begin = OUTAGE + after
    systems = Emulator(clock=FakeClock(begin), systems=200, users=1).truth.systems()
    world = World(now=begin, fleet=[each for each in systems if each.system_id == HALF_OUT_OF_SIGHT])
    cache, sink, unreached = MemoryCache(), Rows(), Unreached()
    await work(world, cache, sink, Leases(world, 1), begin + 30)
    unreached.until = dict(sink.until)
    world.clock.advance(gap)
    await work(world, cache, unreached, Leases(world, 2), world.clock.now() + 30)
    killed, asked = world.clock.now(), [each for each in world.emulator.log if "rgm_stats" in each.path]
    assert len(asked) == 2
    await work(world, cache, sink, Leases(world, 3), killed + DAY)
    assert wrong(world, sink, begin - 4 * 3_600, killed) == {}


async def test_nothing_is_asked_for_after_the_end_of_a_lease() -> None:
    """Though the database is silent, so that nobody tells that it was not renewed; but what was under way."""
    world = World(now=NOON, systems=60, users=1)
    network, leases = Late(world, 3), Leases(world, 1, end=NOON)
    await work(world, MemoryCache(), Rows(), leases, NOON + 60, network)
    sent = [at for at in network.sent if at > NOON + LEASE.total_seconds() - 3]
    assert 0 < len(sent) <= WORKERS
    assert max(sent) <= NOON + LEASE.total_seconds()
