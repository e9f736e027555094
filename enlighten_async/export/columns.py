"""Tables: named, typed columns in batches, laid out in memory as Apache Arrow has them; and their making.

A table is the one value between answers and formats: `answers` makes it, `frames` and `encoders` hand it on.
Its columns are made of those of series, without a copy where that can be, and of values. Nothing of it needs
a library.
"""

from __future__ import annotations

import datetime
import sys
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, chain, pairwise
from types import MappingProxyType
from typing import Any, Final, Literal, Self, TypeAlias

from attrs import evolve, field, frozen

from enlighten_async.models.series import NAN
from enlighten_async.models.tabular import Tabular

_MICROSECONDS = 1_000_000
_MICROSECOND = datetime.timedelta(microseconds=1)
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_EPOCH_DAY = datetime.date(1970, 1, 1).toordinal()
_DIGITS, _FLAGS = bytes.maketrans(b"\0\1", b"01"), bytes.maketrans(b"01", b"\0\1")
_INT64 = range(-(2**63), 2**63)

Buffer: TypeAlias = "array[int] | array[float] | bytes"
"""Memory of a column, which is handed on without a copy."""

TypeName: TypeAlias = Literal[
    "bool", "int16", "int64", "float64", "text", "date", "timestamp", "list", "struct"
]

ZONE: Final = "timezone"
"""In the metadata of a table: IANA name of the system's time zone, in which its local days are meant."""

UNIT: Final = "unit"
"""In the metadata of a field: the unit of its values."""


@frozen
class DataType:
    """The type of a column."""

    name: TypeName
    """The kind: "timestamp" is microseconds of UTC, "date" a local day, "text" UTF-8."""
    children: tuple[Field, ...] = ()
    """Of a list its item, of a struct its fields."""


@frozen
class Field:
    """The description of a column."""

    name: str
    """Its name, that of the attribute which holds the value."""
    type: DataType
    """Its type."""
    nullable: bool = True
    """Whether a value may be null."""
    metadata: Mapping[str, str] = MappingProxyType({})
    """Such as its unit: "W", "Wh", "%", "s"."""


@frozen(eq=False)
class Column:
    """Values of one type, in Arrow's layout."""

    length: int
    """Number of values."""
    nulls: int
    """Number of nulls among them."""
    buffers: tuple[Buffer | None, ...] = field(repr=False)
    """Bits of validity, `None` without nulls; then offsets, if the type has any; then values."""
    children: tuple[Column, ...] = ()
    """The columns of a list's items, or of a struct's fields."""


@frozen(eq=False)
class Batch:
    """Rows of a table: a column for each of its fields."""

    length: int
    """Number of rows."""
    columns: tuple[Column, ...] = field(repr=False)
    """The columns, in the order of the fields."""
    grid: int | None = None
    """Seconds from one interval to the next; `None` where rows are no intervals."""
    lengths: Sequence[int] | None = field(default=None, repr=False)
    """Seconds of each row's interval where they differ, 0 where they are not known."""


@frozen(eq=False)
class Table(Tabular):
    """The rows of one answer or of several, as typed columns.

    It has `__arrow_c_stream__`, so that polars, DuckDB, pyarrow and others read it as it is.
    """

    fields: tuple[Field, ...]
    """Descriptions of its columns, the same for all answers of a kind."""
    batches: tuple[Batch, ...]
    """Its rows, those of each answer together."""
    metadata: Mapping[str, str] = MappingProxyType({})
    """Such as the time zone of the system."""

    def __len__(self) -> int:
        return sum(batch.length for batch in self.batches)

    @property
    def of_intervals(self) -> bool:
        """Whether each row is of an interval, which has a start."""
        return all(batch.grid is not None for batch in self.batches)

    def _table(self) -> Self:
        return self


def joined(tables: Sequence[Table]) -> Table:
    """Return tables with the same fields, at least one, as one; metadata is kept where all have the same."""
    first = tables[0]
    shared = {
        key: value
        for key, value in first.metadata.items()
        if all(each.metadata.get(key) == value for each in tables)
    }
    return evolve(first, batches=tuple(batch for each in tables for batch in each.batches), metadata=shared)


