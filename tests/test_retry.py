"""Repeats: how many, how far apart, and never a flood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.errors import (
    DecodeError,
    EnlightenError,
    NotFound,
    RequestTimeout,
    ServerError,
    Throttled,
    TransportError,
    Unavailable,
)
from enlighten_async.retry import BUDGET_WINDOW_S, RetryBudget, RetryPolicy, is_overload, is_transient
from tests.effort import examples

POLICIES = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 10),
    base=st.just(0.0) | st.floats(0.001, 100),
    cap=st.floats(0, 100),
    share=st.floats(0, 1),
)


@given(policy=POLICIES, failures=st.integers(1, 10_000), chance=st.floats(0, 1, exclude_max=True))
def test_delays_stay_within_bounds(policy: RetryPolicy, failures: int, chance: float) -> None:
    """None is longer than the cap, the first not longer than the base, the next at most twice as long."""
    delay, most = policy.delay(failures, chance), policy.delay(failures, 1.0)
    assert 0 <= delay <= most <= policy.cap
    assert policy.delay(1, chance) <= policy.base
    assert policy.delay(failures + 1, 1.0) == min(policy.cap, most * 2) or most == policy.cap
    assert delay == pytest.approx(chance * most)


@given(policy=POLICIES, failures=st.integers(0, 20))
def test_a_request_is_sent_as_often_as_allowed(policy: RetryPolicy, failures: int) -> None:
    """First attempt included."""
    assert policy.allows(failures) == (failures < policy.attempts)


@pytest.mark.parametrize(
    "wrong", [{"attempts": 0}, {"base": -1}, {"cap": -1}, {"share": -0.1}, {"share": 1.1}], ids=str
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    """When it is made."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RetryPolicy(**wrong)  # type: ignore[arg-type]


@examples(300)
@given(
    share=st.floats(0, 1),
    minute=st.integers(1, 40),
    steps=st.lists(st.tuples(st.floats(0, 40), st.floats(0, 90)), max_size=80),
)
def test_repeats_keep_to_their_share(share: float, minute: int, steps: list[tuple[float, float]]) -> None:
    """In no 60 s are there more than allowed, in whatever order they are booked; none goes too early."""
    budget, now, booked = RetryBudget(RetryPolicy(share=share), minute), 1000.0, []
    for step, pause in steps:
        now += step
        at = budget.claim(now + pause)
        assert at >= now + pause
        booked.append(at)
    allowed = max(1, int(share * minute))
    booked.sort()
    for first, beyond in zip(booked, booked[allowed:], strict=False):
        assert beyond - first >= BUDGET_WINDOW_S - 1e-9


@given(minute=st.integers(1, 100), moments=st.lists(st.floats(0, 1e6), max_size=20).map(sorted))
def test_repeats_within_their_share_do_not_wait(minute: int, moments: list[float]) -> None:
    """A share of all lets as many go at once as the plan has requests."""
    budget = RetryBudget(RetryPolicy(share=1), minute)
    assert [budget.claim(moment) for moment in moments[:minute]] == moments[:minute]


def test_repeats_wait_no_longer_than_they_must() -> None:
    """As many as are allowed go together, a minute after those before them."""
    budget = RetryBudget(RetryPolicy(share=0.5), 6)
    assert [budget.claim(1.0) for _ in range(7)] == [1.0] * 3 + [61.0] * 3 + [121.0]


def test_one_repeat_is_always_allowed() -> None:
    """And the next a minute later, as a share of the free plan is less than one."""
    budget = RetryBudget(RetryPolicy(share=0), 10)
    assert [budget.claim(5.0), budget.claim(5.0), budget.claim(200.0)] == [5.0, 65.0, 200.0]


def test_a_plan_without_limit_sets_none() -> None:
    """Repeats go when they want."""
    budget = RetryBudget(RetryPolicy(), None)
    assert [budget.claim(1.0) for _ in range(100)] == [1.0] * 100


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TransportError("reset"), True),
        (RequestTimeout("late"), True),
        (ServerError("failed", status=500), True),
        (ServerError("failed", status=502), True),
        (ServerError("moved", status=302), False),
        (ServerError("empty", status=204), False),
        (Unavailable("not now", status=500), False),
        (Throttled("too many", status=409), False),
        (NotFound("none", status=404), False),
        (DecodeError("unreadable"), False),
    ],
)
def test_what_may_pass(error: EnlightenError, *, expected: bool) -> None:
    """Failures of the way and of the service; no refusal, and no answer that cannot be read."""
    assert is_transient(error) is expected


def test_only_503_says_that_there_are_too_many_at_once() -> None:
    """Data that is not there for now is another matter."""
    assert is_overload(Unavailable("busy", status=503))
    for other in (Unavailable("not now", status=500), ServerError("failed", status=503), None):
        assert not is_overload(other)
