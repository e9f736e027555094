"""Single inverters, chargers and heat pumps: windows, pages, and the chargers' own manners."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import date, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.emulator import Emulator, Quota
from enlighten_async.emulator.local_time import iso, local_date, local_midnight
from enlighten_async.emulator.simulation.devices import inverters
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS
from enlighten_async.emulator.simulation.system import EvCharger, System
from enlighten_async.testing import FakeClock
from tests.effort import SEED, examples

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]

NOW = 1_750_014_123
DAY = 86_400
EMULATOR = Emulator(seed=SEED, clock=FakeClock(NOW), systems=len(SYSTEM_KINDS), quota=Quota.UNLIMITED)
SYSTEMS = EMULATOR.truth.systems()
CHARGED = [(system, charger) for system in SYSTEMS for charger in system.ev_chargers]
HEATED = [system for system in SYSTEMS if system.heat_pump]


async def ask(client: httpx.AsyncClient, system: System, path: str, **params: Any) -> dict[str, Any]:
    """Return the content of one answer."""
    answer = await client.get(f"/systems/{system.system_id}/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@examples(60)
@given(data=st.data())
async def test_one_inverter_and_all(connect_v4: Connect, data: st.DataObject) -> None:
    """Any window of any of them; page by page all are there, once."""
    system = data.draw(st.sampled_from(SYSTEMS))
    start = data.draw(st.integers(max(system.operational_at + 2 * DAY, NOW - 700 * DAY), NOW))
    size = data.draw(st.integers(1, 40))
    owned = [each.serial for each in inverters(system) if each.retired_at is None]
    serial, number, truth = data.draw(st.sampled_from(owned)), system.system_id, EMULATOR.truth
    begin, end = start // 300 * 300, min(NOW, start + DAY)
    async with connect_v4(EMULATOR) as client:
        single = await ask(client, system, f"devices/micros/{serial}/telemetry", start_at=start)
        found: list[dict[str, Any]] = []
        while len(found) < len(owned):
            page = len(found) // min(size, 20) + 1
            content = await ask(
                client, system, "devices/micros/telemetry", start_at=start, page=page, size=size
            )
            assert (content["page"], content["page_size"]) == (page, min(size, 20))
            assert content["devices"]
            found += content["devices"]
    assert single["intervals"] == truth.micro_rows(number, serial, begin, end)
    assert (single["start_at"], single["end_at"]) == (content["start_at"], content["end_at"]) == (start, end)
    assert [device["serial_number"] for device in found] == owned
    assert content["total_devices"] == len(owned)
    shown = next(device for device in found if device["serial_number"] == serial)
    assert shown["intervals"] == single["intervals"]


@examples(60)
@given(data=st.data())
async def test_chargers_and_heat_pumps(connect_v4: Connect, data: st.DataObject) -> None:
    """In intervals of their own, which the answer names; days as well."""
    system, charger = data.draw(st.sampled_from(CHARGED))
    heated = data.draw(st.sampled_from(HEATED))
    pump = heated.heat_pump
    assert pump is not None
    since = max(system.operational_at, heated.operational_at, NOW - 729 * DAY) + 2 * DAY
    start, word = data.draw(st.integers(since, NOW)), data.draw(st.sampled_from(["15mins", "day", "week"]))
    end = min(NOW, start + {"15mins": 900, "day": DAY, "week": 7 * DAY}[word])
    first, truth = local_date(start, "UTC") - timedelta(days=3), EMULATOR.truth
    last = first + timedelta(days=2)
    days = {"start_date": str(first), "end_date": str(last)}
    async with connect_v4(EMULATOR) as client:
        window = {"start_at": start, "granularity": word}
        drawn = await ask(client, system, f"{charger.serial}/evse_telemetry", **window)
        warmed = await ask(client, heated, "hp_telemetry", **window)
        by_day = await ask(client, system, f"{charger.serial}/evse_lifetime", **days)
        warmth = await ask(client, heated, "hp_lifetime", **days)
    charging, heating = truth.chargers, truth.heat_pumps
    begin = start // charger.step * charger.step
    assert drawn["intervals"] == charging.evse_rows(system.system_id, charger.serial, begin, end)
    assert drawn["interval_duration"] == f"{charger.step // 60}mins"
    begin = start // pump.step * pump.step
    assert warmed["intervals"] == heating.rows(heated.system_id, begin, end)
    assert warmed["interval_duration"] == f"{pump.step // 60}mins"
    begun = max(first, local_date(system.operational_at, system.timezone))
    assert by_day["consumption"] == charging.days(system.system_id, charger.serial, begun, last)
    assert by_day["end_date"] == str(last)
    begun = max(first, local_date(heated.operational_at, heated.timezone))
    assert (warmth["start_date"], warmth["consumption"]) == (
        str(begun),
        heating.days(heated.system_id, begun, last),
    )


async def test_before_a_charger_was_there(connect_v4: Connect) -> None:
    """The first day's midnight counts, as for every telemetry."""
    system, charger = max(CHARGED, key=lambda each: each[0].operational_at)
    midnight = local_midnight(local_date(system.operational_at, system.timezone), system.timezone)
    async with connect_v4(EMULATOR) as client:
        path = f"{charger.serial}/evse_telemetry"
        content = await ask(client, system, path, start_at=midnight - 9 * DAY)
    assert content["start_at"] == midnight


