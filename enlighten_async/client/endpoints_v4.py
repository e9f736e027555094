"""The methods that only v4 of the API has, each of which returns a `Query`."""

from __future__ import annotations

from datetime import date

from enlighten_async.client.endpoints import Asking, number
from enlighten_async.models import (
    Alarms,
    Battery,
    BatteryLifetime,
    BatterySettings,
    ConsumptionMeterReadings,
    Devices,
    EnergyExportLifetime,
    EnergyExportTelemetry,
    EnergyImportLifetime,
    EnergyImportTelemetry,
    EvChargerEvent,
    EvChargerEvents,
    EvChargerLifetime,
    EvChargers,
    EvChargerSchedules,
    EvChargerSession,
    EvChargerSessions,
    EvChargerTelemetry,
    Events,
    EventTypes,
    EvseLifetime,
    EvseTelemetry,
    GridStatus,
    HpLifetime,
    HpTelemetry,
    LatestTelemetry,
    LoadControl,
    MicrosTelemetry,
    MicroTelemetry,
    OpenAlarms,
    OpenEvents,
    ProductionMeter,
    StorageMeterReadings,
    StorageTelemetry,
    StormGuard,
    SystemDetails,
)
from enlighten_async.query import Query
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

        The service keeps events for 9 months, or for 6 by another of its notes: what is older is a gap in
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


