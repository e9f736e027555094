"""Inspection of a state file: it is opened as it is found, next to the programs that use it."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from enlighten_async.errors import InputError
from enlighten_async.state import CorruptFileError, StateFile, describe, open_existing
from enlighten_async.state.inspect import Content, content_of, state_path
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
    file = StateFile(path, durable=False)
    file.transact(use)
    file.transact(use)
    file.release()
    path.write_bytes(b"nonsense" * 1000)
    with pytest.raises(CorruptFileError, match="not a database") as error, open_existing(path):
        pass
    assert error.value.filename == str(path)
    assert {entry.name for entry in path.parent.iterdir()} == {path.name, f"{path.name}-journal"}


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


MAGIC = b"SQLite format 3\0"
POSIX = pytest.mark.skipif(os.name != "posix", reason="needs owners and links of POSIX")


@pytest.mark.parametrize(
    ("header", "content"),
    [
        (b"", Content.NONE),
        (MAGIC + bytes(52) + b"ENLA" + bytes(28), Content.OURS),
        (MAGIC + bytes(52) + b"ENLA", Content.OURS),
        (MAGIC + bytes(52) + b"GPKG" + bytes(28), Content.DATABASE),
        (MAGIC + bytes(84), Content.DATABASE),
        (MAGIC + bytes(20), Content.OTHER),
        (bytes(100), Content.OTHER),
        (b"x", Content.OTHER),
        (b"My thesis\n", Content.OTHER),
        (b'{"accounts": {}}', Content.TOKENS),
        (b'\n { "accounts":', Content.TOKENS),
        (b'{"account": 1}', Content.OTHER),
    ],
)
def test_a_file_is_told_by_its_first_bytes(header: bytes, content: Content) -> None:
    """A damaged header is nobody's."""
    assert content_of(header) is content


@pytest.mark.parametrize(
    "path", ["a\0b", "no/such/folder/a.db", "~nobody-of-this-name/a.db", "x" * 5000, 5, None, "."]
)
def test_a_path_that_cannot_be_a_file(path: str) -> None:
    """It is refused in our own words."""
    with pytest.raises(InputError, match="name"):
        state_path(path)


@POSIX
def test_a_link_in_a_folder_of_everybody(tmp_path: Path) -> None:
    """It is refused wherever it is on the way; elsewhere a link is as good as the file it leads to."""
    shared, own = tmp_path / "shared", tmp_path / "own"
    shared.mkdir()
    own.mkdir()
    shared.chmod(0o1777)
    (shared / "file.db").symlink_to(own / "state.db")
    (shared / "folder").symlink_to(own)
    (own / "far").symlink_to(shared / "folder")
    (own / "near").symlink_to("state.db")
    (own / "round").symlink_to("round")
    for path in (
        shared / "file.db",
        shared / "folder" / "a.db",
        own / "far" / "a.db",
        own / ".." / "own" / "far",
    ):
        with pytest.raises(InputError, match="symbolic link"):
            state_path(path)
    assert state_path(own / "near") == (own / "state.db").resolve()
    assert state_path(shared / "a.db") == (shared / "a.db").resolve()
    assert state_path(own / "round")  # which is no regular file


def other_program(path: Path) -> None:
    """Make a database of another program, in a mode that is not ours."""
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("CREATE TABLE letters (text)")
        file.commit()
    path.chmod(0o664)


def empty_database(path: Path) -> None:
    """Make a database without a table."""
    with closing(sqlite3.connect(path)) as file:
        file.execute("VACUUM")


def of_somebody_else(path: Path) -> None:
    """Make an empty file of another user."""
    path.touch(0o666)
    try:
        os.chown(path, 65534, 65534)
    except PermissionError:
        pytest.skip("this user cannot give files away")


FOREIGN: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text("my thesis\n" * 100),
    "one byte": lambda path: path.write_bytes(b"x"),
    "zeros": lambda path: path.write_bytes(bytes(8192)),
    "tokens": lambda path: path.write_bytes(b'{"accounts": {"anna": {"access_token": "x"}}}'),
    "database": other_program,
    "empty database": empty_database,
    "half a header": lambda path: path.write_bytes(MAGIC + bytes(10)),
    "fifo": lambda path: os.mkfifo(path, 0o644),
    "another user's": of_somebody_else,
}


def as_found(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return all that can be told of the files of a folder."""
    found = {}
    for entry in folder.iterdir():
        is_file = stat.S_ISREG(entry.lstat().st_mode)
        about = entry.lstat()
        content = entry.read_bytes() if is_file else b""
        found[entry.name] = about.st_ino, about.st_mode, about.st_uid, about.st_mtime_ns, content
    return found


@POSIX
@pytest.mark.parametrize("kind", FOREIGN)
def test_a_file_that_is_not_ours_stays_as_it_is(path: Path, kind: str) -> None:
    """Name, content, permissions, owner, time and journal; whoever opens it, and with pending writes."""
    FOREIGN[kind](path)
    before = as_found(path.parent)
    file = StateFile(path, durable=False)
    file.pending.add(use)
    for work in (file.transact, file.read):
        with pytest.raises(InputError, match="name a"):
            work(use)
    with pytest.raises(InputError, match="name a"), open_existing(path):
        pass
    file.release()
    assert as_found(path.parent) == before


@POSIX
@pytest.mark.parametrize("beside", ["-journal", ".lock"])
def test_a_link_beside_the_file(path: Path, beside: str) -> None:
    """What it leads to is not written."""
    victim = path.with_name("victim")
    victim.write_text("precious")
    path.with_name(path.name + beside).symlink_to(victim)
    before = as_found(path.parent)
    with pytest.raises(InputError, match="not a regular file"):
        StateFile(path, durable=False).transact(use)
    assert as_found(path.parent) == before


@POSIX
def test_a_journal_of_another_program_proves_nothing(path: Path) -> None:
    """Only a page of ours in it does."""
    make(
        path, "PRAGMA journal_mode = PERSIST", "CREATE TABLE letters (text)", "INSERT INTO letters VALUES (1)"
    )
    path.write_bytes(b"nonsense" * 1000)
    before = as_found(path.parent)
    assert len(before) == 2
    with pytest.raises(InputError, match="is not a state file"):
        StateFile(path, durable=False).transact(use)
    assert as_found(path.parent) == before
