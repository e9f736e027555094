"""Tokens of one account: good right now, and renewed once for all who wait, in all processes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from copy import copy
from datetime import UTC, datetime
from functools import partial
from typing import Literal
from weakref import WeakKeyDictionary

import anyio
from anyio.lowlevel import RunVar
from attrs import evolve, frozen

from enlighten_async.clock import Clock
from enlighten_async.errors import (
    EnlightenError,
    InputError,
    ReauthorizationRequired,
    TokenRefused,
    UsageError,
)
from enlighten_async.oauth.token_endpoint import OAuthError, TokenEndpoint
from enlighten_async.oauth.token_store import Tokens, TokenStore
from enlighten_async.transport import Credentials, Secret

logger = logging.getLogger("enlighten_async")

SAVE_TIMEOUT = 30.0
"""Seconds a store may take to save."""


@frozen
class _Unsaved:
    """Tokens that could not be written, and what the store holds instead."""

    tokens: Tokens
    over: Tokens | None


class TokenCache:
    """The tokens of one account in this process.

    Args:
        name: the caller's name of the account.
        store: where they are written.
        clock: the source of time.
    """

    def __init__(self, name: str, store: TokenStore, clock: Clock) -> None:
        self.name = name
        self._store = store
        self._clock = clock
        self._tokens: Tokens | None = None
        self._stored: Tokens | None = None
        self._unsaved: _Unsaved | None = None
        self._refused: Secret | None = None

    @property
    def unsaved(self) -> bool:
        """Whether the tokens in force could not be written."""
        return self._unsaved is not None

    def current(self) -> Tokens | None:
        """Return the tokens in force if they are good, and are not those which the service refused."""
        tokens = self._tokens
        if tokens is None or tokens.access_token == self._refused or not tokens.good(self._clock.now()):
            return None
        return tokens

    @property
    def refused(self) -> Secret | None:
        """The access token in force, if the service has refused it."""
        held = None if self._tokens is None else self._tokens.access_token
        return held if held == self._refused else None

    def refuse(self, refused: Secret | None) -> None:
        """Note which access token the service has refused, so that nobody sends it while it is renewed."""
        if refused is not None:
            self._refused = refused

    def excuse(self) -> None:
        """Let the token in force be sent again, as it is not renewed for having been refused."""
        self._refused = None

    def adopt(self, tokens: Tokens) -> None:
        """Put tokens in force; equal ones leave those in force that are."""
        if not _same(self._tokens, tokens):
            self._tokens = tokens

    async def latest(self) -> Tokens | None:
        """Return the newest tokens known: the store's, unless newer ones could not be written there."""
        self._stored = await self._store.load(self.name)
        if self._unsaved is not None and not _same(self._stored, self._unsaved.over):
            self._unsaved = None  # somebody has logged in or renewed since
        return self._stored if self._unsaved is None else self._unsaved.tokens

    async def keep(self, tokens: Tokens) -> None:
        """Write tokens, and only then put them in force; those that cannot be written are used all the same.

        The old ones may be dead by now, so these must not be lost.
        """
        failure = await self._save(tokens)
        if failure is None:
            self._stored, self._unsaved = tokens, None
        else:
            self._unsaved = _Unsaved(tokens, self._stored)
            logger.warning(
                "account %s: the new tokens could not be saved (%s); this process goes on with them and "
                "tries to save them again at the next renewal, but until then nobody else has them",
                self.name,
                failure,
            )
        self._tokens = tokens

    async def save_again(self) -> None:
        """Write what could not be written."""
        if self._unsaved is not None:
            await self.keep(self._unsaved.tokens)

    def forget(self) -> None:
        """Hold nothing."""
        self._tokens = self._stored = self._unsaved = None

    async def _save(self, tokens: Tokens) -> str | None:
        """Return why saving failed, in words without secrets; `None` if it did not."""
        try:
            with self._clock.move_on_after(SAVE_TIMEOUT):
                await self._store.save(self.name, tokens)
                return None
        except EnlightenError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - whatever a user's store may raise
            return type(error).__name__  # its text may quote what was to be saved
        return f"it took longer than {SAVE_TIMEOUT:g} s"


def until(tokens: Tokens) -> str:
    """Write when the access token ends, in UTC."""
    return datetime.fromtimestamp(tokens.expires_at, UTC).isoformat(timespec="seconds")


def _same(one: Tokens | None, other: Tokens | None) -> bool:
    """Tell whether they are the same tokens; times may lose digits in a database."""
    if one is None or other is None:
        return one is other
    return one.access_token == other.access_token and one.refresh_token == other.refresh_token


MAX_NAME = 200
"""Characters of an account's name, at most."""

