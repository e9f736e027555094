"""What only v4 tells, beside series, against the emulated service and its truth."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from itertools import pairwise
from math import ceil
from typing import Any

import pytest
from attrs import asdict
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.api.v4.events import RETENTION_MARGIN_S, RETENTION_S, WEEK
from enlighten_async.emulator import Drift, Fault, System
from enlighten_async.errors import InputError, NotFound, NotSupported, ServerError
from enlighten_async.models import BatterySettings, EvChargerSession, Events, Reason
from tests.effort import SEED, examples
from tests.world import World

SYSTEMS = 16
DAY = 86_400

NUMBERS = st.sampled_from(range(SYSTEMS))
DRIFTS: tuple[set[Drift], ...] = (
    {Drift.RECORDED_TYPES},
    {Drift.RECORDED_TYPES, Drift.UNKNOWN_FIELDS},
    set(),
)


@cache
def world(kind: int = 0) -> World:
    """One service with systems of each kind for all tests: its readings are costly to make.

    Of three kinds: its answers drift from what is documented, or have fields nobody has heard of besides,
    or are as documented.
    """
    return World(systems=SYSTEMS, seed=SEED, drifts=DRIFTS[kind])


@pytest.fixture(params=range(3))
def service(request: pytest.FixtureRequest) -> World:
    """One of the services."""
    return world(request.param)


@pytest.fixture
def chosen(number: int) -> World:
    """The service that is asked about this system."""
    return world(number % 3)


def system(number: int) -> System:
    """Return one of the systems."""
    return world().emulator.truth.systems()[number]


def the(having: str) -> System:
    """Return the first system that has this."""
    return next(each for each in world().emulator.truth.systems() if getattr(each, having))


def plain(value: object) -> Any:
    """Return a value as the emulator's truth has it: instants in epoch seconds."""
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return (
        asdict(value, value_serializer=lambda *args: plain(args[2])) if hasattr(value, "to_dict") else value
    )


def clocked(schedule: dict[str, Any]) -> dict[str, Any]:
    """Return a schedule with times of the day as texts."""
    times = [
        {
            name: f"{value // 60}:{value % 60:02}" if name.endswith("time") else value
            for name, value in time.items()
        }
        for time in schedule["schedules"]
    ]
    return schedule | {"schedules": times}


def same(answer: Any, rows: Any) -> None:
    """Check that rows of an answer say what rows of the truth say, which may say less."""
    got = [plain(row) for row in answer]
    assert len(got) == len(rows)
    for mine, told in zip(got, rows, strict=True):
        assert {name: mine[name] for name in told} == told


@examples(25)
@given(number=NUMBERS, back=st.integers(0, 260 * DAY), length=st.integers(0, 70 * DAY))
async def test_events_over_any_range(number: int, back: int, length: int) -> None:
    """Each once, in order of time, for one request a week; streamed, the same in parts."""
    now, each = world().clock.now(), system(number)
    start = int(now) - back
    end = min(start + length, int(now))
    async with world().v4() as client:
        got = await client.events(each.system_id, start_time=start, end_time=start + length)
        parts = [p async for p in client.events(each.system_id, start_time=start, end_time=start + length)]
    same(got, world().emulator.truth.events.events(each.system_id, start, end))
    assert got.receipt.sent == ceil((end - start) / WEEK) == len(parts)
    assert (got.coverage.complete, got.coverage.gaps()) == (True, ())
    assert [event for part in parts for event in part] == list(got)
    assert all(a.coverage.window.end == b.coverage.window.start for a, b in pairwise(parts))


@examples(15)
@given(number=NUMBERS, back=st.integers(0, 260 * DAY), cleared=st.booleans())
async def test_alarms_over_any_range(number: int, back: int, cleared: bool) -> None:
    """Those that are over, or those that are not."""
    now, each = int(world().clock.now()), system(number)
    async with world().v4() as client:
        got = await client.alarms(each.system_id, start_time=now - back, cleared=cleared)
    truth = world().emulator.truth.events.alarms(each.system_id, now - back, now, cleared=cleared)
    same(got, truth)
    assert all(alarm.cleared is cleared for alarm in got)


@pytest.mark.slow
async def test_there_are_events_and_alarms_at_all() -> None:
    """So that the tests above are about something."""
    start = int(world().clock.now()) - 150 * DAY
    async with world().v4() as client:
        seen = [await client.events(system(n).system_id, start_time=start) for n in range(SYSTEMS)]
        raised = [
            await client.alarms(system(n).system_id, start_time=start, cleared=True) for n in range(SYSTEMS)
        ]
    assert {event.status for events in seen for event in events} >= {"Info", "Closed"}
    assert any(raised)


