"""`enlighten fleet`: many systems, followed as freshly as the quota allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypedDict, TypeVar, Unpack

import click
from attrs import define, field

from enlighten_async.cli import formatting, params
from enlighten_async.cli.context import CommandContext
from enlighten_async.cli.formatting import printable
from enlighten_async.cli.settings import warn_of_password
from enlighten_async.client import EnlightenClient
from enlighten_async.errors import BudgetExceeded
from enlighten_async.fleet import Change, Fleet, FleetPlan, PostgresSink, Sink, sink_of
from enlighten_async.fleet.fleet import FOLLOWED
from enlighten_async.fleet.sinks import TARGETS
from enlighten_async.models import Receipt

F = TypeVar("F", bound=Callable[..., Any])

TO: Final = click.option("--to", "target", metavar=TARGETS, required=True, help="Keeper of rows and cursors.")


class Followed(TypedDict):
    """The options that say what is followed."""

    series: str
    every: timedelta | None
    accounts: tuple[str, ...]


def _series(_: click.Context, option: click.Parameter, text: str) -> str:
    """Return the name of a series that can be followed."""
    name = text.replace("-", "_")
    if name not in FOLLOWED:
        raise click.BadParameter(f"{text!r} is no series of a fleet: choose from {', '.join(FOLLOWED)}")
    return name


def _followed(command: F) -> F:
    """Give a command the options that say what is followed."""
    options = [
        click.option("--series", required=True, callback=_series, metavar="NAME", help="Such as rgm_stats."),
        click.option(
            "--every",
            callback=params.span,
            metavar="SPAN",
            help="Longest time between two polls of a system while it produces, such as 1h."
            "  [default: as short as the quota allows, which uses the month up]",
        ),
        click.option(
            "--account",
            "accounts",
            multiple=True,
            metavar="NAME",
            help="Owner whose systems these are; may be given again.  [default: that of the environment]",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _fleet(client: EnlightenClient, series: str, every: timedelta | None, accounts: Sequence[str]) -> Fleet:
    return Fleet(client, series, every=every, accounts=list(accounts) or None)


@define
class Tally:
    """A sink that counts what another one keeps."""

    sink: Sink
    """The other one."""
    rows: int = 0
    """Rows of systems that were written."""
    corrected: int = 0
    """Rows among them that take the place of earlier ones."""
    systems: set[int] = field(factory=set)
    """Systems with rows."""
    receipt: Receipt = field(factory=Receipt)
    """Cost of them."""

    def __repr__(self) -> str:
        return repr(self.sink)

    def __str__(self) -> str:
        systems, rows = (
            formatting.count(len(self.systems), "system"),
            formatting.count(self.rows, "row"),
        )
        into = printable(repr(self.sink).partition(" ")[2].rstrip(">"))
        corrected = f" ({self.corrected:,} corrected)" if self.corrected else ""
        return f"{into}: {rows}{corrected} of {systems}; {formatting.receipt(self.receipt)}"

    async def aclose(self) -> None:
        """Close the other one, if it has a connection."""
        if isinstance(self.sink, PostgresSink):
            await self.sink.aclose()

    async def cursors(self, series: str) -> Mapping[int, datetime]:
        """Return those of the other one."""
        return await self.sink.cursors(series)

    async def write(self, changes: Sequence[Change]) -> None:
        """Let the other one write, and count what it has written."""
        await self.sink.write(changes)
        for change in changes:
            self.rows += len(change.rows)
            self.corrected += change.corrected
            self.receipt += change.receipt
            if change.rows:
                self.systems.add(change.system_id)


@click.group(short_help="Follow many systems, as freshly as the quota allows.")
def fleet() -> None:
    """Follow many systems, as freshly as the quota allows."""


@fleet.command(short_help="Tell what a fleet costs, and how fresh it will be.")
@_followed
@params.as_json
@click.pass_obj
def plan(context: CommandContext, as_json: bool, **followed: Unpack[Followed]) -> None:
    """Tell what a fleet costs, and how fresh it will be.

    It asks for the list of systems alone, and not for one that is cached and younger than a day.
    """

    async def work(client: EnlightenClient) -> None:
        found = await _fleet(client, **followed).plan()
        if as_json:
            context.print_json(_document(found))
        else:
            click.echo(str(found))

    context.run_with_client(work)


@fleet.command(short_help="Follow a fleet, and keep its rows.")
@_followed
@TO
@click.option("--once", is_flag=True, help="End when nothing is due any more, for cron and the like.")
@click.option("--strict", is_flag=True, help="Refuse a cadence that the quota does not carry.")
@click.pass_obj
def run(context: CommandContext, target: str, once: bool, strict: bool, **followed: Unpack[Followed]) -> None:
    """Poll each system when it is due, and keep what is new or corrected; for ever, or once.

    A cadence that the quota does not carry is told, and the one that it does is taken. SIGTERM and Ctrl-C
    have what is paid for written, for 10 seconds at the most; a second one ends it at once.
    """
    warn_of_password(target, "put it in the file that PGPASSFILE names")

    async def work(client: EnlightenClient) -> None:
        tally = Tally(sink_of(target))
        try:
            await tally.cursors(followed["series"])
            followers = _fleet(client, **followed)
            found = await followers.plan()
            context.report(str(found))
            if strict and not found.fits:
                raise BudgetExceeded("the quota does not carry that: choose a longer --every")
            try:
                await followers.run(tally, once=once)
            finally:
                context.report(str(tally))
        finally:
            await tally.aclose()

    context.run_with_client(work)


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
    return {**rest, **spans}
