"""The command line with a state file: what one command has spent, the next one knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from enlighten_async.state import StateFile
from tests.cli.conftest import Commands


@pytest.mark.parametrize("by", ["option", "environment"])
def test_a_command_writes_what_it_has_spent(
    enlighten: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """Into the file that the option or the environment names."""
    path = tmp_path / "state.db"
    if by == "environment":
        monkeypatch.setenv("ENLIGHTEN_STATE", str(path))
    done = enlighten(*(["--state", path] if by == "option" else []), "systems")
    assert done.exit_code == 0
    counts = StateFile(path).transact(lambda file: file.execute("SELECT counts FROM quota").fetchone()[0])
    assert '"tickets":[]' in counts
    assert '"newest":1' in counts


def test_a_file_of_a_newer_version_has_to_be_replaced_first(enlighten: Commands, tmp_path: Path) -> None:
    """Nothing was sent, as exit code 2 says."""
    path = tmp_path / "state.db"
    StateFile(path).transact(lambda file: file.execute("PRAGMA user_version = 99"))
    done = enlighten("--state", path, "systems")
    assert (done.exit_code, enlighten.sent) == (2, 0)
    assert "newer version of enlighten_async" in done.stderr


URL = "redis://:CANARY@127.0.0.1:1/0"


def test_a_state_on_a_server_is_not_taken_for_a_file(enlighten: Commands) -> None:
    """Its password is not shown; commands on the state file say that there is none."""
    for words in (["store", "info"], ["doctor"], ["quota"]):
        done = enlighten("--state", URL, *words)
        assert "CANARY" not in done.output + done.stderr
        assert "in the command line is seen by others" in done.stderr
        if words[0] == "store":
            assert (done.exit_code, "name the state file" in done.stderr) == (2, True)


def test_a_password_in_the_environment_is_not_remarked(
    enlighten: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is the place for it."""
    monkeypatch.setenv("ENLIGHTEN_STATE", URL)
    done = enlighten("doctor")
    assert "CANARY" not in done.output + done.stderr
    assert "in the command line" not in done.stderr


def test_a_state_that_cannot_be_reached_is_told_in_one_line(enlighten: Commands) -> None:
    """Of the quota nothing is claimed then."""
    pytest.importorskip("redis", reason="an extra is not installed")
    done = enlighten("--state", "redis://127.0.0.1:1/0", "quota")
    assert done.exit_code == 1
    assert "redis://127.0.0.1:1/0 cannot be reached" in done.stderr
