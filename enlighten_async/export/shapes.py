"""Shapes: the types of the plain values that `to_dict()` gives, one for each class of models.

Made of the models by `python -m tests.export.shapes`. Instants and dates are texts in ISO 8601. Attributes
are described where the models have them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from typing_extensions import TypedDict  # of Python 3.11's own, pydantic makes no schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from enlighten_async import models

    class PlainValues:
        """The method `to_dict()`: its result is of the shape of the model's class."""

        @overload
        def __get__(
            self, model: models.EvChargerLifetime, owner: object, /
        ) -> Callable[[], EvChargerLifetimeDict]: ...
        @overload
        def __get__(self, model: models.EvseLifetime, owner: object, /) -> Callable[[], EvseLifetimeDict]: ...
        @overload
        def __get__(self, model: models.HpLifetime, owner: object, /) -> Callable[[], HpLifetimeDict]: ...
        @overload
        def __get__(
            self, model: models.BatteryLifetime, owner: object, /
        ) -> Callable[[], BatteryLifetimeDict]: ...
        @overload
        def __get__(
            self, model: models.ConsumptionLifetime, owner: object, /
        ) -> Callable[[], ConsumptionLifetimeDict]: ...
        @overload
        def __get__(
            self, model: models.ConsumptionMeterReadings, owner: object, /
        ) -> Callable[[], ConsumptionMeterReadingsDict]: ...
        @overload
        def __get__(
            self, model: models.EnergyExportLifetime, owner: object, /
        ) -> Callable[[], EnergyExportLifetimeDict]: ...
        @overload
        def __get__(
            self, model: models.EnergyImportLifetime, owner: object, /
        ) -> Callable[[], EnergyImportLifetimeDict]: ...
        @overload
        def __get__(
            self, model: models.EnergyLifetime, owner: object, /
        ) -> Callable[[], EnergyLifetimeDict]: ...
        @overload
        def __get__(
            self, model: models.MicrosTelemetry, owner: object, /
        ) -> Callable[[], MicrosTelemetryDict]: ...
        @overload
        def __get__(
            self, model: models.ProductionMeterReadings, owner: object, /
        ) -> Callable[[], ProductionMeterReadingsDict]: ...
        @overload
        def __get__(self, model: models.Alarms, owner: object, /) -> Callable[[], AlarmsDict]: ...
        @overload
        def __get__(self, model: models.Envoys, owner: object, /) -> Callable[[], EnvoysDict]: ...
        @overload
        def __get__(
            self, model: models.EvChargerEvents, owner: object, /
        ) -> Callable[[], EvChargerEventsDict]: ...
        @overload
        def __get__(
            self, model: models.EvChargerSchedules, owner: object, /
        ) -> Callable[[], EvChargerSchedulesDict]: ...
        @overload
        def __get__(
            self, model: models.EvChargerSessions, owner: object, /
        ) -> Callable[[], EvChargerSessionsDict]: ...
        @overload
        def __get__(self, model: models.EvChargers, owner: object, /) -> Callable[[], EvChargersDict]: ...
        @overload
        def __get__(self, model: models.EventTypes, owner: object, /) -> Callable[[], EventTypesDict]: ...
        @overload
        def __get__(self, model: models.Events, owner: object, /) -> Callable[[], EventsDict]: ...
        @overload
        def __get__(
            self, model: models.InvertersSummary, owner: object, /
        ) -> Callable[[], InvertersSummaryDict]: ...
        @overload
        def __get__(self, model: models.LoadControl, owner: object, /) -> Callable[[], LoadControlDict]: ...
        @overload
        def __get__(self, model: models.OpenAlarms, owner: object, /) -> Callable[[], OpenAlarmsDict]: ...
        @overload
        def __get__(self, model: models.OpenEvents, owner: object, /) -> Callable[[], OpenEventsDict]: ...
        @overload
        def __get__(
            self, model: models.StorageMeterReadings, owner: object, /
        ) -> Callable[[], StorageMeterReadingsDict]: ...
        @overload
        def __get__(self, model: models.Systems, owner: object, /) -> Callable[[], SystemsDict]: ...
        @overload
        def __get__(self, model: models.Battery, owner: object, /) -> Callable[[], BatteryDict]: ...
        @overload
        def __get__(
            self, model: models.StorageTelemetry, owner: object, /
        ) -> Callable[[], StorageTelemetryDict]: ...
        @overload
        def __get__(
            self, model: models.ConsumptionStats, owner: object, /
        ) -> Callable[[], ConsumptionStatsDict]: ...
        @overload
        def __get__(
            self, model: models.EnergyExportTelemetry, owner: object, /
        ) -> Callable[[], EnergyExportTelemetryDict]: ...
        @overload
        def __get__(
            self, model: models.EnergyImportTelemetry, owner: object, /
        ) -> Callable[[], EnergyImportTelemetryDict]: ...
        @overload
        def __get__(
            self, model: models.EvChargerTelemetry, owner: object, /
        ) -> Callable[[], EvChargerTelemetryDict]: ...
        @overload
        def __get__(
            self, model: models.EvseTelemetry, owner: object, /
        ) -> Callable[[], EvseTelemetryDict]: ...
        @overload
        def __get__(self, model: models.HpTelemetry, owner: object, /) -> Callable[[], HpTelemetryDict]: ...
        @overload
        def __get__(
            self, model: models.MicroTelemetry, owner: object, /
        ) -> Callable[[], MicroTelemetryDict]: ...
        @overload
        def __get__(
            self, model: models.ProductionMeter, owner: object, /
        ) -> Callable[[], ProductionMeterDict]: ...
        @overload
        def __get__(self, model: models.RgmStats, owner: object, /) -> Callable[[], RgmStatsDict]: ...
        @overload
        def __get__(self, model: models.Stats, owner: object, /) -> Callable[[], StatsDict]: ...
        @overload
        def __get__(
            self, model: models.SystemDetails, owner: object, /
        ) -> Callable[[], SystemDetailsDict]: ...
        @overload
        def __get__(self, model: models.Alarm, owner: object, /) -> Callable[[], AlarmDict]: ...
        @overload
        def __get__(self, model: models.BatteryDay, owner: object, /) -> Callable[[], BatteryDayDict]: ...
        @overload
        def __get__(
            self, model: models.BatterySettings, owner: object, /
        ) -> Callable[[], BatterySettingsDict]: ...
        @overload
        def __get__(self, model: models.Device, owner: object, /) -> Callable[[], DeviceDict]: ...
        @overload
        def __get__(self, model: models.Envoy, owner: object, /) -> Callable[[], EnvoyDict]: ...
        @overload
        def __get__(
            self, model: models.EvChargerEvent, owner: object, /
        ) -> Callable[[], EvChargerEventDict]: ...
        @overload
        def __get__(
            self, model: models.EvChargerSchedule, owner: object, /
        ) -> Callable[[], EvChargerScheduleDict]: ...
        @overload
        def __get__(
            self, model: models.EvChargerSession, owner: object, /
        ) -> Callable[[], EvChargerSessionDict]: ...
        @overload
        def __get__(self, model: models.Event, owner: object, /) -> Callable[[], EventDict]: ...
        @overload
        def __get__(self, model: models.EventType, owner: object, /) -> Callable[[], EventTypeDict]: ...
        @overload
        def __get__(self, model: models.GridStatus, owner: object, /) -> Callable[[], GridStatusDict]: ...
        @overload
        def __get__(self, model: models.LatestReport, owner: object, /) -> Callable[[], LatestReportDict]: ...
        @overload
        def __get__(self, model: models.LifetimeDay, owner: object, /) -> Callable[[], LifetimeDayDict]: ...
        @overload
        def __get__(self, model: models.Load, owner: object, /) -> Callable[[], LoadDict]: ...
        @overload
        def __get__(self, model: models.MeterReading, owner: object, /) -> Callable[[], MeterReadingDict]: ...
        @overload
        def __get__(
            self, model: models.MicroInverter, owner: object, /
        ) -> Callable[[], MicroInverterDict]: ...
        @overload
        def __get__(
            self, model: models.MonthlyMeterReading, owner: object, /
        ) -> Callable[[], MonthlyMeterReadingDict]: ...
        @overload
        def __get__(
            self, model: models.StorageMeterReading, owner: object, /
        ) -> Callable[[], StorageMeterReadingDict]: ...
        @overload
        def __get__(self, model: models.StormGuard, owner: object, /) -> Callable[[], StormGuardDict]: ...
        @overload
        def __get__(self, model: models.Summary, owner: object, /) -> Callable[[], SummaryDict]: ...
        @overload
        def __get__(self, model: models.System, owner: object, /) -> Callable[[], SystemDict]: ...
        @overload
        def __get__(self, model: models.SystemDevice, owner: object, /) -> Callable[[], SystemDeviceDict]: ...
        @overload
        def __get__(self, model: models.SystemId, owner: object, /) -> Callable[[], SystemIdDict]: ...
        @overload
        def __get__(self, model: models.Devices, owner: object, /) -> Callable[[], DevicesDict]: ...
        @overload
        def __get__(self, model: models.Inventory, owner: object, /) -> Callable[[], InventoryDict]: ...
        @overload
        def __get__(
            self, model: models.LatestTelemetry, owner: object, /
        ) -> Callable[[], LatestTelemetryDict]: ...
        @overload
        def __get__(
            self, model: models.MonthlyProduction, owner: object, /
        ) -> Callable[[], MonthlyProductionDict]: ...
        @overload
        def __get__(self, model: models.AlarmEvent, owner: object, /) -> Callable[[], AlarmEventDict]: ...
        @overload
        def __get__(
            self, model: models.BatteryInterval, owner: object, /
        ) -> Callable[[], BatteryIntervalDict]: ...
        @overload
        def __get__(
            self, model: models.CellularModem, owner: object, /
        ) -> Callable[[], CellularModemDict]: ...
        @overload
        def __get__(
            self, model: models.ChannelInterval, owner: object, /
        ) -> Callable[[], ChannelIntervalDict]: ...
        @overload
        def __get__(
            self, model: models.ConsumedInterval, owner: object, /
        ) -> Callable[[], ConsumedIntervalDict]: ...
        @overload
        def __get__(
            self, model: models.ConsumptionInterval, owner: object, /
        ) -> Callable[[], ConsumptionIntervalDict]: ...
        @overload
        def __get__(self, model: models.Coverage, owner: object, /) -> Callable[[], CoverageDict]: ...
        @overload
        def __get__(
            self, model: models.EnergyExportInterval, owner: object, /
        ) -> Callable[[], EnergyExportIntervalDict]: ...
        @overload
        def __get__(
            self, model: models.EnergyImportInterval, owner: object, /
        ) -> Callable[[], EnergyImportIntervalDict]: ...
        @overload
        def __get__(
            self, model: models.EnvoyInverters, owner: object, /
        ) -> Callable[[], EnvoyInvertersDict]: ...
        @overload
        def __get__(self, model: models.Estimate, owner: object, /) -> Callable[[], EstimateDict]: ...
        @overload
        def __get__(
            self, model: models.EvChargerInterval, owner: object, /
        ) -> Callable[[], EvChargerIntervalDict]: ...
        @overload
        def __get__(
            self, model: models.EvChargingTime, owner: object, /
        ) -> Callable[[], EvChargingTimeDict]: ...
        @overload
        def __get__(self, model: models.EvsePower, owner: object, /) -> Callable[[], EvsePowerDict]: ...
        @overload
        def __get__(self, model: models.Gap, owner: object, /) -> Callable[[], GapDict]: ...
        @overload
        def __get__(self, model: models.Meta, owner: object, /) -> Callable[[], MetaDict]: ...
        @overload
        def __get__(
            self, model: models.MeterIntervals, owner: object, /
        ) -> Callable[[], MeterIntervalsDict]: ...
        @overload
        def __get__(
            self, model: models.MicroInterval, owner: object, /
        ) -> Callable[[], MicroIntervalDict]: ...
        @overload
        def __get__(self, model: models.QuotaPace, owner: object, /) -> Callable[[], QuotaPaceDict]: ...
        @overload
        def __get__(self, model: models.QuotaStatus, owner: object, /) -> Callable[[], QuotaStatusDict]: ...
        @overload
        def __get__(self, model: models.QuotaWindow, owner: object, /) -> Callable[[], QuotaWindowDict]: ...
        @overload
        def __get__(self, model: models.Receipt, owner: object, /) -> Callable[[], ReceiptDict]: ...
        @overload
        def __get__(self, model: models.RgmInterval, owner: object, /) -> Callable[[], RgmIntervalDict]: ...
        @overload
        def __get__(
            self, model: models.StatsInterval, owner: object, /
        ) -> Callable[[], StatsIntervalDict]: ...
        @overload
        def __get__(
            self, model: models.StorageInterval, owner: object, /
        ) -> Callable[[], StorageIntervalDict]: ...
        @overload
        def __get__(self, model: models.Sum, owner: object, /) -> Callable[[], SumDict]: ...
        @overload
        def __get__(self, model: object, owner: object, /) -> Callable[[], Mapping[str, object]]: ...
        def __get__(self, model: object, owner: object, /) -> Callable[[], object]: ...


