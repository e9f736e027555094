"""Report: an answer as one page of HTML, which needs no other file, no script and no network."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from importlib.resources import files
from itertools import groupby
from statistics import fmean
from types import MappingProxyType
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from attrs import define

from enlighten_async.export import svg
from enlighten_async.export.svg import Child, Element, element, html, raw
from enlighten_async.models.convert import ToDict
from enlighten_async.models.coverage import Coverage, Gap, Reason
from enlighten_async.models.intervals import QUARTERS, IntervalStats, Profile, Sum, profile
from enlighten_async.models.lifetime import Lifetime
from enlighten_async.models.receipt import Receipt
from enlighten_async.windows import DAY, Window, local_days, time_zone

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

HOUR_S = 3_600

CURVE_DAYS = 2
"""Days of an answer whose power is drawn as a curve, at most; of more there are bars."""

LEVELS = 12
"""Colours of the map of quarter-hours."""

SUN, SMALL_WIDTH, SMALL_HEIGHT = "#e2860b", 480, 90
"""Colour and size, in pixels, of the picture in a notebook."""

LISTED_GAPS = 12
"""Gaps that are listed one by one, at most: the longest."""

REASONS: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.NO_ROW: "The service has no row for it: nothing was reported.",
        Reason.NOT_REPORTED_YET: "It lies after what the system had reported when asked.",
        Reason.NO_DEVICE: "The system has no device of this kind.",
        Reason.BEYOND_RETENTION: "It is older than the service keeps.",
        Reason.BEFORE_OPERATION: "The system was not yet in operation.",
        Reason.LEFT_OUT: "The service sent rows that could not be understood.",
        Reason.UNAVAILABLE: "The service said that the data is not available for now.",
        Reason.REFUSED: "It was not asked for, as another request had ended the query.",
        Reason.FAILED: "Its request failed.",
    }
)

WAITS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "minute": "the plan's next minute",
        "month": "the plan's next month",
        "in_flight": "other requests",
        "priority": "more urgent requests",
        "retry": "the next try",
    }
)
"""The reasons of a receipt's waits, in words."""

ROWS_BY_DAY = frozenset({"Stats", "MicroTelemetry"})
"""Answers for which the service has rows by daylight only: a night without rows is no gap in a day."""

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
REASON_COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {"Reason": "", "Intervals": "number", "Share": "number"}
)
GAP_COLUMNS: Final[Mapping[str, str]] = MappingProxyType({"Gap": "", "Length": "number", "Reason": ""})
COST_COLUMNS: Final[Mapping[str, str]] = MappingProxyType({"Item": "", "Amount": "number"})
"""Headings of tables, and the classes of their columns in the style sheet."""

LONGEST_NIGHT_S = 20 * HOUR_S
"""Seconds; a longer gap of such an answer is one."""


Answer: TypeAlias = IntervalStats[object]
"""The answer of a series, such as `RgmStats`."""

SUBJECTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "RgmStats": "Energy delivered, by revenue-grade meters",
        "Stats": "Energy produced, by microinverters",
        "ProductionMeter": "Energy delivered, by production meters",
        "ConsumptionStats": "Energy consumed",
        "EnergyImportTelemetry": "Energy drawn from the grid",
        "EnergyExportTelemetry": "Energy fed into the grid",
        "Battery": "Energy discharged by batteries",
        "StorageTelemetry": "Energy discharged by a battery",
        "MicroTelemetry": "Energy produced, by a microinverter",
    }
)
"""The quantity of an answer, by the name of its class."""


def report(answer: Answer, *, name: str | None = None, timezone: str | None = None) -> str:
    """Return an answer as a page of HTML: its energy, its gaps and their reasons, and what it cost.

    The page is complete in itself: no script, no reference to anything outside, and a Content-Security-Policy
    that allows neither. Text is escaped; control and bidirectional characters are shown by their escapes.

    Args:
        answer: a series, such as `RgmStats`, of any length.
        name: name of the system; its number if not given.
        timezone: IANA name of the zone of the days; by default the system's own, or UTC where that is not
            known.

    Raises:
        InputError: the time zone is not known.
    """
    facts = _Facts(answer, zone_of(answer, timezone), name or f"System {answer.system_id}")
    sections = [_figures(facts), *_pictures(facts), *_months(facts), _coverage(facts), _cost(answer.receipt)]
    main = element("main", *sections)
    body = element("body", _header(facts), main, _footer(facts))
    return f"<!DOCTYPE html>\n{html(element('html', _head(facts), body, lang='en'))}\n"