SUSPECT = 3600.0
"""Seconds for which tokens got because others were refused are not renewed for being refused themselves."""

_turns: RunVar[WeakKeyDictionary[TokenSession, anyio.Lock]] = RunVar("enlighten_async.oauth.turns")


@frozen
class _Suspect:
    """A token that came because another was refused: if it is refused too, its age is not the reason."""

    access_token: Secret
    until: float


class TokenSession:
    """One account in this process. Its methods may be awaited in any event loop.

    Args:
        name: the caller's name of it.
        store: where its tokens are kept.
        endpoint: where new ones come from.
        clock: the source of time.
        login_url: gives the page on which the owner logs in.
    """

    def __init__(
        self,
        name: str,
        *,
        store: TokenStore,
        endpoint: TokenEndpoint,
        clock: Clock,
        login_url: Callable[[], str],
    ) -> None:
        self.name = name
        self._store = store
        self._endpoint = endpoint
        self._clock = clock
        self._login_url = login_url
        self._holding = TokenCache(name, store, clock)
        self._suspect: _Suspect | None = None
        self._dead: Secret | None = None
        self._failures = 0
        self._failure: Exception | None = None

    def current(self) -> Tokens | None:
        """Return tokens that are good, and are not those which the service refused, without waiting."""
        return self._holding.current()

    async def refresh(self, refused: Secret | None = None) -> None:
        """See to it that there are good tokens, asking for new ones if nobody else has.

        Args:
            refused: the access token which the service answered 401 to.

        Raises:
            ReauthorizationRequired: the owner has to log in.
            TokenRefused: the service refuses a token that is new, so it is not its age that is wrong.
            AuthenticationError: the application is not accepted.
            EnlightenError: the token endpoint or the store failed.
        """
        self._holding.refuse(refused)
        if self.current():
            return
        failures = self._failures
        async with self._turn():
            if self.current():
                return
            if self._failure is not None and self._failures != failures:
                raise copy(self._failure)  # what the one met for whom this one waited
            try:
                await self._renew(refused or self._holding.refused)
            except Exception as error:
                if isinstance(error, TokenRefused):
                    self._holding.excuse()
                self._failure, self._failures = _bare(error), self._failures + 1
                raise

    async def login(
        self, form: Iterable[tuple[str, str | Secret]], refused: Callable[[OAuthError], EnlightenError]
    ) -> Tokens:
        """Ask for first tokens and return them once they are saved.

        Raises:
            UsageError: they could not be saved, and are in force in this process only.
            EnlightenError: there are none.
        """
        async with self._turn(), self._store.lock(self.name):
            await self._holding.latest()  # a store that fails does so before the code is spent
            await self._endpoint.ask(form, refused=refused, keep=self._keep_first)
        tokens = self.current()
        if self._holding.unsaved or tokens is None:
            raise UsageError(f"account {self.name} has logged in, but the tokens could not be saved")
        return tokens

    async def stored(self) -> Tokens | None:
        """Return what is stored."""
        return await self._store.load(self.name)

    async def forget(self) -> None:
        """Remove the tokens from the store and from this process."""
        async with self._turn(), self._store.lock(self.name):
            await self._store.remove(self.name)
            self._holding.forget()
            self._suspect = self._dead = None

    async def _renew(self, refused: Secret | None) -> None:
        # Good tokens need no lock, so that a store which cannot be written serves as long as they last.
        if not self._holding.unsaved and self._to_refresh(await self._holding.latest(), refused) is None:
            return
        async with self._store.lock(self.name):
            old = self._to_refresh(await self._holding.latest(), refused)
            if old is None:
                await self._holding.save_again()
            else:
                await self._refresh(old, refused)

    def _to_refresh(self, latest: Tokens | None, refused: Secret | None) -> Tokens | None:
        """Return the tokens that have to be refreshed, or put good ones in force and return `None`."""
        if latest is None:
            raise self._login_needed("nobody has logged in yet")
        if latest.access_token != refused and latest.good(self._clock.now()):
            self._accept(latest, refused)
            return None
        if latest.access_token == refused and self._is_suspect(latest.access_token):
            raise TokenRefused(
                f"the service refuses the token of account {self.name} though it is new, so it is not "
                "renewed again: check that the API key and the client id belong to the same application",
                status=401,
            )
        if latest.refresh_token is None:
            raise self._login_needed("the access token has ended, and there is no refresh token")
        if latest.refresh_token == self._dead:
            raise self._login_needed("the refresh token has been refused")
        return latest

    async def _refresh(self, old: Tokens, refused: Secret | None) -> None:
        assert old.refresh_token is not None  # noqa: S101 - or it would not be here
        try:
            await self._endpoint.ask(
                [("grant_type", "refresh_token"), ("refresh_token", old.refresh_token)],
                refused=lambda said: self._login_needed(
                    f"the refresh token is refused {said.text}", said.status
                ),
                keep=partial(self._keep_next, old, refused),
            )
        except ReauthorizationRequired:
            self._dead = old.refresh_token
            raise

    async def _keep_next(self, old: Tokens, refused: Secret | None, tokens: Tokens) -> None:
        if tokens.refresh_token is None:  # the service may let the old one live on
            end = old.refresh_expires_at
            tokens = evolve(tokens, refresh_token=old.refresh_token, refresh_expires_at=end)
        await self._holding.keep(tokens)
        self._accept(tokens, refused)
        logger.info("account %s: the access token was renewed; it ends at %s", self.name, until(tokens))

    async def _keep_first(self, tokens: Tokens) -> None:
        await self._holding.keep(tokens)
        self._suspect = self._dead = None
        logger.info("account %s: logged in; the access token ends at %s", self.name, until(tokens))

    def _accept(self, tokens: Tokens, refused: Secret | None) -> None:
        self._holding.adopt(tokens)
        if refused is not None:
            self._suspect = _Suspect(tokens.access_token, self._clock.monotonic() + SUSPECT)

    def _is_suspect(self, refused: Secret) -> bool:
        suspect = self._suspect
        if suspect is None or suspect.access_token != refused:
            return False
        return self._clock.monotonic() < suspect.until

    def _login_needed(self, why: str, status: int = 401) -> ReauthorizationRequired:
        url = self._login_url()
        return ReauthorizationRequired(
            f"account {self.name} has to log in: {why}. Open {url} and give the code it leads to to "
            "OAuth.exchange. A refresh token ends after 30 days, when another program uses it, when the "
            "answer to its use is lost, and when a program is killed between that and saving the next one",
            status=status,
            account=self.name,
            url=url,
            reason=why,
        )

    def _turn(self) -> anyio.Lock:
        """Return what lets one task of this event loop renew at a time."""
        try:
            turns = _turns.get()
        except LookupError:
            turns = WeakKeyDictionary()
            _turns.set(turns)
        return turns.setdefault(self, anyio.Lock())


