"""Each entry of the API's release notes, newest first, is true of this client and of the emulator."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from enlighten_async import NotFound, RangeError, Unavailable, authorization_url, parse_redirect
from enlighten_async.emulator import Fault, Quota
from tests.world import API_KEY, World

DAY = 86_400
SERVICE = "http://emulator/api/v2"
DEPRECATED = "monthly_production is deprecated"


@pytest.fixture
def world() -> World:
    """A service with every kind of system."""
    return World(systems=16)


async def ask(world: World, path: str, **params: Any) -> httpx.Response:
    """Ask the service itself, without the client."""
    credentials = {"key": API_KEY, "user_id": world.emulator.demo_user}
    async with httpx.AsyncClient(
        transport=world.emulator.transport(), base_url="http://emulator/api/v2"
    ) as http:
        return await http.get(path, params={**credentials, **params})


async def test_rgm_stats_are_restricted_to_7_days(world: World) -> None:
    """The service refuses more, in its words; the client asks for 7 days at a time."""
    now = int(world.clock.now())
    answer = await ask(world, f"/systems/{world.system}/rgm_stats", start_at=now - 8 * DAY, end_at=now)
    assert answer.status_code == 422
    assert "Requested date range in one API hit cannot be more than 7 days. {:start_at=>" in answer.text
    world.emulator.counts.reset()
    stats = await world.client().rgm_stats(world.system, **world.days(8))
    assert (stats.receipt.sent, world.emulator.counts.by_status) == (2, {200: 2})


async def test_inventory_tells_status_and_state_of_meters(world: World) -> None:
    """Meters have both."""
    inventory = await world.client().inventory(world.system)
    assert inventory.meters
    assert all(meter.status and meter.state for meter in inventory.meters)


async def test_rgm_stats_have_meter_intervals(world: World) -> None:
    """Each meter's channels add up to the system's intervals."""
    stats = await world.client().rgm_stats(world.system, **world.days(3))
    total = sum(row.wh_del or 0 for meter in stats.meter_intervals for row in meter.intervals)
    assert total == pytest.approx(sum(row.wh_del or 0 for row in stats.intervals), abs=len(stats.intervals))


async def test_production_meter_readings_replace_monthly_production(world: World) -> None:
    """The one works quietly, the other warns."""
    client = world.client()
    readings = await client.production_meter_readings(world.system)
    assert all(reading.value is not None and reading.read_at is not None for reading in readings)
    with pytest.warns(DeprecationWarning, match="production_meter_readings"):
        month = await client.monthly_production(world.system, start_date=date(2025, 4, 1))
    assert (month.start_date, month.end_date) == (date(2025, 4, 1), date(2025, 4, 30))


async def test_new_statuses_are_taken_as_they_are(world: World) -> None:
    """The set is open: "battery", "storage_idle", and what may come."""
    for status in ("battery", "storage_idle", "what_may_come"):
        body = {
            "systems": [{"system_id": 1, "system_name": "a", "status": status, "meta": {"status": status}}]
        }
        world.emulator.inject(Fault(status=200, body=json.dumps(body)))
        (system,) = await world.client().systems()
        assert system.status == status
        assert system.meta is not None
        assert system.meta.status == status


async def test_systems_have_meta_with_the_operational_date(world: World) -> None:
    """Each system says when it went into operation."""
    for system in await world.client().systems():
        assert system.meta is not None
        assert system.meta.operational_at is not None


async def test_energy_lifetime_gives_both_series_on_demand(world: World) -> None:
    """`production="all"`: meters and microinverters apart, on the days of the merged series."""
    client = world.client()
    merged = await client.energy_lifetime(world.system)
    apart = await client.energy_lifetime(world.system, production="all")
    assert (merged.micro_production, merged.meter_production) == ((), ())
    assert len(apart.micro_production) == len(apart.meter_production) == len(apart.production)
    assert apart.production == merged.production


async def test_energy_lifetime_is_micro_before_the_meter_and_meter_after(world: World) -> None:
    """The switch is the first full day of the meter, marked by `meter_start_date`."""
    lifetime = await world.client().energy_lifetime(world.system, production="all")
    assert lifetime.meter_start_date is not None
    for day in lifetime:
        assert day.wh == (day.meter_wh if day.date >= lifetime.meter_start_date else day.micro_wh)


async def test_production_endpoints_tell_whether_they_are_up_to_date(world: World) -> None:
    """Status, last report and last energy in four answers, and the same in all."""
    client = world.client()
    with pytest.warns(DeprecationWarning, match=DEPRECATED):
        month = await client.monthly_production(world.system, start_date=date(2025, 4, 1))
    metas = [
        (await client.energy_lifetime(world.system)).meta,
        month.meta,
        (await client.rgm_stats(world.system)).meta,
        (await client.stats(world.system)).meta,
    ]
    assert metas[0] is not None
    assert metas[0].last_energy_at is not None
    assert all(meta == metas[0] for meta in metas)


async def test_systems_are_filtered_by_several_attributes(world: World) -> None:
    """AND between attributes, OR between values, a name by any part of it."""
    client = world.client()
    known = list(await client.systems())
    word = known[0].system_name.split()[0] if known[0].system_name else ""
    both = await client.systems(system_name=word, status=["normal", "comm"])
    assert list(both) == [
        s for s in known if word in (s.system_name or "") and s.status in {"normal", "comm"}
    ]
    assert both


async def test_summary_has_the_last_interval_and_the_size(world: World) -> None:
    """Two entries: `last_interval_end_at` and `size_w`."""
    summary = await world.client().summary(world.system)
    assert summary.last_interval_end_at is not None
    assert summary.size_w == world.emulator.truth.system(world.system).size_w


@pytest.mark.parametrize("form", ["epoch", "iso8601"])
async def test_dates_and_times_come_in_two_formats(world: World, form: str) -> None:
    """The service writes instants either way; the client reads the same from both."""
    path, client = f"/systems/{world.system}/stats", world.client()
    plain = await client.stats(world.system)
    body = (await ask(world, path, datetime_format=form)).text
    assert ("T" in json.loads(body)["intervals"][0]["end_at"]) if form == "iso8601" else True
    world.emulator.inject(Fault(status=200, body=body, path="/stats"))
    assert list((await client.stats(world.system)).intervals) == list(plain.intervals)


async def test_monthly_production_passes_on_its_error_code(world: World) -> None:
    """500 with errorCode 7: the data is not available for now."""
    world.emulator.inject(Fault.unavailable(path="monthly_production"))
    with pytest.warns(DeprecationWarning, match=DEPRECATED), pytest.raises(Unavailable) as caught:
        await world.client().monthly_production(world.system, start_date=date(2025, 4, 1))
    assert caught.value.error_code == 7


async def test_monthly_production_is_not_0_in_the_first_days(world: World) -> None:
    """A young system's first month holds what it produced."""
    now = world.clock.now()
    young = [s for s in world.emulator.truth.systems() if s.operational_at > now - 300 * DAY]
    young = [s for s in young if s.operational_at < now - 40 * DAY]
    assert young
    start = datetime.fromtimestamp(young[0].operational_at, UTC).date()
    with pytest.warns(DeprecationWarning, match=DEPRECATED):
        month = await world.client().monthly_production(young[0].system_id, start_date=start)
    assert (month.production_wh or 0) > 0


