"""What queries answer: frozen values with units, columns inside where they are long."""

from enlighten_async.models.battery import Battery, BatteryInterval, StorageInterval, StorageTelemetry
from enlighten_async.models.consumption_stats import ConsumptionInterval, ConsumptionStats
from enlighten_async.models.coverage import Coverage, Hole, Reason
from enlighten_async.models.device_telemetry import (
    ConsumedInterval,
    EvChargerInterval,
    EvChargerTelemetry,
    EvseTelemetry,
    HpTelemetry,
    MicroInterval,
    MicroTelemetry,
)
from enlighten_async.models.devices import (
    Device,
    Envoy,
    EnvoyInverters,
    Envoys,
    Inventory,
    InvertersSummary,
    MicroInverter,
)
from enlighten_async.models.estimate import Estimate
from enlighten_async.models.ev_charger import (
    EvChargerEvent,
    EvChargerEvents,
    EvChargerSchedule,
    EvChargerSchedules,
    EvChargerSession,
    EvChargerSessions,
    EvChargingTime,
)
from enlighten_async.models.events import (
    Alarm,
    AlarmEvent,
    Alarms,
    Event,
    Events,
    EventType,
    EventTypes,
    OpenAlarms,
    OpenEvents,
)
from enlighten_async.models.grid_energy import (
    EnergyExportInterval,
    EnergyExportTelemetry,
    EnergyImportInterval,
    EnergyImportTelemetry,
)
from enlighten_async.models.latest_telemetry import LatestReport, LatestTelemetry
from enlighten_async.models.lifetime import (
    BatteryDay,
    BatteryLifetime,
    ConsumptionLifetime,
    EnergyExportLifetime,
    EnergyImportLifetime,
    EnergyLifetime,
    EvChargerLifetime,
    EvseLifetime,
    HpLifetime,
    LifetimeDay,
)
from enlighten_async.models.meta import Meta
from enlighten_async.models.micros_telemetry import MicrosTelemetry
from enlighten_async.models.production_meter import ProductionMeter
from enlighten_async.models.quota_status import QuotaStatus, QuotaWindow
from enlighten_async.models.readings import (
    ConsumptionMeterReadings,
    MeterReading,
    MonthlyMeterReading,
    MonthlyProduction,
    ProductionMeterReadings,
    StorageMeterReading,
    StorageMeterReadings,
)
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.rgm_stats import ChannelInterval, MeterIntervals, RgmInterval, RgmStats
from enlighten_async.models.series import Series
from enlighten_async.models.site_settings import BatterySettings, GridStatus, Load, LoadControl, StormGuard
from enlighten_async.models.stats import Stats, StatsInterval
from enlighten_async.models.summary import EvsePower, Summary
from enlighten_async.models.sums import Sum
from enlighten_async.models.system_devices import CellularModem, Devices, EvChargers, SystemDevice
from enlighten_async.models.systems import System, SystemDetails, SystemId, Systems

__all__ = [
    "Alarm",
    "AlarmEvent",
    "Alarms",
    "Battery",
    "BatteryDay",
    "BatteryInterval",
    "BatteryLifetime",
    "BatterySettings",
    "CellularModem",
    "ChannelInterval",
    "ConsumedInterval",
    "ConsumptionInterval",
    "ConsumptionLifetime",
    "ConsumptionMeterReadings",
    "ConsumptionStats",
    "Coverage",
    "Device",
    "Devices",
    "EnergyExportInterval",
    "EnergyExportLifetime",
    "EnergyExportTelemetry",
    "EnergyImportInterval",
    "EnergyImportLifetime",
    "EnergyImportTelemetry",
    "EnergyLifetime",
    "Envoy",
    "EnvoyInverters",
    "Envoys",
    "Estimate",
    "EvChargerEvent",
    "EvChargerEvents",
    "EvChargerInterval",
    "EvChargerLifetime",
    "EvChargerSchedule",
    "EvChargerSchedules",
    "EvChargerSession",
    "EvChargerSessions",
    "EvChargerTelemetry",
    "EvChargers",
    "EvChargingTime",
    "Event",
    "EventType",
    "EventTypes",
    "Events",
    "EvseLifetime",
    "EvsePower",
    "EvseTelemetry",
    "GridStatus",
    "Hole",
    "HpLifetime",
    "HpTelemetry",
    "Inventory",
    "InvertersSummary",
    "LatestReport",
    "LatestTelemetry",
    "LifetimeDay",
    "Load",
    "LoadControl",
    "Meta",
    "MeterIntervals",
    "MeterReading",
    "MicroInterval",
    "MicroInverter",
    "MicroTelemetry",
    "MicrosTelemetry",
    "MonthlyMeterReading",
    "MonthlyProduction",
    "OpenAlarms",
    "OpenEvents",
    "ProductionMeter",
    "ProductionMeterReadings",
    "QuotaStatus",
    "QuotaWindow",
    "Reason",
    "Receipt",
    "RgmInterval",
    "RgmStats",
    "Series",
    "Stats",
    "StatsInterval",
    "StorageInterval",
    "StorageMeterReading",
    "StorageMeterReadings",
    "StorageTelemetry",
    "StormGuard",
    "Sum",
    "Summary",
    "System",
    "SystemDetails",
    "SystemDevice",
    "SystemId",
    "Systems",
]
