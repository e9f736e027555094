"""Parameters: callbacks of click's options, which turn texts into the values that the client takes."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias, cast

import click
from attrs import frozen

from enlighten_async.cli.formatting import SIZE_PREFIXES
from enlighten_async.cli.settings import PREFIX, Setting
from enlighten_async.client.options import ViewOptions, plan_of
from enlighten_async.errors import InputError
from enlighten_async.export import SUFFIXES
from enlighten_async.limiter import RANKS, Plan
from enlighten_async.windows import time_zone

SIZE = re.compile(rf"(\d{{1,15}}(?:\.\d*)?)\s*([{SIZE_PREFIXES}])?B?", re.IGNORECASE)

SPAN = re.compile(r"(\d{1,6})\s*([smhdwy]?)", re.IGNORECASE)

SECONDS = MappingProxyType({"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400})
"""Seconds of the units of a length of time; a year has 365 days."""

MAX_LAST = timedelta(days=50 * 365)
"""A range that ends now begins so long ago at the most."""

OUTPUT_METAVAR = "FILE|-"

FORMAT_NAMES = ("table", "json", "jsonl", "ndjson", "csv", "parquet")

FORMATS = MappingProxyType({**SUFFIXES, ".json": "json"})
"""Formats by the end of a file's name."""


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
"""The option of commands whose answer is no data of a system."""


@frozen
class DaysAgo:
    """A local day, counted back from the system's today: "today" is 0, "yesterday" 1."""

    days: int


Moment: TypeAlias = DaysAgo | date | datetime
"""A whole local day, or an instant. (A datetime is a date too: test for it first.)"""

WORDS = MappingProxyType({"today": DaysAgo(0), "yesterday": DaysAgo(1)})


def plan(text: str) -> Plan:
    """Return the plan of a name, or of limits such as 50/50000."""
    try:
        return plan_of(text)
    except InputError as error:
        wrong = str(error)
    raise click.BadParameter(wrong)


def moment(_context: click.Context, _option: click.Parameter, text: str | None) -> Moment | None:
    """Return a local day, or an instant with its offset."""
    if text is None:
        return None
    if (word := text.strip().lower()) in WORDS:
        return WORDS[word]
    for kind in (date, datetime):
        try:
            value = kind.fromisoformat(text.strip())
        except ValueError:
            continue
        if isinstance(value, datetime) and value.tzinfo is None:
            raise click.BadParameter(f"{text!r} has no offset from UTC: add Z or, say, +02:00, or name a day")
        return value
    days = "a day (2026-05-01, today, yesterday)"
    raise click.BadParameter(f"{text!r} is neither {days} nor an instant (2026-05-01T00:00Z)")


def day(context: click.Context, option: click.Parameter, text: str | None) -> Moment | None:
    """Return a local day."""
    value = moment(context, option, text)
    if isinstance(value, datetime):
        raise click.BadParameter(f"{text!r} is an instant: give a day, such as 2026-05-01")
    return value


