"""Encoders: tables as the bytes of a file, in CSV, JSON Lines or Parquet; one table after another."""

from __future__ import annotations

import csv
import io
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from enlighten_async.errors import InputError
from enlighten_async.export.columns import Batch, Column, DataType, Field, Table, TypeName, section, values_of
from enlighten_async.export.escapes import cell, json_ascii
from enlighten_async.export.frames import load, require
from enlighten_async.lazy import LazyModule
from enlighten_async.models.series import to_number

if TYPE_CHECKING:
    import pyarrow
    from pyarrow import parquet
else:  # optional
    parquet = LazyModule("pyarrow.parquet")

ROW_GROUP_ROWS: Final = 65_536
"""Rows of a row group of Parquet: what is held in memory, wherever the parts of the answers begin and end."""

STEP_ROWS: Final = 256
"""Rows that are made into text at a time, a multiple of eight: another thread may wait meanwhile."""

MAX_CELLS: Final = 4_096
"""Texts whose form in CSV is remembered: the serial number of a meter comes with each of its rows."""


class Encoder(ABC):
    """An encoder of one file. The same rows give the same bytes, in however many tables they come."""

    def __init__(self) -> None:
        self.fields: tuple[Field, ...] | None = None

    def encode(self, table: Table) -> bytes:
        """Return the bytes that a further table adds; some may be kept back until later.

        Raises:
            InputError: it has other columns than the tables before.
        """
        if self.fields is None:
            self.fields = table.fields
            return self.begin(table) + self.rows(table)
        if table.fields != self.fields:
            raise InputError(
                "answers of several kinds have different columns: write each kind to a file of its own"
            )
        return self.rows(table)

    @abstractmethod
    def begin(self, table: Table) -> bytes:
        """Return the bytes before the first row."""

    @abstractmethod
    def rows(self, table: Table) -> bytes:
        """Return the bytes of a table's rows."""

    def finish(self) -> bytes:
        """Return the bytes that were kept back, and those of the end."""
        return b""


class CsvEncoder(Encoder):
    """CSV with a line of names, in UTF-8; nothing for null, instants and dates in ISO 8601, UTC."""

    def begin(self, table: Table) -> bytes:
        """Return the line of names."""
        return _csv([[field.name for field in table.fields]])

    def rows(self, table: Table) -> bytes:
        """Return a line for each row; texts cannot be taken for formulas."""
        return b"".join(_csv(rows) for batch in table.batches for rows in _rows(table, batch, CELLS))


class JsonLinesEncoder(Encoder):
    """JSON Lines: an object on each line, null for null, instants and dates in ISO 8601, UTC; in ASCII."""

    def begin(self, table: Table) -> bytes:
        """Return nothing: each line has the names."""
        return b""

    def rows(self, table: Table) -> bytes:
        """Return a line for each row."""
        names = [field.name for field in table.fields]
        encoder = msgspec.json.Encoder()
        lines = []
        for batch in table.batches:
            for rows in _rows(table, batch, TEXTS):
                objects = [dict(zip(names, values, strict=True)) for values in rows]
                lines.append(json_ascii(encoder.encode_lines(objects)).encode())
        return b"".join(lines)


