"""The commands of the endpoints: each is there, reads well, and reads what the client's method reads."""

from __future__ import annotations

import csv
import inspect
import io
import json
import re
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from enlighten_async import EnlightenClient
from enlighten_async.cli.app import HELP, MODULES, cli
from enlighten_async.cli.endpoints import Endpoint, endpoints
from enlighten_async.emulator import Quota, System
from tests.cli.conftest import Commands
from tests.cli.test_v4 import CommandsV4

ENDPOINTS = list(endpoints().values())
HELP_COLUMNS = 80


def names(endpoint: Endpoint) -> str:
    """Return the name of a test's case."""
    return endpoint.name


def command_help(*words: str) -> str:
    """Return the help of a command at 80 columns."""
    context = click.Context(cli, info_name="enlighten", terminal_width=HELP_COLUMNS - 2)
    command: click.Command = cli
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(context, word)
        assert found is not None
        command = found
        context = click.Context(command, info_name=word, parent=context, terminal_width=HELP_COLUMNS - 2)
    return command.get_help(context)


def every_command(group: click.Group, *before: str) -> list[tuple[str, ...]]:
    """Return the words of each command of a group, and of those below it."""
    found: list[tuple[str, ...]] = [before]
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        deeper = every_command(command, *before, name) if isinstance(command, click.Group) else []
        found += deeper or [(*before, name)]
    return found


def test_each_method_that_returns_a_query_has_a_command() -> None:
    """Under its own name, and no other."""
    methods = [
        name
        for name, method in inspect.getmembers(EnlightenClient, inspect.isfunction)
        if not name.startswith("_") and str(inspect.signature(method).return_annotation).startswith("Query[")
    ]
    assert {each.method for each in ENDPOINTS} == set(methods)
    assert len(methods) > 44


def test_the_list_of_commands_says_what_they_say() -> None:
    """It is told without loading them: each in its section, in order, with the text of its own help."""
    context, sections = click.Context(cli), {"Commands": set(MODULES)}
    for each in ENDPOINTS:
        sections.setdefault(each.section, set()).add(each.name)
    assert {title: set(commands) for title, commands in HELP.items()} == sections
    for commands in HELP.values():
        assert list(commands) == sorted(commands)
        for name, text in commands.items():
            command = cli.get_command(context, name)
            assert command is not None
            assert command.get_short_help_str(limit=100) == text


