"""A state file as it is found: whose it is, the meaning of its errors, and inspection without a change.

A file that is not ours is told by its first bytes before anything is done to it: neither its content nor its
permissions, journal or name change.
"""

from __future__ import annotations

import errno
import os
import re
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from enum import Enum
from pathlib import Path

from attrs import frozen

from enlighten_async.errors import InputError
from enlighten_async.state.migrations import APPLICATION_ID, DatabaseCorrupt, schema_version

INSPECT_LOCK_TIMEOUT_S = 10.0
"""Seconds to wait for the file while other programs lock it."""

CACHE_SCHEMA_VERSION = 2
"""The schema version that brought the tables of the cache."""

MAX_LINKS = 40
"""Symbolic links on the way to a file, at most, as Linux has it."""

_MAGIC = b"SQLite format 3\0"
_MARK = APPLICATION_ID.to_bytes(4, "big")
_MARK_AT = 68
_HEADER_BYTES = 100

# A journal holds the pages as they were before the last transaction, the first page always among them.
_OUR_FIRST_PAGE = re.compile(
    re.escape(_MAGIC) + b".{%d}" % (_MARK_AT - len(_MAGIC)) + re.escape(_MARK), re.DOTALL
)

_TOKENS = re.compile(rb'\s*\{\s*"accounts"')

_SCHEMA_FAULTS = (
    "no such table",
    "already exists",
    "no such column",
    "has no column",
    "values were supplied",
    "unsupported file format",
)
"""Parts of SQLite's texts for a table that is not as the migrations made it."""

DATABASE_SUFFIXES = frozenset({".db", ".sqlite", ".sqlite3"})
"""Ends of the names of files that are to become databases."""

_WORK_ERRORS = (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError)


class DatabaseBusy(Exception):
    """Another process is writing the file at this moment: try again soon."""


class DatabaseUnavailable(Exception):
    """The file cannot be used for now; the text says why."""


class DiskFault(DatabaseUnavailable):
    """The disk did not take a write, or did not give what was read: it may be full."""


class DatabaseFull(DatabaseUnavailable):
    """There is no room for answers.

    Args:
        reason: why.
        logged: whether the log has told so.
    """

    def __init__(self, reason: str, *, logged: bool = False) -> None:
        super().__init__(reason)
        self.logged = logged


class DatabaseLocked(DatabaseUnavailable):
    """Others have used the file for longer than anybody waits."""


def is_corrupt(error: Exception) -> bool:
    """Tell whether an error means that the file is not a valid database any more, or misses a table."""
    code = _sqlite_code(error)
    if code == sqlite3.SQLITE_ERROR:
        return any(fault in str(error) for fault in _SCHEMA_FAULTS)
    return isinstance(error, DatabaseCorrupt) or code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_file_error(error: Exception) -> bool:
    """Tell whether an error was caused by the file, not by the work that was done in it."""
    return isinstance(error, sqlite3.Error | OSError | DatabaseCorrupt) and not isinstance(
        error, _WORK_ERRORS
    )


def classify(error: Exception) -> DatabaseBusy | DatabaseUnavailable:
    """Return the meaning of an error of SQLite or of the operating system."""
    if _sqlite_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DatabaseBusy(str(error))
    if _sqlite_code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return DiskFault(str(error))
    if isinstance(error, OSError) and error.strerror:
        return DatabaseUnavailable(error.strerror)
    return DatabaseUnavailable(str(error) or type(error).__name__)


def _sqlite_code(error: Exception) -> int:
    # The lower byte of an extended result code is the primary one; errors of the Python module have none.
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


class Content(Enum):
    """The kind of a file, by its first bytes."""

    NONE = "empty, or not there"
    OURS = "a state file"
    DATABASE = "a database of another program"
    TOKENS = "a file of tokens"
    OTHER = "not a state file"


