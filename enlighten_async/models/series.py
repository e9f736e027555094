"""Series: columns of numbers, with rows made on access."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar, overload

R_co = TypeVar("R_co", covariant=True)


NAN = float("nan")
"""How a column of numbers holds null; the service's JSON has no NaN of its own."""


class Series(Sequence[R_co], Generic[R_co]):
    """An immutable sequence of rows, kept as one `array` per attribute.

    Indexing and iterating build rows; a slice is a `Series` again.

    Attributes:
        columns: attribute name to a read-only view of its raw numbers: instants in epoch seconds,
            null as NaN. No copy is made; numpy and polars take such views as they are.
    """

    __slots__ = ("_columns", "_row")

    def __init__(self, row: Callable[..., R_co], columns: Mapping[str, array[int] | array[float]]) -> None:
        self._row = row
        self._columns = dict(columns)

    @property
    def columns(self) -> Mapping[str, memoryview]:
        """Return each attribute's raw numbers, read-only."""
        return {name: memoryview(column).toreadonly() for name, column in self._columns.items()}

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    @overload
    def __getitem__(self, index: int) -> R_co: ...
    @overload
    def __getitem__(self, index: slice) -> Series[R_co]: ...
    def __getitem__(self, index: int | slice) -> R_co | Series[R_co]:
        if isinstance(index, slice):
            return Series(self._row, {name: column[index] for name, column in self._columns.items()})
        return self._row(*(column[index] for column in self._columns.values()))

    def __iter__(self) -> Iterator[R_co]:
        return map(self._row, *self._columns.values())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Series):
            return NotImplemented
        # Bytes, since a null (NaN) must equal a null.
        return self._row == other._row and {n: c.tobytes() for n, c in self._columns.items()} == {
            n: c.tobytes() for n, c in other._columns.items()
        }

    def __hash__(self) -> int:
        return hash((self._row, len(self)))

    def __repr__(self) -> str:
        if not self:
            return "Series([])"
        return f"Series([{self[0]!r}, ... {len(self)} rows])"


def concatenated(pieces: Sequence[Series[R_co]]) -> Series[R_co]:
    """Return series of one kind, at least one, as one series; one copy in all."""
    # `array.extend` in a loop copies what is there again and again.
    first = pieces[0]._columns
    return Series(
        pieces[0]._row,
        {
            name: array(column.typecode, b"".join(piece._columns[name] for piece in pieces))
            for name, column in first.items()
        },
    )