@pytest.mark.parametrize("words", every_command(cli), ids=" ".join)
def test_each_help_reads_well_at_80_columns(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is longer; nothing in it is Python."""
    monkeypatch.setenv("XDG_CONFIG_HOME", "/home/me/.config")
    text = command_help(*words)
    assert max(map(len, text.splitlines())) <= HELP_COLUMNS
    # The emulator names its drifts by the API's own words.
    own = "" if words == ("emulator",) else re.sub(r"ENLIGHTEN_\w+", "", text)
    assert (
        re.findall(r"\w+_\w+|`(?!enlighten)\w+`|\bNone\b|\bTrue\b|\bFalse\b", own.replace("state_", "")) == []
    )
    assert not [line for line in text.splitlines() if line.endswith("...") and "[OPTIONS]" not in line]


MANY_PAGES = {"micros-telemetry"}
"""Commands whose answers take seconds."""


@pytest.mark.parametrize(
    "endpoint",
    [
        pytest.param(each, id=names(each), marks=[pytest.mark.slow] if names(each) in MANY_PAGES else [])
        for each in ENDPOINTS
    ],
)
def test_each_endpoint_answers_in_each_format(
    tmp_path: Path, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    """By version 4; a thing that this system does not have is told so. Nothing is odd in an answer."""
    enlighten = CommandsV4(tmp_path, quota=Quota.UNLIMITED)
    enlighten.login()
    serial = enlighten.world.emulator.truth.systems()[0].system_id
    words: list[object] = [
        serial if "id" in each else "1" for each, needed in endpoint.arguments.items() if needed
    ]
    days = ["--start", "2025-06-10"] if "start" in endpoint.ends else []
    for form in ("table", "csv", "ndjson", "json"):
        done = enlighten(endpoint.name, *words, *days, "--format", form)
        assert done.exit_code in {0, 1, 2, 3}, done.output
        assert "unexpected" not in done.stderr
        assert "Usage" not in done.stderr
        if form == "json" and done.exit_code == 0:
            assert json.loads(done.stdout)
        if form == "csv" and done.exit_code == 0:
            heading, *rows = csv.reader(io.StringIO(done.stdout))
            assert {len(row) for row in rows} <= {len(heading)}
    assert not [each for each in caplog.messages if "than documented" in each]


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
@pytest.mark.parametrize("endpoint", [each for each in ENDPOINTS if not each.only_v4], ids=names)
def test_each_endpoint_of_version_2_answers_in_each_format(
    tmp_path: Path, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    """With rows of one shape; then from the cache, and for nothing."""
    enlighten = Commands(quota=Quota.UNLIMITED)
    enlighten.home = lambda: tmp_path / "state.db"
    system = enlighten.world.emulator.truth.systems()[0].system_id
    serial = json.loads(enlighten("envoys", system, "--format", "json").stdout)["envoys"][0]["serial_number"]
    words: list[object] = [
        system if "id" in each else serial for each, needed in endpoint.arguments.items() if needed
    ]
    words += ["--start", "2025-05-10"] if "start" in endpoint.ends else []
    parquet = ["parquet"] * (find_spec("pyarrow") is not None)  # an extra
    for form in ("table", "csv", "ndjson", "json", *parquet):
        done = enlighten(
            endpoint.name, *words, "--format", form, *(["-o", tmp_path / "a"] * (form == "parquet"))
        )
        assert done.exit_code == 0, done.output
        if form == "csv":
            heading, *rows = csv.reader(io.StringIO(done.stdout))
            assert rows
            assert {len(row) for row in rows} == {len(heading)}
        if form == "ndjson":
            assert [len(json.loads(line)) for line in done.stdout.splitlines()] == [len(heading)] * len(rows)
        if form == "json":
            assert json.loads(done.stdout)
    sent = enlighten.sent
    again = enlighten(endpoint.name, *words, "--max-age", "1h", "--only-cached", "--priority", "backfill")
    assert (again.exit_code, enlighten.sent) == (0, sent), again.output
    assert not [each for each in caplog.messages if "than documented" in each]


def test_what_version_4_dropped_is_told_by_commands(tmp_path: Path) -> None:
    """With those to use."""
    enlighten = CommandsV4(tmp_path)
    enlighten.login()
    done = enlighten("monthly-production", 1765, "--start", "2025-04-01")
    assert done.exit_code == 2
    assert done.stderr.startswith(
        "error: version 4 of the API has no monthly-production: use energy-lifetime "
    )


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_options_stand_before_the_command_or_after_it(enlighten: Commands, before: bool) -> None:
    """All the same."""
    option = ["--plan", "50/500"]
    done = enlighten(*option, "systems") if before else enlighten("systems", *option)
    assert done.exit_code == 0
    assert "left 499 this month" in done.stderr


@pytest.mark.parametrize(
    ("words", "start", "end"),
    [
        (["--last", "2d"], "2025-06-13T15:00+00:00", None),
        (["--last", "36h"], "2025-06-14T03:00+00:00", None),
        (["--start", "yesterday", "--end", "yesterday"], "2025-06-14T00:00-07:00", "2025-06-15T00:00-07:00"),
        (["--start", "yesterday"], "2025-06-14T00:00-07:00", None),
        (["--start", "2025-06-14T12:00Z"], "2025-06-14T12:00+00:00", None),
    ],
)
def test_a_range_is_in_words_or_in_days(
    enlighten: Commands, words: list[str], start: str, end: str | None
) -> None:
    """Days are the system's own."""
    assert enlighten("rgm-stats", 1765, *words).exit_code == 0
    asked = enlighten.world.emulator.log[-1].params
    assert int(asked["start_at"]) == datetime.fromisoformat(start).timestamp()
    if end is not None:
        assert int(asked["end_at"]) == datetime.fromisoformat(end).timestamp()


@pytest.mark.parametrize(("unit", "rows"), [("hour", 48), ("day", 2), ("month", 1)])
def test_energies_by_hour_day_and_month(enlighten: Commands, unit: str, rows: int) -> None:
    """In every format; to the Wh."""
    days = ["--start", "2025-06-10", "--end", "2025-06-11"]
    done = enlighten("rgm-stats", 1765, *days, "--by", unit, "--format", "json")
    sums = json.loads(done.stdout)
    assert len(sums) == rows
    asked = enlighten.world.emulator.log[-1].params
    truth = enlighten.world.emulator.truth.energy(1765, int(asked["start_at"]), int(asked["end_at"]))
    assert sum(each["wh"] for each in sums) == truth
    table = enlighten("rgm-stats", 1765, *days, "--by", unit).stdout
    assert f"total {truth / 1000:.1f} kWh; complete: 192 of 192 intervals" in table


def test_an_answer_that_is_young_enough_is_not_asked_for_again(enlighten: Commands, tmp_path: Path) -> None:
    """--max-age; --max-requests 0 takes nothing else."""
    state = ("--state", tmp_path / "state.db")
    assert enlighten("systems", *state).exit_code == 0
    assert enlighten("systems", *state, "--max-age", "15m", "--max-requests", "0").exit_code == 0
    assert enlighten.sent == 1
    assert enlighten("systems", *state, "--max-requests", "0").exit_code == 4
    assert enlighten.sent == 1


@pytest.mark.parametrize(("option", "lines"), [("-v", 1), ("-vv", 1)])
def test_each_request_is_shown(enlighten: Commands, option: str, lines: int) -> None:
    """Endpoint, system, window, status, time and cost; never the key."""
    done = enlighten("rgm-stats", 1765, "--last", "2d", option)
    said = [line for line in done.stderr.splitlines() if "GET rgm_stats of system 1765" in line]
    assert len(said) == lines
    assert "200 in " in said[0]
    assert "cost 1" in said[0]
    assert enlighten.key not in done.output


def test_what_is_given_twice_is_read_once(enlighten: Commands) -> None:
    """And it is told; in any format."""
    for form in ("table", "csv", "ndjson"):
        words = ("--last", "2h", "--format", form)
        once = enlighten("rgm-stats", 1765, *words)
        sent = enlighten.sent
        done = enlighten("rgm-stats", 1765, "01765", 1765, *words)
        assert (done.stdout, enlighten.sent) == (once.stdout, sent + 1)
        assert done.stderr.splitlines()[0] == "1765 is given more than once: it is read once"
        assert "more than once" not in once.stderr


def test_names_of_strangers_harm_nothing(tmp_path: Path) -> None:
    """Neither a terminal, nor a spreadsheet."""
    name = "=cmd()<script>\x1b[2J\u202eevil\u2066 ☀ عربى"
    enlighten = Commands(fleet=[System(system_id=7, name=name)])
    for form in ("table", "csv"):
        text = enlighten("systems", "--format", form).stdout
        assert "<script>" in text
        assert not set(text) & set("\x1b\u202e\u2066")
    assert ",'=cmd()" in enlighten("systems", "-o", "-").stdout
    for form in ("json", "ndjson"):
        text = enlighten("systems", "--format", form).stdout
        assert text.isascii()
    assert json.loads(text)["system_name"] == name


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["frob"], "No such command 'frob'; cli --help"),
        (["rgm-stat", 1765], "No such command 'rgm-stat': did you mean rgm-stats?"),
        (["rgm-stats"], "name systems, or else give --all; enlighten systems lists them"),
        (["rgm-stats", 1765, "--all", "--last", "1d"], "name systems, or else give --all"),
        (["rgm-stats", 1765, "--last", "soon"], "no length of time, such as 30d"),
        (["rgm-stats", 1765, "--last", "0d"], "--last 30d"),
        (["rgm-stats", 1765, "--last", "1d", "--end", "today"], "--last is a whole range, which ends now"),
        (["rgm-stats", 1765, "--last", "1d", "--start", "today"], "give it alone, or leave it out"),
        (["rgm-stats", 1765, "--last", "5"], "'5' has no unit: write 5s, 5m (minutes), 5h, 5d, 5w or 5y"),
        (["rgm-stats", 1765, "--max-age", "900"], "'900' has no unit: write 900s"),
        (["rgm-stats", 1765, "--last", "9999y"], "--last goes back too far: give 50y at most"),
        (["rgm-stats", 1765, "--start", "0001-01-01T00:00+14:00"], "between 1970 and 9999\n"),
        (["--plan", "kilowatt", "systems"], "give its limits, such as --plan 10/10000"),
        (["systems", "--max-requests", "9" * 20], "--max-requests must be a whole number, 0 or more, not 99"),
        (["quota", "--used", "9" * 20], "as a whole number, 0 or more, not 99"),
        (["quota", "\x1b[2J\u202e"], r"extra argument (\x1b[2J\u202e)"),
        (["rgm-stats", 1765, "--frob"], "No such option"),
        (["rgm-stats", "\x1b[2J", "--last", "1d"], "SYSTEM must be"),
        (["rgm-stats", 1765, "--meters"], "--meters gives rows"),
        (["energy-lifetime", 1765, "--start", "2025-01-01T00:00Z"], "is an instant: give a day"),
        (["monthly-production", 1765], "--start 2026-05-01"),
        (["summary", 1765, "--summary-date", "2025-01-01T00:00Z"], "is an instant"),
        (["energy-lifetime", 1765, "--production", "some"], "'some' is not 'all'"),
        (["battery", 1765], "only version 4 of the API"),
        (["estimate", "rgm-stats", "--all", "--last", "1d"], "run enlighten systems"),
    ],
)
def test_a_wrong_call_is_one_line(enlighten: Commands, words: list[object], said: str) -> None:
    """That says what to do, in the words of the command line; it costs nothing."""
    done = enlighten(*words)
    assert (done.exit_code in {2, 4}, done.stdout, enlighten.sent) == (True, "", 0), done.output
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert not re.findall(r"\w+_\w+|\x1b", re.sub(r"ENLIGHTEN_\w+", "", done.stderr))


