"""Events and alarms of systems: outages of gateways and meters, and batteries that became full.

An event is known as soon as a report is due that did not come, and over as soon as one has come again.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

from attrs import asdict, frozen

from enlighten_async.emulator.simulation.day_cache import solar_days
from enlighten_async.emulator.simulation.devices import envoys
from enlighten_async.emulator.simulation.storage import TENTHS_PER_WH, batteries, reserve_wh
from enlighten_async.emulator.simulation.sun import (
    DAY_S,
    METER_INTERVAL_S,
    SLOTS_PER_DAY,
    day_number,
    day_start,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from enlighten_async.emulator.simulation.reports import Reports
    from enlighten_async.emulator.simulation.storage import BatteryFlow, Storage
    from enlighten_async.emulator.simulation.system import Battery, System

ALARM_AFTER_S = 4 * 3600
"""Seconds a stateful event lasts before it is an alarm."""

Row: TypeAlias = dict[str, object]
Severity: TypeAlias = Literal[1, 2, 3, 4, 5, 6]  # fatal, error, warning, info, debug, none


@frozen(kw_only=True)
class EventType:
    """A type of event, with the service's own field names; the sentences are the emulator's.

    A stateful event is open until it is over, a transient one is over at once. The service names far more
    types; of these, only ids 28 and 4781 are its own.
    """

    event_type_id: int
    event_type_key: str
    stateful: bool
    event_name: str
    event_description: str
    recommended_action: str


GATEWAY_NOT_REPORTING = EventType(
    event_type_id=28,
    event_type_key="envoy_no_report",
    stateful=True,
    event_name="Gateway not reporting",
    event_description="Nothing has come in from the gateway, most often as its line to the internet is down.",
    recommended_action="See whether gateway and router have power and are connected.",
)
METER_NOT_REPORTING = EventType(
    event_type_id=90_001,
    event_type_key="meter_no_report",
    stateful=True,
    event_name="Meter not reporting",
    event_description="The gateway reports, and has no readings of this meter.",
    recommended_action="Have the wires between meter and gateway looked at if it lasts.",
)
BATTERY_FULL = EventType(
    event_type_id=90_002,
    event_type_key="encharge_full",
    stateful=False,
    event_name="Battery full",
    event_description="The battery holds as much as it can.",
    recommended_action="Nothing needs to be done.",
)
ACB_SLEEPING = EventType(
    event_type_id=4781,
    event_type_key="acb_sleeping",
    stateful=False,
    event_name="AC Battery Sleeping",
    event_description="The AC Battery holds what it should and rests.",
    recommended_action="Nothing needs to be done.",
)
EVENT_TYPES = (GATEWAY_NOT_REPORTING, ACB_SLEEPING, METER_NOT_REPORTING, BATTERY_FULL)
SEVERITY: dict[int, Severity] = {GATEWAY_NOT_REPORTING.event_type_id: 3, METER_NOT_REPORTING.event_type_id: 2}


def event_types(event_type_id: int | None = None) -> list[dict[str, object]]:
    """Return all types of events, or the one of this id; KeyError if there is none."""
    if event_type_id is None:
        return [asdict(kind) for kind in EVENT_TYPES]
    return [asdict({kind.event_type_id: kind for kind in EVENT_TYPES}[event_type_id])]


@frozen
class Event:
    """An event of a device, with start and end (epoch seconds); the end is `None` while it is open."""

    kind: EventType
    serial: str
    start: int
    end: int | None

    @property
    def status(self) -> str:
        """The service's name of its state."""
        if not self.kind.stateful:
            return "Info"
        return "Open" if self.end is None else "Closed"


