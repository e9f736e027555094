"""The cache in the state file, for all processes of a machine.

All work on the file, encoding and decoding included, is done in threads. A part to be cached is at first a
pending write: the next transaction of the file, as a rule the one that counts its request, writes it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio

from enlighten_async.cache.base import StoredCache
from enlighten_async.cache.tables import Steps, Tables
from enlighten_async.errors import EnlightenError
from enlighten_async.state import DatabaseUnavailable, FaultLog, retry_while_busy, salt

if TYPE_CHECKING:
    import sqlite3

    from enlighten_async.clock import Clock
    from enlighten_async.state import StateFile

R = TypeVar("R")
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


class SqliteCache(StoredCache):
    """An `IntervalCache` in the state file, for all who use the file.

    While the file takes no writes, they wait until it does, as far as they are remembered, and are read from
    memory; while it cannot be used at all, the cache is as if it were empty.

    Args:
        file: the state file.
        clock: the source of time.
    """

    def __init__(self, file: StateFile, *, clock: Clock) -> None:
        super().__init__(clock)
        self.file = file
        self._faults = FaultLog(
            str(file.path),
            meanwhile="answers are not cached there meanwhile: this process keeps the newest in memory, and "
            "others may request them again",
            after="answers are cached again",
        )

    def __repr__(self) -> str:
        return f"<SqliteCache {str(self.file.path)!r} pending={len(self.file.pending)}>"

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

    async def _read(self, work: Callable[[Tables], Steps[R]], made: Callable[[R], T], otherwise: T) -> T:
        """Return what is made of what is read, after the pending writes; `otherwise`: it is not possible."""

        def read() -> T:
            return made(self.file.read(lambda connection: perform(connection, work)))

        return await self._in_thread(read, otherwise)

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
