"""SVG: charts of numbers, and elements of SVG and HTML, whose texts are escaped when they are written. Pure.

A `chart` is as wide as its place. What it draws is stretched to that width; its labels are not, so that they
can be read on a phone as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from math import floor, isfinite, log10
from typing import TypeAlias
from xml.etree import ElementTree

from attrs import frozen

from enlighten_async.export.escapes import visible

Element: TypeAlias = ElementTree.Element
Child: TypeAlias = Element | str | None

Label: TypeAlias = tuple[float, str]
"""A place on an axis, as a share of its length from 0 to 1, and the text there."""

TICKS = 4
"""Steps of a scale of values, about."""

MANY_LABELS = 6
"""Labels of columns that have room side by side on a phone, at most."""

MANY_BARS = 120
"""Bars that have room for space between them, at most."""


def element(tag: str, *children: Child, **attributes: object) -> Element:
    """Return an element; control and bidirectional characters of its texts are shown by their escapes.

    Args:
        tag: its name.
        children: elements and texts, in order; `None` is left out.
        attributes: its attributes; `_` at the end of a name is cut off (`class_`), any other is `-`
            (`text_anchor`). `None` is left out.
    """
    given = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
    made = Element(tag, {name: visible(str(value)) for name, value in given.items() if value is not None})
    for child in children:
        if isinstance(child, Element):
            made.append(child)
        elif child is not None:
            _add_text(made, visible(child))
    return made


def raw(tag: str, content: str) -> Element:
    """Return an element, such as `style`, whose content is of this package and not escaped."""
    made = Element(tag)
    made.text = content
    return made


def html(root: Element) -> str:
    """Return a tree as HTML (SVG inside it is of HTML's syntax too), texts and attributes escaped."""
    return ElementTree.tostring(root, encoding="unicode", method="html")


def _add_text(parent: Element, text: str) -> None:
    """Add a text after the children that there are."""
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text


@frozen
class Scale:
    """A scale of values from 0.

    Attributes:
        top: its end, a round number; not below any of the values.
        step: the distance of its marks, 1, 2 or 5 times a power of ten.
    """

    top: float
    step: float

    @property
    def marks(self) -> list[float]:
        """The values of its marks, from 0 to the top."""
        return [self.step * number for number in range(round(self.top / self.step) + 1)]


def scale(values: Iterable[float | None]) -> Scale:
    """Return the scale of values; of those that are no figure, or below 0, nothing is shown."""
    highest = max((value for value in values if value is not None and isfinite(value)), default=0.0)
    if highest <= 0:
        return Scale(1.0, 1.0)
    rough = highest / TICKS
    power = 10.0 ** floor(log10(rough))
    step = next((size * power for size in (1, 2, 5) if size * power >= rough), 10 * power)
    return Scale(-(-highest // step) * step, step)


def chart(
    drawn: Element, label: str, *, rows: Sequence[Label] = (), columns: Sequence[Label] = (), class_: str
) -> Element:
    """Return a drawing with labels: of its rows at the left, of its columns below.

    Args:
        drawn: an `svg` of its own.
        label: description of the picture, for those who do not see it.
        rows: labels from the bottom (0) to the top (1), each with a line across.
        columns: labels from the left (0) to the right (1); of many, the style sheet may hide every second.
        class_: class of the style sheet, which gives it a height.
    """
    lines = [
        element("line", x1="0", x2="100%", y1=_percent(1 - at), y2=_percent(1 - at), class_="rule")
        for at, _ in rows
    ]
    beside = [element("text", text, x="-8", y=_percent(1 - at), class_="row") for at, text in rows]
    below = [
        element(
            "text",
            text,
            x=_percent(at),
            y="100%",
            dy="18",
            class_="column spare" if number % 2 and len(columns) > MANY_LABELS else "column",
        )
        for number, (at, text) in enumerate(columns)
    ]
    return element(
        "svg", *lines, drawn, *beside, *below, class_=f"chart {class_}", role="img", aria_label=label
    )


def bars(
    values: Sequence[float | None], titles: Sequence[str], classes: Sequence[str], top: float
) -> Element:
    """Return bars side by side, each with the text that appears when it is pointed at.

    Args:
        values: their heights; none for a null.
        titles: their texts.
        classes: their classes of the style sheet.
        top: the value of the full height.
    """
    drawn, width = [], 0.76 if len(values) <= MANY_BARS else 1
    for place, (value, title, class_) in enumerate(zip(values, titles, classes, strict=True)):
        height = share(value, top) * 100
        # The transparent column makes the text appear also above a low bar.
        column = element("rect", x=place, y="0", width="1", height="100", class_="hit")
        left, above = _short(place + (1 - width) / 2), _short(100 - height)
        bar = element("rect", x=left, y=above, width=width, height=_short(height), class_=class_)
        drawn.append(element("g", element("title", title), column, bar))
    return element("svg", *drawn, **stretched(len(values), 100))


def rods(values: Sequence[float | None], top: float) -> str:
    """Return the path of strokes side by side in a field of 100 rows, as wide as a step; none for a null.

    Args:
        values: their heights.
        top: the value of the full height.
    """
    heights = [share(value, top) * 100 for value in values]
    return "".join(f"M{place}.5 100V{_short(100 - high)}" for place, high in enumerate(heights) if high)


def heat(columns: Sequence[Sequence[int | None]], height: int) -> Element:
    """Return a map of levels: a path for each level, with a stroke for each run of cells.

    Args:
        columns: from the left; each is the levels of its cells from the top, null for nothing.
        height: number of cells in a column.
    """
    strokes: dict[int, list[str]] = defaultdict(list)
    for place, column in enumerate(columns):
        for level, run in groupby(enumerate(column), key=lambda cell: cell[1]):
            cells = [row for row, _ in run]
            if level is not None:
                strokes[level].append(f"M{place} {cells[0]}v{len(cells)}")
    paths = [
        element("path", d="".join(found), class_=f"level-{level}") for level, found in sorted(strokes.items())
    ]
    # A stroke lies on both sides of its line.
    shifted = element("g", *paths, transform="translate(.5 0)")
    ground = element("rect", width="100%", height="100%", class_="none")
    return element("svg", ground, shifted, class_="heat", **stretched(len(columns), height))


def strip(pieces: Iterable[tuple[float, float, str, str]]) -> Element:
    """Return a band of pieces, each with the text that appears when it is pointed at.

    Args:
        pieces: start and end (shares of the whole from 0 to 1), class of the style sheet, text.
    """
    drawn = [
        element(
            "rect",
            element("title", title),
            x=_percent(start),
            width=_percent(end - start),
            height="100%",
            class_=class_,
        )
        for start, end, class_, title in pieces
    ]
    return element("svg", *drawn, width="100%", height="100%")


def curve(values: Sequence[float | None], top: float) -> tuple[str, str]:
    """Return the paths of an area and of its edge in a field of 100 rows, broken where there is no value.

    Args:
        values: heights at steps of 1, null for none.
        top: the value of the full height.
    """
    areas, edges = [], []
    for missing, run in groupby(enumerate(values), key=lambda point: point[1] is None):
        if missing:
            continue
        points = [(place, 100 - 100 * share(value, top)) for place, value in run]
        edge = "L".join(f"{_short(x)} {_short(y)}" for x, y in _wide(points))
        (first, _), *_, (last, _) = _wide(points)
        edges.append(f"M{edge}")
        areas.append(f"M{_short(first)} 100L{edge}L{_short(last)} 100Z")
    return "".join(areas), "".join(edges)


def share(value: float | None, top: float) -> float:
    """Return a value as a share of the top, from 0 to 1; 0 for null."""
    return 0.0 if value is None or not value > 0 else min(1.0, value / top)


def _wide(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """Return points of a line that can be seen: one alone becomes as wide as its step."""
    return points if len(points) > 1 else [(points[0][0] + shift, points[0][1]) for shift in (-0.5, 0.5)]


def stretched(width: int, height: int) -> dict[str, object]:
    """Return the attributes of a drawing that fills its place whatever its shape."""
    box = f"0 0 {max(width, 1)} {height}"
    return {"viewBox": box, "preserveAspectRatio": "none", "width": "100%", "height": "100%"}


def _percent(part: float) -> str:
    return f"{_short(part * 100)}%"


def _short(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")
