"""`enlighten demo`: the real client, real sockets, and figures that agree."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time

import anyio
import pytest
from attrs import evolve
from rich.console import Console

from enlighten_async import Receipt
from enlighten_async.cli.context import CommandContext
from enlighten_async.cli.emulator import demo_receipt, show_demo
from enlighten_async.demo import Demo, run

TERMINAL = ("COLUMNS", "LINES", "TERM", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the terminal the tests are run in."""
    for name in TERMINAL:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module", params=["v2", "v4"])
def done(request: pytest.FixtureRequest) -> Demo:
    """What one run of the demo did, by each version of the API."""
    return anyio.run(lambda: run(version=request.param, latency=(0.0, 0.0)))


def shown(done: Demo, width: int, encoding: str = "utf-8", **options: object) -> str:
    """Return what the demo shows on such a terminal."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    out = Console(file=file, width=width, highlight=False, **options)  # type: ignore[arg-type]
    show_demo(CommandContext(out=out), done)
    return file.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


def test_a_year_costs_53_requests_and_no_rejection(done: Demo) -> None:
    """By the receipt, and by the service's own count."""
    assert (done.year.receipt.sent, done.year.receipt.rejected) == (53, 0)
    assert (done.counted, done.rejected) == (53, 0)
    assert done.listing.sent == 1


def test_the_answer_is_what_the_service_knows(done: Demo) -> None:
    """To the watt-hour, and complete."""
    assert done.wh == done.energy > 1_000_000
    assert done.year.coverage.complete
    assert done.year.coverage.expected == 365 * 96
    # The newest quarter is not reported yet; v2 keeps no more than a year, an hour of which is kept clear.
    assert 365 * 96 - 8 <= done.year.coverage.got == len(done.year.intervals) < 365 * 96
    assert done.year.timezone == "America/Los_Angeles"


def test_the_price_on_the_free_plan(done: Demo) -> None:
    """10 in the minute that runs, the rest in the five after it."""
    share = {"v2": 0.0053, "v4": 0.053}[done.version]
    assert (done.price.at_most, done.price.month_share) == (53, share)
    assert 4 * 60 - 1 <= done.wait.total_seconds() <= 5 * 60


@pytest.mark.slow
def test_another_seed_is_another_year(done: Demo) -> None:
    """The weather is the seed's."""
    other = anyio.run(lambda: run(seed=1, latency=(0.0, 0.0)))
    assert (other.counted, other.wh) == (53, other.energy)
    assert other.wh != pytest.approx(done.wh, rel=1e-4)


def test_the_receipt_says_whether_the_service_agrees(done: Demo) -> None:
    """And whether the answer does."""
    said = "\n".join(demo_receipt(done))
    assert "sent 53, rejected 0" in said
    assert "counted 53, rejected 0: agreed" in said
    assert "Wh by the service's data: to the Wh" in said
    assert "53 requests at 10 a minute: " in said
    share = {"v2": "0.53% of the month's 10,000", "v4": "5.30% of the month's 1,000"}[done.version]
    assert f"{share} in {done.version}" in said
    assert "NOT" not in said
    for wrong in (
        evolve(done, counted=54),
        evolve(done, rejected=1),
        evolve(done, energy=done.energy + 1),
        evolve(done, year=evolve(done.year, receipt=Receipt(sent=52))),
    ):
        assert "NOT" in "\n".join(demo_receipt(wrong))


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252"])
@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("terminal", [True, False])
def test_every_terminal_shows_all_of_it(done: Demo, width: int, encoding: str, terminal: bool) -> None:
    """Narrow or wide, framed or piped, with or without Unicode: no line too long, no figure cut."""
    text = shown(done, width, encoding, force_terminal=terminal, color_system=None)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert "?" not in text
    assert "\x1b" not in text
    flat = " ".join(text.replace("|", " ").split())
    for month in done.year.sums("month"):
        assert f"{month.start:%Y-%m} {month.wh / 1000:,.1f}" in flat
    assert f"total {done.wh / 1000:,.1f}" in flat
    for line in demo_receipt(done):
        assert " ".join(line.split()) in flat
    assert ("━━━━" if encoding == "utf-8" else "----") in text


def test_colour_is_for_terminals_that_want_it(done: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    """And for no others."""
    assert "\x1b[33m" in shown(done, 80, force_terminal=True, color_system="standard")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[33m" not in shown(done, 80, force_terminal=True, color_system="standard")


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--v4"]], ids=["v2", "v4"])
def test_a_fresh_process_is_done_soon(options: list[str]) -> None:
    """In a few seconds, most of them the emulator's pauses; told in UTF-8 or not."""
    began = time.monotonic()
    command = [sys.executable, "-m", "enlighten_async", "demo", *options]
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, env=env, check=False, timeout=60)
    assert time.monotonic() - began < 15
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"sent 53, rejected 0" in done.stdout
    assert b"counted 53, rejected 0: agreed" in done.stdout
    assert done.stdout.isascii()
