"""The way of an owner to the page of the login and back: the request, and the response in the redirect."""

from __future__ import annotations

import hmac
import re
from urllib.parse import parse_qs, urlsplit

from attrs import field, frozen

from enlighten_async.errors import AuthenticationError, InputError
from enlighten_async.transport import Secret

STATE_BYTES = 32
"""Random bytes in the state of a login."""


@frozen
class LoginRequest:
    """A login that has been begun: the page to open, and the text that comes back with the owner.

    Attributes:
        url: the page on which the owner logs in and consents.
        state: kept with the owner's session, and given to `OAuth.complete_login`.
    """

    url: str = field(repr=False)
    state: str = field(repr=False)


@frozen
class AuthorizationResponse:
    """Query of the redirect with which the owner comes back (RFC 6749, 4.1.2).

    Attributes:
        code: the code; empty if there is none.
        error: OAuth's error code, such as "access_denied"; empty if there is a code.
    """

    code: Secret
    error: str = ""


def parse_redirect(query: str, state: str) -> AuthorizationResponse | None:
    """Return the response in the query of a redirect; `None` if it belongs to no login, or to another one."""
    fields = {name: values[0] for name, values in parse_qs(query).items() if len(values) == 1}
    if not hmac.compare_digest(fields.get("state", "").encode(), state.encode()):
        return None
    code, error = Secret(fields.get("code", "")), fields.get("error", "")
    return AuthorizationResponse(code, error) if code or error else None


def response_of(url: object, state: object) -> AuthorizationResponse | None:
    """Return the response in the address to which an owner came back; `None` if it belongs to no such login.

    Args:
        url: the address, whole or without its host.
        state: the state of the login, as the session has it.
    """
    try:
        query = urlsplit(url).query if isinstance(url, str) else ""
    except ValueError:
        query = ""
    return parse_redirect(query, state) if isinstance(state, str) and state else None


def code_of(response: AuthorizationResponse | None) -> Secret:
    """Return the code of a response.

    Raises:
        InputError: there is no response to a login of this session.
        AuthenticationError: the owner, or the service, refused.
    """
    if response is None:
        raise InputError(
            "the address to which the owner came back belongs to no login that was begun in this session: "
            "begin a new one"
        )
    if response.code:
        return response.code
    name = response.error if re.fullmatch(r"[a-z_]{1,50}", response.error) else "for an unknown reason"
    if name == "access_denied":
        raise AuthenticationError("the owner has not consented (access_denied), so there is nothing to save")
    raise AuthenticationError(f"the service did not let the owner log in ({name}): begin a new login")
