"""Tables: named, typed columns in batches, laid out in memory as Apache Arrow has them.

The one value between answers and formats: `answers` makes it, `arrow` and `frames` hand it on. Nothing of it
needs a library.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal, Self, TypeAlias

from attrs import evolve, field, frozen

from enlighten_async.models.tabular import Tabular

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
