"""`enlighten report` and `enlighten plot`: the page in its file, and the chart in the terminal."""

from __future__ import annotations

import asyncio
import math
import weakref
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import click
import pytest

from enlighten_async.cli.app import cli
from enlighten_async.cli.context import CommandContext
from enlighten_async.cli.pictures import Page, Picture
from enlighten_async.emulator import Fault, Quota
from enlighten_async.export.draft import Draft
from enlighten_async.export.facts import Answer
from enlighten_async.limiter import MAX_IN_FLIGHT
from enlighten_async.query import Query
from tests.cli.conftest import Commands
from tests.world import World

NAMES = ("start", "end", "last", "timezone")
"""The options that say which range is drawn."""

WEEK = ("--start", "2025-06-08", "--end", "2025-06-14")


def test_a_page_is_written_whole(enlighten: Commands, tmp_path: Path) -> None:
    """In one file, with the system's name and the energy that the service knows; for two requests."""
    path = tmp_path / "week.html"
    done = enlighten("report", 1765, *WEEK, "-o", path)
    assert (done.exit_code, done.stdout.strip()) == (0, "")
    assert f"{path}: complete: 672 of 672 intervals; sent 1" in done.stderr
    assert enlighten.sent == 2
    text = path.read_text(encoding="utf-8")
    truth = enlighten.world.emulator.truth.energy(1765, 1_749_366_000, 1_749_970_800)
    assert "<bdi>Petaluma roof 1</bdi>" in text
    assert f"{truth / 1000:,.1f}<span" in text
    assert list(tmp_path.iterdir()) == [path]


def test_the_last_days_are_the_default(enlighten: Commands, tmp_path: Path) -> None:
    """365 of them for a page, 30 for a chart; --last names others."""
    assert enlighten("report", 1765, "-o", tmp_path / "year.html").exit_code == 0
    assert enlighten.sent == 54
    assert "17 Mar 2025 to 15 Jun 2025" in enlighten("report", 1765, "--last", "90d", "-o", "-").stdout
    assert "16 May" in enlighten("plot", 1765).stdout


def test_stdout_is_utf_8(enlighten: Commands) -> None:
    """As the page says, whatever the terminal is."""
    enlighten.charset = "ascii"
    done = enlighten("report", 1765, *WEEK, "-o", "-")
    assert done.exit_code == 0
    assert "·".encode() in done.stdout_bytes
    assert done.stdout_bytes.startswith(b"<!DOCTYPE html>")


def test_after_a_failure_the_old_page_stays(enlighten: Commands, tmp_path: Path) -> None:
    """A page about what arrived is beside it, and the exit code tells."""
    path = tmp_path / "page.html"
    path.write_text("old")
    enlighten.world.emulator.inject(Fault(status=403, after=3, times=math.inf))
    done = enlighten("report", 1765, "--last", "60d", "-o", path)
    assert done.exit_code != 0
    assert path.read_text() == "old"
    partial = (tmp_path / "page.html.partial").read_text(encoding="utf-8")
    assert "Incomplete" in partial
    assert "page.html.partial" in done.stderr


def test_a_wrong_call_costs_nothing(enlighten: Commands, tmp_path: Path) -> None:
    """And says in a line what to do."""
    for words in (
        ("report", 1765),
        ("report", 1765, "-o", tmp_path / "none" / "page.html"),
        ("report", 1765, "-o", tmp_path),
        ("report", 1765, "-o", "-", "--last", "3d", "--start", "2025-06-01"),
        ("report", 1765, "-o", "-", "--timezone", "Mars/Olympus"),
        ("report", "roof", "-o", "-"),
        ("report", 1765, "roof", "-o", "-"),
        ("report", "-o", "-"),
        ("report", 1765, "--all", "-o", "-"),
        ("report", 1765, "--series", "battery-lifetime", "-o", "-"),
        ("report", "--all", "--series", "battery", "-o", "-"),
        ("report", 1765, "--series", "energy-lifetime", "--timezone", "Asia/Tokyo", "-o", "-"),
        ("report", 1765, "--series", "energy-lifetime", "--start", "2025-06-01T00:00Z", "-o", "-"),
        ("plot", 1765, "--series", "energy-lifetime", "--by", "hour"),
        ("plot", 1765, "--end", "2025-06-01"),
        ("plot", 1765, "--start", "2025-06-02", "--end", "2025-06-01"),
        ("plot", 1765, "--series", "moonlight"),
    ):
        done = enlighten(*words)
        assert done.exit_code in {1, 2}
        assert len(done.stderr.strip().splitlines()) == 1
        assert "Traceback" not in done.stderr
    assert enlighten.sent == 0
    assert list(tmp_path.iterdir()) == []


