"""How answers of the token endpoint are read: tokens, or why there are none.

An answer holds tokens that nobody knows yet, so no error keeps it, and no function raises while it has
one at hand: errors are returned, and raised where nothing shows it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from math import isfinite
from typing import Any

from attrs import frozen

from enlighten_async.errors import AuthenticationError, DecodeError, EnlightenError, ServerError, Throttled
from enlighten_async.oauth.tokens import Tokens
from enlighten_async.transport import Redactor
from enlighten_async.wire import Response

DAY = 86_400.0
"""Seconds an access token lives if nothing says how long."""
MAX_LIFE = 366 * DAY
"""Longer lives are not believed."""
MAX_SAID = 200
"""Characters kept of what the service says about a failure."""

_CLIENT = frozenset({"invalid_client", "unauthorized_client"})
_PERSONAL = re.compile(r"\S+@\S+|\beyJ[\w.~+/=-]+|[\w~+=-]{24,}[\w.~+=-]*")
"""E-mail addresses, JWTs, and what is long enough to be another token."""


@frozen
class Said:
    """What the service says about a failure, fit to be shown.

    Attributes:
        status: HTTP status.
        error: OAuth's word for it, such as "invalid_grant"; empty if there is none.
        text: all it says, in brackets after the status.
    """

    status: int
    error: str
    text: str


def tokens_of(response: Response, now: float) -> Tokens | DecodeError:
    """Return the tokens in a 200.

    Args:
        response: the answer.
        now: the local time (epoch seconds) to which its lives are added.
    """
    answer = _object(response.body)
    access, refresh = _token(answer.get("access_token")), _token(answer.get("refresh_token"))
    if access is None:
        return DecodeError("the answer to a request for tokens holds no access token", path="$.access_token")
    ahead = now - (now if response.date is None else response.date)  # of the clock that JWTs go by
    end = _end(access)
    life = _number(answer.get("expires_in")) or (DAY if end is None else end + ahead - now)
    refresh_end = None if refresh is None else _end(refresh)
    return Tokens(
        access_token=access,
        refresh_token=refresh,
        expires_at=now + min(life if life > 0 else DAY, MAX_LIFE),
        obtained_at=now,
        refresh_expires_at=None if refresh_end is None else refresh_end + ahead,
    )


def failure_of(
    response: Response, redactor: Redactor, refused: Callable[[Said], EnlightenError]
) -> EnlightenError | None:
    """Return what an answer means if it is not a 200.

    Args:
        response: the answer.
        redactor: masks what was sent.
        refused: makes the error for a grant that is not accepted.
    """
    status = response.status
    if status == 200:
        return None
    said = _said(response, redactor)
    if said.error in _CLIENT:
        return AuthenticationError(
            f"the client id and client secret are not accepted {said.text}: take both from the "
            "application's page of the developer portal (only partners' applications may use passwords)",
            status=status,
        )
    if status in {400, 401}:
        return refused(said)
    if status == 429:
        return Throttled(f"too many requests for tokens {said.text}", status=status)
    hint = "" if status >= 500 else "; is base_url right?"
    return ServerError(f"the service gave no tokens {said.text}{hint}", status=status)


def _said(response: Response, redactor: Redactor) -> Said:
    answer = _object(response.body)
    error = _shown(answer.get("error"), redactor)
    known = [error, *(_shown(answer.get(name), redactor) for name in ("error_description", "message"))]
    text = ", ".join(filter(None, [f"HTTP {response.status}", *known]))
    return Said(response.status, error, f"({text})")


def _shown(value: object, redactor: Redactor) -> str:
    if not isinstance(value, str):
        return ""
    return "".join(char if char.isprintable() else " " for char in masked(value, redactor))[:MAX_SAID]


def masked(text: str, redactor: Redactor) -> str:
    """Return a text without what was sent, and without what looks like a token or an e-mail address."""
    return _PERSONAL.sub("***", redactor.text(text))


def _object(body: bytes | str) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _token(value: object) -> str | None:
    """Return a text that can go into a header field, or `None`."""
    return value if isinstance(value, str) and re.fullmatch(r"[!-~]+", value) else None


def _number(value: object) -> float | None:
    """Return a number above 0, also one written as a text, or `None`."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) and number > 0 else None


def _end(token: str) -> float | None:
    """Return when a JWT ends by the service's clock (epoch seconds); nothing else in it is looked at."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
    except ValueError:
        return None
    return _number(_object(claims).get("exp"))
