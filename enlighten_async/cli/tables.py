"""Tables on a terminal, and the same figures without a frame where they are piped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from enlighten_async.cli.chart import MAX_WIDTH, bar, glyphs
from enlighten_async.cli.failures import plain

COLOUR = "yellow"
"""Of bars and charts."""


def table(console: Console, *headings: str, right: Iterable[int] = (), wraps: Iterable[int] = ()) -> Table:
    """Return an empty table.

    Args:
        console: where it will be shown.
        headings: of its columns; one without a heading holds bars.
        right: which columns hold figures.
        wraps: which columns hold texts, that go on in the next line where the terminal is narrow.
    """
    made = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    for index, heading in enumerate(headings):
        made.add_column(
            heading,
            justify="right" if index in set(right) else "left",
            style="" if heading else COLOUR,
            no_wrap=index not in set(wraps),
            overflow="fold",
        )
    return made


def row(made: Table, cells: Sequence[object]) -> None:
    """Add a row; what strangers wrote in it cannot steer the terminal."""
    made.add_row(*("" if cell is None else Text(plain(str(cell))) for cell in cells))


def barred(
    console: Console,
    headings: Sequence[str],
    rows: Sequence[Sequence[object]],
    values: Sequence[float],
    *,
    width: int = MAX_WIDTH,
) -> Table:
    """Return a table of figures with a bar at the end of each row.

    Args:
        console: where it will be shown.
        headings: of the columns before the bars; all but the first hold figures.
        rows: their cells.
        values: what the bars show; a row without one has no bar.
        width: of the whole table, at most.
    """
    look, top = glyphs(console), max(values, default=0.0) or 1.0

    def filled(room: int) -> Table:
        made = table(console, *headings, "", right=range(1, len(headings)))
        for index, cells in enumerate(rows):
            share = values[index] / top if index < len(values) else 0.0
            row(made, [*cells, bar(share, room, look)])
        return made

    # The bars get what the figures leave: a figure is never cut.
    figures = console.measure(filled(0)).maximum
    return filled(max(0, min(console.width, width) - figures))
