"""The emulator: one fake of the service, reached by an httpx transport, ASGI or a socket."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from email.utils import formatdate
from random import Random
from typing import TYPE_CHECKING, TypeAlias

from enlighten_async.emulator import admin, asgi
from enlighten_async.emulator.drift import DEFAULT_DRIFTS, Drift, drifted_fleet, outage_at
from enlighten_async.emulator.faults import Fault, FaultInjector
from enlighten_async.emulator.quota import Quota, QuotaCounter
from enlighten_async.emulator.request_log import Access, RequestLog
from enlighten_async.emulator.service import OptionsT, Service
from enlighten_async.emulator.service_clock import ServiceClock
from enlighten_async.emulator.simulation.fleet import build_fleet, user_ids
from enlighten_async.emulator.simulation.ground_truth import GroundTruth
from enlighten_async.emulator.simulation.sun import DAY_S
from enlighten_async.emulator.simulation.system import DEMO_SYSTEM, DEMO_USER
from enlighten_async.emulator.transport import EmulatorTransport
from enlighten_async.emulator.v2.api import ApiV2
from enlighten_async.emulator.v2.v2_history import LATEST_YEAR, V2History
from enlighten_async.emulator.v4.api import ApiV4
from enlighten_async.emulator.v4.apps import Apps
from enlighten_async.emulator.v4.oauth import OAUTH_ROOT, OAuth, grant_of
from enlighten_async.emulator.v4.quirks import V4Options
from enlighten_async.emulator.v4.tokens import Tokens
from enlighten_async.lazy import LazyModule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from enlighten_async.clock import Clock
    from enlighten_async.emulator import server
    from enlighten_async.emulator.messages import Request, Response, Version
    from enlighten_async.emulator.request_log import Counts, LoggedRequest
    from enlighten_async.emulator.simulation.system import System
    from enlighten_async.emulator.v4.apps import App
    from enlighten_async.emulator.v4.tokens import Rotation
else:  # uvicorn is optional
    server = LazyModule("enlighten_async.emulator.server")

LATENCY_SHARE_EACH_WAY = 0.25  # of the latency passes before the request is counted, and after it is handled
V2_RETENTION_DAYS, V4_RETENTION_DAYS = 365, 730

Latency: TypeAlias = float | tuple[float, float] | Callable[[], float]
"""Seconds from the caller's request to the response: constant, between two, or as a function returns."""


