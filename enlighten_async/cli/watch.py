"""How far a query is, on a terminal's stderr while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Display
from rich.table import Column

from enlighten_async.cli.words import left, number
from enlighten_async.query import Progress, Query

PACE = 0.2
"""Seconds from one look to the next."""

REASONS = {
    "minute": "waiting for the next minute",
    "month": "waiting for the next month",
    "in_flight": "waiting for answers",
    "throttled": "waiting, as the service asked for",
    "doubt": "waiting for one answer, to be sure of the limit",
    "priority": "letting what is more urgent go first",
}


def describe(progress: Progress) -> str:
    """Return how far a query is, in words."""
    total = "?" if progress.total is None else number(progress.total)
    said = [f"{number(progress.done)} of {total} done", f"sent {number(progress.sent)}"]
    if progress.left:
        said.append(left(progress.left))
    if progress.waiting is not None:
        until = "" if progress.until is None else f" until {progress.until.astimezone():%H:%M:%S}"
        said.append(REASONS.get(progress.waiting, progress.waiting) + until)
    return " - ".join(said)


@asynccontextmanager
async def watched(
    query: Query[Any, Any],
    console: Console,
    *,
    live: bool,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[None]:
    """Show a query's progress while the body runs, if somebody watches; then it is gone again."""
    if not live or not console.is_interactive:
        yield
        return
    columns = (
        BarColumn(bar_width=24),
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
    )
    with Display(*columns, console=console, transient=True, auto_refresh=False) as display:
        looking = asyncio.create_task(_look(query, display, sleep))
        try:
            yield
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking


async def _look(query: Query[Any, Any], display: Display, sleep: Callable[[float], Awaitable[None]]) -> None:
    bar = display.add_task("", total=None)
    while True:
        seen = query.progress
        display.update(bar, completed=seen.done, total=seen.total, description=describe(seen), refresh=True)
        await sleep(PACE)
