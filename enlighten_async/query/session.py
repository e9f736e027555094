"""The session: what all queries of a client share. Data only; the work is done in `fetch`."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import anyio
from attrs import Factory, define, field, frozen

from enlighten_async.cache import IntervalCache
from enlighten_async.clock import Clock
from enlighten_async.errors import EnlightenError
from enlighten_async.limiter import MAX_IN_FLIGHT, RANKS, Plan, Priority, RateLimiter, Renewals
from enlighten_async.query.hooks import Hooks
from enlighten_async.query.in_flight import Background, InFlight
from enlighten_async.query.plan import QueryPlan
from enlighten_async.retry import RetryPolicy
from enlighten_async.transport import Credentials, Secret, Transport
from enlighten_async.wire import Requests, Response


class CredentialsProvider(Protocol):
    """Credentials of one user, which may have to be refreshed from time to time.

    Attributes:
        accepted: those for which the service last gave an answer.
    """

    accepted: Credentials | None

    @property
    def cache_scope(self) -> Secret:
        """The text that tells this user of this application from any other, however often it is refreshed."""
        ...

    def current(self) -> Credentials | None:
        """Return credentials that may be used now; `None` if `refresh` has to be awaited first."""
        ...

    async def refresh(
        self,
        denied: Credentials | None = None,
        until: float | None = None,
        renewals: Renewals | None = None,
    ) -> None:
        """Make credentials current, once for all who wait for them.

        Args:
            denied: those which the service answered with 401; if others are current by now, these will do.
            until: the moment (monotonic) up to which it may be attempted again; `None`: a few times.
            renewals: what lets the requests for it through, and counts their failures.
        """
        ...

    def hearing(self, until: float | None) -> AbstractContextManager[None]:
        """Wait, within, for what another task gets with the credentials.

        A failure to get them ends that, and is raised, if by `until` (monotonic) it could not be attempted
        again.
        """
        ...

    def failure(self, text: str) -> EnlightenError | None:
        """Return the error for one who has waited for credentials in vain; `None` if nobody asked for them.

        Args:
            text: what came of it; the last failure is added.
        """
        ...


class ApiVersion(Protocol):
    """The part of a version of the API that every query needs."""

    @property
    def version(self) -> str:
        """Its name, such as "v2"."""
        ...

    @property
    def plans(self) -> Mapping[str, Plan]:
        """The tariffs of keys, by their names."""
        ...

    @property
    def cached_series(self) -> tuple[str, ...]:
        """Names of the series that are cached as such."""
        ...

    @property
    def time_zones(self) -> MutableMapping[int, str]:
        """Names of systems' time zones, as far as they are known; answers add to them."""
        ...

    def error_for(self, response: Response, endpoint: str) -> EnlightenError:
        """Return the error that a response of an endpoint stands for, which is no data."""
        ...

    def time_zone(self, system_id: int) -> Requests[str]:
        """Ask for the name of a system's time zone."""
        ...

    def systems(self) -> QueryPlan[Any, Any]:
        """Plan a list of all systems of a user, whose time zones are noted."""
        ...


@frozen
class QueryOptions:
    """Options of one user's queries: who asks, and what the queries may take.

    Attributes:
        credentials: prove whose data is asked for.
        max_wait: seconds the whole query may take; `None` sets no limit.
        max_requests: requests it may take; `None` sets no limit.
        only_cached: whether nothing is sent.
        exhaustive: whether windows are asked for that the newest answer shows to be empty.
        priority: the class of its requests; those of a class above go first.
        max_age: seconds for which a cached answer will do although it may still change; 0: no cached answer
            will; `None`: those that do not change any more.
        stale_if_error: seconds for which a cached answer will do in place of an error that passes; `None`:
            none will.
        scope: a digest of who is asking, under which answers are cached.
        rank: the number of classes that go first, by the priority.
        allowed: requests it may take: none with `only_cached`, nor where there is no time for one.
    """

    credentials: CredentialsProvider
    max_wait: float | None = None
    max_requests: int | None = None
    only_cached: bool = False
    exhaustive: bool = False
    priority: Priority = "interactive"
    max_age: float | None = None
    stale_if_error: float | None = None
    scope: bytes = field(default=b"", repr=False)
    rank: int = field(init=False, default=Factory(lambda self: RANKS[self.priority], takes_self=True))
    allowed: int | None = field(init=False, default=Factory(lambda self: self._allowed(), takes_self=True))

    def _allowed(self) -> int | None:
        return 0 if self.only_cached or self.max_wait == 0 else self.max_requests


@define(eq=False)
class Session:
    """Everything that the queries of a client share.

    Attributes:
        api: the version of the API.
        limiter: the gate to the service.
        transport: the way to the service.
        clock: the source of time.
        retry: the policy for failures that may pass.
        max_concurrency: segments of one query that are fetched side by side.
        turn: taken, and given back at once, before each piece of long work on the event loop: there is one
            of them in a round of the loop, of all queries.
        cache: answers paid for before; `None` if nothing is cached.
        shares_answers: whether all who share the counts of the key share the cache too, if there is one.
        in_flight: requests of this process that are not answered yet.
        background: the tasks of streams, which go on between two items.
        warned: whether the log was told that there is nothing to keep answers in.
        hooks: the user's callbacks; `None` if there are none.
        loaded: names of endpoints whose answers have had the modules loaded that they need.
        zones_sought: systems, each with the scope of who asked, whose time zone was looked for in the cache.
    """

    api: ApiVersion
    limiter: RateLimiter
    transport: Transport
    clock: Clock
    retry: RetryPolicy
    max_concurrency: int = MAX_IN_FLIGHT
    turn: anyio.Lock = Factory(anyio.Lock)
    cache: IntervalCache | None = None
    shares_answers: bool = False
    in_flight: InFlight = Factory(InFlight)
    background: Background = Factory(Background)
    warned: bool = False
    hooks: Hooks | None = None
    loaded: set[str] = Factory(set)
    zones_sought: set[tuple[bytes, int]] = Factory(set)
