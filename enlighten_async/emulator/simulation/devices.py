"""The devices of a system, as the service lists them: gateways, inverters, meters."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from enlighten_async.emulator.simulation.system import Envoy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enlighten_async.emulator.simulation.system import System

INVERTERS_REPLACED_AFTER_S = 100 * 86_400  # seconds of service until retired inverters were replaced
METER_ID, BATTERY_ID = 1_059_600_000, 1_084_690_000
ENVOY_ID, INVERTER_ID = 430_000, 1_059_000_000
INVERTER_MODELS = (  # model, sku, part number
    ("M215", "M215-60-2LL-S22-NA", "800-00107-r01"),
    ("M250", "M250-60-2LL-S22", "800-00203-r02"),
    ("IQ7", "IQ7-60-2-US", "800-01135-r02"),
)
TWIN_MODEL = ("D380", "D380-72-2LL-S12", "800-00180-r03")


@frozen(kw_only=True)
class Inverter:
    """A microinverter.

    Attributes:
        number: the service's id.
        serial: its serial number; of two inverters in one case it ends in `-A` and `-B`.
        model: its model.
        sku: the shop's number of the model.
        part_number: Enphase's number of the part.
        envoy_serial: the gateway that reports it.
        place: its place in the array; a retired inverter and its replacement share one.
        weight: the place's share of the array's energy, relative to the other places.
        retired_at: time of its replacement (epoch seconds).
    """

    number: int
    serial: str
    model: str
    sku: str
    part_number: str
    envoy_serial: str
    place: int
    weight: int
    retired_at: int | None = None


def envoys(system: System) -> tuple[Envoy, ...]:
    """Return the system's gateways."""
    if system.envoys:
        return system.envoys
    named = dict.fromkeys(meter.envoy_serial for meter in system.meters)
    return tuple(map(Envoy, named or [f"1217{system.system_id % 10**8:08}"]))


def numbered_envoys(system: System) -> list[tuple[int, Envoy]]:
    """Return the system's gateways, each with the service's id of it."""
    first = ENVOY_ID + system.system_id * 10
    return list(enumerate(envoys(system), first))


def inverters(system: System) -> list[Inverter]:
    """Return the system's inverters that are in service, and after them the retired ones."""
    active = list(_inverters(system))
    retired = [
        evolve(
            inverter,
            number=inverter.number + 500,
            serial=_serial(system, 500 + inverter.place),
            retired_at=system.operational_at + INVERTERS_REPLACED_AFTER_S,
        )
        for inverter in active[: system.retired_inverters]
    ]
    return active + retired


def energy_by_place(inverters: list[Inverter], energy: int) -> dict[int, int]:
    """Return the energy (Wh) of each place of an array; rounding loses nothing.

    The array's watt-hours are distributed in rounds, a place's weight each round: so no share ever falls as
    the energy grows.
    """
    weights = {inverter.place: inverter.weight for inverter in inverters}
    rounds, left = divmod(energy, sum(weights.values()) or 1)
    energies = {}
    for place, weight in weights.items():
        energies[place] = rounds * weight + min(weight, left)
        left = max(0, left - weight)
    return energies


def split_by_weight(total: int, weights: list[int]) -> list[int]:
    """Return the parts of a whole number split by weights, each within one of its exact share."""
    whole = sum(weights)
    edges, reached = [0], 0
    for weight in weights:
        reached += weight
        edges.append(total * reached // whole)
    return [after - before for before, after in pairwise(edges)]


def meter_items(system: System) -> list[dict[str, object]]:
    """Return the meters that are in service, consumption meters last, with the service's own names."""
    items = [_meter(meter.serial, "normal", "enabled") for meter in system.meters]
    if serial := consumption_meter(system):
        state = ("disabled", "disabled") if system.consumption == "disabled" else ("normal", "enabled")
        items.append(_meter(serial, *state))
    return items


def meter_id(system: System, index: int) -> int:
    """Return the service's id of a meter: production meters count first, then consumption's."""
    return METER_ID + system.system_id * 10 + index


def battery_id(system: System, index: int) -> int:
    """Return the service's id of a battery (Encharge)."""
    return BATTERY_ID + system.system_id * 10 + index


def consumption_meter(system: System) -> str | None:
    """Return the serial number of the consumption meter."""
    if system.consumption == "none":
        return None
    return f"{envoys(system)[0].serial}EIM{len(system.meters) + 1}"


def storage_meter(system: System) -> str:
    """Return the serial number of the meter that measures the batteries."""
    before = len(system.meters) + (system.consumption != "none")
    return f"{envoys(system)[0].serial}EIM{before + 1}"


def _meter(serial: str, status: str, state: str) -> dict[str, object]:
    return {
        "sn": serial,
        "manufacturer": "Enphase Energy",
        "model": "Envoy S",
        "status": status,
        "state": state,
    }


def _inverters(system: System) -> Iterator[Inverter]:
    random = Random(f"{system.system_id}/inverters")
    model, sku, part = TWIN_MODEL if system.twins else random.choice(INVERTER_MODELS)
    gateways = [envoy.serial for envoy in envoys(system) if envoy.reported] or [envoys(system)[0].serial]
    for place in range(system.modules):
        case = place // 2 if system.twins else place
        yield Inverter(
            number=INVERTER_ID + system.system_id * 1000 + place,
            serial=_serial(system, case) + (f"-{'AB'[place % 2]}" if system.twins else ""),
            model=model,
            sku=sku,
            part_number=part,
            envoy_serial=gateways[place * len(gateways) // system.modules],
            place=place,
            weight=random.randint(17, 23),
        )


def _serial(system: System, case: int) -> str:
    """Return twelve digits; some serial numbers begin with 0, so that reading them as numbers fails."""
    return f"0{system.system_id * 1000 + case:011}"[-12:]
