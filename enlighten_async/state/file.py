"""The state file: one SQLite connection per process, atomic transactions, and recovery from faults.

An error of the file is classified by what is done about it: `DatabaseBusy` is tried again,
`DatabaseUnavailable` is logged once and worked around, and a corrupt file is renamed aside and begun anew.
Callers of a client see none of them.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar
from weakref import WeakSet, WeakValueDictionary

from enlighten_async.lazy import LazyModule
from enlighten_async.state.inspect import (
    DatabaseBusy,
    DatabaseUnavailable,
    DiskFault,
    classify,
    is_corrupt,
    is_file_error,
    require_ours,
    state_path,
)
from enlighten_async.state.migrations import DatabaseCorrupt, migrate, salt

if TYPE_CHECKING:
    import filelock
else:  # only a broken file needs it
    filelock = LazyModule("filelock")

T = TypeVar("T")
W = TypeVar("W")

Work: TypeAlias = Callable[[sqlite3.Connection], T]
Numbered: TypeAlias = dict[int, Work[object]]
Version: TypeAlias = tuple[int, int]
"""The number of the opening, and the number that SQLite gives what others have written since."""

MAX_PENDING_WRITES = 256
"""Pending writes while nothing can be written; the oldest are dropped for newer ones."""

RENAME_LOCK_TIMEOUT_S = 10.0
"""Seconds to wait for another process that is renaming the corrupt file."""

FORK_WAIT_S = 5.0
"""Seconds for which a fork waits for a thread that is at a file."""

MAX_COPY_BYTES = 64 << 20
"""Size of the largest file that is copied into memory while it takes no writes."""

OWNER_ONLY = 0o600
"""Permissions of the file: its owner may read and write it, nobody else."""

_BEGIN_READ, _BEGIN_WRITE = "BEGIN", "BEGIN IMMEDIATE"

logger = logging.getLogger("enlighten_async")


class PendingWrites(Generic[W]):
    """Writes that wait for the next transaction, in order. For any number of threads.

    Its lock is held for microseconds, so that event loops may take it.

    Args:
        name: what the log calls the state.

    Attributes:
        fault: the state's error when the pending writes were tried last; `None` if they were written.
    """

    def __init__(self, name: str = "the state file") -> None:
        self._name = name
        self._lock = Lock()
        self._waiting: dict[int, W] = {}
        self._numbers = count()
        self._stuck = self._warned = False
        self.fault: DatabaseUnavailable | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, work: W) -> None:
        """Do some work before that of the next transaction, as part of it. Never blocks.

        While transactions fail, at most `MAX_PENDING_WRITES` wait: the oldest are dropped.

        Args:
            work: it may be done several times, until it is committed once. If it raises an error that is
                not the state's, it is rolled back and dropped, with a warning.
        """
        with self._lock:
            self._waiting[next(self._numbers)] = work
            full = self._stuck and len(self._waiting) > MAX_PENDING_WRITES
            while self._stuck and len(self._waiting) > MAX_PENDING_WRITES:
                del self._waiting[next(iter(self._waiting))]
            warn = full and not self._warned
            self._warned = self._warned or full
        if warn:
            logger.warning(
                "%s cannot be written: only the newest %d writes are remembered, older ones are dropped",
                self._name,
                MAX_PENDING_WRITES,
            )

    def snapshot(self) -> dict[int, W]:
        """Return the pending writes of this moment, by number."""
        with self._lock:
            return dict(self._waiting)

    def mark_written(self, writes: Mapping[int, W]) -> None:
        """Remove writes that were committed."""
        self._remove(*writes)
        self.fault, self._stuck, self._warned = None, False, False

    def mark_failed(self, writes: Mapping[int, W], failure: BaseException) -> None:
        """Keep writes whose transaction failed."""
        self._stuck = True
        if writes and isinstance(failure, DatabaseUnavailable):
            self.fault = failure

    def drop(self, number: int, error: Exception) -> None:
        """Remove a write that fails by its own fault."""
        self._remove(number)
        logger.warning("a write to %s failed and is dropped", self._name, exc_info=error)

    def _remove(self, *numbers: int) -> None:
        with self._lock:
            for number in numbers:
                self._waiting.pop(number, None)


class FileWrites(PendingWrites[Work[object]]):
    """The pending writes of a file; each is given the connection."""

    def apply(self, writes: Numbered, connection: sqlite3.Connection) -> None:
        """Do the writes; one that fails by its own fault is rolled back and never tried again."""
        for number, work in writes.items():
            connection.execute("SAVEPOINT pending_write")
            try:
                work(connection)
            except Exception as error:
                if is_file_error(error):
                    raise
                connection.execute("ROLLBACK TO pending_write")
                self.drop(number, error)
            connection.execute("RELEASE pending_write")


class MemoryCopy:
    """A file as it would be with the writes that it does not take, in memory, while that lasts.

    Args:
        file: an open connection to the file.
    """

    def __init__(self, file: sqlite3.Connection) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        file.backup(self._connection)
        self._newest = -1

    def __del__(self) -> None:
        self._connection.close()

    def read(self, pending: FileWrites, writes: Numbered, work: Work[T]) -> T:
        """Do some work that only reads, after those of the pending writes that the copy has not got yet."""
        new = {number: write for number, write in writes.items() if number > self._newest}
        self._connection.execute(_BEGIN_WRITE)
        try:
            pending.apply(new, self._connection)
            self._newest = max(new, default=self._newest)
            return work(self._connection)
        finally:
            self._connection.execute("COMMIT")


class FaultLog:
    """Outage of the state for one of its uses, with one warning at each end.

    Where the disk is full, a use that fails while another does is told as information, and so is its end.

    Args:
        name: what the log calls the state, such as the file's path.
        meanwhile: the consequence of an outage for this use.
        after: the state of things when it can be used again.
        told: the outages of the same state that were told and whose end was not; `None`: there are no others.

    Attributes:
        lasts: whether it lasts.
        ongoing: whether it has begun, and its end was not recorded for good.
    """

    def __init__(self, name: str, *, meanwhile: str, after: str, told: set[FaultLog] | None = None) -> None:
        self._name = name
        self._meanwhile = meanwhile
        self._after = after
        self._told = set() if told is None else told
        self.lasts = self.ongoing = False
        self._level = logging.WARNING

    def begin(self, why: Exception) -> None:
        """Record that it cannot be used."""
        self.lasts = self.ongoing = True
        if self not in self._told:
            level = logging.INFO if self._told and isinstance(why, DiskFault) else logging.WARNING
            self._told.add(self)
            self._level = level
            logger.log(level, "%s cannot be used (%s): %s", self._name, why, self._meanwhile)

    def end(self, *, for_now: bool = False) -> None:
        """Record that it can be used.

        Args:
            for_now: whether another fault of it may be near: its end is not told yet, nor is that fault.
        """
        self.lasts, self.ongoing = False, for_now
        if self in self._told and not for_now:
            self._told.discard(self)
            logger.log(self._level, "%s can be used again: %s", self._name, self._after)


class StateFile:
    """The SQLite file of a path, and this process's only connection to it. For any number of threads.

    It is created, readable by its owner only, at its first use. Deleted or replaced while in use, it is
    opened anew; if it is corrupt, it is renamed aside and a new one is begun.

    Args:
        path: the file; its folder has to exist.
        durable: whether a commit survives a power cut. Without that it is faster, for tests.

    Attributes:
        path: the file, without symbolic links.
        pending: writes for the next transaction, whoever makes it; for code that cannot await.
        identity: device and inode of the file opened last, which tell it from others of the same name.
        told: the outages that the log was told of and whose end it was not.

    Raises:
        InputError: there cannot be a file of this path: see `state_path`.
    """

    def __init__(self, path: str | os.PathLike[str], *, durable: bool = True) -> None:
        self.path = state_path(path)
        self._synchronous = "FULL" if durable else "OFF"
        self._connection: sqlite3.Connection | None = None
        self.identity: tuple[int, int] | None = None
        self._opened = 0
        self._within: Version | None = None  # that the transaction under way began with
        self._salt: tuple[Version | None, bytes] = None, b""  # as of a version
        self._tried: tuple[int, int] | None = None  # the same of the one that was to be opened last
        self._was_locked = False
        self._lock = Lock()
        self._copy: MemoryCopy | None = None
        self.pending = FileWrites()
        self.told: set[FaultLog] = set()
        _living.add(self)

    def __repr__(self) -> str:
        return f"StateFile({str(self.path)!r})"

    def __del__(self) -> None:
        # `state_file` may give this object to another thread meanwhile: weak references still lead to it.
        if hasattr(self, "_lock") and self._lock.acquire(blocking=False):
            try:
                self._close()
            finally:
                self._lock.release()

    def transact(self, work: Work[T]) -> T:
        """Do some work as one transaction: all of it is written, or nothing. Blocks; never waits for a lock.

        The pending writes are part of it. If the file takes the work but not the pending writes, as on a
        full disk, the work is done without them; from then on they wait until somebody calls `read`.

        Args:
            work: is given the connection; it may be called again, if a new file has to be begun.

        Raises:
            DatabaseBusy: another process is writing the file.
            DatabaseUnavailable: the file cannot be used.
            InputError: it is a newer version's or another program's; it is left as it is.
        """
        with self._lock:
            return self._with_pending(work, _BEGIN_WRITE, tried=self.pending.fault is None)

    def read(self, work: Work[T]) -> T:
        """Do some work that only reads, after the pending writes; these are tried in any case.

        Without pending writes the file is not locked for writing: others may write meanwhile. If the file
        does not take the pending writes, the work reads a copy in memory that has them.

        Raises:
            DatabaseBusy: as for `transact`.
            DatabaseUnavailable: as for `transact`.
            InputError: as for `transact`.
        """
        with self._lock:
            return self._with_pending(work, _BEGIN_READ, tried=True)

    def flush(self) -> None:
        """Write the pending writes, if another transaction has not done so; blocks.

        Raises:
            DatabaseBusy: as for `transact`.
            DatabaseUnavailable: as for `transact`.
            InputError: as for `transact`.
        """
        with self._lock:
            if self.pending:
                self._with_pending(lambda _: None, _BEGIN_READ, tried=True)

    def version(self, reader: sqlite3.Connection | None = None) -> Version | None:
        """Return what is another whenever others have written the file since; `None`: that is not known now.

        It never waits for a lock, so that event loops may call it: it reads the 16 bytes of the file that
        every transaction changes, which the system has in memory. While a thread is at the file it is the
        version that its transaction began with: nobody else writes meanwhile.

        Args:
            reader: the connection given to some work, that asks within its transaction.
        """
        if reader is not None:
            return self._within if reader is self._connection else None  # but the copy in memory
        with suppress(sqlite3.Error, OSError):
            if self.identity != _identity(self.path):
                return None
            if not self._lock.acquire(blocking=False):
                return self._within
            try:
                return None if self._connection is None else self._version(self._connection)
            finally:
                self._lock.release()
        return None

    def salt(self, connection: sqlite3.Connection) -> bytes:
        """Return the file's own random bytes; they are read anew when others have written the file.

        Args:
            connection: the one given to some work, that asks within its transaction.

        Raises:
            DatabaseCorrupt: as for `migrations.salt`.
        """
        if connection is not self._connection:  # but the copy in memory
            return salt(connection)
        if self._salt[0] is None or self._salt[0] != self._within:
            self._salt = self._within, salt(connection)
        return self._salt[1]

    def release(self) -> None:
        """Close the connection; it is opened again when it is needed."""
        with self._lock:
            self._close()

    def room(self) -> int | None:
        """Return the bytes that are free on the file's disk; `None` if that is not known. Blocks."""
        try:
            usage = shutil.disk_usage(self.path.parent)
        except OSError:
            return None
        return usage.free if usage.total else None

    def reserve(self, size: int) -> None:
        """Have room for so many bytes in the file itself, or half as many, where it can be written. Blocks.

        The disk may have room that the file may not have: by the quota of a user, or the limit of a process.

        Raises:
            DatabaseBusy: as for `transact`.
            DatabaseUnavailable: the file can get no larger.
            InputError: as for `transact`.
        """
        if self.transact(_free_bytes) < size // 2:
            # Written in full: of a file with gaps nobody knows whether they can be filled.
            fill = "INSERT OR REPLACE INTO meta VALUES ('reserve', zeroblob(?))"
            self.transact(lambda connection: connection.execute(fill, (size,)))
            self.transact(lambda connection: connection.execute("DELETE FROM meta WHERE name = 'reserve'"))

    def hold(self) -> bool:
        """Keep other threads from the file for a fork; tell whether they have let go of it in time."""
        return self._lock.acquire(timeout=FORK_WAIT_S)

    def let_go(self) -> None:
        """End `hold`."""
        self._lock.release()

    def begin_anew(self) -> None:
        """Forget what a child process has of its parent: the connection, and writes that the parent makes."""
        if self._connection is not None:
            _inherited.append(self._connection)
            self._connection = None
        self._lock = Lock()
        self._within, self._copy, self.pending = None, None, FileWrites()

    def _version(self, connection: sqlite3.Connection) -> Version:
        return self._opened, connection.execute("PRAGMA data_version").fetchone()[0]

    def _with_pending(self, work: Work[T], begin: str, *, tried: bool) -> T:
        """Do some work after the pending writes, or without them if they cannot be written."""
        writes = self.pending.snapshot() if tried else {}
        try:
            result = self._run(partial(self._apply_first, writes, work), _BEGIN_WRITE if writes else begin)
        except BaseException as failure:
            self.pending.mark_failed(writes, failure)
            if not (writes and isinstance(failure, DatabaseUnavailable)):
                raise
            copy = self._copied() if begin == _BEGIN_READ else None
            with suppress(sqlite3.Error):
                if copy is not None:
                    return copy.read(self.pending, writes, work)
            return self._run(work, begin)
        if tried:
            self.pending.mark_written(writes)
            self._copy = None
        return result

    def _copied(self) -> MemoryCopy | None:
        """Return the copy of the file in memory; `None` if it is large, or cannot be read."""
        with suppress(sqlite3.Error, OSError, DatabaseUnavailable, DatabaseCorrupt):
            if self._copy is None and self.path.stat().st_size <= MAX_COPY_BYTES:
                self._copy = MemoryCopy(self._connected())
        return self._copy

    def _apply_first(self, writes: Numbered, work: Work[T], connection: sqlite3.Connection) -> T:
        self.pending.apply(writes, connection)
        return work(connection)

    def _run(self, work: Work[T], begin: str) -> T:
        """Do some work in a transaction, of a new file if this one is corrupt."""
        try:
            return self._attempt(work, begin)
        except (sqlite3.Error, OSError, DatabaseCorrupt) as error:
            failure = error
        if is_corrupt(failure):
            return self._run_in_new_file(work, failure)
        raise self._given_up(failure)

    def _attempt(self, work: Work[T], begin: str) -> T:
        connection = self._connected()
        connection.execute(begin)
        try:
            self._within = self._version(connection)
            result = work(connection)
            connection.execute("COMMIT")
            self._was_locked = True
        except BaseException:
            # Where the disk is full SQLite has rolled back already.
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        finally:
            self._within = None
        return result

    def _run_in_new_file(self, work: Work[T], cause: Exception) -> T:
        """Rename the corrupt file aside, and do the work in a new one."""
        self._close()
        try:
            self._rename_aside(cause)
            return self._attempt(work, _BEGIN_WRITE)
        except (sqlite3.Error, OSError, DatabaseCorrupt) as error:
            failure = error
        raise self._given_up(failure)

    def _given_up(self, failure: Exception) -> DatabaseBusy | DatabaseUnavailable:
        """Return the meaning of a failure; the connection is closed unless the file is merely busy."""
        meaning = classify(failure)
        if isinstance(meaning, DatabaseBusy) and not self._was_locked and (why := self._fault_of_locks()):
            # SQLite calls such a file busy, for ever.
            meaning = DatabaseUnavailable(f"its file system has no locks ({why}): keep it on a local disk")
        if not isinstance(meaning, DatabaseBusy):
            self._close()
        return meaning

    def _fault_of_locks(self) -> str | None:
        """Return the reason why files beside the file cannot be locked; `None` if they can be."""
        if sys.platform == "win32":
            return None
        import fcntl  # noqa: PLC0415 - POSIX only

        # Not the file itself: closing a descriptor of it would end SQLite's locks on it in this process.
        lock = self.path.with_name(f"{self.path.name}.lock")
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, OWNER_ONLY)
        except OSError:
            return None
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return None if error.errno in (errno.EACCES, errno.EAGAIN) else error.strerror
        finally:
            os.close(descriptor)
        return None

    def _connected(self) -> sqlite3.Connection:
        """Return the connection to the file that bears the name now."""
        if self._connection is not None and self.identity != _identity(self.path):
            logger.warning("%s was deleted or replaced while in use: the new file is used", self.path)
            self._close()
        if self._connection is None:
            self._open()
        assert self._connection is not None  # noqa: S101 - just opened
        return self._connection

    def _open(self) -> None:
        self._tried = _identity(self.path)
        require_ours(self.path, known=self.identity is not None)
        _create(self.path)
        self._tried = identity = _identity(self.path)
        # No timeout: SQLite would wait in the thread, where no cancel ends it; `retry_while_busy` waits.
        connection = sqlite3.connect(self.path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            # Not WAL: SQLite before 3.51.3 may corrupt a WAL file.
            mode = connection.execute("PRAGMA journal_mode = PERSIST").fetchone()[0]
            if mode != "persist":  # a reader of a file that is in another mode keeps it there
                raise DatabaseUnavailable(f"its journal mode is {mode}, and cannot be changed for now")  # noqa: TRY301
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            # A file written by somebody else must not make SQLite call functions from within its schema.
            connection.execute("PRAGMA trusted_schema = OFF")
            migrate(connection, str(self.path))
        except BaseException:
            connection.close()
            raise
        self._connection, self.identity, self._opened = connection, identity, next(_openings)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _rename_aside(self, cause: Exception) -> None:
        """Rename the corrupt file, unless another process has done so."""
        lock = self.path.with_name(f"{self.path.name}.lock")
        with filelock.FileLock(lock, mode=OWNER_ONLY, timeout=RENAME_LOCK_TIMEOUT_S):
            if _identity(self.path) != self._tried:
                return
            aside = _unused_name(self.path)
            journal = self.path.with_name(f"{self.path.name}-journal")
            # First: a journal that stayed would be played back into the new file.
            with suppress(FileNotFoundError):
                journal.replace(aside.with_name(f"{aside.name}-journal"))
            self.path.replace(aside)
        logger.warning("%s is broken (%s): it is renamed to %s, a new one is begun", self.path, cause, aside)


_openings = count(1)
_files: WeakValueDictionary[tuple[str, bool], StateFile] = WeakValueDictionary()
_files_lock = Lock()
_living: WeakSet[StateFile] = WeakSet()
_held: list[StateFile] = []
# Connections of the parent process, kept from the garbage collector: SQLite forbids a child process to use
# or to close a connection that it inherited by a fork.
_inherited: list[sqlite3.Connection] = []


def _before_fork() -> None:
    """Let no thread be at a file or within SQLite, whose locks the child would never see released."""
    _files_lock.acquire()
    _held.extend(file for file in sorted(_living, key=id) if file.hold())


def _after_fork() -> None:
    """Go on in the parent process."""
    while _held:
        _held.pop().let_go()
    _files_lock.release()


def _after_fork_in_child() -> None:
    """Begin anew in the child process."""
    _held.clear()
    _files.clear()
    for file in list(_living):
        file.begin_anew()
    _files_lock.release()


if sys.platform != "win32":
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)


def state_file(path: str | os.PathLike[str], *, durable: bool = True) -> StateFile:
    """Return the state file of a path, the same one for all who name it in this process.

    Two connections of one process would wait for each other's transactions, and would not share the
    pending writes.

    Raises:
        InputError: as for `StateFile`.
    """
    made = StateFile(path, durable=durable)
    with _files_lock:
        return _files.setdefault((str(made.path), durable), made)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode of a file; `None` if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _free_bytes(connection: sqlite3.Connection) -> int:
    """Return the bytes of the pages of a file that hold nothing."""
    pages, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_size")
    )
    return int(pages * size)


def _create(path: Path) -> None:
    """Create the file, its owner's only, or take an existing one from group and others."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, OWNER_ONLY))
    except FileExistsError:
        # By name: closing a descriptor of the file would end SQLite's locks on it in this process.
        if os.name == "posix" and path.stat().st_mode & 0o077:
            logger.warning("%s could be read by other users of the machine: it is its owner's only now", path)
            path.chmod(OWNER_ONLY)


def _unused_name(path: Path) -> Path:
    """Return the first name of a corrupt file that is not taken."""
    number = 1
    while (aside := path.with_name(f"{path.name}.broken-{number}")).exists():
        number += 1
    return aside
