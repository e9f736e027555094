"""Data frames of tables: of polars and of pandas; and tables of pyarrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from enlighten_async.errors import InputError
from enlighten_async.export.columns import flags_of, values_of
from enlighten_async.export.extras import load
from enlighten_async.export.table import Column, Field, Table, TypeName
from enlighten_async.windows import time_zone

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

END, START = "end_at", "start_at"
"""Columns of the end and of the start of intervals."""


def to_arrow(table: Table) -> pyarrow.Table:
    """Return a table of pyarrow."""
    load("nanoarrow", "pyarrow")
    return load("pyarrow", "pyarrow").table(table)


def to_polars(table: Table) -> polars.DataFrame:
    """Return a data frame of polars."""
    load("nanoarrow", "polars")
    return load("polars", "polars").DataFrame(table)


def to_pandas(table: Table, stamp: str, tz: str | None) -> pandas.DataFrame:
    """Return a data frame of pandas, made by way of numpy.

    Raises:
        InputError: there is no such time zone or stamp, or rows have no start.
    """
    zone = None if tz is None else time_zone(tz)
    if stamp not in {"end", "start"}:
        raise InputError(f"stamp must be 'end' or 'start', not {stamp!r}")
    if stamp == "start" and not table.of_intervals:
        raise InputError("these rows are no intervals and have no start: leave out stamp='start'")
    pandas = load("pandas", "pandas")
    columns = {
        field.name: _pandas_column(field, [batch.columns[place] for batch in table.batches])
        for place, field in enumerate(table.fields)
    }
    frame = pandas.DataFrame(columns, copy=False)
    if stamp == "start":
        frame[END] -= _grids(table)
        frame = frame.rename(columns={END: START})
    for field in table.fields if zone else ():
        if field.type.name == "timestamp":
            name = START if field.name == END and stamp == "start" else field.name
            frame[name] = frame[name].dt.tz_convert(zone)
    return frame


def _grids(table: Table) -> Any:
    """Return the length of the interval of each row."""
    numpy = load("numpy", "pandas")
    seconds = numpy.array([batch.grid for batch in table.batches], "timedelta64[s]")
    return numpy.repeat(seconds, [batch.length for batch in table.batches])


def _pandas_column(field: Field, pieces: Sequence[Column]) -> Any:
    """Return the columns of all batches as one array, such as pandas makes its frames of."""
    kind, pandas = field.type.name, load("pandas", "pandas")
    if kind not in _NUMPY_TYPES:
        values = [value for piece in pieces for value in values_of(field.type, piece)]
        return pandas.array(values, dtype=_EXTENSION_TYPES.get(kind, object))
    values = _numbers(kind, pieces)
    if not field.nullable or kind == "float64":  # whose null is NaN
        return _instants(values) if kind == "timestamp" else values
    absent = _absent(pieces)
    if kind == "int64":
        return pandas.arrays.IntegerArray(values, absent)
    values = values.copy()
    values[absent] = "NaT"
    return _instants(values) if kind == "timestamp" else values


def _numbers(kind: TypeName, pieces: Sequence[Column]) -> Any:
    """Return the values of all batches, without a copy of those of a single one."""
    numpy = load("numpy", "pandas")
    stored, shown = _NUMPY_TYPES[kind]
    arrays = [numpy.frombuffer(piece.buffers[1], stored) for piece in pieces]
    whole = arrays[0] if len(arrays) == 1 else numpy.concatenate([numpy.empty(0, stored), *arrays])
    return whole.astype("datetime64[D]").astype(shown) if kind == "date" else whole.view(shown)


def _absent(pieces: Sequence[Column]) -> Any:
    """Return a flag for each value that is null."""
    numpy = load("numpy", "pandas")
    flags = b"".join(
        bytes([1]) * each.length if each.buffers[0] is None else flags_of(bytes(each.buffers[0]), each.length)
        for each in pieces
    )
    return numpy.frombuffer(flags, "bool") == 0


def _instants(values: Any) -> Any:
    return load("pandas", "pandas").DatetimeIndex(values, copy=False).tz_localize("UTC")


_NUMPY_TYPES: Final[Mapping[TypeName, tuple[str, str]]] = MappingProxyType(
    {
        "int16": ("int16", "int16"),
        "int64": ("int64", "int64"),
        "float64": ("float64", "float64"),
        "date": ("int32", "datetime64[us]"),
        "timestamp": ("int64", "datetime64[us]"),
    }
)
"""Numpy's types of the buffer and of the values."""

_EXTENSION_TYPES: Final[Mapping[TypeName, str]] = MappingProxyType({"bool": "boolean", "text": "str"})
"""The types of pandas for values of Python."""
