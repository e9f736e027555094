"""The schedule of a fleet: tables and properties."""

from __future__ import annotations

from itertools import accumulate, pairwise
from math import cos, inf, nan, pi
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.fleet.schedule import (
    DRIFT_S,
    HOUR,
    MAX_LAG_S,
    PEOPLE,
    Budget,
    Daylight,
    affordable_every,
    after_report,
    learned_age,
    learned_lag,
    learned_settling,
    mean_delay,
    near_report,
    parts_of_daylight,
    phase,
    polls_a_day,
    share,
    wait_after_failures,
)
from enlighten_async.windows import DAY

RATES = st.floats(0.01, 40, allow_nan=False)
PHASES = st.floats(0, 1, exclude_max=True)
DAWNS = st.integers(0, DAY - 1)


@pytest.mark.parametrize(
    ("every", "polls"),
    [(HOUR, 12), (6 * HOUR, 2), (12 * HOUR, 1), (18 * HOUR, 1), (DAY, 1), (2 * DAY, 0.5), (900, 48)],
)
def test_polls_of_a_day(every: float, polls: float) -> None:
    """In daylight as often as is asked for; one in the night brings nothing."""
    assert polls_a_day(every) == polls


def test_a_series_that_never_rests_is_polled_at_night_too() -> None:
    """Such as consumption."""
    assert polls_a_day(HOUR, DAY) == 24


@given(RATES)
def test_the_cadence_that_is_affordable_takes_no_more_than_there_is(rate: float) -> None:
    """Nor does a longer one."""
    every = affordable_every(rate)
    assert polls_a_day(every) <= rate * (1 + 1e-9)
    assert polls_a_day(2 * every) <= rate * (1 + 1e-9)


def test_nothing_is_affordable_of_nothing() -> None:
    """And all is, without systems."""
    assert affordable_every(0) == inf
    assert mean_delay(0) == inf
    assert Budget(0, 3, 10).rate(5) == 0
    assert Budget(0, 3, 10).rate(0) == inf


@pytest.mark.parametrize(
    ("budget", "per_day"),
    [
        (Budget(1_000, 31, 10), 1_000 * (1 - PEOPLE) / 31),
        (Budget(1_000, 0.5, 10), 1_000 * (1 - PEOPLE) * 2),  # the rest of the last day
        (Budget(1e9, 31, 10), 10 * 0.9 * 1_440),  # the minute is what is short
        (Budget(inf, 31, inf), inf),
    ],
)
def test_polls_by_what_is_left(budget: Budget, per_day: float) -> None:
    """Of the month, evenly, and of the minutes."""
    assert budget.per_day == pytest.approx(per_day)


def test_a_month_is_used_up_by_its_end() -> None:
    """Though each day keeps something for people."""
    left = 1_000.0
    for days in range(31, 0, -1):
        left -= Budget(left, days, 10).per_day
    assert 0 < left < 30


def test_the_mean_delay_is_that_of_the_sun() -> None:
    """One poll at dusk: noon is half a day of light away."""
    assert mean_delay(1, 12 * HOUR, 0) == pytest.approx(6 * HOUR, rel=0.001)
    assert mean_delay(0.46) == pytest.approx((6 + 0.5 + 12 * (1 / 0.46 - 1)) * HOUR, rel=0.001)
    assert mean_delay(12, 12 * HOUR, 0) == pytest.approx(HOUR / 2, rel=0.05)


@given(RATES)
def test_more_polls_are_no_staler(rate: float) -> None:
    """And nothing is known before its lag."""
    assert mean_delay(rate) >= mean_delay(rate * 1.1) - 1 >= 1_800 - 1


@given(st.integers(1, 2**62))
def test_a_phase_is_the_systems_own(system: int) -> None:
    """Always the same, and another for another use."""
    assert 0 <= phase(system) < 1
    assert phase(system) == phase(system)
    assert phase(system) != phase(system, "moment")


def test_phases_are_even() -> None:
    """So that no hour is fuller than another."""
    tenths = [int(phase(1_000_000 + 7 * n) * 10) for n in range(10_000)]
    assert all(900 < tenths.count(each) < 1_100 for each in range(10))


@given(st.lists(RATES, max_size=40), PHASES)
def test_shares_are_exact(rates: list[float], own: float) -> None:
    """Whatever the rates were, the polls are those of their sum, less than one off at any time."""
    total, polls = 0.0, 0
    for before, after in pairwise(accumulate(rates, initial=0.0)):
        polls += share(before, after, own)
        total = after
        assert abs(polls - total) <= 1
        assert share(before, after, own) - (after - before) < 1


