"""`enlighten demo`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from enlighten_async.cli import words
from enlighten_async.cli.chart import daily, glyphs
from enlighten_async.cli.shell import Shell
from enlighten_async.cli.tables import COLOUR, barred
from enlighten_async.cli.watch import watched

if TYPE_CHECKING:
    from datetime import date

    from enlighten_async.demo import Demo
    from enlighten_async.models import RgmStats, Sum

HEIGHT = 8


@click.command(short_help="Fetch a year from a fake of the service.")
@click.option("--seed", default=0, show_default=True, help="Of the emulated weather.")
@click.option("--v4", is_flag=True, help="By version 4 of the API, with a login.")
@click.pass_obj
def demo(shell: Shell, seed: int, v4: bool) -> None:
    """Fetch a year from an emulator on this machine: what it takes, and what it would take.

    It is the real client, over real sockets. Needs neither a key nor the network.
    """
    from enlighten_async.demo import run  # noqa: PLC0415 - only this command needs the emulator

    def watch(query: Any) -> Any:
        return watched(query, shell.err, live=shell.live)

    async def work() -> None:
        show(shell, await run(version="v4" if v4 else "v2", seed=seed, watch=watch))

    shell.run(work)


def show(shell: Shell, done: Demo) -> None:
    """Show what the demo did."""
    out, look = shell.out, glyphs(shell.out)
    place = ", ".join(part for part in (done.system.city, done.system.timezone) if part)
    out.print(f"System {done.system.system_id} ({place}), the last 365 days, from {done.base_url}\n")
    months = done.year.sums("month")
    rows = list(_months(months))
    out.print(barred(out, ["month", "kWh", "intervals"], rows, [month.wh for month in months]))
    days = list(_whole_days(done.year))
    out.print("\nkWh a day")
    for line in daily(days, width=out.width, height=HEIGHT, look=look):
        out.print(Text(line, style=COLOUR), no_wrap=True, overflow="crop")
    out.print()
    for line in receipt(done):
        out.print(line)


def _months(months: Sequence[Sum]) -> Iterator[tuple[str, str, str]]:
    """Give the rows of the table, the total at its end."""
    for month in months:
        whole = f"{month.got / month.expected:.1%}" if month.expected else ""
        yield f"{month.start:%Y-%m}", words.kwh(month.wh), whole
    yield "total", words.kwh(sum(month.wh for month in months)), ""


def _whole_days(year: RgmStats) -> Iterator[tuple[date, float | None]]:
    """Give the energy (kWh) of each whole local day; those cut by the range's ends would mislead."""
    for day in year.sums("day")[1:-1]:
        yield day.start.date(), day.wh / 1000 if day.got else None


def receipt(done: Demo) -> list[str]:
    """Return what the year took and what it would have taken, each in a line."""
    spent, price, plan = done.year.receipt, done.price, done.plan
    agrees = (done.counted, done.refused) == (spent.sent, spent.rejected)
    exact = "to the Wh" if done.wh == done.energy else f"NOT the answer's {words.number(done.wh)}"
    share = "" if price.month_share is None else f"; {price.month_share:.2%} of the month's "
    before = f"(and {done.listing.sent} before, for the time zone)"
    wait = f"{price.at_most} requests at {plan.minute} a minute: {words.duration(done.wait)} from now"
    return [
        f"receipt   {words.receipt(spent)}, in {done.seconds:.1f} s {before}",
        f"service   counted {done.counted}, refused {done.refused}: {'agreed' if agrees else 'NOT AGREED'}",
        f"coverage  {words.coverage(done.year.coverage)}",
        f"energy    {words.number(done.energy)} Wh by the service's books: {exact}",
        f"on {plan.name:<7}{wait}{share}{words.number(plan.month or 0)}",
    ]
