"""`enlighten fleet`: what it costs, and rows in a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Commands
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
    assert f"{path}: {len(rows):,} rows of {len(systems)} systems; sent " in done.stderr
    sent, text = fleet.sent, path.read_bytes()
    again = fleet("fleet", "run", *FOLLOW, "--to", f"jsonl:{path}", "--once")
    assert again.exit_code == 0
    assert fleet.sent <= sent + 4 - len(systems)
    assert path.read_bytes() == text


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
    ):
        done = fleet("fleet", *words)
        assert done.exit_code == 2, done.output
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
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
