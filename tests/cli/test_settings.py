"""Settings: what the command line, the environment and the file of settings say, in this order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from enlighten_async import EnlightenClient
from enlighten_async.cli.app import cli
from enlighten_async.cli.context import CommandContext
from tests.cli.conftest import Commands

posix = pytest.mark.skipif(os.name != "posix", reason="permissions of another kind")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of settings, which only its owner may read."""
    path = tmp_path / "config.toml"
    path.touch(mode=0o600)
    monkeypatch.setenv("ENLIGHTEN_CONFIG", str(path))
    return path


def test_the_command_line_goes_before_the_environment_and_that_before_the_file(
    enlighten: Commands, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the command and after it."""
    file.write_text('plan = "50/700"\n')
    assert "left 699 this month" in enlighten("systems").stderr
    monkeypatch.setenv("ENLIGHTEN_PLAN", "50/600")
    assert "left 598 this month" in enlighten("systems").stderr
    assert "left 497 this month" in enlighten("--plan", "50/500", "systems").stderr
    assert "left 496 this month" in enlighten("systems", "--plan", "50/500").stderr


def test_a_setting_of_each_option_is_accepted(enlighten: Commands, file: Path) -> None:
    """`pace` too: the month of 10,000 requests is spent evenly."""
    file.write_text("pace = true\nno-state = false\nverbose = 0\n")
    assert enlighten("systems").exit_code == 0
    done = enlighten("quota", "--priority", "poll")
    assert done.exit_code == 0, done.stderr
    assert "use the month up evenly" in done.stderr


def test_options_of_the_reading_commands_have_variables_too(
    enlighten: Commands, file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Such as the format."""
    file.write_text('format = "json"\nmax-requests = 0\n')
    assert enlighten("systems").exit_code == 4
    done = enlighten("systems", "--max-requests", 1)
    assert done.stdout.startswith("{")
    monkeypatch.setenv("ENLIGHTEN_FORMAT", "csv")
    assert enlighten("systems", "--max-requests", 1).stdout.startswith("system_id,")
    file.write_text(f'only_cached = true\nstate = "{tmp_path / "state.db"}"\n')
    assert f"may be sent (only_cached in {file}): allow" in enlighten("systems").stderr
    monkeypatch.setenv("ENLIGHTEN_ONLY_CACHED", "0")
    assert enlighten("systems").exit_code == 0


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (["-o", "out.csv"], "system_id,"),
        (["-o", "out.json"], "{"),
        (["-o", "out.jsonl"], '{"system_id":'),
        (["-o", "out.csv", "--format", "jsonl"], '{"system_id":'),
        (["--format", "jsonl", "-o", "out.csv"], '{"system_id":'),
        (["-o", "out.txt"], "{"),
    ],
)
@pytest.mark.parametrize("by_variable", [False, True])
def test_a_file_on_the_command_line_has_the_format_of_its_name(
    enlighten: Commands,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    words: list[str],
    begins: str,
    *,
    by_variable: bool,
) -> None:
    """It goes before the variable and the file of settings, and --format before it."""
    monkeypatch.chdir(tmp_path)
    if by_variable:
        monkeypatch.setenv("ENLIGHTEN_FORMAT", "json")
    else:
        file.write_text('format = "json"\n')
    assert enlighten("systems", *words).exit_code == 0
    assert (tmp_path / words[words.index("-o") + 1]).read_text().startswith(begins)


