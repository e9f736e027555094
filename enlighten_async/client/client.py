"""The client: how it is made, closed, and seen with other options."""

from __future__ import annotations

import logging
import os
import secrets
import weakref
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import AsyncExitStack
from copy import copy
from datetime import datetime
from functools import partial
from hashlib import blake2b
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from attrs import evolve

from enlighten_async import cache, state
from enlighten_async.api import v2, v4
from enlighten_async.api.base import Api
from enlighten_async.cache import NOTHING_CACHED, IntervalCache, MemoryCache, UserCache, without_waiting
from enlighten_async.client.endpoints import Endpoints, parse_system_id
from enlighten_async.client.endpoints_v4 import EndpointsV4
from enlighten_async.client.options import (
    ACCOUNT,
    BASE_URL,
    KEY,
    PLAN,
    STATE,
    USER,
    ClientOptions,
    ViewOptions,
    changed,
    check_options,
    check_used,
    check_variables,
    hide_passwords,
    network_options,
    plan_of,
    variables,
)
from enlighten_async.clock import Clock, SystemClock, run_shielded
from enlighten_async.errors import InputError
from enlighten_async.limiter import (
    MAX_IN_FLIGHT,
    MemoryQuotaStore,
    Plan,
    QuotaStore,
    RateLimiter,
    SharedQuotaStore,
    UserQuotaStore,
    shared_store,
)
from enlighten_async.models.receipt import QuotaStatus
from enlighten_async.oauth import KeyIn, OAuth
from enlighten_async.oauth.oauth import CLIENT_ID, environment
from enlighten_async.query import (
    CredentialsProvider,
    Hooks,
    QueryOptions,
    RequestHook,
    ResponseHook,
    Session,
    quota_status,
)
from enlighten_async.retry import RetryPolicy
from enlighten_async.transport import ConnectionOptions, Secret, Transport, origin
from enlighten_async.windows import as_datetime

if TYPE_CHECKING:
    from enlighten_async.state import StateBackend

_NO_OAUTH = 'oauth must be an OAuth, such as OAuth(client_id, client_secret, tokens="tokens.json")'

DEFAULT_ACCOUNT = "default"
"""The name of the only account where there is but one."""

logger = logging.getLogger("enlighten_async")


def _resolved(plan: Plan | None, api: Api) -> Plan:
    """Return a plan with the limits that a version of the API gives it; by default the free one."""
    if plan is None:
        logger.info("no plan given: keeping to the free one, Watt; pass plan= if the key has another")
    return (plan or Plan.WATT).resolved(api.plans)


