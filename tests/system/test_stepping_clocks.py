"""Programs on one state file whose wall clocks step: the service rejects none of their requests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from enlighten_async import EnlightenClient, Plan, QuotaExhausted
from enlighten_async.emulator import Quota
from tests.limiter.stores import ProcessClock
from tests.world import World

HOUR_S, DAY_S = 3600.0, 86_400.0
STEPS = [0.0, 1.5, 60.0, 1000.0, HOUR_S, -HOUR_S, DAY_S, -DAY_S]


@pytest.fixture(params=["v2", "v4"])
def version(request: pytest.FixtureRequest) -> str:
    """Return the version of the API."""
    return str(request.param)


def service(version: str, phase: float) -> tuple[World, Callable[..., EnlightenClient]]:
    """Return a service on the Watt plan at a phase of its minute, and the maker of clients."""
    world = World(now=1_750_000_020.0 + phase, quota=Quota.WATT, latency=0.05)
    make = world.client if version == "v2" else world.v4

    def opened(**options: Any) -> EnlightenClient:
        return make(plan=Plan(minute=10, month=1000), **options).with_options(max_age=0)

    return world, opened


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("monotonic", [0.0, pytest.param(-5000.0, marks=pytest.mark.slow)])
async def test_each_program_starts_with_another_wall_clock(
    version: str, step: float, monotonic: float, tmp_path: Path
) -> None:
    """One after another, on one machine or, with other monotonic clocks, in containers."""
    world, opened = service(version, phase=7)
    for program in range(4):
        clock = ProcessClock(world.clock, wall=step * program, monotonic=monotonic * program)
        client = opened(clock=clock, state=tmp_path / "enlighten.db")
        for _ in range(10):  # a whole minute's, so that the next program finds it full
            await client.summary(world.system)
    assert (world.emulator.counts.sent, world.emulator.counts.rejected) == (40, 0)
    assert world.clock.now() - 1_750_000_027.0 < 5 * 60


@pytest.mark.parametrize("step", [1.5, HOUR_S, -DAY_S])
async def test_two_programs_whose_wall_clocks_step_while_they_run(
    version: str, step: float, tmp_path: Path
) -> None:
    """Apart and back, again and again."""
    world, opened = service(version, phase=40)
    clocks = [ProcessClock(world.clock), ProcessClock(world.clock, wall=step)]
    clients = [opened(clock=clock, state=tmp_path / "enlighten.db") for clock in clocks]
    for call in range(40):
        await clients[call % 2].summary(world.system)
        if call % 7 == 6:
            clocks[call % 2].wall += step if call % 3 else -step
    assert (world.emulator.counts.sent, world.emulator.counts.rejected) == (40, 0)


@pytest.mark.parametrize("slept", [False, True])
async def test_the_wall_clock_opens_a_month_after_a_boot_or_a_sleep(
    version: str, slept: bool, tmp_path: Path
) -> None:
    """The monotonic clock says little then: who trusted it alone would wait for weeks."""
    world, opened = service(version, phase=7)
    first = opened(state=tmp_path / "enlighten.db")
    await first.summary(world.system)
    await first.set_month_used(1000)
    with pytest.raises(QuotaExhausted):
        await first.summary(world.system)
    began = world.clock.monotonic()
    await world.clock.sleep(20 * DAY_S)  # the month ends after 16
    asleep = 20 * DAY_S - 60 if slept else world.clock.monotonic() - began / 2
    client = opened(clock=ProcessClock(world.clock, monotonic=-asleep), state=tmp_path / "enlighten.db")
    assert (await client.quota()).month.left == 1000
    await client.summary(world.system)
    assert (await client.quota()).month.used == 1
    assert world.emulator.counts.rejected == 0
