"""The picture of a month: how much of a fleet's energy is held within how many hours, by policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import log2

from benchmarks.chart import STYLE
from enlighten_async.export.svg import Element, element, html, raw

HOURS = tuple(2.0**power for power in range(-2, 8))
"""Hours of the scale, from a quarter of one on."""
OCTAVE, HEIGHT = 58, 260
"""Pixels of twice the hours, and of all of the energy."""
LEFT, TOP, RIGHT, BOTTOM = 56, 44, 160, 50
"""Pixels around the field of the lines: labels of both scales, the title, and the names of the lines."""
COLOURS = {"naive": "#c9414b", "even": "#d9730d", "ours": "#3b7dd8"}
TITLE = "Part of a month's energy that is held within so many hours of when it could be had"


WIDTH = LEFT + (len(HOURS) - 1) * OCTAVE + RIGHT
WHOLE = TOP + HEIGHT + BOTTOM
Curves = Mapping[tuple[str, str], Sequence[float]]
"""The part of the energy that is held within each of `HOURS`, by fleet and policy."""


def picture(curves: Curves) -> str:
    """Return the picture as SVG, whose hours are in powers of two; of two fleets the second is dashed."""
    title = element("text", TITLE, x=LEFT, y=22)
    size = {"xmlns": "http://www.w3.org/2000/svg", "width": WIDTH, "height": WHOLE}
    box = {"viewBox": f"0 0 {WIDTH} {WHOLE}", "role": "img", "aria_label": TITLE}
    inner = (*_scales(), *_lines(curves), *_names(curves))
    return html(element("svg", raw("style", STYLE), title, *inner, **size, **box)) + "\n"


def _x(hours: float) -> float:
    return round(LEFT + OCTAVE * log2(hours / HOURS[0]), 1)


def _y(part: float) -> float:
    return round(TOP + HEIGHT * (1 - part), 1)


def _dashes(place: int) -> dict[str, str]:
    return {"stroke_dasharray": "6 4"} if place else {}


def _fleets(curves: Curves) -> list[str]:
    return list(dict.fromkeys(fleet for fleet, _ in curves))


def _scales() -> Iterator[Element]:
    for percent in range(0, 101, 25):
        at = _y(percent / 100)
        yield element("line", x1=LEFT, x2=_x(HOURS[-1]), y1=at, y2=at, class_="rule")
        yield element("text", f"{percent} %", x=LEFT - 8, y=at + 4, text_anchor="end")
    for hours in HOURS:
        yield element("text", f"{hours:g}", x=_x(hours), y=WHOLE - 28, text_anchor="middle")
    yield element("text", "hours", x=_x(HOURS[len(HOURS) // 2]), y=WHOLE - 8, text_anchor="middle")


def _lines(curves: Curves) -> Iterator[Element]:
    fleets = _fleets(curves)
    for (fleet, policy), parts in curves.items():
        points = " ".join(f"{_x(hours)},{_y(part)}" for hours, part in zip(HOURS, parts, strict=True))
        yield element("polyline", points=points, stroke=COLOURS[policy], **_dashes(fleets.index(fleet)))


def _names(curves: Curves) -> Iterator[Element]:
    left = _x(HOURS[-1])
    for place, (policy, colour) in enumerate(COLOURS.items()):
        yield element("text", policy, x=left + 50, y=TOP + 22 * place + 8, style=f"fill: {colour}")
    for place, fleet in enumerate(_fleets(curves)):
        at = _y(0.5) + 22 * place
        ends = {"x1": left + 12, "x2": left + 42, "y1": at - 4, "y2": at - 4}
        yield element("line", stroke="#888", stroke_width=2, **ends, **_dashes(place))
        yield element("text", fleet, x=left + 50, y=at)
