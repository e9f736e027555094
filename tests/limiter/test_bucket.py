"""The rule of one limit: windows, openings, charges, forecasts."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.limiter.bucket import MINUTE, MONTH, Opening, forecast

NOON = datetime(2025, 6, 15, 12, tzinfo=UTC).timestamp()
HERE = MINUTE.index(NOON)
CHARGED = st.dictionaries(st.integers(HERE - 3, HERE + 3), st.integers(1, 12))


@given(moment=st.floats(0, 4e9))
def test_each_moment_lies_in_its_window(moment: float) -> None:
    """A window holds its start and not its end; months are those of the UTC calendar."""
    for bucket in (MINUTE, MONTH):
        window = bucket.index(moment)
        assert bucket.start(window) <= moment < bucket.start(window + 1)
    day = datetime.fromtimestamp(MONTH.start(MONTH.index(moment)), UTC)
    assert (day.day, day.hour, day.minute, day.second) == (1, 0, 0, 0)


def test_the_documented_month_is_ours() -> None:
    """The service's own month, as seen in a real refusal."""
    window = MONTH.index(1_641_000_000)
    assert (MONTH.start(window), MONTH.start(window + 1)) == (1_640_995_200, 1_643_673_600)


@given(charged=CHARGED, in_flight=st.integers(0, 12), limit=st.integers(1, 12))
def test_granted_only_if_every_window_from_now_on_has_room(
    charged: dict[int, int], in_flight: int, limit: int
) -> None:
    """What is in flight and one more fit in each window they may fall in."""
    opening = MINUTE.opening(charged, in_flight, NOON, limit)
    room = all(charged.get(w, 0) + in_flight < limit for w in range(HERE, HERE + 5))
    assert (opening is None) == room


@given(charged=CHARGED, in_flight=st.integers(0, 12), limit=st.integers(1, 12))
def test_an_opening_is_neither_early_nor_late(charged: dict[int, int], in_flight: int, limit: int) -> None:
    """A certain one holds though all in flight come back; an uncertain one is right if none does."""
    opening = MINUTE.opening(charged, in_flight, NOON, limit)
    if opening is None or opening.at is None:
        assert opening is None or (in_flight >= limit and not opening.certain)
        return
    flying = 0 if opening.certain else in_flight
    assert MINUTE.opening(charged, flying, opening.at, limit) is None
    assert MINUTE.opening(charged, flying, opening.at - 1, limit) is not None


def test_a_full_flight_waits_for_what_settles() -> None:
    """With no window charged, only an answer can tell."""
    assert MINUTE.opening({}, 10, NOON, 10) == Opening(None, certain=False)


@given(first=st.floats(-200, 200), length=st.floats(0, 300), truth=st.floats(0, 1))
def test_a_charge_includes_the_window_the_server_used(first: float, length: float, truth: float) -> None:
    """Wherever between the two ends it was counted, its window is charged, unless it is over."""
    charged: dict[int, int] = {}
    MINUTE.charge(charged, NOON + first, NOON + first + length, NOON)
    window = MINUTE.index(NOON + first + truth * length)
    assert window < HERE or charged[window] == 1


def test_windows_that_are_over_are_forgotten() -> None:
    """The counts stay small however long it goes on."""
    charged: dict[int, int] = {}
    for minute in range(100):
        now = NOON + 60 * minute
        MINUTE.charge(charged, now, now + 3, now)
        assert len(charged) <= 2


def test_the_fuller_of_two_possible_windows_is_what_is_used() -> None:
    """A window that is over does not count, however full it was."""
    assert MINUTE.used({HERE - 1: 9, HERE: 3, HERE + 1: 4}, NOON) == 4
    assert MINUTE.used({HERE - 1: 9}, NOON) == 0


@pytest.mark.parametrize(
    ("limit", "held"), [(1, (0, 0, 0)), (2, (0, 1, 1)), (3, (0, 1, 2)), (10, (0, 1, 2)), (60, (0, 6, 12))]
)
def test_each_class_above_has_its_share_and_nobody_starves(limit: int, held: tuple[int, ...]) -> None:
    """A tenth of the minute for each class above, at least one, and one is left to everybody."""
    assert tuple(MINUTE.reserved(limit, rank) for rank in range(3)) == held
    assert MONTH.reserved(10_000, 2) == 1000


# Forecast


@given(
    requests=st.integers(0, 60_000),
    phase=st.floats(0, 59.9),
    minute=st.integers(0, 10),
    month=st.integers(0, 10_000),
)
def test_a_forecast_is_what_minute_by_minute_counting_gives(
    requests: int, phase: float, minute: int, month: int
) -> None:
    """The closed form and a plain loop over the windows agree."""
    limits = {"minute": 10, "month": 10_000}
    moment = datetime(2025, 1, 31, 12, tzinfo=UTC).timestamp() + phase
    expected, rest = moment, requests - min(requests, minute, month)
    left = month - (requests - rest)
    at = moment
    while rest:
        start = MINUTE.start(MINUTE.index(at) + 1)
        if MONTH.index(start) != MONTH.index(at):
            left = 10_000
        elif not left:
            start = MONTH.start(MONTH.index(at) + 1)
            left = 10_000
        at = expected = start
        batch = min(rest, 10, left)
        rest, left = rest - batch, left - batch
    assert forecast(requests, moment, {"minute": minute, "month": month}, limits) == expected


@pytest.mark.parametrize("requests", [0, 1, 10**9])
def test_no_limits_no_wait(requests: int) -> None:
    """Without limits everything may leave at once."""
    assert forecast(requests, NOON, {}, {}) == NOON


def test_more_than_a_century_of_quota_is_never() -> None:
    """The forecast ends, and says so."""
    assert forecast(10**12, NOON, {"month": 1}, {"month": 1}) == math.inf
