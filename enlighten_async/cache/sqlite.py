"""The cache in the state file, for all processes of a machine.

All work on the file, encoding and decoding included, is done in threads. A part to be cached is at first a
pending write: the next transaction of the file, as a rule the one that counts its request, writes it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio

from enlighten_async.cache.freshness import CachedSpan
from enlighten_async.cache.pieces import CachedPart, parts_within
from enlighten_async.cache.tables import Steps, Tables, part_of, response_of, span_of
from enlighten_async.errors import EnlightenError
from enlighten_async.models.intervals import SeriesResult
from enlighten_async.state import DatabaseUnavailable, FaultLog, retry_while_busy, salt
from enlighten_async.windows import Window
from enlighten_async.wire import ReplyKey, Response, SeriesKey

if TYPE_CHECKING:
    import sqlite3

    from enlighten_async.clock import Clock
    from enlighten_async.state import StateFile

P = TypeVar("P", bound=SeriesResult)
T = TypeVar("T")

CACHE_LOCK_TIMEOUT_S = 1.0
"""Seconds to wait for the file while others write it; after that the cache is as if it were empty."""

logger = logging.getLogger("enlighten_async")


def perform(connection: sqlite3.Connection, work: Callable[[Tables], Steps[T]]) -> T:
    """Do some work on the cache's tables in an open file, within a transaction; blocks."""
    steps, rows = work(Tables(salt(connection))), None
    try:
        asked, values = next(steps)
        while True:
            rows = [row for each in values for row in connection.execute(asked.sqlite, each)]
            asked, values = steps.send(rows)
    except StopIteration as end:
        found: T = end.value
        return found


class SqliteCache:
    """An `IntervalCache` in the state file, for all who use the file.

    While the file takes no writes, they wait until it does, as far as they are remembered, and are read from
    memory; while it cannot be used at all, the cache is as if it were empty. A part or a reply that cannot be
    read is as if it were not there.

    Args:
        file: the state file.
        clock: the source of time.
    """

    def __init__(self, file: StateFile, *, clock: Clock) -> None:
        self.file = file
        self._clock = clock
        self._faults = FaultLog(
            str(file.path),
            meanwhile="answers are not cached there meanwhile: this process keeps the newest in memory, and "
            "others may request them again",
            after="answers are cached again",
        )

    def __repr__(self) -> str:
        return f"<SqliteCache {str(self.file.path)!r} pending={len(self.file.pending)}>"

    async def spans(self, scope: bytes, series: SeriesKey[P]) -> tuple[CachedSpan, ...]:
        """Return the cached spans of a series, in order of time.

        Raises:
            InputError: the file was made by a newer version of this package or by another program.
        """

        def read() -> tuple[CachedSpan, ...]:
            rows = self._read(lambda tables: tables.spans(scope, series))
            return tuple(span for row in rows if (span := span_of(row)) is not None)

        return await self._in_thread(read, ())

    async def get(self, scope: bytes, series: SeriesKey[P], window: Window) -> tuple[CachedPart[P], ...]:
        """Return the cached parts of a window of a series, cut to it, in order of time.

        Raises:
            InputError: as for `spans`.
        """
        if not window.seconds:
            return ()

        def read() -> tuple[CachedPart[P], ...]:
            rows = self._read(lambda tables: tables.parts(scope, series, window))
            found = [(row, part_of(row, series)) for row in rows]
            for row in (row for row, each in found if each is None):
                self._write(partial(Tables.delete_part, scope=scope, series=series, row=row))
            return parts_within(window, (each for _, each in found if each is not None))

        return await self._in_thread(read, ())

    async def held(self, scope: bytes, endpoint: str, system_ids: Collection[int] | None) -> dict[int, float]:
        """Return up to when (epoch seconds) each system is held, by one look at the file.

        Raises:
            InputError: as for `spans`.
        """
        work = partial(self._read, lambda tables: tables.held(scope, endpoint, system_ids))
        return await self._in_thread(work, dict[int, float]())

    def put(self, scope: bytes, series: SeriesKey[P], part: P, fetched: float) -> None:
        """Cache a part of a series: it becomes a pending write, encoded by the thread that writes it."""
        self._write(partial(Tables.write_part, scope=scope, series=series, part=part, fetched=fetched))

    async def reply(self, scope: bytes, key: ReplyKey[T]) -> Response | None:
        """Return the newest cached reply, with its `date`; `None` if there is none.

        Raises:
            InputError: as for `spans`.
        """

        def read() -> Response | None:
            row = self._read(lambda tables: tables.reply(scope, key))
            return None if row is None else response_of(row)

        return await self._in_thread(read, None)

    def put_reply(self, scope: bytes, key: ReplyKey[T], response: Response, *, final: bool = False) -> None:
        """Cache a reply that is no series, in place of an older one; `prune` evicts those not final."""
        fetched = self._clock.now() if response.date is None else response.date
        write = partial(Tables.write_reply, scope=scope, key=key, response=response, final=final)
        self._write(partial(write, fetched=fetched))

    async def flush(self) -> None:
        """Write the pending writes; no cancel interrupts it, and no fault of the file is raised."""
        if not self.file.pending:
            return
        with anyio.CancelScope(shield=True):
            try:
                await self._in_thread(partial(self.file.read, lambda _: None), None)
            except EnlightenError as error:
                logger.debug("nothing was written: %s", error)

    def _write(self, work: Callable[[Tables], Steps[None]]) -> None:
        """Add a pending write."""
        self.file.pending.add(lambda connection: perform(connection, work))

    def _read(self, work: Callable[[Tables], Steps[T]]) -> T:
        """Read the tables, after the pending writes; blocks."""
        return self.file.read(lambda connection: perform(connection, work))

    async def _in_thread(self, work: Callable[[], T], otherwise: T) -> T:
        """Do blocking work in a thread; if the file cannot be used, log it and return `otherwise`."""
        # During an outage nobody waits for the file again: one attempt tells whether it is over.
        timeout_s = 0.0 if self._faults else CACHE_LOCK_TIMEOUT_S
        try:
            found = await retry_while_busy(work, self._clock, timeout_s)
        except DatabaseUnavailable as fault:
            self._faults.begin(fault)
            return otherwise
        if self.file.pending.fault is None:
            self._faults.end()
        else:
            self._faults.begin(self.file.pending.fault)
        return found
