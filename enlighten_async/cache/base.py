"""The protocol of an interval cache, intervals and replies already paid for; and a cache in memory."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar, runtime_checkable

from attrs import evolve

from enlighten_async.cache.freshness import CachedSpan, tells_the_same
from enlighten_async.cache.pieces import WEEK, CachedPart, overlay, parts_within, split_by_week
from enlighten_async.errors import UsageError, users_errors
from enlighten_async.models.intervals import SeriesResult
from enlighten_async.windows import Window, floor
from enlighten_async.wire import ReplyKey, Response, SeriesKey

P = TypeVar("P", bound=SeriesResult)
T = TypeVar("T")

logger = logging.getLogger("enlighten_async")


@runtime_checkable
class IntervalCache(Protocol):
    """Parts of series by window, and other replies by request, each in the scope of who asked.

    A scope is a digest of the credentials, API version and base URL: answers for one user are never given
    to another. No method raises an error, but `InputError` for a file that is not ours to use: a cache that
    has a fault says so in the log, and is as if it were empty.
    """

    async def spans(self, scope: bytes, series: SeriesKey[P]) -> tuple[CachedSpan, ...]:
        """Return the cached spans of a series, in order of time.

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
