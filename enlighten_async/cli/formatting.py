"""Formatting: figures, receipts, coverage and tables as text for a terminal or a pipe."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from shutil import get_terminal_size
from textwrap import fill
from types import NoneType

import click
from rich import box
from rich.console import Console, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from enlighten_async.export.escapes import visible
from enlighten_async.models import Coverage, Gap, Reason, Receipt
from enlighten_async.models.convert import ToDict

SIZE_PREFIXES = "kMGT"
"""Prefixes of byte sizes: thousands, millions, and so on."""

BAR_STYLE = "yellow"

NOTHING: tuple[object, ...] = (None, "", (), [])
"""Values that are not worth a line of their own."""

LATER = frozenset(
    {
        *("id", "system_public_name", "product_name", "part_number", "sku", "connection_type", "meta_status"),
        *("country", "state", "postal_code", "modules", "size_w", "source", "manufacturer"),
    }
)
"""Columns that come after the others, where not all of them may fit."""

NUMBERS = (int, float, NoneType)

MAX_CELL_COLUMNS, CELL_GAP_COLUMNS, MAX_SHORT = 24, 3, 1e6
"""Columns that a text may claim in a crowded table, and those between two cells; the largest short number."""

INDENT = "  "
"""Indentation of the rest of a line that is too long for the terminal."""

_LINE = str.maketrans(dict.fromkeys("\t\n\r", " "))


def printable(text: str) -> str:
    """Return a text as one line, its control and bidirectional characters shown by their escapes."""
    return visible(text.translate(_LINE)).strip()


def wrapped(text: str, columns: int) -> str:
    """Return one line as several that a terminal has room for; no word of it is broken, and so no address."""
    return fill(text, columns, subsequent_indent=INDENT, break_long_words=False, break_on_hyphens=False)


def tell(text: str) -> None:
    """Print one line on stderr, which a terminal shows without breaking a word."""
    line = printable(text)
    at_terminal = sys.stderr is not None and sys.stderr.isatty()
    click.echo(wrapped(line, get_terminal_size().columns) if at_terminal else line, err=True)


def number(count: float) -> str:
    """Return a count with separators of thousands."""
    return f"{count:,.0f}"


def count(number_of: int, noun: str) -> str:
    """Return a count of things: "1 row", "1,000 rows"."""
    return f"{number(number_of)} {noun}{'' if number_of == 1 else 's'}"


def size(count: int) -> str:
    """Return a number of bytes, in units of 1,000."""
    if count < 1000:
        return f"{count} B"
    power = min((len(str(count)) - 1) // 3, len(SIZE_PREFIXES))
    return f"{count / 1000**power:,.1f} {SIZE_PREFIXES[power - 1]}B"


def kwh(wh: float) -> str:
    """Return an energy (Wh) in kWh."""
    return f"{wh / 1000:,.1f}"


def duration(span: timedelta) -> str:
    """Return a span of time in minutes and seconds, or in days from two days on."""
    seconds = round(span.total_seconds())
    if seconds >= 2 * 86_400:
        return f"{seconds / 86_400:.1f} days"
    return f"{seconds // 60} min {seconds % 60:02} s" if seconds >= 60 else f"{seconds} s"


def left(counts: Mapping[str, int]) -> str:
    """Return the requests left of a plan, by period."""
    return "left " + ", ".join(f"{number(count)} this {period}" for period, count in counts.items())


def receipt(spent: Receipt) -> str:
    """Return a receipt in one line."""
    parts = [f"sent {number(spent.sent)}", f"rejected {number(spent.rejected)}"]
    if spent.from_cache:
        parts.append(f"from cache {number(spent.from_cache)}")
    if spent.retried:
        parts.append(f"retried {number(spent.retried)}")
    waits = [
        f"{duration(timedelta(seconds=seconds))} ({reason})"
        for reason, seconds in spent.waited.items()
        if seconds >= 1
    ]
    if waits:
        parts.append(f"waited {' + '.join(waits)}")
    if spent.left:
        parts.append(left(spent.left))
    return ", ".join(parts)


def coverage(covered: Coverage) -> str:
    """Return a coverage in one line."""
    state = "complete" if covered.complete else "incomplete"
    if covered.is_empty:
        state = "nothing there"
    counts = f"{number(covered.got)} of {number(covered.expected)} intervals"
    return f"{state}: {counts}{by_reason(missing(covered.gaps(), covered.grid))}"


def missing(gaps: Iterable[Gap], grid: int) -> Counter[str]:
    """Return the number of missing intervals by reason.

    Args:
        gaps: the gaps of a coverage.
        grid: length of an interval in seconds.
    """
    counts: Counter[str] = Counter()
    for gap in gaps:
        counts[gap.reason.value] += gap.window.seconds // grid
    return counts


def by_reason(counts: Mapping[str, int] | Mapping[Reason, int]) -> str:
    """Return counts of missing intervals by reason, in brackets; an empty text if there are none."""
    if not counts:
        return ""
    return f" ({', '.join(f'{reason} {number(count)}' for reason, count in counts.items())})"


def table(console: Console, *headings: str, right: Iterable[int] = (), wraps: Iterable[int] = ()) -> Table:
    """Return an empty table: with rules on a terminal, without where it is piped.

    Args:
        console: the console that will print it.
        headings: headings of its columns.
        right: indexes of the columns that hold figures.
        wraps: indexes of the columns whose texts may continue on the next line of a narrow terminal.
    """
    empty = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    for index, heading in enumerate(headings):
        empty.add_column(
            heading,
            justify="right" if index in set(right) else "left",
            no_wrap=index not in set(wraps),
            overflow="fold",
        )
    return empty


def add_row(rows: Table, cells: Iterable[object]) -> None:
    """Add a row to a table; texts of other people in it cannot steer the terminal."""
    rows.add_row(*map(_cell, cells))


def facts(console: Console, names: Sequence[str], values: Sequence[object]) -> Table:
    """Return one object as a table of names and values, those it does not have left out."""
    empty = table(console, "", "", wraps=[1])
    empty.show_header = False
    for name, value in zip(names, values, strict=True):
        if value not in NOTHING:
            add_row(empty, [name, value])
    return empty


def fitted(
    console: Console, names: Sequence[str], rows: Sequence[Sequence[object]]
) -> tuple[Table, list[str]]:
    """Return a table of the columns that the console has room for, and the names of the others.

    Columns without any value are left out of both. On a terminal those of `LATER` are the first to go, and
    the system is not repeated in each row, if all are of one.
    """
    columns = list(zip(*([shown(value) for value in row] for row in rows), strict=True))
    used = [place for place, column in enumerate(columns) if any(column)]
    if console.is_terminal:
        used.sort(key=lambda place: names[place] in LATER)
        repeated = len(rows) > 1 and len(used) > 1 and len(set(columns[used[0]])) == 1
        used = used[1:] if repeated and names[used[0]] == "system_id" else used
    edges = 2 if console.is_terminal else 0
    room, kept = console.width + CELL_GAP_COLUMNS - edges, list[int]()
    for place in used:
        room -= min(max(len(names[place]), *map(len, columns[place])), MAX_CELL_COLUMNS) + CELL_GAP_COLUMNS
        if room < 0 and kept:
            break
        kept.append(place)
    right = [at for at, place in enumerate(kept) if all(isinstance(row[place], NUMBERS) for row in rows)]
    texts = [at for at in range(len(kept)) if at not in right]
    filled = table(console, *(names[place] for place in kept), right=right, wraps=texts)
    for row in zip(*(columns[place] for place in kept), strict=True):
        add_row(filled, row)
    return filled, [names[place] for place in used if place not in kept]


def shown(value: object) -> str:
    """Return a value as it is shown in a table: instants in UTC, to the minute."""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}Z"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}" if abs(value) < MAX_SHORT else f"{value:.0f}"
    if isinstance(value, tuple | list):
        return ", ".join(map(shown, value))
    if isinstance(value, ToDict):
        return ", ".join(f"{name} {it}" for name, it in value.to_dict().items() if it not in NOTHING)
    return "" if value is None else printable(str(value))


def bar_table(
    console: Console,
    headings: Sequence[str],
    rows: Sequence[Sequence[object]],
    values: Sequence[float],
    *,
    max_columns: int,
) -> Table:
    """Return a table with a bar at the end of each row, if the console has room for bars.

    Args:
        console: the console that will print it.
        headings: headings of the columns before the bars; all but the first hold figures.
        rows: cells of these columns.
        values: values that the bars show; a row without a value has no bar.
        max_columns: columns of the whole table, at most.
    """
    top = max(values, default=0.0) or 1.0

    def with_bars(columns: int) -> Table:
        bars = [
            ProgressBar(top, value, columns, complete_style=BAR_STYLE, finished_style=BAR_STYLE)
            for value in (values if columns else ())
        ]
        filled = table(console, *headings, *([""] if columns else []), right=range(1, len(headings)))
        for index, cells in enumerate(rows):
            add_row(filled, [*cells, *bars[index : index + 1]])
        return filled

    # The bars get the room that the figures leave: rich would take it from the figures.
    needed = console.measure(with_bars(1)).maximum - 1
    return with_bars(max(0, min(console.width, max_columns) - needed))


def _cell(value: object) -> RenderableType:
    if isinstance(value, ProgressBar):
        return value
    return Text(shown(value))
