"""The session: what all queries of a client share."""

from __future__ import annotations

import random
from collections.abc import Mapping, MutableMapping
from typing import Protocol, TypeVar

import anyio
from attrs import Factory, define, field, frozen

from enlighten_async.cache import IntervalCache
from enlighten_async.clock import Clock
from enlighten_async.errors import EnlightenError, Throttled, TokenRefused, TransportError
from enlighten_async.limiter import (
    MINUTE,
    MONTH,
    RANKS,
    Grant,
    KeySnapshot,
    Plan,
    Priority,
    RateLimiter,
    TokenBucket,
    runs_out,
)
from enlighten_async.models.receipt import QuotaStatus, QuotaWindow
from enlighten_async.query.in_flight import Purchases
from enlighten_async.query.plan import Endpoints
from enlighten_async.query.segment_state import Tally, Track
from enlighten_async.retry import RetryBudget, RetryPolicy, crowded, passing
from enlighten_async.transport import Credentials, Secret, Transport
from enlighten_async.windows import as_datetime
from enlighten_async.wire import Flow, Request, Response


class CredentialsProvider(Protocol):
    """The credentials of one user, which may have to be renewed from time to time."""

    @property
    def owner(self) -> Secret:
        """What tells this user of this application from any other, for as long as there are credentials."""
        ...

    def ready(self) -> Credentials | None:
        """Return credentials that may be used now; `None` if they have to be renewed before."""
        ...

    async def renew(self, refused: Credentials | None = None) -> None:
        """Make credentials ready, once for all who wait for them.

        Args:
            refused: those which the service did not accept; if others are in force by now, these will do.
        """
        ...


@frozen
class StaticCredentials:
    """Credentials that hold for ever.

    Attributes:
        credentials: the credentials.
        owner: what tells this user from any other.
    """

    credentials: Credentials
    owner: Secret

    def ready(self) -> Credentials:
        """Return the credentials."""
        return self.credentials

    async def renew(self, refused: Credentials | None = None) -> None:
        """Leave them as they are."""


P = TypeVar("P")

MAX_REJECTIONS = 10
"""Rejections of one request after which its error is raised: the service contradicts itself."""
MAX_VAGUE = 3
"""The same for rejections that do not say which window is full: if it were the minute, the next would do."""
MAX_OVERLOADS = 5
"""Answers "too many at once" (503) to one request after which its error is raised."""


class Api(Protocol):
    """How one version of the API speaks."""

    @property
    def version(self) -> str:
        """Its name, such as "v2"."""
        ...

    @property
    def plans(self) -> Mapping[str, Plan]:
        """What keys may spend, by the names of plans."""
        ...

    @property
    def endpoints(self) -> Endpoints:
        """What it can be asked, by the names of the client's methods."""
        ...

    @property
    def absent(self) -> Mapping[str, str]:
        """What to do instead, by the names of methods for which it has nothing."""
        ...

    def explain(self, response: Response, endpoint: str) -> EnlightenError | None:
        """Return what an endpoint's answer means if it is not data, else `None`."""
        ...

    def time_zone(self, system_id: int) -> Flow[str]:
        """Ask for the name of a system's time zone."""
        ...


@frozen
class QueryOptions:
    """What a caller allows a query.

    Attributes:
        access: proves whose data is asked for.
        max_wait: seconds the whole query may take; `None` sets no limit.
        max_requests: requests it may take; `None` sets no limit.
        exhaustive: whether windows are asked for that the newest answer shows to be empty.
        priority: whose requests go before it, and for whom some are held back.
        max_age: seconds for which a stored answer will do although it may still change; 0: no stored answer
            will; `None`: those that do not change any more.
        account: a digest of who is asking, under which answers are stored.
    """

    access: CredentialsProvider
    max_wait: float | None = None
    max_requests: int | None = None
    exhaustive: bool = False
    priority: Priority = "interactive"
    max_age: float | None = None
    account: bytes = field(default=b"", repr=False)

    @property
    def rank(self) -> int:
        """How many classes go before it."""
        return RANKS[self.priority]


@define(eq=False)
class _Attempt:
    """One request on its way, as the transport reports it.

    Attributes:
        clock: the source of time.
        sent_at: monotonic time when it left; `None` if it did not.
        response: the whole response, once it has arrived.
    """

    clock: Clock
    sent_at: float | None = None
    response: Response | None = None

    def mark_sent(self) -> None:
        """Note that bytes go out now."""
        self.sent_at = self.clock.monotonic()

    def land(self, response: Response) -> None:
        """Keep the whole response."""
        self.response = response


