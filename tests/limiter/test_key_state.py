"""The state of a key: taking, settling, rejections, usage."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.errors import Throttled
from enlighten_async.limiter import RANKS, KeyState, MemoryQuotaStore, Plan, Settlement, Take, UsageWarning
from enlighten_async.limiter.decision import Sender, Subject
from enlighten_async.limiter.key_state import ANSWER_S, LATE_COUNT_S, PLACE_POLL_S
from enlighten_async.limiter.plan import RESERVATION_S
from enlighten_async.limiter.queue import CLAIM_S
from enlighten_async.limiter.record import LOOSE_S, Record
from enlighten_async.state import Moment
from tests.effort import examples
from tests.limiter.fake_server import MONTH_END, rejection
from tests.limiter.stores import settle, warn

DATE = 1_750_000_000  # the server's time at 1,000 s of the monotonic clock, 40 s into a minute
MINUTE_40 = DATE // 60
INTERACTIVE, POLL, BACKFILL = RANKS.values()


def state_at_40_s(limit: int) -> tuple[KeyState, Plan]:
    """Return a state that knows the time: 1,000 s at the second 40 of a minute."""
    state, plan = KeyState(), Plan(minute=limit)
    state.take(Take(1, plan), 999.9)
    state.settle(1, Settlement(999.9, 1000.0, landed=True, accepted=True, date=DATE))
    return state, plan


# Tables


@pytest.mark.parametrize(
    ("settlement", "minutes"),
    [
        (Settlement(None, 1019.0), []),
        # Landed: from the earliest that it can have left (guard included) to its Date.
        (Settlement(1005.0, 1006.0, landed=True, date=DATE + 6), [0]),
        (Settlement(1005.0, 1019.5, landed=True, date=DATE + 6), [0]),
        (Settlement(1005.0, 1022.0, landed=True, date=DATE + 17), [0]),
        (Settlement(1005.0, 1020.0, landed=True, date=DATE + 18), [0, 1]),  # and the guard
        (Settlement(1005.0, 1022.0, landed=True, date=DATE + 18), [1]),  # the minute before has ended
        (Settlement(1005.0, 1030.0, landed=True, date=DATE + 30), [1]),
        (Settlement(1023.0, 1024.0, landed=True, date=DATE + 24), [1]),
        (Settlement(1019.5, 1020.5, landed=True, date=DATE + 20), [0, 1]),  # the guard
        # Given up: the server may count it up to 5 s later.
        (Settlement(1005.0, 1006.0), [0]),
        (Settlement(1005.0, 1020.0 - LATE_COUNT_S), [0, 1]),
        (Settlement(1005.0, 1130.0), [2]),
    ],
)
def test_which_minutes_a_request_is_charged_to(settlement: Settlement, minutes: list[int]) -> None:
    """All in which the server may have counted it."""
    state, plan = state_at_40_s(10)
    before = state._charged["minute"][MINUTE_40]
    assert state.take(Take(2, plan), 1000.0) is None
    state.settle(2, settlement)
    charged = {MINUTE_40: before, **state._charged["minute"]}
    charged[MINUTE_40] -= before
    assert [minute - MINUTE_40 for minute, n in sorted(charged.items()) if n] == minutes


@pytest.mark.parametrize(
    ("used", "in_flight", "rank", "reason"),
    [
        (9, 0, INTERACTIVE, None),
        (10, 0, INTERACTIVE, "minute"),
        (8, 1, INTERACTIVE, None),
        (5, 5, INTERACTIVE, "minute"),
        (1, 9, INTERACTIVE, "minute"),
        (7, 0, BACKFILL, None),
        (8, 0, BACKFILL, "minute"),
        (8, 0, POLL, None),
        (9, 0, POLL, "minute"),
    ],
)
def test_when_a_minute_is_full(used: int, in_flight: int, rank: int, reason: str | None) -> None:
    """Of 10: counted, in flight, and held back for the classes above."""
    state, plan = state_at_40_s(10)
    for ticket in range(2, used + 1):
        assert state.take(Take(ticket, plan), 1000.0) is None
        state.settle(ticket, Settlement(1000.0, 1000.1, landed=True, accepted=True, date=DATE))
    for ticket in range(100, 100 + in_flight):
        assert state.take(Take(ticket, plan), 1000.2) is None
    wait = state.take(Take(200, plan, rank), 1000.3)
    assert (wait and wait.reason) == reason


@pytest.mark.parametrize(
    ("period", "end", "blocked", "reason"),
    [
        ("minute", DATE + 20, {"minute": DATE + 20}, "throttled"),
        ("", DATE + 20, {"minute": DATE + 20}, "throttled"),
        ("minute", None, {"minute": DATE + 20}, "throttled"),
        ("month", None, {"month": MONTH_END}, "month"),
        ("day", DATE + 999, {"day": DATE + 999}, "throttled"),
    ],
)
def test_when_a_rejection_closes_what(
    period: str, end: float | None, blocked: dict[str, float], reason: str
) -> None:
    """The window that the server names; then one request at a time, until one is accepted."""
    state, plan = state_at_40_s(10)
    state.take(Take(2, plan), 1000.0)
    state.settle(2, Settlement(1000.0, 1000.1, landed=True, date=DATE))
    state.record_rejection(2, rejection(period=period, period_end=end), plan, 1000.1)
    assert state.snapshot(plan, 1000.1).blocked_until == blocked
    wait = state.take(Take(3, plan), 1000.2)
    assert wait is not None
    assert (wait.reason, wait.until) == (reason, blocked[period or "minute"])
    assert wait.at is not None
    assert state.take(Take(4, plan), wait.at) is None
    again = state.take(Take(5, plan), wait.at)
    assert again is not None
    assert again.reason == "doubt"


@pytest.mark.parametrize(
    ("first", "second", "loose"),
    [
        (DATE, DATE + 5, False),
        (DATE, DATE + 95, True),  # the server's clock has stepped, or this machine slept
        (DATE, DATE - 85, True),
        (None, None, True),  # only our own clock tells the time
        (None, DATE + 5, False),  # and is right
        (None, DATE + 95, True),
    ],
)
def test_when_the_minutes_may_begin_at_any_second(first: int | None, second: int | None, loose: bool) -> None:
    """Without a `Date`, and after one that contradicts what was known."""
    state, plan = KeyState(), Plan(minute=10)
    for ticket, now, date in ((1, 999.9, first), (2, 1004.9, second)):
        assert state.take(Take(ticket, plan), now) is None
        wall = DATE + now + 0.1 - 1000.0
        state.settle(ticket, Settlement(now, now + 0.1, wall, landed=True, accepted=True, date=date))
    assert (state._recent is not None) == loose
    assert state.left(plan, 1005.0)["minute"] == 8


@pytest.mark.parametrize(("count", "opens"), [(9, None), (10, 1060.0)])
def test_a_minute_that_may_begin_at_any_second_is_any_sixty(count: int, opens: float | None) -> None:
    """The tenth of them leaves at once, wherever the minute begins; the eleventh a minute after the first."""
    state, plan = KeyState(), Plan(minute=10)
    for ticket in range(1, count + 1):
        assert state.take(Take(ticket, plan), 999.9) is None
        state.settle(ticket, Settlement(999.9, 999.9, float(DATE), landed=True, accepted=True))
    wait = state.take(Take(20, plan), 1020.0)
    assert (wait and wait.at) == (opens and pytest.approx(opens, abs=0.01))
    assert state.snapshot(plan, 1020.0).used["minute"] == 10


def test_a_clock_that_has_agreed_for_a_week_is_believed_again() -> None:
    """The server's minutes are its own again; a window opens at its start."""
    state, plan = state_at_40_s(10)
    answered(state, plan, 2, 1001.0, DATE + 90)  # 90 s more than before
    for ticket, now in ((3, 1001.0 + LOOSE_S - 1), (4, 1001.0 + LOOSE_S + 1)):
        assert state._recent is not None
        answered(state, plan, ticket, now, int(DATE + 89 + now - 1001.0))
    assert state._recent is None


