"""Settings of batteries and loads."""

from __future__ import annotations

from typing import Any

import pytest

from enlighten_async.emulator import Emulator, System
from enlighten_async.emulator.simulation.system import (
    Battery,
    EvCharger,
    HeatPump,
    LoadControl,
    Meter,
    StorageSettings,
)
from enlighten_async.testing import FakeClock

NOW = 1_750_014_000  # noon in California, 2025-06-15


def make(clock: FakeClock, lag: float = 600.0, **system: Any) -> Any:
    """Return the truth of one system with everything."""
    defaults = {
        "system_id": 7,
        "consumption": "metered",
        "meters": (Meter(serial="M", envoy_serial="E", phases=2, listed=3),),
        "batteries": (Battery(serial="B"), Battery(serial="L", late=3600)),
        "ev_chargers": (EvCharger(serial="C", name="A box"),),
        "heat_pump": HeatPump(name="A pump"),
    }
    return Emulator(clock=clock, report_lag=lag, fleet=[System(**defaults | system)]).truth


def test_settings_are_words(clock: FakeClock) -> None:
    """As the service writes them."""
    loads = (LoadControl(name="NC1", load_name="A pool"),)
    storage = StorageSettings(mode="Savings Mode", reserve_soc=35, charge_from_grid=True, loads=loads)
    settings = make(clock, storage=storage).settings
    assert settings.battery_settings(7) == {
        "battery_mode": "Savings Mode",
        "reserve_soc": 35,
        "energy_independence": "enabled",
        "charge_from_grid": "enabled",
        "battery_shutdown_level": 10,
    }
    assert settings.storm_guard(7) == {"storm_guard_status": "enabled", "storm_alert": "false"}
    (load,) = settings.load_control(7)
    assert (load["name"], load["load_name"], load["mode"]) == ("NC1", "A pool", "Basic")
    assert settings.grid_status(7)["grid_state"] == "On Grid"


@pytest.mark.parametrize("batteries", [(), (Battery(serial="B"),)], ids=["without", "with"])
def test_without_batteries_there_is_nothing_to_set(clock: FakeClock, batteries: Any) -> None:
    """And nothing is known of the grid before the first report."""
    settings = make(clock, batteries=batteries, operational_at=NOW).settings
    assert (settings.battery_settings(7) is not None) == bool(batteries)
    assert (settings.storm_guard(7) is not None) == bool(batteries)
    assert settings.load_control(7) == []
    assert settings.grid_status(7) is None
