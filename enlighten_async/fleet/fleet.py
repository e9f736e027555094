"""Fleet: the systems that are followed, and what that costs."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from sys import intern
from typing import Any, Final, TypeVar

import anyio

from enlighten_async.cache import NOTHING_CACHED
from enlighten_async.client import EnlightenClient
from enlighten_async.errors import BackfillIncomplete, InputError
from enlighten_async.export.facts import counted
from enlighten_async.fleet.backfill import WINDOW_S, Backfill
from enlighten_async.fleet.change import Change
from enlighten_async.fleet.follow import Cursors, Follower
from enlighten_async.fleet.leases import LEASE, Keeper, kept
from enlighten_async.fleet.plan import Account, FleetPlan, FleetSystem, KeyShare, budget_of, fleet_plan, told
from enlighten_async.fleet.schedule import MEAN_DAYLIGHT_S, REPORT_S
from enlighten_async.fleet.sinks import Sink
from enlighten_async.fleet.status import FleetStatus
from enlighten_async.windows import DAY

T = TypeVar("T")

DARK_AT_NIGHT: Final = frozenset({"rgm_stats", "stats", "production_meter"})
"""Series of production: at night they have no news."""

FOLLOWED: Final = (
    *("rgm_stats", "stats", "production_meter", "consumption_stats", "battery"),
    *("energy_import_telemetry", "energy_export_telemetry"),
)
"""Series that a fleet may follow: those of whole systems in intervals."""

SINK_RETRY_S: Final = 10.0
"""Seconds until a sink that could not write is asked again."""

DRAIN_S: Final = 10.0
"""Seconds for which a sink may write what is paid for, when the run is cancelled."""

NAMED: Final = 10
"""Systems that the text of an error names at the most."""

logger = logging.getLogger("enlighten_async")

LIST_AGE_S: Final = float(DAY)
"""Seconds for which a cached list of systems will do."""

LIST_AGAIN_S: Final = 3_600.0
"""The same for one that is to tell of today's systems."""


