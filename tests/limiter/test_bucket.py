"""The windows of a period: openings, charges, forecasts; the limits in force."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.limiter import Plan
from enlighten_async.limiter.bucket import (
    LEARNED_LIMIT_S,
    MINUTE,
    MONTH,
    PERIOD_END_TOLERANCE_S,
    PERIODS_S,
    RETRY_AFTER,
    Blocks,
    Limits,
    Opening,
    Pace,
    TokenBucket,
    blocked_until,
    forecast,
    outgrown,
    runs_out,
    usage_warning,
)
from enlighten_async.limiter.record import PlanLimits
from tests.limiter.fake_server import MONTH_END, rejection

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
    """The service's own month, as seen in a real rejection."""
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


FULL_TABLE = [
    # charged in this minute and the next, in flight: wait until the start of which minute, for certain?
    (0, 0, 0, None),
    (9, 0, 0, None),
    (10, 0, 0, (1, True)),
    (10, 9, 0, (1, True)),
    (10, 10, 0, (2, True)),
    (0, 10, 0, (2, True)),  # a request that may have been counted in the next minute fills it
    (5, 0, 4, None),
    (5, 0, 5, (1, False)),  # requests in flight may be counted here
    (5, 5, 5, (2, False)),  # or in the next minute
    (10, 0, 9, (1, True)),
    (0, 0, 9, None),
    (0, 0, 10, (None, False)),
    (5, 0, 10, (None, False)),
    (10, 0, 10, (1, True)),
]


@pytest.mark.parametrize(("this", "following", "in_flight", "wait"), FULL_TABLE)
def test_when_a_window_is_full(
    this: int, following: int, in_flight: int, wait: tuple[int | None, bool] | None
) -> None:
    """Ten a minute: requests counted and in flight fill a window together, this one or a later one."""
    counts = {HERE - 1: 10, HERE: this, HERE + 1: following}
    charged = {minute: n for minute, n in counts.items() if n}
    expected = None
    if wait is not None:
        expected = Opening(None if wait[0] is None else MINUTE.start(HERE + wait[0]), wait[1])
    assert MINUTE.opening(charged, in_flight, NOON, 10) == expected


@pytest.mark.parametrize(
    ("first", "last", "windows"),
    [
        (0, 0, [0]),
        (59.9, 59.9, [0]),
        (59.9, 60, [0, 1]),
        (30, 150, [0, 1, 2]),
        (-90, 10, [0]),  # windows that have ended cannot fill up again
        (-90, -61, []),
    ],
)
def test_which_windows_a_request_is_charged_to(first: float, last: float, windows: list[int]) -> None:
    """Every window that holds a moment at which the server may have counted it."""
    charged: dict[int, int] = {}
    MINUTE.charge(charged, NOON + first, NOON + last, NOON)
    assert charged == {HERE + window: 1 for window in windows}


BLOCKED_TABLE = [
    # period, period_end - NOON, rejected before as well: blocked until NOON + ...
    ("minute", 60, False, 60),
    ("minute", 33, False, 33),  # the server's own end, wherever it is
    ("minute", -5, False, -5),  # its minute is over: the next request may go at once
    ("minute", -5, True, 60),  # but not if that was no help
    ("minute", -61, False, 60),  # an end that cannot be: our own minute's
    ("minute", 110, False, 60),  # no minute is longer: our clock is behind
    ("minute", 110, True, 60),
    ("hour", 3630, False, 3600),
    ("minute", 200, False, 60),
    ("minute", None, False, 60),
    ("", None, False, 60),  # without a period it is taken for the minute
    ("month", None, False, MONTH_END - NOON),
    ("month", MONTH_END - NOON, False, MONTH_END - NOON),
    ("hour", None, False, 3600),
    ("hour", 1800, False, 1800),
    ("fortnight", None, False, 60),
    ("", 3, False, 3),  # by Retry-After
    ("", 3, True, 60),  # which was no help
    ("minute", 3, True, 3),
]


@pytest.mark.parametrize(("period", "end", "again", "until"), BLOCKED_TABLE)
def test_when_a_rejection_blocks_what(period: str, end: float | None, again: bool, until: float) -> None:
    """Until the end that the server names, or, if that cannot be, until our own window's."""
    error = rejection(period=period, period_end=None if end is None else NOON + end)
    assert blocked_until(error, NOON, NOON, again=again) == NOON + until


def moments(now: float) -> dict[str, float]:
    """Return the time as to each period, where it is known."""
    return {"minute": now, "month": now}


