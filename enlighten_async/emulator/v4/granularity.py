"""Windows of telemetry requests of v4: `granularity` is the length of the window, not of a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

from enlighten_async.emulator.local_time import iso, local_date, local_midnight, parse_date, parse_moment
from enlighten_async.emulator.service import DATE_IN_FUTURE
from enlighten_async.emulator.simulation.sun import DAY_S
from enlighten_async.emulator.v4.errors import ApiError, bad_range, invalid_request

if TYPE_CHECKING:
    from datetime import date

    from enlighten_async.emulator.v4.endpoint import EndpointRequest, ServiceV4

GRANULARITY_S = {"5mins": 300, "15mins": 900, "day": DAY_S, "week": 7 * DAY_S}

Row: TypeAlias = dict[str, object]


@frozen
class TelemetryWindow:
    """A window of telemetry.

    Attributes:
        granularity: the name of its length.
        start: its start (epoch seconds), rounded down to the interval.
        end: its end (epoch seconds).
        echo: start and end as fields of the response: not rounded; as text if dates were requested.
    """

    granularity: str
    start: int
    end: int
    echo: Row


def requested_window(
    service: ServiceV4, request: EndpointRequest, interval_s: int, known: tuple[int | None, int | None]
) -> TelemetryWindow:
    """Return the requested window: by default the system's today, until now.

    Args:
        service: the service.
        request: the request.
        interval_s: seconds of one interval.
        known: the ends of the first and the last interval of the system (epoch seconds).

    Raises:
        ApiError: it starts in the future or too long ago, or ends before it starts.
    """
    zone, now = request.system.timezone, service.now()
    word = request.get("granularity") or "day"
    if word not in GRANULARITY_S:
        raise ApiError(422, invalid_request("The granularity is not supported"))
    day = None if request.get("start_at") else parse_date(request.get("start_date")) or local_date(now, zone)
    start = int(parse_moment(request.get("start_at"), 0)) if day is None else local_midnight(day, zone)
    if start > now:
        raise ApiError(422, invalid_request(DATE_IN_FUTURE))
    end = _end(request, start, day, word)
    if start < now - service.retention_s or end < start:
        tail = {"first_interval": known[0], "last_interval": known[1]}
        raise ApiError(422, invalid_request(bad_range(start, end, **tail)))
    if known[0] is not None and start < (first := _midnight(known[0] - interval_s, zone)):
        start = first
        end = _end(request, start, None if day is None else local_date(start, zone), word)
    end = min(end, int(now))
    return TelemetryWindow(word, start // interval_s * interval_s, end, _echo(request, start, end))


def clip_window(
    window: TelemetryWindow, request: EndpointRequest, length: int, *, claims: bool
) -> TelemetryWindow:
    """Return the first seconds of a window; with `claims`, its echo is that of the whole window."""
    end = min(window.end, window.start + length)
    shown = window.end if claims else end
    start = window.echo.get("start_at", window.start)
    return TelemetryWindow(window.granularity, window.start, end, _echo(request, int(str(start)), shown))


def _end(request: EndpointRequest, start: int, day: date | None, word: str) -> int:
    """Return the end of a window: local days where a date was requested, else 86,400 seconds each.

    An earlier requested end is obeyed, which is not documented.
    """
    zone, length = request.system.timezone, GRANULARITY_S[word]
    end = start + length
    if day is not None and length >= DAY_S:
        end = local_midnight(day, zone, length // DAY_S)
    last = parse_date(request.get("end_date"))
    named = parse_moment(request.get("end_at"), end if last is None else local_midnight(last, zone, 1))
    return min(end, int(named))


def _midnight(moment: int, zone: str) -> int:
    return local_midnight(local_date(moment, zone), zone)


def _echo(request: EndpointRequest, start: int, end: int) -> Row:
    zone = request.system.timezone
    if request.get("start_date") and not request.get("start_at"):
        return {"start_date": iso(start, zone), "end_date": iso(end, zone)}
    return {"start_at": start, "end_at": end}
