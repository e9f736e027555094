"""Each kind of failure: one line, its own exit code, no secret."""

from __future__ import annotations

import math

import click
import pytest
from click.testing import CliRunner

from enlighten_async import EnlightenClient, errors
from enlighten_async.api.decode import zone_unknown
from enlighten_async.cli import exit_codes
from enlighten_async.cli.app import cli
from enlighten_async.cli.context import CommandContext
from enlighten_async.emulator import Fault
from enlighten_async.wire import Response
from tests.cli.conftest import Commands

KEY = "a-key-nobody-may-read-5f2e"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(status=401, body='{"message": "{url}"}', times=math.inf), 1),
        (Fault(status=403, body='{"message": "{query}"}', times=math.inf), 1),
        (Fault(status=404, body='{"message": "{url}"}', times=math.inf), 3),
        (Fault.echo(times=math.inf), 1),
        (Fault.html(times=math.inf), 1),
        (Fault.redirect(times=math.inf), 1),
        (Fault.drop(times=math.inf), 1),
        (Fault.overloaded(times=math.inf), 1),
        (Fault(body="{url}", times=math.inf), 1),
    ],
)
@pytest.mark.parametrize("verbose", [[], ["-vv"]])
def test_no_failure_shows_the_key(fault: Fault, code: int, verbose: list[str]) -> None:
    """Not even where the service repeats it, nor in the log."""
    enlighten = Commands(faults=[fault])
    enlighten.key = KEY
    done = enlighten(*verbose, "systems")
    assert done.exit_code == code
    assert KEY not in done.output
    assert enlighten.world.emulator.demo_user not in done.output
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert len(last) > 20
    assert "Traceback" not in done.output
    if not verbose:
        assert done.stderr.count("\n") == 1


def test_a_wrong_key_is_refused_without_being_shown() -> None:
    """It says what to check."""
    enlighten = Commands(keys=["the-right-one"])
    enlighten.key = KEY
    done = enlighten("rgm-stats", 1765, "--start", "2025-01-01T00:00Z")
    assert (done.exit_code, enlighten.sent) == (1, 1)
    assert "ENLIGHTEN_API_KEY" in done.stderr
    assert KEY not in done.output


def test_a_system_that_is_not_there(enlighten: Commands) -> None:
    """Is not found."""
    done = enlighten("rgm-stats", 99)
    assert done.exit_code == 3
    assert "check the system id" in done.stderr


def test_a_system_that_is_not_there_needs_no_other_range(enlighten: Commands) -> None:
    """Local days are as good as instants; several systems are told one by one."""
    done = enlighten("rgm-stats", 1765, 1766, "--start", "yesterday", "--by", "hour")
    assert done.exit_code == 3
    assert "error: 1766: this user sees no system 1766: check the system id\n" in done.stderr


def test_a_system_without_a_time_zone_takes_instants() -> None:
    """As they need none; options have other names than arguments."""
    response = Response(status=200, body=b"")
    line = exit_codes.error_line(zone_unknown(7, response, listed=True))
    instants = "give instants, such as --start 2026-05-01T00:00Z, which need none"
    assert line == f"system 7 has no time zone, which days need: {instants}"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:9/api/v2", "http://127.0.0.1:9: connection refused"),
        ("http://localhost:9/api/v2", "http://localhost:9: connection refused"),
    ],
)
def test_a_host_that_is_not_reached_is_told_in_plain_words(url: str, why: str) -> None:
    """With what to check: the address where it was given."""
    environ = {"ENLIGHTEN_API_KEY": KEY, "ENLIGHTEN_USER_ID": "user"}
    context = CommandContext(
        connect=lambda _, **options: EnlightenClient.from_env(environ, **options),
        default_state=lambda: None,
    )
    done = CliRunner().invoke(cli, ["systems", "--base-url", url], obj=context)
    assert done.exit_code == 1
    assert (
        done.stderr
        == f"error: cannot connect to {why}; check the network and --base-url, then run it again\n"
    )
    told = CliRunner().invoke(cli, ["-v", "systems", "--base-url", url], obj=context).stderr
    assert "GET systems: no response (TransportError) in" in told
    assert "pass --plan if the key has another" in told