async def test_devices_that_are_not_there(connect_v4: Connect) -> None:
    """Not found, each in the words of its kind; days that are not over are another matter."""
    system, charger = CHARGED[0]
    cold = next(each for each in SYSTEMS if each.heat_pump is None)
    async with connect_v4(EMULATOR) as client:
        for path, number in (
            ("devices/micros/1/telemetry", system.system_id),
            ("1/evse_telemetry", system.system_id),
            ("1/evse_lifetime", system.system_id),
            ("hp_telemetry", cold.system_id),
            ("hp_lifetime", cold.system_id),
        ):
            answer = await client.get(f"/systems/{number}/{path}")
            assert answer.status_code == 404, path
            assert " not found for {:id=>" in answer.json()["details"]
        path = f"/systems/{system.system_id}/{charger.serial}/evse_lifetime"
        answer = await client.get(path, params={"end_date": "2030-01-01"})
    wrong = "Invalid request because of 'Invalid date/time range'"
    assert (answer.status_code, answer.json()["details"]) == (422, wrong)


CHARGER = EvCharger(serial="22")
HOUSE = System(
    system_id=7,
    timezone="Europe/Amsterdam",
    latitude=52.09,
    longitude=5.12,
    ev_chargers=(EvCharger(serial="11"), CHARGER),
    operational_at=1_740_000_123,
)


