"""A state file opened as found: not created, not migrated, and not set aside if it is broken."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from attrs import frozen

from enlighten_async.errors import InputError
from enlighten_async.state.file import Busy, is_damage, is_of_the_file, read
from enlighten_async.state.migrations import form

PATIENCE = 10.0
"""Seconds to wait for the file while others hold it."""

BOUGHT = 2
"""The form from which on a file has tables for what was bought."""


class Broken(OSError):
    """The file is no database any more, or not a whole one."""


@frozen
class Visit:
    """A file that is looked at.

    Attributes:
        path: the file.
        connection: to the file, in no transaction.
        form: the number of its form; 0 for an empty file.
    """

    path: Path
    connection: sqlite3.Connection
    form: int

    @property
    def keeps(self) -> bool:
        """Whether it has tables for what was bought."""
        return self.form >= BOUGHT


@contextmanager
def visited(path: str | os.PathLike[str], *, patience: float = PATIENCE) -> Iterator[Visit]:
    """Open a file that is there, next to the programs that use it. Blocks; for use in one thread.

    Args:
        path: the file.
        patience: seconds to wait for others that hold it, each time.

    Raises:
        InputError: there is no such file, or it is a newer version's or another program's.
        Broken: it is no whole database; it is left as it is.
        OSError: it cannot be used, or others held it all that time.
    """
    found = Path(os.path.realpath(Path(path).expanduser()))
    if not found.is_file():
        what = "is a folder: name a file in it" if found.is_dir() else "does not exist: name the file"
        raise InputError(f"{found} {what} that a client was given as its state")
    try:
        # Writable, if only to undo what a program that was killed has left half done.
        opened = sqlite3.connect(
            f"{found.as_uri()}?mode=rw",
            uri=True,
            timeout=patience,
            isolation_level=None,
            check_same_thread=False,
        )
        with closing(opened) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("BEGIN")  # as of one moment: another process may be about to make it
            number = form(connection, str(found))
            connection.execute("ROLLBACK")
            yield Visit(found, connection, number)
    except sqlite3.Error as error:
        if not is_of_the_file(error):
            raise
        failure = _told(error, found)
    else:
        return
    raise failure


def meaning(error: sqlite3.Error) -> str:
    """Return in a few words what an error of SQLite means for who visits a file."""
    meant = read(error)
    return "others hold the file: try again later" if isinstance(meant, Busy) else f"{meant}"


def _told(error: sqlite3.Error, path: Path) -> OSError:
    """Return an error of SQLite as one that says what it means for the caller."""
    kind = Broken if is_damage(error) else OSError
    return kind(errno.EIO, f"the file cannot be used ({meaning(error)})", str(path))
