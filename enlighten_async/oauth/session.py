"""Token sessions: a valid access token for one account, refreshed once for all tasks and processes.

A refresh token can be used once, and the answer to its use is the only copy of the next one. So one task
refreshes while the others wait for it, under the store's lock, and what was sent is never cancelled.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from copy import copy
from datetime import UTC, datetime
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Literal
from weakref import WeakKeyDictionary

import anyio
from anyio.lowlevel import RunVar
from attrs import Factory, define, evolve, field, frozen

from enlighten_async.clock import Clock
from enlighten_async.errors import (
    EnlightenError,
    InputError,
    ReauthorizationRequired,
    RequestTimeout,
    ServerError,
    TokenRefused,
    UsageError,
)
from enlighten_async.oauth.token_endpoint import Attempts, OAuthError, TokenEndpoint
from enlighten_async.oauth.token_store import Tokens, TokenStore, identity
from enlighten_async.retry import is_outage
from enlighten_async.transport import Credentials, Secret

if TYPE_CHECKING:
    from enlighten_async.limiter import Renewals

logger = logging.getLogger("enlighten_async")

SAVE_TIMEOUT_S = 30.0
"""Seconds a store may take to save tokens."""

FIRST_SAVE_PAUSE_S, MAX_SAVE_PAUSE_S = 1.0, 60.0
"""Seconds after which tokens that could not be saved are saved again: the first pause, and the longest."""

LAST_SAVE_PAUSES_S = 0.2, 1.0, 0.0
"""Seconds after each attempt to save them when a client is closed."""

EXTENSION_S = 60.0
"""Seconds for which a token that lasts is used before it is tried again to renew it, where that failed."""

REPEATED_401_S = 3600.0
"""Seconds within which a 401 to a token that replaced one with a 401 is not answered by another refresh."""

KeyIn = Literal["query", "header"]

_BEARER = "Bearer "

_turns: RunVar[WeakKeyDictionary[TokenSession, Turns]] = RunVar("enlighten_async.oauth.turns")


@define(eq=False)
class Turns:
    """The tasks of one event loop that need one account's tokens: one is at it, the others wait.

    Attributes:
        lock: held by the task that is at it.
        waiting: the attempts of those who wait.
    """

    lock: anyio.Lock = Factory(anyio.Lock)
    waiting: set[Attempts] = Factory(set)

    @asynccontextmanager
    async def turn(self, attempts: Attempts) -> AsyncIterator[None]:
        """Wait for a task's turn, or raise the failure that ends its wait."""
        held = False
        try:
            with self.hearing(attempts):
                await self.lock.acquire()
                held = True
            yield
        finally:
            if held:
                self.lock.release()

    @contextmanager
    def hearing(self, attempts: Attempts) -> Iterator[None]:
        """Wait, within, for what another task does; raise the failure that ends the wait."""
        self.waiting.add(attempts)
        try:
            with attempts.waiting:
                yield
        finally:
            self.waiting.discard(attempts)
        if attempts.failure is not None:
            raise attempts.failure


@frozen
class _Unsaved:
    """Tokens that could not be saved, or are being saved.

    Attributes:
        tokens: the tokens.
        stored: those which the store had at that time.
        pause: seconds until their next use saves them again.
        due_at: the moment (monotonic) at which that is.
        store: where they are to be saved.
    """

    tokens: Tokens
    stored: Tokens | None
    pause: float
    due_at: float
    store: TokenStore = field(repr=False)


_unsaved: dict[tuple[Hashable, str], _Unsaved] = {}
"""Unsaved tokens of this process, by store and account: the next object for the same store finds them."""


