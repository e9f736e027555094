"""Series: columns of numbers, with rows made on access from the fields of a row class.

A row class is a frozen attrs class. The type of each of its fields says how the column holds the value:

| field | column | null |
|---|---|---|
| `datetime` | epoch seconds, 64-bit integers | not allowed |
| `int` | 16-bit integers | not allowed |
| `int | None`, `float | None`, `int | float | None` | 64-bit floats | NaN |
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from math import isnan
from operator import call, eq
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar, get_args, get_type_hints, overload

from attrs import fields, frozen

from enlighten_async.models.tabular import Tabular
from enlighten_async.windows import as_datetime

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
V = TypeVar("V")

NAN = float("nan")
"""Null in a column of numbers; the service's JSON has no NaN of its own."""

WIRE_PATH: Final = "wire_path"
"""In the metadata of a field: where the service has its value, if not under the field's name."""


def nan_to_none(raw: float) -> float | None:
    """Return a raw value of a column; `None` for null."""
    return None if isnan(raw) else raw


def to_int(raw: float) -> int | None:
    """Return a raw value of a column of integers; `None` for null."""
    return None if isnan(raw) else int(raw)


def to_number(raw: float) -> int | float | None:
    """Return a raw value of a column, an `int` if it is integral, as the service sent it; `None` for null."""
    return int(raw) if raw.is_integer() else nan_to_none(raw)


_COLUMNS: Final[Mapping[object, tuple[str, Callable[[Any], object]]]] = MappingProxyType(
    {
        datetime: ("q", as_datetime),
        int: ("h", int),
        int | None: ("d", to_int),
        float | None: ("d", nan_to_none),
        int | float | None: ("d", to_number),
    }
)
"""Type code of the array, and converter of its values, by the type of a row's field."""


def once_per_class(function: Callable[[type], V]) -> Callable[[type], V]:
    """Cache a function of a class; mypy does not take `type[R]` for what `functools.cache` wants."""
    return cache(function)


@frozen
class Column:
    """The column of one field of a row class."""

    name: str
    """Name of the field."""
    typecode: str
    """Type code of the `array` that holds the values."""
    convert: Callable[[Any], object]
    """Makes the field's value of a raw one."""
    path: tuple[str, ...]
    """Names under which the service has the value, one inside the other."""


@once_per_class
def columns_of(row: type) -> tuple[Column, ...]:
    """Return the columns of a row class, in the order of its fields."""
    types = get_type_hints(row)
    return tuple(
        Column(each.name, *_COLUMNS[types[each.name]], each.metadata.get(WIRE_PATH, (each.name,)))
        for each in fields(row)
    )


@once_per_class
def _converters(row: type) -> tuple[Callable[[Any], object], ...]:
    return tuple(column.convert for column in columns_of(row))


@once_per_class
def row_class(model: type) -> type[Any]:
    """Return the class of a model's rows: the argument of its generic base, as in `IntervalStats[Row]`."""
    bases = (base for each in model.__mro__ for base in vars(each).get("__orig_bases__", ()))
    return next(row for base in bases for row in get_args(base) if isinstance(row, type))


class Columns(dict[str, "memoryview[int] | memoryview[float]"]):
    """Attribute names to read-only views of the raw numbers of a series.

    `end_at` (epoch seconds) and `channel` are integers; all others are floats, null as NaN. No copy is made;
    numpy and polars take such views as they are.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, name: Literal["end_at", "channel"], /) -> memoryview[int]: ...  # type: ignore[overload-overlap]
        @overload
        def __getitem__(self, name: str, /) -> memoryview[float]: ...
        def __getitem__(self, name: str, /) -> memoryview[int] | memoryview[float]: ...


class Series(Tabular, Sequence[R_co], Generic[R_co]):
    """An immutable sequence of rows, kept as one `array` per attribute.

    Indexing and iterating build rows; a slice is a `Series` again.
    """

    __slots__ = ("_columns", "_row")

    def __init__(self, row: type[R_co], columns: Mapping[str, array[int] | array[float]]) -> None:
        self._row = row
        self._columns = dict(columns)

    @staticmethod
    def of(row: type[R], *values: Iterable[float]) -> Series[R]:
        """Return columns of raw values (instants in epoch seconds, null as NaN) as a series.

        Args:
            row: class of the rows.
            values: one column for each of its fields, in their order; none for a series without rows.
        """
        columns = columns_of(row)
        return Series(
            row,
            {
                column.name: array(column.typecode, raw)
                for column, raw in zip(columns, values or [()] * len(columns), strict=True)
            },
        )

    @property
    def columns(self) -> Columns:
        """Each attribute's raw numbers, read-only: instants in epoch seconds, null as NaN."""
        return Columns((name, memoryview(column).toreadonly()) for name, column in self._columns.items())

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    @overload
    def __getitem__(self, index: int) -> R_co: ...
    @overload
    def __getitem__(self, index: slice) -> Series[R_co]: ...
    def __getitem__(self, index: int | slice) -> R_co | Series[R_co]:
        if isinstance(index, slice):
            return Series(self._row, {name: column[index] for name, column in self._columns.items()})
        raw = [column[index] for column in self._columns.values()]
        return self._row(*map(call, _converters(self._row), raw))

    def __iter__(self) -> Iterator[R_co]:
        # Column by column and in C: half the time of a function call for each row.
        columns = zip(_converters(self._row), self._columns.values(), strict=True)
        return map(self._row, *(map(convert, raw) for convert, raw in columns))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Series):
            return NotImplemented
        return (
            self._row is other._row
            and len(self) == len(other)
            and all(
                _tell_the_same(*both)
                for both in zip(self._columns.values(), other._columns.values(), strict=True)
            )
        )

    def __hash__(self) -> int:
        return hash((self._row, len(self)))

    def __repr__(self) -> str:
        if not self:
            return "Series([])"
        return f"Series([{self[0]!r}, ... {len(self)} rows])"


