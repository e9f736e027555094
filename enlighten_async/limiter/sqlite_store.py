"""SqliteQuotaStore: a key's state in the state file, for all processes of a machine.

A decision is one transaction, taken in a thread of its own: it ends with a sync of the disk, which may
take a tenth of a second on a memory card. The wait for another process's transaction is the clock's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

import anyio

from enlighten_async import state
from enlighten_async.errors import EnlightenError, UsageError
from enlighten_async.limiter.key_state import LATE_COUNT_S, KeyState
from enlighten_async.limiter.record import Record
from enlighten_async.limiter.shared_state import PendingTake, SharedKeyState
from enlighten_async.limiter.store import begin_anew_in_children

if TYPE_CHECKING:
    import sqlite3

    from enlighten_async.clock import Clock
    from enlighten_async.limiter.decision import Take, Wait
    from enlighten_async.limiter.shared_state import Draft
    from enlighten_async.state import StateFile

T = TypeVar("T")

TAKE_TIMEOUT_S = 5.0
"""Seconds for which a decision waits for the file while others hold it."""
SYNC_TIMEOUT_S = 1.0
"""Seconds for which noted updates wait for the file; they are written later then."""
MAX_REQUEST_S = 3600.0
"""Seconds after which a request without a time limit is taken for dead if nobody settles it."""
MIN_ROOM_BYTES = 1 << 20
"""Bytes that have to be free on the disk for answers that nobody waits for; a week takes some 20,000."""

RESERVE_BYTES = 256 * 1024
"""Bytes that a file gets for them at once, when it has less than half of that left in itself."""

logger = logging.getLogger("enlighten_async")


class SqliteQuotaStore:
    """The state of one key in the state file, shared by all who use the file.

    Updates that cannot be written are counted in memory, from what was known last, and written later.

    Args:
        file: the state file.
        name: gives the key's name in the file from the file's salt: a keyed hash, never the key itself.
        clock: the source of time.
        timeout: seconds that a request may take; after that and a little more, one whose process was
            killed is taken for counted. `None`: no limit.
    """

    def __init__(
        self,
        file: StateFile,
        name: Callable[[bytes], bytes],
        *,
        clock: Clock,
        timeout: float | None = 30.0,
    ) -> None:
        self.file = file
        self._name = name
        self._clock = clock
        self._state = SharedKeyState(_life(timeout))
        self._home: object = None  # identity of the file written last: another may have taken its place
        self._has_reserve = False
        self._turn = Lock()  # held by threads at the disk, never by an event loop
        self._faults = state.FaultLog(
            file,
            meanwhile="what is spent is counted in memory, by this process alone, and written when that is "
            "possible again",
            after="what was spent meanwhile is written",
        )
        self._full = state.FaultLog(
            file,
            meanwhile="queries of priority poll and backfill are refused",
            after="queries of every priority are sent",
        )
        begin_anew_in_children(self)

    def __repr__(self) -> str:
        return f"<SqliteQuotaStore {str(self.file.path)!r} {self._state!r}>"

    def begin_anew(self) -> None:
        """Forget what the parent process has noted and will write."""
        self._state, self._turn, self._home = SharedKeyState(self._state.life), Lock(), None

    def extend_timeout(self, timeout: float | None) -> None:
        """Expect requests to take so long, if that is longer than what was expected."""
        self._state.extend_life(_life(timeout))

    async def take(self, asked: Take, now: float) -> Wait | None:
        """Put a request in flight and return `None`, or return why it has to wait.

        It is on the disk when this returns, and all that was noted before with it.

        Raises:
            InputError: the file was made by a newer version of this package or by another program.
            UsageError: nobody waits for the answer, and it could not be kept: the disk is full, say.
        """
        pending = PendingTake(asked, now)
        try:
            return (await self._commit(pending, TAKE_TIMEOUT_S)).wait
        except state.DatabaseUnavailable as error:
            self._faults.begin(error)
            if asked.rank and not isinstance(error, state.DatabaseLocked):
                raise self._refusal(error) from None
            return self._state.take(asked, self._now(pending))
        except BaseException:
            self._state.withdraw(pending)
            raise

    def update(self, change: Callable[[KeyState], T]) -> T:
        """Change the state; written with the next `take` or `sync`."""
        return self._state.update(change)

    def read(self, look: Callable[[KeyState], T]) -> T:
        """Return the result of a function of the state, by the last transaction and the updates since."""
        return self._state.read(look)

    async def sync(self, *, refresh: bool = False) -> None:
        """Write what was noted; with `refresh`, also learn what others have spent where nothing was.

        No cancel cuts it off. Where the file cannot be used, what was noted is written later.

        Raises:
            InputError: with `refresh`, that the file was made by another program or a newer version of this
                package: nothing is ever written there.
        """
        if not refresh and not self._state.pending:
            return
        with anyio.CancelScope(shield=True):
            try:
                await self._commit(None, SYNC_TIMEOUT_S)
            except state.DatabaseUnavailable as error:
                self._faults.begin(error)
            except EnlightenError as error:
                if refresh:
                    raise
                logger.debug("nothing was written: %s", error)

    async def aclose(self) -> None:
        """Write what was noted and close the file; it is opened again when it is needed."""
        await self.sync()
        with anyio.CancelScope(shield=True):
            await state.in_thread(self.file.release)

    async def _commit(self, pending: PendingTake | None, timeout_s: float) -> Draft:
        """Write everything down in a thread, as soon as nobody else is at it.

        Raises:
            DatabaseUnavailable: that is not possible.
        """
        timeout_s = 0.0 if self._faults else timeout_s  # waited for once, not by each request
        draft = await state.retry_while_busy(partial(self._write, pending), self._clock, timeout_s)
        self._faults.end()
        return draft

    def _write(self, pending: PendingTake | None) -> Draft:
        """Write everything down in one transaction; blocks."""
        with self._turn:
            if pending is not None and pending.asked.rank:
                self._require_room()
            draft, home = self.file.transact(partial(self._transaction, pending))
            self._home = home
            self._state.commit(draft)
            return draft

    def _require_room(self) -> None:
        """Let a request pass whose answer can be kept; blocks.

        Raises:
            UsageError: answers cannot be written, after one more attempt, or the disk is all but full.
        """
        if self.file.pending.fault is not None:
            self.file.read(lambda _: None)
        if self.file.pending.fault is not None:  # which the cache has logged
            raise self._refusal(self.file.pending.fault)
        fault = self._fault_of_room()
        if fault is not None:
            self._full.begin(fault)
            raise self._refusal(fault)
        self._full.end()

    def _fault_of_room(self) -> state.DatabaseUnavailable | None:
        """Return the reason why answers could not be kept for want of room; blocks."""
        room = self.file.room()
        if room is not None and room < MIN_ROOM_BYTES:
            return state.DatabaseUnavailable(f"its disk is full: {room:,} bytes are free")
        try:
            if not self._has_reserve:  # later a write that fails tells
                self.file.reserve(RESERVE_BYTES)
        except state.DatabaseUnavailable as fault:
            return fault
        self._has_reserve = True
        return None

    def _refusal(self, fault: state.DatabaseUnavailable) -> UsageError:
        return UsageError(
            f"{self.file.path} could not keep the answer ({fault}), so nothing was sent for priority poll or "
            "backfill: make room on the disk, or name another state file"
        )

    def _transaction(
        self, pending: PendingTake | None, connection: sqlite3.Connection
    ) -> tuple[Draft, object]:
        found = state.salt(connection)
        key, home = self._name(found), (self.file.identity, found)
        now, wall = self._now(pending), self._clock.now()
        before = _read(connection, key)
        moved = self._home is not None and self._home != home
        draft = self._state.draft(before, now, wall, pending, moved=moved)
        record = draft.state.dump(now, wall)
        if before is None or record.is_news_to(before):
            connection.execute("INSERT OR REPLACE INTO quota VALUES (?, ?)", (key, record.encode()))
        return draft, home

    def _now(self, pending: PendingTake | None) -> float:
        """Return the monotonic time at this moment: a decision may have waited for its turn."""
        now = self._clock.monotonic()
        return now if pending is None else max(now, pending.now)


def _read(connection: sqlite3.Connection, key: bytes) -> Record | None:
    row = connection.execute("SELECT counts FROM quota WHERE key = ?", (key,)).fetchone()
    try:
        return None if row is None else Record.decode(row[0])
    except (ValueError, TypeError) as error:
        raise state.DatabaseCorrupt(f"counts that cannot be read: {error}") from None


def _life(timeout: float | None) -> float:
    return LATE_COUNT_S + (MAX_REQUEST_S if timeout is None else timeout)
