"""What refusals mean: every shape the service is known to use, and whatever else may come."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.api.v2.api import error_for
from enlighten_async.errors import (
    APIError,
    AuthenticationError,
    NotFound,
    PermissionDenied,
    RangeError,
    ServerError,
    ServiceRetired,
    Throttled,
    Unavailable,
)
from enlighten_async.wire import Response
from tests.api.service_errors import error_of
from tests.effort import examples

RANGE = "Requested date range is invalid for this system"
WEEK = "Requested date range in one API hit cannot be more than 7 days. {:start_at=>1, :end_at=>9}"
JUNE, JULY = 1_748_736_000, 1_751_328_000


def answer(status: int, body: object, content_type: str = "application/json; charset=utf-8") -> Response:
    """Return a refusal; bytes are sent as they are."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, raw, content_type, date=1_750_000_000.0)


def explained(status: int, body: object, *, official: bool = True, **options: str) -> APIError:
    """Return the error that a refusal becomes."""
    response = answer(status, body, **options)
    error = error_of(response, error_for, official=official)
    assert isinstance(error, APIError)
    assert (error.status, error.response) == (status, response)
    return error


@pytest.mark.parametrize("official", [True, False])
@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (
            401,
            {"reason": "401", "message": ["Not authorized."]},
            AuthenticationError,
            "401 Not authorized: ",
        ),
        (403, {"reason": "403", "message": ["Forbidden"]}, PermissionDenied, "403 Forbidden: "),
        (
            404,
            {"reason": "404", "message": ["No site", "with 'id'=0"]},
            NotFound,
            "404 No site; with 'id'=0: ",
        ),
        (404, {"reason": "404", "errorMessages": ["No such Envoy"]}, NotFound, "404 No such Envoy: "),
        (
            409,
            {"reason": "409", "message": ["Too much for plan Watt"]},
            Throttled,
            "409 Too much for plan Watt: ",
        ),
        (410, {"reason": "410", "message": ["Gone"]}, ServiceRetired, "410 Gone: "),
        (422, {"reason": RANGE, "start_at": 1, "end_at": 9}, RangeError, f"422 {RANGE}: "),
        (422, {"reason": WEEK}, RangeError, f"422 {WEEK}: "),
        (
            422,
            {"message": "Couldn't find Site with 'id'=-1"},
            NotFound,
            "422 Couldn't find Site with 'id'=-1: ",
        ),
        (403, {"message": "Couldn't find access"}, PermissionDenied, "403 Couldn't find access: "),
        (422, {"errorMessages": ["start_date is missing"]}, RangeError, "422 start_date is missing: "),
        (500, {"errorCode": 7, "errorMessages": ["Not now."]}, Unavailable, "500 Not now: "),
        (500, {"errorCode": 8, "errorMessages": ["Never."]}, ServerError, "500 Never: "),
        (
            500,
            {"reason": "500", "type": "NoMethodError", "message": ["undefined method `x' for #<Y:0x1>"]},
            ServerError,
            "500 undefined method `x' for #<Y:0x1>: ",
        ),
        (501, {"reason": "501", "message": ["Not Implemented"]}, ServerError, "501 Not Implemented: "),
        (503, {"reason": "503"}, Unavailable, "503: "),
        (422, {"errorCode": 7, "errorMessages": ["Not now."]}, RangeError, "422 Not now: "),
        (422, {"reason": "Vague", "message": "Clear"}, RangeError, "422 Clear: "),
        (401, {"message": "The system has no enabled meter"}, AuthenticationError, "401 The system has no "),
        (400, {"reason": "400", "message": [1, None, {}]}, APIError, "400: "),
        (422, {"reason": 422, "message": [], "errorMessages": ""}, RangeError, "422: "),
        (422, {"reason": "422", "message": ["", "b"]}, RangeError, "422 b: "),
    ],
)
def test_every_known_shape(
    status: int, body: object, kind: type[APIError], text: str, *, official: bool
) -> None:
    """Its class comes from the status, its text from whichever field has one; a reason of digits has none."""
    error = explained(status, body, official=official)
    assert type(error) is kind
    assert str(error).startswith(text)
    assert len(str(error)) > len(text)


