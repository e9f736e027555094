"""Bodies of errors in any of the service's seven shapes: their texts and their facts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime

import msgspec

from enlighten_async.api.decode import instant
from enlighten_async.errors import APIError, EnlightenError, RangeError, ServerError, Throttled, Unavailable
from enlighten_async.models.convert import parse_count
from enlighten_async.windows import DAY, END_OF_TIME, as_datetime
from enlighten_async.wire import BYTE_ORDER_MARK, Response

UNAVAILABLE = 7
"""`errorCode` of a 500 by which the service says that data is not available for now."""

MAX_ERROR_BYTES = 65_536
"""Largest body that is searched for a text or facts about an error."""

INVALID_RANGE = "invalid for this system"
"""Text of an error about a range for which there is nothing, whatever its status."""

FUTURE_RANGE = "is in the future"
"""Text of an error about a range, or days, of which there is nothing yet; some endpoints say it of today."""

_TOO_LONG = re.compile(
    r"(?:more|longer|greater|wider) than|less than (?:\d|an? |one )|exceed\w*|at most|no more|limited to"
    r"|\bmax(?:imum)?\b|too (?:long|large|wide)|multi-?day",
    re.IGNORECASE,
)
"""Texts of errors about a range that is longer than one request may ask for."""

_LENGTH = re.compile(r"(\d+|\ba|\bone) ?-?(hour|day|week)", re.IGNORECASE)
"""The length that such a text names, as the longest that one request may ask for."""

_SECONDS = {"hour": 3600, "day": DAY, "week": 7 * DAY}

_NO_DEVICE = re.compile(
    r"\b(?:no|not contain any) active and enabled|(?:\bno|n't have(?: any)?) encharges", re.IGNORECASE
)
"""Texts of errors about a system that has no such meter, or no batteries: the statuses differ."""


def says_no_device(error: EnlightenError) -> bool:
    """Tell whether an error says, under any status, that a system has no device of the kind asked about."""
    return isinstance(error, APIError) and _NO_DEVICE.search(str(error)) is not None


def is_about_range(text: str) -> bool:
    """Tell whether the text of an error is about the range that was asked for, whatever its status."""
    too_long = "range" in text.lower() and _TOO_LONG.search(text) is not None
    return too_long or INVALID_RANGE in text or FUTURE_RANGE in text


def longest_range(error: EnlightenError, asked: int) -> int | None:
    """Return the seconds that one request may ask for, by an error about a range that is too long.

    A day, if it names no length, or one that was not exceeded, such as a week; `None` for any other error.

    Args:
        error: the error.
        asked: seconds of the range that was asked for.
    """
    text = str(error)
    if not isinstance(error, RangeError) or not _TOO_LONG.search(text):
        return None
    named = _LENGTH.search(text)
    number = int(named[1]) if named and named[1].isdigit() else 1
    span = number * _SECONDS[named[2].lower()] if named else DAY
    span = span if 0 < span < asked else DAY
    return span if span < asked else None


_MEANT_BY_PAGES = frozenset({Throttled, Unavailable})
"""The errors that a status stands for on a web page too: whoever sends it, there were too many requests.

No page knows that a system, a right or a range does not exist: a proxy sends it, or a service that is down.
"""


def kind_of(
    response: Response, known: Mapping[int, tuple[type[APIError], str]]
) -> tuple[type[APIError], str]:
    """Return the class and the advice for a status, by a table, or what can be said of any other status."""
    status = response.status
    kind = known.get(status)
    if response.is_web_page and (kind is None or kind[0] not in _MEANT_BY_PAGES):
        return ServerError, "a web page came in place of data; if that lasts, check base_url and proxy"
    if kind is not None:
        return kind
    if 300 <= status < 400:
        return ServerError, "the service redirects, which its API never did; check base_url"
    if status >= 500:
        return ServerError, "the service failed"
    if status >= 400:
        return APIError, f"the service refused the request ({status}); check the call and base_url"
    return APIError, f"the service does not document such an answer ({status}); check base_url and proxy"


def envelope(response: Response) -> Mapping[str, object]:
    """Return the body of an error as a mapping; an empty one if it is anything else."""
    if len(response.body) > MAX_ERROR_BYTES:
        return {}
    try:
        body = msgspec.json.decode(response.body.removeprefix(BYTE_ORDER_MARK))
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def message_of(body: Mapping[str, object], *names: str) -> str:
    """Return the text of an error: that of the first of these fields which has a text, or a list of such."""
    for name in names:
        value = body.get(name)
        lines = value if isinstance(value, list) else [value]
        text = "; ".join(line for line in lines if isinstance(line, str) and line)
        if text and not text.isdigit():
            return text[:500]
    return ""


def with_facts(error: APIError, body: Mapping[str, object]) -> APIError:
    """Set the facts of a body on its error: when a limit ends, or which range the service has; return it."""
    if not isinstance(body.get("errorCode"), str):
        error.error_code = _whole(body, "errorCode", 2**53)
    if isinstance(error, Throttled):
        period = body.get("period")
        error.period = period.strip().lower().removesuffix("s") if isinstance(period, str) else ""
        error.period_start = _moment(body, "period_start")
        error.period_end = _moment(body, "period_end")
        error.limit = _whole(body, "limit", 2**53)
        _obey_header(error)
    elif isinstance(error, RangeError):
        error.start_at = _moment(body, "start_at")
        error.end_at = _moment(body, "end_at")
        error.first_interval = _moment(body, "first_interval")
        error.last_interval = _moment(body, "last_interval")
        error.start_date, error.end_date = _day(body, "start"), _day(body, "end")
    return error


def _obey_header(error: Throttled) -> None:
    """Set until when the service wants no requests, by its `Retry-After` and by the end that it named."""
    response, ends = error.response, [error.period_end]
    seconds = None if response is None else response.retry_after
    if response is not None and seconds is not None:
        error.retry_after = seconds
        ends.append(None if response.date is None else response.date + seconds)
    known = [end for end in ends if end is not None]
    error.period_end = known[0] if known else None
    error.retry_at = as_datetime(max(known)) if known else None


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
    """Return a whole number, which may come as a text or a float; `None` for what cannot be one."""
    value = body.get(name)
    if isinstance(value, str):
        value = parse_count(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= most else None
