"""The export of a fleet: what it writes, what it costs, and its exit codes."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from enlighten_async import FileTokenStore
from enlighten_async.emulator import Emulator, Fault, Quota
from enlighten_async.testing import EmulatorTokenStore
from examples import export_fleet

SYSTEMS = 3


@pytest.fixture
def emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """The service at a socket, and the environment of somebody who has logged in."""
    monkeypatch.chdir(tmp_path)
    made = Emulator(quota=Quota.UNLIMITED, users=1, systems=SYSTEMS)
    environment = {"API_KEY": "any", "CLIENT_ID": "client", "CLIENT_SECRET": "any", "TOKENS": "tokens.json"}
    with made.running(version="v4") as url:
        for name, value in {**environment, "BASE_URL": url, "STATE": "enlighten.db"}.items():
            monkeypatch.setenv(f"ENLIGHTEN_{name}", value)
        anyio.run(log_in, made)
        yield made


async def log_in(emulator: Emulator) -> None:
    """Save tokens where the environment says."""
    tokens = await EmulatorTokenStore(emulator).load("default")
    assert tokens is not None
    await FileTokenStore("tokens.json").save("default", tokens)


def test_a_second_run_asks_only_for_what_is_new(
    emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All systems are in the file, and the exit code says whether something is missing."""
    assert export_fleet.main(["fleet.csv", "--days", "7"]) in {0, 3}
    with (tmp_path / "fleet.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["system_id"] for row in rows}) == SYSTEMS
    sent, told = emulator.counts.sent, capsys.readouterr().err
    assert f"{len(rows)} rows" in told
    assert f"{sent} requests" in told
    assert export_fleet.main(["fleet.csv", "--days", "7"]) in {0, 3}
    assert emulator.counts.sent - sent <= SYSTEMS + 1
    assert "windows from the cache" in capsys.readouterr().err


def test_an_error_is_one_line(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    """And exit code 1."""
    emulator.inject(Fault(status=403, body="{}", times=9))
    assert export_fleet.main(["fleet.csv"]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_a_file_that_cannot_be_written_is_one_line(
    emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its name and the reason, and no traceback."""
    assert export_fleet.main(["nowhere/fleet.csv", "--days", "1"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: nowhere/fleet.csv cannot be written: ")
    assert told.count("\n") == 1
    assert emulator.counts.sent <= SYSTEMS + 1


@pytest.mark.parametrize("days", ["-3", "0", "nan", "inf", "-inf", "1e300", "x"])
def test_a_wrong_number_of_days_replaces_nothing(
    emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str], days: str
) -> None:
    """Usage is told, nothing is sent, and the file of the night before stays."""
    path = tmp_path / "fleet.csv"
    path.write_text("rows")
    with pytest.raises(SystemExit) as caught:
        export_fleet.main([str(path), f"--days={days}"])
    assert (caught.value.code, path.read_text(), emulator.counts.sent) == (2, "rows", 0)
    assert "days" in capsys.readouterr().err
