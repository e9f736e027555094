"""The endpoints of v4 about single inverters, chargers and heat pumps: telemetry and days."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.simulation.devices import inverters
from enlighten_async.emulator.simulation.microinverters import MICRO_INTERVAL_S
from enlighten_async.emulator.v4.daily import requested_days
from enlighten_async.emulator.v4.errors import invalid_request, not_found
from enlighten_async.emulator.v4.granularity import requested_window
from enlighten_async.emulator.v4.telemetry import telemetry_content

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from enlighten_async.emulator.simulation.system import System
    from enlighten_async.emulator.v4.endpoint import EndpointRequest, ServiceV4
    from enlighten_async.emulator.v4.granularity import TelemetryWindow

MAX_MICROS_PER_PAGE = 20  # inverters per page
INVALID_DAYS = invalid_request("Invalid date/time range")

Row: TypeAlias = dict[str, object]


def micro_telemetry(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the five-minute rows of one inverter."""
    system = request.system
    window = _micro_window(service, request)
    try:
        rows = service.truth.micro_rows(system.system_id, request.serial, window.start, window.end)
    except KeyError:
        raise not_found("Micro", request.serial) from None
    content = telemetry_content(system, window, 1, rows)
    return {"system_id": content.pop("system_id"), "serial_number": request.serial, **content}


def micros_telemetry(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the five-minute rows of the inverters in service, a page of them."""
    system = request.system
    window = _micro_window(service, request)
    serials = [inverter.serial for inverter in inverters(system) if inverter.retired_at is None]
    page, size = request.page(MAX_MICROS_PER_PAGE)
    return {
        "system_id": system.system_id,
        "total_devices": len(serials),
        "page": page,
        "page_size": size,
        **window.echo,
        "granularity": window.granularity,
        "items": "intervals",
        "devices": [
            {
                "serial_number": serial,
                "intervals": service.truth.micro_rows(system.system_id, serial, window.start, window.end),
            }
            for serial in serials[(page - 1) * size : page * size]
        ],
    }


def evse_telemetry(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the energy of one charger in its own intervals."""
    step = _charger_step(service, request)
    return _consumption_rows(
        service,
        request,
        step,
        partial(service.truth.chargers.evse_rows, request.system.system_id, request.serial),
    )


def evse_lifetime(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the energy of one charger on each day."""
    _charger_step(service, request)
    chargers, serial = service.truth.chargers, request.serial
    return _consumption_days(
        service, request, lambda number, first, last: chargers.days(number, serial, first, last)
    )


def hp_telemetry(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the energy of the heat pump in its own intervals."""
    step = _heat_pump_step(request.system)
    return _consumption_rows(
        service, request, step, partial(service.truth.heat_pumps.rows, request.system.system_id)
    )


def hp_lifetime(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the energy of the heat pump on each day."""
    _heat_pump_step(request.system)
    return _consumption_days(service, request, service.truth.heat_pumps.days)


def _micro_window(service: ServiceV4, request: EndpointRequest) -> TelemetryWindow:
    truth, number = service.truth, request.system.system_id
    there = request.system.modules > 0
    return requested_window(
        service,
        request,
        MICRO_INTERVAL_S,
        (truth.first_stat(number), truth.last_stat(number)) if there else (None, None),
    )


def _charger_step(service: ServiceV4, request: EndpointRequest) -> int:
    """Return the seconds of a charger's interval; ApiError if the system has no such charger."""
    try:
        return service.truth.chargers.charger(request.system.system_id, request.serial)[1].step
    except KeyError:
        raise not_found("EV Charger", request.serial) from None


def _heat_pump_step(system: System) -> int:
    """Return the seconds of a heat pump's interval; ApiError if the system has none."""
    if system.heat_pump is None:
        raise not_found("Heat pump", system.system_id)
    return system.heat_pump.step


def _consumption_rows(
    service: ServiceV4,
    request: EndpointRequest,
    step: int,
    rows: Callable[[float, float], list[dict[str, int]]],
) -> Row:
    system = request.system
    first = (system.operational_at // step + 1) * step
    window = requested_window(service, request, step, (first, None))
    return {
        "system_id": system.system_id,
        "granularity": window.granularity,
        "interval_duration": f"{step // 60}mins",
        **window.echo,
        "items": "intervals",
        "intervals": rows(window.start, window.end),
    }


def _consumption_days(
    service: ServiceV4, request: EndpointRequest, values: Callable[[int, date, date], list[int]]
) -> Row:
    days = requested_days(service, request, not_over=INVALID_DAYS)
    return {
        "system_id": request.system.system_id,
        "start_date": days.start,
        "end_date": days.last.isoformat(),
        "consumption": days.of(values, request.system.system_id),
    }
