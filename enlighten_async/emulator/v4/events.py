"""The endpoints of v4 about events and alarms, which are events that lasted long."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.local_time import parse_moment
from enlighten_async.emulator.service import DATE_IN_FUTURE
from enlighten_async.emulator.simulation.events import event_types
from enlighten_async.emulator.simulation.sun import DAY_S
from enlighten_async.emulator.v4.errors import ApiError, invalid_request, not_found

if TYPE_CHECKING:
    from enlighten_async.emulator.v4.endpoint import EndpointRequest, ServiceV4

EVENT_RETENTION_S = 274 * DAY_S  # nine months
MAX_EVENT_WINDOW_S = 7 * DAY_S

Row: TypeAlias = dict[str, object]


def events(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the events that began in a window of a week at most."""
    number = request.system.system_id
    return {"events": service.truth.events.events(number, *_window(service, request)), "system_id": number}


def alarms(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the alarms of a window of a week at most: all, the cleared or the open ones."""
    number, cleared = request.system.system_id, CLEARED.get(request.get("cleared"))
    found = service.truth.events.alarms(number, *_window(service, request), cleared=cleared)
    return {"alarms": found, "system_id": number}


def open_events(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the events that are not over; their status is in lower case here."""
    number = request.system.system_id
    found = [row | {"status": str(row["status"]).lower()} for row in service.truth.events.open_events(number)]
    return {"events": found, "system_id": number}


def open_alarms(service: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with the alarms that are not over, without the fields about their end."""
    number = request.system.system_id
    end_fields = {"cleared", "alarm_end_time"}
    found = [
        {name: value for name, value in row.items() if name not in end_fields}
        for row in service.truth.events.open_alarms(number)
    ]
    return {"alarms": found, "system_id": number}


def list_event_types(_: ServiceV4, request: EndpointRequest) -> Row:
    """Respond with all types of events, or one of them."""
    text = request.get("event_type_id")
    try:
        return {"event_types": event_types(int(text) if text else None)}
    except (KeyError, ValueError):
        raise not_found("Event type", text) from None


CLEARED = {"true": True, "false": False}


def _window(service: ServiceV4, request: EndpointRequest) -> tuple[float, float]:
    """Return the requested window: by default a day, as far as it is over.

    Raises ApiError: it has no start, is longer than a week, too old, in the future, or ends before it starts.
    """
    now = service.now()
    if not request.get("start_time"):
        raise ApiError(422, "start_time is required")
    start = parse_moment(request.get("start_time"), 0)
    end = parse_moment(request.get("end_time"), min(start + DAY_S, now))
    if start > now:
        raise ApiError(422, invalid_request(DATE_IN_FUTURE))
    if start < now - EVENT_RETENTION_S:
        raise ApiError(422, invalid_request("start_time is older than 9 months"))
    if not 0 <= end - start <= MAX_EVENT_WINDOW_S:
        raise ApiError(422, invalid_request("The range is longer than 7 days, or ends before it starts"))
    return start, end
