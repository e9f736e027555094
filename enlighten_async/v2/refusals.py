"""What an answer that is not data means: status and body to one of our errors, by a table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

import msgspec

from enlighten_async.dialect.iso import instant
from enlighten_async.errors import (
    APIError,
    AuthenticationError,
    EnlightenError,
    NotFound,
    PermissionDenied,
    RangeError,
    ServerError,
    ServiceRetired,
    Throttled,
    Unavailable,
)
from enlighten_async.windows import END_OF_TIME, as_datetime
from enlighten_async.wire import Response

UNAVAILABLE = 7
"""`errorCode` of a 500 by which the service says that data is not available for now."""

_REFUSALS: Mapping[int, tuple[type[APIError], str]] = {
    401: (AuthenticationError, "check the API key and the user id, and that the user granted access"),
    403: (PermissionDenied, "the user or the plan does not include this"),
    404: (NotFound, "check the system id, and that this user may see the system"),
    409: (Throttled, "over the plan's limit"),
    410: (ServiceRetired, "this version of the API has ended; use v4"),
    422: (RangeError, "the service takes the range for invalid"),
    503: (Unavailable, "too many requests at once, or the service is down"),
}

_RETIRED = "v2 of the service ended on 2024-06-30, and this is not an answer of it; use v4"


def explain(response: Response, *, official: bool) -> EnlightenError | None:
    """Return what an answer means if it is not data, else `None`.

    Args:
        response: the answer.
        official: whether it came from the service's own host, whose v2 has ended.
    """
    if response.status == 200 and "html" not in response.content_type:
        return None
    body = _envelope(response)
    if official and not body and (response.status in {200, 404, 410} or 300 <= response.status < 400):
        return ServiceRetired(_RETIRED, status=response.status, response=response)
    kind, advice = _kind(response, body)
    said = _text(body).rstrip(".")
    message = f"{response.status}{f' {said}' if said else ''}: {advice}"
    return _with_facts(kind(message, status=response.status, response=response), body)


def _kind(response: Response, body: Mapping[str, object]) -> tuple[type[APIError], str]:
    if response.status == 500 and body.get("errorCode") == UNAVAILABLE:
        return Unavailable, "the service does not have this data for now; ask again later"
    if response.status == 422 and _text(body).startswith("Couldn't find "):
        return _REFUSALS[404]
    if response.status == 200:
        return ServerError, "a web page came in place of data; check base_url and proxy"
    if 300 <= response.status < 400:
        return ServerError, "the service redirects, which its API never did; check base_url"
    return _REFUSALS.get(response.status, (ServerError, "the service failed"))


def _envelope(response: Response) -> Mapping[str, object]:
    """Return the body of a refusal as a mapping; an empty one if it is anything else."""
    try:
        body = msgspec.json.decode(response.body)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _text(body: Mapping[str, object]) -> str:
    """Return what a refusal says; the service has seven shapes for it."""
    for name in ("message", "errorMessages", "reason"):
        value = body.get(name)
        lines = value if isinstance(value, list) else [value]
        said = "; ".join(line for line in lines if isinstance(line, str) and line)
        if said and not said.isdigit():
            return said[:500]
    return ""


def _with_facts(error: APIError, body: Mapping[str, object]) -> APIError:
    """Put the facts of a refusal on its error."""
    if "errorCode" in body:
        error.error_code = _whole(body, "errorCode", 2**53)
    if isinstance(error, Throttled):
        period = body.get("period")
        error.period = period if isinstance(period, str) else ""
        error.period_start = _moment(body, "period_start")
        error.period_end = _moment(body, "period_end")
        error.limit = _whole(body, "limit", 2**53)
        error.retry_at = None if error.period_end is None else as_datetime(error.period_end)
    elif isinstance(error, RangeError):
        error.start_at = _moment(body, "start_at")
        error.end_at = _moment(body, "end_at")
        error.first_interval = _moment(body, "first_interval")
        error.last_interval = _moment(body, "last_interval")
        error.start_date, error.end_date = _day(body, "start"), _day(body, "end")
    return error


def _moment(body: Mapping[str, object], name: str) -> int | None:
    """Return an instant, in epoch seconds or ISO 8601, as epoch seconds; `None` for what cannot be one."""
    moment = instant(body.get(name))
    return _whole(body, name, END_OF_TIME - 1) if moment is None else moment


def _day(body: Mapping[str, object], name: str) -> date | None:
    """Return a local date; `None` for what cannot be such."""
    value = body.get(name)
    try:
        return datetime.fromisoformat(value).date() if isinstance(value, str) else None
    except ValueError:
        return None


def _whole(body: Mapping[str, object], name: str, most: int) -> int | None:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= most else None
