"""`enlighten report` and `enlighten plot`: a series as a page, and as a chart in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import Any, Final, cast, get_args
from zoneinfo import ZoneInfo

import click
from attrs import frozen
from rich.text import Text

from enlighten_async.cli import formatting, params
from enlighten_async.cli.answers import STDOUT, Covered, stdout
from enlighten_async.cli.context import CommandContext
from enlighten_async.cli.progress import shown_progress
from enlighten_async.cli.reading import name_and_zone, report_stand_in, view_of
from enlighten_async.client import EnlightenClient
from enlighten_async.client.endpoints import parse_system_id
from enlighten_async.client.options import ViewOptions
from enlighten_async.errors import EnlightenError
from enlighten_async.export.draft import Draft, Pipe, Target
from enlighten_async.export.report import CURVE_DAYS, Answer, subject, zone_of
from enlighten_async.export.report import report as page
from enlighten_async.export.svg import scale, share
from enlighten_async.models.intervals import QUARTERS, IntervalStats, Unit, profile
from enlighten_async.query import Query
from enlighten_async.windows import time_zone

SERIES: Final = (
    *("rgm-stats", "stats", "production-meter", "consumption-stats"),
    *("energy-import-telemetry", "energy-export-telemetry", "battery"),
)
"""The series that are drawn, by the names of the command line."""

RANGE_KEYWORDS: Final = ("start_at", "end_at", "start_date", "end_date")
"""The keywords of their ranges."""

STARTS: Final = MappingProxyType({"hour": "%d %b %H:%M", "day": "%d %b", "month": "%b %Y"})
"""Labels of the bars of a chart."""

LABELLED_HOURS = 3
"""Hours from one label below a curve to the next, at least."""


@frozen
class Picture:
    """A series of a system that is to be drawn.

    Attributes:
        system_id: the system.
        series: name of the series, on the command line.
        period: the range.
        timezone: zone of the days; `None` for the system's.
        view: the client's options for the question.
    """

    system_id: str
    series: str
    period: params.Period
    timezone: str | None
    view: ViewOptions

    @classmethod
    def taken_from(cls, given: dict[str, Any], default: timedelta) -> Picture:
        """Return what the options ask for; without a range it is the last days.

        Raises:
            click.UsageError: they do not fit together.
        """
        period = params.Period(*(given.pop(name) for name in ("start", "end", "last")))
        period.check(RANGE_KEYWORDS)
        view = params.view_of(given)
        period = params.Period(last=default) if period == params.Period() else period
        return cls(period=period, view=view, **given)

    async def ask(self, context: CommandContext, client: EnlightenClient) -> tuple[str, Answer]:
        """Return the system's name, and the answer.

        Raises:
            EnlightenError: the service failed, or the question is wrong; `partial` has what arrived.
        """
        now = datetime.fromtimestamp(context.now(), UTC)
        # A wrong call is told before anything is paid for.
        parse_system_id(self.system_id)
        self.period.arguments(RANGE_KEYWORDS, now, now.date())
        client = client.with_options(**view_of(context, self.view))
        name, zone = await name_and_zone(context, client, self.system_id)
        span = self.period.arguments(RANGE_KEYWORDS, now, now.astimezone(time_zone(zone or "UTC")).date())
        query: Query[Any, Any] = getattr(client, self.series.replace("-", "_"))(self.system_id, **span)
        async with shown_progress(query, context.err, live=context.live):
            return name or f"System {self.system_id}", cast("Answer", await query)


def parameters() -> list[click.Parameter]:
    """Return the parameters that say which series of which system is drawn, and over what range."""
    last = "Instead: the range that ends now, such as 30d, 12h or 1y."
    zone = "Zone of the days.  [default: the system's if known, else UTC]"
    return [
        click.Argument(["system_id"], metavar="SYSTEM"),
        click.Option(
            ["--series"],
            type=click.Choice(SERIES),
            default=SERIES[0],
            show_default=True,
            metavar="NAME",
            help=f"Series that is drawn: {', '.join(SERIES)}.",
        ),
        click.Option(
            ["--start"], callback=params.moment, metavar="DAY|INSTANT", help="First day, or an instant."
        ),
        click.Option(
            ["--end"],
            callback=params.moment,
            metavar="DAY|INSTANT",
            help="Last day, inclusive, or an instant.",
        ),
        click.Option(["--last"], callback=params.span, metavar="SPAN", help=last),
        click.Option(["--timezone"], callback=params.zone, metavar="NAME", help=zone),
        *params.asking(),
    ]


@click.command(short_help="Write a page about a system's energy.", params=parameters())
@click.option(
    "-o",
    "--output",
    required=True,
    callback=params.output,
    metavar="FILE.html|-",
    help="The page; - is stdout.",
)
@click.pass_obj
def report(context: CommandContext, /, output: Path, **given: Any) -> None:
    """Write a page about a system's energy: its days and hours, its gaps and why, and its cost.

    It is one file that needs no other, no script and no network; by default about the last 365 days. It gets
    its name when it is whole. After a failure, what arrived is in a file whose name ends with .partial, and
    an old page stays.
    """
    picture = Picture.taken_from(given, timedelta(days=365))

    async def work(client: EnlightenClient) -> None:
        target: Target = Pipe(stdout()) if output == STDOUT else Draft(output)
        try:
            name, answer = await picture.ask(context, client)
        except BaseException as error:
            _keep(context, target, getattr(error, "partial", None), picture)
            raise
        target.write(page(answer, name=name, timezone=picture.timezone).encode())
        target.commit()
        _conclude(context, answer, f"{output}: ")

    context.run_with_client(work)


def _keep(context: CommandContext, target: Target, partial: object, picture: Picture) -> None:
    """Keep a page about what arrived before a failure, if there is any of it."""
    if isinstance(partial, IntervalStats) and partial.intervals and isinstance(target, Draft):
        target.write(page(partial, timezone=picture.timezone).encode())
        context.report(f"a page about what arrived before the failure is in {target.keep()}")
    else:
        target.discard()


def _conclude(context: CommandContext, answer: Answer, beginning: str = "") -> None:
    """Tell the coverage and the cost.

    Raises:
        Incomplete: not all of it is there, or nothing.
    """
    covered = Covered()
    covered.add(answer)
    report_stand_in(context, "", answer)
    context.report(f"{beginning}{covered}; {formatting.receipt(answer.receipt)}")
    covered.check()


@click.command(short_help="Draw a system's energy in the terminal.", params=parameters())
@click.option("--by", type=click.Choice(get_args(Unit)), help="Unit of the bars.  [default: day]")
@click.pass_obj
def plot(context: CommandContext, /, by: Unit | None, **given: Any) -> None:
    """Draw a system's energy in the terminal: the last 30 days, or the range that is given.

    A range of one or two days is drawn as the curve of its power, unless --by says otherwise.
    """
    picture = Picture.taken_from(given, timedelta(days=30))

    async def work(client: EnlightenClient) -> None:
        try:
            name, answer = await picture.ask(context, client)
        except EnlightenError as error:
            if isinstance(error.partial, IntervalStats) and error.partial.intervals:
                _draw(context, f"System {picture.system_id}", error.partial, picture.timezone, by)
            raise
        _draw(context, name, answer, picture.timezone, by)
        _conclude(context, answer)

    context.run_with_client(work)


def _draw(context: CommandContext, name: str, answer: Answer, timezone: str | None, by: Unit | None) -> None:
    """Print a chart, and below it the total and the coverage."""
    zone = zone_of(answer, timezone)
    days = answer.sums("day", timezone=zone.key)
    if by is None and len(days) <= CURVE_DAYS:
        unit, values, labels = "kW", *_curve(answer, zone)
    else:
        sums = days if by in {None, "day"} else answer.sums(by or "day", timezone=zone.key)
        unit = f"kWh per {by or 'day'}"
        values = [each.wh / 1000 if each.got else None for each in sums]
        labels = [f"{each.start:{STARTS[by or 'day']}}".lstrip("0") for each in sums]
    ascii_only = context.out.options.ascii_only
    lines = chart(values, labels, context.out.width, ascii_only=ascii_only)
    context.out.print(
        Text(formatting.printable(f"{name}: {subject(answer).lower()}, {unit} ({zone.key})"), "bold")
    )
    for line in lines:
        context.out.print(Text(line, formatting.BAR_STYLE, no_wrap=True))
    total = formatting.kwh(sum(day.wh for day in days))
    context.out.print(f"total {total} kWh")


def _curve(answer: Answer, zone: ZoneInfo) -> tuple[list[float | None], list[str]]:
    """Return the power of each quarter of an hour, kW, and the times of day."""
    watts = [value for day in profile(answer, zone).watts for value in day]
    values = [None if each is None else each / 1000 for each in watts]
    step = LABELLED_HOURS * 4
    hours = [f"{at % QUARTERS // 4:02}:00" if at % step == 0 else "" for at in range(len(values))]
    return values, hours


BLOCKS, ASCII = " ▁▂▃▄▅▆▇█", " .:#"
"""Fillings of a character, from none to full."""

ROWS = 10
"""Lines of a chart without its axis, about: each step of its scale has as many."""

MAX_COLUMNS = 100
"""Columns of a chart at most: a wider one says no more."""

SPACE_FROM = 3
"""Columns of a bar from which on one of them is left free."""


@frozen
class Signs:
    """The characters of a chart.

    Attributes:
        filled: fillings of a character, from none to full.
        mark: beside the figure of a line.
        corner: where both axes meet.
        floor: the axis below.
        missing: on the axis where there is no data.
    """

    filled: str
    mark: str
    corner: str
    floor: str
    missing: str


UNICODE_SIGNS = Signs(BLOCKS, "┤", "└", "─", "·")
ASCII_SIGNS = Signs(ASCII, "|", "+", "-", "?")


def chart(
    values: Sequence[float | None], labels: Sequence[str], width: int, *, ascii_only: bool = False
) -> list[str]:
    """Return values as columns with a scale at the left and labels below.

    Values for which there is no room side by side are drawn as means of neighbours.

    Args:
        values: from the left; null for no data, which is marked on the axis.
        labels: a label for each, or an empty text; those for which there is no room are left out.
        width: columns of the terminal.
        ascii_only: whether the terminal has no other characters.
    """
    signs = ASCII_SIGNS if ascii_only else UNICODE_SIGNS
    measure = scale(values)
    steps = len(measure.marks) - 1
    height = steps * max(1, round(ROWS / steps))
    marks = {height // steps * place: f"{mark:,g}" for place, mark in enumerate(measure.marks)}
    margin = max(map(len, marks.values())) + 1
    edges = list(_edges(len(values), max(1, min(width, MAX_COLUMNS) - margin - 2)))
    bars = [_mean(values[start:end]) for start, end, _ in edges]
    parts = [share(bar, measure.top) * height for bar in bars]
    lines = [
        f"{marks.get(row, ''):>{margin}}{signs.mark if row in marks else ' '}"
        + "".join(_cell(part, row, signs, size) for part, (*_, size) in zip(parts, edges, strict=True))
        for row in range(height, 0, -1)
    ]
    floor = "".join(
        (signs.floor if bar is not None else signs.missing) * size
        for bar, (*_, size) in zip(bars, edges, strict=True)
    )
    below = _labels([labels[start] for start, *_ in edges], [size for *_, size in edges])
    axis = f"{'0':>{margin}}{signs.corner}{floor}"
    return [line.rstrip() for line in (*lines, axis, f"{'':{margin + 1}}{below}")]


def _edges(count: int, width: int) -> Iterator[tuple[int, int, int]]:
    """Yield first and last value (exclusive) of each bar, and the columns it takes."""
    step = -(-count // width)
    size = max(1, width // count) if count else 1
    for start, end in pairwise([*range(0, count, step or 1), count]):
        yield start, end, size


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return fmean(there) if there else None


def _cell(lines: float, row: int, signs: Signs, size: int) -> str:
    """Return the part of a bar, so many lines high, that is in a line; the lowest line is 1."""
    steps = len(signs.filled) - 1
    filled = round(lines * steps) - (row - 1) * steps
    space = 1 if size >= SPACE_FROM else 0
    return signs.filled[max(0, min(filled, steps))] * (size - space) + " " * space


def _labels(texts: Sequence[str], sizes: Sequence[int]) -> str:
    """Return the labels of bars in one line, each where its bar begins, if it has room."""
    line, at = "", 0
    width = sum(sizes)
    for text, size in zip(texts, sizes, strict=True):
        if text and at >= len(line) + bool(line) * 2 and at + len(text) <= width:
            line = f"{line:{at}}{text}"
        at += size
    return line
