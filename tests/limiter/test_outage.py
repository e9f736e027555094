"""The machine of outages: when nothing more is sent, when a probe may go, and what ends it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.errors import (
    DecodeError,
    EnlightenError,
    RequestTimeout,
    ServerError,
    ServiceRetired,
    Throttled,
    TransportError,
    Unavailable,
)
from enlighten_async.limiter.outage import (
    CALM,
    MAX_TARGETS,
    RENEWAL,
    TOKENS,
    Failure,
    Outage,
    target_of,
)

A, B, C = "/systems/1/summary", "/systems/2/summary", "/systems/1/rgm_stats"
BROKEN = Failure("ServerError", "500: the service failed", 500)
HOUR, DAY = 3600.0, 86_400.0


def failed(*paths: str, outage: Outage = CALM, now: float = 0.0, attempts: int = 3) -> Outage:
    """Return the state after these paths failed, one after another."""
    for path in paths:
        outage = outage.failed(path, BROKEN, now, attempts)
    return outage


@pytest.mark.parametrize(
    ("paths", "closed"),
    [
        ((A,), ()),
        ((A, B), ()),
        ((A, A), ()),
        ((A, A, B), (A, B, C)),  # two systems, or two endpoints: it is the service
        ((A, A, C), (A, B, C)),
        ((A, A, A, A), ()),
        ((A, A, A, A, A), (A,)),  # one endpoint of one system: its own fault, perhaps
        ((A, A, A, B), (A, B, C)),
    ],
)
def test_how_many_failures_of_what_close_what(paths: tuple[str, ...], closed: tuple[str, ...]) -> None:
    """Three in a row on two targets for the service, five for a target alone."""
    outage = failed(*paths)
    assert tuple(path for path in (A, B, C) if outage.closed(path, 1.0)) == closed


def test_a_success_between_starts_over() -> None:
    """For the service whatever succeeded; for a target only its own success."""
    outage = failed(A, A, outage=failed(A, A, A).answered(B))
    assert (outage.service.failures, outage.targets[A].failures) == (2, 5)
    assert outage.closed(A, 1.0)
    assert not outage.closed(B, 1.0)
    assert outage.answered(A) == CALM
    assert failed(A, A).answered(A) == CALM


@pytest.mark.parametrize(("failures", "open_again"), [(5, False), (6, True)])
def test_what_one_target_saw_alone_may_have_been_an_outage(failures: int, *, open_again: bool) -> None:
    """Once a probe has failed too, the first success of another opens it."""
    assert (failed(*[A] * failures).answered(B).closed(A, 1.0) is None) == open_again


def test_a_target_may_fail_as_often_as_one_request_is_sent() -> None:
    """With more attempts, later; with fewer, after five all the same."""
    assert not failed(*[A] * 6, attempts=7).closed(A, 1.0)
    assert failed(*[A] * 7, attempts=7).closed(A, 1.0)
    assert not failed(*[A] * 4, attempts=1).closed(A, 1.0)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/systems/1765/rgm_stats", "/systems/1765/rgm_stats"),
        ("/systems/1765/devices/micros/4829/telemetry", "/systems/1765/devices/micros/telemetry"),
        ("/systems", "/systems"),
        ("/systems/search", "/systems/search"),
    ],
)
def test_a_target_is_an_endpoint_of_a_system(path: str, target: str) -> None:
    """Each of its devices fails by the same cause."""
    assert target_of(path) == target


@pytest.mark.parametrize(("failures", "room"), [(0, None), (1, 2), (2, 1)])
def test_failures_and_requests_in_flight_stay_below_the_threshold(failures: int, room: int | None) -> None:
    """All of them may fail; one may always go."""
    outage = failed(*[A] * failures)
    assert outage.room == (float("inf") if room is None else room)
    assert failed(A, A, A, A).room == 1


def probes(outage: Outage, seconds: float, every: float = 5.0, path: str = B) -> list[float]:
    """Return when requests leave if somebody asks all the time and each fails."""
    times, number, now = [], 0, 0.0
    while now < seconds:
        now += every
        if outage.closed(path, now) is None:
            number += 1
            outage = outage.sent(path, number, now).failed(path, BROKEN, now + 1)
            times.append(now)
    return times


@pytest.mark.parametrize("paths", [(A, A, A, B), (B, B, B, B, B)])
def test_probes_become_seldom(paths: tuple[str, ...]) -> None:
    """After 1, 3, 7 minutes, then every six minutes of the first hour at the most, then once an hour."""
    times = probes(failed(*paths), DAY)
    assert times[:3] == pytest.approx([60, 180, 420], abs=15)
    gaps = [(later, later - first) for first, later in pairwise(times)]
    assert max(gap for later, gap in gaps if later <= HOUR) <= 360
    assert max(gap for _, gap in gaps) <= HOUR
    assert sum(moment <= HOUR for moment in times) + len(paths) <= 17
    assert len(times) + len(paths) <= 41


@given(
    steps=st.lists(
        st.tuples(st.floats(0, 400), st.sampled_from([A, B, C]), st.sampled_from(["sent", "unsent", "late"])),
        max_size=300,
    )
)
def test_no_more_leaves_than_the_schedule_allows(steps: list[tuple[float, str, str]]) -> None:
    """Whatever callers do, and however long answers take, in no hour of an outage are there more than 13."""
    outage, now, number, left, late = failed(A, A, B), 0.0, 0, [0.0] * 3, []
    for pause, path, end in steps:
        now += pause
        if outage.closed(path, now) is not None:
            continue
        number += 1
        outage = outage.sent(path, number, now)
        assert outage.closed(path, now) is not None
        if end == "unsent":
            outage = outage.unsent(number, now)
            continue
        left.append(now)
        late = [path] if end == "late" else []
        outage = outage if late else failed(path, outage=outage, now=now)
    for first in left:
        assert sum(first < moment <= first + HOUR for moment in left) <= 13
    assert len(left) <= 3 + 13 + now / 3500


@given(
    paths=st.lists(st.sampled_from([A, B, C]), min_size=3, max_size=20).filter(lambda p: len(set(p)) > 1),
    after=st.floats(0, DAY),
    winner=st.sampled_from([A, B, C]),
)
def test_a_success_in_an_outage_opens_everything(paths: list[str], after: float, winner: str) -> None:
    """At once, without a debt, whatever it was that succeeded."""
    outage = failed(*paths)
    assert outage.service.next_at is not None
    assert outage.sent(winner, 1, after).answered(winner) == CALM


def test_a_probe_that_did_not_leave_is_no_probe() -> None:
    """The next caller may go instead; what did not close anything changes nothing."""
    outage = failed(A, A, B).sent(A, 7, 61.0)
    assert outage.closed(B, 62.0)
    assert outage.unsent(6, 62.0).closed(B, 62.0)
    assert outage.unsent(7, 62.0).closed(B, 62.0) is None
    alone = failed(A, A, A, A, A).sent(A, 7, 61.0)
    assert alone.closed(A, 62.0)
    assert alone.unsent(7, 62.0).closed(A, 62.0) is None
    assert failed(A).sent(A, 7, 1.0).unsent(7, 1.0) == failed(A).sent(A, 7, 1.0)


def test_the_service_is_left_alone_as_long_as_it_asks() -> None:
    """`Retry-After` of one failure holds all; it wins over the schedule if it is longer, and is bounded."""
    outage = CALM.failed(A, BROKEN, 0.0, rest=300.0)
    assert outage.closed(B, 299.0)
    assert outage.closed(B, 301.0) is None
    # One failure is no outage: then all go on.
    after = outage.sent(B, 1, 301.0)
    assert (after.closed(A, 301.0), after.service.next_at, after.room) == (None, None, 2)
    assert failed(A, A, B, outage=outage, now=1.0).closed(B, 299.0)
    assert failed(A, A, B).failed(A, BROKEN, 1.0, rest=900.0).closed(B, 899.0)
    assert failed(A, A, B).failed(A, BROKEN, 1.0, rest=5.0).closed(B, 59.0)
    assert CALM.failed(A, BROKEN, 0.0, rest=100_000.0).closed(B, 99_999.0)  # more than a day


@pytest.mark.parametrize(
    ("outage", "path", "lasting"),
    [
        (failed(A, A, B), C, (True, True, True, False)),
        (failed(A, A, A, A, A), A, (True, True, True, False)),
        (failed(A, A, A, A, A), B, (False, False, False, False)),
        (failed(A, A), A, (False, False, False, False)),
        (CALM.failed(A, BROKEN, 0.0, rest=60.0), B, (True, True, False, False)),
    ],
)
def test_who_cannot_wait_is_told_of_what_lasts(
    outage: Outage, path: str, lasting: tuple[bool, bool, bool, bool]
) -> None:
    """Also when a probe may go; not when that is overdue by as long as it was waited for, or was a rest."""
    found = tuple(outage.lasting(path, now) is not None for now in (1.0, 60.0, 120.0, 121.0))
    assert found == lasting


def test_tokens_are_one_target_of_the_outage() -> None:
    """Alone they close themselves; with another target, the service; their rest holds only them."""
    assert not failed(*[TOKENS] * 4).closed(TOKENS, 1.0)
    alone = failed(*[TOKENS] * 5)
    assert alone.closed(TOKENS, 1.0)
    assert alone.closed(A, 1.0) is None
    assert alone.answered(A).closed(TOKENS, 1.0)
    assert alone.renewed(2.0) == CALM
    both = failed(TOKENS, TOKENS, A)
    assert both.closed(B, 1.0)
    assert both.closed(TOKENS, 1.0)
    assert both.renewed(2.0) == CALM
    resting = CALM.failed(TOKENS, BROKEN, 0.0, rest=900.0)
    assert resting.closed(TOKENS, 899.0)
    assert resting.closed(A, 1.0) is None
    assert resting.closed(TOKENS, 901.0) is None


def test_tokens_in_an_outage_of_the_rest_let_one_request_go() -> None:
    """It tells whether the rest is well; if not, the next comes when it would have come."""
    outage = failed(A, A, B)
    assert outage.closed(TOKENS, 59.0)
    probing = outage.sent(TOKENS, RENEWAL, 61.0)
    assert probing.closed(C, 62.0)
    renewed = probing.renewed(62.0)
    assert renewed.closed(C, 62.0) is None
    after = renewed.sent(C, 8, 62.0)
    assert after.closed(A, 63.0)
    assert after.service.next_at == outage.sent(C, 8, 62.0).service.next_at
    # One that was under way before the outage began tells nothing.
    assert outage.renewed(5.0) == outage
    assert probing.unsent(RENEWAL, 62.0).closed(C, 62.0) is None


def test_a_clock_that_is_set_back_keeps_nobody_waiting() -> None:
    """A moment that lies further ahead than it was set is not believed."""
    assert failed(A, A, B, now=1e6).closed(A, 1e6 - HOUR) is None


def test_few_targets_are_remembered() -> None:
    """The last ones."""
    outage = failed(*(f"/systems/{number}/summary" for number in range(100)))
    assert len(outage.targets) == MAX_TARGETS
    assert "/systems/99/summary" in outage.targets


@pytest.mark.parametrize(
    "error",
    [
        ServerError("500: failed", status=500),
        Unavailable("503: busy", status=503),
        TransportError("reset", sent=True, phase="wait"),
        RequestTimeout("late", sent=True),
        DecodeError("cut"),
        ServiceRetired("ended", status=200),
        Throttled("429: too many requests for tokens", status=429),
    ],
)
def test_a_refusal_is_the_failure_s_own_error(error: EnlightenError) -> None:
    """Its class, status and text, how long it has lasted, and when the next request may go."""
    outage = CALM
    for path in (A, A, B):
        outage = outage.failed(path, Failure.of(error), 10.0)
    run = outage.closed(C, 40.0)
    assert run is not None
    refusal = run.refusal(40.0, 1_750_000_040.0)
    assert type(refusal) is type(error)
    assert getattr(refusal, "status", 0) == getattr(error, "status", 0)
    assert getattr(refusal, "sent", False) is False
    assert str(error) in str(refusal)
    assert "not sent: 3 failures in a row for 30 s" in str(refusal)
    assert refusal.retry_at is not None
    assert refusal.retry_at.timestamp() == pytest.approx(1_750_000_070)
    run.explain(error, 40.0, 1_750_000_040.0)
    assert "3 in a row: nothing more is sent until" in str(error)
    assert error.retry_at == refusal.retry_at


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (8000, "2 h")]
)
def test_how_long_it_lasts_is_told(seconds: float, text: str) -> None:
    """In seconds, minutes or hours."""
    assert f"for {text}," in str(failed(A, A, B).service.refusal(seconds, 1_750_000_000.0))


# Repeats


def test_repeats_are_spent_when_they_are_made() -> None:
    """One that finds none left is not made, and none is booked ahead."""
    outage: Outage = CALM
    for _ in range(2):
        after = outage.repeated(2.0, 100.0)
        assert after is not None
        outage = after
    assert outage.repeated(2.0, 100.0) is None
    assert outage.repeated(2.0, 129.0) is None
    assert outage.repeated(2.0, 130.0) is not None
    assert outage.repeated(2.0, 1e6) is not None


def test_successes_give_repeats_back() -> None:
    """A tenth each; in the end nothing is left of them."""
    outage = CALM.repeated(1.0, 0.0)
    assert outage is not None
    for _ in range(10):
        assert outage.repeated(1.0, 0.0) is None
        outage = outage.answered(A)
    assert outage.repeats == pytest.approx(0)
    assert outage.answered(A) == CALM


@given(
    allowed=st.integers(1, 40),
    steps=st.lists(st.floats(0, 40), max_size=80),
)
def test_repeats_keep_to_their_share(allowed: int, steps: list[float]) -> None:
    """However they come: what is allowed at once, and as much in each minute."""
    outage, now, made = CALM, 0.0, 0
    for step in steps:
        now += step
        after = outage.repeated(allowed, now)
        made += after is not None
        outage = outage if after is None else after
    assert made <= allowed * (1 + now / 60) + 1e-6
