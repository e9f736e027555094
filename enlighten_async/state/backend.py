"""StateBackend: named texts that processes share and change one at a time; in memory, in the state file."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar, runtime_checkable

from attrs import frozen

from enlighten_async.errors import StateUnavailable
from enlighten_async.state.inspect import (
    DatabaseBusy,
    DatabaseFull,
    DatabaseLocked,
    DatabaseUnavailable,
)
from enlighten_async.state.migrations import DatabaseCorrupt
from enlighten_async.state.threads import in_thread, poll_until

if TYPE_CHECKING:
    import sqlite3

    from enlighten_async.clock import Clock
    from enlighten_async.state.file import StateFile

T = TypeVar("T")

Name: TypeAlias = Callable[[bytes], bytes]
"""Returns the name of a text, given the backend's salt: without it nobody can tell whose text it is."""

MIN_ROOM_BYTES = 1 << 20
"""Bytes that have to be free on the disk for answers that nobody waits for; a week takes some 20,000."""

RESERVE_BYTES = 256 * 1024
"""Bytes that a file gets for them at once, when it has less than half of that left in itself."""


AWAY_POLL_S = 1.0
"""Seconds after which a backend of several machines is asked again that was away."""

MAX_AWAY_S = 120.0
"""Seconds for which a caller without `max_wait` waits for it."""


@frozen
class Moment:
    """The time of a backend, and its identity, when it told a text."""

    steady: float
    """Seconds on the backend's own clock; for all who use the backend they pass alike."""
    wall: float
    """The backend's wall clock's time (epoch seconds)."""
    age_s: float = 0.0
    """Seconds that may have passed since then, at the most."""
    home: Hashable = None
    """What tells the backend from another in its place, such as one that has lost everything."""
    durable: bool = True
    """Whether what is committed survives the end of the server: else a missing text may have been lost."""


class Change(Protocol):
    """A change of one text."""

    def apply(self, text: str | None, moment: Moment) -> str | None:
        """Return the new text; `None` leaves the old one as it is.

        It may be called again, with a newer text: what it returns last is what is committed. It must not
        block, and may be called in another thread.

        Args:
            text: the text of now; `None`: there is none.
            moment: the backend's time.

        Raises:
            DatabaseCorrupt: the text cannot be read.
        """
        ...

    def committed(self) -> None:
        """Note that what `apply` returned last is in effect, before the next update of the backend begins."""
        ...


@runtime_checkable
class StateBackend(Protocol):
    """A place for what processes share: an atomic change of a named text, with the backend's own clock.

    One object does one update after another. It serves one event loop if it is `remote`, else any number of
    loops and threads.

    Attributes:
        remote: whether it is shared by machines: nothing is sent while it is away, and its clock is not ours.
    """

    remote: bool

    async def update(
        self, name: Name, change: Change, *, timeout_s: float, keeps_answers: bool = False
    ) -> None:
        """Change a text: nobody else changes it between the call of `apply` and the commit.

        A cancel either lets nothing be changed, or takes effect after `committed` was called; where a
        connection breaks in the midst of the commit, the change may be in effect all the same.

        Args:
            name: its name.
            change: the change.
            timeout_s: seconds to wait for others at the most.
            keeps_answers: whether answers that follow from it have to be kept there too.

        Raises:
            DatabaseFull: with `keeps_answers`, that there is no room for answers; nothing is changed.
            DatabaseUnavailable: it cannot be reached or used.
            InputError: it is a newer version's or another program's; it is left as it is.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections; they are opened again when they are needed."""
        ...

    def begin_anew(self) -> None:
        """Forget what a child process has of its parent: connections, and locks that are held."""
        ...


class AnswerStore(Protocol):
    """A place for answers in the same database as a backend."""

    async def require_room(self) -> None:
        """Raise `DatabaseFull` if answers that wait to be kept cannot be, after one more attempt."""
        ...


def unavailable(backend: object, error: Exception) -> StateUnavailable:
    """Return the error that a backend of several machines cannot be reached.

    Args:
        backend: the backend, shown by its name.
        error: the reason.
    """
    return StateUnavailable(
        f"{backend} cannot be reached ({error}), and nothing is sent that it does not count: "
        "bring it back, or name another state"
    )


