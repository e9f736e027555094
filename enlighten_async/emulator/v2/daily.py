"""The endpoints that answer days: energy_lifetime, consumption_lifetime, monthly_production."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.local_time import local_date, local_midnight, next_month, parse_date
from enlighten_async.emulator.status import newest_day
from enlighten_async.emulator.v2.intervals import INVALID

if TYPE_CHECKING:
    from enlighten_async.emulator.messages import Call
    from enlighten_async.emulator.plant.system import System
    from enlighten_async.emulator.v2.api import ApiV2

IN_FUTURE = "Requested date is in the future"

Row: TypeAlias = dict[str, object]


def energy_lifetime(api: ApiV2, call: Call, systems: list[System]) -> tuple[int, Row]:
    """Answer a value for each day from the first to the last, zeros included."""
    system, truth = systems[0], api.truth
    first, last, refusal = _asked(api, call, system)
    if refusal:
        return 422, refusal
    content: Row = {"system_id": system.system_id, "start_date": first and first.isoformat()}
    if switch := truth.meter_start_date(system.system_id):
        content["meter_start_date"] = switch.isoformat()
    content["production"] = truth.lifetime_days(system.system_id, first, last) if first else []
    if switch and first and call.get("production") == "all":
        content["micro_production"] = truth.micro_days(system.system_id, first, last)
        content["meter_production"] = truth.meter_days(system.system_id, first, last)
    return 200, content | {"meta": api.meta(system)}


def consumption_lifetime(api: ApiV2, call: Call, systems: list[System]) -> tuple[int, object]:
    """Answer the energy consumed on each day; nothing at all without a meter."""
    system, truth = systems[0], api.truth
    if system.consumption == "none":
        return 204, None
    if system.consumption != "metered":  # a meter that is switched off is refused like one without consent
        return api.unauthorized
    first, last, refusal = _asked(api, call, system)
    if refusal:
        return 422, refusal
    return 200, {
        "system_id": system.system_id,
        "start_date": first and first.isoformat(),
        "consumption": truth.consumption_days(system.system_id, first, last) if first else [],
        "meta": api.meta(system),
    }


def monthly_production(api: ApiV2, call: Call, systems: list[System]) -> tuple[int, Row]:
    """Answer the energy of a month that is over, and what the meters showed when it began and ended."""
    system, truth = systems[0], api.truth
    first = parse_date(call.get("start_date"))
    if first is None:
        return 422, {"errorMessages": ["Missing required parameter: start_date"]}
    today, after = local_date(api.clock.now(), system.timezone), next_month(first)
    last = after - timedelta(days=1)
    if first > today:
        return 422, refuse_days(IN_FUTURE, first, last)
    if after > today or last < local_date(system.operational_at, system.timezone):
        return 422, refuse_days(INVALID, first, last)
    start, end = local_midnight(first, system.timezone), local_midnight(after, system.timezone)
    return 200, {
        "system_id": system.system_id,
        "start_date": first.isoformat(),
        "end_date": last.isoformat(),
        "production_wh": truth.produced(system.system_id, start, end),
        "meter_readings": _meter_readings(api, system, start, end),
        "meta": api.meta(system),
    }


def _meter_readings(api: ApiV2, system: System, start: int, end: int) -> list[Row]:
    """Return what the meters in service showed at two instants; 0 before they were installed."""
    before, then = (
        {row["serial_number"]: row["value"] for row in api.truth.meter_readings(system.system_id, moment)}
        for moment in (start, end)
    )
    return [
        {"serial_number": m.serial, "start": before.get(m.serial, 0), "end": then.get(m.serial, 0)}
        for m in system.meters
    ]


def _asked(api: ApiV2, call: Call, system: System) -> tuple[date | None, date, Row | None]:
    """Return the first and the last day that are asked for, and the refusal they meet, if any.

    The first is `None` if none was given and the system has never reported: then there is no day.
    """
    today = local_date(api.clock.now(), system.timezone)
    newest = newest_day(api.truth, system)
    first = parse_date(call.get("start_date"))
    last = parse_date(call.get("end_date"))
    if max(first or today, last or today) > today:
        refused = first or local_date(system.operational_at, system.timezone)
        return first, today, refuse_days(IN_FUTURE, refused, last or today)
    if first is None and newest is not None:
        first = local_date(system.operational_at, system.timezone)
    if last is None:
        last = today - timedelta(days=1)
        last = min(last, newest or last)
    named = call.get("start_date") or call.get("end_date")
    if named and first is not None and first > last:
        return first, last, refuse_days(INVALID, first, last)
    return first, last, None


def refuse_days(reason: str, first: date, last: date) -> Row:
    """Return the refusal of a range of days."""
    return {"reason": reason, "start": first.isoformat(), "end": last.isoformat()}
