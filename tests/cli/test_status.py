"""`enlighten estimate`, `quota` and `doctor`: what is told, for nothing."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from enlighten_async import Plan, QuotaStatus, QuotaWindow
from enlighten_async.cli.context import CommandContext
from enlighten_async.cli.endpoints import endpoints
from enlighten_async.cli.status import plan_finding
from enlighten_async.emulator import Fault
from enlighten_async.oauth import StateTokenStore, Tokens
from tests.cli.conftest import Commands

YEAR = ("--start", "2024-06-15T15:00Z", "--end", "2025-06-15T15:00Z")


@pytest.mark.parametrize(("name", "requests"), [("rgm-stats", 53), ("stats", 365), ("consumption-stats", 16)])
def test_every_series_has_its_price(enlighten: Commands, name: str, requests: int) -> None:
    """A year of it, with the way that costs less; nothing is sent."""
    done = enlighten("estimate", name, 1765, *YEAR)
    assert (done.exit_code, enlighten.sent) == (0, 0)
    assert done.stdout.startswith(f"at most {requests} requests, ")
    assert done.stderr.splitlines()[:2] == ["at least 1", "windows beyond retention, not requested: 1"]
    assert "of the month; ready at 2025-06-15 15:" in done.stdout
    assert "-lifetime request has a value for each day" in done.stderr


def test_a_lifetime_is_one_request(enlighten: Commands) -> None:
    """It takes days, and instants are refused with what to do."""
    done = enlighten("estimate", "energy-lifetime", 1765, "--start", "2024-06-15", "--end", "2025-06-14")
    assert done.stdout.startswith("at most 1 request, 0.01% of the month")
    assert "cheaper" not in done.stderr
    wrong = enlighten("estimate", "energy-lifetime", 1765, *YEAR)
    assert (wrong.exit_code, enlighten.sent) == (2, 0)
    assert "is an instant: give a day" in wrong.stderr


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
def test_every_name_is_a_method_of_the_client(enlighten: Commands) -> None:
    """What only v4 has is said to be so."""
    for name, endpoint in endpoints().items():
        words = [1765] * sum(endpoint.arguments.values())
        days = ["--start", "2025-01-01"] if "start" in endpoint.ends else []
        done = enlighten("estimate", name, *words, *days)
        assert (name, done.exit_code) == (name, 2 if endpoint.only_v4 else 0), done.output
        assert ("only version 4 of the API" in done.stderr) == endpoint.only_v4
    assert enlighten.sent == 0


def test_several_systems_have_one_price(enlighten: Commands) -> None:
    """The sum of all."""
    done = enlighten("estimate", "rgm-stats", 1765, 1766, 1767, "--last", "1y")
    assert done.stdout.startswith("at most 159 requests, 1.59% of the month; ready at")
    assert enlighten.sent == 0


def test_history_takes_longer_and_may_not_fit(enlighten: Commands) -> None:
    """The price is that of the class it would be bought in."""
    first = enlighten("--plan", "10/50", "estimate", "rgm-stats", 1765, *YEAR)
    assert "that is more than is left this month" in first.stderr
    fits = enlighten("--plan", "10/55", "estimate", "rgm-stats", 1765, *YEAR)
    held = enlighten("--plan", "10/55", "estimate", "rgm-stats", 1765, *YEAR, "--priority", "backfill")
    assert "more than is left" not in fits.stderr
    assert "more than is left" in held.stderr


def test_the_quota_is_told(enlighten: Commands, tmp_path: Path) -> None:
    """With a state file it is what the commands before it have used."""
    done = enlighten("quota")
    assert (done.exit_code, enlighten.sent) == (0, 0)
    assert [line.split()[:4] for line in done.stdout.splitlines()[1:]] == [
        ["minute", "0", "10", "10"],
        ["month", "0", "10,000", "10,000"],
    ]
    state = ("--state", tmp_path / "state.db")
    assert enlighten(*state, "systems").exit_code == 0
    after = enlighten(*state, "quota", "--priority", "backfill")
    assert after.stdout.splitlines()[2].split()[:4] == ["month", "1", "10,000", "9,481"]
    assert "2025-07-01 00:00:00" in after.stdout
    assert enlighten.sent == 1


def test_the_pace_of_the_month_is_told(enlighten: Commands, tmp_path: Path) -> None:
    """With the option, for a priority that it holds back."""
    state = ("--state", tmp_path / "state.db")
    assert enlighten(*state, "systems").exit_code == 0
    assert "evenly" not in enlighten(*state, "--pace", "quota").stderr
    told = enlighten(*state, "--pace", "quota", "--priority", "poll").stderr
    assert "requests a day use the month up evenly" in told
    assert "the next one at 2025-06-" in told


def test_the_month_used_is_set_and_what_was_heard_forgotten(enlighten: Commands, tmp_path: Path) -> None:
    """By the figure of the developer portal; nothing is sent."""
    state = ("--state", tmp_path / "state.db")
    told = enlighten(*state, "quota", "--used", "400")
    assert (told.exit_code, enlighten.sent) == (0, 0)
    assert told.stdout.splitlines()[2].split()[:4] == ["month", "400", "10,000", "9,600"]
    enlighten.world.emulator.inject(Fault(status=409, body='{"period": "month"}'))
    assert enlighten(*state, "systems").exit_code == 4
    closed = enlighten(*state, "quota")
    assert "rejects requests of this month: none is sent until 2025-07-01 00:00:00 UTC" in closed.stderr
    assert enlighten(*state, "systems").exit_code == 4
    opened = enlighten(*state, "quota", "--forget")
    assert (opened.stderr, opened.stdout.splitlines()[2].split()[:2]) == ("", ["month", "401"])
    assert enlighten(*state, "systems").exit_code == 0
    assert enlighten("quota", "--used", "-1").exit_code == 2


def test_the_doctor_finds_nothing(
    enlighten: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where all is set up; no request is sent."""
    for name, value in enlighten.environ.items():
        monkeypatch.setenv(name, value)
    state = ("--state", tmp_path / "state.db")
    assert enlighten("systems", *state).exit_code == 0
    done = enlighten("doctor", *state)
    assert (done.exit_code, enlighten.sent) == (0, 1), done.output
    assert {line.split()[0] for line in done.stdout.splitlines() if line.strip()} == {"ok"}
    for found in ("version 2", "9,999 this month", "https://", "state.db", "1 cached"):
        assert found in done.stdout
    assert enlighten.key not in done.output


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        (None, "Watt: 10 a minute, 10,000 a month; left 10 this minute, 10,000 this month (assumed; give"),
        ("watt", "Watt: 10 a minute, 10,000 a month; left 10 this minute, 10,000 this month\n"),
        (
            "10000/1000000",
            "10,000 a minute, 1,000,000 a month; left 10,000 this minute, 1,000,000 this month\n",
        ),
        ("Unlimited", "no limit\n"),
    ],
)
def test_the_doctor_tells_every_plan(enlighten: Commands, plan: str | None, told: str) -> None:
    """By its name, by its limits, or that none was told."""
    done = enlighten("doctor", *(["--plan", plan] if plan else []))
    line = next(line for line in done.stdout.splitlines(keepends=True) if " plan " in line)
    assert told in re.sub(r" +\n", "\n", line)


