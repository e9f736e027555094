"""Events and alarms: outages of gateways and meters, full batteries, and the time each is known."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.emulator import Emulator, System
from enlighten_async.emulator.simulation.events import ALARM_AFTER_S, event_types, outages_in
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS
from enlighten_async.emulator.simulation.system import Battery, Envoy, Meter
from enlighten_async.testing import FakeClock
from tests.effort import SEED, examples

DAY, QUARTER = 86_400, 900
NOW = 1_750_014_000  # noon in California, 2025-06-15
FLEET = Emulator(seed=SEED, clock=FakeClock(NOW), systems=len(SYSTEM_KINDS)).truth
GATEWAY, METER, FULL, ASLEEP = 28, 90_001, 90_002, 4781


def make(clock: FakeClock, **system: Any) -> Any:
    """Return the truth of one system that often falls silent."""
    defaults = {"system_id": 7, "consumption": "metered", "envoys": (Envoy("E"),), "outages": 0.5}
    return Emulator(clock=clock, fleet=[System(**defaults | system)]).truth


def gaps(rows: list[Any], begun: int) -> list[tuple[int, int]]:
    """Return start and end of what is missing between quarters of an hour."""
    ends = [begun, *(row["end_at"] for row in rows)]
    return [(a, b - QUARTER) for a, b in pairwise(ends) if b - a > QUARTER]


def test_outages_of_a_gateway_are_the_gaps_in_its_rows(clock: FakeClock) -> None:
    """All of them, and nothing else."""
    truth = make(clock)
    start, end = NOW - 90 * DAY, NOW - 2 * DAY
    rows = truth.consumption_stats(7, start - 10 * DAY, NOW)
    expected = [gap for gap in gaps(rows, start - 10 * DAY) if start <= gap[0] < end]
    events = truth.events.events(7, start, end)
    assert [(event["event_start_time"], event["event_end_time"]) for event in events] == expected != []
    assert {(event["event_type_id"], event["status"], event["serial_number"]) for event in events} == {
        (GATEWAY, "Closed", "E")
    }
    alarms = truth.events.alarms(7, start, end)
    long = [gap for gap in expected if gap[1] - gap[0] >= ALARM_AFTER_S]
    assert [(alarm["alarm_start_time"], alarm["alarm_end_time"]) for alarm in alarms] == long != []
    assert alarms == truth.events.alarms(7, start, end, cleared=True)
    assert truth.events.alarms(7, start, end, cleared=False) == []


def test_an_outage_opens_and_closes_as_reports_are_due(clock: FakeClock) -> None:
    """It is open while it lasts, an alarm after some hours, and closed with the first row after it."""
    later = make(FakeClock(NOW + 90 * DAY)).events.alarms(7, NOW, NOW + 60 * DAY)[0]
    start, end = later["alarm_start_time"], later["alarm_end_time"]
    lag = clock.now() - make(clock).horizon()
    clock.advance(start + QUARTER - 1 + lag - clock.now())
    truth = make(clock)
    assert truth.events.open_events(7) == []
    assert truth.settings.grid_status(7)["grid_state"] == "On Grid"
    clock.advance(1)
    (event,) = truth.events.open_events(7)
    assert event == {
        "status": "Open",
        "event_type_id": GATEWAY,
        "event_start_time": start,
        "event_end_time": None,
        "serial_number": "E",
    }
    assert event in truth.events.events(7, start, start + 1)
    assert truth.events.open_alarms(7) == []
    assert truth.settings.grid_status(7)["grid_state"] == "Unknown"
    clock.advance(ALARM_AFTER_S)
    (alarm,) = truth.events.open_alarms(7)
    assert alarm["id"] == later["id"]
    assert alarm["alarm_end_time"] is None is alarm["events"][0]["end_date"]
    assert truth.events.alarms(7, start, start + 1, cleared=False) == [alarm]
    clock.advance(end + QUARTER + lag - clock.now())
    assert truth.events.open_events(7) == truth.events.open_alarms(7) == []
    assert truth.events.alarms(7, start, start + 1, cleared=True) == [later]


def test_a_meter_may_have_an_outage_alone(clock: FakeClock) -> None:
    """Then the gateway reports one device less."""
    meters = (Meter(serial="M", envoy_serial="E"), Meter(serial="N", envoy_serial="E", outages=0.5))
    truth = make(clock, meters=meters, outages=0.0)
    start, end = NOW - 60 * DAY, NOW - 2 * DAY
    events = truth.events.events(7, start, end)
    assert {(event["event_type_id"], event["serial_number"]) for event in events} == {(METER, "N")}
    spans = [(event["event_start_time"], event["event_end_time"]) for event in events]
    silent = [at for begun, over in spans for at in range(begun + QUARTER, over + 1, QUARTER)]
    rows = truth.rgm_stats(7, spans[0][0], spans[-1][1])
    assert silent == [row["end_at"] for row in rows if row["devices_reporting"] == 1] != []
    assert {alarm["severity"] for alarm in truth.events.alarms(7, start, end)} == {2}


def test_a_late_meter_has_no_outage_yet(clock: FakeClock) -> None:
    """Its rows are due later."""
    meters = (Meter(serial="N", envoy_serial="E", outages=0.5, late=3600),)
    defaults = {"meters": meters, "outages": 0.0}
    event = make(FakeClock(NOW + 30 * DAY), **defaults).events.events(7, NOW, NOW + 20 * DAY)[0]
    truth = make(clock, **defaults)
    due = event["event_start_time"] + QUARTER + 3600
    clock.advance(due - 1 - truth.horizon())
    assert truth.events.open_events(7) == []
    clock.advance(1)
    assert truth.events.open_events(7) == [event | {"status": "Open", "event_end_time": None}]


def test_an_outage_may_last_for_days() -> None:
    """It is one, whichever of its days is asked about, and ends where it ends."""
    system = System(system_id=7, longitude=0.0)
    lost = {10: range(90, 96), 11: range(96), 12: range(4), 14: [0, 2]}

    def of_day(number: int) -> Iterable[int]:
        return lost.get(number, ())

    long = (10 * DAY + 90 * QUARTER, 12 * DAY + 4 * QUARTER)
    for day in (10, 11, 12):
        assert outages_in(system, day * DAY + 600, day * DAY + 1200, of_day) == [long]
    short = [(14 * DAY + slot * QUARTER, 14 * DAY + (slot + 1) * QUARTER) for slot in (0, 2)]
    assert outages_in(system, 9 * DAY, 15 * DAY, of_day) == [long, *short]
    assert outages_in(system, 13 * DAY, 13 * DAY + 600, of_day) == []


def test_full_batteries_are_passing_events(clock: FakeClock) -> None:
    """They start and end at once, and are no alarms; the older kind has a name of its own for it."""
    small = {"capacity_wh": 400, "power_w": 300}
    defaults = {"batteries": (Battery(serial="B", **small),), "acbs": (Battery(serial="A", **small),)}
    truth = make(clock, outages=0.0, **defaults)
    events = truth.events.events(7, NOW - 20 * DAY, NOW)
    assert {(event["event_type_id"], event["serial_number"]) for event in events} == {
        (FULL, "B"),
        (ASLEEP, "A"),
    }
    assert {event["status"] for event in events} == {"Info"}
    for event in events:
        at = event["event_start_time"]
        assert event["event_end_time"] == at
        before, row = truth.storage.device_rows(7, event["serial_number"], at - 2 * QUARTER, at)
        assert row["soc"]["percent"] == 100
        assert row["charge"]["enwh"] > 0
        assert before["soc"]["percent"] <= 100
    assert truth.events.alarms(7, NOW - 20 * DAY, NOW) == truth.events.open_events(7) == []
    lossy = make(clock, outages=1.0, **defaults)
    events = lossy.events.events(7, NOW - 60 * DAY, NOW)
    full = [event["event_start_time"] for event in events if event["event_type_id"] == FULL]
    assert 0 < len(full) < 60
    assert all(lossy.storage.rows(7, at - QUARTER, at) for at in full)


def test_a_gateway_that_never_reported_has_an_open_event(clock: FakeClock) -> None:
    """From the start of service; the grid is known by the other one."""
    truth = make(clock, outages=0.0, envoys=(Envoy("E"), Envoy("F", reported=False)))
    (event,) = truth.events.open_events(7)
    (alarm,) = truth.events.open_alarms(7)
    assert event["serial_number"] == "F"
    assert event["event_start_time"] == alarm["alarm_start_time"] == truth.system(7).operational_at
    assert truth.settings.grid_status(7)["grid_state"] == "On Grid"


@examples(20)
@given(system=st.sampled_from(FLEET.systems()), start=st.integers(NOW - 300 * DAY, NOW))
def test_any_way_to_cut_time_gives_the_same_events(system: System, start: int) -> None:
    """Also at the very moment one begins."""
    name, end = system.system_id, min(NOW, start + 20 * DAY)
    whole = FLEET.events.events(name, start, end)
    cuts = sorted({start, end, start + 5 * DAY // 3, *(event["event_start_time"] for event in whole)})
    parts: list[Any] = [event for a, b in pairwise(cuts) for event in FLEET.events.events(name, a, b)]
    assert [event for event in parts if event["event_start_time"] < end] == whole
    alarms = [alarm for a, b in pairwise(cuts) for alarm in FLEET.events.alarms(name, a, b)]
    assert alarms[: len(FLEET.events.alarms(name, start, end))] == FLEET.events.alarms(name, start, end)


def test_kinds_of_events_have_ids_of_their_own() -> None:
    """All that occur are in the table."""
    kinds = event_types()
    ids = {kind["event_type_id"] for kind in kinds}
    assert len(ids) == len(kinds)
    for system in FLEET.systems():
        events = FLEET.events.events(system.system_id, NOW - 100 * DAY, NOW)
        assert {event["event_type_id"] for event in events} <= ids
    (kind,) = event_types(28)
    assert (kind["event_type_key"], kind["stateful"]) == ("envoy_no_report", True)
    with pytest.raises(KeyError):
        event_types(1)
