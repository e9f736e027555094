"""The family of errors: who descends from whom, what they carry, and that they survive a pickle."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

from enlighten_async import errors
from enlighten_async.errors import (
    APIError,
    AuthenticationError,
    BackfillIncomplete,
    BudgetExceeded,
    DecodeError,
    EnlightenError,
    InputError,
    KeyMismatch,
    KeyMissing,
    MissingAccessControl,
    NotFound,
    NotSupported,
    PermissionDenied,
    QuotaExhausted,
    RangeError,
    ReauthorizationRequired,
    RequestTimeout,
    ServerError,
    ServiceRetired,
    StateUnavailable,
    Throttled,
    TokenRefused,
    TransportError,
    Unavailable,
    UsageError,
)
from enlighten_async.models import Receipt
from enlighten_async.wire import Response
from tests.test_docstrings import attributes_of

ANSWER = Response(422, b'{"reason": "no"}', date=1_750_000_000.0)
JULY = datetime(2025, 7, 1, tzinfo=UTC)
FAMILY = {
    EnlightenError: Exception,
    InputError: EnlightenError,
    NotSupported: InputError,
    UsageError: EnlightenError,
    StateUnavailable: EnlightenError,
    BudgetExceeded: EnlightenError,
    QuotaExhausted: EnlightenError,
    APIError: EnlightenError,
    AuthenticationError: APIError,
    TokenRefused: AuthenticationError,
    KeyMissing: AuthenticationError,
    KeyMismatch: AuthenticationError,
    ReauthorizationRequired: AuthenticationError,
    PermissionDenied: APIError,
    MissingAccessControl: PermissionDenied,
    NotFound: APIError,
    RangeError: APIError,
    Throttled: APIError,
    Unavailable: APIError,
    ServerError: APIError,
    ServiceRetired: APIError,
    TransportError: EnlightenError,
    RequestTimeout: TransportError,
    DecodeError: EnlightenError,
    BackfillIncomplete: EnlightenError,
}


MADE_WITH = {
    ReauthorizationRequired: {
        "status": 401,
        "account": "anna",
        "url": "https://api.example.com/oauth/authorize",
    },
    APIError: {"status": 422, "response": ANSWER},
    TransportError: {"sent": True, "phase": "body", "passing": False},
    DecodeError: {"path": "$.intervals", "response": ANSWER},
    BackfillIncomplete: {"missing": {1765: 3}},
    QuotaExhausted: {"period": "minute", "limit": 10, "retry_at": JULY},
    BudgetExceeded: {"retry_at": JULY},
    EnlightenError: {},
}
"""The facts of an error, by its class or the nearest above it."""


def made(kind: type[EnlightenError]) -> EnlightenError:
    """Make an error with all it may be given."""
    facts: Any = next(MADE_WITH[each] for each in kind.__mro__ if each in MADE_WITH)
    return kind("said", **facts)


def test_the_tree_is_the_documented_one() -> None:
    """Each error in the module, in the order of its documentation, under the parent drawn there."""
    public = {
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)
    }
    assert public == set(FAMILY)
    drawn = [line.strip("│├└─ ").split()[0] for line in (errors.__doc__ or "").splitlines() if "─" in line]
    assert drawn == [kind.__name__ for kind in FAMILY if kind is not EnlightenError]
    assert {kind: kind.__bases__[0] for kind in FAMILY} == FAMILY
    assert issubclass(InputError, ValueError)


def test_which_errors_end_a_query() -> None:
    """Those which every other request of it would meet as well."""
    assert {kind for kind in FAMILY if kind.ends_query} == {
        StateUnavailable,
        BudgetExceeded,
        QuotaExhausted,
        AuthenticationError,
        TokenRefused,
        KeyMissing,
        KeyMismatch,
        ReauthorizationRequired,
        PermissionDenied,
        MissingAccessControl,
        NotFound,
        ServiceRetired,
        Throttled,
    }


def test_which_errors_may_pass() -> None:
    """By itself an error is no reason to send again; a transport's is, unless it says otherwise."""
    assert {kind for kind in FAMILY if kind("said").passing} == {TransportError, RequestTimeout, ServerError}
    assert not TransportError("said", passing=False).passing


@pytest.mark.parametrize("kind", FAMILY)
@pytest.mark.parametrize("again", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])  # noqa: S301
def test_errors_survive_a_pickle(kind: type[EnlightenError], again: object) -> None:
    """With text, facts, and what the query puts on them: also themselves among their causes."""
    error = made(kind)
    error.partial = {"some": "rows"}
    error.causes = (error, NotFound("other", status=404))
    error.receipt = Receipt(sent=3, waited={"minute": 1.5})
    error.retry_at = JULY
    if isinstance(error, Throttled):
        error.period, error.period_end, error.limit = "month", JULY.timestamp(), 10_000
    if isinstance(error, RangeError):
        error.first_interval, error.last_interval = 900, 1800
    error.add_note("a note")
    copied = again(error)  # type: ignore[operator]
    assert (type(copied), str(copied), copied.args) == (kind, "said", ("said",))
    facts, expected = dict(vars(copied)), dict(vars(error))
    causes, _ = facts.pop("causes"), expected.pop("causes")
    assert facts == expected
    assert [(type(cause), str(cause)) for cause in causes] == [(kind, "said"), (NotFound, "other")]
    assert causes[0] in {copied, error}


@pytest.mark.parametrize("kind", FAMILY)
def test_an_error_by_itself_has_every_attribute(kind: type[EnlightenError]) -> None:
    """Also before a query puts anything on it, and made of its text alone."""
    error = kind("said")
    assert (error.partial, error.causes, error.retry_at, error.receipt) == (None, (), None, None)
    assert str(error) == "said"
    assert all(hasattr(error, name) for name in attributes_of(kind))
