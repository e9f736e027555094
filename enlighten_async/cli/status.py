"""`enlighten quota` and `enlighten doctor`: what is left, and whether all is set up; nothing is sent."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import get_args

import click
from attrs import frozen

from enlighten_async.cache import stats
from enlighten_async.cli import formatting, params
from enlighten_async.cli.context import CommandContext
from enlighten_async.cli.login import token_store
from enlighten_async.cli.settings import config_file
from enlighten_async.client import EnlightenClient
from enlighten_async.errors import EnlightenError, InputError
from enlighten_async.limiter import Priority
from enlighten_async.models import QuotaStatus, QuotaWindow
from enlighten_async.state import in_thread
from enlighten_async.windows import as_datetime

MAX_CLOCK_ERROR_S = 30.0
"""Seconds by which the clock may differ from the service's before it is remarked."""

PRIORITIES = get_args(Priority)


@click.command(short_help="Show the quota that is left.")
@click.option(
    "--priority",
    type=click.Choice(PRIORITIES),
    default="interactive",
    show_default=True,
    help="Show what is left for requests of this rank.",
)
@click.option(
    "--used",
    type=click.IntRange(min=0),
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
    for period, window in (("minute", status.minute), ("month", status.month)):
        if window.closed_until is not None:
            until = f"{window.closed_until:%Y-%m-%d %H:%M:%S} UTC"
            context.report(f"the service rejects requests of this {period}: none is sent until {until}")


def _figures(window: QuotaWindow) -> list[str]:
    limit, left = ("none", "") if window.limit is None else (window.limit, window.left or 0)
    figures = (window.used, limit, left)
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


@click.command(short_help="Check that all is set up.")
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
    if environ.get("ENLIGHTEN_CLIENT_ID"):
        yield await _login(context, environ.get("ENLIGHTEN_ACCOUNT") or "default")
    try:
        async with context.client() as client:
            status = await client.quota()
            yield Finding("service", str(client).partition(" at ")[2].rstrip(">"))
            yield _plan(client, status)
            yield _clock(context, status)
    except (EnlightenError, OSError) as error:
        yield Finding("client", formatting.printable(str(error)), fine=False)
    yield await _state(context)


def _credentials(environ: Mapping[str, str]) -> Finding:
    version = 4 if environ.get("ENLIGHTEN_CLIENT_ID") else 2
    needed = ("API_KEY", "CLIENT_ID", "CLIENT_SECRET") if version == 4 else ("API_KEY", "USER_ID")
    missing = [name for each in needed if not environ.get(name := f"ENLIGHTEN_{each}")]
    if missing:
        return Finding("credentials", f"for version {version}, set {' and '.join(missing)}", fine=False)
    return Finding("credentials", f"all there for version {version} of the API")


async def _login(context: CommandContext, account: str) -> Finding:
    name = f"login {formatting.printable(account)}"
    try:
        tokens = (await token_store(context).accounts()).get(account)
    except EnlightenError as error:
        return Finding(name, formatting.printable(str(error)), fine=False)
    if tokens is None:
        return Finding(name, "nobody has logged in: run enlighten login", fine=False)
    now = as_datetime(context.now())
    age = formatting.duration(now - as_datetime(tokens.obtained_at))
    end = None if tokens.refresh_expires_at is None else as_datetime(tokens.refresh_expires_at)
    if end is not None and end <= now:
        return Finding(name, f"its tokens are of {age} ago and have ended: run enlighten login", fine=False)
    ends = "" if end is None else f"; without use they end in {formatting.duration(end - now)}"
    return Finding(name, f"tokens of {age} ago{ends}")


def _plan(client: EnlightenClient, status: QuotaStatus) -> Finding:
    left = {"minute": status.minute.left, "month": status.month.left}
    known = {period: count for period, count in left.items() if count is not None}
    closed = [p for p, w in (("minute", status.minute), ("month", status.month)) if w.closed_until]
    told = f"; the service rejects requests of this {closed[-1]}" if closed else ""
    name = client.plan.name or "none"
    return Finding("plan", f"{name}: {formatting.left(known) if known else 'no limit'}{told}", not closed)


def _clock(context: CommandContext, status: QuotaStatus) -> Finding:
    now = as_datetime(context.now())
    ahead = (now - status.as_of).total_seconds()
    text = f"{now.astimezone():%Y-%m-%d %H:%M:%S %z}"
    if abs(ahead) <= MAX_CLOCK_ERROR_S:
        return Finding("clock", text)
    side = "ahead of" if ahead > 0 else "behind"
    return Finding("clock", f"{text}, {abs(ahead):.0f} s {side} the service's: set it", fine=False)


async def _state(context: CommandContext) -> Finding:
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
