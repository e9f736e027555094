"""Tables for other libraries, all extras: Arrow's PyCapsules, data frames of polars and pandas, pyarrow.

The capsules are made with nanoarrow; buffers are not copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from enlighten_async.errors import InputError
from enlighten_async.export.columns import Column, DataType, Field, Table, TypeName, flags_of, values_of
from enlighten_async.lazy import LazyModule
from enlighten_async.windows import time_zone

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow
    from nanoarrow import Schema, c_array_stream
    from nanoarrow.c_array import CArray
    from nanoarrow.c_schema import CSchema
else:  # optional
    c_array_stream = LazyModule("nanoarrow.c_array_stream")

END, START = "end_at", "start_at"
"""Columns of the end and of the start of intervals."""


_NAMES: Final[Mapping[TypeName, str]] = MappingProxyType(
    {
        "bool": "bool_",
        "int16": "int16",
        "int64": "int64",
        "float64": "float64",
        "text": "string",
        "date": "date32",
    }
)
"""Nanoarrow's functions that make types without parameters."""


def load(library: str, extra: str = "arrow") -> Any:
    """Import a library.

    Args:
        library: its name.
        extra: the extra of this package that installs it.

    Raises:
        InputError: it is not installed.
    """
    try:
        return import_module(library)
    except ModuleNotFoundError as error:
        if error.name != library:
            raise
    raise _missing(library, extra)


def require(library: str, extra: str) -> None:
    """Raise `InputError` if a library is not installed; it is not imported, which takes long.

    Args:
        library: its name.
        extra: the extra of this package that installs it.
    """
    if find_spec(library) is None:
        raise _missing(library, extra)


def _missing(library: str, extra: str) -> InputError:
    return InputError(f'{library} is not installed: pip install "enlighten-async[{extra}]"')


def schema_capsule(table: Table) -> object:
    """Return the types of a table's columns as a capsule."""
    return _schema_of(table).__arrow_c_schema__()


def stream_capsule(table: Table) -> object:
    """Return the rows of a table as a capsule, which can be read once."""
    load("nanoarrow")
    schema = _schema_of(table)
    rows = (Column(batch.length, 0, (None,), batch.columns) for batch in table.batches)
    return c_array_stream.CArrayStream.from_c_arrays(
        [_array(schema, each) for each in rows], schema
    ).__arrow_c_stream__()


def _schema_of(table: Table) -> CSchema:
    nanoarrow = load("nanoarrow")
    return nanoarrow.c_schema(
        nanoarrow.Schema(_type(DataType("struct", table.fields)), metadata=dict(table.metadata))
    )


def _type(kind: DataType) -> Schema:
    nanoarrow = load("nanoarrow")
    if kind.name == "timestamp":
        return nanoarrow.timestamp("us", timezone="UTC")
    if kind.name == "struct":
        return nanoarrow.struct([_field(each) for each in kind.children])
    if kind.name == "list":
        return nanoarrow.list_(_field(kind.children[0]))
    return getattr(nanoarrow, _NAMES[kind.name])()


def _field(field: Field) -> Schema:
    """Return a type with a name, whether it allows null, and its metadata."""
    own = {"name": field.name, "nullable": field.nullable, "metadata": dict(field.metadata)}
    return load("nanoarrow").Schema(_type(field.type), **own)


def _array(schema: CSchema, column: Column) -> CArray:
    children = [_array(schema.child(place), child) for place, child in enumerate(column.children)]
    return load("nanoarrow").c_array_from_buffers(
        schema, column.length, column.buffers, column.nulls, children=children, move=True
    )


def to_arrow(table: Table) -> pyarrow.Table:
    """Return a table of pyarrow."""
    load("nanoarrow", "pyarrow")
    return load("pyarrow", "pyarrow").table(table)


def to_polars(table: Table) -> polars.DataFrame:
    """Return a data frame of polars."""
    load("nanoarrow", "polars")
    return load("polars", "polars").DataFrame(table)


def to_pandas(table: Table, stamp: str, tz: str | tzinfo | None) -> pandas.DataFrame:
    """Return a data frame of pandas, made by way of numpy.

    Raises:
        InputError: there is no such time zone or stamp, or rows have no start.
    """
    zone = time_zone(tz) if isinstance(tz, str) else tz
    if not isinstance(zone, tzinfo | None):
        raise InputError(f"tz must be an IANA name or a ZoneInfo, not {type(tz).__name__}")
    if stamp not in ("end", "start"):  # no set: something else may have no hash
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
    """Return the length of the interval of each row; `NaT` where it is not known."""
    numpy = load("numpy", "pandas")
    each = [numpy.array(batch.lengths or [batch.grid or 0], "timedelta64[s]") for batch in table.batches]
    counts = [1 if batch.lengths else batch.length for batch in table.batches]
    pieces = [numpy.repeat(seconds, count) for seconds, count in zip(each, counts, strict=True)]
    lengths = numpy.concatenate(pieces or [numpy.array([], "timedelta64[s]")])
    return numpy.where(lengths, lengths, numpy.timedelta64("NaT"))


def _pandas_column(field: Field, pieces: Sequence[Column]) -> Any:
    """Return the columns of all batches as one array, such as pandas makes its frames of."""
    kind, pandas = field.type.name, load("pandas", "pandas")
    if kind not in _NUMPY_TYPES:
        values = [value for piece in pieces for value in values_of(field.type, piece)]
        dtype = _EXTENSION_TYPES.get(kind, object)
        if dtype == "str" and int(pandas.__version__.split(".")[0]) < 3:
            dtype = object  # before pandas 3, "str" makes the text "None" of null
        return pandas.array(values, dtype=dtype)
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
