"""The state file: permissions, transactions, pending writes, and recovery from faults."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from enlighten_async.errors import InputError
from enlighten_async.limiter import Plan, Settlement, Take
from enlighten_async.state import (
    DatabaseBusy,
    DatabaseCorrupt,
    DatabaseUnavailable,
    StateFile,
    state_file,
)
from enlighten_async.state.file import MAX_PENDING_WRITES
from enlighten_async.state.migrations import APPLICATION_ID, MIGRATIONS, salt
from enlighten_async.testing import FakeClock
from tests.limiter.stores import store_in

POSIX = pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
PLAN = Plan(minute=10, month=100)


class Small(StateFile):
    """A file on a disk that may have no room for more."""

    pages = 0

    def _open(self) -> None:
        super()._open()
        if self.pages and self._connection is not None:
            self._connection.execute(f"PRAGMA max_page_count = {self.pages}")


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
    assert found == ["persist", 2, 0, APPLICATION_ID, len(MIGRATIONS)]


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
    with pytest.raises(DatabaseBusy):
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


class _Closing:
    """A connection that somebody else asks for when it is about to be closed."""

    def __init__(self, connection: sqlite3.Connection, when: Callable[[], None]) -> None:
        self._connection = connection
        self._when = when

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def close(self) -> None:
        """Close it, and let the other one go on."""
        self._connection.close()
        self._when()


def test_a_file_that_is_named_while_the_last_user_lets_go_of_it(path: Path) -> None:
    """It is the same object, whose connection is being closed: another one is opened."""
    file: Any = state_file(path)
    lock, asked = file._lock, threading.Event()
    found: list[object] = []

    def ask() -> None:
        again = state_file(path)
        asked.set()
        found.append(again.transact(count))

    def ask_meanwhile() -> None:
        thread.start()
        asked.wait()
        if not lock.locked():  # nothing keeps the thread from the connection
            thread.join()

    thread = threading.Thread(target=ask)
    file.transact(put)
    file._connection = _Closing(file._connection, ask_meanwhile)
    del file
    thread.join()
    assert found == [1]


def test_it_is_opened_again_when_it_is_needed(file: StateFile) -> None:
    """A closed client does not keep others from using it."""
    file.transact(put)
    salted = file.transact(salt)
    file.release()
    file.release()
    assert (file.transact(count), file.transact(salt)) == (1, salted)
    assert len(salted) == 32


def test_the_salt_is_read_again_when_others_have_written(path: Path, file: StateFile) -> None:
    """And not by each work: another file may have been copied over this one."""
    assert file.transact(file.salt) == file.transact(salt)
    asked: list[str] = []
    assert file._connection is not None
    file._connection.set_trace_callback(asked.append)
    file.transact(file.salt)
    assert [text for text in asked if "salt" in text] == []
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE meta SET value = x'01' WHERE name = 'salt'")
    assert file.transact(file.salt) == b"\x01"


def test_a_file_that_is_no_database_is_renamed_aside(
    path: Path, file: StateFile, caplog: pytest.LogCaptureFixture
) -> None:
    """If it was ours, under another name, which the log tells; a new one is begun."""
    file.transact(put)
    file.transact(put)
    file.release()
    path.write_bytes(b"nonsense" * 1000)
    file = StateFile(path, durable=False)  # another process: the journal tells that it was ours
    file.transact(put)
    assert file.transact(count) == 1
    assert (path.parent / "state.db.broken-1").read_bytes() == b"nonsense" * 1000
    assert [(record.levelno, "broken-1" in record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, True)
    ]


@pytest.mark.parametrize("fresh", [False, True])
def test_a_file_replaced_by_junk_while_in_use(path: Path, file: StateFile, fresh: bool) -> None:
    """It is renamed aside, another file or the same one: the state begins anew once, not with each use."""
    file.transact(put)
    was = file.transact(salt)
    junk = path.with_name("junk") if fresh else path
    junk.write_bytes(b"nonsense" * 1000)
    junk.replace(path)
    begun = file.transact(salt)
    assert begun != was
    file.transact(put)
    file.release()
    assert (file.transact(count), file.transact(salt)) == (1, begun)
    assert [each.read_bytes()[:8] for each in path.parent.glob("*.broken-?")] == [b"nonsense"]


def test_another_programs_file_put_in_its_place_is_left_there(path: Path, file: StateFile) -> None:
    """It is refused each time, whoever had the name before."""
    file.transact(put)
    tokens = b'{"accounts": {}}'
    path.unlink()
    path.write_bytes(tokens)
    for _ in range(2):
        with pytest.raises(InputError, match="is a file of tokens"):
            file.transact(put)
    assert path.read_bytes() == tokens


def test_a_table_that_is_gone(file: StateFile, caplog: pytest.LogCaptureFixture) -> None:
    """The file is renamed aside: a table that is missing would be so for ever."""
    file.transact(put)
    file.transact(lambda connection: connection.execute("DROP TABLE quota"))
    file.transact(put)
    assert file.transact(count) == 1
    assert ["no such table: quota" in record.getMessage() for record in caplog.records] == [True]
    assert file.path.with_name("state.db.broken-1").exists()


class Lockless(StateFile):
    """A file on a file system without locks."""

    def _fault_of_locks(self) -> str | None:
        return "No locks available"


@POSIX
def test_a_file_system_without_locks(path: Path, file: StateFile) -> None:
    """It is said, at once; SQLite cannot tell it from a file that others hold."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DatabaseBusy):
        file.transact(put)
    with pytest.raises(
        DatabaseUnavailable, match="has no locks .No locks available.: keep it on a local disk"
    ):
        Lockless(path, durable=False).transact(put)
    other.close()
    used = Lockless(path, durable=False)
    used.transact(put)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DatabaseBusy):  # it had a lock before
        used.transact(put)
    other.close()


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


