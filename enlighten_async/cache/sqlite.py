"""The cache in the state file, for all processes of a machine.

All work on the file, encoding and decoding included, is done in threads: reading for several callers in one
transaction. A part to be cached is at first a pending write: the next transaction of the file, as a rule the
one that counts its request, writes it. What was read last is kept in memory, and is good until this process
writes about the same thing, or another process writes whatever; a reply, and the spans of a series, are read
again as part of that write, so that who polls need not look. It is kept as it is in the file, in a fraction
of the memory; what is asked for again, as dashboards do, also as it was made.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import chain, islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import anyio
from anyio.lowlevel import RunVar
from attrs import Factory, define

from enlighten_async.cache.base import StoredCache
from enlighten_async.cache.freshness import spans_within
from enlighten_async.cache.tables import Steps, Tables
from enlighten_async.errors import EnlightenError
from enlighten_async.models.series import Series
from enlighten_async.state import (
    DatabaseUnavailable,
    FaultLog,
    StateFile,
    Version,
    in_thread,
    is_file_error,
    retry_while_busy,
)
from enlighten_async.wire import Response

if TYPE_CHECKING:
    import sqlite3

    from enlighten_async.cache.pieces import CachedPart
    from enlighten_async.clock import Clock
    from enlighten_async.models.intervals import SeriesResult
    from enlighten_async.windows import Window
    from enlighten_async.wire import SeriesKey

R = TypeVar("R")
T = TypeVar("T")
P = TypeVar("P", bound="SeriesResult")

CACHE_LOCK_TIMEOUT_S = 1.0
"""Seconds to wait for the file while others write it; after that the cache is as if it were empty."""

MAX_TOGETHER = 16
"""Looks that are answered in one transaction; the first is handed out when the last one is decoded."""

MAX_KEPT, MAX_KEPT_BYTES = 1024, 1 << 20
"""Looks that are kept in memory, and the bytes of what they read, as it is in the file."""

MAX_DECODED_BYTES = 16 * 1024
"""Bytes of a kept look that are decoded in the event loop; more are in a thread."""

MAX_HOT_BYTES = 16 << 20
"""Bytes that are kept of what was made of looks that were asked for again: two years of two meters."""

OBJECT_BYTES = 128
"""Bytes that an object takes, beside those of the columns and bodies that it holds."""

logger = logging.getLogger("enlighten_async")


def perform(file: StateFile, connection: sqlite3.Connection, work: Callable[[Tables], Steps[T]]) -> T:
    """Do some work on the cache's tables in an open file, within a transaction; blocks."""
    steps, rows = work(Tables(file.salt(connection))), None
    try:
        asked, values = next(steps)
        while True:
            rows = [row for each in values for row in connection.execute(asked.sqlite, each)]
            asked, values = steps.send(rows)
    except StopIteration as end:
        found: T = end.value
        return found


@define(eq=False)
class Look(Generic[R, T]):
    """A question to the file, and what was found.

    Attributes:
        work: reads.
        made: makes something of what is read.
        otherwise: what it is where the file cannot be used.
        result: what was made, once it is over. Of blobs it is not kept: see `kept`.
        kept: what was made of blobs again, if it is kept.
        over: whether it is answered.
        size: bytes of the blobs that were read.
        version: the file's, when it was read; `None`: it may not be kept.
        error: the reason why nothing was made, if that is not the file's.
    """

    work: Callable[[Tables], Steps[R]]
    made: Callable[[R], T]
    otherwise: T
    result: T = Factory(attrgetter("otherwise"), takes_self=True)
    kept: tuple[T, ...] = ()
    over: bool = False
    size: int = 0
    version: Version | None = None
    error: Exception | None = None
    _found: list[R] = Factory(list)

    def read(self, file: StateFile, connection: sqlite3.Connection) -> None:
        """Read, within a transaction; it may be done again."""
        self.error = None
        try:
            self._found = [perform(file, connection, self.work)]
        except Exception as error:
            if is_file_error(error):
                raise
            self.error = error
        self.version = file.version(connection)

    def finish(self) -> None:
        """Make something of what was read."""
        for found in self._found:
            self.size = _blob_bytes(found)
            try:
                self.result = self.made(found)
            except Exception as error:  # noqa: BLE001 - raised by whoever asked
                self.error = error
        self.over = True

    def hand_out(self) -> T:
        """Return what was made, and keep it only if it is not made of blobs."""
        result = self.result
        if self.size:
            self.result = self.otherwise
        return result

    def again(self) -> T:
        """Return what is made of what was read, also after it was handed out."""
        if not self.size:
            return self.result
        return next(iter(self.kept or (self.made(self._found[0]),)))