def test_the_doctor_names_what_is_missing(
    enlighten: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each thing in a line; the exit code tells."""
    for name in ("API_KEY", "USER_ID", "CLIENT_SECRET", "ACCOUNT"):
        monkeypatch.delenv(f"ENLIGHTEN_{name}", raising=False)
    monkeypatch.setenv("ENLIGHTEN_CLIENT_ID", "client")
    monkeypatch.setenv("ENLIGHTEN_TOKENS", str(tmp_path / "tokens.json"))
    done = enlighten("doctor")
    assert (done.exit_code, enlighten.sent) == (1, 0)
    assert "set ENLIGHTEN_API_KEY and ENLIGHTEN_CLIENT_SECRET" in done.stdout
    assert "nobody has logged in: run enlighten login" in done.stdout


def test_the_doctor_leads_to_the_version_that_lives(
    enlighten: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing is set, what version 4 takes is named."""
    for name in ("API_KEY", "USER_ID", "CLIENT_ID", "CLIENT_SECRET", "ACCOUNT"):
        monkeypatch.delenv(f"ENLIGHTEN_{name}", raising=False)
    done = enlighten("doctor")
    told = "for version 4, set ENLIGHTEN_API_KEY and ENLIGHTEN_CLIENT_ID and ENLIGHTEN_CLIENT_SECRET"
    assert (done.exit_code, enlighten.sent) == (1, 0)
    assert told in " ".join(done.stdout.split())


def test_the_doctor_sees_tokens_of_another_application(
    enlighten: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a state file as in a file of tokens."""
    path = tmp_path / "enlighten.db"
    monkeypatch.setenv("ENLIGHTEN_CLIENT_ID", "client")
    monkeypatch.setenv("ENLIGHTEN_ACCOUNT", "anna")
    monkeypatch.setenv("ENLIGHTEN_TOKENS", str(path))
    now = enlighten.now()
    for client_id in ("client", "other"):
        tokens = Tokens("access", "refresh", now + 9, now, client_id=client_id)
        asyncio.run(StateTokenStore(path).save("anna", tokens))
        told = enlighten("doctor").stdout
        assert ("tokens of 0 s ago" in told) is (client_id == "client"), told
        assert ("its tokens are of another client id" in told) is (client_id == "other")


def test_the_doctor_sees_a_wrong_clock(enlighten: Commands, tmp_path: Path) -> None:
    """By what the service said last."""
    state = ("--state", tmp_path / "state.db")
    assert enlighten("systems", *state).exit_code == 0
    clock = enlighten.world.clock
    wrong = clock.now() + 300
    enlighten.now = lambda: wrong
    done = enlighten("doctor", *state)
    assert (done.exit_code, "s ahead of the service's: set it" in done.stdout) == (1, True)


def test_the_doctor_sees_a_month_that_nobody_knows() -> None:
    """As after a Redis that forgets: nothing is sent before its figure is given."""
    moment = datetime(2025, 6, 15, tzinfo=UTC)
    minute, month = QuotaWindow(10, 0, 0, moment), QuotaWindow(1_000, None, 0, moment)
    quota = QuotaStatus(moment, minute, month, None, 0, 0, None, None, {})
    found = plan_finding(CommandContext(), SimpleNamespace(plan=Plan(minute=10, month=1_000)), quota)  # type: ignore[arg-type]
    assert not found.fine
    assert "run enlighten quota --used N" in found.text
    assert "left" not in found.text


def test_what_is_told_is_json_too(enlighten: Commands, tmp_path: Path) -> None:
    """For programs; by the names of the library."""
    state = ("--state", tmp_path / "state.db")
    price = json.loads(enlighten("estimate", "rgm-stats", 1765, *YEAR, "--json").stdout)
    assert price["at_most"] == 53
    assert json.loads(enlighten("rgm-stats", 1765, *YEAR, "--estimate", "--format", "json").stdout) == price
    assert len(json.loads(enlighten("estimate", "stats", 1765, 1766, *YEAR, "--json").stdout)) == 2
    assert enlighten.sent == 0
    assert enlighten("systems", *state).exit_code == 0
    quota = json.loads(enlighten("quota", *state, "--json").stdout)
    assert (quota["month"]["used"], quota["month"]["left"]) == (1, 9_999)
    info = json.loads(enlighten("store", "info", *state, "--json").stdout)
    assert [each["endpoint"] for each in info["replies"]] == ["systems"]
    doctor = json.loads(enlighten("doctor", *state, "--json").stdout)
    assert {"name", "text", "fine"} == doctor[0].keys()


@pytest.mark.parametrize(
    ("url", "extra", "told", "code"),
    [
        ("redis://127.0.0.1:1", "sys", "this server keeps counts alone: name the state file", 2),
        ("postgresql://me:CANARY@127.0.0.1:1/db", "asyncpg", "1/db cannot be reached", 1),
    ],
)
@pytest.mark.parametrize("word", ["info", "verify", "prune"])
def test_a_state_on_a_server(
    enlighten: Commands, word: str, url: str, extra: str, told: str, code: int
) -> None:
    """Redis has nothing to look after; a database that is away is told, without its password."""
    pytest.importorskip(extra, reason="an extra is not installed")
    done = enlighten("--state", url, "store", word)
    assert (done.exit_code, told in done.stderr, "CANARY" in done.output) == (code, True, False)
