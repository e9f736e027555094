"""Reports: the intervals that the devices of all systems have reported by now."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

from enlighten_async.emulator.local_time import local_date, local_midnight
from enlighten_async.emulator.simulation.consumption import ConsumptionMeters
from enlighten_async.emulator.simulation.day_cache import (
    DayCache,
    RunningSums,
    day_slots,
    last_row_end,
    solar_days,
)
from enlighten_async.emulator.simulation.microinverters import MICRO_SLOTS_PER_SLOT, Microinverters, enwh
from enlighten_async.emulator.simulation.production import make_day, metered_day_total, missing_slots
from enlighten_async.emulator.simulation.sun import METER_INTERVAL_S, SLOTS_PER_DAY, day_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import date

    from enlighten_async.emulator.simulation.consumption import ConsumptionDay
    from enlighten_async.emulator.simulation.microinverters import MicroDay
    from enlighten_async.emulator.simulation.production import SystemDay
    from enlighten_async.emulator.simulation.system import System

Row: TypeAlias = dict[str, int]
"""One interval of a system, with the service's own names."""

ChannelRow: TypeAlias = dict[str, int | float | None]
"""One interval of a meter's channel, with the service's own names."""

Rows: TypeAlias = "Callable[[System, float, float], Iterator[tuple[int, ...]]]"
"""A function that gives the rows of a window, each with its end (epoch seconds) first."""


class Moment(Protocol):
    """The present: a clock, or an instant that has passed."""

    def now(self) -> float:
        """Return the time in epoch seconds."""