def test_what_is_not_answered_may_be_counted_later() -> None:
    """Any sixty seconds then end a little later, as do those of what another process had in flight."""
    state, plan = KeyState(), Plan(minute=1)
    answered(state, plan, 1, 900.0, None)
    assert state.take(Take(2, plan), 1000.0) is None
    state.settle(2, Settlement(1000.0, 1001.0))
    wait = state.take(Take(3, plan), 1002.0)
    assert wait is not None
    assert wait.at == pytest.approx(1001.0 + LATE_COUNT_S + 61.0, abs=0.01)


def test_what_the_last_minute_holds_is_shared() -> None:
    """Another process on the record keeps to the same sixty seconds, whatever its monotonic clock shows."""
    state, plan = KeyState(35.0), Plan(minute=2)
    state.load(Record(), 999.0, Moment(999.0, DATE - 1.0))
    for ticket in (1, 2):
        answered(state, plan, ticket, 1000.0, None)
    record = Record.decode(state.dump(1000.0, Moment(1000.0, float(DATE))).encode())
    other = KeyState(35.0)
    other.load(record, 51.0, Moment(51.0, DATE + 1.0))
    wait = other.take(Take(1, plan), 51.0)
    assert wait is not None
    assert wait.reason == "minute"
    other.load(record, 115.0, Moment(115.0, DATE + 65.0))
    assert other.take(Take(1, plan), 115.0) is None


