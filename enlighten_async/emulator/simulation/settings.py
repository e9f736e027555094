"""Settings of batteries, loads and grid, as the service writes them: booleans are `enabled`, `disabled`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.simulation.storage import batteries

if TYPE_CHECKING:
    from enlighten_async.emulator.simulation.events import Events
    from enlighten_async.emulator.simulation.reports import Reports
    from enlighten_async.emulator.simulation.system import System

ESSENTIAL_LOAD_HOURS_S = (32_400, 57_600)  # seconds of the day between which a scheduled load has power

Row: TypeAlias = dict[str, object]


class Settings:
    """The settings of all systems; `None` for a system without batteries."""

    def __init__(self, reports: Reports, events: Events) -> None:
        self._reports = reports
        self._events = events

    def battery_settings(self, system_id: int) -> Row | None:
        """Return the settings of the batteries; levels in percent."""
        system = self._reports.system(system_id)
        storage = system.storage
        return _if_stored(
            system,
            {
                "battery_mode": storage.mode,
                "reserve_soc": storage.reserve_soc,
                "energy_independence": _enabled(on=storage.energy_independence),
                "charge_from_grid": _enabled(on=storage.charge_from_grid),
                "battery_shutdown_level": storage.shutdown_level,
            },
        )

    def storm_guard(self, system_id: int) -> Row | None:
        """Return the state of storm guard, and of the storm alert."""
        system = self._reports.system(system_id)
        status = _enabled(on=system.storage.storm_guard)
        return _if_stored(system, {"storm_guard_status": status, "storm_alert": "false"})

    def load_control(self, system_id: int) -> list[Row]:
        """Return the loads that are shed; levels in percent, times in seconds of the day."""
        return [
            {
                "name": load.name,
                "load_name": load.load_name,
                "owner_can_override": True,
                "mode": load.mode,
                "soc_low": 30,
                "soc_high": 50,
                "status": "enabled",
                "essential_start_time": ESSENTIAL_LOAD_HOURS_S[0],
                "essential_end_time": ESSENTIAL_LOAD_HOURS_S[1],
            }
            for load in self._reports.system(system_id).storage.loads
        ]

    def grid_status(self, system_id: int) -> Row | None:
        """Return the state of the grid at the last report (epoch seconds); `None` before the first report.

        The state is unknown while the gateway does not report.
        """
        last = self._reports.last_interval(system_id)
        if last is None:
            return None
        silent = self._events.is_gateway_silent(system_id)
        return {"grid_state": "Unknown" if silent else "On Grid", "last_report_date": last}


def _if_stored(system: System, row: Row) -> Row | None:
    return row if batteries(system) else None


def _enabled(*, on: bool) -> str:
    return "enabled" if on else "disabled"
