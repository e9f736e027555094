"""The systems a user may see."""

from __future__ import annotations

from datetime import date, datetime

from attrs import field, frozen

from enlighten_async.models.convert import READ, day_or_moment
from enlighten_async.models.meta import Meta
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.rows import Plain, Rows


@frozen
class System(Plain):
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
        attachment_type: how its panels are attached to inverters, such as "acm" (v4).
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
    interconnect_date: date | None = field(default=None, metadata={READ: day_or_moment})
    energy_lifetime: int | None = None
    energy_today: int | None = None
    system_size: int | None = None
    live_stream: str | None = None


@frozen
class SystemDetails(System):
    """One solar system, asked for by itself (v4).

    Attributes:
        as_of: when it was fetched (aware UTC).
        receipt: what the query spent.
    """

    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)


@frozen
class Systems(Rows[System]):
    """All systems that match, in the service's order.

    Attributes:
        systems: the systems themselves.
        complete: whether all pages arrived.
        as_of: when the first page was fetched (aware UTC).
        receipt: what the query spent.
    """

    systems: tuple[System, ...] = ()
    complete: bool = field(default=True, eq=False)
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)

    def __len__(self) -> int:
        return len(self.systems)

    def _row(self, place: int) -> System:
        return self.systems[place]


@frozen
class SystemId(Plain):
    """Which system a gateway belongs to; `int()` of it is the number.

    Attributes:
        system_id: the service's number of the system.
        as_of: when it was fetched (aware UTC).
        receipt: what the query spent.
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
        next: what to send to get the next page; null on the last.
        as_of: when it was fetched (aware UTC).
    """

    systems: tuple[System, ...]
    next: str | None = None
    as_of: datetime | None = None