class TokenCache:
    """The tokens of one account in this process, written through to a store.

    Args:
        account: the caller's name of the account.
        store: where the tokens are saved.
        clock: the source of time.
    """

    def __init__(self, account: str, store: TokenStore, clock: Clock) -> None:
        self.account = account
        self._store = store
        self._clock = clock
        self._tokens: Tokens | None = None
        self._stored: Tokens | None = None
        self._place = identity(store), account
        self._denied: Secret | None = None
        self._extended = 0.0  # until when (epoch seconds) a token is used that should have been renewed

    @property
    def has_unsaved(self) -> bool:
        """Whether the newest tokens are not saved, or not yet."""
        return self._place in _unsaved

    def current(self) -> Tokens | None:
        """Return the current tokens if they are valid and the service has not answered 401 to them.

        From time to time there are none while they are not saved: they are saved again first.
        """
        tokens = self._tokens
        if tokens is None or tokens.access_token == self._denied:
            return None
        if not tokens.good(now := self._clock.now()) and now >= self._extended:
            return None
        unsaved = _unsaved.get(self._place)
        if unsaved is not None and self._clock.monotonic() >= unsaved.due_at:
            return None
        return tokens

    @property
    def denied(self) -> Secret | None:
        """The current access token, if the service has answered 401 to it."""
        access_token = None if self._tokens is None else self._tokens.access_token
        return access_token if access_token == self._denied else None

    def deny(self, access_token: Secret | None) -> None:
        """Note that the service answered 401 to a token, so that no task sends it during the refresh."""
        if access_token is not None:
            self._denied = access_token

    def allow(self) -> None:
        """Let the current token be sent again: a 401 to it is not a reason to refresh it."""
        self._denied = None

    def extend(self) -> bool:
        """Let the current tokens be used for a minute more, if they last; return whether they may be.

        They are renewed some minutes before their end: where that fails there is time to ask again.
        """
        tokens, now = self._tokens, self._clock.now()
        if tokens is None or tokens.access_token == self._denied or tokens.expires_at <= now:
            return False
        self._extended = min(tokens.expires_at, now + EXTENSION_S)
        return True

    def adopt(self, tokens: Tokens) -> None:
        """Make tokens the current ones; the object stays the same if they are equal."""
        if not _same(self._tokens, tokens):
            self._tokens, self._extended = tokens, 0.0

    async def latest(self) -> Tokens | None:
        """Return the newest tokens known: the store's, or newer ones that could not be saved there."""
        self._stored = await self._store.load(self.account)
        unsaved = _unsaved.get(self._place)
        if unsaved is None or _same(self._stored, unsaved.stored):
            return self._stored if unsaved is None else unsaved.tokens
        _unsaved.pop(self._place, None)  # another process has logged in or refreshed since
        return self._stored

    async def save(self, tokens: Tokens) -> None:
        """Save tokens, and only then make them current; tokens that cannot be saved are used all the same.

        The service may have ended the old tokens by now, so the new ones must not be lost.
        """
        unsaved = _unsaved.get(self._place)
        self.put_off(tokens, unsaved)  # whatever ends the attempt, a later one finds them
        failure = await self._failure_to_save(tokens)
        if failure is None:
            self._stored = tokens
            _unsaved.pop(self._place, None)
            if unsaved is not None:
                logger.info("account %s: the tokens that could not be saved are saved", self.account)
        else:
            self.put_off(tokens, unsaved)
            if unsaved is None:
                logger.warning(
                    "account %s: the new tokens could not be saved (%s); this process uses them and saves "
                    "them again at their next use and when the client is closed, but until then no other "
                    "process has them: make room for them, or the owner has to log in again",
                    self.account,
                    failure,
                )
        self._tokens, self._extended = tokens, 0.0

    def put_off(self, tokens: Tokens, old: _Unsaved | None = None) -> None:
        """Note that tokens could not be saved, and when they are saved again.

        Args:
            tokens: the tokens.
            old: what could not be saved before them, if it was.
        """
        pause = FIRST_SAVE_PAUSE_S if old is None else min(MAX_SAVE_PAUSE_S, 2 * old.pause)
        stored = self._stored if old is None else old.stored
        due_at = self._clock.monotonic() + pause
        _unsaved[self._place] = _Unsaved(tokens, stored, pause, due_at, self._store)

    async def save_again(self, lock: AbstractAsyncContextManager[None]) -> bool:
        """Save the tokens that could not be saved before, and tell whether none are left unsaved.

        Args:
            lock: the store's lock of the account.
        """
        unsaved = _unsaved.get(self._place)
        if unsaved is None:
            return True
        # The first failure was logged, and the tokens may be used all the same.
        with suppress(Exception), self._clock.move_on_after(SAVE_TIMEOUT_S):
            async with lock:
                if await self.latest() is unsaved.tokens:
                    await self.save(unsaved.tokens)
                return not self.has_unsaved
        self.put_off(unsaved.tokens, unsaved)
        return False

    def clear(self) -> None:
        """Drop all tokens of the account from this process."""
        self._tokens = self._stored = None
        _unsaved.pop(self._place, None)

    async def _failure_to_save(self, tokens: Tokens) -> str | None:
        """Save tokens; return the reason why that failed, without secrets, or `None`."""
        try:
            with self._clock.move_on_after(SAVE_TIMEOUT_S):
                await self._store.save(self.account, tokens)
                return None
        except EnlightenError as error:
            return str(error)
        return f"it took longer than {SAVE_TIMEOUT_S:g} s"


