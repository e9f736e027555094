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
    """A gateway, which gathers the reports of a system's devices.

    Attributes:
        envoy_id: the service's number of it.
        serial_number: 12 digits, as a text; null if unknown.
        part_number: such as "800-00069-r02".
        status: "normal" or "comm" (does not report); an open set.
        name: such as "Envoy 121112607295".
        last_report_at: when it last reported (aware UTC); null if never.
    """

    envoy_id: int | None = None
    serial_number: str | None = None
    part_number: str | None = None
    status: str | None = None
    name: str | None = None
    last_report_at: datetime | None = None


@frozen
class Envoys(RowSequence[Envoy]):
    """The gateways of a system, in the service's order: a sequence of `Envoy`.

    Attributes:
        system_id: the service's number of the system.
        envoys: the gateways themselves.
        as_of: when it was fetched (aware UTC).
        receipt: cost of the query.
    """

    _items: ClassVar[str] = "envoys"

    system_id: int
    envoys: tuple[Envoy, ...] = ()
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)


@frozen
class Device(ToDict, SingleRow):
    """A device as the inventory lists it; of what kind it is tells the list.

    Attributes:
        sn: serial number, a text: it may begin with 0, and twin inverters end in "-A" and "-B".
        model: such as "M215"; null where not told.
        sku: stock keeping unit; null where not told, as in answers of the first years.
        manufacturer: told of meters only.
        status: told of meters only, such as "disabled"; an open set.
        state: told of meters only, such as "disabled"; an open set.
    """

    sn: str | None = None
    model: str | None = None
    sku: str | None = None
    manufacturer: str | None = None
    status: str | None = None
    state: str | None = None


@frozen
class Inventory(ToDict, Tabular):
    """The active devices of a system; retired ones are not listed.

    Attributes:
        system_id: the service's number of the system.
        envoys: gateways.
        inverters: microinverters; a twin inverter is listed twice.
        meters: revenue-grade meters; empty also in answers of the first years, which had none.
        meta: the system's state; null in answers of the first years.
        as_of: when it was fetched (aware UTC).
        receipt: cost of the query.
    """

    system_id: int
    envoys: tuple[Device, ...] = field(default=(), metadata=STRICT)
    inverters: tuple[Device, ...] = field(default=(), metadata=STRICT)
    meters: tuple[Device, ...] = field(default=(), metadata=STRICT)
    meta: Meta | None = None
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)


@frozen
class MicroInverter(ToDict, SingleRow):
    """A microinverter, by its last report.

    Attributes:
        id: the service's number of it.
        serial_number: a text, which may begin with 0.
        model: such as "IQ7PLUS".
        part_number: such as "800-01103-r02".
        sku: stock keeping unit.
        status: "normal", "power", "micro", "retired"; an open set.
        power_produced: W at its last report; null if it never reported any.
        proc_load: version of its software, or such as "undetermined-v".
        param_table: version of its parameters, or such as "undetermined-v".
        envoy_serial_number: of the gateway it reports to.
        energy: Wh since it was installed, today left out; null if it never reported any.
        grid_profile: name or hexadecimal id of the profile it obeys.
        last_report_date: when it last reported, an instant despite its name (aware UTC); null if never.
    """

    id: int | None = None
    serial_number: str | None = None
    model: str | None = None
    part_number: str | None = None
    sku: str | None = None
    status: str | None = None
    power_produced: float | None = field(default=None, metadata={PARSE: _POWER})
    proc_load: str | None = None
    param_table: str | None = None
    envoy_serial_number: str | None = None
    energy: float | None = field(default=None, metadata={PARSE: _ENERGY})
    grid_profile: str | None = None
    last_report_date: datetime | None = None


@frozen
class EnvoyInverters(ToDict):
    """The microinverters that report to one gateway.

    Attributes:
        signal_strength: of the gateway's power line communication, 0 to 5; null if unknown.
        micro_inverters: the microinverters, in the service's order.
    """

    signal_strength: int | None = None
    micro_inverters: tuple[MicroInverter, ...] = field(default=(), metadata=STRICT)


@frozen
class InvertersSummary(RowSequence[EnvoyInverters]):
    """The microinverters of a system, gateway by gateway: a sequence of `EnvoyInverters`.

    Attributes:
        envoys: one for each gateway.
        as_of: when it was fetched (aware UTC).
        receipt: cost of the query.
    """

    _items: ClassVar[str] = "envoys"

    envoys: tuple[EnvoyInverters, ...] = ()
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)

    @property
    def micro_inverters(self) -> tuple[MicroInverter, ...]:
        """The microinverters of all gateways."""
        return tuple(inverter for envoy in self.envoys for inverter in envoy.micro_inverters)


@frozen
class CellularModem(ToDict):
    """The modem of a gateway that reports over a mobile network.

    Attributes:
        imei: number of the modem, a text.
        part_num: such as "860-00157-r01".
        sku: stock keeping unit.
        plan_start_date: when its contract began, an instant despite its name (aware UTC).
        plan_end_date: when its contract ends (aware UTC).
    """

    imei: str | None = field(default=None, metadata=TEXT)
    part_num: str | None = field(default=None, metadata=TEXT)
    sku: str | None = field(default=None, metadata=TEXT)
    plan_start_date: datetime | None = None
    plan_end_date: datetime | None = None


