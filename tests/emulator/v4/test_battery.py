"""The endpoints of v4 about batteries: any window equals the ground truth, days, readings, settings."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.emulator import Emulator, Quota, System
from enlighten_async.emulator.local_time import local_date
from enlighten_async.emulator.simulation.storage import batteries
from enlighten_async.testing import FakeClock
from tests.effort import examples
from tests.emulator.v4.battery_systems import DAY, EMULATOR, LENGTHS, NOW, SHARED, UTRECHT

Connect = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
SYSTEMS = EMULATOR.truth.systems()


def start_of(data: st.DataObject, system: System) -> int:
    """Draw a start in the time that is kept, mostly while the system was in service."""
    since = max(system.operational_at + 2 * DAY, NOW - 729 * DAY)
    return data.draw(st.integers(since, NOW) | st.integers(NOW - 3 * DAY, NOW), label="start")


@examples(80)
@given(data=st.data())
async def test_batteries_of_any_window(connect_v4: Connect, data: st.DataObject) -> None:
    """All together and each one: the rows of the echoed window."""
    system = data.draw(st.sampled_from(EMULATOR.truth.systems()))
    start, word = start_of(data, system), data.draw(st.sampled_from(sorted(LENGTHS)))
    end, storage, number = min(NOW, start + LENGTHS[word]), EMULATOR.truth.storage, system.system_id
    params = {"start_at": start, "granularity": word}
    async with connect_v4(EMULATOR) as client:
        path = f"/systems/{number}/telemetry/battery"
        content = (await client.get(path, params=params)).json()
        for kind, owned in (("encharges", system.batteries), ("acbs", system.acbs)):
            for battery in owned:
                path = f"/systems/{number}/devices/{kind}/{battery.serial}/telemetry"
                single = (await client.get(path, params=params)).json()
                rows = storage.device_rows(number, battery.serial, start // 900 * 900, end)
                last = storage.last_device_row(number, battery.serial)
                assert single["intervals"] == rows
                assert (single["serial_number"], single["total_devices"]) == (battery.serial, 1)
                assert last is not None
                assert single["last_reported_time"] == last["end_at"]
                assert single["last_reported_soc"].endswith("%")
                assert "meta" not in single
    assert content["intervals"] == storage.rows(number, start // 900 * 900, end)
    assert (content["start_at"], content["end_at"]) == (start, end)
    assert content["total_devices"] == len(batteries(system))
    assert "meta" not in content


@examples(40)
@given(data=st.data())
async def test_days(connect_v4: Connect, data: st.DataObject) -> None:
    """Of batteries and of what is bought and sold; none where there is nothing to measure them."""
    system = data.draw(st.sampled_from(SHARED))
    begun = local_date(system.operational_at, system.timezone)
    yesterday = local_date(NOW, system.timezone) - timedelta(days=1)
    first = data.draw(st.dates(begun, yesterday))
    last = data.draw(st.dates(first, min(yesterday, first + timedelta(days=40))))
    window = (system.system_id, first, last)
    async with connect_v4(EMULATOR) as client:

        async def ask(name: str) -> dict[str, Any]:
            params = {"start_date": str(first), "end_date": str(last)}
            return dict((await client.get(f"/systems/{system.system_id}/{name}", params=params)).json())

        battery = await ask("battery_lifetime")
        bought, sold = await ask("energy_import_lifetime"), await ask("energy_export_lifetime")
    stored, moved = EMULATOR.truth.storage.days(*window), EMULATOR.truth.grid.days(*window)
    there, metered = bool(batteries(system)), system.consumption == "metered"
    assert battery["charge"] == (stored["charge"] if there else [])
    assert battery["discharge"] == (stored["discharge"] if there else [])
    assert battery["start_date"] == (str(first) if there else None)
    assert bought["import"] == (moved["import"] if metered else [])
    assert sold["export"] == (moved["export"] if metered else [])


@pytest.mark.slow
async def test_readings(connect_v4: Connect) -> None:
    """Of the storage meter and the consumption meter, with this family's own name of the serial number."""
    emulator = Emulator(clock=FakeClock(NOW), fleet=[UTRECHT], quota=Quota.UNLIMITED)
    when = NOW - 30 * DAY
    async with connect_v4(emulator) as client:

        async def ask(name: str) -> list[dict[str, Any]]:
            answer = await client.get(f"/systems/7/{name}", params={"end_at": when})
            return list(answer.json()["meter_readings"])

        (stored,), (used,) = await ask("storage_meter_readings"), await ask("consumption_meter_readings")
    (known,) = emulator.truth.storage.readings(7, when)
    assert stored.pop("serial_num") == known.pop("serial_number")
    assert stored == known
    (known,) = emulator.truth.consumption_readings(7, when)
    assert used == {
        "serial_num": known["serial_number"],
        "value": known["value"],
        "read_at": known["read_at"],
    }
    assert used["value"] > 1000


async def test_batteries_that_report_late(connect_v4: Connect) -> None:
    """The newest rows count those that have reported; the others follow."""
    clock = FakeClock(NOW)
    emulator = Emulator(clock=clock, fleet=[UTRECHT], quota=Quota.UNLIMITED)
    async with connect_v4(emulator) as client:

        async def rows() -> list[dict[str, Any]]:
            return list((await client.get("/systems/7/telemetry/battery")).json()["intervals"])

        newest = (await rows())[-1]
        clock.advance(1800)
        later = next(row for row in await rows() if row["end_at"] == newest["end_at"])
    assert newest["soc"]["devices_reporting"] == 2
    assert later["soc"]["devices_reporting"] == 3