class TokenSession:
    """The tokens of one account, for all tasks, threads and event loops of this process.

    Args:
        account: the caller's name of the account.
        store: where its tokens are saved.
        endpoint: the token endpoint.
        clock: the source of time.
        login_url: returns the address of the page on which the owner logs in.
    """

    def __init__(
        self,
        account: str,
        *,
        store: TokenStore,
        endpoint: TokenEndpoint,
        clock: Clock,
        login_url: Callable[[], str],
    ) -> None:
        self.account = account
        self._store = store
        self._endpoint = endpoint
        self._clock = clock
        self._login_url = login_url
        self._cache = TokenCache(account, store, clock)
        self._after_401: tuple[Secret, float] | None = None  # a token that replaced one with a 401, till when
        self._dead: Secret | None = None  # a refresh token the service does not accept
        self._failures = 0
        self._failure: tuple[Exception, int] | None = None  # the last one, after how many attempts
        self._asking = 0  # tasks that ask for tokens, of any event loop
        self._last: EnlightenError | None = None  # the last failure of theirs

    def current(self) -> Tokens | None:
        """Return tokens that are valid and have had no 401, without waiting; `None` if there are none."""
        return self._cache.current()

    async def refresh(
        self,
        denied: Secret | None = None,
        until: float | None = None,
        renewals: Renewals | None = None,
        *,
        was_accepted: bool = False,
    ) -> None:
        """Make valid tokens current: newer ones of the store, or else new ones of the token endpoint.

        Args:
            denied: the access token the service answered 401 to.
            until: the moment (monotonic) up to which failures that pass are followed by another attempt;
                `None` for a few attempts.
            renewals: what lets requests for tokens through, and counts their failures.
            was_accepted: whether the service has taken it for other requests, which may go on with it.

        Raises:
            InputError: the tokens are of another application.
            ReauthorizationRequired: the owner has to log in.
            TokenRefused: the service answers 401 to a new token, so that refreshing it does not help.
            AuthenticationError: the application is not accepted.
            EnlightenError: the token endpoint or the store failed.
        """
        if was_accepted and denied is not None and self._is_after_401(denied):
            raise self._refused_though_new()
        self._cache.deny(denied)
        if self.current():
            return
        attempts = Attempts(until, renewals=renewals)
        try:
            await self._refresh_in_turn(denied, attempts)
        except EnlightenError as error:
            error.ends_query = True  # all its requests need the token
            if not (is_outage(error) and self._cache.extend()):
                raise

    async def _refresh_in_turn(self, denied: Secret | None, attempts: Attempts) -> None:
        """Make valid tokens current, once for all who wait for them."""
        failures, turns = self._failures, self._turns()
        if turns.lock.locked():
            await attempts.look()
        async with turns.turn(attempts):
            if self.current():
                return
            if self._failure is not None and self._failures != failures:
                await self._go_on_after(*self._failure, attempts)
            try:
                await self._refresh(denied or self._cache.denied, attempts)
            except Exception as error:
                if error is attempts.refusal:  # nothing was sent, which is no news to others
                    raise
                if isinstance(error, TokenRefused):
                    self._cache.allow()
                if isinstance(error, EnlightenError):
                    error.ends_query = True
                # A copy has no frames: those of the raised error hold what was sent.
                kept = copy(error) if isinstance(error, EnlightenError) else error
                self._failure = kept, attempts.failures
                self._failures += 1
                self._tell(kept, attempts.failures)
                raise

    def hearing(self, until: float | None) -> AbstractContextManager[None]:
        """Wait, within, for what another task gets with the tokens; raise the failure that ends the wait."""
        return self._turns().hearing(Attempts(until))

    def failure(self, text: str) -> EnlightenError | None:
        """Return the error for one who has waited for tokens in vain; `None` if none were asked for.

        Args:
            text: what came of it; the last failure is added.
        """
        if not self._asking or self.current() is not None:
            return None
        if self._last is None:
            return RequestTimeout(f"{text}; no answer yet to POST /token", sent=True, phase="wait")
        error = copy(self._last)
        error.args = (f"{text}; the last failure: {error}",)
        return error

    def _tell(self, failure: Exception, failures: int) -> None:
        """Tell a failure to those who wait and would not attempt it again themselves; the others go on."""
        if isinstance(failure, EnlightenError) and is_outage(failure) and self._cache.extend():
            return  # they may use the old ones
        for attempts in tuple(self._turns().waiting):
            attempts.failures = failures
            if isinstance(failure, EnlightenError) and self._endpoint.pause(failure, attempts) is None:
                attempts.end(failure)

    def _failed(self, failure: EnlightenError, failures: int) -> None:
        """Note a failure that is followed by another attempt."""
        failure.ends_query = True  # as above
        self._last = copy(failure)
        self._tell(self._last, failures)

    async def _go_on_after(self, failure: Exception, failures: int, attempts: Attempts) -> None:
        """Go on where the task that this one waited for has given up, if this one is more patient."""
        attempts.failures = failures
        pause = self._endpoint.pause(failure, attempts)
        if pause is None:
            raise copy(failure) if isinstance(failure, EnlightenError) else failure
        await self._clock.sleep(pause)

    async def login(
        self,
        form: Iterable[tuple[str, str | Secret]],
        grant_error: Callable[[OAuthError], EnlightenError],
        attempts: Attempts | None = None,
    ) -> Tokens:
        """Request the first tokens, and return them once they are saved.

        Args:
            form: the grant.
            grant_error: makes the error for a grant that is not accepted.
            attempts: counts the attempts.

        Raises:
            UsageError: they could not be saved, and only this process has them.
            EnlightenError: no tokens were received.
        """
        async with self._turns().lock, self._store.lock(self.account):
            await self._cache.latest()  # a store that fails does so before the code is spent
            with self._on_the_way():
                await self._endpoint.request(
                    form, grant_error=grant_error, save=self._save_first, attempts=attempts
                )
        tokens = self.current()
        if self._cache.has_unsaved or tokens is None:
            raise UsageError(f"account {self.account} has logged in, but the tokens could not be saved")
        return tokens

    async def stored(self) -> Tokens | None:
        """Return the tokens in the store."""
        return await self._store.load(self.account)

    async def forget(self) -> None:
        """Remove the tokens from the store and from this process."""
        async with self._turns().lock, self._store.lock(self.account):
            await self._store.remove(self.account)
            self._cache.clear()
            self._after_401 = self._dead = None

    async def save_unsaved(self) -> None:
        """Save the tokens again that could not be saved, a few times; nothing is raised if that fails again.

        An answer that is on its way is waited for: its tokens may be of these.
        """
        if not self._cache.has_unsaved and not self._asking:
            return
        with suppress(EnlightenError):
            async with self._turns().turn(Attempts(until=-inf)):
                pass  # the request is over, or has failed
        for pause in LAST_SAVE_PAUSES_S if self._cache.has_unsaved else ():
            async with self._turns().lock:
                if await self._cache.save_again(self._store.lock(self.account)):
                    return
            await self._clock.sleep(pause)

    async def _refresh(self, denied: Secret | None, attempts: Attempts) -> None:
        if self._cache.has_unsaved:  # before they are used up, or lost with this process
            saved = await self._cache.save_again(self._store.lock(self.account))
            if not saved and self.current():
                return
        # Valid tokens need no lock: a store on a read-only disk serves as long as they last.
        old = self._to_refresh(await self._cache.latest(), denied)
        if old is None:
            return
        self._cache.adopt(old)  # to be used while it lasts, if the service fails
        await attempts.look()
        async with self._store.lock(self.account):
            old = self._to_refresh(await self._cache.latest(), denied)
            if old is not None:
                await self._request(old, denied, attempts)

    def _to_refresh(self, latest: Tokens | None, denied: Secret | None) -> Tokens | None:
        """Return the tokens that have to be refreshed; make valid ones current and return `None`."""
        if latest is None:
            raise self._login_needed("nobody has logged in yet")
        self._require_same_application(latest)
        if latest.access_token != denied and latest.good(self._clock.now()):
            self._adopt(latest, denied)
            return None
        if latest.access_token == denied and self._is_after_401(latest.access_token):
            raise self._refused_though_new()
        if latest.refresh_token is None:
            raise self._login_needed("the access token has ended, and there is no refresh token")
        if latest.refresh_token == self._dead:
            raise self._login_needed("the refresh token was not accepted")
        return latest

    def _require_same_application(self, tokens: Tokens) -> None:
        """Raise `InputError` for tokens of another application, which could not be refreshed."""
        ours = self._endpoint.client_id
        if tokens.client_id not in {None, ours}:
            raise InputError(
                f"the tokens of account {self.account} are of the application with the client id "
                f"{tokens.client_id!r}, not {ours!r}: give OAuth that client id and its secret, or a "
                "store of its own for this application, or let the owner log in again"
            )

    async def _request(self, old: Tokens, denied: Secret | None, attempts: Attempts) -> None:
        assert old.refresh_token is not None  # noqa: S101 - `_to_refresh` has checked it
        try:
            with self._on_the_way():
                await self._endpoint.request(
                    [("grant_type", "refresh_token"), ("refresh_token", old.refresh_token)],
                    grant_error=lambda answer: self._login_needed(
                        f"the refresh token was not accepted {answer.text}", answer.status
                    ),
                    save=partial(self._save_next, old, denied),
                    attempts=attempts,
                    failed=self._failed,
                )
        except ReauthorizationRequired:
            self._dead = old.refresh_token
            raise
        except ServerError as error:
            ended = old.refresh_expires_at is not None and old.refresh_expires_at <= self._clock.now()
            if error.status not in {400, 401} or not ended:
                raise
            failure = self._login_needed(
                f"the refresh token has ended by its own date; {error}", error.status
            )
        else:
            return
        raise failure

    @contextmanager
    def _on_the_way(self) -> Iterator[None]:
        """Mark that tokens are asked for."""
        self._asking += 1
        self._last = None
        try:
            yield
        finally:
            self._asking -= 1

    async def _save_next(self, old: Tokens, denied: Secret | None, tokens: Tokens) -> None:
        if tokens.refresh_token is None:  # RFC 6749, 6: the server may issue no new one, the old one lives on
            end = old.refresh_expires_at
            tokens = evolve(tokens, refresh_token=old.refresh_token, refresh_expires_at=end)
        await self._cache.save(tokens)
        self._adopt(tokens, denied)
        logger.info("account %s: the access token was refreshed; it ends at %s", self.account, expiry(tokens))

    async def _save_first(self, tokens: Tokens) -> None:
        await self._cache.save(tokens)
        self._after_401 = self._dead = None
        logger.info("account %s: logged in; the access token ends at %s", self.account, expiry(tokens))

    def _adopt(self, tokens: Tokens, denied: Secret | None) -> None:
        self._cache.adopt(tokens)
        if denied is not None:
            self._after_401 = (tokens.access_token, self._clock.monotonic() + REPEATED_401_S)

    def _is_after_401(self, access_token: Secret) -> bool:
        """Tell whether a token replaced one with a 401 shortly before: its age is not the reason then."""
        if self._after_401 is None:
            return False
        new, until = self._after_401
        return access_token == new and self._clock.monotonic() < until

    def _refused_though_new(self) -> TokenRefused:
        return TokenRefused(
            f"the service answers 401 to the token of account {self.account} though it is new, so it "
            "is not refreshed again: check that the API key and the client id are of one application",
            status=401,
        )

    def _login_needed(self, reason: str, status: int = 401) -> ReauthorizationRequired:
        url = self._login_url()
        return ReauthorizationRequired(
            f"account {self.account} has to log in: {reason}. Open {url} and give the code it leads to to "
            "OAuth.exchange; a web page sends the owner to OAuth.begin_login().url instead. A refresh token "
            "ends after 30 days, when another program uses it, when the answer to its use is lost, and when "
            "a program is killed between that and saving the next one",
            status=status,
            account=self.account,
            url=url,
            reason=reason,
        )

    def _turns(self) -> Turns:
        """Return the tasks of the running event loop that need the tokens of this session."""
        try:
            turns = _turns.get()
        except LookupError:
            turns = WeakKeyDictionary()
            _turns.set(turns)
        return turns.setdefault(self, Turns())


