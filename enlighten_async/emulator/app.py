"""The emulator: one fake of the service, however it is reached."""

from __future__ import annotations

from contextlib import contextmanager
from email.utils import formatdate
from random import Random
from typing import TYPE_CHECKING

from enlighten_async.clock import SystemClock
from enlighten_async.emulator import asgi
from enlighten_async.emulator.counts import Books
from enlighten_async.emulator.faults import Fault, FaultPlayer
from enlighten_async.emulator.latency import draw
from enlighten_async.emulator.plant import fleet as fleets
from enlighten_async.emulator.plant.system import DEMO_SYSTEM, DEMO_USER
from enlighten_async.emulator.plant.truth import Truth
from enlighten_async.emulator.quota import Ledger, Quota
from enlighten_async.emulator.transport import EmulatorTransport
from enlighten_async.emulator.v2.api import ApiV2
from enlighten_async.emulator.v2.era import NEWEST, Era
from enlighten_async.emulator.v4 import oauth
from enlighten_async.emulator.v4.api import ApiV4
from enlighten_async.emulator.v4.apps import Apps
from enlighten_async.emulator.v4.manners import Manners
from enlighten_async.emulator.v4.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from enlighten_async.clock import Clock
    from enlighten_async.emulator.counts import Arrival, Counts
    from enlighten_async.emulator.latency import Latency
    from enlighten_async.emulator.messages import Answer, Call, Version
    from enlighten_async.emulator.plant.system import System
    from enlighten_async.emulator.v4.apps import App
    from enlighten_async.emulator.v4.tokens import Rotation

ON_THE_WAY = 0.25  # the part of the latency that passes before the service counts a request, and after
DAY = 86_400
YEAR = 365  # days


