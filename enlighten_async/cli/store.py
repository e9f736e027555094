"""`enlighten store`: what the state file holds, whether it is whole, and how it gets smaller."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial

import click

from enlighten_async.cache import Evicted, IntegrityReport, PruneReport, StateFileStats, prune, stats, verify
from enlighten_async.cli import failures, inputs, words
from enlighten_async.cli.shell import Shell
from enlighten_async.cli.tables import row, table
from enlighten_async.clock import SystemClock
from enlighten_async.errors import InputError
from enlighten_async.state import in_thread

NO_FILE = "which file? Name it: enlighten --state FILE store ..., or in ENLIGHTEN_STATE"

SERIES = ("series", "systems", "stretches", "size", "from (UTC)", "to (UTC)")
ANSWERS = ("answers", "number", "size", "first fetched (UTC)", "last fetched (UTC)")

BROKEN = (
    "the file is broken: the first program that comes upon it renames it, to {name}.broken-1 or so, and "
    "begins a new one in which nothing is held; restore a copy, or have what is needed bought again"
)
UNREADABLE = (
    "what cannot be read is as if it were not there, and is bought again when it is asked for; "
    "enlighten store prune removes it"
)


@click.group(short_help="Look after the state file.")
def store() -> None:
    """Look after the state file: nothing is sent, and no key is needed.

    Other programs may use the file meanwhile.
    """


@store.command(short_help="Tell what the file holds.")
@click.pass_obj
def info(shell: Shell) -> None:
    """Tell what the file holds: its size, and what was bought of each endpoint."""
    _run(shell, lambda path: _info(shell, path))


@store.command("verify", short_help="Tell whether the file is whole.")
@click.pass_obj
def verify_(shell: Shell) -> None:
    """Tell whether the file is whole and all of it can be read; exit code 1 if not. Nothing is changed."""
    _run(shell, lambda path: _verify(shell, path))


@store.command("prune", short_help="Make the file smaller.")
@click.option(
    "--older-than",
    type=click.IntRange(0, 100_000),
    metavar="DAYS",
    help="Also forget intervals that ended, and answers that were fetched, so long ago.",
)
@click.option(
    "--max-size",
    callback=inputs.size,
    metavar="SIZE",
    help="Then forget what ended first, until the file has at most so many bytes: 100M, say.",
)
@click.option("--dry-run", is_flag=True, help="Only tell what would be forgotten.")
@click.pass_obj
def prune_(shell: Shell, older_than: int | None, max_size: int | None, dry_run: bool) -> None:
    """Forget what was bought and is of no use, and give its space back to the disk.

    Without an option that is what cannot be read, and answers of more than 30 days ago that may have changed
    since. What is forgotten is bought again when it is asked for. What is counted stays.
    """
    age = None if older_than is None else timedelta(days=older_than)
    work = partial(prune, now=SystemClock().now(), older_than=age, max_size=max_size, dry_run=dry_run)

    async def pruned(path: str) -> None:
        _show_pruned(shell, await in_thread(partial(work, path)), dry_run=dry_run)

    _run(shell, pruned)


def _run(shell: Shell, work: Callable[[str], Awaitable[None]]) -> None:
    """Run a command on the file that is named."""

    async def on_file() -> None:
        if (path := shell.state) is None:
            raise InputError(NO_FILE)
        await work(str(path))

    shell.run(on_file)


async def _info(shell: Shell, path: str) -> None:
    found = await in_thread(partial(stats, path))
    shell.out.print(_summary(found), soft_wrap=True)
    if found.series:
        made = table(shell.out, *SERIES, right=[1, 2, 3])
        for held in found.series:
            figures = words.number(held.systems), words.number(held.entries), words.size(held.bytes)
            row(made, [held.endpoint, *figures, _day(held.oldest), _day(held.newest)])
        shell.out.print(made)
    if found.replies:
        made = table(shell.out, *ANSWERS, right=[1, 2])
        for each in found.replies:
            number, size = words.number(each.entries), words.size(each.bytes)
            row(made, [each.endpoint, number, size, _day(each.oldest), _day(each.newest)])
        shell.out.print(made)


def _summary(found: StateFileStats) -> str:
    journal = f", and {words.size(found.journal)} of journal" if found.journal else ""
    sizes = f"{words.size(found.bytes)} ({words.size(found.free)} of it free{journal})"
    counted = f"keys counted: {words.number(found.keys)}, accounts: {words.number(found.scopes)}"
    return failures.plain(f"{found.path}: {sizes}, form {found.schema_version}; {counted}")


async def _verify(shell: Shell, path: str) -> None:
    found = await in_thread(partial(verify, path))
    for damage in found.damage:
        shell.say(damage)
    if not found.damage:
        click.echo(_read(found))
    if found.damage or found.unreadable_counts:
        raise OSError(errno.EIO, BROKEN.format(name=found.path.name))
    if not found.sound:
        raise OSError(errno.EIO, UNREADABLE)


def _read(found: IntegrityReport) -> str:
    """Return what was read, and how much of it can be."""
    read = [
        _share("stretches", found.parts, found.unreadable_parts),
        _share("answers", found.replies, found.unreadable_replies),
    ]
    if found.unreadable_counts:
        read.append(f"counts of {words.number(found.unreadable_counts)} keys cannot be read")
    state = "whole" if found.sound else "not whole"
    return failures.plain(f"{found.path}: {state}; {', '.join(read)}")


def _share(name: str, count: int, bad: int) -> str:
    return f"{words.number(count)} {name}" + (f" ({words.number(bad)} cannot be read)" if bad else "")


def _show_pruned(shell: Shell, done: PruneReport, *, dry_run: bool) -> None:
    if done.evicted:
        total = sum(done.evicted.values(), Evicted())
        made = table(shell.out, "forgotten", "stretches", "answers", "size", right=[1, 2, 3])
        for name, gone in (*done.evicted.items(), ("in all", total)):
            row(made, [name, *map(words.number, (gone.parts, gone.replies)), words.size(gone.bytes)])
        shell.out.print(made)
    about = "would take about" if dry_run else "takes"
    nothing = "" if done.evicted else "nothing to forget; "
    shell.out.print(
        failures.plain(
            f"{nothing}{done.path} {about} {words.size(done.bytes_after)}, "
            f"was {words.size(done.bytes_before)}"
        ),
        soft_wrap=True,
    )
    if done.unshrunk:
        shell.say(f"the space is free, but still in the file: {done.unshrunk}")


def _day(moment: datetime | None) -> str:
    return "unknown" if moment is None else f"{moment:%Y-%m-%d}"