class AlarmDict(TypedDict):
    """Plain values of `Alarm`."""

    id: str | None
    event_type_id: int | None
    severity: int | None
    alarm_start_time: str | None
    alarm_end_time: str | None
    cleared: bool | None
    events: list[AlarmEventDict]


class AlarmEventDict(TypedDict):
    """Plain values of `AlarmEvent`."""

    serial_number: str | None
    start_date: str | None
    end_date: str | None


class AlarmsDict(TypedDict):
    """Plain values of `Alarms`."""

    system_id: int
    alarms: list[AlarmDict]
    coverage: CoverageDict
    as_of: str | None
    receipt: ReceiptDict


class BatteryDict(TypedDict):
    """Plain values of `Battery`."""

    system_id: int
    total_devices: int
    meta: MetaDict | None
    window: WindowDict
    timezone: str | None
    intervals: list[BatteryIntervalDict]
    coverage: CoverageDict
    receipt: ReceiptDict
    last_reported_aggregate_soc: float | None


class BatteryDayDict(TypedDict):
    """Plain values of `BatteryDay`."""

    date: str
    charge: int | None
    discharge: int | None


class BatteryIntervalDict(TypedDict):
    """Plain values of `BatteryInterval`."""

    end_at: str
    charge: int | float | None
    discharge: int | float | None
    soc: int | float | None
    charge_devices_reporting: int | None
    discharge_devices_reporting: int | None
    soc_devices_reporting: int | None