def test_several_systems_are_on_one_page(tmp_path: Path) -> None:
    """Named once by one request; one that fails is told, and stops no other; the exit code tells."""
    enlighten = Commands(systems=4)
    first, second, *_ = (each.system_id for each in enlighten.world.emulator.truth.systems())
    path = tmp_path / "page.html"
    done = enlighten("report", second, first, second, *WEEK, "-o", path)
    assert done.exit_code == 0, done.output
    assert "complete: 1,344 of 1,344 intervals; sent 2" in done.stderr
    assert enlighten.sent == 3
    assert enlighten.world.emulator.log[0].params["system_id"] == f"{second},{first}"
    text = path.read_text(encoding="utf-8")
    assert text.index(f'id="system-{second}"') < text.index(f'id="system-{first}"')
    broken = enlighten("report", first, 99, *WEEK, "-o", path)
    assert broken.exit_code == 3
    assert "error: 99: this user sees no system 99" in broken.stderr
    assert "incomplete: 672 of 672 intervals" in broken.stderr
    text = path.read_text(encoding="utf-8")
    assert "this user sees no system 99" in text
    assert f'id="system-{first}"' in text
    assert list(tmp_path.iterdir()) == [path]


def test_all_systems_are_on_one_page(tmp_path: Path) -> None:
    """Of an account of one it is the page of one."""
    path = tmp_path / "page.html"
    assert Commands(systems=3)("report", "--all", *WEEK, "-o", path).exit_code in {0, 3}
    assert path.read_text(encoding="utf-8").count("<article") == 3
    assert Commands()("report", "--all", *WEEK, "-o", path).exit_code == 0
    assert "<article" not in path.read_text(encoding="utf-8")


def test_where_all_fail_the_old_page_stays(tmp_path: Path) -> None:
    """A page of errors takes the place of none."""
    path = tmp_path / "page.html"
    path.write_text("old")
    done = Commands()("report", 98, 99, *WEEK, "-o", path)
    assert done.exit_code == 3
    assert (path.read_text(), list(tmp_path.iterdir())) == ("old", [path])


def test_an_error_of_one_system_does_not_end_the_page(tmp_path: Path) -> None:
    """It is a row and a section; what had arrived of that system is shown as well."""
    enlighten = Commands(systems=3)
    first, second, third = (each.system_id for each in enlighten.world.emulator.truth.systems())
    fault = Fault(status=403, path=f"{second}/rgm_stats", after=2, times=math.inf)
    enlighten.world.emulator.inject(fault)
    path = tmp_path / "page.html"
    done = enlighten("report", first, second, third, "--last", "40d", "-o", path)
    assert done.exit_code == 3
    assert f"error: {second}: 403" in done.stderr
    text = path.read_text(encoding="utf-8")
    assert "1 failed" in text
    assert "what had arrived before" in text
    assert text.count("<article") == 3


@pytest.mark.parametrize("count", [1, 3])
def test_ctrl_c_keeps_a_page_about_what_arrived(tmp_path: Path, count: int) -> None:
    """Of all systems, also ahead of their turn; the old page stays."""
    enlighten = Commands(systems=3, quota=Quota.UNLIMITED)
    ids = [each.system_id for each in enlighten.world.emulator.truth.systems()][:count]
    path = tmp_path / "page.html"
    path.write_text("old")

    def press(_answer: object) -> NoReturn:
        raise KeyboardInterrupt

    enlighten.world.emulator.inject(Fault(transform=press, path=f"{ids[0]}/rgm_stats", after=5))
    done = enlighten("--plan", "1000/100000", "report", *ids, "--last", "60d", "-o", path)
    assert done.exit_code == 130
    assert "a page about what arrived before the failure is in" in done.stderr
    assert path.read_text() == "old"
    kept = (tmp_path / "page.html.partial").read_text(encoding="utf-8")
    assert kept.count("<article") == (count if count > 1 else 0)
    assert "Incomplete" in kept
    assert kept.endswith("</html>\n")


def test_the_exit_code_tells_that_the_quota_was_short(tmp_path: Path) -> None:
    """Also where one system could be shown: what is cached of it costs less."""
    enlighten = Commands(systems=2, quota=Quota.UNLIMITED)
    first, second = (each.system_id for each in enlighten.world.emulator.truth.systems())
    words = ("--last", "60d", "-o", tmp_path / "page.html", "--state", tmp_path / "state.db")
    plan = ("--plan", "1000/100000")
    assert enlighten(*plan, "report", first, *words).exit_code == 0
    done = enlighten(*plan, "report", first, second, *words, "--max-requests", 3)
    assert done.exit_code == 4
    assert "1 failed" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_limit_that_no_system_fits_costs_nothing(tmp_path: Path) -> None:
    """But for their names; the exit code is that of the quota."""
    enlighten = Commands(systems=2)
    ids = [each.system_id for each in enlighten.world.emulator.truth.systems()]
    done = enlighten("report", *ids, "--max-requests", 2, "-o", tmp_path / "page.html")
    assert done.exit_code == 4
    assert (enlighten.sent, list(tmp_path.iterdir())) == (1, [])


