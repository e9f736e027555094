"""Devices, readings and inverters in v4: the same values as in v2, in other fields."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

import httpx
import pytest

from enlighten_async.emulator import Emulator, Quota, V4Options
from enlighten_async.emulator.simulation.devices import envoys
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS
from enlighten_async.testing import FakeClock
from tests.emulator.fleets import recent_fleet

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]

NOW = 1_750_014_123
PATH = "/systems/inverters_summary_by_envoy_or_site"
PLAIN = Emulator(
    clock=FakeClock(NOW),
    systems=len(SYSTEM_KINDS),
    users=2,
    quota=Quota.UNLIMITED,
    drifts=(),
)
EACH = pytest.mark.parametrize("number", range(len(SYSTEM_KINDS)))


@EACH
async def test_devices_agree_with_inventory_and_envoys(
    connect: Connect, connect_v4: Connect, number: int
) -> None:
    """Serial numbers, models, states, ids, names, last reports; the maker alone is gone."""
    path = f"/systems/{PLAIN.truth.systems()[number].system_id}"
    async with connect(PLAIN) as old, connect_v4(PLAIN) as new:
        inventory = (await old.get(f"{path}/inventory")).json()
        gateways = (await old.get(f"{path}/envoys")).json()["envoys"]
        content = (await new.get(f"{path}/devices")).json()
    devices = content["devices"]
    assert content["total_devices"] == sum(map(len, devices.values()))

    def shown(kind: str, *names: str) -> list[list[Any]]:
        return [[row[name] for name in names] for row in devices.get(kind, [])]

    def told(kind: str, *names: str) -> list[list[Any]]:
        return [[row[name] for name in names] for row in inventory[kind]]

    assert shown("micros", "serial_number", "model", "sku") == told("inverters", "sn", "model", "sku")
    assert shown("gateways", "serial_number", "model", "sku") == told("envoys", "sn", "model", "sku")
    names = ("model", "status", "state")
    assert shown("meters", "serial_number", *names) == told("meters", "sn", *names)
    assert not any("manufacturer" in meter for meter in devices.get("meters", []))
    names = ("serial_number", "part_number", "status", "name", "last_report_at")
    assert shown("gateways", "id", *names) == [
        [row["envoy_id"], *(row[n] for n in names)] for row in gateways
    ]
    assert len({row["id"] for rows in devices.values() for row in rows}) == content["total_devices"]


async def test_meters_say_what_they_measure(connect_v4: Connect) -> None:
    """Production meters first, a consumption meter last; types that are not there have no key."""
    two, bare = PLAIN.truth.systems()[0], PLAIN.truth.systems()[4]
    async with connect_v4(PLAIN) as client:
        devices = (await client.get(f"/systems/{two.system_id}/devices")).json()["devices"]
        others = (await client.get(f"/systems/{bare.system_id}/devices")).json()["devices"]
    kinds = [(row["name"], row["config_type"]) for row in devices["meters"]]
    assert kinds == [("production", "Production")] * 2 + [("consumption", "Net")]
    assert {"encharges", "q_relays"}.isdisjoint(others)


@pytest.mark.slow
@EACH
async def test_readings_agree(connect: Connect, connect_v4: Connect, number: int) -> None:
    """Of now, and of some time ago."""
    path = f"/systems/{PLAIN.truth.systems()[number].system_id}/production_meter_readings"
    async with connect(PLAIN) as old, connect_v4(PLAIN) as new:
        for params in ({}, {"end_at": NOW - 100 * 86_400 - 7}):
            before, content = [await each.get(path, params=params) for each in (old, new)]
            assert content.json() == before.json()
        assert (await new.get(path, params={"end_at": "x"})).status_code == 422


def flat(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return all inverters, the times of their last reports in epoch seconds."""
    rows = [row for envoy in content for row in envoy["micro_inverters"]]
    return [row | {"last_report_date": seconds(row["last_report_date"])} for row in rows]


def seconds(moment: Any) -> Any:
    """Return an instant in epoch seconds, whether it was text or a number."""
    return int(datetime.fromisoformat(moment).timestamp()) if isinstance(moment, str) else moment


