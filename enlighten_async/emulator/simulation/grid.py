"""The grid: energy imported and exported, which balances panels, batteries and consumption."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from enlighten_async.emulator.simulation.day_cache import daily_energy, day_slots, last_row_end
from enlighten_async.emulator.simulation.storage import batteries
from enlighten_async.emulator.simulation.sun import METER_INTERVAL_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from enlighten_async.emulator.simulation.reports import Reports
    from enlighten_async.emulator.simulation.storage import Storage
    from enlighten_async.emulator.simulation.system import System


class Grid:
    """The exchange of all systems with the grid.

    A row exists where production, consumption and batteries are all known in full: of a system without a
    consumption meter that is switched on there are none.
    """

    def __init__(self, reports: Reports, storage: Storage) -> None:
        self._reports = reports
        self._storage = storage

    def rows(self, system_id: int, start: float, end: float) -> list[dict[str, int]]:
        """Return the rows with `start < end_at <= end` (epoch seconds): Wh each way, one of them 0."""
        system = self._reports.system(system_id)
        return [
            {"end_at": at, "wh_imported": max(0, wh), "wh_exported": max(0, -wh)}
            for at, wh in self._balance(system, start, end)
        ]

    def days(self, system_id: int, first: date, last: date) -> dict[str, list[int]]:
        """Return `import` and `export`, the energies (Wh) of each local day."""
        system = self._reports.system(system_id)

        def one_way(sign: int) -> list[int]:
            return daily_energy(
                system,
                first,
                last,
                lambda a, b: ((at, max(0, sign * wh)) for at, wh in self._balance(system, a, b)),
            )

        return {"import": one_way(1), "export": one_way(-1)}

    def first_row(self, system_id: int) -> int | None:
        """Return the end of the first interval (epoch seconds)."""
        system = self._reports.system(system_id)
        return next((at for at, _ in self._balance(system, 0, self._reports.horizon(system))), None)

    def last_row(self, system_id: int) -> int | None:
        """Return the end of the newest interval known by now (epoch seconds)."""
        system = self._reports.system(system_id)
        return last_row_end(system, self._reports.horizon(system), partial(self._balance, system))

    def _balance(self, system: System, start: float, end: float) -> Iterator[tuple[int, int]]:
        """Yield end and energy (Wh) of each row; negative where it is exported."""
        if system.consumption in {"none", "disabled"}:
            return
        # the first interval that lies in the time of service as a whole
        low = max(start, -(-system.operational_at // METER_INTERVAL_S) * METER_INTERVAL_S)
        high = min(end, self._reports.horizon(system) - _late(system))
        for number, begin, first, last in day_slots(system, low, high, METER_INTERVAL_S):
            left, gaps = self._reports.surplus(system, number), self._reports.unreported_slots(system, number)
            flows = self._storage.day(system, number).flows if batteries(system) else []
            for slot in range(first, last):
                if slot not in gaps:
                    stored = sum(flow.charge[slot] - flow.discharge[slot] for flow in flows)
                    yield begin + (slot + 1) * METER_INTERVAL_S, stored - left[slot]


def _late(system: System) -> int:
    """Return the seconds that the last device reports later than punctual ones."""
    production = [meter.late for meter in system.meters] or [system.micro_late]
    return max(*production, *(battery.late for battery in batteries(system)), 0)
