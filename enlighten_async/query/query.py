"""The query that a client method returns: await it, iterate it, or ask for its price."""

from __future__ import annotations

import logging
import sys
import warnings
from collections import deque
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Mapping,
    MutableMapping,
    Sequence,
)
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from zoneinfo import ZoneInfo

import anyio
from attrs import evolve, frozen

from enlighten_async.cache import (
    NEVER,
    NOTHING_CACHED,
    CachedSpan,
    SeriesIndex,
    part_converter,
    without_waiting,
)
from enlighten_async.cache.pieces import unwritten_spans
from enlighten_async.errors import (
    BudgetExceeded,
    DecodeError,
    EnlightenError,
    InputError,
    QuotaExhausted,
    ServerError,
    Throttled,
    TransportError,
    Unavailable,
    UsageError,
)
from enlighten_async.limiter import Waiter
from enlighten_async.models.coverage import Gap
from enlighten_async.models.intervals import Changes, SeriesResult
from enlighten_async.models.receipt import Estimate, Receipt
from enlighten_async.query.estimate import check_budget, estimate
from enlighten_async.query.fetch import Costs, Fetcher
from enlighten_async.query.plan import QueryPlan, Segment, Segments
from enlighten_async.query.run import Runner
from enlighten_async.query.session import ApiVersion, QueryOptions, Session
from enlighten_async.retry import is_outage
from enlighten_async.state import in_thread, loaded
from enlighten_async.windows import DAY, Window, as_datetime, known_zone

I_co = TypeVar("I_co", covariant=True)
T_co = TypeVar("T_co", covariant=True)
ItemT = TypeVar("ItemT")


PASSING_ERRORS = (
    *(TransportError, ServerError, Unavailable, Throttled),
    *(QuotaExhausted, BudgetExceeded, DecodeError),
)
"""Errors that say nothing about the owner, the system or the call: a cached answer may stand for them."""

UNWRITTEN_S = 5 * DAY
"""Seconds up to the end of a range in which answers are looked for that were cached and not written."""

logger = logging.getLogger("enlighten_async")


@frozen
class Progress:
    """The progress of a query, and what it waits for."""

    done: int
    """Windows (or cursors) that are finished."""
    total: int | None
    """How many there are; `None` before it is known."""
    sent: int
    """Requests that left so far."""
    left: Mapping[str, int]
    """Requests left in the running windows of the plan, by period; as in `Receipt`."""
    waiting: str | None
    """Why the limiter holds requests back: "minute", "month", "in_flight", "throttled", "doubt",
    "priority", "turn", "pace", "state" or "outage"; `None` if it does not.
    """
    until: datetime | None
    """When it opens (aware UTC), where that is a matter of time."""


