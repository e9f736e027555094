"""What a house makes and uses in each quarter of an hour, whether anybody reported it or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enlighten_async.emulator.plant.micro import PARTS, enwh
from enlighten_async.emulator.plant.sun import GRID, SLOTS, day_start

if TYPE_CHECKING:
    from enlighten_async.emulator.plant.system import System
    from enlighten_async.emulator.plant.truth import Truth


def made(truth: Truth, system: System, number: int) -> list[int]:
    """Return the production (Wh) of each slot of a solar day: as it counts in `Truth.produced`."""
    metered = metered_slot(truth, system, number)
    wh: list[int] = []
    if metered > 0:
        watts = truth.micro_day(system, number).watts[: metered * PARTS]
        fives = [enwh(power) for power in watts]
        wh = [sum(fives[n : n + PARTS]) for n in range(0, len(fives), PARTS)]
    if metered < SLOTS:
        meters = truth.meter_day(system, number).meters
        wh += [sum(meter.wh[slot] for meter in meters) for slot in range(metered, SLOTS)]
    return wh


def surplus(truth: Truth, system: System, number: int) -> list[int]:
    """Return what is left (Wh) of each slot's production; negative where the house uses more."""
    used = truth.load_day(system, number).wh
    return [have - want for have, want in zip(made(truth, system, number), used, strict=True)]


def unknown(truth: Truth, system: System, number: int) -> set[int]:
    """Return the slots of a solar day of which some device never reported; nights without rows are known."""
    lost = set(truth.load_day(system, number).missing)
    metered = metered_slot(truth, system, number)
    if metered < SLOTS:
        for meter in truth.meter_day(system, number).meters:
            lost.update(slot for slot in meter.missing if slot >= metered)
    return lost


def metered_slot(truth: Truth, system: System, number: int) -> int:
    """Return the first slot of a solar day whose production the meters tell."""
    switch = truth.meter_start(system.system_id)
    if switch is None:
        return SLOTS
    return max(0, min(SLOTS, (switch - day_start(number, system.longitude)) // GRID))