def _tell_the_same(first: array[Any], second: array[Any]) -> bool:
    """Return whether columns of one type and length have the same values; a null equals a null."""
    if first.tobytes() == second.tobytes():
        return True
    # A zero may have a sign.
    return first.typecode == "d" and all(map(eq, map(nan_to_none, first), map(nan_to_none, second)))


def concatenated(pieces: Sequence[Series[R_co]], cuts: Sequence[slice] = ()) -> Series[R_co]:
    """Return series of one kind, at least one, as one series: the only one as it is, of others one copy.

    Args:
        pieces: the series.
        cuts: the rows to take of each; none: all of them.
    """
    first, *others = pieces
    if not others and not cuts:
        return first
    cuts = cuts or [slice(None)] * len(pieces)
    return Series(
        first._row,
        {name: _joined([each._columns[name] for each in pieces], cuts) for name in first._columns},
    )


def _joined(columns: Sequence[array[Any]], cuts: Sequence[slice]) -> array[Any]:
    """Return cuts of columns of one type as one column."""
    pieces = [memoryview(column)[cut] for column, cut in zip(columns, cuts, strict=True)]
    # Made in full and filled: ten times as fast as by way of bytes, whose large blocks come from the system.
    whole = array(columns[0].typecode, [0]) * sum(map(len, pieces))
    view, at = memoryview(whole), 0
    for piece in pieces:
        view[at : at + len(piece)] = piece
        at += len(piece)
    return whole


def changed(
    rows: Series[R_co], before: Iterable[Series[R_co]], key: Sequence[str] = ("end_at",)
) -> tuple[Series[R_co], Series[R_co]]:
    """Return those of rows that were not there before, and those that were with other values.

    Args:
        rows: the rows.
        before: those that were there.
        key: names of the columns that tell a row from the others.
    """
    known = {place: values for series in before for place, values in _by_place(series, key)}
    new, other = [], []
    for at, (place, values) in enumerate(_by_place(rows, key)):
        if place not in known:
            new.append(at)
        elif known[place] != values:
            other.append(at)
    return _chosen(rows, new), _chosen(rows, other)


def _by_place(
    rows: Series[Any], key: Sequence[str]
) -> Iterator[tuple[tuple[float, ...], tuple[object, ...]]]:
    """Yield each row's values of the key, and all of them, null as `None`, which equals itself."""
    places = zip(*(rows._columns[name] for name in key), strict=True)
    values = zip(*(map(nan_to_none, column) for column in rows._columns.values()), strict=True)
    return zip(places, values, strict=True)


def _chosen(rows: Series[R_co], numbers: Sequence[int]) -> Series[R_co]:
    """Return the rows of some numbers."""
    columns = rows._columns.items()
    return Series(
        rows._row, {name: array(each.typecode, [each[at] for at in numbers]) for name, each in columns}
    )


def overlaid(first: Series[R_co], second: Series[R_co]) -> Series[R_co]:
    """Return the rows of two series by their ends: of two values the second's, unless that one is null."""
    rows: dict[int, list[float]] = {}
    for series in (first, second):
        for row in zip(*series._columns.values(), strict=True):
            end = row[list(series._columns).index("end_at")]
            before = rows.get(end, row)
            rows[end] = [old if isnan(new) else new for old, new in zip(before, row, strict=True)]
    return Series.of(first._row, *zip(*(rows[end] for end in sorted(rows)), strict=True))