class AccountCredentials:
    """Credentials of one account for the API: the application's key and the account's access token.

    Args:
        session: the account's tokens.
        api_key: the application's key.
        key_in: where the service looks for the key: "query" or "header".
    """

    def __init__(self, session: TokenSession, api_key: Secret, *, key_in: KeyIn = "query") -> None:
        self._session = session
        self._api_key = api_key
        self._key_in = key_in
        self.accepted: Credentials | None = None
        """Those for which the service last gave an answer."""
        self._built: tuple[Tokens, Credentials] | None = None

    def __repr__(self) -> str:
        return f"<AccountCredentials of {self._session.account}>"

    @property
    def cache_scope(self) -> Secret:
        """The application's key and the name of the account."""
        return Secret(f"{self._api_key.reveal()}\n{self._session.account}")

    def current(self) -> Credentials | None:
        """Return credentials that are valid for some minutes; `None` if `refresh` has to be awaited first.

        It is the same object for as long as the token stays.
        """
        tokens = self._session.current()
        if tokens is None:
            return None
        built = self._built
        if built is None or built[0] is not tokens:
            built = self._built = (tokens, self._credentials(tokens))
        return built[1]

    async def refresh(
        self,
        denied: Credentials | None = None,
        until: float | None = None,
        renewals: Renewals | None = None,
    ) -> None:
        """Get a valid access token, once for all tasks and processes that wait for it.

        Args:
            denied: credentials the service answered 401 to; nothing is done if others are current by now.
            until: the moment (monotonic) up to which failures that pass are followed by another attempt;
                `None` for a few attempts.
            renewals: what lets requests for tokens through, and counts their failures; `None`: nothing does.

        Raises:
            InputError: the tokens are of another application.
            ReauthorizationRequired: the owner has to log in.
            TokenRefused: the service answers 401 to a new token, so that refreshing it does not help.
            AuthenticationError: the application is not accepted.
            EnlightenError: the token endpoint or the store failed.
        """
        token = None if denied is None else _access_token(denied)
        was_accepted = denied is not None and denied is self.accepted
        await self._session.refresh(token, until, renewals, was_accepted=was_accepted)

    def hearing(self, until: float | None) -> AbstractContextManager[None]:
        """Wait, within, for what another task gets with the tokens: see `TokenSession.hearing`.

        Args:
            until: the moment (monotonic) by which they are wanted; `None`: after a few attempts.
        """
        return self._session.hearing(until)

    def failure(self, text: str) -> EnlightenError | None:
        """Return the error for one who has waited for tokens in vain: see `TokenSession.failure`.

        Args:
            text: what came of it; the last failure is added.
        """
        return self._session.failure(text)

    def _credentials(self, tokens: Tokens) -> Credentials:
        key = ("key", self._api_key)
        bearer = ("Authorization", Secret(_BEARER + tokens.access_token.reveal()))
        if self._key_in == "header":
            return Credentials(headers=[key, bearer])
        return Credentials(params=[key], headers=[bearer])


def expiry(tokens: Tokens) -> str:
    """Return the end of the access token as ISO 8601 in UTC."""
    return datetime.fromtimestamp(tokens.expires_at, UTC).isoformat(timespec="seconds")


def _access_token(credentials: Credentials) -> Secret | None:
    for name, secret in credentials.headers:
        if name == "Authorization":
            return Secret(secret.reveal().removeprefix(_BEARER))
    return None


def _same(one: Tokens | None, other: Tokens | None) -> bool:
    """Tell whether two are the same tokens; their times may lose digits in a database."""
    if one is None or other is None:
        return one is other
    return one.access_token == other.access_token and one.refresh_token == other.refresh_token
