"""Inspection of a state file: it is opened as it is found, next to the programs that use it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from enlighten_async.errors import InputError
from enlighten_async.state import CorruptFileError, StateFile, describe, open_existing
from enlighten_async.state.migrations import APPLICATION_ID, MIGRATIONS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of the file, with a name that a URL has to quote."""
    return tmp_path / "sta te?#%.db"


def make(path: Path, *statements: str) -> bytes:
    """Make a database by these statements; return its bytes."""
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        for statement in statements:
            file.execute(statement)
    return path.read_bytes()


def use(connection: sqlite3.Connection) -> None:
    """Count a request, as a program does."""
    connection.execute("INSERT OR REPLACE INTO quota VALUES (x'01', '{}')")


def test_the_newest_file(path: Path) -> None:
    """It may be read while a program has it open, which goes on afterwards."""
    file = StateFile(path, durable=False)
    file.transact(use)
    with open_existing(str(path)) as found:
        assert (found.path, found.schema_version, found.has_cache) == (path, len(MIGRATIONS), True)
        assert found.connection.execute("SELECT count(*) FROM quota").fetchone() == (1,)
        assert not found.connection.in_transaction
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        found.connection.execute("SELECT 1")
    file.transact(use)
    file.release()


@pytest.mark.parametrize(
    ("statements", "version", "has_cache"),
    [
        ((), 0, False),
        ((*MIGRATIONS[0], f"PRAGMA application_id = {APPLICATION_ID}", "PRAGMA user_version = 1"), 1, False),
    ],
)
def test_an_older_file_is_not_migrated(
    path: Path, statements: tuple[str, ...], version: int, has_cache: bool
) -> None:
    """Whoever inspects a file changes nothing."""
    before = make(path, *statements)
    with open_existing(path) as found:
        assert (found.schema_version, found.has_cache) == (version, has_cache)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("statements", "text"),
    [
        (
            (f"PRAGMA application_id = {APPLICATION_ID}", f"PRAGMA user_version = {len(MIGRATIONS) + 1}"),
            "newer version of enlighten_async",
        ),
        (("CREATE TABLE letters (text)",), "another program"),
    ],
)
def test_a_file_that_is_not_ours(path: Path, statements: tuple[str, ...], text: str) -> None:
    """It is left as it is."""
    before = make(path, *statements)
    with pytest.raises(InputError, match=text), open_existing(path):
        pass
    assert path.read_bytes() == before


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """It is not created."""
    for path, text in ((tmp_path / "no" / "a.db", "does not exist"), (tmp_path, "is a folder")):
        with pytest.raises(InputError, match=text), open_existing(path):
            pass
    assert list(tmp_path.iterdir()) == []


def test_a_corrupt_file(path: Path) -> None:
    """It is left where it is; the error names it."""
    path.write_bytes(b"nonsense" * 1000)
    with pytest.raises(CorruptFileError, match="not a database") as error, open_existing(path):
        pass
    assert error.value.filename == str(path)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_locked_file(path: Path) -> None:
    """It is waited for, and not for ever."""
    StateFile(path, durable=False).transact(use)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with (
            pytest.raises(OSError, match="other programs use the file: try again later") as error,
            open_existing(path, lock_timeout_s=0),
        ):
            pass
    assert not isinstance(error.value, CorruptFileError)


def test_a_fault_of_the_caller_is_not_the_files(path: Path) -> None:
    """A wrong statement is a mistake in the program: it is raised as it is."""
    StateFile(path, durable=False).transact(use)
    with pytest.raises(sqlite3.ProgrammingError), open_existing(path) as found:
        found.connection.execute("SELECT ?", (1, 2))


def test_errors_are_described() -> None:
    """In SQLite's words, unless the file is locked."""
    assert describe(sqlite3.OperationalError("disk I/O error")) == "disk I/O error"
    assert describe(sqlite3.OperationalError()) == "OperationalError"
