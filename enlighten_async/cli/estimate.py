"""`enlighten estimate` and `enlighten quota`: the price of a query and the quota left; nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib import import_module
from typing import Any, get_args

import click

from enlighten_async.cli import formatting
from enlighten_async.cli.context import CommandContext
from enlighten_async.cli.settings import accept_settings
from enlighten_async.client import EnlightenClient
from enlighten_async.limiter import Priority
from enlighten_async.models import Estimate, QuotaStatus, QuotaWindow
from enlighten_async.query import Query

ENDPOINTS = "enlighten_async.cli.endpoints"
"""Imports this module, for the prices."""

PRIORITIES = get_args(Priority)


class Prices(click.Group):
    """A command for each endpoint, which tells the price."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the endpoints."""
        return list(import_module(ENDPOINTS).endpoints())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of an endpoint."""
        endpoint = import_module(ENDPOINTS).endpoints().get(cmd_name)
        return endpoint and accept_settings(import_module(ENDPOINTS).command(endpoint, price=True))


@click.group(cls=Prices, short_help="Show the price of a read.")
def estimate() -> None:
    """Show the price of a read, such as enlighten estimate rgm-stats 1765 --last 1y.

    Nothing is sent. Arguments and options are those of the command that reads.
    """


async def show_prices(context: CommandContext, queries: Sequence[Query[Any, Any]]) -> None:
    """Show the prices of queries, and their sum if there are several."""
    prices = [await query.estimate() for query in queries]
    if len(prices) == 1:
        show_price(context, prices[0])
        return
    most = [price.at_most for price in prices]
    total = None if None in most else sum(each or 0 for each in most)
    shares = [price.month_share or 0.0 for price in prices]
    click.echo(_priced(total, sum(shares), max(price.ready_at for price in prices)))


def show_price(context: CommandContext, price: Estimate) -> None:
    """Show a price in one line; remarks on it go to stderr."""
    click.echo(_priced(price.at_most, price.month_share, price.ready_at))
    remarks = {
        f"at least {formatting.number(price.at_least)}": price.at_least != price.at_most,
        f"windows from cache: {formatting.number(price.from_cache)}": price.from_cache > 0,
        f"windows beyond retention, not requested: {formatting.number(price.pruned)}": price.pruned > 0,
        "that is more than is left this month": not price.fits,
        f"cheaper: {(price.cheaper or '').replace('_', '-')}": price.cheaper is not None,
    }
    for remark, applies in remarks.items():
        if applies:
            context.report(remark)


def _priced(at_most: int | None, share: float | None, ready_at: datetime) -> str:
    most = "an unknown number of requests"
    if at_most is not None:
        most = f"at most {formatting.count(at_most, 'request')}"
    of_month = "" if share is None else f", {share:.2%} of the month"
    return f"{most}{of_month}; ready at {ready_at:%Y-%m-%d %H:%M:%S} UTC"


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
