"""OAuth: logging owners in, and the credentials of their accounts, for one application."""

from __future__ import annotations

import hmac
import os
import re
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self, TypeAlias, Unpack
from urllib.parse import parse_qs, urlencode, urlsplit

from attrs import field, frozen

from enlighten_async.clock import Clock, SystemClock
from enlighten_async.errors import (
    AuthenticationError,
    DecodeError,
    InputError,
    ServerError,
    Throttled,
    TransportError,
)
from enlighten_async.oauth.session import AccountCredentials, KeyIn, TokenSession
from enlighten_async.oauth.token_endpoint import Attempts, OAuthError, TokenEndpoint
from enlighten_async.oauth.token_files import (
    FileTokenStore,
    PostgresTokenStore,
    StateTokenStore,
    secret_url,
    store_at,
    user_token_file,
)
from enlighten_async.oauth.token_store import MemoryTokenStore, Tokens, TokenStore, UserTokenStore
from enlighten_async.transport import (
    NetworkOptions,
    Origin,
    Secret,
    Verify,
    check_network,
    hide_secrets,
    origin,
    proxy_for,
)
from enlighten_async.transport.origin import without_secrets
from enlighten_async.wire import is_text

if TYPE_CHECKING:
    import httpx

CLIENT_ID, CLIENT_SECRET = "ENLIGHTEN_CLIENT_ID", "ENLIGHTEN_CLIENT_SECRET"
TOKENS, BASE_URL_VARIABLE = "ENLIGHTEN_TOKENS", "ENLIGHTEN_BASE_URL"
NAMES = (CLIENT_ID, CLIENT_SECRET, TOKENS, BASE_URL_VARIABLE)
"""Environment variables that describe an application."""

BASE_URL = "https://api.enphaseenergy.com/api/v4"

MAX_USER_ID_CHARS = 200

NO_TIMEOUT_S = 60.0
"""Seconds for one request for tokens with `timeout=None`: it is not cancelled, so it has to end by itself."""

STATE_BYTES = 32
"""Random bytes in the state of a login."""

_Form: TypeAlias = list[tuple[str, str | Secret]]


class OAuthOptions(NetworkOptions, total=False):
    """The options of `OAuth`; see `NetworkOptions` for the others."""

    tokens: str | os.PathLike[str] | Secret | TokenStore
    """A path, for a file that only its owner can read, or any `TokenStore`. "tokens.json" is a file of
    tokens; "enlighten.db", which may be the client's state file, has a row an account: take it for more than
    a few. Or a URL of `postgresql://`, for programs of several machines, on asyncio.
    """
    redirect_uri: str | None
    """URL of the application to which owners come back after the login, as it is registered in the developer
    portal; by default the service's own page, which shows them the code.
    """


@frozen
class LoginRequest:
    """A login that has been begun: the page to open, and the text that comes back with the owner."""

    url: str = field(repr=False)
    """The page on which the owner logs in and consents."""
    state: str = field(repr=False)
    """Kept with the owner's session, and given to `OAuth.complete_login`."""


@frozen
class AuthorizationResponse:
    """Query of the redirect with which the owner comes back (RFC 6749, 4.1.2)."""

    code: Secret
    """The code; empty if there is none."""
    error: str = ""
    """OAuth's error code, such as "access_denied"; empty if there is a code."""


