"""`enlighten emulator`: its drifts by name; that it serves is tested with processes."""

from __future__ import annotations

from click.testing import CliRunner

from enlighten_async.cli.app import cli
from enlighten_async.emulator import DRIFTS


def test_the_help_lists_the_drifts() -> None:
    """Each with its effect, and whether it is on by default."""
    done = CliRunner().invoke(cli, ["emulator", "--help"], terminal_width=200)
    assert done.exit_code == 0
    assert all(f"  {name}" in done.output and text in done.output for name, text in DRIFTS.items())
    assert done.output.count("(on by default)") == 1


def test_an_unknown_drift_is_a_wrong_option() -> None:
    """The error names those there are."""
    for option in ("--drift", "--no-drift"):
        done = CliRunner().invoke(cli, ["emulator", option, "old-fields"])
        assert done.exit_code == 2
        assert "old-fields: choose from recorded-types" in done.output
