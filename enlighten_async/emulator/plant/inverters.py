"""The inverters' own figures: how the energy of an array came from its places."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from enlighten_async.emulator.local_time import iso, local_date, local_midnight
from enlighten_async.emulator.plant.devices import inverters, shares

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enlighten_async.emulator.plant.devices import Inverter
    from enlighten_async.emulator.plant.reports import Reports
    from enlighten_async.emulator.plant.system import System

PROFILE = "IEEE 1547 default 2015"
UNKNOWN = "undetermined-v"


def inverter_rows(reports: Reports, system: System, now: float) -> list[dict[str, object]]:
    """Return the inverters with the service's own names; their energies add up to all before today."""
    listed = [inverter for inverter in inverters(system) if (inverter.retired_at or 0) <= now]
    midnight = local_midnight(local_date(now, system.timezone), system.timezone)
    replaced = max((i.retired_at or 0 for i in listed), default=0)
    total = shares(listed, reports.micro_energy(system.system_id, 0, midnight))
    before = shares(listed, reports.micro_energy(system.system_id, 0, min(replaced, midnight)))
    changed = {inverter.place for inverter in listed if inverter.retired_at is not None}
    power, last = _power(reports, system)
    rows = []
    for inverter in listed:
        energy, at, watts = total[inverter.place], last, power.get(inverter.place, 0)
        if inverter.retired_at is not None:
            energy, at, watts = before[inverter.place], inverter.retired_at, 0
        elif inverter.place in changed:
            energy -= before[inverter.place]
        rows.append(_row(inverter, system, watts, energy, at))
    return rows


def micro_rows(
    reports: Reports, system: System, serial: str, start: float, end: float
) -> Iterator[dict[str, int]]:
    """Give one inverter's rows with `start < end_at <= end`; KeyError if there is no such inverter.

    The inverters that report an interval share the system's row between them, no unit lost; so the values
    of an interval of which some have not reported yet may still move a little.
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


def _power(reports: Reports, system: System) -> tuple[dict[int, int], int | None]:
    """Return the power (W) of each place in the last interval, and when that ended (epoch seconds)."""
    last = reports.last_stat(system.system_id)
    if last is None:
        return {}, None
    watts = reports.stats(system.system_id, last - 300, last)[0]["powr"]
    listed = inverters(system)
    weight = sum({inverter.place: inverter.weight for inverter in listed}.values())
    return {inverter.place: watts * inverter.weight // weight for inverter in listed}, last


def _row(
    inverter: Inverter, system: System, watts: int, energy: int, reported: int | None
) -> dict[str, object]:
    return {
        "id": inverter.number,
        "serial_number": inverter.serial,
        "model": inverter.model,
        "part_number": inverter.part_number,
        "sku": inverter.sku,
        "status": "normal" if inverter.retired_at is None else "retired",
        "power_produced": {"value": watts, "units": "W", "precision": 0},
        "proc_load": UNKNOWN,
        "param_table": UNKNOWN,
        "envoy_serial_number": inverter.envoy_serial,
        "energy": {"value": energy, "units": "Wh", "precision": 0},
        "grid_profile": PROFILE,
        # captures show text with an offset even where no format was asked for
        "last_report_date": None if reported is None else iso(reported, system.timezone),
    }
