"""Chargers of cars: sessions, and the energy of every interval.

A car is plugged in, charges at once and at full power, and is unplugged some time later. Chargers do not
report through the gateway: its outages leave no gap.
"""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

from enlighten_async.emulator.simulation.day_cache import DayCache, daily_energy, day_slots, solar_days
from enlighten_async.emulator.simulation.sun import METER_INTERVAL_S, day_start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from enlighten_async.emulator.simulation.reports import Reports
    from enlighten_async.emulator.simulation.system import EvCharger, System

HOUR_S = 3600
CHARGING_HABITS = (  # chance, first and last solar hour of plugging in, most hours of charging, unplugged by
    (0.15, 9.5, 11.5, 2.0, 15.0),
    (0.55, 17.0, 21.5, 5.0, 32.0),
)
MILES_PER_KWH, PRICE_PER_KWH = 3.5, 0.3
SCHEDULES = (
    {"days": [1, 2, 3, 4, 5], "start_time": 1320, "end_time": 1435, "charging_level": 80},
    {"days": [6, 7], "start_time": 600, "end_time": 900, "charging_level": 100},
)

Row: TypeAlias = dict[str, object]


@frozen
class Session:
    """A charging session: plugged in and unplugged (epoch seconds), and the seconds of charging."""

    start: int
    end: int
    charge_time: int
    power_w: int

    def energy(self, moment: int) -> int:
        """Return the energy (Wh) that has gone into the car at an instant (epoch seconds)."""
        return self.power_w * min(max(0, moment - self.start), self.charge_time) // HOUR_S


class Chargers:
    """The chargers of all systems; KeyError where a system has no such charger."""

    def __init__(self, reports: Reports, seed: int) -> None:
        self._reports = reports
        self._days = DayCache(partial(_make_day, seed))

    def rows(self, system_id: int, serial: str, start: float, end: float) -> list[dict[str, int]]:
        """Return the rows with `start < end_at <= end` of each quarter of an hour, zeros included."""
        system, charger = self.charger(system_id, serial)
        return [
            {"consumption": wh, "end_at": at}
            for at, wh in self._energies(system, charger, METER_INTERVAL_S, start, end)
        ]

    def evse_rows(self, system_id: int, serial: str, start: float, end: float) -> list[dict[str, int]]:
        """Return the same in the charger's own intervals, with the names of `evse_telemetry`."""
        system, charger = self.charger(system_id, serial)
        rows = self._energies(system, charger, charger.step, start, end)
        return [{"end_at": at, "wh_consumed": wh} for at, wh in rows]

    def days(self, system_id: int, serial: str, first: date, last: date) -> list[int]:
        """Return the energy (Wh) of each local day."""
        system, charger = self.charger(system_id, serial)
        return daily_energy(system, first, last, partial(self._energies, system, charger, METER_INTERVAL_S))

    def sessions(self, system_id: int, serial: str) -> list[Row]:
        """Return the sessions that are over, the newest first; energies in Wh, times in seconds."""
        system, charger = self.charger(system_id, serial)
        horizon = self._reports.horizon()
        return [
            _session_row(session) for session in self._sessions_of(system, charger) if session.end <= horizon
        ]

    def events(self, system_id: int, serial: str | None = None) -> list[Row]:
        """Return the events of one charger, or of all of a system, the newest first."""
        system = self._reports.system(system_id)
        chargers = system.ev_chargers if serial is None else (self.charger(system_id, serial)[1],)
        found = [
            (at, f"{text} {charger.name}, serial number {charger.serial}")
            for charger in chargers
            for session in self._sessions_of(system, charger)
            for at, text in _session_events(session)
            if at <= self._reports.horizon()
        ]
        return [
            {"status": "Info", "triggered_date": at, "cleared_date": at, "details": text}
            for at, text in sorted(found, reverse=True)
        ]

    def schedules(self, system_id: int, serial: str) -> list[Row]:
        """Return the charger's schedules; times in minutes of the day, levels in percent."""
        self.charger(system_id, serial)
        row: Row = {"type": "Custom", "is_active": True, "reminder_flag": False, "reminder_timer": 10}
        return [row | {"schedules": [dict(schedule) for schedule in SCHEDULES]}]

    def mode(self, system_id: int, serial: str) -> str:
        """Return the charger's mode at its last report."""
        system, charger = self.charger(system_id, serial)
        horizon = int(self._reports.horizon())
        here = next((s for s in self._sessions_of(system, charger) if s.start <= horizon), None)
        if here is None or here.end <= horizon:
            return "PLUGGED_OUT"
        return "CHARGING" if horizon < here.start + here.charge_time else "PLUGGED_IN"

    def charger(self, system_id: int, serial: str) -> tuple[System, EvCharger]:
        """Return a system and its charger of this serial number."""
        system = self._reports.system(system_id)
        return system, {charger.serial: charger for charger in system.ev_chargers}[serial]

    def _energies(
        self, system: System, charger: EvCharger, step: int, start: float, end: float
    ) -> Iterator[tuple[int, int]]:
        """Yield end and energy (Wh) of each interval."""
        low, high = max(start, system.operational_at), min(end, self._reports.horizon())
        for number, begin, first, last in day_slots(system, low, high, step):
            sessions = self._sessions_of_day(system, charger, number - 1) + self._sessions_of_day(
                system, charger, number
            )
            for at in range(begin + (first + 1) * step, begin + last * step + 1, step):
                yield at, sum(session.energy(at) - session.energy(at - step) for session in sessions)

    def _sessions_of(self, system: System, charger: EvCharger) -> Iterator[Session]:
        """Yield all sessions that have begun by now or will today, the newest first."""
        for number in reversed(solar_days(system, system.operational_at, int(self._reports.horizon()))):
            yield from reversed(self._sessions_of_day(system, charger, number))

    def _sessions_of_day(self, system: System, charger: EvCharger, number: int) -> list[Session]:
        """Return the sessions that begin on a solar day in the time of service."""
        made = self._days.day(system, number)[charger.serial]
        return [session for session in made if session.start >= system.operational_at]


def _make_day(seed: int, system: System, number: int) -> dict[str, list[Session]]:
    return {
        charger.serial: list(_generate_sessions(seed, system, charger, number))
        for charger in system.ev_chargers
    }


def _generate_sessions(seed: int, system: System, charger: EvCharger, number: int) -> Iterator[Session]:
    random = Random(f"{seed}/{system.system_id}/{number}/{charger.serial}")
    midnight = day_start(number, system.longitude)
    for chance, first, last, longest, leaves in CHARGING_HABITS:
        if random.random() < chance:
            start = midnight + int(random.uniform(first, last) * HOUR_S)
            charge_time = int(random.uniform(0.3, longest) * HOUR_S)
            end = int(random.uniform(start + charge_time, midnight + leaves * HOUR_S))
            yield Session(start, end, charge_time, charger.power_w)


def _session_row(session: Session) -> Row:
    kwh = session.energy(session.end) / 1000
    return {
        "start_time": session.start,
        "end_time": session.end,
        "duration": session.end - session.start,
        "energy_added": float(session.energy(session.end)),
        "charge_time": session.charge_time,
        "miles_added": round(kwh * MILES_PER_KWH, 1),
        "cost": round(kwh * PRICE_PER_KWH, 2),
    }


def _session_events(session: Session) -> tuple[tuple[int, str], ...]:
    return (
        (session.start, "A car began to charge at"),
        (session.start + session.charge_time, "A car is full at"),
        (session.end, "A car was unplugged from"),
    )
