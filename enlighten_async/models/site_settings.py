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
    ONE_KIND,
    PARSE,
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
    """The settings of a system's batteries."""

    system_id: int
    """The service's number of the system."""
    battery_mode: str | None = field(default=None, metadata=TEXT)
    """Such as "Savings Mode", "Full Backup", "Self-consumption"; an open set, which the service spells in
    more than one way.
    """
    reserve_soc: int | None = None
    """State of charge that is kept in reserve, %."""
    energy_independence: bool | None = field(default=None, metadata=FLAG)
    """Whether batteries also discharge outside of the hours of high prices."""
    charge_from_grid: bool | None = field(default=None, metadata=FLAG)
    """Whether batteries may be charged from the grid."""
    battery_shutdown_level: int | None = None
    """State of charge below which batteries shut down, %."""
    reason: Reason | None = None
    """Reason why there are no settings, such as `no_device`; null if there are."""
    as_of: datetime | None = field(default=None, eq=False)
    """When it was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query."""


@frozen
class StormGuard(ToDict, SingleRow):
    """The settings of Storm Guard, which fills batteries before a storm."""

    system_id: int
    """The service's number of the system."""
    storm_guard_status: bool | None = field(default=None, metadata=FLAG)
    """Whether a warning of severe weather makes the batteries keep a full reserve."""
    storm_alert: bool | None = field(default=None, metadata=FLAG)
    """Whether there is such a warning now."""
    reason: Reason | None = None
    """Reason why there are no settings, such as `no_device`; null if there are."""
    as_of: datetime | None = field(default=None, eq=False)
    """When it was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query."""


@frozen
class GridStatus(ToDict, SingleRow):
    """The connection of a system to the grid."""

    system_id: int
    """The service's number of the system."""
    grid_state: str | None = field(default=None, metadata=TEXT)
    """State: "On Grid", "Off Grid" or "Unknown"; an open set."""
    last_report_date: datetime | None = None
    """When its gateway last reported, an instant despite its name (aware UTC)."""
    reason: Reason | None = None
    """Why there is no state, such as `not_reported_yet`; null if there is."""
    as_of: datetime | None = field(default=None, eq=False)
    """When it was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query."""


@frozen
class Load(ToDict, SingleRow):
    """The rule by which one load of a house is switched."""

    name: str | None = field(default=None, metadata=TEXT)
    """Of the dry contact that switches it, such as "NC1"."""
    load_name: str | None = field(default=None, metadata=TEXT)
    """As its owner calls it."""
    owner_can_override: bool | None = field(default=None, metadata=FLAG)
    """Whether the owner may switch it by hand."""
    mode: str | None = field(default=None, metadata=TEXT)
    """Such as "Basic", "Scheduled", "Advanced_BatteryPowered"; an open set."""
    soc_low: int | None = None
    """State of charge at which it is switched off in the advanced modes, %."""
    soc_high: int | None = None
    """State of charge at which it is switched on again in the advanced modes, %."""
    status: bool | None = field(default=None, metadata=FLAG)
    """Whether the rule is in force."""
    essential_start_time: int | None = None
    """From when on a scheduled load has power, seconds of the local day."""
    essential_end_time: int | None = None
    """Until when it has, seconds of the local day."""


@frozen
class LoadControl(RowSequence[Load]):
    """The rules by which the loads of a house are switched: a sequence of `Load`."""

    _items: ClassVar[str] = "load_control_data"

    system_id: int
    """The service's number of the system."""
    load_control_data: tuple[Load, ...] = ()
    """One for each load; empty if none is switched."""
    reason: Reason | None = None
    """Why there can be none, such as `no_device`; null if that is not told."""
    complete: bool = field(default=True, eq=False)
    """Whether every item that the service listed could be read."""
    as_of: datetime | None = field(default=None, eq=False)
    """When it was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query."""


@frozen
class LatestReport(ToDict, SingleRow):
    """The last report of a device, or of one channel of it; null is what it does not tell.

    A report that is older than 7 days is left out: instant, power and mode are null then.
    """

    id: int | str | None = field(default=None, metadata=ID)
    """The service's number of it; null of heat pumps and EV chargers."""
    serial_number: str | None = field(default=None, metadata=TEXT)
    """Of heat pumps and EV chargers, a text; null if unknown."""
    name: str | None = field(default=None, metadata=TEXT)
    """Of a meter what it measures, "production" or "consumption"; else as the service calls it."""
    channel: int | None = None
    """Of meters and batteries, which phase it is for, from 1 on."""
    last_report_at: datetime | None = None
    """When it reported (aware UTC)."""
    power: float | None = field(default=None, metadata={PARSE: quantity_parser({"W": 1, "kW": 1000})})
    """Of meters and batteries, W at that time. Signs are the service's: of a battery it was seen below 0
    while "Idle".
    """
    operational_mode: str | None = field(default=None, metadata=TEXT)
    """Such as "Idle", "Charging", "PLUGGED_OUT"; an open set."""


@frozen
class LatestTelemetry(ToDict, Tabular):
    """The last reports of a system's devices; a kind of which it has none is empty."""

    system_id: int
    """The service's number of the system."""
    meters: tuple[LatestReport, ...] = field(default=(), metadata=ONE_KIND)
    """One entry for each channel of each meter; those of unused channels hold nulls."""
    encharges: tuple[LatestReport, ...] = field(default=(), metadata=ONE_KIND)
    """One entry for each IQ battery."""
    heat_pump: tuple[LatestReport, ...] = field(default=(), metadata=ONE_KIND)
    """One entry for each heat pump."""
    evse: tuple[LatestReport, ...] = field(default=(), metadata=ONE_KIND)
    """One entry for each EV charger."""
    others: Mapping[str, object] = field(factory=dict, hash=False, metadata=OBJECT)
    """Devices of kinds that are not known here, as the service sent them."""
    complete: bool = field(default=True, eq=False)
    """Whether every item that the service listed could be read."""
    as_of: datetime | None = field(default=None, eq=False)
    """When it was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query."""
