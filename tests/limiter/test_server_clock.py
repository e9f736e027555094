"""The server's time: the interval always holds the truth, and narrows."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.limiter import ServerClock
from enlighten_async.limiter.record import ClockReading
from enlighten_async.limiter.server_clock import DATE_SLACK_S, MAX_DRIFT, WALL_STEP_S, from_peer

AHEAD = 1_750_000_000.25
LATENCY = st.floats(0, 20)
REPLIES = st.lists(st.tuples(st.floats(0, 3000), LATENCY, LATENCY), min_size=1, max_size=30)
ROUNDING = 1e-5


def hear(clock: ServerClock, ahead: float, left: float, out: float, back: float) -> ServerClock:
    """Let a request leave then, and its answer come back."""
    date = math.floor(ahead + left + out)
    return clock.observe(date, left, left + out + back, wall=ahead + left + out + back)


@given(replies=REPLIES, drift=st.floats(-1.8e-4, 1.8e-4))
def test_the_interval_always_holds_the_servers_time(
    replies: list[tuple[float, float, float]], drift: float
) -> None:
    """Whatever the latencies and however the clocks drift, the truth lies inside, now and later."""
    clock, now = ServerClock(), 0.0
    for pause, out, back in replies:
        now += pause
        date = math.floor(AHEAD + (now + out) * (1 + drift))
        clock = clock.observe(date, now, now + out + back, wall=0.0)
        now += out + back
        for later in (now, now + 1000):
            truth = AHEAD + later * (1 + drift)
            assert clock.earliest(later) <= truth + ROUNDING
            assert truth - ROUNDING <= clock.latest(later)
    assert clock.resets == 0


@given(starts=st.lists(st.floats(0, 600), min_size=1, max_size=20), latency=st.floats(0, 2))
def test_more_replies_never_widen_the_interval_beyond_the_drift(starts: list[float], latency: float) -> None:
    """Its width is that of the best single reply, or less, and the drift since."""
    clock = ServerClock()
    for left in sorted(starts):
        clock = hear(clock, AHEAD, left, latency, latency)
    width = clock.latest(max(starts)) - clock.earliest(max(starts))
    assert width <= 1 + DATE_SLACK_S + 2 * latency + 2 * MAX_DRIFT * (600 + 2 * latency) + ROUNDING


def test_nothing_is_known_before_the_first_reply() -> None:
    """Any time is possible."""
    clock = ServerClock()
    assert not clock.known
    assert clock.earliest(5.0) == -math.inf
    assert clock.latest(5.0) == math.inf


def test_bursts_at_one_phase_leave_no_bias() -> None:
    """Replies that all meet the same phase of the second still hold the truth, unlike their median."""
    clock = ServerClock()
    for minute in range(20):
        clock = hear(clock, AHEAD, 60.0 * minute + 0.7, 0.02, 0.02)
    assert clock.earliest(1200.0) <= AHEAD + 1200 <= clock.latest(1200.0)
    assert clock.latest(1200.0) - clock.earliest(1200.0) < 1.2


@pytest.mark.parametrize("step", [-3600.0, -5.0, 5.0, 3600.0, 1e7])
def test_a_reply_that_contradicts_is_believed(step: float) -> None:
    """After the server's clock has stepped, or this machine has slept, the newest reply counts."""
    clock = hear(ServerClock(), AHEAD, 0.0, 0.1, 0.1)
    clock = hear(clock, AHEAD + step, 10.0, 0.1, 0.1)
    assert clock.resets == 1
    assert clock.earliest(20.0) <= AHEAD + step + 20 <= clock.latest(20.0)


DAY = 86_400.0


@pytest.mark.parametrize("off", [-400 * DAY, -5 * DAY, 5 * DAY, 3650 * DAY])
def test_one_reply_far_off_our_own_clock_is_not_believed(off: float) -> None:
    """Against what is known: a proxy's clock may have set its `Date`. The next that tells the same is."""
    known = hear(hear(ServerClock(), AHEAD, 0.0, 0.1, 0.1), AHEAD, 5.0, 0.1, 0.1)
    wall = AHEAD + 10
    odd = known.observe(math.floor(AHEAD + off + 10), 10.0, 10.2, wall)
    assert (odd.least, odd.most, odd.resets, odd.doubtful) == (known.least, known.most, 0, False)
    well = odd.observe(math.floor(AHEAD + 20), 20.0, 20.2, wall + 10)
    again = well.observe(math.floor(AHEAD + off + 30), 30.0, 30.2, wall + 20)
    assert (well.rival, again.resets) == (None, 0)
    other = again.observe(math.floor(AHEAD + 2 * off + 35), 35.0, 35.2, wall + 25)
    assert other.resets == 0
    moved = other.observe(math.floor(AHEAD + 2 * off + 40), 40.0, 40.2, wall + 30)
    assert (moved.resets, moved.rival, moved.doubtful) == (1, None, False)
    assert moved.earliest(50.0) <= AHEAD + 2 * off + 50 <= moved.latest(50.0)


