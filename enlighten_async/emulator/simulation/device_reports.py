"""Reports of single devices: the inverters' own figures, and the last report of each device."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

from enlighten_async.emulator.local_time import iso, local_date, local_midnight
from enlighten_async.emulator.simulation.devices import (
    battery_id,
    consumption_meter,
    energy_by_place,
    inverters,
    meter_id,
)
from enlighten_async.emulator.simulation.microinverters import MICRO_INTERVAL_S
from enlighten_async.emulator.simulation.sun import DAY_S, METER_INTERVAL_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enlighten_async.emulator.simulation.chargers import Chargers
    from enlighten_async.emulator.simulation.devices import Inverter
    from enlighten_async.emulator.simulation.heat_pumps import HeatPumps
    from enlighten_async.emulator.simulation.reports import Reports
    from enlighten_async.emulator.simulation.storage import Storage
    from enlighten_async.emulator.simulation.system import System

GRID_PROFILE = "IEEE 1547 default 2015"
UNDETERMINED = "undetermined-v"
LAST_REPORT_WINDOW_S = 7 * DAY_S
CHANNELS_PER_METER = 3
SLOTS_PER_HOUR = 3600 // METER_INTERVAL_S

Row: TypeAlias = dict[str, object]


def inverter_rows(reports: Reports, system: System, now: float) -> list[Row]:
    """Return the inverters with the service's own names; their energies add up to all before today."""
    listed = [inverter for inverter in inverters(system) if (inverter.retired_at or 0) <= now]
    midnight = local_midnight(local_date(now, system.timezone), system.timezone)
    replaced = max((i.retired_at or 0 for i in listed), default=0)
    total = energy_by_place(listed, reports.micro_energy(system.system_id, 0, midnight))
    before = energy_by_place(listed, reports.micro_energy(system.system_id, 0, min(replaced, midnight)))
    changed = {inverter.place for inverter in listed if inverter.retired_at is not None}
    power, last = _last_power(reports, system)
    rows = []
    for inverter in listed:
        energy, at, watts = total[inverter.place], last, power.get(inverter.place, 0)
        if inverter.retired_at is not None:
            energy, at, watts = before[inverter.place], inverter.retired_at, 0
        elif inverter.place in changed:
            energy -= before[inverter.place]
        rows.append(_inverter_row(inverter, system, watts, energy, at))
    return rows