def summary(answer: Answer | Lifetime[ToDict]) -> str:
    """Return an answer as a small table and a picture, for notebooks: range, energy, coverage and cost.

    It is a fragment of HTML without scripts, references and style sheets; text is escaped.

    Args:
        answer: a series, or the figures of each day.
    """
    values, unit, ends = _curve_of(answer) if isinstance(answer, IntervalStats) else _days_of(answer)
    coverage, receipt = answer.coverage, answer.receipt
    missing = _missing(coverage)
    reasons = ", ".join(f"{_words(reason)} {count:,}" for reason, count in missing.items())
    told = (
        f"{_state(coverage)}: {coverage.got:,} of {coverage.expected:,} {_plural(coverage.expected, unit[1])}"
    )
    rows = {
        f"{type(answer).__name__}": f"system {answer.system_id}",
        "Range": " to ".join(dict.fromkeys(ends)) or "none",
        "Energy": " ".join(_energy(_total(answer))),
        "Coverage": f"{told} ({reasons})" if reasons else told,
        "Cost": f"{receipt.sent:,} {_plural(receipt.sent, 'request')}, {receipt.from_cache:,} from cache",
    }
    left = "text-align: left"  # notebooks set cells to the right
    lines = [
        element("tr", element("th", name, style=left), element("td", text, style=left))
        for name, text in rows.items()
    ]
    return html(element("div", element("table", element("tbody", *lines)), _small_picture(values, unit[0])))


def _total(answer: Answer | Lifetime[ToDict]) -> float:
    """Return the energy of an answer, Wh."""
    if isinstance(answer, IntervalStats):
        return sum(each.wh for each in answer.sums("day", timezone=zone_of(answer, None).key))
    return sum(value or 0 for value in _figures_of(answer))


def _figures_of(answer: Lifetime[ToDict]) -> Sequence[float | None]:
    """Return the first of the figures of each day, such as the energy, Wh."""
    figures: Sequence[float | None] = getattr(answer, answer._columns[0])
    return figures


def _days_of(answer: Lifetime[ToDict]) -> tuple[Sequence[float | None], tuple[str, str], list[str]]:
    """Return the figures of the days, units of figure and row, and the ends of the range."""
    edges = [answer.days.start_at, answer.days.end_at - timedelta(days=1)] if len(answer) else []
    return _figures_of(answer), ("Wh", "day"), [_day(each) for each in edges]


def _curve_of(answer: Answer) -> tuple[Sequence[float | None], tuple[str, str], list[str]]:
    """Return the power of a day or two, or the energies of more days, and the same as of days."""
    zone = zone_of(answer, None)
    days = answer.sums("day", timezone=zone.key)
    ends = [_day(days[0].start), _day(days[-1].start)] if days else []
    if len(days) > CURVE_DAYS:
        return [day.wh if day.got else None for day in days], ("Wh", "interval"), ends
    return [each for day in profile(answer, zone).watts for each in day], ("W", "interval"), ends


def _small_picture(values: Sequence[float | None], unit: str) -> Element | None:
    """Return a curve of power, or bars of energy; its colours do not need a style sheet."""
    if not any(values):
        return None
    measure = svg.scale(values)
    if unit == "W":
        area, edge = svg.curve(values, measure.top)
        line = {"fill": "none", "stroke": SUN, "stroke_width": "2", "vector_effect": "non-scaling-stroke"}
        drawn = [element("path", d=area, fill=SUN, fill_opacity=".3"), element("path", d=edge, **line)]
    else:
        drawn = [element("path", d=svg.rods(values, measure.top), stroke=SUN, stroke_width=".8")]
    field = svg.stretched(len(values), 100) | {"width": SMALL_WIDTH, "height": SMALL_HEIGHT, "y": "16"}
    top = element("text", f"{measure.top / 1000:g} k{unit}", y="11", font_size="11", fill="currentColor")
    size = {"width": SMALL_WIDTH, "height": SMALL_HEIGHT + 16, "role": "img", "aria_label": f"The {unit}"}
    return element("svg", top, element("svg", *drawn, **field), **size)