def test_a_file_that_two_find_corrupt_is_renamed_once(path: Path) -> None:
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


def test_a_new_file_that_is_corrupt_too(file: StateFile) -> None:
    """Files are not renamed for ever."""

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
    with pytest.raises((DatabaseBusy, DatabaseUnavailable)):
        file.transact(put)
    other.close()
    assert file.transact(lambda connection: connection.execute("PRAGMA journal_mode").fetchone()[0]) == (
        "persist"
    )


@pytest.fixture
def small(path: Path) -> Small:
    """Return a file on a disk that may be full."""
    return Small(path, durable=False)


def writing(name: str, size: int = 1) -> Callable[[sqlite3.Connection], None]:
    """Return what writes something; a second time it would fail."""

    def write(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO meta VALUES (?, zeroblob(?))", (name, size))

    return write


def written(connection: sqlite3.Connection) -> set[str]:
    """Return what is written."""
    return {name for (name,) in connection.execute("SELECT name FROM meta WHERE name <> 'salt'")}


def nothing(_: sqlite3.Connection) -> None:
    """Do nothing."""


def fail(_: sqlite3.Connection) -> None:
    """Fail, and not by the file's fault."""
    raise ZeroDivisionError


def test_a_pending_write_is_done_before_the_next_work(file: StateFile) -> None:
    """In order and once; until then nothing happens, not even a file is made."""
    file.pending.add(writing("one"))
    file.pending.add(
        lambda connection: connection.execute("UPDATE meta SET value = x'77' WHERE name = 'one'")
    )
    assert not file.path.exists()
    assert len(file.pending) == 2
    value = "SELECT value FROM meta WHERE name = 'one'"
    assert file.transact(lambda connection: connection.execute(value).fetchone()) == (b"\x77",)
    assert len(file.pending) == 0
    assert file.transact(written) == {"one"}


def test_work_that_fails_rolls_back_the_pending_writes(file: StateFile) -> None:
    """They are written with what comes next."""
    file.pending.add(writing("one"))
    with pytest.raises(ZeroDivisionError):
        file.transact(fail)
    assert StateFile(file.path, durable=False).transact(written) == set()
    assert (len(file.pending), file.transact(written)) == (1, {"one"})


def test_pending_writes_of_a_busy_file(path: Path, file: StateFile) -> None:
    """Nothing is lost, and nothing is said: that is for whoever waits."""
    file.transact(nothing)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    file.pending.add(writing("one"))
    with pytest.raises(DatabaseBusy):
        file.transact(nothing)
    other.close()
    assert file.pending.fault is None
    assert file.transact(written) == {"one"}


async def test_counts_and_pending_writes_are_one_transaction(path: Path, file: StateFile) -> None:
    """Where the commit fails neither is there, afterwards both are."""
    clock = FakeClock()
    quota = store_in(file, clock)
    now = clock.monotonic()
    assert await quota.take(Take(1, PLAN), now) is None
    settlement = Settlement(now, now, int(clock.now()), True, True, int(clock.now()))
    quota.update(lambda state: state.settle(1, settlement))
    file.pending.add(writing("reply"))
    reader = sqlite3.connect(path, isolation_level=None)
    before = reader.execute("SELECT counts FROM quota").fetchone()
    reading = reader.execute("SELECT value FROM meta UNION ALL SELECT key FROM quota")
    reading.fetchone()  # who reads lets others write, but not commit
    await quota.sync()
    reading.close()
    assert reader.execute("SELECT counts FROM quota").fetchone() == before
    assert written(reader) == set()
    await quota.sync()
    assert reader.execute("SELECT counts FROM quota").fetchone() != before
    assert written(reader) == {"reply"}
    reader.close()
    await quota.aclose()


@pytest.mark.parametrize(
    "wrong",
    [fail, lambda connection: connection.execute("INSERT INTO meta VALUES ('new', NULL)"), writing("salt")],
)
def test_a_pending_write_that_fails_by_itself(
    file: StateFile, caplog: pytest.LogCaptureFixture, wrong: Callable[[sqlite3.Connection], object]
) -> None:
    """It is rolled back and dropped, with a warning: the others are written, and so is the work."""

    def half_done(connection: sqlite3.Connection) -> None:
        writing("half")(connection)
        wrong(connection)

    for note in (writing("one"), half_done, writing("other")):
        file.pending.add(note)
    assert file.transact(written) == {"one", "other"}
    assert (len(file.pending), file.pending.fault) == (0, None)
    assert file.transact(written) == {"one", "other"}
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "dropped" in caplog.text


def test_pending_writes_of_a_corrupt_file(file: StateFile) -> None:
    """What was noted is in the new one, once."""
    file.transact(nothing)
    file.pending.add(writing("one"))

    def spoilt(connection: sqlite3.Connection) -> set[str]:
        if file.path.with_name("state.db.broken-1").exists():
            return written(connection)
        raise DatabaseCorrupt("spoilt")

    assert file.transact(spoilt) == {"one"}
    assert len(file.pending) == 0


def test_no_room_for_pending_writes(small: Small) -> None:
    """The work is done without them; they are left alone until somebody looks."""
    small.transact(nothing)
    small.release()
    small.pages = 20
    tried = []

    def large(connection: sqlite3.Connection) -> None:
        tried.append(1)
        writing("large", 200_000)(connection)

    small.pending.add(large)
    small.transact(writing("counts"))
    assert "full" in str(small.pending.fault)
    small.transact(writing("more counts"))
    assert (len(tried), len(small.pending)) == (1, 1)
    assert small.read(written) == {"counts", "more counts", "large"}  # by a copy in memory
    assert (len(tried), len(small.pending)) == (3, 1)
    assert small.read(written) == {"counts", "more counts", "large"}
    assert (len(tried), len(small.pending)) == (4, 1)  # which has it by now
    assert StateFile(small.path, durable=False).read(written) == {"counts", "more counts"}
    small.pages = 0
    small.release()
    small.transact(nothing)
    assert small.pending.fault is not None
    assert small.read(written) == {"counts", "more counts", "large"}
    assert (small.pending.fault, len(small.pending)) == (None, 0)


def test_pending_writes_without_a_folder(path: Path, file: StateFile) -> None:
    """A fault of the file is told, and nothing is forgotten."""
    folder = path.parent / "folder"
    folder.mkdir()
    gone = StateFile(folder / "state.db", durable=False)
    folder.rmdir()
    gone.pending.add(writing("one"))
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable, match="No such file"):
            gone.transact(nothing)
    folder.mkdir()
    assert gone.transact(written) == set()
    assert gone.read(written) == {"one"}


