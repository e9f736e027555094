"""Where owners allow an application to read their systems, and where it gets its tokens."""

from __future__ import annotations

from base64 import b64decode
from html import escape
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from attrs import frozen

from enlighten_async.emulator.messages import Answer, as_json, parse_form
from enlighten_async.emulator.v4.tokens import user_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from enlighten_async.emulator.messages import Call
    from enlighten_async.emulator.v4.apps import Apps
    from enlighten_async.emulator.v4.manners import Manners
    from enlighten_async.emulator.v4.tokens import Tokens

ROOT = "/oauth/"
TOKEN = "/oauth/token"  # noqa: S105 - a path

Row: TypeAlias = dict[str, object]
Refusal: TypeAlias = tuple[int, str, str]


@frozen
class OAuth:
    """Answers what lies below `/oauth/`; tokens cost no request of the quota."""

    users: tuple[str, ...]
    owner: str
    apps: Apps
    tokens: Tokens
    manners: Callable[[], Manners]

    def answer(self, call: Call) -> Answer:
        """Return the answer to a request: a redirect, a page, or tokens."""
        method, page = PAGES.get(call.path, ("GET", OAuth._nowhere))
        if call.method != method:
            return _refuse(405, "method_not_allowed", f"Request method '{call.method}' not supported")
        return page(self, call)

    def _nowhere(self, _: Call) -> Answer:
        return _refuse(404, "not_found", "No such page")

    def _authorize(self, call: Call) -> Answer:
        """Send the owner back with a code; they consent at once, as the demo user or as `user`."""
        where = call.get("redirect_uri")
        user = call.get("user") or self.owner
        if not where:
            return _refuse(400, "invalid_request", "A redirect_uri must be supplied.")
        if not self.apps.knows(call.get("client_id")):
            return _refuse(401, "invalid_client", "No client with requested id")
        if call.get("response_type") != "code":
            return _refuse(400, "unsupported_response_type", "Unsupported response types")
        if self.manners().deny or call.get("deny") or user not in self.users:
            told = {"error": "access_denied", "error_description": "User denied access"}
        else:
            told = {"code": self.tokens.give_code(user, call.get("client_id"), where)}
        if "state" in call.params:
            told["state"] = call.get("state")
        return Answer(status=302, headers=(("Location", _with(where, told)),))

    def _show(self, call: Call) -> Answer:
        """Show the code to an owner who has to carry it to the application by hand."""
        shown = escape(call.get("code") or call.get("error") or "nothing")
        page = f"<!DOCTYPE html><html><body><p>Authorization code:</p><pre>{shown}</pre></body></html>"
        return Answer(headers=(("Content-Type", "text/html; charset=utf-8"),), body=page.encode())

    def _token(self, call: Call) -> Answer:
        """Give tokens to a client that names a grant; parameters come in the query or as a form."""
        given = {name: values[-1] for name, values in (call.params | parse_form(_form(call))).items()}
        client_id, secret = _basic(call.headers.get("authorization", ""))
        if not self.apps.knows(client_id, secret):
            return _refuse(401, "invalid_client", "Bad client credentials")
        grant = GRANTS.get(given.get("grant_type", ""))
        if grant is None:
            asked = given.get("grant_type", "")
            error = "unsupported_grant_type" if asked else "invalid_request"
            return _refuse(400, error, f"Unsupported grant type: {asked}" if asked else "Missing grant type")
        body = grant(self, given, client_id)
        return _refuse(*body) if isinstance(body, tuple) else as_json(200, body)

    def _by_code(self, given: dict[str, str], client_id: str) -> Row | Refusal:
        code = given.get("code", "")
        body = self.tokens.take_code(code, client_id, given.get("redirect_uri", ""))
        return body or (400, "invalid_grant", f"Invalid authorization code: {code}")

    def _by_refresh(self, given: dict[str, str], client_id: str) -> Row | Refusal:
        text = given.get("refresh_token", "")
        # what a refusal looks like was never recorded but for its status
        return self.tokens.renew(text, client_id) or (401, "invalid_token", f"Invalid refresh token: {text}")

    def _by_password(self, given: dict[str, str], client_id: str) -> Row | Refusal:
        if not self.apps.takes_passwords(client_id):
            return 401, "unauthorized_client", "Unauthorized grant type: password"
        named = given.get("username")
        user = next((user for user in self.users if named in {user, user_name(user)}), None)
        if user is None or not given.get("password"):
            return 400, "invalid_grant", "Bad credentials"
        return self.tokens.issue(user, client_id)


GRANTS: dict[str, Callable[[OAuth, dict[str, str], str], Row | Refusal]] = {
    "authorization_code": OAuth._by_code,
    "refresh_token": OAuth._by_refresh,
    "password": OAuth._by_password,
}

PAGES: dict[str, tuple[str, Callable[[OAuth, Call], Answer]]] = {
    "/oauth/authorize": ("GET", OAuth._authorize),
    "/oauth/redirect_uri": ("GET", OAuth._show),
    TOKEN: ("POST", OAuth._token),
}


def grant_of(call: Call) -> str:
    """Return the grant a request for tokens names; empty if it is for something else, or names none."""
    if call.path != TOKEN:
        return ""
    return (call.params | parse_form(_form(call))).get("grant_type", [""])[-1]


def _form(call: Call) -> str:
    return call.body.decode("utf-8", "replace")


def _refuse(status: int, error: str, description: str) -> Answer:
    return as_json(status, {"error": error, "error_description": description})


def _basic(header: str) -> tuple[str, str]:
    """Return a client's id and secret; empty if the header has none."""
    scheme, _, text = header.partition(" ")
    try:
        client_id, _, secret = b64decode(text, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return (client_id, secret) if scheme.lower() == "basic" else ("", "")


def _with(address: str, told: dict[str, str]) -> str:
    """Return an address with these parameters added to its query."""
    parts = urlsplit(address)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *told.items()])
    return urlunsplit(parts._replace(query=query))
