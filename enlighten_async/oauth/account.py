"""How the tokens of one account are renewed: once for all who wait, in all processes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from copy import copy
from functools import partial
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
from enlighten_async.oauth.answer import Said
from enlighten_async.oauth.endpoint import TokenEndpoint
from enlighten_async.oauth.holding import Holding, until
from enlighten_async.oauth.store import TokenStore
from enlighten_async.oauth.tokens import Tokens
from enlighten_async.transport import Secret

logger = logging.getLogger("enlighten_async")

MAX_NAME = 200
"""Characters of an account's name, at most."""

SUSPECT = 3600.0
"""Seconds for which tokens got because others were refused are not renewed for being refused themselves."""

_turns: RunVar[WeakKeyDictionary[Account, anyio.Lock]] = RunVar("enlighten_async.oauth.turns")


@frozen
class _Suspect:
    """A token that came because another was refused: if it is refused too, its age is not the reason."""

    access_token: Secret
    until: float


class Account:
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
        self._holding = Holding(name, store, clock)
        self._suspect: _Suspect | None = None
        self._dead: Secret | None = None
        self._failures = 0
        self._failure: Exception | None = None

    def current(self) -> Tokens | None:
        """Return tokens that are good, and are not those which the service refused, without waiting."""
        return self._holding.current()

    async def renew(self, refused: Secret | None = None) -> None:
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
        self, form: Iterable[tuple[str, str | Secret]], refused: Callable[[Said], EnlightenError]
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