def test_pending_writes_for_a_newer_file(path: Path, file: StateFile) -> None:
    """It is left alone, with whatever is noted."""
    file.transact(lambda connection: connection.execute("PRAGMA user_version = 99"))
    file.release()
    file.pending.add(writing("one"))
    with pytest.raises(InputError, match="newer version"):
        file.transact(nothing)
    assert len(file.pending) == 1


def test_pending_writes_do_not_pile_up_while_nothing_can_be_written(
    path: Path, file: StateFile, caplog: pytest.LogCaptureFixture
) -> None:
    """The oldest are dropped, with one warning; while the file works there may be any number."""
    for number in range(2 * MAX_PENDING_WRITES):
        file.pending.add(writing(f"before {number}"))
    assert len(file.transact(written)) == 2 * MAX_PENDING_WRITES
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for number in range(MAX_PENDING_WRITES + 9):
        file.pending.add(writing(f"after {number}"))
    assert len(file.pending) == MAX_PENDING_WRITES + 9
    with pytest.raises(DatabaseBusy):
        file.transact(nothing)
    for number in (MAX_PENDING_WRITES + 9, MAX_PENDING_WRITES + 10):
        file.pending.add(writing(f"after {number}"))
    assert len(file.pending) == MAX_PENDING_WRITES
    other.close()
    assert len(file.transact(written)) == 3 * MAX_PENDING_WRITES
    assert "after 10" not in file.transact(written)
    assert "after 11" in file.transact(written)
    assert len([record for record in caplog.records if "dropped" in record.getMessage()]) == 1