@pytest.mark.parametrize("off", [-400 * DAY, -5 * DAY, 5 * DAY, 3650 * DAY])
def test_the_first_reply_is_doubtful_if_it_is_far_off_our_own_clock(off: float) -> None:
    """Either may be wrong: the next reply tells."""
    first = ServerClock().observe(math.floor(AHEAD + off), 0.0, 0.2, wall=AHEAD)
    assert (first.known, first.doubtful) == (True, True)
    assert not first.observe(math.floor(AHEAD + off + 10), 10.0, 10.2, wall=AHEAD + 10).doubtful
    well = first.observe(math.floor(AHEAD + 10), 10.0, 10.2, wall=AHEAD + 10)
    assert (well.doubtful, well.resets) == (False, 1)
    third = first.observe(math.floor(AHEAD + 3 * off), 10.0, 10.2, wall=AHEAD + 10)
    assert (third.doubtful, third.resets) == (True, 1)


def test_a_reply_that_says_nothing_new_costs_no_copy() -> None:
    """The same clock comes back."""
    clock = hear(ServerClock(), AHEAD, 0.0, 0.0, 0.0)
    assert hear(clock, AHEAD, 10.0, 5.0, 5.0) is clock


@pytest.mark.parametrize("date", [None, -1.0, 1e11, math.inf, math.nan])
def test_without_a_date_the_local_clock_is_believed_by_a_second(date: float | None) -> None:
    """The guess holds only until a real `Date` comes."""
    guess = ServerClock().observe(date, 0.0, 1.0, wall=500.0)
    assert guess.known
    assert guess.guessed
    assert (guess.earliest(1.0), guess.latest(1.0)) == (499.0, 501.0)
    newer = guess.observe(date, 2.0, 3.0, wall=700.0)
    assert (newer.earliest(3.0), newer.latest(3.0)) == (699.0, 701.0)
    real = hear(newer, AHEAD, 10.0, 0.1, 0.1)
    assert not real.guessed
    assert real.observe(date, 20.0, 21.0, wall=0.0) is real


@given(target=st.floats(0, 1e5))
def test_when_is_the_first_moment_at_which_a_time_is_sure_to_have_come(target: float) -> None:
    """Waiting until then is enough, and not more than needed."""
    clock = hear(ServerClock(), AHEAD, 0.0, 0.1, 0.3)
    moment = clock.monotonic_at(AHEAD + target)
    assert clock.earliest(moment) >= AHEAD + target - ROUNDING
    assert moment == clock.at or clock.earliest(moment) <= AHEAD + target + ROUNDING


# Readings of other processes


READING = ClockReading(1, AHEAD + 1000.0, AHEAD + 1001.0, False, 1000.0, 5000.0)
"""Written at 1,000 s of the writer's monotonic clock, 5,000 s of its wall clock."""


def test_a_reader_on_the_same_clocks_knows_when_it_was_written() -> None:
    """The interval widens by the drift alone."""
    least, most, by_wall = from_peer(READING, None, 1500.0, 5500.5)
    assert by_wall == 0
    assert least == pytest.approx(AHEAD - 500 * MAX_DRIFT)
    assert most == pytest.approx(AHEAD + 1 + 500 * MAX_DRIFT)


@pytest.mark.parametrize(("now", "wall"), [(1500.0, 5503.0), (900.0, 4900.0), (10.0, 5500.0)])
def test_a_reader_on_other_clocks_knows_that_it_was_after_it_had_read_before(now: float, wall: float) -> None:
    """A boot, a sleep or another machine's file: between that moment and now."""
    expected = AHEAD + 1000.0 - now, AHEAD + 1001.0 - (now - 60), 0.0
    assert from_peer(READING, now - 60, now, wall) == expected


@pytest.mark.parametrize(
    ("now", "wall", "passed", "by_wall"),
    [
        (1500.0, 4000.0, 0.0, 0.0),  # set back
        (1500.0, 5503.0, 0.0, 0.0),  # by less than what it may have been set
        (1500.0, 5000.0 + WALL_STEP_S + 70, 70.0, 0.0),
        (1500.0, 5000.0 + WALL_STEP_S + 600, 500.0, 100.0),  # set, or the machine slept
        (10.0, 5000.0 + WALL_STEP_S + 600, 0.0, 600.0),  # a boot
    ],
)
def test_who_reads_for_the_first_time_knows_that_it_is_not_earlier(
    now: float, wall: float, passed: float, by_wall: float
) -> None:
    """Nor than what has passed by both clocks; what only the wall clock tells of is told apart."""
    assert from_peer(READING, None, now, wall) == (AHEAD + 1000.0 + passed - now, math.inf, by_wall)


def test_an_end_that_is_not_known_is_no_knowledge_of_the_time() -> None:
    """It is not earlier; the first response tells the rest."""
    clock = ServerClock(AHEAD - 50.0)
    assert not clock.known
    assert clock.earliest(0.0) == AHEAD - 50
    heard = hear(clock, AHEAD, 1.0, 0.1, 0.1)
    assert heard.known
    assert heard.earliest(2.0) <= AHEAD + 2 <= heard.latest(2.0)
