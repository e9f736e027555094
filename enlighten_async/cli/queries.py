"""`enlighten systems` and `enlighten rgm-stats`: data of the service as a table, or in a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import click
from attrs import Factory, define

from enlighten_async.cli import formatting, params
from enlighten_async.cli.context import CommandContext
from enlighten_async.cli.estimate import show_price
from enlighten_async.cli.export import Row, export_to
from enlighten_async.cli.progress import shown_progress
from enlighten_async.client import EnlightenClient
from enlighten_async.errors import EnlightenError
from enlighten_async.models import RgmStats, System
from enlighten_async.query import Query
from enlighten_async.windows import time_zone

SYSTEM_FIELDS = (
    "system_id",
    "system_name",
    "system_public_name",
    "status",
    "timezone",
    "country",
    "state",
    "city",
    "postal_code",
    "reference",
    "connection_type",
    "operational_at",
    "last_report_at",
    "last_energy_at",
)
INTERVAL_FIELDS = ("end_at", "devices_reporting", "wh_del")
METER_FIELDS = ("meter_serial_number", "channel", "end_at", "wh_del", "curr_w")

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
    context.run_with_client(lambda client: _write_systems(context, client, output))


async def _show_systems(context: CommandContext, client: EnlightenClient) -> None:
    query = client.systems()
    async with shown_progress(query, context.err, live=context.live):
        answer = await query
    headings = ("system", "name", "town", "time zone", "status", "seen")
    rows = formatting.table(context.out, *headings, right=[0], wraps=[1, 2, 3])
    for row in map(_system_row, answer):
        town = ", ".join(str(part) for part in (row["city"], row["country"]) if part)
        seen = str(row["last_report_at"] or "never")[:16].replace("T", " ")
        name, zone, status = row["system_name"], row["timezone"], row["status"]
        formatting.add_row(rows, [row["system_id"], name, town, zone, status, seen])
    context.out.print(rows)
    context.report(f"{formatting.number(len(answer))} systems; {formatting.receipt(answer.receipt)}")


async def _write_systems(context: CommandContext, client: EnlightenClient, output: Path) -> None:
    query = client.systems()
    with export_to(output, SYSTEM_FIELDS, context.report) as writer:
        async with shown_progress(query, context.err, live=context.live):
            async for system in query:
                writer.write_all([_system_row(system)])
    rows = f"{writer.path}: {formatting.number(writer.count)} rows"
    context.report(f"{rows}; {formatting.receipt(query.receipt)}")


def _system_row(system: System) -> Row:
    """Return a system as one flat row; times as ISO 8601 in UTC."""
    plain = system.to_dict()
    meta = plain.pop("meta") or {}
    # The API's documentation: use the status in `meta`, the one outside is deprecated.
    flat = {**plain, **{name: value for name, value in cast("Row", meta).items() if value is not None}}
    return {name: flat.get(name) for name in SYSTEM_FIELDS}


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
            await _write_intervals(context, query, output, meters=meters)
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


@define
class _StreamCoverage:
    """Sum of the coverages of a stream's parts."""

    got: int = 0
    expected: int = 0
    missing: Counter[str] = Factory(Counter)

    def add(self, part: RgmStats) -> None:
        """Add the coverage of a part."""
        coverage = part.coverage
        self.got += coverage.got
        self.expected += coverage.expected
        self.missing += formatting.missing(coverage.gaps(), coverage.grid)

    def __str__(self) -> str:
        counts = f"{formatting.number(self.got)} of {formatting.number(self.expected)} intervals"
        return counts + formatting.by_reason(self.missing)


async def _write_intervals(
    context: CommandContext, query: Query[RgmStats, RgmStats], output: Path, *, meters: bool
) -> None:
    coverage, fields = _StreamCoverage(), METER_FIELDS if meters else INTERVAL_FIELDS
    rows_of = _meter_rows if meters else _interval_rows
    with export_to(output, fields, context.report) as writer:
        try:
            async with shown_progress(query, context.err, live=context.live):
                async for part in query:
                    coverage.add(part)
                    writer.write_all(rows_of(part))
        except BaseException:
            # A stream yields parts in order: some that are paid for may wait for an older one.
            if rest := query.partial():
                writer.write_all(rows_of(rest))
            raise
    rows = f"{writer.path}: {formatting.number(writer.count)} rows"
    context.report(f"{rows}; {coverage}; {formatting.receipt(query.receipt)}")


def _interval_rows(part: RgmStats) -> Iterator[Row]:
    """Yield the rows of the system."""
    for interval in part.intervals:
        values = interval.end_at.isoformat(), interval.devices_reporting, interval.wh_del
        yield dict(zip(INTERVAL_FIELDS, values, strict=True))


def _meter_rows(part: RgmStats) -> Iterator[Row]:
    """Yield the rows of each meter, channel by channel."""
    for meter in part.meter_intervals:
        for at in meter.intervals:
            values = meter.meter_serial_number, at.channel, at.end_at.isoformat(), at.wh_del, at.curr_w
            yield dict(zip(METER_FIELDS, values, strict=True))
