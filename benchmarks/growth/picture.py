"""The picture of growth: what one row, or one query, costs among more and more of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from math import ceil, floor, log10

from benchmarks.chart import STYLE
from enlighten_async.export.svg import Element, element, html, raw

DECADE_X, DECADE_Y, GAP = 90, 56, 17
"""Pixels of a power of ten to the right and upwards, and between two labels."""
LEFT, TOP, RIGHT, BOTTOM = 64, 44, 190, 50
"""Pixels around the field of the lines: labels of both scales, the title, and the names of the lines."""
COLOURS = ("#3b7dd8", "#d9730d", "#2f9e6e", "#a55cc9", "#c9414b", "#8a7a1f", "#5f6b7a")

TITLE = "Microseconds of CPU for each: a level line is a cost that does not grow"


def picture(figures: Mapping[str, Mapping[int, float]]) -> str:
    """Return the picture as SVG, both of whose scales are powers of ten.

    Args:
        figures: CPU of one in microseconds, by job and by the number of all.
    """
    found = [cpu for each in figures.values() for cpu in each.values()]
    low, high = floor(log10(min(found))), ceil(log10(max(found)))
    last = round(log10(max(number for each in figures.values() for number in each)))
    width, height = LEFT + last * DECADE_X + RIGHT, TOP + (high - low) * DECADE_Y + BOTTOM

    def x(number: float) -> float:
        return round(LEFT + DECADE_X * log10(number), 1)

    def y(cpu: float) -> float:
        return round(TOP + DECADE_Y * (high - log10(cpu)), 1)

    def scales() -> Iterator[Element]:
        for power in range(low, high + 1):
            at = y(10.0**power)
            yield element("line", x1=LEFT, x2=x(10**last), y1=at, y2=at, class_="rule")
            yield element("text", f"{10.0**power:,g}", x=LEFT - 10, y=at + 4, text_anchor="end")
        for power in range(last + 1):
            yield element("text", f"{10**power:,}", x=x(10**power), y=height - 28, text_anchor="middle")
        yield element("text", "rows, or queries", x=x(10 ** (last / 2)), y=height - 8, text_anchor="middle")

    ends = {job: y(each[max(each)]) for job, each in figures.items()}
    names = sorted(ends, key=lambda job: ends[job])
    places = accumulate((ends[job] for job in names), lambda above, wanted: max(above + GAP, wanted))

    def lines() -> Iterator[Element]:
        for place, job, colour in zip(places, names, COLOURS, strict=False):
            points = " ".join(f"{x(number)},{y(cpu)}" for number, cpu in figures[job].items())
            yield element("polyline", points=points, stroke=colour)
            yield element("text", job, x=x(max(figures[job])) + 12, y=place + 4, style=f"fill: {colour}")

    title = element("text", TITLE, x=LEFT, y=22)
    size = {"xmlns": "http://www.w3.org/2000/svg", "width": width, "height": height}
    box = {"viewBox": f"0 0 {width} {height}", "role": "img", "aria_label": TITLE}
    return html(element("svg", raw("style", STYLE), title, *scales(), *lines(), **size, **box)) + "\n"
