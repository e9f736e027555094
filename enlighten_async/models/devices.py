"""Devices of a system."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import chain
from typing import ClassVar

from attrs import field, frozen

from enlighten_async.models.convert import (
    FLAG,
    ID,
    OBJECT,
    ONE_KIND,
    PARSE,
    STRICT,
    TEXT,
    RowSequence,
    ToDict,
    quantity_parser,
)
from enlighten_async.models.intervals import Meta
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.tabular import SingleRow, Tabular

_POWER = quantity_parser({"W": 1, "kW": 1000, "MW": 1_000_000})
_ENERGY = quantity_parser(
    {"Wh": 1, "kWh": 1000, "MWh": 1_000_000, "J": 1 / 3600, "kJ": 1 / 3.6, "MJ": 1 / 0.0036}
)


@frozen
class Envoy(ToDict, SingleRow):
    """A gateway, which gathers the reports of a system's devices."""

    envoy_id: int | None = None
    """The service's number of it."""
    serial_number: str | None = None
    """12 digits, as a text; null if unknown."""
    part_number: str | None = None
    """Such as "800-00069-r02"."""
    status: str | None = None
    """State: "normal" or "comm" (does not report); an open set."""
    name: str | None = None
    """Such as "Envoy 121112607295"."""
    last_report_at: datetime | None = None
    """When it last reported (aware UTC); null if never."""


@frozen
class Envoys(RowSequence[Envoy]):
    """The gateways of a system, in the service's order: a sequence of `Envoy`."""

    _items: ClassVar[str] = "envoys"

    system_id: int
    """The service's number of the system."""
    envoys: tuple[Envoy, ...] = ()
    """The gateways themselves."""
    complete: bool = field(default=True, eq=False)
    """Whether every item that the service listed could be read, and it counts no more than it listed (v4)."""
    as_of: datetime | None = field(default=None, eq=False)
    """When it was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query."""


@frozen
class Device(ToDict, SingleRow):
    """A device as the inventory lists it; its kind is that of its list."""

    sn: str | None = None
    """Serial number, a text: it may begin with 0, and twin inverters end in "-A" and "-B"."""
    model: str | None = None
    """Such as "M215"; null where not told."""
    sku: str | None = None
    """Stock keeping unit; null where not told, as in answers of the first years."""
    manufacturer: str | None = None
    """Told of meters only."""
    status: str | None = None
    """Told of meters only, such as "disabled"; an open set."""
    state: str | None = None
    """Told of meters only, such as "disabled"; an open set."""


@frozen
class Inventory(ToDict, Tabular):
    """The active devices of a system; retired ones are not listed."""

    system_id: int
    """The service's number of the system."""
    envoys: tuple[Device, ...] = field(default=(), metadata=ONE_KIND)
    """Gateways."""
    inverters: tuple[Device, ...] = field(default=(), metadata=ONE_KIND)
    """Microinverters; a twin inverter is listed twice."""
    meters: tuple[Device, ...] = field(default=(), metadata=ONE_KIND)
    """Revenue-grade meters; empty also in answers of the first years, which had none."""
    meta: Meta | None = None
    """The system's state; null in answers of the first years."""
    complete: bool = field(default=True, eq=False)
    """Whether every item that the service listed could be read, and it counts no more than it listed (v4)."""
    as_of: datetime | None = field(default=None, eq=False)
    """When it was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query."""


