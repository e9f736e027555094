"""What may go wrong with the state file, told apart by what is done about it. None of it reaches a caller."""

from __future__ import annotations

import sqlite3

_OF_THE_WORK = (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError)


class Busy(Exception):
    """Another process holds the file at this moment: ask again soon."""


class Fault(Exception):
    """The file cannot be used for now; the text says why."""


class Damaged(Exception):
    """What is in the file cannot be: it is set aside."""


def is_damage(error: Exception) -> bool:
    """Tell whether an error means that the file is no database any more."""
    return isinstance(error, Damaged) or _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_of_the_file(error: Exception) -> bool:
    """Tell whether an error is the file's, not that of what was to be done in it."""
    return isinstance(error, sqlite3.Error | OSError | Damaged) and not isinstance(error, _OF_THE_WORK)


def read(error: Exception) -> Busy | Fault:
    """Return what an error of SQLite or of the system means."""
    if _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Busy(str(error))
    if isinstance(error, OSError) and error.strerror:
        return Fault(error.strerror)
    return Fault(str(error) or type(error).__name__)


def _code(error: Exception) -> int:
    # The lower byte tells the kind; Python's own complaints carry no code.
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
