"""Progress of a query on stderr: on a terminal all the time, elsewhere its long waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Display
from rich.table import Column

from enlighten_async.cli.formatting import number
from enlighten_async.query import Progress

UPDATE_INTERVAL_S = 0.2
"""Seconds between two updates of the display."""

LONG_WAIT_S = 5.0
"""Seconds of a wait from which on it is told where there is no terminal."""

BAR_COLUMNS = 16

REASONS = {
    "minute": "for the next minute",
    "month": "for the next month",
    "in_flight": "for answers",
    "throttled": "as the service asks",
    "doubt": "for one answer, to be sure of the limit",
    "outage": "for the end of an outage",
    "priority": "for queries of a higher priority",
    "turn": "until other programs have had as much",
    "state": "until the server of the shared state can be reached",
    "pace": "to spend the month evenly",
}
"""Reasons of waits, as they follow "waits until 15:09:00"."""


class Running(Protocol):
    """A query, or an export of any number of them."""

    @property
    def progress(self) -> Progress:
        """The progress so far."""
        ...


def describe(progress: Progress) -> str:
    """Return a query's progress in one line: what is done, then until when it waits; the rest may be cut."""
    total = "?" if progress.total is None else number(progress.total)
    parts = [f"{number(progress.done)} of {total} done"]
    if progress.waiting is not None:
        parts.append(wait(progress))
    return ", ".join([*parts, f"sent {number(progress.sent)}"])


def wait(progress: Progress) -> str:
    """Return until when a query waits, and for what: "waits until 15:09:00 for the next minute"."""
    reason = REASONS.get(progress.waiting or "", f"for {progress.waiting}")
    if progress.until is None:
        return f"waits {reason}"
    until = progress.until.astimezone()
    far = progress.until - datetime.now(UTC) > timedelta(hours=12)
    return f"waits until {until:{'%Y-%m-%d %H:%M' if far else '%H:%M:%S'}} {reason}"


@asynccontextmanager
async def shown_progress(
    query: Running,
    console: Console,
    *,
    live: bool,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AsyncIterator[None]:
    """Show a query's progress while the body runs.

    Where `live` and the console is a terminal: in a line that is erased in the end. Elsewhere a line tells
    of each wait of more than `LONG_WAIT_S`.
    """
    with ExitStack() as stack:
        if live and console.is_interactive:
            columns = (
                BarColumn(bar_width=BAR_COLUMNS),
                TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            )
            display = stack.enter_context(
                Display(*columns, console=console, transient=True, auto_refresh=False)
            )
            updates = asyncio.create_task(_update(query, display, sleep))
        else:
            updates = asyncio.create_task(_tell_waits(query, console, sleep, now))
        try:
            yield
        finally:
            updates.cancel()
            with suppress(asyncio.CancelledError):
                await updates


async def _update(query: Running, display: Display, sleep: Callable[[float], Awaitable[None]]) -> None:
    bar = display.add_task("", total=None)
    while True:
        at = query.progress
        display.update(bar, completed=at.done, total=at.total, description=describe(at), refresh=True)
        await sleep(UPDATE_INTERVAL_S)


async def _tell_waits(
    query: Running,
    console: Console,
    sleep: Callable[[float], Awaitable[None]],
    now: Callable[[], datetime],
) -> None:
    told: datetime | None = None
    while True:
        at = query.progress
        if at.until is not None and at.until != told and (at.until - now()).total_seconds() > LONG_WAIT_S:
            told = at.until
            console.print(describe(at), soft_wrap=True)
        await sleep(UPDATE_INTERVAL_S)