class Family:
    """The chargers of a house, and how they answer."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def __call__(self, path: str, **params: Any) -> tuple[int, dict[str, Any]]:
        """Return status and content of one answer, which is said to be bytes whatever it is."""
        answer = await self.client.get(f"/systems/7/ev_charger/{path}", params=params)
        assert answer.headers["content-type"] == "application/octet-stream"
        return answer.status_code, answer.json()


def house() -> Emulator:
    """Return a service with one house."""
    return Emulator(clock=FakeClock(NOW), fleet=[HOUSE], quota=Quota.UNLIMITED)


async def test_the_family_lists(connect_v4: Connect) -> None:
    """Chargers, sessions, events of one or all, schedules; cut by offset and limit."""
    emulator = house()
    charging = emulator.truth.chargers
    async with connect_v4(emulator) as client:
        family = Family(client)
        _, devices = await family("devices")
        assert [row["serial_number"] for row in devices["devices"]["ev_chargers"]] == ["11", "22"]
        assert (devices["total_devices"], devices["items"]) == (2, "devices")
        known = charging.sessions(7, "22")
        assert len(known) > 25
        _, first = await family("22/sessions")
        _, rest = await family("22/sessions", offset=20, limit=100)
        assert first["sessions"] + rest["sessions"] == known
        assert (len(first["sessions"]), first["count"]) == (20, len(known))
        _, every = await family("events", limit=100)
        _, its = await family("events", limit=100, serial_num="22")
        assert every["events"] == charging.events(7)[:100]
        assert its["events"] == charging.events(7, "22")[:100]
        _, planned = await family("22/schedules")
        assert planned == {"system_id": 7, "charger_schedules": charging.schedules(7, "22")}


async def test_the_family_counts(connect_v4: Connect) -> None:
    """Dates without hyphens; by default yesterday."""
    emulator = house()
    charging, zone = emulator.truth.chargers, HOUSE.timezone
    async with connect_v4(emulator) as client:
        family = Family(client)
        _, days = await family("22/lifetime", start_date="20250601", end_date="20250610")
        assert (days["start_date"], len(days["consumption"])) == ("2025-06-01", 10)
        assert days["consumption"] == charging.days(7, "22", date(2025, 6, 1), date(2025, 6, 10))
        _, yesterday = await family("22/lifetime")
        assert (yesterday["start_date"], len(yesterday["consumption"])) == ("2025-06-14", 1)
        _, week = await family("22/telemetry", start_date="20250327", granularity="week")
        start, end = (local_midnight(date(2025, 3, 27), zone, n) for n in (0, 7))
        assert week["consumption"] == charging.rows(7, "22", start, end)
        assert len(week["consumption"]) == 7 * 96 - 4
        assert (week["start_date"], week["end_date"]) == (iso(start, zone), iso(end, zone))
        _, day = await family("22/telemetry")
        assert day["start_date"].startswith("2025-06-14")
        assert (len(day["consumption"]), day["granularity"]) == (96, "day")
        _, now = await family("22/telemetry", start_at=NOW - 7000)
        assert (now["start_at"], now["end_at"]) == (NOW - 7000, NOW)
        assert now["consumption"] == charging.rows(7, "22", (NOW - 7000) // 900 * 900, NOW)


@pytest.mark.parametrize(
    ("path", "params", "details"),
    [
        ("9/sessions", {}, ["Invalid system_id or serial_no"]),
        ("9/schedules", {}, "Invalid system_id or serial_no"),
        ("events", {"serial_num": "9"}, ["Invalid system_id or serial_no"]),
        ("events", {"limit": 101}, ["Invalid offset/limit"]),
        ("events", {"limit": 0}, ["Invalid offset/limit"]),
        ("22/sessions", {"offset": -1}, ["Invalid offset/limit"]),
        ("22/lifetime", {"start_date": "2025-06-01"}, ["Invalid start_date/end_date"]),
        ("22/lifetime", {"start_date": "20250632"}, ["Invalid start_date/end_date"]),
        ("22/lifetime", {"start_date": "20250616"}, ["Invalid start_date/end_date"]),
        ("22/lifetime", {"start_date": "20250601", "end_date": "20250531"}, ["Invalid start_date/end_date"]),
        ("22/telemetry", {"granularity": "15mins"}, ["Invalid granularity"]),
        ("22/telemetry", {"start_date": "20250616"}, ["Invalid start_date"]),
        ("22/telemetry", {"start_at": "x"}, ["Invalid start_at"]),
    ],
)
async def test_the_family_refuses(connect_v4: Connect, path: str, params: Any, details: Any) -> None:
    """Whatever is wrong is a bad request, its code a text, its details a text or a list."""
    async with connect_v4(house()) as client:
        status, content = await Family(client)(path, **params)
    assert (status, content) == (400, {"message": "Bad request", "code": "400", "details": details})


async def test_the_family_keeps_others_out(connect_v4: Connect) -> None:
    """With the same envelope."""
    emulator = Emulator(clock=FakeClock(NOW), users=2, quota=Quota.UNLIMITED)
    async with connect_v4(emulator, emulator.users[1]) as client:
        answer = await client.get(f"/systems/{emulator.demo_system}/ev_charger/devices")
        barred = await client.get("/systems/7/ev_charger/devices", headers={"Authorization": "Bearer x"})
    assert (answer.status_code, answer.json()["code"]) == (403, "403")
    assert barred.json() == {"message": "Not Authorized", "code": "401", "details": "User is not authorized"}