def bits(flags: bytes) -> bytes:
    """Return bytes of 0 and 1 as bits, the first one lowest, as Arrow packs them."""
    digits = flags[::-1].translate(_DIGITS)
    return int(digits or b"0", 2).to_bytes(-(-len(flags) // 8), "little")


def flags_of(packed: bytes, count: int) -> bytes:
    """Return the first of packed bits as bytes of 0 and 1."""
    digits = f"{int.from_bytes(packed, 'little'):0{count}b}"[::-1][:count] if count else ""
    return digits.encode().translate(_FLAGS)


def _validity(flags: bytes) -> tuple[int, bytes | None]:
    """Return the number of nulls, and the bits that tell them, of a flag for each value that is not one."""
    nulls = flags.count(0)
    return nulls, bits(flags) if nulls else None


# Columns of a series: arrays of numbers


def timestamps(seconds: array[int]) -> Column:
    """Return epoch seconds, each less than 2**40, as timestamps."""
    # All of them are multiplied as one number: none of the products reaches into the next one's 64 bits.
    # That is a quarter of the time of as many multiplications.
    product = int.from_bytes(seconds.tobytes(), sys.byteorder) * _MICROSECONDS
    microseconds = array("q", product.to_bytes(8 * len(seconds), sys.byteorder))
    return Column(len(seconds), 0, (None, microseconds))


def small_integers(values: array[int]) -> Column:
    """Return 16-bit integers, without a copy."""
    return Column(len(values), 0, (None, values))


def floats(values: array[float]) -> Column:
    """Return 64-bit floats, NaN as null, without a copy."""
    nulls, validity = _validity(_finite(values))
    return Column(len(values), nulls, (validity, values))


def integers(values: array[float]) -> Column:
    """Return integers that are kept as floats, NaN as null."""
    flags = _finite(values)
    nulls, validity = _validity(flags)
    return Column(len(values), nulls, (validity, _whole(_filled(values, flags) if nulls else values)))


def _finite(values: array[float]) -> bytes:
    """Return a flag for each float: 0 where all eleven bits of the exponent are set, as those of NaN are.

    They are in the two highest bytes. To look at these for all values at once takes a tenth of the time of
    looking at each value.
    """
    high = values.tobytes()[_HIGHEST::8].translate(_NOT_ALL_OF_SEVEN)
    low = values.tobytes()[_SECOND::8].translate(_NOT_ALL_OF_FOUR)
    flags = int.from_bytes(high, "little") | int.from_bytes(low, "little")
    return flags.to_bytes(len(values), "little")


_HIGHEST, _SECOND = (7, 6) if sys.byteorder == "little" else (0, 1)
_NOT_ALL_OF_SEVEN = bytes(byte & 0x7F != 0x7F for byte in range(256))
_NOT_ALL_OF_FOUR = bytes(byte & 0xF0 != 0xF0 for byte in range(256))


def _filled(values: array[float], flags: bytes) -> array[float]:
    """Return values with another one in place of each null; it does not matter which."""
    filled, place = values[:], flags.find(0)
    there = flags.find(1)
    other = values[there] if there >= 0 else 0.0
    while place >= 0:
        filled[place] = other
        place = flags.find(0, place + 1)
    return filled


def _whole(values: array[float]) -> array[int]:
    first = values[:1]
    if values.tobytes() == first.tobytes() * len(values):  # such as a count of devices that all report
        return array("q", map(int, first)) * len(values)
    return array("q", map(float.__trunc__, values))


# Columns of one value


def repeated(value: int | str | None, count: int) -> Column:
    """Return one integer or text, as often as that; the rows of one system, say."""
    if isinstance(value, int):
        return Column(count, 0, (None, array("q", [value]) * count))
    text = _utf8(value or "")
    offsets = array("i", range(0, len(text) * (count + 1), len(text)) if text else [0] * (count + 1))
    nulls, validity = _validity(bytes([value is not None]) * count)
    return Column(count, nulls, (validity, offsets, text * count))


# Columns of Python's values


def column_of(kind: DataType, values: Sequence[object]) -> Column:
    """Return values, `None` as null, as a column of a type; an integer beyond 64 bits is null."""
    if kind.name == "int64":
        values = [each if isinstance(each, int) and each in _INT64 else None for each in values]
    nulls, validity = _validity(bytes(each is not None for each in values))
    buffers, children = _LAYOUTS.get(kind.name, _plain)(kind, values)
    return Column(len(values), nulls, (validity, *buffers), children)


def _plain(kind: DataType, values: Sequence[object]) -> _Layout:
    return (_BUFFERS[kind.name](values),), ()


def _text(_: DataType, values: Sequence[object]) -> _Layout:
    texts = [_utf8("" if each is None else str(each)) for each in values]
    return (_offsets(texts), b"".join(texts)), ()


def _list(kind: DataType, values: Sequence[object]) -> _Layout:
    lists: list[Sequence[object]] = [each if isinstance(each, tuple) else () for each in values]
    items = column_of(kind.children[0].type, list(chain.from_iterable(lists)))
    return (_offsets(lists),), (items,)


def _struct(kind: DataType, values: Sequence[object]) -> _Layout:
    children = (
        column_of(each.type, [getattr(value, each.name, None) for value in values]) for each in kind.children
    )
    return (), tuple(children)


def _offsets(values: Iterable[Sequence[object]]) -> array[int]:
    return array("i", accumulate(map(len, values), initial=0))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")  # half of a surrogate pair, which JSON can hold, is no text


def _days(values: Iterable[Any]) -> array[int]:
    return array("i", [0 if each is None else each.toordinal() - _EPOCH_DAY for each in values])


def _instants(values: Iterable[Any]) -> array[int]:
    return array("q", [0 if each is None else (each - _EPOCH) // _MICROSECOND for each in values])


_Layout: TypeAlias = tuple[tuple[Buffer, ...], tuple[Column, ...]]
"""Buffers of a column but for its validity, and its children."""

_LAYOUTS: Final[Mapping[TypeName, Callable[[DataType, Sequence[object]], _Layout]]] = MappingProxyType(
    {"text": _text, "list": _list, "struct": _struct}
)

_BUFFERS: Final[Mapping[TypeName, Callable[[Iterable[Any]], Buffer]]] = MappingProxyType(
    {
        "bool": lambda values: bits(bytes(map(bool, values))),
        "int64": lambda values: array("q", [each or 0 for each in values]),
        "float64": lambda values: array("d", [NAN if each is None else each for each in values]),
        "date": _days,
        "timestamp": _instants,
    }
)
"""Makes the buffer of the values of a type that has no other."""


# And back


def section(kind: DataType, column: Column, rows: range) -> Column:
    """Return some rows of a column without lists; the number of the first of them is a multiple of eight."""
    validity, *buffers = column.buffers
    packed = slice(rows.start // 8, -(-rows.stop // 8))
    if kind.name == "bool":
        buffers = [buffer and buffer[packed] for buffer in buffers]
    elif buffers:  # offsets of texts count from the beginning of all of them
        more = kind.name == "text"
        buffers[0] = buffers[0] and buffers[0][rows.start : rows.stop + more]
    pairs = zip(kind.children, column.children, strict=True)
    children = tuple(section(each.type, child, rows) for each, child in pairs)
    bits_ = None if validity is None else validity[packed]
    return Column(len(rows), column.nulls, (bits_, *buffers), children)


def values_of(kind: DataType, column: Column) -> list[object]:
    """Return a column as Python's values, null as `None`; a struct is a dictionary."""
    validity, *buffers = column.buffers
    read = _READERS.get(kind.name, _numbers)
    values = read(kind, column, buffers)
    if validity is None:
        return values
    there = flags_of(bytes(validity), column.length)
    return [value if valid else None for value, valid in zip(values, there, strict=True)]


def _numbers(_: DataType, __: Column, buffers: Sequence[Any]) -> list[object]:
    return list(buffers[0])


def _read_bools(_: DataType, column: Column, buffers: Sequence[Any]) -> list[object]:
    return list(map(bool, flags_of(buffers[0], column.length)))


def _read_texts(_: DataType, __: Column, buffers: Sequence[Any]) -> list[object]:
    offsets, data = buffers
    return [data[start:end].decode() for start, end in pairwise(offsets)]


def _read_days(_: DataType, __: Column, buffers: Sequence[Any]) -> list[object]:
    return [datetime.date.fromordinal(_EPOCH_DAY + each) for each in buffers[0]]


def _read_instants(_: DataType, __: Column, buffers: Sequence[Any]) -> list[object]:
    return [_EPOCH + datetime.timedelta(microseconds=each) for each in buffers[0]]


def _read_lists(kind: DataType, column: Column, buffers: Sequence[Any]) -> list[object]:
    items = values_of(kind.children[0].type, column.children[0])
    return [items[start:end] for start, end in pairwise(buffers[0])]


def _read_structs(kind: DataType, column: Column, _: Sequence[Any]) -> list[object]:
    names = [each.name for each in kind.children]
    pairs = zip(kind.children, column.children, strict=True)
    children = [values_of(each.type, child) for each, child in pairs]
    return [dict(zip(names, values, strict=True)) for values in zip(*children, strict=True)]


_READERS: Final[Mapping[TypeName, Callable[[DataType, Column, Sequence[Any]], list[object]]]] = (
    MappingProxyType(
        {
            "bool": _read_bools,
            "text": _read_texts,
            "date": _read_days,
            "timestamp": _read_instants,
            "list": _read_lists,
            "struct": _read_structs,
        }
    )
)
