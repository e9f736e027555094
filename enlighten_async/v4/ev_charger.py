"""EV chargers: which there are, what happened to them, how they charged and when they will."""

from __future__ import annotations

from functools import partial
from typing import Any

from enlighten_async.dialect import decode
from enlighten_async.dialect.once import once
from enlighten_async.dialect.systems import serial_number
from enlighten_async.models.ev_charger import (
    EvChargerEvent,
    EvChargerEvents,
    EvChargerSchedules,
    EvChargerSession,
    EvChargerSessions,
)
from enlighten_async.models.system_devices import EvChargers
from enlighten_async.session.outline import Draft
from enlighten_async.v4.devices import device_rows
from enlighten_async.v4.pages import Page, Paged
from enlighten_async.v4.paths import part
from enlighten_async.wire import Request

_EVENTS = Paged[EvChargerEvent, EvChargerEvents](EvChargerEvents, "ev_charger_events", "events")
_SESSIONS = Paged[EvChargerSession, EvChargerSessions](EvChargerSessions, "ev_charger_sessions", "sessions")


def ev_charger_devices(system_id: int) -> Draft[EvChargers, EvChargers, EvChargers]:
    """Ask for a system's active EV chargers."""
    read = partial(decode.value, EvChargers, shape=_chargers, usual={"system_id": system_id})
    return once(Request("ev_charger_devices", f"/systems/{system_id}/ev_charger/devices", (), read))


def _chargers(raw: dict[str, Any]) -> dict[str, Any]:
    listed = (raw.get("devices") or {}).get("ev_chargers")
    return {"system_id": raw.get("system_id"), "ev_chargers": device_rows(listed)}


def ev_charger_schedules(
    system_id: int, serial_number: str
) -> Draft[EvChargerSchedules, EvChargerSchedules, EvChargerSchedules]:
    """Ask for the schedules of an EV charger.

    Raises:
        InputError: the serial number cannot be one.
    """
    path = f"/systems/{system_id}/ev_charger/{part(serial_number, 'serial_number')}/schedules"
    read = partial(decode.value, EvChargerSchedules, usual={"system_id": system_id})
    return once(Request("ev_charger_schedules", path, (), read))


def ev_charger_events(
    system_id: int, *, serial_num: str | None = None
) -> Draft[Page[EvChargerEvents], EvChargerEvent, EvChargerEvents]:
    """Ask what happened to a system's EV chargers, or to one of them.

    Raises:
        InputError: the serial number is not a text.
    """
    only = () if serial_num is None else (("serial_num", serial_number(serial_num, "serial_num")),)
    return _EVENTS.draft(system_id, f"/systems/{system_id}/ev_charger/events", only)


def ev_charger_sessions(
    system_id: int, serial_number: str
) -> Draft[Page[EvChargerSessions], EvChargerSession, EvChargerSessions]:
    """Ask for the sessions of an EV charger.

    Raises:
        InputError: the serial number cannot be one.
    """
    path = f"/systems/{system_id}/ev_charger/{part(serial_number, 'serial_number')}/sessions"
    return _SESSIONS.draft(system_id, path)
