"""What a client needs of an account: credentials that are good right now, and a way to renew them."""

from __future__ import annotations

from typing import Literal

from enlighten_async.oauth.account import Account
from enlighten_async.oauth.tokens import Tokens
from enlighten_async.transport import Credentials, Secret

KeyIn = Literal["query", "header"]

_BEARER = "Bearer "


class Access:
    """An account's credentials for the API, together with the application's key.

    Args:
        account: whose.
        api_key: the application's.
        key_in: where the service looks for the key: "query" or "header".
    """

    def __init__(self, account: Account, api_key: Secret, *, key_in: KeyIn = "query") -> None:
        self._account = account
        self._api_key = api_key
        self._key_in = key_in
        self._made: tuple[Tokens, Credentials] | None = None

    def __repr__(self) -> str:
        return f"<Access of account {self._account.name}>"

    @property
    def owner(self) -> Secret:
        """The application's key and the name of the account."""
        return Secret(f"{self._api_key.reveal()}\n{self._account.name}")

    def ready(self) -> Credentials | None:
        """Return credentials that are good for some minutes; `None` if `renew` has to be awaited first.

        It is the same object for as long as the token stays.
        """
        tokens = self._account.current()
        if tokens is None:
            return None
        made = self._made
        if made is None or made[0] is not tokens:
            made = self._made = (tokens, self._credentials(tokens))
        return made[1]

    async def renew(self, refused: Credentials | None = None) -> None:
        """Make credentials ready, once for all who wait.

        Args:
            refused: those the service answered 401 to; nothing is done if others are in force by now.

        Raises:
            ReauthorizationRequired: the owner has to log in.
            TokenRefused: renewing has not helped.
            AuthenticationError: the application is not accepted.
            EnlightenError: the token endpoint or the store failed.
        """
        await self._account.renew(None if refused is None else _token_in(refused))

    def _credentials(self, tokens: Tokens) -> Credentials:
        key = ("key", self._api_key)
        bearer = ("Authorization", Secret(_BEARER + tokens.access_token.reveal()))
        if self._key_in == "header":
            return Credentials(headers=[key, bearer])
        return Credentials(params=[key], headers=[bearer])


def _token_in(credentials: Credentials) -> Secret | None:
    for name, secret in credentials.headers:
        if name == "Authorization":
            return Secret(secret.reveal().removeprefix(_BEARER))
    return None
