"""Systems and their summaries."""

from __future__ import annotations

from datetime import date, datetime
from typing import ClassVar

from attrs import field, frozen

from enlighten_async.models.convert import FLAG, PARSE, STRICT, RowSequence, ToDict, parse_cursor, parse_day
from enlighten_async.models.intervals import Meta
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.tabular import SingleRow


@frozen
class EvsePower(ToDict):
    """The power that an EV charger can take."""

    serial_number: str
    """Of the charger."""
    evse_max_charge_w: int | None = None
    """W, at the most."""
    evse_min_charge_w: int | None = None
    """W, at the least."""


@frozen
class Summary(ToDict, SingleRow):
    """One system on one of its local days."""

    system_id: int
    """The service's number of the system."""
    modules: int | None = None
    """Active production modules; 0 for a past day."""
    size_w: int | None = None
    """Size in W; 0 for a past day."""
    current_power: int | None = None
    """W of the last interval that was reported, which does not fall to 0 while no new one arrives; 0 for a
    past day.
    """
    energy_today: int | None = None
    """Wh produced on the day."""
    energy_lifetime: int | None = None
    """Wh produced before the day, which it leaves out."""
    summary_date: date | None = None
    """The local day."""
    source: str | None = None
    """Where the figures come from, "microinverters" or "meter"; an open set."""
    status: str | None = None
    """The API's word; an open set."""
    operational_at: datetime | None = None
    """When the system went into operation (aware UTC)."""
    last_report_at: datetime | None = None
    """When its gateway last reported (aware UTC); null if never."""
    last_interval_end_at: datetime | None = None
    """End of its last known interval (aware UTC); null in answers of the first years."""
    nmi: str | None = None
    """The national metering identifier of its connection (v4, Australia); null elsewhere."""
    battery_charge_w: int | None = None
    """W at which its batteries can be charged (v4)."""
    battery_discharge_w: int | None = None
    """W that its batteries can give (v4)."""
    battery_capacity_wh: int | None = None
    """Wh its batteries hold (v4)."""
    evse_power: tuple[EvsePower, ...] = ()
    """Its EV chargers (v4)."""
    complete: bool = field(default=True, eq=False)
    """Whether each field that the service sent could be read; one that could not is null."""
    as_of: datetime | None = field(default=None, eq=False)
    """When it was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query."""


@frozen
class System(ToDict, SingleRow):
    """One solar system."""

    system_id: int
    """The service's number of it."""
    system_name: str | None = None
    """As its owner or installer named it."""
    system_public_name: str | None = None
    """As strangers may see it."""
    status: str | None = None
    """The API's word, an open set; deprecated there in favour of `meta.status`."""
    timezone: str | None = None
    """IANA name of its time zone, in which its local dates are meant."""
    country: str | None = None
    """Two-letter code."""
    state: str | None = None
    """State or province, null where there is none."""
    city: str | None = None
    """Its town."""
    postal_code: str | None = None
    """ZIP code or the like."""
    reference: str | None = None
    """The name your own company gave it; null if it gave none."""
    other_references: tuple[str, ...] = ()
    """Names other companies gave it."""
    connection_type: str | None = None
    """Its way to the service: "ethernet", "wifi" or "cellular"; an open set."""
    meta: Meta | None = None
    """Its state; null in answers of the first years."""
    attachment_type: str | None = None
    """Attachment of its panels to inverters, such as "acm" (v4)."""
    interconnect_date: date | None = field(default=None, metadata={PARSE: parse_day})
    """Local day on which it was connected to the grid (v4); null if unknown."""
    energy_lifetime: int | None = None
    """Wh (v4); null, as the service has ceased to give it in lists: ask for `summary`."""
    energy_today: int | None = None
    """Wh (v4); null, likewise."""
    system_size: int | None = None
    """W (v4); null, likewise."""
    live_stream: str | None = None
    """Whether it can be watched live, "enabled" or "disabled" (v4, with filters only)."""


@frozen
class SystemDetails(System):
    """One solar system, asked for by itself (v4)."""

    as_of: datetime | None = field(default=None, eq=False)
    """When it was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query."""


@frozen
class Systems(RowSequence[System]):
    """All systems that match, in the service's order."""

    _items: ClassVar[str] = "systems"

    systems: tuple[System, ...] = ()
    """The systems themselves."""
    complete: bool = field(default=True, eq=False)
    """Whether all pages arrived, and every system in them could be read."""
    as_of: datetime | None = field(default=None, eq=False)
    """When the first page was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query."""


@frozen
class SystemId(ToDict, SingleRow):
    """The number of the system that a gateway belongs to; `int()` of it is the number."""

    system_id: int
    """The service's number of the system."""
    as_of: datetime | None = field(default=None, eq=False)
    """When it was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query."""

    def __int__(self) -> int:
        return self.system_id


@frozen
class SystemsPage:
    """One page of systems."""

    systems: tuple[System, ...]
    """The systems of the page."""
    next: str | None = field(default=None, metadata={PARSE: parse_cursor, **STRICT})
    """Cursor of the next page; null on the last."""
    total: int | None = None
    """Systems on all pages, as the service counts them; null where it does not."""
    as_of: datetime | None = None
    """When it was fetched (aware UTC)."""
    listed: int | None = None
    """Systems that it lists, those which cannot be read among them; null if not told."""
    counted: bool = field(default=True, metadata=FLAG)
    """Whether the service's count of them, if there is one, can be read."""
    cut: bool = field(default=False, metadata=FLAG)
    """Whether it counts more systems than it lists."""

    @property
    def complete(self) -> bool:
        """Whether every system of the page could be read."""
        return not self.cut and (self.listed is None or self.listed == len(self.systems))


@frozen
class LaterSystemsPage(SystemsPage):
    """A page of systems after the first: though none of its systems can be read, the list goes on."""

    systems: tuple[System, ...] = field(default=(), metadata={"needed": True, **STRICT})
    """The systems of the page."""
