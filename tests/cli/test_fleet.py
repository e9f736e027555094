"""`enlighten fleet`: what it costs, and rows in a file."""

from __future__ import annotations

import io
import json
import math
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest

from enlighten_async import EnlightenClient, InputError, QuotaStatus, StateUnavailable
from enlighten_async.cli.context import CommandContext
from enlighten_async.cli.fleet import run, told, watched
from enlighten_async.emulator import Fault
from enlighten_async.fleet import Change, FleetMetrics
from enlighten_async.fleet.sinks import ReaderGone
from enlighten_async.fleet.sinks.stream import StreamSink
from tests.cli.conftest import Commands
from tests.fleet.sinks.changes import change
from tests.world import World

FOLLOW = ("--series", "rgm-stats", "--every", "1h")


@pytest.fixture
def fleet(tmp_path: Path) -> Commands:
    """Commands of who has four systems, in the evening, with a state file."""
    enlighten = Commands(systems=4, now=1_750_032_000.0 + 0.8 * 86_400)
    enlighten.home = lambda: tmp_path / "state.db"
    return enlighten


def test_a_plan_is_told_before_anything_is_spent(fleet: Commands) -> None:
    """In words and as JSON; it costs the list alone, and that is cached."""
    done = fleet("fleet", "plan", *FOLLOW)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("4 systems every 60 min: 48 requests a day")
    found = json.loads(fleet("fleet", "plan", *FOLLOW, "--json").stdout)
    assert (found["systems"], found["fits"], found["every_seconds"]) == (4, True, 3_600)
    assert found["requests_per_day"] == 48
    assert fleet.sent == 1


def test_a_run_is_told_what_the_quota_carries(tmp_path: Path) -> None:
    """Before a poll is made; --strict ends there."""
    enlighten = Commands(systems=100, now=1_750_032_000.0 + 0.8 * 86_400)
    enlighten.home = lambda: tmp_path / "state.db"
    to = ("--to", f"jsonl:{tmp_path / 'rows.jsonl'}")
    done = enlighten("fleet", "run", *FOLLOW, *to, "--once", "--strict")
    assert done.exit_code == 4
    assert "(every 60 min does not fit)" in done.stderr
    assert "choose a longer --every" in done.stderr
    assert enlighten.sent == 1
    assert not (tmp_path / "rows.jsonl").exists()


def test_rows_are_kept_once(fleet: Commands, tmp_path: Path) -> None:
    """The second run asks for nothing that is there."""
    path = tmp_path / "rows.jsonl"
    done = fleet("fleet", "run", *FOLLOW, "--to", f"jsonl:{path}", "--once")
    assert done.exit_code == 0, done.output
    assert "4 systems every 60 min" in done.stderr
    rows = [row for row in map(json.loads, path.read_text().splitlines()) if "meter" not in row]
    systems = {row["system_id"] for row in rows}
    assert f"{len(rows):,} rows, {fleet.sent} requests, 4 of 4 systems held, rows " in done.stderr
    sent, text = fleet.sent, path.read_bytes()
    again = fleet("fleet", "run", *FOLLOW, "--to", f"jsonl:{path}", "--once")
    assert again.exit_code == 0
    assert fleet.sent <= sent + 4 - len(systems)
    assert path.read_bytes() == text


def test_a_backfill_ends_when_it_is_done(fleet: Commands, tmp_path: Path) -> None:
    """And once more it asks for nothing; the plan tells when it will be."""
    path, history = tmp_path / "rows.jsonl", ("--backfill", "3w", "--newest-first")
    plan = json.loads(fleet("fleet", "plan", *FOLLOW, *history, "--json").stdout)
    assert plan["backfill_done_at"].startswith("2025-06-16T19:1")
    done = fleet("fleet", "run", *FOLLOW, *history, "--to", f"jsonl:{path}", "--until-done")
    assert done.exit_code == 0, done.output
    assert ", history by 2025-06-16 19:1" in done.stderr
    first = min(json.loads(line)["end_at"] for line in path.read_text().splitlines())
    assert first < "2025-05-27"
    sent, text = fleet.sent, path.read_bytes()
    again = fleet("fleet", "run", *FOLLOW, *history, "--to", f"jsonl:{path}", "--until-done")
    assert (again.exit_code, fleet.sent, path.read_bytes()) == (0, sent, text)