def test_shares_of_many_are_the_same_each_day() -> None:
    """None of them idles on one day to be asked twice on another."""
    phases = [phase(n) for n in range(5_000)]
    sums = list(accumulate([0.46, 0.47, 0.44, 0.5], initial=0.0))
    for before, after in pairwise(sums):
        shares = [share(before, after, each) for each in phases]
        assert set(shares) <= {0, 1}
        assert fmean(shares) == pytest.approx(after - before, abs=0.02)


@given(DAWNS, st.integers(HOUR, DAY), st.integers(1, 50), st.floats(0, 7_200), st.floats(0, 7_200))
def test_the_last_moment_completes_the_day(
    dawn: int, length: int, polls: int, lag: float, spread: float
) -> None:
    """The others are evenly before it, none before the first interval can be had."""
    day = 20_000 * DAY
    moments = Daylight(dawn, length).moments(day, polls, lag, spread)
    assert len(moments) == polls
    assert moments[-1] == pytest.approx(day + dawn + length + lag + spread)
    assert all(two - one == pytest.approx(length / polls, abs=0.01) for one, two in pairwise(moments))
    assert moments[0] > day + dawn


def a_day(dawn: int, dusk: int, day: int = 20_000, value: float = 100.0) -> list[tuple[int, float]]:
    """Return the quarters of a whole UTC day that is bright from one second to another."""
    start = day * DAY
    ends = range(start + 900, start + DAY + 900, 900)
    return [(end, value if dawn < end - start <= dusk else 0.0) for end in ends]


def test_daylight_is_learned_from_rows() -> None:
    """A longer day at once."""
    rows = a_day(4 * HOUR, 19 * HOUR)
    known = Daylight(5 * HOUR, 12 * HOUR)
    learned = known.learned(*zip(*rows, strict=True), rows[-1][0], 900)
    assert learned == Daylight(4 * HOUR, 15 * HOUR)


def test_a_shorter_day_is_believed_slowly() -> None:
    """It may be the clouds."""
    rows = a_day(9 * HOUR, 15 * HOUR)
    learned = Daylight(5 * HOUR, 12 * HOUR).learned(*zip(*rows, strict=True), rows[-1][0], 900)
    assert learned == Daylight(5 * HOUR + DRIFT_S, 12 * HOUR - 2 * DRIFT_S)


def test_a_shorter_day_that_several_have_shown_is_believed_at_once() -> None:
    """It is as long as all of them together; a single long one counts."""
    dawns, dusks = (9, 8, 9, 10), (15, 14, 17, 16)
    rows = [
        row
        for day, (dawn, dusk) in enumerate(zip(dawns, dusks, strict=True), 20_000)
        for row in a_day(dawn * HOUR, dusk * HOUR, day)
    ]
    learned = Daylight(5 * HOUR, 16 * HOUR).learned(*zip(*rows, strict=True), rows[-1][0], 900)
    assert learned == Daylight(8 * HOUR, 9 * HOUR)
    three = [row for row in rows if row[0] <= 20_003 * DAY]
    learned = Daylight(5 * HOUR, 16 * HOUR).learned(*zip(*three, strict=True), three[-1][0], 900)
    assert learned == Daylight(5 * HOUR + DRIFT_S, 16 * HOUR - 2 * DRIFT_S)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [(20_000 * DAY, nan)],
        a_day(0, DAY),  # neither dawn nor dusk
        a_day(5 * HOUR, 23 * HOUR + 1_800),  # the evening may go on
        [row for row in a_day(5 * HOUR, 19 * HOUR) if row[0] > 20_000 * DAY + 9 * HOUR],  # begins by day
        a_day(5 * HOUR, 19 * HOUR, value=0.0),
        a_day(5 * HOUR, 19 * HOUR, value=-1.0),
    ],
)
def test_half_a_day_teaches_nothing(rows: list[tuple[int, float]]) -> None:
    """Only one that was seen from dawn to dusk."""
    known = Daylight(4 * HOUR, 12 * HOUR)
    ends, values = [row[0] for row in rows], [row[1] for row in rows]
    assert known.learned(ends, values, 20_001 * DAY, 900) == known


@given(DAWNS, st.integers(4 * HOUR, 20 * HOUR), DAWNS)
def test_daylight_stays_within_a_day(dawn: int, length: int, known: int) -> None:
    """Across midnight UTC as well, from whatever was known."""
    start = 20_000 * DAY + dawn // 900 * 900
    ends = list(range(start - 4 * HOUR, start + length + 4 * HOUR, 900))
    values = [50.0 if start < end <= start + length else 0.0 for end in ends]
    learned = Daylight(known, 12 * HOUR).learned(ends, values, ends[-1], 900)
    assert abs(learned.dawn - known) <= DAY / 2
    assert 0 < learned.length <= DAY


