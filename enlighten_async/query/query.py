"""The query that a client method returns: await it, iterate it, or ask for its price."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, Generic, NoReturn, TypeVar, cast
from zoneinfo import ZoneInfo

import anyio
from attrs import frozen

from enlighten_async.cache import CachedSpan, SeriesIndex
from enlighten_async.errors import BudgetExceeded, EnlightenError, UsageError
from enlighten_async.models.receipt import Estimate, Receipt
from enlighten_async.query.estimate import allow, price
from enlighten_async.query.fetch import Driver, Keeping
from enlighten_async.query.plan import Draft, Leg, Outline
from enlighten_async.query.run import Run
from enlighten_async.query.segment_state import Tally
from enlighten_async.query.session import QueryOptions, Session
from enlighten_async.windows import as_datetime, time_zone

I = TypeVar("I")  # noqa: E741 - an item


class Stream(AsyncIterator[I], Generic[I]):
    """Hands out items, fetching the next few when it has none left.

    It holds no task and no connection between two items, so that it may be left at any time.
    """

    def __init__(self, advance: Callable[[], Awaitable[list[I] | None]]) -> None:
        self._advance = advance
        self._items: deque[I] = deque()

    async def __anext__(self) -> I:
        while not self._items:
            items = await self._advance()
            if items is None:
                raise StopAsyncIteration
            self._items.extend(items)
        return self._items.popleft()


@frozen
class Progress:
    """How far a query is, and what it waits for.

    Attributes:
        done: windows (or cursors) that are finished.
        total: how many there are; `None` before it is known.
        sent: requests that left so far.
        left: requests left in the running windows of the plan, by period.
        waiting: why the gate holds requests back: "minute", "month", "in_flight", "throttled",
            "doubt" or "priority"; `None` if it does not.
        until: when it opens (aware UTC), where that is a matter of time.
    """

    done: int
    total: int | None
    sent: int
    left: Mapping[str, int]
    waiting: str | None
    until: datetime | None


def blamed(failures: Sequence[EnlightenError], partial: object, receipt: Receipt) -> EnlightenError:
    """Return the error to raise: the first that ended the query, or else the first of all.

    Args:
        failures: all of them, in the order in which they came; at least one.
        partial: what did arrive.
        receipt: what was spent.
    """
    error = next((failure for failure in failures if failure.ends_query), failures[0])
    error.partial = partial
    error.causes = (error, *(failure for failure in failures if failure is not error))
    error.receipt = receipt
    return error


I_co = TypeVar("I_co", covariant=True)
T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")
R = TypeVar("R")


class Query(Coroutine[Any, Any, T_co], Generic[I_co, T_co]):
    """A question to the service, not yet asked.

    `await` it for the whole answer, `async for` it for its parts in order of time, or ask for its
    price first. It is bought once: whoever awaits it again gets the same answer, and one that was
    cancelled goes on where it was when it is awaited again. Wherever a coroutine is taken, so is it.

    A window that fails does not stop the others. The error comes when they are in: from `await` with
    their data on `.partial`, from a stream after its last part.
    """

    def __init__(self, session: Session, options: QueryOptions, draft: Draft[Any, I_co, T_co]) -> None:
        self._session = session
        self._options = options
        self._draft = draft
        self._tally = Tally()
        self._spent = 0.0
        self._run: Run[Any, I_co, T_co] | None = None
        self._coroutine: Coroutine[Any, Any, T_co] | None = None
        self._lock: anyio.Lock | None = None
        self._streamed = False
        self._failures: list[EnlightenError] = []
        self._verdict: Callable[[], T_co] | None = None

    def __repr__(self) -> str:
        return f"<Query {self.progress}>"

    def __await__(self) -> Generator[Any, Any, T_co]:
        return self._awaited().__await__()

    def send(self, value: Any) -> Any:
        """Go on, as a coroutine does."""
        return self._started().send(value)

    def throw(self, kind: Any, value: Any = None, trace: TracebackType | None = None) -> Any:
        """Go on with an exception, as a coroutine does."""
        return self._started().throw(kind if value is None else value)

    def close(self) -> None:
        """End it as a coroutine; if it never started, there is nothing to end."""
        if self._coroutine is not None:
            self._coroutine.close()

    def _started(self) -> Coroutine[Any, Any, T_co]:
        if self._coroutine is None:
            self._coroutine = self._awaited()
        return self._coroutine

    def __aiter__(self) -> AsyncIterator[I_co]:
        if self._streamed or self._run is not None:
            raise UsageError("this query is in use already: call the client's method again for a new one")
        self._streamed = True
        return Stream(self._advance)

    @property
    def receipt(self) -> Receipt:
        """What it has spent so far."""
        return self._tally.receipt(self._session.limiter.left())

    @property
    def progress(self) -> Progress:
        """How far it is, and what it waits for."""
        tracks = self._run.tracks if self._run else None
        waiting = self._session.limiter.waiting
        until = None if waiting is None or waiting.until is None else as_datetime(waiting.until)
        return Progress(
            done=sum(track.request is None for track in tracks or ()),
            total=None if tracks is None else len(tracks),
            sent=self._tally.sent,
            left=self._session.limiter.left(),
            waiting=None if waiting is None else waiting.reason,
            until=until,
        )

    def partial(self) -> T_co | None:
        """Return what has arrived so far, joined; `None` if nothing has, or it was handed out."""
        run = self._run
        if run is None or (run.tracks and not run.parts()):
            return None
        return run.outline.merge(run.parts(), run.gaps(), self.receipt)

    async def estimate(self) -> Estimate:
        """Return what it will cost; this costs nothing itself.

        If the system's time zone has to be asked for first, that request is counted in.
        """
        await self._session.limiter.look()
        zone = await self._known_zone()
        outline, keeping = await self._outlined(zone)
        answered = [await keeping.answered(leg) for leg in outline.legs]
        unknown = self._draft.zone_of is not None and zone is None
        return price(
            self._session,
            self._options,
            outline,
            zone=unknown,
            answered=sum(answered),
            stored=bool(keeping.held.spans),
        )

    async def _known_zone(self) -> ZoneInfo | None:
        """Return the system's time zone, where it is needed and known from earlier answers."""
        system_id, zones = self._draft.zone_of, self._session.zones
        if system_id is not None and system_id not in zones:
            request = next(self._session.dialect.time_zone(system_id))
            name = await Keeping(self._session, self._options, SeriesIndex()).recalled(request)
            if name is not None:
                zones[system_id] = name
        name = None if system_id is None else zones.get(system_id)
        return None if name is None else time_zone(name)

    async def _outlined(self, zone: ZoneInfo | None) -> tuple[Outline[Any, I_co, T_co], Keeping]:
        """Return the outline at this moment, and what may be taken from others."""
        session, options, series = self._session, self._options, self._draft.series
        spans: tuple[CachedSpan, ...] = ()
        if session.store is not None and series is not None:
            spans = await session.store.spans(options.account, series)
        now = session.now()
        held = SeriesIndex(
            spans,
            grid=series.grid if series else 1,
            now=max([now, *(each.fetched for each in spans)]),  # our clock may be behind
            max_age=options.max_age,
            exhaustive=options.exhaustive,
        )
        more = () if series is None else (held,)
        return self._draft.outline(now, zone, *more), Keeping(session, options, held)

    async def _awaited(self) -> T_co:
        """Run to the end, once; whoever comes meanwhile waits for the same answer."""
        if self._streamed:
            raise UsageError("this query is streamed already: call the client's method again for a new one")
        if self._lock is None:
            self._lock = anyio.Lock()
        async with self._lock:
            if self._verdict is None:
                await self._limited(self._run_all)
                self._verdict = self._conclude(self.partial)
        return self._verdict()

    async def _advance(self) -> list[I_co] | None:
        """Return the next items of a stream; `None` at its end."""
        if self._verdict is None:
            items = await self._limited(self._next_items)
            if items is not None:
                return items
            self._verdict = self._conclude(lambda: None)
        self._verdict()
        return None

    async def _run_all(self, deadline: float | None) -> None:
        run = await self._prepared(deadline)
        if run is not None:
            await run.lead()
            await run.side_by_side(run.pending)

    async def _next_items(self, deadline: float | None) -> list[I_co] | None:
        run = await self._prepared(deadline)
        if run is None:
            return None
        await run.lead()
        parts = await run.advance()
        return None if parts is None else [item for part in parts for item in run.outline.unpack(part)]

    async def _limited(self, work: Callable[[float | None], Awaitable[R]]) -> R | None:
        """Work within what is left of `max_wait`; the time a stream's reader takes does not count."""
        clock, allowed = self._session.clock, self._options.max_wait
        began = clock.monotonic()
        left = None if allowed is None else max(0.0, allowed - self._spent)
        try:
            with clock.move_on_after(left):
                return await work(None if left is None else began + left)
        finally:
            self._spent += clock.monotonic() - began
        self._failures.append(BudgetExceeded(f"not done within max_wait={allowed} s"))
        return None

    async def _prepared(self, deadline: float | None) -> Run[Any, I_co, T_co] | None:
        """Return the run, made when it is first needed; `None` if it may not begin."""
        if self._run is None:
            if not await self._allowed():
                return None
            zone = None if self._draft.zone_of is None else await self._zone(self._draft.zone_of, deadline)
            if self._failures:
                return None
            self._run = self._new_run(*await self._outlined(zone))
        self._run.driver.deadline = deadline
        return self._run

    async def _allowed(self) -> bool:
        try:
            allow(await self.estimate(), self._options, self._session.now())
        except BudgetExceeded as refusal:
            self._failures.append(refusal)
        return not self._failures

    async def _zone(self, system_id: int, deadline: float | None) -> ZoneInfo | None:
        """Return a system's time zone, asked for once whoever needs it; `None` if that failed."""
        zones = self._session.zones
        async with self._session.zone_lock:
            if system_id not in zones:
                flow = self._session.dialect.time_zone(system_id)
                learn = partial(zones.__setitem__, system_id)
                outline = Outline(legs=(Leg(flow),), merge=_first, unpack=_first, learn=learn)
                run = self._new_run(outline, Keeping(self._session, self._options, SeriesIndex()))
                run.driver.deadline = deadline
                await run.side_by_side(run.pending)
        name = zones.get(system_id)
        return None if name is None else time_zone(name)

    def _new_run(self, outline: Outline[Any, I, T], keeping: Keeping) -> Run[Any, I, T]:
        return Run(outline, Driver(self._session, self._options, keeping, self._tally, self._failures))

    def _conclude(self, answer: Callable[[], T_co | None]) -> Callable[[], T_co]:
        """Return what gives the answer, or raises the error, however often it is asked."""
        result = answer() if self._run else None
        for track in self._run.tracks if self._run else ():
            track.hand_out()
        if not self._failures:
            return lambda: cast("T_co", result)
        error = blamed(self._failures, result, self.receipt)

        def fail() -> NoReturn:
            raise error.with_traceback(None)

        return fail


def _first(parts: Any, *_: object) -> Any:
    return parts[0]
