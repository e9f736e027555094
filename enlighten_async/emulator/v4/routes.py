"""Which path of v4 is answered by what, what it takes to read it, and how it refuses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from attrs import field, frozen

from enlighten_async.emulator.messages import JSON_TYPE
from enlighten_async.emulator.v4 import (
    chargers,
    daily,
    devices,
    events,
    grid,
    settings,
    single,
    storage,
    systems,
    telemetry,
)
from enlighten_async.emulator.v4.apps import CONFIGURATIONS, CONSUMPTION, DETAILS, DEVICES, EV, PRODUCTION
from enlighten_async.emulator.v4.refusals import BYTES_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable

    from enlighten_async.emulator.messages import Answer, Call
    from enlighten_async.emulator.plant.system import System
    from enlighten_async.emulator.v4.api import ApiV4
    from enlighten_async.emulator.v4.refusals import RefusedError

ROOT = "/api/v4/systems"


@frozen
class Asked:
    """A request that has passed all checks but those of its parameters.

    Attributes:
        call: the request.
        owned: all systems of its user.
        serial: the serial number in its path.
    """

    call: Call
    owned: list[System]
    _system: System | None
    serial: str

    @property
    def system(self) -> System:
        """The system in the path; LookupError if the path has none."""
        if self._system is None:
            raise LookupError("no system in this path")
        return self._system

    def get(self, name: str) -> str:
        """Return the last value of a parameter; empty if there is none."""
        return self.call.get(name)


Endpoint: TypeAlias = "Callable[[ApiV4, Asked], object]"


@frozen
class Route:
    """One operation.

    Attributes:
        path: below `/api/v4/systems`; `{id}` and `{serial}` stand for one part each.
        endpoint: what answers it.
        access: the access control it needs.
        long: whether a refusal for the quota tells the window and the limit.
        method: the only method it knows.
        ev: whether it belongs to the chargers, which have envelopes and a media type of their own.
        lists: whether it lists what was wrong with a request.
        not_found: the message of a 404, where it is not the usual one.
    """

    path: str
    endpoint: Endpoint
    access: str
    long: bool = field(kw_only=True, default=True)
    method: str = field(kw_only=True, default="GET")
    ev: bool = field(kw_only=True, default=False)
    lists: bool = field(kw_only=True, default=False)
    not_found: str | None = field(kw_only=True, default=None)
    pattern: re.Pattern[str] = field(init=False)

    @pattern.default
    def _compile(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", ROOT + self.path))

    @property
    def media(self) -> str:
        """The media type of its answers."""
        return BYTES_TYPE if self.ev else JSON_TYPE

    def refuse(self, refused: RefusedError) -> Answer:
        """Return a refusal the way this operation puts it."""
        if self.not_found is not None and refused.status == 404:
            refused.message = self.not_found
        return refused.ev_answer(listed=self.lists) if self.ev else refused.answer()


def find_route(call: Call) -> tuple[Route | None, dict[str, str]]:
    """Return what a request's path leads to, and the parts of it that have names."""
    path = call.path.rstrip("/")
    for route in ROUTES:
        if found := route.pattern.fullmatch(path):
            return route, found.groupdict()
    return None, {}


ROUTES: tuple[Route, ...] = (
    Route("", systems.listed, DETAILS, long=False),
    Route("/search", systems.search, DETAILS, long=False, method="POST"),
    Route("/retrieve_system_id", systems.retrieve_system_id, DETAILS),
    Route("/inverters_summary_by_envoy_or_site", devices.inverters_summary, DETAILS),
    Route("/event_types", events.kinds, DETAILS, long=False),
    Route("/{id}", systems.one, DETAILS, long=False),
    Route("/{id}/summary", systems.summarized, DETAILS),
    Route("/{id}/devices", devices.listed, DETAILS, long=False),
    Route("/{id}/events", events.events, DETAILS, long=False),
    Route("/{id}/alarms", events.alarms, DETAILS, long=False),
    Route("/{id}/open_events", events.open_events, DETAILS, long=False),
    Route("/{id}/open_alarms", events.open_alarms, DETAILS, long=False),
    Route("/{id}/rgm_stats", telemetry.rgm_stats, PRODUCTION),
    Route("/{id}/telemetry/production_micro", telemetry.production_micro, PRODUCTION),
    Route("/{id}/telemetry/production_meter", telemetry.production_meter, PRODUCTION),
    Route("/{id}/telemetry/consumption_meter", telemetry.consumption_meter, CONSUMPTION),
    Route("/{id}/energy_lifetime", daily.energy_lifetime, PRODUCTION),
    Route("/{id}/consumption_lifetime", daily.consumption_lifetime, CONSUMPTION, long=False),
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
        storage.storage_meter_readings,
        CONSUMPTION,
        not_found="Not Authorized",
    ),
    Route("/{id}/telemetry/battery", storage.battery, CONSUMPTION),
    Route("/{id}/battery_lifetime", storage.battery_lifetime, CONSUMPTION, long=False),
    Route("/{id}/energy_import_telemetry", grid.energy_import_telemetry, CONSUMPTION, long=False),
    Route("/{id}/energy_export_telemetry", grid.energy_export_telemetry, CONSUMPTION, long=False),
    Route("/{id}/energy_import_lifetime", grid.energy_import_lifetime, CONSUMPTION, long=False),
    Route("/{id}/energy_export_lifetime", grid.energy_export_lifetime, CONSUMPTION, long=False),
    Route("/{id}/latest_telemetry", settings.latest_telemetry, CONSUMPTION, long=False),
    Route("/config/{id}/battery_settings", settings.battery_settings, CONFIGURATIONS),
    Route("/config/{id}/storm_guard", settings.storm_guard, CONFIGURATIONS),
    Route("/config/{id}/load_control", settings.load_control, CONFIGURATIONS),
    Route("/config/{id}/grid_status", settings.grid_status, CONFIGURATIONS, long=False),
    Route("/{id}/devices/micros/telemetry", single.micros, DEVICES, long=False),
    Route("/{id}/devices/micros/{serial}/telemetry", single.micro, DEVICES),
    Route("/{id}/devices/encharges/{serial}/telemetry", storage.encharge, DEVICES),
    Route("/{id}/devices/acbs/{serial}/telemetry", storage.acb, DEVICES),
    Route("/{id}/hp_telemetry", single.hp_telemetry, DEVICES),
    Route("/{id}/hp_lifetime", single.hp_lifetime, DEVICES),
    Route("/{id}/ev_charger/devices", chargers.devices, EV, ev=True),
    Route("/{id}/ev_charger/events", chargers.events, EV, ev=True, lists=True),
    Route("/{id}/ev_charger/{serial}/sessions", chargers.sessions, EV, ev=True, lists=True),
    Route("/{id}/ev_charger/{serial}/schedules", chargers.schedules, EV, ev=True),
    Route("/{id}/ev_charger/{serial}/lifetime", chargers.lifetime, EV, ev=True, lists=True),
    Route("/{id}/ev_charger/{serial}/telemetry", chargers.telemetry, EV, ev=True, lists=True),
    Route("/{id}/{serial}/evse_telemetry", single.evse_telemetry, DEVICES),
    Route("/{id}/{serial}/evse_lifetime", single.evse_lifetime, DEVICES),
)
"""The first that fits is taken: paths without a system come before the system's own."""
