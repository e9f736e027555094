"""Progress of a query, shown on stderr while it runs if that is a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Display
from rich.table import Column

from enlighten_async.cli.formatting import left, number
from enlighten_async.query import Progress

UPDATE_INTERVAL_S = 0.2
"""Seconds between two updates of the display."""

REASONS = {
    "minute": "waiting for the next minute",
    "month": "waiting for the next month",
    "in_flight": "waiting for answers",
    "throttled": "waiting, as the service asked for",
    "doubt": "waiting for one answer, to be sure of the limit",
    "outage": "waiting as long as the service asks to be left alone",
    "priority": "waiting for queries of a higher priority",
}


class Running(Protocol):
    """A query, or an export of any number of them."""

    @property
    def progress(self) -> Progress:
        """The progress so far."""
        ...


def describe(progress: Progress) -> str:
    """Return a query's progress in one line."""
    total = "?" if progress.total is None else number(progress.total)
    parts = [f"{number(progress.done)} of {total} done", f"sent {number(progress.sent)}"]
    if progress.left:
        parts.append(left(progress.left))
    if progress.waiting is not None:
        until = "" if progress.until is None else f" until {progress.until.astimezone():%H:%M:%S}"
        parts.append(REASONS.get(progress.waiting, progress.waiting) + until)
    return " - ".join(parts)


@asynccontextmanager
async def shown_progress(
    query: Running,
    console: Console,
    *,
    live: bool,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[None]:
    """Show a query's progress while the body runs, if `live` and the console is a terminal; then erase it."""
    if not live or not console.is_interactive:
        yield
        return
    columns = (
        BarColumn(bar_width=24),
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
    )
    with Display(*columns, console=console, transient=True, auto_refresh=False) as display:
        updates = asyncio.create_task(_update(query, display, sleep))
        try:
            yield
        finally:
            updates.cancel()
            with suppress(asyncio.CancelledError):
                await updates


async def _update(query: Running, display: Display, sleep: Callable[[float], Awaitable[None]]) -> None:
    bar = display.add_task("", total=None)
    while True:
        now = query.progress
        display.update(bar, completed=now.done, total=now.total, description=describe(now), refresh=True)
        await sleep(UPDATE_INTERVAL_S)
