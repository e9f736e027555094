"""What a system has produced, at a glance."""

from __future__ import annotations

from datetime import date, datetime

from attrs import field, frozen

from enlighten_async.models.receipt import Receipt
from enlighten_async.models.rows import Plain


@frozen
class EvsePower(Plain):
    """How much an EV charger can take.

    Attributes:
        serial_number: of the charger.
        evse_max_charge_w: W, at the most.
        evse_min_charge_w: W, at the least.
    """

    serial_number: str
    evse_max_charge_w: int | None = None
    evse_min_charge_w: int | None = None


@frozen
class Summary(Plain):
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
        receipt: what the query spent.
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
