"""Version 4 of the API, by method."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from functools import partial
from typing import ClassVar

from attrs import Factory, field, frozen

from enlighten_async.api import decode
from enlighten_async.api.v4 import daily, devices, events, systems
from enlighten_async.api.v4.errors import explain
from enlighten_async.api.v4.events import (
    ev_charger_devices,
    ev_charger_events,
    ev_charger_schedules,
    ev_charger_sessions,
)
from enlighten_async.api.v4.series import CONSUMPTION_STATS, DEVICES, RGM_STATS, SITE, STATS
from enlighten_async.api.v4.settings import (
    battery_settings,
    grid_status,
    latest_telemetry,
    load_control,
    storm_guard,
)
from enlighten_async.api.v4.systems import (
    consumption_meter_readings,
    production_meter_readings,
    storage_meter_readings,
)
from enlighten_async.errors import EnlightenError
from enlighten_async.limiter import Plan
from enlighten_async.query import Endpoints
from enlighten_async.wire import Request, Requests, Response, never_final

BASE_URL = "https://api.enphaseenergy.com/api/v4"
"""The service's own address."""

PLANS: Mapping[str, Plan] = {
    "Watt": Plan(minute=10, month=1_000, name="Watt"),
    "Kilowatt": Plan(minute=50, month=50_000, name="Kilowatt"),
    "Megawatt": Plan(minute=100, month=300_000, name="Megawatt"),
    "Partner": Plan(minute=300, month=1_500_000, name="Partner"),
}
"""Plans by their names, as the portal showed them in 2026."""


@frozen
class ApiV4:
    """The dialect of version 4.

    Attributes:
        zones: names of systems' time zones, as far as they are known; answers add to them.
        endpoints: what it can be asked, by the names of the client's methods.
    """

    zones: MutableMapping[int, str] = Factory(dict)
    endpoints: Endpoints = field(init=False, repr=False)
    version: ClassVar[str] = "v4"
    plans: ClassVar[Mapping[str, Plan]] = PLANS
    absent: ClassVar[Mapping[str, str]] = {
        "monthly_production": "use energy_lifetime for the energy of days, or production_meter_readings "
        "for what meters read",
    }

    @endpoints.default
    def _endpoints(self) -> Endpoints:
        return {
            "systems": partial(systems.systems, self.zones),
            "system": partial(systems.system, self.zones),
            "search_system_id": systems.search_system_id,
            "summary": systems.summary,
            "stats": partial(STATS.draft, zones=self.zones),
            "rgm_stats": partial(RGM_STATS.draft, zones=self.zones),
            "consumption_stats": partial(CONSUMPTION_STATS.draft, zones=self.zones),
            **self._telemetry(),
            "energy_lifetime": daily.energy_lifetime,
            "consumption_lifetime": daily.consumption_lifetime,
            "battery_lifetime": daily.battery_lifetime,
            "energy_import_lifetime": daily.energy_import_lifetime,
            "energy_export_lifetime": daily.energy_export_lifetime,
            "devices": devices.devices,
            "evse_lifetime": daily.evse_lifetime,
            "hp_lifetime": daily.hp_lifetime,
            "ev_charger_lifetime": daily.ev_charger_lifetime,
            "envoys": devices.envoys,
            "inventory": devices.inventory,
            "inverters_summary_by_envoy_or_site": devices.inverters_summary_by_envoy_or_site,
            "production_meter_readings": production_meter_readings,
            "consumption_meter_readings": consumption_meter_readings,
            "storage_meter_readings": storage_meter_readings,
            "latest_telemetry": latest_telemetry,
            "events": events.events,
            "alarms": events.alarms,
            "open_events": events.open_events,
            "open_alarms": events.open_alarms,
            "event_types": events.event_types,
            "ev_charger_devices": ev_charger_devices,
            "ev_charger_events": ev_charger_events,
            "ev_charger_sessions": ev_charger_sessions,
            "ev_charger_schedules": ev_charger_schedules,
            "battery_settings": battery_settings,
            "storm_guard": storm_guard,
            "grid_status": grid_status,
            "load_control": load_control,
        }

    def _telemetry(self) -> Endpoints:
        """Return the series that only this version has."""
        return {kind.endpoint.name: partial(kind.draft, zones=self.zones) for kind in (*SITE, *DEVICES)}

    def explain(self, response: Response, endpoint: str) -> EnlightenError | None:
        """Return what an answer means if it is not data, else `None`."""
        return explain(response, endpoint)

    def time_zone(self, system_id: int) -> Requests[str]:
        """Ask for the name of a system's time zone."""

        def named(response: Response) -> str:
            found = systems.details(response)
            if found.system_id == system_id and found.timezone:
                return found.timezone
            raise decode.zone_unknown(system_id, response)

        yield Request("system", f"/systems/{system_id}", (), named, valid_until=never_final)