class BatteryLifetimeDict(TypedDict):
    """Plain values of `BatteryLifetime`."""

    system_id: int
    start_date: str | None
    meta: MetaDict | None
    reason: str | None
    as_of: str | None
    receipt: ReceiptDict
    charge: list[int | None]
    discharge: list[int | None]
    dates: list[str]
    coverage: CoverageDict


class BatterySettingsDict(TypedDict):
    """Plain values of `BatterySettings`."""

    system_id: int
    battery_mode: str | None
    reserve_soc: int | None
    energy_independence: bool | None
    charge_from_grid: bool | None
    battery_shutdown_level: int | None
    reason: str | None
    as_of: str | None
    receipt: ReceiptDict


class CellularModemDict(TypedDict):
    """Plain values of `CellularModem`."""

    imei: str | None
    part_num: str | None
    sku: str | None
    plan_start_date: str | None
    plan_end_date: str | None


class ChannelIntervalDict(TypedDict):
    """Plain values of `ChannelInterval`."""

    channel: int
    end_at: str
    wh_del: float | None
    curr_w: int | float | None


class ConsumedIntervalDict(TypedDict):
    """Plain values of `ConsumedInterval`."""

    end_at: str
    wh_consumed: int | float | None


class ConsumptionIntervalDict(TypedDict):
    """Plain values of `ConsumptionInterval`."""

    end_at: str
    devices_reporting: int | None
    enwh: int | float | None


