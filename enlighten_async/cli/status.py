"""`enlighten quota`, `doctor` and `store`: what is left, set up and kept; nothing is sent."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, get_args

import click
from attrs import frozen

from enlighten_async.cache import (
    Evicted,
    IntegrityReport,
    PostgresUpkeep,
    PruneReport,
    StateFileStats,
    prune,
    stats,
    verify,
)
from enlighten_async.cli import formatting, params
from enlighten_async.cli.context import CommandContext
from enlighten_async.cli.login import token_store
from enlighten_async.cli.settings import config_file
from enlighten_async.client import EnlightenClient
from enlighten_async.clock import SystemClock
from enlighten_async.errors import EnlightenError, InputError
from enlighten_async.limiter import Plan, Priority
from enlighten_async.models import QuotaStatus, QuotaWindow
from enlighten_async.oauth.oauth import CLIENT_ID
from enlighten_async.state import PostgresBackend, in_thread, is_postgres
from enlighten_async.transport import Secret
from enlighten_async.windows import as_datetime

MAX_CLOCK_ERROR_S = 30.0
"""Seconds by which the clock may differ from the service's before it is remarked."""

PRIORITIES = get_args(Priority)

NO_FILE = "name the state file: enlighten --state FILE store ..., or in ENLIGHTEN_STATE"

COUNTS_ALONE = "this server keeps counts alone: name the state file, or a database in PostgreSQL"

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


@click.command(short_help="Show the quota that is left.")
@click.option(
    "--priority",
    type=click.Choice(PRIORITIES),
    default="interactive",
    show_default=True,
    help="Show what is left for requests of this priority.",
)
@click.option(
    "--used",
    type=params.Number(min=0),
    metavar="N",
    help="Set the requests used this month (UTC), by the developer portal's figure.",
)
@click.option("--forget", is_flag=True, help="Forget what the service said of limits and closed windows.")
@params.as_json
@click.pass_obj
def quota(context: CommandContext, priority: Priority, used: int | None, forget: bool, as_json: bool) -> None:
    """Show the requests used and left this minute and this month; nothing is sent.

    They are counted over all programs that share the state file. For a key that is used elsewhere too,
    --used sets the month's count; it is not lowered below what these programs have sent.
    """

    async def work(client: EnlightenClient) -> None:
        if forget:
            await client.forget_limits()
        if used is not None:
            await client.set_month_used(used)
        status = await client.with_options(priority=priority).quota()
        if as_json:
            context.print_json(status.to_dict())
        else:
            _show_quota(context, status)

    context.run_with_client(work)


def _show_quota(context: CommandContext, status: QuotaStatus) -> None:
    rows = formatting.table(context.out, "window", "used", "limit", "left", "turns (UTC)", right=[1, 2, 3])
    for name, window in (("minute", status.minute), ("month", status.month)):
        formatting.add_row(rows, [name, *_figures(window), f"{window.turns_at:%Y-%m-%d %H:%M:%S}"])
    context.out.print(rows)
    if status.runs_out_at is not None:
        context.report(f"at this pace the month's quota is used up on {status.runs_out_at:%Y-%m-%d}")
    pace = status.pace
    if pace is not None and pace.next_at is not None:
        context.report(
            f"{pace.per_day:,.1f} requests a day use the month up evenly, and {pace.used_per_day:,.1f} a day "
            f"were used; the next one at {pace.next_at:%Y-%m-%d %H:%M:%S} UTC"
        )
    for period, window in (("minute", status.minute), ("month", status.month)):
        if window.closed_until is not None:
            until = f"{window.closed_until:%Y-%m-%d %H:%M:%S} UTC"
            context.report(f"the service rejects requests of this {period}: none is sent until {until}")


def _figures(window: QuotaWindow) -> list[str]:
    limit, left = ("none", "") if window.limit is None else (window.limit, window.left or 0)
    figures = ("unknown" if window.used is None else window.used, limit, left)
    return [figure if isinstance(figure, str) else formatting.number(figure) for figure in figures]


