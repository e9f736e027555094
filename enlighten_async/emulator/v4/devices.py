"""The endpoints of v4 that answer which devices there are, and what single ones have made."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.local_time import parse_moment
from enlighten_async.emulator.plant.devices import envoys, inverters, meter_id, meter_items, numbered_envoys
from enlighten_async.emulator.status import meta
from enlighten_async.emulator.v4.drift import drift_inverter, modem
from enlighten_async.emulator.v4.equipment import further
from enlighten_async.emulator.v4.refusals import RefusedError, not_found
from enlighten_async.emulator.v4.systems import MAX_PAGE, page_asked

if TYPE_CHECKING:
    from enlighten_async.emulator.plant.system import Envoy, System
    from enlighten_async.emulator.v4.api import ApiV4
    from enlighten_async.emulator.v4.routes import Asked

PHASES = {1: "single", 2: "split", 3: "three"}

Row: TypeAlias = dict[str, object]


def listed(api: ApiV4, asked: Asked) -> Row:
    """Answer the devices that are not retired, by type; types a system does not have are absent."""
    system = asked.system
    last = meta(api.truth, system)["last_report_at"]
    found = {
        "micros": _micros(system, last),
        "meters": _meters(system, last),
        "gateways": _gateways(system, last, drifts=api.manners.drift),
        **further(api, asked, last),
    }
    there = {kind: devices for kind, devices in found.items() if devices}
    return {
        "system_id": system.system_id,
        "total_devices": sum(map(len, there.values())),
        "items": "devices",
        "devices": there,
    }


def _micros(system: System, last: object) -> list[Row]:
    return [
        {
            "id": inverter.number,
            "last_report_at": last,
            "name": f"Microinverter {inverter.serial}",
            "serial_number": inverter.serial,
            "part_number": inverter.part_number,
            "sku": inverter.sku,
            "model": inverter.model,
            "status": "normal",
            "active": True,
            "product_name": inverter.model,
        }
        for inverter in inverters(system)
        if inverter.retired_at is None
    ]


def _meters(system: System, last: object) -> list[Row]:
    """Return production meters, and after them the consumption meter if there is one."""
    rows = []
    for index, meter in enumerate(meter_items(system)):
        produces = index < len(system.meters)
        phases = system.meters[index].phases if produces else 1
        rows.append(
            {
                "id": meter_id(system, index),
                "last_report_at": last,
                "name": "production" if produces else "consumption",
                "serial_number": meter["sn"],
                "part_number": envoys(system)[0].part_number,
                "sku": None,
                "model": meter["model"],
                "status": meter["status"],
                "active": True,
                "state": meter["state"],
                "config_type": "Production" if produces else "Net",
                "config_phase": PHASES[phases],
                "product_name": "RGM" if produces else "IQ Gateway",
            }
        )
    return rows


def _gateways(system: System, last: object, *, drifts: bool) -> list[Row]:
    """Return the gateways; one that has never reported has no time of its last report."""
    return [_gateway(system, number, envoy, last, drifts) for number, envoy in numbered_envoys(system)]


def _gateway(system: System, number: int, envoy: Envoy, last: object, drifts: bool) -> Row:
    radio = modem(system, number, drifts=drifts)
    return {
        "id": number,
        "last_report_at": last if envoy.reported else None,
        "name": f"Envoy {envoy.serial}",
        "serial_number": envoy.serial,
        "part_number": envoy.part_number,
        "emu_sw_version": "D8.2.4264",
        "sku": envoy.part_number,
        "model": "Envoy",
        "status": envoy.status,
        "active": True,
        **({"cellular_modem": radio} if radio else {}),
        "product_name": "Envoy",
    }


def production_meter_readings(api: ApiV4, asked: Asked) -> Row:
    """Answer the last known odometer reading of each meter, retired ones included."""
    system = asked.system
    end = parse_moment(asked.get("end_at"), api.clock.now())
    return {
        "system_id": system.system_id,
        "meter_readings": api.truth.meter_readings(system.system_id, end),
        "meta": meta(api.truth, system),
    }


def inverters_summary(api: ApiV4, asked: Asked) -> list[Row]:
    """Answer the inverters gateway by gateway, each with its energy before today, a page of them.

    The first page has the gateways without any inverter as well.
    """
    system, serials = _gateways_asked(asked)
    rows = [_inverter(api, system, row) for row in api.truth.inverters(system.system_id)]
    rows = [row for serial in serials for row in rows if row["envoy_serial_number"] == serial]
    busy = {row["envoy_serial_number"] for row in rows}
    page, size = page_asked(asked, MAX_PAGE) if api.manners.inverters_paged else (1, len(rows))
    shown = rows[(page - 1) * size : page * size]
    named = {row["envoy_serial_number"] for row in shown}
    return [
        {
            "signal_strength": 5 if envoy.reported else 0,
            "micro_inverters": [row for row in shown if row["envoy_serial_number"] == envoy.serial],
        }
        for envoy in envoys(system)
        if envoy.serial in serials and (envoy.serial in named or (page == 1 and envoy.serial not in busy))
    ]


def _gateways_asked(asked: Asked) -> tuple[System, list[str]]:
    """Return the system and the gateways that are meant: a gateway is heeded before a site.

    Raises RefusedError: neither is named, or the user has no such.
    """
    serial, site = asked.get("envoy_serial_number"), asked.get("site_id")
    if not serial and not site:
        raise RefusedError(422, "Envoy serial number or Site id mandatory")
    for system in asked.owned:
        serials = [envoy.serial for envoy in envoys(system)]
        if serial in serials:
            return system, [serial]
        if not serial and site == str(system.system_id):
            return system, serials
    missing = not_found("Envoy" if serial else "System", serial or site)
    raise RefusedError(422, missing.details)


def _inverter(api: ApiV4, system: System, row: Row) -> Row:
    at = row["last_report_date"]
    row = row | {"last_report_date": None if at is None else int(datetime.fromisoformat(str(at)).timestamp())}
    return drift_inverter(row, system) if api.manners.drift else row
