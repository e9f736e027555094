"""Reading by the command line: requests, files, tables and reports."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import pytest

from enlighten_async.emulator import Fault, System
from tests.cli.conftest import Commands

DOCS = Path(__file__).parents[2] / "docs" / "command-line.md"

YEAR = ("--start", "2024-06-15T15:00Z", "--end", "2025-06-15T15:00Z")
FORTNIGHT = ("--start", "2025-06-01T00:00Z", "--end", "2025-06-15T00:00Z")
FIRST, LAST = datetime(2025, 6, 1, tzinfo=UTC).timestamp(), datetime(2025, 6, 15, tzinfo=UTC).timestamp()


def epoch(text: str) -> float:
    """Return ISO 8601 as epoch seconds, as a reader of the file would."""
    moment = datetime.fromisoformat(text)
    assert moment.utcoffset() is not None
    return moment.timestamp()


def test_a_year_of_csv_is_what_the_service_knows(enlighten: Commands, tmp_path: Path) -> None:
    """On the free plan, without a rejection, at the price that was named."""
    path = tmp_path / "year.csv"
    done = enlighten("rgm-stats", 1765, *YEAR, "-o", path)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "sent 53, rejected 0" in done.stderr
    assert (enlighten.sent, enlighten.world.emulator.counts.rejected) == (53, 0)
    with path.open(newline="") as file:
        rows = [(epoch(r["end_at"]), r["devices_reporting"], r["wh_del"]) for r in csv.DictReader(file)]
    limit = enlighten.world.clock.now() - 365 * 86_400
    truth = enlighten.world.emulator.truth.rgm_stats(1765, rows[0][0] - 900, epoch("2025-06-15T15:00Z"))
    assert rows == [(t["end_at"], str(t["devices_reporting"]), str(t["wh_del"])) for t in truth]
    assert rows[0][0] - limit < 2 * 3600  # what the service keeps, but for the margin of an hour
    assert f"{len(rows):,} rows" in done.stderr


def test_json_lines_hold_the_same_rows(enlighten: Commands, tmp_path: Path) -> None:
    """One object in each line, with the names and types of the API."""
    path = tmp_path / "days.jsonl"
    assert enlighten("rgm-stats", 1765, *FORTNIGHT, "-o", path).exit_code == 0
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    truth = enlighten.world.emulator.truth.rgm_stats(1765, FIRST, LAST)
    assert [{**row, "end_at": epoch(row["end_at"])} for row in rows] == [
        {"system_id": 1765, **row} for row in truth
    ]
    assert list(tmp_path.iterdir()) == [path]


def test_meters_write_a_row_per_channel(enlighten: Commands, tmp_path: Path) -> None:
    """All meters, all channels, all intervals."""
    path = tmp_path / "meters.jsonl"
    assert enlighten("rgm-stats", 1765, *FORTNIGHT, "-o", path, "--meters").exit_code == 0
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    truth = enlighten.world.emulator.truth.meter_intervals(1765, FIRST, LAST)
    serials = ("meter_serial_number", "envoy_serial_number")
    wanted = [
        {"system_id": 1765, **{name: meter[name] for name in serials}, **row}
        for meter in truth
        for row in meter["intervals"]
    ]

    def by_time(row: dict[str, object]) -> tuple[object, object, object]:
        return row["meter_serial_number"], row["channel"], row["end_at"]

    found = [{**row, "end_at": epoch(row["end_at"])} for row in rows]
    assert sorted(found, key=by_time) == sorted(wanted, key=by_time)


def test_a_dash_is_csv_on_stdout(enlighten: Commands) -> None:
    """Nothing but data goes there."""
    done = enlighten("rgm-stats", 1765, *FORTNIGHT, "-o", "-")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == len(enlighten.world.emulator.truth.rgm_stats(1765, FIRST, LAST)) > 1000
    assert "sent 2" in done.stderr
    assert "sent" not in done.stdout


def test_days_are_the_systems_own(enlighten: Commands) -> None:
    """From the first moment of the first to the last of the last; the zone costs a request."""
    done = enlighten("rgm-stats", 1765, "--start", "2025-06-10", "--end", "2025-06-12")
    assert done.exit_code == 0
    asked = enlighten.world.emulator.log[-1].params
    assert int(asked["start_at"]) == epoch("2025-06-10T00:00-07:00")
    assert int(asked["end_at"]) == epoch("2025-06-13T00:00-07:00")
    energy = enlighten.world.emulator.truth.energy(1765, int(asked["start_at"]), int(asked["end_at"]))
    assert f"total {energy / 1000:.1f} kWh; complete: 288 of 288 intervals" in done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines()[1:4]] == [
        "2025-06-10",
        "2025-06-11",
        "2025-06-12",
    ]
    assert done.stderr.startswith("sent 2, rejected 0")
    assert done.stderr.count("\n") == 1


def test_without_a_range_it_is_today(enlighten: Commands) -> None:
    """The service's own default; days are UTC's, as nobody told the zone."""
    done = enlighten("rgm-stats", 1765)
    assert done.exit_code == 0
    assert "start_at" not in enlighten.world.emulator.log[-1].params
    assert "day (UTC)" in done.stdout
    assert "day (Asia/Tokyo)" in enlighten("rgm-stats", 1765, "--timezone", "Asia/Tokyo").stdout


def test_the_estimate_asks_for_nothing(enlighten: Commands) -> None:
    """It names the price and the time."""
    done = enlighten("rgm-stats", 1765, *YEAR, "--estimate")
    assert done.stdout.startswith("at most 53 requests, 0.53% of the month; ready at 2025-06-15 15:12")
    assert enlighten.sent == 0


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--start", "2025-06-01T00:00"], "no offset from UTC"),
        (["--start", "2025-06-01", "--end", "2025-06-02T00:00Z"], "both as days"),
        (["--start", "2025-06-03", "--end", "2025-06-01"], "swap them"),
        (["--end", "2025-06-03"], "--end needs --start"),
        (["--start", "tomorrow"], "2026-05-01T00:00Z"),
        (["-o", "year.xlsx"], ".csv, .jsonl"),
        (["-o", "year"], ".csv, .jsonl"),
        (["--meters"], "-o FILE"),
        (["--timezone", "Mars/Olympus", "--start", "2025-06-01"], "Europe/Berlin"),
    ],
)
def test_what_is_wrong_is_refused_with_a_hint(enlighten: Commands, words: list[str], hint: str) -> None:
    """Before anything is paid for."""
    done = enlighten("rgm-stats", 1765, *words)
    assert (done.exit_code, done.stdout, enlighten.sent) == (2, "", 0)
    assert hint in done.stderr


def documented() -> list[str]:
    """Return the commands of the docs that read, or tell what reading costs."""
    block = DOCS.read_text().split("```sh\n")[1].partition("```")[0]
    lines = [line.partition("#")[0].split(maxsplit=1)[1].strip() for line in block.splitlines()]
    others = {"demo", "emulator", "login", "logout", "accounts", "doctor", "store"}
    return [line for line in lines if line.split()[0] not in others]


@pytest.mark.parametrize("line", documented())
def test_each_command_of_the_docs_gives_all_that_it_asks_for(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the emulator, as it is started without options; the days of the docs are moved to its own."""
    monkeypatch.chdir(tmp_path)
    done = Commands(systems=8)(*line.replace("2026-", "2025-").split())
    assert done.exit_code == 0, done.output
    assert "error" not in done.stderr