def test_yesterday_is_the_systems_own(enlighten: Commands) -> None:
    """Also where it is no range."""
    assert enlighten("summary", 1765, "--summary-date", "yesterday").exit_code == 0
    assert enlighten.world.emulator.log[-1].params["summary_date"] == "2025-06-14"


def test_several_systems_are_read_at_once(tmp_path: Path) -> None:
    """Each has its rows in their order; one that fails stops no other, and the exit code tells."""
    enlighten = Commands(systems=5)
    first, second, *_ = (each.system_id for each in enlighten.world.emulator.truth.systems())
    path = tmp_path / "two.csv"
    done = enlighten("rgm-stats", second, first, "--last", "1d", "-o", path)
    assert done.exit_code == 0, done.output
    with path.open() as file:
        assert list(dict.fromkeys(row["system_id"] for row in csv.DictReader(file))) == [
            str(second),
            str(first),
        ]
    both = json.loads(enlighten("summary", first, second, "--format", "json").stdout)
    assert [each["system_id"] for each in both] == [first, second]
    broken = enlighten("summary", first, 99, "--format", "json")
    assert broken.exit_code == 3
    assert [each["system_id"] for each in json.loads(broken.stdout)] == [first]
    assert broken.stderr.startswith("error: 99: 404")
    everyone = json.loads(enlighten("summary", "--all", "--format", "json").stdout)
    assert len(everyone) == 5