class Query(Coroutine[Any, Any, T_co], Generic[I_co, T_co]):
    """A question to the service, not yet asked.

    `await` it for the whole answer, `async for` it for its parts in order of time, or ask for its
    price first. It is paid for once: awaiting it again gives the same answer, and one that was
    cancelled goes on where it was when it is awaited again. Wherever a coroutine is taken, so is it.

    A stream hands out each part as soon as it and all older ones are there, while up to `max_concurrency` are
    fetched ahead. Between two items nothing more is sent; what was sent goes on to its answer.

    A window that fails does not stop the others. The error comes when they are in: from `await` with
    their data on `.partial`, from a stream after its last part. One error comes of a query, never a group.

    Raises:
        AuthenticationError: key or user are not accepted; `ReauthorizationRequired`: the owner has to log
            in at its `url`.
        PermissionDenied: the user, the application or the plan does not include this.
        NotFound: there is no such system, or this user may not see it.
        RangeError: the service says that the range is invalid.
        BudgetExceeded: it needs more than `max_requests`, `max_wait` or `only_cached` allow.
        QuotaExhausted: the plan is used up until `retry_at`.
        Unavailable: the service is down or has no such data for now; ask again later, or at `retry_at`, as
            after `ServerError` and `Throttled`.
        TransportError: no whole answer arrived; `RequestTimeout`: in time.
        DecodeError: the answer is not what the service documents.
        ServiceRetired: v2 of the API has ended.
        UsageError: the query was streamed before, its client is closed or of another event loop.
    """

    def __init__(self, session: Session, options: QueryOptions, plan: QueryPlan[I_co, T_co]) -> None:
        self._session = session
        self._options = options
        self._plan = plan
        self._costs = Costs()
        self._spent, self._late = 0.0, False
        self._deadline: float | None = None
        self._runner: Runner | None = None
        self._zone_asked: Runner | None = None
        self._place: Waiter | None = None  # of the request for a time zone and of the newest window
        self._coroutine: Coroutine[Any, Any, T_co] | None = None
        self._lock: anyio.Lock | None = None
        self._streamed = False
        self._failures: list[EnlightenError] = []
        self._used = False
        self._over = False
        self._answer: T_co | None = None
        self._error: EnlightenError | None = None
        self._cached_before: list[Any] | None = None  # where changes are asked for
        self._written: float | None = None  # and told up to when they are written
        self._in_doubt: list[tuple[float, float]] = []
        self._unwritten: list[Any] = []  # what is cached before the range, and not written

    def __repr__(self) -> str:
        asked = self._plan.question(self._session.clock.now())
        if self._over:
            state = "answered" if self._error is None else f"failed: {type(self._error).__name__}"
        else:
            state = f"{self._costs.sent} sent so far" if self._used else "not asked yet"
        return f"<Query {asked}: {state}>"

    def __del__(self) -> None:
        if not getattr(self, "_used", True) and not sys.is_finalizing():
            text = f"{self!r} was never awaited: await it, or iterate it with `async for`"
            warnings.warn(text, RuntimeWarning, stacklevel=2)

    if not TYPE_CHECKING:  # which has to find it wrong

        def __getattr__(self, name: str) -> object:
            text = f"a query has no attribute {name!r}"
            hint = "" if name.startswith("_") else f", its answer may: (await query).{name}"
            raise AttributeError(text + hint, name=name, obj=self)

    def __await__(self) -> Generator[Any, Any, T_co]:
        return self._run().__await__()

    def send(self, value: None) -> object:
        """Go on, as a coroutine does.

        Args:
            value: `None`, as an event loop sends it.
        """
        return self._started().send(value)

    def throw(
        self,
        kind: type[BaseException] | BaseException,
        value: object = None,
        trace: TracebackType | None = None,
    ) -> object:
        """Go on with an exception, as a coroutine does.

        Args:
            kind: the error, or its class.
            value: the error, where its class was given.
            trace: its traceback.
        """
        return self._started().throw(value if isinstance(value, BaseException) else kind)

    def close(self) -> None:
        """End it as a coroutine; if it never started, there is nothing to end."""
        self._used = True
        if self._coroutine is not None:
            self._coroutine.close()

    def _started(self) -> Coroutine[Any, Any, T_co]:
        self._used = True
        if self._coroutine is None:
            self._coroutine = self._run()
        return self._coroutine

    def __aiter__(self) -> AsyncIterator[I_co]:
        if self._streamed or self._runner is not None:
            raise UsageError("this query is in use already: call the client's method again for a new one")
        self._used = self._streamed = True
        return Stream(self._next_items)

    @property
    def receipt(self) -> Receipt:
        """The costs so far."""
        costs = self._costs
        return Receipt(
            sent=costs.sent,
            rejected=costs.rejected,
            retried=costs.retried,
            from_cache=costs.from_cache,
            waited=dict(costs.waited),
            left=self._session.limiter.known_left(),
            failure=costs.failure,
        )

    @property
    def progress(self) -> Progress:
        """The progress so far, and what is waited for."""
        segments = self._runner.segments if self._runner else None
        waiting = self._session.limiter.waiting
        until = None if waiting is None or waiting.until is None else as_datetime(waiting.until)
        return Progress(
            done=sum(segment.request is None for segment in segments or ()),
            total=None if segments is None else len(segments),
            sent=self._costs.sent,
            left=self._session.limiter.known_left(),
            waiting=None if waiting is None else waiting.reason,
            until=until,
        )

    def partial(self) -> T_co | None:
        """Return the parts that have arrived, merged; `None` if none have, or a stream handed them out."""
        if self._over or self._runner is None:
            return self._answer
        return self._merged(self._runner, self._runner.parts())

    def _merged(self, runner: Runner, parts: Sequence[Any]) -> T_co | None:
        if runner.segments and not parts:
            return None
        return self._plan.merge(parts, runner.gaps(), self.receipt, runner.layout.window)

    @property
    def _streams_answers(self) -> bool:
        """Whether the items of a stream are answers themselves, of a part of the range."""
        return self._plan.streams_answers

    def _rest(self) -> T_co | None:
        """Return the answer without what a stream has handed out: its gaps; `None` if it is for no range."""
        runner = self._runner
        if runner is None or runner.layout.window is None:
            return None
        return self._plan.merge(runner.parts(), runner.gaps(), self.receipt, runner.layout.window)

    async def estimate(self) -> Estimate:
        """Return the price; that costs nothing itself.

        If the system's time zone has to be asked for first, that request is counted in.
        """
        self._used = True
        self._session.transport.check_usable()
        await self._session.limiter.refresh()
        return await self._price(await self._lay_out(await self._known_time_zone()))

    async def changes(
        self,
        *,
        written: datetime | None = None,
        in_doubt: Sequence[tuple[datetime, datetime]] = (),
    ) -> Changes[T_co]:
        """Run the query, and return what its answer changed against what was cached when it began.

        For the endpoints that answer in intervals, of a client that caches. It is asked in place of awaiting
        the query, and fails as that does: what had arrived is cached by then, and no later call tells it as
        new. So whoever writes rows elsewhere keeps up to when they are written there, and asks from there on.
        Rows that the service no longer has are not told.

        Args:
            written: up to when they are written there (aware). An answer that was cached and knew of more was
                not, as whoever had asked for it was killed before, say: its rows count as not cached, and
                those of the five days before are `unwritten`. `None`: all that is cached is written.
            in_doubt: first and last moments (aware) of the periods in which an answer may have come that is
                not written either, though it knew of no more: it came after another one, and may have
                corrected rows.

        Raises:
            InputError: it is of another endpoint, or nothing is cached.
            UsageError: the query was asked before.
            EnlightenError: one of those that `Query` lists.
        """
        self._used = True
        if self._plan.series is None:
            raise InputError(f"{self!r} has no changes: only what answers in intervals of one series has")
        if self._session.cache is None:
            raise InputError(NOTHING_CACHED)
        if self._streamed or self._over or self._runner is not None:
            raise UsageError("this query is in use already: call the client's method again for a new one")
        self._cached_before = []
        self._in_doubt = [(first.timestamp(), last.timestamp()) for first, last in in_doubt]
        self._written = None if written is None else written.timestamp()
        answer = await self._run()
        compare = partial(cast("SeriesResult", answer)._changed, self._cached_before)
        new, corrected = await in_thread(compare)  # a year of rows takes a second
        cached = tuple(part.window for part in self._cached_before)
        return Changes(answer, cast("T_co", new), cast("T_co", corrected), tuple(self._unwritten), cached)

    async def _note_cached(self, runner: Runner) -> None:
        """Note what is cached of the range."""
        cache, series, now = self._session.cache, self._plan.series, int(self._session.limiter.now())
        # Where the range is left to the service, it is the system's own today.
        window = runner.layout.window or Window(now - 2 * DAY, now + DAY)
        if cache is None or series is None:
            return
        start = window.start if self._written is None else min(window.start, window.end - UNWRITTEN_S)
        found = await cache.get(self._options.scope, series, Window(start, window.end))
        spans = [each.span for each in found]
        until = self._written
        unwritten = [] if until is None else unwritten_spans(spans, until, self._in_doubt)
        self._cached_before = [
            each.part for each in found if each.window.end > window.start and each.span not in unwritten
        ]
        self._unwritten = [
            each.cut(Window(each.window.start, min(each.window.end, window.start))).part
            for each in found
            if each.window.start < window.start and each.span in unwritten
        ]

    async def _run(self) -> T_co:
        """Run to the end, once; whoever comes meanwhile waits for the same answer."""
        self._used = True
        if self._streamed:
            raise UsageError("this query is streamed already: call the client's method again for a new one")
        if not self._over:
            self._session.transport.check_usable()
        if self._lock is None:
            self._lock = anyio.Lock()
        async with self._lock:
            if not self._over:
                async with self._time_limit():
                    runner = await self._prepared()
                    if runner is not None:
                        await runner.run()
                await self._conclude()
                if isinstance(self._error, PASSING_ERRORS):
                    await self._stand_in(self._error, self._options.stale_if_error)
        if self._error is not None:
            raise self._error.with_traceback(None)
        return cast("T_co", self._answer)

    async def _next_items(self) -> list[I_co] | None:
        """Return the next items of a stream; `None` at its end."""
        if not self._over:
            self._session.transport.check_usable()
            async with self._time_limit():
                runner = await self._prepared()
                if runner is not None:
                    parts = await runner.next_parts()
                    if parts is not None:
                        return [item for part in parts for item in self._plan.items(part)]
            await self._conclude()
        if self._error is not None:
            raise self._error.with_traceback(None)
        return None

    @asynccontextmanager
    async def _time_limit(self) -> AsyncIterator[None]:
        """Keep to what is left of `max_wait`; the time a stream's reader takes does not count.

        Where nothing may be sent, nothing waits: to look into the cache is no wait.
        """
        clock, allowed = self._session.clock, self._options.max_wait
        if self._options.allowed == 0:
            with without_waiting():
                yield
            return
        if allowed is None:
            yield
            return
        began, left = clock.monotonic(), max(0.0, allowed - self._spent)
        self._deadline = began + left
        try:
            with clock.move_on_after(left):
                yield
                return
        finally:
            self._spent += clock.monotonic() - began
        self._late = True
        for runner in filter(None, (self._zone_asked, self._runner)):
            await runner.stop()
        if self._has_all:
            return  # it came at the last moment
        # What waits to be repeated has failed before: that is the cause.
        segments = self._runner.segments if self._runner else ()
        self._failures.extend(each.failure for each in segments if each.request and each.failure)
        text = f"not done within max_wait={allowed} s"
        limiter, options = self._session.limiter, self._options
        failure = options.credentials.failure(text) or limiter.failure_since(began, text)
        away = getattr(self._session.cache, "away", False)
        text += ": the state cannot be reached" if away else ""
        again = as_datetime(limiter.ready_at(1, options.rank, options.scope))
        self._failures.append(failure or BudgetExceeded(text, retry_at=again))

    @property
    def _has_all(self) -> bool:
        """Whether all that was asked for is there, to be told as an answer."""
        runner = self._runner
        return not (runner is None or self._streamed or self._failures or runner.pending or runner.gaps())

    async def _prepared(self) -> Runner | None:
        """Return the runner, made when it is first needed; `None` if it may not begin."""
        options, runner = self._options, self._runner
        if runner is not None:
            runner.fetcher.deadline = self._deadline
            return runner
        self._place = self._place or self._session.limiter.waiter(options.rank, options.scope)
        if options.allowed != 0 and (options.allowed is not None or options.max_wait is not None):
            runner = await self._within_budget()
        if not self._failures and (runner is None or self._zone_unknown):
            if self._session.cache is not None:
                await self._learn_time_zone()
            zone = None if self._plan.zone_of is None else await self._time_zone(self._plan.zone_of)
            runner = None if self._failures else await self._lay_out(zone)
        if self._cached_before is not None and runner is not None:
            await self._note_cached(runner)
        self._runner = None if self._failures else runner
        return self._runner

    async def _load(self, plan: QueryPlan[Any, Any]) -> None:
        """Have the modules loaded that the answer of a plan needs."""
        await loaded(plan.load)
        if self._session.cache is not None and plan.series is not None:
            await loaded(part_converter)  # or an answer that is paid for would wait for it
        self._session.loaded.add(plan.name)

    async def _within_budget(self) -> Runner:
        """Return a runner; that its price is over the limits of the caller is among the failures then."""
        await self._session.limiter.refresh(patient=True)
        runner = await self._lay_out(await self._known_time_zone())
        try:
            price, unknown = await self._price(runner), self._zone_unknown
            path = next((each.request.path for each in runner.segments if each.request), "")
            check_budget(price, self._options, self._session.limiter, path, zone_unknown=unknown)
        except EnlightenError as refusal:
            self._failures.append(refusal)
        return runner

    async def _lay_out(self, zone: ZoneInfo | None, now: float | None = None) -> Runner:
        """Return a runner of the segments as they are at a moment; by default now, by the service's clock.

        Where that is in doubt, they end by the earlier of its time and ours; by the later one where that
        would ask for nothing. The next answer tells which of both is wrong.
        """
        session, options, series = self._session, self._options, self._plan.series
        if self._plan.name not in session.loaded:
            await self._load(self._plan)
        spans: tuple[CachedSpan, ...] = ()
        if session.cache is not None and series is not None:
            spans = await session.cache.spans(options.scope, series)
        told, own = session.limiter.now(), session.clock.now()
        doubtful = now is None and abs(told - own) > DAY and session.limiter.doubts_time()
        now = (min(told, own) if doubtful else told) if now is None else now
        index = SeriesIndex(
            spans,
            grid=series.grid if series else 1,
            now=now,
            max_age=options.max_age,
            exhaustive=options.exhaustive,
            doubts_time=session.limiter.doubts_time,
        )
        newest = max((span.fetched for span in spans), default=now)
        if newest > now:
            index = index.begun_after(newest)
        if doubtful:
            index = evolve(index, doubts_time=None)
        fetcher = Fetcher(session, options, index, self._costs, self._failures, self._deadline)
        runner = Runner(self._plan, self._plan.segments(now, zone, index), fetcher, self._place)
        if doubtful and all(each.cached for each in runner.pending):
            return await self._lay_out(zone, max(told, own))
        return runner

    async def _price(self, runner: Runner) -> Estimate:
        replies, fetcher, cache = 0, runner.fetcher, self._session.cache
        for segment in runner.segments if cache else ():
            request = segment.request
            if cache is not None and request is not None and request.valid_until is not None:
                replies += await fetcher.cached_part(cache, request) is not None
        return estimate(
            self._session,
            self._options,
            runner.layout,
            zone_unknown=self._zone_unknown,
            replies=replies,
            something_cached=bool(fetcher.index.spans),
        )

    # The system's time zone

    @property
    def _zone_unknown(self) -> bool:
        system_id = self._plan.zone_of
        return system_id is not None and known_zone(self._session.api.time_zones, system_id) is None

    async def _known_time_zone(self) -> ZoneInfo | None:
        """Return the system's time zone, where it is needed and known from earlier answers."""
        await self._learn_time_zone()
        return known_zone(self._session.api.time_zones, self._plan.zone_of)

    async def _learn_time_zone(self) -> None:
        """Learn the system's time zone from a cached answer: to the question for it, or the list of systems.

        A query that does without looks once in the life of a client: its answer has sums by local days then.
        """
        session, plan, series = self._session, self._plan, self._plan.series
        system_id = plan.zone_of if series is None else series.system_id
        if session.cache is None or system_id is None or system_id in session.api.time_zones:
            return
        sought = self._options.scope, system_id
        if plan.zone_of is None and sought in session.zones_sought:
            return
        session.zones_sought.add(sought)
        for source in (self._zone_plan(system_id), session.api.systems()):
            await self._load(source)
            runner = self._zone_runner(source, Costs(), [])
            await runner.take_cached(session.cache)
            if system_id in session.api.time_zones:
                return

    def _zone_plan(self, system_id: int) -> TimeZonePlan:
        return TimeZonePlan(self._session.api, system_id, self._session.api.time_zones)

    def _zone_runner(self, plan: QueryPlan[Any, Any], costs: Costs, failures: list[EnlightenError]) -> Runner:
        """Return a runner that takes cached answers of any age: a time zone does not age."""
        options = evolve(self._options, max_age=None)
        of_any_age = SeriesIndex(shared_since=NEVER)
        fetcher = Fetcher(self._session, options, of_any_age, costs, failures, self._deadline)
        return Runner(plan, plan.segments(0.0, None, fetcher.index), fetcher, self._place)

    async def _time_zone(self, system_id: int) -> ZoneInfo | None:
        """Return a system's time zone, asked for by the first query that needs it; `None` if that failed."""
        if system_id not in self._session.api.time_zones:
            # Whoever needs the same one waits for the request that is under way.
            plan = self._zone_plan(system_id)
            await self._load(plan)
            runner = self._zone_asked or self._zone_runner(plan, self._costs, self._failures)
            runner.fetcher.deadline, self._zone_asked = self._deadline, runner
            await (runner.run_in_background() if self._streamed else runner.run())
        zones = self._session.api.time_zones
        zone = known_zone(zones, system_id)
        if zone is None and system_id in zones:
            text = f"time zone {zones[system_id]!r:.60} of the service, for system {system_id}, is not"
            self._failures.append(DecodeError(f"{text} known here: give start_at/end_at, which need none"))
        return zone

    # The end

    async def _conclude(self) -> None:
        """Keep the answer or the error, and nothing else; a stream has handed out its answer."""
        runner, answer = self._runner, None
        if runner and not self._streamed:
            parts = runner.parts()
            several = len(parts) > 1
            answer = await self._merged_in_steps(runner, parts) if several else self._merged(runner, parts)
        self._answer, self._over = answer, True
        for segment in runner.segments if runner else ():
            segment.parts = []
        if self._failures:
            self._error = first_cause(self._failures, self._answer, self.receipt)

    async def _merged_in_steps(self, runner: Runner, parts: Sequence[Any]) -> T_co:
        """Return all parts, merged; other tasks go on between two steps."""
        steps = self._plan.merge_in_steps(parts, runner.gaps(), self.receipt, runner.layout.window)
        while True:
            async with self._session.turn:
                pass
            try:
                next(steps)
            except StopIteration as end:
                return cast("T_co", end.value)

    async def _stand_in(self, error: EnlightenError, stale: float | None) -> None:
        """Let the cached answer stand for an error, if all of it is cached and young enough.

        Without `stale_if_error` it does so where there was not even the time to look for it.
        """
        late = isinstance(error, BudgetExceeded) and self._late and not self._costs.sent
        if stale is None and not late:
            return
        max_age = self._options.max_age if stale is None else max(stale, self._options.max_age or 0.0)
        options = evolve(self._options, only_cached=True, max_age=max_age, max_wait=None, stale_if_error=None)
        cached = Query(self._session, options, self._plan)
        cached._costs = evolve(self._costs, failure="" if stale is None else str(error))
        with suppress(EnlightenError):
            self._answer, self._error, self._costs = await cached, None, cached._costs
            logger.info("answered from the cache, since the query failed: %s", error)