@pytest.mark.parametrize(
    ("status", "body", "official", "elsewhere"),
    [
        (200, b"<html>moved</html>", ServiceRetired, ServerError),
        (404, b"<html>no such page</html>", ServiceRetired, ServerError),
        (404, b"", ServiceRetired, NotFound),
        (410, b"", ServiceRetired, ServiceRetired),
        (301, b"", ServiceRetired, ServerError),
        (302, b"<html>", ServiceRetired, ServerError),
        (401, b"<html>", ServerError, ServerError),
        (403, b"<html>", ServerError, ServerError),
        (410, b"<html>", ServiceRetired, ServerError),
        (409, b"", Throttled, Throttled),
        (500, b"<html>", ServerError, ServerError),
        (502, b"<html>bad gateway", ServerError, ServerError),
        (503, b"<html>", Unavailable, Unavailable),
        (204, b"", APIError, APIError),
        (418, b"<html>", ServerError, ServerError),
        (422, b"<html>", ServerError, ServerError),
    ],
)
def test_what_is_no_answer_of_the_service(
    status: int, body: bytes, official: type[APIError], elsewhere: type[APIError]
) -> None:
    """From the service's own host a page, a redirect or nothing at a path says that v2 has ended."""
    assert type(explained(status, body, content_type="text/html")) is official
    assert type(explained(status, body, content_type="text/html", official=False)) is elsewhere


def test_retirement_says_what_to_do() -> None:
    """Also where the service itself would say it."""
    assert "use v4" in str(explained(404, b"<html>", content_type="text/html"))
    assert "use v4" in str(explained(410, {}))


@pytest.mark.parametrize("body", [b"{}", b"", b"not JSON"])
def test_data_is_no_refusal(body: bytes) -> None:
    """Whatever else comes with 200 is for the decoder to judge."""
    assert error_of(answer(200, body), error_for, official=True) is None


def test_the_facts_of_a_rejection() -> None:
    """As the service sent them; a period's end is when to ask again."""
    error = explained(409, {"period": "month", "period_start": JUNE, "period_end": JULY, "limit": 10_000})
    assert isinstance(error, Throttled)
    assert (error.period, error.period_start, error.period_end) == ("month", JUNE, JULY)
    assert (error.limit, error.retry_at) == (10_000, datetime(2025, 7, 1, tzinfo=UTC))


@pytest.mark.parametrize("limit", [5, 5.0, "5", " 5 ", "5.0"])
@pytest.mark.parametrize("period", ["minute", "Minute", "MINUTE ", "minutes"])
@pytest.mark.parametrize("end", [JULY, str(JULY), 1000 * JULY, float(JULY)])
def test_the_facts_of_a_rejection_in_other_forms(limit: object, period: str, end: object) -> None:
    """A limit that cannot be read costs a rejected request in each minute."""
    error = explained(409, {"period": period, "period_end": end, "limit": limit})
    assert isinstance(error, Throttled)
    assert (error.period, error.period_end, error.limit) == ("minute", JULY, 5)


def test_the_facts_of_a_range() -> None:
    """As the service sent them."""
    body = {"reason": RANGE, "start_at": 1800, "end_at": 2700.0, "first_interval": 900, "last_interval": 0}
    error = explained(422, body)
    assert isinstance(error, RangeError)
    assert (error.start_at, error.end_at, error.first_interval, error.last_interval) == (1800, 2700, 900, 0)


def test_the_days_of_a_range() -> None:
    """Of the endpoints that count in days."""
    error = explained(422, {"reason": RANGE, "start": "2025-07-02", "end": "2025-07-01T00:00:00-07:00"})
    assert isinstance(error, RangeError)
    assert (error.start_date, error.end_date) == (date(2025, 7, 2), date(2025, 7, 1))
    for wrong in (None, True, 20250702, "2025-07-32", "", [JULY]):
        error = explained(422, {"reason": RANGE, "start": wrong, "end": wrong})
        assert isinstance(error, RangeError)
        assert (error.start_date, error.end_date) == (None, None)


@pytest.mark.parametrize(
    ("body", "code"),
    [({"errorCode": 7}, 7), ({"errorCode": "7"}, None), ({"errorCode": -1}, None), ({}, None)],
)
@pytest.mark.parametrize("status", [404, 422, 500])
def test_the_services_own_number_of_an_error(status: int, body: object, code: int | None) -> None:
    """Passed on, whatever the status."""
    assert explained(status, body, official=False).error_code == code