@define
class _Facts:
    """What the sections of the page tell of an answer.

    Attributes:
        answer: the answer.
        zone: time zone of its days.
        name: name of the system.
    """

    answer: Answer
    zone: ZoneInfo
    name: str

    @cached_property
    def days(self) -> list[Sum]:
        """Its local days."""
        return self.answer.sums("day", timezone=self.zone.key)

    @cached_property
    def profile(self) -> Profile:
        """Its power by day and quarter of an hour."""
        return profile(self.answer, self.zone)

    @cached_property
    def whole_days(self) -> list[Sum]:
        """The days that are wholly inside the range and have no gap."""
        grid = self.answer.coverage.grid
        whole = [day for day in self.days if day.expected * grid >= DAY - HOUR_S]
        return [day for day in whole if day.got and day.start.date() not in self.days_with_gaps]

    @cached_property
    def days_with_gaps(self) -> frozenset[date]:
        """The local days that have less than they should."""
        if type(self.answer).__name__ not in ROWS_BY_DAY:
            return frozenset(day.start.date() for day in self.days if day.got < day.expected)
        gaps = [gap.window for gap in self.answer.coverage.gaps() if not self.is_night(gap)]
        starts = [(int(day.start.timestamp()), day) for day in self.days]
        return frozenset(
            day.start.date()
            for start, day in starts
            if any(gap.start < start + DAY and gap.end > start for gap in gaps)
        )

    def is_night(self, gap: Gap) -> bool:
        """Tell whether a gap is a night of a series that has rows by daylight only."""
        short = gap.reason is Reason.NO_ROW and gap.window.seconds <= LONGEST_NIGHT_S
        return short and type(self.answer).__name__ in ROWS_BY_DAY

    def local(self, moment: datetime) -> datetime:
        """Return a moment in the zone of the days."""
        return moment.astimezone(self.zone)


def _head(facts: _Facts) -> Element:
    style = files("enlighten_async.export").joinpath("report.css").read_text(encoding="utf-8")
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"{facts.name}: energy {_span(facts)}"),
        raw("style", style),
    )


def _header(facts: _Facts) -> Element:
    place = f"system {facts.answer.system_id}, local time of {facts.zone.key}"
    return element(
        "header",
        element("p", subject(facts.answer), class_="soft"),
        element("h1", element("bdi", facts.name)),
        element("p", f"{_span(facts)} · {place}", class_="soft"),
    )


def _footer(facts: _Facts) -> Element:
    as_of = facts.answer.coverage.as_of
    asked = "" if as_of is None else f"Data as of {_minute(facts.local(as_of))}. "
    return element(
        "footer", f"{asked}Made by enlighten_async; this page holds all it shows and loads nothing."
    )


def _figures(facts: _Facts) -> Element:
    """Return the figures at the top of the page."""
    coverage, receipt = facts.answer.coverage, facts.answer.receipt
    best = max(facts.days, key=lambda day: day.wh, default=None)
    whole, peak, at = facts.whole_days, facts.profile.peak, facts.profile.peak_at
    tiles = [_tile("Energy", *_energy(sum(day.wh for day in facts.days)), f"in {_days(len(facts.days))}")]
    if whole:
        tiles.append(_tile("Average a day", *_energy(fmean(d.wh for d in whole)), f"of {_days(len(whole))}"))
    if best is not None and best.wh > 0 and len(facts.days) > CURVE_DAYS:
        tiles.append(_tile("Best day", *_energy(best.wh), _day(best.start)))
    if peak is not None and at is not None and peak > 0:
        tiles.append(_tile("Highest quarter-hour", f"{peak / 1000:,.2f}", "kW", _minute(at)))
    state = "complete" if coverage.complete else "incomplete"
    part = _part(coverage.got, coverage.expected)
    tiles.append(_tile("Coverage", part, "", state, "good" if coverage.complete else "bad"))
    tiles.append(_tile("Cost", f"{receipt.sent:,}", _plural(receipt.sent, "request"), _rejected(receipt)))
    return element("section", element("dl", *tiles, class_="figures"), class_="figures")