async def test_what_is_older_than_the_service_keeps_is_a_hole() -> None:
    """And is not paid for."""
    now, each = world().clock.now(), system(0)
    async with world().v4() as client:
        query = client.events(each.system_id, start_time=now - 400 * DAY)
        price = await query.estimate()
        got = await query
    (gap,) = got.coverage.gaps()
    assert gap.reason is Reason.BEYOND_RETENTION
    assert 0 <= gap.window.end - (now - RETENTION_S + RETENTION_MARGIN_S) <= 1
    assert got.receipt.sent == price.at_most == 39
    same(got, world().emulator.truth.events.events(each.system_id, gap.window.end, int(now)))


async def test_a_window_that_fails_is_named() -> None:
    """The others are there, on the error."""
    flawed = World(systems=1, seed=SEED)
    start = int(flawed.clock.now()) - 20 * DAY
    flawed.emulator.inject(
        Fault(status=500, body="{}", times=float("inf"), query={"start_time": str(start + WEEK)})
    )
    async with flawed.v4() as client:
        with pytest.raises(ServerError) as caught:
            await client.events(flawed.system, start_time=start)
    partial = caught.value.partial
    assert isinstance(partial, Events)
    assert not partial.coverage.complete
    assert [(gap.window.start, gap.window.end, gap.reason) for gap in partial.coverage.gaps()] == [
        (start + WEEK, start + 2 * WEEK, Reason.FAILED)
    ]
    truth = flawed.emulator.truth.events.events(flawed.system, start, int(flawed.clock.now()))
    kept = [row for row in truth if not start + WEEK <= int(str(row["event_start_time"])) < start + 2 * WEEK]
    same(partial, kept)


@pytest.mark.parametrize("number", range(SYSTEMS))
async def test_what_is_not_over(number: int, chosen: World) -> None:
    """As the truth has it now."""
    truth, each = chosen.emulator.truth.events, system(number)
    async with chosen.v4() as client:
        events, alarms = await client.open_events(each.system_id), await client.open_alarms(each.system_id)
    same(events, [row | {"status": "open"} for row in truth.open_events(each.system_id)])
    told = [
        {name: value for name, value in row.items() if name not in {"cleared", "alarm_end_time"}}
        for row in truth.open_alarms(each.system_id)
    ]
    same(alarms, told)


async def test_kinds_of_events(service: World) -> None:
    """All of them, one of them, and one that does not exist."""
    async with service.v4() as client:
        kinds = await client.event_types()
        one = await client.event_types(28)
        with pytest.raises(NotFound):
            await client.event_types(1)
    assert list(one) == [kind for kind in kinds if kind.event_type_id == 28]
    assert len(kinds) > len(one) == 1


@pytest.mark.parametrize("number", range(SYSTEMS))
async def test_devices(number: int, chosen: World) -> None:
    """The same as the inventory has, and all that the system is equipped with."""
    each = system(number)
    async with chosen.v4() as client:
        got = await client.devices(each.system_id)
        inventory = await client.inventory(each.system_id)
        chargers = await client.ev_charger_devices(each.system_id)
        found = await client.system(each.system_id)
    assert got.total_devices == len(got.devices)
    for mine, theirs in (
        (got.micros, inventory.inverters),
        (got.gateways, inventory.envoys),
        (got.meters, inventory.meters),
    ):
        assert [device.serial_number for device in mine] == [device.sn for device in theirs]
    for devices, truth in (
        (got.encharges, each.batteries),
        (got.acbs, each.acbs),
        (got.ev_chargers, each.ev_chargers),
        (chargers.ev_chargers, each.ev_chargers),
    ):
        assert [device.serial_number for device in devices] == [thing.serial for thing in truth]
    assert len(got.heat_pump) == (each.heat_pump is not None)
    assert all(device.active for device in got.devices)
    assert not got.others or Drift.UNKNOWN_FIELDS in chosen.emulator.drifts
    assert (found.system_id, found.system_name) == (each.system_id, each.name)


