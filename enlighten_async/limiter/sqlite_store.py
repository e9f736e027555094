"""The counts of a key in a file, for all processes of a machine.

A decision is one transaction, taken in a thread of its own: it ends with a sync of the disk, which may
take a tenth of a second on a memory card. The wait for another process's transaction is the clock's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

import anyio

from enlighten_async.errors import EnlightenError
from enlighten_async.limiter.key_state import LINGER
from enlighten_async.limiter.record import Record
from enlighten_async.limiter.shared_state import Ask, Notebook
from enlighten_async.state import (
    DatabaseCorrupt,
    DatabaseUnavailable,
    OutageLog,
    in_thread,
    retry_while_busy,
    salt,
)

if TYPE_CHECKING:
    import sqlite3

    from enlighten_async.clock import Clock
    from enlighten_async.errors import Throttled
    from enlighten_async.limiter.grant import Settlement, Wait
    from enlighten_async.limiter.key_state import KeySnapshot, UsageWarning
    from enlighten_async.limiter.plan import Plan
    from enlighten_async.limiter.shared_state import Draft
    from enlighten_async.state import StateFile

PATIENCE = 5.0
"""Seconds for which a decision waits for the file while others hold it."""
HASTE = 1.0
"""Seconds for which what was settled waits for it; it is written later then."""
UNLIMITED = 3600.0
"""Seconds after which a request without a time limit is taken for dead if nobody settles it."""

logger = logging.getLogger("enlighten_async")


class SqliteQuotaStore:
    """The counts of one key in the state file, shared by all who use the file.

    What cannot be written is counted in memory, from what was known last, and written when it can be.

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
        self._book = Notebook(_life(timeout))
        self._home: object = None  # which file was written last: another may have taken its place
        self._turn = Lock()  # held by threads at the disk, never by an event loop
        self._trouble = OutageLog(
            file,
            meanwhile="what is spent is counted in memory, by this process alone, and written when that is "
            "possible again",
            after="what was spent meanwhile is written",
        )

    def __repr__(self) -> str:
        return f"<SqliteQuotaStore {str(self.file.path)!r} {self._book!r}>"

    def outlast(self, timeout: float | None) -> None:
        """Expect requests to take so long, if that is longer than what was expected."""
        self._book.outlast(_life(timeout))

    async def take(self, ticket: int, plan: Plan, now: float, rank: int = 0) -> Wait | None:
        """Put a request in flight and return `None`, or return why it has to wait.

        It is on the disk when this returns, and all that was noted before with it.

        Raises:
            InputError: the file was made by a newer version of this package or by another program.
        """
        ask = Ask(ticket, plan, now, rank)
        try:
            return (await self._written(ask, PATIENCE)).wait
        except DatabaseUnavailable as fault:
            self._trouble.begin(fault)
            return self._book.decide(ask, self._now(ask))
        except BaseException:
            self._book.withdraw(ask)
            raise

    def settle(self, ticket: int, outcome: Settlement) -> None:
        """Take a request out of flight and charge it; does nothing for a ticket not in flight."""
        self._book.note(lambda account: account.settle_as(ticket, outcome))

    def refuse(self, ticket: int, refusal: Throttled, plan: Plan, now: float) -> None:
        """Learn from the server's word that a limit is reached; the ticket has been settled."""
        self._book.note(lambda account: account.refuse_as(ticket, refusal, plan, now))

    def left(self, plan: Plan, now: float, rank: int = 0) -> dict[str, int]:
        """Return the requests left to a class at the least in the running windows, by period."""
        return self._book.read(lambda account: account.left(plan, now, rank))

    def ready_at(self, plan: Plan, requests: int, now: float, wall: float, rank: int = 0) -> float:
        """Return the server's time (epoch seconds) by when so many more of a class would be granted."""
        return self._book.read(lambda account: account.ready_at(plan, requests, now, wall, rank))

    def standing(self, plan: Plan, now: float) -> KeySnapshot:
        """Return what is known of the key."""
        return self._book.read(lambda account: account.standing(plan, now))

    def alarm(self, plan: Plan, now: float) -> UsageWarning | None:
        """Return the news that most of the month is used up, each stage once a month; else `None`."""
        alarm = self._book.read(lambda account: account.alarm(plan, now))
        if alarm is not None:
            self._book.note(lambda account: account.alarm(plan, now))
        return alarm

    async def sync(self, *, look: bool = False) -> None:
        """Write what was noted; with `look`, also learn what others have spent where nothing was.

        No cancel cuts it off, and no fault of the file is raised.
        """
        if not look and not self._book.pending:
            return
        with anyio.CancelScope(shield=True):
            try:
                await self._written(None, HASTE)
            except DatabaseUnavailable as fault:
                self._trouble.begin(fault)
            except EnlightenError as refusal:
                logger.debug("nothing was written: %s", refusal)

    async def aclose(self) -> None:
        """Write what was noted and close the file; it is opened again when it is needed."""
        await self.sync()
        with anyio.CancelScope(shield=True):
            await in_thread(self.file.release)

    async def _written(self, ask: Ask | None, patience: float) -> Draft:
        """Write it all down in a thread, as soon as nobody else is at it.

        Raises:
            Fault: that is not possible.
        """
        draft = await retry_while_busy(
            partial(self._write, ask), self._clock, 0.0 if self._trouble else patience
        )
        self._trouble.end()
        return draft

    def _write(self, ask: Ask | None) -> Draft:
        """Do it in one transaction; blocks."""
        with self._turn:
            draft, home = self.file.transact(partial(self._transaction, ask))
            self._home = home
            self._book.accept(draft)
            return draft

    def _transaction(self, ask: Ask | None, connection: sqlite3.Connection) -> tuple[Draft, object]:
        found = salt(connection)
        key, home = self._name(found), (self.file.identity, found)
        now, wall = self._now(ask), self._clock.now()
        record = _read(connection, key)
        moved = self._home is not None and self._home != home
        draft = self._book.draft(record, now, wall, ask, moved=moved)
        news = draft.account.dump(now, wall)
        if record is None or news.tells_more_than(record):
            connection.execute("INSERT OR REPLACE INTO quota VALUES (?, ?)", (key, news.write()))
        return draft, home

    def _now(self, ask: Ask | None) -> float:
        """Return the monotonic time at this moment: a decision may have waited for its turn."""
        now = self._clock.monotonic()
        return now if ask is None else max(now, ask.now)


def _read(connection: sqlite3.Connection, key: bytes) -> Record | None:
    row = connection.execute("SELECT counts FROM quota WHERE key = ?", (key,)).fetchone()
    try:
        return None if row is None else Record.read(row[0])
    except (ValueError, TypeError) as error:
        raise DatabaseCorrupt(f"counts that cannot be read: {error}") from None


def _life(timeout: float | None) -> float:
    return LINGER + (UNLIMITED if timeout is None else timeout)