def _tile(title: str, value: str, unit: str, more: str, class_: str = "more") -> Element:
    figure = element("dd", value, element("span", unit, class_="unit"), class_="value")
    return element("div", element("dt", title), figure, element("dd", more, class_=f"more {class_}"))


def _pictures(facts: _Facts) -> list[Element]:
    """Return the pictures: a curve of a day or two, bars and a map of more."""
    if not facts.days:
        return []
    if len(facts.days) <= CURVE_DAYS:
        return [_curve(facts)]
    return [_daily(facts), _map(facts)]


def _curve(facts: _Facts) -> Element:
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
    return _section("Power", "Means of a quarter of an hour, kW.", picture)


def _daily(facts: _Facts) -> Element:
    """Return the bars of the days, and below them the strip of gaps."""
    days, gaps = facts.days, facts.days_with_gaps
    scale = svg.scale(day.wh for day in days)
    drawn = svg.bars(
        [day.wh if day.got else None for day in days],
        [_day_title(day) for day in days],
        ["part" if day.start.date() in gaps else "bar" for day in days],
        scale.top,
    )
    label = f"Energy per day, {_span(facts)}; the figures are in the tables below"
    columns = _date_labels([day.start.date() for day in days])
    picture = svg.chart(drawn, label, rows=_kilo(scale), columns=columns, class_="daily")
    note = "kWh per local day." + (" Days with gaps are pale." if gaps else "")
    return _section("Energy per day", note, picture)


