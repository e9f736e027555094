"""What devices reported last, and how batteries are set."""

from __future__ import annotations

from typing import Any

import pytest

from enlighten_async.emulator import Emulator, System
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS
from enlighten_async.emulator.simulation.system import (
    Battery,
    EvCharger,
    HeatPump,
    LoadControl,
    Meter,
    StorageSettings,
)
from enlighten_async.testing import FakeClock

DAY, QUARTER = 86_400, 900
NOW = 1_750_014_000  # noon in California, 2025-06-15
FLEET = Emulator(clock=FakeClock(NOW), systems=len(SYSTEM_KINDS)).truth


def make(clock: FakeClock, lag: float = 600.0, **system: Any) -> Any:
    """Return the truth of one system with everything."""
    plant = {
        "system_id": 7,
        "consumption": "metered",
        "meters": (Meter(serial="M", envoy_serial="E", phases=2, listed=3),),
        "batteries": (Battery(serial="B"), Battery(serial="L", late=3600)),
        "ev_chargers": (EvCharger(serial="C", name="A box"),),
        "heat_pump": HeatPump(name="A pump"),
    }
    return Emulator(clock=clock, report_lag=lag, fleet=[System(**plant | system)]).truth


def test_powers_are_those_of_the_last_rows(clock: FakeClock) -> None:
    """Through a day: each channel, each battery, and what it does."""
    truth, seen = make(clock), set()
    for _ in range(12):
        clock.advance(7200)
        found, now = truth.latest(7), clock.now()
        production, consumption = found["meters"][:3], found["meters"][3:]
        last = truth.last_interval(7)
        (meter,) = truth.meter_intervals(7, last - QUARTER, last)
        assert [row["power"] for row in production] == [row["curr_w"] for row in meter["intervals"]]
        assert [row["last_report_at"] for row in production] == [last, last, None]
        used = truth.consumption_stats(7, now - 3600, now)[-1]
        assert consumption[0]["power"] == used["enwh"] * 4
        assert [row["last_report_at"] for row in consumption] == [used["end_at"], None, None]
        assert [row["channel"] for row in found["meters"]] == [1, 2, 3] * 2
        for row, serial in zip(found["encharges"], "BL", strict=True):
            read = truth.storage.device_rows(7, serial, now - 7200, now)[-1]
            assert row["last_report_at"] == read["end_at"]
            assert row["power"] == 4 * (read["discharge"]["enwh"] - read["charge"]["enwh"])
            sign = (row["power"] > 0) - (row["power"] < 0)
            assert row["operational_mode"] == ("Idle", "Discharging", "Charging")[sign]
            seen.add(row["operational_mode"])
        assert found["heat-pump"][0]["operational_mode"] == truth.heat_pumps.mode(7)
        assert found["evse"][0] == {
            "serial_number": "C",
            "name": "A box",
            "last_report_at": last,
            "operational_mode": truth.chargers.mode(7, "C"),
        }
    assert seen == {"Idle", "Discharging", "Charging"}


def test_after_a_week_of_silence_nothing_is_told(clock: FakeClock) -> None:
    """The devices are still listed."""
    shown = make(clock, lag=7 * DAY - 3 * QUARTER).latest(7)
    gone = make(clock, lag=7 * DAY).latest(7)
    assert list(gone) == list(shown) == ["meters", "encharges", "heat-pump", "evse"]
    for kind, rows in gone.items():
        assert len(rows) == len(shown[kind])
        assert any(row["last_report_at"] is not None for row in shown[kind])
        for row in rows:
            values = [row[name] for name in ("last_report_at", "power", "operational_mode") if name in row]
            assert values == [None] * len(values)


def test_types_a_system_does_not_have_are_absent(clock: FakeClock) -> None:
    """A meter that is switched off is listed and tells nothing; ids do not repeat."""
    bare = {"batteries": (), "ev_chargers": (), "heat_pump": None, "meters": ()}
    assert make(clock, consumption="none", **bare).latest(7) == {}
    off = make(clock, consumption="disabled", **bare).latest(7)
    assert [row["power"] for row in off["meters"]] == [None] * 3
    ids = [
        (row["id"], row["channel"])
        for system in FLEET.systems()
        for kind in ("meters", "encharges")
        for row in FLEET.latest(system.system_id).get(kind, [])
    ]
    assert len(set(ids)) == len(ids)


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
