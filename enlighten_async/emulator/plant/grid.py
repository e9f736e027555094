"""What a house buys and sells: what its panels and batteries leave to be balanced."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from enlighten_async.emulator.plant.daily import day_sums
from enlighten_async.emulator.plant.daybook import newest, slots_between
from enlighten_async.emulator.plant.house import surplus, unknown
from enlighten_async.emulator.plant.storage import batteries
from enlighten_async.emulator.plant.sun import GRID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from enlighten_async.emulator.plant.system import System
    from enlighten_async.emulator.plant.truth import Truth


class Grid:
    """The exchange of all systems with the grid.

    A row exists where production, consumption and batteries are all known in full: of a system without a
    consumption meter that is switched on there are none.
    """

    def __init__(self, truth: Truth) -> None:
        self._truth = truth

    def rows(self, system_id: int, start: float, end: float) -> list[dict[str, int]]:
        """Return the rows with `start < end_at <= end` (epoch seconds): Wh each way, one of them 0."""
        system = self._truth.system(system_id)
        return [
            {"end_at": at, "wh_imported": max(0, wh), "wh_exported": max(0, -wh)}
            for at, wh in self._bought(system, start, end)
        ]

    def days(self, system_id: int, first: date, last: date) -> dict[str, list[int]]:
        """Return `import` and `export`, the energies (Wh) of each local day."""
        system = self._truth.system(system_id)

        def one_way(sign: int) -> list[int]:
            return day_sums(
                system,
                first,
                last,
                lambda a, b: ((at, max(0, sign * wh)) for at, wh in self._bought(system, a, b)),
            )

        return {"import": one_way(1), "export": one_way(-1)}

    def first_row(self, system_id: int) -> int | None:
        """Return the end of the first interval (epoch seconds)."""
        system = self._truth.system(system_id)
        return next((at for at, _ in self._bought(system, 0, self._truth.horizon())), None)

    def last_row(self, system_id: int) -> int | None:
        """Return the end of the newest interval known by now (epoch seconds)."""
        system = self._truth.system(system_id)
        return newest(system, self._truth.horizon(), partial(self._bought, system))

    def _bought(self, system: System, start: float, end: float) -> Iterator[tuple[int, int]]:
        """Give end and energy (Wh) of each row; negative where it was sold."""
        if system.consumption in {"none", "disabled"}:
            return
        # the first interval that lies in the time of service as a whole
        low = max(start, -(-system.operational_at // GRID) * GRID)
        high = min(end, self._truth.horizon() - _late(system))
        for number, begin, first, last in slots_between(system, low, high, GRID):
            left, gaps = surplus(self._truth, system, number), unknown(self._truth, system, number)
            flows = self._truth.storage.day(system, number).flows if batteries(system) else []
            for slot in range(first, last):
                if slot not in gaps:
                    stored = sum(flow.charge[slot] - flow.discharge[slot] for flow in flows)
                    yield begin + (slot + 1) * GRID, stored - left[slot]


def _late(system: System) -> int:
    """Return how long (seconds) the last device takes to report, after the punctual ones."""
    production = [meter.late for meter in system.meters] or [system.micro_late]
    return max(*production, *(battery.late for battery in batteries(system)), 0)
