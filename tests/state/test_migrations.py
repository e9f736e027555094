"""Migrations: older files are brought up to date, newer and foreign ones are left as they are."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from enlighten_async.errors import InputError
from enlighten_async.state import DatabaseBusy, StateFile
from enlighten_async.state.migrations import (
    APPLICATION_ID,
    MIGRATIONS,
    is_final_reply,
    migrate,
    oldest_answer,
    salt,
    told_until,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the file will be."""
    return tmp_path / "state.db"


@pytest.fixture
def file(path: Path) -> StateFile:
    """Return the file as this process has it; it is closed when it is dropped."""
    return StateFile(path, durable=False)


def put(connection: sqlite3.Connection) -> None:
    """Write something."""
    connection.execute("INSERT OR REPLACE INTO quota VALUES (x'01', 'one')")


def count(connection: sqlite3.Connection) -> int:
    """Return how much is written."""
    return int(connection.execute("SELECT count(*) FROM quota").fetchone()[0])


@pytest.mark.parametrize("form", range(1, len(MIGRATIONS)))
def test_an_older_file_is_brought_up_to_date(path: Path, file: StateFile, form: int) -> None:
    """What is in it stays."""
    empty = StateFile(path.with_name("new.db"), durable=False)
    older = sqlite3.connect(path, isolation_level=None)
    older.create_function("oldest_answer", 2, oldest_answer)
    older.create_function("told_until", 3, told_until)
    older.create_function("is_final_reply", 3, is_final_reply)
    for statement in sum(MIGRATIONS[:form], ()):
        older.execute(statement)
    put(older)
    older.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    older.execute(f"PRAGMA user_version = {form}")
    older.close()
    assert file.transact(count) == 1
    tables = "SELECT sql FROM sqlite_schema ORDER BY name"
    assert file.transact(lambda connection: connection.execute(tables).fetchall()) == empty.transact(
        lambda connection: connection.execute(tables).fetchall()
    )


def test_a_newer_file_is_left_alone(path: Path, file: StateFile) -> None:
    """It is refused, and not a byte of it changes."""
    file.transact(lambda connection: connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}"))
    file.release()
    before = path.read_bytes()
    with pytest.raises(InputError, match="newer version of enlighten_async"):
        file.transact(put)
    assert path.read_bytes() == before


class Interrupted(sqlite3.Connection):
    """A connection of a process that is slow to look at a file which another one makes meanwhile."""

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        """Execute a statement; the other process tries its best behind the first question."""
        found = super().execute(sql, *arguments)
        if sql == "PRAGMA application_id":
            row = found.fetchone()
            with suppress(DatabaseBusy):
                StateFile(self.path, durable=False).transact(put)
            return super().execute("SELECT ?", row)
        return found

    path: Path


def test_two_make_the_file_at_once(path: Path) -> None:
    """Who sees it half made does not take it for another program's."""
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, factory=Interrupted)
    connection.path = path
    migrate(connection, "the file")
    connection.close()
    StateFile(path, durable=False).transact(put)


def test_another_programs_database_is_left_alone(path: Path, file: StateFile) -> None:
    """Whoever names the wrong file does not lose it."""
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE songs (name)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match="another program"):
        file.transact(put)
    assert path.read_bytes() == before


def test_every_file_has_its_own_salt(tmp_path: Path) -> None:
    """The name of a key in one file tells nothing about another's."""
    one, other = [StateFile(tmp_path / name, durable=False).transact(salt) for name in "ab"]
    assert one != other
