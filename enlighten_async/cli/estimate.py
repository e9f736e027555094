"""`enlighten estimate` and `enlighten quota`: what things cost and what is left; they send nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, cast, get_args

import click

from enlighten_async.cli import inputs, words
from enlighten_async.cli.inputs import Asked, asked_range
from enlighten_async.cli.shell import Shell
from enlighten_async.cli.tables import row, table
from enlighten_async.client import EnlightenClient
from enlighten_async.errors import InputError
from enlighten_async.limiter import Priority
from enlighten_async.models import Estimate, QuotaStatus, QuotaWindow
from enlighten_async.query import Query

SERIES = (
    "stats",
    "rgm_stats",
    "consumption_stats",
    "production_meter",
    "battery",
    "energy_import_telemetry",
    "energy_export_telemetry",
)
LIFETIMES = (
    "energy_lifetime",
    "consumption_lifetime",
    "battery_lifetime",
    "energy_import_lifetime",
    "energy_export_lifetime",
)
NAMES: Mapping[str, str] = MappingProxyType({n.replace("_", "-"): n for n in (*SERIES, *LIFETIMES)})
"""The client's methods by the words of the command line."""

PRIORITIES = get_args(Priority)


@click.command(short_help="Tell what a query would cost.")
@click.argument("name", metavar="SERIES", type=click.Choice(list(NAMES)))
@click.argument("system_id", metavar="SYSTEM")
@click.option("--start", callback=inputs.moment, metavar="DAY|INSTANT", help="First day.")
@click.option("--end", callback=inputs.moment, metavar="DAY|INSTANT", help="Last day, inclusive.")
@click.option("--priority", type=click.Choice(PRIORITIES), default="interactive", show_default=True)
@click.pass_obj
def estimate(
    shell: Shell, name: str, system_id: str, start: Asked | None, end: Asked | None, priority: Priority
) -> None:
    """Tell what it would cost to read a series of a system, such as rgm-stats, stats or energy-lifetime.

    Nothing is sent. Days and instants are given as to `enlighten rgm-stats`; lifetimes take days.
    """
    asked: dict[str, Any] = asked_range(start, end)
    method = NAMES[name]

    async def work(client: EnlightenClient) -> None:
        if method in LIFETIMES and any(isinstance(value, datetime) for value in asked.values()):
            raise InputError(f"{name} has values for days: give --start and --end as days")
        view = client.with_options(priority=priority)
        query = cast("Query[Any, Any]", getattr(view, method)(system_id, **asked))
        show_price(shell, await query.estimate())

    shell.ask(work)


def show_price(shell: Shell, price: Estimate) -> None:
    """Show a price in one line; what else there is to know of it goes to stderr."""
    most = "an unknown number of" if price.at_most is None else f"at most {words.number(price.at_most)}"
    share = "" if price.month_share is None else f", {price.month_share:.2%} of the month"
    click.echo(f"{most} requests{share}; ready at {price.ready_at:%Y-%m-%d %H:%M:%S} UTC")
    remarks = {
        f"at least {words.number(price.at_least)}": price.at_least != price.at_most,
        f"windows from the store: {words.number(price.from_cache)}": price.from_cache > 0,
        f"windows too old to be kept, not asked for: {words.number(price.pruned)}": price.pruned > 0,
        "that is more than is left this month": not price.fits,
        f"cheaper: {price.cheaper}": price.cheaper is not None,
    }
    for remark, said in remarks.items():
        if said:
            shell.say(remark)


@click.command(short_help="Tell what the key has left.")
@click.option("--priority", type=click.Choice(PRIORITIES), default="interactive", show_default=True)
@click.pass_obj
def quota(shell: Shell, priority: Priority) -> None:
    """Tell what the key has used and has left this minute and this month; nothing is sent.

    That is what all programs have used that share the state file.
    """

    async def work(client: EnlightenClient) -> None:
        _show(shell, await client.with_options(priority=priority).quota())

    shell.ask(work)


def _show(shell: Shell, told: QuotaStatus) -> None:
    made = table(shell.out, "window", "used", "limit", "left", "turns (UTC)", right=[1, 2, 3])
    for name, window in (("minute", told.minute), ("month", told.month)):
        row(made, [name, *_figures(window), f"{window.turns_at:%Y-%m-%d %H:%M:%S}"])
    shell.out.print(made)
    if told.runs_out_at is not None:
        shell.say(f"at this pace the month is used up on {told.runs_out_at:%Y-%m-%d}")
    for period, window in (("minute", told.minute), ("month", told.month)):
        if window.closed_until is not None:
            shell.say(f"the service closed the {period} until {window.closed_until:%Y-%m-%d %H:%M:%S} UTC")


def _figures(window: QuotaWindow) -> list[str]:
    limit, left = ("none", "") if window.limit is None else (window.limit, window.left or 0)
    figures = (window.used, limit, left)
    return [figure if isinstance(figure, str) else words.number(figure) for figure in figures]
