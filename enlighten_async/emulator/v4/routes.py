"""The routes of v4: path, endpoint, access control and error shape of every operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enlighten_async.emulator.v4 import (
    battery,
    chargers,
    daily,
    device_endpoints,
    devices,
    events,
    grid,
    systems,
    telemetry,
)
from enlighten_async.emulator.v4.apps import CONFIGURATIONS, CONSUMPTION, DETAILS, DEVICES, EV, PRODUCTION
from enlighten_async.emulator.v4.endpoint import Route

if TYPE_CHECKING:
    from enlighten_async.emulator.messages import Request


def find_route(request: Request) -> tuple[Route | None, dict[str, str]]:
    """Return the route of a request's path, and the named parts of the path."""
    path = request.path.rstrip("/")
    for route in V4_ROUTES:
        if found := route.pattern.fullmatch(path):
            return route, found.groupdict()
    return None, {}


V4_ROUTES: tuple[Route, ...] = (
    Route("", systems.list_systems, DETAILS, names_limit=False),
    Route("/search", systems.search, DETAILS, names_limit=False, method="POST"),
    Route("/retrieve_system_id", systems.retrieve_system_id, DETAILS),
    Route("/inverters_summary_by_envoy_or_site", devices.inverters_summary, DETAILS),
    Route("/event_types", events.list_event_types, DETAILS, names_limit=False),
    Route("/{id}", systems.retrieve_system, DETAILS, names_limit=False),
    Route("/{id}/summary", systems.summary, DETAILS),
    Route("/{id}/devices", devices.list_devices, DETAILS, names_limit=False),
    Route("/{id}/events", events.events, DETAILS, names_limit=False),
    Route("/{id}/alarms", events.alarms, DETAILS, names_limit=False),
    Route("/{id}/open_events", events.open_events, DETAILS, names_limit=False),
    Route("/{id}/open_alarms", events.open_alarms, DETAILS, names_limit=False),
    Route("/{id}/rgm_stats", telemetry.rgm_stats, PRODUCTION),
    Route("/{id}/telemetry/production_micro", telemetry.production_micro, PRODUCTION),
    Route("/{id}/telemetry/production_meter", telemetry.production_meter, PRODUCTION),
    Route("/{id}/telemetry/consumption_meter", telemetry.consumption_meter, CONSUMPTION),
    Route("/{id}/energy_lifetime", daily.energy_lifetime, PRODUCTION),
    Route("/{id}/consumption_lifetime", daily.consumption_lifetime, CONSUMPTION, names_limit=False),
    Route(
        "/{id}/production_meter_readings",
        devices.production_meter_readings,
        PRODUCTION,
        not_found="Not Authorized",
    ),
    Route(
        "/{id}/consumption_meter_readings",
        grid.consumption_meter_readings,
        CONSUMPTION,
        not_found="Not Authorized",
    ),
    Route(
        "/{id}/storage_meter_readings",
        battery.storage_meter_readings,
        CONSUMPTION,
        not_found="Not Authorized",
    ),
    Route("/{id}/telemetry/battery", battery.battery_telemetry, CONSUMPTION),
    Route("/{id}/battery_lifetime", battery.battery_lifetime, CONSUMPTION, names_limit=False),
    Route("/{id}/energy_import_telemetry", grid.energy_import_telemetry, CONSUMPTION, names_limit=False),
    Route("/{id}/energy_export_telemetry", grid.energy_export_telemetry, CONSUMPTION, names_limit=False),
    Route("/{id}/energy_import_lifetime", grid.energy_import_lifetime, CONSUMPTION, names_limit=False),
    Route("/{id}/energy_export_lifetime", grid.energy_export_lifetime, CONSUMPTION, names_limit=False),
    Route("/{id}/latest_telemetry", telemetry.latest_telemetry, CONSUMPTION, names_limit=False),
    Route("/config/{id}/battery_settings", battery.battery_settings, CONFIGURATIONS),
    Route("/config/{id}/storm_guard", battery.storm_guard, CONFIGURATIONS),
    Route("/config/{id}/load_control", battery.load_control, CONFIGURATIONS),
    Route("/config/{id}/grid_status", grid.grid_status, CONFIGURATIONS, names_limit=False),
    Route("/{id}/devices/micros/telemetry", device_endpoints.micros_telemetry, DEVICES, names_limit=False),
    Route("/{id}/devices/micros/{serial}/telemetry", device_endpoints.micro_telemetry, DEVICES),
    Route("/{id}/devices/encharges/{serial}/telemetry", battery.encharge_telemetry, DEVICES),
    Route("/{id}/devices/acbs/{serial}/telemetry", battery.acb_telemetry, DEVICES),
    Route("/{id}/hp_telemetry", device_endpoints.hp_telemetry, DEVICES),
    Route("/{id}/hp_lifetime", device_endpoints.hp_lifetime, DEVICES),
    Route("/{id}/ev_charger/devices", chargers.ev_charger_devices, EV, ev=True),
    Route("/{id}/ev_charger/events", chargers.ev_charger_events, EV, ev=True, lists_details=True),
    Route(
        "/{id}/ev_charger/{serial}/sessions", chargers.ev_charger_sessions, EV, ev=True, lists_details=True
    ),
    Route("/{id}/ev_charger/{serial}/schedules", chargers.ev_charger_schedules, EV, ev=True),
    Route(
        "/{id}/ev_charger/{serial}/lifetime", chargers.ev_charger_lifetime, EV, ev=True, lists_details=True
    ),
    Route(
        "/{id}/ev_charger/{serial}/telemetry", chargers.ev_charger_telemetry, EV, ev=True, lists_details=True
    ),
    Route("/{id}/{serial}/evse_telemetry", device_endpoints.evse_telemetry, DEVICES),
    Route("/{id}/{serial}/evse_lifetime", device_endpoints.evse_lifetime, DEVICES),
)
"""The first match is taken: paths without a system come before those of a system."""