class EnlightenClient(Endpoints, EndpointsV4):
    """An async client of Enphase's Enlighten Systems API.

    Its methods have the API's names and return a `Query`: `await` it for the answer, `async for` it for
    the answer's parts, `await query.estimate()` for the price. Requests are sent within the limits of the
    plan, which all clients of a process with the same key share. Use it in `async with`; a client belongs
    to one event loop.

    The constructor makes a client for v2 of the API, which has ended; `EnlightenClient.v4` makes one for v4.

    Args:
        api_key: the application's key.
        user_id: id of the user whose systems are read, as the service gave it when the user consented.
        options: see `ClientOptions`.

    Raises:
        InputError: an argument is wrong; the text says what to do.
    """

    _oauth: OAuth | None

    def __init__(
        self, api_key: str | Secret, user_id: str | Secret, **options: Unpack[ClientOptions]
    ) -> None:
        hide_passwords(options)
        key, user = Secret(api_key), Secret(user_id)
        del api_key, user_id  # a traceback that shows variables must not show these
        api = v2.ApiV2(official=options.setdefault("base_url", v2.BASE_URL) == v2.BASE_URL)

        def credentials(user: str | Secret) -> CredentialsProvider:
            scope = Secret(f"{key.reveal()}\n{Secret(user).reveal()}")
            return v2.StaticCredentials(v2.credentials(key, Secret(user)), scope)

        check_options(options, api.version)
        self._oauth = None
        self._open(key, api, credentials, user, **options)

    @classmethod
    def v4(
        cls,
        api_key: str | Secret,
        *,
        oauth: OAuth,
        user_id: str = DEFAULT_ACCOUNT,
        key_in: KeyIn = "query",
        **options: Unpack[ClientOptions],
    ) -> Self:
        """Return a client for v4 of the API, which needs an access token beside the key.

        Args:
            api_key: the application's key.
            oauth: the application, and the tokens of the owners who logged in. Its `base_url`, `proxy`,
                `verify`, `transport` and `clock` are used by the client too, unless others are given here.
            user_id: name of the account whose systems are read: that of the owner's tokens in `oauth`.
            key_in: where the key is sent, "query" or "header"; only "query" is known to work.
            options: see `ClientOptions`.

        Raises:
            InputError: an argument is wrong; the text says what to do.
        """
        hide_passwords(options)
        key = Secret(api_key)
        del api_key
        if not isinstance(oauth, OAuth):
            raise InputError(_NO_OAUTH)
        options = {**oauth.network, **options}
        where = str(origin(options["base_url"], any_http=True))
        if where != oauth.origin:
            raise InputError(f"oauth is for {oauth.origin}, base_url at {where}: give both the same base_url")
        api = v4.ApiV4()
        check_options(options, api.version)
        client = cls.__new__(cls)
        client._oauth = oauth

        def credentials(user: str | Secret) -> CredentialsProvider:
            return oauth.access(Secret(user).reveal(), key, key_in=key_in)

        client._open(key, api, credentials, user_id, **options)
        return client

    def _open(
        self,
        key: Secret,
        api: Api,
        credentials: Callable[[str | Secret], CredentialsProvider],
        user: str | Secret,
        /,
        *,
        base_url: str,
        plan: Plan | None = None,
        state: str | os.PathLike[str] | Secret | None = None,
        quota_store: QuotaStore | None = None,
        interval_cache: IntervalCache | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | None = 30.0,
        max_concurrency: int = MAX_IN_FLIGHT,
        pace: bool = False,
        clock: Clock | None = None,
        on_request: RequestHook | None = None,
        on_response: ResponseHook | None = None,
        **connection: Unpack[ConnectionOptions],
    ) -> None:
        """Set it up for one version of the API."""
        credentials(user)  # are checked, before anything is made for them
        plan, clock, retry = _resolved(plan, api), clock or SystemClock(), retry or RetryPolicy()
        sender = _transport(base_url, clock, timeout, max_concurrency, connection)
        in_state, store = _counts(state, quota_store, key, sender, clock, timeout)
        self._api, self._credentials, self._in_state, self._owner = api, credentials, in_state, True
        self._options = self._options_of(user, sender)
        limiter = RateLimiter(store=store, plan=plan, clock=clock, max_in_flight=max_concurrency, pace=pace)
        self._session = Session(
            api=api,
            limiter=limiter,
            transport=sender,
            clock=clock,
            retry=retry,
            max_concurrency=max_concurrency,
            hooks=Hooks(on_request, on_response) if on_request or on_response else None,
            cache=_cache(interval_cache, in_state, clock),
            shares_answers=store is in_state and interval_cache is None,
        )

    def _options_of(self, user: str | Secret, transport: Transport) -> QueryOptions:
        """Return a user's options; answers are cached under a digest of version, base URL and credentials.

        A service inside the process is another one than that of the same address.
        """
        credentials = self._credentials(user)
        where = f"{transport.origin.base}\n{'inside' if transport.service is not None else ''}"
        scope = f"{self._api.version}\n{where}\n{credentials.cache_scope.reveal()}"
        return QueryOptions(credentials, scope=blake2b(scope.encode(), digest_size=32).digest())

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **options: Unpack[ClientOptions]) -> Self:
        """Return a client with the credentials in the variables of the environment.

        `ENLIGHTEN_API_KEY` is always needed. With `ENLIGHTEN_CLIENT_ID` the client is one for v4, with the
        variables of `OAuth.from_env`, and `ENLIGHTEN_ACCOUNT`, by default "default". Without it the client is
        one for v2, which needs `ENLIGHTEN_USER_ID`. Optional are `ENLIGHTEN_BASE_URL`, `ENLIGHTEN_STATE`, the
        path of a state file or the URL of a server, and `ENLIGHTEN_PLAN`, a name such as "kilowatt" or limits
        such as "50/50000". Options that are given override the variables.

        Args:
            environ: the variables, in place of those of the process.
            options: those of the client; see `ClientOptions`.

        Raises:
            InputError: a variable is missing, or `ENLIGHTEN_PLAN` is no plan.
        """
        hide_passwords(options)
        found = variables(environment(environ))
        del environ  # as above, for tracebacks
        check_variables(found)
        if found[BASE_URL]:
            options.setdefault("base_url", found[BASE_URL].reveal())
        if found[STATE]:
            options.setdefault("state", found[STATE].reveal())
        if found[PLAN]:
            options.setdefault("plan", plan_of(found[PLAN].reveal(), f"{PLAN}: "))
        if not found[CLIENT_ID]:
            return cls(found[KEY], found[USER], **options)
        oauth = OAuth.from_env(found, **network_options(options))
        account = found[ACCOUNT].reveal() or DEFAULT_ACCOUNT
        return cls.v4(found[KEY], oauth=oauth, user_id=account, **options)

    def __repr__(self) -> str:
        # A traceback that shows variables may show a client that was not finished.
        where = f" at {self._session.transport.origin}" if hasattr(self, "_session") else ""
        version = self._api.version if where else "v2"
        return f"<{type(self).__name__} {version}{where}>"

    @property
    def plan(self) -> Plan:
        """The tariff of the key, as far as the client was told."""
        return self._session.limiter.plan

    def with_options(self, *, user_id: str | Secret | None = None, **changes: Unpack[ViewOptions]) -> Self:
        """Return a view of this client with other options; an option that is not given stays as it is.

        The view shares connections, counts and cache with this client; closing the view closes nothing.

        Args:
            user_id: another user of the same key (v4: the name of another account); counts are kept per
                key over all its users.
            changes: see `ViewOptions`.

        Raises:
            InputError: an option is wrong.
        """
        user_id = None if user_id is None else Secret(user_id)  # as above, for tracebacks
        view = copy(self)
        view._owner = False
        view._options = changed(view._options, changes)
        names = ("max_age", "stale_if_error")
        named = next((name for name in names if getattr(view._options, name)), None)
        if named and self._session.cache is None and not self._session.warned:
            self._session.warned = True
            logger.warning(
                "%s has no effect: there is nothing to keep answers in; give the client state= (a file or "
                "PostgreSQL) or interval_cache=MemoryCache()",
                named,
            )
        if user_id is not None:
            other = self._options_of(user_id, self._session.transport)
            view._options = evolve(view._options, credentials=other.credentials, scope=other.scope)
        return view

    async def held(
        self, endpoint: str, system_ids: Iterable[int | str] | None = None
    ) -> dict[int, datetime | None]:
        """Return up to when a series of each system is cached, in one read; it costs no request.

        That is the end of the newest window that was answered, or the time up to which all devices of the
        system had reported by that answer, if it is earlier: a query that starts there misses no newer rows.
        Older gaps are not considered. For series of single devices it is the earliest time of all devices.

        Args:
            endpoint: name of the series' method, such as "rgm_stats".
            system_ids: numbers of the systems; by default all systems of this user in the cache.

        Returns:
            A moment (aware UTC) by the number of the system; `None` where nothing is cached.

        Raises:
            InputError: this client has no cache, `endpoint` is no series, or an id is not valid.
            StateUnavailable: the server of the state cannot be reached.
        """
        names, cache = self._api.cached_series, self._session.cache
        if endpoint not in names:
            raise InputError(f"endpoint must be a series, one of {', '.join(names)}, not {endpoint!r:.60}")
        if cache is None:
            raise InputError(NOTHING_CACHED)
        if isinstance(system_ids, int | str | bytes):
            raise InputError(f"system_ids must be several numbers, such as [1765], not {system_ids!r:.60}")
        self._session.transport.check_usable()
        asked = None if system_ids is None else [parse_system_id(each) for each in system_ids]
        with without_waiting():
            found = await cache.held(self._options.scope, endpoint, asked)
        return {
            system_id: as_datetime(found[system_id]) if system_id in found else None
            for system_id in (sorted(found) if asked is None else asked)
        }

    async def quota(self) -> QuotaStatus:
        """Return the quota that the key has used and has left, and what is waited for; it costs no request.

        The quota left is that for the priority of this view: see `with_options`.
        """
        self._session.transport.check_usable()
        await self._session.limiter.refresh()
        return quota_status(self._session, self._options)

    async def set_month_used(self, n: int) -> None:
        """Set how many requests the service has counted for the key in this month (UTC).

        For a key that is used elsewhere too, or was before there was a state file: the developer portal shows
        the figure. It includes the client's own requests; later requests add to it, and it is kept with the
        counts. A figure below what the client itself has sent is raised to that, since the portal may lag. A
        later call replaces the figure. A month that the service has closed stays closed.

        Args:
            n: requests of this month, as the portal shows them.

        Raises:
            InputError: it is no number of requests.
        """
        check_used(n)
        self._session.transport.check_usable()
        await self._session.limiter.set_month_used(n)

    async def forget_limits(self) -> None:
        """Forget what the service said of the key's limits when it rejected requests; the counts stay.

        For a key whose plan has changed: limits below the plan's, and times until which nothing is sent, are
        forgotten. The service names those again that still apply.
        """
        self._session.transport.check_usable()
        await self._session.limiter.forget_limits()

    async def __aenter__(self) -> Self:
        self._session.transport.check_usable()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and not issubclass(kind, Exception) and self._owner:
            self._session.background.cancel()  # who is cancelled waits for nothing
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; write counts and answers to the state, and tokens that are not saved yet.

        With a cache, requests of streams that are in flight are waited for, each up to `timeout`, so that
        nothing is lost that was paid for; without one they are cancelled. For a view made by `with_options`
        this does nothing.
        """
        if not self._owner or self._session.transport.process not in {None, os.getpid()}:
            return  # the connections that a child process inherits by a fork are its parent's
        session = self._session
        session.transport.check_usable(closing=True)
        async with AsyncExitStack() as steps:  # from the last to the first, each also if another fails
            if self._in_state is not None:
                steps.push_async_callback(self._in_state.aclose)
            if session.cache is not None:
                steps.push_async_callback(getattr(session.cache, "aclose", session.cache.flush))
            steps.push_async_callback(session.limiter.sync)
            steps.callback(session.limiter.close)
            steps.push_async_callback(session.transport.aclose)
            patient = session.cache is not None
            steps.push_async_callback(session.background.aclose, patient=patient)
            if self._oauth is not None:
                # Before all else, and whatever is cancelled: without them the owner has to log in again.
                steps.push_async_callback(run_shielded, self._oauth.save_unsaved)


def _transport(
    base_url: str, clock: Clock, timeout: float | None, most: int, options: ConnectionOptions
) -> Transport:
    """Return the way to the service, with a connection for each request that may be in flight."""
    return Transport(base_url=base_url, clock=clock, timeout=timeout, max_connections=most, **options)


def _mapped_store(store: QuotaStore | None) -> QuotaStore | None:
    """Return a store that a user brings, its errors ours; a subclass of one of ours may do anything."""
    if store is None or type(store) in {MemoryQuotaStore, SharedQuotaStore}:
        return store
    return UserQuotaStore(store)


def _cache(given: IntervalCache | None, store: SharedQuotaStore | None, clock: Clock) -> IntervalCache | None:
    """Return the cache that a user brings, its errors ours, or else that of the state."""
    if given is None:
        return None if store is None else _cache_in(store.backend, clock)
    ours = type(given) is MemoryCache or type(given) in {cache.PostgresCache, cache.SqliteCache}
    return given if ours else UserCache(given)


def _cache_in(backend: StateBackend, clock: Clock) -> IntervalCache | None:
    """Return the cache of a state backend, where it has one."""
    if isinstance(backend, state.PostgresBackend):
        backend.answers = made = cache.PostgresCache(backend.another(), clock=clock)
        return made
    return cache.SqliteCache(backend.file, clock=clock) if isinstance(backend, state.SqliteBackend) else None


_PEPPER = secrets.token_bytes(32)


def _for_process(api_key: Secret, transport: Transport, clock: Clock) -> QuotaStore:
    """Return the counts in memory that all clients of this process on one key share.

    A service inside the process, such as an emulator, counts by itself, and so does a clock of its own.
    """
    return shared_store(_scope(api_key, transport, clock), MemoryQuotaStore)


def _counts(
    place: str | os.PathLike[str] | Secret | None,
    given: QuotaStore | None,
    api_key: Secret,
    transport: Transport,
    clock: Clock,
    timeout: float | None,
) -> tuple[SharedQuotaStore | None, QuotaStore]:
    """Return the counts in the state, if one is named, and those that the client keeps to."""
    in_state = None if place is None else _for_state(place, api_key, transport, clock, timeout)
    return in_state, _mapped_store(given) or in_state or _for_process(api_key, transport, clock)


def _for_state(
    place: str | os.PathLike[str] | Secret,
    api_key: Secret,
    transport: Transport,
    clock: Clock,
    timeout: float | None,
) -> SharedQuotaStore:
    """Return the counts in a state backend, which all clients on one key share that name it.

    Those of one process have one object for a file; of a server each has its own, as an event loop has.

    Args:
        place: the state file, or the URL of a server.
        api_key: the application's key.
        transport: the way to the service.
        clock: the source of time.
        timeout: seconds for one request.

    Raises:
        InputError: the file's folder does not exist, or the URL is none that is known.
    """
    name = partial(_name, api_key, transport.origin.base, transport.service is not None)
    if isinstance(place, Secret):
        server = state.server_backend(place.reveal, clock)
        return SharedQuotaStore(server, name, clock=clock, timeout=timeout)
    file = state.state_file(place)
    store = shared_store(
        (file.path, *_scope(api_key, transport, clock)),
        lambda: SharedQuotaStore(state.SqliteBackend(file, clock), name, clock=clock, timeout=timeout),
    )
    store.extend_timeout(timeout)
    return store


def _scope(api_key: Secret, transport: Transport, clock: Clock) -> tuple[Hashable, ...]:
    digest = blake2b(api_key.reveal().encode(), key=_PEPPER).digest()
    time = None if isinstance(clock, SystemClock) else _identity(clock)
    return digest, transport.origin, _identity(transport.service), time


def _name(api_key: Secret, base: str, inside: bool, salt: bytes) -> bytes:
    """Return the name of a key in a file: without the file nobody can tell whether it is a certain key's."""
    what = f"{base}\0{'inside' if inside else ''}\0{api_key.reveal()}"
    return blake2b(what.encode(), key=salt, digest_size=32).digest()


def _identity(value: object) -> Hashable:
    """Return a stand-in for an object that does not keep it alive, where that is possible."""
    if value is None:
        return None
    try:
        return weakref.ref(value)
    except TypeError:
        return id(value)
