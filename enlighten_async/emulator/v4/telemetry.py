"""The endpoints of v4 about intervals of inverters and meters, and the last report of each device."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.local_time import local_midnight, parse_moment
from enlighten_async.emulator.service import (
    DATE_IN_FUTURE,
    INVALID_RANGE,
    MAX_RGM_WINDOW_S,
    NO_CONSUMPTION_METER,
    RGM_WINDOW_TOO_LONG,
)
from enlighten_async.emulator.simulation.microinverters import MICRO_INTERVAL_S
from enlighten_async.emulator.simulation.sun import DAY_S, METER_INTERVAL_S
from enlighten_async.emulator.v4.errors import (
    NO_ACCESS,
    ApiError,
    bad_range,
    invalid_request,
    ruby,
)
from enlighten_async.emulator.v4.granularity import clip_window, requested_window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enlighten_async.emulator.simulation.system import System
    from enlighten_async.emulator.v4.endpoint import EndpointRequest, ServiceV4
    from enlighten_async.emulator.v4.granularity import TelemetryWindow

Row: TypeAlias = dict[str, object]


def production_micro(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the microinverters' five-minute rows; there are none at night."""
    system, truth = request.system, service.truth
    known = truth.first_stat(system.system_id), truth.last_stat(system.system_id)
    window = requested_window(service, request, MICRO_INTERVAL_S, known if system.modules else (None, None))
    if window.granularity == "week" and service.options.micro_week != "whole":
        window = clip_window(window, request, DAY_S, claims=service.options.micro_week == "claimed")
    rows = truth.stats(system.system_id, window.start, window.end) if system.modules else []
    return telemetry_content(system, window, system.modules, rows) | {"meta": service.meta(system)}


def production_meter(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the production meters' rows, a quarter of an hour each."""
    system, truth = request.system, service.truth
    known = truth.first_interval(system.system_id), truth.last_interval(system.system_id)
    window = requested_window(service, request, METER_INTERVAL_S, known if system.meters else (None, None))
    return telemetry_content(
        system, window, len(system.meters), truth.rgm_stats(system.system_id, window.start, window.end)
    )


def consumption_meter(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the consumption meter's rows, a quarter of an hour each."""
    system, truth = request.system, service.truth
    check_consumption(system)
    known = truth.first_consumption(system.system_id), truth.last_consumption(system.system_id)
    window = requested_window(service, request, METER_INTERVAL_S, known)
    rows = truth.consumption_stats(system.system_id, window.start, window.end)
    return telemetry_content(system, window, int(system.consumption == "metered"), rows) | {
        "meta": service.meta(system)
    }


def check_consumption(system: System) -> None:
    """Raise ApiError if the owner does not share the consumption, or its meter is switched off."""
    if system.consumption == "refused":
        raise ApiError(403, NO_ACCESS)
    if system.consumption == "disabled":
        raise ApiError(422, invalid_request(NO_CONSUMPTION_METER))


def telemetry_content(system: System, window: TelemetryWindow, devices: int, rows: Sequence[object]) -> Row:
    """Return the content of telemetry without `meta`, which only some endpoints have."""
    return {
        "system_id": system.system_id,
        "granularity": window.granularity,
        "total_devices": devices,
        **window.echo,
        "items": "intervals",
        "intervals": rows,
    }


def rgm_stats(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the revenue-grade meters' rows of seven days at most."""
    system, truth = request.system, service.truth
    start, end = _rgm_window(service, request)
    metered = bool(system.meters)
    return {
        "system_id": system.system_id,
        "total_devices": len(system.meters),
        "meta": service.meta(system),
        "intervals": truth.rgm_stats(system.system_id, start, end) if metered else [],
        "meter_intervals": truth.meter_intervals(system.system_id, start, end) if metered else [],
    }


def _rgm_window(service: ServiceV4, request: EndpointRequest) -> tuple[int, int]:
    """Return the requested window of rgm_stats: by default today until now, rounded to intervals."""
    system, now = request.system, service.now()
    midnight = local_midnight(service.today(system), system.timezone)
    start = parse_moment(request.get("start_at"), midnight)
    end = parse_moment(request.get("end_at"), min(now, start + MAX_RGM_WINDOW_S))
    if max(start, end) > now:
        raise ApiError(422, DATE_IN_FUTURE)
    begin, until = (
        int(start) // METER_INTERVAL_S * METER_INTERVAL_S,
        int(end) // METER_INTERVAL_S * METER_INTERVAL_S,
    )
    if until - begin > MAX_RGM_WINDOW_S:
        if service.options.rgm_week == "refused":
            raise ApiError(422, f"{RGM_WINDOW_TOO_LONG} {ruby(start_at=begin, end_at=until)}")
        until = begin + MAX_RGM_WINDOW_S
    if begin > until or start < now - service.retention_s:
        raise ApiError(422, bad_range(begin, until) if request.get("end_at") else INVALID_RANGE)
    return begin, until


def latest_telemetry(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the last report of each device."""
    number = request.system.system_id
    return {"system_id": number, "items": "devices", "devices": service.truth.latest(number)}
