"""Consent of a user in v2: the page to open, and the address it leads back to."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, parse_qs, urlencode, urlsplit

from enlighten_async.errors import InputError

CONSENT_URL = "https://enlighten.enphaseenergy.com/app_user_auth/new"
"""The page on which a user consents."""


def authorization_url(app_id: int | str, *, redirect: str | None = None) -> str:
    """Return the address of the page on which a user lets an application see their systems.

    Args:
        app_id: the application's id, such as "1409611733144"; it is not the API key.
        redirect: where the page leads to when the user has consented, with `user_id` in its query; without
            it the page shows the user id.

    Raises:
        InputError: an argument is wrong.
    """
    if isinstance(app_id, bool) or not _is_plausible(str(app_id) if isinstance(app_id, int) else app_id):
        raise InputError("app_id must be the application's id, such as '1409611733144'")
    query = {"app_id": str(app_id)}
    if redirect is not None:
        parts = _parts(redirect, "redirect")
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise InputError("redirect must be a whole URL, such as 'https://example.com/consented'")
        query["redirect"] = redirect
    return f"{CONSENT_URL}?{urlencode(query)}"


def parse_redirect(url: str) -> str:
    """Return the user id from the address to which a user came back, whole or without its host.

    Args:
        url: the address, as the browser was sent to it.

    Raises:
        InputError: there is no user id in it, or more than one. It shows no part of the address.
    """
    found = set(parse_qs(_parts(url, "url").query).get("user_id", ()))
    if len(found) != 1:
        raise InputError(
            f"the address has {'several of' if found else 'no'} user_id in its query: "
            f"pass it as the user came back with it"
        )
    user_id = found.pop()
    if not _is_plausible(user_id):
        raise InputError("the user_id in the address is not one: it has spaces or is not ASCII")
    return user_id


def _is_plausible(text: object) -> bool:
    return isinstance(text, str) and re.fullmatch(r"[!-~]+", text) is not None


def _parts(url: object, name: str) -> SplitResult:
    """Return the parts of a URL; errors do not show it, as it may hold a user id."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        parts = None
    if parts is None:
        raise InputError(f"{name} must be a URL, as a text")
    return parts
