"""What refusals of v4 mean: each envelope, each meaning of 401, both bodies of 429, and any other."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enlighten_async.api.v4.errors import error_for
from enlighten_async.errors import (
    APIError,
    AuthenticationError,
    KeyMismatch,
    KeyMissing,
    MissingAccessControl,
    NotFound,
    PermissionDenied,
    RangeError,
    ServerError,
    Throttled,
    TokenRefused,
    Unavailable,
)
from enlighten_async.wire import Response
from tests.api.service_errors import error_of
from tests.api.v2.test_errors import BODIES
from tests.effort import examples

NOW = 1_750_000_000.0
RANGE = "Requested date range is invalid for this system"


def answer(
    status: int, body: object, content_type: str = "application/json", retry_after: float | None = None
) -> Response:
    """Return a refusal; bytes are sent as they are."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, raw, content_type, date=NOW, retry_after=retry_after)


def explained(status: int, body: object, endpoint: str = "summary", **options: float) -> APIError:
    """Return the error that a refusal becomes."""
    response = answer(status, body, **options)  # type: ignore[arg-type]
    error = error_of(response, error_for, endpoint)
    assert isinstance(error, APIError)
    assert (error.status, error.response) == (status, response)
    return error


def plain(title: str, details: object, code: object = 0) -> dict[str, object]:
    """Return the usual envelope."""
    return {"message": title, "details": details, "code": code}


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (401, plain("Not Authorized", "User is not authorized"), TokenRefused, "User is not authorized"),
        (401, b"", TokenRefused, "401: the access token"),
        (
            401,
            plain("Not Authorized", "Not authorized to access this resource"),
            MissingAccessControl,
            "'System Details'",
        ),
        (
            401,
            plain("Not authorized.", "Keys are missing at Header location"),
            KeyMissing,
            "Keys are missing",
        ),
        (401, plain("API Key -Client mismatch", "They do not match"), KeyMismatch, "mismatch: They do not"),
        (401, {"error": {"code": 401, "message": "API Key is invalid"}}, AuthenticationError, "is invalid"),
        (403, plain("Forbidden", "Not authorized to access this resource"), PermissionDenied, "granted"),
        (404, plain("Not Found", 'System not found for {:id=>"1"}'), NotFound, "System not found"),
        (404, plain("Not Authorized", 'System not found for {:id=>"1"}'), NotFound, "System not found"),
        (400, plain("Bad request", ["Invalid system_id", "Invalid offset/limit"], "400"), NotFound, "offset"),
        (400, plain("Bad request", "Invalid granularity", "400"), RangeError, "Invalid granularity"),
        (405, {"reason": "405", "message": ["Method not allowed"]}, APIError, "Method not allowed"),
        (422, plain("Unprocessable Entity", RANGE), RangeError, RANGE),
        (422, plain("Unprocessable Entity", "start_time is required"), RangeError, "start_time is required"),
        (422, plain("Unprocessable Entity", f"Invalid request because of '{RANGE}'"), RangeError, RANGE),
        (429, plain("Too Many Requests", "Usage limit exceeded for plan Watt"), Throttled, "for plan Watt"),
        (429, {"reason": "429", "message": ["Usage limit exceeded"]}, Throttled, "Usage limit exceeded"),
        (429, {"error": {"code": 429, "message": "Too Many Requests"}}, Throttled, "Too Many Requests"),
        (500, {"errorCode": 7, "errorMessages": ["Not for now"]}, Unavailable, "Not for now"),
        (500, plain("Internal Server Error", "unable to fetch data"), ServerError, "unable to fetch data"),
        (501, {"reason": "501", "message": ["Not Implemented"]}, ServerError, "Not Implemented"),
        (503, b"busy", Unavailable, "too many requests at once"),
        (302, b"", ServerError, "redirects"),
    ],
)
def test_every_known_envelope(status: int, body: object, kind: type[APIError], text: str) -> None:
    """Its class comes from status and text, its text from the details where there are some."""
    error = explained(status, body)
    assert type(error) is kind
    assert text in str(error)
    assert str(status) in str(error)


@pytest.mark.parametrize(
    ("endpoint", "control", "plan"),
    [
        ("rgm_stats", "Site Level Production Monitoring", "Watt"),
        ("battery", "Site Level Consumption Monitoring", "Watt"),
        ("micro_telemetry", "Device Level Production Monitoring", "Kilowatt"),
        ("storm_guard", "System Configurations", "Megawatt"),
        ("something new", "", ""),
    ],
)
def test_a_missing_access_control_is_named(endpoint: str, control: str, plan: str) -> None:
    """With the smallest plan that has it."""
    error = explained(401, plain("Not Authorized", "Not authorized to access this resource"), endpoint)
    assert isinstance(error, MissingAccessControl)
    assert error.access_control == control
    assert endpoint in str(error)
    assert plan in str(error)


