"""The roster of a fleet: who is asked when, and who waits."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from math import inf

import pytest

from enlighten_async.fleet.backfill import Backfill
from enlighten_async.fleet.notes import ALWAYS
from enlighten_async.fleet.roster import (
    FRESH_S,
    LAST_OVERLAP_S,
    OVERLAP_S,
    Answered,
    Ask,
    KeyRates,
    Member,
    Roster,
)
from enlighten_async.fleet.schedule import FIRST_LAG_S, HOUR, REPORT_S, Budget, Daylight
from enlighten_async.windows import DAY

DAY_0 = 20_000.0 * DAY
AMPLE = {0: Budget(inf, 30, 1_000)}


def roster_of(count: int, every: float | None = 2 * HOUR, until: float | None = None) -> Roster:
    """Return a roster of systems in UTC."""
    return Roster([Member(1_000 + 7 * n, until=until) for n in range(count)], every)


def asked(roster: Roster, now: float) -> list[Ask]:
    """Return all polls that are due."""
    found = []
    while (ask := roster.pop(now)) is not None:
        found.append(ask)
    return found


def asked_each(roster: Roster) -> list[Ask]:
    """Return the polls of a day, each made when it is due."""
    found: list[Ask] = []
    while roster.next_at < DAY_0 + 2 * DAY:
        found += asked(roster, roster.next_at)
    return found


def test_a_day_has_its_polls() -> None:
    """The last one completes it; the day before is over for who is held."""
    roster = roster_of(50, until=DAY_0)
    roster.begin_day(DAY_0, DAY_0, AMPLE, 3)
    polls = [ask for hour in range(30) for ask in asked(roster, DAY_0 + hour * HOUR)]
    assert len(polls) == pytest.approx(50 * 8, abs=50)  # 16 hours until its rows have told
    assert sum(ask.completes for ask in polls) == 50
    assert roster.next_at == inf


def test_after_a_restart_what_was_missed_is_due_at_once_and_nothing_else() -> None:
    """Whoever is held up to now is not asked."""
    now = DAY_0 + 20 * HOUR
    fresh, stale = roster_of(20, until=now - HOUR), roster_of(20, until=now - DAY)
    for roster in (fresh, stale):
        roster.begin_day(DAY_0, now, AMPLE, 3)
    assert len(asked(stale, now)) == 20
    assert asked(fresh, now) == []


@pytest.mark.parametrize("dawn", [0, 5, 12, 23.25, 30])
@pytest.mark.parametrize("hour", [0, 0.5, 6, 12, 23.5])
def test_a_system_of_which_nothing_is_held_is_asked_at_once(hour: float, dawn: float) -> None:
    """At each time of the day, wherever on earth: also where the sun rises just before midnight UTC."""
    roster, now = roster_of(20), DAY_0 + hour * HOUR
    for member in roster.members:
        member.daylight = Daylight(dawn * HOUR, 16 * HOUR)
    roster.begin_day(DAY_0, now, AMPLE, 3)
    assert len(asked(roster, now)) == 20


def test_who_comes_late_polls_once_for_all_that_was_due() -> None:
    """Not once for each moment that has passed."""
    roster = roster_of(50, until=DAY_0)
    roster.begin_day(DAY_0, DAY_0, AMPLE, 3)
    polls = asked(roster, DAY_0 + 15 * HOUR)
    assert len(polls) == len({ask.member for ask in polls}) == 50


def test_a_poll_that_is_made_after_the_end_of_the_day_completes_it() -> None:
    """Though it was due before: of several the first is made, and no other."""
    roster = roster_of(20, until=DAY_0)
    roster.begin_day(DAY_0, DAY_0, AMPLE, 3)
    polls = asked(roster, DAY_0 + DAY - 1)
    assert len(polls) == 20
    assert all(ask.completes for ask in polls)
    assert roster.next_at == inf


def test_what_is_put_back_still_completes_the_day() -> None:
    """After its end, and not before."""
    roster = roster_of(1, until=DAY_0)
    roster.begin_day(DAY_0, DAY_0, AMPLE, 3)
    now = DAY_0 + 15 * HOUR
    ask = roster.pop(now)
    assert ask is not None
    assert not ask.completes
    roster.put_back(ask)
    again = roster.pop(DAY_0 + DAY - 1)
    assert again is not None
    assert again.completes


def test_as_fresh_as_possible_means_close_polls_at_noon_when_intervals_can_just_be_had() -> None:
    """With a cadence they are as far apart as it says."""
    fresh, paced = roster_of(1, None, until=DAY_0), roster_of(1, 2 * HOUR, until=DAY_0)
    for roster in (fresh, paced):
        roster.begin_day(DAY_0, DAY_0, {0: Budget(8.5 * 30 / 0.95, 30, 1_000)}, 3)
    moments = [ask.at for ask in asked_each(fresh)]
    assert 8 <= len(moments) <= 9
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert gaps[len(gaps) // 2] < gaps[0]
    assert gaps[len(gaps) // 2] < gaps[-1]
    stagger = fresh.members[0].moment_phase * fresh.keys[0].stagger
    assert all((each - FIRST_LAG_S - stagger) % REPORT_S < 1e-3 for each in moments[:-1])
    even = [later - earlier for earlier, later in pairwise(ask.at for ask in asked_each(paced))]
    assert max(even) - min(even) <= REPORT_S


@pytest.mark.parametrize("drift", [-120, 120])
def test_a_dawn_that_moves_past_midnight_utc_costs_and_skips_no_poll(drift: int) -> None:
    """One a day, in spring and in autumn."""
    roster = roster_of(1, DAY, until=DAY_0)
    member, found = roster.members[0], list[float]()
    for day in range(20):
        midnight = DAY_0 + day * DAY
        known = midnight + drift * (day - 10)  # at midnight on the tenth day
        rows = [(known + n * 900, float(0 < n <= 48)) for n in range(-60, 96)]
        ends, values = [int(end) for end, _ in rows], [value for _, value in rows]
        member.daylight = member.daylight.learned(ends, values, float(ends[-1]), 900)
        roster.begin_day(midnight, midnight, AMPLE, 3)
        while roster.next_at < midnight + DAY:
            found += [ask.at for ask in asked(roster, roster.next_at)]
    gaps = [later - earlier for earlier, later in pairwise(found)]
    assert max(gaps[2:]) < 1.1 * DAY
    assert min(gaps[2:]) > 0.9 * DAY


def test_a_poll_asks_again_for_what_may_be_late() -> None:
    """The day's last one for five days, or for four before what is held, as far as one request goes."""
    roster, now = roster_of(1, until=DAY_0), DAY_0 + 3 * HOUR
    assert roster.window(Ask(now, 0, completes=False), now) == (DAY_0 - OVERLAP_S, now)
    assert roster.window(Ask(now, 0, completes=True), now) == (now - LAST_OVERLAP_S, now)
    roster.members[0].until = now - 2 * DAY
    assert roster.window(Ask(now, 0, completes=True), now) == (now - 6 * DAY, now)