def zone(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    """Return the name of a time zone."""
    try:
        return None if text is None else str(time_zone(text))
    except InputError:
        wrong = f"{text!r} is no time zone that is known here: give a name such as Europe/Berlin"
    raise click.BadParameter(wrong)


class Seconds(click.FloatRange):
    """A number of seconds, 0 or more; "inf" and "nan", which are floats, are none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        seconds: float = super().convert(value, param, ctx)
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is no number of seconds, such as 0.5", param, ctx)
        return seconds


def output(_context: click.Context, _option: click.Parameter, text: str | None) -> Path | None:
    """Return the path of a file; `-` is stdout."""
    return None if text is None else Path(text)


def page(_context: click.Context, _option: click.Parameter, text: str) -> Path:
    """Return the path of a page; `-` is stdout."""
    if text != "-" and Path(text).suffix.lower() not in {".html", ".htm"}:
        raise click.BadParameter(f"{text!r} is no name of a page: let it end with .html")
    return Path(text)


class Number(click.IntRange):
    """A whole number in a range."""

    name = "number"


def span(_context: click.Context, _option: click.Parameter, text: str | None) -> timedelta | None:
    """Return a length of time: 30d, 12h, 90m, 2w or 1y; a number other than 0 needs its unit."""
    if text is None:
        return None
    found = SPAN.fullmatch(text.strip())
    if found is None:
        raise click.BadParameter(f"{text!r} is no length of time, such as 30d, 12h, 90m, 2w or 1y")
    number, unit = found.groups()
    if not unit and int(number):
        units = f"{number}s, {number}m (minutes), {number}h, {number}d, {number}w or {number}y"
        raise click.BadParameter(f"{text!r} has no unit: write {units}")
    return timedelta(seconds=int(number) * SECONDS[unit.lower() or "s"])


def size(_context: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    """Return a number of bytes: 100M, 1.5GB, 500k or 4096, in units of 1,000."""
    if text is None:
        return None
    found = SIZE.fullmatch(text.strip())
    if found is None:
        raise click.BadParameter(f"{text!r} is not a size, such as 100M, 1.5G or 500k")
    number, unit = found.groups()
    return int(float(number) * 1000 ** (SIZE_PREFIXES.lower().index(unit.lower()) + 1 if unit else 0))


_ASKING: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "priority": {"type": click.Choice(tuple(RANKS)), "help": "Priority of the requests."},
        "max_age": {
            "callback": span,
            "metavar": "SPAN",
            "help": "Accept a cached answer up to this age, such as 15m.",
        },
        "max_requests": {
            "type": Number(min=0),
            "metavar": "N",
            "help": "Refuse each system that may need more requests.",
        },
        "only_cached": {
            "is_flag": True,
            "help": "Send nothing: answer from data that is final, or no older than --max-age, or fail.",
        },
        "stale_if_error": {
            "callback": span,
            "metavar": "SPAN",
            "help": "After an error, accept a cached answer up to this age, such as 6h.",
        },
    }
)
"""The options that say how a question is asked, by their names in `ViewOptions`."""


def asking() -> list[click.Parameter]:
    """Return the options that say how a question is asked; the environment may set each of them."""
    return [
        Setting([f"--{name.replace('_', '-')}"], envvar=f"{PREFIX}{name.upper()}", show_envvar=True, **kind)
        for name, kind in _ASKING.items()
    ]


def view_of(given: dict[str, Any]) -> ViewOptions:
    """Return the client's options for a question; takes them out of those that were given."""
    view = {name: given.pop(name, None) for name in _ASKING}
    kept = {name: value for name, value in view.items() if value is not None and value is not False}
    return cast("ViewOptions", kept)


@frozen
class Period:
    """The range of time of a command, as it was given.

    Attributes:
        start: first day, or an instant.
        end: last day, inclusive, or an instant.
        last: how long ago the range begins that ends now.
    """

    start: Moment | None = None
    end: Moment | None = None
    last: timedelta | None = None

    def check(self, keywords: Collection[str]) -> None:
        """Check the range against the keywords of the client's method.

        Raises:
            click.UsageError: the options do not fit together, or not the endpoint.
        """
        if self.last is not None and (self.start, self.end) != (None, None):
            raise click.UsageError("--last is a whole range, which ends now: give it alone, or leave it out")
        if self.last is not None and not self.last:
            raise click.UsageError("--last 0 is no time at all: give some, such as --last 30d")
        if self.last is not None and self.last > MAX_LAST:
            raise click.UsageError("--last goes back too far: give 50y at most")
        instants = {isinstance(each, datetime) for each in (self.start, self.end) if each is not None}
        if len(instants) == 2:
            raise click.UsageError("give --start and --end both as days, or both as instants")
        if True in instants and not _takes_instants(keywords):
            raise click.UsageError("this has a value for each day: give days, such as 2026-05-01")
        if {"start_at", "start_date"} <= set(keywords) and self.end is not None and self.start is None:
            raise click.UsageError("--end needs --start: where the range begins")

    @property
    def needs_today(self) -> bool:
        """Whether a day of it is counted from the system's today."""
        return any(isinstance(each, DaysAgo) for each in (self.start, self.end))

    def arguments(self, keywords: Collection[str], now: datetime, today: date) -> dict[str, Any]:
        """Return the client's arguments of the range.

        Args:
            keywords: the keywords of its method.
            now: the time.
            today: the system's local day.

        Raises:
            InputError: the start is after the end.
        """
        start, end = on_day(self.start, today), on_day(self.end, today)
        if self.last is not None:
            start = now - self.last if _takes_instants(keywords) else today - self.last
        if start is not None and end is not None and start > end:
            raise InputError("--start is after --end: swap them")
        given = {"start": start, "end": end}
        return dict(_keyword(which, it, keywords) for which, it in given.items() if it is not None)


def _takes_instants(keywords: Collection[str]) -> bool:
    return any(each.endswith(("_at", "_time")) for each in keywords)


def on_day(value: Any, today: date) -> Any:
    """Return a value; a day that is counted back from today as a date."""
    return today - timedelta(days=value.days) if isinstance(value, DaysAgo) else value


def _keyword(which: str, value: date | datetime, keywords: Collection[str]) -> tuple[str, date | datetime]:
    """Return the keyword and the value of one end of a range; a day is one of UTC where it takes instants."""
    if not isinstance(value, datetime) and f"{which}_date" in keywords:
        return f"{which}_date", value
    name = next(each for each in (f"{which}_at", f"{which}_time") if each in keywords)
    if not isinstance(value, datetime):
        after = timedelta(days=which == "end")
        value = datetime(value.year, value.month, value.day, tzinfo=UTC) + after
    return name, value
