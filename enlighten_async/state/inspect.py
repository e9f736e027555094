"""Inspection of an existing state file: it is not created, not migrated, and not renamed if it is corrupt."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from attrs import frozen

from enlighten_async.errors import InputError
from enlighten_async.state.file import DatabaseBusy, classify, is_corrupt, is_file_error
from enlighten_async.state.migrations import schema_version

INSPECT_LOCK_TIMEOUT_S = 10.0
"""Seconds to wait for the file while other programs lock it."""

CACHE_SCHEMA_VERSION = 2
"""The schema version that brought the tables of the cache."""


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
    found = Path(os.path.realpath(Path(path).expanduser()))
    if not found.is_file():
        what = "is a folder: name a file in it" if found.is_dir() else "does not exist: name the file"
        raise InputError(f"{found} {what} that a client was given as its state")
    try:
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
    except sqlite3.Error as error:
        if not is_file_error(error):
            raise
        failure = _as_os_error(error, found)
    else:
        return
    raise failure


def describe(error: sqlite3.Error) -> str:
    """Return in a few words the meaning of an error of SQLite."""
    meaning = classify(error)
    busy = isinstance(meaning, DatabaseBusy)
    return "other programs use the file: try again later" if busy else str(meaning)


def _as_os_error(error: sqlite3.Error, path: Path) -> OSError:
    kind = CorruptFileError if is_corrupt(error) else OSError
    return kind(errno.EIO, f"the file cannot be used ({describe(error)})", str(path))
