"""Events and alarms, and what kinds there are."""

from __future__ import annotations

from functools import partial

from enlighten_async.dialect import decode
from enlighten_async.dialect.once import once
from enlighten_async.errors import InputError
from enlighten_async.models.events import (
    Alarm,
    Alarms,
    Event,
    Events,
    EventTypes,
    OpenAlarms,
    OpenEvents,
)
from enlighten_async.session.outline import Draft
from enlighten_async.v4.log import Log
from enlighten_async.windows import Moment
from enlighten_async.wire import Request


def _alarm_key(alarm: Alarm) -> object:
    return alarm.id or (alarm.event_type_id, alarm.alarm_start_time)


_EVENTS = Log[Event, Events](
    "events",
    OpenEvents,
    Events,
    lambda event: (event.event_type_id, event.event_start_time, event.serial_number),
    lambda event: (event.event_start_time, event.event_end_time),
)
_ALARMS = Log[Alarm, Alarms](
    "alarms",
    OpenAlarms,
    Alarms,
    _alarm_key,
    lambda alarm: (alarm.alarm_start_time, alarm.alarm_end_time),
)


def events(
    system_id: int, *, start_time: Moment, end_time: Moment | None = None
) -> Draft[Events, Events, Events]:
    """Ask what happened in a range of time.

    Raises:
        InputError: an end is no instant, or they are the wrong way round.
    """
    return _EVENTS.draft(system_id, start_time, end_time)


def alarms(
    system_id: int, *, start_time: Moment, end_time: Moment | None = None, cleared: bool | None = None
) -> Draft[Alarms, Alarms, Alarms]:
    """Ask for the alarms of a range of time.

    Args:
        system_id: the system.
        start_time: start of the range.
        end_time: end of the range; now if not given.
        cleared: whether alarms are wanted that are over; the service takes `None` for no.

    Raises:
        InputError: an argument is wrong.
    """
    if cleared is not None and not isinstance(cleared, bool):
        raise InputError(f"cleared must be True, False or None, not {cleared!r}")
    only = () if cleared is None else (("cleared", str(cleared).lower()),)
    return _ALARMS.draft(system_id, start_time, end_time, only)


def open_events(system_id: int) -> Draft[OpenEvents, OpenEvents, OpenEvents]:
    """Ask for the events that are not over."""
    read = partial(decode.value, OpenEvents, usual={"system_id": system_id})
    return once(Request("open_events", f"/systems/{system_id}/open_events", (), read))


def open_alarms(system_id: int) -> Draft[OpenAlarms, OpenAlarms, OpenAlarms]:
    """Ask for the alarms that are not over."""
    read = partial(decode.value, OpenAlarms, usual={"system_id": system_id})
    return once(Request("open_alarms", f"/systems/{system_id}/open_alarms", (), read))


def event_types(event_type_id: object = None) -> Draft[EventTypes, EventTypes, EventTypes]:
    """Ask what kinds of events there are, or for one of them.

    Raises:
        InputError: it is not a number.
    """
    if event_type_id is not None and not _natural(event_type_id):
        raise InputError(f"event_type_id must be a number such as 28, not {event_type_id!r}")
    params = () if event_type_id is None else (("event_type_id", str(event_type_id)),)
    return once(Request("event_types", "/systems/event_types", params, partial(decode.value, EventTypes)))


def _natural(given: object) -> bool:
    text = str(given)
    return isinstance(given, int | str) and not isinstance(given, bool) and text.isascii() and text.isdigit()
