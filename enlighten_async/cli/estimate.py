"""`enlighten estimate` and `enlighten quota`: the price of a query and the quota left; nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, cast, get_args

import click

from enlighten_async.cli import formatting, params
from enlighten_async.cli.context import CommandContext
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
"""The client's methods by the names of the command line."""

PRIORITIES = get_args(Priority)


@click.command(short_help="Show the price of a query.")
@click.argument("name", metavar="SERIES", type=click.Choice(list(NAMES)))
@click.argument("system_id", metavar="SYSTEM")
@click.option("--start", callback=params.moment, metavar="DAY|INSTANT", help="First day.")
@click.option("--end", callback=params.moment, metavar="DAY|INSTANT", help="Last day, inclusive.")
@click.option("--priority", type=click.Choice(PRIORITIES), default="interactive", show_default=True)
@click.pass_obj
def estimate(
    context: CommandContext,
    name: str,
    system_id: str,
    start: params.Moment | None,
    end: params.Moment | None,
    priority: Priority,
) -> None:
    """Show the price of reading a series of a system, such as rgm-stats, stats or energy-lifetime.

    Nothing is sent. Days and instants are given as to `enlighten rgm-stats`; lifetimes take days.
    """
    span: dict[str, Any] = params.range_arguments(start, end)
    method = NAMES[name]

    async def work(client: EnlightenClient) -> None:
        if method in LIFETIMES and any(isinstance(value, datetime) for value in span.values()):
            raise InputError(f"{name} has values for days: give --start and --end as days")
        view = client.with_options(priority=priority)
        query = cast("Query[Any, Any]", getattr(view, method)(system_id, **span))
        show_price(context, await query.estimate())

    context.run_with_client(work)


def show_price(context: CommandContext, price: Estimate) -> None:
    """Show a price in one line; remarks on it go to stderr."""
    most = "an unknown number of" if price.at_most is None else f"at most {formatting.number(price.at_most)}"
    share = "" if price.month_share is None else f", {price.month_share:.2%} of the month"
    click.echo(f"{most} requests{share}; ready at {price.ready_at:%Y-%m-%d %H:%M:%S} UTC")
    remarks = {
        f"at least {formatting.number(price.at_least)}": price.at_least != price.at_most,
        f"windows from cache: {formatting.number(price.from_cache)}": price.from_cache > 0,
        f"windows beyond retention, not requested: {formatting.number(price.pruned)}": price.pruned > 0,
        "that is more than is left this month": not price.fits,
        f"cheaper: {price.cheaper}": price.cheaper is not None,
    }
    for remark, applies in remarks.items():
        if applies:
            context.report(remark)


@click.command(short_help="Show the quota that is left.")
@click.option("--priority", type=click.Choice(PRIORITIES), default="interactive", show_default=True)
@click.option(
    "--used",
    type=click.IntRange(min=0),
    metavar="N",
    help="Set the requests used this month (UTC), by the developer portal's figure.",
)
@click.option("--forget", is_flag=True, help="Forget what the service said of limits and closed windows.")
@click.pass_obj
def quota(context: CommandContext, priority: Priority, used: int | None, forget: bool) -> None:
    """Show the requests used and left this minute and this month; nothing is sent.

    They are counted over all programs that share the state file. For a key that is used elsewhere too,
    --used sets the month's count; it is not lowered below what these programs have sent.
    """

    async def work(client: EnlightenClient) -> None:
        if forget:
            await client.forget_limits()
        if used is not None:
            await client.set_month_used(used)
        _show_quota(context, await client.with_options(priority=priority).quota())

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
