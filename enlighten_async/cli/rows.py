"""Rows into a file, CSV or JSON lines; under its own name the file is whole or not there."""

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

from enlighten_async.cli.inputs import FORMATS

Row: TypeAlias = Mapping[str, object]


@define
class Writer:
    """Writes rows and counts them.

    Attributes:
        path: where they can be found in the end; `-` is stdout.
        count: how many were written.
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
def written(path: Path, fields: Sequence[str], say: Callable[[str], None]) -> Iterator[Writer]:
    """Give a writer to a file that appears when the body is done.

    If the body fails, the rows it wrote stay beside it, with `.partial` at the end of the name.

    Args:
        path: its suffix names the format; `-` is CSV on stdout.
        fields: names of the columns.
        say: is told where the rows are that a failure left.

    Raises:
        OSError: the file cannot be written; told before the body begins, if that is known.
    """
    if str(path) == "-":
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")  # as in a file, whatever the terminal can show
        yield _writer(path, sys.stdout, "csv", fields)
        sys.stdout.flush()  # whether it was read is known before anything is said of it
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
            _keep(draft, writer, say)
            raise


def _keep(draft: Path, writer: Writer, say: Callable[[str], None]) -> None:
    """Keep what a failure left, unless it is nothing."""
    if not writer.count:
        draft.unlink()
        return
    writer.path = writer.path.with_name(f"{writer.path.name}.partial")
    draft.replace(writer.path)
    say(f"what arrived before the failure, {writer.count:,} rows, is in {writer.path}")


def _writer(path: Path, file: IO[str], form: str, fields: Sequence[str]) -> Writer:
    if form == "jsonl":
        return Writer(path, lambda row: file.write(f"{json.dumps(row)}\n"))
    table = csv.DictWriter(file, fields, lineterminator="\n")
    table.writeheader()
    return Writer(path, table.writerow)
