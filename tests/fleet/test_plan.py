"""The plan of a fleet: what it costs and how fresh it is, before anything is spent."""

from __future__ import annotations

from datetime import timedelta
from math import inf
from typing import Any

import pytest

from enlighten_async import EnlightenClient, InputError, Plan
from enlighten_async.cache import MemoryCache
from enlighten_async.fleet import Fleet, FleetPlan
from enlighten_async.fleet.plan import KeyShare, fleet_plan
from enlighten_async.fleet.schedule import Budget
from tests.world import World

PARTNER = Plan(minute=300, month=1_500_000, name="Partner")
HOUR = timedelta(hours=1)


def planned(systems: int, plan: Plan, every: timedelta | None, **options: Any) -> FleetPlan:
    """Return the plan of a fleet at the beginning of a month of 30 days."""
    limits = [float(plan.allows(each) or inf) for each in ("month", "minute")]
    return fleet_plan([KeyShare(systems, Budget(limits[0], 30, limits[1]), plan)], every, **options)


@pytest.mark.parametrize(
    ("systems", "every", "fits", "requests"),
    [
        (5_000, timedelta(minutes=15), False, 47_500),
        (5_000, timedelta(hours=2), True, 30_000),
        (5_000, None, True, 47_500),
        (100_000, timedelta(days=1), False, 47_500),
        (100_000, timedelta(days=3), True, 100_000 / 3),
        (10, None, True, 480),  # no more than gateways report
    ],
)
def test_the_cadence_is_told_that_the_plan_carries(
    systems: int, every: timedelta | None, fits: bool, requests: float
) -> None:
    """And at that one the plan fits."""
    plan = planned(systems, PARTNER, every)
    assert (plan.fits, plan.systems) == (fits, systems)
    assert plan.requests_per_day == pytest.approx(requests)
    assert plan.affordable_every is not None
    assert planned(systems, PARTNER, plan.affordable_every + timedelta(seconds=1)).fits


@pytest.mark.parametrize(
    ("plan", "cost"),
    [
        (PARTNER, (30 * 2_400 - 10_000) * 0.005),
        (Plan(minute=50, month=300_000, name="Megawatt"), 0.0),
        (Plan(minute=50, month=300_000), None),
        (Plan.UNLIMITED, 0.0),
    ],
)
def test_the_price_is_that_of_the_plan(plan: Plan, cost: float | None) -> None:
    """One that charges by request; that of a plan without a name is not known."""
    told = planned(200, plan, HOUR)
    assert told.requests_per_day == pytest.approx(2_400)
    assert told.cost_usd == (None if cost is None else pytest.approx(cost))


def test_a_plan_is_told_in_a_line() -> None:
    """With the cadence that it carries."""
    assert str(planned(5_000, PARTNER, timedelta(minutes=15))) == (
        "5,000 systems every 75.8 min (every 15 min does not fit): 47,500 requests a day, "
        "rows 65 min old on average, 7,075.00 USD a month"
    )
    assert str(planned(40, Plan(minute=10, month=1_000), None)).startswith("40 systems every 30.3 h: 32 req")
    empty = fleet_plan([KeyShare(3, Budget(0, 3, 10), PARTNER)], HOUR)
    assert str(empty) == "3 systems: the quota allows no poll now"
    assert (empty.fits, empty.affordable_every, empty.mean_delay) == (False, None, None)