@frozen
class SystemDevice(ToDict, SingleRow):
    """A device of any kind; what the service does not tell of its kind is null.

    Attributes:
        id: the service's number of it; of EV chargers also a text.
        serial_number: a text, which may begin with 0; null if unknown.
        name: as the service or its owner calls it.
        model: such as "IQ7PLUS".
        product_name: the name it is sold by.
        part_number: such as "800-01103-r02".
        sku: stock keeping unit.
        status: such as "normal"; an open set.
        active: whether it is in service; null where that is not told.
        last_report_at: when it last reported (aware UTC); null if never.
        state: of meters, "enabled" or "disabled"; an open set.
        config_type: of meters, what they measure, such as "Production" or "Net"; an open set.
        config_phase: of meters, such as "single" or "three"; an open set.
        emu_sw_version: of gateways, the version of their software.
        cellular_modem: of gateways, their modem; null if they have none.
        firmware: of EV chargers and heat pumps.
        sg_ready_relay: of heat pumps, the relay by which they are driven.
        iq_er: of heat pumps, the router of energy they hang on.
        feoc_compliant: whether it keeps to the rules on foreign entities of concern (USA).
        dom_compliant: whether it keeps to the rules on domestic content (USA).
    """

    id: int | str | None = field(default=None, metadata=ID)
    serial_number: str | None = field(default=None, metadata=TEXT)
    name: str | None = field(default=None, metadata=TEXT)
    model: str | None = field(default=None, metadata=TEXT)
    product_name: str | None = field(default=None, metadata=TEXT)
    part_number: str | None = field(default=None, metadata=TEXT)
    sku: str | None = field(default=None, metadata=TEXT)
    status: str | None = field(default=None, metadata=TEXT)
    active: bool | None = field(default=None, metadata=FLAG)
    last_report_at: datetime | None = None
    state: str | None = field(default=None, metadata=TEXT)
    config_type: str | None = field(default=None, metadata=TEXT)
    config_phase: str | None = field(default=None, metadata=TEXT)
    emu_sw_version: str | None = field(default=None, metadata=TEXT)
    cellular_modem: CellularModem | None = None
    firmware: str | None = field(default=None, metadata=TEXT)
    sg_ready_relay: str | None = field(default=None, metadata=TEXT)
    iq_er: str | None = field(default=None, metadata=TEXT)
    feoc_compliant: bool | None = field(default=None, metadata=FLAG)
    dom_compliant: bool | None = field(default=None, metadata=FLAG)


@frozen
class Devices(ToDict, Tabular):
    """The devices of a system, kind by kind; a kind of which it has none is empty.

    Attributes:
        system_id: the service's number of the system.
        total_devices: number of active devices, as the service counts them; null if it does not say.
        micros: microinverters.
        meters: meters of production and consumption.
        gateways: gateways, which v2 calls Envoys.
        q_relays: relays that part the system from the grid.
        acbs: AC batteries.
        encharges: IQ batteries.
        enpowers: system controllers.
        ev_chargers: EV chargers.
        heat_pump: heat pumps.
        iq_collars: meter collars.
        iq_air: sensors and thermostats.
        generators: generators.
        others: devices of kinds that are not known here, as the service sent them.
        as_of: when it was fetched (aware UTC).
        receipt: cost of the query.
    """

    system_id: int
    total_devices: int | None = None
    micros: tuple[SystemDevice, ...] = field(default=(), metadata=STRICT)
    meters: tuple[SystemDevice, ...] = field(default=(), metadata=STRICT)
    gateways: tuple[SystemDevice, ...] = field(default=(), metadata=STRICT)
    q_relays: tuple[SystemDevice, ...] = field(default=(), metadata=STRICT)
    acbs: tuple[SystemDevice, ...] = field(default=(), metadata=STRICT)
    encharges: tuple[SystemDevice, ...] = field(default=(), metadata=STRICT)
    enpowers: tuple[SystemDevice, ...] = field(default=(), metadata=STRICT)
    ev_chargers: tuple[SystemDevice, ...] = field(default=(), metadata=STRICT)
    heat_pump: tuple[SystemDevice, ...] = field(default=(), metadata=STRICT)
    iq_collars: tuple[SystemDevice, ...] = field(default=(), metadata=STRICT)
    iq_air: tuple[SystemDevice, ...] = field(default=(), metadata=STRICT)
    generators: tuple[SystemDevice, ...] = field(default=(), metadata=STRICT)
    others: Mapping[str, object] = field(factory=dict, hash=False, metadata=OBJECT)
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)

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
    """The active EV chargers of a system: a sequence of `SystemDevice`.

    Attributes:
        system_id: the service's number of the system.
        ev_chargers: the chargers themselves.
        as_of: when it was fetched (aware UTC).
        receipt: cost of the query.
    """

    _items: ClassVar[str] = "ev_chargers"

    system_id: int
    ev_chargers: tuple[SystemDevice, ...] = field(default=(), metadata=STRICT)
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)