class ConsumptionLifetimeDict(TypedDict):
    """Plain values of `ConsumptionLifetime`."""

    system_id: int
    start_date: str | None
    meta: MetaDict | None
    reason: str | None
    as_of: str | None
    receipt: ReceiptDict
    consumption: list[int | None]
    dates: list[str]
    coverage: CoverageDict


class ConsumptionMeterReadingsDict(TypedDict):
    """Plain values of `ConsumptionMeterReadings`."""

    system_id: int
    meter_readings: list[MeterReadingDict]
    meta: MetaDict | None
    complete: bool
    as_of: str | None
    receipt: ReceiptDict


class ConsumptionStatsDict(TypedDict):
    """Plain values of `ConsumptionStats`."""

    system_id: int
    total_devices: int
    meta: MetaDict | None
    window: WindowDict
    timezone: str | None
    intervals: list[ConsumptionIntervalDict]
    coverage: CoverageDict
    receipt: ReceiptDict


class CoverageDict(TypedDict):
    """Plain values of `Coverage`."""

    window: WindowDict
    grid: int
    gaps: list[GapDict]
    as_of: str | None
    reported_until: str | None
    notes: list[str]
    complete: bool
    got: int
    expected: int


class DeviceDict(TypedDict):
    """Plain values of `Device`."""

    sn: str | None
    model: str | None
    sku: str | None
    manufacturer: str | None
    status: str | None
    state: str | None


class DevicesDict(TypedDict):
    """Plain values of `Devices`."""

    system_id: int
    total_devices: int | None
    micros: list[SystemDeviceDict]
    meters: list[SystemDeviceDict]
    gateways: list[SystemDeviceDict]
    q_relays: list[SystemDeviceDict]
    acbs: list[SystemDeviceDict]
    encharges: list[SystemDeviceDict]
    enpowers: list[SystemDeviceDict]
    ev_chargers: list[SystemDeviceDict]
    heat_pump: list[SystemDeviceDict]
    iq_collars: list[SystemDeviceDict]
    iq_air: list[SystemDeviceDict]
    generators: list[SystemDeviceDict]
    others: dict[str, object]
    complete: bool
    as_of: str | None
    receipt: ReceiptDict


class EnergyExportIntervalDict(TypedDict):
    """Plain values of `EnergyExportInterval`."""

    end_at: str
    wh_exported: int | float | None


class EnergyExportLifetimeDict(TypedDict):
    """Plain values of `EnergyExportLifetime`."""

    system_id: int
    start_date: str | None
    meta: MetaDict | None
    reason: str | None
    as_of: str | None
    receipt: ReceiptDict
    export: list[int | None]
    dates: list[str]
    coverage: CoverageDict


