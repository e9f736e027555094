"""Events and alarms of a system and its devices (v4)."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from attrs import field, frozen

from enlighten_async.models.convert import FLAG, PARSE, RowSequence, ToDict, parse_id
from enlighten_async.models.coverage import Coverage
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.tabular import SingleRow


def _name(raw: object) -> str | None:
    """Return an id as a text."""
    known = parse_id(raw)
    return None if known is None else str(known)


@frozen
class Event(ToDict, SingleRow):
    """An event of a device, or of the whole system.

    Attributes:
        event_type_id: number of its kind: see `event_types`.
        event_start_time: when it began (aware UTC).
        event_end_time: when it was over (aware UTC); null if it is not.
        status: "Info" (over at once), "Open", "Closed"; an open set, in any case of letters.
        serial_number: of the device, a text; null if unknown.
    """

    event_type_id: int | None = None
    event_start_time: datetime | None = None
    event_end_time: datetime | None = None
    status: str | None = None
    serial_number: str | None = None


@frozen
class Events(RowSequence[Event]):
    """Events of a range of time, oldest first, each once: a sequence of `Event`.

    Attributes:
        system_id: the service's number of the system.
        events: the events themselves.
        coverage: the part of the range that was fetched, and the reasons for gaps; its grid is the second.
        as_of: when the oldest part was fetched (aware UTC).
        receipt: cost of the query; empty on a part of a stream.
    """

    _items: ClassVar[str] = "events"

    system_id: int
    events: tuple[Event, ...]
    coverage: Coverage = field(eq=False)
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)


@frozen
class OpenEvents(RowSequence[Event]):
    """Events that are not over, in the service's order: a sequence of `Event`.

    Attributes:
        system_id: the service's number of the system.
        events: the events themselves.
        as_of: when it was fetched (aware UTC).
        receipt: cost of the query.
    """

    _items: ClassVar[str] = "events"

    system_id: int
    events: tuple[Event, ...] = ()
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)


@frozen
class AlarmEvent(ToDict):
    """An event that is behind an alarm.

    Attributes:
        serial_number: of the device, a text; null if unknown.
        start_date: when it began, an instant despite its name (aware UTC).
        end_date: when it was over (aware UTC); null if it is not.
    """

    serial_number: str | None = None
    start_date: datetime | None = None
    end_date: datetime | None = None


@frozen
class Alarm(ToDict, SingleRow):
    """An alarm: raised by events of one kind that lasted, or were many.

    Attributes:
        id: the service's name of it, a text.
        event_type_id: number of the kind of these events: see `event_types`.
        severity: 1 fatal, 2 error, 3 warning, 4 info, 5 debug, 6 none.
        alarm_start_time: when it was raised (aware UTC).
        alarm_end_time: when it was over (aware UTC); null if it is not.
        cleared: whether it is over.
        events: the events behind it, one for each device.
    """

    id: str | None = field(default=None, metadata={PARSE: _name})
    event_type_id: int | None = None
    severity: int | None = None
    alarm_start_time: datetime | None = None
    alarm_end_time: datetime | None = None
    cleared: bool | None = field(default=None, metadata=FLAG)
    events: tuple[AlarmEvent, ...] = ()


@frozen
class Alarms(RowSequence[Alarm]):
    """The alarms of a range of time, oldest first, each once: a sequence of `Alarm`.

    Attributes:
        system_id: the service's number of the system.
        alarms: the alarms themselves.
        coverage: the part of the range that was fetched, and the reasons for gaps; its grid is the second.
        as_of: when the oldest part was fetched (aware UTC).
        receipt: cost of the query; empty on a part of a stream.
    """

    _items: ClassVar[str] = "alarms"

    system_id: int
    alarms: tuple[Alarm, ...]
    coverage: Coverage = field(eq=False)
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)


@frozen
class OpenAlarms(RowSequence[Alarm]):
    """Alarms that are not over, in the service's order: a sequence of `Alarm`.

    Attributes:
        system_id: the service's number of the system.
        alarms: the alarms themselves.
        as_of: when it was fetched (aware UTC).
        receipt: cost of the query.
    """

    _items: ClassVar[str] = "alarms"

    system_id: int
    alarms: tuple[Alarm, ...] = ()
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)


@frozen
class EventType(ToDict, SingleRow):
    """A kind of event, in the service's words.

    Attributes:
        event_type_id: its number.
        event_type_key: its name for programs, such as "envoy_no_report".
        stateful: whether such events last; else they are over at once.
        event_name: its name for people.
        event_description: its meaning.
        recommended_action: remedy.
    """

    event_type_id: int
    event_type_key: str | None = None
    stateful: bool | None = field(default=None, metadata=FLAG)
    event_name: str | None = None
    event_description: str | None = None
    recommended_action: str | None = None


@frozen
class EventTypes(RowSequence[EventType]):
    """Kinds of events, in the service's order: a sequence of `EventType`.

    Attributes:
        event_types: the kinds themselves.
        as_of: when it was fetched (aware UTC).
        receipt: cost of the query.
    """

    _items: ClassVar[str] = "event_types"

    event_types: tuple[EventType, ...] = ()
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)
