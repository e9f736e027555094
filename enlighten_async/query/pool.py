"""QueryPool: any number of queries, a few at a time; each answer or error as it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Collection, Iterable, Sized
from contextlib import aclosing, nullcontext
from types import TracebackType
from typing import Generic, TypeAlias, TypeVar

import anyio
from anyio.abc import TaskGroup
from attrs import evolve, frozen

from enlighten_async.errors import EnlightenError, InputError, UsageError
from enlighten_async.limiter import MAX_IN_FLIGHT
from enlighten_async.models.receipt import Receipt
from enlighten_async.query.query import Progress, Query

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

OUTSIDE = "use the pool in its block: async with as_completed(...) as outcomes: async for outcome in outcomes"


@frozen
class Answered(Generic[T_co]):
    """A query of a pool that was answered."""

    number: int
    """Its place among the queries, from 0."""
    query: Query[object, T_co]
    """The query itself."""
    answer: T_co
    """The answer, as `await query` gives it."""


@frozen
class Failed(Generic[T_co]):
    """A query of a pool that failed, at least in part."""

    number: int
    """Its place among the queries, from 0."""
    query: Query[object, T_co]
    """The query itself; `query.partial()` is the parts that did arrive, typed."""
    error: EnlightenError
    """The error that `await query` raises."""


Outcome: TypeAlias = Answered[T_co] | Failed[T_co]
"""The end of one query of a pool: `Answered` or `Failed`."""

Queries: TypeAlias = Iterable[Query[object, T]] | AsyncIterable[Query[object, T]]


class QueryPool(AsyncIterator[Outcome[T]]):
    """Any number of queries under way, a few at a time; `as_completed` makes it.

    Its tasks live in its `async with` block, between whose end and the next statement all are over.
    """

    def __init__(self, queries: Queries[T], limit: int, *, ordered: bool) -> None:
        self._queries = queries
        self._limit = limit
        self._ordered = ordered
        self._group: TaskGroup | None = None
        self._slots: anyio.Semaphore | None = None
        self._arrival: anyio.Event | None = None
        self._running: dict[int, Query[object, T]] = {}
        self._ready: dict[int, Outcome[T] | Exception] = {}
        self._unread: dict[int, Query[object, T]] = {}
        self._asked = 0
        self._handed_out = 0
        self._exhausted = False
        self._source_error: Exception | None = None
        self._spent = Receipt()

    def __repr__(self) -> str:
        return f"<QueryPool {self.progress}>"

    async def __aenter__(self) -> QueryPool[T]:
        """Start the first queries.

        Raises:
            UsageError: the pool was used before.
        """
        if self._group is not None:
            raise UsageError("a pool is used once: call as_completed again for a new one")
        self._slots, self._group = anyio.Semaphore(self._limit), anyio.create_task_group()
        await self._group.__aenter__()
        self._group.start_soon(self._start_queries, self._slots, self._group)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Cancel the queries that are still under way, and wait until they are over."""
        try:
            if self._group is not None:
                self._exhausted = True
                self._group.cancel_scope.cancel()
                # An error of the body is not handed to the group: it would raise an `ExceptionGroup`.
                await self._group.__aexit__(None, None, None)
        finally:  # a cancel of the whole goes on
            for query in self._queries if isinstance(self._queries, Collection) else ():
                if isinstance(query, Query):
                    query.close()  # those that were not started need not be awaited

    def __aiter__(self) -> QueryPool[T]:
        """Return the pool itself.

        Raises:
            UsageError: the pool is not in its `async with` block.
        """
        if self._group is None:
            raise UsageError(OUTSIDE)
        return self

    async def __anext__(self) -> Outcome[T]:
        """Return the next outcome; its place in the pool is the next query's.

        Raises:
            UsageError: the pool is not in its `async with` block.
            Exception: the queries' own iterable raised it; it comes after the outcomes of those before.
        """
        if self._slots is None:
            raise UsageError(OUTSIDE)
        while True:
            number = self._handed_out if self._ordered else next(iter(self._ready), -1)
            if number in self._ready:
                self._handed_out += 1
                self._slots.release()
                self._unread.pop(number)
                return self._unwrapped(self._ready.pop(number))
            if self._exhausted and not self._running:
                raise self._source_error or StopAsyncIteration
            if self._arrival is None:
                self._arrival = anyio.Event()
            await self._arrival.wait()

    @staticmethod
    def _unwrapped(outcome: Outcome[T] | Exception) -> Outcome[T]:
        if isinstance(outcome, Exception):  # a fault that is not of the service, such as a bug
            raise outcome
        return outcome

    @property
    def unread(self) -> list[Query[object, T]]:
        """The queries that were started and whose outcome nobody has taken, in order: see `Query.partial`."""
        return list(self._unread.values())

    @property
    def progress(self) -> Progress:
        """The progress of the pool: queries in place of windows; and what the oldest one waits for."""
        receipt, oldest = self.receipt, next(iter(self._running.values()), None)
        total = self._asked if self._exhausted else None
        if isinstance(self._queries, Sized):
            total = len(self._queries)
        counts = Progress(self._asked - len(self._running), total, receipt.sent, receipt.left, None, None)
        if oldest is None:
            return counts
        now = oldest.progress
        return evolve(counts, waiting=now.waiting, until=now.until)

    @property
    def receipt(self) -> Receipt:
        """The costs so far of all queries, those under way among them."""
        return sum((query.receipt for query in self._running.values()), self._spent)

    async def _start_queries(self, slots: anyio.Semaphore, group: TaskGroup) -> None:
        """Start one query after another, each when there is a place for it; take no more of them before."""
        try:
            await slots.acquire()
            async with aclosing(each_of(self._queries)) as queries:
                async for query in queries:
                    self._running[self._asked] = self._unread[self._asked] = require_query(query)
                    group.start_soon(self._run, self._asked, query)
                    self._asked += 1
                    await slots.acquire()
        except Exception as error:  # noqa: BLE001 - raised again by `__anext__`
            self._source_error = error
        self._exhausted = True
        self._arrived()

    async def _run(self, number: int, query: Query[object, T]) -> None:
        """Run a query, and leave its outcome for the reader."""
        outcome: Outcome[T] | Exception | None = None
        try:
            outcome = Answered(number, query, await query)
        except EnlightenError as error:
            outcome = Failed(number, query, error)
        except Exception as crash:  # noqa: BLE001 - raised again by `__anext__`
            outcome = crash
        finally:
            del self._running[number]
            self._spent += query.receipt
            if outcome is not None:
                self._ready[number] = outcome
            self._arrived()

    def _arrived(self) -> None:
        if self._arrival is not None:
            self._arrival.set()
            self._arrival = None