class Emulator:
    """A seeded fake of the service: an ASGI application, and a transport for httpx.

    It speaks v2 below `/api/v2`, v4 below `/api/v4`, and gives tokens for v4 below `/oauth`, all at once and
    of the same systems; one quota counts what a key asks of both.

    The same seed and the same day of construction give the same systems; the same seed gives the same
    values in every window. Used by one event loop at a time.

    Args:
        seed: of systems, weather and latencies.
        users: how many users there are; the first is the demo user.
        systems: how many systems each user has; the first of all is the demo system.
        fleet: the systems, in place of made-up ones.
        quota: what each key may ask.
        concurrent: how many requests are handled at a time; more are answered 503. `None`: no limit.
        latency: seconds per request; a quarter each for the ways there and back, the rest is handling.
        retention_days: how far back intervals reach; `None`: a year in v2, two in v4.
        report_lag: seconds until an interval that has ended is reported.
        keys: the valid API keys; `None` takes any that is not empty.
        faults: what goes wrong.
        rejected_count_month: whether refused requests count against the month as well.
        clock: the service's clock.
        date_header: whether answers carry a Date.
        date_skew: seconds by which Date is ahead of the clock that counts.
        era: the year as of which v2's answers look: fields and endpoints came over time, see `v2/era.py`.
        apps: the applications that v4 knows; `None` takes any client, secret and key.
        rotation: what becomes of a refresh token that was used: dead at once, or it lives on.
        manners: how v4 behaves where nobody knows; may be set at any time.
    """

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
        era: int = NEWEST,
        apps: Iterable[App] | None = None,
        rotation: Rotation = "strict",
        manners: Manners | None = None,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        built = fleets.build(seed, users, systems, self.clock.now()) if fleet is None else tuple(fleet)
        self.truth = Truth(built, seed, self.clock, report_lag)
        self.faults = list(faults)
        self.keys = None if keys is None else set(keys)
        self.concurrent = concurrent
        self.date_header = date_header
        self.date_skew = date_skew
        self.latency = latency
        self._users = (
            fleets.user_ids(users) if fleet is None else list(dict.fromkeys(s.user_id for s in built))
        )
        self._ledger = Ledger(quota, rejected_count_month=rejected_count_month)
        self.manners = manners or Manners()
        self._apps = Apps(apps)
        self._tokens = Tokens(seed, self.clock, rotation)
        self._oauth = oauth.OAuth(
            tuple(self._users), self.demo_user, self._apps, self._tokens, lambda: self.manners
        )
        self._apis = self._speak(retention_days, era)
        self._player = FaultPlayer()
        self._books = Books()
        self._random = Random(f"{seed}/latency")
        self._handled = 0

    def _speak(self, retention_days: float | None, era: int) -> dict[Version, ApiV2 | ApiV4]:
        """Return the versions of the API, all of one truth."""
        one, two = (DAY * (n * YEAR if retention_days is None else retention_days) for n in (1, 2))
        shared = (self._takes, self.truth, self.clock)
        manners, quota = lambda: self.manners, lambda: self.quota
        return {
            "v2": ApiV2(frozenset(self._users), *shared, one, Era(era)),
            "v4": ApiV4(self._apps, self._tokens, *shared, two, quota, manners),
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
        """What each key may ask; may be set at any time, the counts stay."""
        return self._ledger.quota

    @quota.setter
    def quota(self, quota: Quota) -> None:
        self._ledger.quota = quota

    @property
    def counts(self) -> Counts:
        """What arrived and what became of it."""
        return self._books.counts

    @property
    def log(self) -> list[Arrival]:
        """The newest requests that arrived, oldest first, without their keys."""
        return list(self._books.log)

    def inject(self, *faults: Fault) -> None:
        """Let these go wrong from now on; `faults` is the list of all, to be changed at will."""
        self.faults.extend(faults)

    def grant(self, user_id: str, client_id: str | None = None) -> dict[str, object]:
        """Return tokens of a user, as the token endpoint answers them, without any login.

        They are the first application's unless another client is named.
        """
        return self._tokens.issue(user_id, client_id or self._apps.first_client)

    def revoke(self, user_id: str) -> None:
        """End all tokens of a user: they have to log in again."""
        self._tokens.revoke(user_id)

    def expire(self, user_id: str | None = None) -> None:
        """End the access tokens of a user (`None`: of all) now, whatever they say themselves."""
        self._tokens.expire(user_id)

    def transport(self) -> EmulatorTransport:
        """Return a transport for httpx that leads here without a socket."""
        return EmulatorTransport(self)

    async def serve(self, host: str = "127.0.0.1", port: int = 8000) -> None:
        """Serve on a socket until the process is told to stop; needs uvicorn."""
        from enlighten_async.emulator.server import serve  # noqa: PLC0415 - uvicorn is optional

        await serve(self, host, port)

    def running(self, port: int = 0, *, version: Version = "v2") -> AbstractContextManager[str]:
        """Serve on 127.0.0.1 in a thread of its own; gives this version's address. Needs uvicorn, real time.

        Port 0 takes any that is free. All versions are served, whichever address is given.
        """
        from enlighten_async.emulator.server import running  # noqa: PLC0415 - uvicorn is optional

        return running(self, port, version)

    async def __call__(self, scope: asgi.Message, receive: asgi.Receive, send: asgi.Send) -> None:
        """Serve one ASGI scope."""
        await asgi.respond(self, scope, receive, send)

    async def answer(self, call: Call) -> Answer:
        """Return the answer to a request, after its latency.

        Raises DroppedError if the connection is to be closed in its place.
        """
        latency = draw(self.latency, self._random)
        await self._wait(latency * ON_THE_WAY)
        handling = latency * (1 - 2 * ON_THE_WAY)
        if call.path.startswith(oauth.ROOT):
            answer = await self._let_in(call, handling)
        else:
            entry = self._books.arrived(call, self.clock.now())
            answer = await self._pass(call, handling)
            self._books.answered(entry, answer)
        if self.date_header:
            date = formatdate(int(self.clock.now() + self.date_skew), usegmt=True)
            answer = answer.with_header("Date", date)
        await self._wait(latency * ON_THE_WAY)
        return answer

    async def _let_in(self, call: Call, handling: float) -> Answer:
        """Answer an owner who logs in, or a client that wants a token: only faults that name it strike."""
        grant = oauth.grant_of(call)
        if grant:
            self._books.token_asked(grant)
        await self._wait(handling)
        fault = self._player.meet([fault for fault in self.faults if fault.path is not None], call)
        answer = await self._meet(fault, call, self._oauth)
        if grant:
            self._books.token_answered(grant, answer.status)
        return answer

    async def _pass(self, call: Call, handling: float) -> Answer:
        """Lead a request past the gates: faults ahead of the quota, key, concurrency, quota."""
        api = self._apis[call.version]
        if fault := self._player.meet(self.faults, call, counted=False):
            return await self._meet(fault, call, api)
        if refusal := self._refusal(call, api):
            return refusal
        with self._handling():
            await self._wait(handling)
            return await self._meet(self._player.meet(self.faults, call, counted=True), call, api)

    def _refusal(self, call: Call, api: ApiV2 | ApiV4) -> Answer | None:
        if refusal := api.admit(call):
            return refusal
        if self.concurrent is not None and self._handled >= self.concurrent:
            return api.crowded(call)
        now = self.clock.now()
        excess = self._ledger.charge(call.key, now, call.version)
        self._books.charged(now, refused=excess is not None)
        return api.throttled(call, excess) if excess else None

    def _takes(self, key: str) -> bool:
        """Tell whether this is a valid API key."""
        return bool(key) and (self.keys is None or key in self.keys)

    async def _meet(self, fault: Fault | None, call: Call, api: ApiV2 | ApiV4 | oauth.OAuth) -> Answer:
        """Return the answer of an API, or what a fault makes of it."""
        await self._wait(fault.delay if fault else 0)
        answer = (fault.answer(call) if fault else None) or api.answer(call)
        answer = answer.gzipped() if call.gzip else answer
        return fault.bend(answer) if fault and fault.bend else answer

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