@pytest.mark.parametrize("kind", ["encharges", "acbs"])
async def test_batteries_that_are_not_there(connect_v4: Connect, kind: str) -> None:
    """Unknown, or of the other kind."""
    emulator = Emulator(clock=FakeClock(NOW), fleet=[UTRECHT], quota=Quota.UNLIMITED)
    async with connect_v4(emulator) as client:
        for serial in ("9", "3" if kind == "encharges" else "1"):
            answer = await client.get(f"/systems/7/devices/{kind}/{serial}/telemetry")
            assert answer.status_code == 404
            assert answer.json()["details"].endswith(f'not found for {{:id=>"{serial}"}}')


async def test_without_batteries(connect_v4: Connect) -> None:
    """There are no rows, no state of charge, no readings, and zeros in the summary."""
    bare = System(system_id=8)
    async with connect_v4(Emulator(clock=FakeClock(NOW), fleet=[bare])) as client:
        content = (await client.get("/systems/8/telemetry/battery")).json()
        readings = (await client.get("/systems/8/storage_meter_readings")).json()
        summary = (await client.get("/systems/8/summary")).json()
    assert (content["total_devices"], content["intervals"]) == (0, [])
    assert content["last_reported_aggregate_soc"] is None
    assert readings["meter_readings"] == []
    assert "evse_power" not in summary
    assert summary["nmi"] is None
    assert not any(summary[f"battery_{name}"] for name in ("charge_w", "discharge_w", "capacity_wh"))


async def test_what_owners_do_not_share(connect_v4: Connect) -> None:
    """Whoever may not see the consumption may not see what is bought either."""
    systems = {s.consumption: s.system_id for s in EMULATOR.truth.systems()}
    names = ("energy_import_telemetry", "energy_export_lifetime", "consumption_meter_readings")
    async with connect_v4(EMULATOR) as client:
        for name in names:
            assert (await client.get(f"/systems/{systems['refused']}/{name}")).status_code == 403
            assert (await client.get(f"/systems/{systems['disabled']}/{name}")).status_code == 422


async def test_devices_and_summary_show_them(connect_v4: Connect) -> None:
    """By type, under their serial numbers; power and capacity of all batteries together."""
    systems = EMULATOR.truth.systems()
    emulator = Emulator(clock=FakeClock(NOW), fleet=systems, quota=Quota.UNLIMITED, drifts=())
    async with connect_v4(emulator, systems[0].user_id) as client:
        for system in systems:
            devices = (await client.get(f"/systems/{system.system_id}/devices")).json()["devices"]
            summary = (await client.get(f"/systems/{system.system_id}/summary")).json()
            for kind, owned in (
                ("encharges", system.batteries),
                ("acbs", system.acbs),
                ("ev_chargers", system.ev_chargers),
            ):
                shown = [row["serial_number"] for row in devices.get(kind, [])]
                assert shown == [each.serial for each in owned]
            assert ("heat_pump" in devices) == (system.heat_pump is not None)
            wh = sum(battery.capacity_wh for battery in batteries(system))
            assert summary.get("battery_capacity_wh", 0) == wh
            named = [serial for each in summary.get("evse_power", []) for serial in each]
            assert named == [charger.serial for charger in system.ev_chargers]
            assert summary.get("nmi") == system.nmi


async def ask(client: httpx.AsyncClient, path: str, **params: Any) -> Any:
    """Return the content of one answer."""
    answer = await client.get(f"/systems/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_settings(connect_v4: Connect) -> None:
    """Of systems with batteries; truth is told as text."""
    known = EMULATOR.truth.settings
    modes: set[str] = set()
    async with connect_v4(EMULATOR) as client:
        for system in SYSTEMS:
            number = system.system_id
            for name in ("battery_settings", "storm_guard"):
                answer = await client.get(f"/systems/config/{number}/{name}")
                assert answer.status_code == (200 if batteries(system) else 422)
                if not batteries(system):
                    assert answer.json()["details"] == "System doesn't have encharges"
                    continue
                content = answer.json()
                modes.add(content.pop("battery_mode", ""))
                assert content.pop("system_id") == number
                assert content.items() <= (getattr(known, name)(number) or {}).items()
            loads = await ask(client, f"config/{number}/load_control")
            assert loads == {"system_id": number, "load_control_data": known.load_control(number)}
            grid = await ask(client, f"config/{number}/grid_status")
            assert grid == {"system_id": number, **(known.grid_status(number) or {})}
    assert modes == {"", "Self-consumption", "Self - Consumption", "Savings Mode"}


async def test_settings_without_quirks(connect_v4: Connect) -> None:
    """The mode is spelled as documented."""
    emulator = Emulator(clock=FakeClock(NOW), systems=16, quota=Quota.UNLIMITED, drifts=())
    stored = [system for system in emulator.truth.systems() if batteries(system)]
    async with connect_v4(emulator) as client:
        found = [await ask(client, f"config/{s.system_id}/battery_settings") for s in stored]
    assert {each["battery_mode"] for each in found} == {"Self-consumption", "Savings Mode"}