class Events:
    """The events and alarms of all systems, the oldest first."""

    def __init__(self, reports: Reports, storage: Storage) -> None:
        self._reports = reports
        self._storage = storage

    def events(self, system_id: int, start: float, end: float) -> list[Row]:
        """Return the events that began in a window, `start <= event_start_time < end` (epoch seconds)."""
        found = self._known(self._reports.system(system_id), start, end)
        return [_event(event) for event in found if start <= event.start < end]

    def open_events(self, system_id: int) -> list[Row]:
        """Return the events that are not over."""
        return [_event(event) for event in self._open(system_id)]

    def alarms(self, system_id: int, start: float, end: float, *, cleared: bool | None = None) -> list[Row]:
        """Return the alarms that began in a window; `cleared`: only those that are over, or are not."""
        system = self._reports.system(system_id)
        found = self._known(system, start, end)
        alarms = [
            _alarm(system_id, event)
            for event in found
            if start <= event.start < end and self._is_alarm(system, event)
        ]
        return [alarm for alarm in alarms if cleared is None or alarm["cleared"] == cleared]

    def open_alarms(self, system_id: int) -> list[Row]:
        """Return the alarms that are not over."""
        system = self._reports.system(system_id)
        return [_alarm(system_id, event) for event in self._open(system_id) if self._is_alarm(system, event)]

    def is_gateway_silent(self, system_id: int) -> bool:
        """Return whether a gateway that has reported before does not at present."""
        used = {envoy.serial for envoy in envoys(self._reports.system(system_id)) if envoy.reported}
        return any(e.kind is GATEWAY_NOT_REPORTING and e.serial in used for e in self._open(system_id))

    def _open(self, system_id: int) -> list[Event]:
        system = self._reports.system(system_id)
        horizon = self._reports.horizon(system)
        found = self._known(system, horizon - DAY_S, horizon)
        return [event for event in found if event.status == "Open"]

    def _is_alarm(self, system: System, event: Event) -> bool:
        """Return whether an event has become an alarm."""
        until = self._reports.horizon(system) if event.end is None else event.end
        return event.kind.stateful and until - event.start >= ALARM_AFTER_S

    def _known(self, system: System, start: float, end: float) -> list[Event]:
        """Return the events of a window that are known by now, those that reach into it included."""
        found = [*self._outages(system, start, end), *self._full(system, start, end)]
        found += [
            Event(GATEWAY_NOT_REPORTING, envoy.serial, system.operational_at, None)
            for envoy in envoys(system)
            if not envoy.reported and system.operational_at <= self._reports.horizon(system)
        ]
        return sorted(found, key=lambda event: (event.start, event.serial))

    def _outages(self, system: System, start: float, end: float) -> Iterator[Event]:
        horizon = self._reports.horizon(system)
        window = max(start, system.operational_at), min(end, horizon)
        for envoy in envoys(system):
            if envoy.reported:
                outages = outages_in(system, *window, partial(self._missing, system))
                yield from _events(
                    GATEWAY_NOT_REPORTING, envoy.serial, outages, system.operational_at, horizon
                )
        for index, meter in enumerate(system.meters):
            if meter.outages:
                outages = outages_in(system, *window, partial(self._missing_of_meter, system, index))
                until = horizon - meter.late
                yield from _events(METER_NOT_REPORTING, meter.serial, outages, system.metered_from, until)

    def _missing(self, system: System, number: int) -> frozenset[int]:
        return self._reports.consumption_day(system, number).missing

    def _missing_of_meter(self, system: System, index: int, number: int) -> frozenset[int]:
        return self._reports.meter_day(system, number).meters[index].missing

    def _full(self, system: System, start: float, end: float) -> Iterator[Event]:
        """Yield an event for each time a battery became full on the days of a window."""
        horizon, owned = self._reports.horizon(system), batteries(system)
        low, high = int(max(start, system.operational_at)) - 1, int(min(end, horizon)) + 1
        for number in solar_days(system, low, high) if owned else ():
            day = self._storage.day(system, number)
            for index, (battery, flow) in enumerate(zip(owned, day.flows, strict=True)):
                slot = _filled(battery, system.storage.reserve_soc, flow)
                if slot is None or slot in day.missing:
                    continue
                at = day.start + (slot + 1) * METER_INTERVAL_S
                if system.operational_at < at <= horizon - battery.late:
                    kind = BATTERY_FULL if index < len(system.batteries) else ACB_SLEEPING
                    yield Event(kind, battery.serial, at, at)


def outages_in(
    system: System, start: float, end: float, missing: Callable[[int], Iterable[int]]
) -> list[tuple[int, int]]:
    """Return start and end (epoch seconds) of each unbroken run of missing slots that touches a window.

    Args:
        system: the system, whose longitude says when solar days begin.
        start: start of the window.
        end: end of the window.
        missing: gives the missing slots of a solar day.
    """
    first, last = day_number(start, system.longitude), day_number(end, system.longitude)
    while SLOTS_PER_DAY - 1 in missing(first - 1):
        first -= 1
    while SLOTS_PER_DAY - 1 in missing(last):
        last += 1
    outages: list[tuple[int, int]] = []
    for number in range(first, last + 1):
        for slot in sorted(missing(number)):
            at = day_start(number, system.longitude) + slot * METER_INTERVAL_S
            if outages and outages[-1][1] == at:
                at = outages.pop()[0]
            outages.append((at, day_start(number, system.longitude) + (slot + 1) * METER_INTERVAL_S))
    return outages


def _events(
    kind: EventType, serial: str, outages: list[tuple[int, int]], since: int, horizon: float
) -> Iterator[Event]:
    """Yield the events of outages during which a report was due; those after which one came are over."""
    for start, end in outages:
        begun = max(start, since)
        if end > since and begun + METER_INTERVAL_S <= horizon:
            yield Event(kind, serial, begun, end if end + METER_INTERVAL_S <= horizon else None)


def _filled(battery: Battery, reserve_soc: int, flow: BatteryFlow) -> int | None:
    """Return the slot of a day in which a battery became full; `None` if it did not."""
    most = (battery.capacity_wh - reserve_wh(battery, reserve_soc)) * TENTHS_PER_WH
    steps = enumerate(zip(flow.charge, flow.stored, strict=True))
    return next((slot for slot, (wh, stored) in steps if wh and most - stored < TENTHS_PER_WH), None)


def _event(event: Event) -> Row:
    return {
        "status": event.status,
        "event_type_id": event.kind.event_type_id,
        "event_start_time": event.start,
        "event_end_time": event.end,
        "serial_number": event.serial,
    }


def _alarm(system_id: int, event: Event) -> Row:
    return {
        "id": f"{system_id}.{event.kind.event_type_id}.{event.start}",
        "cleared": event.end is not None,
        "severity": SEVERITY[event.kind.event_type_id],
        "events": [{"serial_number": event.serial, "start_date": event.start, "end_date": event.end}],
        "event_type_id": event.kind.event_type_id,
        "alarm_start_time": event.start,
        "alarm_end_time": event.end,
    }