@given(
    period=st.sampled_from(["minute", "month", "hour", "day", "week", "second", "", "fortnight"]),
    start=st.none() | st.floats(-1e9, 4e9),
    end=st.none() | st.floats(-1e9, 4e9) | st.floats(-200, 200).map(lambda seconds: NOON + seconds),
    header=st.none() | st.floats(0, 31 * 86_400.0),
    again=st.booleans(),
    doubt=st.floats(0, 300),
)
def test_no_rejection_blocks_for_longer_than_its_period_and_header(
    period: str, start: float | None, end: float | None, header: float | None, again: bool, doubt: float
) -> None:
    """Whatever instants it names; and the second in a row always blocks for a while."""
    error = rejection(period=period, period_start=start, period_end=end, retry_after=header)
    blocks, latest = Blocks(), NOON + doubt
    blocks.add(error, Plan(minute=10), NOON, latest, news=True, again=again)
    longest = 31 * 86_400.0 if period in {"month", "fortnight", ""} else PERIODS_S[period]
    if start is None and period == "":
        longest = 60
    window = blocks.ends[period or "minute"]
    assert window <= latest + longest + PERIOD_END_TOLERANCE_S
    assert blocks.ends.get(RETRY_AFTER) == (None if header is None else latest + header)
    assert not again or max(blocks.ends.values()) > NOON


LIMITS = st.none() | st.integers(1, 50)


OUTGROWN_TABLE = [
    # period, limits in a minute and a month then, and today: whether that is a bigger plan for this period
    ("minute", (10, 1000), (10, 1000), False),
    ("minute", (10, 1000), (20, 1000), True),
    ("minute", (10, 1000), (10, 2000), False),
    ("minute", (10, 1000), (20, 500), True),
    ("month", (10, 1000), (10, 2000), True),
    ("month", (10, 1000), (20, 1000), False),
    ("month", (10, 1000), (10, None), True),
    ("month", (10, None), (10, 1000), False),
    ("month", (None, None), (None, None), False),
    ("hour", (10, 1000), (20, 1000), True),
    ("day", (10, 1000), (10, 2000), True),
    ("week", (10, 1000), (20, 500), False),
    (RETRY_AFTER, (10, 1000), (20, 2000), True),
    ("fortnight", (10, 1000), (10, 1000), False),
]


@pytest.mark.parametrize(("period", "heard", "limits", "bigger"), OUTGROWN_TABLE)
def test_when_a_plan_is_bigger(period: str, heard: PlanLimits, limits: PlanLimits, bigger: bool) -> None:
    """It allows more of the period, and of one that no plan limits, more of one and no less of the other."""
    assert outgrown(period, heard, limits) == bigger