@pytest.mark.parametrize(
    ("completes", "paid", "seconds", "age"),
    [
        (False, False, 10.0, FRESH_S),
        (True, False, 10.0, 0.0),
        (False, True, 10.0, FRESH_S),
        (True, True, 10.0, FRESH_S),
        (True, True, 4_000.0, 4_000.0),
    ],
)
def test_how_old_cached_parts_may_be(completes: bool, paid: bool, seconds: float, age: float) -> None:
    """The day's last poll asks for all anew, unless a killed process had paid for it since it was due."""
    assert Ask(DAY_0, 0, completes=completes).max_age(DAY_0 + seconds, paid=paid) == age


def test_a_system_that_fails_waits_alone() -> None:
    """And comes back by itself."""
    roster = roster_of(2, until=DAY_0 - DAY)
    roster.begin_day(DAY_0, DAY_0, AMPLE, 3)
    first = asked(roster, DAY_0)
    roster.failed(first[0], DAY_0)
    assert roster.next_at == DAY_0 + 900
    assert [ask.member for ask in asked(roster, DAY_0 + 900)] == [first[0].member]
    roster.failed(first[0], DAY_0 + 900)
    assert roster.next_at == DAY_0 + 2_700


@pytest.mark.parametrize("end", ["killed", "failed", "put back"])
def test_an_answer_of_a_poll_that_did_not_end_may_not_be_written(end: str) -> None:
    """It may be cached: the next poll tells what it has corrected, and learns nothing from that."""
    roster = roster_of(1, until=DAY_0)
    ask, late = Ask(DAY_0, 0, completes=False), [int(DAY_0) - 900]
    roster.begin_day(DAY_0, DAY_0, AMPLE, 3)
    roster.hold(0, DAY_0, DAY_0)
    roster.answered(ask, DAY_0, Answered(DAY_0, news=True))
    assert (roster.written(ask), roster.in_doubt(ask)) == (None, ())
    if end == "killed":
        roster.hold(0, DAY_0, DAY_0, in_flight=True)
    else:
        _ = roster.failed(ask, DAY_0) if end == "failed" else roster.put_back(ask)
    assert (roster.written(ask), roster.in_doubt(ask)) == (DAY_0, [ALWAYS])
    roster.members[0].polled = DAY_0 + HOUR
    roster.answered(ask, DAY_0 + HOUR, Answered(DAY_0 + HOUR, news=True, late=late))
    assert (roster.written(ask), roster.in_doubt(ask)) == (None, ())
    assert roster.members[0].settling == 0


def test_a_history_whose_begin_was_not_written_begins_at_once() -> None:
    """Of a system without a device too, which is left alone for a week once that is written."""
    roster = roster_of(1)
    roster.backfill = Backfill(5)
    roster.begin_day(DAY_0, DAY_0, AMPLE, 3)
    for written in (False, True):
        (ask,) = asked(roster, DAY_0)
        roster.answered(ask, DAY_0, Answered(DAY_0, news=False, absent=True))
        history = roster.begin_history(ask, DAY_0, absent=True)
        roster.hold(0, DAY_0 if written else None, DAY_0, history=history if written else None)
    assert asked(roster, DAY_0 + DAY) == []
    assert roster.windows_left() == 0