def test_of_nothing_it_is_said(enlighten: Commands) -> None:
    """With an exit code of its own."""
    for days in (("--start", "2020-01-01", "--end", "2020-01-02"), ("--start", "2030-01-01")):
        done = enlighten("rgm-stats", 1765, *days)
        assert done.exit_code == 3
        assert "nothing there" in done.stdout
    assert enlighten("summary", 99).exit_code == 3


def test_yesterday_is_not_that_of_utc(enlighten: Commands) -> None:
    """In the evening of the system it is the next day there already."""
    evening = datetime(2025, 6, 15, 3, tzinfo=UTC)  # 20:00 of June 14 in California
    enlighten.now = evening.timestamp
    assert enlighten("rgm-stats", 1765, "--start", "yesterday", "--end", "yesterday").exit_code == 0
    asked = enlighten.world.emulator.log[-1].params
    assert int(asked["start_at"]) == datetime.fromisoformat("2025-06-13T00:00-07:00").timestamp()
    assert enlighten("summary", 1765, "--summary-date", "yesterday").exit_code == 0
    assert enlighten.world.emulator.log[-1].params["summary_date"] == "2025-06-13"


@pytest.mark.parametrize("words", every_command(cli), ids=" ".join)
def test_each_option_is_explained_and_no_name_is_broken(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is printed at 80 columns: a name in two lines cannot be copied."""
    monkeypatch.setenv("XDG_CONFIG_HOME", "/home/me/.config")
    done = CliRunner().invoke(cli, [*words, "--help"], env={"COLUMNS": str(HELP_COLUMNS)})
    assert done.exit_code == 0
    assert not re.findall(r"\w-$|\u2011|RANGE|\bINTEGER\b|\bFLOAT\b", done.stdout, re.MULTILINE)
    command: click.Command = cli
    for word in words:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(cli), word) or command
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert [each.name for each in options if not each.help] == []
