"""Endpoints of single requests against the emulated service, and what their answers have in common."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from enlighten_async.api.v2 import ApiV2
from enlighten_async.emulator import Envoy, Meter, RetiredMeter, System
from enlighten_async.errors import AuthenticationError, NotFound, RangeError
from enlighten_async.models import Reason
from tests.world import World

API = ApiV2()
envoys = API.envoys
inventory = API.inventory
inverters_summary_by_envoy_or_site = API.inverters_summary_by_envoy_or_site
monthly_production = API.monthly_production
production_meter_readings = API.production_meter_readings
search_system_id = API.search_system_id
summary = API.summary
consumption_lifetime = API.consumption_lifetime
energy_lifetime = API.energy_lifetime

SINCE = 1_745_000_000
METERED, BARE, YOUNG, REFUSED = 11, 12, 13, 14
ZONE = "Europe/Berlin"


@pytest.fixture
def world() -> World:
    """A system with everything, one with microinverters alone, one begun today, one that tells nothing."""
    meter = Meter(serial="121000000011EIM1", envoy_serial="121000000011")
    common: dict[str, Any] = {"timezone": ZONE, "operational_at": SINCE, "size_w": 5000}
    return World(
        fleet=[
            System(
                system_id=METERED,
                name="Hill house",
                meters=(meter,),
                metered_at=SINCE + 20 * 86_400,
                retired_meters=(RetiredMeter(serial="121000000009EIM1", retired_at=SINCE + 9 * 86_400),),
                consumption="metered",
                envoys=(Envoy("121000000011"), Envoy("121000000012", reported=False)),
                **common,
            ),
            System(system_id=BARE, name="Hill barn", status="comm", twins=True, **common),
            System(
                system_id=YOUNG, name="Dale", status="micro", **{**common, "operational_at": 1_750_000_000}
            ),
            System(system_id=REFUSED, name="Dale end", consumption="refused", **common),
        ]
    )


def today(world: World) -> date:
    """Return the systems' own today."""
    return datetime.fromtimestamp(world.clock.now(), ZoneInfo(ZONE)).date()


async def test_days_of_production(world: World) -> None:
    """Their sum is what the summary says; each day is what the summary of that day says."""
    yesterday = today(world) - timedelta(days=1)
    async with world.client() as client:
        lifetime = await client._query(energy_lifetime(METERED, production="all"))
        glance = await client._query(summary(METERED, None))
        before = await client._query(summary(METERED, yesterday))
    assert lifetime.start_date == datetime.fromtimestamp(SINCE, ZoneInfo(ZONE)).date()
    assert (lifetime[-1].date, lifetime[-1].wh) == (yesterday, before.energy_today)
    assert sum(day.wh or 0 for day in lifetime) == glance.energy_lifetime > 0
    switch = lifetime.meter_start_date
    assert switch is not None
    assert all(day.wh == (day.micro_wh if day.date < switch else day.meter_wh) for day in lifetime)
    assert (lifetime.reason, lifetime.receipt.sent) == (None, 1)
    assert lifetime.as_of is not None


async def test_days_of_a_range(world: World) -> None:
    """Both inclusive."""
    first = today(world) - timedelta(days=9)
    async with world.client() as client:
        whole = await client._query(energy_lifetime(BARE, start_date=first))
        some = await client._query(
            energy_lifetime(BARE, start_date=first, end_date=first + timedelta(days=2))
        )
        until = await client._query(energy_lifetime(BARE, end_date=first))
    assert [day.date for day in some] == [first + timedelta(days=n) for n in range(3)]
    assert list(some) == list(whole[:3])
    assert until[-1] == whole[0]
    assert some.meter_start_date is None


