"""The endpoints of v4 about the grid: energy imported and exported, its state, the consumption meter."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.local_time import local_date, parse_moment
from enlighten_async.emulator.simulation.sun import METER_INTERVAL_S
from enlighten_async.emulator.v4.battery import with_serial_num
from enlighten_async.emulator.v4.daily import RequestedDays, requested_days
from enlighten_async.emulator.v4.errors import ApiError
from enlighten_async.emulator.v4.granularity import requested_window
from enlighten_async.emulator.v4.telemetry import check_consumption, telemetry_content

if TYPE_CHECKING:
    from enlighten_async.emulator.v4.endpoint import EndpointRequest, ServiceV4

NO_GRID_STATE = "grid_state not available as the site has not reported yet"

Row: TypeAlias = dict[str, object]


def energy_import_telemetry(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the imported energy by quarter of an hour, a list for each of the system's days."""
    return _telemetry(service, request, "wh_imported")


def energy_export_telemetry(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the exported energy by quarter of an hour, a list for each of the system's days."""
    return _telemetry(service, request, "wh_exported")


def energy_import_lifetime(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the imported energy of each day; no days without a consumption meter."""
    return _lifetime(service, request, "import")


def energy_export_lifetime(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the exported energy of each day; no days without a consumption meter."""
    return _lifetime(service, request, "export")


def consumption_meter_readings(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the last known odometer reading of the consumption meter."""
    system = request.system
    check_consumption(system)
    end = parse_moment(request.get("end_at"), service.now())
    return {
        "system_id": system.system_id,
        "meter_readings": with_serial_num(service.truth.consumption_readings(system.system_id, end)),
        "meta": service.meta(system),
    }


def grid_status(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the state of the grid at the last report."""
    row = service.truth.settings.grid_status(request.system.system_id)
    if row is None:
        raise ApiError(422, NO_GRID_STATE)
    return {"system_id": request.system.system_id, **row}


def _telemetry(service: ServiceV4, request: EndpointRequest, name: str) -> Row:
    system, grid = request.system, service.truth.grid
    check_consumption(system)
    window = requested_window(
        service,
        request,
        METER_INTERVAL_S,
        (grid.first_row(system.system_id), grid.last_row(system.system_id)),
    )
    rows = grid.rows(system.system_id, window.start, window.end)
    shown = [{"end_at": row["end_at"], name: row[name]} for row in rows]
    # total_devices is always 0 here, whatever devices there are
    return telemetry_content(system, window, 0, by_day(shown, system.timezone)) | {
        "meta": service.meta(system)
    }


def by_day(rows: list[dict[str, int]], zone: str) -> list[list[dict[str, int]]]:
    """Return a list of rows for each local day; a row that ends at midnight belongs to the day before."""
    days = groupby(rows, key=lambda row: local_date(row["end_at"] - 1, zone))
    return [list(day) for _, day in days]


def _lifetime(service: ServiceV4, request: EndpointRequest, name: str) -> Row:
    system, truth = request.system, service.truth
    check_consumption(system)
    days = requested_days(service, request)
    if system.consumption == "none":
        days = RequestedDays(None, days.last)

    return {
        "system_id": system.system_id,
        "start_date": days.start,
        **days.of_each(truth.grid.days, system.system_id, name),
        "meta": service.meta(system),
    }
