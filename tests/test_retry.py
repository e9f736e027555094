"""Repeats: how many, how far apart, and never a flood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.errors import (
    DecodeError,
    EnlightenError,
    NotFound,
    ServerError,
    ServiceRetired,
    Throttled,
    TransportError,
    Unavailable,
)
from enlighten_async.retry import RetryPolicy, is_outage, is_overload

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
    "wrong",
    [
        {"attempts": 0},
        {"attempts": 10**30},
        {"base": -1},
        {"base": 1e300},
        {"cap": -1},
        {"cap": 10**30},
        {"share": -0.1},
        {"share": 1.1},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    """When it is made."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RetryPolicy(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TransportError("reset"), True),
        (ServerError("failed", status=502), True),
        (Unavailable("busy", status=503), True),
        (Unavailable("no data", status=500), True),
        (ServiceRetired("a page", status=200), True),
        (ServerError("not implemented", status=501), True),
        (TransportError("too large", passing=False), True),
        (Throttled("too many", status=409), False),
        (NotFound("none", status=404), False),
        (DecodeError("unreadable"), False),
    ],
)
def test_what_may_be_an_outage(error: EnlightenError, *, expected: bool) -> None:
    """Failures of the way and of the service; no refusal, and no answer that cannot be read."""
    assert is_outage(error) is expected


def test_an_unreadable_answer_is_asked_for_once_more() -> None:
    """Cut by the way, it comes whole the next time; what cannot pass is not repeated at all."""
    policy, cut = RetryPolicy(attempts=5), DecodeError("cut", passing=True)
    assert [policy.allows(n, cut) for n in (1, 2)] == [True, False]
    assert [policy.allows(n, TransportError("reset")) for n in (1, 4, 5)] == [True, True, False]
    assert not policy.allows(1, NotFound("none", status=404))
    assert not RetryPolicy(attempts=1).allows(1, cut)


def test_only_503_says_that_there_are_too_many_at_once() -> None:
    """Data that is not there for now is another matter."""
    assert is_overload(Unavailable("busy", status=503))
    for other in (Unavailable("not now", status=500), ServerError("failed", status=503), None):
        assert not is_overload(other)
