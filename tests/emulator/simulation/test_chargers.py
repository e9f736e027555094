"""Chargers of cars: sessions, telemetry and days agree."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.emulator import Emulator, System
from enlighten_async.emulator.local_time import local_date, local_midnight
from enlighten_async.emulator.simulation.fleet import SYSTEM_KINDS
from enlighten_async.emulator.simulation.system import EvCharger
from enlighten_async.testing import FakeClock
from tests.effort import SEED, examples

DAY, QUARTER = 86_400, 900
NOW = 1_750_014_000  # noon in California, 2025-06-15
FLEET = Emulator(seed=SEED, clock=FakeClock(NOW), systems=len(SYSTEM_KINDS)).truth
CHARGERS = [(s, c) for s in FLEET.systems() for c in s.ev_chargers]
MOMENTS = st.integers(NOW - 400 * DAY, NOW)


def make(clock: FakeClock, **system: Any) -> Any:
    """Return the truth of one system with a charger that measures every five minutes, and one not."""
    chargers = (EvCharger(serial="C", step=300), EvCharger(serial="D"))
    return Emulator(clock=clock, fleet=[System(system_id=7, ev_chargers=chargers, **system)]).truth


@pytest.mark.slow
@pytest.mark.parametrize(("system", "charger"), CHARGERS, ids=lambda value: getattr(value, "timezone", ""))
def test_sessions_telemetry_and_days_add_up(system: System, charger: EvCharger) -> None:
    """From the start of service until now: no watt-hour is in one only."""
    truth, name = FLEET.chargers, (system.system_id, charger.serial)
    sessions: list[Any] = truth.sessions(*name)
    end = sessions[0]["end_time"] // QUARTER * QUARTER + QUARTER  # nothing has begun since
    window = (end - 60 * DAY) // DAY * DAY, end
    whole = sum(session["energy_added"] for session in sessions)
    assert sum(row["consumption"] for row in truth.rows(*name, 0, end)) == whole > 0
    fine = sum(row["wh_consumed"] for row in truth.evse_rows(*name, *window))
    assert sum(row["consumption"] for row in truth.rows(*name, *window)) == fine > 0
    first = local_date(system.operational_at, system.timezone)
    last = local_date(FLEET.horizon(), system.timezone)
    days = truth.days(*name, first, last)
    until = FLEET.horizon()
    assert sum(days) == sum(row["consumption"] for row in truth.rows(*name, 0, until))
    for index in (0, len(days) // 2, len(days) - 1):
        start, stop = (local_midnight(first, system.timezone, index + n) for n in (0, 1))
        assert days[index] == sum(row["consumption"] for row in truth.rows(*name, start, stop))


@pytest.mark.parametrize(
    ("zone", "day", "rows"),
    [("America/Los_Angeles", date(2025, 3, 9), 92), ("Australia/Lord_Howe", date(2025, 4, 6), 98)],
)
def test_days_have_the_hours_of_their_zone(clock: FakeClock, zone: str, day: date, rows: int) -> None:
    """Every interval of them has a row."""
    truth = make(clock, timezone=zone).chargers
    start, end = local_midnight(day, zone), local_midnight(day, zone, 1)
    found = truth.rows(7, "C", start, end)
    assert len(found) == rows
    assert truth.days(7, "C", day, day) == [sum(row["consumption"] for row in found)]


def test_sessions_are_visits_one_after_the_other(clock: FakeClock) -> None:
    """The newest first; none ends in the future, none charges longer than it lasts."""
    truth = make(clock)
    sessions = truth.chargers.sessions(7, "C")
    assert len(sessions) > 300
    for session in sessions:
        assert session["duration"] == session["end_time"] - session["start_time"]
        assert 0 < session["charge_time"] <= session["duration"]
        assert session["energy_added"] == 7400 * session["charge_time"] // 3600
        assert session["miles_added"] == pytest.approx(session["energy_added"] * 0.0035, abs=0.06)
        assert session["cost"] == pytest.approx(session["energy_added"] * 0.0003, abs=0.006)
    assert all(late["start_time"] > early["end_time"] for late, early in pairwise(sessions))
    assert sessions[0]["end_time"] <= truth.horizon()
    assert sessions != truth.chargers.sessions(7, "D")


@examples(20)
@given(start=MOMENTS, fleet=st.sampled_from(CHARGERS))
def test_any_way_to_cut_time_gives_the_same_rows(start: int, fleet: tuple[System, EvCharger]) -> None:
    """In another emulator too; every interval of a window has a row, at the charger's own step."""
    system, charger = fleet
    fresh = Emulator(seed=SEED, clock=FakeClock(NOW), systems=len(SYSTEM_KINDS)).truth.chargers
    name, middle, end = (system.system_id, charger.serial), start + DAY // 3 + 1, start + DAY
    late, early = (fresh.evse_rows(*name, *window) for window in ((middle, end), (start, middle)))
    assert early + late == FLEET.chargers.evse_rows(*name, start, end)
    ends = [row["end_at"] for row in early + late]
    first = start // charger.step * charger.step + charger.step
    begun = system.operational_at // charger.step * charger.step + charger.step
    assert ends == list(range(max(first, begun), int(min(end, FLEET.horizon())) + 1, charger.step))