# Limits that nobody names


def answered(state: KeyState, plan: Plan, ticket: int, now: float, date: int | None) -> None:
    """Have a request answered at once."""
    assert state.take(Take(ticket, plan), now) is None
    state.settle(ticket, Settlement(now, now, DATE + now - 1000.0, landed=True, accepted=True, date=date))


def minute_of(state: KeyState, plan: Plan, now: float, allows: int) -> tuple[int, int]:
    """Send as much as may be sent at a time; return how much of it was accepted and rejected."""
    first = state.newest + 1
    ticket, date = first, int(DATE + now - 1000.0)
    while state.take(Take(ticket, plan), now) is None:
        accepted = ticket - first < allows
        state.settle(ticket, Settlement(now, now, float(date), landed=True, accepted=accepted, date=date))
        if not accepted:
            state.record_rejection(ticket, rejection(period="minute"), plan, now)
        ticket += 1
    return min(allows, ticket - first), max(0, ticket - first - allows)


def test_a_limit_that_nobody_names_is_concluded() -> None:
    """From two minutes that answer less than the plan says; then one more is tried an hour later, once."""
    state, plan = KeyState(), Plan(minute=10)
    sent = [minute_of(state, plan, 1000.0 + 70 * number, 5) for number in range(120)]
    assert [number for number, (_, rejected) in enumerate(sent) if rejected] == [0, 1, 53, 105]
    assert all(rejected <= 1 for _, rejected in sent)
    assert state.snapshot(plan, 1000.0 + 70 * 120).learned == {"minute": 5}
    state.forget_limits()
    assert state.snapshot(plan, 1000.0 + 70 * 120).limits == {"minute": 10}


def test_a_limit_that_was_concluded_rises_minute_by_minute() -> None:
    """After an hour, and as long as nothing is rejected: until it is the plan's again."""
    state, plan = KeyState(), Plan(minute=10)
    for number in range(2):
        minute_of(state, plan, 1000.0 + 70 * number, 5)
    sent = [minute_of(state, plan, 1140.0 + 70 * number, 10) for number in range(60)]
    assert [accepted for accepted, _ in sent[:51]] == [5] * 51
    assert [accepted for accepted, _ in sent[51:]] == [6, 7, 8, 9, 10, 10, 10, 10, 10]
    assert state.snapshot(plan, 1140.0 + 70 * 60).learned == {}


def test_a_service_that_answers_nothing_tells_nothing_of_a_limit() -> None:
    """Minutes without an answer end at full speed; so does one that was cut short."""
    state, plan = KeyState(), Plan(minute=10)
    assert minute_of(state, plan, 1000.0, 3) == (3, 1)
    for number in range(1, 4):
        assert minute_of(state, plan, 1000.0 + 130 * number, 0) == (0, 1)
    wait = state.take(Take(1000, plan), 2500.0)
    assert wait is None
    state.settle(1000, Settlement(2500.0, 2500.0, landed=True, accepted=True, date=DATE + 1500))
    assert minute_of(state, plan, 2500.0, 9) == (9, 0)


