"""Models: the answers of queries as frozen values with units, and columns inside where they are long."""

from typing import TYPE_CHECKING

from enlighten_async.lazy import lazy_names

if TYPE_CHECKING:
    from enlighten_async.models.coverage import Coverage, Gap, Reason
    from enlighten_async.models.devices import (
        CellularModem,
        Device,
        Devices,
        Envoy,
        EnvoyInverters,
        Envoys,
        EvChargers,
        Inventory,
        InvertersSummary,
        MicroInverter,
        SystemDevice,
    )
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
    from enlighten_async.models.intervals import Changes, Meta, Sum
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
    from enlighten_async.models.readings import (
        ConsumptionMeterReadings,
        MeterReading,
        MonthlyMeterReading,
        MonthlyProduction,
        ProductionMeterReadings,
        StorageMeterReading,
        StorageMeterReadings,
    )
    from enlighten_async.models.receipt import Estimate, QuotaPace, QuotaStatus, QuotaWindow, Receipt
    from enlighten_async.models.rgm_stats import (
        ChannelInterval,
        MeterIntervals,
        ProductionMeter,
        RgmInterval,
        RgmStats,
    )
    from enlighten_async.models.series import Series
    from enlighten_async.models.site_settings import (
        BatterySettings,
        GridStatus,
        LatestReport,
        LatestTelemetry,
        Load,
        LoadControl,
        StormGuard,
    )
    from enlighten_async.models.systems import EvsePower, Summary, System, SystemDetails, SystemId, Systems
    from enlighten_async.models.telemetry import (
        Battery,
        BatteryInterval,
        ConsumedInterval,
        ConsumptionInterval,
        ConsumptionStats,
        EnergyExportInterval,
        EnergyExportTelemetry,
        EnergyImportInterval,
        EnergyImportTelemetry,
        EvChargerInterval,
        EvChargerTelemetry,
        EvseTelemetry,
        HpTelemetry,
        MicroInterval,
        MicrosTelemetry,
        MicroTelemetry,
        Stats,
        StatsInterval,
        StorageInterval,
        StorageTelemetry,
    )
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "coverage": "Coverage Gap Reason",
            "devices": (
                "CellularModem Device Devices Envoy EnvoyInverters Envoys EvChargers Inventory "
                "InvertersSummary MicroInverter SystemDevice"
            ),
            "ev_charger": (
                "EvChargerEvent EvChargerEvents EvChargerSchedule EvChargerSchedules EvChargerSession "
                "EvChargerSessions EvChargingTime"
            ),
            "events": "Alarm AlarmEvent Alarms Event Events EventType EventTypes OpenAlarms OpenEvents",
            "intervals": "Changes Meta Sum",
            "lifetime": (
                "BatteryDay BatteryLifetime ConsumptionLifetime EnergyExportLifetime "
                "EnergyImportLifetime EnergyLifetime EvChargerLifetime EvseLifetime HpLifetime "
                "LifetimeDay"
            ),
            "readings": (
                "ConsumptionMeterReadings MeterReading MonthlyMeterReading MonthlyProduction "
                "ProductionMeterReadings StorageMeterReading StorageMeterReadings"
            ),
            "receipt": "Estimate QuotaPace QuotaStatus QuotaWindow Receipt",
            "rgm_stats": "ChannelInterval MeterIntervals ProductionMeter RgmInterval RgmStats",
            "series": "Series",
            "site_settings": (
                "BatterySettings GridStatus LatestReport LatestTelemetry Load LoadControl StormGuard"
            ),
            "systems": "EvsePower Summary System SystemDetails SystemId Systems",
            "telemetry": (
                "Battery BatteryInterval ConsumedInterval ConsumptionInterval ConsumptionStats "
                "EnergyExportInterval EnergyExportTelemetry EnergyImportInterval EnergyImportTelemetry "
                "EvChargerInterval EvChargerTelemetry EvseTelemetry HpTelemetry MicroInterval "
                "MicrosTelemetry MicroTelemetry Stats StatsInterval StorageInterval StorageTelemetry"
            ),
        },
    )

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
    "Changes",
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
    "Gap",
    "GridStatus",
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
    "QuotaPace",
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