@frozen
class MicroInverter(ToDict, SingleRow):
    """A microinverter, by its last report."""

    id: int | None = None
    """The service's number of it."""
    serial_number: str | None = None
    """A text, which may begin with 0."""
    model: str | None = None
    """Such as "IQ7PLUS"."""
    part_number: str | None = None
    """Such as "800-01103-r02"."""
    sku: str | None = None
    """Stock keeping unit."""
    status: str | None = None
    """State: "normal", "power", "micro", "retired"; an open set."""
    power_produced: float | None = field(default=None, metadata={PARSE: _POWER})
    """W at its last report; null if it never reported any."""
    proc_load: str | None = None
    """Version of its software, or such as "undetermined-v"."""
    param_table: str | None = None
    """Version of its parameters, or such as "undetermined-v"."""
    envoy_serial_number: str | None = None
    """Of the gateway it reports to."""
    energy: float | None = field(default=None, metadata={PARSE: _ENERGY})
    """Wh since it was installed, today left out; null if it never reported any."""
    grid_profile: str | None = None
    """Name or hexadecimal id of the profile it obeys."""
    last_report_date: datetime | None = None
    """When it last reported, an instant despite its name (aware UTC); null if never."""


@frozen
class EnvoyInverters(ToDict):
    """The microinverters that report to one gateway."""

    signal_strength: int | None = None
    """Strength of the gateway's power line communication, 0 to 5; null if unknown."""
    micro_inverters: tuple[MicroInverter, ...] = field(default=(), metadata=STRICT)
    """The microinverters, in the service's order."""


@frozen
class InvertersSummary(RowSequence[EnvoyInverters]):
    """The microinverters of a system, gateway by gateway: a sequence of `EnvoyInverters`."""

    _items: ClassVar[str] = "envoys"

    envoys: tuple[EnvoyInverters, ...] = ()
    """One for each gateway."""
    complete: bool = field(default=True, eq=False)
    """Whether every item that the service listed could be read."""
    as_of: datetime | None = field(default=None, eq=False)
    """When it was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query."""

    @property
    def micro_inverters(self) -> tuple[MicroInverter, ...]:
        """The microinverters of all gateways."""
        return tuple(inverter for envoy in self.envoys for inverter in envoy.micro_inverters)


@frozen
class CellularModem(ToDict):
    """The modem of a gateway that reports over a mobile network."""

    imei: str | None = field(default=None, metadata=TEXT)
    """Number of the modem, a text."""
    part_num: str | None = field(default=None, metadata=TEXT)
    """Such as "860-00157-r01"."""
    sku: str | None = field(default=None, metadata=TEXT)
    """Stock keeping unit."""
    plan_start_date: datetime | None = None
    """When its contract began, an instant despite its name (aware UTC)."""
    plan_end_date: datetime | None = None
    """When its contract ends (aware UTC)."""


@frozen
class SystemDevice(ToDict, SingleRow):
    """A device of any kind; what the service does not tell of its kind is null."""

    id: int | str | None = field(default=None, metadata=ID)
    """The service's number of it; of EV chargers also a text."""
    serial_number: str | None = field(default=None, metadata=TEXT)
    """A text, which may begin with 0; null if unknown."""
    name: str | None = field(default=None, metadata=TEXT)
    """As the service or its owner calls it."""
    model: str | None = field(default=None, metadata=TEXT)
    """Such as "IQ7PLUS"."""
    product_name: str | None = field(default=None, metadata=TEXT)
    """The name it is sold by."""
    part_number: str | None = field(default=None, metadata=TEXT)
    """Such as "800-01103-r02"."""
    sku: str | None = field(default=None, metadata=TEXT)
    """Stock keeping unit."""
    status: str | None = field(default=None, metadata=TEXT)
    """Such as "normal"; an open set."""
    active: bool | None = field(default=None, metadata=FLAG)
    """Whether it is in service; null where that is not told."""
    last_report_at: datetime | None = None
    """When it last reported (aware UTC); null if never."""
    state: str | None = field(default=None, metadata=TEXT)
    """Of meters, "enabled" or "disabled"; an open set."""
    config_type: str | None = field(default=None, metadata=TEXT)
    """Of meters, what they measure, such as "Production" or "Net"; an open set."""
    config_phase: str | None = field(default=None, metadata=TEXT)
    """Of meters, such as "single" or "three"; an open set."""
    emu_sw_version: str | None = field(default=None, metadata=TEXT)
    """Of gateways, the version of their software."""
    cellular_modem: CellularModem | None = None
    """Of gateways, their modem; null if they have none."""
    firmware: str | None = field(default=None, metadata=TEXT)
    """Of EV chargers and heat pumps."""
    sg_ready_relay: str | None = field(default=None, metadata=TEXT)
    """Of heat pumps, the relay by which they are driven."""
    iq_er: str | None = field(default=None, metadata=TEXT)
    """Of heat pumps, the router of energy they hang on."""
    feoc_compliant: bool | None = field(default=None, metadata=FLAG)
    """Whether it keeps to the rules on foreign entities of concern (USA)."""
    dom_compliant: bool | None = field(default=None, metadata=FLAG)
    """Whether it keeps to the rules on domestic content (USA)."""