@define(eq=False)
class Session:
    """What all queries of a client share.

    Attributes:
        dialect: the version of the API it speaks.
        limiter: the gate to the service.
        transport: the way to the service.
        clock: the source of time.
        retry: how failures that may pass are met.
        budget: keeps repeats to their share of the plan.
        zones: names of systems' time zones, as far as they are known.
        max_concurrency: flows of one query that run side by side.
        zone_lock: held while a time zone is asked for.
        store: what was bought before; `None` if nothing is kept.
        purchases: what is being bought right now.
    """

    dialect: Api
    limiter: RateLimiter
    transport: Transport
    clock: Clock
    retry: RetryPolicy
    budget: RetryBudget
    zones: MutableMapping[int, str]
    max_concurrency: int = 10
    zone_lock: anyio.Lock = Factory(anyio.Lock)
    store: IntervalCache | None = None
    purchases: Purchases = Factory(Purchases)

    def now(self) -> float:
        """Return the server's time (epoch seconds) as well as it is known."""
        return self.limiter.now()

    async def attempt(self, track: Track[P], grant: Grant, credentials: Credentials, tally: Tally) -> float:
        """Send a track's request once; return how many seconds to wait before it is sent again.

        Whatever way this is left, also by cancellation, an answer that has arrived is in the track, and
        in the store.
        """
        failure: EnlightenError | None = None
        attempt = _Attempt(self.clock)
        try:
            await self.transport.send(track.asking, credentials, attempt)
        except TransportError as error:
            failure = error
        finally:
            grant.settle(attempt.sent_at, attempt.response)
            tally.count(grant, sent=attempt.sent_at is not None, again=track.failures > 0 or track.renewed)
            if attempt.response is not None:
                failure = self._read(track, grant, attempt.response)
            await self.limiter.sync()
            if self.store is not None:
                await self.store.flush()
        if isinstance(failure, TokenRefused) and not track.renewed:
            track.refused = credentials
            return 0.0
        return 0.0 if failure is None else self._back_off(track, failure, tally)

    def meaning(self, request: Request[P], response: Response) -> tuple[P | None, EnlightenError | None]:
        """Return the part that an answer stands for, and the refusal that it is, if it is one.

        Raises:
            DecodeError: it cannot be read.
        """
        refusal = self.dialect.explain(response, request.endpoint)
        return request.decode(response) if refusal is None else request.forgive(refusal), refusal

    def _read(self, track: Track[P], grant: Grant, response: Response) -> EnlightenError | None:
        """Give an answer to its track, or return why it is not one."""
        request: Request[P] = track.asking
        try:
            meant = self.meaning(request, response)
        except EnlightenError as error:
            return error
        part, refusal = meant
        if isinstance(refusal, Throttled):
            self.limiter.rejected(grant, refusal)
        elif crowded(refusal):
            self.limiter.overloaded(grant)
        if part is None:
            return refusal
        track.bought(part, response)
        return None

    def _back_off(self, track: Track[P], failure: EnlightenError, tally: Tally) -> float:
        """Book a failure: the track ends here, or goes on after so many seconds."""
        if isinstance(failure, Throttled):
            tally.rejected += 1
            track.rejections += 1
            most = MAX_REJECTIONS if failure.period else MAX_VAGUE
            pause = 0.0 if track.rejections < most else None
        else:
            track.failures += 1
            pause = self._pause(failure, track.failures)
        if pause is None:
            track.fail(failure)
        return pause or 0.0

    def _pause(self, failure: EnlightenError, failures: int) -> float | None:
        """Return seconds until a request that failed so often goes again; `None`: it does not."""
        pause = self.retry.delay(failures, random.random())  # noqa: S311 - jitter, not a secret
        if crowded(failure):
            return pause if failures < MAX_OVERLOADS else None
        if not (passing(failure) and self.retry.allows(failures)):
            return None
        now = self.clock.monotonic()
        return self.budget.claim(now + pause) - now


def status(session: Session, options: QueryOptions) -> QuotaStatus:
    """Return what a caller may still spend, and what is waited for; nothing is sent."""
    limiter, now = session.limiter, session.now()
    standing, left, waiting = limiter.snapshot(), limiter.left(options.rank), limiter.waiting
    limit, used = standing.limits.get(MONTH.name), standing.used[MONTH.name]
    end = None if limit is None else runs_out(used, limit, now)
    return QuotaStatus(
        as_of=as_datetime(now),
        minute=_window(MINUTE, standing, left.get(MINUTE.name), now),
        month=_window(MONTH, standing, left.get(MONTH.name), now),
        runs_out_at=None if end is None else as_datetime(end),
        in_flight=standing.in_flight,
        queued=limiter.queued,
        waiting=None if waiting is None else waiting.reason,
        until=None if waiting is None or waiting.until is None else as_datetime(waiting.until),
        learned=standing.learned,
    )


def _window(bucket: TokenBucket, standing: KeySnapshot, left: int | None, now: float) -> QuotaWindow:
    closed = standing.blocked_until.get(bucket.name)
    return QuotaWindow(
        limit=standing.limits.get(bucket.name),
        used=standing.used[bucket.name],
        left=left,
        turns_at=as_datetime(bucket.start(bucket.index(now) + 1)),
        closed_until=None if closed is None else as_datetime(closed),
    )