@given(
    words=st.lists(
        st.tuples(
            LIMITS,
            LIMITS,
            st.sampled_from(["minute", "month", "hour", "day", "week", "", "fortnight"]),
            st.none() | st.floats(0, 90_000),
            st.none() | st.integers(1, 60),
            st.floats(0, 500),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_a_bigger_plan_is_never_bound_by_a_smaller_ones_words(
    words: list[tuple[int | None, int | None, str, float | None, int | None, float]],
) -> None:
    """Neither by limits nor by blocks; and every plan is bound by its own."""
    blocks, limits, now = Blocks(), Limits(), NOON
    most = [max((50 if word[index] is None else word[index]) or 0 for word in words) for index in (0, 1)]
    for minute, month, period, retry_after, limit, later in words:
        plan, now = Plan(minute=minute, month=month), now + later
        if blocks.waits(plan, moments(now)):
            continue  # it would not be sent
        error = rejection(period=period, retry_after=retry_after, limit=limit)
        limits.learn(period or "minute", limit, plan, now)
        blocks.add(error, plan, now, now, news=True, again=True)
        assert blocks.waits(plan, moments(now))
    bigger = Plan(minute=most[0] + 1, month=most[1] + 1)
    if all(word[0] is not None and word[1] is not None for word in words):
        assert blocks.binding(bigger, moments(now)) == blocks.waits(bigger, moments(now)) == {}
        assert limits.in_force(bigger) == {"minute": bigger.minute, "month": bigger.month}
    smallest = Plan(minute=1, month=1)
    assert blocks.binding(smallest, moments(now)).keys() == {p for p, end in blocks.ends.items() if end > now}


@pytest.mark.parametrize("first", [MINUTE, MONTH])
def test_of_two_plans_words_each_binds_its_own(first: TokenBucket) -> None:
    """A small plan's later end does not bind the big one; a big plan's binds the small one."""
    small, big, blocks = Plan(minute=10, month=1000), Plan(minute=100, month=10_000), Blocks()
    for plan, end in ((big, 30), (small, 50)):
        error = rejection(period=first.name, period_end=NOON + end)
        blocks.add(error, plan, NOON, NOON, news=True, again=False)
    assert (
        blocks.binding(big, moments(NOON)) == blocks.binding(small, moments(NOON)) == {first.name: NOON + 30}
    )
    for plan, end in ((small, 50), (big, 40)):
        error = rejection(period=first.name, period_end=NOON + end)
        blocks.add(error, plan, NOON + 35, NOON + 35, news=True, again=False)
    assert (
        blocks.binding(big, moments(NOON)) == blocks.binding(small, moments(NOON)) == {first.name: NOON + 40}
    )


@pytest.mark.parametrize(
    ("used", "limit", "share"),
    [
        (799, 1000, None),
        (800, 1000, 0.80),
        (949, 1000, 0.80),
        (950, 1000, 0.95),
        (1200, 1000, 0.95),
        (0, 1, None),
        (1, 1, 0.95),
    ],
)
def test_when_a_month_is_nearly_used_up(used: int, limit: int, share: float | None) -> None:
    """At 80 and at 95 % of the running month; another month's count says nothing."""
    month = MONTH.index(NOON)
    warning = usage_warning({month: used, month + 1: limit}, limit, NOON)
    assert (warning and warning.share) == share
    assert warning is None or (warning.used, warning.until) == (used, MONTH_END)


LIMITS_TABLE = [
    # the plan, learned with which plan, the limit named: the limit in force
    (Plan(minute=10), Plan(minute=10), 6, 6),
    (Plan(minute=5), Plan(minute=10), 6, 5),  # a smaller plan holds
    (Plan(minute=20), Plan(minute=10), 6, 20),  # a caller with more than was believed has a new plan
    (Plan(minute=10), Plan(minute=10), 500, 10),
    (Plan(minute=10), Plan(minute=10), 0, 10),  # no number of requests
    (Plan(minute=10), Plan(minute=10), None, 10),
    (Plan(minute=10).capped(minute=4), Plan(minute=10), 6, 4),
    (Plan(minute=10).capped(minute=8), Plan(minute=10), 6, 6),
]


@pytest.mark.parametrize(("plan", "taught", "named", "limit"), LIMITS_TABLE)
def test_which_limit_is_in_force(plan: Plan, taught: Plan, named: int | None, limit: int) -> None:
    """The lowest of the plan, the budget, and what the server named of that plan."""
    limits = Limits()
    lowered = limits.learn("minute", named, taught, NOON)
    assert lowered == (named is not None and 0 < named < 10)
    assert limits.in_force(plan) == {"minute": limit}
    assert [rule.limit for rule in limits.rules(plan, 0)] == [limit]
    if named:
        assert limits.learned["minute"].until == NOON + LEARNED_LIMIT_S


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


JUNE = MONTH.index(MONTH_END - 1)
DAY = 86_400.0


@pytest.mark.parametrize(
    ("limit", "day", "held"),
    [
        (1000, 1, (0, 50, 100)),
        (1000, 2, (0, 49, 97)),
        (1000, 16, (0, 25, 49)),
        (1000, 29, (0, 2, 4)),
        (1000, 30, (0, 0, 0)),  # who is below may use the month to its last request
        (10, 1, (0, 1, 2)),
        (10, 16, (0, 1, 1)),
        (10, 29, (0, 1, 1)),
        (10, 30, (0, 0, 0)),
        (1, 1, (0, 0, 0)),
    ],
)
def test_less_of_a_month_is_held_back_each_day(limit: int, day: int, held: tuple[int, ...]) -> None:
    """A twentieth for each class above on its first day, in proportion later, and nothing on its last."""
    moment = MONTH.start(JUNE) + (day - 1) * DAY
    for second in (0.0, DAY - 0.01):
        assert tuple(MONTH.reserved(limit, rank, moment + second) for rank in range(3)) == held
    limits = Limits()
    rooms = [limits.rules(Plan(month=limit), rank, moment)[0].room for rank in range(3)]
    assert rooms == [limit - each for each in held]


@given(
    limit=st.integers(1, 3000),
    rank=st.integers(0, 2),
    share=st.floats(0, 1),
    month=st.integers(JUNE - 9, JUNE),
)
def test_a_class_may_use_more_of_a_month_from_the_day_that_is_told(
    limit: int, rank: int, share: float, month: int
) -> None:
    """Not on the day before; and all of it before it ends."""
    count = int(share * limit)
    freed, end = MONTH.freed_at(month, limit, rank, count), MONTH.start(month + 1)
    assert MONTH.start(month) <= freed <= end
    assert (freed == end) == (count == limit)
    if freed < end:
        assert limit - MONTH.reserved(limit, rank, freed) > count
    if freed > MONTH.start(month):
        assert limit - MONTH.reserved(limit, rank, freed - 1) <= count


@pytest.mark.parametrize(
    ("count", "in_flight", "opens", "certain"),
    [(964, 0, 0, True), (966, 0, 10, True), (967, 0, 11, True), (963, 2, 10, False), (1000, 0, 30, True)],
)
def test_a_month_full_for_a_class_opens_when_less_is_held_back(
    count: int, in_flight: int, opens: int, certain: bool
) -> None:
    """On the day from which it may use more than is counted and in flight."""
    now = MONTH.start(JUNE) + 9.5 * DAY
    rule, charged = Limits().rules(Plan(month=1000), 1, now)[0], {JUNE: count}
    opening = MONTH.opening(charged, in_flight, now, rule.room)
    if count + in_flight < rule.room:
        assert opening is None
        return
    assert opening is not None
    assert opening.certain == certain
    assert rule.opens_at(opening, charged, in_flight) == MONTH.start(JUNE) + opens * DAY


@given(
    requests=st.integers(1, 3000),
    used=st.integers(0, 1000),
    rank=st.integers(1, 2),
    start=st.floats(0, 29.99),
)
def test_a_forecast_for_a_lower_class_is_what_counting_day_by_day_gives(
    requests: int, used: int, rank: int, start: float
) -> None:
    """A plain loop over the days, with no limit of minutes, agrees."""
    moment = MONTH.start(JUNE) + start * DAY
    at, count, rest = moment, used, requests
    while rest > (room := max(0, 1000 - MONTH.reserved(1000, rank, at) - count)):
        count, rest = count + room, rest - room
        month, at = MONTH.index(at), at // DAY * DAY + DAY
        count = count if MONTH.index(at) == month else 0
    assert forecast(requests, moment, {"month": 1000 - used}, {"month": 1000}, rank) == at


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


@pytest.mark.parametrize(
    ("used", "days", "end"), [(0, 10, None), (100, 10, None), (500, 10, 20), (400, 10, 25), (1000, 3, 3)]
)
def test_a_month_runs_out_at_the_pace_so_far(used: int, days: float, end: float | None) -> None:
    """What was used since it began, by the time that took: 50 a day last 20 days of June."""
    june = MONTH_END - 30 * 86_400
    expected = None if end is None else june + end * 86_400
    assert runs_out(used, 1000, june + days * 86_400) == expected


@pytest.mark.parametrize(
    ("day", "left", "minute", "per_day", "burst"),
    [
        (0, 1000, 10, 33.33, 10),
        (0, 1000, 4, 33.33, 4),
        (0, 1000, math.inf, 33.33, 10),
        (15, 1000, 10, 66.67, 10),
        (15, 500, 10, 33.33, 5),
        (15, 30, 10, 2, 1),
        (29, 10, 10, 10, 1),
    ],
)
def test_the_pace_of_a_month(day: float, left: int, minute: float, per_day: float, burst: int) -> None:
    """What is left of it by the days that are left of it; after a pause a hundredth of it at once."""
    pace = Pace(MONTH.start(JUNE) + day * DAY, 1000, left, minute)
    assert DAY / pace.interval == pytest.approx(per_day, abs=0.01)
    assert pace.burst == burst
    assert pace.opens_at((0.0, 0.0), burst) <= pace.moment < pace.opens_at((0.0, 0.0), burst + 1)
    assert pace.opens_at((0.0, 0.0), left) <= pace.until == MONTH_END
    assert pace.opens_at((0.0, 0.0), left + 1) == MONTH_END  # the first of July
    assert pace.opens_at((0.0, 0.0), left + burst + 1) == pytest.approx(MONTH_END + 31 * DAY / 1000)
    assert pace.opens_at((0.0, 0.0), left + 1000) < MONTH.start(JUNE + 2)
    assert pace.opens_at((0.0, 0.0), left + 10**7) == math.inf


@given(
    left=st.integers(1, 1000),
    minute=st.integers(1, 20),
    start=st.floats(0, 29.9),
    asks=st.lists(st.floats(0.0, 3.0), max_size=60),
)
def test_a_paced_month_is_even_and_used_up(left: int, minute: int, start: float, asks: list[float]) -> None:
    """At any moment no more was sent than even use, and a burst; who always asks gets all that is left."""
    first = moment = MONTH.start(JUNE) + start * DAY
    rest, paced = left, (0.0, 0.0)
    pauses = iter(asks)
    while rest:
        pace = Pace(moment, 1000, rest, minute)
        opens = pace.opens_at(paced)
        if opens > moment:
            moment = opens
        elif pause := next(pauses, 0.0):
            moment = min(moment + pause * 3600, MONTH_END - 1)
        pace = Pace(moment, 1000, rest, minute)
        assert moment < MONTH_END
        if pace.opens_at(paced) <= moment:
            paced, rest = pace.after(paced), rest - 1
        if not asks:
            assert (
                left - rest
                <= (moment - first) * left / (MONTH_END - first) + min(10, max(1, left // 100)) + 1
            )
    assert paced[0] <= MONTH_END