class OAuth:
    """OAuth2 login and tokens of the accounts of one application (v4).

    In a web application `begin_login` gives the page to which the owner is sent, and `complete_login` takes
    the address with which the owner comes back. Elsewhere an owner opens `authorization_url` and brings a
    code for `exchange`. From then on clients refresh the tokens by themselves: ahead of their end, once for
    all tasks and processes that share the store. The object belongs to no event loop and needs no closing.

    Args:
        client_id: the application's client id, as the developer portal shows it.
        client_secret: the application's client secret.
        tokens: a path, for a file that only its owner can read, or any `TokenStore`. "tokens.json" is a file
            of tokens; "enlighten.db", which may be the client's state file, has a row an account: take it for
            more than a few. Or a URL of `postgresql://`, for programs of several machines, on asyncio.
        redirect_uri: URL of the application to which owners come back after the login, as it is registered
            in the developer portal; by default the service's own page, which shows them the code.
        base_url: the API's URL, as the client takes it; OAuth's pages are on the same host.
        timeout: seconds for one request for tokens; `None` for a minute, as it cannot be cancelled.
        proxy: URL of a proxy, "" for none; by default the environment's.
        verify: `True` for the system's certificates, or a CA file, or a context.
        transport: any httpx transport in place of our own, such as an emulator's; it is not closed.
        clock: the source of time.

    Raises:
        InputError: an argument is wrong; the text says what to do.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str | Secret,
        *,
        tokens: str | os.PathLike[str] | Secret | TokenStore,
        redirect_uri: str | None = None,
        base_url: str = BASE_URL,
        timeout: float | None = 30.0,
        proxy: str | Secret | None = None,
        verify: Verify = True,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
    ) -> None:
        tokens = secret_url(tokens)
        secret, proxy = Secret(client_secret), None if proxy is None else Secret(proxy)
        base_url = without_secrets(base_url)
        del client_secret  # a traceback that shows variables must not show it
        check_network(timeout, clock, verify, transport)
        _check_application(client_id, secret)
        self._clock = clock or SystemClock()
        self._store = _store(tokens, self._clock)
        where = origin(base_url, any_http=transport is not None)
        _check_proxy(where, proxy)
        self._root = f"{where}/oauth"
        self._redirect_uri = f"{self._root}/redirect_uri" if redirect_uri is None else checked(redirect_uri)
        self._network = NetworkOptions(
            base_url=base_url, proxy=proxy, verify=verify, transport=transport, clock=clock
        )
        self._endpoint = TokenEndpoint(
            base_url=self._root,
            client_id=client_id,
            client_secret=secret,
            clock=self._clock,
            timeout=NO_TIMEOUT_S if timeout is None else timeout,
            proxy=proxy,
            verify=verify,
            transport=transport,
        )
        self._sessions: dict[str, TokenSession] = {}

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str | Secret] | None = None, **options: Unpack[OAuthOptions]
    ) -> Self:
        """Return the application that the environment describes: that of the process, or one that is given.

        `ENLIGHTEN_CLIENT_ID` and `ENLIGHTEN_CLIENT_SECRET` are required; `ENLIGHTEN_BASE_URL` is used if it
        is set. The tokens are in the file, or at the URL, `ENLIGHTEN_TOKENS`, by default in the user's
        settings folder: no other user can read them, and they do not depend on the working directory.
        The options are those of the class.

        Args:
            environ: the variables, in place of those of the process.
            options: those of the class but for the credentials.

        Raises:
            InputError: a variable is missing.
        """
        hide_secrets(options)
        if "tokens" in options:
            options["tokens"] = secret_url(options["tokens"])
        found = environment(environ)
        known = {name: Secret(found.get(name, "")) for name in NAMES}
        del environ, found  # as above, for tracebacks
        if missing := [name for name in (CLIENT_ID, CLIENT_SECRET) if not known[name]]:
            raise InputError(f"set {' and '.join(missing)} in the environment")
        if known[BASE_URL_VARIABLE]:
            options.setdefault("base_url", known[BASE_URL_VARIABLE].reveal())
        options.setdefault("tokens", secret_url(known[TOKENS].reveal() or user_token_file()))
        return cls(known[CLIENT_ID].reveal(), known[CLIENT_SECRET], **options)

    def __repr__(self) -> str:
        # A traceback that shows variables may show an object whose constructor has failed.
        return f"<OAuth at {self._root}>" if hasattr(self, "_root") else "<OAuth>"

    @property
    def origin(self) -> str:
        """Scheme, host and port of the service that the tokens are for."""
        return self._root.removesuffix("/oauth")

    @property
    def network(self) -> NetworkOptions:
        """The way to the service, but for the timeout: a client takes it, so that it is given once."""
        return self._network.copy()

    @property
    def redirect_uri(self) -> str:
        """URL to which owners come back; by default the service's own page, which shows the code."""
        return self._redirect_uri

    def begin_login(self) -> LoginRequest:
        """Return the page to which a web application sends an owner, with a new random state.

        Keep the state with the owner's session (a cookie that is signed, or on the server), and send the
        browser to the URL: it comes back to `redirect_uri`.
        """
        state = secrets.token_urlsafe(STATE_BYTES)
        return LoginRequest(self.authorization_url(state=state), state)

    async def complete_login(self, user_id: str, url: str, *, state: str | None) -> Tokens:
        """Turn the address with which an owner came back into tokens, and save them.

        The state shows that it is this browser's own login. Without that check anybody could lead an owner
        to your page with a code or an address of their own.

        Args:
            user_id: your own name for the account; it is not sent, but shown in logs and errors.
            url: the address of the request, whole or without its host.
            state: the state of the login, as the session has it; take it out of there. `None`: it has none.

        Raises:
            InputError: it belongs to no login of this session: begin a new one. Nothing was sent.
            AuthenticationError: the owner has not consented, or the code or the application is not accepted.
            UsageError: the tokens could not be saved.
            EnlightenError: the token endpoint failed.
        """
        response = response_of(url, state)
        del url, state  # a traceback that shows variables must not show them
        return await self.exchange(user_id, code_of(response))

    def authorization_url(self, *, redirect_uri: str | None = None, state: str | None = None) -> str:
        """Return the URL of the page on which an owner logs in and consents.

        Args:
            redirect_uri: URL the page leads to, with `code` (or `error`) and `state` in its query; by
                default that of this object.
            state: text that comes back unchanged: make it random, keep it with the user's session, and
                compare (RFC 6749, 10.12).

        Raises:
            InputError: an argument is wrong.
        """
        redirect = self._redirect_uri if redirect_uri is None else checked(redirect_uri)
        if state is not None and not is_text(state):
            raise InputError("state must be a text that comes back unchanged: make it random")
        query = {"response_type": "code", "client_id": self._endpoint.client_id, "redirect_uri": redirect}
        if state is not None:
            query["state"] = state
        return f"{self._root}/authorize?{urlencode(query)}"

    async def exchange(self, user_id: str, code: str | Secret, *, redirect_uri: str | None = None) -> Tokens:
        """Turn the code an owner came back with into tokens, and save them.

        Args:
            user_id: your own name for the account; it is not sent, but shown in logs and errors.
            code: the code; it can be used once, and lives minutes.
            redirect_uri: the same as for `authorization_url`.

        Raises:
            InputError: an argument is wrong.
            AuthenticationError: the code or the application is not accepted.
            UsageError: the tokens could not be saved.
            EnlightenError: the token endpoint failed; the text says whether the code may be used up.
        """
        secret = Secret(code)
        del code
        if not secret:
            raise InputError("code must be the code that the owner came back with")
        form: _Form = [("grant_type", "authorization_code"), ("code", secret)]
        redirect = self._redirect_uri if redirect_uri is None else checked(redirect_uri)
        form.append(("redirect_uri", redirect))
        attempts = Attempts()
        try:
            return await self._session(user_id).login(form, _code_error, attempts)
        except _ENDPOINT_FAILED as error:
            hint = _USED_CODE if attempts.lost else _UNUSED_CODE
            error.args = (f"{error}; {hint}",)
            raise

    async def password(self, user_id: str, username: str | Secret, password: str | Secret) -> Tokens:
        """Log in by the owner's name and password, and save the tokens; for partners' applications only.

        Args:
            user_id: your own name for the account; it is not sent, but shown in logs and errors.
            username: user name of the Enlighten account.
            password: password of the Enlighten account.

        Raises:
            InputError: an argument is wrong.
            AuthenticationError: the name, the password or the application is not accepted.
            UsageError: the tokens could not be saved.
            EnlightenError: the token endpoint failed.
        """
        name, secret = Secret(username), Secret(password)
        del username, password
        if not name or not secret:
            raise InputError("username and password must be those of the owner's Enlighten account")
        form: _Form = [("grant_type", "password"), ("username", name), ("password", secret)]
        return await self._session(user_id).login(form, _password_error)

    async def tokens(self, user_id: str) -> Tokens | None:
        """Return the stored tokens of an account, `None` if there are none; `repr` shows only their times.

        Args:
            user_id: your own name for the account, as given to `exchange`.
        """
        return await self._session(user_id).stored()

    async def forget(self, user_id: str) -> None:
        """Remove an account's tokens from the store; nothing is sent.

        Args:
            user_id: your own name for the account, as given to `exchange`.
        """
        await self._session(user_id).forget()

    async def save_unsaved(self) -> None:
        """Save the tokens again that could not be saved when they came; nothing is sent, nothing raised.

        Clients do so by themselves, at the next use of the tokens and when they are closed.
        """
        for session in tuple(self._sessions.values()):
            await session.save_unsaved()

    def access(self, user_id: str, api_key: str | Secret, *, key_in: KeyIn = "query") -> AccountCredentials:
        """Return the credentials of an account, for a client; each call may return a new object.

        Args:
            user_id: your own name for the account, as given to `exchange`.
            api_key: the application's key.
            key_in: where the key is sent: "query" or "header".

        Raises:
            InputError: an argument is wrong.
        """
        key = Secret(api_key)
        del api_key
        if not key.is_visible_ascii:
            raise InputError(
                "api_key must be a text without spaces, as the portal shows it; it is not shown here"
            )
        if key_in not in ("query", "header"):
            raise InputError(f'key_in must be "query" or "header", not {key_in!r}')
        return AccountCredentials(self._session(user_id), key, key_in=key_in)

    def _session(self, user_id: str) -> TokenSession:
        _check_user_id(user_id)
        session = self._sessions.get(user_id)
        if session is None:
            new = TokenSession(
                user_id,
                store=self._store,
                endpoint=self._endpoint,
                clock=self._clock,
                login_url=self.authorization_url,
            )
            session = self._sessions.setdefault(user_id, new)  # atomic, so that all threads share one
        return session