@frozen
class Finding:
    """One thing that was looked at.

    Attributes:
        name: the thing.
        text: what was found, and what to do if it is not well.
        fine: whether it is well.
    """

    name: str
    text: str
    fine: bool = True


@click.command(short_help="Check settings, credentials, logins and state.")
@params.as_json
@click.pass_obj
def doctor(context: CommandContext, as_json: bool) -> None:
    """Check settings, credentials, logins, clock, plan and state file; no request is sent.

    The exit code is 1 if something has to be done.
    """

    async def work() -> None:
        findings = [each async for each in _findings(context)]
        if as_json:
            context.print_json(findings)
        else:
            rows = formatting.table(context.out, "", "", "", wraps=[2])
            rows.show_header = False
            for each in findings:
                formatting.add_row(rows, ["ok" if each.fine else "!!", each.name, each.text])
            context.out.print(rows)
        if not all(each.fine for each in findings):
            sys.exit(1)

    context.run(work)


async def _findings(context: CommandContext) -> AsyncIterator[Finding]:
    environ = os.environ if context.environ is None else context.environ
    file = config_file()
    yield Finding("settings", f"{file}{'' if file.exists() else ' is not there; it need not be'}")
    yield _credentials(environ)
    if environ.get(CLIENT_ID):
        yield await _login(context, environ.get("ENLIGHTEN_ACCOUNT") or "default", environ[CLIENT_ID])
    try:
        async with context.client() as client:
            status = await client.quota()
            yield Finding("service", str(client).partition(" at ")[2].rstrip(">"))
            yield plan_finding(context, client, status)
            yield _clock(context, status)
    except (EnlightenError, OSError) as error:
        yield Finding("client", formatting.printable(str(error)), fine=False)
    yield await _state(context)


def _credentials(environ: Mapping[str, str]) -> Finding:
    version = 2 if environ.get("ENLIGHTEN_USER_ID") and not environ.get(CLIENT_ID) else 4
    needed = ("API_KEY", "CLIENT_ID", "CLIENT_SECRET") if version == 4 else ("API_KEY", "USER_ID")
    missing = [name for each in needed if not environ.get(name := f"ENLIGHTEN_{each}")]
    if missing:
        return Finding("credentials", f"for version {version}, set {' and '.join(missing)}", fine=False)
    return Finding("credentials", f"all there for version {version} of the API")


async def _login(context: CommandContext, account: str, client_id: str) -> Finding:
    name = f"login {formatting.printable(account)}"
    try:
        tokens = await token_store(context).load(account)
    except EnlightenError as error:
        return Finding(name, formatting.printable(str(error)), fine=False)
    if tokens is None:
        return Finding(name, "nobody has logged in: run enlighten login", fine=False)
    if tokens.client_id not in {None, client_id}:
        text = "its tokens are of another client id: set that one, or run enlighten login"
        return Finding(name, text, fine=False)
    now = as_datetime(context.now())
    age = formatting.duration(now - as_datetime(tokens.obtained_at))
    end = None if tokens.refresh_expires_at is None else as_datetime(tokens.refresh_expires_at)
    if end is not None and end <= now:
        return Finding(name, f"its tokens are of {age} ago and have ended: run enlighten login", fine=False)
    ends = "" if end is None else f"; without use they end in {formatting.duration(end - now)}"
    return Finding(name, f"tokens of {age} ago{ends}")


def plan_finding(context: CommandContext, client: EnlightenClient, status: QuotaStatus) -> Finding:
    """Return what is found of the plan, and of the quota that is left of it."""
    assumed = "" if "plan" in context.options else " (assumed; give --plan if the key has another)"
    limits = _limits(client.plan)
    if status.month.limit is not None and status.month.used is None:
        todo = "nobody knows how much of this month is used: run enlighten quota --used N"
        return Finding("plan", f"{limits}{assumed}; {todo}", fine=False)
    left = {"minute": status.minute.left, "month": status.month.left}
    known = {period: count for period, count in left.items() if count is not None}
    closed = [p for p, w in (("minute", status.minute), ("month", status.month)) if w.closed_until]
    told = f"; the service rejects requests of this {closed[-1]}" if closed else ""
    rest = f"; {formatting.left(known)}" if known else ""
    return Finding("plan", f"{limits}{rest}{told}{assumed}", not closed)


