"""envoys and inventory: the devices in service, and that the counts agree."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import httpx
import pytest

from enlighten_async.emulator import Emulator, Envoy, Meter, Quota, System
from enlighten_async.testing import FakeClock
from tests.emulator.fleets import recent_fleet

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
NOW = 1_750_014_000
METERS = (Meter(serial="121800000001EIM1", envoy_serial="121800000001"),)


def make(clock: FakeClock, *fleet: System) -> Emulator:
    """Return an emulator without limits."""
    return Emulator(clock=clock, quota=Quota.UNLIMITED, fleet=fleet)


async def test_envoys_have_the_services_names(clock: FakeClock, connect: Connect) -> None:
    """A gateway that has never reported has no time of its last report."""
    second = Envoy("121912345678", part_number="800-00069-r02", status="comm", reported=False)
    own = System(system_id=7, envoys=(Envoy("121712345678"), second))
    async with connect(make(clock, own)) as client:
        body = (await client.get("/systems/7/envoys")).json()
        meta = (await client.get("/systems")).json()["systems"][0]["meta"]
        iso = (await client.get("/systems/7/envoys", params={"datetime_format": "iso8601"})).json()
    assert list(body) == ["system_id", "envoys"]
    first, other = body["envoys"]
    assert list(first) == [
        "envoy_id",
        "serial_number",
        "part_number",
        "status",
        "name",
        "last_report_at",
    ]
    assert (first["name"], first["status"]) == ("Envoy 121712345678", "normal")
    assert first["last_report_at"] == meta["last_report_at"] <= NOW
    assert (other["status"], other["last_report_at"]) == ("comm", None)
    assert first["envoy_id"] != other["envoy_id"]
    assert iso["envoys"][0]["last_report_at"].startswith("2025-06-15T11:")
    assert iso["envoys"][1]["last_report_at"] is None


async def test_envoys_are_those_the_meters_name(clock: FakeClock, connect: Connect) -> None:
    """And where there are no meters, there is one all the same."""
    async with connect(make(clock, System(system_id=7, meters=METERS), System(system_id=8))) as client:
        metered = (await client.get("/systems/7/envoys")).json()["envoys"]
        plain = (await client.get("/systems/8/envoys")).json()["envoys"]
    assert [envoy["serial_number"] for envoy in metered] == ["121800000001"]
    assert [len(envoy["serial_number"]) for envoy in plain] == [12]


async def test_inventory_has_the_services_names(clock: FakeClock, connect: Connect) -> None:
    """Meta is the same as everywhere."""
    async with connect(make(clock, System(system_id=7, meters=METERS, consumption="disabled"))) as client:
        body = (await client.get("/systems/7/inventory")).json()
        lifetime = (await client.get("/systems/7/energy_lifetime")).json()
        listed = (await client.get("/systems")).json()["systems"][0]
    assert list(body) == ["system_id", "envoys", "inverters", "meters", "meta"]
    assert list(body["envoys"][0]) == list(body["inverters"][0]) == ["sn", "model", "sku"]
    assert body["meters"] == [
        {
            "sn": f"121800000001EIM{n}",
            "manufacturer": "Enphase Energy",
            "model": "Envoy S",
            "status": status,
            "state": state,
        }
        for n, status, state in ((1, "normal", "enabled"), (2, "disabled", "disabled"))
    ]
    assert body["meta"] == lifetime["meta"] == listed["meta"]


async def test_a_system_without_meters_lists_none(clock: FakeClock, connect: Connect) -> None:
    """The list is there and empty."""
    async with connect(make(clock, System(system_id=7))) as client:
        assert (await client.get("/systems/7/inventory")).json()["meters"] == []


@pytest.mark.slow
async def test_counts_agree_and_serials_are_text(clock: FakeClock, connect: Connect) -> None:
    """Retired inverters are not counted; every serial number belongs to one inverter."""
    emulator = make(clock, *recent_fleet(16, NOW))
    seen: set[str] = set()
    async with connect(emulator) as client:
        for system in emulator.truth.systems():
            path = f"/systems/{system.system_id}"
            found = (await client.get(f"{path}/inventory")).json()["inverters"]
            modules = (await client.get(f"{path}/summary")).json()["modules"]
            devices = (await client.get(f"{path}/stats")).json().get("total_devices", modules)
            assert len(found) == modules == devices == system.modules
            assert all(inverter["sn"][:12].isdecimal() for inverter in found)
            seen |= {inverter["sn"] for inverter in found}
    assert len(seen) == sum(system.modules for system in emulator.truth.systems())


async def test_twins_have_a_letter_each(clock: FakeClock, connect: Connect) -> None:
    """Two inverters in one case, D380."""
    async with connect(make(clock, System(system_id=7, modules=4, twins=True))) as client:
        found = (await client.get("/systems/7/inventory")).json()["inverters"]
    serials = [inverter["sn"] for inverter in found]
    assert [serial[12:] for serial in serials] == ["-A", "-B", "-A", "-B"]
    assert serials[0][:12] == serials[1][:12] != serials[2][:12]
    assert {inverter["model"] for inverter in found} == {"D380"}
