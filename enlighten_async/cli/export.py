"""Export: rows in a file, CSV or JSON lines, which gets its name only when it is whole."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeAlias

from attrs import define

from enlighten_async.cli.formatting import visible
from enlighten_async.cli.params import FORMATS

Row: TypeAlias = Mapping[str, object]

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # noqa: RUF001 - some take the wide ones
"""Beginnings of a text that a spreadsheet takes for a formula."""

STDOUT_CLOSED = "stdout is closed: write to a file with -o, or leave stdout open"

APOSTROPHE, LINE_FEED = "'", "\n"


@define
class Writer:
    """A writer of rows, which counts them.

    Attributes:
        path: the file that has the rows in the end; `-` is stdout.
        write_row: writes one row.
        count: number of rows written.
    """

    path: Path
    write_row: Callable[[Row], object]
    count: int = 0

    def write_all(self, rows: Iterable[Row]) -> None:
        """Write rows."""
        for row in rows:
            self.write_row(row)
            self.count += 1


@contextmanager
def export_to(path: Path, fields: Sequence[str], report: Callable[[str], None]) -> Iterator[Writer]:
    """Yield a writer of a file that appears once the body is done.

    If the body fails, the rows written so far stay beside it, in a file whose name ends with `.partial`:
    they were paid for.

    Args:
        path: the file; its suffix is the format; `-` is CSV on stdout.
        fields: names of the columns.
        report: called with a line that names the partial file.

    Raises:
        OSError: the file cannot be written; raised before the body begins, if that is known by then.
    """
    if str(path) == "-":
        if sys.stdout is None:
            raise OSError(errno.EBADF, STDOUT_CLOSED)
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")  # as in a file: the terminal's encoding does not matter
        yield _writer(path, sys.stdout, "csv", fields)
        sys.stdout.flush()  # a reader that has gone is noticed before the rows are reported
        return
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "make this folder, or name another one", str(path.parent))
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with draft.open("w", encoding="utf-8", newline="") as file:
        writer = _writer(path, file, FORMATS[path.suffix.lower()], fields)
        try:
            yield writer
            file.flush()
            draft.replace(path)
        except BaseException:
            file.flush()
            _keep_partial(draft, writer, report)
            raise


def _keep_partial(draft: Path, writer: Writer, report: Callable[[str], None]) -> None:
    """Keep the rows written before a failure, if there are any."""
    if not writer.count:
        draft.unlink()
        return
    writer.path = writer.path.with_name(f"{writer.path.name}.partial")
    draft.replace(writer.path)
    report(f"the {writer.count:,} rows that arrived before the failure are in {writer.path}")


def _writer(path: Path, file: IO[str], format_name: str, fields: Sequence[str]) -> Writer:
    if format_name == "jsonl":
        return Writer(path, lambda row: file.write(f"{json.dumps(row)}\n"))
    table = csv.DictWriter(file, fields, lineterminator="\n")
    table.writeheader()
    return Writer(path, lambda row: table.writerow({name: cell(value) for name, value in row.items()}))


def cell(value: object) -> object:
    """Return a value for CSV: a text that a spreadsheet would run gets an apostrophe before it.

    Control and bidirectional characters are shown by their escapes; line feeds, which CSV quotes, stay.
    """
    if not isinstance(value, str):
        return value
    return f"{APOSTROPHE * value.startswith(FORMULAS)}{visible(value, kept=LINE_FEED)}"
