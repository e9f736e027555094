"""The command as a whole: what it loads, and Ctrl-C at any time."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CTRL_C = """
import sys


class CtrlC:
    def find_spec(self, name, *_):
        if name == {module!r}:
            raise KeyboardInterrupt


sys.meta_path.insert(0, CtrlC())
from enlighten_async.cli import main

sys.argv = ["enlighten", *{words!r}]
main()
"""


@pytest.mark.parametrize(
    "module", ["click", "enlighten_async.cli.app", "msgspec", "enlighten_async.cli.endpoints"]
)
def test_ctrl_c_while_modules_are_loaded(module: str) -> None:
    """One line, and the exit code of any other Ctrl-C."""
    code = CTRL_C.format(module=module, words=["rgm-stats", "1765", "--estimate"])
    credentials = {"ENLIGHTEN_API_KEY": "k" * 32, "ENLIGHTEN_USER_ID": "u", "ENLIGHTEN_NO_STATE": "1"}
    environ = {**os.environ, **credentials}  # with which the client is made, which loads msgspec
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: interrupted\n")


def test_the_help_loads_no_library_of_an_extra() -> None:
    """But those of the command line."""
    code = "import sys; from enlighten_async.cli.app import cli; cli(['--help'], standalone_mode=False)"
    command = [sys.executable, "-X", "importtime", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "click" in loaded
    assert not loaded & {
        "polars",
        "pandas",
        "pyarrow",
        "nanoarrow",
        "numpy",
        "duckdb",
        "opentelemetry",
        "uvicorn",
    }
