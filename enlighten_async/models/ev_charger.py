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
    """An event of an EV charger.

    Attributes:
        status: "Info", "Open", "Closed"; an open set.
        triggered_date: when it began, an instant despite its name (aware UTC).
        cleared_date: when it was over (aware UTC); null if it is not.
        details: description of the event and of the charger, in the service's words.
    """

    status: str | None = None
    triggered_date: datetime | None = None
    cleared_date: datetime | None = None
    details: str | None = None


@frozen
class EvChargerEvents(RowSequence[EvChargerEvent]):
    """Events of EV chargers, in the service's order: a sequence of `EvChargerEvent`.

    Attributes:
        system_id: the service's number of the system.
        events: the events themselves.
        complete: whether all pages arrived.
        as_of: when the first page was fetched (aware UTC).
        receipt: cost of the query.
    """

    _items: ClassVar[str] = "events"

    system_id: int
    events: tuple[EvChargerEvent, ...] = ()
    complete: bool = field(default=True, eq=False)
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)


@frozen
class EvChargerSession(ToDict, SingleRow):
    """One session of charging, from plugging in to plugging out.

    Attributes:
        start_time: when it began (aware UTC).
        end_time: when it ended (aware UTC); null if it has not.
        duration: seconds from one to the other.
        charge_time: seconds of these in which power flowed; the service tells no unit.
        energy_added: Wh, as the service has it in writing; its example would fit kWh.
        miles_added: miles one can drive with it.
        cost: price, in the currency of the owner's tariff.
    """

    start_time: datetime | None = None
    end_time: datetime | None = None
    duration: float | None = field(default=None, metadata=_NUMBER)
    charge_time: float | None = field(default=None, metadata=_NUMBER)
    energy_added: float | None = field(default=None, metadata=_NUMBER)
    miles_added: float | None = field(default=None, metadata=_NUMBER)
    cost: float | None = field(default=None, metadata=_NUMBER)


@frozen
class EvChargerSessions(RowSequence[EvChargerSession]):
    """Sessions of an EV charger, in the service's order: a sequence of `EvChargerSession`.

    Attributes:
        system_id: the service's number of the system.
        sessions: the sessions themselves.
        complete: whether all pages arrived.
        as_of: when the first page was fetched (aware UTC).
        receipt: cost of the query.
    """

    _items: ClassVar[str] = "sessions"

    system_id: int
    sessions: tuple[EvChargerSession, ...] = ()
    complete: bool = field(default=True, eq=False)
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)


@frozen
class EvChargingTime(ToDict):
    """A time of the day at which a schedule lets an EV charger charge.

    Attributes:
        days: on which days of the week, 1 to 7; which is the first is not documented.
        start_time: local time such as "1:00".
        end_time: local time such as "2:00".
        charging_level: % of what the charger can give.
    """

    days: tuple[int, ...] = ()
    start_time: str | None = field(default=None, metadata=_HOUR)
    end_time: str | None = field(default=None, metadata=_HOUR)
    charging_level: int | None = None


@frozen
class EvChargerSchedule(ToDict, SingleRow):
    """A schedule of an EV charger.

    Attributes:
        type: such as "Custom"; an open set.
        is_active: whether it is in force.
        reminder_flag: whether the owner is reminded to plug in.
        reminder_timer: time of the reminder before it charges; the service tells no unit.
        schedules: when it charges.
    """

    type: str | None = None
    is_active: bool | None = field(default=None, metadata=FLAG)
    reminder_flag: bool | None = field(default=None, metadata=FLAG)
    reminder_timer: int | None = None
    schedules: tuple[EvChargingTime, ...] = ()


@frozen
class EvChargerSchedules(RowSequence[EvChargerSchedule]):
    """The schedules of an EV charger: a sequence of `EvChargerSchedule`.

    Attributes:
        system_id: the service's number of the system.
        charger_schedules: the schedules themselves.
        as_of: when it was fetched (aware UTC).
        receipt: cost of the query.
    """

    _items: ClassVar[str] = "charger_schedules"

    system_id: int
    charger_schedules: tuple[EvChargerSchedule, ...] = ()
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)