def test_a_backfill_that_cannot_be_whole_ends_with_a_code_of_its_own(fleet: Commands, tmp_path: Path) -> None:
    """Hours later, with the systems and the number of windows that are missing."""
    bad = fleet.world.emulator.truth.systems()[0].system_id
    fault = Fault(status=500, body="{}", times=math.inf, path=f"/{bad}/rgm_stats")
    fleet.world.emulator.faults.append(fault)
    path, history = tmp_path / "rows.jsonl", ("--backfill", "3w", "--until-done")
    done = fleet("fleet", "run", *FOLLOW, *history, "--to", f"jsonl:{path}")
    assert done.exit_code == 3, done.output
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"error: the history of 1 system is incomplete, 2 windows of 7 days: {bad} (2); ")
    assert len({json.loads(line)["system_id"] for line in path.read_text().splitlines()}) >= 2


def test_a_wrong_call_costs_nothing(fleet: Commands, tmp_path: Path) -> None:
    """And says in a line what to do."""
    (tmp_path / "mine.jsonl").write_text("{}\n")
    to = ("--to", "jsonl:rows.jsonl")
    for words in (
        ("plan",),
        ("plan", "--series", "moonlight"),
        ("plan", "--series", "rgm_stats", "--every", "often"),
        ("run", *FOLLOW),
        ("run", *FOLLOW, "--to", "rows.jsonl"),
        ("run", *FOLLOW, "--to", "ducks:rows"),
        ("run", *FOLLOW, "--to", f"jsonl:{tmp_path / 'mine.jsonl'}"),
        ("run", *FOLLOW, "--to", f"duckdb:{tmp_path}"),
        ("run", *FOLLOW, "--every", "0", *to),
        ("run", *FOLLOW, "--backfill", "7d", *to),
        ("run", *FOLLOW, "--until-done", *to),
        ("run", *FOLLOW, "--newest-first", *to),
        ("plan", *FOLLOW, "--newest-first"),
        ("run", *FOLLOW, "--backfill", "3w", "--until-done", "--once", *to),
    ):
        done = fleet("fleet", *words)
        assert done.exit_code == 2, done.output
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert "timedelta" not in done.stderr  # which is of programs
    assert fleet.sent == 0


def test_without_a_state_nothing_is_followed(tmp_path: Path) -> None:
    """As every poll would begin anew."""
    enlighten = Commands()
    done = enlighten("fleet", "run", *FOLLOW, "--to", f"jsonl:{tmp_path / 'rows.jsonl'}", "--once")
    assert done.exit_code == 2
    assert "state" in done.stderr


def test_owners_are_followed_by_name(tmp_path: Path) -> None:
    """Each with their systems."""
    enlighten = Commands(systems=2, users=2)
    enlighten.home = lambda: tmp_path / "state.db"
    world: World = enlighten.world
    words = [word for user in world.emulator.users for word in ("--account", user)]
    done = enlighten("fleet", "plan", *FOLLOW, *words)
    assert done.stdout.startswith("4 systems every 60 min"), done.output


def test_rows_go_to_stdout(fleet: Commands) -> None:
    """And nothing else; the state has the cursors, so that the second run has nothing to tell."""
    done = fleet("fleet", "run", *FOLLOW, "--to", "jsonl:-", "--once")
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len({row["system_id"] for row in rows}) == 3
    sent = fleet.sent
    again = fleet("fleet", "run", *FOLLOW, "--to", "jsonl:-", "--once", "--json")
    assert (again.exit_code, again.stdout) == (0, "")
    assert fleet.sent <= sent + 1
    plan, figures = map(json.loads, again.stderr.splitlines())
    assert plan["fits"]
    assert (figures["systems"], figures["held"], figures["rows"]) == (4, 4, 0)
    store = fleet("store", "verify")
    assert store.exit_code in {0, 2}


class Closed(io.BytesIO):
    """A stream whose reader has gone."""

    def flush(self) -> None:
        """Fail."""
        raise BrokenPipeError


async def test_a_reader_that_has_gone_is_no_full_disk(tmp_path: Path) -> None:
    """Nothing is waited for; cursors stay."""
    world = World()
    async with world.client(state=tmp_path / "state.db") as client:
        sink = StreamSink(Closed(), client)
        with pytest.raises(ReaderGone):
            await sink.write([change(1, 0, 4)])
        assert await sink.cursors("rgm_stats") == {}
    async with world.client() as client:
        with pytest.raises(InputError, match="give the client a state"):
            StreamSink(Closed(), client)


