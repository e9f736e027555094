"""What each device reported last: nothing, if that is more than a week ago."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator.plant.devices import battery_id, consumption_meter, meter_id
from enlighten_async.emulator.plant.sun import DAY, GRID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enlighten_async.emulator.plant.system import System
    from enlighten_async.emulator.plant.truth import Truth

WEEK = 7 * DAY
CHANNELS = 3
PER_HOUR = 3600 // GRID

Row: TypeAlias = dict[str, object]


def latest(truth: Truth, system: System, now: float) -> dict[str, list[Row]]:
    """Return the last report of each device by type; types a system does not have are absent.

    Power in W: of a battery positive while it discharges. Times in epoch seconds.
    """
    since = now - WEEK
    found = {
        "meters": [*_production(truth, system, since), *_consumption(truth, system, since)],
        "encharges": list(_encharges(truth, system, since)),
        "heat-pump": list(_heat_pump(truth, system, since)),
        "evse": list(_chargers(truth, system, since)),
    }
    return {kind: rows for kind, rows in found.items() if rows}


def _production(truth: Truth, system: System, since: float) -> Iterator[Row]:
    for index, meter in enumerate(truth.meter_intervals(system.system_id, since, truth.horizon())):
        read: dict[object, tuple[object, object]] = {}
        rows = meter["intervals"]
        for row in rows if isinstance(rows, list) else []:
            if row["curr_w"] is not None:
                read[row["channel"]] = row["end_at"], row["curr_w"]
        yield from _channels(meter_id(system, index), "production", read)


def _consumption(truth: Truth, system: System, since: float) -> Iterator[Row]:
    if consumption_meter(system) is None:
        return
    rows = truth.consumption_stats(system.system_id, since, truth.horizon())
    read: dict[object, tuple[object, object]] = {}
    if rows:
        read[1] = rows[-1]["end_at"], rows[-1]["enwh"] * PER_HOUR
    yield from _channels(meter_id(system, len(system.meters)), "consumption", read)


def _channels(number: int, name: str, read: dict[object, tuple[object, object]]) -> Iterator[Row]:
    for channel in range(1, CHANNELS + 1):
        at, power = read.get(channel, (None, None))
        yield {"id": number, "name": name, "channel": channel, "last_report_at": at, "power": power}


def _encharges(truth: Truth, system: System, since: float) -> Iterator[Row]:
    for index, battery in enumerate(system.batteries):
        read = truth.storage.last_power(system.system_id, battery.serial)
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


def _heat_pump(truth: Truth, system: System, since: float) -> Iterator[Row]:
    if pump := system.heat_pump:
        rows = truth.heating.rows(system.system_id, since, truth.horizon())
        mode = truth.heating.mode(system.system_id)
        yield _reported(pump.serial, pump.name, rows, mode)


def _chargers(truth: Truth, system: System, since: float) -> Iterator[Row]:
    for charger in system.ev_chargers:
        rows = truth.charging.rows(system.system_id, charger.serial, since, truth.horizon())
        mode = truth.charging.mode(system.system_id, charger.serial)
        yield _reported(charger.serial, charger.name, rows, mode)


def _reported(serial: str, name: str, rows: list[dict[str, int]], mode: str) -> Row:
    return {
        "serial_number": serial,
        "name": name,
        "last_report_at": rows[-1]["end_at"] if rows else None,
        "operational_mode": mode if rows else None,
    }
