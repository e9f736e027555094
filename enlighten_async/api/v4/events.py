"""Events, alarms and EV chargers in v4."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

from attrs import frozen

from enlighten_async.api import decode
from enlighten_async.api.single import once
from enlighten_async.api.systems import serial_number
from enlighten_async.api.v4.devices import device_rows
from enlighten_async.api.v4.paging import Page, Paged
from enlighten_async.api.v4.systems import quote_segment
from enlighten_async.errors import EnlightenError, InputError, RangeError
from enlighten_async.models.convert import RowSequence
from enlighten_async.models.coverage import Coverage, Gap, Reason, combined
from enlighten_async.models.devices import EvChargers
from enlighten_async.models.ev_charger import (
    EvChargerEvent,
    EvChargerEvents,
    EvChargerSchedules,
    EvChargerSession,
    EvChargerSessions,
)
from enlighten_async.models.events import (
    Alarm,
    Alarms,
    Event,
    Events,
    EventTypes,
    OpenAlarms,
    OpenEvents,
)
from enlighten_async.models.receipt import Receipt
from enlighten_async.query.plan import Draft, Leg, Outline
from enlighten_async.windows import DAY, Moment, Window, as_datetime, epoch, split
from enlighten_async.wire import Request, Requests, Response

WEEK = 7 * DAY
"""Seconds of the longest range that one request may ask for."""

KEPT = 273 * DAY
"""Seconds for which the service keeps events: nine months, the shortest there are."""

SURELY_KEPT = 181 * DAY
"""Seconds for which it keeps them by another of its notes: six months."""

MARGIN = 3_600
"""Seconds kept from the limit, which moves on while a request waits for its turn."""

R = TypeVar("R", Event, Alarm)
A = TypeVar("A", Events, Alarms)

Params: TypeAlias = tuple[tuple[str, str], ...]


@frozen
class EventLog(Generic[R, A]):
    """One endpoint that tells what happened in a range of time.

    Attributes:
        name: of the endpoint.
        page: what an answer is read as.
        answer: makes an answer of the system, rows, coverage, the time it was fetched, and a receipt.
        key: by what one row is known in several answers.
        span: when it began, and when it was over.
    """

    name: str
    page: type[RowSequence[R]]
    answer: Callable[..., A]
    key: Callable[[R], object]
    span: Callable[[R], tuple[datetime | None, datetime | None]]

    def draft(
        self, system_id: int, start_time: Moment, end_time: Moment | None, params: Params = ()
    ) -> Draft[A, A, A]:
        """Ask for a range, window by window.

        Raises:
            InputError: an end is no instant, or they are the wrong way round.
        """
        start = epoch(start_time, "start_time")
        end = None if end_time is None else epoch(end_time, "end_time")
        if end is not None and end < start:
            raise InputError(f"end_time {end_time} is before start_time {start_time}: swap them")

        def outline(now: float, _zone: object) -> Outline[A, A, A]:
            last = now if end is None else min(end, now)
            return self._outline(system_id, Window(int(start), max(int(start), int(last))), now, params)

        return Draft(outline)

    def _outline(self, system_id: int, window: Window, now: float, params: Params) -> Outline[A, A, A]:
        kept = window.clip(Window(int(now - KEPT + MARGIN), window.end))
        gone = Window(window.start, kept.start)
        unasked: list[Gap] = [Gap(gone, Reason.BEYOND_RETENTION)] if gone.seconds else []

        def merge(parts: Sequence[A], gaps: Sequence[Gap], receipt: Receipt) -> A:
            return self._joined(system_id, window, parts, [*unasked, *gaps], receipt)

        return Outline(
            legs=tuple(Leg(self._flow(system_id, piece, params), piece) for piece in split(kept, WEEK)),
            merge=merge,
            unpack=lambda part: (part,),
            pruned=len(split(gone, WEEK)),
        )

    def _flow(self, system_id: int, window: Window, params: Params) -> Requests[A]:
        """Ask for a window, and for the rest of it where an answer spoke for one end of it only."""
        while window.start < window.end:
            part = yield self._request(system_id, window, params)
            spoken = part.coverage.window
            window = (
                Window(spoken.end, window.end)
                if spoken.start == window.start
                else Window(window.start, spoken.start)
            )

    def _request(self, system_id: int, window: Window, params: Params) -> Request[A]:
        def read(response: Response) -> A:
            page: Any = decode.value(self.page, response, usual={"system_id": system_id})
            coverage = Coverage(window, 1, as_of=page.as_of)
            return self.answer(page.system_id, tuple(page), coverage, page.as_of)

        asked = (("start_time", str(window.start)), ("end_time", str(window.end)), *params)
        path = f"/systems/{system_id}/{self.name}"
        return Request(self.name, path, asked, read, window, partial(self._empty, system_id, window))

    def _empty(self, system_id: int, window: Window, refusal: EnlightenError) -> A | None:
        """Return what a refusal says of the end of a window for which there can be nothing."""
        response = refusal.response if isinstance(refusal, RangeError) else None
        if response is None or response.status != 422 or response.date is None:
            return None
        gap = _gap(window, int(response.date))
        if gap is None:
            return None
        as_of, note = decode.fetched_at(response), f"the service said: {refusal}"
        return self.answer(system_id, (), Coverage(gap.window, 1, (gap,), as_of, notes=(note,)), as_of)

    def _joined(
        self, system_id: int, window: Window, parts: Sequence[A], gaps: Sequence[Gap], receipt: Receipt
    ) -> A:
        coverage = combined([part.coverage for part in parts], window, 1, gaps)
        return self.answer(system_id, self._each_once(parts), coverage, coverage.as_of, receipt)

    def _each_once(self, parts: Sequence[Any]) -> tuple[R, ...]:
        """Return the rows of all parts, oldest first, each by the newest word on it.

        What reaches over several windows may be in several answers; that it is over is newer than that it
        is not.
        """
        known: dict[object, R] = {}
        for row in (row for part in sorted(parts, key=_fetched) for row in part):
            before = known.get(self.key(row))
            if before is None or self.span(before)[1] is None or self.span(row)[1] is not None:
                known[self.key(row)] = row
        return tuple(sorted(known.values(), key=lambda row: self.span(row)[0] or _NEVER))


def _gap(window: Window, now: int) -> Gap | None:
    """Return the end of a window that may be too old, or that has not come yet by the service's clock."""
    limit = now - SURELY_KEPT
    if window.end > now:
        return Gap(Window(max(window.start, now), window.end), Reason.NOT_REPORTED_YET)
    if window.start < limit:
        return Gap(Window(window.start, min(limit, window.end)), Reason.BEYOND_RETENTION)
    return None


