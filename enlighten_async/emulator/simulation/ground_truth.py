"""The ground truth: the data the service has at this moment, for responses and for tests to compare with."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from attrs import frozen

from enlighten_async.emulator.simulation.chargers import Chargers
from enlighten_async.emulator.simulation.day_cache import DailySums, RunningSums, last_row_end
from enlighten_async.emulator.simulation.device_reports import LastReports, inverter_rows, micro_rows
from enlighten_async.emulator.simulation.devices import consumption_meter
from enlighten_async.emulator.simulation.events import Events
from enlighten_async.emulator.simulation.grid import Grid
from enlighten_async.emulator.simulation.heat_pumps import HeatPumps
from enlighten_async.emulator.simulation.microinverters import enwh
from enlighten_async.emulator.simulation.production import odometer_energy
from enlighten_async.emulator.simulation.reports import Reports
from enlighten_async.emulator.simulation.settings import Settings
from enlighten_async.emulator.simulation.storage import Storage
from enlighten_async.emulator.simulation.sun import DAY_S, METER_INTERVAL_S

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from enlighten_async.emulator.simulation.production import SystemDay
    from enlighten_async.emulator.simulation.reports import Moment
    from enlighten_async.emulator.simulation.system import RetiredMeter, System


@frozen
class _Instant:
    """A present that does not move (epoch seconds)."""

    moment: float

    def now(self) -> float:
        return self.moment


class GroundTruth(Reports):
    """All data of all systems; retention, quota and permissions do not apply.

    Attributes:
        storage: reports of the batteries.
        grid: energy imported and exported.
        chargers: reports of the EV chargers.
        heat_pumps: reports of the heat pumps.
        events: events and alarms.
        settings: settings of batteries and loads.

    Raises ValueError if two systems share an id.
    """

    def __init__(self, fleet: Iterable[System], seed: int, clock: Moment, report_lag: float) -> None:
        super().__init__(fleet, seed, clock, report_lag)
        self._micro_days, self._meter_days, self._consumption_days = (
            DailySums(name, seed) for name in ("micro", "meters", "load")
        )
        self._seed = seed
        self.storage = Storage(self, seed)
        self.grid = Grid(self, self.storage)
        self.chargers = Chargers(self, seed)
        self.heat_pumps = HeatPumps(self, seed)
        self.events = Events(self, self.storage)
        self.settings = Settings(self, self.events)
        self._last_reports = LastReports(self, self.storage, self.heat_pumps, self.chargers)

    def at(self, moment: float) -> GroundTruth:
        """Return the data the service had at another instant (epoch seconds), or will have."""
        return GroundTruth(self.systems(), self._seed, _Instant(moment), self.report_lag)

    def produced(self, system_id: int, start: float, end: float) -> int:
        """Return the energy (Wh) of a window: the inverters' until the meters start, then the meters'."""
        switch = self.meter_start(system_id)
        if switch is None:
            return self.micro_energy(system_id, start, end)
        before = self.micro_energy(system_id, start, min(end, switch)) if start < switch else 0
        return before + self.energy(system_id, max(start, switch), end)

    def lifetime(self, system_id: int, end: float) -> int:
        """Return the energy (Wh) reported from the start of service to this instant."""
        system, switch = self.system(system_id), self.meter_start(system_id)
        if switch is None or end <= switch:
            return self._inverters.lifetime(system, end, self.horizon(system))
        metered = self._metered(system, end)
        if switch > system.metered_from:
            metered -= self._metered(system, switch)
        if switch > system.operational_at:
            metered += self._inverters.lifetime(system, switch, self.horizon(system))
        return metered

    def lifetime_days(self, system_id: int, first: date, last: date) -> list[int]:
        """Return the energy (Wh) of each local day: the inverters' until the meters start."""
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
        return self._micro_days.daily_energy(
            system,
            first,
            last,
            lambda start, end: ((at, enwh(watts)) for at, watts, _ in self._micro_rows(system, start, end)),
            self.horizon(system) - system.micro_late,
        )

    def meter_days(self, system_id: int, first: date, last: date) -> list[int]:
        """Return the energy (Wh) of each local day as the meters report it; partial on their first."""
        system = self.system(system_id)
        return self._meter_days.daily_energy(
            system,
            first,
            last,
            lambda start, end: ((at, wh) for at, wh, _ in self._intervals(system, start, end)),
            self.horizon(system) - max((meter.late for meter in system.meters), default=0),
        )

    def consumption_days(self, system_id: int, first: date, last: date) -> list[int]:
        """Return the energy (Wh) consumed on each local day."""
        system = self.system(system_id)
        return self._consumption_days.daily_energy(
            system, first, last, partial(self._consumption_rows, system), self.horizon(system)
        )

    def meter_readings(self, system_id: int, end: float) -> list[dict[str, str | int]]:
        """Return each meter's last reading (Wh, since it was installed) up to an instant (epoch seconds).

        Retired meters come last, as they were read for the last time.
        """
        system = self.system(system_id)
        found = [(m.serial, self._odometer(system, n, end)) for n, m in enumerate(system.meters)]
        found += [(m.serial, self._retired_reading(system, m, end)) for m in system.retired_meters]
        return [
            {"serial_number": serial, "value": reading[0], "read_at": reading[1]}
            for serial, reading in found
            if reading
        ]

    def consumption_readings(self, system_id: int, end: float) -> list[dict[str, str | int]]:
        """Return the consumption meter's last reading (Wh) up to an instant (epoch seconds)."""
        system = self.system(system_id)
        horizon = self.horizon(system)
        serial = consumption_meter(system)
        read_at = last_row_end(system, min(end, horizon), partial(self._consumption_rows, system))
        if serial is None or read_at is None:
            return []
        value = self._consumption.lifetime(system, read_at, horizon)
        return [{"serial_number": serial, "value": value, "read_at": read_at}]

    def micro_rows(self, system_id: int, serial: str, start: float, end: float) -> list[dict[str, int]]:
        """Return an inverter's rows with `start < end_at <= end` reported by now; KeyError if unknown."""
        return list(micro_rows(self, self.system(system_id), serial, start, end))

    def latest(self, system_id: int) -> dict[str, list[dict[str, object]]]:
        """Return the last report of each device by type; nulls if it is more than a week old."""
        return self._last_reports.by_type(self.system(system_id), self._clock.now())

    def inverters(self, system_id: int) -> list[dict[str, object]]:
        """Return the inverters as the service describes them, retired ones last."""
        return inverter_rows(self, self.system(system_id), self._clock.now())

    def _odometer(self, system: System, index: int, end: float) -> tuple[int, int] | None:
        """Return value (Wh) and time of a meter's last reading; intervals never reported are not counted."""
        late = system.meters[index].late
        end = min(end, self.horizon(system) - late)
        begin, value = self._odometers(index).before_day_of(system, end)
        rows = list(self._meter_rows(system, index, begin, end))
        while not rows and begin > system.metered_from:  # an outage, or a night without rows
            begin -= DAY_S
            rows = [(at, 0) for at, _ in self._meter_rows(system, index, begin, begin + DAY_S)]
        return (value + sum(wh for _, wh in rows), rows[-1][0]) if rows else None

    def _odometers(self, index: int) -> RunningSums[SystemDay]:
        """Return the running sums of the meters with this index, in every system."""
        return RunningSums(
            f"meter {index}",
            self._seed,
            self._meter_days_made.day,
            lambda day, system: sum(odometer_energy(day, system)[index]),
        )

    def _retired_reading(self, system: System, meter: RetiredMeter, end: float) -> tuple[int, int] | None:
        """Return the last reading of a retired meter: until then it measured the inverters' production."""
        read_at = int(min(end, meter.retired_at, self.horizon(system)) // METER_INTERVAL_S) * METER_INTERVAL_S
        if read_at <= system.operational_at:
            return None
        return self.micro_energy(system.system_id, 0, read_at), read_at

    def _metered(self, system: System, end: float) -> int:
        """Return the energy (Wh) of the meters' rows up to an instant (epoch seconds)."""
        late = max(meter.late for meter in system.meters)
        begin, known = self._sums.before_day_of(system, min(end, self.horizon(system) - late))
        return known + sum(wh for _, wh, _ in self._intervals(system, begin, end))
