"""Batteries: their charge and discharge, and what they report every quarter of an hour.

Batteries take in the house's surplus and give it back in the evening. A cycle lasts from five o'clock in
the morning to the next one (solar time). A battery takes in no more than the house will use before the
cycle ends, and so begins each cycle at its reserve: a cycle can be simulated without any other cycle.
"""

from __future__ import annotations

from array import array
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

from enlighten_async.emulator.simulation.day_cache import (
    DayCache,
    RunningSums,
    daily_energy,
    day_slots,
    last_row_end,
)
from enlighten_async.emulator.simulation.devices import split_by_weight, storage_meter
from enlighten_async.emulator.simulation.sun import DAY_S, METER_INTERVAL_S, SLOTS_PER_DAY, day_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date

    from enlighten_async.emulator.simulation.reports import Reports
    from enlighten_async.emulator.simulation.system import Battery, System

CYCLE_START_SLOT = 20
"""The slot of a solar day in which one cycle ends and the next begins."""

TENTHS_PER_WH, STORED_TENTHS_PER_WH = 10, 9  # of ten watt-hours that go in, nine can be taken out again
DIRECTIONS = ("charge", "discharge")

Row: TypeAlias = dict[str, object]
"""One interval, with the service's own names."""


@frozen(eq=False)
class BatteryFlow:
    """The flow of one battery by slot: Wh in, Wh out, and the tenths of Wh above its reserve."""

    charge: array[int]
    discharge: array[int]
    stored: array[int]

    def __getitem__(self, slots: slice) -> BatteryFlow:
        return BatteryFlow(self.charge[slots], self.discharge[slots], self.stored[slots])

    def __add__(self, after: BatteryFlow) -> BatteryFlow:
        return BatteryFlow(
            self.charge + after.charge, self.discharge + after.discharge, self.stored + after.stored
        )


SlotEnergies: TypeAlias = "Callable[[BatteryFlow], array[int]]"
"""A function that gives the energies (Wh of each slot) to be summed."""


@frozen(eq=False)
class StorageDay:
    """One solar day: the flow of each battery, and the slots that were never reported."""

    start: int
    missing: frozenset[int]
    flows: list[BatteryFlow]


def batteries(system: System) -> list[Battery]:
    """Return a system's batteries of both kinds, the older ones last."""
    return [*system.batteries, *system.acbs]


