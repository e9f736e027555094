"""What the systems of a fleet have beside their panels: batteries, chargers, heat pumps."""

from __future__ import annotations

from attrs import evolve, frozen

from enlighten_async.emulator.plant.system import (
    Battery,
    EvCharger,
    HeatPump,
    LoadControl,
    StorageSettings,
    System,
)

LOADS = (
    LoadControl(name="NC1", load_name="Pool pump"),
    LoadControl(name="NC2", load_name="Water heater", mode="Scheduled"),
)
LATE = 420  # seconds until the last of several batteries has reported


@frozen(kw_only=True)
class Equipment:
    """How many batteries of either kind; steps of telemetry (seconds) of what is there, else 0."""

    batteries: int = 0
    acbs: int = 0
    charger_step: int = 0
    heat_pump_step: int = 0


NOTHING = Equipment()


def equip(system: System, equipment: Equipment) -> System:
    """Return the system with this equipment; serial numbers follow from its id."""
    number = system.system_id % 10**7
    chargers = EvCharger(serial=f"20231{number:07}", step=equipment.charger_step)
    pump = HeatPump(name="Viessmann VitoCal 300G", step=equipment.heat_pump_step)
    return evolve(
        system,
        nmi=f"604{number:07}" if system.country == "AU" else None,
        batteries=tuple(_battery(f"4922{number:07}{n}", n) for n in range(equipment.batteries)),
        acbs=tuple(
            Battery(serial=f"9113{number:07}{n}", capacity_wh=1200, power_w=260)
            for n in range(equipment.acbs)
        ),
        storage=StorageSettings(
            mode=("Self-consumption", "Savings Mode")[number % 2],
            reserve_soc=(10, 20, 30)[number % 3],
            loads=LOADS[: equipment.batteries],
        ),
        ev_chargers=(chargers,) if equipment.charger_step else (),
        heat_pump=pump if equipment.heat_pump_step else None,
    )


def _battery(serial: str, place: int) -> Battery:
    """Return a battery; the first is the bigger one, and the third reports late."""
    if place == 0:
        return Battery(serial=serial, capacity_wh=5000, power_w=3840)
    return Battery(serial=serial, late=LATE if place == 2 else 0)