@pytest.mark.parametrize("system", ["x", "-1", "0", "1.5"])
def test_a_system_id_is_a_number(enlighten: Commands, system: str) -> None:
    """Said before anything is sent."""
    done = enlighten("rgm-stats", "--", system)
    assert (done.exit_code, enlighten.sent) == (2, 0)


@pytest.mark.parametrize("plan", ["watt", "WATT", "50/50000"])
def test_plans_have_names_or_limits(enlighten: Commands, plan: str) -> None:
    """Either does."""
    done = enlighten("--plan", plan, "systems")
    assert done.exit_code == 0
    assert ("left 49,999 this month" in done.stderr) is (plan == "50/50000")


@pytest.mark.parametrize("plan", ["kilo", "10", "0/5", "10/", "/", "1/2/3", "-1/5"])
def test_other_plans_are_refused(enlighten: Commands, plan: str) -> None:
    """With an example."""
    done = enlighten("--plan", plan, "systems")
    assert (done.exit_code, enlighten.sent) == (2, 0)
    assert "50/50000" in done.stderr


def test_missing_credentials_are_named() -> None:
    """By the names of their variables."""
    context = CommandContext(connect=lambda _, **options: EnlightenClient.from_env({}, **options))
    done = CliRunner().invoke(cli, ["systems"], obj=context)
    assert done.exit_code == 2
    names = ("ENLIGHTEN_API_KEY", "ENLIGHTEN_CLIENT_ID", "ENLIGHTEN_CLIENT_SECRET")
    assert done.stderr.startswith(f"error: set {' and '.join(names)} in the environment; for v2")


def test_a_wrong_serial_number_is_told_without_python(enlighten: Commands) -> None:
    """As what it is: it has no name at the command line."""
    done = enlighten("search-system-id", "")
    assert (done.exit_code, enlighten.sent) == (2, 0)
    assert "error: a serial number must be a text such as '121112607295'" in done.stderr
    assert "_" not in done.stderr


def test_credentials_are_no_options(enlighten: Commands) -> None:
    """A shell keeps its history."""
    assert enlighten("--api-key", KEY, "systems").exit_code == 2
    group = click.Context(cli)
    commands = [cli.get_command(group, name) for name in cli.list_commands(group)]
    assert len(commands) > 50
    assert "key" not in [option.name for command in commands if command for option in command.params]


def test_a_fault_of_ours_is_one_line_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    """The text may quote anything; where it happened is enough for a report."""

    async def work() -> None:
        raise KeyError(KEY)

    with pytest.raises(SystemExit) as end:
        CommandContext().run(work)
    assert end.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("error: unexpected KeyError at test_exit_codes.py:")
    assert KEY not in said
    assert said.count("\n") == 1


def test_ctrl_c_ends_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    """Unless it is how the command is meant to end."""

    async def work() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as end:
        CommandContext().run(work)
    assert end.value.code == 130
    CommandContext().run(work, until_interrupted=True)
    assert capsys.readouterr().err == "error: interrupted\n"


def test_every_error_has_an_exit_code_of_its_kind() -> None:
    """A new one gets that of its base."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    tree = [kind for kind in kinds if issubclass(kind, errors.EnlightenError)]
    assert len(tree) > 15
    for kind in tree:
        assert exit_codes.exit_code(kind.__new__(kind)) in {1, 2, 3, 4}
    assert exit_codes.exit_code(OSError()) == 1


@pytest.mark.parametrize(
    ("count", "told"), [(1, ""), (2, " (and 1 more failure)"), (3, " (and 2 more failures)")]
)
def test_other_failures_are_counted(count: int, told: str) -> None:
    """In the singular if it is one."""
    error = errors.BudgetExceeded("too much")
    error.causes = (error,) * count
    assert exit_codes.error_line(error) == f"too much{told}"
