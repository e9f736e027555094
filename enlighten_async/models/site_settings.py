"""Settings of a site and the last reports of its devices."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from attrs import field, frozen

from enlighten_async.models.convert import (
    FLAG,
    ID,
    OBJECT,
    PARSE,
    STRICT,
    TEXT,
    RowSequence,
    ToDict,
    quantity_parser,
)
from enlighten_async.models.coverage import Reason
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.tabular import SingleRow, Tabular


@frozen
class BatterySettings(ToDict, SingleRow):
    """The settings of a system's batteries.

    Attributes:
        system_id: the service's number of the system.
        battery_mode: such as "Savings Mode", "Full Backup", "Self-consumption"; an open set, which the
            service spells in more than one way.
        reserve_soc: state of charge that is kept in reserve, %.
        energy_independence: whether batteries also discharge outside of the hours of high prices.
        charge_from_grid: whether batteries may be charged from the grid.
        battery_shutdown_level: state of charge below which batteries shut down, %.
        reason: reason why there are no settings, such as `no_device`; null if there are.
        as_of: when it was fetched (aware UTC).
        receipt: cost of the query.
    """

    system_id: int
    battery_mode: str | None = field(default=None, metadata=TEXT)
    reserve_soc: int | None = None
    energy_independence: bool | None = field(default=None, metadata=FLAG)
    charge_from_grid: bool | None = field(default=None, metadata=FLAG)
    battery_shutdown_level: int | None = None
    reason: Reason | None = None
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)


@frozen
class StormGuard(ToDict, SingleRow):
    """The settings of Storm Guard, which fills batteries before a storm.

    Attributes:
        system_id: the service's number of the system.
        storm_guard_status: whether a warning of severe weather makes the batteries keep a full reserve.
        storm_alert: whether there is such a warning now.
        reason: reason why there are no settings, such as `no_device`; null if there are.
        as_of: when it was fetched (aware UTC).
        receipt: cost of the query.
    """

    system_id: int
    storm_guard_status: bool | None = field(default=None, metadata=FLAG)
    storm_alert: bool | None = field(default=None, metadata=FLAG)
    reason: Reason | None = None
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)


@frozen
class GridStatus(ToDict, SingleRow):
    """The connection of a system to the grid.

    Attributes:
        system_id: the service's number of the system.
        grid_state: "On Grid", "Off Grid" or "Unknown"; an open set.
        last_report_date: when its gateway last reported, an instant despite its name (aware UTC).
        reason: why there is no state, such as `not_reported_yet`; null if there is.
        as_of: when it was fetched (aware UTC).
        receipt: cost of the query.
    """

    system_id: int
    grid_state: str | None = field(default=None, metadata=TEXT)
    last_report_date: datetime | None = None
    reason: Reason | None = None
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)


@frozen
class Load(ToDict, SingleRow):
    """The rule by which one load of a house is switched.

    Attributes:
        name: of the dry contact that switches it, such as "NC1".
        load_name: as its owner calls it.
        owner_can_override: whether the owner may switch it by hand.
        mode: such as "Basic", "Scheduled", "Advanced_BatteryPowered"; an open set.
        soc_low: state of charge at which it is switched off in the advanced modes, %.
        soc_high: state of charge at which it is switched on again in the advanced modes, %.
        status: whether the rule is in force.
        essential_start_time: from when on a scheduled load has power, seconds of the local day.
        essential_end_time: until when it has, seconds of the local day.
    """

    name: str | None = field(default=None, metadata=TEXT)
    load_name: str | None = field(default=None, metadata=TEXT)
    owner_can_override: bool | None = field(default=None, metadata=FLAG)
    mode: str | None = field(default=None, metadata=TEXT)
    soc_low: int | None = None
    soc_high: int | None = None
    status: bool | None = field(default=None, metadata=FLAG)
    essential_start_time: int | None = None
    essential_end_time: int | None = None


@frozen
class LoadControl(RowSequence[Load]):
    """The rules by which the loads of a house are switched: a sequence of `Load`.

    Attributes:
        system_id: the service's number of the system.
        load_control_data: one for each load; empty if none is switched.
        reason: why there can be none, such as `no_device`; null if that is not told.
        as_of: when it was fetched (aware UTC).
        receipt: cost of the query.
    """

    _items: ClassVar[str] = "load_control_data"

    system_id: int
    load_control_data: tuple[Load, ...] = ()
    reason: Reason | None = None
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)


@frozen
class LatestReport(ToDict, SingleRow):
    """The last report of a device, or of one channel of it; null is what it does not tell.

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

    id: int | str | None = field(default=None, metadata=ID)
    serial_number: str | None = field(default=None, metadata=TEXT)
    name: str | None = field(default=None, metadata=TEXT)
    channel: int | None = None
    last_report_at: datetime | None = None
    power: float | None = field(default=None, metadata={PARSE: quantity_parser({"W": 1, "kW": 1000})})
    operational_mode: str | None = field(default=None, metadata=TEXT)


@frozen
class LatestTelemetry(ToDict, Tabular):
    """The last reports of a system's devices; a kind of which it has none is empty.

    Attributes:
        system_id: the service's number of the system.
        meters: one entry for each channel of each meter; those of unused channels hold nulls.
        encharges: one entry for each IQ battery.
        heat_pump: one entry for each heat pump.
        evse: one entry for each EV charger.
        others: devices of kinds that are not known here, as the service sent them.
        as_of: when it was fetched (aware UTC).
        receipt: cost of the query.
    """

    system_id: int
    meters: tuple[LatestReport, ...] = field(default=(), metadata=STRICT)
    encharges: tuple[LatestReport, ...] = field(default=(), metadata=STRICT)
    heat_pump: tuple[LatestReport, ...] = field(default=(), metadata=STRICT)
    evse: tuple[LatestReport, ...] = field(default=(), metadata=STRICT)
    others: Mapping[str, object] = field(factory=dict, hash=False, metadata=OBJECT)
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)