class Emulator:
    """A seeded fake of the service: an ASGI application, and a transport for httpx.

    v2 is served below `/api/v2`, v4 below `/api/v4`, tokens for v4 below `/oauth`: all at once, from the same
    systems. One quota counts the requests of a key to both versions.

    The same seed and the same day of construction give the same systems; the same seed gives the same
    values in every window. Used by one event loop at a time.

    Args:
        seed: seed of systems, weather and latencies.
        users: number of users; the first is the demo user.
        systems: number of systems of each user; the first of all is the demo system.
        fleet: the systems, in place of generated ones.
        quota: limits of each key.
        concurrent: number of requests handled at a time; more are answered 503. `None`: no limit.
        latency: seconds per request; a quarter each for the ways there and back, the rest is handling.
        retention_days: age of the oldest interval that is still returned. `None`: a year in v2, two in v4.
        report_lag: seconds until an interval that has ended is reported.
        keys: the valid API keys; `None` accepts any that is not empty.
        faults: faults to inject.
        rejected_count_month: whether rejected requests count against the month as well.
        clock: the service's clock.
        date_header: whether responses carry a Date.
        date_skew: seconds by which Date is ahead of the clock that counts.
        v2_year: year whose v2 is served: fields and endpoints came over time, see `v2/v2_history.py`.
        apps: the applications registered for v4; `None` accepts any client, secret and key.
        rotation: whether a refresh token is invalid once it was used ("strict"), or stays valid ("lenient").
        v4_options: behaviour of v4 that is undocumented or disputed; may be replaced at any time.
        drifts: departures from the documentation that are on, or their names; may be replaced at any time.
    """

    clock: Clock
    """The service's clock; a `ServiceClock`, as it is by default, can be set forward."""
    truth: GroundTruth
    """What the systems really measured, for tests to compare with."""
    faults: list[Fault]
    """The faults to inject; the list may be changed at any time."""
    keys: set[str] | None
    """The valid API keys; `None`: any that is not empty."""
    concurrent: int | None
    """Number of requests handled at a time; more are answered 503. `None`: no limit."""
    latency: Latency
    """Seconds per request; a quarter each for the ways there and back, the rest is handling."""
    date_header: bool
    """Whether responses carry a Date."""
    date_skew: float
    """Seconds by which Date is ahead of the clock that counts."""
    access_log: Callable[[Access], object] | None = None
    """Is called with each request that is over; `None`: nobody is."""

    def __init__(
        self,
        *,
        seed: int = 0,
        users: int = 1,
        systems: int = 1,
        fleet: Iterable[System] | None = None,
        quota: Quota = Quota.WATT,
        concurrent: int | None = 10,
        latency: Latency = 0.0,
        retention_days: float | None = None,
        report_lag: float = 900,
        keys: Iterable[str] | None = None,
        faults: Iterable[Fault] = (),
        rejected_count_month: bool = False,
        clock: Clock | None = None,
        date_header: bool = True,
        date_skew: float = 0.0,
        v2_year: int = LATEST_YEAR,
        apps: Iterable[App] | None = None,
        rotation: Rotation = "strict",
        v4_options: V4Options | None = None,
        drifts: Iterable[Drift | str] = DEFAULT_DRIFTS,
    ) -> None:
        self.clock = clock or ServiceClock()
        on, now = frozenset(map(Drift, drifts)), self.clock.now()
        built = drifted_fleet(build_fleet(seed, users, systems, now) if fleet is None else fleet, on, now)
        self.truth = GroundTruth(built, seed, self.clock, report_lag)
        self.faults, self.keys = list(faults), None if keys is None else set(keys)
        self.concurrent, self.latency = concurrent, latency
        self.date_header, self.date_skew = date_header, date_skew
        self._users = user_ids(users) if fleet is None else list(dict.fromkeys(s.user_id for s in built))
        self._quota_counter = QuotaCounter(quota, rejected_count_month=rejected_count_month)
        self._apps, self._tokens = Apps(apps), Tokens(seed, self.clock, rotation)
        self._v2 = self._service(retention_days, V2_RETENTION_DAYS, V2History(v2_year), on)
        self._v4 = self._service(retention_days, V4_RETENTION_DAYS, v4_options or V4Options(), on)
        self._oauth = OAuth(tuple(self._users), self.demo_user, self._apps, self._tokens, self._v4)
        self._apis = self._build_apis()
        self._fault_injector, self._request_log = FaultInjector(), RequestLog()
        self._random, self._handled = Random(f"{seed}/latency"), 0

    def _service(
        self, days: float | None, default: float, options: OptionsT, drifts: frozenset[Drift]
    ) -> Service[OptionsT]:
        """Return one version of the service; `days` is its retention, or `None` for the default."""
        retention_s = DAY_S * (default if days is None else days)
        return Service(self.truth, self.clock, retention_s, options, drifts)

    def _build_apis(self) -> dict[Version, ApiV2 | ApiV4]:
        return {
            "v2": ApiV2(frozenset(self._users), self._is_valid_key, self._v2),
            "v4": ApiV4(self._apps, self._tokens, self._is_valid_key, self._v4, self._quota_counter),
        }

    @property
    def users(self) -> list[str]:
        """The ids of all users."""
        return list(self._users)

    @property
    def demo_user(self) -> str:
        """The demo user's id; the first user's in a fleet without them."""
        return DEMO_USER if DEMO_USER in self._users or not self._users else self._users[0]

    @property
    def demo_system(self) -> int:
        """The demo system's id; that of the demo user's first system in a fleet without it."""
        ids = [system.system_id for system in self.truth.systems(self.demo_user)]
        return DEMO_SYSTEM if DEMO_SYSTEM in ids or not ids else ids[0]

    @property
    def quota(self) -> Quota:
        """The limits of each key; may be replaced at any time, the counts stay."""
        return self._quota_counter.quota

    @quota.setter
    def quota(self, quota: Quota) -> None:
        self._quota_counter.quota = quota

    @property
    def v4_options(self) -> V4Options:
        """The behaviour of v4 that is undocumented or disputed; may be replaced at any time."""
        return self._v4.options

    @v4_options.setter
    def v4_options(self, options: V4Options) -> None:
        self._v4.options = options

    @property
    def token_ttl(self) -> float:
        """Seconds for which an access token of v4 lives; may be replaced, for the tokens to come."""
        return self._tokens.access_ttl

    @token_ttl.setter
    def token_ttl(self, seconds: float) -> None:
        self._tokens.access_ttl = seconds

    @property
    def latency_and_jitter(self) -> tuple[float, float]:
        """The mean latency, and by how much it varies either way (seconds); (0, 0) if a function draws it."""
        if callable(self.latency):
            return 0.0, 0.0
        least, most = self.latency if isinstance(self.latency, tuple) else (self.latency, self.latency)
        return round((least + most) / 2, 6), round((most - least) / 2, 6)

    @property
    def drifts(self) -> frozenset[Drift]:
        """The departures from the documentation that are on; they may be replaced at any time."""
        return self._v4.drifts

    @drifts.setter
    def drifts(self, drifts: Iterable[Drift | str]) -> None:
        self._v2.drifts = self._v4.drifts = frozenset(map(Drift, drifts))

    @property
    def counts(self) -> Counts:
        """Counts of the requests that arrived, and of their results."""
        return self._request_log.counts

    @property
    def log(self) -> list[LoggedRequest]:
        """The newest requests that arrived, oldest first, without their keys."""
        return list(self._request_log.entries)

    def inject(self, *faults: Fault) -> None:
        """Inject these faults from now on; the list `faults` holds all of them and may be changed.

        Args:
            faults: the faults.
        """
        self.faults.extend(faults)

    def seen(self, fault: Fault) -> int:
        """Return the number of requests that a fault has matched.

        Args:
            fault: one that was injected.
        """
        return self._fault_injector.seen(fault)

    def grant(self, user_id: str, client_id: str | None = None) -> dict[str, object]:
        """Return tokens of a user, as the token endpoint responds with them, without any login.

        Args:
            user_id: the user.
            client_id: client id of the application; `None`: the first one's.
        """
        return self._tokens.issue(user_id, client_id or self._apps.first_client)

    def revoke(self, user_id: str) -> None:
        """End all tokens of a user: they have to log in again.

        Args:
            user_id: the user.
        """
        self._tokens.revoke(user_id)

    def expire(self, user_id: str | None = None) -> None:
        """End access tokens now, ahead of the expiry in them.

        Args:
            user_id: the user; `None`: all.
        """
        self._tokens.expire(user_id)

    def transport(self) -> EmulatorTransport:
        """Return a transport for httpx that leads here without a socket."""
        return EmulatorTransport(self)

    async def serve(self, host: str = "127.0.0.1", port: int = 8000) -> None:
        """Serve on a socket until the process is told to stop; needs uvicorn.

        Args:
            host: address to listen at.
            port: port to listen at.
        """
        await server.serve(self, host, port)

    def running(self, port: int = 0, *, version: Version = "v2") -> AbstractContextManager[str]:
        """Serve on 127.0.0.1 in a thread of its own, and give an address. Needs uvicorn, real time.

        Args:
            port: port to listen at; 0: any that is free.
            version: "v2" or "v4", whose address is given; all versions are served.
        """
        return server.running(self, port, version)

    async def __call__(self, scope: asgi.Message, receive: asgi.Receive, send: asgi.Send) -> None:
        """Serve one ASGI scope."""
        await asgi.serve_scope(self, scope, receive, send)

    async def respond(self, request: Request) -> Response:
        """Return the response to a request, after its latency.

        Args:
            request: the request.

        Raises:
            DroppedError: the connection is to be closed instead.
        """
        if admin.is_admin(request):
            return admin.respond(self, request)
        at, began, status = self.clock.now(), self.clock.monotonic(), None
        try:
            response = await self._respond(request)
            status = response.status
        finally:
            if self.access_log is not None:
                self.access_log(Access.of(request, at, status, self.clock.monotonic() - began))
        return response

    async def _respond(self, request: Request) -> Response:
        latency = _draw(self.latency, self._random)
        await self._wait(latency * LATENCY_SHARE_EACH_WAY)
        handling = latency * (1 - 2 * LATENCY_SHARE_EACH_WAY)
        if request.path.startswith(OAUTH_ROOT):
            response = await self._respond_oauth(request, handling)
        else:
            entry = self._request_log.arrived(request, self.clock.now())
            response = await self._respond_api(request, handling)
            self._request_log.responded(entry, response)
        if self.date_header:
            date = formatdate(int(self.clock.now() + self.date_skew), usegmt=True)
            response = response.with_header("Date", date)
        await self._wait(latency * LATENCY_SHARE_EACH_WAY)
        return response

    async def _respond_oauth(self, request: Request, handling: float) -> Response:
        """Respond to an owner who logs in, or a client that wants a token.

        Only faults that name a path apply here, so that a fault meant for data does not break the login.
        """
        grant = grant_of(request)
        if grant:
            self._request_log.token_requested(grant)
        await self._wait(handling)
        fault = self._next_fault(request, named=True)
        response = await self._with_fault(fault, request, self._oauth)
        if grant:
            self._request_log.token_responded(grant, response.status)
        return response

    async def _respond_api(self, request: Request, handling: float) -> Response:
        """Pass a request through the checks, in order: uncounted faults, key, concurrency, quota."""
        api = self._apis[request.version]
        if fault := self._next_fault(request, counted=False):
            return await self._with_fault(fault, request, api)
        if error := self._check(request, api):
            return error
        with self._handling():
            await self._wait(handling)
            fault = self._next_fault(request, counted=True)
            return await self._with_fault(fault, request, api)

    def _next_fault(
        self, request: Request, *, counted: bool | None = None, named: bool = False
    ) -> Fault | None:
        """Return the fault that applies to a request; with `named`, only one that names a path."""
        now = self.clock.now()
        outage = outage_at(now) if Drift.OUTAGES in self.drifts else None
        faults = [fault for fault in (*self.faults, outage) if fault]
        faults = [fault for fault in faults if not named or fault.path is not None]
        return self._fault_injector.next_fault(faults, request, now, counted=counted)

    def _check(self, request: Request, api: ApiV2 | ApiV4) -> Response | None:
        """Return the error of a request that is not handled, if there is one."""
        if error := api.check_access(request):
            return error
        if self.concurrent is not None and self._handled >= self.concurrent:
            return api.too_many_concurrent(request)
        now = self.clock.now()
        exceeded = self._quota_counter.charge(request.key, now, request.version)
        self._request_log.charged(now, rejected=exceeded is not None)
        return api.quota_exceeded(request, exceeded) if exceeded else None

    def _is_valid_key(self, key: str) -> bool:
        return bool(key) and (self.keys is None or key in self.keys)

    async def _with_fault(
        self, fault: Fault | None, request: Request, api: ApiV2 | ApiV4 | OAuth
    ) -> Response:
        """Return the response of an API, delayed, replaced or transformed by a fault."""
        await self._wait(fault.delay if fault else 0)
        response = (fault.response(request) if fault else None) or api.respond(request)
        response = response.gzipped() if request.accepts_gzip else response
        return fault.transform(response) if fault and fault.transform else response

    @contextmanager
    def _handling(self) -> Iterator[None]:
        self._handled += 1
        try:
            yield
        finally:
            self._handled -= 1

    async def _wait(self, seconds: float) -> None:
        if seconds > 0:
            await self.clock.sleep(seconds)


def _draw(latency: Latency, random: Random) -> float:
    """Return the latency of one request in seconds."""
    if callable(latency):
        return latency()
    return random.uniform(*latency) if isinstance(latency, tuple) else latency