def _bare(error: Exception) -> Exception:
    """Return an error to raise again, without the frames it came through if it is one of ours."""
    return copy(error) if isinstance(error, EnlightenError) else error


def checked_name(user_id: object) -> str:
    """Return the name of an account; errors do not show a wrong one, as it may be personal."""
    if not isinstance(user_id, str) or not 0 < len(user_id) <= MAX_NAME or not user_id.isprintable():
        raise InputError(
            f"user_id must be a printable text of at most {MAX_NAME} characters: "
            "use a name or number of your own"
        )
    if "@" in user_id:
        raise InputError(
            "user_id is shown in logs and errors, so it must not be an e-mail address: "
            "use a name or number of your own"
        )
    return user_id


KeyIn = Literal["query", "header"]

_BEARER = "Bearer "


class AccountCredentials:
    """An account's credentials for the API, together with the application's key.

    Args:
        account: whose.
        api_key: the application's.
        key_in: where the service looks for the key: "query" or "header".
    """

    def __init__(self, account: TokenSession, api_key: Secret, *, key_in: KeyIn = "query") -> None:
        self._account = account
        self._api_key = api_key
        self._key_in = key_in
        self._made: tuple[Tokens, Credentials] | None = None

    def __repr__(self) -> str:
        return f"<Access of account {self._account.name}>"

    @property
    def cache_scope(self) -> Secret:
        """The application's key and the name of the account."""
        return Secret(f"{self._api_key.reveal()}\n{self._account.name}")

    def current(self) -> Credentials | None:
        """Return credentials that are valid for some minutes; `None` if `refresh` has to be awaited first.

        It is the same object for as long as the token stays.
        """
        tokens = self._account.current()
        if tokens is None:
            return None
        made = self._made
        if made is None or made[0] is not tokens:
            made = self._made = (tokens, self._credentials(tokens))
        return made[1]

    async def refresh(self, refused: Credentials | None = None) -> None:
        """Get a valid access token, once for all tasks and processes that wait for it.

        Args:
            refused: credentials the service answered 401 to; nothing is done if others are current by now.

        Raises:
            ReauthorizationRequired: the owner has to log in.
            TokenRefused: renewing has not helped.
            AuthenticationError: the application is not accepted.
            EnlightenError: the token endpoint or the store failed.
        """
        await self._account.refresh(None if refused is None else _token_in(refused))

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
