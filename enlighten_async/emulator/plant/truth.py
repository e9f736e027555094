"""What the service knows at this moment: for its answers, and for tests to compare answers with."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from enlighten_async.emulator.local_time import local_date, local_midnight
from enlighten_async.emulator.plant.charger import Charging
from enlighten_async.emulator.plant.daily import DaySums
from enlighten_async.emulator.plant.daybook import Sums, newest
from enlighten_async.emulator.plant.devices import consumption_meter
from enlighten_async.emulator.plant.events import Events
from enlighten_async.emulator.plant.grid import Grid
from enlighten_async.emulator.plant.heat_pump import Heating
from enlighten_async.emulator.plant.inverters import inverter_rows, micro_rows
from enlighten_async.emulator.plant.latest import latest
from enlighten_async.emulator.plant.micro import enwh
from enlighten_async.emulator.plant.readings import odometer_steps
from enlighten_async.emulator.plant.reports import Reports
from enlighten_async.emulator.plant.settings import Settings
from enlighten_async.emulator.plant.storage import Storage
from enlighten_async.emulator.plant.sun import DAY, GRID

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from enlighten_async.clock import Clock
    from enlighten_async.emulator.plant.readings import SystemDay
    from enlighten_async.emulator.plant.system import RetiredMeter, System


class Truth(Reports):
    """All that can be told of all systems; no retention, no quota, no permissions.

    Attributes:
        storage: what the batteries report.
        grid: what is bought and sold.
        charging: what chargers of cars report.
        heating: what heat pumps report.
        events: what happened, and what of it is an alarm.
        settings: how batteries are set.

    Raises ValueError if two systems share an id.
    """

    def __init__(self, fleet: Iterable[System], seed: int, clock: Clock, report_lag: float) -> None:
        super().__init__(fleet, seed, clock, report_lag)
        self._micro_days, self._meter_days, self._load_days = (
            DaySums(name, seed) for name in ("micro", "meters", "load")
        )
        self._seed = seed
        self.storage = Storage(self, seed)
        self.grid = Grid(self)
        self.charging = Charging(self, seed)
        self.heating = Heating(self, seed)
        self.events = Events(self)
        self.settings = Settings(self)

    def produced(self, system_id: int, start: float, end: float) -> int:
        """Return the energy (Wh) of a window: the inverters' until the meters count, then the meters'."""
        switch = self.meter_start(system_id)
        if switch is None:
            return self.micro_energy(system_id, start, end)
        before = self.micro_energy(system_id, start, min(end, switch)) if start < switch else 0
        return before + self.energy(system_id, max(start, switch), end)

    def lifetime(self, system_id: int, end: float) -> int:
        """Return the energy (Wh) reported from the start of service to this instant."""
        system, switch = self.system(system_id), self.meter_start(system_id)
        if switch is None or end <= switch:
            return self._inverters.lifetime(system, end, self.horizon())
        metered = self._metered(system, end)
        if switch > system.metered_from:
            metered -= self._metered(system, switch)
        if switch > system.operational_at:
            metered += self._inverters.lifetime(system, switch, self.horizon())
        return metered

    def lifetime_days(self, system_id: int, first: date, last: date) -> list[int]:
        """Return the energy (Wh) of each local day: the inverters' until the meters count."""
        switch = self.meter_start_date(system_id)
        if switch is None or switch > last:
            return self.micro_days(system_id, first, last)
        if switch <= first:
            return self.meter_days(system_id, first, last)
        before = self.micro_days(system_id, first, switch - timedelta(days=1))
        return before + self.meter_days(system_id, switch, last)

    def micro_days(self, system_id: int, first: date, last: date) -> list[int]:
        """Return the energy (Wh) of each local day as the microinverters report it."""
        system = self.system(system_id)
        return self._micro_days.of(
            system,
            first,
            last,
            lambda start, end: ((at, enwh(watts)) for at, watts, _ in self._micro_rows(system, start, end)),
            self.horizon() - system.micro_late,
        )

    def meter_days(self, system_id: int, first: date, last: date) -> list[int]:
        """Return the energy (Wh) of each local day as the meters report it; partial on their first."""
        system = self.system(system_id)
        return self._meter_days.of(
            system,
            first,
            last,
            lambda start, end: ((at, wh) for at, wh, _ in self._intervals(system, start, end)),
            self.horizon() - max((meter.late for meter in system.meters), default=0),
        )

    def consumption_days(self, system_id: int, first: date, last: date) -> list[int]:
        """Return the energy (Wh) consumed on each local day."""
        system = self.system(system_id)
        return self._load_days.of(system, first, last, partial(self._load_rows, system), self.horizon())

    def meter_readings(self, system_id: int, end: float) -> list[dict[str, str | int]]:
        """Return each meter's last reading (Wh, since it was installed) up to an instant (epoch seconds).

        Retired meters come last, as they were read for the last time.
        """
        system = self.system(system_id)
        found = [(m.serial, self._odometer(system, n, end)) for n, m in enumerate(system.meters)]
        found += [(m.serial, self._standing(system, m, end)) for m in system.retired_meters]
        return [
            {"serial_number": serial, "value": reading[0], "read_at": reading[1]}
            for serial, reading in found
            if reading
        ]

    def consumption_readings(self, system_id: int, end: float) -> list[dict[str, str | int]]:
        """Return the consumption meter's last reading (Wh) up to an instant (epoch seconds)."""
        system, horizon = self.system(system_id), self.horizon()
        serial = consumption_meter(system)
        read_at = newest(system, min(end, horizon), partial(self._load_rows, system))
        if serial is None or read_at is None:
            return []
        value = self._loads.lifetime(system, read_at, horizon)
        return [{"serial_number": serial, "value": value, "read_at": read_at}]

    def micro_rows(self, system_id: int, serial: str, start: float, end: float) -> list[dict[str, int]]:
        """Return an inverter's rows with `start < end_at <= end` reported by now; KeyError if unknown."""
        return list(micro_rows(self, self.system(system_id), serial, start, end))

    def latest(self, system_id: int) -> dict[str, list[dict[str, object]]]:
        """Return what each device reported last, by type; nulls if that is more than a week ago."""
        return latest(self, self.system(system_id), self._clock.now())

    def inverters(self, system_id: int) -> list[dict[str, object]]:
        """Return the inverters as the service describes them, retired ones last."""
        return inverter_rows(self, self.system(system_id), self._clock.now())

    def _odometer(self, system: System, index: int, end: float) -> tuple[int, int] | None:
        """Return a meter's reading and when it was taken; what it never reported is not counted."""
        late = system.meters[index].late
        end = min(end, self.horizon() - late)
        begin, value = self._odometers(index).settled(system, end)
        rows = list(self._meter_rows(system, index, begin, end))
        while not rows and begin > system.metered_from:  # an outage, or a night without rows
            begin -= DAY
            rows = [(at, 0) for at, _ in self._meter_rows(system, index, begin, begin + DAY)]
        return (value + sum(wh for _, wh in rows), rows[-1][0]) if rows else None

    def _odometers(self, index: int) -> Sums[SystemDay]:
        """Return what the meters of this number have counted, in every system."""
        return Sums(
            f"meter {index}",
            self._seed,
            self._book.day,
            lambda day, system: sum(odometer_steps(day, system)[index]),
        )

    def _standing(self, system: System, meter: RetiredMeter, end: float) -> tuple[int, int] | None:
        """Return the reading of a retired meter: it measured what the inverters did, to the end."""
        read_at = int(min(end, meter.retired_at, self.horizon()) // GRID) * GRID
        if read_at <= system.operational_at:
            return None
        return self.micro_energy(system.system_id, 0, read_at), read_at

    def meter_start_date(self, system_id: int) -> date | None:
        """Return the first day that counts as the meters measured it; `None` without meters.

        It is the first full day they measured, or the first day of service.
        """
        system = self.system(system_id)
        if not system.meters:
            return None
        first = local_date(system.metered_from, system.timezone)
        whole = local_midnight(first, system.timezone) == system.metered_from
        return first if whole or system.metered_from == system.operational_at else first + timedelta(days=1)

    def meter_start(self, system_id: int) -> int | None:
        """Return when the meters' measurements begin to count (epoch seconds); `None` without meters."""
        first = self.meter_start_date(system_id)
        return None if first is None else local_midnight(first, self.system(system_id).timezone)

    def _metered(self, system: System, end: float) -> int:
        """Return the energy (Wh) the meters reported up to an instant (epoch seconds)."""
        late = max(meter.late for meter in system.meters)
        begin, known = self._sums.settled(system, min(end, self.horizon() - late))
        return known + sum(wh for _, wh, _ in self._intervals(system, begin, end))