async def each_of(items: Iterable[T] | AsyncIterable[T]) -> AsyncGenerator[T]:
    """Yield the items of an iterable, async or not; an async generator is closed at the end."""
    if not isinstance(items, AsyncIterable):
        for item in items:
            yield item
        return
    async with aclosing(items) if isinstance(items, AsyncGenerator) else nullcontext():
        async for item in items:
            yield item


def require_query(query: Query[object, T]) -> Query[object, T]:
    """Return a query, or raise `InputError` if it is none."""
    if not isinstance(query, Query):
        raise InputError(f"as_completed and write take queries, not {type(query).__name__}")
    return query


def as_completed(queries: Queries[T], *, limit: int = MAX_IN_FLIGHT, ordered: bool = False) -> QueryPool[T]:
    """Run any number of queries, a few at a time, and yield each answer or error as it comes.

    The queries are taken from their iterable one by one, each when there is a place for it; so memory grows
    with `limit`, not with their number. A query keeps its place until its outcome is taken: who reads slowly
    slows them down. They have one `progress` and one `receipt`.

    No task outlives the block: to leave it, by `break`, by an error or by a cancellation, cancels the
    queries under way and starts no more. One that failed does not stop the others.

        async with as_completed(client.rgm_stats(each) for each in system_ids) as outcomes:
            async for outcome in outcomes:
                match outcome:
                    case Answered(answer=answer): print(answer.system_id, answer.coverage.complete)
                    case Failed(error=error): print(outcome.number, error)
        print(outcomes.receipt)

    Args:
        queries: queries that were not started yet; an iterable or an async iterable, of any length. An
            async generator is closed at the end.
        limit: queries at a time; by default as many as a key has requests in flight. Those that began first
            go first at the limiter, within their priority.
        ordered: whether the outcomes come in the order of the queries; up to `limit` of them wait for an
            older one.

    Raises:
        InputError: `limit` is below 1, or `queries` is a single query.
    """
    if isinstance(queries, Query):
        raise InputError("as_completed takes several queries: await a single one, or give [query]")
    if not isinstance(queries, Iterable | AsyncIterable):
        raise InputError(f"as_completed and write take queries, not {type(queries).__name__}")
    if type(limit) is not int or limit < 1:
        raise InputError(f"limit is the number of queries at a time, 1 or more, not {limit!r:.50}")
    return QueryPool(queries, limit, ordered=ordered)
