"""`enlighten store`: about a file that commands have filled, without a key and without a request."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from enlighten_async.cli.app import cli
from enlighten_async.cli.context import CommandContext, user_state_file
from enlighten_async.cli.formatting import size
from enlighten_async.state.migrations import MIGRATIONS
from tests.cli.conftest import Commands

MONTH = ("--start", "2025-04-01", "--end", "2025-04-30")
FREE = "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size"
SIZES = "SELECT (SELECT count(*) FROM stretches), (SELECT count(*) FROM replies)"


def run(*words: object) -> Result:
    """Run `enlighten` without a key, where nothing can be asked."""

    def connect(**_: object) -> None:
        raise AssertionError("nothing is asked")

    context = CommandContext(connect=connect)  # type: ignore[arg-type]
    return CliRunner().invoke(cli, [str(word) for word in words], obj=context, catch_exceptions=False)


@pytest.fixture
def path(enlighten: Commands, tmp_path: Path) -> Path:
    """Return a file that holds a month of intervals, and the list of systems."""
    path = tmp_path / "state.db"
    assert enlighten("--state", path, "systems").exit_code == 0
    assert enlighten("--state", path, "rgm-stats", 1765, *MONTH).exit_code == 0
    return path


def sql(path: Path, statement: str) -> list[tuple[object, ...]]:
    """Do something to the file as another program."""
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        return file.execute(statement).fetchall()


def test_info(path: Path) -> None:
    """A line of figures, and a table for series and for other answers."""
    free = sql(path, FREE)[0][0]
    assert isinstance(free, int)
    done = run("--state", path, "store", "info")
    assert (done.exit_code, done.stderr) == (0, "")
    first, *rows = done.stdout.splitlines()
    assert first.startswith(f"{path}: {size(path.stat().st_size)} ({size(free)} of it free, and ")
    assert first.endswith(f" of journal), schema {len(MIGRATIONS)}; keys counted: 1, accounts: 1")
    assert [row.split()[:3] for row in rows[:2]] == [
        ["series", "systems", "spans"],
        ["rgm_stats", "1", "6"],
    ]
    assert rows[1].split()[-2:] == ["2025-04-01", "2025-05-01"]
    assert rows[2].split()[:3] == ["answers", "number", "size"]
    assert rows[3].split()[:2] == ["systems", str(sql(path, SIZES)[0][1])]
    assert rows[3].split()[-2:] == ["2025-06-15", "2025-06-15"]


def test_the_file_may_be_named_in_the_environment(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for all commands."""
    monkeypatch.setenv("ENLIGHTEN_STATE", str(path))
    assert run("store", "info").stdout.startswith(f"{path}: ")


@pytest.mark.parametrize("words", [("info",), ("verify",), ("prune", "--dry-run")])
def test_a_file_has_to_be_named_and_to_be_there(tmp_path: Path, words: tuple[str, ...]) -> None:
    """With exit code 2, and nothing is made."""
    unnamed = run("--no-state", "store", *words)
    assert (unnamed.exit_code, unnamed.stdout) == (2, "")
    assert "--state FILE" in unnamed.stderr
    assert "ENLIGHTEN_STATE" in unnamed.stderr
    own = tmp_path / "home" / "enlighten" / "enlighten.db"
    for named, path in ((("--state", tmp_path / "a.db"), tmp_path / "a.db"), ((), own)):
        missing = run(*named, "store", *words)
        assert (missing.exit_code, missing.stdout) == (2, "")
        assert f"{path} does not exist" in missing.stderr
        assert not path.exists()