def test_a_running_session_is_in_the_telemetry_and_not_in_the_list(clock: FakeClock) -> None:
    """The mode tells of it; events come as they happen."""
    truth = make(clock)
    clock.advance(30 * DAY)
    session = truth.chargers.sessions(7, "C")[0]
    past = FakeClock(now=session["start_time"] + min(session["charge_time"] // 2 + 900, 1800))
    then = make(past).chargers
    known = then.sessions(7, "C")
    assert session not in known
    assert sum(row["consumption"] for row in then.rows(7, "C", session["start_time"] - 900, past.now())) > 0
    assert then.mode(7, "C") == "CHARGING"
    assert len(then.events(7, "C")) == 3 * len(known) + 1
    past.advance(session["charge_time"])
    assert then.mode(7, "C") in {"PLUGGED_IN", "PLUGGED_OUT"}
    past.advance(session["duration"])
    assert then.sessions(7, "C")[0] == session
    assert then.mode(7, "C") == "PLUGGED_OUT"


def test_events_are_of_one_charger_or_of_all(clock: FakeClock) -> None:
    """The newest first."""
    truth = make(clock, operational_at=int(clock.now()) - 20 * DAY).chargers
    both, one, other = truth.events(7), truth.events(7, "C"), truth.events(7, "D")
    assert len(both) == len(one) + len(other) > len(one) > 0
    dates = [event["triggered_date"] for event in both]
    assert dates == sorted(dates, reverse=True)
    assert {event["status"] for event in both} == {"Info"}
    assert truth.schedules(7, "C")[0]["schedules"]


def test_before_the_start_of_service_no_car_came(clock: FakeClock) -> None:
    """Not even one that stayed until then."""
    later, missed = make(clock).chargers.sessions(7, "C")[8:10]
    start = missed["start_time"] + 60
    truth = make(clock, operational_at=start).chargers
    assert truth.sessions(7, "C")[-1] == later
    rows = truth.rows(7, "C", 0, later["start_time"])
    assert rows[0]["end_at"] == start // QUARTER * QUARTER + QUARTER
    assert sum(row["consumption"] for row in rows) == 0
    first = local_date(start, "America/Los_Angeles") - timedelta(days=2)
    assert truth.days(7, "C", first, first + timedelta(days=1)) == [0, 0]


def test_other_chargers_are_unknown(clock: FakeClock) -> None:
    """Whatever is asked of them."""
    truth = make(clock).chargers
    for ask in (truth.sessions, truth.schedules, truth.events, truth.mode):
        with pytest.raises(KeyError):
            ask(7, "X")
    with pytest.raises(KeyError):
        truth.rows(7, "X", 0, NOW)
