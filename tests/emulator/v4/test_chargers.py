"""The endpoints of v4 about EV chargers, with dates, lists and errors of their own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import date
from typing import Any

import httpx
import pytest

from enlighten_async.emulator import Emulator, Quota
from enlighten_async.emulator.local_time import iso, local_midnight
from enlighten_async.emulator.simulation.system import EvCharger, System
from enlighten_async.testing import FakeClock

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
NOW = 1_750_014_123
CHARGER = EvCharger(serial="22")
HOUSE = System(
    system_id=7,
    timezone="Europe/Amsterdam",
    latitude=52.09,
    longitude=5.12,
    ev_chargers=(EvCharger(serial="11"), CHARGER),
    operational_at=1_740_000_123,
)


class ChargerEndpoints:
    """The charger endpoints of one system."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def __call__(self, path: str, **params: Any) -> tuple[int, dict[str, Any]]:
        """Return status and content of one answer, whose media type is always bytes."""
        answer = await self.client.get(f"/systems/7/ev_charger/{path}", params=params)
        assert answer.headers["content-type"] == "application/octet-stream"
        return answer.status_code, answer.json()


def house() -> Emulator:
    """Return a service with one house."""
    return Emulator(clock=FakeClock(NOW), fleet=[HOUSE], quota=Quota.UNLIMITED)


async def test_lists_are_paged(connect_v4: Connect) -> None:
    """Chargers, sessions, events of one or all, schedules; cut by offset and limit."""
    emulator = house()
    truth = emulator.truth.chargers
    async with connect_v4(emulator) as client:
        endpoints = ChargerEndpoints(client)
        _, devices = await endpoints("devices")
        assert [row["serial_number"] for row in devices["devices"]["ev_chargers"]] == ["11", "22"]
        assert (devices["total_devices"], devices["items"]) == (2, "devices")
        known = truth.sessions(7, "22")
        assert len(known) > 25
        _, first = await endpoints("22/sessions")
        _, rest = await endpoints("22/sessions", offset=20, limit=100)
        assert first["sessions"] + rest["sessions"] == known
        assert (len(first["sessions"]), first["count"]) == (20, len(known))
        _, every = await endpoints("events", limit=100)
        _, its = await endpoints("events", limit=100, serial_num="22")
        assert every["events"] == truth.events(7)[:100]
        assert its["events"] == truth.events(7, "22")[:100]
        _, planned = await endpoints("22/schedules")
        assert planned == {"system_id": 7, "charger_schedules": truth.schedules(7, "22")}


async def test_energies_equal_the_ground_truth(connect_v4: Connect) -> None:
    """Dates without hyphens; by default yesterday."""
    emulator = house()
    truth, zone = emulator.truth.chargers, HOUSE.timezone
    async with connect_v4(emulator) as client:
        endpoints = ChargerEndpoints(client)
        _, days = await endpoints("22/lifetime", start_date="20250601", end_date="20250610")
        assert (days["start_date"], len(days["consumption"])) == ("2025-06-01", 10)
        assert days["consumption"] == truth.days(7, "22", date(2025, 6, 1), date(2025, 6, 10))
        _, yesterday = await endpoints("22/lifetime")
        assert (yesterday["start_date"], len(yesterday["consumption"])) == ("2025-06-14", 1)
        _, week = await endpoints("22/telemetry", start_date="20250327", granularity="week")
        start, end = (local_midnight(date(2025, 3, 27), zone, n) for n in (0, 7))
        assert week["consumption"] == truth.rows(7, "22", start, end)
        assert len(week["consumption"]) == 7 * 96 - 4
        assert (week["start_date"], week["end_date"]) == (iso(start, zone), iso(end, zone))
        _, day = await endpoints("22/telemetry")
        assert day["start_date"].startswith("2025-06-14")
        assert (len(day["consumption"]), day["granularity"]) == (96, "day")
        _, now = await endpoints("22/telemetry", start_at=NOW - 7000)
        assert (now["start_at"], now["end_at"]) == (NOW - 7000, NOW)
        assert now["consumption"] == truth.rows(7, "22", (NOW - 7000) // 900 * 900, NOW)


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
async def test_wrong_input_is_400(connect_v4: Connect, path: str, params: Any, details: Any) -> None:
    """Any wrong input is a bad request, its code a text, its details a text or a list."""
    async with connect_v4(house()) as client:
        status, content = await ChargerEndpoints(client)(path, **params)
    assert (status, content) == (400, {"message": "Bad request", "code": "400", "details": details})


async def test_chargers_of_other_users_are_hidden(connect_v4: Connect) -> None:
    """With the same envelope."""
    emulator = Emulator(clock=FakeClock(NOW), users=2, quota=Quota.UNLIMITED)
    async with connect_v4(emulator, emulator.users[1]) as client:
        answer = await client.get(f"/systems/{emulator.demo_system}/ev_charger/devices")
        barred = await client.get("/systems/7/ev_charger/devices", headers={"Authorization": "Bearer x"})
    assert (answer.status_code, answer.json()["code"]) == (403, "403")
    assert barred.json() == {"message": "Not Authorized", "code": "401", "details": "User is not authorized"}