@pytest.mark.parametrize("number", range(SYSTEMS))
async def test_last_reports(number: int, chosen: World) -> None:
    """As the truth has them."""
    each = system(number)
    truth = chosen.emulator.truth.latest(each.system_id)
    async with chosen.v4() as client:
        got = await client.latest_telemetry(each.system_id)
    for kind in ("meters", "encharges", "heat_pump", "evse"):
        rows = truth.get(kind.replace("_", "-"), [])
        same(getattr(got, kind), [{n: None if v == "" else v for n, v in row.items()} for row in rows])
    assert not got.others or Drift.UNKNOWN_FIELDS in chosen.emulator.drifts


@pytest.mark.slow
@pytest.mark.parametrize("number", range(SYSTEMS))
async def test_readings(number: int, chosen: World) -> None:
    """Of consumption meters and of batteries, by now and by a moment before."""
    each, then = system(number), chosen.clock.now() - 3 * DAY
    truth = chosen.emulator.truth
    async with chosen.v4() as client:
        for end in (None, then):
            moment = chosen.clock.now() if end is None else end
            stored = await client.storage_meter_readings(each.system_id, end_at=end)
            same(stored, truth.storage.readings(each.system_id, moment))
            if each.consumption == "metered":
                used = await client.consumption_meter_readings(each.system_id, end_at=end)
                same(used, truth.consumption_readings(each.system_id, moment))


@pytest.mark.parametrize("number", range(SYSTEMS))
async def test_settings(number: int, chosen: World) -> None:
    """Words are true or false; a system without batteries has no settings, and that is no error."""
    each = system(number)
    truth = chosen.emulator.truth.settings
    async with chosen.v4() as client:
        batteries = await client.battery_settings(each.system_id)
        storms = await client.storm_guard(each.system_id)
        grid = await client.grid_status(each.system_id)
        loads = await client.load_control(each.system_id)
    if not (each.batteries or each.acbs):
        assert batteries == BatterySettings(each.system_id, reason=Reason.NO_DEVICE)
        assert storms.reason is Reason.NO_DEVICE
    else:
        assert batteries.reserve_soc == each.storage.reserve_soc
        assert batteries.charge_from_grid is each.storage.charge_from_grid
        assert batteries.energy_independence is each.storage.energy_independence
        assert (storms.storm_guard_status, storms.storm_alert) == (each.storage.storm_guard, False)
    same([grid], [truth.grid_status(each.system_id)])
    same(loads, [row | {"status": True} for row in truth.load_control(each.system_id)])


async def test_a_system_that_has_not_reported_yet() -> None:
    """Has no state of the grid, and that is no error."""
    young = World(
        fleet=[System(system_id=9, name="New", timezone="UTC", operational_at=1_750_000_000, size_w=5000)]
    )
    async with young.v4() as client:
        got = await client.grid_status(9)
    assert (got.reason, got.grid_state, got.receipt.sent) == (Reason.NOT_REPORTED_YET, None, 1)


async def test_chargers(service: World) -> None:
    """Page by page, the newest first; streamed, one after another."""
    each = the("ev_chargers")
    serial, truth = each.ev_chargers[0].serial, service.emulator.truth.chargers
    async with service.v4() as client:
        sessions = await client.ev_charger_sessions(each.system_id, serial)
        events = await client.ev_charger_events(each.system_id, serial_num=serial)
        every = await client.ev_charger_events(each.system_id)
        schedules = await client.ev_charger_schedules(each.system_id, serial)
        streamed = [session async for session in client.ev_charger_sessions(each.system_id, serial)]
    same(sessions, truth.sessions(each.system_id, serial))
    same(events, truth.events(each.system_id, serial))
    same(schedules, [clocked(row) for row in truth.schedules(each.system_id, serial)])
    assert (streamed, list(every)) == (list(sessions), list(events))
    assert isinstance(streamed[0], EvChargerSession)
    assert sessions.complete
    assert sessions.receipt.sent == ceil(len(sessions) / 100) > 1


async def test_chargers_that_do_not_exist() -> None:
    """The service says no by a 400; what can be no serial number is not even asked for."""
    each = the("ev_chargers")
    async with world().v4() as client:
        with pytest.raises(NotFound) as caught:
            await client.ev_charger_sessions(each.system_id, "0 1?&%2F")
        with pytest.raises(InputError):
            client.ev_charger_schedules(each.system_id, "../1")
    assert (caught.value.status, caught.value.receipt and caught.value.receipt.sent) == (400, 1)


async def test_v2_has_none_of_this() -> None:
    """It says who has."""
    async with world().client() as client:
        with pytest.raises(NotSupported, match=r"only v4 of the API has \w+: .*EnlightenClient\.v4"):
            client.events(7, start_time=5)
