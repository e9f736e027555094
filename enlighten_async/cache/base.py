"""The protocol of an interval cache, intervals and replies already paid for; in memory, and in tables."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from attrs import evolve

from enlighten_async.cache.freshness import CachedSpan, tells_the_same
from enlighten_async.cache.pieces import WEEK, CachedPart, overlay, parts_within, split_by_week
from enlighten_async.cache.tables import Row, Steps, Tables, part_of, response_of, span_of
from enlighten_async.errors import UsageError, users_errors
from enlighten_async.models.intervals import SeriesResult
from enlighten_async.windows import Window, floor
from enlighten_async.wire import ReplyKey, Response, SeriesKey

if TYPE_CHECKING:
    from enlighten_async.clock import Clock

P = TypeVar("P", bound=SeriesResult)
R = TypeVar("R")
T = TypeVar("T")

NOTHING_CACHED = "nothing is cached: give the client state= (a file, or PostgreSQL) or interval_cache="
"""The text of the error of a question to the cache, where there is none."""

may_wait: ContextVar[bool] = ContextVar("enlighten_async.cache_may_wait", default=True)
"""Whether reading may wait for a server that is away."""

logger = logging.getLogger("enlighten_async")


@contextmanager
def without_waiting() -> Iterator[None]:
    """Have reading fail at once, within, where the server is away."""
    before = may_wait.get()
    may_wait.set(False)
    try:
        yield
    finally:
        may_wait.set(before)


@runtime_checkable
class IntervalCache(Protocol):
    """Parts of series by window, and other replies by request, each in the scope of who asked.

    A scope is a digest of the credentials, API version and base URL: answers for one user are never given
    to another. No method raises an error, but `InputError` for a file that is not ours to use: a cache that
    has a fault says so in the log, and is as if it were empty.
    """

    async def spans(self, scope: bytes, series: SeriesKey[P]) -> tuple[CachedSpan, ...]:
        """Return the cached spans of a series, in order of time; none of them overlap.

        Args:
            scope: digest of who asked.
            series: the series.
        """
        ...

    async def get(self, scope: bytes, series: SeriesKey[P], window: Window) -> tuple[CachedPart[P], ...]:
        """Return the cached parts of a window of a series, cut to it, in order of time.

        Args:
            scope: digest of who asked.
            series: the series.
            window: the range of time, on the grid.
        """
        ...

    async def held(self, scope: bytes, endpoint: str, system_ids: Collection[int] | None) -> dict[int, float]:
        """Return up to when (epoch seconds) each system is held: `held_until` of its newest span.

        Of several series, of devices, it is the earliest. A system of which nothing is cached is left out.

        Args:
            scope: digest of who asked.
            endpoint: the API's name of the endpoint.
            system_ids: numbers of the systems; `None`: all that something is cached of.
        """
        ...

    def put(self, scope: bytes, series: SeriesKey[P], part: P, fetched: float) -> None:
        """Cache a part of a series.

        It never waits, and no cancel can prevent it: a cache on disk adds it to the pending writes of the
        file, which are part of the next transaction, at the latest of that in `flush`.

        Args:
            scope: digest of who asked.
            series: the series.
            part: the part; windows of it that were not answered are not cached.
            fetched: time of the answer, epoch seconds.
        """
        ...

    async def reply(self, scope: bytes, key: ReplyKey[T]) -> Response | None:
        """Return the newest cached reply, with its `date` and `same_since`; `None` if there is none.

        Args:
            scope: digest of who asked.
            key: the request.
        """
        ...

    def put_reply(self, scope: bytes, key: ReplyKey[T], response: Response, *, final: bool = False) -> None:
        """Cache a reply that is no series, as `put` does, in place of an older one.

        Args:
            scope: digest of who asked.
            key: the request.
            response: the reply, with its `date`.
            final: whether it never changes any more; other replies may be evicted some day.
        """
        ...

    async def flush(self) -> None:
        """Write the pending writes; no cancel interrupts it, and it does not take long."""
        ...


class MemoryCache:
    """An `IntervalCache` in memory; it has no bound and evicts nothing."""

    def __init__(self) -> None:
        self._weeks: dict[tuple[bytes, SeriesKey[Any]], dict[int, list[CachedPart[Any]]]] = {}
        self._replies: dict[tuple[bytes, ReplyKey[Any]], Response] = {}

    async def spans(self, scope: bytes, series: SeriesKey[P]) -> tuple[CachedSpan, ...]:
        """Return the cached spans of a series, in order of time.

        Args:
            scope: digest of who asked.
            series: the series.
        """
        weeks = self._weeks.get((scope, series), {})
        return tuple(each.span for _, week in sorted(weeks.items()) for each in week)

    async def get(self, scope: bytes, series: SeriesKey[P], window: Window) -> tuple[CachedPart[P], ...]:
        """Return the cached parts of a window of a series, cut to it, in order of time.

        Args:
            scope: digest of who asked.
            series: the series.
            window: the range of time, on the grid.
        """
        weeks = self._weeks.get((scope, series), {})
        starts = range(floor(window.start, WEEK), window.end, WEEK)
        return parts_within(window, (each for start in starts for each in weeks.get(start, ())))

    async def held(self, scope: bytes, endpoint: str, system_ids: Collection[int] | None) -> dict[int, float]:
        """Return up to when (epoch seconds) each system is held.

        Args:
            scope: digest of who asked.
            endpoint: the API's name of the endpoint.
            system_ids: numbers of the systems; `None`: all that something is cached of.
        """
        only, found = None if system_ids is None else frozenset(system_ids), dict[int, float]()
        for (whose, series), weeks in self._weeks.items():
            wanted = whose == scope and series.endpoint == endpoint and weeks
            if wanted and (only is None or series.system_id in only):
                until = weeks[max(weeks)][-1].span.held_until
                found[series.system_id] = min(until, found.get(series.system_id, until))
        return found

    def put(self, scope: bytes, series: SeriesKey[P], part: P, fetched: float) -> None:
        """Cache a part of a series.

        Args:
            scope: digest of who asked.
            series: the series.
            part: the part.
            fetched: time of the answer, epoch seconds.
        """
        weeks = self._weeks.setdefault((scope, series), {})
        for each in split_by_week(part, fetched):
            start = floor(each.window.start, WEEK)
            weeks[start] = overlay(weeks.get(start, ()), each, series.join)

    async def reply(self, scope: bytes, key: ReplyKey[T]) -> Response | None:
        """Return the newest cached reply.

        Args:
            scope: digest of who asked.
            key: the request.
        """
        return self._replies.get((scope, key))

    def put_reply(self, scope: bytes, key: ReplyKey[T], response: Response, *, final: bool = False) -> None:
        """Cache a reply that is no series, unless a newer one is cached.

        Args:
            scope: digest of who asked.
            key: the request.
            response: the reply.
            final: whether it never changes any more.
        """
        before = self._replies.get((scope, key))
        if before is None or (before.date or 0.0) <= (response.date or 0.0):
            same = before is not None and tells_the_same(response.body, before.body)
            since = (before.same_since or before.date) if before is not None and same else None
            self._replies[scope, key] = evolve(response, same_since=since)

    async def flush(self) -> None:
        """Do nothing: memory has no disk."""


class StoredCache(ABC):
    """An `IntervalCache` in the tables of a database: what is read and written there, and what is made of it.

    A part or a reply that cannot be read is as if it were not there.

    Args:
        clock: the source of time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def spans(self, scope: bytes, series: SeriesKey[P]) -> tuple[CachedSpan, ...]:
        """Return the cached spans of a series, in order of time.

        Raises:
            InputError: the database was made by a newer version of this package or by another program.
        """
        about = (scope, series), None
        return await self._read(lambda tables: tables.spans(scope, series), _spans_of, (), about)

    async def get(self, scope: bytes, series: SeriesKey[P], window: Window) -> tuple[CachedPart[P], ...]:
        """Return the cached parts of a window of a series, cut to it, in order of time.

        Raises:
            InputError: as for `spans`.
        """
        if not window.seconds:
            return ()

        def parts_of(rows: list[Row]) -> tuple[CachedPart[P], ...]:
            found = [(row, part_of(row, series)) for row in rows]
            for row in (row for row, each in found if each is None):
                delete = partial(Tables.delete_part, scope=scope, series=series, row=row)
                self._write(delete, (scope, series))
            return parts_within(window, (each for _, each in found if each is not None))

        about = (scope, series), window
        return await self._read(lambda tables: tables.parts(scope, series, window), parts_of, (), about)

    async def held(self, scope: bytes, endpoint: str, system_ids: Collection[int] | None) -> dict[int, float]:
        """Return up to when (epoch seconds) each system is held, by one look.

        Raises:
            InputError: as for `spans`.
        """
        work = partial(Tables.held, scope=scope, endpoint=endpoint, system_ids=system_ids)
        return await self._read(work, dict, dict[int, float]())

    def put(self, scope: bytes, series: SeriesKey[P], part: P, fetched: float) -> None:
        """Cache a part of a series: it becomes a pending write, encoded by the thread that writes it."""
        write = partial(Tables.write_part, scope=scope, series=series, part=part, fetched=fetched)
        self._write(write, (scope, series))

    async def reply(self, scope: bytes, key: ReplyKey[T]) -> Response | None:
        """Return the newest cached reply, with its `date`; `None` if there is none.

        Raises:
            InputError: as for `spans`.
        """

        def made(row: Row | None) -> Response | None:
            return None if row is None else response_of(row)

        return await self._read(lambda tables: tables.reply(scope, key), made, None, ((scope, key), None))

    def put_reply(self, scope: bytes, key: ReplyKey[T], response: Response, *, final: bool = False) -> None:
        """Cache a reply that is no series, in place of an older one; `prune` evicts those not final."""
        fetched = self._clock.now() if response.date is None else response.date
        write = partial(Tables.write_reply, scope=scope, key=key, response=response, final=final)
        self._write(partial(write, fetched=fetched), (scope, key))

    @abstractmethod
    async def flush(self) -> None:
        """Write the pending writes; no cancel interrupts it, and no fault of the database is raised."""

    @abstractmethod
    def _write(self, work: Callable[[Tables], Steps[None]], about: Hashable) -> None:
        """Add a pending write.

        Args:
            work: writes.
            about: the thing that it writes about, as in `_read`.
        """

    @abstractmethod
    async def _read(
        self,
        work: Callable[[Tables], Steps[R]],
        made: Callable[[R], T],
        otherwise: T,
        asked: tuple[Hashable, Hashable] | None = None,
    ) -> T:
        """Return what is made, in a thread, of what is read; the pending writes come first.

        Args:
            work: reads.
            made: makes something of it.
            otherwise: what is returned where a cache is as if it were empty.
            asked: the thing that is read about, and what of it; `None`: of no one thing.
        """


