"""The endpoints of v2 about days: energy_lifetime, consumption_lifetime, monthly_production."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.local_time import local_date, local_midnight, next_month, parse_date
from enlighten_async.emulator.service import DATE_IN_FUTURE, INVALID_RANGE

if TYPE_CHECKING:
    from enlighten_async.emulator.messages import Request
    from enlighten_async.emulator.service import Service
    from enlighten_async.emulator.simulation.system import System
    from enlighten_async.emulator.v2.v2_history import V2History

Row: TypeAlias = dict[str, object]


def energy_lifetime(service: Service[V2History], request: Request, systems: list[System]) -> tuple[int, Row]:
    """Respond with the production of each day from the first to the last, zeros included."""
    system, truth = systems[0], service.truth
    first, last, error = _requested_days(service, request, system)
    if error:
        return 422, error
    content: Row = {"system_id": system.system_id, "start_date": first and first.isoformat()}
    if switch := truth.meter_start_date(system.system_id):
        content["meter_start_date"] = switch.isoformat()
    content["production"] = truth.lifetime_days(system.system_id, first, last) if first else []
    if switch and first and request.get("production") == "all":
        content["micro_production"] = truth.micro_days(system.system_id, first, last)
        content["meter_production"] = truth.meter_days(system.system_id, first, last)
    return 200, content | {"meta": service.meta(system)}


def consumption_lifetime(
    service: Service[V2History], request: Request, systems: list[System]
) -> tuple[int, object]:
    """Respond with the consumption of each day; without a meter, 204 and no content."""
    system, truth = systems[0], service.truth
    if system.consumption == "none":
        return 204, None
    if system.consumption != "metered":  # switched off, or not shared by the owner
        return service.options.unauthorized
    first, last, error = _requested_days(service, request, system)
    if error:
        return 422, error
    return 200, {
        "system_id": system.system_id,
        "start_date": first and first.isoformat(),
        "consumption": truth.consumption_days(system.system_id, first, last) if first else [],
        "meta": service.meta(system),
    }


def monthly_production(
    service: Service[V2History], request: Request, systems: list[System]
) -> tuple[int, Row]:
    """Respond with the energy of a month that is over, and the meters' readings at its start and end."""
    system, truth = systems[0], service.truth
    first = parse_date(request.get("start_date"))
    if first is None:
        return 422, {"errorMessages": ["Missing required parameter: start_date"]}
    today, after = service.today(system), next_month(first)
    last = after - timedelta(days=1)
    if first > today:
        return 422, range_error(DATE_IN_FUTURE, first, last)
    if after > today or last < local_date(system.operational_at, system.timezone):
        return 422, range_error(INVALID_RANGE, first, last)
    start, end = local_midnight(first, system.timezone), local_midnight(after, system.timezone)
    return 200, {
        "system_id": system.system_id,
        "start_date": first.isoformat(),
        "end_date": last.isoformat(),
        "production_wh": truth.produced(system.system_id, start, end),
        "meter_readings": _meter_readings(service, system, start, end),
        "meta": service.meta(system),
    }


def _meter_readings(service: Service[V2History], system: System, start: int, end: int) -> list[Row]:
    """Return the readings of the meters in service at two instants; 0 before they were installed."""
    before, then = (
        {row["serial_number"]: row["value"] for row in service.truth.meter_readings(system.system_id, moment)}
        for moment in (start, end)
    )
    return [
        {"serial_number": m.serial, "start": before.get(m.serial, 0), "end": then.get(m.serial, 0)}
        for m in system.meters
    ]


def _requested_days(
    service: Service[V2History], request: Request, system: System
) -> tuple[date | None, date, Row | None]:
    """Return the first and the last requested day, and the content of the error, if there is one.

    The first is `None` if none was given and the system has never reported: then there is no day.
    """
    today = service.today(system)
    newest = service.newest_day(system)
    first = parse_date(request.get("start_date"))
    last = parse_date(request.get("end_date"))
    if max(first or today, last or today) > today:
        shown = first or local_date(system.operational_at, system.timezone)
        return first, today, range_error(DATE_IN_FUTURE, shown, last or today)
    if first is None and newest is not None:
        first = local_date(system.operational_at, system.timezone)
    if last is None:
        last = today - timedelta(days=1)
        last = min(last, newest or last)
    named = request.get("start_date") or request.get("end_date")
    if named and first is not None and first > last:
        return first, last, range_error(INVALID_RANGE, first, last)
    return first, last, None


def range_error(reason: str, first: date, last: date) -> Row:
    """Return the content of the error for a range of days."""
    return {"reason": reason, "start": first.isoformat(), "end": last.isoformat()}