@frozen
class Devices(ToDict, Tabular):
    """The devices of a system, kind by kind; a kind of which it has none is empty."""

    system_id: int
    """The service's number of the system."""
    total_devices: int | None = None
    """Number of active devices, as the service counts them; null if it does not say."""
    micros: tuple[SystemDevice, ...] = field(default=(), metadata=ONE_KIND)
    """Microinverters."""
    meters: tuple[SystemDevice, ...] = field(default=(), metadata=ONE_KIND)
    """Meters of production and consumption."""
    gateways: tuple[SystemDevice, ...] = field(default=(), metadata=ONE_KIND)
    """Gateways, which v2 calls Envoys."""
    q_relays: tuple[SystemDevice, ...] = field(default=(), metadata=ONE_KIND)
    """Relays that part the system from the grid."""
    acbs: tuple[SystemDevice, ...] = field(default=(), metadata=ONE_KIND)
    """AC batteries."""
    encharges: tuple[SystemDevice, ...] = field(default=(), metadata=ONE_KIND)
    """IQ batteries."""
    enpowers: tuple[SystemDevice, ...] = field(default=(), metadata=ONE_KIND)
    """System controllers."""
    ev_chargers: tuple[SystemDevice, ...] = field(default=(), metadata=ONE_KIND)
    """EV chargers."""
    heat_pump: tuple[SystemDevice, ...] = field(default=(), metadata=ONE_KIND)
    """Heat pumps."""
    iq_collars: tuple[SystemDevice, ...] = field(default=(), metadata=ONE_KIND)
    """Meter collars."""
    iq_air: tuple[SystemDevice, ...] = field(default=(), metadata=ONE_KIND)
    """Sensors and thermostats."""
    generators: tuple[SystemDevice, ...] = field(default=(), metadata=ONE_KIND)
    """Generators."""
    others: Mapping[str, object] = field(factory=dict, hash=False, metadata=OBJECT)
    """Devices of kinds that are not known here, as the service sent them."""
    complete: bool = field(default=True, eq=False)
    """Whether every item that the service listed could be read, and it counts no more than it listed (v4)."""
    as_of: datetime | None = field(default=None, eq=False)
    """When it was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query."""

    @property
    def devices(self) -> tuple[SystemDevice, ...]:
        """The devices of all known kinds, one kind after another."""
        kinds = (
            *(self.micros, self.meters, self.gateways, self.q_relays, self.acbs, self.encharges),
            *(self.enpowers, self.ev_chargers, self.heat_pump, self.iq_collars, self.iq_air),
            self.generators,
        )
        return tuple(chain.from_iterable(kinds))


@frozen
class EvChargers(RowSequence[SystemDevice]):
    """The active EV chargers of a system: a sequence of `SystemDevice`."""

    _items: ClassVar[str] = "ev_chargers"

    system_id: int
    """The service's number of the system."""
    ev_chargers: tuple[SystemDevice, ...] = field(default=(), metadata=STRICT)
    """The chargers themselves."""
    complete: bool = field(default=True, eq=False)
    """Whether every item that the service listed could be read, and it counts no more than it listed (v4)."""
    as_of: datetime | None = field(default=None, eq=False)
    """When it was fetched (aware UTC)."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query."""