def checked(redirect_uri: object) -> str:
    """Return a redirect URI that is a whole URL.

    Raises:
        InputError: it is none.
    """
    text = redirect_uri if isinstance(redirect_uri, str) else ""
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if not parts.scheme or not re.fullmatch(r"[!-~]+", text) or parts.fragment:
        raise InputError("redirect_uri must be a whole URL, such as 'https://example.com/callback'")
    return text


def _check_proxy(where: Origin, proxy: Secret | None) -> None:
    """Raise `InputError` for a proxy that is wrong: it is told when `OAuth` is made, not by a refresh."""
    proxy_for(where, proxy)


def environment(given: object) -> Mapping[str, str | Secret]:
    """Return the environment that is given, or else that of the process.

    Raises:
        InputError: it is no environment; the text does not show it.
    """
    if given is None:
        return os.environ
    if isinstance(given, Mapping):
        return given
    raise InputError(f"environ must map names to texts, such as os.environ, not be a {type(given).__name__}")


def _check_application(client_id: str, secret: Secret) -> None:
    # No colon: it ends the id in the header.
    if not Secret(client_id).is_visible_ascii or ":" in client_id:
        raise InputError("client_id must be the application's client id, as the developer portal shows it")
    if not secret or not isinstance(secret.reveal(), str):
        raise InputError("client_secret must be the application's client secret")