class EnergyExportTelemetryDict(TypedDict):
    """Plain values of `EnergyExportTelemetry`."""

    system_id: int
    total_devices: int
    meta: MetaDict | None
    window: WindowDict
    timezone: str | None
    intervals: list[EnergyExportIntervalDict]
    coverage: CoverageDict
    receipt: ReceiptDict


class EnergyImportIntervalDict(TypedDict):
    """Plain values of `EnergyImportInterval`."""

    end_at: str
    wh_imported: int | float | None


class EnergyImportLifetimeDict(TypedDict):
    """Plain values of `EnergyImportLifetime`."""

    system_id: int
    start_date: str | None
    meta: MetaDict | None
    reason: str | None
    as_of: str | None
    receipt: ReceiptDict
    import_: list[int | None]
    dates: list[str]
    coverage: CoverageDict


class EnergyImportTelemetryDict(TypedDict):
    """Plain values of `EnergyImportTelemetry`."""

    system_id: int
    total_devices: int
    meta: MetaDict | None
    window: WindowDict
    timezone: str | None
    intervals: list[EnergyImportIntervalDict]
    coverage: CoverageDict
    receipt: ReceiptDict


class EnergyLifetimeDict(TypedDict):
    """Plain values of `EnergyLifetime`."""

    system_id: int
    start_date: str | None
    meta: MetaDict | None
    reason: str | None
    as_of: str | None
    receipt: ReceiptDict
    production: list[int | None]
    meter_start_date: str | None
    micro_production: list[int | None]
    meter_production: list[int | None]
    dates: list[str]
    coverage: CoverageDict


class EnvoyDict(TypedDict):
    """Plain values of `Envoy`."""

    envoy_id: int | None
    serial_number: str | None
    part_number: str | None
    status: str | None
    name: str | None
    last_report_at: str | None


class EnvoyInvertersDict(TypedDict):
    """Plain values of `EnvoyInverters`."""

    signal_strength: int | None
    micro_inverters: list[MicroInverterDict]


class EnvoysDict(TypedDict):
    """Plain values of `Envoys`."""

    system_id: int
    envoys: list[EnvoyDict]
    complete: bool
    as_of: str | None
    receipt: ReceiptDict


class EstimateDict(TypedDict):
    """Plain values of `Estimate`."""

    at_least: int
    at_most: int | None
    from_cache: int
    pruned: int
    ready_at: str
    month_share: float | None
    fits: bool
    cheaper: str | None


class EvChargerEventDict(TypedDict):
    """Plain values of `EvChargerEvent`."""

    status: str | None
    triggered_date: str | None
    cleared_date: str | None
    details: str | None


class EvChargerEventsDict(TypedDict):
    """Plain values of `EvChargerEvents`."""

    system_id: int
    events: list[EvChargerEventDict]
    complete: bool
    as_of: str | None
    receipt: ReceiptDict


class EvChargerIntervalDict(TypedDict):
    """Plain values of `EvChargerInterval`."""

    end_at: str
    consumption: int | float | None


class EvChargerLifetimeDict(TypedDict):
    """Plain values of `EvChargerLifetime`."""

    system_id: int
    start_date: str | None
    meta: MetaDict | None
    reason: str | None
    as_of: str | None
    receipt: ReceiptDict
    consumption: list[int | None]
    serial_number: str
    dates: list[str]
    coverage: CoverageDict


class EvChargerScheduleDict(TypedDict):
    """Plain values of `EvChargerSchedule`."""

    type: str | None
    is_active: bool | None
    reminder_flag: bool | None
    reminder_timer: int | None
    schedules: list[EvChargingTimeDict]


class EvChargerSchedulesDict(TypedDict):
    """Plain values of `EvChargerSchedules`."""

    system_id: int
    charger_schedules: list[EvChargerScheduleDict]
    complete: bool
    as_of: str | None
    receipt: ReceiptDict


class EvChargerSessionDict(TypedDict):
    """Plain values of `EvChargerSession`."""

    start_time: str | None
    end_time: str | None
    duration: float | None
    charge_time: float | None
    energy_added: float | None
    miles_added: float | None
    cost: float | None


class EvChargerSessionsDict(TypedDict):
    """Plain values of `EvChargerSessions`."""

    system_id: int
    sessions: list[EvChargerSessionDict]
    complete: bool
    as_of: str | None
    receipt: ReceiptDict


class EvChargerTelemetryDict(TypedDict):
    """Plain values of `EvChargerTelemetry`."""

    system_id: int
    total_devices: int
    meta: MetaDict | None
    window: WindowDict
    timezone: str | None
    intervals: list[EvChargerIntervalDict]
    coverage: CoverageDict
    receipt: ReceiptDict
    serial_number: str


