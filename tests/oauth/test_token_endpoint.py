"""What an answer of the token endpoint means, however it is written."""

# ruff: noqa: D103  (names of tests are sentences)

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.errors import AuthenticationError, DecodeError, ServerError, Throttled
from enlighten_async.oauth import Tokens
from enlighten_async.oauth.token_endpoint import (
    DEFAULT_LIFE_S,
    MAX_LIFE_S,
    error_for,
    parse_tokens,
)
from enlighten_async.transport import Redactor
from enlighten_async.wire import Response
from tests.oauth.authority import OWNER, jwt

NOW = 1_750_000_000.0


def read(answer: Any, date: float | None = None) -> Tokens | DecodeError:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return parse_tokens(Response(200, body, date=date), NOW)


def life(expires_in: Any = None, access: str = "a", date: float | None = None) -> float:
    tokens = read({"access_token": access, "refresh_token": "r", "expires_in": expires_in}, date)
    assert isinstance(tokens, Tokens)
    return tokens.expires_at - NOW


@pytest.mark.parametrize("written", [86_393, "86393", 86_393.0, " 86393 "])
def test_a_life_is_a_number_or_a_text(written: object) -> None:
    assert life(written) == 86_393


@pytest.mark.parametrize("written", [None, "soon", 0, -5, True, [], "nan", "inf", 1e999, 10**400])
def test_without_a_life_the_token_itself_says_it_or_it_is_a_day(written: object) -> None:
    assert life(written) == DEFAULT_LIFE_S
    assert life(written, jwt(exp=NOW + 500)) == 500
    assert life(written, jwt(exp=str(int(NOW + 500)))) == 500
    assert life(written, jwt(exp=NOW + 500 - 7200), date=NOW - 7200) == 500  # our clock is two hours ahead
    assert life(written, jwt(exp=NOW - 500)) == DEFAULT_LIFE_S
    assert life(written, "a.b.c") == life(written, "a.=.c") == life(written, jwt(exp=None)) == DEFAULT_LIFE_S


def test_a_life_of_ages_is_not_believed() -> None:
    assert life(1e300) == MAX_LIFE_S


def test_the_end_of_the_refresh_token_is_read_from_it() -> None:
    for date, ahead in ((None, 0.0), (NOW - 100, 100.0)):
        tokens = read({"access_token": "a", "refresh_token": jwt(exp=NOW + 9)}, date)
        assert isinstance(tokens, Tokens)
        assert tokens.refresh_expires_at == NOW + 9 + ahead
    tokens = read({"access_token": "a", "refresh_token": "opaque"})
    assert isinstance(tokens, Tokens)
    assert tokens.refresh_expires_at is None


@pytest.mark.parametrize("refresh", [None, 7, "", "two words", "a\r\nb"])
def test_a_refresh_token_may_be_missing(refresh: object) -> None:
    tokens = read({"access_token": "a", "refresh_token": refresh})
    assert isinstance(tokens, Tokens)
    assert tokens.refresh_token is None


@pytest.mark.parametrize(
    "answer", [b"", b"<html>", b"[1]", b'"a"', b"\xff", b"[" * 99_999, {}, {"access_token": None}]
    + [{"access_token": value} for value in ("", 5, "a b", "a\nb", "é")],
)  # fmt: skip
def test_no_access_token_is_an_error_without_the_answer(answer: Any) -> None:
    error = read(answer)
    assert isinstance(error, DecodeError)
    assert (error.response, error.path) == (None, "$.access_token")
    assert error.passing


@pytest.mark.slow
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.dictionaries(
    st.sampled_from(["access_token", "refresh_token", "expires_in", "x"]), x) | st.lists(x)))  # fmt: skip
def test_any_answer_is_tokens_or_an_error(answer: Any) -> None:
    found = read(answer)
    if isinstance(found, Tokens):
        assert 0 < found.expires_at - NOW <= MAX_LIFE_S


def explain(status: int, body: Any, secrets: tuple[str, ...] = ()) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return error_for(
        Response(status, content), Redactor(secrets), lambda said: AuthenticationError(f"refused {said.text}")
    )


@pytest.mark.parametrize(
    "body", [{}, {"error": "server_error"}, {"access_token": "a", "error": "invalid_grant"}]
)
def test_a_200_is_no_failure(body: Any) -> None:
    assert explain(200, body) is None


@pytest.mark.parametrize("error", ["invalid_grant", "invalid_client"])
def test_a_verdict_under_status_200_is_one(error: str) -> None:
    failure = explain(200, {"error": error})
    assert isinstance(failure, AuthenticationError)
    assert not failure.passing


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize("error", ["invalid_client", "unauthorized_client"])
def test_an_unknown_application_is_told_what_to_check(status: int, error: str) -> None:
    failure = explain(status, {"error": error})
    assert type(failure) is AuthenticationError
    assert not failure.passing
    assert "client id and client secret" in str(failure)
    assert failure.status == status


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_grant_is_refused_by_one_code_only(status: int) -> None:
    refused = explain(status, {"error": "invalid_grant"})
    assert str(refused).startswith(f"refused (HTTP {status}")
    assert not refused.passing


@pytest.mark.parametrize("status", [300, 302, 400, 401, 403, 404, 409, 418, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("body", [
    {"error": "temporarily_unavailable"}, {"error": "server_error"}, {"error": "invalid_token"},
    {"error": "unauthorized"}, {"error": "slow_down"}, {"error": "Invalid_Grant"},
    {"error": ["invalid_grant"]}, {"message": "invalid_grant"}, {}, [], b"", b"{", b"\xff",
    b"<html>401</html>",
])  # fmt: skip
def test_all_other_answers_pass(status: int, body: Any) -> None:
    failure = explain(status, body)
    assert type(failure) is (Throttled if status == 429 else ServerError)
    assert failure.passing
    assert failure.status == status
    assert "later" in str(failure)
    assert "log in" not in str(failure)
    assert ("base_url" in str(failure)) == (status in {300, 302, 404})


def test_what_the_service_says_is_shown_without_what_is_personal() -> None:
    code, token = "2TJk7M", jwt(exp=5)
    text = f"bad code {code} of {OWNER}\nwith {token} and {'x' * 30} " + "word " * 99
    failure = explain(400, {"error": "invalid_grant", "error_description": text}, (code,))
    assert str(failure).startswith(
        "refused (HTTP 400, invalid_grant, bad code *** of *** with *** and *** word"
    )
    assert len(str(failure)) < 300
    assert failure.response is None


def test_what_is_said_may_be_of_any_type() -> None:
    for answer, said in (
        ({"error": 5, "message": ["x"]}, "(HTTP 401)"),
        ({"error": None}, "(HTTP 401)"),
        ({"message": "Not Authorized"}, "(HTTP 401, Not Authorized)"),
    ):
        assert said in str(explain(401, answer))
