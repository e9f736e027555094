"""Demo: a year of a system, fetched from the emulator over real sockets, and its price on the free plan."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import timedelta
from functools import partial
from typing import Any, Literal, TypeAlias

from attrs import frozen

from enlighten_async.client import EnlightenClient
from enlighten_async.clock import Clock, SystemClock
from enlighten_async.emulator import Emulator, Quota
from enlighten_async.limiter import Plan
from enlighten_async.models import Estimate, Receipt, RgmStats, System
from enlighten_async.oauth import MemoryTokenStore, OAuth, Tokens
from enlighten_async.query import Query
from enlighten_async.windows import DAY, as_datetime

YEAR = timedelta(days=365)

LATENCY_S = (0.04, 0.12)
"""Seconds the emulator takes to answer, about as long as a service on the internet."""

Version: TypeAlias = Literal["v2", "v4"]
"""Version of the API."""

Watch: TypeAlias = Callable[[Query[Any, Any]], AbstractAsyncContextManager[None]]
"""Context manager of a query, entered while the query runs."""


@frozen(kw_only=True)
class Demo:
    """Result of the demo.

    Attributes:
        version: version of the API.
        base_url: URL of the emulator.
        system: the system.
        listing: receipt of the list of systems, which has the time zone.
        year: the answer, with its own coverage and receipt.
        counted: requests for the year that the service counted.
        rejected: of these, requests the service rejected as over the limit.
        energy: energy of the year (Wh) by the emulator's data, to compare the answer with.
        price: price of the same year on the free plan.
        wait: time the year would take there.
        plan: the free plan.
        seconds: seconds that fetching the year took.
    """

    version: Version
    base_url: str
    system: System
    listing: Receipt
    year: RgmStats
    counted: int
    rejected: int
    energy: int
    price: Estimate
    wait: timedelta
    plan: Plan
    seconds: float

    @property
    def wh(self) -> float:
        """The energy of the answer, Wh."""
        return sum(interval.wh_del or 0 for interval in self.year.intervals)


async def run(
    *,
    version: Version = "v2",
    seed: int = 0,
    latency: tuple[float, float] = LATENCY_S,
    watch: Watch = lambda _: nullcontext(),
    clock: Clock | None = None,
) -> Demo:
    """Fetch the last 365 days of the demo system; needs uvicorn.

    Args:
        version: version of the API.
        seed: seed of the emulator's systems and weather.
        latency: seconds the emulator takes to answer, between two values.
        watch: context manager of the query for the year, entered while it runs.
        clock: the source of the client's time.
    """
    clock = clock or SystemClock()
    emulator = Emulator(seed=seed, quota=Quota.UNLIMITED, latency=latency)
    with emulator.running(version=version) as base_url:
        connect = partial(
            await _client_factory(emulator, version, base_url, clock), base_url=base_url, clock=clock
        )
        # No limits, so that the demo takes seconds; the price on the free plan is asked for below.
        async with connect("demo", plan=Plan()) as client:
            systems = await client.systems()
            emulator.counts.reset()
            began = clock.monotonic()
            query = _last_year(client, emulator, clock)
            async with watch(query):
                year = await query
            seconds = clock.monotonic() - began
        async with connect("demo-on-watt", plan=Plan.WATT) as client:  # an estimate sends nothing
            price = await _last_year(client, emulator, clock).estimate()
            wait = price.ready_at - as_datetime(clock.now())
    return Demo(
        version=version,
        base_url=base_url,
        system=next(system for system in systems if system.system_id == emulator.demo_system),
        listing=systems.receipt,
        year=year,
        counted=emulator.counts.sent,
        rejected=emulator.counts.rejected,
        energy=_energy(emulator, year),
        price=price,
        wait=wait,
        plan=client.plan,
        seconds=seconds,
    )


def _last_year(client: EnlightenClient, emulator: Emulator, clock: Clock) -> Query[RgmStats, RgmStats]:
    """Return the query for the last 365 days of the demo system."""
    now = as_datetime(clock.now())
    return client.rgm_stats(emulator.demo_system, start_at=now - YEAR, end_at=now)


async def _client_factory(
    emulator: Emulator, version: Version, base_url: str, clock: Clock
) -> Callable[..., EnlightenClient]:
    """Return the factory of clients of the demo user; for v4 the user has logged in."""
    user = emulator.demo_user
    if version == "v2":
        return partial(EnlightenClient, user_id=user)
    store, login = MemoryTokenStore(clock=clock), emulator.grant(user)
    await store.save(user, Tokens.of({**login, "obtained_at": clock.now(), "expires_at": clock.now() + DAY}))
    oauth = OAuth("demo", "demo", tokens=store, base_url=base_url, clock=clock)
    return partial(EnlightenClient.v4, oauth=oauth, user_id=user)


def _energy(emulator: Emulator, year: RgmStats) -> int:
    """Return the energy (Wh) by the emulator's data, from the answer's first interval to its last."""
    if not year.intervals:
        return 0
    first, last = year.intervals[0].end_at.timestamp(), year.intervals[-1].end_at.timestamp()
    return emulator.truth.energy(year.system_id, first - year.coverage.grid, last)