def _blob_bytes(found: object) -> int:
    """Return the bytes of the blobs in a row, or in some rows."""
    values = chain.from_iterable(found) if isinstance(found, list) else found
    return sum(len(each) for each in values if isinstance(each, bytes)) if isinstance(values, Iterable) else 0


def bytes_of(made: object) -> int:
    """Return the bytes of memory that something made takes, about: columns, bodies, and what is around."""
    if isinstance(made, bytes):
        return len(made)
    if isinstance(made, Response):
        return OBJECT_BYTES + len(made.body)
    if isinstance(made, Series):
        return sum(column.nbytes for column in made.columns.values())
    if isinstance(made, tuple):
        return sum(map(bytes_of, made))
    attributes = getattr(type(made), "__attrs_attrs__", None)
    if attributes is None:
        return 0
    return OBJECT_BYTES + sum(bytes_of(getattr(made, each.name)) for each in attributes)


class LastLooks:
    """The rows of a file that were read last, by what was asked. For any number of threads, without a lock.

    A look is kept from when it is asked. So one that may have missed a write of this process is not found
    after that write.
    """

    def __init__(self) -> None:
        self._looks: dict[Hashable, dict[Hashable, Look[Any, Any]]] = {}
        self._hot: dict[Look[Any, Any], int] = {}
        self._count = self._size = 0

    def find(self, about: Hashable, what: Hashable, file: StateFile) -> Look[Any, Any] | None:
        """Return a look that would find the same now; `None` if there is none, or if that is not known."""
        look = self._looks.get(about, {}).get(what)
        good = look is not None and look.over and look.error is None and look.version is not None
        return look if good and look is not None and look.version == file.version() else None

    def keep(self, about: Hashable, what: Hashable, look: Look[Any, Any]) -> None:
        """Keep a look that is about to be answered."""
        if self._count >= MAX_KEPT or self._size >= MAX_KEPT_BYTES:
            self._looks, self._count, self._size = {}, 0, 0
            self._cool(*self._hot)
        looks = self._looks.setdefault(about, {})
        self._cool(*(looks[what],) if what in looks else ())
        looks[what] = look
        self._count += 1

    def grow(self, size: int) -> None:
        """Count the bytes of a look."""
        self._size += size

    def keep_made(self, about: Hashable, what: Hashable, look: Look[Any, T], made: T, size: int) -> None:
        """Keep what was made of a look that was asked for again; the oldest make room for it.

        Args:
            about: the thing that was asked about.
            what: what of it.
            look: the look.
            made: what was made.
            size: bytes that it takes.
        """
        if look.kept or size > MAX_HOT_BYTES or self._looks.get(about, {}).get(what) is not look:
            return
        others = [*self._hot.items()]
        room = MAX_HOT_BYTES - sum(taken for _, taken in others)
        for other, taken in others:
            if room >= size:
                break
            self._cool(other)
            room += taken
        look.kept, self._hot[look] = (made,), size

    def _cool(self, *looks: Look[Any, Any]) -> None:
        """Forget what was made of looks."""
        for look in looks:
            self._hot.pop(look, None)
            look.kept = ()

    def renew(self, about: Hashable) -> Look[Any, Any] | None:
        """Forget what was read about something that is about to be written.

        Returns:
            The look at all of it that is kept in place of the last one, if there was one, for the write.
        """
        looks = self._looks.pop(about, {})
        self._cool(*looks.values())
        last = looks.get(None)
        if last is None:
            return None
        anew = Look(last.work, last.made, last.otherwise)
        self.keep(about, None, anew)
        return anew