def test_a_missing_folder_is_told_before_anything_is_paid_for(enlighten: Commands, tmp_path: Path) -> None:
    """The file is opened first."""
    done = enlighten("rgm-stats", 1765, "-o", tmp_path / "none" / "a.csv")
    assert (done.exit_code, enlighten.sent) == (1, 0)
    assert "make this folder" in done.stderr


def test_a_failure_keeps_what_arrived_under_another_name(enlighten: Commands, tmp_path: Path) -> None:
    """The old file stays as it was; the exit code tells."""
    path = tmp_path / "days.csv"
    path.write_text("the old one")
    broken = str(int(FIRST))
    enlighten.world.emulator.inject(Fault.echo(times=math.inf, query={"start_at": broken}))
    done = enlighten("rgm-stats", 1765, *FORTNIGHT, "-o", path)
    assert done.exit_code == 3
    assert path.read_text() == "the old one"
    kept = tmp_path / "days.csv.partial"
    assert sorted(tmp_path.iterdir()) == [path, kept]
    truth = enlighten.world.emulator.truth.rgm_stats(1765, FIRST + 7 * 86_400, LAST)
    assert len(kept.read_text().splitlines()) == len(truth) + 1
    assert f"{len(truth):,} rows that arrived before the failure are in {kept}" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")


