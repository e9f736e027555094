"""The client: how it is made, closed, and seen with other options."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from copy import copy
from datetime import timedelta
from hashlib import blake2b
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from attrs import evolve

from enlighten_async.api import v2, v4
from enlighten_async.cache import IntervalCache, SqliteCache
from enlighten_async.client.endpoints import Asking, Endpoints
from enlighten_async.client.endpoints_v4 import SiteEndpoints, TelemetryEndpoints
from enlighten_async.client.options import (
    ACCOUNT,
    BASE_URL,
    KEY,
    STATE,
    UNCHANGED,
    USER,
    ClientOptions,
    Unchanged,
    changed,
    check_numbers,
    checked,
    network,
    read,
)
from enlighten_async.client.quota_stores import kept_counts, shared_counts
from enlighten_async.clock import Clock, SystemClock
from enlighten_async.errors import InputError
from enlighten_async.limiter import Plan, Priority, QuotaStore, RateLimiter
from enlighten_async.models import QuotaStatus
from enlighten_async.oauth import KeyIn, OAuth
from enlighten_async.query import Api, CredentialsProvider, QueryOptions, Session, StaticCredentials, status
from enlighten_async.retry import RetryBudget, RetryPolicy
from enlighten_async.transport import Secret, Transport, origin

if TYPE_CHECKING:
    import ssl

    import httpx


def lasting(api_key: Secret, user_id: Secret) -> StaticCredentials:
    """Return what proves to v2 who asks."""
    return StaticCredentials(
        v2.credentials(api_key, user_id), Secret(f"{api_key.reveal()}\n{user_id.reveal()}")
    )


def asker(
    access: Callable[[str | Secret], CredentialsProvider], version: str, transport: Transport
) -> Callable[[str | Secret], QueryOptions]:
    """Return what makes the options of one user; under a digest of who that is, answers are stored.

    Args:
        access: makes what proves who it is.
        version: of the API.
        transport: the way to the service; one inside the process is another than that of the same address.
    """
    where = f"{transport.origin.base}\n{'inside' if transport.service is not None else ''}"

    def options(user: str | Secret) -> QueryOptions:
        proof = access(user)
        owner = f"{version}\n{where}\n{proof.owner.reveal()}"
        return QueryOptions(proof, account=blake2b(owner.encode(), digest_size=32).digest())

    return options


class Views(Asking):
    """What a client and its views have in common."""

    _owner: bool
    _asker: Callable[[str | Secret], QueryOptions]

    def with_options(
        self,
        *,
        user_id: str | Secret | None = None,
        max_wait: float | Unchanged | None = UNCHANGED,
        max_requests: int | Unchanged | None = UNCHANGED,
        exhaustive: bool | Unchanged = UNCHANGED,
        priority: Priority | Unchanged = UNCHANGED,
        max_age: timedelta | float | Unchanged | None = UNCHANGED,
    ) -> Self:
        """Return a view of this client with other options; what is not given stays as it is.

        It shares connections and counts with this client, and closing it closes nothing.

        Args:
            user_id: another user of the same key (v4: the name of another account); counts are kept per
                key over all its users.
            max_wait: seconds a whole query may take, queue, network and retries included; `None`: any.
            max_requests: requests a query may take; `None`: any.
            exhaustive: ask also for windows which the newest answer shows to be empty.
            priority: "interactive" (as a client is at first), "poll" for what is read regularly, "backfill"
                for history. They go in this order, in all clients that share counts; and for each class
                above, a tenth of the minute and a twentieth of the month are held back from those below, 1
                request at least.
            max_age: how old (seconds, or a timedelta) a stored answer may be where it may still change; 0
                buys all again; `None`: what may still change is bought again, what is final is not.

        Raises:
            InputError: an option is wrong.
        """
        view = copy(self)
        view._owner = False
        options = changed(
            view._options,
            max_wait=max_wait,
            max_requests=max_requests,
            exhaustive=exhaustive,
            priority=priority,
            max_age=max_age,
        )
        if user_id is not None:
            who = self._asker(user_id)
            options = evolve(options, access=who.access, account=who.account)
        view._options = options
        return view

    async def quota(self) -> QuotaStatus:
        """Return what the key has used and has left, and what is waited for; it costs no request.

        What is left is told for the priority of this view: see `with_options`.
        """
        await self._session.limiter.refresh()
        return status(self._session, self._options)


DEFAULT_ACCOUNT = "default"
"""The name of the only account where there is but one."""

logger = logging.getLogger("enlighten_async")


class EnlightenClient(Endpoints, SiteEndpoints, TelemetryEndpoints, Views):
    """An async client of Enphase's Enlighten Systems API.

    Its methods bear the API's names and return a `Query`: `await` it for the answer, `async for` it for
    the answer's parts, `await query.estimate()` for the price. Requests leave at the pace of the plan,
    which all clients of a process share that use one key. Best used in `async with`; one client belongs
    to one event loop.

    Called like this it speaks v2 of the API, which has ended; `EnlightenClient.v4` makes one for v4.

    Args:
        api_key: the application's key.
        user_id: whose systems are asked about, as the service gave it when the user consented.
        plan: what the key may spend; by default the free plan, Watt, with 10 requests a minute and
            10,000 a month (v4: 1,000).
        state: a file for what is to outlive the process: what the key has spent, and what was bought for
            it, which is not bought again. It is shared by all clients of this machine that name it, made
            when it is needed, and readable by its owner only.
        quota_store: who counts what the key has spent, in place of the state file; without either counts
            in memory, shared by all clients of this process on the same key.
        interval_store: who keeps what was bought, in place of the state file; without either nobody does.
        retry: how failures that may pass are met.
        timeout: seconds for one request, from connect to the last byte; `None` sets no limit.
        max_concurrency: requests on their way at once, at most.
        base_url: where the API is; an emulator's address, say. https, unless it is this machine.
        proxy: URL of a proxy, "" for none; by default what the environment says.
        verify: `True` for the system's certificates, or a CA file, or a context.
        transport: any httpx transport in place of our own, such as an emulator's.
        clock: the source of time.

    Raises:
        InputError: an argument is wrong; the text says what to do.
    """

    def __init__(
        self,
        api_key: str | Secret,
        user_id: str | Secret,
        *,
        plan: Plan | None = None,
        state: str | os.PathLike[str] | None = None,
        quota_store: QuotaStore | None = None,
        interval_cache: IntervalCache | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | None = 30.0,
        max_concurrency: int = 10,
        base_url: str = v2.BASE_URL,
        proxy: str | None = None,
        verify: bool | str | ssl.SSLContext = True,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
    ) -> None:
        key, user = Secret(api_key), Secret(user_id)
        del api_key, user_id  # a traceback that shows variables must not show these
        zones: dict[int, str] = {}
        self._open(
            key,
            v2.ApiV2(official=base_url == v2.BASE_URL, zones=zones),
            lambda user: lasting(key, Secret(user)),
            user,
            zones,
            plan=plan,
            state=state,
            quota_store=quota_store,
            interval_cache=interval_cache,
            retry=retry,
            timeout=timeout,
            max_concurrency=max_concurrency,
            base_url=base_url,
            proxy=proxy,
            verify=verify,
            transport=transport,
            clock=clock,
        )

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
            oauth: the application, and the tokens of the owners who logged in.
            user_id: whose systems are asked about: the name under which `oauth` has the owner's tokens.
            key_in: where the key goes, "query" or "header"; the service takes it in the query for sure.
            options: those of `EnlightenClient`.

        Raises:
            InputError: an argument is wrong; the text says what to do.
        """
        key = Secret(api_key)
        del api_key
        url = options.setdefault("base_url", v4.BASE_URL)
        where = str(origin(url, any_http=True))
        if where != oauth.origin:
            raise InputError(f"oauth is for {oauth.origin}, base_url at {where}: give both the same base_url")
        client = cls.__new__(cls)
        zones: dict[int, str] = {}
        client._open(
            key,
            v4.ApiV4(zones=zones),
            lambda user: oauth.access(Secret(user).reveal(), key, key_in=key_in),
            user_id,
            zones,
            **options,
        )
        return client

    def _open(
        self,
        key: Secret,
        dialect: Api,
        access: Callable[[str | Secret], CredentialsProvider],
        user: str | Secret,
        zones: dict[int, str],
        *,
        base_url: str,
        plan: Plan | None = None,
        state: str | os.PathLike[str] | None = None,
        quota_store: QuotaStore | None = None,
        interval_cache: IntervalCache | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | None = 30.0,
        max_concurrency: int = 10,
        proxy: str | None = None,
        verify: bool | str | ssl.SSLContext = True,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Set it up for one version of the API."""
        check_numbers(timeout, max_concurrency)
        if plan is None:
            plan = Plan.WATT
            logger.info("no plan given: keeping to the free one, Watt; pass plan= if the key has another")
        plan, clock, retry = plan.resolved(dialect.plans), clock or SystemClock(), retry or RetryPolicy()
        sender = Transport(
            base_url=base_url,
            clock=clock,
            timeout=timeout,
            max_connections=max_concurrency,
            proxy=proxy,
            verify=verify,
            transport=transport,
        )
        kept = None if state is None else kept_counts(state, key, sender, clock, timeout)
        store = quota_store or kept or shared_counts(key, sender, clock)
        self._kept = kept
        self._owner = True
        self._asker = asker(access, dialect.version, sender)
        self._options = self._asker(user)
        self._session = Session(
            dialect=dialect,
            limiter=RateLimiter(store=store, plan=plan, clock=clock, max_in_flight=max_concurrency),
            transport=sender,
            clock=clock,
            retry=retry,
            budget=RetryBudget(retry, plan.allows("minute")),
            zones=zones,
            max_concurrency=max_concurrency,
            store=interval_cache or (None if kept is None else SqliteCache(kept.file, clock=clock)),
        )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ, **options: Unpack[ClientOptions]) -> Self:
        """Return a client for the credentials in the environment.

        With `ENLIGHTEN_CLIENT_ID` it is one for v4: see `OAuth.from_env` for what that needs; it asks for
        the account `ENLIGHTEN_ACCOUNT`, by default "default". Without, it is one for v2, which needs
        `ENLIGHTEN_USER_ID`. `ENLIGHTEN_API_KEY` is needed in any case; `ENLIGHTEN_BASE_URL` and
        `ENLIGHTEN_STATE`, the path of the state file, are taken if they are set. The options are those of
        the client.

        Raises:
            InputError: a variable is missing.
        """
        known = read(environ)
        del environ  # as above, for tracebacks
        new = checked(known)
        if known[BASE_URL]:
            options.setdefault("base_url", known[BASE_URL].reveal())
        if known[STATE]:
            options.setdefault("state", known[STATE].reveal())
        if not new:
            return cls(known[KEY], known[USER], **options)
        oauth = OAuth.from_env(known, **network(options))
        account = known[ACCOUNT].reveal() or DEFAULT_ACCOUNT
        return cls.v4(known[KEY], oauth=oauth, user_id=account, **options)

    def __repr__(self) -> str:
        # A traceback that shows variables may show a client that was not finished.
        where = f" at {self._session.transport.origin}" if hasattr(self, "_session") else ""
        version = self._session.dialect.version if where else "v2"
        return f"<{type(self).__name__} {version}{where}>"

    @property
    def plan(self) -> Plan:
        """What the key may spend, as far as the client was told."""
        return self._session.limiter.plan

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections and write what is noted for the state file.

        A view made by `with_options` leaves that to its client.
        """
        if not self._owner:
            return
        try:
            await self._session.transport.aclose()
        finally:
            await self._session.limiter.sync()
            if self._session.store is not None:
                await self._session.store.flush()
            if self._kept is not None:
                await self._kept.aclose()