@pytest.mark.parametrize("words", [("info",), ("verify",), ("prune",)])
def test_a_file_of_a_newer_version(path: Path, words: tuple[str, ...]) -> None:
    """Is refused, as for all commands."""
    sql(path, "PRAGMA user_version = 99")
    done = run("--state", path, "store", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "newer version of enlighten_async" in done.stderr


def test_verify(path: Path) -> None:
    """A whole file is said to be so; else it is told what to do, and doing it helps."""
    done = run("--state", path, "store", "verify")
    answers = sql(path, SIZES)[0][1]
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == f"{path}: sound; 6 spans, {answers} answers\n"
    sql(path, "UPDATE stretches SET body = x'00' WHERE rowid IN (SELECT rowid FROM stretches LIMIT 2)")
    done = run("--state", path, "store", "verify")
    assert done.exit_code == 1
    assert done.stdout == f"{path}: not sound; 6 spans (2 cannot be read), {answers} answers\n"
    assert done.stderr.startswith("error: ")
    assert "fetched again" in done.stderr
    assert "enlighten store prune" in done.stderr
    assert "cannot be read" in run("--state", path, "store", "prune").stdout
    done = run("--state", path, "store", "verify")
    assert (done.exit_code, done.stdout) == (
        0,
        f"{path}: sound; 4 spans, {sql(path, SIZES)[0][1]} answers\n",
    )


def test_counts_that_cannot_be_read(path: Path) -> None:
    """The file is broken then, for whoever counts."""
    sql(path, "UPDATE quota SET counts = 'seven'")
    done = run("--state", path, "store", "verify")
    assert (done.exit_code, "counts of 1 keys cannot be read" in done.stdout) == (1, True)
    assert "renames it, to state.db.broken-1" in done.stderr


@pytest.mark.parametrize("words", [("info",), ("verify",), ("prune",)])
def test_a_broken_file(path: Path, words: tuple[str, ...]) -> None:
    """Is said to be so with exit code 1, and left where it is; only `verify` tells what comes of it."""
    path.write_bytes(b"nonsense" * 1000)
    done = run("--state", path, "store", *words)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "not a database" in done.stderr
    assert ("begins a new one" in done.stderr) == (words == ("verify",))
    assert path.read_bytes() == b"nonsense" * 1000
    assert not list(path.parent.glob("*broken*"))


def test_prune(path: Path, enlighten: Commands) -> None:
    """What is old goes, after a dry run that tells the same; it is bought again when it is asked for."""
    words = "--state", path, "store", "prune", "--older-than", 30
    dry, before = run(*words, "--dry-run"), path.stat().st_size
    spans, answers = sql(path, SIZES)[0]
    assert spans == 6
    done = run(*words)
    assert (dry.exit_code, done.exit_code, done.stderr) == (0, 0, "")
    assert dry.stdout.splitlines()[:-1] == done.stdout.splitlines()[:-1]
    assert [line.split()[:3] for line in done.stdout.splitlines()[:-1]] == [
        ["removed", "spans", "answers"],
        ["too", "old", "6"],
        ["total", "6", str(answers)],
    ]
    after = path.stat().st_size
    assert f"{path} would have about " in dry.stdout
    assert done.stdout.splitlines()[-1] == f"{path} has {size(after)}, was {size(before)}"
    assert sql(path, SIZES) == [(0, 0)]
    assert run("--state", path, "store", "prune").stdout.startswith("nothing to remove; ")
    sent = enlighten.sent
    assert enlighten("--state", path, "rgm-stats", 1765, *MONTH).exit_code == 0
    assert enlighten.sent > sent


def test_an_age_is_in_days(path: Path) -> None:
    """Counted from now; what ended later stays."""
    middle = int((time.time() - datetime(2025, 4, 15, tzinfo=UTC).timestamp()) // 86_400)
    assert run("--state", path, "store", "prune", "--older-than", middle).exit_code == 0
    assert sql(path, "SELECT count(*), date(min(stop), 'unixepoch') FROM stretches") == [(4, "2025-04-17")]


@pytest.mark.parametrize(("text", "stays"), [("0", False), ("1k", False), ("1.5 MB", True), ("100M", True)])
def test_prune_to_a_size(path: Path, text: str, stays: bool) -> None:
    """In units of thousands."""
    sql(path, "UPDATE replies SET final = 1")
    done = run("--state", path, "store", "prune", "--max-size", text)
    assert done.exit_code == 0
    assert ("over the size" in done.stdout) != stays
    assert (sql(path, SIZES)[0][0] == 6) == stays


@pytest.mark.parametrize("words", [("--max-size", "much"), ("--max-size", "-1"), ("--older-than", "-1")])
def test_what_is_no_limit(path: Path, words: tuple[str, ...]) -> None:
    """Is refused before anything is done."""
    done = run("--state", path, "store", "prune", *words)
    assert (done.exit_code, done.stdout, sql(path, SIZES)[0][0]) == (2, "", 6)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (25_751_552, "25.8 MB"),
        (10**9, "1.0 GB"),
        (10**16, "10,000.0 TB"),
    ],
)
def test_sizes_in_words(count: int, text: str) -> None:
    """Units of thousands, as drives have them."""
    assert size(count) == text


def test_commands_share_the_users_own_file(enlighten: Commands, tmp_path: Path) -> None:
    """Where none is named, as other programs of the user do not."""
    enlighten.home = user_state_file
    assert enlighten("rgm-stats", 1765, *MONTH).exit_code == 0
    spent = enlighten.sent
    again = enlighten("rgm-stats", 1765, *MONTH)
    assert (again.exit_code, enlighten.sent) == (0, spent)
    assert "sent 0, rejected 0, from cache" in again.stderr
    own = tmp_path / "home" / "enlighten" / "enlighten.db"
    assert (own.stat().st_mode & 0o777, own.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert run("store", "info").stdout.startswith(f"{own}: ")
    assert enlighten("--no-state", "rgm-stats", 1765, *MONTH).exit_code == 0
    assert enlighten.sent >= 2 * spent


def test_without_a_folder_of_the_users_own_nothing_is_kept(enlighten: Commands, tmp_path: Path) -> None:
    """A command is not refused for that."""
    enlighten.home = user_state_file
    (tmp_path / "home").write_text("no folder")
    done = enlighten("-v", "systems")
    assert (done.exit_code, enlighten.sent) == (0, 1)
    assert "cannot be made" in done.stderr
    assert run("store", "info").exit_code == 2
