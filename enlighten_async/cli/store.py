"""`enlighten store`: contents, verification and pruning of the state file."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial

import click

from enlighten_async.cache import Evicted, IntegrityReport, PruneReport, StateFileStats, prune, stats, verify
from enlighten_async.cli import params
from enlighten_async.cli.context import CommandContext
from enlighten_async.cli.formatting import add_row, number, printable, size, table
from enlighten_async.clock import SystemClock
from enlighten_async.errors import InputError
from enlighten_async.state import in_thread

NO_FILE = "name the state file: enlighten --state FILE store ..., or in ENLIGHTEN_STATE"

SERIES = ("series", "systems", "spans", "size", "from (UTC)", "to (UTC)")
ANSWERS = ("answers", "number", "size", "first fetched (UTC)", "last fetched (UTC)")

CORRUPT = (
    "the file is corrupt: the next program that opens it renames it, to {name}.broken-1 or the next free "
    "number, and begins a new one, which is empty; restore a copy, or let the data be fetched again"
)
UNREADABLE = (
    "rows that cannot be read are ignored, and their data is fetched again when it is asked for; "
    "enlighten store prune removes them"
)


@click.group(short_help="Inspect and prune the state file.")
def store() -> None:
    """Inspect and prune the state file: nothing is sent, and no key is needed.

    Other programs may use the file meanwhile.
    """


@store.command(short_help="Show the contents of the file.")
@params.as_json
@click.pass_obj
def info(context: CommandContext, as_json: bool) -> None:
    """Show the size of the file, and the cached data by endpoint."""
    _run(context, lambda path: _info(context, path, as_json=as_json))


@store.command("verify", short_help="Check that the file is sound.")
@click.pass_obj
def verify_(context: CommandContext) -> None:
    """Check that the file is sound and all of it can be read; exit code 1 if not. Nothing is changed."""
    _run(context, lambda path: _verify(context, path))


@store.command("prune", short_help="Make the file smaller.")
@click.option(
    "--older-than",
    type=click.IntRange(0, 100_000),
    metavar="DAYS",
    help="Also remove intervals that ended, and answers that were fetched, more than so many days ago.",
)
@click.option(
    "--max-size",
    callback=params.size,
    metavar="SIZE",
    help="Then remove the oldest data, until the file has at most so many bytes, such as 100M.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@click.pass_obj
def prune_(context: CommandContext, older_than: int | None, max_size: int | None, dry_run: bool) -> None:
    """Remove cached data that is of no use, and give its space back to the disk.

    Without an option that is data that cannot be read, and answers of more than 30 days ago that may have
    changed since. Data that is removed is fetched again when it is asked for. Quota counts stay.
    """
    age = None if older_than is None else timedelta(days=older_than)
    work = partial(prune, now=SystemClock().now(), older_than=age, max_size=max_size, dry_run=dry_run)

    async def pruned(path: str) -> None:
        _show_pruned(context, await in_thread(partial(work, path)), dry_run=dry_run)

    _run(context, pruned)


def _run(context: CommandContext, work: Callable[[str], Awaitable[None]]) -> None:
    """Run a command on the state file."""

    async def on_file() -> None:
        if (path := context.state) is None:
            raise InputError(NO_FILE)
        await work(str(path))

    context.run(on_file)


async def _info(context: CommandContext, path: str, *, as_json: bool) -> None:
    found = await in_thread(partial(stats, path))
    if as_json:
        context.print_json(found)
        return
    context.out.print(_summary(found), soft_wrap=True)
    if found.series:
        rows = table(context.out, *SERIES, right=[1, 2, 3])
        for series in found.series:
            figures = number(series.systems), number(series.entries), size(series.bytes)
            add_row(rows, [series.endpoint, *figures, _day(series.oldest), _day(series.newest)])
        context.out.print(rows)
    if found.replies:
        rows = table(context.out, *ANSWERS, right=[1, 2])
        for replies in found.replies:
            count, total = number(replies.entries), size(replies.bytes)
            add_row(rows, [replies.endpoint, count, total, _day(replies.oldest), _day(replies.newest)])
        context.out.print(rows)


def _summary(found: StateFileStats) -> str:
    journal = f", and {size(found.journal)} of journal" if found.journal else ""
    sizes = f"{size(found.bytes)} ({size(found.free)} of it free{journal})"
    counted = f"keys counted: {number(found.keys)}, accounts: {number(found.scopes)}"
    return printable(f"{found.path}: {sizes}, schema {found.schema_version}; {counted}")


async def _verify(context: CommandContext, path: str) -> None:
    found = await in_thread(partial(verify, path))
    for damage in found.damage:
        context.report(damage)
    if not found.damage:
        click.echo(_verified(found))
    if found.damage or found.unreadable_counts:
        raise OSError(errno.EIO, CORRUPT.format(name=found.path.name))
    if not found.sound:
        raise OSError(errno.EIO, UNREADABLE)


def _verified(found: IntegrityReport) -> str:
    """Return the number of rows, and of those that cannot be read."""
    read = [
        _share("spans", found.parts, found.unreadable_parts),
        _share("answers", found.replies, found.unreadable_replies),
    ]
    if found.unreadable_counts:
        read.append(f"counts of {number(found.unreadable_counts)} keys cannot be read")
    state = "sound" if found.sound else "not sound"
    return printable(f"{found.path}: {state}; {', '.join(read)}")


def _share(name: str, count: int, bad: int) -> str:
    return f"{number(count)} {name}" + (f" ({number(bad)} cannot be read)" if bad else "")


def _show_pruned(context: CommandContext, done: PruneReport, *, dry_run: bool) -> None:
    if done.evicted:
        total = sum(done.evicted.values(), Evicted())
        rows = table(context.out, "removed", "spans", "answers", "size", right=[1, 2, 3])
        for name, gone in (*done.evicted.items(), ("total", total)):
            add_row(rows, [name, *map(number, (gone.parts, gone.replies)), size(gone.bytes)])
        context.out.print(rows)
    verb = "would have about" if dry_run else "has"
    nothing = "" if done.evicted else "nothing to remove; "
    context.out.print(
        printable(f"{nothing}{done.path} {verb} {size(done.bytes_after)}, was {size(done.bytes_before)}"),
        soft_wrap=True,
    )
    if done.unshrunk:
        context.report(f"the space is free, but the file is not smaller yet: {done.unshrunk}")


def _day(moment: datetime | None) -> str:
    return "unknown" if moment is None else f"{moment:%Y-%m-%d}"
