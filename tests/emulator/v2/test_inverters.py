"""inverters_summary_by_envoy_or_site and search_system_id."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

import httpx

from enlighten_async.emulator import Emulator, Envoy, Meter, Quota, System
from enlighten_async.testing import FakeClock

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]

DAY = 86_400
NOW = 1_750_014_000
PATH = "/systems/inverters_summary_by_envoy_or_site"
SEARCH = "/systems/search_system_id"


def make(clock: FakeClock, *fleet: System) -> Emulator:
    """Return an emulator without limits."""
    return Emulator(clock=clock, quota=Quota.UNLIMITED, fleet=fleet)


async def ask(client: httpx.AsyncClient, **params: str | int) -> list[dict[str, Any]]:
    """Return the answer for system 7."""
    answer = await client.get(PATH, params={"site_id": 7, **params})
    assert answer.status_code == 200, answer.text
    return list(answer.json())


async def test_shape_and_order_of_an_answer(clock: FakeClock, connect: Connect) -> None:
    """An array with an object for each gateway; times are text without being asked for."""
    emulator = make(clock, System(system_id=7))
    async with connect(emulator) as client:
        (body,) = await ask(client)
        (epoch,) = await ask(client, datetime_format="epoch")
        serials = [i["sn"] for i in (await client.get("/systems/7/inventory")).json()["inverters"]]
    assert list(body) == ["signal_strength", "micro_inverters"]
    first = body["micro_inverters"][0]
    assert list(first) == [
        "id",
        "serial_number",
        "model",
        "part_number",
        "sku",
        "status",
        "power_produced",
        "proc_load",
        "param_table",
        "envoy_serial_number",
        "energy",
        "grid_profile",
        "last_report_date",
    ]
    assert list(first["power_produced"]) == list(first["energy"]) == ["value", "units", "precision"]
    assert (first["power_produced"]["units"], first["energy"]["units"]) == ("W", "Wh")
    assert first["last_report_date"] == "2025-06-15T11:45:00-07:00"
    assert epoch["micro_inverters"][0]["last_report_date"] == NOW - 900
    assert [row["serial_number"] for row in body["micro_inverters"]] == serials
    assert body["micro_inverters"] == emulator.truth.inverters(7)


async def test_energies_add_up_to_the_summary(clock: FakeClock, connect: Connect) -> None:
    """Without today; from one day to the next no inverter falls, and none makes nothing in the sun."""
    async with connect(make(clock, System(system_id=7, modules=22))) as client:
        (before,) = await ask(client)
        summary = (await client.get("/systems/7/summary")).json()
        clock.advance(DAY)
        (after,) = await ask(client)
    rows = before["micro_inverters"]
    assert sum(row["energy"]["value"] for row in rows) == summary["energy_lifetime"]
    assert sum(row["power_produced"]["value"] for row in rows) <= summary["current_power"]
    for early, late in zip(rows, after["micro_inverters"], strict=True):
        assert early["energy"]["value"] < late["energy"]["value"]
        assert early["serial_number"] == late["serial_number"]


async def test_each_gateway_has_its_own(clock: FakeClock, connect: Connect) -> None:
    """One that has never reported has none."""
    serials = ("121700000001", "121700000002", "121700000003")
    gateways = (Envoy(serials[0]), Envoy(serials[1]), Envoy(serials[2], reported=False))
    async with connect(make(clock, System(system_id=7, modules=10, envoys=gateways))) as client:
        body = await ask(client)
    assert [len(part["micro_inverters"]) for part in body] == [5, 5, 0]
    for serial, part in zip(serials, body, strict=True):
        assert {row["envoy_serial_number"] for row in part["micro_inverters"]} <= {serial}


async def test_retired_inverters_keep_what_they_made(clock: FakeClock, connect: Connect) -> None:
    """They come last, and the sum is still the summary's."""
    emulator = make(clock, System(system_id=7, modules=10, retired_inverters=2))
    async with connect(emulator) as client:
        (body,) = await ask(client)
        summary = (await client.get("/systems/7/summary")).json()
        inventory = (await client.get("/systems/7/inventory")).json()["inverters"]
        clock.advance(DAY)
        (later,) = await ask(client)
    rows = body["micro_inverters"]
    assert [row["status"] for row in rows] == ["normal"] * 10 + ["retired"] * 2
    assert len({row["serial_number"] for row in rows}) == len({row["id"] for row in rows}) == 12
    assert sum(row["energy"]["value"] for row in rows) == summary["energy_lifetime"]
    assert rows[10:] == later["micro_inverters"][10:]
    assert all(row["energy"]["value"] > 0 for row in rows)
    assert rows[10]["power_produced"]["value"] == 0
    assert len(inventory) == summary["modules"] == 10
    retired = emulator.truth.system(7).operational_at + 100 * DAY
    assert datetime.fromisoformat(rows[10]["last_report_date"]).timestamp() == retired


