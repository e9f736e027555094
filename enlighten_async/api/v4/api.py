"""Version 4 of the API: its methods and its tariffs."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from datetime import date
from functools import partial
from typing import ClassVar, Literal, Unpack

from attrs import Factory, frozen

from enlighten_async import models
from enlighten_async.api import decode
from enlighten_async.api.daily import DateRange, production_params
from enlighten_async.api.paging import SystemFilters
from enlighten_async.api.ranges import DayRange, TimeRange
from enlighten_async.api.series import LearnedSpans
from enlighten_async.api.single import readings_plan, system_plan
from enlighten_async.api.systems import search_system_id_plan, summary_plan
from enlighten_async.api.v4 import daily, series, systems
from enlighten_async.api.v4.devices import (
    InvertersPlan,
    checked_by_count,
    ev_charger_events_plan,
    ev_charger_sessions_plan,
    quote_segment,
    shape_devices,
    shape_envoys,
    shape_ev_chargers,
    shape_inventory,
)
from enlighten_async.api.v4.errors import error_for
from enlighten_async.api.v4.events import ALARMS, EVENTS, cleared_params, event_types_plan
from enlighten_async.errors import EnlightenError, NotSupported
from enlighten_async.limiter import Plan
from enlighten_async.query.plan import AnswerPlan, QueryPlan
from enlighten_async.windows import Moment
from enlighten_async.wire import Request, Requests, Response, never_final

BASE_URL = "https://api.enphaseenergy.com/api/v4"
"""The service's own address."""

PLANS: Mapping[str, Plan] = {
    "Watt": Plan(minute=10, month=1_000, name="Watt"),
    "Kilowatt": Plan(minute=50, month=50_000, name="Kilowatt"),
    "Megawatt": Plan(minute=100, month=300_000, name="Megawatt"),
    "Partner": Plan(minute=300, month=1_500_000, name="Partner"),
}
"""Tariffs by their names, as the portal showed them in 2026."""