async def test_nothing_yet_is_an_answer(world: World) -> None:
    """A system that began today, ranges from today on, and before operation."""
    now = today(world)
    async with world.client() as client:
        for start, end, reason in (
            (now, None, Reason.NOT_REPORTED_YET),
            (None, date(2020, 1, 1), Reason.BEFORE_OPERATION),
        ):
            for system, lifetime in ((BARE, energy_lifetime), (METERED, consumption_lifetime)):
                empty = await client._query(lifetime(system, start_date=start, end_date=end))
                assert (len(empty), empty.reason, empty.receipt.sent) == (0, reason, 1)
                assert empty.as_of is not None
        young = await client._query(energy_lifetime(YOUNG))
    assert (len(young), young.reason) == (0, Reason.NOT_REPORTED_YET)


async def test_consumption(world: World) -> None:
    """Days of it with a meter; without one an answer, without consent an error."""
    async with world.client() as client:
        lifetime = await client._query(consumption_lifetime(METERED))
        none = await client._query(consumption_lifetime(BARE))
        with pytest.raises(AuthenticationError):
            await client._query(consumption_lifetime(REFUSED))
    assert lifetime[-1].date == today(world) - timedelta(days=1)
    assert lifetime[-1].wh
    assert (len(none), none.reason) == (0, Reason.NO_DEVICE)


async def test_what_is_wrong_is_an_error(world: World) -> None:
    """A future date, a missing system."""
    async with world.client() as client:
        for lifetime in (energy_lifetime, consumption_lifetime):
            with pytest.raises(RangeError, match="in the future"):
                await client._query(lifetime(METERED, start_date=today(world) + timedelta(days=1)))
            with pytest.raises(NotFound):
                await client._query(lifetime(999_999))


async def test_devices(world: World) -> None:
    """As many inverters as modules; a gateway that never reported."""
    async with world.client() as client:
        listed = await client._query(inventory(BARE))
        glance = await client._query(summary(BARE, None))
        gateways = await client._query(envoys(METERED))
        metered = await client._query(inventory(METERED))
        with pytest.raises(NotFound):
            await client._query(envoys(999_999))
    assert len(listed.inverters) == glance.modules
    assert {device.sn and device.sn[-2:] for device in listed.inverters} == {"-A", "-B"}
    assert [gateway.serial_number for gateway in gateways] == ["121000000011", "121000000012"]
    assert [gateway.last_report_at is None for gateway in gateways] == [False, True]
    assert "121000000011EIM1" in {meter.sn for meter in metered.meters}


async def test_readings_are_of_the_instant(world: World) -> None:
    """Earlier ones are lower; a retired meter stands still; a system without meters has none."""
    async with world.client() as client:
        now = await client._query(production_meter_readings(METERED))
        past = datetime.fromtimestamp(world.clock.now() - 5 * 86_400, UTC)
        then = await client._query(production_meter_readings(METERED, end_at=past))
        none = await client._query(production_meter_readings(BARE))
    read = {reading.serial_number: reading for reading in now}
    for reading in then:
        later = read[reading.serial_number]
        assert reading.read_at is not None
        assert reading.read_at <= past
        assert reading.value is not None
        assert later.value is not None
        assert (reading.value < later.value) == (reading.serial_number == "121000000011EIM1")
    assert len(then) == len(now) == 2
    assert list(none) == []


async def test_a_month_is_the_sum_of_its_days(world: World) -> None:
    """Deprecated, and right."""
    async with world.client() as client:
        with pytest.warns(DeprecationWarning, match="energy_lifetime"):
            plan = monthly_production(BARE, date(2025, 5, 1))
        month = await client._query(plan)
        days = await client._query(
            energy_lifetime(BARE, start_date=date(2025, 5, 1), end_date=date(2025, 5, 31))
        )
    assert (month.start_date, month.end_date) == (date(2025, 5, 1), date(2025, 5, 31))
    assert month.production_wh == sum(day.wh or 0 for day in days)


async def test_inverters_report_the_same_energy(world: World) -> None:
    """Their sum is what the summary says was produced before today."""
    async with world.client() as client:
        listed = await client._query(inverters_summary_by_envoy_or_site(METERED))
        glance = await client._query(summary(BARE, None))
        twins = await client._query(inverters_summary_by_envoy_or_site(BARE))
        with pytest.raises(NotFound, match="Couldn't find Site"):
            await client._query(inverters_summary_by_envoy_or_site(999_999))
    assert len(listed) == 2
    assert len(twins.micro_inverters) == glance.modules
    assert sum(inverter.energy or 0 for inverter in twins.micro_inverters) == glance.energy_lifetime > 0
    for inverter in twins.micro_inverters:
        assert inverter.power_produced is not None
        assert inverter.last_report_date is not None
        assert timedelta(0) < twins.as_of - inverter.last_report_date < timedelta(days=1)


