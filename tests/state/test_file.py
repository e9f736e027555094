"""The state file: who may read it, who holds it, and what becomes of it when it is broken."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from enlighten_async.errors import InputError
from enlighten_async.state import Busy, DatabaseCorrupt, DatabaseUnavailable, StateFile, salt, state_file
from enlighten_async.state.migrations import APPLICATION, MIGRATIONS, migrate

POSIX = pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")


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


def mode(path: Path) -> int:
    """Return who may do what with a file."""
    return path.stat().st_mode & 0o777


@POSIX
def test_only_its_owner_may_read_it(path: Path, file: StateFile) -> None:
    """The file and its journal, from their first byte on, whatever the umask allows."""
    before = os.umask(0)
    try:
        file.transact(put)
    finally:
        os.umask(before)
    assert {entry.name: mode(entry) for entry in path.parent.iterdir()} == {
        "state.db": 0o600,
        "state.db-journal": 0o600,
    }


@POSIX
def test_others_are_shut_out(path: Path, file: StateFile, caplog: pytest.LogCaptureFixture) -> None:
    """A file that was made by somebody else becomes its owner's only."""
    path.touch(0o644)
    file.transact(put)
    assert mode(path) == 0o600
    assert "other users" in caplog.text


def test_it_is_no_wal_and_syncs_in_full(path: Path) -> None:
    """SQLite before 3.51.3 may damage a WAL file; what is committed survives a power cut."""
    found = StateFile(path).transact(
        lambda connection: [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "busy_timeout", "application_id", "user_version")
        ]
    )
    assert found == ["persist", 2, 0, APPLICATION, len(MIGRATIONS)]


def test_a_path_that_cannot_be(tmp_path: Path) -> None:
    """It is said at once what is wrong."""
    with pytest.raises(InputError, match="does not exist"):
        StateFile(tmp_path / "no" / "state.db")
    with pytest.raises(InputError, match="is a folder"):
        StateFile(tmp_path)


def test_one_file_for_all_who_name_it(path: Path) -> None:
    """Two connections of a process would cost each other their turns."""
    other = path.parent / "folder" / ".." / path.name
    (path.parent / "folder").mkdir()
    assert state_file(path) is state_file(str(other))
    assert state_file(path) is not state_file(path.parent / "other.db")


def test_all_or_nothing(file: StateFile) -> None:
    """Work that fails has done nothing, and the file goes on."""
    file.transact(put)

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM quota")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        file.transact(fail)
    assert file.transact(count) == 1


def test_who_finds_it_busy_is_told_at_once(path: Path, file: StateFile) -> None:
    """Nobody waits inside SQLite."""
    file.transact(put)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy):
        file.transact(put)
    other.execute("ROLLBACK")
    other.close()
    assert file.transact(count) == 1


