"""What may go wrong with the state file, told apart by what is done about it. None of it reaches a caller."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from threading import Lock
from typing import TypeAlias, TypeVar
from weakref import WeakValueDictionary

from filelock import FileLock, Timeout

from enlighten_async.errors import InputError
from enlighten_async.state.migrations import migrate

_OF_THE_WORK = (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError)


class Busy(Exception):
    """Another process holds the file at this moment: ask again soon."""


class DatabaseUnavailable(Exception):
    """The file cannot be used for now; the text says why."""


class DatabaseCorrupt(Exception):
    """What is in the file cannot be: it is set aside."""


def is_damage(error: Exception) -> bool:
    """Tell whether an error means that the file is no database any more."""
    return isinstance(error, DatabaseCorrupt) or _code(error) in (
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    )


def is_of_the_file(error: Exception) -> bool:
    """Tell whether an error is the file's, not that of what was to be done in it."""
    return isinstance(error, sqlite3.Error | OSError | DatabaseCorrupt) and not isinstance(
        error, _OF_THE_WORK
    )


def read(error: Exception) -> Busy | DatabaseUnavailable:
    """Return what an error of SQLite or of the system means."""
    if _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Busy(str(error))
    if isinstance(error, OSError) and error.strerror:
        return DatabaseUnavailable(error.strerror)
    return DatabaseUnavailable(str(error) or type(error).__name__)


def _code(error: Exception) -> int:
    # The lower byte tells the kind; Python's own complaints carry no code.
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


T = TypeVar("T")

Work: TypeAlias = Callable[[sqlite3.Connection], T]
Due: TypeAlias = dict[int, Work[object]]

MOST = 256
"""Notes that are kept while nothing can be written; the oldest are given up."""

logger = logging.getLogger("enlighten_async")


