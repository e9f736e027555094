"""What batteries do: they take in what the house leaves over and give it back in the evening.

A cycle lasts from five o'clock in the morning to the next one (solar time). A battery takes in no more
than the house will use before the cycle ends, and so begins each cycle at its reserve: no cycle needs
another one to be known.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from attrs import frozen

from enlighten_async.emulator.plant.devices import deal
from enlighten_async.emulator.plant.sun import GRID, SLOTS

if TYPE_CHECKING:
    from enlighten_async.emulator.plant.system import Battery

TURN = 20
"""The slot of a solar day in which one cycle ends and the next begins."""

TENTHS, KEPT = 10, 9  # of ten watt-hours that go in, nine can be taken out again


@frozen(eq=False)
class Flow:
    """What one battery did, slot by slot: Wh in, Wh out, and the tenths of Wh above its reserve."""

    charge: array[int]
    discharge: array[int]
    stored: array[int]

    def __getitem__(self, slots: slice) -> Flow:
        return Flow(self.charge[slots], self.discharge[slots], self.stored[slots])

    def __add__(self, after: Flow) -> Flow:
        return Flow(self.charge + after.charge, self.discharge + after.discharge, self.stored + after.stored)


def run(battery: Battery, reserve_soc: int, surplus: list[int]) -> Flow:
    """Return a battery's cycle, given its part of the surplus (Wh, negative: what the house lacks).

    Less than one watt-hour may be left at its end, which is lost.
    """
    limit = battery.power_w * GRID // 3600
    most = (battery.capacity_wh - reserve_wh(battery, reserve_soc)) * TENTHS
    wanted = [min(max(0, -wh), limit) for wh in surplus]
    still = sum(wanted) * TENTHS
    stored = 0
    flow = Flow(array("l"), array("l"), array("l"))
    for wh, want in zip(surplus, wanted, strict=True):
        still -= want * TENTHS
        taken_in = max(0, min(wh, limit, (min(most, still) - stored) // KEPT))
        given = min(want, stored // TENTHS)
        stored += taken_in * KEPT - given * TENTHS
        flow.charge.append(taken_in)
        flow.discharge.append(given)
        flow.stored.append(stored)
    return flow


def reserve_wh(battery: Battery, reserve_soc: int) -> int:
    """Return what is never discharged (Wh)."""
    return battery.capacity_wh * reserve_soc // 100


def parts(batteries: list[Battery], surplus: list[int]) -> list[list[int]]:
    """Return each battery's part of the surplus (Wh): by its power."""
    weights = [battery.power_w for battery in batteries]
    dealt = [deal(abs(wh), weights) for wh in surplus]
    return [
        [part[index] if wh > 0 else -part[index] for wh, part in zip(surplus, dealt, strict=True)]
        for index in range(len(batteries))
    ]


def joined(before: list[Flow], cycle: list[Flow]) -> list[Flow]:
    """Return the batteries' solar day: the end of the cycle before, and the start of its own."""
    end, start = slice(SLOTS - TURN, None), slice(None, SLOTS - TURN)
    return [old[end] + new[start] for old, new in zip(before, cycle, strict=True)]
