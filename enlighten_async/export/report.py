"""Report: answers as one page of HTML, which needs no other file, no script and no network."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from attrs import frozen

from enlighten_async.export import svg
from enlighten_async.export.facts import (
    Answer,
    Facts,
    SeriesFacts,
    counted,
    energy_text,
    facts_of,
    kwh_text,
    missing_by_reason,
    reason_text,
    share_text,
    state_text,
    subject,
)
from enlighten_async.export.sections import (
    CURVE_DAYS,
    cost_tile,
    coverage_tile,
    figures,
    section,
    sections_of,
    share_bar,
    table,
    tile,
)
from enlighten_async.export.svg import Child, Element, element, html, raw
from enlighten_async.models.receipt import Receipt

SUN, SMALL_WIDTH, SMALL_HEIGHT = "#e2860b", 480, 90
"""Colour and size, in pixels, of the picture in a notebook."""

OVERVIEW = "systems"
"""The place on a page where all systems are listed."""

SYSTEM_COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {"System": "", "kWh": "number", " ": "share", "Coverage": "number", "Requests": "number"}
)
"""Headings of the table of systems, and the classes of its columns in the style sheet."""

FOOTER = "Made by enlighten_async; this page holds all it shows and loads nothing."


def report(answer: Answer, *, name: str | None = None, timezone: str | None = None) -> str:
    """Return an answer as a page of HTML: its energy, its gaps and their reasons, and what it cost.

    The page is complete in itself: no script, no reference to anything outside, and a Content-Security-Policy
    that allows neither. Text is escaped; control and bidirectional characters are shown by their escapes.

    Args:
        answer: a series, such as `RgmStats`, of any length; or the energy of each day, such as
            `EnergyLifetime`, of which there are months and years.
        name: name of the system; its number if not given.
        timezone: IANA name of the zone of the days; by default the system's own, or UTC where that is not
            known. The days of a lifetime are the system's own; this says which zone that is.

    Raises:
        InputError: the time zone is not known.
    """
    facts = facts_of(answer, name, timezone, level=2)
    pieces = map(_encoded, sections_of(facts))
    page = _page(f"{facts.name}: energy {facts.span}", _header(facts), pieces)
    return b"".join(page).decode()


class SystemsReport:
    """A page about any number of systems: a table of all, and below it what `report` shows of each.

    Each system is rendered when it is added, so that its answer need not be kept: memory grows with the page
    alone.

        page = SystemsReport()
        async with as_completed(queries, ordered=True) as outcomes:
            async for outcome in outcomes:
                match outcome:
                    case Answered(answer=answer): page.add(answer)
                    case Failed(number=at, error=error): page.add_failure(system_ids[at], str(error))
        with open("report.html", "wb") as file:
            file.writelines(page.pieces())
    """

    def __init__(self) -> None:
        self._rows: list[_Row] = []
        self._articles: list[bytes] = []
        self._places: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._rows)

    def add(
        self, answer: Answer, *, name: str | None = None, timezone: str | None = None, error: str = ""
    ) -> None:
        """Add a system. To render a year takes 0.2 seconds.

        Args:
            answer: its answer, as `report` takes one.
            name: name of the system; its number if not given.
            timezone: IANA name of the zone of its days, as for `report`.
            error: text of the error, if the answer is what had arrived before it.

        Raises:
            InputError: the time zone is not known.
        """
        facts = facts_of(answer, name, timezone, level=3)
        place = self._place(answer.system_id)
        coverage = answer.coverage
        counts = (coverage.got, coverage.expected, coverage.complete and not error)
        quantity = subject(answer)
        self._rows.append(
            _Row(
                place, facts.name, answer.system_id, quantity, facts.wh, *counts, answer.receipt, bool(error)
            )
        )
        failure = [_failure(error, "This is what had arrived before.")] if error else []
        self._articles.append(_article(place, _header(facts), *failure, *sections_of(facts)))

    def add_failure(
        self, system_id: int, error: str, *, name: str | None = None, receipt: Receipt | None = None
    ) -> None:
        """Add a system of which nothing arrived.

        Args:
            system_id: the service's number of the system.
            error: text of the error.
            name: name of the system; its number if not given.
            receipt: cost of the query.
        """
        place, name = self._place(system_id), name or f"System {system_id}"
        spent = receipt or Receipt()
        self._rows.append(_Row(place, name, system_id, "", 0.0, 0, 0, False, spent, failed=True))
        heading = element(
            "header", element("h2", element("bdi", name)), _below(f"system {system_id}", up=True)
        )
        self._articles.append(_article(place, heading, _failure(error, "Nothing of it arrived.")))

    def pieces(self) -> Iterator[bytes]:
        """Yield the page in UTF-8, piece by piece."""
        count = counted(len(self._rows), "system")
        subjects = sorted({row.subject for row in self._rows} - {""})
        header = element(
            "header", element("p", " · ".join(subjects), class_="soft"), element("h1", f"Energy of {count}")
        )
        yield from _page(f"Energy of {count}", header, self._parts(mixed=len(subjects) > 1))

    def _place(self, system_id: int) -> str:
        """Return the name of a place on the page, which no other has."""
        self._places[system_id] += 1
        number = self._places[system_id]
        return f"system-{system_id}" + (f"-{number}" if number > 1 else "")

    def _parts(self, *, mixed: bool) -> Iterator[bytes]:
        yield _encoded(_totals(self._rows, mixed=mixed))
        yield _encoded(_overview(self._rows, mixed=mixed))
        yield from self._articles


@frozen
class _Row:
    """A system in the table of all.

    Attributes:
        place: its place on the page.
        name: its name.
        system_id: its number.
        subject: the quantity of its answer in words; empty without one.
        wh: energy, Wh.
        got: intervals or days that have a row.
        expected: intervals or days of its range.
        complete: whether all is there that exists.
        receipt: its cost.
        failed: whether there was an error.
    """

    place: str
    name: str
    system_id: int
    subject: str
    wh: float
    got: int
    expected: int
    complete: bool
    receipt: Receipt
    failed: bool


def _totals(rows: Sequence[_Row], *, mixed: bool) -> Element:
    """Return the figures of all systems; energies of different kinds are not added up."""
    failed = sum(row.failed for row in rows)
    state = f"{failed:,} failed" if failed else "none failed"
    systems = tile("Systems", f"{len(rows):,}", "", state, "bad" if failed else "good")
    energy = None if mixed else tile("Energy", *energy_text(sum(row.wh for row in rows)), "of all")
    complete = all(row.complete for row in rows)
    coverage = coverage_tile(
        sum(row.got for row in rows), sum(row.expected for row in rows), complete=complete
    )
    return figures(systems, energy, coverage, cost_tile(_receipt(rows)))


def _overview(rows: Sequence[_Row], *, mixed: bool) -> Element:
    """Return the table of all systems, in the order in which they were added."""
    top = max((row.wh for row in rows), default=0.0)
    energy = "" if mixed else kwh_text(sum(row.wh for row in rows))
    share = share_text(sum(row.got for row in rows), sum(row.expected for row in rows))
    foot = ["Total", energy, "", share, f"{_receipt(rows).sent:,}"]
    listed = table(SYSTEM_COLUMNS, [_cells(row, top, mixed=mixed) for row in rows], foot)
    made = section(2, "Systems", "Days are those of each system.", element("div", listed, class_="scroll"))
    made.set("id", OVERVIEW)
    return made


def _cells(row: _Row, top: float, *, mixed: bool) -> list[Child]:
    number = f"system {row.system_id}"
    more = [each for each in (number, row.subject if mixed else "") if each.lower() != row.name.lower()]
    link = element("a", element("bdi", row.name), href=f"#{row.place}")
    named = element("span", link, element("span", ", ".join(filter(None, more)).lower(), class_="soft"))
    energy, bar = (kwh_text(row.wh), share_bar(row.wh, top)) if row.got else ("", "")
    return [named, energy, bar, _state(row), f"{row.receipt.sent:,}"]


def _state(row: _Row) -> Child:
    """Return the coverage of a system, and what is wrong with it."""
    share = share_text(row.got, row.expected) if row.got else ""
    if row.complete:
        return share or element("span", "nothing there", class_="soft")
    return element("span", f"{share} {'failed' if row.failed else 'incomplete'}".strip(), class_="bad")


def _receipt(rows: Sequence[_Row]) -> Receipt:
    return sum((row.receipt for row in rows), Receipt())


def _failure(error: str, more: str) -> Element:
    told = element("p", element("strong", "Error: ", class_="bad"), error)
    return element("section", told, element("p", more, class_="soft"))


def _article(place: str, *parts: Element) -> bytes:
    return _encoded(element("article", *parts, id=place))


def _header(facts: Facts[Answer]) -> Element:
    """Return the heading of a system: of a page, or of a part of one, from where a link leads up."""
    return element(
        "header",
        element("p", subject(facts.answer), class_="soft"),
        element(f"h{facts.level - 1}", element("bdi", facts.name)),
        _below(f"{facts.span} · {facts.place}", up=facts.level > 2),
    )


def _below(text: str, *, up: bool) -> Element:
    link = element("a", "all systems", href=f"#{OVERVIEW}")
    return element("p", text, element("span", " · ", link, class_="up") if up else None, class_="soft")


def _page(title: str, header: Element, parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a page in UTF-8."""
    yield f'<!DOCTYPE html>\n<html lang="en">{html(_head(title))}<body>{html(header)}<main>'.encode()
    yield from parts
    yield f"</main>{html(element('footer', FOOTER))}</body></html>\n".encode()


