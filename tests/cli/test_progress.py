"""Progress on a terminal, and none elsewhere."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from rich.console import Console

from enlighten_async import limiter
from enlighten_async.cli.progress import REASONS, describe, shown_progress
from enlighten_async.query import Progress

UNTIL = datetime(2025, 6, 15, 15, 9, tzinfo=UTC)
LEFT = {"minute": 0, "month": 9_947}


def terminal(**options: Any) -> Console:
    """Return a terminal that remembers what it showed."""
    return Console(file=io.StringIO(), force_terminal=True, width=120, **options)


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (Progress(0, None, 0, {}, None, None), "0 of ? done, sent 0"),
        (Progress(1, 1, 1, {"minute": 9}, None, None), "1 of 1 done, sent 1"),
        (
            Progress(12, 53, 13, LEFT, "in_flight", None),
            "12 of 53 done, waits for answers, sent 13",
        ),
        (
            Progress(10, 53, 10, {}, "minute", UNTIL),
            f"10 of 53 done, waits until {UNTIL.astimezone():%H:%M:%S} for the next minute, sent 10",
        ),
        (Progress(1, 2, 3, {}, "something new", None), "1 of 2 done, waits for something new, sent 3"),
    ],
)
def test_progress_in_words(progress: Progress, said: str) -> None:
    """How much is done and left, why it waits and until when."""
    assert describe(progress) == said


async def test_each_look_is_shown() -> None:
    """As the query goes on; afterwards the line is gone."""
    console, query = terminal(), SimpleNamespace(progress=Progress(0, 53, 0, {}, None, None))
    looked = anyio.Event()

    async def sleep(_seconds: float) -> None:
        query.progress = Progress(query.progress.done + 1, 53, 20, {}, "minute", UNTIL)
        if query.progress.done == 3:
            looked.set()
        await anyio.lowlevel.checkpoint()

    async with shown_progress(query, console, live=True, sleep=sleep):  # type: ignore[arg-type]
        with anyio.fail_after(10):
            await looked.wait()
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "0 of 53 done, sent 0" in shown
    assert "2 of 53 done, waits until" in shown
    assert shown.endswith("\x1b[2K")


@pytest.mark.parametrize(
    ("console", "live"),
    [(terminal(), False), (Console(file=io.StringIO()), True), (terminal(_environ={"TERM": "dumb"}), True)],
    ids=["nobody watches", "a file", "a dumb terminal"],
)
async def test_nothing_is_shown_where_nobody_watches(console: Console, live: bool) -> None:
    """Not a character."""
    query = SimpleNamespace(progress=Progress(0, 53, 0, {}, None, None))
    async with shown_progress(query, console, live=live):  # type: ignore[arg-type]
        await anyio.lowlevel.checkpoint()
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]


async def test_at_80_columns_the_end_of_the_wait_is_seen() -> None:
    """With a bar, whatever the numbers are."""
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    far = Progress(1_012, 1_053, 1_020, LEFT, "minute", UNTIL)
    async with shown_progress(SimpleNamespace(progress=far), console, live=True):  # type: ignore[arg-type]
        await anyio.lowlevel.checkpoint()
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"1,012 of 1,053 done, waits until {UNTIL.astimezone():%H:%M:%S} for the next" in shown
    assert shown.count("\u2501") >= 10


@pytest.mark.parametrize(("seconds", "lines"), [(4, 0), (6, 1), (60, 1)])
async def test_without_a_terminal_a_long_wait_is_one_line(seconds: int, lines: int) -> None:
    """However long it lasts, and none for a short one."""
    console, looks = Console(file=io.StringIO()), 0
    query = SimpleNamespace(progress=Progress(10, 53, 10, LEFT, "minute", UNTIL))
    enough = anyio.Event()

    async def sleep(_seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            enough.set()
        await anyio.lowlevel.checkpoint()

    started = UNTIL - timedelta(seconds=seconds)
    async with shown_progress(query, console, live=False, sleep=sleep, now=lambda: started):  # type: ignore[arg-type]
        with anyio.fail_after(10):
            await enough.wait()
    said = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(said) == lines
    assert all("10 of 53 done, waits until" in line for line in said)


async def test_an_error_passes_as_it_is() -> None:
    """Not in a group, and the display is gone."""
    query = SimpleNamespace(progress=Progress(0, 1, 0, {}, None, None))
    with pytest.raises(LookupError, match="as it is"):
        async with shown_progress(query, terminal(), live=True):  # type: ignore[arg-type]
            raise LookupError("as it is")


def test_each_reason_of_the_limiter_has_its_words() -> None:
    """The reasons as they stand in its modules."""
    sources = [path.read_text() for path in Path(limiter.__file__).parent.glob("*.py")]
    reasons = {reason for source in sources for reason in re.findall(r'\bWait\(\s*"(\w+)"', source)}
    assert len(reasons) > 5
    assert reasons <= REASONS.keys()
