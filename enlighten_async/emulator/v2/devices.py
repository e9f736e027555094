"""The endpoints that answer which devices there are, and what single ones have made."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.local_time import parse_moment
from enlighten_async.emulator.plant.devices import envoys, inverters, meter_items, numbered_envoys

if TYPE_CHECKING:
    from enlighten_async.emulator.messages import Call
    from enlighten_async.emulator.plant.system import System
    from enlighten_async.emulator.v2.api import ApiV2

Row: TypeAlias = dict[str, object]


def list_envoys(api: ApiV2, _: Call, systems: list[System]) -> tuple[int, Row]:
    """Answer the gateways; one that has never reported has no time of its last report."""
    system = systems[0]
    last = api.meta(system)["last_report_at"]
    return 200, {
        "system_id": system.system_id,
        "envoys": [
            {
                "envoy_id": number,
                "serial_number": envoy.serial,
                "part_number": envoy.part_number,
                "status": envoy.status,
                "name": f"Envoy {envoy.serial}",
                "last_report_at": last if envoy.reported else None,
            }
            for number, envoy in numbered_envoys(system)
        ],
    }


def inventory(api: ApiV2, _: Call, systems: list[System]) -> tuple[int, Row]:
    """Answer the devices that are not retired."""
    system = systems[0]
    active = [inverter for inverter in inverters(system) if inverter.retired_at is None]
    return 200, {
        "system_id": system.system_id,
        "envoys": [
            {"sn": envoy.serial, "model": "Envoy", "sku": envoy.part_number} for envoy in envoys(system)
        ],
        "inverters": [{"sn": i.serial, "model": i.model, "sku": i.sku} for i in active],
        "meters": meter_items(system),
        "meta": api.meta(system),
    }


def production_meter_readings(api: ApiV2, call: Call, systems: list[System]) -> tuple[int, Row]:
    """Answer the last known odometer reading of each meter, retired ones included."""
    system = systems[0]
    end = parse_moment(call.get("end_at"), api.clock.now())
    return 200, {
        "system_id": system.system_id,
        "meter_readings": api.truth.meter_readings(system.system_id, end),
        "meta": api.meta(system),
    }


def inverters_summary(api: ApiV2, call: Call, systems: list[System]) -> tuple[int, object]:
    """Answer the inverters gateway by gateway, each with its energy before today.

    Retired ones come last: no capture shows any, but `status` has a word for them.
    """
    asked = call.get("site_id")
    system = next((s for s in systems if str(s.system_id) == asked), None)
    if system is None:
        return 422, {"message": f"Couldn't find Site with 'id'={asked}"}
    rows = api.truth.inverters(system.system_id)
    if call.get("datetime_format") == "epoch":
        rows = [row | {"last_report_date": _seconds(row["last_report_date"])} for row in rows]
    return 200, [
        {
            "signal_strength": 5 if envoy.reported else 0,
            "micro_inverters": [row for row in rows if row["envoy_serial_number"] == envoy.serial],
        }
        for envoy in envoys(system)
    ]


def search_system_id(_: ApiV2, call: Call, systems: list[System]) -> tuple[int, Row]:
    """Answer which of the user's systems has the gateway with this serial number."""
    asked = call.get("serial_num")
    for system in systems:
        if asked in {envoy.serial for envoy in envoys(system)}:
            return 200, {"system_id": system.system_id}
    return 404, {"reason": "404", "errorMessages": ["Envoy not found with this serial number"]}


def _seconds(text: object) -> int | None:
    return None if text is None else int(datetime.fromisoformat(str(text)).timestamp())