class PendingWrites:
    """Work that was noted and is not written yet, in order. For any number of threads.

    Its lock is held for microseconds, so that event loops may take it.

    Attributes:
        fault: of the file, why it could not be written when that was tried last.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: Due = {}
        self._numbers = count()
        self._stuck = self._given_up = False
        self.fault: DatabaseUnavailable | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, work: Work[object]) -> None:
        """Note some work; where nothing can be written the oldest may be given up for it."""
        with self._lock:
            self._waiting[next(self._numbers)] = work
            crowded = self._stuck and len(self._waiting) > MOST
            while self._stuck and len(self._waiting) > MOST:
                del self._waiting[next(iter(self._waiting))]
            news = crowded and not self._given_up
            self._given_up = self._given_up or crowded
        if news:
            logger.warning("nothing can be written for now: of %d answers the oldest are given up", MOST)

    def due(self) -> Due:
        """Return what is to be written, by number."""
        with self._lock:
            return dict(self._waiting)

    def written(self, due: Due) -> None:
        """Learn that this was committed."""
        self._forget(*due)
        self.fault, self._stuck, self._given_up = None, False, False

    def failed(self, due: Due, failure: BaseException) -> None:
        """Learn that this was not committed."""
        self._stuck = True
        if due and isinstance(failure, DatabaseUnavailable):
            self.fault = failure

    def carry_out(self, due: Due, connection: sqlite3.Connection) -> None:
        """Do what is due; what fails by its own fault is undone, and never tried again."""
        for number, work in due.items():
            connection.execute("SAVEPOINT note")
            try:
                work(connection)
            except Exception as error:
                if is_of_the_file(error):
                    raise
                connection.execute("ROLLBACK TO note")
                self._forget(number)
                logger.warning("something could not be written, and is given up", exc_info=error)
            connection.execute("RELEASE note")

    def _forget(self, *numbers: int) -> None:
        with self._lock:
            for number in numbers:
                self._waiting.pop(number, None)


class OutageLog:
    """Whether one use of the state file fails for now; true if so.

    Args:
        file: the state file.
        meanwhile: what that means for this use.
        after: what becomes of it when the file can be used again.
    """

    def __init__(self, file: StateFile, *, meanwhile: str, after: str) -> None:
        self._file = file
        self._meanwhile = meanwhile
        self._after = after
        self._on = False

    def __bool__(self) -> bool:
        return self._on

    def begin(self, why: Exception) -> None:
        """Learn that the file cannot be used."""
        if not self._on:
            self._on = True
            logger.warning("%s cannot be used (%s): %s", self._file.path, why, self._meanwhile)

    def end(self) -> None:
        """Learn that the file can be used."""
        if self._on:
            self._on = False
            logger.warning("%s can be used again: %s", self._file.path, self._after)


READ, WRITE = "BEGIN", "BEGIN IMMEDIATE"
OWNER_ONLY = 0o600
ASIDE = 10.0
"""Seconds to wait for another process that sets the broken file aside."""


_inherited: list[sqlite3.Connection] = []  # of the parent process: neither used nor closed in this one


class StateFile:
    """One SQLite file, and this process's only connection to it. For any number of threads.

    It is made, readable by its owner only, when it is first needed. Deleted or replaced while in use, it
    is opened anew; broken, it is set aside under another name and a new one is begun.

    Args:
        path: the file; its folder has to exist.
        durable: whether what was committed survives a power cut. Without that it is faster, for tests.

    What is to be kept may be noted at any time, also where nothing can be awaited: it is written in the
    next transaction, whoever makes it.

    Attributes:
        path: the file.
        identity: what tells the file opened last from others of the same name.

    Raises:
        InputError: the folder does not exist, or the path is one.
    """

    def __init__(self, path: str | os.PathLike[str], *, durable: bool = True) -> None:
        self.path = Path(os.path.realpath(Path(path).expanduser()))
        if not self.path.parent.is_dir():
            raise InputError(f"{self.path} is in a folder that does not exist: make it, or name another file")
        if self.path.is_dir():
            raise InputError(f"{self.path} is a folder: name a file in it for the state")
        self._synchronous = "FULL" if durable else "OFF"
        self._connection: sqlite3.Connection | None = None
        self._process = 0
        self.identity: tuple[int, int] | None = None
        self._lock = Lock()
        self._notes = PendingWrites()

    def __repr__(self) -> str:
        return f"StateFile({str(self.path)!r})"

    def __del__(self) -> None:
        if hasattr(self, "_connection"):
            self._close()

    @property
    def noted(self) -> int:
        """How much is noted that is not written."""
        return len(self._notes)

    @property
    def unwritten(self) -> DatabaseUnavailable | None:
        """Why what is noted could not be written when that was tried last; `None` if it could."""
        return self._notes.fault

    def note(self, work: Work[object]) -> None:
        """Have some work done before that of the next transaction, as part of it. Never blocks.

        While transactions fail, what was noted first is given up where it is too much.

        Args:
            work: is given the connection; it may be called several times, until it is committed once. If
                it raises what is not the file's fault, it is undone and given up, with a warning.
        """
        self._notes.add(work)

    def transact(self, work: Work[T]) -> T:
        """Do some work as one transaction: all of it is written, or nothing. Blocks; never waits for others.

        What was noted is part of it. If the file takes the work but not the notes, as on a full disk, the
        work is done without them; from then on they are left alone until somebody looks.

        Args:
            work: is given the connection; it may be called again, if a new file has to be begun.

        Raises:
            Busy: another process holds the file.
            Fault: the file cannot be used.
            InputError: it is a newer version's or another program's; it is left as it is.
        """
        with self._lock:
            return self._noted(work, WRITE, tried=self._notes.fault is None)

    def look(self, work: Work[T]) -> T:
        """Do some work that only reads, after what was noted; as `transact`, but the notes are tried anew.

        Where nothing is noted, or cannot be written, the file is not held: others may write meanwhile.
        """
        with self._lock:
            return self._noted(work, READ, tried=True)

    def release(self) -> None:
        """Close the connection; it is opened again when it is needed."""
        with self._lock:
            self._close()

    def _noted(self, work: Work[T], begin: str, *, tried: bool) -> T:
        """Do some work after what was noted, or without that if it cannot be written."""
        due = self._notes.due() if tried else {}
        try:
            result = self._done(partial(self._after, due, work), WRITE if due else begin)
        except BaseException as failure:
            self._notes.failed(due, failure)
            if not (due and isinstance(failure, DatabaseUnavailable)):
                raise
            return self._done(work, begin)
        if tried:
            self._notes.written(due)
        return result

    def _after(self, due: Due, work: Work[T], connection: sqlite3.Connection) -> T:
        self._notes.carry_out(due, connection)
        return work(connection)

    def _done(self, work: Work[T], begin: str) -> T:
        """Do some work, in a new file if this one is broken."""
        try:
            return self._attempt(work, begin)
        except (sqlite3.Error, OSError, DatabaseCorrupt) as error:
            failure = error
        if is_damage(failure):
            return self._afresh(work, failure)
        self._forget_unless_busy(failure)
        raise read(failure)

    def _attempt(self, work: Work[T], begin: str) -> T:
        connection = self._opened()
        connection.execute(begin)
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            # Where the disk is full SQLite has rolled back already.
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        return result

    def _afresh(self, work: Work[T], cause: Exception) -> T:
        """Set the broken file aside, and do the work in a new one."""
        self._close()
        try:
            self._set_aside(cause)
            return self._attempt(work, WRITE)
        except (sqlite3.Error, OSError, Timeout, DatabaseCorrupt) as error:
            failure = error
        self._forget_unless_busy(failure)
        raise read(failure)

    def _forget_unless_busy(self, failure: Exception) -> None:
        if not isinstance(read(failure), Busy):
            self._close()

    def _opened(self) -> sqlite3.Connection:
        """Return the connection to the file that bears the name now."""
        if self._connection is not None and self._process != os.getpid():
            _inherited.append(self._connection)
            self._connection = None
        if self._connection is not None and self.identity != _identity(self.path):
            logger.warning("%s was deleted or replaced while in use: going on with what is there", self.path)
            self._close()
        if self._connection is None:
            self._open()
        assert self._connection is not None  # noqa: S101 - just opened
        return self._connection

    def _open(self) -> None:
        _make(self.path)
        identity = _identity(self.path)
        connection = sqlite3.connect(self.path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            mode = connection.execute("PRAGMA journal_mode = PERSIST").fetchone()[0]
            if mode != "persist":  # a reader of a file that is in another mode keeps it there
                raise DatabaseUnavailable(f"its journal mode is {mode}, and cannot be changed for now")  # noqa: TRY301
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            connection.execute("PRAGMA trusted_schema = OFF")
            migrate(connection, str(self.path))
        except BaseException:
            connection.close()
            raise
        self._connection, self.identity, self._process = connection, identity, os.getpid()

    def _close(self) -> None:
        if self._connection is not None and self._process == os.getpid():
            self._connection.close()
        self._connection = None

    def _set_aside(self, cause: Exception) -> None:
        """Rename the broken file, unless another process has done so."""
        broken = self.identity or _identity(self.path)
        with FileLock(self.path.with_name(f"{self.path.name}.lock"), mode=OWNER_ONLY, timeout=ASIDE):
            if _identity(self.path) != broken:
                return
            aside = _free(self.path)
            journal = self.path.with_name(f"{self.path.name}-journal")
            # First: a journal that stayed would be played back into the new file.
            with suppress(FileNotFoundError):
                journal.replace(aside.with_name(f"{aside.name}-journal"))
            self.path.replace(aside)
        logger.warning("%s is broken (%s): it is %s now, and a new one is begun", self.path, cause, aside)


_files: WeakValueDictionary[tuple[str, bool], StateFile] = WeakValueDictionary()
_files_lock = Lock()


def state_file(path: str | os.PathLike[str], *, durable: bool = True) -> StateFile:
    """Return the state file of this path, the same one for all who name it in this process.

    Raises:
        InputError: the folder does not exist, or the path is one.
    """
    made = StateFile(path, durable=durable)
    with _files_lock:
        return _files.setdefault((str(made.path), durable), made)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells one file from another of the same name; `None` if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _make(path: Path) -> None:
    """Make the file, its owner's only, or take it from group and others."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, OWNER_ONLY))
    except FileExistsError:
        # By name: closing a descriptor of the file would end SQLite's locks on it in this process.
        if os.name == "posix" and path.stat().st_mode & 0o077:
            logger.warning("%s could be read by other users of the machine: it is its owner's only now", path)
            path.chmod(OWNER_ONLY)


def _free(path: Path) -> Path:
    """Return the first name of a broken file that is not taken."""
    number = 1
    while (aside := path.with_name(f"{path.name}.broken-{number}")).exists():
        number += 1
    return aside