async def test_callbacks_are_supported(world: World) -> None:
    """JSONP on `energy_lifetime`, `inventory`, and `rgm_stats` of a system without meters."""
    bare = next(s.system_id for s in world.emulator.truth.systems() if not s.meters)
    for path in ("energy_lifetime", "inventory", "rgm_stats"):
        answer = await ask(world, f"/systems/{bare}/{path}", callback="show")
        assert answer.text.startswith(("show(", "/**/show("))
        assert json.loads(answer.text[answer.text.index("(") + 1 : answer.text.rindex(")")])


def test_the_authorization_url_supports_redirects() -> None:
    """The page leads back with a `user_id` in the query."""
    url = authorization_url("1409611733144", redirect="https://example.com/back?a=1")
    assert parse_qs(urlsplit(url).query)["redirect"] == ["https://example.com/back?a=1"]
    assert parse_redirect("https://example.com/back?a=1&user_id=4d6a51330a") == "4d6a51330a"


async def test_throttled_requests_are_explained() -> None:
    """409 with period, its ends and the limit; the client waits for the end and is served."""
    world = World(quota=Quota(minute=1, month=100, name="Watt"))
    assert (await ask(world, "/systems")).status_code == 200
    refused = await ask(world, "/systems")
    minute = int(world.clock.now()) // 60 * 60
    assert (refused.status_code, refused.json()) == (
        409,
        {
            "reason": "409",
            "message": ["Usage limit exceeded for plan Watt"],
            "period": "minute",
            "period_start": minute,
            "period_end": minute + 60,
            "limit": 1,
        },
    )
    systems = await world.client().systems()
    assert (systems.receipt.rejected, systems.receipt.sent) == (1, 2)


