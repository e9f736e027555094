"""The devices of a system."""

from __future__ import annotations

from datetime import datetime

from attrs import field, frozen

from enlighten_async.models.convert import READ, quantity
from enlighten_async.models.meta import Meta
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.rows import Plain, Rows

_POWER = quantity({"W": 1, "kW": 1000, "MW": 1_000_000})
_ENERGY = quantity({"Wh": 1, "kWh": 1000, "MWh": 1_000_000, "J": 1 / 3600, "kJ": 1 / 3.6, "MJ": 1 / 0.0036})


@frozen
class Envoy(Plain):
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
class Envoys(Rows[Envoy]):
    """The gateways of a system, in the service's order: a sequence of `Envoy`.

    Attributes:
        system_id: the service's number of the system.
        envoys: the gateways themselves.
        as_of: when it was fetched (aware UTC).
        receipt: what the query spent.
    """

    system_id: int
    envoys: tuple[Envoy, ...] = ()
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)

    def __len__(self) -> int:
        return len(self.envoys)

    def _row(self, place: int) -> Envoy:
        return self.envoys[place]


@frozen
class Device(Plain):
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
class Inventory(Plain):
    """The active devices of a system; retired ones are not listed.

    Attributes:
        system_id: the service's number of the system.
        envoys: gateways.
        inverters: microinverters; a twin inverter is listed twice.
        meters: revenue-grade meters; empty also in answers of the first years, which had none.
        meta: the system's state; null in answers of the first years.
        as_of: when it was fetched (aware UTC).
        receipt: what the query spent.
    """

    system_id: int
    envoys: tuple[Device, ...] = ()
    inverters: tuple[Device, ...] = ()
    meters: tuple[Device, ...] = ()
    meta: Meta | None = None
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)


@frozen
class MicroInverter(Plain):
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
    power_produced: float | None = field(default=None, metadata={READ: _POWER})
    proc_load: str | None = None
    param_table: str | None = None
    envoy_serial_number: str | None = None
    energy: float | None = field(default=None, metadata={READ: _ENERGY})
    grid_profile: str | None = None
    last_report_date: datetime | None = None


@frozen
class EnvoyInverters(Plain):
    """The microinverters that report to one gateway.

    Attributes:
        signal_strength: of the gateway's power line communication, 0 to 5; null if unknown.
        micro_inverters: the microinverters, in the service's order.
    """

    signal_strength: int | None = None
    micro_inverters: tuple[MicroInverter, ...] = ()


@frozen
class InvertersSummary(Rows[EnvoyInverters]):
    """The microinverters of a system, gateway by gateway: a sequence of `EnvoyInverters`.

    Attributes:
        envoys: one for each gateway.
        as_of: when it was fetched (aware UTC).
        receipt: what the query spent.
    """

    envoys: tuple[EnvoyInverters, ...] = ()
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)

    @property
    def micro_inverters(self) -> tuple[MicroInverter, ...]:
        """The microinverters of all gateways."""
        return tuple(inverter for envoy in self.envoys for inverter in envoy.micro_inverters)

    def __len__(self) -> int:
        return len(self.envoys)

    def _row(self, place: int) -> EnvoyInverters:
        return self.envoys[place]