class Reports:
    """All systems, and the intervals reported of them; retention, quota and permissions do not apply.

    Raises ValueError if two systems share an id.
    """

    def __init__(self, fleet: Iterable[System], seed: int, clock: Moment, report_lag: float) -> None:
        systems = sorted(fleet, key=lambda system: system.system_id)
        self._systems = {system.system_id: system for system in systems}
        self._owned: dict[str, list[System]] = {}
        for system in systems:
            self._owned.setdefault(system.user_id, []).append(system)
        if len(self._systems) < len(systems):
            raise ValueError("two systems have the same system_id: each needs its own")
        self._missing_slots = partial(missing_slots, seed)
        self._meter_days_made = DayCache(partial(make_day, seed))
        self._sums = RunningSums("meters", seed, self._meter_days_made.day, metered_day_total)
        self._inverters = Microinverters(seed)
        self._consumption = ConsumptionMeters(seed)
        self._clock = clock
        self.report_lag = report_lag

    def system(self, system_id: int) -> System:
        """Return the system; KeyError if there is none."""
        return self._systems[system_id]

    def systems(self, user_id: str | None = None) -> list[System]:
        """Return the systems of a user (`None`: of all), in the order of their ids."""
        return list(self._systems.values() if user_id is None else self._owned.get(user_id, ()))

    def meter_day(self, system: System, number: int) -> SystemDay:
        """Return the meters' solar day, whether it was reported or not."""
        return self._meter_days_made.day(system, number)

    def micro_day(self, system: System, number: int) -> MicroDay:
        """Return the microinverters' solar day, whether it was reported or not."""
        return self._inverters.day(system, number)

    def consumption_day(self, system: System, number: int) -> ConsumptionDay:
        """Return the house's consumption on a solar day, whether there is a meter for it or not."""
        return self._consumption.day(system, number)

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

    def stats(self, system_id: int, start: float, end: float) -> list[Row]:
        """Return the microinverters' rows with `start < end_at <= end` reported by now."""
        system = self.system(system_id)
        rows = self._inverters.rows(system, start, end, self.horizon(system))
        return [
            {"end_at": at, "devices_reporting": devices, "powr": watts, "enwh": enwh(watts)}
            for at, watts, devices in rows
        ]

    def consumption_stats(self, system_id: int, start: float, end: float) -> list[Row]:
        """Return the consumption meter's rows with `start < end_at <= end` reported by now."""
        rows = self._consumption_rows(self.system(system_id), start, end)
        return [{"end_at": at, "devices_reporting": 1, "enwh": wh} for at, wh in rows]

    def energy(self, system_id: int, start: float, end: float) -> int:
        """Return the energy (Wh) of the rows with `start < end_at <= end` reported by now.

        The rows are the meters' where there are any, else the microinverters'.
        """
        system = self.system(system_id)
        if system.meters:
            return sum(wh for _, wh, _ in self._intervals(system, start, end))
        return self.micro_energy(system_id, start, end)

    def micro_energy(self, system_id: int, start: float, end: float) -> int:
        """Return the energy (Wh) of the microinverters' rows with `start < end_at <= end` reported by now."""
        system = self.system(system_id)
        return self._inverters.energy(system, start, end, self.horizon(system))

    def first_interval(self, system_id: int) -> int | None:
        """Return the end of the system's first interval (epoch seconds)."""
        system = self.system(system_id)
        if not system.meters:
            return self.first_stat(system_id)
        return next((at for at, _, _ in self._intervals(system, 0, self.horizon(system))), None)

    def last_interval(self, system_id: int) -> int | None:
        """Return the end of the newest interval reported by now (epoch seconds)."""
        system = self.system(system_id)
        if not system.meters:
            return self.last_stat(system_id)
        horizon = self.horizon(system)
        for number in reversed(solar_days(system, system.metered_from, int(horizon))):
            newest = self._newest_reported(system, number, horizon)
            if newest is not None:
                return newest
        return None

    def first_stat(self, system_id: int) -> int | None:
        """Return the end of the microinverters' first interval (epoch seconds)."""
        system = self.system(system_id)
        rows = self._micro_rows(system, 0, self.horizon(system))
        return next((at for at, _, _ in rows), None)

    def last_stat(self, system_id: int) -> int | None:
        """Return the end of the newest interval that microinverters reported by now (epoch seconds)."""
        system = self.system(system_id)
        return self._inverters.last_row_end(system, self.horizon(system)) if system.modules else None

    def first_consumption(self, system_id: int) -> int | None:
        """Return the end of the first interval of consumption (epoch seconds)."""
        system = self.system(system_id)
        rows = self._consumption_rows(system, 0, self.horizon(system))
        return next((at for at, _ in rows), None)

    def last_consumption(self, system_id: int) -> int | None:
        """Return the end of the newest interval of consumption reported by now (epoch seconds)."""
        system = self.system(system_id)
        known = system.consumption in {"metered", "refused"}
        return self._last_row_end(system, self._consumption_rows) if known else None

    def meter_start_date(self, system_id: int) -> date | None:
        """Return the first day whose production is the meters'; `None` without meters.

        It is the first full day they measured, or the first day of service.
        """
        system = self.system(system_id)
        if not system.meters:
            return None
        first = local_date(system.metered_from, system.timezone)
        whole = local_midnight(first, system.timezone) == system.metered_from
        return first if whole or system.metered_from == system.operational_at else first + timedelta(days=1)

    def meter_start(self, system_id: int) -> int | None:
        """Return the start of the first day whose production is the meters' (epoch seconds)."""
        first = self.meter_start_date(system_id)
        return None if first is None else local_midnight(first, self.system(system_id).timezone)

    def production(self, system: System, number: int) -> list[int]:
        """Return the production (Wh) of each slot of a solar day, whether it was reported or not.

        It is the microinverters' until the meters start, then the meters'.
        """
        metered = self._first_metered_slot(system, number)
        wh: list[int] = []
        if metered > 0:
            watts = self.micro_day(system, number).watts[: metered * MICRO_SLOTS_PER_SLOT]
            fives = [enwh(power) for power in watts]
            wh = [
                sum(fives[n : n + MICRO_SLOTS_PER_SLOT]) for n in range(0, len(fives), MICRO_SLOTS_PER_SLOT)
            ]
        if metered < SLOTS_PER_DAY:
            meters = self.meter_day(system, number).meters
            wh += [sum(meter.wh[slot] for meter in meters) for slot in range(metered, SLOTS_PER_DAY)]
        return wh

    def surplus(self, system: System, number: int) -> list[int]:
        """Return production minus consumption (Wh) of each slot of a solar day."""
        used = self.consumption_day(system, number).wh
        return [have - want for have, want in zip(self.production(system, number), used, strict=True)]

    def unreported_slots(self, system: System, number: int) -> set[int]:
        """Return the slots of a solar day that some device never reported; nights without rows are none."""
        slots = set(self.consumption_day(system, number).missing)
        metered = self._first_metered_slot(system, number)
        if metered < SLOTS_PER_DAY:
            for meter in self.meter_day(system, number).meters:
                slots.update(slot for slot in meter.missing if slot >= metered)
        return slots

    def _first_metered_slot(self, system: System, number: int) -> int:
        start = self.meter_start(system.system_id)
        if start is None:
            return SLOTS_PER_DAY
        return max(0, min(SLOTS_PER_DAY, (start - day_start(number, system.longitude)) // METER_INTERVAL_S))

    def horizon(self, system: System | None = None) -> float:
        """Return the instant up to which a system's punctual devices have reported (epoch seconds).

        `None`: devices with a line of their own, which no gateway keeps waiting.
        """
        now = self._clock.now()
        if system is not None and system.report_every:
            now -= (now + system.system_id * 7919) % system.report_every  # a prime spreads them, see `meta`
        backlogs = () if system is None else system.backlogs
        return min(
            (backlog.reached(now, self.report_lag) for backlog in backlogs), default=now - self.report_lag
        )

    def is_uploading(self, system: System) -> bool:
        """Return whether a gateway is connected again and has not yet uploaded all it has kept."""
        return any(backlog.is_uploading(self._clock.now()) for backlog in system.backlogs)

    def _last_row_end(self, system: System, rows: Rows) -> int | None:
        return last_row_end(system, self.horizon(system), partial(rows, system))

    def _consumption_rows(self, system: System, start: float, end: float) -> Iterator[tuple[int, int]]:
        return self._consumption.rows(system, start, end, self.horizon(system))

    def _micro_rows(self, system: System, start: float, end: float) -> Iterator[tuple[int, int, int]]:
        return self._inverters.rows(system, start, end, self.horizon(system))

    def _days(self, system: System, start: float, end: float) -> Iterator[tuple[SystemDay, int, int]]:
        """Yield each day of a window with the first slot in it and the first one after it."""
        low, high = max(start, system.metered_from), min(end, self.horizon(system))
        for number, _, first, last in day_slots(system, low, high, METER_INTERVAL_S):
            yield self._meter_days_made.day(system, number), first, last

    def _intervals(self, system: System, start: float, end: float) -> Iterator[tuple[int, int, int]]:
        for day, first, last in self._days(system, start, end):
            yield from self._of_day(system, day, first, last)

    def _newest_reported(self, system: System, number: int, horizon: float) -> int | None:
        """Return the end of a day's newest row, without the energies, which take longer to make."""
        missing, outages = self._missing_slots(system, number)
        meters = list(zip(system.meters, outages, strict=True))
        begin, since = day_start(number, system.longitude) + METER_INTERVAL_S, system.metered_from
        for slot in range(min(SLOTS_PER_DAY - 1, int((horizon - begin) // METER_INTERVAL_S)), -1, -1):
            at = begin + slot * METER_INTERVAL_S
            if at <= since:
                return None
            if slot in missing:
                continue
            if any(slot not in outage and at + meter.late <= horizon for meter, outage in meters):
                return at
        return None

    def _of_day(
        self, system: System, day: SystemDay, first: int, last: int
    ) -> Iterator[tuple[int, int, int]]:
        """Yield end, energy (Wh) and reporting devices of the slots of a day that have a row."""
        horizon = self.horizon(system)
        meters = list(zip(system.meters, day.meters, strict=True))
        for slot in range(first, last):
            if slot in day.missing:
                continue
            at = day.start + (slot + 1) * METER_INTERVAL_S
            read = [d.wh[slot] for m, d in meters if slot not in d.missing and at + m.late <= horizon]
            if read:
                yield at, sum(read), len(read)

    def _meter_rows(self, system: System, index: int, start: float, end: float) -> Iterator[tuple[int, int]]:
        """Yield end and energy (Wh) of one meter's rows."""
        for day, first, last in self._days(system, start, end):
            read = day.meters[index]
            for slot in self._slots(system, index, day, first, last):
                yield day.start + (slot + 1) * METER_INTERVAL_S, read.wh[slot]

    def _channel_rows(
        self, system: System, index: int, start: float, end: float, newest: int | None
    ) -> Iterator[ChannelRow]:
        meter = system.meters[index]
        days = [
            (day.start, day.meters[index], self._slots(system, index, day, first, last))
            for day, first, last in self._days(system, start, end)
        ]
        for channel in range(meter.listed):
            for begin, read, slots in days:
                trace = read.channels[channel]
                for slot in slots:
                    at = begin + (slot + 1) * METER_INTERVAL_S
                    blank = meter.null_tail and at == newest
                    yield {
                        "channel": channel + 1,
                        "end_at": at,
                        "wh_del": None if blank else trace.wh[slot],
                        "curr_w": None if blank else trace.watts[slot],
                    }

    def _slots(self, system: System, index: int, day: SystemDay, first: int, last: int) -> list[int]:
        """Return the slots of a day for which the meter with this index has rows."""
        until = (self.horizon(system) - system.meters[index].late - day.start) // METER_INTERVAL_S
        missing = day.missing | day.meters[index].missing
        return [slot for slot in range(first, min(last, int(until))) if slot not in missing]
