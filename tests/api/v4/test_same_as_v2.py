"""What both versions of the API can be asked, asked of one service in both: the values are the same.

Where v4 does not tell what v2 tells, the difference is in the table `UNTOLD`, field by field.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from attrs import fields, has
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async import Device, EnlightenClient, EnlightenError, NotFound, Reason
from enlighten_async.models.intervals import IntervalStats
from enlighten_async.models.lifetime import Lifetime
from enlighten_async.models.rgm_stats import RgmStats
from tests.effort import SEED, examples
from tests.world import World

pytestmark = pytest.mark.timeout(600)  # examples of many systems, two services at a time

SYSTEMS = 16
DAY = 86_400
SERIES = {"stats": (300, 8), "rgm_stats": (900, 60), "consumption_stats": (900, 60)}
"""Grids in seconds, and days of the longest range that is drawn."""

NUMBERS = st.sampled_from(range(SYSTEMS))


@cache
def world() -> World:
    """One service with two systems of each kind for all examples: its readings are costly to make."""
    return World(systems=SYSTEMS, seed=SEED)


def system_id(number: int) -> int:
    """Return one of the systems."""
    return world().emulator.truth.systems()[number].system_id


def hidden(name: str, number: int) -> bool:
    """Tell whether the user may not see this, which v2 answers with a refusal."""
    system = world().emulator.truth.systems()[number]
    return "consumption" in name and system.consumption in {"refused", "disabled"}


async def both(ask: Callable[[EnlightenClient], Any]) -> tuple[Any, Any]:
    """Return what the two versions answer."""
    async with world().client() as old, world().v4() as new:
        return await ask(old), await ask(new)


def rows(answer: IntervalStats[Any]) -> list[Any]:
    """Return the values of an answer: its rows, and those of its meters that have any."""
    meters = answer.meter_intervals if isinstance(answer, RgmStats) else ()
    return [
        list(answer.intervals),
        *sorted(
            (m.meter_serial_number, m.envoy_serial_number, list(m.intervals)) for m in meters if m.intervals
        ),
    ]


def gaps(answer: IntervalStats[Any]) -> set[tuple[int, int]]:
    """Return what is missing, whatever the reason."""
    cells: set[int] = set()
    grid = answer.coverage.grid
    for gap in answer.coverage.gaps():
        cells |= set(range(gap.window.start + grid, gap.window.end + 1, grid))
    return {(cell, grid) for cell in cells}


@st.composite
def ranges(draw: st.DrawFn, name: str) -> dict[str, float]:
    """Draw a range within the year that v2 keeps, on no grid, that may end after now."""
    now = world().clock.now()
    start = now - draw(st.integers(0, 364 * DAY))
    length = draw(st.integers(0, SERIES[name][1] * DAY))
    return {"start_at": start, "end_at": min(start + length, now + DAY)}


@pytest.mark.parametrize("name", sorted(SERIES))
@examples(12)
@given(data=st.data(), number=NUMBERS)
async def test_series_over_any_range(name: str, data: st.DataObject, number: int) -> None:
    """Every interval, of every meter; one request for each 7 days."""
    if hidden(name, number):
        return
    span = data.draw(ranges(name))
    old, new = await both(lambda client: getattr(client, name)(system_id(number), **span))
    assert rows(new) == rows(old)
    assert gaps(new) == gaps(old)
    assert (new.window, new.coverage.complete) == (old.window, True)
    assert new.receipt.sent <= -(-new.window.seconds // (7 * DAY))
    if old.meta and new.meta:
        assert new.meta == old.meta


@pytest.mark.parametrize("name", sorted(SERIES))
@examples(8)
@given(back=st.integers(0, 360), length=st.integers(0, 20), number=NUMBERS)
async def test_series_over_local_days(name: str, back: int, length: int, number: int) -> None:
    """In every time zone, also on days on which clocks change; sums by hour, day and month agree."""
    if hidden(name, number):
        return
    system = world().emulator.truth.systems()[number]
    today = datetime.fromtimestamp(world().clock.now(), ZoneInfo(system.timezone)).date()
    first = today - timedelta(days=back)
    span = {"start_date": first, "end_date": min(first + timedelta(days=length), today)}
    old, new = await both(lambda client: getattr(client, name)(system.system_id, **span))
    assert (rows(new), gaps(new), new.window) == (rows(old), gaps(old), old.window)
    assert new.timezone == old.timezone == system.timezone
    for unit in ("hour", "day", "month"):
        assert new.sums(unit) == old.sums(unit)


@pytest.mark.parametrize("name", sorted(SERIES))
@pytest.mark.parametrize("number", range(SYSTEMS))
async def test_series_of_today(name: str, number: int) -> None:
    """Without a range: the system's own today, so far."""
    if hidden(name, number):
        return
    old, new = await both(lambda client: getattr(client, name)(system_id(number)))
    assert rows(new) == rows(old)
    assert new.receipt.sent == 1


