"""Tokens show their times and nothing else."""

# ruff: noqa: D103  (names of tests are sentences)

from __future__ import annotations

import pickle
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.errors import InputError
from enlighten_async.oauth import Tokens
from enlighten_async.oauth.token_store import MARGIN

TIMES = st.floats(0, 1e11)
TOKENS = st.builds(
    Tokens,
    access_token=st.text(),
    refresh_token=st.none() | st.text(),
    expires_at=TIMES,
    obtained_at=TIMES,
    refresh_expires_at=st.none() | TIMES,
)


def made(**changes: Any) -> Tokens:
    given: dict[str, Any] = {"access_token": "a-CANARY", "refresh_token": "r-CANARY"}
    return Tokens(**{**given, "expires_at": 1000.0, "obtained_at": 0.0, **changes})


def test_only_times_are_shown() -> None:
    for text in (repr(made()), str(made()), f"{made()}"):
        assert "CANARY" not in text
        assert "1000.0" in text
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(made())


@given(TOKENS)
def test_revealed_tokens_are_the_same_again(tokens: Tokens) -> None:
    revealed = tokens.reveal()
    assert revealed["access_token"] == tokens.access_token.reveal()
    assert Tokens.of({**revealed, "unknown": 1}) == tokens


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("access_token", None),
        ("access_token", 5),
        ("refresh_token", 5),
        ("expires_at", None),
        ("expires_at", "1000"),
        ("expires_at", float("nan")),
        ("obtained_at", True),
        ("refresh_expires_at", "CANARY"),
    ],
)
def test_what_is_no_token_is_named_and_not_shown(name: str, value: object) -> None:
    with pytest.raises(InputError, match=name) as caught:
        Tokens.of({**made().reveal(), name: value})
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    shown = "".join(line for line in frames.format() if __file__ not in line)
    assert "CANARY" not in shown


@pytest.mark.parametrize(
    ("now", "good"), [(0.0, True), (1000 - MARGIN - 1, True), (1000 - MARGIN, False), (1001.0, False)]
)
def test_a_token_is_good_until_shortly_before_its_end(now: float, good: bool) -> None:
    assert made().good(now) is good


def test_a_short_life_is_used_by_half() -> None:
    short = made(expires_at=100.0)
    assert short.good(49.0)
    assert not short.good(50.0)