class ParquetEncoder(Encoder):
    """Parquet, by pyarrow, in row groups of `ROW_GROUP_ROWS` rows.

    Types, nulls and units are those of `to_arrow()`; the zone of a system is in the metadata if all rows are
    of that zone.
    """

    def __init__(self) -> None:
        super().__init__()
        require("nanoarrow", "pyarrow")
        require("pyarrow", "pyarrow")
        self._sink = _Sink()
        self._waiting: list[pyarrow.Table] = []
        self._writer: parquet.ParquetWriter | None = None

    def begin(self, table: Table) -> bytes:
        """Return the bytes before the first row group."""
        schema = table.to_arrow().schema
        # Instants differ from row to row: differences are small, and a dictionary of them is not.
        times = [field.name for field in table.fields if field.type.name == "timestamp"]
        self._writer = parquet.ParquetWriter(
            self._sink,
            schema,
            compression="zstd",
            use_dictionary=[field.name for field in table.fields if field.name not in times],
            column_encoding=dict.fromkeys(times, "DELTA_BINARY_PACKED"),
        )
        return self._sink.drain()

    def rows(self, table: Table) -> bytes:
        """Return the row groups that are full by now."""
        rows = table.to_arrow()
        self._waiting.append(rows if self._writer is None else rows.cast(self._writer.schema))
        if sum(map(len, self._waiting)) >= ROW_GROUP_ROWS:
            self._write(ROW_GROUP_ROWS)
        return self._sink.drain()

    def finish(self) -> bytes:
        """Return the last row group and the footer."""
        self._write(1)
        if self._writer is not None:
            self._writer.close()
        return self._sink.drain()

    def _write(self, least: int) -> None:
        """Write row groups while at least so many rows wait."""
        if self._writer is None or not self._waiting:
            return
        rows = load("pyarrow", "pyarrow").concat_tables(self._waiting)
        while len(rows) >= least:
            self._writer.write_table(rows.slice(0, ROW_GROUP_ROWS), row_group_size=ROW_GROUP_ROWS)
            rows = rows.slice(ROW_GROUP_ROWS)
        self._waiting = [rows] if len(rows) else []


class _Sink(io.RawIOBase):
    """The file that pyarrow writes to: its bytes are taken away as they come."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, piece: Any, /) -> int:
        copied = bytes(piece)
        self._pieces.append(copied)
        self._written += len(copied)
        return len(copied)

    def drain(self) -> bytes:
        """Return the bytes that were written since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


ENCODERS: Final[Mapping[str, Callable[[], Encoder]]] = MappingProxyType(
    {"csv": CsvEncoder, "jsonl": JsonLinesEncoder, "parquet": ParquetEncoder}
)
"""Encoders by the names of their formats."""


def _rows(
    table: Table, batch: Batch, shown: Mapping[TypeName, Callable[[Any], object]]
) -> Iterator[list[tuple[object, ...]]]:
    """Yield the rows of a batch, `STEP_ROWS` at a time, some types of them shown in another way."""
    kinds = [field.type for field in table.fields]
    whole = {
        place: _shown(kind, batch.columns[place], shown)
        for place, kind in enumerate(kinds)
        if _has_list(kind)
    }
    for start in range(0, batch.length, STEP_ROWS):
        rows = range(start, min(start + STEP_ROWS, batch.length))
        columns = [
            whole[place][rows.start : rows.stop]
            if place in whole
            else _shown(kind, section(kind, batch.columns[place], rows), shown)
            for place, kind in enumerate(kinds)
        ]
        yield list(zip(*columns, strict=True))
        time.sleep(0)  # lets other threads run: otherwise the interpreter makes them wait for 5 ms


def _has_list(kind: DataType) -> bool:
    return kind.name == "list" or any(_has_list(each.type) for each in kind.children)


def _shown(kind: DataType, column: Column, shown: Mapping[TypeName, Callable[[Any], object]]) -> list[object]:
    values, show = values_of(kind, column), shown.get(kind.name)
    return values if show is None else [None if each is None else show(each) for each in values]


def _csv(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _json_cell(value: object) -> str:
    """Return a value as JSON that is the same where a semicolon divides cells: it stands in texts alone."""
    return json_ascii(msgspec.json.encode(value)).replace(";", "\\u003b")


def _plain(value: Any) -> object:
    """Return a value as JSON has it: instants and dates in ISO 8601."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return to_number(value) if isinstance(value, float) else value


TEXTS: Final[Mapping[TypeName, Callable[[Any], object]]] = MappingProxyType(
    {**dict.fromkeys(("timestamp", "date", "list", "struct"), _plain), "float64": to_number}
)
"""Shows values in JSON: instants and dates in ISO 8601, integral figures as integers, as the service does."""

CELLS: Final[Mapping[TypeName, Callable[[Any], object]]] = MappingProxyType(
    {
        **TEXTS,
        **dict.fromkeys(("bool", "list", "struct"), lambda value: _json_cell(_plain(value))),
        "text": lru_cache(MAX_CELLS)(cell),
    }
)
"""Shows values in the cells of CSV; lists and objects as JSON."""
