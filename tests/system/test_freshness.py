"""What is final is bought once; what may still change is bought as often as its age demands."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from enlighten_async import Reason
from enlighten_async.emulator.simulation.system import Meter
from tests.cache_setup import DAY, CacheSetup, check, starts
from tests.world import World

HALF_AN_HOUR = 1800
YEAR_WINDOWS = 53

versions = pytest.mark.parametrize("version", ["v2", "v4"])


@pytest.mark.slow
@versions
async def test_the_same_year_is_bought_once(cache_setup: CacheSetup, version: str) -> None:
    """By the same client and by the next process, a month later: nothing is sent, and its age is told."""
    world = World()
    year = world.days(364) | {"end_at": world.clock.now() - 4 * DAY}
    async with cache_setup.client(world, version=version) as client:
        first = await client.rgm_stats(world.system, **year)
        assert first.receipt.sent == world.emulator.counts.sent == -(-360 // 7)
        again = await client.rgm_stats(world.system, **year)
    year["start_at"] += 40 * DAY  # as the service does not keep longer than a year
    world.clock.advance(30 * DAY)
    async with cache_setup.client(world, version=version) as client:
        price = await client.rgm_stats(world.system, **year).estimate()
        later = await client.rgm_stats(world.system, **year)
    assert world.emulator.counts.sent == first.receipt.sent
    assert (price.at_least, price.at_most, price.from_cache) == (0, 0, later.receipt.from_cache)
    for answer in (again, later):
        assert answer.receipt.sent == 0
        assert answer.receipt.from_cache >= (answer.window.seconds // DAY) // 7
        assert answer.coverage.as_of == first.coverage.as_of
        assert answer.coverage.reported_until == first.coverage.reported_until
        check(world, "rgm_stats", answer)
    assert again == first


@pytest.mark.slow
@versions
async def test_of_a_year_up_to_now_the_last_days_are_bought_again(
    cache_setup: CacheSetup, version: str
) -> None:
    """One window; the answer is as old as its oldest part, and knows of reports as the newest does."""
    world = World()
    async with cache_setup.client(world, version=version) as client:
        first = await client.rgm_stats(world.system, **world.days(364))
        world.clock.advance(2 * DAY)
        starts(world)
        again = await client.rgm_stats(world.system, **world.days(364))
    assert again.receipt.sent == 1
    assert starts(world) == [int((world.clock.now() - 5 * DAY) // 900 * 900)]
    assert again.coverage.as_of == first.coverage.as_of
    assert first.coverage.reported_until is not None
    assert again.coverage.reported_until == first.coverage.reported_until + timedelta(days=2)
    check(world, "rgm_stats", again)


@versions
@pytest.mark.parametrize(
    ("max_age", "bought"),
    [(None, 1), (0, 1), (HALF_AN_HOUR - 60, 1), (HALF_AN_HOUR + 60, 0), (timedelta(hours=1), 0)],
)
@pytest.mark.parametrize("name", ["rgm_stats", "stats", "consumption_stats"])
async def test_what_may_change_is_served_while_it_is_young_enough(
    cache_setup: CacheSetup, version: str, name: str, max_age: Any, bought: int
) -> None:
    """Half an hour later: as it was, with its age and what it lacks, or bought again."""
    world = World()
    async with cache_setup.client(world, version=version) as client:
        first = await getattr(client, name)(world.system, **world.days(0.9))
        world.clock.advance(HALF_AN_HOUR)
        query = getattr(client.with_options(max_age=max_age), name)(world.system, **world.days(0.9))
        assert (await query.estimate()).at_most == bought
        again = await query
    assert again.receipt.sent == world.emulator.counts.sent - 1 == bought
    if bought:
        check(world, name, again)
        assert again.coverage.as_of > first.coverage.as_of
        return
    rows = [row for row in first.intervals if row.end_at > again.window.start_at]
    assert list(again.intervals) == rows
    assert again.coverage.as_of == first.coverage.as_of
    assert again.coverage.reported_until == first.coverage.reported_until
    last = again.coverage.gaps()[-1]
    assert (last.window.end, last.reason) == (again.window.end, Reason.NOT_REPORTED_YET)


async def test_an_answer_that_ended_earlier_does_not_stand_for_now(cache_setup: CacheSetup) -> None:
    """However old an answer may be, what was never asked for is asked for."""
    world = World()
    now = world.clock.now()
    async with cache_setup.client(world) as owner:
        client = owner.with_options(max_age=timedelta(days=1))
        await client.rgm_stats(world.system, start_at=now - DAY, end_at=now - DAY / 2)
        answer = await client.rgm_stats(world.system, start_at=now - DAY, end_at=now)
        check(world, "rgm_stats", answer)
        assert answer.receipt.sent == 1
        assert (await client.rgm_stats(world.system, start_at=now - DAY, end_at=now)).receipt.sent == 0


@versions
async def test_what_is_bought_anyway_tells_of_now(cache_setup: CacheSetup, version: str) -> None:
    """A longer range, soon after a shorter one: no gap says that what was reported by now was not."""
    world = World()
    async with cache_setup.client(world, version=version) as owner:
        client = owner.with_options(max_age=timedelta(hours=1))
        await client.rgm_stats(world.system, **world.days(0.4))
        world.clock.advance(HALF_AN_HOUR)
        answer = await client.rgm_stats(world.system, **world.days(0.8))
    assert answer.receipt.sent == 1
    last = answer.coverage.gaps()[-1]
    assert answer.coverage.reported_until is not None
    assert last.window.start == answer.coverage.reported_until.timestamp() // 900 * 900
    check(world, "rgm_stats", answer)


@versions
async def test_late_reports_correct_what_is_stored(cache_setup: CacheSetup, version: str) -> None:
    """One of two meters reports two days late: what was not final is bought again, what was is not."""
    world = World()
    system = world.emulator.truth.systems()[0]
    late = (Meter(serial="1", envoy_serial="9"), Meter(serial="2", envoy_serial="9", late=2 * DAY))
    world = World(fleet=[evolve(system, meters=late)])
    span = world.days(6)
    async with cache_setup.client(world, version=version) as client:
        first = await client.rgm_stats(world.system, **span)
        check(world, "rgm_stats", first)
        world.clock.advance(4 * DAY)
        starts(world)
        again = await client.rgm_stats(world.system, **span)
        check(world, "rgm_stats", again)
        assert starts(world) == [first.window.end - 3 * DAY]
        assert again.receipt.sent == 1
        assert sum(row.wh_del for row in again.intervals) > sum(row.wh_del for row in first.intervals)
    world.clock.advance(DAY)
    async with cache_setup.client(world, version=version) as client:
        final = await client.rgm_stats(world.system, **(span | {"end_at": span["end_at"] - 1}))
    assert final.receipt.sent == 0
    check(world, "rgm_stats", final)


@pytest.mark.parametrize(("name", "era"), [("rgm_stats", 2014), ("rgm_stats", 2024), ("stats", 2024)])
async def test_an_outage_is_never_final(cache_setup: CacheSetup, name: str, era: int) -> None:
    """Nothing is reported for ten days; the gap is asked for again until it is filled, and no more then."""
    world = World(v2_year=era)
    began, lag = world.clock.now(), world.emulator.truth.report_lag
    span = {"start_at": began - 3 * DAY, "end_at": began + 2 * DAY}
    async with cache_setup.client(world) as client:
        for days in (7, 9):
            world.clock.advance(began + days * DAY - world.clock.now())
            world.emulator.truth.report_lag = lag + days * DAY
            starts(world)
            answer = await getattr(client, name)(world.system, **span)
            check(world, name, answer)
            why = answer.coverage.gaps()[-1].reason
            assert why is Reason.NOT_REPORTED_YET or era == 2014  # without rows, it does not tell why
    # What does not tell how far the system has reported is not final for a month.
    last = list(answer.intervals)[-1].end_at.timestamp() - 2 * 3600
    last = span["start_at"] // 900 * 900 if era == 2014 else last
    assert starts(world)[0] >= last
    world.emulator.truth.report_lag = lag
    world.clock.advance(DAY)  # for which it is remembered that there was nothing
    async with cache_setup.client(world) as client:
        filled = await getattr(client, name)(world.system, **span)
        check(world, name, filled)
        assert starts(world)[0] >= last
        assert len(filled.intervals) > len(answer.intervals)
        world.clock.advance((era == 2014) * 30 * DAY)
        await getattr(client, name)(world.system, **span)
        assert (await getattr(client, name)(world.system, **span)).receipt.sent == 0


async def test_what_is_final_stays_until_it_is_bought_again_by_force(cache_setup: CacheSetup) -> None:
    """The service tells another story of last month: only `max_age=0` hears it, and all do from then on."""
    world = World()
    span = {"start_at": world.clock.now() - 30 * DAY, "end_at": world.clock.now() - 20 * DAY}
    other = World(seed=1, fleet=world.emulator.truth.systems())
    other.emulator.truth._clock = world.clock
    async with cache_setup.client(world) as client:
        first = await client.rgm_stats(world.system, **span)
    async with cache_setup.client(world, transport=other.emulator.transport()) as client:
        assert await client.rgm_stats(world.system, **span) == first
        forced = await client.with_options(max_age=0).rgm_stats(world.system, **span)
        check(other, "rgm_stats", forced)
        assert forced.intervals != first.intervals
        again = await client.rgm_stats(world.system, **span)
    assert (forced.receipt.sent, again.receipt.sent) == (2, 0)
    assert again == forced


@versions
@pytest.mark.parametrize("name", ["stats", "rgm_stats", "consumption_stats"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_what_was_bought_hour_by_hour_is_served_as_a_whole(
    cache_setup: CacheSetup, version: str, name: str, streamed: bool
) -> None:
    """However short the cached parts are, they are no small steps of the service."""
    world, began = World(now=1_750_000_500), 1_750_000_500
    async with cache_setup.client(world, version=version) as client:
        for _ in range(12):
            world.clock.advance(HALF_AN_HOUR * 2)
            now = world.clock.now()
            await getattr(client, name)(world.system, start_at=now - 2 * HALF_AN_HOUR, end_at=now)
        sent = world.emulator.counts.sent
        recent = client.with_options(max_age=DAY)
        query = getattr(recent, name)(world.system, start_at=began, end_at=world.clock.now())
        parts = [part async for part in query] if streamed else [await query]
    assert world.emulator.counts.sent == sent
    assert all(part.coverage.complete for part in parts)
    assert (parts[0].window.start, parts[-1].window.end) == (
        began // 900 * 900,
        began // 900 * 900 + 12 * 3600,
    )
