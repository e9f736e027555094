"""The endpoints of v4 that answer with the intervals of a system's inverters and meters."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.local_time import local_date, local_midnight, parse_moment
from enlighten_async.emulator.plant.micro import STEP
from enlighten_async.emulator.plant.sun import DAY, GRID
from enlighten_async.emulator.status import meta
from enlighten_async.emulator.v4.refusals import (
    IN_FUTURE,
    INVALID,
    NO_ACCESS,
    RefusedError,
    bad_range,
    because,
    ruby,
)
from enlighten_async.emulator.v4.spans import asked_span, clip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enlighten_async.emulator.plant.system import System
    from enlighten_async.emulator.v4.api import ApiV4
    from enlighten_async.emulator.v4.routes import Asked
    from enlighten_async.emulator.v4.spans import Span

RGM_SPAN = 7 * DAY
NO_CONSUMPTION_METER = "The given system does not contain any active and enabled consumption meter"

Row: TypeAlias = dict[str, object]


def production_micro(api: ApiV4, asked: Asked) -> Row:
    """Answer what the microinverters made: five minutes a row, none while it is dark."""
    system, truth = asked.system, api.truth
    known = truth.first_stat(system.system_id), truth.last_stat(system.system_id)
    span = asked_span(api, asked, STEP, known if system.modules else (None, None))
    if span.granularity == "week" and api.manners.micro_week != "whole":
        span = clip(span, asked, DAY, claims=api.manners.micro_week == "claimed")
    rows = truth.stats(system.system_id, span.start, span.end) if system.modules else []
    return told(system, span, system.modules, rows) | {"meta": meta(truth, system)}


def production_meter(api: ApiV4, asked: Asked) -> Row:
    """Answer what the production meters measured: a quarter of an hour a row."""
    system, truth = asked.system, api.truth
    known = truth.first_interval(system.system_id), truth.last_interval(system.system_id)
    span = asked_span(api, asked, GRID, known if system.meters else (None, None))
    return told(system, span, len(system.meters), truth.rgm_stats(system.system_id, span.start, span.end))


def consumption_meter(api: ApiV4, asked: Asked) -> Row:
    """Answer what the consumption meter measured: a quarter of an hour a row."""
    system, truth = asked.system, api.truth
    check_consumption(system)
    known = truth.first_consumption(system.system_id), truth.last_consumption(system.system_id)
    span = asked_span(api, asked, GRID, known)
    rows = truth.consumption_stats(system.system_id, span.start, span.end)
    return told(system, span, int(system.consumption == "metered"), rows) | {"meta": meta(truth, system)}


def check_consumption(system: System) -> None:
    """Raise RefusedError if the owner does not share the consumption, or its meter is switched off."""
    if system.consumption == "refused":
        raise RefusedError(403, NO_ACCESS)
    if system.consumption == "disabled":
        raise RefusedError(422, because(NO_CONSUMPTION_METER))


def told(system: System, span: Span, devices: int, rows: Sequence[object]) -> Row:
    """Return an answer of telemetry but for its `meta`, which some have and some have not."""
    return {
        "system_id": system.system_id,
        "granularity": span.granularity,
        "total_devices": devices,
        **span.echo,
        "items": "intervals",
        "intervals": rows,
    }


def rgm_stats(api: ApiV4, asked: Asked) -> Row:
    """Answer what the revenue-grade meters measured, of seven days at most."""
    system, truth = asked.system, api.truth
    start, end = _window(api, asked)
    there = bool(system.meters)
    return {
        "system_id": system.system_id,
        "total_devices": len(system.meters),
        "meta": meta(truth, system),
        "intervals": truth.rgm_stats(system.system_id, start, end) if there else [],
        "meter_intervals": truth.meter_intervals(system.system_id, start, end) if there else [],
    }


def _window(api: ApiV4, asked: Asked) -> tuple[int, int]:
    """Return the window of rgm_stats that is asked for: by default today until now, on the grid."""
    system, now = asked.system, api.clock.now()
    midnight = local_midnight(local_date(now, system.timezone), system.timezone)
    start = parse_moment(asked.get("start_at"), midnight)
    end = parse_moment(asked.get("end_at"), min(now, start + RGM_SPAN))
    if max(start, end) > now:
        raise RefusedError(422, IN_FUTURE)
    begin, until = int(start) // GRID * GRID, int(end) // GRID * GRID
    if until - begin > RGM_SPAN:
        if api.manners.rgm_week == "refused":
            limit = "Requested date range in one API hit cannot be more than 7 days."
            raise RefusedError(422, f"{limit} {ruby(start_at=begin, end_at=until)}")
        until = begin + RGM_SPAN
    if begin > until or start < now - api.retention:
        raise RefusedError(422, bad_range(begin, until) if asked.get("end_at") else INVALID)
    return begin, until