@pytest.mark.parametrize("offset", [0, 3_600, -28_800, 20_700, 50_400])
def test_an_unknown_system_rises_at_five_of_its_own_time(offset: int) -> None:
    """Wherever it is."""
    assert (Daylight.assumed(offset).dawn + offset) % DAY == 5 * HOUR
    assert (Daylight.whole(offset).dawn + offset) % DAY == 0


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 7_200))
def test_a_gateway_that_reports_seldom_is_asked_after_its_report(
    moment: float, last: float, lag: float
) -> None:
    """Never earlier than planned, and at most one report later."""
    asked = after_report(moment, last, 6 * HOUR, lag)
    assert asked >= moment
    assert asked <= max(moment, last) + 6 * HOUR + lag + 0.01
    past = (asked - lag - last) % (6 * HOUR)
    assert asked == moment or min(past, 6 * HOUR - past) < 0.01


def test_the_lag_is_learned() -> None:
    """A longer one at once, a shorter one slowly; who is silent teaches nothing."""
    assert learned_lag(1_800, 3_600) == 3_600
    assert learned_lag(1_800, 1_000) == 1_700
    assert learned_lag(1_800, MAX_LAG_S + 1) == 1_800
    assert learned_lag(1_800, -5) == 1_800


@pytest.mark.parametrize(
    ("known", "late", "settling"),
    [
        (0.0, [], 0.0),
        (0.0, [HOUR, 2 * HOUR], 2 * HOUR + 1_800),  # of what was two hours old when it was asked, and one
        (3 * HOUR, [2 * HOUR], 3 * HOUR),
        (0.0, [-DAY, 2 * HOUR], HOUR + 1_800),  # a backlog is not waited for
        (512.0, [-DAY], 511.0),
        (512.0, [4 * HOUR], 511.0),  # it was not there to be asked for
    ],
)
def test_it_is_learned_when_an_interval_has_settled(known: float, late: list[int], settling: float) -> None:
    """What came after a poll had not settled then."""
    assert learned_settling(known, 3 * HOUR, late) == settling


@pytest.mark.parametrize(("failures", "seconds"), [(1, 900), (2, 1_800), (5, 14_400), (8, DAY), (99, DAY)])
def test_a_system_that_fails_waits_alone(failures: int, seconds: float) -> None:
    """Twice as long each time, a day at the most."""
    assert wait_after_failures(failures) == seconds


@given(st.integers(1, 48), st.booleans())
def test_the_parts_of_a_day_ascend_to_its_end(polls: int, even: bool) -> None:
    """So many, whatever their distances."""
    parts = parts_of_daylight(polls, even=even)
    assert len(parts) == polls
    assert all(one < two for one, two in pairwise((0.0, *parts)))
    assert parts[-1] == 1


@given(st.integers(2, 30), st.data())
def test_no_other_parts_of_a_day_have_a_smaller_mean_delay(polls: int, data: st.DataObject) -> None:
    """By a clear day; a tenth less than even ones."""

    def delay(parts: tuple[float, ...]) -> float:
        ends = (0.0, *parts)
        return sum(two * (cos(pi * one) - cos(pi * two)) for one, two in pairwise(ends))

    best = parts_of_daylight(polls, even=False)
    moved = data.draw(st.lists(st.floats(-0.01, 0.01), min_size=polls - 1, max_size=polls - 1))
    other = (*sorted(min(max(a + b, 0), 1) for a, b in zip(best, moved, strict=False)), 1.0)
    assert delay(best) <= delay(other) + 1e-9
    assert mean_delay(polls, lag=0, even=False) < mean_delay(polls, lag=0)


@pytest.mark.parametrize(
    ("moment", "age", "stagger", "found"),
    [
        (9_000, 0, 0, 9_000),
        (9_449, 0, 0, 9_000),
        (9_451, 0, 0, 9_900),
        (9_000, 300, 0, 9_300),
        (9_000, 0, 60, 9_060),
    ],
)
def test_a_poll_is_made_when_an_interval_can_just_be_had(
    moment: float, age: float, stagger: float, found: float
) -> None:
    """At the nearest such moment."""
    assert near_report(moment, age, stagger) == found


@pytest.mark.parametrize(
    ("sample", "learned"),
    [(600, 600), (1_800, 1_800), (2_699, 1_800), (2_700, 1_913), (-5, 1_800), (9_000, 1_800)],
)
def test_the_age_of_the_newest_interval_is_learned(sample: float, learned: float) -> None:
    """What came earlier is believed at once; what was missed makes it grow by a few minutes."""
    assert learned_age(1_800, sample) == learned
