"""`enlighten rgm-stats`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from attrs import Factory, define

from enlighten_async.cli import inputs, words
from enlighten_async.cli.estimate import show_price
from enlighten_async.cli.inputs import Asked, asked_range
from enlighten_async.cli.rows import Row, written
from enlighten_async.cli.shell import Shell
from enlighten_async.cli.tables import barred
from enlighten_async.cli.watch import watched
from enlighten_async.client import EnlightenClient
from enlighten_async.errors import EnlightenError
from enlighten_async.models import RgmStats
from enlighten_async.query import Query
from enlighten_async.windows import time_zone

FIELDS = ("end_at", "devices_reporting", "wh_del")
METER_FIELDS = ("meter_serial_number", "channel", "end_at", "wh_del", "curr_w")
WIDTH = 70
"""Columns of the table of days: a bar need not be longer to be compared."""


@click.command("rgm-stats", short_help="Read a system's 15-minute intervals.")
@click.argument("system_id", metavar="SYSTEM")
@click.option("--start", callback=inputs.moment, metavar="DAY|INSTANT", help="First day.  [default: today]")
@click.option(
    "--end", callback=inputs.moment, metavar="DAY|INSTANT", help="Last day, inclusive.  [default: now]"
)
@click.option("-o", "--output", callback=inputs.output, metavar=inputs.FILE, help="Write the intervals.")
@click.option("--meters", is_flag=True, help="With -o: write each meter's channels, not the system.")
@click.option("--timezone", help="Zone of the days shown.  [default: the system's if known, else UTC]")
@click.option("--estimate", is_flag=True, help="Tell what it would cost, and ask for nothing.")
@click.pass_obj
def rgm_stats(
    shell: Shell,
    system_id: str,
    start: Asked | None,
    end: Asked | None,
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
    asked: Any = asked_range(start, end)

    async def work(client: EnlightenClient) -> None:
        if timezone is not None:
            time_zone(timezone)  # a name that is not known is told before anything is paid for
        query = client.rgm_stats(system_id, **asked)
        if estimate:
            show_price(shell, await query.estimate())
        elif output is not None:
            await _write(shell, query, output, meters=meters)
        else:
            await _show(shell, query, timezone)

    shell.ask(work)


async def _show(shell: Shell, query: Query[RgmStats, RgmStats], timezone: str | None) -> None:
    try:
        async with watched(query, shell.err, live=shell.live):
            answer = await query
    except EnlightenError as error:
        if isinstance(error.partial, RgmStats) and error.partial.intervals:
            _show_days(shell, error.partial, timezone)
        raise
    finally:
        receipt = words.receipt(query.receipt)
    _show_days(shell, answer, timezone)
    shell.say(receipt)


def _show_days(shell: Shell, answer: RgmStats, timezone: str | None) -> None:
    """Show the energy of each local day, and what the answer covers."""
    zone = timezone or answer.timezone or "UTC"
    days = answer.sums("day", timezone=zone)
    rows = [
        (day.start.date(), words.kwh(day.wh) if day.got else "", f"{day.got} of {day.expected}")
        for day in days
    ]
    headings = [f"day ({zone})", "kWh", "intervals"]
    shell.out.print(barred(shell.out, headings, rows, [day.wh for day in days], width=WIDTH))
    shell.out.print(f"total {words.kwh(sum(day.wh for day in days))} kWh; {words.coverage(answer.coverage)}")


@define
class _Held:
    """What the parts of a stream hold, as `Coverage` tells it of a whole answer."""

    got: int = 0
    expected: int = 0
    missing: Counter[str] = Factory(Counter)

    def add(self, part: RgmStats) -> None:
        """Count a part in."""
        held = part.coverage
        self.got += held.got
        self.expected += held.expected
        for gap in held.gaps():
            self.missing[gap.reason.value] += gap.window.seconds // held.grid

    def __str__(self) -> str:
        counts = f"{words.number(self.got)} of {words.number(self.expected)} intervals"
        return counts + words.by_reason(self.missing)


async def _write(shell: Shell, query: Query[RgmStats, RgmStats], output: Path, *, meters: bool) -> None:
    held, fields = _Held(), METER_FIELDS if meters else FIELDS
    rows_of = _meter_rows if meters else _rows
    with written(output, fields, shell.say) as writer:
        try:
            async with watched(query, shell.err, live=shell.live):
                async for part in query:
                    held.add(part)
                    writer.write_all(rows_of(part))
        except BaseException:
            # A stream hands parts out in order: some that are paid for may wait for an older one.
            if rest := query.partial():
                writer.write_all(rows_of(rest))
            raise
    rows = f"{writer.path}: {words.number(writer.count)} rows"
    shell.say(f"{rows}; {held}; {words.receipt(query.receipt)}")


def _rows(part: RgmStats) -> Iterator[Row]:
    """Give the system's rows."""
    for interval in part.intervals:
        values = interval.end_at.isoformat(), interval.devices_reporting, interval.wh_del
        yield dict(zip(FIELDS, values, strict=True))


def _meter_rows(part: RgmStats) -> Iterator[Row]:
    """Give the rows of each meter, channel by channel."""
    for meter in part.meter_intervals:
        for at in meter.intervals:
            values = meter.meter_serial_number, at.channel, at.end_at.isoformat(), at.wh_del, at.curr_w
            yield dict(zip(METER_FIELDS, values, strict=True))