class EvChargersDict(TypedDict):
    """Plain values of `EvChargers`."""

    system_id: int
    ev_chargers: list[SystemDeviceDict]
    complete: bool
    as_of: str | None
    receipt: ReceiptDict


class EvChargingTimeDict(TypedDict):
    """Plain values of `EvChargingTime`."""

    days: list[int]
    start_time: str | None
    end_time: str | None
    charging_level: int | None


class EventDict(TypedDict):
    """Plain values of `Event`."""

    event_type_id: int | None
    event_start_time: str | None
    event_end_time: str | None
    status: str | None
    serial_number: str | None


class EventTypeDict(TypedDict):
    """Plain values of `EventType`."""

    event_type_id: int
    event_type_key: str | None
    stateful: bool | None
    event_name: str | None
    event_description: str | None
    recommended_action: str | None


class EventTypesDict(TypedDict):
    """Plain values of `EventTypes`."""

    event_types: list[EventTypeDict]
    complete: bool
    as_of: str | None
    receipt: ReceiptDict


class EventsDict(TypedDict):
    """Plain values of `Events`."""

    system_id: int
    events: list[EventDict]
    coverage: CoverageDict
    as_of: str | None
    receipt: ReceiptDict


class EvseLifetimeDict(TypedDict):
    """Plain values of `EvseLifetime`."""

    system_id: int
    start_date: str | None
    meta: MetaDict | None
    reason: str | None
    as_of: str | None
    receipt: ReceiptDict
    consumption: list[int | None]
    serial_number: str
    dates: list[str]
    coverage: CoverageDict


class EvsePowerDict(TypedDict):
    """Plain values of `EvsePower`."""

    serial_number: str
    evse_max_charge_w: int | None
    evse_min_charge_w: int | None


class EvseTelemetryDict(TypedDict):
    """Plain values of `EvseTelemetry`."""

    system_id: int
    total_devices: int
    meta: MetaDict | None
    window: WindowDict
    timezone: str | None
    intervals: list[ConsumedIntervalDict]
    coverage: CoverageDict
    receipt: ReceiptDict
    serial_number: str


class GapDict(TypedDict):
    """Plain values of `Gap`."""

    start_at: str
    end_at: str
    reason: str


class GridStatusDict(TypedDict):
    """Plain values of `GridStatus`."""

    system_id: int
    grid_state: str | None
    last_report_date: str | None
    reason: str | None
    as_of: str | None
    receipt: ReceiptDict


class HpLifetimeDict(TypedDict):
    """Plain values of `HpLifetime`."""

    system_id: int
    start_date: str | None
    meta: MetaDict | None
    reason: str | None
    as_of: str | None
    receipt: ReceiptDict
    consumption: list[int | None]
    dates: list[str]
    coverage: CoverageDict


class HpTelemetryDict(TypedDict):
    """Plain values of `HpTelemetry`."""

    system_id: int
    total_devices: int
    meta: MetaDict | None
    window: WindowDict
    timezone: str | None
    intervals: list[ConsumedIntervalDict]
    coverage: CoverageDict
    receipt: ReceiptDict


class InventoryDict(TypedDict):
    """Plain values of `Inventory`."""

    system_id: int
    envoys: list[DeviceDict]
    inverters: list[DeviceDict]
    meters: list[DeviceDict]
    meta: MetaDict | None
    complete: bool
    as_of: str | None
    receipt: ReceiptDict


class InvertersSummaryDict(TypedDict):
    """Plain values of `InvertersSummary`."""

    envoys: list[EnvoyInvertersDict]
    complete: bool
    as_of: str | None
    receipt: ReceiptDict


class LatestReportDict(TypedDict):
    """Plain values of `LatestReport`."""

    id: int | str | None
    serial_number: str | None
    name: str | None
    channel: int | None
    last_report_at: str | None
    power: float | None
    operational_mode: str | None


class LatestTelemetryDict(TypedDict):
    """Plain values of `LatestTelemetry`."""

    system_id: int
    meters: list[LatestReportDict]
    encharges: list[LatestReportDict]
    heat_pump: list[LatestReportDict]
    evse: list[LatestReportDict]
    others: dict[str, object]
    complete: bool
    as_of: str | None
    receipt: ReceiptDict


class LifetimeDayDict(TypedDict):
    """Plain values of `LifetimeDay`."""

    date: str
    wh: int | None
    micro_wh: int | None
    meter_wh: int | None


class LoadDict(TypedDict):
    """Plain values of `Load`."""

    name: str | None
    load_name: str | None
    owner_can_override: bool | None
    mode: str | None
    soc_low: int | None
    soc_high: int | None
    status: bool | None
    essential_start_time: int | None
    essential_end_time: int | None


class LoadControlDict(TypedDict):
    """Plain values of `LoadControl`."""

    system_id: int
    load_control_data: list[LoadDict]
    reason: str | None
    complete: bool
    as_of: str | None
    receipt: ReceiptDict


