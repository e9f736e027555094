"""What happened to systems: what reports that never came tell, and what batteries did.

An event is known as soon as a report is due that it keeps away, and over as soon as one has come again.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

from enlighten_async.emulator.plant.battery import TENTHS, Flow, reserve_wh
from enlighten_async.emulator.plant.daybook import days_between
from enlighten_async.emulator.plant.devices import envoys
from enlighten_async.emulator.plant.event_types import (
    ACB_ASLEEP,
    BATTERY_FULL,
    GATEWAY_SILENT,
    METER_SILENT,
    SEVERITY,
)
from enlighten_async.emulator.plant.storage import batteries
from enlighten_async.emulator.plant.sun import DAY, GRID, SLOTS, day_number, day_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from enlighten_async.emulator.plant.event_types import EventType
    from enlighten_async.emulator.plant.system import Battery, System
    from enlighten_async.emulator.plant.truth import Truth

ALARM_AFTER = 4 * 3600
"""Seconds a stateful event lasts before it is an alarm."""

Row: TypeAlias = dict[str, object]


@frozen
class Event:
    """What happened to a device: from when to when (epoch seconds), `None` if it still does."""

    kind: EventType
    serial: str
    start: int
    end: int | None

    @property
    def status(self) -> str:
        """The service's word for its state."""
        if not self.kind.stateful:
            return "Info"
        return "Open" if self.end is None else "Closed"


class Events:
    """The events and alarms of all systems, the oldest first."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth

    def events(self, system_id: int, start: float, end: float) -> list[Row]:
        """Return the events that began in a window, `start <= event_start_time < end` (epoch seconds)."""
        found = self._known(self._truth.system(system_id), start, end)
        return [_event(event) for event in found if start <= event.start < end]

    def open_events(self, system_id: int) -> list[Row]:
        """Return the events that are not over."""
        return [_event(event) for event in self._open(system_id)]

    def alarms(self, system_id: int, start: float, end: float, *, cleared: bool | None = None) -> list[Row]:
        """Return the alarms that began in a window; `cleared`: only those that are over, or are not."""
        found = self._known(self._truth.system(system_id), start, end)
        alarms = [
            _alarm(system_id, event) for event in found if start <= event.start < end and self._lasts(event)
        ]
        return [alarm for alarm in alarms if cleared is None or alarm["cleared"] == cleared]

    def open_alarms(self, system_id: int) -> list[Row]:
        """Return the alarms that are not over."""
        return [_alarm(system_id, event) for event in self._open(system_id) if self._lasts(event)]

    def silent(self, system_id: int) -> bool:
        """Tell whether a gateway that has reported before does not at present."""
        used = {envoy.serial for envoy in envoys(self._truth.system(system_id)) if envoy.reported}
        return any(e.kind is GATEWAY_SILENT and e.serial in used for e in self._open(system_id))

    def _open(self, system_id: int) -> list[Event]:
        horizon = self._truth.horizon()
        found = self._known(self._truth.system(system_id), horizon - DAY, horizon)
        return [event for event in found if event.status == "Open"]

    def _lasts(self, event: Event) -> bool:
        """Tell whether an event has become an alarm."""
        until = self._truth.horizon() if event.end is None else event.end
        return event.kind.stateful and until - event.start >= ALARM_AFTER

    def _known(self, system: System, start: float, end: float) -> list[Event]:
        """Return the events of a window that are known by now, those that reach into it included."""
        found = [*self._silences(system, start, end), *self._full(system, start, end)]
        found += [
            Event(GATEWAY_SILENT, envoy.serial, system.operational_at, None)
            for envoy in envoys(system)
            if not envoy.reported and system.operational_at <= self._truth.horizon()
        ]
        return sorted(found, key=lambda event: (event.start, event.serial))

    def _silences(self, system: System, start: float, end: float) -> Iterator[Event]:
        horizon = self._truth.horizon()
        window = max(start, system.operational_at), min(end, horizon)
        for envoy in envoys(system):
            if envoy.reported:
                spans = silences(system, *window, partial(self._lost, system))
                yield from _events(GATEWAY_SILENT, envoy.serial, spans, system.operational_at, horizon)
        for index, meter in enumerate(system.meters):
            if meter.outages:
                spans = silences(system, *window, partial(self._lost_by_meter, system, index))
                until = horizon - meter.late
                yield from _events(METER_SILENT, meter.serial, spans, system.metered_from, until)

    def _lost(self, system: System, number: int) -> frozenset[int]:
        return self._truth.load_day(system, number).missing

    def _lost_by_meter(self, system: System, index: int, number: int) -> frozenset[int]:
        return self._truth.meter_day(system, number).meters[index].missing

    def _full(self, system: System, start: float, end: float) -> Iterator[Event]:
        """Give the moments at which a battery became full on the days of a window."""
        horizon, owned = self._truth.horizon(), batteries(system)
        low, high = int(max(start, system.operational_at)) - 1, int(min(end, horizon)) + 1
        for number in days_between(system, low, high) if owned else ():
            day = self._truth.storage.day(system, number)
            for index, (battery, flow) in enumerate(zip(owned, day.flows, strict=True)):
                slot = _filled(battery, system.storage.reserve_soc, flow)
                if slot is None or slot in day.missing:
                    continue
                at = day.start + (slot + 1) * GRID
                if system.operational_at < at <= horizon - battery.late:
                    kind = BATTERY_FULL if index < len(system.batteries) else ACB_ASLEEP
                    yield Event(kind, battery.serial, at, at)


def silences(
    system: System, start: float, end: float, lost: Callable[[int], Iterable[int]]
) -> list[tuple[int, int]]:
    """Return start and end (epoch seconds) of what is lost without a break and touches a window.

    Args:
        system: whose solar days are meant.
        start: where the window starts.
        end: where it ends.
        lost: gives the lost slots of a solar day.
    """
    first, last = day_number(start, system.longitude), day_number(end, system.longitude)
    while SLOTS - 1 in lost(first - 1):
        first -= 1
    while SLOTS - 1 in lost(last):
        last += 1
    spans: list[tuple[int, int]] = []
    for number in range(first, last + 1):
        for slot in sorted(lost(number)):
            at = day_start(number, system.longitude) + slot * GRID
            if spans and spans[-1][1] == at:
                at = spans.pop()[0]
            spans.append((at, day_start(number, system.longitude) + (slot + 1) * GRID))
    return spans


def _events(
    kind: EventType, serial: str, spans: list[tuple[int, int]], since: int, horizon: float
) -> Iterator[Event]:
    """Give a silence's event if a report was due: over, if another has come since."""
    for start, end in spans:
        begun = max(start, since)
        if end > since and begun + GRID <= horizon:
            yield Event(kind, serial, begun, end if end + GRID <= horizon else None)


def _filled(battery: Battery, reserve_soc: int, flow: Flow) -> int | None:
    """Return the slot of a day in which a battery became full; `None` if there was always room."""
    most = (battery.capacity_wh - reserve_wh(battery, reserve_soc)) * TENTHS
    steps = enumerate(zip(flow.charge, flow.stored, strict=True))
    return next((slot for slot, (wh, stored) in steps if wh and most - stored < TENTHS), None)


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
