"""A poller that is started anew, within its cadence, buys nothing again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from enlighten_async import Answered, EnlightenClient, Plan, as_completed
from tests.limiter.stores import ProcessClock
from tests.world import World

CADENCE, OVERLAP = timedelta(minutes=15), timedelta(hours=2)
SYSTEMS = 12


class Poller:
    """A program that reads all systems, each time as a process of its own.

    Args:
        world: the service.
        path: the state file.
        start: returns from when a system is read, of the time, and up to when it is held.
    """

    def __init__(self, world: World, path: Path, start: Callable[..., dict[str, Any]]) -> None:
        self.world, self.path, self._start = world, path, start
        self.plan = Plan(minute=1000, month=100_000)
        self._runs = 0

    async def run(self, most: int = SYSTEMS, max_age: timedelta | None = 0.9 * CADENCE) -> int:
        """Read the systems, and end when so many have been answered; return the requests it took."""
        before = self.world.emulator.counts.sent
        self._runs += 1
        clock = ProcessClock(self.world.clock, monotonic=1000.0 * self._runs)
        async with self.world.client(state=self.path, clock=clock, plan=self.plan, pace=True) as client:
            await self._read(client.with_options(priority="poll", max_age=max_age), most)
        return self.world.emulator.counts.sent - before

    async def _read(self, fleet: EnlightenClient, most: int) -> None:
        now = datetime.fromtimestamp(self.world.clock.now(), UTC)
        listed = await fleet.with_options(max_age=timedelta(days=1)).systems()
        held = await fleet.held("rgm_stats", [system.system_id for system in listed])
        queries = (
            fleet.rgm_stats(number, **self._start(now, until or now - timedelta(days=2)))
            for number, until in held.items()
        )
        answered = 0
        async with as_completed(queries, limit=2) as outcomes:
            async for outcome in outcomes:
                assert isinstance(outcome, Answered)
                answered += 1
                if answered == most:
                    break


def from_what_is_held(now: datetime, until: datetime) -> dict[str, Any]:
    """Read on, with an overlap."""
    return {"start_at": until - OVERLAP}


def to_now(now: datetime, until: datetime) -> dict[str, Any]:
    """Read on, up to now, which is another time in each process."""
    return {"start_at": until - OVERLAP, "end_at": now}


def today(now: datetime, until: datetime) -> dict[str, Any]:
    """Read the day, as far as it has come."""
    return {"start_date": now.date()}


@pytest.fixture(params=[from_what_is_held, to_now, today])
def poller(request: pytest.FixtureRequest, tmp_path: Path) -> Poller:
    """Return a poller that has not run yet."""
    return Poller(World(systems=SYSTEMS, users=1), tmp_path / "state.db", request.param)


async def test_nothing_is_bought_again_within_the_cadence(poller: Poller) -> None:
    """However often it is started anew; after that each system once."""
    wait = poller.world.clock.sleep
    assert await poller.run() == SYSTEMS + 1  # and the list
    for minutes in (0, 1, 5, 7):
        await wait(60 * minutes)
        assert await poller.run() == 0
    await wait(60 * 2)  # a cadence after the first
    asked = await poller.run()
    assert SYSTEMS - 2 <= asked <= SYSTEMS  # some have stood still for days
    assert await poller.run() == 0


async def test_without_max_age_all_is_bought_again(poller: Poller) -> None:
    """That is what the option is for."""
    assert await poller.run(max_age=None) == SYSTEMS + 1
    assert await poller.run(max_age=None) >= SYSTEMS - 2


async def test_one_that_was_cut_off_buys_the_rest(poller: Poller) -> None:
    """What had been answered is not bought again, but what was on its way."""
    first = await poller.run(most=5)
    assert 6 <= first < SYSTEMS
    rest = await poller.run()
    assert SYSTEMS + 1 <= first + rest <= SYSTEMS + 1 + 2
    assert await poller.run() == 0