@pytest.mark.slow
@EACH
async def test_inverters_agree(connect: Connect, connect_v4: Connect, number: int) -> None:
    """Page by page they are v2's, in its order; a short page is the last."""
    params: dict[str, Any] = {"site_id": PLAIN.truth.systems()[number].system_id}
    async with connect(PLAIN) as old, connect_v4(PLAIN) as new:
        before = (await old.get(PATH, params=params)).json()
        pages = [(await new.get(PATH, params=params | {"page": n})).json() for n in (1, 2, 3, 4)]
        whole = (await new.get(PATH, params=params | {"size": 100})).json()
    assert flat(whole) == flat(before)
    assert [e["signal_strength"] for e in whole] == [e["signal_strength"] for e in before]
    assert [row for page in pages for row in flat(page)] == flat(before)
    assert all(envoy["micro_inverters"] for page in pages[1:] for envoy in page)
    assert [len(flat(page)) for page in pages] == [
        max(0, min(10, len(flat(before)) - n * 10)) for n in range(4)
    ]
    assert all(
        isinstance(row["last_report_date"], int) for envoy in whole for row in envoy["micro_inverters"]
    )


async def test_a_gateway_is_heeded_before_a_site(connect_v4: Connect) -> None:
    """Its inverters alone; another's, or neither named, is refused."""
    system = next(s for s in PLAIN.truth.systems(PLAIN.demo_user) if len(envoys(s)) > 1)
    busy, spare = envoys(system)
    theirs = envoys(PLAIN.truth.systems(PLAIN.users[1])[0])[0].serial
    async with connect_v4(PLAIN) as client:

        async def ask(**params: Any) -> tuple[int, Any]:
            answer = await client.get(PATH, params=params)
            return answer.status_code, answer.json()

        _, mine = await ask(envoy_serial_number=busy.serial, site_id=1, size=100)
        _, none = await ask(envoy_serial_number=spare.serial)
        assert {row["envoy_serial_number"] for row in flat(mine)} == {busy.serial}
        assert len(flat(mine)) == system.modules
        assert none == [{"signal_strength": 0, "micro_inverters": []}]
        assert (await ask(envoy_serial_number=theirs))[0] == 422
        status, content = await ask(site_id=-1)
        assert (status, content["details"]) == (422, "Couldn't find Site with 'id'=-1")
        assert (await ask())[1]["details"] == "Envoy serial number or Site id mandatory"


async def test_pages_of_inverters_come_only_where_asked_for(connect_v4: Connect) -> None:
    """As in a recorded answer; ten on a page if its number alone is given."""
    system = PLAIN.truth.systems(PLAIN.demo_user)[0]
    async with connect_v4(PLAIN) as client:

        async def count(**params: int) -> int:
            answer = await client.get(PATH, params={"site_id": system.system_id, **params})
            return len(flat(answer.json()))

        assert await count() == system.modules > 10
        assert [await count(page=1), await count(size=11)] == [10, 11]


async def test_pages_of_inverters_may_be_ignored(connect_v4: Connect) -> None:
    """As an answer of 2023 did: all of them, whatever page was asked for."""
    emulator = Emulator(clock=FakeClock(NOW), v4_options=V4Options(inverters_paged=False))
    params = {"site_id": emulator.demo_system, "page": 2, "size": 10}
    async with connect_v4(emulator) as client:
        content = (await client.get(PATH, params=params)).json()
    assert len(flat(content)) == emulator.truth.systems()[0].modules


@pytest.mark.slow
async def test_quirks(connect_v4: Connect) -> None:
    """Power as a bare number, a last report as text; modems that say N/A."""
    emulator = Emulator(clock=FakeClock(NOW), fleet=recent_fleet(20, NOW), quota=Quota.UNLIMITED)
    kinds: set[type] = set()
    powers: set[type] = set()
    modems: list[Any] = []
    async with connect_v4(emulator) as client:
        for system in emulator.truth.systems():
            params = {"site_id": system.system_id, "size": 100}
            content = (await client.get(PATH, params=params)).json()
            rows = [row for envoy in content for row in envoy["micro_inverters"]]
            kinds |= {type(row["last_report_date"]) for row in rows}
            powers |= {type(row["power_produced"]) for row in rows}
            devices = (await client.get(f"/systems/{system.system_id}/devices")).json()["devices"]
            modems += [row.get("cellular_modem") for row in devices["gateways"]]
    assert (kinds, powers) == ({int, str}, {int, dict})
    assert {None if modem is None else type(modem["plan_start_date"]) for modem in modems} == {
        None,
        int,
        type(None),
    }
