"""The methods of the client that only v4 of the API has, each of which returns a `Query`."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, NoReturn, Unpack, cast

from enlighten_async import models
from enlighten_async.api.ranges import DayRange, TimeRange
from enlighten_async.client.endpoints import QueryMethods, parse_system_id
from enlighten_async.errors import NotSupported
from enlighten_async.query import Query
from enlighten_async.windows import Moment

if TYPE_CHECKING:
    from enlighten_async.api.v4 import ApiV4


class _NoApiV4:
    """The stand-in for v4 on a client of v2: it has none of the methods."""

    def __getattr__(self, name: str) -> NoReturn:
        raise NotSupported(f"only v4 of the API has {name}: connect with EnlightenClient.v4(...)")


class EndpointsV4(QueryMethods):
    """Queries that only v4 of the service answers; on a client of v2 they raise `NotSupported`.

    Arguments are checked at the call, before anything is sent. Some queries need an access control that not
    every plan includes: `MissingAccessControl` names it. Energies are in Wh, powers in W, states of charge
    in percent.

    Series take ranges of any length as `stats` does: `start_at` and `end_at` (instants), or `start_date` and
    `end_date` (local days, both included), or none for the system's own today so far; the service keeps two
    years. Lifetimes take local days as `energy_lifetime` does. If the system has no such device (batteries,
    meters), the answer has no rows, and a reason.

    A `serial_number` is a text, as it stands on the device; one that the system does not have raises
    `NotFound`. Most queries about single devices take an access control which the free plan lacks.
    """

    @property
    def _v4(self) -> ApiV4:
        """The API, where it is v4; else what refuses each of its methods."""
        return cast("ApiV4", self._api if self._api.version == "v4" else _NoApiV4())

    def system(self, system_id: int | str) -> Query[models.SystemDetails, models.SystemDetails]:
        """Ask for one system; one request.

        Args:
            system_id: the service's number of the system, as a number or a text.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.system(parse_system_id(system_id)))

    def devices(self, system_id: int | str) -> Query[models.Devices, models.Devices]:
        """Ask for a system's devices of all kinds; one request.

        Args:
            system_id: the service's number of the system, as a number or a text.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.devices(parse_system_id(system_id)))

    def latest_telemetry(self, system_id: int | str) -> Query[models.LatestTelemetry, models.LatestTelemetry]:
        """Ask for the last power of meters and batteries, and the state of other devices; one request.

        Values older than 7 days are null.

        Args:
            system_id: the service's number of the system, as a number or a text.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.latest_telemetry(parse_system_id(system_id)))

    def consumption_meter_readings(
        self, system_id: int | str, *, end_at: Moment | None = None
    ) -> Query[models.ConsumptionMeterReadings, models.ConsumptionMeterReadings]:
        """Ask for the last readings of a system's consumption meters, Wh; one request.

        Args:
            system_id: the service's number of the system, as a number or a text.
            end_at: the moment by which the readings were taken, an aware datetime or epoch seconds; now if
                not given.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.consumption_meter_readings(parse_system_id(system_id), end_at))

    def storage_meter_readings(
        self, system_id: int | str, *, end_at: Moment | None = None
    ) -> Query[models.StorageMeterReadings, models.StorageMeterReadings]:
        """Ask for the last readings of the meters of batteries, Wh; one request.

        Args:
            system_id: the service's number of the system, as a number or a text.
            end_at: the moment by which the readings were taken, an aware datetime or epoch seconds; now if
                not given.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.storage_meter_readings(parse_system_id(system_id), end_at))

    def events(
        self, system_id: int | str, *, start_time: Moment, end_time: Moment | None = None
    ) -> Query[models.Events, models.Events]:
        """Ask for the events of a system and its devices; one request per 7 days of the range.

        The service documents that it keeps events for 9 months, elsewhere for 6: what is older is a gap in
        the coverage. An event that reaches over several windows may be in each of them. Streamed, it hands
        out one part per window, oldest first.

        Args:
            system_id: the service's number of the system, as a number or a text.
            start_time: start of the range, an aware datetime or epoch seconds.
            end_time: its end; now if not given, or if it is later.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        plan = self._v4.events(parse_system_id(system_id), start_time=start_time, end_time=end_time)
        return self._query(plan)

    def alarms(
        self,
        system_id: int | str,
        *,
        start_time: Moment,
        end_time: Moment | None = None,
        cleared: bool | None = None,
    ) -> Query[models.Alarms, models.Alarms]:
        """Ask for the alarms of a system; one request per 7 days. Ranges and streams as in `events`.

        Args:
            system_id: the service's number of the system, as a number or a text.
            start_time: start of the range, an aware datetime or epoch seconds.
            end_time: its end; now if not given, or if it is later.
            cleared: `True` asks for alarms that are over, `False` for those that are not, which the service
                also gives by default.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        plan = self._v4.alarms(
            parse_system_id(system_id), start_time=start_time, end_time=end_time, cleared=cleared
        )
        return self._query(plan)

    def open_events(self, system_id: int | str) -> Query[models.OpenEvents, models.OpenEvents]:
        """Ask for the events of a system that are not over; one request.

        Args:
            system_id: the service's number of the system, as a number or a text.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.open_events(parse_system_id(system_id)))

    def open_alarms(self, system_id: int | str) -> Query[models.OpenAlarms, models.OpenAlarms]:
        """Ask for the alarms of a system that are not over; one request.

        Args:
            system_id: the service's number of the system, as a number or a text.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.open_alarms(parse_system_id(system_id)))

    def event_types(
        self, event_type_id: int | str | None = None
    ) -> Query[models.EventTypes, models.EventTypes]:
        """Ask for all types of events and the advice on them, or for one of them; one request.

        Args:
            event_type_id: number of one type; by default all types.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            NotFound: awaited: there is no such type.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.event_types(event_type_id))

    def ev_charger_devices(self, system_id: int | str) -> Query[models.EvChargers, models.EvChargers]:
        """Ask for a system's active EV chargers; one request.

        Args:
            system_id: the service's number of the system, as a number or a text.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.ev_charger_devices(parse_system_id(system_id)))

    def ev_charger_events(
        self, system_id: int | str, *, serial_num: str | None = None
    ) -> Query[models.EvChargerEvent, models.EvChargerEvents]:
        """Ask for the events of a system's EV chargers, or of one; one request per 100 events.

        Streamed, it hands out one `EvChargerEvent` after another.

        Args:
            system_id: the service's number of the system, as a number or a text.
            serial_num: serial number of one charger, as a text; by default all chargers.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            NotFound: awaited: the system has no such device, or there is no such system.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.ev_charger_events(parse_system_id(system_id), serial_num=serial_num))

    def ev_charger_sessions(
        self, system_id: int | str, serial_number: str
    ) -> Query[models.EvChargerSession, models.EvChargerSessions]:
        """Ask for the charging sessions of an EV charger; one request per 100 sessions.

        Streamed, it hands out one `EvChargerSession` after another.

        Args:
            system_id: the service's number of the system, as a number or a text.
            serial_number: serial number of the charger, as a text.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            NotFound: awaited: the system has no such device, or there is no such system.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.ev_charger_sessions(parse_system_id(system_id), serial_number))

    def ev_charger_schedules(
        self, system_id: int | str, serial_number: str
    ) -> Query[models.EvChargerSchedules, models.EvChargerSchedules]:
        """Ask for the charging schedules of an EV charger; one request.

        Args:
            system_id: the service's number of the system, as a number or a text.
            serial_number: serial number of the charger, as a text.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            NotFound: awaited: the system has no such device, or there is no such system.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.ev_charger_schedules(parse_system_id(system_id), serial_number))

    def battery_settings(self, system_id: int | str) -> Query[models.BatterySettings, models.BatterySettings]:
        """Ask for the settings of a system's batteries; one request. Without batteries, `reason` says so.

        Args:
            system_id: the service's number of the system, as a number or a text.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            MissingAccessControl: awaited: the plan or the application lacks "System Configurations", which
                plans from Megawatt on include.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.battery_settings(parse_system_id(system_id)))

    def storm_guard(self, system_id: int | str) -> Query[models.StormGuard, models.StormGuard]:
        """Ask whether batteries are filled before storms; one request. Without batteries, `reason` says so.

        Args:
            system_id: the service's number of the system, as a number or a text.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            MissingAccessControl: awaited: the plan or the application lacks "System Configurations", which
                plans from Megawatt on include.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.storm_guard(parse_system_id(system_id)))

    def grid_status(self, system_id: int | str) -> Query[models.GridStatus, models.GridStatus]:
        """Ask whether a system is on the grid; one request. Before its first report, `reason` says so.

        Args:
            system_id: the service's number of the system, as a number or a text.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            MissingAccessControl: awaited: the plan or the application lacks "System Configurations", which
                plans from Megawatt on include.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.grid_status(parse_system_id(system_id)))

    def load_control(self, system_id: int | str) -> Query[models.LoadControl, models.LoadControl]:
        """Ask for the settings of a house's loads; one request.

        Args:
            system_id: the service's number of the system, as a number or a text.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            MissingAccessControl: awaited: the plan or the application lacks "System Configurations", which
                plans from Megawatt on include.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.load_control(parse_system_id(system_id)))

    def production_meter(
        self, system_id: int | str, **range_: Unpack[TimeRange]
    ) -> Query[models.ProductionMeter, models.ProductionMeter]:
        """Ask for the 15-minute intervals of a system's production meters, Wh; one request per 7 days.

        Args:
            system_id: the service's number of the system, as a number or a text.
            range_: start_at and end_at (instants), or start_date and end_date (local days of the system, both
                included): see `TimeRange`. Without any: the system's own today, so far.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.production_meter(parse_system_id(system_id), **range_))

    def battery(
        self, system_id: int | str, **range_: Unpack[TimeRange]
    ) -> Query[models.Battery, models.Battery]:
        """Ask for the energy that all batteries took in and gave, and their state of charge, by 15 minutes.

        One request per 7 days; without a battery the answer is empty, with the reason `no_device`.

        Args:
            system_id: the service's number of the system, as a number or a text.
            range_: start_at and end_at (instants), or start_date and end_date (local days of the system, both
                included): see `TimeRange`. Without any: the system's own today, so far.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.battery(parse_system_id(system_id), **range_))

    def energy_import_telemetry(
        self, system_id: int | str, **range_: Unpack[TimeRange]
    ) -> Query[models.EnergyImportTelemetry, models.EnergyImportTelemetry]:
        """Ask for the energy drawn from the grid, Wh by 15 minutes; one request per 7 days.

        The service computes it from production and consumption, so that the system needs meters of both.

        Args:
            system_id: the service's number of the system, as a number or a text.
            range_: start_at and end_at (instants), or start_date and end_date (local days of the system, both
                included): see `TimeRange`. Without any: the system's own today, so far.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.energy_import_telemetry(parse_system_id(system_id), **range_))

    def energy_export_telemetry(
        self, system_id: int | str, **range_: Unpack[TimeRange]
    ) -> Query[models.EnergyExportTelemetry, models.EnergyExportTelemetry]:
        """Ask for the energy fed into the grid, Wh by 15 minutes; as `energy_import_telemetry`.

        Args:
            system_id: the service's number of the system, as a number or a text.
            range_: start_at and end_at (instants), or start_date and end_date (local days of the system, both
                included): see `TimeRange`. Without any: the system's own today, so far.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.energy_export_telemetry(parse_system_id(system_id), **range_))

    def micros_telemetry(
        self, system_id: int | str, **range_: Unpack[TimeRange]
    ) -> Query[models.MicrosTelemetry, models.MicrosTelemetry]:
        """Ask for the power and energy of each of a system's microinverters, W and Wh by 5 minutes.

        One request per 7 days and 20 microinverters, so that only the service knows how many it takes. At
        night there are no rows. Streamed, it hands out parts of up to 20 microinverters, week after
        week.

        Args:
            system_id: the service's number of the system, as a number or a text.
            range_: start_at and end_at (instants), or start_date and end_date (local days of the system, both
                included): see `TimeRange`. Without any: the system's own today, so far.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            MissingAccessControl: awaited: the plan or the application lacks "Device Level Production
                Monitoring", which plans from Kilowatt on include.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.micros_telemetry(parse_system_id(system_id), **range_))

    def micro_telemetry(
        self, system_id: int | str, serial_number: str, **range_: Unpack[TimeRange]
    ) -> Query[models.MicroTelemetry, models.MicroTelemetry]:
        """Ask for the power and energy of one microinverter, W and Wh by 5 minutes; one request per 7 days.

        Args:
            system_id: the service's number of the system, as a number or a text.
            serial_number: serial number of the microinverter, as a text.
            range_: start_at and end_at (instants), or start_date and end_date (local days of the system, both
                included): see `TimeRange`. Without any: the system's own today, so far.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            NotFound: awaited: the system has no such device, or there is no such system.
            MissingAccessControl: awaited: the plan or the application lacks "Device Level Production
                Monitoring", which plans from Kilowatt on include.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.micro_telemetry(parse_system_id(system_id), serial_number, **range_))

    def encharge_telemetry(
        self, system_id: int | str, serial_number: str, **range_: Unpack[TimeRange]
    ) -> Query[models.StorageTelemetry, models.StorageTelemetry]:
        """Ask for the energy that one Encharge took in and gave, Wh, and its state of charge, by 15 minutes.

        One request per 7 days.

        Args:
            system_id: the service's number of the system, as a number or a text.
            serial_number: serial number of the Encharge, as a text.
            range_: start_at and end_at (instants), or start_date and end_date (local days of the system, both
                included): see `TimeRange`. Without any: the system's own today, so far.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            NotFound: awaited: the system has no such device, or there is no such system.
            MissingAccessControl: awaited: the plan or the application lacks "Device Level Production
                Monitoring", which plans from Kilowatt on include.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.encharge_telemetry(parse_system_id(system_id), serial_number, **range_))

    def acb_telemetry(
        self, system_id: int | str, serial_number: str, **range_: Unpack[TimeRange]
    ) -> Query[models.StorageTelemetry, models.StorageTelemetry]:
        """Ask for the energy that one AC Battery took in and gave; as `encharge_telemetry`.

        Today's documentation of the service no longer has it.

        Args:
            system_id: the service's number of the system, as a number or a text.
            serial_number: serial number of the AC Battery, as a text.
            range_: start_at and end_at (instants), or start_date and end_date (local days of the system, both
                included): see `TimeRange`. Without any: the system's own today, so far.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            NotFound: awaited: the system has no such device, or there is no such system.
            MissingAccessControl: awaited: the plan or the application lacks "Device Level Production
                Monitoring", which plans from Kilowatt on include.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.acb_telemetry(parse_system_id(system_id), serial_number, **range_))

    def evse_telemetry(
        self, system_id: int | str, serial_number: str, **range_: Unpack[TimeRange]
    ) -> Query[models.EvseTelemetry, models.EvseTelemetry]:
        """Ask for the energy that one EV charger consumed, Wh by 5 or by 15 minutes as it reports.

        One request per 7 days. Values are negative where the car gave more than it took. Ranges are floored
        to 15 minutes.

        Args:
            system_id: the service's number of the system, as a number or a text.
            serial_number: serial number of the charger, as a text.
            range_: start_at and end_at (instants), or start_date and end_date (local days of the system, both
                included): see `TimeRange`. Without any: the system's own today, so far.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            NotFound: awaited: the system has no such device, or there is no such system.
            MissingAccessControl: awaited: the plan or the application lacks "Device Level Production
                Monitoring", which plans from Kilowatt on include.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.evse_telemetry(parse_system_id(system_id), serial_number, **range_))

    def hp_telemetry(
        self, system_id: int | str, **range_: Unpack[TimeRange]
    ) -> Query[models.HpTelemetry, models.HpTelemetry]:
        """Ask for the energy that a heat pump consumed, Wh by 5 or by 15 minutes; as `evse_telemetry`.

        Args:
            system_id: the service's number of the system, as a number or a text.
            range_: start_at and end_at (instants), or start_date and end_date (local days of the system, both
                included): see `TimeRange`. Without any: the system's own today, so far.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            MissingAccessControl: awaited: the plan or the application lacks "Device Level Production
                Monitoring", which plans from Kilowatt on include.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.hp_telemetry(parse_system_id(system_id), **range_))

    def ev_charger_telemetry(
        self, system_id: int | str, serial_number: str, **range_: Unpack[TimeRange]
    ) -> Query[models.EvChargerTelemetry, models.EvChargerTelemetry]:
        """Ask for the energy that one of Enphase's EV chargers consumed, Wh by 15 minutes.

        One request per 7 days. Without a range it needs the system's time zone, as local days do: the
        service itself would answer for yesterday.

        Args:
            system_id: the service's number of the system, as a number or a text.
            serial_number: serial number of the charger, as a text.
            range_: start_at and end_at (instants), or start_date and end_date (local days of the system, both
                included): see `TimeRange`. Without any: the system's own today, so far.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            NotFound: awaited: the system has no such device, or there is no such system.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.ev_charger_telemetry(parse_system_id(system_id), serial_number, **range_))

    def battery_lifetime(
        self, system_id: int | str, **days: Unpack[DayRange]
    ) -> Query[models.BatteryLifetime, models.BatteryLifetime]:
        """Ask for the energy that all batteries took in and gave on each local day, Wh; one request.

        Args:
            system_id: the service's number of the system, as a number or a text.
            days: start_date and end_date, local days of the system, both included: see `DayRange`. Without
                any: its whole life, until yesterday.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.battery_lifetime(parse_system_id(system_id), **days))

    def energy_import_lifetime(
        self, system_id: int | str, **days: Unpack[DayRange]
    ) -> Query[models.EnergyImportLifetime, models.EnergyImportLifetime]:
        """Ask for the energy drawn from the grid on each local day, Wh; one request.

        Args:
            system_id: the service's number of the system, as a number or a text.
            days: start_date and end_date, local days of the system, both included: see `DayRange`. Without
                any: its whole life, until yesterday.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.energy_import_lifetime(parse_system_id(system_id), **days))

    def energy_export_lifetime(
        self, system_id: int | str, **days: Unpack[DayRange]
    ) -> Query[models.EnergyExportLifetime, models.EnergyExportLifetime]:
        """Ask for the energy fed into the grid on each local day, Wh; one request.

        Args:
            system_id: the service's number of the system, as a number or a text.
            days: start_date and end_date, local days of the system, both included: see `DayRange`. Without
                any: its whole life, until yesterday.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.energy_export_lifetime(parse_system_id(system_id), **days))

    def hp_lifetime(
        self, system_id: int | str, **days: Unpack[DayRange]
    ) -> Query[models.HpLifetime, models.HpLifetime]:
        """Ask for the energy that a system's heat pump consumed on each local day, Wh; one request.

        Args:
            system_id: the service's number of the system, as a number or a text.
            days: start_date and end_date, local days of the system, both included: see `DayRange`. Without
                any: its whole life, until yesterday.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            MissingAccessControl: awaited: the plan or the application lacks "Device Level Production
                Monitoring", which plans from Kilowatt on include.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.hp_lifetime(parse_system_id(system_id), **days))

    def evse_lifetime(
        self, system_id: int | str, serial_number: str, **days: Unpack[DayRange]
    ) -> Query[models.EvseLifetime, models.EvseLifetime]:
        """Ask for the energy that one EV charger consumed on each local day, Wh; one request.

        Args:
            system_id: the service's number of the system, as a number or a text.
            serial_number: serial number of the charger, as a text.
            days: start_date and end_date, local days of the system, both included: see `DayRange`. Without
                any: its whole life, until yesterday.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            NotFound: awaited: the system has no such device, or there is no such system.
            MissingAccessControl: awaited: the plan or the application lacks "Device Level Production
                Monitoring", which plans from Kilowatt on include.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        return self._query(self._v4.evse_lifetime(parse_system_id(system_id), serial_number, **days))

    def ev_charger_lifetime(
        self, system_id: int | str, serial_number: str, *, start_date: date, end_date: date | None = None
    ) -> Query[models.EvChargerLifetime, models.EvChargerLifetime]:
        """Ask for the energy that Enphase's EV charger consumed on each local day, Wh; one request.

        Args:
            system_id: the service's number of the system, as a number or a text.
            serial_number: serial number of the charger, as a text.
            start_date: first local day.
            end_date: last local day, included; by default yesterday.

        Raises:
            InputError: at the call: an argument is wrong.
            NotSupported: at the call: the client is one for v2.
            NotFound: awaited: the system has no such device, or there is no such system.
            EnlightenError: awaited: one of those that `Query` lists.
        """
        plan = self._v4.ev_charger_lifetime(
            parse_system_id(system_id), serial_number, start_date=start_date, end_date=end_date
        )
        return self._query(plan)