UNTOLD = {
    "System": {"attachment_type", "interconnect_date", "live_stream"},
    "Summary": {"nmi", "battery_charge_w", "battery_discharge_w", "battery_capacity_wh", "evse_power"},
    "Inventory": {"meta"},
    "Device": {"manufacturer", "sku"},
}
"""Fields that only one of the versions has, by their model.

What v4 has more; and less: its list of devices tells no state of the system, and of meters no manufacturer,
but a sku.
"""


def plain(value: Any) -> Any:
    """Return an answer as plain values, without receipts, times of fetching and `UNTOLD`."""
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    if not has(type(value)):
        return value
    left_out = UNTOLD.get(type(value).__name__, set())
    told = [field.name for field in fields(type(value)) if field.eq and field.name not in left_out]
    if isinstance(value, Device) and value.status is None:
        told.append("sku")
    if isinstance(value, Lifetime) and value.reason is not None:
        told.remove("meta")  # a refusal, which is how v2 often says so, has none
    return {name: plain(getattr(value, name)) for name in told}


async def ended(query: Any) -> Any:
    """Return the answer, or the kind of error it ends with."""
    try:
        return plain(await query)
    except EnlightenError as error:
        return type(error)


ASKS: dict[str, Callable[[EnlightenClient, int, date], Any]] = {
    "summary": lambda client, number, _: client.summary(number),
    "summary of a day": lambda client, number, day: client.summary(number, summary_date=day),
    "energy_lifetime": lambda client, number, _: client.energy_lifetime(number),
    "energy_lifetime all": lambda client, number, _: client.energy_lifetime(number, production="all"),
    "energy_lifetime from": lambda client, number, day: client.energy_lifetime(number, start_date=day),
    "energy_lifetime until": lambda client, number, day: client.energy_lifetime(number, end_date=day),
    "energy_lifetime of a day": lambda client, number, day: client.energy_lifetime(
        number, start_date=day, end_date=day
    ),
    "consumption_lifetime": lambda client, number, _: client.consumption_lifetime(number),
    "consumption_lifetime from": lambda client, number, day: client.consumption_lifetime(
        number, start_date=day
    ),
    "envoys": lambda client, number, _: client.envoys(number),
    "inventory": lambda client, number, _: client.inventory(number),
    "inverters": lambda client, number, _: client.inverters_summary_by_envoy_or_site(number),
    "readings": lambda client, number, _: client.production_meter_readings(number),
    "readings until": lambda client, number, day: client.production_meter_readings(
        number, end_at=datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    ),
}
"""All methods of both versions that ask about one system, without series."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ASKS)
@examples(8)
@given(number=NUMBERS, back=st.integers(-1, 500))
async def test_single_answers(name: str, number: int, back: int) -> None:
    """The same values, or the same kind of error.

    But lifetimes by v4 tell of today, leave out days to come, and begin with the first day of operation.
    """
    system = world().emulator.truth.systems()[number]
    today, begun = (
        datetime.fromtimestamp(moment, ZoneInfo(system.timezone)).date()
        for moment in (world().clock.now(), system.operational_at)
    )
    day = today - timedelta(days=back)
    if hidden(name, number) or ("lifetime" in name and not begun <= day < today):
        return

    async def ask(client: EnlightenClient) -> Any:
        return await ended(ASKS[name](client, system.system_id, day))

    old, new = await both(ask)
    assert new == old


@pytest.mark.slow
@pytest.mark.parametrize("number", range(SYSTEMS))
async def test_today_by_v4(number: int) -> None:
    """Asked for by its date, today is what the summary says that it has brought so far."""
    system = world().emulator.truth.systems()[number]
    today = datetime.fromtimestamp(world().clock.now(), ZoneInfo(system.timezone)).date()
    async with world().v4() as client:
        lifetime = await client.energy_lifetime(system.system_id, start_date=today)
        summary = await client.summary(system.system_id)
    assert [day.wh for day in lifetime] == [summary.energy_today]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(SYSTEMS))
async def test_days_without_data_by_v4(number: int) -> None:
    """Before operation and after today: an answer, and never a refusal."""
    system = world().emulator.truth.systems()[number]
    begun = datetime.fromtimestamp(system.operational_at, ZoneInfo(system.timezone)).date()
    before, after = begun - timedelta(days=9), begun + timedelta(days=9)
    async with world().v4() as client:
        none = await client.energy_lifetime(system.system_id, start_date=before, end_date=before)
        some = await client.energy_lifetime(system.system_id, start_date=before, end_date=after)
        all_ = await client.energy_lifetime(system.system_id, end_date=date(2029, 1, 1))
        assert list(all_) == list(await client.energy_lifetime(system.system_id))
    assert (len(none), none.reason) == (0, Reason.BEFORE_OPERATION)
    assert [day.date for day in some] == [begun + timedelta(days=n) for n in range(10)]


FILTERS = (
    {},
    {"system_name": "roof 3"},
    {"status": "normal"},
    {"status": ["comm", "micro"]},
    {"system_id": [0, 2, 5]},
    {"reference": "nobody's"},
)


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
async def test_systems(wanted: dict[str, Any]) -> None:
    """All, or those that pass filters; a search of v4 does not tell the town."""
    if "system_id" in wanted:
        wanted = {"system_id": [system_id(number) for number in wanted["system_id"]]}

    async def ask(client: EnlightenClient) -> Any:
        return await ended(client.systems(**wanted))

    old, new = await both(ask)
    if wanted and isinstance(old, dict):
        for system in old["systems"]:
            system["city"] = None
    assert new == old


async def test_systems_page_after_page() -> None:
    """More than fit on a page, each once; streamed as well."""
    here = World(systems=230)
    async with here.client() as old, here.v4() as new:
        listed = await new.systems()
        streamed = [system async for system in new.systems()]
        assert plain(listed) == plain(await old.systems())
    assert listed.receipt.sent == 3
    assert plain(streamed) == plain(listed)["systems"]


@pytest.mark.parametrize("number", range(SYSTEMS))
async def test_the_system_of_a_gateway(number: int) -> None:
    """By each of its serial numbers; a wrong one is not found."""
    async with world().client() as old, world().v4() as new:
        for envoy in await old.envoys(system_id(number)):
            assert int(await new.search_system_id(str(envoy.serial_number))) == system_id(number)
        assert await ended(new.search_system_id("999")) is await ended(old.search_system_id("999"))


async def test_what_is_not_there() -> None:
    """A system that does not exist, in every method."""
    async with world().client() as old, world().v4() as new:
        for name, ask in ASKS.items():
            told = await ended(ask(old, 999_999, date(2025, 6, 1)))
            assert told is NotFound, name
            assert await ended(ask(new, 999_999, date(2025, 6, 1))) is told, name
        for name in SERIES:
            assert await ended(getattr(new, name)(999_999)) is await ended(getattr(old, name)(999_999))
