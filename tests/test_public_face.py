"""What the package offers, and what importing it costs."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from enum import Enum

import attrs
import pytest

import enlighten_async
from enlighten_async import cache, fleet, limiter, oauth, testing, transport

MODULES = (cache, fleet, limiter, oauth, testing, transport)

NAMES = """
    APIError Alarm AlarmEvent Alarms Answered AuthenticationError BackfillIncomplete Battery BatteryDay
    BatteryInterval BatteryLifetime BatterySettings BudgetExceeded CellularModem Changes ChannelInterval
    ConsumedInterval
    ConsumptionInterval ConsumptionLifetime ConsumptionMeterReadings ConsumptionStats Coverage DecodeError
    Device Devices EnergyExportInterval EnergyExportLifetime EnergyExportTelemetry EnergyImportInterval
    EnergyImportLifetime EnergyImportTelemetry EnergyLifetime EnlightenClient EnlightenError Envoy
    EnvoyInverters Envoys Estimate EvChargerEvent EvChargerEvents EvChargerInterval EvChargerLifetime
    EvChargerSchedule EvChargerSchedules EvChargerSession EvChargerSessions EvChargerTelemetry EvChargers
    EvChargingTime Event EventType EventTypes Events EvseLifetime EvsePower EvseTelemetry Export Failed
    FileTokenStore Gap
    GridStatus HpLifetime HpTelemetry InputError Inventory InvertersSummary KeyMismatch KeyMissing
    LatestReport LatestTelemetry LifetimeDay Load LoadControl LoginRequest MemoryTokenStore Meta
    MeterIntervals
    MeterReading MicroInterval MicroInverter MicroTelemetry MicrosTelemetry MissingAccessControl
    MonthlyMeterReading MonthlyProduction NotFound NotSupported OAuth OpenAlarms OpenEvents
    PermissionDenied Plan PostgresTokenStore ProductionMeter ProductionMeterReadings Progress Query QueryPool
    QuotaExhausted
    QuotaPace QuotaStatus QuotaWindow RangeError Reason ReauthorizationRequired Receipt RequestEvent
    RequestTimeout ResponseEvent RetryPolicy
    RgmInterval RgmStats Series ServerError ServiceRetired StateTokenStore StateUnavailable Stats
    StatsInterval
    StorageInterval
    StorageMeterReading StorageMeterReadings StorageTelemetry StormGuard Sum Summary System SystemDetails
    SystemDevice SystemId Systems Table Throttled TokenRefused TokenStore Tokens TransportError Unavailable
    UsageError Window as_completed authorization_url concat parse_redirect write
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


def public_functions() -> Iterator[tuple[str, Callable[..., object]]]:
    """Yield each public function, class and method, by its name."""
    for module in (enlighten_async, *MODULES):
        for name in module.__all__:
            thing = getattr(module, name)
            if callable(thing):
                yield name, thing
            for method, function in inspect.getmembers(thing, callable) if inspect.isclass(thing) else ():
                if not method.startswith("_") or method == "__init__":
                    yield f"{name}.{method}", function


def test_no_default_holds_what_is_not_known_before_the_program_runs() -> None:
    """Nothing of the environment, and no secret: `help`, signatures and documentation print defaults.

    So a default is one of the few kinds whose every value may be shown.
    """
    shown, strange = 0, []
    for name, function in public_functions():
        try:
            parameters = inspect.signature(function).parameters.values()
        except ValueError:  # of a function of the interpreter's own
            continue
        for default in (each.default for each in parameters if each.default is not each.empty):
            shown += 1
            plain = default is None or isinstance(default, bool | int | float | tuple | Enum)
            text = isinstance(default, str) and default not in os.environ.values()
            empty = default in ({}, [], frozenset(), b"")
            factory = type(default).__module__.partition(".")[0] == "attr" or default is attrs.NOTHING
            if not (plain or text or empty or factory) or isinstance(default, os._Environ):
                strange.append((name, type(default)))
    assert strange == []
    assert shown > 100


def test_help_shows_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither that of this process now, nor that at the import."""
    monkeypatch.setenv("ENLIGHTEN_API_KEY", "CANARY-of-the-environment")
    code = "import enlighten_async as e; help(e.EnlightenClient); help(e.OAuth)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "from_env" in said
    assert "CANARY" not in said
    assert "environ(" not in said


def test_importing_the_package_leaves_extras_and_the_emulator_alone() -> None:
    """Heavy things are imported when they are used."""
    code = "import sys; from enlighten_async import EnlightenClient; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "enlighten_async.client" in loaded
    # httpx and httpcore2 import click, rich and trio themselves where those are installed.
    heavy = {
        "uvicorn",
        "pytest",
        "opentelemetry",
        "enlighten_async.cli",
        "enlighten_async.emulator",
        "enlighten_async.testing",
        *("duckdb", "nanoarrow", "numpy", "pandas", "polars", "pyarrow", "pydantic"),
    }
    assert heavy.isdisjoint(loaded)


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (["--version"], "enlighten, version "),
        (["-m", "enlighten_async", "--version"], "enlighten, version "),
        (["--help"], "Usage: enlighten "),
    ],
    ids=["script", "-m", "help"],
)
def test_the_version_and_the_help_are_told_without_the_client(words: list[str], begins: str) -> None:
    """Nor httpx: whoever asks for no more waits for no more."""
    script = ["-c", "import sys; from enlighten_async.cli import main; sys.argv[0] = 'enlighten'; main()"]
    command = [sys.executable, "-X", "importtime", *(words if "-m" in words else [*script, *words])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(begins)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "enlighten_async.cli.app" in loaded
    assert not loaded & {"httpx", "httpcore2", "enlighten_async.client", "rich", "anyio", "attrs"}


def test_a_name_that_is_not_there_is_told() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        enlighten_async.nothing  # noqa: B018 # type: ignore[attr-defined]
    assert {"EnlightenClient", "errors"} <= set(dir(enlighten_async))