@pytest.mark.parametrize(("order", "limit"), [("aaarr", 3), ("rraaa", 3), ("rarar", 2), ("ararr", 2)])
def test_answers_of_the_same_burst_correct_the_limit(order: str, limit: int) -> None:
    """They come back in any order; what was answered of all of them counts."""
    state, plan = KeyState(), Plan(minute=10)
    minute_of(state, plan, 1000.0, 3)
    assert state.take(Take(500, plan), 1070.0) is None
    state.settle(500, Settlement(1070.0, 1070.0, landed=True, accepted=True, date=DATE + 70))
    for number, _ in enumerate(order):
        assert state.take(Take(600 + number, plan), 1140.0) is None
    for number, kind in enumerate(order):
        accepted = kind == "a"
        state.settle(
            600 + number, Settlement(1140.0, 1140.0, landed=True, accepted=accepted, date=DATE + 140)
        )
        if not accepted:
            state.record_rejection(600 + number, rejection(period="minute"), plan, 1140.0)
    assert state.snapshot(plan, 1141.0).limits == {"minute": limit}


@pytest.mark.parametrize(
    ("limit", "used", "share"), [(5, 3, None), (5, 4, 0.80), (20, 18, 0.80), (20, 19, 0.95)]
)
def test_when_most_of_the_month_is_used_up(limit: int, used: int, share: float | None) -> None:
    """At 80 and at 95 %; each is told once."""
    state, plan = KeyState(), Plan(month=limit)
    for ticket in range(used):
        assert state.take(Take(ticket, plan), 1000.0) is None
        state.settle(ticket, Settlement(1000.0, 1000.1, landed=True, accepted=True, date=DATE))
    warning = state.usage_warning(plan, 1000.1)
    assert (warning and warning.share) == share
    if warning is not None:
        assert state.record_warning(warning)
        assert not state.record_warning(warning)
        assert state.usage_warning(plan, 1000.1) is None


# Taking and settling


def test_a_ticket_settled_twice_or_never_taken_changes_nothing() -> None:
    """What a cancelled `take` leaves behind may be given back without knowing whether it happened."""
    state, plan = KeyState(), Plan(minute=3)
    state.settle(7, Settlement(None, 0.0))
    state.settle(8, Settlement(0.0, 0.1, landed=True, accepted=True, date=1_750_000_000))
    assert state.left(plan, 1.0) == {"minute": 3}
    assert state.take(Take(9, plan), 1.0) is None
    for _ in range(2):
        state.settle(9, Settlement(1.0, 1.1, landed=True, accepted=True, date=1_750_000_001))
    assert state.left(plan, 2.0) == {"minute": 2}


def test_who_waited_takes_what_comes_free() -> None:
    """Whoever of a lower class looks first at the window's start lets them go first."""
    state, plan = state_at_40_s(1)
    waits = [state.take(Take(2, plan, rank), 1001.0) for rank in (INTERACTIVE, BACKFILL)]
    assert waits[0] is not None
    assert waits[0].at is not None
    assert waits[0] == waits[1]
    again = state.take(Take(3, plan, BACKFILL), waits[0].at)
    assert again is not None
    assert (again.reason, again.certain) == ("priority", False)
    assert state.take(Take(4, plan, INTERACTIVE), waits[0].at + 1) is None
    state.settle(4, Settlement(None, waits[0].at + 2))
    assert state.take(Take(5, plan, BACKFILL), waits[0].at + 2) is None