_NEVER = as_datetime(0)


def _fetched(part: Any) -> datetime:
    return part.as_of or _NEVER


def _alarm_key(alarm: Alarm) -> object:
    return alarm.id or (alarm.event_type_id, alarm.alarm_start_time)


_EVENTS = EventLog[Event, Events](
    "events",
    OpenEvents,
    Events,
    lambda event: (event.event_type_id, event.event_start_time, event.serial_number),
    lambda event: (event.event_start_time, event.event_end_time),
)
_ALARMS = EventLog[Alarm, Alarms](
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


_CHARGER_EVENTS = Paged[EvChargerEvent, EvChargerEvents](EvChargerEvents, "ev_charger_events", "events")
_CHARGER_SESSIONS = Paged[EvChargerSession, EvChargerSessions](
    EvChargerSessions, "ev_charger_sessions", "sessions"
)


def ev_charger_devices(system_id: int) -> Draft[EvChargers, EvChargers, EvChargers]:
    """Ask for a system's active EV chargers."""
    read = partial(decode.value, EvChargers, shape=_chargers, usual={"system_id": system_id})
    return once(Request("ev_charger_devices", f"/systems/{system_id}/ev_charger/devices", (), read))


def _chargers(raw: dict[str, Any]) -> dict[str, Any]:
    listed = (raw.get("devices") or {}).get("ev_chargers")
    return {"system_id": raw.get("system_id"), "ev_chargers": device_rows(listed)}


def ev_charger_schedules(
    system_id: int, serial_number: str
) -> Draft[EvChargerSchedules, EvChargerSchedules, EvChargerSchedules]:
    """Ask for the schedules of an EV charger.

    Raises:
        InputError: the serial number cannot be one.
    """
    path = f"/systems/{system_id}/ev_charger/{quote_segment(serial_number, 'serial_number')}/schedules"
    read = partial(decode.value, EvChargerSchedules, usual={"system_id": system_id})
    return once(Request("ev_charger_schedules", path, (), read))


def ev_charger_events(
    system_id: int, *, serial_num: str | None = None
) -> Draft[Page[EvChargerEvents], EvChargerEvent, EvChargerEvents]:
    """Ask what happened to a system's EV chargers, or to one of them.

    Raises:
        InputError: the serial number is not a text.
    """
    only = () if serial_num is None else (("serial_num", serial_number(serial_num, "serial_num")),)
    return _CHARGER_EVENTS.draft(system_id, f"/systems/{system_id}/ev_charger/events", only)


def ev_charger_sessions(
    system_id: int, serial_number: str
) -> Draft[Page[EvChargerSessions], EvChargerSession, EvChargerSessions]:
    """Ask for the sessions of an EV charger.

    Raises:
        InputError: the serial number cannot be one.
    """
    path = f"/systems/{system_id}/ev_charger/{quote_segment(serial_number, 'serial_number')}/sessions"
    return _CHARGER_SESSIONS.draft(system_id, path)
