"""The endpoints of v4 about how a system is set, and about what its devices reported last."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.v4.drift import which
from enlighten_async.emulator.v4.refusals import RefusedError

if TYPE_CHECKING:
    from enlighten_async.emulator.v4.api import ApiV4
    from enlighten_async.emulator.v4.routes import Asked

NO_BATTERY = "System doesn't have encharges"
NO_GRID = "grid_state not available as the site has not reported yet"

Row: TypeAlias = dict[str, object]


def battery_settings(api: ApiV4, asked: Asked) -> Row:
    """Answer how the batteries are used; the mode is not always spelled the same."""
    row = _told(asked, api.truth.settings.battery_settings(asked.system.system_id), NO_BATTERY)
    if api.manners.drift and which(2, asked.system.system_id, "mode"):
        row["battery_mode"] = str(row["battery_mode"]).replace("-", " - ").title()
    return row


def storm_guard(api: ApiV4, asked: Asked) -> Row:
    """Answer whether storms let the batteries charge; truth is a text here."""
    return _told(asked, api.truth.settings.storm_guard(asked.system.system_id), NO_BATTERY)


def grid_status(api: ApiV4, asked: Asked) -> Row:
    """Answer whether the grid was there at the last report."""
    return _told(asked, api.truth.settings.grid_status(asked.system.system_id), NO_GRID)


def load_control(api: ApiV4, asked: Asked) -> Row:
    """Answer which loads are shed."""
    number = asked.system.system_id
    return {"system_id": number, "load_control_data": api.truth.settings.load_control(number)}


def latest_telemetry(api: ApiV4, asked: Asked) -> Row:
    """Answer what each device reported last."""
    number = asked.system.system_id
    return {"system_id": number, "items": "devices", "devices": api.truth.latest(number)}


def _told(asked: Asked, row: Row | None, missing: str) -> Row:
    if row is None:
        raise RefusedError(422, missing)
    return {"system_id": asked.system.system_id, **row}