def _head(title: str) -> Element:
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
        element("title", title),
        raw("style", style),
    )


def _encoded(made: Element) -> bytes:
    return html(made).encode()


def summary(answer: Answer) -> str:
    """Return an answer as a small table and a picture, for notebooks: range, energy, coverage and cost.

    It is a fragment of HTML without scripts, references and style sheets; text is escaped.

    Args:
        answer: a series, or the figures of each day.
    """
    facts = facts_of(answer, None, None, level=2)
    coverage, receipt, days = answer.coverage, answer.receipt, facts.days
    missing = missing_by_reason(coverage).items()
    reasons = ", ".join(f"{reason_text(reason)} {count:,}" for reason, count in missing)
    told = f"{state_text(coverage)}: {coverage.got:,} of {counted(coverage.expected, facts.unit)}"
    rows = {
        f"{type(answer).__name__}": f"system {answer.system_id}",
        "Range": facts.span if days else "none",
        "Energy": " ".join(energy_text(facts.wh)),
        "Coverage": f"{told} ({reasons})" if reasons else told,
        "Cost": f"{counted(receipt.sent, 'request')}, {receipt.from_cache:,} from cache",
    }
    left = "text-align: left"  # notebooks set cells to the right
    lines = [
        element("tr", element("th", name, style=left), element("td", text, style=left))
        for name, text in rows.items()
    ]
    if isinstance(facts, SeriesFacts) and len(days) <= CURVE_DAYS:
        picture = _small_picture([each for day in facts.profile.watts for each in day], "W")
    else:
        picture = _small_picture([day.wh if day.got else None for day in days], "Wh")
    return html(element("div", element("table", element("tbody", *lines)), picture))


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
