"""Tabular: the rows of a value as a table, for libraries of data frames; imported when they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from enlighten_async.lazy import LazyModule

if TYPE_CHECKING:
    from datetime import tzinfo

    import pandas
    import polars
    import pyarrow

    from enlighten_async import export
    from enlighten_async.export import Table, frames
else:
    export, frames = LazyModule("enlighten_async.export"), LazyModule("enlighten_async.export.frames")


class Tabular:
    """A value with rows, which all that reads Arrow takes as it is, such as polars, DuckDB and pyarrow."""

    __slots__ = ()

    def _table(self) -> Table:
        return export.table_of(self)

    def __arrow_c_schema__(self) -> object:
        """Return the types of the columns by Arrow's PyCapsule interface."""
        return frames.schema_capsule(self._table())

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return the rows by Arrow's PyCapsule interface, in the table's own types.

        Args:
            requested_schema: the types that a reader would prefer; it has to convert by itself.
        """
        return frames.stream_capsule(self._table())

    def to_arrow(self) -> pyarrow.Table:
        """Return the rows as a table of pyarrow.

        Instants are microseconds of UTC, null is null, an integer is an integer; units (Wh, W, s, %) are in
        the metadata of the fields, the system's time zone in that of the schema.

        Raises:
            InputError: pyarrow is not installed; the text says how to install it.
        """
        return frames.to_arrow(self._table())

    def to_polars(self) -> polars.DataFrame:
        """Return the rows as a data frame of polars.

        Instants are `Datetime("us", "UTC")`, local days `Date`; null is null, an integer is an integer.

        Raises:
            InputError: polars is not installed; the text says how to install it.
        """
        return frames.to_polars(self._table())

    def to_pandas(
        self, stamp: Literal["end", "start"] = "end", tz: str | tzinfo | None = None
    ) -> pandas.DataFrame:
        """Return the rows as a data frame of pandas; the same with and without pyarrow.

        Instants are aware, with microseconds; columns of integers that may be null are `Int64`, other
        figures `float64` with NaN for null; local days are naive midnights.

        Args:
            stamp: "end" for the column `end_at`, as the service stamps intervals; "start" for `start_at`,
                their beginning, in place of it.
            tz: the time zone in which instants are shown, a `ZoneInfo` or its IANA name; by default UTC.

        Raises:
            InputError: pandas is not installed, the time zone is not known, or the rows are no intervals and
                have no start.
        """
        return frames.to_pandas(self._table(), stamp, tz)


class SingleRow(Tabular):
    """A value that is one row itself; objects within it lie flat in the row."""

    __slots__ = ()

    def _table(self) -> Table:
        return export.object_table(type(self), [self])
