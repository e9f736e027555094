"""What the service knows at this moment: for its answers, and for tests to compare answers with."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.readings import Readings, days_between
from enlighten_async.emulator.sun import GRID, SLOTS, day_number, day_start

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from enlighten_async.clock import Clock
    from enlighten_async.emulator.plants import Meter, System
    from enlighten_async.emulator.readings import MeterDay, SystemDay

Row: TypeAlias = dict[str, int]
"""One interval of a system, with the service's own names."""

ChannelRow: TypeAlias = dict[str, int | float | None]
"""One interval of a meter's channel, with the service's own names."""


class Truth:
    """All systems and all that has been reported of them; no retention, no quota, no permissions.

    Raises ValueError if two systems share an id.
    """

    def __init__(self, fleet: Iterable[System], seed: int, clock: Clock, report_lag: float) -> None:
        systems = sorted(fleet, key=lambda system: system.system_id)
        self._systems = {system.system_id: system for system in systems}
        self._owned: dict[str, list[System]] = {}
        for system in systems:
            self._owned.setdefault(system.user_id, []).append(system)
        if len(self._systems) < len(systems):
            raise ValueError("two systems have the same system_id: each needs its own")
        self._readings = Readings(seed)
        self._clock = clock
        self._lag = report_lag

    def system(self, system_id: int) -> System:
        """Return the system; KeyError if there is none."""
        return self._systems[system_id]

    def systems(self, user_id: str | None = None) -> list[System]:
        """Return the systems of a user (`None`: of all), in the order of their ids."""
        return list(self._systems.values() if user_id is None else self._owned.get(user_id, ()))

    def rgm_stats(self, system_id: int, start: float, end: float) -> list[Row]:
        """Return the system's rows with `start < end_at <= end` (epoch seconds) reported by now."""
        system = self.system(system_id)
        if not system.meters:
            return []
        return [
            {"end_at": at, "devices_reporting": devices, "wh_del": wh}
            for at, wh, devices in self._intervals(system, start, end)
        ]

    def meter_intervals(self, system_id: int, start: float, end: float) -> list[dict[str, object]]:
        """Return the same window meter by meter; the rows of one meter are grouped by channel."""
        system = self.system(system_id)
        newest = self.last_interval(system_id)
        return [
            {
                "meter_serial_number": meter.serial,
                "envoy_serial_number": meter.envoy_serial,
                "intervals": list(self._channel_rows(system, index, start, end, newest)),
            }
            for index, meter in enumerate(system.meters)
        ]

    def energy(self, system_id: int, start: float, end: float) -> int:
        """Return the sum (Wh) of what was reported with `start < end_at <= end`."""
        return sum(wh for _, wh, _ in self._intervals(self.system(system_id), start, end))

    def lifetime(self, system_id: int, end: float) -> int:
        """Return the energy (Wh) reported from the start of service to this instant."""
        system = self.system(system_id)
        settled = min(end, self._horizon() - max((m.late for m in system.meters), default=0))
        number = day_number(settled, system.longitude)
        known = self._readings.lifetime(system, number)
        return known + self.energy(system_id, day_start(number, system.longitude), end)

    def first_interval(self, system_id: int) -> int | None:
        """Return the end of the system's first interval (epoch seconds)."""
        return next((at for at, _, _ in self._intervals(self.system(system_id), 0, self._horizon())), None)

    def last_interval(self, system_id: int) -> int | None:
        """Return the end of the newest interval reported by now (epoch seconds)."""
        system = self.system(system_id)
        horizon = self._horizon()
        for number in reversed(days_between(system, system.operational_at, int(horizon))):
            day = self._readings.day(system, number)
            found = [at for at, _, _ in self._of_day(system, day, 0, SLOTS) if at <= horizon]
            if found and found[-1] > system.operational_at:
                return found[-1]
        return None

    def _horizon(self) -> float:
        """Return up to when punctual meters have reported (epoch seconds)."""
        return self._clock.now() - self._lag

    def _days(self, system: System, start: float, end: float) -> Iterator[tuple[SystemDay, int, int]]:
        """Give each day of a window with the first slot in it and the first one after it."""
        low = int(max(start, system.operational_at))
        high = int(min(end, self._horizon()))
        for number in days_between(system, low, high):
            day = self._readings.day(system, number)
            yield day, max(0, (low - day.start) // GRID), min(SLOTS, (high - day.start) // GRID)

    def _intervals(self, system: System, start: float, end: float) -> Iterator[tuple[int, int, int]]:
        for day, first, last in self._days(system, start, end):
            yield from self._of_day(system, day, first, last)

    def _of_day(
        self, system: System, day: SystemDay, first: int, last: int
    ) -> Iterator[tuple[int, int, int]]:
        """Give end, energy (Wh) and reporting devices of the slots of a day that have a row."""
        horizon = self._horizon()
        meters = list(zip(system.meters, day.meters, strict=True))
        for slot in range(first, last):
            if slot in day.missing:
                continue
            at = day.start + (slot + 1) * GRID
            if meters:
                read = [d.wh[slot] for m, d in meters if slot not in d.missing and at + m.late <= horizon]
                if read:
                    yield at, sum(read), len(read)
            elif day.wh[slot]:
                yield at, day.wh[slot], system.modules

    def _channel_rows(
        self, system: System, index: int, start: float, end: float, newest: int | None
    ) -> Iterator[ChannelRow]:
        meter = system.meters[index]
        spans = [
            (day.start, day.meters[index], self._slots(meter, day, day.meters[index], first, last))
            for day, first, last in self._days(system, start, end)
        ]
        for channel in range(meter.listed):
            for begin, read, slots in spans:
                trace = read.channels[channel]
                for slot in slots:
                    at = begin + (slot + 1) * GRID
                    blank = meter.null_tail and at == newest
                    yield {
                        "channel": channel + 1,
                        "end_at": at,
                        "wh_del": None if blank else trace.wh[slot],
                        "curr_w": None if blank else trace.watts[slot],
                    }

    def _slots(self, meter: Meter, day: SystemDay, read: MeterDay, first: int, last: int) -> list[int]:
        """Return the slots of a day for which this meter has rows."""
        until = (self._horizon() - meter.late - day.start) // GRID
        missing = day.missing | read.missing
        return [slot for slot in range(first, min(last, int(until))) if slot not in missing]