def _limits(plan: Plan) -> str:
    """Return the name of a plan, and what it allows."""
    numbers = {period: plan.allows(period) for period in ("minute", "month")}
    limits = ", ".join(f"{formatting.number(n)} a {period}" for period, n in numbers.items() if n is not None)
    return ": ".join(filter(None, (plan.name, limits or "no limit")))


def _clock(context: CommandContext, status: QuotaStatus) -> Finding:
    now = as_datetime(context.now())
    ahead = (now - status.as_of).total_seconds()
    text = f"{now.astimezone():%Y-%m-%d %H:%M:%S %z}"
    if abs(ahead) <= MAX_CLOCK_ERROR_S:
        return Finding("clock", text)
    side = "ahead of" if ahead > 0 else "behind"
    return Finding("clock", f"{text}, {abs(ahead):.0f} s {side} the service's: set it", fine=False)


async def _state(context: CommandContext) -> Finding:
    if isinstance(context.state, Secret):
        return Finding("state", "on a server, which `enlighten quota` asks")
    path = context.state
    if path is None:
        return Finding("state file", "none: nothing is kept from one command to the next")
    try:
        found = await in_thread(partial(stats, path))
    except InputError as error:
        missing = not await in_thread(partial(os.path.exists, path))
        return Finding("state file", f"{path} is not there yet" if missing else str(error), missing)
    except OSError as error:
        return Finding("state file", formatting.printable(f"{path}: {error}"), fine=False)
    spans = sum(each.entries for each in (*found.series, *found.replies))
    return Finding("state file", f"{path}: {formatting.size(found.bytes)}, {formatting.number(spans)} cached")


@click.group(short_help="Inspect and prune the state file.")
def store() -> None:
    """Inspect and prune the state file, or a database in PostgreSQL: nothing is sent, no key is needed.

    Other programs may use it meanwhile.
    """


@store.command(short_help="Show the contents of the file.")
@params.as_json
@click.pass_obj
def info(context: CommandContext, as_json: bool) -> None:
    """Show the size of the file, and the cached data by endpoint."""
    _run(context, lambda kept: _info(context, kept, as_json=as_json))


@store.command("verify", short_help="Check that the file is sound.")
@click.pass_obj
def verify_(context: CommandContext) -> None:
    """Check that the file is sound and all of it can be read; exit code 1 if not. Nothing is changed."""
    _run(context, lambda kept: _verify(context, kept))