class Fleet:
    """The systems of one key or of several, one series of which is polled.

    Args:
        clients: the client of a key, or one for each key; views keep their options.
        series: name of the series' method: "rgm_stats", "stats", "consumption_stats", and in v4
            "production_meter", "battery", "energy_import_telemetry" and "energy_export_telemetry".
        accounts: names of the accounts (v2: user ids) whose systems are polled; by default the client's own.
            With several clients each polls its own account.
        every: the longest time between two polls of a system while it produces, at least 15 minutes, as
            gateways report so often. `None`: as often as the quota allows, which uses up the month; for plans
            that charge by request see `FleetPlan.cost_usd`.
        strict: whether to raise an error, in place of a warning, if the quota does not allow `every`.
        backfill: length of the history that is fetched of each system too, in whole windows of 7 days, as far
            back as the service keeps rows, by requests that polls leave. `None`: only the last 7 days, which
            each system's first poll brings.
        newest_first: whether the newest window of a history comes first; otherwise the oldest.

    Raises:
        InputError: an argument is wrong.
    """

    def __init__(
        self,
        clients: EnlightenClient | Sequence[EnlightenClient],
        series: str,
        *,
        accounts: Collection[str] | None = None,
        every: timedelta | None = None,
        strict: bool = False,
        backfill: timedelta | None = None,
        newest_first: bool = False,
    ) -> None:
        given = [clients] if isinstance(clients, EnlightenClient) else list(clients)
        if not given or not all(isinstance(each, EnlightenClient) for each in given):
            raise InputError("a fleet needs an EnlightenClient, or several, one for each key")
        known = given[0]._session.api.cached_series
        if series not in FOLLOWED or series not in known:
            names = ", ".join(name for name in FOLLOWED if name in known)
            raise InputError(f"series must be one of {names}, not {series!r:.60}")
        _check_span("every", every)
        _check_span("backfill", backfill)
        if newest_first and backfill is None:
            raise InputError("newest_first needs a backfill, such as timedelta(days=365)")
        self._clients = _views(given, accounts)
        own = [""] * len(given) if accounts is None else dict.fromkeys(accounts)
        self._accounts = tuple(map(Account, self._clients, own))
        self._series = series
        self._every = every
        self._strict = strict
        self._backfill = None if backfill is None else _backfill_of(given[0], series, backfill, newest_first)
        self._follower_now: Follower | None = None

    def __repr__(self) -> str:
        return f"<Fleet {self._series} of {len(self._clients)} accounts>"

    @property
    def _daylight(self) -> float:
        """Seconds of a day in which a system has news."""
        return float(MEAN_DAYLIGHT_S if self._series in DARK_AT_NIGHT else DAY)

    @property
    def _history(self) -> int:
        """Requests that the history of a system takes."""
        return 0 if self._backfill is None else self._backfill.windows * self._backfill.cost

    async def plan(self) -> FleetPlan:
        """Return what the fleet will cost, and how old its rows will be.

        Only lists of systems are requested, unless lists are cached that are younger than a day.

        Raises:
            EnlightenError: a list could not be read: one of the errors that `Query` lists.
        """
        return await self._plan_of(await self._list())

    def status(self) -> FleetStatus:
        """Return how old the rows are, and what was spent, during a run; it costs no request."""
        return FleetStatus() if self._follower_now is None else self._follower_now.status()

    async def _plan_of(self, systems: Sequence[FleetSystem]) -> FleetPlan:
        """Return the plan of some systems."""
        counts = Counter(each.account.key for each in systems)
        views = {each.key: each.client for each in self._accounts}
        shares = [
            KeyShare(counts[key], budget_of(await view.quota()), view.plan, self._history)
            for key, view in views.items()
        ]
        now = self._clients[0]._session.limiter.now()
        return fleet_plan(shares, self._every, self._daylight, now)

    async def follow(
        self, since: Mapping[int, datetime] | None = None, *, once: bool = False
    ) -> AsyncGenerator[Change, None]:
        """Yield changes, for ever: each system is polled when it is due.

        The caller keeps the rows: save `Change.until` with them, and give it as `since` the next time. A slow
        reader delays the polls. A system that fails waits alone; its error is in the log.

        Args:
            since: up to when the rows of each system are saved (aware datetimes), by its number; others
                begin with their last 7 days.
            once: end when no poll is due.

        Raises:
            InputError: a client has no cache, there are no systems, (`strict`) the quota does not allow
                `every`, or the fleet has a `backfill`, whose cursors need a sink.
            EnlightenError: a list could not be read: one of the errors that `Query` lists.
        """
        if self._backfill is not None:
            raise InputError(
                "a backfill needs a sink, which keeps its cursors: use run, or follow without it"
            )
        follower = await self._follower(Cursors(since or {}, {}))
        while True:
            if not once:
                await follower.wait()
            await follower.poll_due()
            ready = follower.take()
            for change in ready:
                yield change
            if once and not ready:
                return

    async def run(
        self, sink: Sink, *, once: bool = False, until_done: bool = False, lease: timedelta | None = None
    ) -> None:
        """Poll the systems when they are due, and write what changes to a sink; for ever.

        The run begins at the sink's cursors. While the sink cannot write, nothing is polled. After a cancel
        the sink may write the rows that are paid for, for up to 10 seconds.

        With a state in PostgreSQL, any number of processes may run the same fleet, on any machines: each
        holds leases on its share of the systems.

        Args:
            sink: the sink of rows and cursors.
            once: end when no poll is due, for programs that a timer starts.
            until_done: end when the sink has the history of all systems, as given by `backfill`; or, with an
                error, when only that of systems is missing whose requests failed five times in a row, over
                some four hours, or that the service does not know. A quota that is used up is waited for.
            lease: with a state in PostgreSQL, the time after which the systems of a process that died are
                polled by others; by default 30 seconds.

        Raises:
            InputError: a client has no cache, there are no systems, the sink refuses, another process runs
                the fleet with the same state file, (`strict`) the quota does not allow `every`, or
                `until_done` is given without `backfill` or with `once`.
            BackfillIncomplete: `until_done`, and the history of some systems is missing.
            EnlightenError: a list could not be read: one of the errors that `Query` lists.
        """
        if until_done and (once or self._backfill is None):
            raise InputError("until_done needs Fleet(..., backfill=...), and cannot be given with once")
        follower = await self._follower(await Cursors.of(sink, self._series, self._backfill))
        async with kept(self._clients, follower, self._series, sink, lease or LEASE) as keeper:
            await self._keep(follower, keeper, once=once, until_done=until_done)

    async def _keep(self, follower: Follower, sink: Keeper, *, once: bool, until_done: bool) -> None:
        """Make the polls, and have what they bring kept."""
        while True:
            await sink.settle()
            if until_done and await self._is_done(follower, sink):
                return
            try:
                if not once:
                    await follower.wait(sink.longest_wait)
                await follower.poll_due()
            except anyio.get_cancelled_exc_class():
                with anyio.move_on_after(DRAIN_S, shield=True):
                    if ready := follower.take():
                        await sink.write(ready)
                raise
            if ready := follower.take():
                await self._patiently(sink, "write", partial(sink.write, ready))
            elif once:
                return

    async def _is_done(self, follower: Follower, sink: Keeper) -> bool:
        """Tell whether the sink has the history of all systems, those that others poll too.

        Raises:
            BackfillIncomplete: it has all of the systems that are polled here but what was given up.
        """
        if follower.roster.fetches_histories():
            return False
        read = partial(Cursors.of, sink.sink, self._series, self._backfill)
        follower.look_at_histories(await self._patiently(sink, "be read", read))
        if missing := follower.roster.given_up():
            raise _incomplete(missing)
        return not follower.roster.windows_left()

    async def _patiently(self, sink: Keeper, what: str, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of some work with a sink, however long that takes; `what` it does is logged."""
        failed = False
        while True:
            try:
                return await work()
            except OSError as error:
                if not failed:
                    logger.warning("%r cannot %s (%s): polls wait until it can", sink.sink, what, error)
                failed = True
            await self._clients[0]._session.clock.sleep(SINK_RETRY_S)

    async def _follower(self, since: Cursors) -> Follower:
        """Return what makes the polls."""
        if any(client._session.cache is None for client in self._clients):
            raise InputError(NOTHING_CACHED)
        every = None if self._every is None else self._every.total_seconds()
        systems = await self._list()
        if not systems:
            raise InputError("the fleet has no systems: log in with an account that has some")
        plan = await self._plan_of(systems)
        if not plan.fits:
            self._tell(plan)
        if plan.backfill and plan.backfill_done_at is None:
            logger.warning("polls leave no requests for history: give a longer every")
        rests = self._series in DARK_AT_NIGHT
        follower = Follower(
            systems,
            self._series,
            every,
            since,
            rests=rests,
            discover=self._listed,
            backfill=self._backfill,
        )
        self._follower_now = follower
        return follower

    def _tell(self, plan: FleetPlan) -> None:
        """Warn that the quota does not allow `every`, or raise `InputError`."""
        wanted, affordable = told(plan.every or timedelta()), plan.affordable_every
        way = ": wait for the next month" if affordable is None else f", but every {told(affordable)}"
        text = f"the quota does not allow polls of {plan.systems:,} systems every {wanted}{way}"
        if self._strict:
            raise InputError(text)
        logger.warning("%s", text)

    async def _list(self) -> list[FleetSystem]:
        """Return the systems of all accounts; one that two accounts have belongs to the first."""
        found: dict[int, FleetSystem] = {}
        async for system in self._listed(LIST_AGE_S):
            found.setdefault(system.system_id, system)
        return list(found.values())

    async def _listed(self, age: float = LIST_AGAIN_S) -> AsyncIterator[FleetSystem]:
        """Yield the systems of all accounts, by lists that are at most so many seconds old."""
        for account in self._accounts:
            client = account.client
            view = client if client._session.cache is None else client.with_options(max_age=age)
            async for system in view.systems():
                cellular = system.connection_type == "cellular"
                told_at = None if system.meta is None else system.meta.last_energy_at
                energy = None if told_at is None else told_at.timestamp()
                zone = None if system.timezone is None else intern(system.timezone)
                yield FleetSystem(system.system_id, account, zone, cellular, energy)


def _incomplete(missing: Mapping[int, int]) -> BackfillIncomplete:
    """Return the error that names systems, the first of them, with the number of windows that are missing."""
    told_of = ", ".join(f"{system_id} ({windows})" for system_id, windows in list(missing.items())[:NAMED])
    more = ", …" if len(missing) > NAMED else ""
    text = (
        f"the history of {counted(len(missing), 'system')} is incomplete, "
        f"{counted(sum(missing.values()), 'window')} of 7 days: {told_of}{more}; "
        "their requests failed again and again (see the log): run again to continue"
    )
    return BackfillIncomplete(text, missing=missing)


def _check_span(name: str, span: object) -> None:
    """Raise `InputError` for what is no length of time."""
    if span is not None and (not isinstance(span, timedelta) or span <= timedelta(0)):
        raise InputError(f"{name} must be a timedelta above 0, such as timedelta(hours=1), not {span!r:.60}")


def _backfill_of(client: EnlightenClient, series: str, span: timedelta, newest_first: bool) -> Backfill:
    """Return the history that reaches back so far, by the limits that the service has for a series."""
    if span <= timedelta(seconds=WINDOW_S):
        raise InputError("backfill must be longer than 7 days, which the first poll of each system brings")
    plan: Any = getattr(client._session.api, series)(1, start_at=0, end_at=REPORT_S)
    limits = plan.requests.endpoint.limits
    return Backfill.of(span.total_seconds(), newest_first, limits.span, limits.retention)


def _views(
    clients: Sequence[EnlightenClient], accounts: Collection[str] | None
) -> tuple[EnlightenClient, ...]:
    """Return a view for each account, whose requests give way to people's."""
    if accounts is None:
        return tuple(client.with_options(priority="poll") for client in clients)
    if len(clients) > 1:
        raise InputError("accounts are those of one client: of several, give a view of each by with_options")
    if isinstance(accounts, str) or not accounts:
        raise InputError(f"accounts must be a list of names, such as ['anna', 'ben'], not {accounts!r:.60}")
    return tuple(clients[0].with_options(user_id=name, priority="poll") for name in dict.fromkeys(accounts))