async def test_a_gateway_tells_its_system(world: World) -> None:
    """Or nobody knows it."""
    async with world.client() as client:
        found = await client._query(search_system_id("121000000012"))
        with pytest.raises(NotFound, match="Envoy not found with this serial number"):
            await client._query(search_system_id("999"))
    assert (int(found), found.receipt.sent) == (METERED, 1)


PLANS: dict[str, Callable[[], Any]] = {
    "systems": lambda: ApiV2().systems(),
    "summary": lambda: summary(METERED, None),
    "energy_lifetime": lambda: energy_lifetime(METERED, production="all"),
    "consumption_lifetime": lambda: consumption_lifetime(METERED),
    "envoys": lambda: envoys(METERED),
    "inventory": lambda: inventory(METERED),
    "inverters_summary": lambda: inverters_summary_by_envoy_or_site(METERED),
    "production_meter_readings": lambda: production_meter_readings(METERED),
}


def formatted(world: World, datetime_format: str) -> httpx.MockTransport:
    """Return a way to the service by which all requests ask for a format of dates and instants."""
    through = world.emulator.transport()

    async def send(request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_add_param("datetime_format", datetime_format)
        response = await through.handle_async_request(request)
        assert response.status_code == 200
        date_of_it = {"date": response.headers["date"]}
        return httpx.Response(200, headers=date_of_it, content=await response.aread())

    return httpx.MockTransport(send)


@pytest.mark.parametrize("datetime_format", ["iso8601", "epoch"])
@pytest.mark.parametrize("name", PLANS)
async def test_an_answer_is_the_same_in_every_format(world: World, name: str, datetime_format: str) -> None:
    """Instants and dates."""
    async with world.client() as client:
        usual = await client._query(PLANS[name]())
    async with world.client(transport=formatted(world, datetime_format)) as client:
        other = await client._query(PLANS[name]())
    assert other == usual


@pytest.mark.parametrize("era", [2014, 2015, 2016, 2021, 2022])
@pytest.mark.parametrize("name", PLANS)
async def test_answers_of_all_years_are_read(name: str, era: int) -> None:
    """What the service did not have yet is null, empty, or not found."""
    world = World(
        v2_year=era,
        fleet=[System(system_id=METERED, operational_at=SINCE, timezone=ZONE, consumption="metered")],
    )
    async with world.client() as client:
        try:
            answer = await client._query(PLANS[name]())
        except NotFound:
            assert (name == "inverters_summary" and era < 2021) or (era < 2016 and name.endswith("readings"))
            return
    json.dumps(answer.to_dict(), allow_nan=False)
    if name == "consumption_lifetime":
        assert (answer.reason is Reason.NO_DEVICE) == (era < 2016)
    elif name not in {"systems", "inverters_summary"}:
        assert answer.system_id == METERED


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [METERED, BARE, YOUNG, REFUSED]),
        ({"status": "comm"}, [BARE]),
        ({"status": ["comm", "micro"]}, [BARE, YOUNG]),
        ({"system_name": "Hill"}, [METERED, BARE]),
        ({"system_name": "Hill", "status": ["comm", "micro"]}, [BARE]),
        ({"system_id": [METERED, str(REFUSED)]}, [METERED, REFUSED]),
        ({"system_id": YOUNG}, [YOUNG]),
        ({"reference": "nobody's"}, []),
    ],
)
async def test_filters_narrow_each_other(world: World, filters: dict[str, Any], expected: list[int]) -> None:
    """And the values of one filter widen it."""
    async with world.client() as client:
        listed = await client._query(ApiV2().systems(**filters))
    assert ([system.system_id for system in listed], listed.complete) == (expected, True)