def test_ctrl_c_keeps_what_was_paid_for(enlighten: Commands, tmp_path: Path) -> None:
    """Also what had arrived ahead of its turn."""

    def interrupt(_answer: object) -> NoReturn:
        raise KeyboardInterrupt

    enlighten.world.emulator.inject(Fault(transform=interrupt, query={"start_at": str(int(FIRST))}))
    done = enlighten("rgm-stats", 1765, *FORTNIGHT, "-o", tmp_path / "a.csv", "--state", tmp_path / "s.db")
    assert done.exit_code == 130
    kept = (tmp_path / "a.csv.partial").read_text().splitlines()
    assert len(kept) == 1 + 672
    assert done.stderr.splitlines()[-1] == (
        "error: interrupted: what has arrived is kept; run it again to go on"
    )


def test_nothing_is_left_of_nothing(enlighten: Commands, tmp_path: Path) -> None:
    """A failure before the first row leaves no file."""
    enlighten.world.emulator.inject(Fault.echo(times=math.inf))
    assert enlighten("rgm-stats", 1765, *FORTNIGHT, "-o", tmp_path / "a.csv").exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_failure_shows_what_arrived(enlighten: Commands) -> None:
    """The table is there, and says that it is not all."""
    enlighten.world.emulator.inject(Fault.echo(times=math.inf, query={"start_at": str(int(FIRST))}))
    done = enlighten("rgm-stats", 1765, *FORTNIGHT)
    assert done.exit_code == 3
    assert "incomplete: 672 of 1,344 intervals (failed 672)" in done.stdout
    assert "2025-06-14" in done.stdout


def test_an_exhausted_month_is_told_with_its_end(enlighten: Commands, tmp_path: Path) -> None:
    """What the month allowed is kept."""
    path = tmp_path / "year.csv"
    done = enlighten("--plan", "10/3", "rgm-stats", 1765, *YEAR, "-o", path)
    assert (done.exit_code, enlighten.sent) == (4, 3)
    assert "try again after 2025-07-01 00:00:" in done.stderr
    rows = (tmp_path / "year.csv.partial").read_text().splitlines()
    assert len(rows) > 1 + 2 * 672
    assert f"{len(rows) - 1:,} rows that arrived before the failure are in" in done.stderr


def test_a_gap_is_counted_by_its_reason(enlighten: Commands, tmp_path: Path) -> None:
    """Also where the answer is streamed."""
    enlighten.world.emulator.inject(Fault.unavailable(times=math.inf, query={"start_at": str(int(FIRST))}))
    done = enlighten("rgm-stats", 1765, *FORTNIGHT, "-o", tmp_path / "a.csv")
    assert done.exit_code == 3
    assert "incomplete: 672 of 1,344 intervals (unavailable 672)" in done.stderr


def test_the_table_lists_all(enlighten: Commands) -> None:
    """One request, one line on stderr."""
    done = Commands(systems=13)("systems")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert len(lines) == 14
    assert lines[1].split()[:2] == ["1765", "Petaluma"]
    assert "Asia/Katmandu" in done.stdout
    assert done.stderr.startswith("13 rows; sent 1, rejected 0")
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
    assert rows[0]["meta_operational_at"].endswith("+00:00")
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


