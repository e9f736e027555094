"""What queries answer: frozen values with units, columns inside where they are long."""

from enlighten_async.models.consumption_stats import ConsumptionInterval, ConsumptionStats
from enlighten_async.models.coverage import Coverage, Hole, Reason
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
from enlighten_async.models.lifetime import (
    BatteryDay,
    BatteryLifetime,
    ConsumptionLifetime,
    EnergyExportLifetime,
    EnergyImportLifetime,
    EnergyLifetime,
    LifetimeDay,
)
from enlighten_async.models.meta import Meta
from enlighten_async.models.readings import (
    MeterReading,
    MonthlyMeterReading,
    MonthlyProduction,
    ProductionMeterReadings,
)
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.rgm_stats import ChannelInterval, MeterIntervals, RgmInterval, RgmStats
from enlighten_async.models.series import Series
from enlighten_async.models.stats import Stats, StatsInterval
from enlighten_async.models.summary import EvsePower, Summary
from enlighten_async.models.sums import Sum
from enlighten_async.models.systems import System, SystemDetails, SystemId, Systems

__all__ = [
    "BatteryDay",
    "BatteryLifetime",
    "ChannelInterval",
    "ConsumptionInterval",
    "ConsumptionLifetime",
    "ConsumptionStats",
    "Coverage",
    "Device",
    "EnergyExportLifetime",
    "EnergyImportLifetime",
    "EnergyLifetime",
    "Envoy",
    "EnvoyInverters",
    "Envoys",
    "Estimate",
    "EvsePower",
    "Hole",
    "Inventory",
    "InvertersSummary",
    "LifetimeDay",
    "Meta",
    "MeterIntervals",
    "MeterReading",
    "MicroInverter",
    "MonthlyMeterReading",
    "MonthlyProduction",
    "ProductionMeterReadings",
    "Reason",
    "Receipt",
    "RgmInterval",
    "RgmStats",
    "Series",
    "Stats",
    "StatsInterval",
    "Sum",
    "Summary",
    "System",
    "SystemDetails",
    "SystemId",
    "Systems",
]