def test_credentials_may_be_in_the_file(enlighten: Commands, file: Path) -> None:
    """Then the environment needs none."""
    file.write_text(f'api_key = "{enlighten.key}"\nuser_id = "{enlighten.world.emulator.demo_user}"\n')
    context = CommandContext(
        connect=lambda environ, **options: EnlightenClient.from_env(environ, **enlighten.way, **options),
        default_state=lambda: None,
    )
    done = CliRunner().invoke(cli, ["systems"], obj=context, env=dict.fromkeys(enlighten.environ))
    assert done.exit_code == 0, done.output
    assert enlighten.key not in repr(context)


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_key_that_others_may_read_is_refused(enlighten: Commands, file: Path, mode: int) -> None:
    """With the command that helps; what is no secret may be read by all."""
    file.write_text('api_key = "CANARY"\n')
    file.chmod(mode)
    done = enlighten("systems")
    assert (done.exit_code, enlighten.sent) == (2, 0)
    assert f"chmod 600 {file}" in done.stderr
    assert "CANARY" not in done.output
    file.write_text('plan = "watt"\n')
    assert enlighten("systems").exit_code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plan = ", "is no TOML"),
        ('plam = "watt"', "plam is no setting; there are account, api_key, base_url"),
        ("plan = [1]", "plan has to be a text or a number"),
        ('plan = "gigawatt"', "'gigawatt' is neither"),
    ],
)
def test_a_wrong_file_is_one_line(enlighten: Commands, file: Path, text: str, said: str) -> None:
    """That says what to do."""
    file.write_text(text)
    done = enlighten("systems")
    assert (done.exit_code, enlighten.sent) == (2, 0)
    assert said in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("words", "variable", "text", "place"),
    [
        (["--plan", "kilo"], "", "", "'--plan'"),
        (["--plan", "kilo"], "watt", 'plan = "watt"', "'--plan'"),
        ([], "kilo", "", "ENLIGHTEN_PLAN"),
        ([], "kilo", 'plan = "watt"', "ENLIGHTEN_PLAN"),
        ([], "", 'plan = "kilo"', "plan in {file}"),
    ],
)
def test_a_wrong_value_is_told_with_its_place(
    enlighten: Commands,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    variable: str,
    text: str,
    place: str,
) -> None:
    """The option, the variable, or the file: where it has to be changed."""
    file.write_text(text)
    monkeypatch.setenv("ENLIGHTEN_PLAN", variable)
    for said in (enlighten(*words, "systems"), enlighten("systems", *words)):
        assert (said.exit_code, enlighten.sent) == (2, 0)
        assert said.stderr.startswith(
            f"error: Invalid value for {place.format(file=file)}: 'kilo' is neither"
        )
        assert "env var" not in said.stderr


def test_an_option_of_a_command_is_told_with_its_place_too(
    enlighten: Commands, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the client finds that it is wrong."""
    file.write_text('max_age = "5"\nbase_url = "nonsense"\n')
    assert f"for max_age in {file}: '5' has no unit" in enlighten("systems").stderr
    monkeypatch.setenv("ENLIGHTEN_MAX_AGE", "5h")
    assert f"base_url in {file} must look like https://" in enlighten("systems").stderr
    monkeypatch.setenv("ENLIGHTEN_BASE_URL", "odd")
    assert enlighten("systems").stderr.startswith("error: ENLIGHTEN_BASE_URL must look like https://")
    done = enlighten("systems", "--base-url", "false")
    assert (done.exit_code, done.stderr) == (2, "error: --base-url must look like https://host/path\n")


def test_credentials_of_the_file_are_told_as_its_own(enlighten: Commands, file: Path) -> None:
    """A wrong key is to be changed there."""
    world = Commands(keys=["the-right-one"])
    file.write_text(f'api_key = "{enlighten.key}"\nuser_id = "{world.world.emulator.demo_user}"\n')
    context = CommandContext(
        connect=lambda environ, **options: EnlightenClient.from_env(environ, **world.way, **options),
        default_state=lambda: None,
    )
    done = CliRunner().invoke(cli, ["systems"], obj=context, env=dict.fromkeys(enlighten.environ))
    assert done.exit_code == 1
    assert f"api_key in {file}, with user_id in {file} or the tokens, was sent: check it" in done.stderr


def test_a_named_file_that_is_not_there_is_told(enlighten: Commands, file: Path) -> None:
    """It was meant to be there."""
    file.unlink()
    assert "is not there" in enlighten("systems").stderr


def test_a_wrong_number_is_told_as_one(enlighten: Commands) -> None:
    """Not by the kind of the parameter."""
    done = enlighten("systems", "--max-requests", "x")
    assert done.exit_code == 2
    assert "'x' is not a valid number" in done.stderr
