"""Processes that fork while a thread is at the state file: no child hangs, or uses what is its parent's."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

CHILDREN = 20
TIMEOUT_S = 90.0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_children_of_a_busy_process(tmp_path: Path) -> None:
    """Each has its answer, by a client of its own; its parent's client is refused. The file is whole."""
    path = tmp_path / "state.db"
    command = [sys.executable, "-m", "tests.system.processes.forking_process", str(path), str(CHILDREN)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [0] * CHILDREN, done.stderr
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert list(tmp_path.glob("*broken*")) == []
