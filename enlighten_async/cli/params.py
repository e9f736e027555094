"""Parameters: callbacks of click's options, which turn texts into the values that the client takes."""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path
from typing import TypeAlias

import click

from enlighten_async.cli.formatting import UNITS
from enlighten_async.export import SUFFIXES
from enlighten_async.limiter import Plan

Moment: TypeAlias = date | datetime
"""A whole local day, or an instant. (A datetime is a date too: test for it first.)"""

PLANS = {"watt": Plan.WATT, "kilowatt": Plan.KILOWATT, "megawatt": Plan.MEGAWATT, "partner": Plan.PARTNER}

SIZE = re.compile(rf"(\d{{1,15}}(?:\.\d*)?)\s*([{UNITS}])?B?", re.IGNORECASE)

OUTPUT_METAVAR = "FILE.csv|FILE.jsonl|FILE.parquet|-"


def plan(_context: click.Context, _option: click.Parameter, text: str | None) -> Plan | None:
    """Return the plan of a name, or of limits such as 50/50000."""
    if text is None:
        return None
    if (name := text.strip().lower()) in PLANS:
        return PLANS[name]
    minute, _, month = text.partition("/")
    try:
        return Plan(minute=int(minute), month=int(month))
    except ValueError:  # an InputError is one too
        wrong = f"{text!r} is neither {', '.join(PLANS)} nor MINUTE/MONTH, such as 50/50000"
    raise click.BadParameter(wrong)


def moment(_context: click.Context, _option: click.Parameter, text: str | None) -> Moment | None:
    """Return a local day or an instant; the client refuses an instant without an offset."""
    if text is None:
        return None
    for kind in (date, datetime):
        try:
            return kind.fromisoformat(text.strip())
        except ValueError:
            continue
    raise click.BadParameter(f"{text!r} is neither a day (2026-05-01) nor an instant (2026-05-01T00:00Z)")


def output(_context: click.Context, _option: click.Parameter, text: str | None) -> Path | None:
    """Return the path of a file whose suffix is its format; `-` is stdout, in CSV."""
    if text is None or text == "-" or Path(text).suffix.lower() in SUFFIXES:
        return None if text is None else Path(text)
    raise click.BadParameter(f"{text!r} must end with .csv, .jsonl or .parquet, or be - for CSV on stdout")


def size(_context: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    """Return a number of bytes: 100M, 1.5GB, 500k or 4096, in units of 1,000."""
    if text is None:
        return None
    found = SIZE.fullmatch(text.strip())
    if found is None:
        raise click.BadParameter(f"{text!r} is not a size, such as 100M, 1.5G or 500k")
    number, unit = found.groups()
    return int(float(number) * 1000 ** (UNITS.lower().index(unit.lower()) + 1 if unit else 0))


def range_arguments(start: Moment | None, end: Moment | None) -> dict[str, Moment]:
    """Return the client's arguments of a range: instants as `start_at`, days as `start_date`."""
    given = {"start": start, "end": end}
    return {
        f"{name}_{'at' if isinstance(value, datetime) else 'date'}": value
        for name, value in given.items()
        if value is not None
    }
