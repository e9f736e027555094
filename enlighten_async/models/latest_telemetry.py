"""What devices reported last (v4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from attrs import field, frozen

from enlighten_async.models.convert import READ, quantity
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.rows import Plain
from enlighten_async.models.words import identity, kept, word


@frozen
class LatestReport(Plain):
    """What a device, or one channel of it, reported last; null is what it does not tell.

    A report that is older than 7 days is left out: instant, power and mode are null then.

    Attributes:
        id: the service's number of it; null of heat pumps and EV chargers.
        serial_number: of heat pumps and EV chargers, a text; null if unknown.
        name: of a meter what it measures, "production" or "consumption"; else as the service calls it.
        channel: of meters and batteries, which phase it is for, from 1 on.
        last_report_at: when it reported (aware UTC).
        power: of meters and batteries, W at that time. Signs are the service's: of a battery it was seen
            below 0 while "Idle".
        operational_mode: such as "Idle", "Charging", "PLUGGED_OUT"; an open set.
    """

    id: int | str | None = field(default=None, metadata={READ: identity})
    serial_number: str | None = field(default=None, metadata={READ: word})
    name: str | None = field(default=None, metadata={READ: word})
    channel: int | None = None
    last_report_at: datetime | None = None
    power: float | None = field(default=None, metadata={READ: quantity({"W": 1, "kW": 1000})})
    operational_mode: str | None = field(default=None, metadata={READ: word})


@frozen
class LatestTelemetry(Plain):
    """What the devices of a system reported last; a kind of which it has none is empty.

    Attributes:
        system_id: the service's number of the system.
        meters: one entry for each channel of each meter; those of unused channels hold nulls.
        encharges: one entry for each IQ battery.
        heat_pump: one entry for each heat pump.
        evse: one entry for each EV charger.
        others: what the service lists of kinds that are not known here, as it came.
        as_of: when it was fetched (aware UTC).
        receipt: what the query spent.
    """

    system_id: int
    meters: tuple[LatestReport, ...] = ()
    encharges: tuple[LatestReport, ...] = ()
    heat_pump: tuple[LatestReport, ...] = ()
    evse: tuple[LatestReport, ...] = ()
    others: Mapping[str, object] = field(factory=dict, hash=False, metadata={READ: kept})
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)