_last_looks: WeakKeyDictionary[StateFile, LastLooks] = WeakKeyDictionary()


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
        self._last = _last_looks.setdefault(file, LastLooks())
        self._asked: dict[Look[Any, Any], None] = {}
        self._turns: RunVar[anyio.Lock] = RunVar("enlighten_async.cache_turn")
        self._faults = FaultLog(
            str(file.path),
            meanwhile="answers are not cached there meanwhile: this process keeps the newest in memory, and "
            "others may request them again",
            after="answers are cached again",
            told=file.told,
        )

    def __repr__(self) -> str:
        return f"<SqliteCache {str(self.file.path)!r} pending={len(self.file.pending)}>"

    async def get(self, scope: bytes, series: SeriesKey[P], window: Window) -> tuple[CachedPart[P], ...]:
        """Return the cached parts of a window of a series, cut to it, in order of time.

        Raises:
            InputError: as for `spans`.
        """
        spans = self._last.find((scope, series), None, self.file)
        if spans is not None and not spans_within(window, spans.again()):
            return ()
        return await super().get(scope, series, window)

    async def flush(self) -> None:
        """Write the pending writes; no cancel interrupts it, and no fault of the file is raised."""
        if not self.file.pending:
            return
        with anyio.CancelScope(shield=True):
            try:
                await self._in_thread(self.file.flush)
            except EnlightenError as error:
                logger.debug("nothing was written: %s", error)

    def _write(self, work: Callable[[Tables], Steps[None]], about: Hashable) -> None:
        """Add a pending write; what was read about the same thing is read again with it.

        Where it is not committed, what is read tells of an answer that waits to be written: it is as true.
        """
        look = self._last.renew(about)

        def write(connection: sqlite3.Connection) -> None:
            perform(self.file, connection, work)
            if look is not None:
                look.read(self.file, connection)
                look.finish()
                look.hand_out()
                self._last.grow(look.size)

        self.file.pending.add(write)

    async def _read(
        self,
        work: Callable[[Tables], Steps[R]],
        made: Callable[[R], T],
        otherwise: T,
        asked: tuple[Hashable, Hashable] | None = None,
    ) -> T:
        """Return what is made of what is read, after the pending writes; `otherwise`: it is not possible.

        What was read last will do, if it is the same now.
        """
        known = None if asked is None else self._last.find(*asked, self.file)
        if asked is not None and known is not None:
            return await self._again(*asked, known) if known.size and not known.kept else known.again()
        look = Look(work, made, otherwise)
        if asked is not None:
            self._last.keep(*asked, look)
        self._asked[look] = None
        try:
            async with self._turn():
                if not look.over:
                    others = (each for each in self._asked if not (each is look or each.over))
                    await self._answer([look, *islice(others, MAX_TOGETHER - 1)])
        finally:
            del self._asked[look]
        if look.error is not None:
            raise look.error
        return look.hand_out()

    async def _again(self, about: Hashable, what: Hashable, look: Look[R, T]) -> T:
        """Return what is made of the blobs of a look that is asked for again, and keep it."""

        def work() -> tuple[T, int]:
            made = look.again()
            return made, bytes_of(made)

        made, size = work() if look.size <= MAX_DECODED_BYTES else await in_thread(work)
        self._last.keep_made(about, what, look, made, size)
        return made

    def _turn(self) -> anyio.Lock:
        """Return the lock of the running event loop."""
        try:
            return self._turns.get()
        except LookupError:
            turn = anyio.Lock(fast_acquire=True)
            self._turns.set(turn)
            return turn

    async def _answer(self, looks: Sequence[Look[Any, Any]]) -> None:
        """Answer some looks in one transaction."""

        def read(connection: sqlite3.Connection) -> None:
            for look in looks:
                look.read(self.file, connection)

        def answer() -> None:
            self.file.read(read)
            for look in looks:
                look.finish()

        await self._in_thread(answer)
        for look in looks:
            look.over = True
            self._last.grow(look.size)

    async def _in_thread(self, work: Callable[[], None]) -> None:
        """Do blocking work in a thread; if the file cannot be used, log it."""
        # During an outage nobody waits for the file again: one attempt tells whether it is over.
        timeout_s = 0.0 if self._faults.lasts else CACHE_LOCK_TIMEOUT_S
        try:
            await retry_while_busy(work, self._clock, timeout_s)
        except DatabaseUnavailable as fault:
            self._faults.begin(fault)
            return
        if self.file.pending.fault is None:
            if self._faults.ongoing:
                self._faults.end()
        else:
            self._faults.begin(self.file.pending.fault)