@pytest.mark.parametrize(
    ("subject", "after", "before", "found"),
    [
        (Subject("one", 100, 200), 0.5, None, True),
        (Subject("one", 150, 900), 0.5, None, True),  # the answer has its beginning
        (Subject("one", 200, 900), 0.5, None, False),
        (Subject("one", 50, 200), 0.5, None, False),
        (Subject("another", 100, 200), 0.5, None, False),
        (Subject("reply"), 0.5, None, True),
        (Subject("one", 100, 200), ANSWER_S - 0.5, None, True),
        (Subject("one", 100, 200), ANSWER_S + 0.5, None, False),  # it may never come
        (Subject("one", 100, 200), 0.5, 2, False),  # which was put in flight first
        (Subject("reply"), 0.5, 5, True),
    ],
)
def test_who_asks_for_what_others_have_in_flight(
    subject: Subject, after: float, before: int | None, *, found: bool
) -> None:
    """By the record, in another process: for how long the request has been under way."""
    one, plan = state_at_40_s(10)
    record = one.dump(1000.0, Moment(1000.0, DATE))
    other = KeyState(35.0)
    for ticket, asked in [(2, None), (3, Subject("one", 100, 200)), (4, Subject("reply")), (5, None)]:
        state = other if ticket in {2, 5} else one
        state.load(record, 1000.0, Moment(1000.0, DATE))
        assert state.take(Take(ticket, plan, subject=asked), 1000.0) is None
        record = state.dump(1000.0, Moment(1000.0, DATE))
    seconds = other.asked_for(subject, 1000.0 + after, before=before)
    assert seconds == (pytest.approx(after, abs=0.1) if found else None)


def test_a_claim_of_who_has_gone_ends() -> None:
    """Whoever gave up holds nobody back for longer than a late riser would need."""
    state, plan = state_at_40_s(1)
    wait = state.take(Take(2, plan, INTERACTIVE), 1001.0)
    assert wait is not None
    assert wait.at is not None
    assert state.take(Take(3, plan, BACKFILL), wait.at + RESERVATION_S - 0.01) is not None
    assert state.take(Take(3, plan, BACKFILL), wait.at + RESERVATION_S) is None


@pytest.mark.parametrize(("limit", "loose"), [(10, True), (7, False)])
def test_what_the_service_says_is_read_by_the_plan(limit: int, loose: bool) -> None:
    """A limit below the plan's explains a rejection, be it above the budget; the plan's own does not."""
    state, plan = KeyState(), Plan(minute=10).capped(minute=5)
    state.take(Take(1, plan), 999.9)
    state.settle(1, Settlement(999.9, 1000.0, landed=True, date=DATE))
    error = Throttled("over the limit", status=409)
    error.period, error.limit = "minute", limit
    state.record_rejection(1, error, plan, 1000.0)
    assert (state._recent is not None) == loose
    assert state.snapshot(plan, 1000.0).limits == {"minute": 5}


def test_a_snapshot_tells_all_that_is_known() -> None:
    """Counts at the most, limits in force, what the server said, and the time."""
    state, plan = KeyState(), Plan(minute=10, month=1000).capped(month=500)
    assert state.snapshot(plan, 999.0).earliest is None
    state.take(Take(1, plan), 999.9)
    state.settle(1, Settlement(999.9, 1000.0, landed=True, accepted=True, date=DATE))
    state.take(Take(2, plan), 1001.0)
    snapshot = state.snapshot(plan, 1001.0)
    assert snapshot.used == {"minute": 2, "month": 2}
    assert (snapshot.limits, snapshot.in_flight) == ({"minute": 10, "month": 500}, 1)
    assert (snapshot.learned, snapshot.blocked_until) == ({}, {})
    assert snapshot.earliest is not None
    assert snapshot.latest is not None
    assert snapshot.earliest <= DATE + 1 <= snapshot.latest
    error = Throttled("over the limit", status=409)
    error.period, error.limit, error.period_end = "minute", 8, DATE + 40
    state.settle(2, Settlement(1001.0, 1001.1, landed=True, date=DATE + 1))
    state.record_rejection(2, error, plan, 1001.1)
    snapshot = state.snapshot(plan, 1001.1)
    assert (snapshot.learned, snapshot.blocked_until) == ({"minute": 8}, {"minute": DATE + 40})
    assert state.snapshot(plan, 1060.0).blocked_until == {}


def reject_at(state: KeyState, plan: Plan, number: int, now: float, **facts: object) -> None:
    """Send a request at a moment (monotonic) that the server rejects."""
    assert state.take(Take(number, plan), now) is None
    state.settle(number, Settlement(now, now, landed=True, date=int(DATE + now - 1000)))
    state.record_rejection(number, rejection(**facts), plan, now)


