"""The commands by version 4: after a login, and where it is missing or does not suffice."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from click.testing import CliRunner

from enlighten_async.cli.app import cli
from enlighten_async.emulator import App, Emulator, Fault, Quota
from enlighten_async.emulator.v4.apps import DETAILS
from enlighten_async.oauth import OAuth
from tests.cli.conftest import Commands
from tests.cli.test_login import Login

KEY, SECRET = "0123456789abcdef0123456789abcdef", "s3cret-CANARY"
FORTNIGHT = ("--start", "2025-06-01T00:00Z", "--end", "2025-06-15T00:00Z")


class CommandsV4(Commands):
    """Runs commands with the credentials of an application.

    Attributes:
        tokens: the file of tokens.
        account: the account, if it is not "default".
    """

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(**settings)
        self.tokens = folder / "tokens.json"
        self.account = ""

    @property
    def environ(self) -> dict[str, str]:
        """The environment: credentials of an application."""
        return {
            "ENLIGHTEN_API_KEY": self.key,
            "ENLIGHTEN_CLIENT_ID": "client",
            "ENLIGHTEN_CLIENT_SECRET": SECRET,
            "ENLIGHTEN_TOKENS": str(self.tokens),
            "ENLIGHTEN_ACCOUNT": self.account,
        }

    def login(self, account: str = "default") -> None:
        """Let the demo user log in."""
        asyncio.run(self._login(OAuth.from_env(self.environ, **self.way), account))

    async def _login(self, oauth: OAuth, account: str) -> None:
        async with httpx.AsyncClient(transport=self.world.emulator.transport()) as browser:
            back = await browser.get(oauth.authorization_url())
        code = parse_qs(urlsplit(back.headers["location"]).query)["code"][0]
        await oauth.exchange(account, code)


@pytest.fixture
def enlighten(tmp_path: Path) -> CommandsV4:
    """Commands of an owner who has logged in."""
    commands = CommandsV4(tmp_path)
    commands.login()
    return commands


def test_from_the_login_to_the_data(tmp_path: Path) -> None:
    """Over real sockets, by the environment alone: each command finds what the one before left."""
    with Emulator(quota=Quota.UNLIMITED).running(version="v4") as url:
        login = Login(url, tmp_path)
        env = {**login.env, "ENLIGHTEN_API_KEY": KEY}
        before = CliRunner().invoke(cli, ["systems"], env=env, catch_exceptions=False)
        assert login().exit_code == 0
        done = [
            CliRunner().invoke(cli, words, env=env, catch_exceptions=False)
            for words in (["systems"], ["rgm-stats", "1765", "--last", "2d"], ["--base-url", url, "systems"])
        ]
    assert (before.exit_code, before.stdout) == (1, "")
    assert [each.exit_code for each in done] == [0, 0, 0], [each.output for each in done]
    assert done[0].stdout == done[2].stdout
    assert done[0].stdout.splitlines()[1].split()[:2] == ["1765", "Petaluma"]
    assert "kWh" in done[1].stdout


@pytest.mark.parametrize(
    "words", [["rgm-stats", 1765, *FORTNIGHT], ["rgm-stats", 1765, *FORTNIGHT, "-o", "-", "--meters"]]
)
def test_both_versions_say_the_same(enlighten: CommandsV4, words: list[object]) -> None:
    """Of the same service, to the last figure."""
    new, old = enlighten(*words), Commands()(*words)
    assert (new.exit_code, old.exit_code) == (0, 0)
    assert new.stdout == old.stdout
    assert new.stdout.count("\n") > 10


def test_the_login_is_for_the_account_of_the_environment(tmp_path: Path) -> None:
    """As the other commands are, unless one says another."""
    with Emulator().running(version="v4") as url:
        login = Login(url, tmp_path)
        login.env["ENLIGHTEN_ACCOUNT"] = "anna"
        assert login().exit_code == login("--account", "bert").exit_code == 0
    assert set(login.stored()) == {"anna", "bert"}


def test_both_versions_list_the_same_systems(enlighten: CommandsV4) -> None:
    """In tables that differ only in the columns that one of them has; what is left this month does too."""
    new, old = enlighten("systems"), Commands()("systems")
    both = list(zip(new.stdout.splitlines(), old.stdout.splitlines(), strict=True))
    assert len(both) > 1
    assert [more for more, less in both if not more.startswith(less.rstrip())] == []
    assert "left 999 this month, 9 this minute" in new.stderr
    assert "left 9,999 this month, 9 this minute" in old.stderr


def test_the_price_is_a_share_of_a_smaller_month(enlighten: CommandsV4) -> None:
    """A thousand requests, not ten thousand."""
    done = enlighten("rgm-stats", 1765, *FORTNIGHT, "--estimate")
    assert done.stdout.startswith("at most 2 requests, 0.20% of the month")


def test_the_account_is_the_environments(tmp_path: Path) -> None:
    """By the name it logged in with."""
    enlighten = CommandsV4(tmp_path)
    enlighten.login("anna")
    enlighten.account = "anna"
    assert enlighten("systems").exit_code == 0
    enlighten.account = "bert"
    done = enlighten("systems")
    assert done.exit_code == 1
    assert "run enlighten login --account bert" in done.stderr


@pytest.mark.parametrize("words", [["systems"], ["rgm-stats", 1765, *FORTNIGHT]])
def test_without_a_login_nothing_is_asked(tmp_path: Path, words: list[object]) -> None:
    """One line says what to do."""
    enlighten = CommandsV4(tmp_path)
    done = enlighten(*words)
    assert (done.exit_code, done.stdout, enlighten.sent) == (1, "", 0)
    assert done.stderr == (
        "error: account default has to log in: nobody has logged in yet; run enlighten login\n"
    )


def test_who_withdrew_has_to_log_in_again(enlighten: CommandsV4) -> None:
    """After which all is well."""
    assert enlighten("systems").exit_code == 0
    enlighten.world.emulator.revoke(enlighten.world.emulator.demo_user)
    done = enlighten("systems")
    assert done.exit_code == 1
    assert done.stderr.endswith("run enlighten login\n")
    enlighten.login()
    assert enlighten("systems").exit_code == 0


def test_a_missing_access_control_is_named(tmp_path: Path) -> None:
    """What the application has, it gets."""
    app = App(key=KEY, client_id="client", client_secret=SECRET, access_controls=frozenset({DETAILS}))
    enlighten = CommandsV4(tmp_path, apps=[app])
    enlighten.login()
    assert enlighten("systems").exit_code == 0
    done = enlighten("rgm-stats", 1765, *FORTNIGHT)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "'Site Level Production Monitoring'" in done.stderr
    assert "developer portal" in done.stderr
    assert "login" not in done.stderr


def test_a_key_of_another_application_is_told_apart(tmp_path: Path) -> None:
    """From a login that is missing."""
    apps = [App(key=f"{n}" * 32, client_id=("client", "other")[n], client_secret=SECRET) for n in (0, 1)]
    enlighten = CommandsV4(tmp_path, apps=apps)
    enlighten.login()
    enlighten.key = "1" * 32
    done = enlighten("systems")
    assert done.exit_code == 1
    assert "of one application" in done.stderr
    assert "enlighten login" not in done.stderr


@pytest.mark.parametrize(
    "fault", [Fault(status=500, body="{url} {headers}", times=math.inf), Fault.redirect(times=math.inf)]
)
def test_no_failure_shows_a_secret(enlighten: CommandsV4, fault: Fault) -> None:
    """Not even where the service repeats it, nor in the log."""
    enlighten.world.emulator.faults = [fault]
    done = enlighten("-vv", "systems")
    assert done.exit_code == 1
    for secret in (KEY, SECRET, "eyJ", "@homes"):
        assert secret not in done.output


def test_the_help_tells_what_each_version_needs() -> None:
    """By the names of the variables."""
    text = CliRunner().invoke(cli, ["--help"]).output
    for name in ("API_KEY", "CLIENT_ID", "CLIENT_SECRET", "ACCOUNT", "USER_ID"):
        assert f"ENLIGHTEN_{name}" in text
    assert "enlighten login" in text
