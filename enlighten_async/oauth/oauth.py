"""The environment's variables that tell of an application."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self, TypeAlias, TypedDict, Unpack
from urllib.parse import urlencode, urlsplit

from enlighten_async.clock import Clock, SystemClock
from enlighten_async.errors import AuthenticationError, InputError
from enlighten_async.oauth.session import AccountCredentials, KeyIn, TokenSession, checked_name
from enlighten_async.oauth.token_endpoint import OAuthError, TokenEndpoint
from enlighten_async.oauth.token_store import FileTokenStore, Tokens, TokenStore, own_file
from enlighten_async.transport import Secret, Verify, origin

if TYPE_CHECKING:
    import httpx

CLIENT_ID, CLIENT_SECRET = "ENLIGHTEN_CLIENT_ID", "ENLIGHTEN_CLIENT_SECRET"
TOKENS, BASE_URL_VARIABLE = "ENLIGHTEN_TOKENS", "ENLIGHTEN_BASE_URL"
NAMES = (CLIENT_ID, CLIENT_SECRET, TOKENS, BASE_URL_VARIABLE)


def read(environ: Mapping[str, str | Secret]) -> dict[str, Secret]:
    """Return the variables, by their names; empty where they are not set."""
    return {name: Secret(environ.get(name, "")) for name in NAMES}


def check(known: Mapping[str, Secret]) -> None:
    """Raise `InputError` if one that is needed is missing."""
    missing = [name for name in (CLIENT_ID, CLIENT_SECRET) if not known[name]]
    if missing:
        raise InputError(f"set {' and '.join(missing)} in the environment")


BASE_URL = "https://api.enphaseenergy.com/api/v4"

_Form: TypeAlias = list[tuple[str, str | Secret]]


class OAuthOptions(TypedDict, total=False):
    """The options of `OAuth`, as it explains them."""

    tokens: str | os.PathLike[str] | TokenStore
    base_url: str
    timeout: float | None
    proxy: str | None
    verify: Verify
    transport: httpx.AsyncBaseTransport | None
    clock: Clock | None


class OAuth:
    """The application's way to the tokens of its users' accounts.

    An owner opens `authorization_url` and comes back with a code, `exchange` turns the code into tokens,
    and from then on clients renew them by themselves: ahead of their end, once for all tasks and
    processes that share the store. It belongs to no event loop and needs no closing.

    Args:
        client_id: of the application, as the developer portal shows it.
        client_secret: of the application.
        tokens: where tokens are kept: a path, for a file only its owner can read, or any `TokenStore`.
        base_url: where the API is, as the client takes it; OAuth's pages are on the same host.
        timeout: seconds for one request for tokens; `None` for a minute, as it cannot be cancelled.
        proxy: URL of a proxy, "" for none; by default what the environment says.
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
        tokens: str | os.PathLike[str] | TokenStore,
        base_url: str = BASE_URL,
        timeout: float | None = 30.0,
        proxy: str | None = None,
        verify: Verify = True,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
    ) -> None:
        secret = Secret(client_secret)
        del client_secret  # a traceback that shows variables must not show it
        if not re.fullmatch(r"[!-9;-~]+", client_id):  # no colon: it ends the id in the header
            raise InputError(
                "client_id must be the application's client id, as the developer portal shows it"
            )
        if not secret:
            raise InputError("client_secret must be the application's client secret")
        if timeout is not None and not timeout > 0:
            raise InputError(f"timeout must be a number of seconds above 0, or None, not {timeout!r}")
        self._clock = clock or SystemClock()
        self._store = _store(tokens, self._clock)
        self._root = f"{origin(base_url, any_http=transport is not None)}/oauth"
        self._endpoint = TokenEndpoint(
            base_url=self._root,
            client_id=client_id,
            client_secret=secret,
            clock=self._clock,
            timeout=60.0 if timeout is None else timeout,
            proxy=proxy,
            verify=verify,
            transport=transport,
        )
        self._accounts: dict[str, TokenSession] = {}

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str | Secret] = os.environ, **options: Unpack[OAuthOptions]
    ) -> Self:
        """Return the application of the environment.

        `ENLIGHTEN_CLIENT_ID` and `ENLIGHTEN_CLIENT_SECRET` are needed; `ENLIGHTEN_BASE_URL` is taken if it
        is set. The tokens are in the file `ENLIGHTEN_TOKENS`, by default in the folder for settings of the
        user: they belong to nobody else, and to no folder a program happens to be run in. The options are
        those of the class.

        Raises:
            InputError: a variable is missing.
        """
        known = read(environ)
        del environ  # as above, for tracebacks
        check(known)
        if known[BASE_URL_VARIABLE]:
            options.setdefault("base_url", known[BASE_URL_VARIABLE].reveal())
        options.setdefault("tokens", known[TOKENS].reveal() or own_file())
        return cls(known[CLIENT_ID].reveal(), known[CLIENT_SECRET], **options)

    def __repr__(self) -> str:
        # A traceback that shows variables may show one that was not finished.
        return f"<OAuth at {self._root}>" if hasattr(self, "_root") else "<OAuth>"

    @property
    def origin(self) -> str:
        """Scheme, host and port of the service that its tokens are for."""
        return self._root.removesuffix("/oauth")

    @property
    def default_redirect(self) -> str:
        """The service's own page, which shows the code to the owner."""
        return f"{self._root}/redirect_uri"

    def authorization_url(self, *, redirect_uri: str | None = None, state: str | None = None) -> str:
        """Return the address of the page on which an owner logs in and consents.

        Args:
            redirect_uri: where the page leads to, with `code` (or `error`) and `state` in its query; by
                default `default_redirect`.
            state: comes back as it is: make it random, keep it with the user's session, and compare.

        Raises:
            InputError: an argument is wrong.
        """
        redirect = self._redirect(redirect_uri)
        query = {"response_type": "code", "client_id": self._endpoint.client_id, "redirect_uri": redirect}
        if state is not None:
            query["state"] = state
        return f"{self._root}/authorize?{urlencode(query)}"

    async def exchange(self, user_id: str, code: str | Secret, *, redirect_uri: str | None = None) -> Tokens:
        """Turn the code an owner came back with into tokens, and save them.

        Args:
            user_id: your own name for the account; it is not sent, and shown in logs and errors.
            code: it can be used once, and lives minutes.
            redirect_uri: the same as for `authorization_url`.

        Raises:
            InputError: an argument is wrong.
            AuthenticationError: the code or the application is not accepted.
            UsageError: the tokens could not be saved.
            EnlightenError: the token endpoint failed.
        """
        secret = Secret(code)
        del code
        if not secret:
            raise InputError("code must be the one the owner came back with")
        form: _Form = [("grant_type", "authorization_code"), ("code", secret)]
        form.append(("redirect_uri", self._redirect(redirect_uri)))
        return await self._account(user_id).login(form, _no_code)

    async def password(self, user_id: str, username: str | Secret, password: str | Secret) -> Tokens:
        """Log in by the owner's name and password, and save the tokens; for partners' applications only.

        Args:
            user_id: your own name for the account; it is not sent, and shown in logs and errors.
            username: of the Enlighten account.
            password: of the Enlighten account.

        Raises:
            InputError: an argument is wrong.
            AuthenticationError: the name, the password or the application is not accepted.
            UsageError: the tokens could not be saved.
            EnlightenError: the token endpoint failed.
        """
        name, word = Secret(username), Secret(password)
        del username, password
        if not name or not word:
            raise InputError("username and password must be those of the owner's Enlighten account")
        form: _Form = [("grant_type", "password"), ("username", name), ("password", word)]
        return await self._account(user_id).login(form, _no_password)

    async def tokens(self, user_id: str) -> Tokens | None:
        """Return what is stored for an account; its times can be seen, the tokens do not show themselves."""
        return await self._account(user_id).stored()

    async def forget(self, user_id: str) -> None:
        """Remove an account from the store; the service is not told."""
        await self._account(user_id).forget()

    def access(self, user_id: str, api_key: str | Secret, *, key_in: KeyIn = "query") -> AccountCredentials:
        """Return what a client needs to ask for an account's data; it may be asked for many times.

        Args:
            user_id: your own name for the account, as given to `exchange`.
            api_key: the application's key.
            key_in: where the key goes: "query" or "header".

        Raises:
            InputError: an argument is wrong.
        """
        key = Secret(api_key)
        del api_key
        if not re.fullmatch(r"[!-~]+", key.reveal()):
            raise InputError(
                "api_key must be a text without spaces, as the portal shows it; it is not shown here"
            )
        if key_in not in {"query", "header"}:
            raise InputError(f'key_in must be "query" or "header", not {key_in!r}')
        return AccountCredentials(self._account(user_id), key, key_in=key_in)

    def _account(self, user_id: str) -> TokenSession:
        name = checked_name(user_id)
        account = self._accounts.get(name)
        if account is None:
            # One step, so that threads agree on one.
            account = self._accounts.setdefault(
                name,
                TokenSession(
                    name,
                    store=self._store,
                    endpoint=self._endpoint,
                    clock=self._clock,
                    login_url=self.authorization_url,
                ),
            )
        return account

    def _redirect(self, redirect_uri: str | None) -> str:
        if redirect_uri is None:
            return self.default_redirect
        try:
            parts = urlsplit(redirect_uri)
        except ValueError:
            parts = urlsplit("")
        if not parts.scheme or not re.fullmatch(r"[!-~]+", redirect_uri) or parts.fragment:
            raise InputError("redirect_uri must be a whole URL, such as 'https://example.com/callback'")
        return redirect_uri


def _store(tokens: str | os.PathLike[str] | TokenStore, clock: Clock) -> TokenStore:
    if isinstance(tokens, str | os.PathLike):
        return FileTokenStore(tokens, clock=clock)
    if isinstance(tokens, TokenStore):
        return tokens
    raise InputError("tokens must be a path or a TokenStore: something with load, save, lock and remove")


def _no_code(said: OAuthError) -> AuthenticationError:
    return AuthenticationError(
        f"the code is refused {said.text}: a code can be used once and lives minutes, and redirect_uri must "
        "be the one it was asked for with. Open the authorization URL again for another",
        status=said.status,
    )


def _no_password(said: OAuthError) -> AuthenticationError:
    return AuthenticationError(
        f"the user name or password is refused {said.text}: they are those of the owner's Enlighten account, "
        "and only partners' applications may use them",
        status=said.status,
    )
