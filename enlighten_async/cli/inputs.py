"""What is typed, as the values the client takes: callbacks of click's options."""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path
from typing import TypeAlias

import click

from enlighten_async.cli import words
from enlighten_async.limiter import Plan

Asked: TypeAlias = date | datetime
"""A whole local day, or an instant. (A datetime is a date too: ask for it first.)"""

PLANS = {"watt": Plan.WATT, "kilowatt": Plan.KILOWATT, "megawatt": Plan.MEGAWATT, "partner": Plan.PARTNER}

SIZE = re.compile(rf"(\d{{1,15}}(?:\.\d*)?)\s*([{words.UNITS}])?B?", re.IGNORECASE)

FILE = "FILE.csv|FILE.jsonl|-"

FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def plan(_context: click.Context, _option: click.Parameter, text: str | None) -> Plan | None:
    """Return a plan by its name, or by its limits."""
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


def moment(_context: click.Context, _option: click.Parameter, text: str | None) -> Asked | None:
    """Return a local day or an instant; one without offset is passed on, for the client to refuse."""
    if text is None:
        return None
    for kind in (date, datetime):
        try:
            return kind.fromisoformat(text.strip())
        except ValueError:
            continue
    raise click.BadParameter(f"{text!r} is neither a day (2026-05-01) nor an instant (2026-05-01T00:00Z)")


def output(_context: click.Context, _option: click.Parameter, text: str | None) -> Path | None:
    """Return the path of a file whose suffix names its format; `-` is stdout, in CSV."""
    if text is None or text == "-" or Path(text).suffix.lower() in FORMATS:
        return None if text is None else Path(text)
    raise click.BadParameter(f"{text!r} must end with .csv or .jsonl, or be - for CSV on stdout")


def size(_context: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    """Return a number of bytes: 100M, 1.5GB, 500k or 4096, in units of 1,000."""
    if text is None:
        return None
    found = SIZE.fullmatch(text.strip())
    if found is None:
        raise click.BadParameter(f"{text!r} is no size, such as 100M, 1.5G or 500k")
    number, unit = found.groups()
    return int(float(number) * 1000 ** (words.UNITS.lower().index(unit.lower()) + 1 if unit else 0))


def asked_range(start: Asked | None, end: Asked | None) -> dict[str, Asked]:
    """Return a range by the client's parameters: instants as `start_at`, days as `start_date`."""
    given = {"start": start, "end": end}
    return {
        f"{name}_{'at' if isinstance(value, datetime) else 'date'}": value
        for name, value in given.items()
        if value is not None
    }