def _store(tokens: object, clock: Clock) -> TokenStore:
    if isinstance(tokens, str | os.PathLike | Secret):
        return store_at(tokens, clock)
    if isinstance(tokens, TokenStore) and not isinstance(tokens, type):
        # A subclass may do anything.
        ours = {FileTokenStore, StateTokenStore, PostgresTokenStore, MemoryTokenStore}
        return tokens if type(tokens) in ours else UserTokenStore(tokens)
    raise InputError(
        "tokens must be a path, a URL or a TokenStore: something with load, save, lock and remove"
    )


def _check_user_id(user_id: object) -> None:
    """Raise `InputError` for a wrong name of an account; the text does not show it, as it may be personal."""
    if not isinstance(user_id, str) or not 0 < len(user_id) <= MAX_USER_ID_CHARS or not user_id.isprintable():
        raise InputError(
            f"user_id must be a printable text of at most {MAX_USER_ID_CHARS} characters: "
            "use a name or number of your own"
        )
    if "@" in user_id:
        raise InputError(
            "user_id is shown in logs and errors, so it must not be an e-mail address: "
            "use a name or number of your own"
        )


_ENDPOINT_FAILED = (DecodeError, ServerError, Throttled, TransportError)
"""Errors of a token endpoint that has not answered whether it takes a grant."""

_USED_CODE = (
    "the code may be used up by now: give it once more, and if it is not accepted, open the authorization "
    "URL again for another code"
)
_UNUSED_CODE = "the code is not used up: give it again within minutes"


def _code_error(answer: OAuthError) -> AuthenticationError:
    return AuthenticationError(
        f"the code was not accepted {answer.text}: a code can be used once and lives minutes, "
        "and redirect_uri must be that of its request. Open the authorization URL again for another code",
        status=answer.status,
    )


def _password_error(answer: OAuthError) -> AuthenticationError:
    return AuthenticationError(
        f"the user name or password was not accepted {answer.text}: they are those of the owner's Enlighten "
        "account, and only partners' applications may use them",
        status=answer.status,
    )


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
