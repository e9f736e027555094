"""`enlighten systems`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from enlighten_async.emulator import System
from tests.cli.conftest import Commands


def test_the_table_lists_all(enlighten: Commands) -> None:
    """One request, one line on stderr."""
    done = Commands(systems=13)("systems")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert len(lines) == 14
    assert lines[1].split()[:2] == ["1765", "Petaluma"]
    assert "Asia/Katmandu" in done.stdout
    assert done.stderr.startswith("13 systems; sent 1, rejected 0")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_files_hold_all_pages(tmp_path: Path, form: str) -> None:
    """More than the 1,000 of one page."""
    enlighten, path = Commands(systems=1_003), tmp_path / f"systems.{form}"
    done = enlighten("systems", "-o", path)
    assert (done.exit_code, done.stdout, enlighten.sent) == (0, "", 2)
    with path.open() as file:
        rows = list(csv.DictReader(file)) if form == "csv" else [json.loads(line) for line in file]
    truth = enlighten.world.emulator.truth.systems()
    assert [int(row["system_id"]) for row in rows] == [system.system_id for system in truth]
    assert rows[0]["timezone"] == "America/Los_Angeles"
    assert rows[0]["operational_at"].endswith("+00:00")
    assert rows[0]["status"] == "normal"


@pytest.mark.parametrize("charset", ["utf-8", "ascii", "latin-1"])
def test_a_strangers_name_cannot_steer_the_terminal(charset: str) -> None:
    """Whatever a system is called, and whatever the terminal can show."""
    enlighten = Commands(fleet=[System(system_id=7, name="Zoë \x1b[2J\x1b]0;owned\x07 [red]☀")])
    enlighten.charset = charset
    done = enlighten("systems")
    assert done.exit_code == 0
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout
    assert "[red]" in done.stdout
    assert ("☀" in done.stdout) is (charset == "utf-8")


def test_data_on_stdout_is_utf_8() -> None:
    """Whatever the terminal can show: it is a file by another way."""
    enlighten = Commands(fleet=[System(system_id=7, name="Zoë ☀")])
    enlighten.charset = "ascii"
    assert "7,Zoë ☀," in enlighten("systems", "-o", "-").stdout_bytes.decode()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_narrow_terminal_cuts_no_id(width: int) -> None:
    """Names go on in the next line instead."""
    enlighten = Commands(systems=3)
    enlighten.width = width
    done = enlighten("systems")
    for system in enlighten.world.emulator.truth.systems():
        assert str(system.system_id) in done.stdout