class Stream(AsyncIterator[ItemT], Generic[ItemT]):
    """Items of a query one after another, the next few fetched when there are none left.

    Between two items nothing more is sent; requests that were sent already go on to their answers, which the
    query, and the cache if there is one, keep. It may be left at any time.
    """

    def __init__(self, fetch: Callable[[], Awaitable[list[ItemT] | None]]) -> None:
        self._fetch = fetch
        self._items: deque[ItemT] = deque()

    async def __anext__(self) -> ItemT:
        while not self._items:
            items = await self._fetch()
            if items is None:
                raise StopAsyncIteration
            self._items.extend(items)
        return self._items.popleft()


@frozen
class TimeZonePlan(QueryPlan[str, str]):
    """The plan of the question for a system's time zone, which other queries need first."""

    api: ApiVersion
    """The version of the API."""
    system_id: int
    """The system."""
    time_zones: MutableMapping[int, str]
    """Takes up the name."""

    @property
    def name(self) -> str:
        """The API's name of the endpoint."""
        return "time zone"

    def load(self) -> None:
        """Load the modules that the answer needs: each version has the name among the facts of systems."""
        self.api.systems().load()

    def segments(self, *_: object) -> Segments:
        """Return the one segment."""
        return Segments((Segment(self.api.time_zone(self.system_id)),), learn=self._learn)

    def merge(
        self, parts: Sequence[str], gaps: Sequence[Gap], receipt: Receipt, window: Window | None
    ) -> str:
        """Return the name."""
        return parts[0]

    def items(self, part: str) -> Iterable[str]:
        """Return the name."""
        return (part,)

    def _learn(self, part: str) -> None:
        """Keep the name."""
        self.time_zones[self.system_id] = part


def first_cause(failures: Sequence[EnlightenError], partial: object, receipt: Receipt) -> EnlightenError:
    """Return the one error to raise: the first that ended the query, or else the first of all.

    That the caller's limits end it is never raised in place of a failure that came before. Of several
    failures of the service the one is raised that tells until when it is left alone.

    Args:
        failures: all of them, in the order in which they came; at least one.
        partial: the parts that did arrive, merged.
        receipt: the costs.
    """
    ending = (each for each in failures if each.ends_query and not isinstance(each, BudgetExceeded))
    first = [each for each in failures if is_outage(each) and each.retry_at] if is_outage(failures[0]) else []
    error = next(ending, (first or failures)[0])
    error.partial = partial
    error.causes = (error, *(failure for failure in failures if failure is not error))
    if isinstance(error.__cause__, EnlightenError):
        error.causes += (error.__cause__,)
    error.receipt = receipt
    return error