async def test_inverters_retire_when_their_time_has_come(connect: Connect) -> None:
    """Before, all are listed as they are in service."""
    began = NOW - 100 * DAY
    clock = FakeClock(now=NOW - DAY)
    async with connect(make(clock, System(system_id=7, operational_at=began, retired_inverters=3))) as client:
        for retired in (0, 3):
            (body,) = await ask(client)
            summary = (await client.get("/systems/7/summary")).json()
            rows = body["micro_inverters"]
            assert len(rows) == 20 + retired
            assert sum(row["energy"]["value"] for row in rows) == summary["energy_lifetime"]
            clock.advance(DAY)


async def test_meters_make_no_difference(clock: FakeClock, connect: Connect) -> None:
    """Inverters tell what they made themselves, whatever meters say."""
    meters = (Meter(serial="m", envoy_serial="121800000001"),)
    emulator = make(clock, System(system_id=7, meters=meters))
    async with connect(emulator) as client:
        (body,) = await ask(client)
    made = emulator.truth.micro_energy(7, 0, NOW - 12 * 3600)
    assert sum(row["energy"]["value"] for row in body["micro_inverters"]) == made


async def test_before_the_first_report(clock: FakeClock, connect: Connect) -> None:
    """Nothing made, no time of a report; without inverters the lists are empty."""
    fleet = System(system_id=7, operational_at=NOW + DAY), System(system_id=8, modules=0)
    async with connect(make(clock, *fleet), datetime_format="epoch") as client:
        (body,) = await ask(client)
        (empty,) = await ask(client, site_id=8)
    assert {row["energy"]["value"] for row in body["micro_inverters"]} == {0}
    assert {row["last_report_date"] for row in body["micro_inverters"]} == {None}
    assert empty["micro_inverters"] == []


async def test_a_site_that_does_not_exist(clock: FakeClock, connect: Connect) -> None:
    """Or is another user's, or no number: the message is text and there is no reason."""
    fleet = System(system_id=7), System(system_id=9, user_id="aa")
    async with connect(make(clock, *fleet)) as client:
        for wrong in ("-1", "9", "x", ""):
            answer = await client.get(PATH, params={"site_id": wrong})
            assert answer.status_code == 422
            assert answer.json() == {"message": f"Couldn't find Site with 'id'={wrong}"}
        assert (await client.get(PATH, params={"user_id": "dummy"})).status_code == 401


async def test_search_by_a_gateways_serial_number(clock: FakeClock, connect: Connect) -> None:
    """Of the user's own systems alone; a miss has errorMessages."""
    fleet = System(system_id=7), System(system_id=9, user_id="aa", envoys=(Envoy("121700000009"),))
    async with connect(make(clock, *fleet)) as client:
        serial = (await client.get("/systems/7/envoys")).json()["envoys"][0]["serial_number"]
        found = await client.get(SEARCH, params={"serial_num": serial})
        assert found.json() == {"system_id": 7}
        for wrong in ("121700000009", "0", ""):
            answer = await client.get(SEARCH, params={"serial_num": wrong})
            assert answer.status_code == 404
            assert answer.json() == {
                "reason": "404",
                "errorMessages": ["Envoy not found with this serial number"],
            }