def _spans_of(rows: list[Row]) -> tuple[CachedSpan, ...]:
    return tuple(span for row in rows if (span := span_of(row)) is not None)


class UserCache:
    """A user's cache, whose errors become ours: each has the user's as its cause, and shows no text of it.

    Where it fails to take an answer, which has been paid for by then, that is logged: the query goes on.

    Args:
        cache: the cache.
    """

    def __init__(self, cache: IntervalCache) -> None:
        self._cache = cache

    async def spans(self, scope: bytes, series: SeriesKey[P]) -> tuple[CachedSpan, ...]:
        """Return the cached spans of a series, in order of time."""
        with users_errors(_ROLE, self._cache, "spans"):
            return await self._cache.spans(scope, series)

    async def get(self, scope: bytes, series: SeriesKey[P], window: Window) -> tuple[CachedPart[P], ...]:
        """Return the cached parts of a window of a series, cut to it, in order of time."""
        with users_errors(_ROLE, self._cache, "get"):
            return await self._cache.get(scope, series, window)

    async def held(self, scope: bytes, endpoint: str, system_ids: Collection[int] | None) -> dict[int, float]:
        """Return up to when each system is held."""
        with users_errors(_ROLE, self._cache, "held"):
            return await self._cache.held(scope, endpoint, system_ids)

    def put(self, scope: bytes, series: SeriesKey[P], part: P, fetched: float) -> None:
        """Cache a part of a series."""
        with _logged(), users_errors(_ROLE, self._cache, "put"):
            self._cache.put(scope, series, part, fetched)

    async def reply(self, scope: bytes, key: ReplyKey[T]) -> Response | None:
        """Return the newest cached reply."""
        with users_errors(_ROLE, self._cache, "reply"):
            return await self._cache.reply(scope, key)

    def put_reply(self, scope: bytes, key: ReplyKey[T], response: Response, *, final: bool = False) -> None:
        """Cache a reply that is no series."""
        with _logged(), users_errors(_ROLE, self._cache, "put_reply"):
            self._cache.put_reply(scope, key, response, final=final)

    async def flush(self) -> None:
        """Write the pending writes."""
        with _logged(), users_errors(_ROLE, self._cache, "flush"):
            await self._cache.flush()


_ROLE = "interval cache"


@contextmanager
def _logged() -> Iterator[None]:
    """Log the failure of a user's cache."""
    try:
        yield
    except UsageError as error:
        logger.warning("%s: the answer may not be cached", error)
