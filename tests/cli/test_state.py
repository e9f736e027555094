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