_REFUSALS = {
    Content.DATABASE: "is a database of another program: name another file for the state",
    Content.TOKENS: "is a file of tokens: name another file for the state, such as enlighten.db",
    Content.OTHER: "is not a state file, and is left as it is: name another file for the state, or, if it "
    "was one and is damaged, move it away",
}


def content_of(header: bytes) -> Content:
    """Return the kind of a file that begins with these bytes (`_HEADER_BYTES` of them, if it has as many)."""
    if not header:
        return Content.NONE
    if header.startswith(_MAGIC) and len(header) >= _MARK_AT + len(_MARK):
        ours = header[_MARK_AT : _MARK_AT + len(_MARK)] == _MARK
        return Content.OURS if ours else Content.DATABASE
    return Content.TOKENS if _TOKENS.match(header) else Content.OTHER


def is_database(path: Path) -> bool:
    """Tell whether a file is a database or, where it is empty or not there, is named like one.

    Nothing of it is changed.

    Args:
        path: the file, without symbolic links.
    """
    try:
        header = _header(path) if path.is_file() else b""
    except (OSError, sqlite3.Error):  # it is told by who uses it
        header = b""
    content = content_of(header)
    if content is Content.NONE:
        return path.suffix.lower() in DATABASE_SUFFIXES
    return content in {Content.OURS, Content.DATABASE}


def state_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of a state file, without symbolic links.

    Raises:
        InputError: there cannot be such a file, or every user may put a link where one is on the way.
    """
    try:
        given = Path.cwd() / Path(path).expanduser()
        found = Path(os.path.realpath(given))
        with suppress(FileNotFoundError, NotADirectoryError):
            found.lstat()  # since Python 3.14 `is_dir` says no where a name is too long
        fault = _fault_of_path(given, found)
    except (TypeError, ValueError, RuntimeError, OSError) as error:
        why = getattr(error, "strerror", None) or error
        fault = f"{path!r} cannot be the path of a file ({why}): name another one"
    if fault is not None:
        raise InputError(fault)
    return found


def own_file(path: str | os.PathLike[str]) -> Path:
    """Return the path of a regular file of this user, or of none yet, without symbolic links.

    Args:
        path: the path.

    Raises:
        InputError: it is a device or the like, or another user's; there is no such folder; or every user may
            put a link where one is on the way.
    """
    found = state_path(path)
    _size_of_own(found)
    return found


def require_ours(path: Path, *, known: bool = False) -> None:
    """Let a file pass that is ours, empty, or not there. Nothing of it is changed.

    Args:
        path: the file, without symbolic links.
        known: whether there was a state file of this name while this process runs.

    Raises:
        InputError: it is not a regular file, another user's, or not a state file.
        DatabaseCorrupt: it is no database any more, but was a state file.
    """
    beside = [path.with_name(path.name + suffix) for suffix in ("-journal", ".lock")]
    size, *_ = [_size_of_own(each) for each in (path, *beside)]
    content = content_of(_header(path)) if size else Content.NONE
    if content is Content.OTHER and (known or _was_ours(path)):
        raise DatabaseCorrupt("file is not a database")
    if content in _REFUSALS:
        raise InputError(f"{path} {_REFUSALS[content]}")


def _fault_of_path(given: Path, found: Path) -> str | None:
    """Return the reason why a path, as given and without links, cannot be that of a state file."""
    if (link := _shared_link(given)) is not None:
        return f"{link} is a symbolic link where every user may put one: name the file that it leads to"
    if not found.parent.is_dir():
        return f"{found} is in a folder that does not exist: make it, or name another file"
    return f"{found} is a folder: name a file in it" if found.is_dir() else None


def _shared_link(path: Path) -> Path | None:
    """Return a symbolic link on the way to a file that is in a folder where every user may put one."""
    for _ in range(MAX_LINKS if os.name == "posix" else 0):
        link = next((part for part in (*reversed(path.parents), path) if part.is_symlink()), None)
        if link is None or link.parent.stat().st_mode & (stat.S_IWOTH | stat.S_ISVTX):
            return link
        path = link.parent / link.readlink() / path.relative_to(link)
    return None


def _size_of_own(path: Path) -> int:
    """Return the size of a regular file of this user; 0 if there is none."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return 0
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path} is not a regular file: name another file")
    if os.name == "posix" and found.st_uid != os.geteuid():
        raise InputError(
            f"{path} belongs to another user of this machine (uid {found.st_uid}): name a file of your own"
        )
    return found.st_size


