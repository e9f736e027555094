"""The endpoints of v2 about intervals of a window: stats, rgm_stats, consumption_stats."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.local_time import local_midnight, month_later, parse_moment
from enlighten_async.emulator.service import (
    INVALID_RANGE,
    MAX_RGM_WINDOW_S,
    NO_CONSUMPTION_METER,
    RGM_WINDOW_TOO_LONG,
)
from enlighten_async.emulator.simulation.microinverters import MICRO_INTERVAL_S
from enlighten_async.emulator.simulation.sun import DAY_S, METER_INTERVAL_S

if TYPE_CHECKING:
    from enlighten_async.emulator.messages import Request
    from enlighten_async.emulator.service import Service
    from enlighten_async.emulator.simulation.system import System
    from enlighten_async.emulator.v2.v2_history import V2History

Row: TypeAlias = dict[str, object]


def stats(service: Service[V2History], request: Request, systems: list[System]) -> tuple[int, Row]:
    """Respond with the microinverters' intervals of one day at most, whatever end is requested."""
    system, truth = systems[0], service.truth
    start, end = _requested_window(service, request, system, MICRO_INTERVAL_S)
    end = min(end, start + DAY_S)
    retained = system.modules > 0 and _is_retained(service, start)
    if retained or (system.modules and start > end):
        known = truth.first_stat(system.system_id), truth.last_stat(system.system_id)
        if error := _range_error(start, end, *known):
            return 422, error
    return 200, {
        "system_id": system.system_id,
        "total_devices": system.modules,
        "intervals": truth.stats(system.system_id, start, end) if retained else [],
        "meta": service.meta(system),
    }


def rgm_stats(service: Service[V2History], request: Request, systems: list[System]) -> tuple[int, Row]:
    """Respond with the revenue-grade meters' intervals; a window of more than seven days is an error.

    Before there was that limit, the response was cut after a month.
    """
    system, truth = systems[0], service.truth
    start, end = _requested_window(service, request, system, METER_INTERVAL_S)
    if not service.options.limits_rgm:
        end = min(end, month_later(start, system.timezone))
    elif end - start > MAX_RGM_WINDOW_S:
        return 422, {"reason": f"{RGM_WINDOW_TOO_LONG} {{:start_at=>{start}, :end_at=>{end}}}"}
    if system.meters and (_is_retained(service, start) or start > end):
        known = truth.first_interval(system.system_id), truth.last_interval(system.system_id)
        if error := _range_error(start, end, *known):
            return 422, error
    # A start before the retention limit empties the whole response, not only the rows that are too old.
    retained = bool(system.meters) and _is_retained(service, start)
    return 200, {
        "system_id": system.system_id,
        "total_devices": len(system.meters),
        "intervals": truth.rgm_stats(system.system_id, start, end) if retained else [],
        "meta": service.meta(system),
        "meter_intervals": truth.meter_intervals(system.system_id, start, end) if retained else [],
    }


def consumption_stats(
    service: Service[V2History], request: Request, systems: list[System]
) -> tuple[int, object]:
    """Respond with the consumption meter's intervals of one month at most, whatever end is requested.

    The month is a calendar month from the local date of the start, as its length is not documented. Without
    a meter the documentation promises an empty list; for a meter that is switched off an error was recorded.
    """
    system, truth = systems[0], service.truth
    if system.consumption == "refused":
        return service.options.unauthorized
    if system.consumption == "disabled":
        return 401, {"message": NO_CONSUMPTION_METER}
    start, end = _requested_window(service, request, system, METER_INTERVAL_S)
    end = min(end, month_later(start, system.timezone))
    retained = system.consumption == "metered" and _is_retained(service, start)
    if retained or (system.consumption == "metered" and start > end):
        known = truth.first_consumption(system.system_id), truth.last_consumption(system.system_id)
        if error := _range_error(start, end, *known):
            return 422, error
    return 200, {
        "system_id": system.system_id,
        "total_devices": int(system.consumption == "metered"),
        "intervals": truth.consumption_stats(system.system_id, start, end) if retained else [],
        "meta": service.meta(system),
    }


def _requested_window(
    service: Service[V2History], request: Request, system: System, grid: int
) -> tuple[int, int]:
    """Return the requested window, by default today until now; both ends are rounded down to the grid."""
    now = service.now()
    midnight = local_midnight(service.today(system), system.timezone)
    start = parse_moment(request.get("start_at"), midnight) // grid
    end = parse_moment(request.get("end_at"), now) // grid
    return int(start) * grid, int(end) * grid


def _is_retained(service: Service[V2History], start: int) -> bool:
    return start >= service.now() - service.retention_s


def _range_error(start: int, end: int, first: int | None, last: int | None) -> Row | None:
    """Return the error for a window, if there is one, given the ends of the first and the last interval."""
    if start <= end and first is not None and last is not None and start <= last and end >= first:
        return None
    return {
        "reason": INVALID_RANGE,
        "start_at": start,
        "end_at": end,
        "first_interval": first,
        "last_interval": last,
    }
