"""The endpoints of v4 about chargers of cars, a family with manners of its own.

Dates are written YYYYMMDD, lists are cut by offset and limit, and whatever is wrong is a 400.
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
from enlighten_async.emulator.plant.sun import DAY, GRID
from enlighten_async.emulator.v4.refusals import RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enlighten_async.emulator.v4.api import ApiV4
    from enlighten_async.emulator.v4.routes import Asked

LIMIT, MAX_LIMIT = 20, 100
DAYS = {"day": 1, "week": 7}

Row: TypeAlias = dict[str, object]


def devices(api: ApiV4, asked: Asked) -> Row:
    """Answer the chargers of a system."""
    found = charger_items(api, asked)
    return {
        "system_id": asked.system.system_id,
        "total_devices": len(found),
        "items": "devices",
        "devices": {"ev_chargers": found},
    }


def charger_items(api: ApiV4, asked: Asked) -> list[Row]:
    """Return the chargers as lists of devices show them."""
    system = asked.system
    last = int(api.truth.horizon()) // GRID * GRID
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


def events(api: ApiV4, asked: Asked) -> Row:
    """Answer what happened to one charger or all of them, the newest first."""
    serial = asked.get("serial_num") or None
    if serial is not None:
        _check_serial(asked, serial)
    return _listed(asked, "events", api.truth.charging.events(asked.system.system_id, serial))


def sessions(api: ApiV4, asked: Asked) -> Row:
    """Answer which cars were plugged in, the newest first."""
    _check_serial(asked, asked.serial)
    return _listed(asked, "sessions", api.truth.charging.sessions(asked.system.system_id, asked.serial))


def schedules(api: ApiV4, asked: Asked) -> Row:
    """Answer when a charger may charge."""
    _check_serial(asked, asked.serial)
    number = asked.system.system_id
    return {"system_id": number, "charger_schedules": api.truth.charging.schedules(number, asked.serial)}


def lifetime(api: ApiV4, asked: Asked) -> Row:
    """Answer what a charger drew on each day: by default yesterday."""
    _check_serial(asked, asked.serial)
    yesterday = local_date(api.clock.now(), asked.system.timezone) - timedelta(days=1)
    first = _date(asked, "start_date", "start_date/end_date") or yesterday
    last = _date(asked, "end_date", "start_date/end_date") or max(first, yesterday)
    if last < first or last > yesterday + timedelta(days=1):
        raise _invalid("start_date/end_date")
    number = asked.system.system_id
    return {
        "system_id": number,
        "start_date": first.isoformat(),
        "consumption": api.truth.charging.days(number, asked.serial, first, last),
    }


def telemetry(api: ApiV4, asked: Asked) -> Row:
    """Answer what a charger drew in a day or a week, by default yesterday: a quarter of an hour a row."""
    _check_serial(asked, asked.serial)
    system, now, zone = asked.system, int(api.clock.now()), asked.system.timezone
    word = asked.get("granularity") or "day"
    if word not in DAYS:
        raise _invalid("granularity")
    start, end = _window(asked, DAYS[word], local_date(now, zone) - timedelta(days=1))
    if start > now:
        raise _invalid("start_date")
    end = min(now, end)
    begin = start // GRID * GRID
    echo: Row = {"start_date": iso(start, zone), "end_date": iso(end, zone)}
    if asked.get("start_at"):
        echo = {"start_at": start, "end_at": end}
    return {
        "system_id": system.system_id,
        "granularity": word,
        **echo,
        "consumption": api.truth.charging.rows(system.system_id, asked.serial, begin, end),
    }


def _window(asked: Asked, days: int, default: date) -> tuple[int, int]:
    zone = asked.system.timezone
    if text := asked.get("start_at"):
        try:
            start = int(parse_moment(text, 0))
        except BadMomentError:
            raise _invalid("start_at") from None
        return start, start + days * DAY
    first = _date(asked, "start_date", "start_date") or default
    return local_midnight(first, zone), local_midnight(first, zone, days)


def _listed(asked: Asked, name: str, rows: Sequence[object]) -> Row:
    offset, limit = _number(asked, "offset", 0), _number(asked, "limit", LIMIT)
    if not 1 <= limit <= MAX_LIMIT:
        raise _invalid("offset/limit")
    return {
        "system_id": asked.system.system_id,
        "count": len(rows),
        name: rows[offset : offset + limit],
    }


def _number(asked: Asked, name: str, default: int) -> int:
    text = asked.get(name)
    if not text:
        return default
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise _invalid("offset/limit")
    return int(text)


def _date(asked: Asked, name: str, what: str) -> date | None:
    text = asked.get(name)
    if not text:
        return None
    try:
        if not re.fullmatch(r"\d{8}", text, re.ASCII):
            raise _invalid(what)
        return date.fromisoformat(text)
    except ValueError:
        raise _invalid(what) from None


def _check_serial(asked: Asked, serial: str) -> None:
    if serial not in {charger.serial for charger in asked.system.ev_chargers}:
        raise RefusedError(400, "Invalid system_id or serial_no")


def _invalid(what: str) -> RefusedError:
    return RefusedError(400, f"Invalid {what}")