async def test_demo_systems_are_available(world: World) -> None:
    """Any key and the demo user will do."""
    assert world.emulator.demo_user == "4d7a45774e6a41320a"
    assert await world.client("any-key").systems()


# v2.0


async def test_v2_systems_are_paged() -> None:
    """Pages of the asked size, and a cursor to the next."""
    world = World(systems=5)
    page = (await ask(world, "/systems", limit=2)).json()
    assert len(page["systems"]) == 2
    assert len((await ask(world, "/systems", limit=2, next=page["next"])).json()["systems"]) == 2


async def test_v2_systems_and_envoys_have_a_status(world: World) -> None:
    """For trouble-shooting."""
    client = world.client()
    assert all(system.status for system in await client.systems())
    assert all(envoy.status for envoy in await client.envoys(world.system))


async def test_v2_summary_has_status_and_times_and_no_weeks(world: World) -> None:
    """New: status, last report, operational date. Gone: energy of week and month."""
    body = (await ask(world, f"/systems/{world.system}/summary")).json()
    assert {"status", "last_report_at", "operational_at"} <= set(body)
    assert not {"energy_week", "energy_month"} & set(body)


async def test_v2_energy_lifetime_takes_a_range(world: World) -> None:
    """Both ends are included."""
    first, last = date(2025, 5, 1), date(2025, 5, 10)
    lifetime = await world.client().energy_lifetime(world.system, start_date=first, end_date=last)
    assert [day.date for day in lifetime] == [first + timedelta(days=number) for number in range(10)]


async def test_v2_stats_are_not_padded(world: World) -> None:
    """Nights are rows that do not exist, and gaps in the coverage."""
    stats = await world.client().stats(world.system, **world.days(2))
    assert 0 < len(stats.intervals) < 2 * 288
    assert stats.coverage.complete
    assert stats.coverage.got == len(stats.intervals)


async def test_v2_inventory_lists_the_devices(world: World) -> None:
    """As many inverters as the summary has modules."""
    client = world.client()
    assert (
        len((await client.inventory(world.system)).inverters) == (await client.summary(world.system)).modules
    )


@pytest.mark.parametrize("path", ["power_today", "power_week", "alerts"])
async def test_v2_has_removed_v1_paths(world: World, path: str) -> None:
    """They are not found."""
    assert (await ask(world, f"/systems/{world.system}/{path}")).status_code == 404


async def test_v2_stats_go_back_one_year(world: World) -> None:
    """Any day up to one year ago; what is older is a gap, and costs nothing."""
    now = world.clock.now()
    stats = await world.client().stats(world.system, start_at=now - 364 * DAY, end_at=now - 363 * DAY)
    assert len(stats.intervals) > 50
    older = await world.client().stats(world.system, start_at=now - 400 * DAY, end_at=now - 380 * DAY)
    assert (len(older.intervals), older.receipt.sent) == (0, 0)


async def test_v2_dates_are_the_systems_and_times_are_epochs(world: World) -> None:
    """`*_date` is a local date, `*_at` an instant; a wrong one is refused by the service as well."""
    summary = await world.client().summary(world.system, summary_date=date(2025, 5, 1))
    assert summary.summary_date == date(2025, 5, 1)
    assert isinstance((await ask(world, f"/systems/{world.system}/summary")).json()["last_report_at"], int)
    future = date(2031, 1, 1)
    with pytest.raises(RangeError):
        await world.client().summary(world.system, summary_date=future)
    with pytest.raises(NotFound):
        await world.client().envoys(999_999)
