"""What is no series, and that there is nothing: remembered for as long as it holds, or for a day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve

from enlighten_async import EnlightenClient, InputError, Reason
from enlighten_async.emulator.simulation.system import System
from tests.cache_setup import DAY, CacheSetup
from tests.world import World

HOUR = 3600

versions = pytest.mark.parametrize("version", ["v2", "v4"])


def bare(world: World, **changes: Any) -> World:
    """Return a world whose only system has no meters, no batteries and no consumption."""
    system = world.emulator.truth.systems()[0]
    none: dict[str, Any] = {"meters": (), "consumption": "none", "batteries": (), "acbs": ()}
    return World(fleet=[evolve(system, **(none | changes))])


async def spent(world: World, query: Any) -> int:
    """Await a query; return how many requests the service got for it."""
    before, price = world.emulator.counts.sent, await query.estimate()
    answer = await query
    sent = world.emulator.counts.sent - before
    assert sent == answer.receipt.sent
    if price.at_most is not None:
        assert price.at_least <= sent <= price.at_most
    return sent


@versions
@pytest.mark.parametrize(
    ("name", "consumption"),
    [
        ("rgm_stats", "none"),
        ("consumption_stats", "none"),
        ("consumption_stats", "disabled"),
        ("battery", "none"),
    ],
)
async def test_that_there_is_no_device_is_remembered_for_a_day(
    cache_setup: CacheSetup, version: str, name: str, consumption: str
) -> None:
    """For any range of the series, in any process; then it is asked for again, by one request."""
    if (version, name) == ("v2", "battery"):
        pytest.skip("v2 knows no batteries")
    world = bare(World(), consumption=consumption)

    def query(client: EnlightenClient, back: float, length: float) -> Any:
        start = world.clock.now() - back * DAY
        return getattr(client, name)(world.system, start_at=start, end_at=start + length * DAY)

    async with cache_setup.client(world, version=version) as client:
        assert await spent(world, query(client, 300, 300)) == 1
        assert await spent(world, query(client, 300, 300)) == 0
    async with cache_setup.client(world, version=version) as client:
        world.clock.advance(23 * HOUR)
        for back, length in ((300, 300), (320, 60), (0.5, 0.5)):
            answer = await query(client, back, length)
            assert answer.receipt.sent == 0
            assert {gap.reason for gap in answer.coverage.gaps()} == {Reason.NO_DEVICE}
        world.clock.advance(2 * HOUR)
        assert await spent(world, query(client, 300, 100)) == 1
        assert await spent(world, query(client, 30, 30)) == 0  # whatever range it was that said so
        assert await spent(world, query(client.with_options(max_age=0), 30, 30)) == 1


@versions
async def test_a_device_that_comes_is_seen_after_a_day(cache_setup: CacheSetup, version: str) -> None:
    """What was empty is bought then, and what is before that as well."""
    world = bare(World(), consumption="disabled")
    span = {"start_at": world.clock.now() - 60 * DAY, "end_at": world.clock.now()}
    async with cache_setup.client(world, version=version) as client:
        assert not (await client.consumption_stats(world.system, **span)).intervals
    for hours, rows in ((23, 0), (25, 60 * 96)):
        later = World(
            now=world.clock.now() + hours * HOUR,
            fleet=[evolve(world.emulator.truth.systems()[0], consumption="metered")],
        )
        async with cache_setup.client(later, version=version) as client:
            answer = await client.consumption_stats(world.system, **span)
        assert len(answer.intervals) == rows


@versions
async def test_a_device_that_goes_leaves_what_it_told(cache_setup: CacheSetup, version: str) -> None:
    """What is held is served, whatever the newest answer says; of the rest it is said that there is none."""
    world = bare(World(), consumption="metered")
    system, start = world.emulator.truth.systems()[0], world.clock.now() - 60 * DAY
    async with cache_setup.client(world, version=version) as client:
        held = await client.consumption_stats(world.system, start_at=start, end_at=start + 28 * DAY)
    gone = World(now=world.clock.now() + DAY, fleet=[evolve(system, consumption="disabled")])
    async with cache_setup.client(gone, version=version) as client:
        query = client.consumption_stats(world.system, start_at=start, end_at=start + 61 * DAY)
        price = await query.estimate()
        answer = await query
        assert list(answer.intervals) == list(held.intervals)
        assert [gap.reason for gap in answer.coverage.gaps()] == [Reason.NO_DEVICE]
        assert (answer.receipt.sent, price.at_least) == (1, 1)
        again = await client.consumption_stats(world.system, start_at=start, end_at=start + 61 * DAY)
    assert again.receipt.sent == 0
    assert again == evolve(answer, total_devices=again.total_devices, meta=again.meta)


async def test_a_system_that_is_not_yet_in_operation_is_asked_once_a_day(cache_setup: CacheSetup) -> None:
    """It has nothing to tell of any time, and says so without a reason."""
    world = bare(World(), meters=World().emulator.truth.systems()[0].meters)
    system: System = evolve(
        world.emulator.truth.systems()[0], operational_at=int(world.clock.now() + 3 * DAY)
    )
    world = World(fleet=[system])
    span = {"start_at": world.clock.now() - 5 * DAY, "end_at": world.clock.now()}
    async with cache_setup.client(world) as client:
        assert await spent(world, client.rgm_stats(world.system, **span)) == 1
        world.clock.advance(23 * HOUR)
        assert await spent(world, client.rgm_stats(world.system, **span)) == 0
        world.clock.advance(2 * HOUR)
        assert await spent(world, client.rgm_stats(world.system, **span)) == 1
        world.clock.advance(9 * DAY)
        answer = await client.rgm_stats(world.system, start_at=span["start_at"], end_at=world.clock.now())
    assert answer.intervals
    assert {gap.reason for gap in answer.coverage.gaps()} == {
        Reason.BEFORE_OPERATION,
        Reason.NOT_REPORTED_YET,
    }


@versions
@pytest.mark.parametrize("name", ["inventory", "envoys", "systems"])
async def test_what_is_of_the_moment_is_served_as_long_as_the_caller_says(
    cache_setup: CacheSetup, version: str, name: str
) -> None:
    """By default it is asked for anew; within `max_age` it is not, in any process."""
    if (version, name) == ("v4", "envoys"):
        name = "system_devices"
    world = World()

    def query(client: EnlightenClient, max_age: Any) -> Any:
        method = getattr(client.with_options(max_age=max_age), name, None)
        if method is None:
            pytest.skip(f"{version} has no {name}")
        return method() if name == "systems" else method(world.system)

    async with cache_setup.client(world, version=version) as client:
        first = await query(client, None)
        assert await spent(world, query(client, None)) == first.receipt.sent == 1
    world.clock.advance(HOUR)
    async with cache_setup.client(world, version=version) as client:
        again = await query(client, timedelta(hours=2))
        assert (again.receipt.sent, again.receipt.from_cache) == (0, 1)
        assert again.as_of == first.as_of
        assert again == first
        assert await spent(world, query(client, HOUR / 2)) == 1
        assert await spent(world, query(client, 0)) == 1


DAYS_OF: dict[str, list[str]] = {
    "v2": ["energy_lifetime", "consumption_lifetime", "summary"],
    "v4": [
        "energy_lifetime",
        "consumption_lifetime",
        "energy_import_lifetime",
        "energy_export_lifetime",
        "battery_lifetime",
        "summary",
    ],
}


@pytest.mark.parametrize(
    ("version", "name"), [(version, name) for version in DAYS_OF for name in DAYS_OF[version]]
)
async def test_past_days_are_final_as_intervals_are(cache_setup: CacheSetup, version: str, name: str) -> None:
    """Once they are more than three days over and reported past; until then they are asked for anew."""
    world = World()
    today = datetime.fromtimestamp(world.clock.now(), UTC).date()

    def query(client: EnlightenClient, back: int, max_age: Any = None) -> Any:
        day = today - timedelta(days=back)
        method = getattr(client.with_options(max_age=max_age), name)
        if name == "summary":
            return method(world.system, summary_date=day)
        return method(world.system, start_date=day - timedelta(days=3), end_date=day)

    async with cache_setup.client(world, version=version) as client:
        for back, again in ((10, 0), (5, 0), (3, 1), (1, 1)):
            assert await spent(world, query(client, back)) == 1
            assert await spent(world, query(client, back)) == again, back
            assert await spent(world, query(client, back, max_age=HOUR)) == 0
            assert await spent(world, query(client, back, max_age=0)) == 1
    world.clock.advance(30 * DAY)
    async with cache_setup.client(world, version=version) as client:
        assert await spent(world, query(client, 10)) == 0
        assert await spent(world, query(client, 1)) == 1  # it was not final when it was asked for
        assert await spent(world, query(client, 1)) == 0


@versions
async def test_days_of_an_outage_are_not_final(cache_setup: CacheSetup, version: str) -> None:
    """However long ago they are: what was not reported may still come."""
    world = World()
    began, lag = world.clock.now(), world.emulator.truth.report_lag
    last = datetime.fromtimestamp(began, UTC).date() + timedelta(days=2)
    world.clock.advance(20 * DAY)
    world.emulator.truth.report_lag = lag + 20 * DAY
    async with cache_setup.client(world, version=version) as client:
        for hours in (
            0,
            1,
            2,
            4,
            8,
            16,
            24,
        ):  # asked again more and more seldom, as long as it stays the same
            world.clock.advance(max(0, hours * HOUR - 60))
            world.emulator.truth.report_lag += max(0, hours * HOUR - 60)
            assert await spent(world, client.summary(world.system, summary_date=last)) == (not hours)
            world.clock.advance(min(hours, 1) * 60)
            world.emulator.truth.report_lag += min(hours, 1) * 60
            assert await spent(world, client.summary(world.system, summary_date=last)) == (hours > 0)
        assert (
            await spent(world, client.with_options(max_age=0).summary(world.system, summary_date=last)) == 1
        )
        world.emulator.truth.report_lag = lag
        world.clock.advance(DAY)
        answer = await client.summary(world.system, summary_date=last)
        assert answer.energy_today
        assert await spent(world, client.summary(world.system, summary_date=last)) == 0


@versions
async def test_no_lifetime_is_remembered_for_a_day(cache_setup: CacheSetup, version: str) -> None:
    """That there is no meter is said by a refusal, which is kept as an answer is."""
    world = bare(World())
    span = {"start_date": date(2025, 6, 1), "end_date": date(2025, 6, 10)}
    async with cache_setup.client(world, version=version) as client:
        assert await spent(world, client.consumption_lifetime(world.system, **span)) == 1
    world.clock.advance(23 * HOUR)
    async with cache_setup.client(world, version=version) as client:
        answer = await client.consumption_lifetime(world.system, **span)
        assert (answer.receipt.sent, answer.reason) == (0, Reason.NO_DEVICE)
        world.clock.advance(2 * HOUR)
        assert await spent(world, client.consumption_lifetime(world.system, **span)) == 1


@pytest.mark.parametrize("name", ["battery_settings", "storm_guard"])
async def test_no_setting_is_remembered_for_a_day(cache_setup: CacheSetup, name: str) -> None:
    """Of a system without batteries, in any process."""
    world = bare(World())
    for hours, sent in ((0, 1), (23, 0), (2, 1)):
        world.clock.advance(hours * HOUR)
        async with cache_setup.client(world, version="v4") as client:
            assert await spent(world, getattr(client, name)(world.system)) == sent
            assert (await getattr(client, name)(world.system)).reason is Reason.NO_DEVICE


@versions
async def test_a_time_zone_is_asked_for_once(cache_setup: CacheSetup, version: str) -> None:
    """For all queries and all processes on one file."""
    world = World()
    today = datetime.fromtimestamp(world.clock.now(), UTC).date()
    days = {"start_date": today - timedelta(days=12), "end_date": today - timedelta(days=10)}
    async with cache_setup.client(world, version=version) as client:
        assert await spent(world, client.rgm_stats(world.system, **days)) == 2
        assert await spent(world, client.rgm_stats(world.system, **days)) == 0
    for max_age in (None, 0, HOUR):
        world.clock.advance(100 * DAY)
        async with cache_setup.client(world, version=version) as client:
            view = client.with_options(max_age=max_age)
            assert await spent(world, view.rgm_stats(world.system, **days)) == (max_age == 0)


@versions
@pytest.mark.parametrize("days", [True, False], ids=["days", "instants"])
async def test_a_time_zone_is_known_from_a_cached_list(
    cache_setup: CacheSetup, version: str, days: bool
) -> None:
    """After a restart: local days cost no request for the zone, and what is cached has sums by local days."""
    world = World(users=1, systems=130 if version == "v4" else 2)  # of v4 two pages
    systems = world.emulator.truth.systems(world.emulator.demo_user)
    last = max(each.system_id for each in systems)
    end = int(world.clock.now()) // DAY * DAY - 10 * DAY
    range_: dict[str, Any] = {"start_at": end - 3 * DAY, "end_at": end}
    if days:
        day = datetime.fromtimestamp(end, UTC).date()
        range_ = {"start_date": day - timedelta(days=2), "end_date": day}
    async with cache_setup.client(world, version=version) as client:
        listed = await client.systems()
        first = await client.rgm_stats(last, **range_)
        assert first.receipt.sent == 1
        assert first.timezone == next(each.timezone for each in listed if each.system_id == last)
    world.clock.advance(100 * DAY)
    async with cache_setup.client(world, version=version) as client:
        price = await client.rgm_stats(last, **range_).estimate()
        answer = await client.with_options(only_cached=True).rgm_stats(last, **range_)
        assert (price.at_most, answer.receipt.sent) == (0, 0)
        assert answer == first
        assert answer.sums("day") == first.sums("day")


@versions
async def test_no_time_zone_is_guessed(cache_setup: CacheSetup, version: str) -> None:
    """Neither from the list of another user, nor from one without the system."""
    world = World(users=2, systems=1)
    one, other = (world.emulator.truth.systems(user)[0].system_id for user in world.emulator.users)
    async with cache_setup.client(world, version=version) as client:
        await client.systems()
        await client.rgm_stats(one, **world.days(1))
    async with cache_setup.client(world, version=version, user=world.emulator.users[1]) as client:
        answer = await client.rgm_stats(other, **world.days(1))
        assert answer.timezone is None
        with pytest.raises(InputError, match="time zone"):
            answer.sums("day")
        day = date(2025, 6, 1)
        price = await client.rgm_stats(one, start_date=day, end_date=day).estimate()
        assert price.at_least == 2  # one of them for the time zone


@versions
async def test_a_price_without_the_time_zone_knows_what_is_held(
    cache_setup: CacheSetup, version: str
) -> None:
    """Days that are held already cost no more than to ask for the zone: no price says that they must."""
    world = World()
    today = datetime.fromtimestamp(world.clock.now(), UTC).date()
    async with cache_setup.client(world, version=version) as client:
        day = today - timedelta(days=9)
        start = datetime(day.year, day.month, day.day, 3, tzinfo=UTC)  # there, the day begins at 7
        await client.rgm_stats(world.system, start_at=start, end_at=start + timedelta(days=2))
        query = client.rgm_stats(world.system, start_date=day, end_date=day)
        price = await query.estimate()
        assert (await query).receipt.sent == price.at_least == 1
