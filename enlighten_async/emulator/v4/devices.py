"""The endpoints of v4 about devices: lists by type, energies of inverters, readings of meters."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.drift import Drift, pick
from enlighten_async.emulator.local_time import parse_moment
from enlighten_async.emulator.simulation.devices import (
    battery_id,
    envoys,
    inverters,
    meter_id,
    meter_items,
    numbered_envoys,
)
from enlighten_async.emulator.v4.chargers import charger_rows
from enlighten_async.emulator.v4.endpoint import V4_MAX_PAGE_SIZE
from enlighten_async.emulator.v4.errors import ApiError, not_found
from enlighten_async.emulator.v4.quirks import cellular_modem, inverter_quirks

if TYPE_CHECKING:
    from enlighten_async.emulator.simulation.system import Envoy, HeatPump, System
    from enlighten_async.emulator.v4.endpoint import EndpointRequest, ServiceV4

ACB_ID = 1_059_640_000
PHASES = {1: "single", 2: "split", 3: "three"}

Row: TypeAlias = dict[str, object]


def list_devices(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the devices that are not retired, by type; types a system does not have are absent."""
    system = request.system
    last = service.meta(system)["last_report_at"]
    found = {
        "micros": _micros(system, last),
        "meters": _meters(system, last),
        "gateways": _gateways(system, last, quirks=Drift.RECORDED_TYPES in service.drifts),
        **_other_devices(service, system, last),
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


def _gateways(system: System, last: object, *, quirks: bool) -> list[Row]:
    """Return the gateways; `last_report_at` is null for one that has never reported."""
    return [_gateway(system, number, envoy, last, quirks) for number, envoy in numbered_envoys(system)]


def _gateway(system: System, number: int, envoy: Envoy, last: object, quirks: bool) -> Row:
    modem = cellular_modem(system, number, quirks=quirks)
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
        **({"cellular_modem": modem} if modem else {}),
        "product_name": "Envoy",
    }


def _other_devices(service: ServiceV4, system: System, last: object) -> dict[str, list[Row]]:
    """Return batteries, chargers and heat pumps by type; types may be empty."""
    return {
        "acbs": [
            _battery(ACB_ID + system.system_id * 10 + index, f"AC Battery {acb.serial}", acb.serial, last)
            for index, acb in enumerate(system.acbs)
        ],
        "encharges": [
            _battery(battery_id(system, index), f"Encharge {each.serial}", each.serial, last)
            for index, each in enumerate(system.batteries)
        ],
        "ev_chargers": [
            _charger_quirks(row, system) if Drift.RECORDED_TYPES in service.drifts else row
            for row in charger_rows(service, system)
        ],
        "heat_pump": [_heat_pump(system.heat_pump, last)] if system.heat_pump else [],
    }


def _battery(number: int, name: str, serial: str, last: object) -> Row:
    old = name.startswith("AC ")
    return {
        "id": number,
        "last_report_at": last,
        "name": name,
        "serial_number": serial,
        "part_number": "800-00560-r03" if old else "800-00562-r01",
        "sku": "IQ7-B1200-LN-I-INT01-RV0" if old else "B03-A01-US00-1-3",
        "model": "",
        "status": "normal",
        "active": True,
        "product_name": "ACB" if old else "IQ Battery",
    }


def _heat_pump(pump: HeatPump, last: object) -> Row:
    return {
        "id": "",
        "SKU": "",
        "status": "normal",
        "serial_number": pump.serial,
        "name": pump.name,
        "model": "Expert Net Control",
        "part_number": "",
        "last_report_at": last,
        "firmware": "",
        "sg_ready_relay": "Expert Net Control",
        "iq_er": "IQ Energy Router",
        "active": True,
    }


def _charger_quirks(row: Row, system: System) -> Row:
    """Return a charger without an id, whose `active` is text for some systems."""
    return row | {"id": ""} | ({"active": "true"} if pick(2, system.system_id, "active") else {})


def production_meter_readings(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the last known odometer reading of each meter, retired ones included."""
    system = request.system
    end = parse_moment(request.get("end_at"), service.now())
    return {
        "system_id": system.system_id,
        "meter_readings": service.truth.meter_readings(system.system_id, end),
        "meta": service.meta(system),
    }


def inverters_summary(service: ServiceV4, request: EndpointRequest) -> list[Row]:
    """Respond with the inverters by gateway, each with its energy before today: all, or a page if asked to.

    The first page has the gateways without any inverter as well.
    """
    system, serials = _requested_gateways(request)
    rows = [_inverter(service, system, row) for row in service.truth.inverters(system.system_id)]
    rows = [row for serial in serials for row in rows if row["envoy_serial_number"] == serial]
    busy = {row["envoy_serial_number"] for row in rows}
    page, size = _requested_page(service, request) or (1, len(rows))
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


def _requested_gateways(request: EndpointRequest) -> tuple[System, list[str]]:
    """Return the system and the requested gateways; a gateway takes precedence over a site.

    Raises ApiError: neither is named, or the user has none of that name.
    """
    serial, site = request.get("envoy_serial_number"), request.get("site_id")
    if not serial and not site:
        raise ApiError(422, "Envoy serial number or Site id mandatory")
    for system in request.owned:
        serials = [envoy.serial for envoy in envoys(system)]
        if serial in serials:
            return system, [serial]
        if not serial and site == str(system.system_id):
            return system, serials
    text = not_found("Envoy", serial).details if serial else f"Couldn't find Site with 'id'={site}"
    raise ApiError(422, text)


def _requested_page(service: ServiceV4, request: EndpointRequest) -> tuple[int, int] | None:
    """Return number and size of the page of inverters; `None`: all of them, as no page is asked for."""
    asked = request.get("page") or request.get("size")
    return request.page(V4_MAX_PAGE_SIZE) if asked and service.options.inverters_paged else None


def _inverter(service: ServiceV4, system: System, row: Row) -> Row:
    at = row["last_report_date"]
    row = row | {"last_report_date": None if at is None else int(datetime.fromisoformat(str(at)).timestamp())}
    return inverter_quirks(row, system) if Drift.RECORDED_TYPES in service.drifts else row
