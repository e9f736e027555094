"""`enlighten systems`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import click

from enlighten_async.cli import inputs, words
from enlighten_async.cli.rows import Row, written
from enlighten_async.cli.shell import Shell
from enlighten_async.cli.tables import row, table
from enlighten_async.cli.watch import watched
from enlighten_async.client import EnlightenClient
from enlighten_async.models import System

FIELDS = (
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


@click.command(short_help="List the systems the user may see.")
@click.option("-o", "--output", callback=inputs.output, metavar=inputs.FILE, help="Write them to a file.")
@click.pass_obj
def systems(shell: Shell, output: Path | None) -> None:
    """List the systems the user may see; one request per 1,000 systems."""
    if output is None:
        shell.ask(lambda client: _show(shell, client))
        return
    shell.ask(lambda client: _write(shell, client, output))


async def _show(shell: Shell, client: EnlightenClient) -> None:
    query = client.systems()
    async with watched(query, shell.err, live=shell.live):
        found = await query
    _show_rows(shell, [_row(system) for system in found])
    shell.say(f"{words.number(len(found))} systems; {words.receipt(found.receipt)}")


async def _write(shell: Shell, client: EnlightenClient, output: Path) -> None:
    query = client.systems()
    with written(output, FIELDS, shell.say) as writer:
        async with watched(query, shell.err, live=shell.live):
            async for system in query:
                writer.write_all([_row(system)])
    shell.say(f"{writer.path}: {words.number(writer.count)} rows; {words.receipt(query.receipt)}")


def _show_rows(shell: Shell, systems: Iterable[Row]) -> None:
    """Show the systems' rows as a table."""
    made = table(
        shell.out, "system", "name", "town", "time zone", "status", "seen", right=[0], wraps=[1, 2, 3]
    )
    for system in systems:
        town = ", ".join(str(part) for part in (system["city"], system["country"]) if part)
        seen = str(system["last_report_at"] or "never")[:16].replace("T", " ")
        name, zone, status = system["system_name"], system["timezone"], system["status"]
        row(made, [system["system_id"], name, town, zone, status, seen])
    shell.out.print(made)


def _row(system: System) -> Row:
    """Return a system as one flat row; instants as ISO 8601 in UTC."""
    plain = system.to_dict()
    meta = plain.pop("meta") or {}
    # The service wants the status in `meta` to be preferred.
    flat = {**plain, **{name: value for name, value in cast("Row", meta).items() if value is not None}}
    return {name: flat.get(name) for name in FIELDS}
