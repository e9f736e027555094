"""Tables on a terminal, and the same figures without a frame where they are piped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

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