class MetaDict(TypedDict):
    """Plain values of `Meta`."""

    status: str | None
    last_report_at: str | None
    last_energy_at: str | None
    operational_at: str | None


class MeterIntervalsDict(TypedDict):
    """Plain values of `MeterIntervals`."""

    meter_serial_number: str
    envoy_serial_number: str | None
    intervals: list[ChannelIntervalDict]


class MeterReadingDict(TypedDict):
    """Plain values of `MeterReading`."""

    serial_number: str | None
    value: int | None
    read_at: str | None


class MicroIntervalDict(TypedDict):
    """Plain values of `MicroInterval`."""

    end_at: str
    powr: int | float | None
    enwh: int | float | None


class MicroInverterDict(TypedDict):
    """Plain values of `MicroInverter`."""

    id: int | None
    serial_number: str | None
    model: str | None
    part_number: str | None
    sku: str | None
    status: str | None
    power_produced: float | None
    proc_load: str | None
    param_table: str | None
    envoy_serial_number: str | None
    energy: float | None
    grid_profile: str | None
    last_report_date: str | None


class MicroTelemetryDict(TypedDict):
    """Plain values of `MicroTelemetry`."""

    system_id: int
    total_devices: int
    meta: MetaDict | None
    window: WindowDict
    timezone: str | None
    intervals: list[MicroIntervalDict]
    coverage: CoverageDict
    receipt: ReceiptDict
    serial_number: str


class MicrosTelemetryDict(TypedDict):
    """Plain values of `MicrosTelemetry`."""

    system_id: int
    total_devices: int
    meta: MetaDict | None
    window: WindowDict
    timezone: str | None
    devices: list[MicroTelemetryDict]
    coverage: CoverageDict
    receipt: ReceiptDict


class MonthlyMeterReadingDict(TypedDict):
    """Plain values of `MonthlyMeterReading`."""

    serial_number: str | None
    start: int | None
    end: int | None


class MonthlyProductionDict(TypedDict):
    """Plain values of `MonthlyProduction`."""

    system_id: int
    start_date: str | None
    end_date: str | None
    production_wh: int | None
    meter_readings: list[MonthlyMeterReadingDict]
    meta: MetaDict | None
    complete: bool
    as_of: str | None
    receipt: ReceiptDict


class OpenAlarmsDict(TypedDict):
    """Plain values of `OpenAlarms`."""

    system_id: int
    alarms: list[AlarmDict]
    complete: bool
    as_of: str | None
    receipt: ReceiptDict


class OpenEventsDict(TypedDict):
    """Plain values of `OpenEvents`."""

    system_id: int
    events: list[EventDict]
    complete: bool
    as_of: str | None
    receipt: ReceiptDict


class ProductionMeterDict(TypedDict):
    """Plain values of `ProductionMeter`."""

    system_id: int
    total_devices: int
    meta: MetaDict | None
    window: WindowDict
    timezone: str | None
    intervals: list[RgmIntervalDict]
    coverage: CoverageDict
    receipt: ReceiptDict


class ProductionMeterReadingsDict(TypedDict):
    """Plain values of `ProductionMeterReadings`."""

    system_id: int
    meter_readings: list[MeterReadingDict]
    meta: MetaDict | None
    complete: bool
    as_of: str | None
    receipt: ReceiptDict


class QuotaPaceDict(TypedDict):
    """Plain values of `QuotaPace`."""

    per_day: float
    used_per_day: float
    ahead: int
    next_at: str | None


class QuotaStatusDict(TypedDict):
    """Plain values of `QuotaStatus`."""

    as_of: str
    minute: QuotaWindowDict
    month: QuotaWindowDict
    runs_out_at: str | None
    in_flight: int
    queued: int
    waiting: str | None
    until: str | None
    learned: dict[str, int]
    pace: QuotaPaceDict | None


class QuotaWindowDict(TypedDict):
    """Plain values of `QuotaWindow`."""

    limit: int | None
    used: int | None
    left: int | None
    turns_at: str
    closed_until: str | None


class ReceiptDict(TypedDict):
    """Plain values of `Receipt`."""

    sent: int
    rejected: int
    retried: int
    from_cache: int
    waited: dict[str, float]
    left: dict[str, int]
    failure: str


class RgmIntervalDict(TypedDict):
    """Plain values of `RgmInterval`."""

    end_at: str
    devices_reporting: int | None
    wh_del: int | float | None


class RgmStatsDict(TypedDict):
    """Plain values of `RgmStats`."""

    system_id: int
    total_devices: int
    meta: MetaDict | None
    window: WindowDict
    timezone: str | None
    intervals: list[RgmIntervalDict]
    meter_intervals: list[MeterIntervalsDict]
    coverage: CoverageDict
    receipt: ReceiptDict


