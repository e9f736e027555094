"""All devices of a system, by kind (v4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import chain

from attrs import field, frozen

from enlighten_async.models.convert import READ
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.rows import Plain, Rows
from enlighten_async.models.words import flag, identity, kept, word

_WORD, _FLAG = {READ: word}, {READ: flag}


@frozen
class CellularModem(Plain):
    """The modem of a gateway that reports over a mobile network.

    Attributes:
        imei: number of the modem, a text.
        part_num: such as "860-00157-r01".
        sku: stock keeping unit.
        plan_start_date: when its contract began, an instant despite its name (aware UTC).
        plan_end_date: when its contract ends (aware UTC).
    """

    imei: str | None = field(default=None, metadata=_WORD)
    part_num: str | None = field(default=None, metadata=_WORD)
    sku: str | None = field(default=None, metadata=_WORD)
    plan_start_date: datetime | None = None
    plan_end_date: datetime | None = None


@frozen
class SystemDevice(Plain):
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

    id: int | str | None = field(default=None, metadata={READ: identity})
    serial_number: str | None = field(default=None, metadata=_WORD)
    name: str | None = field(default=None, metadata=_WORD)
    model: str | None = field(default=None, metadata=_WORD)
    product_name: str | None = field(default=None, metadata=_WORD)
    part_number: str | None = field(default=None, metadata=_WORD)
    sku: str | None = field(default=None, metadata=_WORD)
    status: str | None = field(default=None, metadata=_WORD)
    active: bool | None = field(default=None, metadata=_FLAG)
    last_report_at: datetime | None = None
    state: str | None = field(default=None, metadata=_WORD)
    config_type: str | None = field(default=None, metadata=_WORD)
    config_phase: str | None = field(default=None, metadata=_WORD)
    emu_sw_version: str | None = field(default=None, metadata=_WORD)
    cellular_modem: CellularModem | None = None
    firmware: str | None = field(default=None, metadata=_WORD)
    sg_ready_relay: str | None = field(default=None, metadata=_WORD)
    iq_er: str | None = field(default=None, metadata=_WORD)
    feoc_compliant: bool | None = field(default=None, metadata=_FLAG)
    dom_compliant: bool | None = field(default=None, metadata=_FLAG)


@frozen
class Devices(Plain):
    """The devices of a system, kind by kind; a kind of which it has none is empty.

    Attributes:
        system_id: the service's number of the system.
        total_devices: how many active devices the service counts; null if it does not say.
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
        others: what the service lists of kinds that are not known here, as it came.
        as_of: when it was fetched (aware UTC).
        receipt: what the query spent.
    """

    system_id: int
    total_devices: int | None = None
    micros: tuple[SystemDevice, ...] = ()
    meters: tuple[SystemDevice, ...] = ()
    gateways: tuple[SystemDevice, ...] = ()
    q_relays: tuple[SystemDevice, ...] = ()
    acbs: tuple[SystemDevice, ...] = ()
    encharges: tuple[SystemDevice, ...] = ()
    enpowers: tuple[SystemDevice, ...] = ()
    ev_chargers: tuple[SystemDevice, ...] = ()
    heat_pump: tuple[SystemDevice, ...] = ()
    iq_collars: tuple[SystemDevice, ...] = ()
    iq_air: tuple[SystemDevice, ...] = ()
    generators: tuple[SystemDevice, ...] = ()
    others: Mapping[str, object] = field(factory=dict, hash=False, metadata={READ: kept})
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
class EvChargers(Rows[SystemDevice]):
    """The active EV chargers of a system: a sequence of `SystemDevice`.

    Attributes:
        system_id: the service's number of the system.
        ev_chargers: the chargers themselves.
        as_of: when it was fetched (aware UTC).
        receipt: what the query spent.
    """

    system_id: int
    ev_chargers: tuple[SystemDevice, ...] = ()
    as_of: datetime | None = field(default=None, eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)

    def __len__(self) -> int:
        return len(self.ev_chargers)

    def _row(self, place: int) -> SystemDevice:
        return self.ev_chargers[place]