@pytest.mark.slow
def test_no_answer_is_kept_that_is_on_the_page(tmp_path: Path) -> None:
    """Memory does not grow with the number of systems: of all queries, which keep their answers, few live."""
    world, made, most = World(systems=40), list[weakref.ref[object]](), 0

    class Watched(Picture):
        def query(self, *words: Any) -> Query[Answer, Answer]:
            nonlocal most
            query = super().query(*words)
            made.append(weakref.ref(query))
            most = max(most, sum(each() is not None for each in made))
            return query

    async def fill() -> None:
        picture = Watched.taken_from(dict.fromkeys(NAMES) | {"series": "energy-lifetime"}, [], timedelta())
        path = tmp_path / "page.html"
        async with world.client() as client:
            page = Page(CommandContext(now=world.clock.now), picture, path, Draft(path))
            page.commit(await page.fill(client))

    asyncio.run(fill())
    assert (tmp_path / "page.html").read_text(encoding="utf-8").count("<article") == 40
    assert len(made) == 41  # the first is the check of the call
    assert 1 < most <= MAX_IN_FLIGHT + 1


def test_a_lifetime_is_a_page_of_months(enlighten: Commands, tmp_path: Path) -> None:
    """By default all of it, in the zone of the system, which is not in the answer."""
    path = tmp_path / "life.html"
    done = enlighten("report", 1765, "--series", "energy-lifetime", "-o", path)
    assert done.exit_code == 0, done.output
    assert "complete: 879 of 879 days; sent 1" in done.stderr
    text = path.read_text(encoding="utf-8")
    assert "local days of America/Los_Angeles" in text
    assert "Energy per month" in text
    days = enlighten("report", 1765, "--series", "energy-lifetime", "--last", "30d", "-o", "-")
    assert "16 May 2025 to 14 Jun 2025" in days.stdout
    chart = enlighten("plot", 1765, "--series", "energy-lifetime")
    assert "kWh per month (America/Los_Angeles)" in chart.stdout.replace("\n", " ")
    assert "kWh per day" in enlighten("plot", 1765, "--series", "energy-lifetime", "--by", "day").stdout


def test_a_system_without_meters_has_nothing_to_show(enlighten: Commands) -> None:
    """Its chart is empty; the exit code tells so."""
    done = enlighten("plot", 1765, "--series", "stats", "--start", "2005-06-01", "--end", "2005-06-03")
    assert done.exit_code == 3
    assert "nothing there" in done.stderr


@pytest.mark.parametrize(("width", "charset"), [(80, "utf-8"), (40, "utf-8"), (80, "ascii"), (40, "ascii")])
def test_a_chart_fits_the_terminal(
    enlighten: Commands, width: int, charset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its width and its characters; without colour, if that is wished."""
    monkeypatch.setenv("NO_COLOR", "1")
    enlighten.width, enlighten.charset = width, charset
    for words in (
        ("--last", "30d"),
        ("--start", "2025-06-14", "--end", "2025-06-14"),
        ("--by", "month", "--last", "90d"),
    ):
        done = enlighten("plot", 1765, *words)
        assert done.exit_code == 0
        assert max(map(len, click.unstyle(done.stdout).splitlines())) <= width
        assert "\x1b[3" not in done.stdout
        assert done.stdout.isascii() == (charset == "ascii") == ("#" in done.stdout)
        assert "?" not in done.stdout
        assert "kWh" in done.stdout


def test_a_day_is_a_curve_and_more_are_bars(enlighten: Commands) -> None:
    """By the power of its quarters, unless --by says otherwise."""
    day = ("--start", "2025-06-14", "--end", "2025-06-14")
    assert "kW (America/Los_Angeles)" in enlighten("plot", 1765, *day).stdout
    assert "06:00" in enlighten("plot", 1765, *day).stdout
    assert "kWh per hour" in enlighten("plot", 1765, *day, "--by", "hour").stdout
    assert "kWh per day" in enlighten("plot", 1765, *WEEK).stdout


@pytest.mark.parametrize("name", ["report", "plot"])
def test_the_help_reads_well(name: str) -> None:
    """In 80 columns, without Python."""
    command = cli.get_command(cli.make_context("enlighten", ["--help"], resilient_parsing=True), name)
    assert command is not None
    text = command.get_help(
        command.make_context(name, ["1", "-o", "-"][: 3 if name == "report" else 1], resilient_parsing=True)
    )
    assert max(map(len, text.splitlines())) <= 80
    assert "start_at" not in text


def test_a_page_is_named_as_one(enlighten: Commands, tmp_path: Path) -> None:
    """What is written is HTML, whatever the name says; nothing is asked for it."""
    done = enlighten("report", 1765, "-o", tmp_path / "page.pdf")
    assert (done.exit_code, enlighten.sent, list(tmp_path.iterdir())) == (2, 0, [])
    assert "let it end with .html" in done.stderr
