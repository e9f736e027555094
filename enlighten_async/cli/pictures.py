"""`enlighten report` and `enlighten plot`: a series as a page, and as a chart in the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import Any, Final, get_args

import click
from anyio import to_thread
from attrs import Factory, define, frozen
from rich.text import Text

from enlighten_async.cli import formatting, params
from enlighten_async.cli.answers import STDOUT, Covered, stdout
from enlighten_async.cli.context import CommandContext
from enlighten_async.cli.exit_codes import error_line, incomplete
from enlighten_async.cli.progress import shown_progress
from enlighten_async.cli.reading import A_LIFE, name_and_zone, report_stand_in, view_of
from enlighten_async.client import EnlightenClient
from enlighten_async.client.endpoints import parse_system_id
from enlighten_async.client.options import ViewOptions
from enlighten_async.errors import EnlightenError
from enlighten_async.export.draft import Draft, Pipe, Target
from enlighten_async.export.facts import Answer, Facts, SeriesFacts, by_month, facts_of, subject
from enlighten_async.export.report import SystemsReport
from enlighten_async.export.report import report as page_of
from enlighten_async.export.sections import CURVE_DAYS
from enlighten_async.export.svg import scale, share
from enlighten_async.models import Receipt, System
from enlighten_async.models.intervals import QUARTERS, Sum, Unit
from enlighten_async.query import Failed, Outcome, Query, QueryPool, as_completed
from enlighten_async.windows import time_zone

SERIES: Final = (
    *("rgm-stats", "stats", "production-meter", "consumption-stats"),
    *("energy-import-telemetry", "energy-export-telemetry", "battery"),
)
"""The series that are drawn, by the names of the command line."""

LIFETIMES: Final = (
    *("energy-lifetime", "consumption-lifetime", "battery-lifetime"),
    *("energy-import-lifetime", "energy-export-lifetime", "hp-lifetime"),
)
"""The figures of each day that are drawn, by the names of the command line."""

DAY_KEYWORDS: Final = ("start_date", "end_date")
RANGE_KEYWORDS: Final = ("start_at", "end_at", *DAY_KEYWORDS)
"""The keywords of ranges: of lifetimes, and of series."""

STARTS: Final = MappingProxyType({"hour": "%d %b %H:%M", "day": "%d %b", "month": "%b %Y"})
"""Labels of the bars of a chart."""

LABELLED_HOURS = 3
"""Hours from one label below a curve to the next, at least."""


@frozen
class Place:
    """A system, as far as it is known.

    Attributes:
        system_id: its number.
        name: its name.
        timezone: IANA name of its time zone.
    """

    system_id: int
    name: str | None = None
    timezone: str | None = None


@frozen(kw_only=True)
class Picture:
    """A series, or the energy of each day, that is to be drawn of some systems.

    Attributes:
        system_ids: the systems; none for all.
        series: name of the series, on the command line.
        period: the range.
        timezone: zone of the days; `None` for each system's.
        view: the client's options for the question.
    """

    system_ids: tuple[int, ...]
    series: str
    period: params.Period
    timezone: str | None
    view: ViewOptions

    @classmethod
    def taken_from(cls, given: dict[str, Any], system_ids: Sequence[str], default: timedelta) -> Picture:
        """Return what the options ask for; without a range it is the last days, of lifetimes all.

        Raises:
            click.UsageError: they do not fit together.
            InputError: a system is no number.
        """
        daily = given["series"] in LIFETIMES
        period = params.Period(*(given.pop(name) for name in ("start", "end", "last")))
        period.check(DAY_KEYWORDS if daily else RANGE_KEYWORDS)
        if daily and given["timezone"] is not None:
            raise click.UsageError("leave out --timezone: a lifetime has the system's own days")
        view = params.view_of(given)
        if period == params.Period() and not daily:
            period = params.Period(last=default)
        numbers = tuple(dict.fromkeys(map(parse_system_id, system_ids)))
        return cls(system_ids=numbers, period=period, view=view, **given)

    @property
    def daily(self) -> bool:
        """Whether it is of the energy of each day."""
        return self.series in LIFETIMES

    def query(self, context: CommandContext, client: EnlightenClient, place: Place) -> Query[Answer, Answer]:
        """Return the question about a system, which is not sent yet."""
        now = datetime.fromtimestamp(context.now(), UTC)
        today = now.astimezone(time_zone(place.timezone or "UTC")).date()
        keywords = DAY_KEYWORDS if self.daily else RANGE_KEYWORDS
        span = self.period.arguments(keywords, now, today)
        query: Query[Answer, Answer] = getattr(client, self.series.replace("-", "_"))(place.system_id, **span)
        return query

    async def places(self, context: CommandContext, client: EnlightenClient) -> list[Place]:
        """Return the systems with their names and zones: one request, with a state file as a rule only once.

        A wrong call is told before anything is paid for.

        Raises:
            EnlightenError: the question is wrong, or the names cannot be read.
        """
        first = Place(next(iter(self.system_ids), 1))
        self.query(context, client, first).close()
        if len(self.system_ids) == 1:
            return [Place(first.system_id, *await name_and_zone(context, client, first.system_id))]
        if not self.system_ids:
            return [_place(each) for each in await client.systems()]
        view = client if context.state_file is None else client.with_options(max_age=A_LIFE)
        known = {each.system_id: _place(each) for each in await view.systems(system_id=self.system_ids)}
        return [known.get(each, Place(each)) for each in self.system_ids]

    def zone(self, place: Place) -> str | None:
        """Return the zone of its days: of a lifetime that of its system, which is not in the answer."""
        return place.timezone if self.daily else self.timezone


@frozen
class Questions(Iterable[Query[Answer, Answer]], Sized):
    """The questions about systems, each of which is made when it is its turn: a query keeps its answer.

    Attributes:
        places: the systems.
        query: makes the question about one.
    """

    places: Sequence[Place]
    query: Callable[[Place], Query[Answer, Answer]]

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Query[Answer, Answer]]:
        return map(self.query, self.places)


def _place(system: System) -> Place:
    return Place(system.system_id, system.system_name, system.timezone)


def parameters() -> list[click.Parameter]:
    """Return the parameters that say what is drawn, and over what range."""
    last = "In place of --start and --end: the range that ends now, such as 30d, 12h or 1y."
    zone = "Zone of the days.  [default: the system's if known, else UTC]"
    return [
        click.Option(
            ["--series"],
            type=click.Choice(SERIES + LIFETIMES),
            default=SERIES[0],
            show_default=True,
            metavar="NAME",
            help=f"Series that is drawn: {', '.join(SERIES + LIFETIMES)}.",
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


@click.command(short_help="Write a page about the energy of systems.", params=parameters())
@click.argument("system_ids", nargs=-1, metavar="SYSTEM...")
@click.option("--all", "all_systems", is_flag=True, help="Write about all your systems.")
@click.option(
    "-o",
    "--output",
    required=True,
    callback=params.page,
    metavar="FILE.html|-",
    help="The page; - is stdout.",
)
@click.pass_obj
def report(
    context: CommandContext, /, system_ids: tuple[str, ...], all_systems: bool, output: Path, **given: Any
) -> None:
    """Write a page about the energy of systems: days, hours, gaps with their reasons, and the cost.

    The page is one file without scripts or references. By default it is about the last 365 days, or all days
    of a lifetime. A page about several systems begins with a table of all; a system that fails has its error
    there, and does not stop the others.

    The file is written under its name when it is complete. After a failure, the part that arrived is in a
    file whose name ends with .partial, and an old page stays.
    """
    if bool(system_ids) == all_systems:
        raise click.UsageError("name systems, or else give --all; enlighten systems lists them")

    async def work(client: EnlightenClient) -> None:
        picture = Picture.taken_from(given, system_ids, timedelta(days=365))
        target = Pipe(stdout()) if output == STDOUT else Draft(output)
        page = Page(context, picture, output, target)
        try:
            receipt = await page.fill(client.with_options(**view_of(context, picture.view)))
        except BaseException:
            page.keep()
            raise
        page.commit(receipt)

    context.run_with_client(work)


@define
class Page:
    """The page about some systems, under way.

    Attributes:
        context: context of the command.
        picture: what is drawn.
        output: the file.
        target: the file under way.
        covered: coverage of the answers that are on it.
        failures: the errors of the others.
    """

    context: CommandContext
    picture: Picture
    output: Path
    target: Target
    covered: Covered = Factory(Covered)
    failures: list[EnlightenError] = Factory(list)
    _alone: bytes = b""
    _of_several: SystemsReport | None = None

    async def fill(self, client: EnlightenClient) -> Receipt:
        """Ask for the answers, render each as it comes, and return the cost.

        Raises:
            EnlightenError: the only question has failed, or the names of the systems cannot be read.
            Incomplete: all questions have failed, which was said.
        """
        places = await self.picture.places(self.context, client)
        questions = Questions(places, partial(self.picture.query, self.context, client))
        several = len(places) != 1
        self._of_several = SystemsReport() if several else None
        queries = questions if several else list(questions)
        pool = as_completed(queries, ordered=True)
        watched = pool if isinstance(queries, Questions) else queries[0]
        try:
            async with pool, shown_progress(watched, self.context.err, live=self.context.live):
                async for outcome in pool:
                    await self._take(places[outcome.number], outcome)
        except BaseException:
            self._take_rest(pool, places)
            raise
        if self.failures and not several:
            raise self.failures[0]
        if self.failures and not self.covered.answers:
            raise incomplete(self.failures, something=False)
        return pool.receipt

    async def _take(self, place: Place, outcome: Outcome[Answer]) -> None:
        """Put an answer, or what arrived of it before an error, on the page."""
        failure = outcome.error if isinstance(outcome, Failed) else None
        answer = outcome.query.partial() if isinstance(outcome, Failed) else outcome.answer
        told = "" if failure is None else error_line(failure)
        if failure is not None:
            self.failures.append(failure)
            self.covered.incomplete = True
        if failure is not None and self._of_several is not None:
            self.context.report(f"error: {place.system_id}: {told}")
        if answer is not None and (failure is None or answer.coverage.got):
            # A year takes 0.2 seconds, in which the other answers go on.
            await to_thread.run_sync(self._render, place, answer, told)
            self.covered.add(answer)
            report_stand_in(self.context, str(place.system_id) if self._of_several else "", answer)
        elif self._of_several is not None:
            receipt = outcome.query.receipt
            self._of_several.add_failure(place.system_id, told, name=place.name, receipt=receipt)

    def _take_rest(self, pool: QueryPool[Answer], places: Sequence[Place]) -> None:
        """Put on the page what had arrived ahead of its turn when the command was ended."""
        place_of = {place.system_id: place for place in places}
        for query in pool.unread:
            answer = query.partial()
            if answer is not None and answer.coverage.got:
                self._render(place_of[answer.system_id], answer, "")
                self.covered.add(answer)

    def _render(self, place: Place, answer: Answer, error: str) -> None:
        timezone = self.picture.zone(place)
        if self._of_several is None:
            self._alone = page_of(answer, name=place.name, timezone=timezone).encode()
        else:
            self._of_several.add(answer, name=place.name, timezone=timezone, error=error)

    def _write(self) -> None:
        for piece in [self._alone] if self._of_several is None else self._of_several.pieces():
            self.target.write(piece)

    def keep(self) -> None:
        """Keep a page about what arrived before a failure, if there is any of it; on stdout there is none."""
        if self.covered.answers and isinstance(self.target, Draft):
            self._write()
            kept = self.target.keep()
            self.context.report(f"a page about what arrived before the failure is in {kept}")
        else:
            self.target.discard()

    def commit(self, receipt: Receipt) -> None:
        """Give the page its name, and tell the coverage and the cost.

        Raises:
            Incomplete: not all of it is there, or nothing.
        """
        self._write()
        self.target.commit()
        _conclude(self.context, self.covered, receipt, f"{self.output}: ")
        if self.failures:
            raise incomplete(self.failures, something=True)
        self.covered.check()


def _conclude(context: CommandContext, covered: Covered, receipt: Receipt, beginning: str = "") -> None:
    """Tell the coverage and the cost."""
    context.report(f"{beginning}{covered}; {formatting.receipt(receipt)}")


@click.command(short_help="Draw a system's energy in the terminal.", params=parameters())
@click.argument("system_id", metavar="SYSTEM")
@click.option("--by", type=click.Choice(get_args(Unit)), help="Unit of the bars.  [default: day]")
@click.pass_obj
def plot(context: CommandContext, /, system_id: str, by: Unit | None, **given: Any) -> None:
    """Draw a system's energy in the terminal: the last 30 days, or the range that is given.

    A range of one or two days is drawn as the curve of its power, and a lifetime, of which all is the
    default, by month, unless --by says otherwise.
    """
    picture = Picture.taken_from(given, [system_id], timedelta(days=30))
    if by == "hour" and picture.daily:
        raise click.UsageError("a lifetime has no hours: use --by day or --by month")

    async def work(client: EnlightenClient) -> None:
        client = client.with_options(**view_of(context, picture.view))
        (place,) = await picture.places(context, client)
        query = picture.query(context, client, place)

        def draw(answer: Answer) -> None:
            _draw(context, facts_of(answer, place.name, picture.zone(place)), by)

        try:
            async with shown_progress(query, context.err, live=context.live):
                answer = await query
        except EnlightenError:
            arrived = query.partial()
            if arrived is not None and arrived.coverage.got:
                draw(arrived)
            raise
        draw(answer)
        covered = Covered()
        covered.add(answer)
        report_stand_in(context, "", answer)
        _conclude(context, covered, answer.receipt)
        covered.check()

    context.run_with_client(work)


def _draw(context: CommandContext, facts: Facts[Answer], by: Unit | None) -> None:
    """Print a chart, and below it the total."""
    if by is None and isinstance(facts, SeriesFacts) and len(facts.days) <= CURVE_DAYS:
        unit, values, labels = "kW", *_curve(facts)
    else:
        by = by or ("day" if isinstance(facts, SeriesFacts) else "month")
        unit, sums = f"kWh per {by}", _sums(facts, by)
        values = [each.wh / 1000 if each.got else None for each in sums]
        labels = [f"{each.start:{STARTS[by]}}".lstrip("0") for each in sums]
    title = f"{facts.name}: {subject(facts.answer).lower()}, {unit} ({facts.zone.key})"
    context.out.print(Text(formatting.printable(title), "bold"))
    ascii_only = context.out.options.ascii_only
    for line in chart(values, labels, context.out.width, ascii_only=ascii_only):
        context.out.print(Text(line, formatting.BAR_STYLE, no_wrap=True))
    context.out.print(f"total {formatting.kwh(facts.wh)} kWh")


def _sums(facts: Facts[Answer], by: Unit) -> Sequence[Sum]:
    """Return the energies by local hour, which only series have, day or month."""
    if by == "hour" and isinstance(facts, SeriesFacts):
        return facts.answer.sums(by, timezone=facts.zone.key)
    return by_month(facts.days) if by == "month" else facts.days


def _curve(facts: SeriesFacts) -> tuple[list[float | None], list[str]]:
    """Return the power of each quarter of an hour, kW, and the times of day."""
    watts = [value for day in facts.profile.watts for value in day]
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
