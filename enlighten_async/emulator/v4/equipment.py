"""What lists of devices tell of batteries, chargers and heat pumps."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.plant.devices import battery_id
from enlighten_async.emulator.v4.chargers import charger_items
from enlighten_async.emulator.v4.drift import which

if TYPE_CHECKING:
    from enlighten_async.emulator.plant.system import HeatPump, System
    from enlighten_async.emulator.v4.api import ApiV4
    from enlighten_async.emulator.v4.routes import Asked

ACB_ID = 1_059_640_000

Row: TypeAlias = dict[str, object]


def further(api: ApiV4, asked: Asked, last: object) -> dict[str, list[Row]]:
    """Return devices by type that are neither inverters nor meters nor gateways; types may be empty."""
    system = asked.system
    return {
        "acbs": [
            _battery(ACB_ID + system.system_id * 10 + index, f"AC Battery {acb.serial}", acb.serial, last)
            for index, acb in enumerate(system.acbs)
        ],
        "encharges": [
            _battery(battery_id(system, index), f"Encharge {each.serial}", each.serial, last)
            for index, each in enumerate(system.batteries)
        ],
        "ev_chargers": [
            _drifted(row, system) if api.manners.drift else row for row in charger_items(api, asked)
        ],
        "heat_pump": [_heat_pump(system.heat_pump, last)] if system.heat_pump else [],
    }


def _battery(number: int, name: str, serial: str, last: object) -> Row:
    old = name.startswith("AC ")
    return {
        "id": number,
        "last_report_at": last,
        "name": name,
        "serial_number": serial,
        "part_number": "800-00560-r03" if old else "800-00562-r01",
        "sku": "IQ7-B1200-LN-I-INT01-RV0" if old else "B03-A01-US00-1-3",
        "model": "",
        "status": "normal",
        "active": True,
        "product_name": "ACB" if old else "IQ Battery",
    }


def _heat_pump(pump: HeatPump, last: object) -> Row:
    return {
        "id": "",
        "SKU": "",
        "status": "normal",
        "serial_number": pump.serial,
        "name": pump.name,
        "model": "Expert Net Control",
        "part_number": "",
        "last_report_at": last,
        "firmware": "",
        "sg_ready_relay": "Expert Net Control",
        "iq_er": "IQ Energy Router",
        "active": True,
    }


def _drifted(row: Row, system: System) -> Row:
    """Return a charger without an id, whose state is a text now and then."""
    return row | {"id": ""} | ({"active": "true"} if which(2, system.system_id, "active") else {})