def test_pending_writes_of_many_threads(file: StateFile) -> None:
    """Each is written once, while transactions go on."""

    def add(number: int) -> None:
        for each in range(20):
            file.pending.add(writing(f"{number} {each}"))
            file.transact(nothing)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(file.transact(written)), len(file.pending)) == (100, 0)


def test_a_child_process_begins_anew(file: StateFile) -> None:
    """What its parent has noted is the parent's to write, and so is the connection: it is not even closed."""
    file.transact(put)
    inherited = file._connection
    assert inherited is not None
    file.pending.add(writing("one"))
    assert file.hold()
    file.begin_anew()
    assert file.transact(written) == set()
    assert file._connection is not inherited
    assert inherited.execute("SELECT count(*) FROM quota").fetchone() == (1,)


def test_a_fork_waits_for_who_is_at_the_file(file: StateFile) -> None:
    """And lets go of it afterwards, in the parent process."""
    entered, leave, held = threading.Event(), threading.Event(), list[bool]()

    def work(_: sqlite3.Connection) -> None:
        entered.set()
        leave.wait(10)

    thread = threading.Thread(target=lambda: file.transact(work))
    thread.start()
    entered.wait(10)
    fork = threading.Thread(target=lambda: held.append(file.hold()))
    fork.start()
    assert held == []
    leave.set()
    for each in (thread, fork):
        each.join()
    assert held == [True]
    file.let_go()
    file.transact(put)