@pytest.mark.parametrize("wrong", [None, True, "2025-07-01", -1, 10**400, 1e300, [JULY], {}])
def test_what_is_no_fact_is_left_out(wrong: object) -> None:
    """Rather than believed."""
    error = explained(409, {"period": 60, "period_start": wrong, "period_end": wrong, "limit": wrong})
    assert isinstance(error, Throttled)
    assert (error.period, error.period_start, error.period_end) == ("", None, None)
    assert (error.limit, error.retry_at) == (None, None)
    error = explained(422, dict.fromkeys(("start_at", "end_at", "first_interval", "last_interval"), wrong))
    assert isinstance(error, RangeError)
    assert {error.start_at, error.end_at, error.first_interval, error.last_interval} == {None}


def test_a_long_text_is_cut() -> None:
    """A message is for reading; the whole body is in `response`."""
    assert len(str(explained(500, {"message": "x" * 10_000}))) < 600


NAMES = (
    *("message", "errorMessages", "reason", "errorCode", "period", "period_end"),
    *("limit", "first_interval", "start", "end"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=8),
    max_leaves=12,
)
BODIES = (
    st.binary(max_size=200)
    | st.sampled_from(
        [b"[" * 5000, b'{"message":' * 3000, b'{"period_end":1e999}', b"\xef\xbb\xbf{}", b"\xff"]
    )
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.sampled_from(NAMES), JSON).map(lambda value: json.dumps(value).encode())
)


@pytest.mark.slow
@examples(500)
@given(
    status=st.integers(100, 599) | st.sampled_from([200, 401, 404, 409, 422, 500]),
    body=BODIES,
    html=st.booleans(),
    official=st.booleans(),
)
def test_any_body_is_one_of_our_errors(status: int, body: bytes, *, html: bool, official: bool) -> None:
    """Or, with 200 and no page, data, whatever type it is called; the error holds the answer."""
    response = answer(status, body, "text/html" if html else "application/json")
    error = error_of(response, error_for, official=official)
    if error is None:
        assert status == 200
        return
    assert isinstance(error, APIError)
    assert error.response is response
    assert str(status) in str(error) or isinstance(error, ServiceRetired)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_facts_come_in_either_format_of_instants() -> None:
    """Under `datetime_format=iso8601` the service writes those of its refusals as local time, too."""
    body = {"reason": RANGE, "start_at": "2022-01-21T07:20:00-08:00", "last_interval": "2022-01-21T00:00:00Z"}
    error = explained(422, body, official=False)
    assert isinstance(error, RangeError)
    assert (error.start_at, error.last_interval) == (1_642_778_400, 1_642_723_200)
    naive = explained(422, {"reason": RANGE, "start_at": "2022-01-21T07:20:00"}, official=False)
    assert isinstance(naive, RangeError)
    assert naive.start_at is None


@pytest.mark.parametrize("status", [409, 429])
@pytest.mark.parametrize(
    ("end", "header", "seconds", "period_end", "retry_at"),
    [
        (None, None, None, None, None),
        (None, 17.0, 17.0, 17, 17),
        (30, None, None, 30, 30),
        (30, 17.0, 17.0, 30, 30),
        (30, 3600.0, 3600.0, 30, 3600),  # both are obeyed: the later one counts
    ],
)
def test_until_when_a_rejection_wants_no_requests(
    status: int,
    end: int | None,
    header: float | None,
    seconds: float | None,
    period_end: int | None,
    retry_at: int | None,
) -> None:
    """By its body and by its header, under either status."""
    now = 1_750_000_000
    body = json.dumps({} if end is None else {"period": "minute", "period_end": now + end}).encode()
    response = Response(status, body, "application/json", date=now, retry_after=header)
    error = error_for(response, official=True)
    assert isinstance(error, Throttled)
    told = None if error.retry_at is None else error.retry_at.timestamp() - now
    ends = None if error.period_end is None else error.period_end - now
    assert (error.retry_after, ends, told) == (seconds, period_end, retry_at)