@pytest.mark.parametrize(
    ("every", "left", "days"),
    [
        (timedelta(days=1), inf, 40 * 52 / (100 * 0.9 * 1_440 - 40)),  # by the minute alone
        (
            timedelta(days=1),
            10_000,
            40 * 52 / (100 * 0.9 * 1_440 - 40),
        ),  # at once: the month has them to spare
        (timedelta(days=1), 1_300, 10 + 1_265 / (100 * 0.9 * 1_440 - 40)),  # the rest in the next month
        (timedelta(days=1), 400, 10 + 2_080 / (100 * 0.9 * 1_440 - 40)),
        (None, 5_000, None),  # polls take all
        (timedelta(hours=1), 5_000, None),
    ],
)
def test_history_is_held_by_what_polls_leave(
    every: timedelta | None, left: float, days: float | None
) -> None:
    """A year of forty systems, ten days before the end of a month."""
    share = KeyShare(40, Budget(left, 10, 100), Plan(minute=100, month=10_000), 52)
    plan = fleet_plan([share], every, now=1_750_000_000)
    if days is None:
        assert plan.backfill_done_at is None
        assert str(plan).endswith("polls leave no requests for history")
    else:
        assert plan.backfill_done_at is not None
        took = (plan.backfill_done_at.timestamp() - 1_750_000_000) / 86_400
        assert took == pytest.approx(days, abs=0.01)
        assert str(plan).endswith(f", history by {plan.backfill_done_at:%Y-%m-%d %H:%M} UTC")
    assert fleet_plan([KeyShare(40, Budget(left, 10, 100), PARTNER)], every).backfill_done_at is None


def test_each_key_carries_its_own_systems() -> None:
    """The fleet is as fresh as what all of them afford."""
    small = KeyShare(40, Budget(1_000, 30, 10), Plan(minute=10, month=1_000))
    large = KeyShare(40, Budget(50_000, 30, 50), Plan(minute=50, month=50_000))
    both, alone = fleet_plan([small, large], HOUR), fleet_plan([small], HOUR)
    assert not both.fits
    assert both.affordable_every == alone.affordable_every
    assert both.requests_per_day == pytest.approx(alone.requests_per_day + 480)


def client_of(world: World, **options: Any) -> EnlightenClient:
    """Return a client on the free plan."""
    return world.v4(plan=Plan.WATT, **options)


async def test_a_plan_asks_for_nothing_but_the_lists() -> None:
    """The second one for nothing."""
    world = World(systems=120, users=1)
    async with client_of(world, interval_cache=MemoryCache()) as client:
        fleet = Fleet(client, "rgm_stats", every=HOUR)
        first, second = await fleet.plan(), await fleet.plan()
        paths = [each.path for each in world.emulator.log]
    assert paths == ["/api/v4/systems"] * 2
    assert first == second
    assert (first.systems, first.fits) == (120, False)


async def test_a_fleet_of_accounts_has_the_systems_of_all() -> None:
    """Each once."""
    world = World(systems=3, users=4)
    async with client_of(world) as client:
        plan = await Fleet(client, "stats", accounts=world.emulator.users[:2] * 2).plan()
        both = await Fleet([client, client.with_options(user_id=world.emulator.users[1])], "stats").plan()
    assert (plan.systems, both.systems) == (6, 6)
    assert plan.requests_per_day == pytest.approx(both.requests_per_day, rel=0.01)


@pytest.mark.parametrize(
    ("series", "options"),
    [
        ("systems", {}),
        ("evse_telemetry", {}),
        ("rgm_stats", {"every": 3_600}),
        ("rgm_stats", {"every": timedelta(0)}),
        ("rgm_stats", {"accounts": "anna"}),
        ("rgm_stats", {"accounts": []}),
    ],
)
async def test_a_wrong_fleet_is_refused_at_once(world: World, series: str, options: Any) -> None:
    """Before anything is sent."""
    async with world.v4() as client:
        with pytest.raises(InputError):
            Fleet(client, series, **options)
        with pytest.raises(InputError):
            Fleet([], "rgm_stats")
        with pytest.raises(InputError):
            Fleet([client, client], "rgm_stats", accounts=["anna"])


async def test_v2_has_fleets_too() -> None:
    """Of its own series."""
    world = World(systems=2, users=1)
    async with world.client() as client:
        assert (await Fleet(client, "rgm_stats").plan()).systems == 2
        assert repr(Fleet(client, "rgm_stats")) == "<Fleet rgm_stats of 1 accounts>"
        with pytest.raises(InputError, match="consumption_stats, not 'battery'"):
            Fleet(client, "battery")