def _map(facts: _Facts) -> Element:
    """Return the map of quarter-hours: a column for each day."""
    found = facts.profile
    top = svg.scale([found.peak]).top if found.peak else 1.0
    cells = [[_level(watts, top) for watts in day] for day in found.watts]
    hours = [(1 - hour / 24, f"{hour:02}:00") for hour in (0, 6, 12, 18, 24)]
    picture = svg.chart(
        svg.heat(cells, QUARTERS),
        f"Power by day and quarter of an hour, {_span(facts)}",
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
    return _section("The days, hour by hour", note, picture, legend)


def _level(watts: float | None, top: float) -> int | None:
    """Return the number of a colour: 0 for no power, then equal steps up to the top."""
    if watts is None or watts <= 0:
        return None if watts is None else 0
    return min(1 + int(watts / top * (LEVELS - 1)), LEVELS - 1)


def _months(facts: _Facts) -> list[Element]:
    """Return the table of months, with that of all days folded in; none of a day or two."""
    months = facts.answer.sums("month", timezone=facts.zone.key)
    if len(facts.days) <= CURVE_DAYS:
        return []
    top = max(month.wh for month in months)
    days = {key: list(group) for key, group in groupby(facts.days, key=lambda day: _month(day.start))}
    rows = [_month_row(month, days[_month(month.start)], top) for month in months]
    total = sum(month.wh for month in months)
    got, expected = sum(m.got for m in months), sum(m.expected for m in months)
    table = _table(MONTH_COLUMNS, rows, ["Total", f"{total / 1000:,.1f}", "", "", "", _part(got, expected)])
    listed: list[list[Child]] = [[_day(d.start), _kwh(d), f"{d.got:,} of {d.expected:,}"] for d in facts.days]
    folded = element(
        "details",
        element("summary", f"All {_days(len(listed))}"),
        _table(DAY_COLUMNS, listed),
    )
    return [_section("Months", "By the local calendar.", element("div", table, class_="scroll"), folded)]


def _month_row(month: Sum, days: Sequence[Sum], top: float) -> list[Child]:
    there = [day for day in days if day.got]
    best = max(there, key=lambda day: day.wh, default=None)
    bar = svg.strip([(0, svg.share(month.wh, top or 1), "bar", "")])
    return [
        _month(month.start),
        _kwh(month),
        bar,
        f"{month.wh / 1000 / len(there):,.1f}" if there else "",
        f"{best.wh / 1000:,.1f} ({best.start.day} {MONTHS[best.start.month - 1]})" if best else "",
        _part(month.got, month.expected),
    ]


def _coverage(facts: _Facts) -> Element:
    """Return what there is of the range, and for what is missing why."""
    coverage = facts.answer.coverage
    state = element("strong", _state(coverage), class_="good" if coverage.complete else "bad")
    counts = (
        f": {coverage.got:,} of {coverage.expected:,} intervals of {coverage.grid // 60} minutes have a row."
    )
    told = element("p", state, counts)
    reported = coverage.reported_until
    until = (
        None
        if reported is None
        else element("p", f"The system had reported until {_minute(facts.local(reported))}.")
    )
    notes = [element("p", f"Note: {note}") for note in coverage.notes]
    parts: list[Child] = [told, until, *notes]
    if facts.days:
        parts.append(_gap_strip(facts))
    if coverage.gaps():
        parts += [_reason_table(coverage), _gap_table(facts)]
    return _section("Coverage and gaps", None, *parts)


def _gap_strip(facts: _Facts) -> Element:
    """Return the days as a band on which the range and its gaps are marked."""
    days = [day.start.date() for day in facts.days]
    whole = local_days(days[0], days[-1], facts.zone)
    window, gaps = facts.answer.coverage.window, facts.answer.coverage.gaps()

    def place(piece: Window) -> tuple[float, float]:
        return (piece.start - whole.start) / whole.seconds, (piece.end - whole.start) / whole.seconds

    pieces = [(*place(gap.window), gap.reason.value, _gap_title(facts, gap)) for gap in gaps]
    band = svg.strip([(*place(window), "got", "has rows"), *pieces])
    return svg.chart(band, "The gaps in the range", columns=_date_labels(days), class_="lane")


def _missing(coverage: Coverage) -> Mapping[Reason, int]:
    """Return the number of missing intervals by reason, the most first; 0 where it is not known."""
    counts: Counter[Reason] = Counter()
    for gap in coverage.gaps():
        counts[gap.reason] += gap.window.seconds // coverage.grid
    return dict(counts.most_common())


def _reason_table(coverage: Coverage) -> Element:
    rows: list[list[Child]] = [
        [
            element(
                "span",
                _swatch(reason.value),
                f" {_words(reason)} ",
                element("span", REASONS[reason], class_="soft"),
            ),
            f"{count:,}" if count else "unknown",
            _part(count, coverage.expected),
        ]
        for reason, count in _missing(coverage).items()
    ]
    return element("div", _table(REASON_COLUMNS, rows), class_="after")


def _gap_table(facts: _Facts) -> Element:
    """Return the longest gaps, in order of time."""
    gaps = [gap for gap in facts.answer.coverage.gaps() if not facts.is_night(gap)]
    longest = sorted(gaps, key=lambda gap: -gap.window.seconds)[:LISTED_GAPS]
    rows: list[list[Child]] = [
        [
            _times(facts, gap),
            _duration(timedelta(seconds=gap.window.seconds)),
            _words(gap.reason),
        ]
        for gap in sorted(longest, key=lambda gap: gap.window)
    ]
    more = len(gaps) - len(longest)
    rest = f"; {more:,} shorter ones are not listed" if more else ""
    nights = " beside those of the nights" if len(gaps) < len(facts.answer.coverage.gaps()) else ""
    table = _table(GAP_COLUMNS, rows)
    table.insert(0, element("caption", f"{len(gaps):,} {_plural(len(gaps), 'gap')}{nights}{rest}"))
    return element("div", table, class_="after")


def _cost(receipt: Receipt) -> Element:
    rows: list[list[Child]] = [
        ["Requests sent", f"{receipt.sent:,}"],
        ["of these rejected, as over the limit", f"{receipt.rejected:,}"],
        ["of these repeated after a failure", f"{receipt.retried:,}"],
        ["Answers from the cache, not paid for again", f"{receipt.from_cache:,}"],
    ]
    for reason, seconds in receipt.waited.items():
        waited = _duration(timedelta(seconds=round(seconds)))
        rows.append([f"Waited for {WAITS.get(reason, reason)}", waited])
    rows += [[f"Requests left this {period}", f"{count:,}"] for period, count in receipt.left.items()]
    return _section("What it cost", None, _table(COST_COLUMNS, rows))


def _section(title: str, note: str | None, *parts: Child) -> Element:
    return element("section", element("h2", title), note and element("p", note, class_="note"), *parts)


def _table(
    columns: Mapping[str, str], rows: Sequence[Sequence[Child]], foot: Sequence[Child] = ()
) -> Element:
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
        return element("tr", element("th", cells[0], scope="row"), *drawn)

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
    if count > 1_500:
        return [(at / count, str(day.year)) for at, day in enumerate(days) if (day.month, day.day) == (1, 1)]
    if count > 62:
        firsts = [(at, day) for at, day in enumerate(days) if day.day == 1]
        step = 1 + len(firsts) // 14
        return [(at / count, _month_label(day)) for at, day in firsts[::step]]
    step = 1 + count // 9
    return [((at + 0.5) / count, f"{day.day} {MONTHS[day.month - 1]}") for at, day in enumerate(days)][::step]


def _month_label(day: date) -> str:
    return str(day.year) if day.month == 1 else MONTHS[day.month - 1]


def _kilo(scale: svg.Scale) -> list[svg.Label]:
    """Return the labels of a scale of Wh or W, in thousands."""
    return [(mark / scale.top, f"{mark / 1000:,g}") for mark in scale.marks]


def _gap_title(facts: _Facts, gap: Gap) -> str:
    return f"{_times(facts, gap)}: {_words(gap.reason)}"


def _times(facts: _Facts, gap: Gap) -> str:
    """Return the local times of a gap; the day of its end only if it is another one."""
    start, end = facts.local(gap.start_at), facts.local(gap.end_at)
    until = f"{end:%H:%M}" if start.date() == end.date() else _minute(end)
    return f"{_minute(start)} to {until}"


def _day_title(day: Sum) -> str:
    energy = f"{day.wh / 1000:,.2f} kWh" if day.got else "no data"
    return f"{_day(day.start)}: {energy}, {day.got} of {day.expected} values"


def _state(coverage: Coverage) -> str:
    if coverage.is_empty:
        return "Complete: nothing exists of this range"
    return "Complete" if coverage.complete else "Incomplete"


def _words(reason: Reason) -> str:
    return reason.value.replace("_", " ")


def _energy(wh: float) -> tuple[str, str]:
    """Return an energy in kWh, or in MWh if it is large, and the unit."""
    return (f"{wh / 1e6:,.2f}", "MWh") if wh >= 1e7 else (f"{wh / 1e3:,.1f}", "kWh")


def _kwh(total: Sum) -> str:
    return f"{total.wh / 1000:,.1f}" if total.got else "no data"


def _part(count: int, of: int) -> str:
    """Return a share in percent, which is 0 or 100 only if it is all or nothing."""
    if not of or count in {0, of}:
        return "100 %" if of and count else "0 %"
    share = 100 * count / of
    return "< 0.1 %" if share < 0.1 else f"{min(share, 99.9):.1f} %"


def _rejected(receipt: Receipt) -> str:
    return f"{receipt.rejected:,} rejected" if receipt.rejected else "none rejected"


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"


def _days(count: int) -> str:
    return f"{count:,} {_plural(count, 'day')}"


def _duration(span: timedelta) -> str:
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = {"d": days, "h": hours, "min": minutes, "s": seconds}
    return " ".join(f"{count} {unit}" for unit, count in parts.items() if count) or "0 s"


def _span(facts: _Facts) -> str:
    """Return the first and the last local day."""
    if not facts.days:
        return _day(facts.local(facts.answer.window.start_at))
    first, last = facts.days[0].start, facts.days[-1].start
    return _day(first) if first == last else f"{_day(first)} to {_day(last)}"


def _day(moment: date) -> str:
    return f"{moment.day} {MONTHS[moment.month - 1]} {moment.year}"


def _minute(moment: datetime) -> str:
    return f"{_day(moment)}, {moment:%H:%M}"


def _month(moment: date) -> str:
    return f"{MONTHS[moment.month - 1]} {moment.year}"


def subject(answer: Answer) -> str:
    """Return the quantity of an answer in words."""
    return SUBJECTS.get(type(answer).__name__, "Energy")


def zone_of(answer: Answer, timezone: str | None) -> ZoneInfo:
    """Return the time zone of an answer's local days: the one named, the system's own if known, or UTC."""
    return time_zone(timezone or answer.timezone or "UTC")
