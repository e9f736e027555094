"""`enlighten systems` and `enlighten rgm-stats`: data of the service as a table, or in a file."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, TypedDict

import click

from enlighten_async.cli import formatting, params
from enlighten_async.cli.context import STDOUT_CLOSED, CommandContext
from enlighten_async.cli.estimate import show_price
from enlighten_async.cli.progress import shown_progress
from enlighten_async.client import EnlightenClient
from enlighten_async.errors import EnlightenError
from enlighten_async.export import Export, Format, write
from enlighten_async.models import RgmStats, System
from enlighten_async.query import Query
from enlighten_async.windows import time_zone

STDOUT: Final = Path("-")
"""The output that is stdout."""

MAX_DAYS_COLUMNS = 70
"""Columns of the table of days, at most: longer bars are not easier to compare."""


@click.command(short_help="List the systems the user may see.")
@click.option(
    "-o", "--output", callback=params.output, metavar=params.OUTPUT_METAVAR, help="Write them to a file."
)
@click.pass_obj
def systems(context: CommandContext, output: Path | None) -> None:
    """List the systems the user may see; one request per 1,000 systems."""
    if output is None:
        context.run_with_client(lambda client: _show_systems(context, client))
        return
    context.run_with_client(lambda client: _write(context, write(client.systems(), **target(output))))


async def _show_systems(context: CommandContext, client: EnlightenClient) -> None:
    query = client.systems()
    async with shown_progress(query, context.err, live=context.live):
        answer = await query
    headings = ("system", "name", "town", "time zone", "status", "seen")
    rows = formatting.table(context.out, *headings, right=[0], wraps=[1, 2, 3])
    for system in answer:
        town = ", ".join(part for part in (system.city, system.country) if part)
        formatting.add_row(
            rows, [system.system_id, system.system_name, town, system.timezone, *_health(system)]
        )
    context.out.print(rows)
    context.report(f"{formatting.number(len(answer))} systems; {formatting.receipt(answer.receipt)}")


def _health(system: System) -> tuple[str | None, str]:
    """Return the status of a system, and when it was last seen (UTC)."""
    # The API's documentation: use the status in `meta`, the one outside is deprecated.
    status = (system.meta and system.meta.status) or system.status
    seen = system.meta and system.meta.last_report_at
    return status, f"{seen:%Y-%m-%d %H:%M}" if seen else "never"


class Target(TypedDict):
    """The arguments of `write` that tell where to."""

    target: Path | BinaryIO
    format: Format | None


def target(output: Path) -> Target:
    """Return where an output goes: the file of that name, or stdout, in CSV.

    Raises:
        OSError: stdout is closed.
    """
    if output != STDOUT:
        return Target(target=output, format=None)
    if sys.stdout is None:
        raise OSError(errno.EBADF, STDOUT_CLOSED)
    return Target(target=sys.stdout.buffer, format="csv")  # in UTF-8, whatever the terminal's encoding is


async def _write(context: CommandContext, export: Export[Any]) -> None:
    """Write a file, or to stdout, and report it."""
    try:
        async with shown_progress(export, context.err, live=context.live):
            await export
    except BaseException:
        if export.rows and export.path != STDOUT:
            kept = f"the {formatting.number(export.rows)} rows that arrived before the failure"
            context.report(f"{kept} are in {export.path}")
        raise
    parts = [f"{export.path}: {formatting.number(export.rows)} rows"]
    if export.expected:
        counts = f"{formatting.number(export.got)} of {formatting.number(export.expected)} intervals"
        parts.append(counts + formatting.by_reason(export.missing))
    context.report("; ".join([*parts, formatting.receipt(export.receipt)]))


@click.command("rgm-stats", short_help="Read a system's 15-minute intervals.")
@click.argument("system_id", metavar="SYSTEM")
@click.option("--start", callback=params.moment, metavar="DAY|INSTANT", help="First day.  [default: today]")
@click.option(
    "--end", callback=params.moment, metavar="DAY|INSTANT", help="Last day, inclusive.  [default: now]"
)
@click.option(
    "-o", "--output", callback=params.output, metavar=params.OUTPUT_METAVAR, help="Write the intervals."
)
@click.option("--meters", is_flag=True, help="With -o: write each meter's channels, not the system.")
@click.option("--timezone", help="Zone of the days shown.  [default: the system's if known, else UTC]")
@click.option("--estimate", is_flag=True, help="Show the price, and send nothing.")
@click.pass_obj
def rgm_stats(
    context: CommandContext,
    system_id: str,
    start: params.Moment | None,
    end: params.Moment | None,
    output: Path | None,
    meters: bool,
    timezone: str | None,
    estimate: bool,
) -> None:
    """Read a system's 15-minute intervals, over a range of any length.

    Days are the system's own (2026-05-01); instants need their offset (2026-05-01T00:00+02:00). It takes
    one request per 7 days. Without -o it shows the energy of each day.
    """
    if meters and output is None:
        raise click.UsageError("--meters needs -o FILE: there is a row for each meter, channel and interval")
    span: Any = params.range_arguments(start, end)

    async def work(client: EnlightenClient) -> None:
        if timezone is not None:
            time_zone(timezone)  # an unknown name is refused before anything is paid for
        query = client.rgm_stats(system_id, **span)
        if estimate:
            show_price(context, await query.estimate())
        elif output is not None:
            rows = RgmStats.meter_table if meters else None
            await _write(context, write(query, rows=rows, **target(output)))
        else:
            await _show_intervals(context, query, timezone)

    context.run_with_client(work)


async def _show_intervals(
    context: CommandContext, query: Query[RgmStats, RgmStats], timezone: str | None
) -> None:
    try:
        async with shown_progress(query, context.err, live=context.live):
            answer = await query
    except EnlightenError as error:
        if isinstance(error.partial, RgmStats) and error.partial.intervals:
            _show_days(context, error.partial, timezone)
        raise
    finally:
        receipt = formatting.receipt(query.receipt)
    _show_days(context, answer, timezone)
    context.report(receipt)


def _show_days(context: CommandContext, answer: RgmStats, timezone: str | None) -> None:
    """Show the energy of each local day, and the coverage of the answer."""
    zone = timezone or answer.timezone or "UTC"
    days = answer.sums("day", timezone=zone)
    rows: Sequence[Sequence[object]] = [
        (day.start.date(), formatting.kwh(day.wh) if day.got else "", f"{day.got} of {day.expected}")
        for day in days
    ]
    headings = [f"day ({zone})", "kWh", "intervals"]
    values = [day.wh for day in days]
    bars = formatting.bar_table(context.out, headings, rows, values, max_columns=MAX_DAYS_COLUMNS)
    context.out.print(bars)
    total = formatting.kwh(sum(day.wh for day in days))
    context.out.print(f"total {total} kWh; {formatting.coverage(answer.coverage)}")
