"""The endpoints of v2 about devices: lists of gateways, inverters and meters, and their energies."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.local_time import parse_moment
from enlighten_async.emulator.simulation.devices import envoys, inverters, meter_items, numbered_envoys

if TYPE_CHECKING:
    from enlighten_async.emulator.messages import Request
    from enlighten_async.emulator.service import Service
    from enlighten_async.emulator.simulation.system import System
    from enlighten_async.emulator.v2.v2_history import V2History

Row: TypeAlias = dict[str, object]


def list_envoys(service: Service[V2History], _: Request, systems: list[System]) -> tuple[int, Row]:
    """Respond with the gateways; `last_report_at` is null for one that has never reported."""
    system = systems[0]
    last = service.meta(system)["last_report_at"]
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


def inventory(service: Service[V2History], _: Request, systems: list[System]) -> tuple[int, Row]:
    """Respond with the devices that are not retired."""
    system = systems[0]
    active = [inverter for inverter in inverters(system) if inverter.retired_at is None]
    return 200, {
        "system_id": system.system_id,
        "envoys": [
            {"sn": envoy.serial, "model": "Envoy", "sku": envoy.part_number} for envoy in envoys(system)
        ],
        "inverters": [{"sn": i.serial, "model": i.model, "sku": i.sku} for i in active],
        "meters": meter_items(system),
        "meta": service.meta(system),
    }


def production_meter_readings(
    service: Service[V2History], request: Request, systems: list[System]
) -> tuple[int, Row]:
    """Respond with the last known odometer reading of each meter, retired ones included."""
    system = systems[0]
    end = parse_moment(request.get("end_at"), service.now())
    return 200, {
        "system_id": system.system_id,
        "meter_readings": service.truth.meter_readings(system.system_id, end),
        "meta": service.meta(system),
    }


def inverters_summary(
    service: Service[V2History], request: Request, systems: list[System]
) -> tuple[int, object]:
    """Respond with the inverters by gateway, each with its energy before today.

    Retired ones come last: no recorded response shows any, but `status` has a value for them.
    """
    site_id = request.get("site_id")
    system = next((s for s in systems if str(s.system_id) == site_id), None)
    if system is None:
        return 422, {"message": f"Couldn't find Site with 'id'={site_id}"}
    rows = service.truth.inverters(system.system_id)
    if request.get("datetime_format") == "epoch":
        rows = [row | {"last_report_date": _epoch(row["last_report_date"])} for row in rows]
    return 200, [
        {
            "signal_strength": 5 if envoy.reported else 0,
            "micro_inverters": [row for row in rows if row["envoy_serial_number"] == envoy.serial],
        }
        for envoy in envoys(system)
    ]


def search_system_id(_: Service[V2History], request: Request, systems: list[System]) -> tuple[int, Row]:
    """Respond with the id of the user's system whose gateway has this serial number."""
    serial = request.get("serial_num")
    for system in systems:
        if serial in {envoy.serial for envoy in envoys(system)}:
            return 200, {"system_id": system.system_id}
    return 404, {"reason": "404", "errorMessages": ["Envoy not found with this serial number"]}


def _epoch(text: object) -> int | None:
    return None if text is None else int(datetime.fromisoformat(str(text)).timestamp())
