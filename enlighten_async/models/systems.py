"""Systems and their summaries."""

from __future__ import annotations

from datetime import date, datetime
from typing import ClassVar

from attrs import field, frozen

from enlighten_async.models.convert import PARSE, PICKED, STRICT, RowSequence, ToDict, parse_cursor, parse_day
from enlighten_async.models.intervals import Meta
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.tabular import SingleRow


@frozen
class EvsePower(ToDict):
    """The power that an EV charger can take.

    Attributes:
        serial_number: of the charger.
        evse_max_charge_w: W, at the most.
        evse_min_charge_w: W, at the least.
    """

    serial_number: str
    evse_max_charge_w: int | None = None
    evse_min_charge_w: int | None = None


@frozen
class Summary(ToDict, SingleRow):
    """One system on one of its local days.

    Attributes:
        system_id: the service's number of the system.
        modules: active production modules; 0 for a past day.
        size_w: size in W; 0 for a past day.
        current_power: W of the last interval that was reported, which does not fall to 0 while no new
            one arrives; 0 for a past day.
        energy_today: Wh produced on the day.
        energy_lifetime: Wh produced before the day, which it leaves out.
        summary_date: the local day.
        source: where the figures come from, "microinverters" or "meter"; an open set.
        status: the API's word; an open set.
        operational_at: when the system went into operation (aware UTC).
        last_report_at: when its gateway last reported (aware UTC); null if never.
        last_interval_end_at: end of its last known interval (aware UTC); null in answers of the first years.
        nmi: the national metering identifier of its connection (v4, Australia); null elsewhere.
        battery_charge_w: W at which its batteries can be charged (v4).
        battery_discharge_w: W that its batteries can give (v4).
        battery_capacity_wh: Wh its batteries hold (v4).
        evse_power: its EV chargers (v4).
        as_of: when it was fetched (aware UTC).
        receipt: cost of the query.
    """

    system_id: int
    modules: int | None = None
    size_w: int | None = None
    current_power: int | None = None
    energy_today: int | None = None
    energy_lifetime: int | None = None
    summary_date: date | None = None
    source: str | None = None
    status: str | None = None
    operational_at: datetime | None = None
    last_report_at: datetime | None = None
    last_interval_end_at: datetime | None = None
    nmi: str | None = None
    battery_charge_w: int | None = None
    battery_discharge_w: int | None = None
    battery_capacity_wh: int | None = None
    evse_power: tuple[EvsePower, ...] = ()
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)


@frozen
class System(ToDict, SingleRow):
    """One solar system.

    Attributes:
        system_id: the service's number of it.
        system_name: as its owner or installer named it.
        system_public_name: as strangers may see it.
        status: the API's word, an open set; deprecated there in favour of `meta.status`.
        timezone: IANA name of its time zone, in which its local dates are meant.
        country: two-letter code.
        state: state or province, null where there is none.
        city: its town.
        postal_code: ZIP code or the like.
        reference: the name your own company gave it; null if it gave none.
        other_references: names other companies gave it.
        connection_type: "ethernet", "wifi" or "cellular"; an open set.
        meta: its state; null in answers of the first years.
        attachment_type: attachment of its panels to inverters, such as "acm" (v4).
        interconnect_date: local day on which it was connected to the grid (v4); null if unknown.
        energy_lifetime: Wh (v4); null, as the service has ceased to give it in lists: ask for `summary`.
        energy_today: Wh (v4); null, likewise.
        system_size: W (v4); null, likewise.
        live_stream: whether it can be watched live, "enabled" or "disabled" (v4, with filters only).
    """

    system_id: int
    system_name: str | None = None
    system_public_name: str | None = None
    status: str | None = None
    timezone: str | None = None
    country: str | None = None
    state: str | None = None
    city: str | None = None
    postal_code: str | None = None
    reference: str | None = None
    other_references: tuple[str, ...] = ()
    connection_type: str | None = None
    meta: Meta | None = None
    attachment_type: str | None = None
    interconnect_date: date | None = field(default=None, metadata={PARSE: parse_day})
    energy_lifetime: int | None = None
    energy_today: int | None = None
    system_size: int | None = None
    live_stream: str | None = None


@frozen
class SystemDetails(System):
    """One solar system, asked for by itself (v4).

    Attributes:
        as_of: when it was fetched (aware UTC).
        receipt: cost of the query.
    """

    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)


@frozen
class Systems(RowSequence[System]):
    """All systems that match, in the service's order.

    Attributes:
        systems: the systems themselves.
        complete: whether all pages arrived, and every system in them could be read.
        as_of: when the first page was fetched (aware UTC).
        receipt: cost of the query.
    """

    _items: ClassVar[str] = "systems"

    systems: tuple[System, ...] = ()
    complete: bool = field(default=True, eq=False)
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)


@frozen
class SystemId(ToDict, SingleRow):
    """The number of the system that a gateway belongs to; `int()` of it is the number.

    Attributes:
        system_id: the service's number of the system.
        as_of: when it was fetched (aware UTC).
        receipt: cost of the query.
    """

    system_id: int
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)

    def __int__(self) -> int:
        return self.system_id


@frozen
class SystemsPage:
    """One page of systems.

    Attributes:
        systems: the systems of the page.
        next: cursor of the next page; null on the last.
        total: systems on all pages, as the service counts them; null where it does not.
        as_of: when it was fetched (aware UTC).
        listed: systems that it lists, those which cannot be read among them; null if not told.
    """

    systems: tuple[System, ...] = field(metadata=PICKED)
    next: str | None = field(default=None, metadata={PARSE: parse_cursor, **STRICT})
    total: int | None = None
    as_of: datetime | None = None
    listed: int | None = None

    @property
    def complete(self) -> bool:
        """Whether every system of the page could be read."""
        return self.listed is None or self.listed == len(self.systems)
