"""The endpoints of v4 about what happened: events, and those that lasted long enough to be alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.local_time import parse_moment
from enlighten_async.emulator.plant.event_types import event_types
from enlighten_async.emulator.plant.sun import DAY
from enlighten_async.emulator.v4.refusals import IN_FUTURE, RefusedError, because, not_found

if TYPE_CHECKING:
    from enlighten_async.emulator.v4.api import ApiV4
    from enlighten_async.emulator.v4.routes import Asked

KEPT = 274 * DAY  # nine months
LONGEST = 7 * DAY

Row: TypeAlias = dict[str, object]


def events(api: ApiV4, asked: Asked) -> Row:
    """Answer the events that began in a window of a week at most."""
    number = asked.system.system_id
    return {"events": api.truth.events.events(number, *_window(api, asked)), "system_id": number}


def alarms(api: ApiV4, asked: Asked) -> Row:
    """Answer the alarms that began in a window of a week at most: all, or those that are over or are not."""
    number, cleared = asked.system.system_id, CLEARED.get(asked.get("cleared"))
    found = api.truth.events.alarms(number, *_window(api, asked), cleared=cleared)
    return {"alarms": found, "system_id": number}


def open_events(api: ApiV4, asked: Asked) -> Row:
    """Answer the events that are not over, which are spelled in another way here."""
    number = asked.system.system_id
    found = [row | {"status": str(row["status"]).lower()} for row in api.truth.events.open_events(number)]
    return {"events": found, "system_id": number}


def open_alarms(api: ApiV4, asked: Asked) -> Row:
    """Answer the alarms that are not over: whether and when they ended goes without saying."""
    number = asked.system.system_id
    said = {"cleared", "alarm_end_time"}
    found = [
        {name: value for name, value in row.items() if name not in said}
        for row in api.truth.events.open_alarms(number)
    ]
    return {"alarms": found, "system_id": number}


def kinds(_: ApiV4, asked: Asked) -> Row:
    """Answer what kinds of events there are, or one of them."""
    text = asked.get("event_type_id")
    try:
        return {"event_types": event_types(int(text) if text else None)}
    except (KeyError, ValueError):
        raise not_found("Event type", text) from None


CLEARED = {"true": True, "false": False}


def _window(api: ApiV4, asked: Asked) -> tuple[float, float]:
    """Return the window that is asked for: by default a day, as far as it is over.

    Raises RefusedError: it has no start, is longer than a week, too old or not over, or ends too soon.
    """
    now = api.clock.now()
    if not asked.get("start_time"):
        raise RefusedError(422, "start_time is required")
    start = parse_moment(asked.get("start_time"), 0)
    end = parse_moment(asked.get("end_time"), min(start + DAY, now))
    if start > now:
        raise RefusedError(422, because(IN_FUTURE))
    if start < now - KEPT:
        raise RefusedError(422, because("start_time is older than 9 months"))
    if not 0 <= end - start <= LONGEST:
        raise RefusedError(422, because("The range is longer than 7 days, or ends before it starts"))
    return start, end