class DeviceTelemetryEndpoints(Asking):
    """What v4 can be asked of single devices over a range of time.

    Ranges and days are given as in `TelemetryEndpoints`. A `serial_number` is a text, as it stands on the
    device; one that the system does not have raises `NotFound`. Most of it takes an access control which
    the free plan lacks: without it, it is a `MissingAccessControl`.
    """

    def micros_telemetry(
        self,
        system_id: int | str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[MicrosTelemetry, MicrosTelemetry]:
        """Ask what each of a system's microinverters made: W and Wh by 5 minutes, and nothing at night.

        One request per 7 days and 20 microinverters, so that only the service knows how many it takes.
        Streamed, it hands out parts that hold 20 of them at most, a week after another.
        """
        return self._ask(
            "micros_telemetry",
            number(system_id),
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def micro_telemetry(
        self,
        system_id: int | str,
        serial_number: str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[MicroTelemetry, MicroTelemetry]:
        """Ask what one microinverter made, W and Wh by 5 minutes; one request per 7 days."""
        return self._ask(
            "micro_telemetry",
            number(system_id),
            serial_number,
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def encharge_telemetry(
        self,
        system_id: int | str,
        serial_number: str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[StorageTelemetry, StorageTelemetry]:
        """Ask what one Encharge took in and gave, Wh, and its state of charge, by 15 minutes.

        One request per 7 days.
        """
        return self._ask(
            "encharge_telemetry",
            number(system_id),
            serial_number,
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def acb_telemetry(
        self,
        system_id: int | str,
        serial_number: str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[StorageTelemetry, StorageTelemetry]:
        """Ask what one AC Battery took in and gave; as `encharge_telemetry`.

        Today's documentation of the service no longer has it.
        """
        return self._ask(
            "acb_telemetry",
            number(system_id),
            serial_number,
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def evse_telemetry(
        self,
        system_id: int | str,
        serial_number: str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[EvseTelemetry, EvseTelemetry]:
        """Ask what one charger of cars used, Wh by 5 or by 15 minutes as it reports; one request per 7 days.

        Values are negative where the car gave more than it took. Ranges are floored to 15 minutes.
        """
        return self._ask(
            "evse_telemetry",
            number(system_id),
            serial_number,
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def hp_telemetry(
        self,
        system_id: int | str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[HpTelemetry, HpTelemetry]:
        """Ask what a system's heat pump used, Wh by 5 or by 15 minutes; as `evse_telemetry`."""
        return self._ask(
            "hp_telemetry",
            number(system_id),
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def ev_charger_telemetry(
        self,
        system_id: int | str,
        serial_number: str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[EvChargerTelemetry, EvChargerTelemetry]:
        """Ask what one of Enphase's chargers of cars used, Wh by 15 minutes; one request per 7 days.

        Without a range it needs the system's time zone, as local days do: the service itself would answer for
        yesterday.
        """
        return self._ask(
            "ev_charger_telemetry",
            number(system_id),
            serial_number,
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def evse_lifetime(
        self,
        system_id: int | str,
        serial_number: str,
        *,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[EvseLifetime, EvseLifetime]:
        """Ask what one charger of cars used on each local day, Wh; one request."""
        return self._ask(
            "evse_lifetime", number(system_id), serial_number, start_date=start_date, end_date=end_date
        )

    def hp_lifetime(
        self, system_id: int | str, *, start_date: date | None = None, end_date: date | None = None
    ) -> Query[HpLifetime, HpLifetime]:
        """Ask what a system's heat pump used on each local day, Wh; one request."""
        return self._ask("hp_lifetime", number(system_id), start_date=start_date, end_date=end_date)

    def ev_charger_lifetime(
        self, system_id: int | str, serial_number: str, *, start_date: date, end_date: date | None = None
    ) -> Query[EvChargerLifetime, EvChargerLifetime]:
        """Ask what one of Enphase's chargers of cars used on each local day, Wh; one request.

        Args:
            system_id: the system.
            serial_number: the charger.
            start_date: first day.
            end_date: last day, included; by default yesterday.
        """
        return self._ask(
            "ev_charger_lifetime", number(system_id), serial_number, start_date=start_date, end_date=end_date
        )


class TelemetryEndpoints(DeviceTelemetryEndpoints):
    """What v4 can be asked over a range of time, beside what both versions can.

    Series take ranges of any length as `stats` does: `start_at` and `end_at`, or `start_date` and
    `end_date`, or none for the system's own today so far; the service keeps two years. Lifetimes take local
    days as `energy_lifetime` does. Energies are in Wh, powers in W, states of charge in percent.

    What the system has none of (batteries, meters) is an answer without rows, with a reason. A client of v2
    raises `NotSupported`.
    """

    def production_meter(
        self,
        system_id: int | str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[ProductionMeter, ProductionMeter]:
        """Ask what a system's production meters delivered, Wh by 15 minutes; one request per 7 days."""
        return self._ask(
            "production_meter",
            number(system_id),
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def battery(
        self,
        system_id: int | str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[Battery, Battery]:
        """Ask what all batteries of a system took in and gave, Wh, and their state of charge, by 15 minutes.

        One request per 7 days; without a battery the answer is empty, with the reason `no_device`.
        """
        return self._ask(
            "battery",
            number(system_id),
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def energy_import_telemetry(
        self,
        system_id: int | str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[EnergyImportTelemetry, EnergyImportTelemetry]:
        """Ask what a site drew from the grid, Wh by 15 minutes; one request per 7 days.

        It is worked out by the service from production and consumption: it takes meters of both.
        """
        return self._ask(
            "energy_import_telemetry",
            number(system_id),
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def energy_export_telemetry(
        self,
        system_id: int | str,
        *,
        start_at: Moment | None = None,
        end_at: Moment | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Query[EnergyExportTelemetry, EnergyExportTelemetry]:
        """Ask what a site fed into the grid, Wh by 15 minutes; as `energy_import_telemetry`."""
        return self._ask(
            "energy_export_telemetry",
            number(system_id),
            start_at=start_at,
            end_at=end_at,
            start_date=start_date,
            end_date=end_date,
        )

    def battery_lifetime(
        self, system_id: int | str, *, start_date: date | None = None, end_date: date | None = None
    ) -> Query[BatteryLifetime, BatteryLifetime]:
        """Ask what all batteries took in and gave on each local day, Wh; one request."""
        return self._ask("battery_lifetime", number(system_id), start_date=start_date, end_date=end_date)

    def energy_import_lifetime(
        self, system_id: int | str, *, start_date: date | None = None, end_date: date | None = None
    ) -> Query[EnergyImportLifetime, EnergyImportLifetime]:
        """Ask what a site drew from the grid on each local day, Wh; one request."""
        return self._ask(
            "energy_import_lifetime", number(system_id), start_date=start_date, end_date=end_date
        )

    def energy_export_lifetime(
        self, system_id: int | str, *, start_date: date | None = None, end_date: date | None = None
    ) -> Query[EnergyExportLifetime, EnergyExportLifetime]:
        """Ask what a site fed into the grid on each local day, Wh; one request."""
        return self._ask(
            "energy_export_lifetime", number(system_id), start_date=start_date, end_date=end_date
        )
