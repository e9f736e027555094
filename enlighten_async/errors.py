"""One family of errors, told apart by what the caller can do next.

EnlightenError
├── InputError               fix the call: nothing was sent
│   └── NotSupported         this version of the API has no such endpoint; the text names one that has
├── UsageError               the client is used in a way it cannot serve (other loop, closed, streamed twice)
├── StateUnavailable         the server of a shared state cannot be reached
├── BudgetExceeded           the query would cost more than `max_requests` or wait longer than `max_wait`
├── QuotaExhausted           the plan is used up until `retry_at`
├── APIError                 the service answered, and not with data; itself: a status it does not document
│   ├── AuthenticationError  check API key and user id (401)
│   │   ├── TokenRefused     the access token is not accepted: handled inside by one refresh
│   │   ├── KeyMissing       the API key did not arrive where it was looked for
│   │   ├── KeyMismatch      API key and client id are of different applications
│   │   └── ReauthorizationRequired  the owner has to log in again: open `url`
│   ├── PermissionDenied     the user has not granted this (403)
│   │   └── MissingAccessControl  the application lacks the access control that this needs (401)
│   ├── NotFound             check the system id (404)
│   ├── RangeError           the system has no such range (422)
│   ├── Throttled            over the limit (409, 429): waited out inside, raised only when it does not end
│   ├── Unavailable          no data for now: ask again later (500 with errorCode 7, 503)
│   ├── ServerError          the service failed (other 5xx), or something else answered (web page, redirect)
│   └── ServiceRetired       this version of the API has ended
├── TransportError           no whole answer arrived; `sent` tells whether the request left
│   └── RequestTimeout       the deadline passed
├── DecodeError              the answer is not what the service documents; its response is in `response`
└── BackfillIncomplete       a part of a fleet's history failed again and again; `missing` tells which

No error holds a credential, and all of them can be pickled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from enlighten_async.models import Receipt
    from enlighten_async.wire import Response

MASK = "***"
"""Text in place of a secret."""

__all__ = [
    "APIError",
    "AuthenticationError",
    "BackfillIncomplete",
    "BudgetExceeded",
    "DecodeError",
    "EnlightenError",
    "InputError",
    "KeyMismatch",
    "KeyMissing",
    "MissingAccessControl",
    "NotFound",
    "NotSupported",
    "PermissionDenied",
    "QuotaExhausted",
    "RangeError",
    "ReauthorizationRequired",
    "RequestTimeout",
    "ServerError",
    "ServiceRetired",
    "StateUnavailable",
    "Throttled",
    "TokenRefused",
    "TransportError",
    "Unavailable",
    "UsageError",
]


def unknown_keyword(method: str, unknown: Iterable[str], known: Iterable[str]) -> TypeError:
    """Return the error for a keyword that a method does not have, with the nearest that it has.

    Args:
        method: its name, as the caller knows it.
        unknown: the keywords that it does not have.
        known: those that it has.
    """
    name, names = min(unknown), sorted(known)
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(names)}"
    return TypeError(f"{method}() got an unexpected keyword argument {name!r}: {hint}")


class EnlightenError(Exception):
    """Base of every error this package raises."""

    ends_query: bool = False
    """Whether the other requests of the same query would fail in the same way, and are not sent."""

    passing: bool = False
    """Whether the same request may succeed a little later, so that a repeat can help."""

    partial: Any = None
    """The parts that arrived, merged: an answer of the query's own type, `None` if nothing arrived. An
    `except` clause cannot know that type; `query.partial()` returns the same, typed.
    """
    causes: tuple[EnlightenError, ...] = ()
    """All failures of the query, this one first."""
    retry_at: datetime | None = None
    """When asking again makes sense (aware UTC), where that is known."""
    receipt: Receipt | None = None
    """What the query spent."""


class InputError(EnlightenError, ValueError):
    """An argument is wrong; nothing was sent."""


class NotSupported(InputError):
    """This version of the API has no such endpoint or filter; nothing was sent."""


class UsageError(EnlightenError):
    """The client or query cannot be used like this; nothing was sent."""


class StateUnavailable(EnlightenError):
    """The server of a shared state cannot be reached; nothing was sent that it does not count."""

    ends_query = True


class BudgetExceeded(EnlightenError):
    """The query needs more requests or more time than the caller allows."""

    ends_query = True

    def __init__(self, message: str, *, retry_at: datetime | None = None) -> None:
        super().__init__(message)
        self.retry_at = retry_at
        """When the query would fit, if waiting helps."""


class QuotaExhausted(EnlightenError):
    """The plan's quota is used up until `retry_at`."""

    ends_query = True

    def __init__(
        self,
        message: str,
        *,
        period: str = "month",
        limit: int | None = None,
        retry_at: datetime | None = None,
    ) -> None:
        super().__init__(message)
        self.period = period
        """The window that is full, in the service's word, such as "month"; empty if it did not say."""
        self.limit = limit
        """Requests that the window allows."""
        self.retry_at = retry_at


class APIError(EnlightenError):
    """The service answered with an error; this class itself: it refused the request for another reason."""

    error_code: int | None = None
    """The service's own number for what went wrong (`errorCode`), where it gives one."""

    def __init__(self, message: str, *, status: int = 0, response: Response | None = None) -> None:
        super().__init__(message)
        self.status = status
        """HTTP status of the answer."""
        self.response = response
        """The answer as it came, known secrets masked; of a large body the first mebibyte."""


class AuthenticationError(APIError):
    """The API key or the user id is not accepted (401)."""

    ends_query = True


