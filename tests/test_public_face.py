"""What the package offers, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import enlighten_async

NAMES = """
    APIError Alarm AlarmEvent Alarms AuthenticationError Battery BatteryDay BatteryInterval
    BatteryLifetime BatterySettings BudgetExceeded CellularModem ChannelInterval ConsumedInterval
    ConsumptionInterval ConsumptionLifetime ConsumptionMeterReadings ConsumptionStats Coverage DecodeError
    Device Devices EnergyExportInterval EnergyExportLifetime EnergyExportTelemetry EnergyImportInterval
    EnergyImportLifetime EnergyImportTelemetry EnergyLifetime EnlightenClient EnlightenError Envoy
    EnvoyInverters Envoys Estimate EvChargerEvent EvChargerEvents EvChargerInterval EvChargerLifetime
    EvChargerSchedule EvChargerSchedules EvChargerSession EvChargerSessions EvChargerTelemetry EvChargers
    EvChargingTime Event EventType EventTypes Events EvseLifetime EvsePower EvseTelemetry FileTokenStore Gap
    GridStatus HpLifetime HpTelemetry InputError Inventory InvertersSummary KeyMismatch KeyMissing
    LatestReport LatestTelemetry LifetimeDay Load LoadControl MemoryTokenStore Meta MeterIntervals
    MeterReading MicroInterval MicroInverter MicroTelemetry MicrosTelemetry MissingAccessControl
    MonthlyMeterReading MonthlyProduction NotFound NotSupported OAuth OpenAlarms OpenEvents
    PermissionDenied Plan ProductionMeter ProductionMeterReadings Progress Query QuotaExhausted
    QuotaStatus QuotaWindow RangeError Reason ReauthorizationRequired Receipt RequestTimeout RetryPolicy
    RgmInterval RgmStats Series ServerError ServiceRetired Stats StatsInterval StorageInterval
    StorageMeterReading StorageMeterReadings StorageTelemetry StormGuard Sum Summary System SystemDetails
    SystemDevice SystemId Systems Throttled TokenRefused TokenStore Tokens TransportError Unavailable
    UsageError Window authorization_url parse_redirect
"""


def test_the_public_names_are_these() -> None:
    """A change of the public face is made on purpose, here too."""
    assert sorted(enlighten_async.__all__) == NAMES.split()
    assert all(hasattr(enlighten_async, name) for name in enlighten_async.__all__)


def test_every_public_name_is_explained() -> None:
    """Each class and function has a docstring of its own."""
    for name in enlighten_async.__all__:
        thing = getattr(enlighten_async, name)
        inherited = [parent.__doc__ for parent in getattr(thing, "__mro__", ())[1:]]
        assert thing.__doc__
        assert thing.__doc__ not in inherited


def test_importing_the_package_leaves_extras_and_the_emulator_alone() -> None:
    """Heavy things are imported when they are used."""
    code = "import sys, enlighten_async; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "enlighten_async.client" in loaded
    # httpx and httpcore2 import click, rich and trio themselves where those are installed.
    heavy = {
        "uvicorn",
        "pytest",
        "enlighten_async.cli",
        "enlighten_async.emulator",
        "enlighten_async.testing",
    }
    assert heavy.isdisjoint(loaded)
