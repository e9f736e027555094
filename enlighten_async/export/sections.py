"""Sections: one answer on a page: its figures, pictures and tables, its gaps and why, and its cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby
from math import inf
from statistics import fmean
from types import MappingProxyType
from typing import Final

from enlighten_async.export import svg
from enlighten_async.export.facts import (
    GAP_REASONS,
    MONTHS,
    WAITS,
    Answer,
    Facts,
    LifetimeFacts,
    SeriesFacts,
    added,
    by_month,
    counted,
    day_text,
    duration_text,
    energy_text,
    kwh_text,
    missing_by_reason,
    month_text,
    plural,
    reason_text,
    share_text,
    state_text,
)
from enlighten_async.export.svg import Child, Element, element
from enlighten_async.models.coverage import Coverage
from enlighten_async.models.intervals import QUARTERS, Sum
from enlighten_async.models.receipt import Receipt
from enlighten_async.windows import Window

CURVE_DAYS = 2
"""Days of a series whose power is drawn as a curve, at most; of more there are bars."""

BAR_DAYS = 400
"""Days of a lifetime that are drawn as bars, at most; of more there are only months."""

QUARTERS_FROM_DAYS, YEARS_FROM_DAYS = 430, 1_500
"""Days of an axis from which on only quarters of the year are labelled, and only years."""

NAMED_MONTHS = 14
"""Months each of which has its label below a bar, at most; of more only the years have."""

LEVELS = 12
"""Colours of the map of quarter-hours."""

LISTED_GAPS = 12
"""Gaps that are listed one by one, at most: the longest."""

MONTH_COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Month": "",
        "kWh": "number",
        " ": "share",
        "kWh a day": "number",
        "Best day": "number aside",
        "Coverage": "number",
    }
)
DAY_COLUMNS: Final[Mapping[str, str]] = MappingProxyType({"Day": "", "kWh": "number", "Intervals": "number"})
YEAR_COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {"Year": "fixed", **dict.fromkeys((*MONTHS, "Total"), "number")}
)
YEAR_UNITS: Final[Sequence[tuple[float, str, float, int]]] = (
    (1e6, "kWh", 1e3, 1),
    (1e8, "kWh", 1e3, 0),
    (inf, "MWh", 1e6, 1),
)
"""Highest energy of a month, Wh; then unit, Wh of it, and digits of the figures of a table of years."""

REASON_COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {"Reason": "", "Missing": "number", "Share": "number"}
)
GAP_COLUMNS: Final[Mapping[str, str]] = MappingProxyType({"Gap": "", "Length": "number", "Reason": ""})
COST_COLUMNS: Final[Mapping[str, str]] = MappingProxyType({"Item": "", "Amount": "number"})
"""Headings of tables, and the classes of their columns in the style sheet."""


def sections_of(facts: Facts[Answer]) -> list[Element]:
    """Return all sections of an answer."""
    return [_figures(facts), *_pictures(facts), _coverage(facts), _cost(facts)]


def _pictures(facts: Facts[Answer]) -> Iterator[Element]:
    """Yield the pictures and tables of the energy: those of the kind of answer."""
    if not facts.days or not facts.answer.coverage.got:
        return
    if isinstance(facts, SeriesFacts):
        yield from (
            [_curve(facts)] if len(facts.days) <= CURVE_DAYS else [_daily(facts), _map(facts), _months(facts)]
        )
    elif isinstance(facts, LifetimeFacts):
        yield from (_monthly(facts, figure, by_month(days)) for figure, days in facts.figures.items())
        yield from [_daily(facts)] if len(facts.days) <= BAR_DAYS else []


def _figures(facts: Facts[Answer]) -> Element:
    """Return the figures at the top."""
    coverage, receipt = facts.answer.coverage, facts.answer.receipt
    best = max(facts.days, key=lambda day: day.wh, default=None)
    whole, count = facts.whole_days, len(facts.days)
    tiles: list[Child] = [
        tile(_titled("Energy", figure), *energy_text(sum(d.wh for d in days)), f"in {_days(count)}")
        for figure, days in facts.figures.items()
    ]
    if whole:
        mean = energy_text(fmean(d.wh for d in whole))
        tiles.append(tile("Average a day", *mean, f"of {_days(len(whole))}"))
    if best is not None and best.wh > 0 and count > CURVE_DAYS:
        tiles.append(tile("Best day", *energy_text(best.wh), day_text(best.start)))
    if facts.peak is not None:
        title, figure, at = facts.peak
        tiles.append(tile(title, *figure, at))
    tiles.append(coverage_tile(coverage.got, coverage.expected, complete=coverage.complete))
    return figures(*tiles, cost_tile(receipt))


def figures(*tiles: Child) -> Element:
    """Return a section of figures, side by side."""
    return element("section", element("dl", *tiles, class_="figures"), class_="figures")


def tile(title: str, value: str, unit: str, more: str, class_: str = "more") -> Element:
    """Return one figure with its title, its unit and a remark."""
    figure = element("dd", value, element("span", unit, class_="unit"), class_="value")
    return element("div", element("dt", title), figure, element("dd", more, class_=f"more {class_}"))


def coverage_tile(got: int, expected: int, *, complete: bool) -> Element:
    """Return the figure of what is there, and whether that is all."""
    state, class_ = ("complete", "good") if complete else ("incomplete", "bad")
    return tile("Coverage", share_text(got, expected), "", state, class_)


def cost_tile(receipt: Receipt) -> Element:
    """Return the figure of the cost."""
    rejected = f"{receipt.rejected:,} rejected" if receipt.rejected else "none rejected"
    return tile("Cost", f"{receipt.sent:,}", plural(receipt.sent, "request"), rejected)


def _curve(facts: SeriesFacts) -> Element:
    watts = [value for day in facts.profile.watts for value in day]
    scale = svg.scale(watts)
    area, edge = svg.curve(watts, scale.top)
    drawn = element(
        "svg",
        element("path", d=area, class_="area"),
        element("path", d=edge, class_="edge"),
        **svg.stretched(len(watts), 100),
    )
    hours = range(0, 24 * len(facts.days) + 1, 6 * len(facts.days))
    columns = [(hour / (24 * len(facts.days)), f"{hour % 24:02}:00") for hour in hours]
    picture = svg.chart(drawn, "Power over the day", rows=_kilo(scale), columns=columns, class_="daily")
    return section(facts.level, "Power", "Means of a quarter of an hour, kW.", picture)


def _daily(facts: Facts[Answer]) -> Element:
    """Return the bars of the days."""
    days = facts.days
    gaps = facts.days_with_gaps
    columns = _date_labels([day.start.date() for day in days])
    pale = [day.start.date() in gaps for day in days]
    label = f"Energy per day, {facts.span}"
    picture = _bars(days, [_day_title(day) for day in days], pale, label, columns)
    note = "kWh per local day." + (" Days with gaps are pale." if gaps else "")
    return section(facts.level, "Energy per day", note, picture)


def _monthly(facts: LifetimeFacts, figure: str, months: Sequence[Sum]) -> Element:
    """Return the bars of the months, and the table of years and months."""
    pale = [month.got < month.expected for month in months]
    title = _titled("Energy per month", figure)
    label = f"{title}, {facts.span}"
    picture = _bars(months, [_month_title(month) for month in months], pale, label, _month_labels(months))
    note = "kWh by the local calendar; 0 also stands for days on which nothing was reported."
    if any(pale):
        note += " Months with days without a figure are pale."
    by_year = element("div", _years(months), class_="scroll after")
    return section(facts.level, title, note, picture, by_year)


def _bars(
    sums: Sequence[Sum], titles: Sequence[str], pale: Sequence[bool], label: str, columns: list[svg.Label]
) -> Element:
    """Return a chart of bars; the pale ones have less than they should."""
    scale = svg.scale(each.wh for each in sums)
    drawn = svg.bars(
        [each.wh if each.got else None for each in sums],
        titles,
        ["part" if each else "bar" for each in pale],
        scale.top,
    )
    described = f"{label}; the figures are in the tables below"
    return svg.chart(drawn, described, rows=_kilo(scale), columns=columns, class_="daily")


def _years(months: Sequence[Sum]) -> Element:
    """Return the table of years and months, in figures that fit a sheet of paper side by side."""
    top = max(month.wh for month in months)
    _, unit, divisor, digits = next(each for each in YEAR_UNITS if top < each[0])

    def text(wh: float) -> str:
        return f"{wh / divisor:,.{digits}f}"

    rows: list[list[Child]] = []
    for year, group in groupby(months, key=lambda month: month.start.year):
        there = {month.start.month: month for month in group}
        cells = [_year_cell(there[number], text) if number in there else "" for number in range(1, 13)]
        rows.append([str(year), *cells, element("strong", text(sum(each.wh for each in there.values())))])
    total = text(sum(month.wh for month in months))
    made = table(YEAR_COLUMNS, rows, ["Total", *[""] * 12, total] if len(rows) > 1 else ())
    made.insert(0, element("caption", unit))
    made.set("class", "years")
    return made


def _year_cell(month: Sum, text: Callable[[float], str]) -> Child:
    if not month.got:
        return element("span", "no data", class_="soft")
    return element("span", text(month.wh), class_="soft" if month.got < month.expected else None)


def _map(facts: SeriesFacts) -> Element:
    """Return the map of quarter-hours: a column for each day."""
    found = facts.profile
    top = svg.scale([found.peak]).top if found.peak else 1.0
    cells = [[_level(watts, top) for watts in day] for day in found.watts]
    hours = [(1 - hour / 24, f"{hour:02}:00") for hour in (0, 6, 12, 18, 24)]
    picture = svg.chart(
        svg.heat(cells, QUARTERS),
        f"Power by day and quarter of an hour, {facts.span}",
        rows=hours,
        columns=_date_labels(found.days),
        class_="year",
    )
    ramp = svg.strip([(n / LEVELS, (n + 1) / LEVELS, f"level-{n}", "") for n in range(LEVELS)])
    ramp.set("class", "ramp")
    scale = [element("span", "0"), ramp, element("span", f"{top / 1000:g} kW")]
    legend = element("p", *scale, element("span", _swatch("none"), " no data"), class_="legend")
    note = (
        "A column is a day, from midnight at the top to midnight; a cell is the mean power of a quarter-hour."
    )
    return section(facts.level, "The days, hour by hour", note, picture, legend)


def _level(watts: float | None, top: float) -> int | None:
    """Return the number of a colour: 0 for no power, then equal steps up to the top."""
    if watts is None or watts <= 0:
        return None if watts is None else 0
    return min(1 + int(watts / top * (LEVELS - 1)), LEVELS - 1)


def _months(facts: SeriesFacts) -> Element:
    """Return the table of months, with that of all days folded in."""
    months = by_month(facts.days)
    top = max(month.wh for month in months)
    days = {key: list(group) for key, group in groupby(facts.days, key=lambda day: month_text(day.start))}
    rows = [_month_row(month, days[month_text(month.start)], top) for month in months]
    all_months = added(months)
    share = share_text(all_months.got, all_months.expected)
    monthly = table(MONTH_COLUMNS, rows, ["Total", kwh_text(all_months.wh), "", "", "", share])
    listed: list[list[Child]] = [
        [day_text(d.start), _kwh(d), f"{d.got:,} of {d.expected:,}"] for d in facts.days
    ]
    folded = element(
        "details",
        element("summary", f"All {_days(len(listed))}"),
        table(DAY_COLUMNS, listed),
    )
    return section(
        facts.level, "Months", "By the local calendar.", element("div", monthly, class_="scroll"), folded
    )


def _month_row(month: Sum, days: Sequence[Sum], top: float) -> list[Child]:
    there = [day for day in days if day.got]
    best = max(there, key=lambda day: day.wh, default=None)
    return [
        month_text(month.start),
        _kwh(month),
        share_bar(month.wh, top),
        kwh_text(month.wh / len(there)) if there else "",
        f"{kwh_text(best.wh)} ({best.start.day} {MONTHS[best.start.month - 1]})" if best else "",
        share_text(month.got, month.expected),
    ]


def share_bar(value: float, top: float) -> Element:
    """Return a bar for a cell of a table."""
    return svg.strip([(0, svg.share(value, top or 1), "bar", "")])


def _coverage(facts: Facts[Answer]) -> Element:
    """Return what there is of the range, and for what is missing why."""
    coverage = facts.answer.coverage
    state = element("strong", state_text(coverage), class_="good" if coverage.complete else "bad")
    moments = {"The system had reported until": coverage.reported_until, "Data as of": coverage.as_of}
    known = [f"{text} {facts.minute(moment)}." for text, moment in moments.items() if moment is not None]
    parts: list[Child] = [
        element("p", state, f": {facts.kept}."),
        element("p", " ".join(known)) if known else None,
        *(element("p", f"Note: {note}") for note in coverage.notes),
    ]
    if facts.days:
        parts.append(_gap_strip(facts))
    if coverage.gaps():
        parts += [_reason_table(coverage, facts.unit), _gap_table(facts)]
    return section(facts.level, "Coverage and gaps", None, *parts)


def _gap_strip(facts: Facts[Answer]) -> Element:
    """Return the days as a band on which the range and its gaps are marked."""
    whole, coverage = facts.whole, facts.answer.coverage

    def place(piece: Window) -> tuple[float, float]:
        return (piece.start - whole.start) / whole.seconds, (piece.end - whole.start) / whole.seconds

    pieces = [
        (*place(gap.window), gap.reason.value, f"{facts.times(gap)}: {reason_text(gap.reason)}")
        for gap in coverage.gaps()
    ]
    band = svg.strip([(*place(coverage.window), "got", f"has {facts.unit}s"), *pieces])
    days = [day.start.date() for day in facts.days]
    return svg.chart(band, "The gaps in the range", columns=_date_labels(days), class_="lane")


def _reason_table(coverage: Coverage, unit: str) -> Element:
    rows: list[list[Child]] = [
        [
            element(
                "span",
                _swatch(reason.value),
                f" {reason_text(reason)} ",
                element("span", GAP_REASONS[reason], class_="soft"),
            ),
            counted(count, unit) if count else "unknown",
            share_text(count, coverage.expected),
        ]
        for reason, count in missing_by_reason(coverage).items()
    ]
    return element("div", table(REASON_COLUMNS, rows), class_="after")


def _gap_table(facts: Facts[Answer]) -> Element:
    """Return the longest gaps, in order of time."""
    gaps = facts.gaps
    longest = sorted(gaps, key=lambda gap: -gap.window.seconds)[:LISTED_GAPS]
    rows: list[list[Child]] = [
        [
            facts.times(gap),
            duration_text(timedelta(seconds=gap.window.seconds)),
            reason_text(gap.reason),
        ]
        for gap in sorted(longest, key=lambda gap: gap.window)
    ]
    more = len(gaps) - len(longest)
    rest = f"; {more:,} shorter ones are not listed" if more else ""
    nights = " beside those of the nights" if len(gaps) < len(facts.answer.coverage.gaps()) else ""
    listed = table(GAP_COLUMNS, rows)
    listed.insert(0, element("caption", f"{counted(len(gaps), 'gap')}{nights}{rest}"))
    return element("div", listed, class_="after")


def _cost(facts: Facts[Answer]) -> Element:
    receipt = facts.answer.receipt
    rows: list[list[Child]] = [
        ["Requests sent", f"{receipt.sent:,}"],
        ["of these rejected, as over the limit", f"{receipt.rejected:,}"],
        ["of these repeated after a failure", f"{receipt.retried:,}"],
        ["Answers from the cache, not paid for again", f"{receipt.from_cache:,}"],
    ]
    for reason, seconds in receipt.waited.items():
        waited = duration_text(timedelta(seconds=round(seconds)))
        rows.append([f"Waited for {WAITS.get(reason, reason)}", waited])
    rows += [[f"Requests left this {period}", f"{count:,}"] for period, count in receipt.left.items()]
    return section(facts.level, "What it cost", None, table(COST_COLUMNS, rows))


def section(level: int, title: str, note: str | None, *parts: Child) -> Element:
    """Return a section with a heading of a level, and a note below it."""
    return element("section", element(f"h{level}", title), note and element("p", note, class_="note"), *parts)


def table(columns: Mapping[str, str], rows: Sequence[Sequence[Child]], foot: Sequence[Child] = ()) -> Element:
    """Return a table, the first column of which names the rows.

    Args:
        columns: headings, and the classes of their columns in the style sheet.
        rows: cells.
        foot: cells of a last row, of sums.
    """
    classes = [class_ or None for class_ in columns.values()]

    def row(cells: Sequence[Child]) -> Element:
        others = zip(cells[1:], classes[1:], strict=True)
        drawn = [element("td", cell, class_=class_) for cell, class_ in others]
        return element("tr", element("th", cells[0], scope="row", class_=classes[0]), *drawn)

    named = [element("th", text, scope="col", class_=class_ or None) for text, class_ in columns.items()]
    return element(
        "table",
        element("thead", element("tr", *named)),
        element("tbody", *map(row, rows)),
        element("tfoot", row(foot)) if foot else None,
    )


def _swatch(class_: str) -> Element:
    return element(
        "svg",
        element("rect", width="100%", height="100%", class_=class_),
        class_="swatch",
        aria_hidden="true",
    )


def _date_labels(days: Sequence[date]) -> list[svg.Label]:
    """Return the labels of an axis of days, at their middle or at the beginning of their month."""
    count = len(days)
    if count <= 62:
        step = 1 + count // 9
        labels = [f"{day.day} {MONTHS[day.month - 1]}" for day in days]
        return [((at + 0.5) / count, label) for at, label in enumerate(labels)][::step]
    months = [(at, day) for at, day in enumerate(days) if day.day == 1]
    if count > QUARTERS_FROM_DAYS:
        months = [(at, day) for at, day in months if day.month in {1, 4, 7, 10}]
        january = next((place for place, (_, day) in enumerate(months) if day.month == 1), 0)
        months = months[january % 2 :]  # every second may be hidden, but none that tells the year
    if count > YEARS_FROM_DAYS:
        months = [(at, day) for at, day in months if day.month == 1]
    return [(at / count, _month_label(day)) for at, day in months]


def _month_labels(months: Sequence[Sum]) -> list[svg.Label]:
    """Return the labels of an axis of months, at the middle of each; of many months those of the years."""
    count = len(months)
    places = [((at + 0.5) / count, month.start) for at, month in enumerate(months)]
    if count > NAMED_MONTHS:
        places = [(at, start) for at, start in places if start.month == 1]
    step = 1 + len(places) // (NAMED_MONTHS + 1)
    return [(at, _month_label(start)) for at, start in places[::step]]


def _month_label(day: date) -> str:
    return str(day.year) if day.month == 1 else MONTHS[day.month - 1]


def _kilo(scale: svg.Scale) -> list[svg.Label]:
    """Return the labels of a scale of Wh or W, in thousands."""
    return [(mark / scale.top, f"{mark / 1000:,g}") for mark in scale.marks]


def _day_title(day: Sum) -> str:
    energy = f"{day.wh / 1000:,.2f} kWh" if day.got else "no data"
    return f"{day_text(day.start)}: {energy}, {day.got} of {day.expected} values"


def _month_title(month: Sum) -> str:
    energy = f"{kwh_text(month.wh)} kWh" if month.got else "no data"
    return f"{month_text(month.start)}: {energy}, {month.got} of {counted(month.expected, 'day')}"


def _titled(title: str, figure: str) -> str:
    return f"{title}, {figure}" if figure else title


def _kwh(total: Sum) -> str:
    return kwh_text(total.wh) if total.got else "no data"


def _days(count: int) -> str:
    return counted(count, "day")
