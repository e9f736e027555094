"""Requests and answers: plain values that show little and can be pickled."""

from __future__ import annotations

import pickle

import pytest
from attrs.exceptions import FrozenInstanceError

from enlighten_async.errors import ServerError
from enlighten_async.windows import Window
from enlighten_async.wire import Request, Response


def test_an_answer_does_not_show_its_body() -> None:
    """It may be a megabyte; it is kept, and survives a pickle."""
    response = Response(200, b"x" * 1_000_000, date=5.0)
    assert len(repr(response)) < 200
    assert pickle.loads(pickle.dumps(response)) == response  # noqa: S301 - our own


def test_a_request_says_what_it_asks_for() -> None:
    """It takes no error for an answer unless told to, and cannot be changed."""
    request = Request("summary", "/systems/7/summary", (("a", "b"),), lambda _: None, Window(0, 900))
    assert "decode" not in repr(request)
    assert "/systems/7/summary" in repr(request)
    assert request.empty_answer_for(ServerError("failed", status=500)) is None
    with pytest.raises(FrozenInstanceError):
        request.path = "/systems"  # type: ignore[misc]