def simulate_cycle(battery: Battery, reserve_soc: int, surplus: list[int]) -> BatteryFlow:
    """Return a battery's cycle, given its part of the surplus (Wh, negative: what the house lacks).

    Less than one watt-hour may be left at its end, which is lost.
    """
    # `still` is the demand (in tenths) left in the cycle: storing more would carry over to the next one.
    limit = battery.power_w * METER_INTERVAL_S // 3600
    most = (battery.capacity_wh - reserve_wh(battery, reserve_soc)) * TENTHS_PER_WH
    wanted = [min(max(0, -wh), limit) for wh in surplus]
    still = sum(wanted) * TENTHS_PER_WH
    stored = 0
    flow = BatteryFlow(array("l"), array("l"), array("l"))
    for wh, want in zip(surplus, wanted, strict=True):
        still -= want * TENTHS_PER_WH
        taken_in = max(0, min(wh, limit, (min(most, still) - stored) // STORED_TENTHS_PER_WH))
        given = min(want, stored // TENTHS_PER_WH)
        stored += taken_in * STORED_TENTHS_PER_WH - given * TENTHS_PER_WH
        flow.charge.append(taken_in)
        flow.discharge.append(given)
        flow.stored.append(stored)
    return flow


def reserve_wh(battery: Battery, reserve_soc: int) -> int:
    """Return the energy that is never discharged (Wh)."""
    return battery.capacity_wh * reserve_soc // 100


def split_by_power(owned: list[Battery], surplus: list[int]) -> list[list[int]]:
    """Return each battery's part of the surplus (Wh of each slot), in proportion to its power."""
    weights = [battery.power_w for battery in owned]
    split = [split_by_weight(abs(wh), weights) for wh in surplus]
    return [
        [part[index] if wh > 0 else -part[index] for wh, part in zip(surplus, split, strict=True)]
        for index in range(len(owned))
    ]


def join_cycles(before: list[BatteryFlow], cycle: list[BatteryFlow]) -> list[BatteryFlow]:
    """Return the batteries' solar day: the end of the cycle before, and the start of its own."""
    end, start = slice(SLOTS_PER_DAY - CYCLE_START_SLOT, None), slice(None, SLOTS_PER_DAY - CYCLE_START_SLOT)
    return [old[end] + new[start] for old, new in zip(before, cycle, strict=True)]


class Storage:
    """The batteries of all systems; of a system without any there are no rows."""

    def __init__(self, reports: Reports, seed: int) -> None:
        self._reports = reports
        self._cycles = DayCache(self._make_cycle)
        self._days = DayCache(self._make_day)
        self._sums = {
            name: RunningSums(name, seed, self._days.day, _day_total(attrgetter(name))) for name in DIRECTIONS
        }

    def day(self, system: System, number: int) -> StorageDay:
        """Return the batteries' flows on a solar day, whether they were reported or not."""
        return self._days.day(system, number)

    def rows(self, system_id: int, start: float, end: float) -> list[Row]:
        """Return the system's rows with `start < end_at <= end` (epoch seconds) reported by now.

        Energies (Wh) are sums, the state of charge (percent) is of the batteries that have reported.
        """
        system = self._reports.system(system_id)
        found = []
        for at, slot, day, known in self._slots(system, start, end):
            read = [day.flows[index] for index in known]
            shown = {
                "charge": {"enwh": sum(flow.charge[slot] for flow in read)},
                "discharge": {"enwh": sum(flow.discharge[slot] for flow in read)},
                "soc": {"percent": _percent(system, known, [flow.stored[slot] for flow in read])},
            }
            counted = {name: value | {"devices_reporting": len(known)} for name, value in shown.items()}
            found.append({"end_at": at, **counted})
        return found

    def device_rows(self, system_id: int, serial: str, start: float, end: float) -> list[Row]:
        """Return one battery's rows of a window; KeyError if there is no such battery."""
        system = self._reports.system(system_id)
        index = self._index(system, serial)
        return [
            {
                "end_at": at,
                "charge": {"enwh": day.flows[index].charge[slot]},
                "discharge": {"enwh": day.flows[index].discharge[slot]},
                "soc": {"percent": _percent(system, [index], [day.flows[index].stored[slot]])},
            }
            for at, slot, day, known in self._slots(system, start, end)
            if index in known
        ]

    def days(self, system_id: int, first: date, last: date) -> dict[str, list[int]]:
        """Return `charge` and `discharge`, the energies (Wh) of each local day."""
        system = self._reports.system(system_id)
        return {
            name: daily_energy(system, first, last, partial(self._energies, system, name))
            for name in DIRECTIONS
        }

    def readings(self, system_id: int, end: float) -> list[dict[str, str | int]]:
        """Return the storage meter's last reading (Wh, since it was installed) up to an instant."""
        system = self._reports.system(system_id)
        end = min(end, self._reports.horizon(system))
        read_at = self.last_row(system_id, end)
        if read_at is None:
            return []
        charged, discharged = (self._lifetime(system, name, read_at) for name in DIRECTIONS)
        return [
            {
                "serial_number": storage_meter(system),
                "value_charged": charged,
                "value_discharged": discharged,
                "read_at": read_at,
            }
        ]

    def first_row(self, system_id: int) -> int | None:
        """Return the end of the batteries' first interval (epoch seconds)."""
        system = self._reports.system(system_id)
        return next((at for at, *_ in self._slots(system, 0, self._reports.horizon(system))), None)

    def last_row(self, system_id: int, end: float | None = None) -> int | None:
        """Return the end of the batteries' newest interval by now, or up to an instant (epoch seconds)."""
        system = self._reports.system(system_id)
        horizon = self._reports.horizon(system)
        until = horizon if end is None else min(end, horizon)
        return last_row_end(
            system, until, lambda low, high: ((at,) for at, *_ in self._slots(system, low, high))
        )

    def last_device_row(self, system_id: int, serial: str) -> Row | None:
        """Return a battery's newest row; KeyError if there is no such battery."""
        system = self._reports.system(system_id)
        late = batteries(system)[self._index(system, serial)].late
        last = self.last_row(system_id, self._reports.horizon(system) - late)
        rows = [] if last is None else self.device_rows(system_id, serial, last - METER_INTERVAL_S, last)
        return rows[-1] if rows else None

    def last_power(self, system_id: int, serial: str) -> tuple[int, int] | None:
        """Return time (epoch seconds) and mean power (W, out of the battery) of a battery's last report."""
        system = self._reports.system(system_id)
        index = self._index(system, serial)
        until = self._reports.horizon(system) - batteries(system)[index].late
        last = self.last_row(system_id, until)
        if last is None:
            return None
        ((at, slot, day, _),) = self._slots(system, last - METER_INTERVAL_S, last)
        flow = day.flows[index]
        return at, (flow.discharge[slot] - flow.charge[slot]) * 3600 // METER_INTERVAL_S

    def _index(self, system: System, serial: str) -> int:
        for index, battery in enumerate(batteries(system)):
            if battery.serial == serial:
                return index
        raise KeyError(serial)

    def _slots(
        self, system: System, start: float, end: float
    ) -> Iterator[tuple[int, int, StorageDay, list[int]]]:
        """Yield end and slot of each row, its day, and the batteries that have reported by now."""
        horizon, delays = self._reports.horizon(system), [battery.late for battery in batteries(system)]
        if not delays:
            return
        low, high = max(start, system.operational_at), min(end, horizon)
        for number, begin, first, last in day_slots(system, low, high, METER_INTERVAL_S):
            day = self._days.day(system, number)
            for slot in range(first, last):
                at = begin + (slot + 1) * METER_INTERVAL_S
                known = [index for index, late in enumerate(delays) if at + late <= horizon]
                if known and slot not in day.missing:
                    yield at, slot, day, known

    def _energies(self, system: System, name: str, start: float, end: float) -> Iterator[tuple[int, int]]:
        for at, slot, day, known in self._slots(system, start, end):
            yield at, sum(getattr(day.flows[index], name)[slot] for index in known)

    def _lifetime(self, system: System, name: str, end: float) -> int:
        """Return the energy (Wh) reported from the start of service to an instant."""
        late = max(battery.late for battery in batteries(system))
        begin, known = self._sums[name].before_day_of(system, min(end, self._reports.horizon(system) - late))
        return known + sum(wh for _, wh in self._energies(system, name, begin, end))

    def _make_cycle(self, system: System, number: int) -> list[BatteryFlow]:
        today, tomorrow = (self._reports.surplus(system, n) for n in (number, number + 1))
        owned = batteries(system)
        split = split_by_power(owned, today[CYCLE_START_SLOT:] + tomorrow[:CYCLE_START_SLOT])
        reserve = system.storage.reserve_soc
        return [simulate_cycle(battery, reserve, part) for battery, part in zip(owned, split, strict=True)]

    def _make_day(self, system: System, number: int) -> StorageDay:
        before, cycle = (self._cycles.day(system, n) for n in (number - 1, number))
        missing = self._reports.consumption_day(system, number).missing
        return StorageDay(day_start(number, system.longitude), missing, join_cycles(before, cycle))


def _percent(system: System, known: list[int], stored: list[int]) -> int:
    """Return the state of charge (percent) of these batteries, given their tenths of Wh above reserve."""
    owned = batteries(system)
    reserve = sum(reserve_wh(owned[index], system.storage.reserve_soc) for index in known)
    return round((reserve * 10 + sum(stored)) * 10 / sum(owned[index].capacity_wh for index in known))


def _day_total(energies: SlotEnergies) -> Callable[[StorageDay, System], int]:
    """Return a function that sums a day's energy (Wh) over the slots reported since the start of service."""

    def count(day: StorageDay, system: System) -> int:
        first = max(0, (system.operational_at - day.start) // METER_INTERVAL_S)
        slots = [slot for slot in range(first, DAY_S // METER_INTERVAL_S) if slot not in day.missing]
        return sum(energies(flow)[slot] for flow in day.flows for slot in slots)

    return count
