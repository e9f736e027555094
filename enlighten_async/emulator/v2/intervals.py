"""The endpoints that answer with the intervals of a window: stats, rgm_stats, consumption_stats."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.local_time import local_date, local_midnight, month_later, parse_moment
from enlighten_async.emulator.plant.micro import STEP
from enlighten_async.emulator.plant.sun import DAY, GRID

if TYPE_CHECKING:
    from enlighten_async.emulator.messages import Call
    from enlighten_async.emulator.plant.system import System
    from enlighten_async.emulator.v2.api import ApiV2

RGM_SPAN = 7 * DAY
NO_CONSUMPTION_METER = "The given system does not contain any active and enabled consumption meter"
INVALID = "Requested date range is invalid for this system"

Row: TypeAlias = dict[str, object]


def stats(api: ApiV2, call: Call, systems: list[System]) -> tuple[int, Row]:
    """Answer what the microinverters made, of one day at most, whatever end is asked for."""
    system, truth = systems[0], api.truth
    start, end = _asked(api, call, system, STEP)
    end = min(end, start + DAY)
    kept = system.modules > 0 and _kept(api, start)
    if kept or (system.modules and start > end):
        known = truth.first_stat(system.system_id), truth.last_stat(system.system_id)
        if refusal := _bad_range(start, end, *known):
            return 422, refusal
    return 200, {
        "system_id": system.system_id,
        "total_devices": system.modules,
        "intervals": truth.stats(system.system_id, start, end) if kept else [],
        "meta": api.meta(system),
    }


def rgm_stats(api: ApiV2, call: Call, systems: list[System]) -> tuple[int, Row]:
    """Answer what the revenue-grade meters measured, of seven days at most: more is refused.

    Before there was that limit, a month was answered.
    """
    system, truth = systems[0], api.truth
    start, end = _asked(api, call, system, GRID)
    if not api.era.limits_rgm:
        end = min(end, month_later(start, system.timezone))
    elif end - start > RGM_SPAN:
        limit = "Requested date range in one API hit cannot be more than 7 days."
        return 422, {"reason": f"{limit} {{:start_at=>{start}, :end_at=>{end}}}"}
    if system.meters and (_kept(api, start) or start > end):
        known = truth.first_interval(system.system_id), truth.last_interval(system.system_id)
        if refusal := _bad_range(start, end, *known):
            return 422, refusal
    # A start before the retention empties the whole answer, not only what is too old.
    kept = bool(system.meters) and _kept(api, start)
    return 200, {
        "system_id": system.system_id,
        "total_devices": len(system.meters),
        "intervals": truth.rgm_stats(system.system_id, start, end) if kept else [],
        "meta": api.meta(system),
        "meter_intervals": truth.meter_intervals(system.system_id, start, end) if kept else [],
    }


def consumption_stats(api: ApiV2, call: Call, systems: list[System]) -> tuple[int, object]:
    """Answer what the consumption meter measured, of one month at most, whatever end is asked for.

    A calendar month from the local date of the start, as its length is not documented. Without a meter
    the documentation promises an empty list; a meter that is switched off was seen to be refused.
    """
    system, truth = systems[0], api.truth
    if system.consumption == "refused":
        return api.unauthorized
    if system.consumption == "disabled":
        return 401, {"message": NO_CONSUMPTION_METER}
    start, end = _asked(api, call, system, GRID)
    end = min(end, month_later(start, system.timezone))
    kept = system.consumption == "metered" and _kept(api, start)
    if kept or (system.consumption == "metered" and start > end):
        known = truth.first_consumption(system.system_id), truth.last_consumption(system.system_id)
        if refusal := _bad_range(start, end, *known):
            return 422, refusal
    return 200, {
        "system_id": system.system_id,
        "total_devices": int(system.consumption == "metered"),
        "intervals": truth.consumption_stats(system.system_id, start, end) if kept else [],
        "meta": api.meta(system),
    }


def _asked(api: ApiV2, call: Call, system: System, grid: int) -> tuple[int, int]:
    """Return the window that is asked for: by default today until now; both ends are rounded down."""
    now = api.clock.now()
    midnight = local_midnight(local_date(now, system.timezone), system.timezone)
    start = parse_moment(call.get("start_at"), midnight) // grid
    end = parse_moment(call.get("end_at"), now) // grid
    return int(start) * grid, int(end) * grid


def _kept(api: ApiV2, start: int) -> bool:
    return start >= api.clock.now() - api.retention


def _bad_range(start: int, end: int, first: int | None, last: int | None) -> Row | None:
    """Return the refusal a window meets, if any, given the ends of the first and the last interval."""
    if start <= end and first is not None and last is not None and start <= last and end >= first:
        return None
    return {
        "reason": INVALID,
        "start_at": start,
        "end_at": end,
        "first_interval": first,
        "last_interval": last,
    }