def test_the_long_body_of_a_rejection() -> None:
    """Says which window is full, and until when."""
    body = plain("Too Many Requests", "Usage limit exceeded", 429) | {
        "period": "month",
        "period_start": 1_748_736_000,
        "period_end": 1_751_328_000,
        "limit": 1000,
    }
    error = explained(429, body)
    assert isinstance(error, Throttled)
    assert (error.period, error.period_end, error.limit) == ("month", 1_751_328_000, 1000)
    assert error.retry_at == datetime(2025, 7, 1, tzinfo=UTC)


def test_the_short_body_of_a_rejection() -> None:
    """Says nothing more; a header may say how long to wait."""
    error = explained(429, plain("Too Many Requests", "Usage limit exceeded", 429))
    assert isinstance(error, Throttled)
    assert (error.period, error.period_end, error.limit, error.retry_at) == ("", None, None, None)
    error = explained(429, plain("Too Many Requests", "Usage limit exceeded", 429), retry_after=17.0)
    assert isinstance(error, Throttled)
    assert (error.period_end, error.retry_after, error.limit) == (NOW + 17, 17, None)


def test_the_facts_in_the_tail_of_a_text() -> None:
    """Instants where there were instants, and days where there were days."""
    told = "{:start_at=>1800, :end_at=>2700, :first_interval=>900, :last_interval=>0}"
    error = explained(422, plain("Unprocessable Entity", f"Invalid request because of '{RANGE}. {told}'"))
    assert isinstance(error, RangeError)
    assert (error.start_at, error.end_at, error.first_interval, error.last_interval) == (1800, 2700, 900, 0)
    days = "{:start_at=>2024-01-31, :end_at=>2024-01-30}"
    error = explained(422, plain("Unprocessable Entity", f"{RANGE}. {days}"))
    assert isinstance(error, RangeError)
    assert (error.start_date, error.end_date) == (date(2024, 1, 31), date(2024, 1, 30))
    assert (error.start_at, error.end_at) == (None, None)


@pytest.mark.parametrize("called", ["application/json", "text/html", "application/octet-stream"])
@pytest.mark.parametrize("body", [b"{}", b"", b" [1]", b"\xef\xbb\xbf{}"])
def test_data_is_no_refusal(body: bytes, called: str) -> None:
    """Whatever comes with 200 is for the decoder to judge, whatever it is called."""
    assert error_of(answer(200, body, called), error_for, "summary") is None


@pytest.mark.parametrize("called", ["application/json", "text/html"])
@pytest.mark.parametrize("body", [b"<html>", b"\xef\xbb\xbf\n <!DOCTYPE html>"])
@pytest.mark.parametrize("status", [200, 203, 302, 400, 401, 403, 404, 413, 418, 422, 500, 502, 504])
def test_a_web_page_is_a_failure_that_may_pass(status: int, body: bytes, called: str) -> None:
    """Whatever it is called, and under every status but those that say that there were too many requests."""
    error = error_of(answer(status, body, called), error_for, "summary")
    assert type(error) is ServerError
    assert error.passing
    assert "a web page" in str(error)


@pytest.mark.parametrize(
    ("status", "passing"),
    [
        *((500, True), (502, True), (503, True), (504, True), (599, True), (302, True), (307, True)),
        *((501, False), (505, False), (511, False), (301, False), (308, False)),
        *((203, False), (204, False), (400, False), (404, False), (405, False), (422, False), (429, False)),
    ],
)
def test_which_statuses_may_pass(status: int, passing: bool) -> None:
    """5xx and temporary redirects, but for those that tell of something that lasts."""
    assert explained(status, {"message": "said"}).passing is passing


def test_data_that_is_not_there_does_not_come_within_moments() -> None:
    """It is a gap of the answer."""
    assert not explained(500, {"errorCode": 7}).passing


@pytest.mark.parametrize("status", [203, 402, 405, 406, 418, 451])
def test_an_unknown_status_says_what_it_is(status: int) -> None:
    """A refusal of the request is no failure of the service."""
    error = explained(status, plain("Said", "why"))
    assert type(error) is APIError
    assert f"({status})" in str(error)
    assert "failed" not in str(error)
    assert ("refused the request" in str(error)) is (status >= 400)


@pytest.mark.slow
@examples(500)
@given(
    status=st.integers(100, 599) | st.sampled_from([200, 400, 401, 404, 422, 429, 500]),
    body=BODIES,
    html=st.booleans(),
)
def test_any_body_is_one_of_our_errors(status: int, body: bytes, *, html: bool) -> None:
    """Or, with 200 and no page, data; the error holds the answer and can be pickled."""
    response = answer(status, body, "text/html" if html else "application/json")
    error = error_of(response, error_for, "stats")
    if error is None:
        assert status == 200
        return
    assert isinstance(error, APIError)
    assert error.response is response
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


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
    error = error_for(response, "rgm_stats")
    assert isinstance(error, Throttled)
    told = None if error.retry_at is None else error.retry_at.timestamp() - now
    ends = None if error.period_end is None else error.period_end - now
    assert (error.retry_after, ends, told) == (seconds, period_end, retry_at)
