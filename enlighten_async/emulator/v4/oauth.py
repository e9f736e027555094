"""The OAuth2 endpoints: owners authorize an application, and the application gets its tokens."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from attrs import frozen

from enlighten_async.emulator.messages import Response, json_response, parse_form
from enlighten_async.emulator.pages import code_page, consent_page, refused_page
from enlighten_async.emulator.v4.tokens import user_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from enlighten_async.emulator.messages import Request
    from enlighten_async.emulator.v4.apps import Apps
    from enlighten_async.emulator.v4.endpoint import ServiceV4
    from enlighten_async.emulator.v4.tokens import Tokens

OAUTH_ROOT = "/oauth/"
GRANT_PATH = "/oauth/token"

Row: TypeAlias = dict[str, object]
OAuthError: TypeAlias = tuple[int, str, str]


@frozen
class OAuth:
    """Responds below `/oauth/`; requests for tokens do not count against the quota."""

    users: tuple[str, ...]
    owner: str
    apps: Apps
    tokens: Tokens
    service: ServiceV4

    def respond(self, request: Request) -> Response:
        """Return the response to a request: a redirect, a page, or tokens."""
        method, page = PAGES.get(request.path, ("GET", OAuth._no_page))
        if request.method != method:
            return _oauth_error(405, "method_not_allowed", f"Request method '{request.method}' not supported")
        return page(self, request)

    def _no_page(self, _: Request) -> Response:
        return _oauth_error(404, "not_found", "No such page")

    def _authorize(self, request: Request) -> Response:
        """Redirect the owner with a code, as the demo user or as `user`.

        A browser, which accepts HTML, is shown a page first, to consent; a program consents at once.
        """
        redirect_uri = request.get("redirect_uri")
        user = request.get("user") or self.owner
        if not redirect_uri:
            return _oauth_error(400, "invalid_request", "A redirect_uri must be supplied.")
        if not self.apps.is_valid_client(request.get("client_id")):
            return _oauth_error(401, "invalid_client", "No client with requested id")
        if request.get("response_type") != "code":
            return _oauth_error(400, "unsupported_response_type", "Unsupported response types")
        if "text/html" in request.headers.get("accept", "") and not (
            request.get("allow") or request.get("deny")
        ):
            return self._ask_owner(request, user)
        if self.service.options.deny or request.get("deny") or user not in self.users:
            added = {"error": "access_denied", "error_description": "User denied access"}
        else:
            added = {"code": self.tokens.issue_code(user, request.get("client_id"), redirect_uri)}
        if "state" in request.params:
            added["state"] = request.get("state")
        return Response(status=302, headers=(("Location", _with_query(redirect_uri, added)),))

    def _show_code(self, request: Request) -> Response:
        """Show the code to an owner who has to copy it into the application by hand."""
        code = request.get("code")
        return code_page(code) if code else refused_page(request.get("error") or "it asked for none")

    def _ask_owner(self, request: Request, user: str) -> Response:
        """Show the page on which an owner consents."""
        names = ("response_type", "client_id", "redirect_uri", "state")
        kept = {name: request.get(name) for name in names if name in request.params}
        users = ((each, user_name(each)) for each in self.users)
        return consent_page(request.get("client_id"), request.get("redirect_uri"), kept, users, user)

    def _token(self, request: Request) -> Response:
        """Issue tokens to a client that names a grant; parameters come in the query or as a form."""
        given = {name: values[-1] for name, values in (request.params | parse_form(_form(request))).items()}
        client_id, secret = _basic(request.headers.get("authorization", ""))
        if not self.apps.is_valid_client(client_id, secret):
            return _oauth_error(401, "invalid_client", "Bad client credentials")
        grant = GRANTS.get(given.get("grant_type", ""))
        if grant is None:
            name = given.get("grant_type", "")
            error = "unsupported_grant_type" if name else "invalid_request"
            return _oauth_error(
                400, error, f"Unsupported grant type: {name}" if name else "Missing grant type"
            )
        body = grant(self, given, client_id)
        return _oauth_error(*body) if isinstance(body, tuple) else json_response(200, body)

    def _by_code(self, given: dict[str, str], client_id: str) -> Row | OAuthError:
        code = given.get("code", "")
        body = self.tokens.redeem_code(code, client_id, given.get("redirect_uri", ""))
        return body or (400, "invalid_grant", f"Invalid authorization code: {code}")

    def _by_refresh(self, given: dict[str, str], client_id: str) -> Row | OAuthError:
        text = given.get("refresh_token", "")
        # of the error only the status was ever recorded
        return self.tokens.refresh(text, client_id) or (
            401,
            "invalid_grant",
            f"Invalid refresh token: {text}",
        )

    def _by_password(self, given: dict[str, str], client_id: str) -> Row | OAuthError:
        if not self.apps.may_use_password(client_id):
            return 401, "unauthorized_client", "Unauthorized grant type: password"
        named = given.get("username")
        user = next((user for user in self.users if named in {user, user_name(user)}), None)
        if user is None or not given.get("password"):
            return 400, "invalid_grant", "Bad credentials"
        return self.tokens.issue(user, client_id)


GRANTS: dict[str, Callable[[OAuth, dict[str, str], str], Row | OAuthError]] = {
    "authorization_code": OAuth._by_code,
    "refresh_token": OAuth._by_refresh,
    "password": OAuth._by_password,
}

PAGES: dict[str, tuple[str, Callable[[OAuth, Request], Response]]] = {
    "/oauth/authorize": ("GET", OAuth._authorize),
    "/oauth/redirect_uri": ("GET", OAuth._show_code),
    GRANT_PATH: ("POST", OAuth._token),
}


def grant_of(request: Request) -> str:
    """Return the grant of a request for tokens; empty for other requests and without a grant."""
    if request.path != GRANT_PATH:
        return ""
    return (request.params | parse_form(_form(request))).get("grant_type", [""])[-1]


def _form(request: Request) -> str:
    return request.body.decode("utf-8", "replace")


def _oauth_error(status: int, error: str, description: str) -> Response:
    return json_response(status, {"error": error, "error_description": description})


def _basic(header: str) -> tuple[str, str]:
    """Return a client's id and secret; empty if the header has none."""
    scheme, _, text = header.partition(" ")
    try:
        client_id, _, secret = b64decode(text, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return (client_id, secret) if scheme.lower() == "basic" else ("", "")


def _with_query(address: str, added: dict[str, str]) -> str:
    """Return an address with these parameters added to its query."""
    parts = urlsplit(address)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *added.items()])
    return urlunsplit(parts._replace(query=query))
