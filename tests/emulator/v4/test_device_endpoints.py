"""The endpoints of v4 about single inverters, chargers and heat pumps: windows and pages."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.emulator import Emulator, Quota
from enlighten_async.emulator.local_time import local_date, local_midnight
from enlighten_async.emulator.simulation.devices import inverters
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS
from enlighten_async.emulator.simulation.system import System
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


@pytest.mark.slow
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