class MemoryBackend:
    """Texts in the memory of one process, such as for tests; its clocks are those of the process.

    Args:
        clock: the source of time.
    """

    remote = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._texts: dict[bytes, str] = {}
        self._turn = Lock()

    def __repr__(self) -> str:
        return f"<MemoryBackend of {len(self._texts)} texts>"

    async def update(
        self, name: Name, change: Change, *, timeout_s: float, keeps_answers: bool = False
    ) -> None:
        """Change a text; never suspends, and always succeeds."""
        with self._turn:
            found, moment = name(b""), Moment(self._clock.monotonic(), self._clock.now(), home=id(self))
            text = change.apply(self._texts.get(found), moment)
            if text is not None:
                self._texts[found] = text
            change.committed()

    async def aclose(self) -> None:
        """Do nothing."""

    def begin_anew(self) -> None:
        """Begin empty."""
        self._texts, self._turn = {}, Lock()


async def retry_while_busy(work: Callable[[], T], clock: Clock, timeout_s: float) -> T:
    """Do blocking work in a thread, and again while another process is writing the state file.

    Args:
        work: the work; it raises `DatabaseBusy` if it has done nothing.
        clock: the source of time.
        timeout_s: seconds after which it is not tried again.

    Raises:
        DatabaseLocked: others were writing all that time.
    """
    try:
        return await poll_until(partial(in_thread, work), clock, timeout_s, locked=DatabaseBusy)
    except DatabaseBusy:
        raise DatabaseLocked(f"other programs locked it for {timeout_s:g} s") from None


class SqliteBackend:
    """The texts in the state file, for all processes of a machine; the clocks are those of the machine.

    An update is one transaction, in a thread: it ends with a sync of the disk, which may take a tenth of a
    second on a memory card. The wait for another process's transaction is the clock's.

    Args:
        file: the state file.
        clock: the source of time.
    """

    remote = False

    def __init__(self, file: StateFile, clock: Clock) -> None:
        self.file = file
        self.told = file.told
        self._clock = clock
        self._has_reserve = False
        self._turn = Lock()  # held by threads at the disk, never by an event loop

    def __repr__(self) -> str:
        return f"<SqliteBackend {self}>"

    def __str__(self) -> str:
        return str(self.file.path)

    @property
    def is_full(self) -> bool:
        """Whether it takes the texts at the most: it did not take answers when that was tried last."""
        return self.file.pending.fault is not None

    async def update(
        self, name: Name, change: Change, *, timeout_s: float, keeps_answers: bool = False
    ) -> None:
        """Change a text, as soon as nobody else is at the file."""
        work = partial(self._update, name, change, keeps_answers=keeps_answers)
        await retry_while_busy(work, self._clock, timeout_s)

    async def aclose(self) -> None:
        """Close the file; it is opened again when it is needed."""
        await in_thread(self.file.release)

    def begin_anew(self) -> None:
        """Forget that a thread of the parent process is at it."""
        self._turn = Lock()

    def _update(self, name: Name, change: Change, *, keeps_answers: bool) -> None:
        """Change a text in one transaction; blocks."""
        with self._turn:
            if keeps_answers:
                self._require_room()
            self.file.transact(partial(self._transaction, name, change))
            change.committed()

    def _transaction(self, name: Name, change: Change, connection: sqlite3.Connection) -> None:
        found = self.file.salt(connection)
        key = name(found)
        row = connection.execute("SELECT counts FROM quota WHERE key = ?", (key,)).fetchone()
        if row is not None and not isinstance(row[0], str):
            raise DatabaseCorrupt("counts that are no text")
        home = self.file.identity, found
        moment = Moment(self._clock.monotonic(), self._clock.now(), home=home)
        text = change.apply(None if row is None else row[0], moment)
        if text is not None:
            connection.execute("INSERT OR REPLACE INTO quota VALUES (?, ?)", (key, text))

    def _require_room(self) -> None:
        """Raise if answers cannot be kept: after one more attempt to write those that wait for it; blocks.

        Raises:
            DatabaseFull: they cannot be written, or the disk is all but full.
        """
        if self.file.pending.fault is not None:
            self.file.read(lambda _: None)
        if self.file.pending.fault is not None:
            raise DatabaseFull(
                str(self.file.pending.fault), logged=True
            )  # by the cache, whose writes they are
        fault = self._fault_of_room()
        if fault is not None:
            raise DatabaseFull(str(fault))

    def _fault_of_room(self) -> DatabaseUnavailable | None:
        """Return the reason why answers could not be kept for want of room; blocks."""
        room = self.file.room()
        if room is not None and room < MIN_ROOM_BYTES:
            return DatabaseUnavailable(f"its disk is full: {room:,} bytes are free")
        try:
            if not self._has_reserve:  # later a write that fails tells
                self.file.reserve(RESERVE_BYTES)
        except DatabaseUnavailable as fault:
            return fault
        self._has_reserve = True
        return None