def test_several_minutes_of_rejections_without_a_period_are_the_months() -> None:
    """Nothing is left of it then, and one request about an hour later asks again."""
    state, plan = state_at_40_s(10)[0], Plan(minute=10, month=1000)
    for number in range(2, 6):
        assert state.left(plan, 1000.0 + 80 * number)["month"] > 0
        reject_at(state, plan, number, 1000.0 + 80 * number)
    now = 1400.0
    for number in range(6, 30):
        wait = state.take(Take(number, plan), now + 1)
        assert wait is not None
        assert wait.at is not None
        assert (wait.reason, wait.period, wait.certain) == ("month", "", True)
        assert 3500 < wait.at - now < 3600
        assert state.left(plan, wait.at) == {"month": 0, "minute": 0}
        now = wait.at
        reject_at(state, plan, number, now)
    assert state.left(plan, now)["month"] == 0
    now += 3600
    assert state.take(Take(30, plan), now) is None
    state.settle(30, Settlement(now, now, landed=True, accepted=True, date=int(DATE + now - 1000)))
    assert state.left(plan, now)["month"] > 900
    assert state.snapshot(plan, now).blocked_until == {}


@pytest.mark.parametrize("named", [2, 3, 4, 5])
def test_a_period_once_named_ends_what_was_concluded_without(named: int) -> None:
    """The service has said what is full."""
    state, plan = state_at_40_s(10)
    for number in range(2, 6):
        period = "minute" if number == named else ""
        reject_at(state, plan, number, 1000.0 + 80 * number, period=period)
    assert "month" not in state.snapshot(plan, 1400.0).blocked_until


def test_the_rejections_of_one_burst_are_one_minutes() -> None:
    """However many they are, and although the last come in a later minute."""
    state, plan = state_at_40_s(10)
    for number in range(2, 11):
        assert state.take(Take(number, plan), 1000.1) is None
    for number in range(2, 11):
        now = 1000.2 + 60 * (number // 2)
        state.settle(number, Settlement(1000.1, now, landed=True, date=int(DATE + now - 1000)))
        state.record_rejection(number, rejection(), plan, now)
    assert "month" not in state.snapshot(plan, now).blocked_until


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["take", "settle", "crash", "pass"]),
        st.integers(0, 3),
        st.floats(0, 20),
        st.integers(0, 2),
    ),
    max_size=60,
)


@given(most=st.lists(st.integers(1, 5), min_size=4, max_size=4), steps=STEPS)
@examples(60)
def test_never_more_in_flight_than_the_smallest_limit_of_those_that_live(
    most: list[int], steps: list[tuple[str, int, float, int]]
) -> None:
    """Limiters of processes of their own on one record, which may be killed with requests in flight."""
    plan, now, record, ticket = Plan(minute=100_000), 1000.0, Record(), 0
    states, flying = [KeyState(35.0) for _ in most], [[] for _ in most]  # type: list[KeyState], list[list[int]]
    asked = [-math.inf] * len(most)
    for what, who, seconds, rank in steps:
        state, sender = states[who], Sender(who + 1, most[who])
        state.load(record, now, Moment(now, now))
        if what == "pass":
            now += seconds
        elif what == "crash":
            states[who], flying[who] = KeyState(35.0), []
            continue
        elif what == "settle" and flying[who]:
            settlement = Settlement(now, now, landed=True, accepted=True, date=int(DATE + now - 1000))
            state.settle(flying[who].pop(), settlement)
        elif what == "take":
            ticket += 1
            live = [most[who], *(most[n] for n in range(4) if now - asked[n] < 34 and state.clock.known)]
            if state.take(Take(ticket, plan, rank, sender=sender), now) is None:
                flying[who].append(ticket)
                assert len(state._pending) <= min(live)
                asked[who] = now
        record = Record.decode(state.dump(now, Moment(now, now)).encode())
    now += 100
    state = KeyState(35.0)
    state.load(record, now, Moment(now, now))
    state.load(record, now + 100, Moment(now + 100, now + 100))
    assert (len(state._pending), state.senders) == (0, {})


