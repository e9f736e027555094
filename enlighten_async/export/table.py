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
    """The type of a column.

    Attributes:
        name: "timestamp" is microseconds of UTC, "date" a local day, "text" UTF-8.
        children: of a list its item, of a struct its fields.
    """

    name: TypeName
    children: tuple[Field, ...] = ()


@frozen
class Field:
    """The description of a column.

    Attributes:
        name: its name, that of the attribute which holds the value.
        type: its type.
        nullable: whether a value may be null.
        metadata: such as its unit: "W", "Wh", "%", "s".
    """

    name: str
    type: DataType
    nullable: bool = True
    metadata: Mapping[str, str] = MappingProxyType({})


@frozen(eq=False)
class Column:
    """Values of one type, in Arrow's layout.

    Attributes:
        length: number of values.
        nulls: number of nulls among them.
        buffers: bits of validity, `None` without nulls; then offsets, if the type has any; then values.
        children: the columns of a list's items, or of a struct's fields.
    """

    length: int
    nulls: int
    buffers: tuple[Buffer | None, ...] = field(repr=False)
    children: tuple[Column, ...] = ()


@frozen(eq=False)
class Batch:
    """Rows of a table: a column for each of its fields.

    Attributes:
        length: number of rows.
        columns: the columns, in the order of the fields.
        grid: seconds from one interval to the next; `None` where rows are no intervals.
    """

    length: int
    columns: tuple[Column, ...] = field(repr=False)
    grid: int | None = None


@frozen(eq=False)
class Table(Tabular):
    """The rows of one answer or of several, as typed columns.

    It has `__arrow_c_stream__`, so that polars, DuckDB, pyarrow and others read it as it is.

    Attributes:
        fields: descriptions of its columns, the same for all answers of a kind.
        batches: its rows, those of each answer together.
        metadata: such as the time zone of the system.
    """

    fields: tuple[Field, ...]
    batches: tuple[Batch, ...]
    metadata: Mapping[str, str] = MappingProxyType({})

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