def micro_rows(
    reports: Reports, system: System, serial: str, start: float, end: float
) -> Iterator[dict[str, int]]:
    """Yield one inverter's rows with `start < end_at <= end`; KeyError if there is no such inverter.

    The inverters that report an interval divide the system's row exactly; so the values of an interval
    that some have not reported yet may still change a little.
    """
    listed = inverters(system)
    inverter = {each.serial: each for each in listed}[serial]
    weights = {each.place: each.weight for each in listed}
    reached = [0, *accumulate(weights[place] for place in sorted(weights))]
    retired = max((i.retired_at or 0 for i in listed if i.place == inverter.place), default=0)
    for row in reports.stats(system.system_id, start, end):
        known = row["devices_reporting"]
        serves = row["end_at"] <= retired if inverter.retired_at else row["end_at"] > retired
        if inverter.place < known and serves:
            low, high, whole = reached[inverter.place], reached[inverter.place + 1], reached[known]
            share = {name: row[name] * high // whole - row[name] * low // whole for name in ("powr", "enwh")}
            yield {"end_at": row["end_at"], **share}


def _last_power(reports: Reports, system: System) -> tuple[dict[int, int], int | None]:
    """Return the power (W) of each place in the last interval, and when that ended (epoch seconds)."""
    last = reports.last_stat(system.system_id)
    if last is None:
        return {}, None
    watts = reports.stats(system.system_id, last - MICRO_INTERVAL_S, last)[0]["powr"]
    listed = inverters(system)
    weight = sum({inverter.place: inverter.weight for inverter in listed}.values())
    return {inverter.place: watts * inverter.weight // weight for inverter in listed}, last


def _inverter_row(inverter: Inverter, system: System, watts: int, energy: int, reported: int | None) -> Row:
    return {
        "id": inverter.number,
        "serial_number": inverter.serial,
        "model": inverter.model,
        "part_number": inverter.part_number,
        "sku": inverter.sku,
        "status": "normal" if inverter.retired_at is None else "retired",
        "power_produced": {"value": watts, "units": "W", "precision": 0},
        "proc_load": UNDETERMINED,
        "param_table": UNDETERMINED,
        "envoy_serial_number": inverter.envoy_serial,
        "energy": {"value": energy, "units": "Wh", "precision": 0},
        "grid_profile": GRID_PROFILE,
        # recorded responses show text with an offset even where no format was requested
        "last_report_date": None if reported is None else iso(reported, system.timezone),
    }


@frozen
class LastReports:
    """The last report of each device: nulls if it is more than a week old.

    Power in W: of a battery positive while it discharges. Times in epoch seconds.
    """

    reports: Reports
    storage: Storage
    heat_pumps: HeatPumps
    chargers: Chargers

    def by_type(self, system: System, now: float) -> dict[str, list[Row]]:
        """Return the last report of each device by type; types a system does not have are absent."""
        since = now - LAST_REPORT_WINDOW_S
        found = {
            "meters": [*self._production(system, since), *self._consumption(system, since)],
            "encharges": list(self._encharges(system, since)),
            "heat-pump": list(self._heat_pump(system, since)),
            "evse": list(self._chargers(system, since)),
        }
        return {kind: rows for kind, rows in found.items() if rows}

    def _production(self, system: System, since: float) -> Iterator[Row]:
        for index, meter in enumerate(
            self.reports.meter_intervals(system.system_id, since, self.reports.horizon(system))
        ):
            read: dict[object, tuple[object, object]] = {}
            rows = meter["intervals"]
            for row in rows if isinstance(rows, list) else []:
                if row["curr_w"] is not None:
                    read[row["channel"]] = row["end_at"], row["curr_w"]
            yield from _channels(meter_id(system, index), "production", read)

    def _consumption(self, system: System, since: float) -> Iterator[Row]:
        if consumption_meter(system) is None:
            return
        rows = self.reports.consumption_stats(system.system_id, since, self.reports.horizon(system))
        read: dict[object, tuple[object, object]] = {}
        if rows:
            read[1] = rows[-1]["end_at"], rows[-1]["enwh"] * SLOTS_PER_HOUR
        yield from _channels(meter_id(system, len(system.meters)), "consumption", read)

    def _encharges(self, system: System, since: float) -> Iterator[Row]:
        for index, battery in enumerate(system.batteries):
            read = self.storage.last_power(system.system_id, battery.serial)
            at, power, mode = None, None, None
            if read is not None and read[0] > since:
                at, power = read
                mode = "Idle" if not power else "Discharging" if power > 0 else "Charging"
            yield {
                "id": battery_id(system, index),
                "name": f"Encharge {battery.serial}",
                "channel": 1,
                "last_report_at": at,
                "power": power,
                "operational_mode": mode,
            }

    def _heat_pump(self, system: System, since: float) -> Iterator[Row]:
        if pump := system.heat_pump:
            rows = self.heat_pumps.rows(system.system_id, since, self.reports.horizon(system))
            mode = self.heat_pumps.mode(system.system_id)
            yield _reported(pump.serial, pump.name, rows, mode)

    def _chargers(self, system: System, since: float) -> Iterator[Row]:
        for charger in system.ev_chargers:
            rows = self.chargers.rows(system.system_id, charger.serial, since, self.reports.horizon())
            mode = self.chargers.mode(system.system_id, charger.serial)
            yield _reported(charger.serial, charger.name, rows, mode)


def _channels(number: int, name: str, read: dict[object, tuple[object, object]]) -> Iterator[Row]:
    for channel in range(1, CHANNELS_PER_METER + 1):
        at, power = read.get(channel, (None, None))
        yield {"id": number, "name": name, "channel": channel, "last_report_at": at, "power": power}


def _reported(serial: str, name: str, rows: list[dict[str, int]], mode: str) -> Row:
    return {
        "serial_number": serial,
        "name": name,
        "last_report_at": rows[-1]["end_at"] if rows else None,
        "operational_mode": mode if rows else None,
    }
