"""Work that is noted: part of the next transaction, whoever makes it; done once, and in the way of none."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from enlighten_async.errors import InputError
from enlighten_async.limiter import Plan, Settlement, SqliteQuotaStore
from enlighten_async.state import Busy, DatabaseCorrupt, DatabaseUnavailable, StateFile
from enlighten_async.state.file import MOST
from enlighten_async.testing import FakeClock
from tests.limiter.stores import settle

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
def file(path: Path) -> Small:
    """Return the file as this process has it."""
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


def test_it_is_done_before_the_next_work(file: StateFile) -> None:
    """In order and once; until then nothing happens, not even a file is made."""
    file.note(writing("one"))
    file.note(lambda connection: connection.execute("UPDATE meta SET value = x'77' WHERE name = 'one'"))
    assert not file.path.exists()
    assert file.noted == 2
    value = "SELECT value FROM meta WHERE name = 'one'"
    assert file.transact(lambda connection: connection.execute(value).fetchone()) == (b"\x77",)
    assert file.noted == 0
    assert file.transact(written) == {"one"}


def test_work_that_fails_takes_the_notes_with_it(file: StateFile) -> None:
    """They are written with what comes next."""
    file.note(writing("one"))
    with pytest.raises(ZeroDivisionError):
        file.transact(fail)
    assert StateFile(file.path, durable=False).transact(written) == set()
    assert (file.noted, file.transact(written)) == (1, {"one"})


def test_a_busy_file(path: Path, file: StateFile) -> None:
    """Nothing is lost, and nothing is said: that is for whoever waits."""
    file.transact(nothing)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    file.note(writing("one"))
    with pytest.raises(Busy):
        file.transact(nothing)
    other.close()
    assert file.unwritten is None
    assert file.transact(written) == {"one"}


async def test_counts_and_notes_are_one_transaction(path: Path, file: StateFile) -> None:
    """Where the commit fails neither is there, afterwards both are."""
    clock = FakeClock()
    quota = SqliteQuotaStore(file, lambda salt: salt[:8], clock=clock)
    now = clock.monotonic()
    assert await quota.take(1, PLAN, now) is None
    settle(quota, 1, Settlement(now, now, int(clock.now()), True, True, int(clock.now())))
    file.note(writing("reply"))
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
def test_a_note_that_fails_by_itself(
    file: StateFile, caplog: pytest.LogCaptureFixture, wrong: Callable[[sqlite3.Connection], object]
) -> None:
    """It is undone, said and given up: neither the other notes nor the work suffer."""

    def half_done(connection: sqlite3.Connection) -> None:
        writing("half")(connection)
        wrong(connection)

    for note in (writing("one"), half_done, writing("other")):
        file.note(note)
    assert file.transact(written) == {"one", "other"}
    assert (file.noted, file.unwritten) == (0, None)
    assert file.transact(written) == {"one", "other"}
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "given up" in caplog.text


def test_a_file_that_is_found_broken(file: StateFile) -> None:
    """What was noted is in the new one, once."""
    file.transact(nothing)
    file.note(writing("one"))

    def spoilt(connection: sqlite3.Connection) -> set[str]:
        if file.path.with_name("state.db.broken-1").exists():
            return written(connection)
        raise DatabaseCorrupt("spoilt")

    assert file.transact(spoilt) == {"one"}
    assert file.noted == 0


def test_no_room_for_notes(file: Small) -> None:
    """The work is done without them; they are left alone until somebody looks."""
    file.transact(nothing)
    file.release()
    file.pages = 20
    tried = []

    def large(connection: sqlite3.Connection) -> None:
        tried.append(1)
        writing("large", 200_000)(connection)

    file.note(large)
    file.transact(writing("counts"))
    assert "full" in str(file.unwritten)
    file.transact(writing("more counts"))
    assert (len(tried), file.noted) == (1, 1)
    assert file.look(written) == {"counts", "more counts"}
    assert (len(tried), file.noted) == (2, 1)
    file.pages = 0
    file.release()
    file.transact(nothing)
    assert file.unwritten is not None
    assert file.look(written) == {"counts", "more counts", "large"}
    assert (file.unwritten, file.noted) == (None, 0)


def test_no_file_at_all(path: Path, file: StateFile) -> None:
    """A fault of the file is told, and nothing is forgotten."""
    folder = path.parent / "folder"
    folder.mkdir()
    gone = StateFile(folder / "state.db", durable=False)
    folder.rmdir()
    gone.note(writing("one"))
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable, match="No such file"):
            gone.transact(nothing)
    folder.mkdir()
    assert gone.transact(written) == set()
    assert gone.look(written) == {"one"}


def test_a_newer_file(path: Path, file: StateFile) -> None:
    """It is left alone, with whatever is noted."""
    file.transact(lambda connection: connection.execute("PRAGMA user_version = 99"))
    file.release()
    file.note(writing("one"))
    with pytest.raises(InputError, match="newer version"):
        file.transact(nothing)
    assert file.noted == 1


def test_notes_do_not_pile_up_while_nothing_can_be_written(
    path: Path, file: StateFile, caplog: pytest.LogCaptureFixture
) -> None:
    """The oldest are given up, which is said once; where all goes well there may be any number."""
    for number in range(2 * MOST):
        file.note(writing(f"before {number}"))
    assert len(file.transact(written)) == 2 * MOST
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for number in range(MOST + 9):
        file.note(writing(f"after {number}"))
    assert file.noted == MOST + 9
    with pytest.raises(Busy):
        file.transact(nothing)
    for number in (MOST + 9, MOST + 10):
        file.note(writing(f"after {number}"))
    assert file.noted == MOST
    other.close()
    assert len(file.transact(written)) == 3 * MOST
    assert "after 10" not in file.transact(written)
    assert "after 11" in file.transact(written)
    assert len([record for record in caplog.records if "given up" in record.getMessage()]) == 1


def test_notes_of_many_threads(file: StateFile) -> None:
    """Each is written once, while transactions go on."""

    def add(number: int) -> None:
        for each in range(20):
            file.note(writing(f"{number} {each}"))
            file.transact(nothing)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(file.transact(written)), file.noted) == (100, 0)
