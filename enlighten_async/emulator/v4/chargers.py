"""The endpoints of v4 about EV chargers, whose parameters and errors differ from all others.

Dates are written YYYYMMDD, lists are paged by offset and limit, and any wrong input is a 400.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.local_time import (
    BadMomentError,
    iso,
    local_date,
    local_midnight,
    parse_moment,
)
from enlighten_async.emulator.simulation.sun import DAY_S, METER_INTERVAL_S
from enlighten_async.emulator.v4.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enlighten_async.emulator.simulation.system import System
    from enlighten_async.emulator.v4.endpoint import EndpointRequest, ServiceV4

DEFAULT_LIST_LIMIT, MAX_LIST_LIMIT = 20, 100
DAYS_BY_GRANULARITY = {"day": 1, "week": 7}

Row: TypeAlias = dict[str, object]


def ev_charger_devices(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the chargers of a system."""
    found = charger_rows(service, request.system)
    return {
        "system_id": request.system.system_id,
        "total_devices": len(found),
        "items": "devices",
        "devices": {"ev_chargers": found},
    }


def charger_rows(service: ServiceV4, system: System) -> list[Row]:
    """Return the chargers as lists of devices show them."""
    last = int(service.truth.horizon()) // METER_INTERVAL_S * METER_INTERVAL_S
    return [
        {
            "id": f"{charger.serial}:{system.system_id}",
            "sku": charger.model,
            "status": "normal",
            "serial_number": charger.serial,
            "name": charger.name,
            "model": charger.model,
            "part_number": "",
            "last_report_at": last if last > system.operational_at else None,
            "firmware": "v1.0",
            "active": True,
        }
        for charger in system.ev_chargers
    ]


def ev_charger_events(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the events of one charger or all of them, the newest first."""
    serial = request.get("serial_num") or None
    if serial is not None:
        _check_serial(request, serial)
    return _page(request, "events", service.truth.chargers.events(request.system.system_id, serial))


def ev_charger_sessions(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the charging sessions, the newest first."""
    _check_serial(request, request.serial)
    return _page(
        request, "sessions", service.truth.chargers.sessions(request.system.system_id, request.serial)
    )


def ev_charger_schedules(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the schedules of a charger."""
    _check_serial(request, request.serial)
    number = request.system.system_id
    return {
        "system_id": number,
        "charger_schedules": service.truth.chargers.schedules(number, request.serial),
    }


def ev_charger_lifetime(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the energy of a charger on each day: by default yesterday."""
    _check_serial(request, request.serial)
    yesterday = service.today(request.system) - timedelta(days=1)
    first = _date(request, "start_date", "start_date/end_date") or yesterday
    last = _date(request, "end_date", "start_date/end_date") or max(first, yesterday)
    if last < first or last > yesterday + timedelta(days=1):
        raise _invalid("start_date/end_date")
    number = request.system.system_id
    return {
        "system_id": number,
        "start_date": first.isoformat(),
        "consumption": service.truth.chargers.days(number, request.serial, first, last),
    }


def ev_charger_telemetry(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the energy of a charger by quarter of an hour in a day or a week, by default yesterday."""
    _check_serial(request, request.serial)
    system, now, zone = request.system, int(service.now()), request.system.timezone
    word = request.get("granularity") or "day"
    if word not in DAYS_BY_GRANULARITY:
        raise _invalid("granularity")
    start, end = _window(request, DAYS_BY_GRANULARITY[word], local_date(now, zone) - timedelta(days=1))
    if start > now:
        raise _invalid("start_date")
    end = min(now, end)
    begin = start // METER_INTERVAL_S * METER_INTERVAL_S
    echo: Row = {"start_date": iso(start, zone), "end_date": iso(end, zone)}
    if request.get("start_at"):
        echo = {"start_at": start, "end_at": end}
    return {
        "system_id": system.system_id,
        "granularity": word,
        **echo,
        "consumption": service.truth.chargers.rows(system.system_id, request.serial, begin, end),
    }


def _window(request: EndpointRequest, days: int, default: date) -> tuple[int, int]:
    zone = request.system.timezone
    if text := request.get("start_at"):
        try:
            start = int(parse_moment(text, 0))
        except BadMomentError:
            raise _invalid("start_at") from None
        return start, start + days * DAY_S
    first = _date(request, "start_date", "start_date") or default
    return local_midnight(first, zone), local_midnight(first, zone, days)


def _page(request: EndpointRequest, name: str, rows: Sequence[object]) -> Row:
    offset, limit = _number(request, "offset", 0), _number(request, "limit", DEFAULT_LIST_LIMIT)
    if not 1 <= limit <= MAX_LIST_LIMIT:
        raise _invalid("offset/limit")
    return {
        "system_id": request.system.system_id,
        "count": len(rows),
        name: rows[offset : offset + limit],
    }


def _number(request: EndpointRequest, name: str, default: int) -> int:
    text = request.get(name)
    if not text:
        return default
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise _invalid("offset/limit")
    return int(text)


def _date(request: EndpointRequest, name: str, what: str) -> date | None:
    text = request.get(name)
    if not text:
        return None
    try:
        if not re.fullmatch(r"\d{8}", text, re.ASCII):
            raise _invalid(what)
        return date.fromisoformat(text)
    except ValueError:
        raise _invalid(what) from None


def _check_serial(request: EndpointRequest, serial: str) -> None:
    if serial not in {charger.serial for charger in request.system.ev_chargers}:
        raise ApiError(400, "Invalid system_id or serial_no")


def _invalid(what: str) -> ApiError:
    return ApiError(400, f"Invalid {what}")