TWO_DAYS = ("--start", "2025-06-10", "--end", "2025-06-11")


def test_only_what_is_cached(enlighten: Commands, tmp_path: Path) -> None:
    """Nothing is sent, for a table, a file, a page or a price; what is not cached is refused at once."""
    enlighten.home = lambda: tmp_path / "state.db"
    page = tmp_path / "page.html"
    for words in (("rgm-stats", 1765, *TWO_DAYS), ("report", 1765, *TWO_DAYS, "-o", page)):
        done = enlighten(*words, "--only-cached")
        assert (done.exit_code, done.stdout, enlighten.sent) == (4, "", 0)
        assert "nothing may be sent (--only-cached)" in done.stderr
        assert done.stderr.count("\n") == 1
    assert not page.exists()
    assert enlighten("rgm-stats", 1765, *TWO_DAYS).exit_code == 0
    assert enlighten("report", 1765, *TWO_DAYS, "-o", page).exit_code == 0
    sent = enlighten.sent
    for words in (("rgm-stats", 1765, *TWO_DAYS), ("report", 1765, *TWO_DAYS, "-o", page)):
        assert enlighten(*words, "--only-cached").exit_code == 0
    assert enlighten.sent == sent


@pytest.mark.parametrize("option", [("--only-cached",), ("--max-requests", "3")])
def test_a_price_tells_that_a_limit_refuses_it(
    enlighten: Commands, tmp_path: Path, option: tuple[str, ...]
) -> None:
    """By the words of the option; without it, nothing of that."""
    enlighten.home = lambda: tmp_path / "state.db"
    for words in (("estimate", "rgm-stats", 1765, *YEAR), ("rgm-stats", 1765, *YEAR, "--estimate")):
        assert "refused" not in enlighten(*words).stderr
        done = enlighten(*words, *option)
        assert done.stdout.startswith("at most 53 requests")
        assert f"more than {' '.join(option)} allows: to read it would be refused" in done.stderr
    assert enlighten.sent == 0


def test_a_price_takes_the_words_of_the_command_that_reads(enlighten: Commands, tmp_path: Path) -> None:
    """With its file and its sums, which are not written."""
    path = tmp_path / "year.csv"
    done = enlighten("estimate", "rgm-stats", 1765, *YEAR, "--by", "month", "-o", path)
    assert (done.exit_code, done.stdout[:19]) == (0, "at most 53 requests")
    assert not path.exists()


@pytest.mark.parametrize("output", [(), ("-o", "-"), ("--format", "json")])
def test_an_older_answer_stands_in_for_an_error(
    enlighten: Commands, tmp_path: Path, output: tuple[str, ...]
) -> None:
    """It says so, with its age; one that is too old does not."""
    enlighten.home = lambda: tmp_path / "state.db"
    day = ("rgm-stats", 1765, "--start", "2025-06-14", "--end", "2025-06-14", *output)
    first = enlighten(*day)
    assert first.exit_code == 0
    enlighten.world.clock.advance(3 * 3600)
    enlighten.world.emulator.inject(Fault(status=500, times=math.inf))
    assert enlighten(*day, "--stale-if-error", "1h").exit_code in {1, 3}
    done = enlighten(*day, "--stale-if-error", "6h")
    assert (done.exit_code, done.stdout[:800]) == (0, first.stdout[:800])  # in JSON the cost is another one
    assert "from the cache, as of 2025-06-15 15:07 UTC, in place of an error: " in done.stderr


@pytest.mark.parametrize("option", ["--max-age", "--stale-if-error"])
def test_an_option_that_needs_a_state_file_says_so(enlighten: Commands, option: str) -> None:
    """And is not taken; where nothing else is allowed, the command is refused."""
    assert f"{option} has no effect without a state file" in enlighten("systems", option, "1h").stderr
    refused = enlighten("systems", "--only-cached", "--no-state")
    assert (refused.exit_code, enlighten.sent) == (2, 1)
    assert "name one by --state" in refused.stderr
