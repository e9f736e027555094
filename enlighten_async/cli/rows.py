"""Rows: any answer of the client as a table: its own rows, itself, or its energies by hour, day or month."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import frozen

from enlighten_async.export import Table, object_table
from enlighten_async.export.columns import values_of
from enlighten_async.models.intervals import Unit
from enlighten_async.models.tabular import Tabular


@frozen
class LocalSum:
    """The energy of one local hour, day or month.

    Attributes:
        system_id: the service's number of the system.
        start: its beginning, with the offset of the time zone.
        wh: energy, Wh.
        got: intervals that have a value.
        expected: intervals that the range has in it.
    """

    system_id: int
    start: str
    wh: float
    got: int
    expected: int


def has_rows(answer: type) -> bool:
    """Tell whether a class of answers has rows; else an answer is one itself."""
    return issubclass(answer, Tabular)


def answer_table(answer: object) -> Table:
    """Return the rows of an answer."""
    return answer._table() if isinstance(answer, Tabular) else object_table(type(answer), [answer])


def sums_table(answer: Any, unit: Unit, zone: str) -> Table:
    """Return the energies of a series by local hour, day or month."""
    sums = answer.sums(unit, timezone=zone)
    rows = [LocalSum(answer.system_id, s.start.isoformat(), s.wh, s.got, s.expected) for s in sums]
    return object_table(LocalSum, rows)


def rows_of(table: Table) -> Iterator[tuple[object, ...]]:
    """Yield the rows of a table: instants as aware UTC datetimes, `None` for null."""
    kinds = [each.type for each in table.fields]
    for batch in table.batches:
        yield from zip(*map(values_of, kinds, batch.columns), strict=True)