@store.command("prune", short_help="Make the file smaller.")
@click.option(
    "--older-than",
    type=params.Number(0, 100_000),
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

    In PostgreSQL the size is that of the data; the server reuses the space after VACUUM.
    """
    age = None if older_than is None else timedelta(days=older_than)
    now = SystemClock().now()

    async def pruned(kept: Kept) -> None:
        done = await kept.prune(now=now, older_than=age, max_size=max_size, dry_run=dry_run)
        _show_pruned(context, done, dry_run=dry_run)

    _run(context, pruned)


class FileUpkeep:
    """The upkeep of a state file, as that of a database is called.

    Args:
        path: the file.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    async def stats(self) -> StateFileStats:
        """Return its statistics."""
        return await in_thread(partial(stats, self._path))

    async def verify(self) -> IntegrityReport:
        """Return its faults."""
        return await in_thread(partial(verify, self._path))

    async def prune(self, **limits: Any) -> PruneReport:
        """Evict entries."""
        return await in_thread(partial(prune, self._path, **limits))


Kept: TypeAlias = FileUpkeep | PostgresUpkeep


def _run(context: CommandContext, work: Callable[[Kept], Awaitable[None]]) -> None:
    """Run a command on the state."""

    async def on_state() -> None:
        if isinstance(context.state, Secret):
            if not is_postgres(context.state.reveal()):
                raise InputError(COUNTS_ALONE)
            server = PostgresBackend(context.state.reveal, SystemClock())
            try:
                await work(PostgresUpkeep(server))
            finally:
                await server.aclose()
        elif (path := context.state_file) is None:
            raise InputError(NO_FILE)
        else:
            await work(FileUpkeep(str(path)))

    context.run(on_state)


async def _info(context: CommandContext, kept: Kept, *, as_json: bool) -> None:
    found = await kept.stats()
    if as_json:
        context.print_json(found)
        return
    context.out.print(_summary(found), soft_wrap=True)
    if found.series:
        rows = formatting.table(context.out, *SERIES, right=[1, 2, 3])
        for series in found.series:
            counts = map(formatting.number, (series.systems, series.entries))
            cells = [series.endpoint, *counts, formatting.size(series.bytes)]
            formatting.add_row(rows, [*cells, _day(series.oldest), _day(series.newest)])
        context.out.print(rows)
    if found.replies:
        rows = formatting.table(context.out, *ANSWERS, right=[1, 2])
        for replies in found.replies:
            cells = [replies.endpoint, formatting.number(replies.entries), formatting.size(replies.bytes)]
            formatting.add_row(rows, [*cells, _day(replies.oldest), _day(replies.newest)])
        context.out.print(rows)


def _summary(found: StateFileStats) -> str:
    journal = f", and {formatting.size(found.journal)} of journal" if found.journal else ""
    sizes = f"{formatting.size(found.bytes)} ({formatting.size(found.free)} of it free{journal})"
    counted = f"keys counted: {formatting.number(found.keys)}, accounts: {formatting.number(found.scopes)}"
    return formatting.printable(f"{found.path}: {sizes}, schema {found.schema_version}; {counted}")


async def _verify(context: CommandContext, kept: Kept) -> None:
    found = await kept.verify()
    for damage in found.damage:
        context.report(damage)
    if not found.damage:
        click.echo(_verified(found))
    if found.damage or (found.unreadable_counts and isinstance(found.path, Path)):
        raise OSError(errno.EIO, CORRUPT.format(name=Path(found.path).name))
    if not found.sound:
        raise OSError(errno.EIO, UNREADABLE)


def _verified(found: IntegrityReport) -> str:
    """Return the number of rows, and of those that cannot be read."""
    read = [
        _share("spans", found.parts, found.unreadable_parts),
        _share("answers", found.replies, found.unreadable_replies),
    ]
    if found.unreadable_counts:
        read.append(f"counts of {formatting.number(found.unreadable_counts)} keys cannot be read")
    state = "sound" if found.sound else "not sound"
    return formatting.printable(f"{found.path}: {state}; {', '.join(read)}")


def _share(name: str, count: int, bad: int) -> str:
    return f"{formatting.number(count)} {name}" + (
        f" ({formatting.number(bad)} cannot be read)" if bad else ""
    )


def _show_pruned(context: CommandContext, done: PruneReport, *, dry_run: bool) -> None:
    if done.evicted:
        total = sum(done.evicted.values(), Evicted())
        rows = formatting.table(context.out, "removed", "spans", "answers", "size", right=[1, 2, 3])
        for name, gone in (*done.evicted.items(), ("total", total)):
            counts = map(formatting.number, (gone.parts, gone.replies))
            formatting.add_row(rows, [name, *counts, formatting.size(gone.bytes)])
        context.out.print(rows)
    verb = "would have about" if dry_run else "has"
    nothing = "" if done.evicted else "nothing to remove; "
    sizes = f"{verb} {formatting.size(done.bytes_after)}, was {formatting.size(done.bytes_before)}"
    context.out.print(formatting.printable(f"{nothing}{done.path} {sizes}"), soft_wrap=True)
    if done.unshrunk:
        context.report(f"the space is free, but the file is not smaller yet: {done.unshrunk}")


def _day(moment: datetime | None) -> str:
    return "unknown" if moment is None else f"{moment:%Y-%m-%d}"
