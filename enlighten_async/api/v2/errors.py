"""Errors of v2: the class and the advice for each status and body, by a table."""

from __future__ import annotations

from collections.abc import Mapping

from enlighten_async import errors
from enlighten_async.api import error_bodies as bodies
from enlighten_async.wire import Response

_ERRORS: Mapping[int, tuple[type[errors.APIError], str]] = {
    401: (errors.AuthenticationError, "check the API key and the user id, and that the user granted access"),
    403: (errors.PermissionDenied, "the user or the plan does not include this"),
    404: (errors.NotFound, "check the system id, and that this user may see the system"),
    409: (errors.Throttled, "over the plan's limit"),
    410: (errors.ServiceRetired, "this version of the API has ended; use v4"),
    422: (errors.RangeError, "the service takes the range for invalid"),
    429: (errors.Throttled, "over the plan's limit"),
    503: (errors.Unavailable, "too many requests at once, or the service is down"),
}

_TEXTS = ("message", "errorMessages", "reason")
"""Fields that may hold the text of an error; the service has seven shapes for it."""

_RETIRED = "v2 of the service ended on 2024-06-30, and this is not an answer of it; use v4"


def error_for(response: Response, *, official: bool) -> errors.EnlightenError:
    """Return the error that a response stands for, which is no data.

    Args:
        response: the response.
        official: whether it came from the service's own host, whose v2 has ended.
    """
    body = bodies.envelope(response)
    if official and not body and (response.status in {200, 404, 410} or 300 <= response.status < 400):
        return errors.ServiceRetired(_RETIRED, status=response.status, response=response)
    text = bodies.message_of(body, *_TEXTS).rstrip(".")
    kind, advice = _kind(response, body, text)
    message = f"{response.status}{f' {text}' if text else ''}: {advice}"
    return bodies.with_facts(kind(message, status=response.status, response=response), body)


def _kind(response: Response, body: Mapping[str, object], text: str) -> tuple[type[errors.APIError], str]:
    if bodies.is_about_range(text):
        return _ERRORS[422]
    if response.status == 500 and body.get("errorCode") == bodies.UNAVAILABLE:
        return errors.Unavailable, "the service does not have this data for now; ask again later"
    if response.status == 422 and text.startswith("Couldn't find "):
        return _ERRORS[404]
    return bodies.kind_of(response, _ERRORS)
