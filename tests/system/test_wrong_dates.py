"""One `Date` that is wrong, as a proxy's clock may set it: it hides no data, and costs next to nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from enlighten_async import EnlightenClient
from enlighten_async.testing import FakeClock
from tests.cache_setup import DAY, check
from tests.world import World

VERSIONS = pytest.mark.parametrize("version", ["v2", "v4"])
WRONG = pytest.mark.parametrize("off", [-400 * DAY, -5 * DAY, 5 * DAY, 400 * DAY, 3650 * DAY])


def opened(world: World, version: str, **options: Any) -> EnlightenClient:
    """Open a client."""
    return world.client(**options) if version == "v2" else world.v4(**options)


async def told_wrong(world: World, client: EnlightenClient, off: float) -> None:
    """Let one answer have a wrong `Date`."""
    world.emulator.date_skew = off
    await client.with_options(max_age=0).envoys(world.system)
    world.emulator.date_skew = 0


@VERSIONS
@WRONG
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("warm", [False, True])
async def test_the_next_range_is_asked_for(version: str, off: float, streamed: bool, warm: bool) -> None:
    """Whether the service's time was known before, or that was the first answer; with a given end or none."""
    for given in ({}, {"end_at": None}):
        world = World()
        async with opened(world, version) as client:
            for _ in range(2 * warm):
                await client.envoys(world.system)
            await told_wrong(world, client, off)
            query = client.rgm_stats(world.system, **world.days(2) | given)
            parts = [part async for part in query] if streamed else [await query]
            assert sum(len(part.intervals) for part in parts) > 100
            assert parts[-1].window.end == world.clock.now() // 900 * 900
            for part in parts:
                check(world, "rgm_stats", part)


@VERSIONS
@WRONG
async def test_so_it_is_in_another_process(version: str, off: float, tmp_path: Path) -> None:
    """The file has only the wrong time."""
    world = World()
    async with opened(world, version, state=tmp_path / "state.db") as client:
        await told_wrong(world, client, off)
    async with opened(world, version, state=tmp_path / "state.db") as client:
        answer = await client.rgm_stats(world.system, **world.days(2))
    assert len(answer.intervals) > 100
    check(world, "rgm_stats", answer)


@VERSIONS
@pytest.mark.parametrize("days", [5, 40, 400])
async def test_a_date_that_is_ahead_adds_one_request(version: str, days: int) -> None:
    """The next answer tells that the rest has not come yet."""
    world = World()
    world.emulator.date_skew = days * DAY
    async with opened(world, version) as client:
        query = client.rgm_stats(world.system, start_at=world.clock.now() - 2 * DAY)
        async for _ in query:
            world.emulator.date_skew = 0
        answer = await client.rgm_stats(world.system, start_at=world.clock.now() - 2 * DAY)
    assert world.emulator.counts.sent <= 3
    assert answer.window.end == world.clock.now() // 900 * 900
    check(world, "rgm_stats", answer)


@VERSIONS
@pytest.mark.parametrize("days", [5, 40, 300])
async def test_what_has_not_come_yet_is_left_out(version: str, days: int) -> None:
    """By a clock of ours that is ahead: the refusal of the newest window tells of the others."""
    world = World()
    clock = world.clock.skewed(days * DAY)
    async with opened(
        world, version, clock=clock, **({"oauth": world.oauth()} if version == "v4" else {})
    ) as client:
        answer = await client.rgm_stats(world.system, start_at=world.clock.now() - 2 * DAY)
    assert len(answer.intervals) > 100
    assert world.emulator.counts.sent <= 3


@VERSIONS
@pytest.mark.parametrize("days", [-400, -5, 400])
async def test_several_wrong_dates_hide_nothing_for_long(version: str, days: int, tmp_path: Path) -> None:
    """After an hour a range is asked for that does not exist by them."""
    world = World()
    async with opened(world, version, state=tmp_path / "state.db") as client:
        for _ in range(3):
            await told_wrong(world, client, days * DAY)
        await client.rgm_stats(world.system, **world.days(2))
        world.clock.advance(3700)
        answer = await client.rgm_stats(world.system, **world.days(2))
    assert len(answer.intervals) > 100
    check(world, "rgm_stats", answer)