async def test_a_run_is_told_each_minute(capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no terminal; the quota is looked at each second."""
    world, passed = World(), 0.0

    async def sleep(seconds: float) -> None:
        nonlocal passed
        passed += seconds
        await anyio.lowlevel.checkpoint()

    metrics = FleetMetrics(Kept(), world.clock)
    async with world.client() as client:
        async with watched(CommandContext(live=False), client, metrics, sleep=sleep):
            while passed < 150:
                await anyio.lowlevel.checkpoint()
            assert metrics.quota is not None
            await metrics.write([change(1, 0, 4), change(2, 2, 4, corrected=1)])
        minutes = int(passed // 60)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == minutes >= 2
    assert set(lines) == {"0 rows, 0 requests"}
    metrics.systems = 3
    assert told(metrics).startswith("8 rows (1 corrected), 0 requests, 2 of 3 systems held, rows ")


async def test_a_state_that_is_away_for_a_moment_ends_no_run() -> None:
    """Not with an error either: the quota is shown as it was."""

    class Away:
        """A client whose state cannot be reached at first."""

        looks = 0

        async def quota(self) -> QuotaStatus:
            """Raise, or look."""
            self.looks += 1
            if self.looks < 3:
                raise StateUnavailable("postgresql://db cannot be reached")
            return await client.quota()

    async def sleep(_: float) -> None:
        await anyio.lowlevel.checkpoint()

    world, away = World(), Away()
    metrics, given = FleetMetrics(Kept(), world.clock), cast("EnlightenClient", away)
    async with world.client() as client, watched(CommandContext(live=False), given, metrics, sleep=sleep):
        for _ in range(200):
            await anyio.lowlevel.checkpoint()
    assert metrics.quota is not None


class Kept:
    """A sink that forgets all."""

    async def cursors(self, series: str) -> dict[int, Any]:
        """Return none."""
        return {}

    async def write(self, changes: Sequence[Change]) -> None:
        """Forget them."""


def test_the_status_tells_how_fresh_rows_are(fleet: Commands, tmp_path: Path) -> None:
    """Before the first run too; it sends nothing."""
    to = ("--to", f"jsonl:{tmp_path / 'rows.jsonl'}")
    before = json.loads(fleet("fleet", "status", *FOLLOW[:2], *to, "--json").stdout)
    assert (before["systems"], before["held"], before["freshness_seconds"]) == (None, 0, {})
    assert fleet.sent == 0
    fleet("fleet", "run", *FOLLOW, *to, "--once")
    sent = fleet.sent
    done = fleet("fleet", "status", *FOLLOW[:2], *to)
    assert done.exit_code == 0, done.output
    assert "4 of 4" in done.stdout
    assert re.search(r"rows of all +[\d.]+ (min|h|days) old", done.stdout)
    found = json.loads(fleet("fleet", "status", *FOLLOW[:2], *to, "--json").stdout)
    assert (found["systems"], found["held"], len(found["furthest_behind"])) == (4, 4, 3)
    ages = list(found["freshness_seconds"].values())
    assert ages == sorted(ages)
    assert found["left"]["month"] == 10_000 - sent
    assert fleet.sent == sent


def test_a_password_on_the_command_line_is_told(fleet: Commands) -> None:
    """It is in no error."""
    done = fleet("fleet", "run", *FOLLOW, "--to", "postgresql://anna:hush@127.0.0.1:1/none", "--once")
    assert done.exit_code in {1, 2}
    assert "put it in the file that PGPASSFILE names" in done.stderr
    assert "hush" not in done.output
    assert fleet.sent == 0


def test_the_commands_of_the_recipes_are_understood() -> None:
    """Those of cron, systemd, Airflow and machines in the guide; nothing is run."""
    guide = (Path(__file__).parents[2] / "docs" / "fleet.md").read_text("utf-8")
    recipes = [
        text
        for kind, text in re.findall(r"^```(\w+)\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
        if kind != "sh"
    ]
    found = [line for text in recipes for line in re.findall(r'enlighten (fleet run [^"\n]*)', text)]
    assert ["--once" in line for line in found] == [True, True, True, False]
    for line in found:
        _, _, *words = shlex.split(line)
        run.make_context("run", words)