def _header(path: Path) -> bytes:
    """Return the first bytes of a file.

    Those of a database are read by SQLite: if we closed a descriptor of the file, the system would end the
    locks that a connection of this process has on it. "Immutable" means without locks, journal and WAL.
    """
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as file:
        try:
            mark: int = file.execute("PRAGMA application_id").fetchone()[0]
        except sqlite3.DatabaseError as error:
            if not is_corrupt(error):
                raise
        else:
            if path.stat().st_size >= _HEADER_BYTES:  # SQLite takes what is missing for zeros
                return _MAGIC.ljust(_MARK_AT, b"\0") + (mark & 0xFFFF_FFFF).to_bytes(4, "big")
    with path.open("rb") as raw:
        return raw.read(_HEADER_BYTES)


def _was_ours(path: Path) -> bool:
    """Tell whether the journal beside a file is a state file's: SQLite keeps it between transactions."""
    try:
        return _OUR_FIRST_PAGE.search(path.with_name(f"{path.name}-journal").read_bytes()) is not None
    except FileNotFoundError:
        return False


class CorruptFileError(OSError):
    """The file is not a valid database any more, or not a whole one."""


@frozen
class ExistingFile:
    """An existing state file that was opened as found.

    Attributes:
        path: the file.
        connection: to the file, in no transaction.
        schema_version: the number of migrations it has had; 0 for an empty file.
    """

    path: Path
    connection: sqlite3.Connection
    schema_version: int

    @property
    def has_cache(self) -> bool:
        """Whether it has the tables of the cache."""
        return self.schema_version >= CACHE_SCHEMA_VERSION


@contextmanager
def open_existing(
    path: str | os.PathLike[str], *, lock_timeout_s: float = INSPECT_LOCK_TIMEOUT_S
) -> Iterator[ExistingFile]:
    """Open a file that exists, while other programs may use it. Blocks; for use in one thread.

    Args:
        path: the file.
        lock_timeout_s: seconds to wait for others that lock the file, each time.

    Raises:
        InputError: there is no such file, or it is a newer version's or another program's.
        CorruptFileError: it is not a valid database; it is left as it is.
        OSError: it cannot be used, or others locked it all that time.
    """
    found = state_path(path)
    if not found.exists():
        raise InputError(f"{found} does not exist: name the file that a client was given as its state")
    try:
        require_ours(found)
        # Writable, if only to roll back the transaction of a program that was killed.
        opened = sqlite3.connect(
            f"{found.as_uri()}?mode=rw",
            uri=True,
            timeout=lock_timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )
        with closing(opened) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("BEGIN")  # as of one moment: another process may be creating it
            version = schema_version(connection, str(found))
            connection.execute("ROLLBACK")
            yield ExistingFile(found, connection, version)
    except (sqlite3.Error, DatabaseCorrupt) as error:
        if not is_file_error(error):
            raise
        failure = _as_os_error(error, found)
    else:
        return
    raise failure


def describe(error: Exception) -> str:
    """Return in a few words the meaning of an error of the file."""
    meaning = classify(error)
    busy = isinstance(meaning, DatabaseBusy)
    return "other programs use the file: try again later" if busy else str(meaning)


def _as_os_error(error: Exception, path: Path) -> OSError:
    kind = CorruptFileError if is_corrupt(error) else OSError
    return kind(errno.EIO, f"the file cannot be used ({describe(error)})", str(path))
