"""Events and alarms of a system and its devices (v4)."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from attrs import field, frozen

from enlighten_async.models.convert import FLAG, ONE_KIND, PARSE, RowSequence, ToDict, parse_id
from enlighten_async.models.coverage import Coverage
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.tabular import SingleRow


def _name(raw: object) -> str | None:
    """Return an id as a text."""
    known = parse_id(raw)
    return None if known is None else str(known)


@frozen
class Event(ToDict, SingleRow):
    """An event of a device, or of the whole system."""

    event_type_id: int | None = None
    """Number of its kind: see `event_types`."""
    event_start_time: datetime | None = None
    """When it began (aware UTC)."""
    event_end_time: datetime | None = None
    """When it was over (aware UTC); null if it is not."""
    status: str | None = None
    """State: "Info" (over at once), "Open", "Closed"; an open set, in any case of letters."""
    serial_number: str | None = None
    """Of the device, a text; null if unknown."""


@frozen
class Events(RowSequence[Event]):
    """Events of a range of time, oldest first, each once: a sequence of `Event`."""

    _items: ClassVar[str] = "events"

    system_id: int
    """The service's number of the system."""
    events: tuple[Event, ...]
    """The events themselves."""
    coverage: Coverage = field(eq=False)
    """The part of the range that was fetched, and the reasons for gaps; its grid is the second."""
    as_of: datetime | None = field(default=None, eq=False)
    """When the oldest part was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query; empty on a part of a stream."""


@frozen
class OpenEvents(RowSequence[Event]):
    """Events that are not over, in the service's order: a sequence of `Event`."""

    _items: ClassVar[str] = "events"

    system_id: int
    """The service's number of the system."""
    events: tuple[Event, ...] = ()
    """The events themselves."""
    complete: bool = field(default=True, eq=False)
    """Whether every item that the service listed could be read."""
    as_of: datetime | None = field(default=None, eq=False)
    """When it was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query."""


@frozen
class AlarmEvent(ToDict):
    """An event that is behind an alarm."""

    serial_number: str | None = None
    """Of the device, a text; null if unknown."""
    start_date: datetime | None = None
    """When it began, an instant despite its name (aware UTC)."""
    end_date: datetime | None = None
    """When it was over (aware UTC); null if it is not."""


@frozen
class Alarm(ToDict, SingleRow):
    """An alarm: raised by events of one kind that lasted, or were many."""

    id: str | None = field(default=None, metadata={PARSE: _name})
    """The service's name of it, a text."""
    event_type_id: int | None = None
    """Number of the kind of these events: see `event_types`."""
    severity: int | None = None
    """1 fatal, 2 error, 3 warning, 4 info, 5 debug, 6 none."""
    alarm_start_time: datetime | None = None
    """When it was raised (aware UTC)."""
    alarm_end_time: datetime | None = None
    """When it was over (aware UTC); null if it is not."""
    cleared: bool | None = field(default=None, metadata=FLAG)
    """Whether it is over."""
    events: tuple[AlarmEvent, ...] = field(default=(), metadata=ONE_KIND)
    """The events behind it, one for each device."""


@frozen
class Alarms(RowSequence[Alarm]):
    """The alarms of a range of time, oldest first, each once: a sequence of `Alarm`."""

    _items: ClassVar[str] = "alarms"

    system_id: int
    """The service's number of the system."""
    alarms: tuple[Alarm, ...]
    """The alarms themselves."""
    coverage: Coverage = field(eq=False)
    """The part of the range that was fetched, and the reasons for gaps; its grid is the second."""
    as_of: datetime | None = field(default=None, eq=False)
    """When the oldest part was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query; empty on a part of a stream."""


@frozen
class OpenAlarms(RowSequence[Alarm]):
    """Alarms that are not over, in the service's order: a sequence of `Alarm`."""

    _items: ClassVar[str] = "alarms"

    system_id: int
    """The service's number of the system."""
    alarms: tuple[Alarm, ...] = ()
    """The alarms themselves."""
    complete: bool = field(default=True, eq=False)
    """Whether every item that the service listed could be read."""
    as_of: datetime | None = field(default=None, eq=False)
    """When it was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query."""


@frozen
class EventType(ToDict, SingleRow):
    """A kind of event, in the service's words."""

    event_type_id: int
    """Its number."""
    event_type_key: str | None = None
    """Its name for programs, such as "envoy_no_report"."""
    stateful: bool | None = field(default=None, metadata=FLAG)
    """Whether such events last; else they are over at once."""
    event_name: str | None = None
    """Its name for people."""
    event_description: str | None = None
    """Its meaning."""
    recommended_action: str | None = None
    """Remedy."""


@frozen
class EventTypes(RowSequence[EventType]):
    """Kinds of events, in the service's order: a sequence of `EventType`."""

    _items: ClassVar[str] = "event_types"

    event_types: tuple[EventType, ...] = ()
    """The kinds themselves."""
    complete: bool = field(default=True, eq=False)
    """Whether every item that the service listed could be read."""
    as_of: datetime | None = field(default=None, eq=False)
    """When it was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query."""