def test_threads_take_turns(file: StateFile) -> None:
    """One connection serves them all."""

    def add(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO quota SELECT randomblob(8), count(*) FROM quota")

    threads = [threading.Thread(target=lambda: [file.transact(add) for _ in range(10)]) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert file.transact(count) == 50


def test_it_is_opened_again_when_it_is_needed(file: StateFile) -> None:
    """A closed client does not keep others from using it."""
    file.transact(put)
    salted = file.transact(salt)
    file.release()
    file.release()
    assert (file.transact(count), file.transact(salt)) == (1, salted)
    assert len(salted) == 32


def test_every_file_has_its_own_salt(tmp_path: Path) -> None:
    """The name of a key in one file tells nothing about another's."""
    one, other = [StateFile(tmp_path / name, durable=False).transact(salt) for name in "ab"]
    assert one != other


@pytest.mark.parametrize("form", range(1, len(MIGRATIONS)))
def test_an_older_file_is_brought_up_to_date(path: Path, file: StateFile, form: int) -> None:
    """What is in it stays."""
    file.transact(put)
    empty = StateFile(path.with_name("new.db"), durable=False)
    older = sqlite3.connect(path, isolation_level=None)
    made = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    first = [name for statement in sum(MIGRATIONS[:form], ()) for name in statement.split()[2:3]]
    for (name,) in older.execute(made).fetchall():
        if name not in first:
            older.execute(f"DROP TABLE {name}")
    older.execute(f"PRAGMA user_version = {form}")
    older.close()
    file.release()
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
            with suppress(Busy):
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


def test_what_is_no_database_is_set_aside(
    path: Path, file: StateFile, caplog: pytest.LogCaptureFixture
) -> None:
    """Under another name, which the log tells; a new one is begun."""
    path.touch(0o600)
    path.write_bytes(b"nonsense" * 1000)
    file.transact(put)
    assert file.transact(count) == 1
    assert (path.parent / "state.db.broken-1").read_bytes() == b"nonsense" * 1000
    assert [(record.levelno, "broken-1" in record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, True)
    ]


def test_a_page_that_breaks_while_in_use(path: Path, file: StateFile) -> None:
    """It is found out with the next use; the journal of the broken file goes with it."""
    file.transact(put)
    with path.open("r+b") as raw:
        raw.seek(100)
        raw.write(b"\xff" * (path.stat().st_size - 100))
    other = sqlite3.connect(path, isolation_level=None)  # so that the file's change counter moves
    assert file.transact(count) in (0, 1)
    other.close()
    file.release()
    assert file.transact(count) == 0
    assert {entry.name for entry in path.parent.iterdir()} >= {
        "state.db.broken-1",
        "state.db.broken-1-journal",
    }


def test_a_file_that_two_find_broken_is_set_aside_once(path: Path) -> None:
    """The second goes on with what the first has begun."""
    one, other = StateFile(path, durable=False), StateFile(path, durable=False)
    for file in (one, other):
        file.transact(put)

    def spoilt(connection: sqlite3.Connection) -> int:
        found = count(connection)
        if found == 1:
            raise DatabaseCorrupt("spoilt")
        return found

    assert one.transact(spoilt) == 0
    assert other.transact(spoilt) == 0
    assert [entry.name for entry in path.parent.glob("*broken*") if "journal" not in entry.name] == [
        "state.db.broken-1"
    ]


def test_what_cannot_be_mended_is_a_fault(file: StateFile) -> None:
    """A new file that is found broken too is not set aside for ever."""

    def broken(_: sqlite3.Connection) -> None:
        raise DatabaseCorrupt("whatever it is")

    with pytest.raises(DatabaseUnavailable, match="whatever it is"):
        file.transact(broken)
    assert len(list(file.path.parent.glob("*.broken-?"))) == 1


def test_a_file_deleted_while_in_use(path: Path, file: StateFile, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody goes on writing into a file that has no name any more."""
    file.transact(put)
    was = file.transact(salt)
    path.unlink()
    assert file.transact(count) == 0
    assert file.transact(salt) != was
    assert "deleted or replaced" in caplog.text


def test_a_full_disk_is_a_fault(path: Path, file: StateFile) -> None:
    """What was written stays readable, and it goes on when there is room."""

    def fill(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA max_page_count = 5")
        connection.execute("INSERT INTO quota VALUES (x'02', hex(randomblob(100000)))")

    file.transact(put)
    with pytest.raises(DatabaseUnavailable, match="full"):
        file.transact(fill)
    assert file.transact(count) == 1
    with sqlite3.connect(path) as other:
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    other.close()


def test_a_folder_that_is_gone_is_a_fault(path: Path, file: StateFile) -> None:
    """And no longer one when it is back."""
    file.transact(put)
    path.parent.rename(path.parent.with_name("elsewhere"))
    with pytest.raises(DatabaseUnavailable, match="No such file"):
        file.transact(count)
    path.parent.with_name("elsewhere").rename(path.parent)
    assert file.transact(count) == 1


def test_a_writer_in_another_mode_is_a_fault(path: Path, file: StateFile) -> None:
    """A file that somebody made WAL is made what it was, unless that somebody is at it."""
    file.transact(put)
    file.release()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA journal_mode = WAL")
    other.execute("BEGIN")
    count(other)
    with pytest.raises((Busy, DatabaseUnavailable)):
        file.transact(put)
    other.close()
    assert file.transact(lambda connection: connection.execute("PRAGMA journal_mode").fetchone()[0]) == (
        "persist"
    )