class StatsDict(TypedDict):
    """Plain values of `Stats`."""

    system_id: int
    total_devices: int
    meta: MetaDict | None
    window: WindowDict
    timezone: str | None
    intervals: list[StatsIntervalDict]
    coverage: CoverageDict
    receipt: ReceiptDict


class StatsIntervalDict(TypedDict):
    """Plain values of `StatsInterval`."""

    end_at: str
    devices_reporting: int | None
    powr: int | float | None
    enwh: int | float | None


class StorageIntervalDict(TypedDict):
    """Plain values of `StorageInterval`."""

    end_at: str
    charge: int | float | None
    discharge: int | float | None
    soc: int | float | None


class StorageMeterReadingDict(TypedDict):
    """Plain values of `StorageMeterReading`."""

    serial_number: str | None
    value_charged: int | None
    value_discharged: int | None
    read_at: str | None


class StorageMeterReadingsDict(TypedDict):
    """Plain values of `StorageMeterReadings`."""

    system_id: int
    meter_readings: list[StorageMeterReadingDict]
    meta: MetaDict | None
    complete: bool
    as_of: str | None
    receipt: ReceiptDict


class StorageTelemetryDict(TypedDict):
    """Plain values of `StorageTelemetry`."""

    system_id: int
    total_devices: int
    meta: MetaDict | None
    window: WindowDict
    timezone: str | None
    intervals: list[StorageIntervalDict]
    coverage: CoverageDict
    receipt: ReceiptDict
    serial_number: str
    last_reported_time: str | None
    last_reported_soc: float | None


class StormGuardDict(TypedDict):
    """Plain values of `StormGuard`."""

    system_id: int
    storm_guard_status: bool | None
    storm_alert: bool | None
    reason: str | None
    as_of: str | None
    receipt: ReceiptDict


class SumDict(TypedDict):
    """Plain values of `Sum`."""

    start: str
    wh: float
    got: int
    expected: int


class SummaryDict(TypedDict):
    """Plain values of `Summary`."""

    system_id: int
    modules: int | None
    size_w: int | None
    current_power: int | None
    energy_today: int | None
    energy_lifetime: int | None
    summary_date: str | None
    source: str | None
    status: str | None
    operational_at: str | None
    last_report_at: str | None
    last_interval_end_at: str | None
    nmi: str | None
    battery_charge_w: int | None
    battery_discharge_w: int | None
    battery_capacity_wh: int | None
    evse_power: list[EvsePowerDict]
    complete: bool
    as_of: str | None
    receipt: ReceiptDict


class SystemDict(TypedDict):
    """Plain values of `System`."""

    system_id: int
    system_name: str | None
    system_public_name: str | None
    status: str | None
    timezone: str | None
    country: str | None
    state: str | None
    city: str | None
    postal_code: str | None
    reference: str | None
    other_references: list[str]
    connection_type: str | None
    meta: MetaDict | None
    attachment_type: str | None
    interconnect_date: str | None
    energy_lifetime: int | None
    energy_today: int | None
    system_size: int | None
    live_stream: str | None


class SystemDetailsDict(TypedDict):
    """Plain values of `SystemDetails`."""

    system_id: int
    system_name: str | None
    system_public_name: str | None
    status: str | None
    timezone: str | None
    country: str | None
    state: str | None
    city: str | None
    postal_code: str | None
    reference: str | None
    other_references: list[str]
    connection_type: str | None
    meta: MetaDict | None
    attachment_type: str | None
    interconnect_date: str | None
    energy_lifetime: int | None
    energy_today: int | None
    system_size: int | None
    live_stream: str | None
    as_of: str | None
    receipt: ReceiptDict


class SystemDeviceDict(TypedDict):
    """Plain values of `SystemDevice`."""

    id: int | str | None
    serial_number: str | None
    name: str | None
    model: str | None
    product_name: str | None
    part_number: str | None
    sku: str | None
    status: str | None
    active: bool | None
    last_report_at: str | None
    state: str | None
    config_type: str | None
    config_phase: str | None
    emu_sw_version: str | None
    cellular_modem: CellularModemDict | None
    firmware: str | None
    sg_ready_relay: str | None
    iq_er: str | None
    feoc_compliant: bool | None
    dom_compliant: bool | None


class SystemIdDict(TypedDict):
    """Plain values of `SystemId`."""

    system_id: int
    as_of: str | None
    receipt: ReceiptDict


class SystemsDict(TypedDict):
    """Plain values of `Systems`."""

    systems: list[SystemDict]
    complete: bool
    as_of: str | None
    receipt: ReceiptDict


class WindowDict(TypedDict):
    """Plain values of `Window`."""

    start_at: str
    end_at: str