@pytest.mark.parametrize("name", ["rgm_stats", "battery", "energy_import_telemetry", "stats"])
async def test_dates_that_are_ahead_do_not_prolong_a_range_that_is_refused(name: str) -> None:
    """The service says that the rest is in the future, whatever its own `Date` says."""
    world = World()
    world.emulator.date_skew = 400 * DAY
    async with world.v4() as client:
        answer = await getattr(client, name)(world.system, start_at=world.clock.now() - 2 * DAY)
    assert answer.coverage.got > 10
    assert world.emulator.counts.sent <= 3


@VERSIONS
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("behind", [3 * 3600, 5 * DAY, 400 * DAY])
async def test_a_range_that_has_not_begun_by_our_clock_is_asked_for(
    version: str, streamed: bool, behind: float
) -> None:
    """A computer that has not set its clock yet knows nothing of the service's time."""
    for hours in (2, 50):
        world = World()
        start = world.clock.now() // 900 * 900 - hours * 3600
        async with opened(world, version, clock=world.clock.skewed(-behind)) as client:
            query = client.rgm_stats(world.system, start_at=start)
            parts = [part async for part in query] if streamed else [await query]
            assert sum(len(part.intervals) for part in parts) >= 3 * hours
            assert query.receipt.sent <= 1 + (hours * 3600 > behind)
            for part in parts:
                check(world, "rgm_stats", part)


@VERSIONS
async def test_a_range_that_has_not_begun_costs_one_request_at_most(version: str) -> None:
    """Once the service has told its time, none."""
    world = World()
    start = world.clock.now() // 900 * 900 + 5 * DAY
    async with opened(world, version) as client:
        sent = [(await client.rgm_stats(world.system, start_at=start)).receipt.sent for _ in range(3)]
    assert sent in ([1, 0, 0], [0, 0, 0])


@VERSIONS
async def test_a_range_whose_first_interval_is_not_over_costs_nothing(version: str) -> None:
    """It has begun, so that our own clock is believed: there is nothing to ask for yet."""
    world = World(now=1_750_000_520.0)
    async with opened(world, version) as client:
        answer = await client.rgm_stats(world.system, start_at=world.clock.now() - 5)
    assert (answer.window.seconds, answer.coverage.expected, answer.receipt.sent) == (0, 0, 0)


@VERSIONS
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("another", [False, True], ids=["same", "another"])
async def test_a_date_that_is_ahead_makes_no_answer_newer_than_the_question(
    version: str, another: bool, streamed: bool, tmp_path: Path
) -> None:
    """Who gives no `max_age` is not served what was cached before, also where the time is known by then."""
    world, state = World(), tmp_path / "state.db"
    async with opened(world, version, state=state) as client:
        for off in (0.8 * DAY, 0):
            world.emulator.date_skew = off
            await client.systems()
            await client.envoys(world.system) if off else await client.inventory(world.system)
        world.clock.advance(3600)
        async with opened(world, version, state=state) as other:
            query = (other if another else client).envoys(world.system)
            envoys = [each async for each in query] if streamed else [await query]
    assert query.receipt.sent == 1
    assert envoys[0].as_of.timestamp() == pytest.approx(world.clock.now(), abs=2)


@VERSIONS
async def test_a_clock_that_is_behind_makes_no_answer_newer_than_the_question(
    version: str, tmp_path: Path
) -> None:
    """As that of a machine that has just begun; an answer of its own is good for as long as it says."""
    world, state = World(), tmp_path / "state.db"
    async with opened(world, version, state=state) as client:
        await client.systems()
    world.clock.advance(3600)
    behind = FakeClock(now=world.clock.now() - 2 * 3600)
    async with opened(world, version, state=state, clock=behind) as client:
        assert (await client.systems()).receipt.sent == 1
        assert (await client.with_options(max_age=60).systems()).receipt.sent == 0