class TokenRefused(AuthenticationError):
    """The access token is not accepted (401), and the renewed one is not accepted either."""


class KeyMissing(AuthenticationError):
    """The API key did not arrive where the service looks for it (401)."""


class KeyMismatch(AuthenticationError):
    """The API key belongs to another application than the access token's client id (401)."""


class ReauthorizationRequired(AuthenticationError):
    """The owner of an account has to log in (again): no token that works is stored."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        response: Response | None = None,
        account: str = "",
        url: str = "",
        reason: str = "",
    ) -> None:
        super().__init__(message, status=status, response=response)
        self.account = account
        """The caller's own name of the account."""
        self.url = url
        """URL of the login page, which leads to `OAuth.redirect_uri` with a code for `OAuth.exchange`. It
        has no state: a web application sends the owner to `OAuth.begin_login().url` instead.
        """
        self.reason = reason
        """Why, in a few words."""


class PermissionDenied(APIError):
    """The user or the plan does not permit this (403)."""

    ends_query = True


class MissingAccessControl(PermissionDenied):
    """The application or its plan lacks the access control that this needs (401)."""

    access_control: str = ""
    """Its name in the developer portal, such as "Site Consumption", where known."""


class NotFound(APIError):
    """There is no such system, or nothing at this path (404; 422 where the system is a parameter)."""

    ends_query = True


class RangeError(APIError):
    """The service says the range asked for is invalid (422)."""

    start_at: int | None = None
    """Start of the range as the service took it (epoch seconds), where it says."""
    end_at: int | None = None
    """End of that range (epoch seconds), where the service says."""
    first_interval: int | None = None
    """End of the system's first interval (epoch seconds), where the service says."""
    last_interval: int | None = None
    """End of its last interval (epoch seconds), where the service says."""
    start_date: date | None = None
    """First local day of the range as the service took it, where it says."""
    end_date: date | None = None
    """Last local day of that range, where the service says."""


class Throttled(APIError):
    """Over the plan's limit (409, 429); the client waits by itself, and raises this if rejections go on."""

    ends_query = True

    period: str = ""
    """The service's word for the window ("minute", "month")."""
    period_start: float | None = None
    """Its start, epoch seconds."""
    period_end: float | None = None
    """Its end, epoch seconds: the next request may be made then."""
    limit: int | None = None
    """Requests allowed in the period."""
    retry_after: float | None = None
    """Seconds from the answer on for which the service wants no requests (`Retry-After`)."""


class Unavailable(APIError):
    """The service has no answer for now (500 with errorCode 7, 503); ask again later."""

    def __init__(self, message: str, *, status: int = 0, response: Response | None = None) -> None:
        super().__init__(message, status=status, response=response)
        self.passing = status == 503
        """Whether it passes within moments: 503 may, the lack of data (errorCode 7) does not."""


_LASTING_FAILURES = frozenset({301, 308, 501, 505, 511})
"""Statuses of failures and redirects that last until somebody changes the service, or the way to it."""


class ServerError(APIError):
    """The service failed (5xx), or a web page or a redirect came in place of an answer.

    Pages with 409, 429 and 503 mean what the status says.
    """

    def __init__(self, message: str, *, status: int = 0, response: Response | None = None) -> None:
        super().__init__(message, status=status, response=response)
        self.passing = status not in _LASTING_FAILURES
        """Whether a repeat can help: not after 501, 505, 511 and permanent redirects."""


class ServiceRetired(APIError):
    """This version of the API has ended (404, 410 or a web page from the v2 host)."""

    ends_query = True


class TransportError(EnlightenError):
    """No whole answer arrived."""

    def __init__(self, message: str, *, sent: bool = False, phase: str = "", passing: bool = True) -> None:
        super().__init__(message)
        self.sent = sent
        """Whether the request left, so that the service may have counted it."""
        self.phase = phase
        """How far it got: "connect", "send", "wait" or "body"."""
        self.passing = passing
        """Whether a repeat can help; not for a bad certificate, an unknown host, or a body that is too large
        or in an unknown encoding.
        """


class RequestTimeout(TransportError):
    """The deadline of one request passed."""


class DecodeError(EnlightenError):
    """The response is not what the service documents; it was paid for and is in `response`."""

    def __init__(
        self, message: str, *, path: str = "", response: Response | None = None, passing: bool = False
    ) -> None:
        super().__init__(message)
        self.path = path
        """Where in the body it went wrong, such as `$.intervals[0].end_at`."""
        self.response = response
        """The answer as it came, known secrets masked: the first mebibyte of it."""
        self.passing = passing
        """Whether the body is empty or cut off, so that the next one may be whole."""


class BackfillIncomplete(EnlightenError):
    """A fleet's history is complete except for some systems, whose requests failed again and again."""

    def __init__(self, message: str, *, missing: Mapping[int, int] = MappingProxyType({})) -> None:
        super().__init__(message)
        self.missing: Mapping[int, int] = dict(missing)
        """The number of windows (7 days each) that are missing, by the number of the system."""


@contextmanager
def users_errors(role: str, owner: object, method: str) -> Iterator[None]:
    """Map the errors of an object that the user brings; each has the user's as its cause, but not its text.

    Args:
        role: the part that it plays, in words.
        owner: the object, which is named by its class.
        method: the method that is called within.

    Raises:
        UsageError: in place of an error that is not one of this package.
    """
    try:
        yield
    except EnlightenError:
        raise
    except Exception as error:
        # The text of a user's error may quote a secret.
        kind, name = type(error).__name__, type(owner).__name__
        raise UsageError(f"the {role} failed: {name}.{method} raised {kind}") from error