def test_the_first_poll_of_each_system_looks_at_what_killed_processes_have_cached() -> None:
    """At the times of their last answers; the second one does not."""
    roster = roster_of(2, until=DAY_0)
    roster.unwritten = [(DAY_0 - HOUR, DAY_0 - 1)]
    first, second = (Ask(DAY_0, number, completes=False) for number in (0, 1))
    roster.answered(first, DAY_0, Answered(DAY_0, news=True))
    assert (roster.written(first), roster.in_doubt(first)) == (None, ())
    assert (roster.written(second), roster.in_doubt(second)) == (DAY_0, roster.unwritten)


def test_a_key_that_is_used_up_is_left_alone() -> None:
    """Until its month turns."""
    roster = roster_of(5, until=DAY_0 - DAY)
    roster.begin_day(DAY_0, DAY_0, AMPLE, 3)
    ask = roster.pop(DAY_0)
    assert ask is not None
    roster.put_back(ask, DAY_0 + HOUR)
    assert asked(roster, DAY_0 + HOUR / 2) == []
    assert len(asked(roster, DAY_0 + HOUR)) == 5


def test_silent_systems_leave_their_polls_to_others() -> None:
    """They are asked once a week, and not at all for a week where they have no device."""
    roster = roster_of(100, None, until=DAY_0)
    for member in roster.members[:50]:
        member.barren, member.until = 3, DAY_0 - 5 * DAY
    budget = {0: Budget(100 / 0.95, 1, 1_000)}
    roster.begin_day(DAY_0, DAY_0, budget, 3)
    assert roster.keys[0].rate == pytest.approx((100 - 50 / 7) / 50)
    polls = [ask for hour in range(30) for ask in asked(roster, DAY_0 + hour * HOUR)]
    turn = [
        number
        for number, member in enumerate(roster.members[:50])
        for day in (DAY_0 - DAY, DAY_0)
        if member.polls(day, 1)
    ]
    assert sorted(ask.member for ask in polls if ask.member < 50) == sorted(turn)
    week = [sum(each.polls(DAY_0 + n * DAY, 1) for n in range(7)) for each in roster.members[:50]]
    assert week == [1] * 50
    roster.answered(polls[-1], DAY_0, Answered(DAY_0, news=False, absent=True))
    assert roster.members[polls[-1].member].away_until == DAY_0 + 7 * DAY


def test_a_cellular_gateway_is_asked_after_its_reports() -> None:
    """Once its reports have told that they are seldom."""
    roster = roster_of(1, 2 * HOUR, until=DAY_0)
    member, now = roster.members[0], DAY_0 + 10 * HOUR
    member.cellular = True
    told = Answered(now - 4 * HOUR, news=True, reported=now - 4 * HOUR)
    roster.answered(Ask(now, 0, completes=False), now, told)
    assert member.seldom
    moments = member.moments(DAY_0, member.polls(DAY_0, 8), KeyRates(8, 8, 0))
    assert all((each - 900 - (now - 4 * HOUR)) % (6 * HOUR) < 1 for each in moments)
    roster.answered(Ask(now, 0, completes=False), now + HOUR, Answered(now, news=True, reported=now))
    assert not member.seldom


def test_a_system_without_a_device_is_left_alone_for_longer_each_time() -> None:
    """A week at first, four at the most; once it has one it is a system like others."""
    roster, now = roster_of(1), DAY_0
    waits = []
    for _ in range(4):
        roster.answered(Ask(now, 0, completes=True), now, Answered(now, news=False, absent=True))
        waits.append((roster.members[0].away_until - now) / DAY)
        roster.listed(0, now + DAY)  # it has energy, by other devices
        now = roster.members[0].away_until
    assert waits == [7, 14, 28, 28]
    roster.answered(Ask(now, 0, completes=True), now, Answered(now, news=True))
    roster.answered(Ask(now, 0, completes=True), now, Answered(now, news=False, absent=True))
    assert roster.members[0].away_until == now + 7 * DAY


def test_a_system_takes_little_memory() -> None:
    """Polled each second day, and once it has answered; lags and daylights are those of others too."""
    count, offsets = 2_000, (0.0, 3_600.0, 36_000.0)
    tracemalloc.start()
    members = [
        Member(number, 0, Daylight.assumed(offsets[number % 3]), DAY_0) for number in range(1_000, 3_000)
    ]
    roster = Roster(members)
    roster.begin_day(DAY_0, DAY_0, {0: Budget(0.5 * count / 0.95, 1, 1_000)}, 3)
    for number in range(count):
        now = DAY_0 + 10 * HOUR + number / 7
        told = Answered(
            now - 1_900 - number / 9, news=True, reported=now - 1_800, daylight=members[number].daylight
        )
        roster.answered(Ask(now, number, completes=False), now, told)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / count < 440  # bytes
