"""`enlighten fleet`: many systems, followed as freshly as the quota allows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypedDict, TypeVar, Unpack

import click
from attrs import evolve

from enlighten_async.cli import formatting, params
from enlighten_async.cli.context import CommandContext
from enlighten_async.cli.formatting import printable
from enlighten_async.cli.settings import warn_of_password
from enlighten_async.client import ClientOptions, EnlightenClient
from enlighten_async.errors import BudgetExceeded, InputError, StateUnavailable
from enlighten_async.fleet import Fleet, FleetMetrics, FleetPlan, PostgresSink, sink_of
from enlighten_async.fleet.fleet import FOLLOWED
from enlighten_async.fleet.metrics import serve
from enlighten_async.fleet.plan import told as fleet_told
from enlighten_async.fleet.sinks import TARGETS, ReaderGone
from enlighten_async.query import ResponseEvent
from enlighten_async.windows import as_datetime

if TYPE_CHECKING:
    from rich.status import Status

F = TypeVar("F", bound=Callable[..., Any])

TO: Final = click.option(
    "--to", "target", metavar=TARGETS, required=True, help="Where the rows and the cursors are kept."
)


class Followed(TypedDict):
    """The options that say what is followed."""

    series: str
    every: timedelta | None
    accounts: tuple[str, ...]
    backfill: timedelta | None
    newest_first: bool


class Run(Followed):
    """The options of a run."""

    target: str
    once: bool
    until_done: bool
    strict: bool
    address: str | None
    as_json: bool


END_S: Final = 9.0
"""Seconds that a run has after SIGTERM: then it is ended as by a second one, whoever does not answer."""

BEHIND: Final = 3
"""Systems that are named which are the furthest behind."""

AGES: Final = MappingProxyType({0.5: "half of them", 0.95: "95 %", 1.0: "all"})
"""What quantiles of freshness are of."""

UPDATE_S: Final = 1.0
"""Seconds between two updates of what a terminal, or Prometheus, is shown."""

LINE_S: Final = 60.0
"""Seconds between two lines where there is no terminal."""


def _series(_: click.Context, option: click.Parameter, text: str) -> str:
    """Return the name of a series that can be followed."""
    name = text.replace("-", "_")
    if name not in FOLLOWED:
        raise click.BadParameter(f"{text!r} is no series of a fleet: choose from {', '.join(FOLLOWED)}")
    return name


def _span(context: click.Context, option: click.Parameter, text: str | None) -> timedelta | None:
    """Return a length of time above 0."""
    found = params.span(context, option, text)
    if found is not None and not found:
        raise click.BadParameter(f"{text!r} is too short: give a length of time such as 1h")
    return found


SERIES: Final = click.option(
    "--series", required=True, callback=_series, metavar="NAME", help="Series, such as rgm-stats."
)

ACCOUNT: Final = click.option(
    "--account",
    "accounts",
    multiple=True,
    metavar="NAME",
    help="Account whose systems are followed; may be given again.  [default: that of the environment]",
)


def _followed(command: F) -> F:
    """Give a command the options that say what is followed, and how often."""
    options = [
        SERIES,
        ACCOUNT,
        click.option(
            "--every",
            callback=_span,
            metavar="SPAN",
            help="Longest time between two polls of a system while it produces, such as 1h."
            "  [default: as short as the quota allows, which uses the month up]",
        ),
        click.option(
            "--backfill",
            callback=_span,
            metavar="SPAN",
            help="Fetch the history of each system too, such as 1y, by requests that polls leave.",
        ),
        click.option("--newest-first", is_flag=True, help="Fetch the newest part of a history first."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _fleet(client: EnlightenClient, followed: Followed) -> Fleet:
    if followed["newest_first"] and followed["backfill"] is None:
        raise InputError("--newest-first needs --backfill")
    return Fleet(
        client,
        followed["series"],
        every=followed["every"],
        accounts=followed["accounts"] or None,
        backfill=followed["backfill"],
        newest_first=followed["newest_first"],
    )


@click.group(short_help="Poll many systems, as often as the quota allows.")
def fleet() -> None:
    """Poll many systems, as often as the quota allows, into files or a database."""


@fleet.command(short_help="Show what a fleet costs, and how old its rows will be.")
@_followed
@params.as_json
@click.pass_obj
def plan(context: CommandContext, as_json: bool, **followed: Unpack[Followed]) -> None:
    """Show what a fleet costs, and how old its rows will be.

    Only the list of systems is requested, unless one is cached that is younger than a day.
    """

    async def work(client: EnlightenClient) -> None:
        found = await _fleet(client, followed).plan()
        if as_json:
            context.print_json(_document(found))
        else:
            click.echo(str(found))

    context.run_with_client(work)


@fleet.command(short_help="Poll a fleet, and keep its rows.")
@_followed
@TO
@click.option("--once", is_flag=True, help="End when no poll is due, for cron and the like.")
@click.option("--until-done", is_flag=True, help="End when all of the --backfill is kept.")
@click.option(
    "--strict", is_flag=True, help="Exit with code 4, before any poll, if the quota does not allow --every."
)
@click.option(
    "--metrics",
    "address",
    metavar="ADDRESS",
    help="Serve metrics for Prometheus at this address, such as 127.0.0.1:9464.",
)
@params.as_json
@click.pass_obj
def run(context: CommandContext, **given: Unpack[Run]) -> None:
    """Poll each system when it is due, and keep rows that are new or corrected; until it is ended, or once.

    If the quota does not allow --every, the command says so, and polls as often as the quota allows. After
    SIGTERM or Ctrl-C it takes up to 10 seconds to write the rows that are paid for; a second signal ends it
    at once.
    """
    warn_of_password(given["target"], "put it in the file that PGPASSFILE names")
    if given["until_done"] and (given["once"] or given["backfill"] is None):
        raise click.UsageError("--until-done needs --backfill, and cannot be given with --once")
    heard: list[FleetMetrics] = []

    def hear(event: ResponseEvent) -> None:
        for metrics in heard:
            metrics.hear(event)

    async def work(client: EnlightenClient) -> None:
        sink = sink_of(given["target"], client)
        heard.append(FleetMetrics(sink, client._session.clock))
        try:
            await _run(context, client, heard[0], given)
        except ReaderGone:
            raise BrokenPipeError from None
        finally:
            if isinstance(sink, PostgresSink):
                await sink.aclose()

    options: ClientOptions = {**context.options, "on_response": hear}
    evolve(context, options=options, end_s=END_S).run_with_client(work)


async def _run(context: CommandContext, client: EnlightenClient, metrics: FleetMetrics, given: Run) -> None:
    """Follow a fleet, and tell what is done.

    Raises:
        BudgetExceeded: the quota does not allow `--every`, and `--strict` was given.
    """
    await metrics.cursors(given["series"])
    followed = _fleet(client, given)
    metrics.status = followed.status
    if given["address"]:
        serve(metrics, given["address"])
    found = await followed.plan()
    metrics.systems = found.systems
    context.report(json.dumps(_document(found)) if given["as_json"] else str(found))
    if given["strict"] and not found.fits:
        raise BudgetExceeded("the quota does not allow that: choose a longer --every")
    shown = _told_as_json if given["as_json"] else told
    try:
        async with watched(context, client, metrics, shown):
            await followed.run(metrics, once=given["once"], until_done=given["until_done"])
    finally:
        context.report(shown(metrics))


def told(metrics: FleetMetrics) -> str:
    """Return the figures of a run in one line."""
    corrected = f" ({metrics.corrected:,} corrected)" if metrics.corrected else ""
    parts = [
        f"{formatting.count(metrics.rows + metrics.corrected, 'row')}{corrected}",
        formatting.count(metrics.requests.total(), "request"),
    ]
    if failed := metrics.requests.total() - metrics.requests["ok"]:
        parts.append(f"{failed:,} of them failed")
    if ages := metrics.freshness():
        half, most, _ = (fleet_told(timedelta(seconds=age)) for age in ages.values())
        parts.append(
            f"{len(metrics.until):,} of {metrics.systems or 0:,} systems held, rows {half} old (95 %: {most})"
        )
    if metrics.failed_writes:
        parts.append(f"{formatting.count(metrics.failed_writes, 'write')} failed")
    return ", ".join(parts)


def _told_as_json(metrics: FleetMetrics) -> str:
    ages = {f"{quantile:g}": age for quantile, age in metrics.freshness().items()}
    figures = {
        "systems": metrics.systems,
        "held": len(metrics.until),
        "rows": metrics.rows,
        "corrected": metrics.corrected,
        "requests": dict(metrics.requests),
        "freshness_seconds": ages,
        "failed_writes": metrics.failed_writes,
    }
    return json.dumps(figures)


@asynccontextmanager
async def watched(
    context: CommandContext,
    client: EnlightenClient,
    metrics: FleetMetrics,
    shown: Callable[[FleetMetrics], str] = told,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[None]:
    """Show the figures of a run while the body runs: on a terminal all the time, elsewhere each minute."""
    with ExitStack() as stack:
        status: Status | None = None
        if context.live and context.err.is_interactive and shown is told:
            status = stack.enter_context(context.err.status("", spinner="line"))
        updates = asyncio.create_task(_update(context, client, metrics, status, shown, sleep))
        try:
            yield
        finally:
            updates.cancel()
            with suppress(asyncio.CancelledError):
                await updates


async def _update(
    context: CommandContext,
    client: EnlightenClient,
    metrics: FleetMetrics,
    status: Status | None,
    shown: Callable[[FleetMetrics], str],
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    """Look at the quota and show the figures, for ever; a quota whose state is away is shown as it was."""
    seconds = 0.0
    while True:
        await sleep(UPDATE_S)
        seconds += UPDATE_S
        with suppress(StateUnavailable):
            metrics.quota = await client.quota()
        if status is not None:
            status.update(printable(shown(metrics)))
        elif seconds >= LINE_S:
            seconds = 0.0
            context.report(shown(metrics))


@fleet.command(short_help="Show how old the newest rows are; nothing is sent.")
@SERIES
@ACCOUNT
@TO
@params.as_json
@click.pass_obj
def status(
    context: CommandContext, series: str, accounts: tuple[str, ...], target: str, as_json: bool
) -> None:
    """Show how old the newest rows in a target are, and the quota that is left; nothing is sent.

    The number of systems is told if the list of systems is cached and younger than a day.
    """
    warn_of_password(target, "put it in the file that PGPASSFILE names")

    async def work(client: EnlightenClient) -> None:
        sink = sink_of(target, client)
        metrics = FleetMetrics(sink, client._session.clock)
        try:
            await metrics.cursors(series)
        finally:
            if isinstance(sink, PostgresSink):
                await sink.aclose()
        with suppress(StateUnavailable):
            metrics.quota = await client.quota()
        with suppress(BudgetExceeded):
            view = client.with_options(max_requests=0)
            found = await Fleet(view, series, accounts=accounts or None).plan()
            metrics.systems = found.systems
        if as_json:
            context.print_json(_status(metrics))
        else:
            _show_status(context, metrics)

    context.run_with_client(work)


def _status(metrics: FleetMetrics) -> dict[str, object]:
    """Return how fresh a fleet is as a value of JSON."""
    quota = metrics.quota
    return {
        "systems": metrics.systems,
        "held": len(metrics.until),
        "freshness_seconds": {f"{quantile:g}": age for quantile, age in metrics.freshness().items()},
        "furthest_behind": [
            {"system_id": system_id, "until": as_datetime(until)}
            for system_id, until in metrics.behind(BEHIND)
        ],
        "left": {} if quota is None else {"minute": quota.minute.left, "month": quota.month.left},
    }


def _show_status(context: CommandContext, metrics: FleetMetrics) -> None:
    """Show how fresh a fleet is."""
    rows = formatting.table(context.out, "", "", right=[])
    of_all = "" if metrics.systems is None else f" of {metrics.systems:,}"
    formatting.add_row(rows, ["systems held", f"{len(metrics.until):,}{of_all}"])
    for quantile, age in metrics.freshness().items():
        formatting.add_row(rows, [f"rows of {AGES[quantile]}", f"{fleet_told(timedelta(seconds=age))} old"])
    for system_id, until in metrics.behind(BEHIND):
        behind = f"up to {as_datetime(until):%Y-%m-%d %H:%M} UTC"
        formatting.add_row(rows, [f"system {system_id}", behind])
    windows = (
        () if metrics.quota is None else (("minute", metrics.quota.minute), ("month", metrics.quota.month))
    )
    for name, window in windows:
        left = "no limit" if window.left is None else f"{window.left:,} left"
        formatting.add_row(rows, [f"requests this {name}", left])
    context.out.print(rows)


def _document(plan: FleetPlan) -> dict[str, object]:
    """Return a plan as a value of JSON; lengths of time in seconds."""
    spans = {
        f"{name}_seconds": None if span is None else span.total_seconds()
        for name, span in (
            ("every", plan.every),
            ("affordable_every", plan.affordable_every),
            ("mean_delay", plan.mean_delay),
        )
    }
    rest = {name: getattr(plan, name) for name in ("systems", "fits", "requests_per_day", "cost_usd")}
    done_at = None if plan.backfill_done_at is None else plan.backfill_done_at.isoformat()
    return {**rest, **spans, "backfill_done_at": done_at}
