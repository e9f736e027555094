"""What the batteries of a system report every quarter of an hour, each of them and all together."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

from enlighten_async.emulator.plant.battery import TURN, joined, parts, reserve_wh, run
from enlighten_async.emulator.plant.daily import day_sums
from enlighten_async.emulator.plant.daybook import DayBook, Sums, newest, slots_between
from enlighten_async.emulator.plant.devices import storage_meter
from enlighten_async.emulator.plant.house import surplus
from enlighten_async.emulator.plant.sun import DAY, GRID, day_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date

    from enlighten_async.emulator.plant.battery import Flow
    from enlighten_async.emulator.plant.system import Battery, System
    from enlighten_async.emulator.plant.truth import Truth

Row: TypeAlias = dict[str, object]
"""One interval, with the service's own names."""

Count: TypeAlias = "Callable[[Flow], list[int]]"
"""What is added up (Wh of each slot)."""

COUNTS = ("charge", "discharge")


@frozen(eq=False)
class StorageDay:
    """One solar day: what each battery did, and the slots that were never reported."""

    start: int
    missing: frozenset[int]
    flows: list[Flow]


def batteries(system: System) -> list[Battery]:
    """Return a system's batteries of both kinds, the older ones last."""
    return [*system.batteries, *system.acbs]


class Storage:
    """The batteries of all systems; of a system without any there are no rows."""

    def __init__(self, truth: Truth, seed: int) -> None:
        self._truth = truth
        self._cycles = DayBook(self._make_cycle)
        self._book = DayBook(self._make_day)
        self._sums = {name: Sums(name, seed, self._book.day, _reported(attrgetter(name))) for name in COUNTS}

    def day(self, system: System, number: int) -> StorageDay:
        """Return what the batteries did on a solar day, whether it was reported or not."""
        return self._book.day(system, number)

    def rows(self, system_id: int, start: float, end: float) -> list[Row]:
        """Return the system's rows with `start < end_at <= end` (epoch seconds) reported by now.

        Energies (Wh) are sums, the state of charge (percent) is of the batteries that have reported.
        """
        system = self._truth.system(system_id)
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
        system = self._truth.system(system_id)
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
        system = self._truth.system(system_id)
        return {name: day_sums(system, first, last, partial(self._energies, system, name)) for name in COUNTS}

    def readings(self, system_id: int, end: float) -> list[dict[str, str | int]]:
        """Return the storage meter's last reading (Wh, since it was installed) up to an instant."""
        system = self._truth.system(system_id)
        end = min(end, self._truth.horizon())
        read_at = self.last_row(system_id, end)
        if read_at is None:
            return []
        charged, discharged = (self._lifetime(system, name, read_at) for name in COUNTS)
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
        system = self._truth.system(system_id)
        return next((at for at, *_ in self._slots(system, 0, self._truth.horizon())), None)

    def last_row(self, system_id: int, end: float | None = None) -> int | None:
        """Return the end of the batteries' newest interval by now, or up to an instant (epoch seconds)."""
        system, horizon = self._truth.system(system_id), self._truth.horizon()
        until = horizon if end is None else min(end, horizon)
        return newest(system, until, lambda low, high: ((at,) for at, *_ in self._slots(system, low, high)))

    def last_device_row(self, system_id: int, serial: str) -> Row | None:
        """Return a battery's newest row; KeyError if there is no such battery."""
        system = self._truth.system(system_id)
        late = batteries(system)[self._index(system, serial)].late
        newest = self.last_row(system_id, self._truth.horizon() - late)
        rows = [] if newest is None else self.device_rows(system_id, serial, newest - GRID, newest)
        return rows[-1] if rows else None

    def last_power(self, system_id: int, serial: str) -> tuple[int, int] | None:
        """Return when a battery reported last (epoch seconds) and its mean power (W) then, out of it."""
        system = self._truth.system(system_id)
        index = self._index(system, serial)
        until = self._truth.horizon() - batteries(system)[index].late
        newest = self.last_row(system_id, until)
        if newest is None:
            return None
        ((at, slot, day, _),) = self._slots(system, newest - GRID, newest)
        flow = day.flows[index]
        return at, (flow.discharge[slot] - flow.charge[slot]) * 3600 // GRID

    def _index(self, system: System, serial: str) -> int:
        for index, battery in enumerate(batteries(system)):
            if battery.serial == serial:
                return index
        raise KeyError(serial)

    def _slots(
        self, system: System, start: float, end: float
    ) -> Iterator[tuple[int, int, StorageDay, list[int]]]:
        """Give end and slot of each row, its day, and the batteries that have reported by now."""
        horizon, delays = self._truth.horizon(), [battery.late for battery in batteries(system)]
        if not delays:
            return
        low, high = max(start, system.operational_at), min(end, horizon)
        for number, begin, first, last in slots_between(system, low, high, GRID):
            day = self._book.day(system, number)
            for slot in range(first, last):
                at = begin + (slot + 1) * GRID
                known = [index for index, late in enumerate(delays) if at + late <= horizon]
                if known and slot not in day.missing:
                    yield at, slot, day, known

    def _energies(self, system: System, name: str, start: float, end: float) -> Iterator[tuple[int, int]]:
        for at, slot, day, known in self._slots(system, start, end):
            yield at, sum(getattr(day.flows[index], name)[slot] for index in known)

    def _lifetime(self, system: System, name: str, end: float) -> int:
        """Return the energy (Wh) reported from the start of service to an instant."""
        late = max(battery.late for battery in batteries(system))
        begin, known = self._sums[name].settled(system, min(end, self._truth.horizon() - late))
        return known + sum(wh for _, wh in self._energies(system, name, begin, end))

    def _make_cycle(self, system: System, number: int) -> list[Flow]:
        today, tomorrow = (surplus(self._truth, system, n) for n in (number, number + 1))
        owned = batteries(system)
        split = parts(owned, today[TURN:] + tomorrow[:TURN])
        reserve = system.storage.reserve_soc
        return [run(battery, reserve, part) for battery, part in zip(owned, split, strict=True)]

    def _make_day(self, system: System, number: int) -> StorageDay:
        before, cycle = (self._cycles.day(system, n) for n in (number - 1, number))
        missing = self._truth.load_day(system, number).missing
        return StorageDay(day_start(number, system.longitude), missing, joined(before, cycle))


def _percent(system: System, known: list[int], stored: list[int]) -> int:
    """Return the state of charge (percent) of some batteries, given the tenths of Wh above reserve."""
    owned = batteries(system)
    reserve = sum(reserve_wh(owned[index], system.storage.reserve_soc) for index in known)
    return round((reserve * 10 + sum(stored)) * 10 / sum(owned[index].capacity_wh for index in known))


def _reported(energies: Count) -> Callable[[StorageDay, System], int]:
    """Return what adds up a day's energy (Wh): of the slots that were reported in the time of service."""

    def count(day: StorageDay, system: System) -> int:
        first = max(0, (system.operational_at - day.start) // GRID)
        slots = [slot for slot in range(first, DAY // GRID) if slot not in day.missing]
        return sum(energies(flow)[slot] for flow in day.flows for slot in slots)

    return count
