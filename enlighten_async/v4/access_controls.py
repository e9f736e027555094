"""Which access control each endpoint needs, and from which plan on it can be had."""

from __future__ import annotations

from collections.abc import Mapping

ACCESS_CONTROLS: Mapping[str, tuple[str, ...]] = {
    "System Details": (
        *("systems", "system", "summary", "devices", "inventory", "envoys", "search_system_id"),
        *("inverters_summary_by_envoy_or_site", "events", "alarms", "open_events", "open_alarms"),
        "event_types",
    ),
    "Site Level Production Monitoring": (
        *("stats", "rgm_stats", "production_meter", "energy_lifetime", "production_meter_readings"),
    ),
    "Site Level Consumption Monitoring": (
        *("consumption_stats", "consumption_lifetime", "consumption_meter_readings"),
        *("battery", "battery_lifetime", "storage_meter_readings", "latest_telemetry"),
        *("energy_import_telemetry", "energy_export_telemetry"),
        *("energy_import_lifetime", "energy_export_lifetime"),
    ),
    "EV Charger Monitoring": (
        *("ev_charger_devices", "ev_charger_events", "ev_charger_sessions", "ev_charger_schedules"),
        *("ev_charger_lifetime", "ev_charger_telemetry"),
    ),
    "Device Level Production Monitoring": (
        *("micros_telemetry", "micro_telemetry", "encharge_telemetry", "acb_telemetry"),
        *("evse_telemetry", "evse_lifetime", "hp_telemetry", "hp_lifetime"),
    ),
    "System Configurations": ("battery_settings", "storm_guard", "grid_status", "load_control"),
}
"""The endpoints of each access control, by the names of the client's methods."""

_FIRST_PLAN = {"Device Level Production Monitoring": "Kilowatt", "System Configurations": "Megawatt"}
"""The smallest plan that includes an access control; the others are in all of them."""


def access_control(endpoint: str) -> str:
    """Return the name of the access control an endpoint needs; empty if that is not known."""
    return next((name for name, endpoints in ACCESS_CONTROLS.items() if endpoint in endpoints), "")


def plans(name: str) -> str:
    """Return which plans include an access control, in words."""
    return f"(in plans from {_FIRST_PLAN.get(name, 'Watt')} on)"