def test_who_waits_for_a_place_gets_the_next_one() -> None:
    """However fast the other asks again; a class above goes first all the same."""
    state, plan = state_at_40_s(1000)
    busy, slow = Sender(1, 1), Sender(2, 5)
    assert state.take(Take(10, plan, POLL, sender=busy), 1000.1) is None
    wait = state.take(Take(11, plan, POLL, sender=slow), 1000.2)
    assert wait is not None
    assert (wait.reason, wait.certain, wait.at) == ("in_flight", False, 1000.2 + PLACE_POLL_S)
    state.settle(10, Settlement(None, 1000.25))
    assert state.take(Take(12, plan, POLL, sender=busy), 1000.25) is not None
    assert state.take(Take(13, plan, POLL, sender=slow), 1000.3) is None
    assert state.take(Take(14, plan, POLL, sender=busy), 1000.35) is not None
    state.settle(13, Settlement(None, 1000.4))
    assert state.take(Take(15, plan, INTERACTIVE, sender=slow), 1000.4) is None
    state.settle(15, Settlement(None, 1000.5))
    assert state.take(Take(16, plan, BACKFILL, sender=slow), 1000.5 + CLAIM_S + RESERVATION_S) is None


async def test_there_is_no_alarm_before_the_time_is_known_nor_without_a_limit() -> None:
    """Nothing is counted then, and nothing can be used up."""
    store, plan = MemoryQuotaStore(), Plan(month=1)
    assert warn(store, plan, 0.0) is None
    await store.take(Take(1, plan), 999.9)
    settle(store, 1, Settlement(999.9, 1000.0, landed=True, accepted=True, date=DATE))
    assert warn(store, Plan(minute=1), 1000.0) is None
    assert warn(store, plan, 1000.0) == UsageWarning(24305, 0.95, 1, 1, MONTH_END)
    assert warn(store, plan, 1000.0) is None


# Processes that live shorter than a request may take


LIFE_S, WALL = 35.0, 1_750_000_000.0


def read_by_others(record: Record, *, each_s: float, first: int, last: int) -> tuple[Record, KeyState, float]:
    """Let a process of its own read a record every so many seconds, with a monotonic clock of its own."""
    for number in range(first, last + 1):
        state, now = KeyState(LIFE_S), 5_000.0 * number
        state.load(record, now, Moment(now, WALL + each_s * number))
        record = Record.decode(state.dump(now, Moment(now, WALL + each_s * number)).encode())
    return record, state, now


def test_requests_of_the_killed_end_for_readers_that_live_shortly() -> None:
    """Nobody knew the server's time: without a common age they would hold all places for ever."""
    killed, plan = KeyState(LIFE_S), Plan(minute=100)
    for ticket in range(6):
        assert killed.take(Take(ticket, plan, sender=Sender(1, 6)), 1000.0) is None
    record, state, now = read_by_others(killed.dump(1000.0, Moment(1000.0, WALL)), each_s=10, first=1, last=3)
    assert len(record.pending) == 6
    assert state.take(Take(1, plan, sender=Sender(2, 6)), now) is not None
    record, state, now = read_by_others(record, each_s=10, first=4, last=5)
    assert (record.pending, record.unplaced) == ((), 6)
    assert state.take(Take(1, plan, sender=Sender(3, 6)), now) is None


def test_unanswered_requests_fill_a_minute_once() -> None:
    """Not that of every process anew which reads of them before anybody knows the server's time."""
    given_up, plan = KeyState(LIFE_S), Plan(minute=10)
    for ticket in range(10):
        assert given_up.take(Take(ticket, plan), 1000.0) is None
        given_up.settle(ticket, Settlement(1000.0, 1030.0))
    record = given_up.dump(1030.0, Moment(1030.0, WALL))
    for after, waits in ((1, True), (60, True), (70, False), (3600, False)):
        state = KeyState(LIFE_S)
        state.load(record, 7.0, Moment(7.0, WALL + after))
        assert (state.take(Take(1, plan), 7.0) is not None) is waits
    state = KeyState(LIFE_S)
    state.load(record, 7.0, Moment(7.0, WALL - 3600))  # a clock that was set back tells nothing
    assert state.take(Take(1, plan), 7.0) is not None
