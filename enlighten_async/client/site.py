"""What only v4 of the API has, beside series: devices, events, EV chargers and settings."""

from __future__ import annotations

from enlighten_async.client.asking import Asking, number
from enlighten_async.models import (
    Alarms,
    BatterySettings,
    ConsumptionMeterReadings,
    Devices,
    EvChargerEvent,
    EvChargerEvents,
    EvChargers,
    EvChargerSchedules,
    EvChargerSession,
    EvChargerSessions,
    Events,
    EventTypes,
    GridStatus,
    LatestTelemetry,
    LoadControl,
    OpenAlarms,
    OpenEvents,
    StorageMeterReadings,
    StormGuard,
    SystemDetails,
)
from enlighten_async.session import Query
from enlighten_async.windows import Moment


class SiteEndpoints(Asking):
    """What v4 of the service can be asked of a system beside its series; v2 raises `NotSupported`.

    Arguments are checked at the call, before anything is sent. Some need an access control that not every
    plan includes: `MissingAccessControl` names it.
    """

    def system(self, system_id: int | str) -> Query[SystemDetails, SystemDetails]:
        """Ask for one system; one request."""
        return self._ask("system", number(system_id))

    def devices(self, system_id: int | str) -> Query[Devices, Devices]:
        """Ask for a system's devices of all kinds; one request."""
        return self._ask("devices", number(system_id))

    def latest_telemetry(self, system_id: int | str) -> Query[LatestTelemetry, LatestTelemetry]:
        """Ask for the last power of meters and batteries, and the state of what else there is; one request.

        What is older than 7 days is null.
        """
        return self._ask("latest_telemetry", number(system_id))

    def consumption_meter_readings(
        self, system_id: int | str, *, end_at: Moment | None = None
    ) -> Query[ConsumptionMeterReadings, ConsumptionMeterReadings]:
        """Ask what a system's meters of consumption showed last, by now or by `end_at`; one request."""
        return self._ask("consumption_meter_readings", number(system_id), end_at=end_at)

    def storage_meter_readings(
        self, system_id: int | str, *, end_at: Moment | None = None
    ) -> Query[StorageMeterReadings, StorageMeterReadings]:
        """Ask what a system's meters of batteries showed last, by now or by `end_at`; one request."""
        return self._ask("storage_meter_readings", number(system_id), end_at=end_at)

    def events(
        self, system_id: int | str, *, start_time: Moment, end_time: Moment | None = None
    ) -> Query[Events, Events]:
        """Ask what happened to a system and its devices; one request per 7 days of the range.

        The service keeps events for 9 months, or for 6 by another of its notes: what is older is a hole in
        the coverage. Streamed, it hands out one part per window, oldest first; an event that reaches over
        several windows may be in each of them.

        Args:
            system_id: the system.
            start_time: start of the range, an aware datetime or epoch seconds.
            end_time: its end; now if not given, or if it is later.
        """
        return self._ask("events", number(system_id), start_time=start_time, end_time=end_time)

    def alarms(
        self,
        system_id: int | str,
        *,
        start_time: Moment,
        end_time: Moment | None = None,
        cleared: bool | None = None,
    ) -> Query[Alarms, Alarms]:
        """Ask what alarms there were; one request per 7 days. Ranges and streams as in `events`.

        Args:
            system_id: the system.
            start_time: start of the range, an aware datetime or epoch seconds.
            end_time: its end; now if not given, or if it is later.
            cleared: `True` asks for alarms that are over, `False` for those that are not, which the
                service also gives by default.
        """
        return self._ask(
            "alarms", number(system_id), start_time=start_time, end_time=end_time, cleared=cleared
        )

    def open_events(self, system_id: int | str) -> Query[OpenEvents, OpenEvents]:
        """Ask for the events of a system that are not over; one request."""
        return self._ask("open_events", number(system_id))

    def open_alarms(self, system_id: int | str) -> Query[OpenAlarms, OpenAlarms]:
        """Ask for the alarms of a system that are not over; one request."""
        return self._ask("open_alarms", number(system_id))

    def event_types(self, event_type_id: int | str | None = None) -> Query[EventTypes, EventTypes]:
        """Ask what kinds of events there are and what to do about them, or for one of them; one request.

        Raises `NotFound` if there is no such kind.
        """
        return self._ask("event_types", event_type_id)

    def ev_charger_devices(self, system_id: int | str) -> Query[EvChargers, EvChargers]:
        """Ask for a system's active EV chargers; one request."""
        return self._ask("ev_charger_devices", number(system_id))

    def ev_charger_events(
        self, system_id: int | str, *, serial_num: str | None = None
    ) -> Query[EvChargerEvent, EvChargerEvents]:
        """Ask what happened to a system's EV chargers, or to one; one request per 100 events.

        Streamed, it hands out one `EvChargerEvent` after another.

        Args:
            system_id: the system.
            serial_num: of the one charger that is meant.
        """
        return self._ask("ev_charger_events", number(system_id), serial_num=serial_num)

    def ev_charger_sessions(
        self, system_id: int | str, serial_number: str
    ) -> Query[EvChargerSession, EvChargerSessions]:
        """Ask how an EV charger charged; one request per 100 sessions.

        Streamed, it hands out one `EvChargerSession` after another.
        """
        return self._ask("ev_charger_sessions", number(system_id), serial_number)

    def ev_charger_schedules(
        self, system_id: int | str, serial_number: str
    ) -> Query[EvChargerSchedules, EvChargerSchedules]:
        """Ask when an EV charger will charge; one request."""
        return self._ask("ev_charger_schedules", number(system_id), serial_number)

    def battery_settings(self, system_id: int | str) -> Query[BatterySettings, BatterySettings]:
        """Ask how a system's batteries are used; one request. Without any, `reason` says so."""
        return self._ask("battery_settings", number(system_id))

    def storm_guard(self, system_id: int | str) -> Query[StormGuard, StormGuard]:
        """Ask whether batteries are filled before storms; one request. Without any, `reason` says so."""
        return self._ask("storm_guard", number(system_id))

    def grid_status(self, system_id: int | str) -> Query[GridStatus, GridStatus]:
        """Ask whether a system is on the grid; one request. Before its first report, `reason` says so."""
        return self._ask("grid_status", number(system_id))

    def load_control(self, system_id: int | str) -> Query[LoadControl, LoadControl]:
        """Ask how the loads of a house are switched; one request."""
        return self._ask("load_control", number(system_id))
