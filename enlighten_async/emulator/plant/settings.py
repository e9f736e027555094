"""How the batteries of a system are set, as the service writes it: booleans are words there."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.plant.storage import batteries

if TYPE_CHECKING:
    from enlighten_async.emulator.plant.system import System
    from enlighten_async.emulator.plant.truth import Truth

ESSENTIAL = (32_400, 57_600)  # seconds of the day between which a scheduled load has power

Row: TypeAlias = dict[str, object]


class Settings:
    """The settings of all systems; `None` where there is nothing to set."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth

    def battery_settings(self, system_id: int) -> Row | None:
        """Return how the batteries are used; levels in percent."""
        system = self._truth.system(system_id)
        storage = system.storage
        return _if_stored(
            system,
            {
                "battery_mode": storage.mode,
                "reserve_soc": storage.reserve_soc,
                "energy_independence": _word(on=storage.energy_independence),
                "charge_from_grid": _word(on=storage.charge_from_grid),
                "battery_shutdown_level": storage.shutdown_level,
            },
        )

    def storm_guard(self, system_id: int) -> Row | None:
        """Return whether storms let the batteries charge, and whether one is coming."""
        system = self._truth.system(system_id)
        status = _word(on=system.storage.storm_guard)
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
                "essential_start_time": ESSENTIAL[0],
                "essential_end_time": ESSENTIAL[1],
            }
            for load in self._truth.system(system_id).storage.loads
        ]

    def grid_status(self, system_id: int) -> Row | None:
        """Return whether the grid was there at the last report (epoch seconds); `None` before the first.

        While the gateway does not report nobody knows.
        """
        last = self._truth.last_interval(system_id)
        if last is None:
            return None
        silent = self._truth.events.silent(system_id)
        return {"grid_state": "Unknown" if silent else "On Grid", "last_report_date": last}


def _if_stored(system: System, row: Row) -> Row | None:
    return row if batteries(system) else None


def _word(*, on: bool) -> str:
    return "enabled" if on else "disabled"
