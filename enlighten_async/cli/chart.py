"""Charts made of characters: Braille dots where the terminal has them, ASCII elsewhere."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date

from attrs import frozen
from rich.console import Console

MAX_WIDTH = 100
"""Columns of a chart, at most; a wider one says no more."""

AXIS = 7
"""Columns before the chart itself: figures and a rule."""

LEFT, RIGHT = (0, 0x40, 0x44, 0x46, 0x47), (0, 0x80, 0xA0, 0xB0, 0xB8)
"""Braille dots of a cell's two columns, by how many are set from the bottom."""

STEPS = (1, 1.2, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 10)
"""Tops of an axis, times a power of ten; the half of each is short to write."""

EIGHTHS = " ▏▎▍▌▋▊▉"


@frozen
class Glyphs:
    """What charts are made of.

    Attributes:
        columns: values side by side in one cell.
        levels: steps one cell has.
        cell: a cell of so many steps per column.
        full: a full cell of a bar.
        parts: cells of a bar that are full in part, from empty on.
        rule: between axis and chart.
    """

    columns: int
    levels: int
    cell: Callable[..., str]
    full: str
    parts: str
    rule: str


def _braille(left: int, right: int) -> str:
    dots = LEFT[left] | RIGHT[right]
    # The blank pattern is as wide as the others only in good fonts; a space always is.
    return chr(0x2800 | dots) if dots else " "


BRAILLE = Glyphs(2, 4, _braille, "█", EIGHTHS, "┤")
ASCII = Glyphs(1, 2, " .#".__getitem__, "#", " ", "|")


def glyphs(console: Console, environ: Mapping[str, str] = os.environ) -> Glyphs:
    """Return what the terminal can show."""
    # The console of Linux itself speaks UTF-8, but has no Braille in its font.
    plain = environ.get("TERM") in {"linux", "dumb"} or not console.encoding.lower().startswith("utf")
    return ASCII if plain else BRAILLE


def bar(share: float, width: int, look: Glyphs) -> str:
    """Return a bar for a share (0 to 1) of the width."""
    steps = round(min(max(share, 0.0), 1.0) * width * len(look.parts))
    whole, rest = divmod(steps, len(look.parts))
    return look.full * whole + (look.parts[rest] if rest else "")


def thinned(values: Sequence[float | None], count: int) -> list[float | None]:
    """Return at most so many values: means of neighbours; what is unknown takes no part."""
    count = min(count, len(values))
    bins = [values[i * len(values) // count : (i + 1) * len(values) // count] for i in range(count)]
    known = [[value for value in part if value is not None] for part in bins]
    return [sum(part) / len(part) if part else None for part in known]


def area(values: Sequence[float | None], *, top: float, height: int, look: Glyphs) -> list[str]:
    """Return lines, from the top, that fill the area below the values."""
    steps = [math.ceil(min(max(value or 0.0, 0.0) / top, 1.0) * height * look.levels) for value in values]
    steps += [0] * (-len(steps) % look.columns)
    cells = [steps[i : i + look.columns] for i in range(0, len(steps), look.columns)]
    lines = []
    for row in reversed(range(height)):
        base = row * look.levels
        lines.append("".join(look.cell(*(min(max(n - base, 0), look.levels) for n in c)) for c in cells))
    return lines


def daily(days: Sequence[tuple[date, float | None]], *, width: int, height: int, look: Glyphs) -> list[str]:
    """Return a chart of daily figures: an axis at the left, months below."""
    cells = max(min(width, MAX_WIDTH) - AXIS, 8)
    values = thinned([value for _, value in days], cells * look.columns)
    top = _round_up(max((value for value in values if value is not None), default=0.0))
    marks = {0: top, height // 2: top / 2, height - 1: 0.0}
    lines = [
        f"{f'{marks[row]:g}' if row in marks else '':>{AXIS - 2}} {look.rule}{line}".rstrip()
        for row, line in enumerate(area(values, top=top, height=height, look=look))
    ]
    used = -(-len(values) // look.columns)
    return [*lines, (" " * AXIS + _months([day for day, _ in days], used)).rstrip()]


def _months(days: Sequence[date], width: int) -> str:
    """Return the names of months below their first days, as many as there is room for."""
    line = [" "] * width
    free = 0
    for index, day in enumerate(days):
        at = index * width // len(days)
        if day.day == 1 and free <= at <= width - 3:
            line[at : at + 3] = f"{day:%b}"
            free = at + 4
    return "".join(line)


def _round_up(value: float) -> float:
    """Return a round figure at or above a value, for the top of an axis."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(step * unit for step in STEPS if step * unit >= value)