@frozen
class ApiV4:
    """Version 4 of the API, method by method: those that `Api` names, and its own.

    Attributes:
        time_zones: names of systems' time zones, as far as they are known; answers add to them.
        spans: the lengths of ranges that the service has named when it refused longer ones.
    """

    time_zones: MutableMapping[int, str] = Factory(dict)
    spans: LearnedSpans = Factory(LearnedSpans)
    version: ClassVar[str] = "v4"
    plans: ClassVar[Mapping[str, Plan]] = PLANS
    cached_series: ClassVar[tuple[str, ...]] = series.CACHED

    def error_for(self, response: Response, endpoint: str) -> EnlightenError:
        """Return the error that a response of an endpoint stands for, which is no data."""
        return error_for(response, endpoint)

    def time_zone(self, system_id: int) -> Requests[str]:
        """Ask for the name of a system's time zone."""
        read = partial(_time_zone_of, system_id)
        yield Request("system", f"/systems/{system_id}", (), read, valid_until=never_final)

    def systems(self, **filters: Unpack[SystemFilters]) -> QueryPlan[models.System, models.Systems]:
        """Plan a list of the systems of a user that pass all filters."""
        return systems.SystemsPlanV4(self.time_zones, systems.search_criteria(**filters))

    def system(self, system_id: int) -> AnswerPlan[models.SystemDetails]:
        """Plan one system."""
        return systems.SystemPlan(
            Request(
                "system", f"/systems/{system_id}", (), partial(systems.system_details, system_id=system_id)
            ),
            lambda: models.SystemDetails,
            self.time_zones,
        )

    def search_system_id(self, serial_num: str) -> AnswerPlan[models.SystemId]:
        """Plan a search for the system that a gateway belongs to."""
        return search_system_id_plan(serial_num, path="/systems/retrieve_system_id")

    def summary(self, system_id: int, summary_date: date | None = None) -> AnswerPlan[models.Summary]:
        """Plan a system's state and energy on one local day."""
        return summary_plan(system_id, summary_date, shape=systems.shape_summary)

    def stats(self, system_id: int, **range_: Unpack[TimeRange]) -> AnswerPlan[models.Stats]:
        """Plan the 5-minute intervals of a system's microinverters."""
        return series.STATS.plan(system_id, self.time_zones, self.spans, **range_)

    def rgm_stats(self, system_id: int, **range_: Unpack[TimeRange]) -> AnswerPlan[models.RgmStats]:
        """Plan the 15-minute intervals of a system's revenue-grade meters."""
        return series.RGM_STATS.plan(system_id, self.time_zones, self.spans, **range_)

    def consumption_stats(
        self, system_id: int, **range_: Unpack[TimeRange]
    ) -> AnswerPlan[models.ConsumptionStats]:
        """Plan the 15-minute intervals of a site's consumption."""
        return series.CONSUMPTION_STATS.plan(system_id, self.time_zones, self.spans, **range_)

    def production_meter(
        self, system_id: int, **range_: Unpack[TimeRange]
    ) -> AnswerPlan[models.ProductionMeter]:
        """Plan the 15-minute intervals of a system's production meters."""
        return series.PRODUCTION_METER.plan(system_id, self.time_zones, self.spans, **range_)

    def battery(self, system_id: int, **range_: Unpack[TimeRange]) -> AnswerPlan[models.Battery]:
        """Plan the 15-minute intervals of all batteries of a system."""
        return series.BATTERY.plan(system_id, self.time_zones, self.spans, **range_)

    def energy_import_telemetry(
        self, system_id: int, **range_: Unpack[TimeRange]
    ) -> AnswerPlan[models.EnergyImportTelemetry]:
        """Plan the 15-minute intervals of the energy drawn from the grid."""
        return series.ENERGY_IMPORT_TELEMETRY.plan(system_id, self.time_zones, self.spans, **range_)

    def energy_export_telemetry(
        self, system_id: int, **range_: Unpack[TimeRange]
    ) -> AnswerPlan[models.EnergyExportTelemetry]:
        """Plan the 15-minute intervals of the energy fed into the grid."""
        return series.ENERGY_EXPORT_TELEMETRY.plan(system_id, self.time_zones, self.spans, **range_)

    def micros_telemetry(
        self, system_id: int, **range_: Unpack[TimeRange]
    ) -> AnswerPlan[models.MicrosTelemetry]:
        """Plan the 5-minute intervals of each of a system's microinverters."""
        return series.MICROS_TELEMETRY.plan(system_id, self.time_zones, self.spans, **range_)

    def micro_telemetry(
        self, system_id: int, serial_number: str, **range_: Unpack[TimeRange]
    ) -> AnswerPlan[models.MicroTelemetry]:
        """Plan the 5-minute intervals of one microinverter."""
        return series.MICRO_TELEMETRY.plan(system_id, serial_number, self.time_zones, self.spans, **range_)

    def encharge_telemetry(
        self, system_id: int, serial_number: str, **range_: Unpack[TimeRange]
    ) -> AnswerPlan[models.StorageTelemetry]:
        """Plan the 15-minute intervals of one Encharge."""
        return series.ENCHARGE_TELEMETRY.plan(system_id, serial_number, self.time_zones, self.spans, **range_)

    def acb_telemetry(
        self, system_id: int, serial_number: str, **range_: Unpack[TimeRange]
    ) -> AnswerPlan[models.StorageTelemetry]:
        """Plan the 15-minute intervals of one AC Battery."""
        return series.ACB_TELEMETRY.plan(system_id, serial_number, self.time_zones, self.spans, **range_)

    def evse_telemetry(
        self, system_id: int, serial_number: str, **range_: Unpack[TimeRange]
    ) -> AnswerPlan[models.EvseTelemetry]:
        """Plan the intervals of one EV charger, of 5 or 15 minutes."""
        return series.EVSE_TELEMETRY.plan(system_id, serial_number, self.time_zones, self.spans, **range_)

    def hp_telemetry(self, system_id: int, **range_: Unpack[TimeRange]) -> AnswerPlan[models.HpTelemetry]:
        """Plan the intervals of a system's heat pump, of 5 or 15 minutes."""
        return series.HP_TELEMETRY.plan(system_id, self.time_zones, self.spans, **range_)

    def ev_charger_telemetry(
        self, system_id: int, serial_number: str, **range_: Unpack[TimeRange]
    ) -> AnswerPlan[models.EvChargerTelemetry]:
        """Plan the 15-minute intervals of one of Enphase's EV chargers."""
        return series.EV_CHARGER_TELEMETRY.plan(
            system_id, serial_number, self.time_zones, self.spans, **range_
        )

    def energy_lifetime(
        self, system_id: int, *, production: Literal["all"] | None = None, **days: Unpack[DayRange]
    ) -> AnswerPlan[models.EnergyLifetime]:
        """Plan the energy produced on each local day."""
        return daily.ENERGY_LIFETIME.plan(
            system_id, DateRange.of("energy_lifetime", **days), production_params(production)
        )

    def consumption_lifetime(
        self, system_id: int, **days: Unpack[DayRange]
    ) -> AnswerPlan[models.ConsumptionLifetime]:
        """Plan the energy consumed on each local day."""
        return daily.CONSUMPTION_LIFETIME.plan(system_id, DateRange.of("consumption_lifetime", **days))

    def battery_lifetime(
        self, system_id: int, **days: Unpack[DayRange]
    ) -> AnswerPlan[models.BatteryLifetime]:
        """Plan the energy that all batteries took in and gave on each local day."""
        return daily.BATTERY_LIFETIME.plan(system_id, DateRange.of("battery_lifetime", **days))

    def energy_import_lifetime(
        self, system_id: int, **days: Unpack[DayRange]
    ) -> AnswerPlan[models.EnergyImportLifetime]:
        """Plan the energy drawn from the grid on each local day."""
        return daily.ENERGY_IMPORT_LIFETIME.plan(system_id, DateRange.of("energy_import_lifetime", **days))

    def energy_export_lifetime(
        self, system_id: int, **days: Unpack[DayRange]
    ) -> AnswerPlan[models.EnergyExportLifetime]:
        """Plan the energy fed into the grid on each local day."""
        return daily.ENERGY_EXPORT_LIFETIME.plan(system_id, DateRange.of("energy_export_lifetime", **days))

    def hp_lifetime(self, system_id: int, **days: Unpack[DayRange]) -> AnswerPlan[models.HpLifetime]:
        """Plan the energy that a heat pump consumed on each local day."""
        return daily.HP_LIFETIME.plan(system_id, DateRange.of("hp_lifetime", **days))

    def evse_lifetime(
        self, system_id: int, serial_number: str, **days: Unpack[DayRange]
    ) -> AnswerPlan[models.EvseLifetime]:
        """Plan the energy that one EV charger consumed on each local day."""
        return daily.evse_lifetime(serial_number).plan(system_id, DateRange.of("evse_lifetime", **days))

    def ev_charger_lifetime(
        self, system_id: int, serial_number: str, *, start_date: date, end_date: date | None = None
    ) -> AnswerPlan[models.EvChargerLifetime]:
        """Plan the energy that one of Enphase's EV chargers consumed on each local day."""
        days = daily.CompactDateRange.of(start_date=start_date, end_date=end_date)
        return daily.ev_charger_lifetime(serial_number).plan(system_id, days)

    def devices(self, system_id: int) -> AnswerPlan[models.Devices]:
        """Plan a list of a system's devices of all kinds."""
        return checked_by_count(
            system_plan(lambda: models.Devices, "devices", system_id, shape=shape_devices)
        )

    def envoys(self, system_id: int) -> AnswerPlan[models.Envoys]:
        """Plan a list of a system's gateways."""
        plan = system_plan(lambda: models.Envoys, "envoys", system_id, path="devices", shape=shape_envoys)
        return checked_by_count(plan)

    def inventory(self, system_id: int) -> AnswerPlan[models.Inventory]:
        """Plan a list of a system's active gateways, microinverters and meters."""
        plan = system_plan(
            lambda: models.Inventory, "inventory", system_id, path="devices", shape=shape_inventory
        )
        return checked_by_count(plan)

    def inverters_summary_by_envoy_or_site(self, site_id: int) -> AnswerPlan[models.InvertersSummary]:
        """Plan a list of the last reports of a system's microinverters, by gateway."""
        return InvertersPlan(site_id)

    def production_meter_readings(
        self, system_id: int, end_at: Moment | None = None
    ) -> AnswerPlan[models.ProductionMeterReadings]:
        """Plan the last readings of a system's production meters."""
        return readings_plan(
            lambda: models.ProductionMeterReadings,
            "production_meter_readings",
            system_id,
            end_at,
            shape=systems.shape_readings,
        )

    def consumption_meter_readings(
        self, system_id: int, end_at: Moment | None = None
    ) -> AnswerPlan[models.ConsumptionMeterReadings]:
        """Plan the last readings of a system's consumption meters."""
        return readings_plan(
            lambda: models.ConsumptionMeterReadings,
            "consumption_meter_readings",
            system_id,
            end_at,
            shape=systems.shape_readings,
        )

    def storage_meter_readings(
        self, system_id: int, end_at: Moment | None = None
    ) -> AnswerPlan[models.StorageMeterReadings]:
        """Plan the last readings of the meters of a system's batteries."""
        return readings_plan(
            lambda: models.StorageMeterReadings,
            "storage_meter_readings",
            system_id,
            end_at,
            shape=systems.shape_readings,
        )

    def monthly_production(self, system_id: int, start_date: date) -> AnswerPlan[models.MonthlyProduction]:
        """Raise `NotSupported`, with the endpoints to use in place of it."""
        raise NotSupported(
            "v4 of the API has no monthly_production: use energy_lifetime for the energy of days, "
            "or production_meter_readings for the readings of meters"
        )

    def latest_telemetry(self, system_id: int) -> AnswerPlan[models.LatestTelemetry]:
        """Plan the last report of each of a system's devices."""
        return system_plan(
            lambda: models.LatestTelemetry,
            "latest_telemetry",
            system_id,
            shape=systems.shape_latest_telemetry,
        )

    def events(
        self, system_id: int, *, start_time: Moment, end_time: Moment | None = None
    ) -> AnswerPlan[models.Events]:
        """Plan the events of a system and its devices in a range of time."""
        return EVENTS.plan(system_id, start_time, end_time, spans=self.spans)

    def alarms(
        self,
        system_id: int,
        *,
        start_time: Moment,
        end_time: Moment | None = None,
        cleared: bool | None = None,
    ) -> AnswerPlan[models.Alarms]:
        """Plan the alarms of a system in a range of time."""
        return ALARMS.plan(system_id, start_time, end_time, cleared_params(cleared), self.spans)

    def open_events(self, system_id: int) -> AnswerPlan[models.OpenEvents]:
        """Plan a list of the events that are not over."""
        return system_plan(
            lambda: models.OpenEvents, "open_events", system_id, defaults={"system_id": system_id}
        )

    def open_alarms(self, system_id: int) -> AnswerPlan[models.OpenAlarms]:
        """Plan a list of the alarms that are not over."""
        return system_plan(
            lambda: models.OpenAlarms, "open_alarms", system_id, defaults={"system_id": system_id}
        )

    def event_types(self, event_type_id: int | str | None = None) -> AnswerPlan[models.EventTypes]:
        """Plan a list of all types of events, or one of them."""
        return event_types_plan(event_type_id)

    def ev_charger_devices(self, system_id: int) -> AnswerPlan[models.EvChargers]:
        """Plan a list of a system's active EV chargers."""
        plan = system_plan(
            lambda: models.EvChargers,
            "ev_charger_devices",
            system_id,
            path="ev_charger/devices",
            shape=shape_ev_chargers,
            defaults={"system_id": system_id},
        )
        return checked_by_count(plan)

    def ev_charger_events(
        self, system_id: int, *, serial_num: str | None = None
    ) -> QueryPlan[models.EvChargerEvent, models.EvChargerEvents]:
        """Plan the events of a system's EV chargers, or of one of them."""
        return ev_charger_events_plan(system_id, serial_num)

    def ev_charger_sessions(
        self, system_id: int, serial_number: str
    ) -> QueryPlan[models.EvChargerSession, models.EvChargerSessions]:
        """Plan the sessions of an EV charger."""
        return ev_charger_sessions_plan(system_id, serial_number)

    def ev_charger_schedules(
        self, system_id: int, serial_number: str
    ) -> AnswerPlan[models.EvChargerSchedules]:
        """Plan the schedules of an EV charger."""
        return system_plan(
            lambda: models.EvChargerSchedules,
            "ev_charger_schedules",
            system_id,
            path=f"ev_charger/{quote_segment(serial_number, 'serial_number')}/schedules",
            defaults={"system_id": system_id},
        )

    def battery_settings(self, system_id: int) -> AnswerPlan[models.BatterySettings]:
        """Plan the settings of a system's batteries."""
        return systems.setting_plan(lambda: models.BatterySettings, "battery_settings", system_id)

    def storm_guard(self, system_id: int) -> AnswerPlan[models.StormGuard]:
        """Plan the setting that fills batteries before storms."""
        return systems.setting_plan(lambda: models.StormGuard, "storm_guard", system_id)

    def grid_status(self, system_id: int) -> AnswerPlan[models.GridStatus]:
        """Plan the state of a system's connection to the grid."""
        return systems.setting_plan(lambda: models.GridStatus, "grid_status", system_id)

    def load_control(self, system_id: int) -> AnswerPlan[models.LoadControl]:
        """Plan the settings of a house's loads."""
        return systems.setting_plan(lambda: models.LoadControl, "load_control", system_id)


def _time_zone_of(system_id: int, response: Response) -> str:
    """Decode the name of a system's time zone from its details."""
    details = systems.system_details(response)
    listed = details.system_id == system_id
    if listed and details.timezone:
        return details.timezone
    raise decode.zone_unknown(system_id, response, listed=listed)
