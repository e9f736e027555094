"""Progress on a terminal, and none elsewhere."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from rich.console import Console

from enlighten_async.cli.progress import describe, shown_progress
from enlighten_async.query import Progress

UNTIL = datetime(2025, 6, 15, 15, 9, tzinfo=UTC)
LEFT = {"minute": 0, "month": 9_947}


def terminal(**options: Any) -> Console:
    """Return a terminal that remembers what it showed."""
    return Console(file=io.StringIO(), force_terminal=True, width=120, **options)


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (Progress(0, None, 0, {}, None, None), "0 of ? done - sent 0"),
        (Progress(1, 1, 1, {"minute": 9}, None, None), "1 of 1 done - sent 1 - left 9 this minute"),
        (
            Progress(12, 53, 13, LEFT, "in_flight", None),
            "12 of 53 done - sent 13 - left 0 this minute, 9,947 this month - waiting for answers",
        ),
        (
            Progress(10, 53, 10, {}, "minute", UNTIL),
            f"10 of 53 done - sent 10 - waiting for the next minute until {UNTIL.astimezone():%H:%M:%S}",
        ),
        (Progress(1, 2, 3, {}, "something new", None), "1 of 2 done - sent 3 - something new"),
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
    assert "0 of 53 done - sent 0" in shown
    assert "2 of 53 done - sent 20 - waiting for the next minute until" in shown
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


async def test_an_error_passes_as_it_is() -> None:
    """Not in a group, and the display is gone."""
    query = SimpleNamespace(progress=Progress(0, 1, 0, {}, None, None))
    with pytest.raises(LookupError, match="as it is"):
        async with shown_progress(query, terminal(), live=True):  # type: ignore[arg-type]
            raise LookupError("as it is")
