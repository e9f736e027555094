"""The endpoints of v4 about batteries: telemetry, days, readings of the storage meter, settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.drift import Drift, pick
from enlighten_async.emulator.local_time import parse_moment
from enlighten_async.emulator.simulation.storage import batteries
from enlighten_async.emulator.simulation.sun import METER_INTERVAL_S
from enlighten_async.emulator.v4.daily import RequestedDays, requested_days
from enlighten_async.emulator.v4.errors import ApiError, not_found
from enlighten_async.emulator.v4.granularity import requested_window
from enlighten_async.emulator.v4.telemetry import telemetry_content

if TYPE_CHECKING:
    from enlighten_async.emulator.simulation.system import Battery
    from enlighten_async.emulator.v4.endpoint import EndpointRequest, ServiceV4

NO_BATTERY = "System doesn't have encharges"

Row: TypeAlias = dict[str, object]


def battery_telemetry(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with charge, discharge and state of charge of all batteries by quarter of an hour."""
    system, storage = request.system, service.truth.storage
    known = storage.first_row(system.system_id), storage.last_row(system.system_id)
    window = requested_window(service, request, METER_INTERVAL_S, known)
    rows = storage.rows(system.system_id, window.start, window.end)
    last = [] if known[1] is None else storage.rows(system.system_id, known[1] - METER_INTERVAL_S, known[1])
    content = telemetry_content(system, window, len(batteries(system)), rows)
    return content | {"last_reported_aggregate_soc": _percent(last[-1] if last else None)}


def encharge_telemetry(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with charge, discharge and state of charge of one battery (Encharge)."""
    return _single(service, request, request.system.batteries, "Encharge")


def acb_telemetry(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with charge, discharge and state of charge of one AC Battery, the older kind."""
    return _single(service, request, request.system.acbs, "AC Battery")


def _single(service: ServiceV4, request: EndpointRequest, owned: tuple[Battery, ...], kind: str) -> Row:
    system, storage, serial = request.system, service.truth.storage, request.serial
    if serial not in {each.serial for each in owned}:
        raise not_found(kind, serial)
    known = storage.first_row(system.system_id), storage.last_row(system.system_id)
    window = requested_window(service, request, METER_INTERVAL_S, known)
    last = storage.last_device_row(system.system_id, serial)
    content = telemetry_content(
        system, window, 1, storage.device_rows(system.system_id, serial, window.start, window.end)
    )
    return {
        "system_id": content.pop("system_id"),
        "serial_number": serial,
        **content,
        "last_reported_time": last and last["end_at"],
        "last_reported_soc": _percent(last),
    }


def battery_lifetime(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with charge and discharge of the batteries on each day; no days without batteries."""
    system, truth = request.system, service.truth
    days = requested_days(service, request)
    if not batteries(system):
        days = RequestedDays(None, days.last)

    return {
        "system_id": system.system_id,
        "start_date": days.start,
        **days.of_each(truth.storage.days, system.system_id, "discharge", "charge"),
        "meta": service.meta(system),
    }


def storage_meter_readings(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the last known odometer readings of the storage meter."""
    system = request.system
    end = parse_moment(request.get("end_at"), service.now())
    return {
        "system_id": system.system_id,
        "meter_readings": with_serial_num(service.truth.storage.readings(system.system_id, end)),
        "meta": service.meta(system),
    }


def battery_settings(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the settings of the batteries; the spelling of the mode varies by system."""
    row = _settings(request, service.truth.settings.battery_settings(request.system.system_id))
    if Drift.RECORDED_TYPES in service.drifts and pick(2, request.system.system_id, "mode"):
        row["battery_mode"] = str(row["battery_mode"]).replace("-", " - ").title()
    return row


def storm_guard(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the state of storm guard; booleans are text here."""
    return _settings(request, service.truth.settings.storm_guard(request.system.system_id))


def load_control(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the loads that are shed."""
    number = request.system.system_id
    return {"system_id": number, "load_control_data": service.truth.settings.load_control(number)}


def _settings(request: EndpointRequest, row: Row | None) -> Row:
    if row is None:
        raise ApiError(422, NO_BATTERY)
    return {"system_id": request.system.system_id, **row}


def with_serial_num(readings: list[dict[str, str | int]]) -> list[Row]:
    """Return readings whose serial number has the field name of v4."""
    return [
        {"serial_num" if name == "serial_number" else name: value for name, value in reading.items()}
        for reading in readings
    ]


def _percent(row: Row | None) -> str | None:
    """Return a row's state of charge as the service writes it."""
    soc = row["soc"] if row else None
    return f"{soc['percent']}%" if isinstance(soc, dict) else None
