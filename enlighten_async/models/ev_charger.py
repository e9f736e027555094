"""Events, sessions and schedules of EV chargers (v4)."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from attrs import field, frozen

from enlighten_async.models import convert
from enlighten_async.models.convert import FLAG, NEAREST, PARSE, RowSequence, ToDict, no_value, parse_text
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.tabular import SingleRow

_NUMBER = {PARSE: convert.quantity_parser({"": 1})}

_DAY = 24 * 60


def _hour(raw: object) -> str | None:
    """Return a time of the day, documented as a text; a number would be its minutes."""
    if isinstance(raw, int) and not isinstance(raw, bool) and 0 <= raw <= _DAY:
        return f"{raw // 60}:{raw % 60:02}"
    return parse_text(raw)


_HOUR = {PARSE: _hour, NEAREST: no_value}


@frozen
class EvChargerEvent(ToDict, SingleRow):
    """An event of an EV charger."""

    status: str | None = None
    """State: "Info", "Open", "Closed"; an open set."""
    triggered_date: datetime | None = None
    """When it began, an instant despite its name (aware UTC)."""
    cleared_date: datetime | None = None
    """When it was over (aware UTC); null if it is not."""
    details: str | None = None
    """Description of the event and of the charger, in the service's words."""


@frozen
class EvChargerEvents(RowSequence[EvChargerEvent]):
    """Events of EV chargers, in the service's order: a sequence of `EvChargerEvent`."""

    _items: ClassVar[str] = "events"

    system_id: int
    """The service's number of the system."""
    events: tuple[EvChargerEvent, ...] = ()
    """The events themselves."""
    complete: bool = field(default=True, eq=False)
    """Whether all pages arrived, and every item in them could be read."""
    as_of: datetime | None = field(default=None, eq=False)
    """When the first page was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query."""


@frozen
class EvChargerSession(ToDict, SingleRow):
    """One session of charging, from plugging in to unplugging."""

    start_time: datetime | None = None
    """When it began (aware UTC)."""
    end_time: datetime | None = None
    """When it ended (aware UTC); null if it has not."""
    duration: float | None = field(default=None, metadata=_NUMBER)
    """Seconds from one to the other."""
    charge_time: float | None = field(default=None, metadata=_NUMBER)
    """Seconds of these in which power flowed; the service tells no unit."""
    energy_added: float | None = field(default=None, metadata=_NUMBER)
    """Wh, as the service has it in writing; its example would fit kWh."""
    miles_added: float | None = field(default=None, metadata=_NUMBER)
    """Miles one can drive with it."""
    cost: float | None = field(default=None, metadata=_NUMBER)
    """Price, in the currency of the owner's tariff."""


@frozen
class EvChargerSessions(RowSequence[EvChargerSession]):
    """Sessions of an EV charger, in the service's order: a sequence of `EvChargerSession`."""

    _items: ClassVar[str] = "sessions"

    system_id: int
    """The service's number of the system."""
    sessions: tuple[EvChargerSession, ...] = ()
    """The sessions themselves."""
    complete: bool = field(default=True, eq=False)
    """Whether all pages arrived, and every item in them could be read."""
    as_of: datetime | None = field(default=None, eq=False)
    """When the first page was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query."""


@frozen
class EvChargingTime(ToDict):
    """A time of the day at which a schedule lets an EV charger charge."""

    days: tuple[int, ...] = ()
    """On which days of the week, 1 to 7; which is the first is not documented."""
    start_time: str | None = field(default=None, metadata=_HOUR)
    """Local time such as "1:00"."""
    end_time: str | None = field(default=None, metadata=_HOUR)
    """Local time such as "2:00"."""
    charging_level: int | None = None
    """% of what the charger can give."""


@frozen
class EvChargerSchedule(ToDict, SingleRow):
    """A schedule of an EV charger."""

    type: str | None = None
    """Such as "Custom"; an open set."""
    is_active: bool | None = field(default=None, metadata=FLAG)
    """Whether it is in force."""
    reminder_flag: bool | None = field(default=None, metadata=FLAG)
    """Whether the owner is reminded to plug in."""
    reminder_timer: int | None = None
    """Time of the reminder before it charges; the service tells no unit."""
    schedules: tuple[EvChargingTime, ...] = field(default=(), metadata=convert.ONE_KIND)
    """When it charges."""


@frozen
class EvChargerSchedules(RowSequence[EvChargerSchedule]):
    """The schedules of an EV charger: a sequence of `EvChargerSchedule`."""

    _items: ClassVar[str] = "charger_schedules"

    system_id: int
    """The service's number of the system."""
    charger_schedules: tuple[EvChargerSchedule, ...] = ()
    """The schedules themselves."""
    complete: bool = field(default=True, eq=False)
    """Whether every item that the service listed could be read."""
    as_of: datetime | None = field(default=None, eq=False)
    """When it was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query."""
