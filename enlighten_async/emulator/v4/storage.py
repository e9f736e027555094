"""The endpoints of v4 about batteries: a system's together, single ones, days, the storage meter."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.local_time import parse_moment
from enlighten_async.emulator.plant.storage import batteries
from enlighten_async.emulator.plant.sun import GRID
from enlighten_async.emulator.status import meta
from enlighten_async.emulator.v4.daily import Days, asked_days
from enlighten_async.emulator.v4.refusals import not_found
from enlighten_async.emulator.v4.spans import asked_span
from enlighten_async.emulator.v4.telemetry import told

if TYPE_CHECKING:
    from enlighten_async.emulator.plant.system import Battery
    from enlighten_async.emulator.v4.api import ApiV4
    from enlighten_async.emulator.v4.routes import Asked

Row: TypeAlias = dict[str, object]


def battery(api: ApiV4, asked: Asked) -> Row:
    """Answer what all batteries took in, gave and hold: a quarter of an hour a row."""
    system, storage = asked.system, api.truth.storage
    known = storage.first_row(system.system_id), storage.last_row(system.system_id)
    span = asked_span(api, asked, GRID, known)
    rows = storage.rows(system.system_id, span.start, span.end)
    last = [] if known[1] is None else storage.rows(system.system_id, known[1] - GRID, known[1])
    content = told(system, span, len(batteries(system)), rows)
    return content | {"last_reported_aggregate_soc": _percent(last[-1] if last else None)}


def encharge(api: ApiV4, asked: Asked) -> Row:
    """Answer what one battery took in, gave and holds."""
    return _single(api, asked, asked.system.batteries, "Encharge")


def acb(api: ApiV4, asked: Asked) -> Row:
    """Answer what one battery of the older kind took in, gave and holds."""
    return _single(api, asked, asked.system.acbs, "AC Battery")


def _single(api: ApiV4, asked: Asked, owned: tuple[Battery, ...], kind: str) -> Row:
    system, storage, serial = asked.system, api.truth.storage, asked.serial
    if serial not in {each.serial for each in owned}:
        raise not_found(kind, serial)
    known = storage.first_row(system.system_id), storage.last_row(system.system_id)
    span = asked_span(api, asked, GRID, known)
    last = storage.last_device_row(system.system_id, serial)
    content = told(system, span, 1, storage.device_rows(system.system_id, serial, span.start, span.end))
    return {
        "system_id": content.pop("system_id"),
        "serial_number": serial,
        **content,
        "last_reported_time": last and last["end_at"],
        "last_reported_soc": _percent(last),
    }


def battery_lifetime(api: ApiV4, asked: Asked) -> Row:
    """Answer the energy that went into the batteries and out of them on each day; none without any."""
    system, truth = asked.system, api.truth
    days = asked_days(api, asked)
    if not batteries(system):
        days = Days(None, days.last)

    return {
        "system_id": system.system_id,
        "start_date": days.start,
        **days.of_each(truth.storage.days, system.system_id, "discharge", "charge"),
        "meta": meta(truth, system),
    }


def storage_meter_readings(api: ApiV4, asked: Asked) -> Row:
    """Answer the last known odometer readings of the storage meter."""
    system = asked.system
    end = parse_moment(asked.get("end_at"), api.clock.now())
    return {
        "system_id": system.system_id,
        "meter_readings": renamed(api.truth.storage.readings(system.system_id, end)),
        "meta": meta(api.truth, system),
    }


def renamed(readings: list[dict[str, str | int]]) -> list[Row]:
    """Return readings with this family's own name of the serial number."""
    return [
        {"serial_num" if name == "serial_number" else name: value for name, value in reading.items()}
        for reading in readings
    ]


def _percent(row: Row | None) -> str | None:
    """Return a row's state of charge as the service writes it."""
    soc = row["soc"] if row else None
    return f"{soc['percent']}%" if isinstance(soc, dict) else None
