"""Tables of answers: which rows each kind of answer has, and the columns of these rows."""

from __future__ import annotations

import datetime
from array import array
from collections.abc import Iterable, Mapping, Sequence
from functools import singledispatch
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Final, TypeGuard, cast, get_args, get_origin, get_type_hints

from attrs import AttrsInstance, evolve, fields, frozen, has

from enlighten_async import models
from enlighten_async.errors import InputError
from enlighten_async.export import columns
from enlighten_async.export.columns import UNIT, ZONE, Batch, Column, DataType, Field, Table, TypeName, joined
from enlighten_async.models.convert import RowSequence
from enlighten_async.models.coverage import Reason, row_lengths
from enlighten_async.models.intervals import IntervalStats
from enlighten_async.models.lifetime import Lifetime
from enlighten_async.models.series import columns_of, once_per_class, row_class, to_int
from enlighten_async.models.tabular import SingleRow, Tabular

KIND: Final = "kind"
"""The column that tells in which of an answer's lists a row is."""

UNITS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                *("charge", "consumption", "discharge", "end", "energy", "energy_added", "energy_lifetime"),
                *("energy_today", "enwh", "meter_wh", "micro_wh", "start", "value", "value_charged"),
                *("value_discharged", "wh", "wh_consumed", "wh_del", "wh_exported", "wh_imported"),
            ),
            "Wh",
        ),
        **dict.fromkeys(("curr_w", "power", "power_produced", "powr", "system_size"), "W"),
        **dict.fromkeys(("charge_time", "duration", "essential_end_time", "essential_start_time"), "s"),
        **dict.fromkeys(("charging_level", "soc", "soc_high", "soc_low"), "%"),
    }
)
"""Units of figures, by the name of the attribute, which means the same wherever it is used."""

_TYPES: Final[Mapping[frozenset[object], TypeName]] = MappingProxyType(
    {
        frozenset({bool}): "bool",
        frozenset({int}): "int64",
        frozenset({float}): "float64",
        frozenset({int, float}): "float64",
        frozenset({str}): "text",
        frozenset({Reason}): "text",
        frozenset({int, str}): "text",
        frozenset({datetime.date}): "date",
        frozenset({datetime.datetime}): "timestamp",
    }
)
"""Types of columns by the types of values, but for null."""


def concat(answers: Iterable[Tabular]) -> Table:
    """Return the rows of several answers of one kind, at least one, as one table; nothing is copied.

    Args:
        answers: such as the series or the summaries of several systems, or parts of a stream; or tables.

    Returns:
        Their rows, answer after answer, in a table that has `to_polars()`, `to_pandas()`, `to_arrow()` and
        `__arrow_c_stream__` as answers have.

    Raises:
        InputError: there is no answer, or they are of several kinds, or this is one answer.
    """
    if not isinstance(answers, Iterable):
        raise InputError(f"concat takes several answers, not {type(answers).__name__}: give it a list")
    answers = list(answers)
    first = type(answers[0]) if answers else None
    if first and issubclass(first, SingleRow) and all(type(each) is first for each in answers):
        return object_table(first, answers)
    if strange := [type(each).__name__ for each in answers if not hasattr(each, "_table")]:
        raise InputError(f"concat takes answers, not {strange[0]}: await a query first")
    tables = [answer._table() for answer in answers]
    if not tables:
        raise InputError("there is nothing to concatenate: pass at least one answer")
    if any(table.fields != tables[0].fields for table in tables):
        raise InputError("answers of several kinds have different columns: concatenate each kind by itself")
    return joined(tables)


@singledispatch
def table_of(answer: object) -> Table:
    """Return the rows of an answer as a table.

    Args:
        answer: any answer with rows.

    Raises:
        InputError: it has no rows.
    """
    raise InputError(f"{type(answer).__name__} has no rows")


def meter_table(answer: models.RgmStats) -> Table:
    """Return the rows of the channels of all meters, meter by meter.

    Args:
        answer: an answer of `rgm_stats`.
    """
    names = ("meter_serial_number", "envoy_serial_number")
    key = [_key("system_id"), *(Field(name, DataType("text"), nullable="envoy" in name) for name in names)]
    batches = [
        _batch(
            meter.intervals,
            (answer.system_id, meter.meter_serial_number, meter.envoy_serial_number),
            answer.coverage.grid,
        )
        for meter in answer.meter_intervals
    ]
    return Table((*key, *_series_fields(models.ChannelInterval)), tuple(batches), _metadata(answer))


def object_table(kind: type, rows: Sequence[object]) -> Table:
    """Return objects of one class as a table, a row each; objects within one lie flat in its row.

    Args:
        kind: the class, which names the columns also where there are no rows.
        rows: objects of it.
    """
    own = leaves(kind)
    batch = Batch(len(rows), tuple(columns.column_of(leaf.field.type, leaf.values(rows)) for leaf in own))
    return Table(tuple(leaf.field for leaf in own), (batch,))


# models.Series


@table_of.register(models.Series)
def _series(series: models.Series[object]) -> Table:
    return Table(_series_fields(series._row), (_batch(series, (), None),))


@table_of.register(IntervalStats)
def _intervals(answer: IntervalStats[Any]) -> Table:
    names = _identity(type(answer))
    values = [getattr(answer, name) for name in names]
    lengths = row_lengths(answer.coverage, answer.intervals.columns["end_at"])
    rows = evolve(_batch(answer.intervals, values, answer.coverage.grid), lengths=lengths)
    key = map(_key, names)
    return Table((*key, *_series_fields(row_class(type(answer)))), (rows,), _metadata(answer))


@table_of.register
def _micros(answer: models.MicrosTelemetry) -> Table:
    own = (*map(_key, _identity(models.MicroTelemetry)), *_series_fields(row_class(models.MicroTelemetry)))
    batches = [batch for device in answer.devices for batch in device._table().batches]
    return Table(own, tuple(batches), _metadata(answer))


def _batch(series: models.Series[Any], key: Sequence[int | str | None], grid: int | None) -> Batch:
    count = len(series)
    own = [
        _array(column.typecode, column.convert, series._columns[column.name])
        for column in columns_of(series._row)
    ]
    return Batch(count, (*(columns.repeated(value, count) for value in key), *own), grid)


def _array(typecode: str, convert: object, values: array[Any]) -> Column:
    if typecode == "q":
        return columns.timestamps(values)
    if typecode == "h":
        return columns.small_integers(values)
    return columns.integers(values) if convert is to_int else columns.floats(values)


@once_per_class
def _series_fields(row: type) -> tuple[Field, ...]:
    types: dict[str, TypeName] = {"q": "timestamp", "h": "int16"}
    return tuple(
        Field(
            column.name,
            DataType(types.get(column.typecode, "int64" if column.convert is to_int else "float64")),
            nullable=column.typecode == "d",
            metadata=unit_of(column.name),
        )
        for column in columns_of(row)
    )


def _identity(model: type[Any]) -> list[str]:
    """Return the names of the attributes that say which system, and which device, all rows are of."""
    return [each.name for each in fields(model) if each.name in {"system_id", "serial_number"}]


def _key(name: str) -> Field:
    return Field(name, DataType("int64" if name == "system_id" else "text"), nullable=False)


def _metadata(answer: object) -> Mapping[str, str]:
    zone = getattr(answer, "timezone", None)
    return {ZONE: zone} if zone else {}


# Days


@table_of.register(Lifetime)
def _lifetime(answer: Lifetime[Any]) -> Table:
    names, count = _identity(type(answer)), len(answer)
    day, *figures = fields(row_class(type(answer)))
    first = (answer.start_date or datetime.date.min).toordinal()
    days = [datetime.date.fromordinal(first + place) for place in range(count)]
    listed = [getattr(answer, name) for name in answer._columns]
    padded = [[*values, *[None] * (count - len(values))] for values in listed]
    rows = Batch(
        count,
        (
            *(columns.repeated(getattr(answer, name), count) for name in names),
            columns.column_of(DataType("date"), days),
            *(columns.column_of(DataType("int64"), values) for values in padded),
        ),
    )
    # A lifetime may have fewer columns than its days have attributes: the others are null for good.
    told = figures[: len(listed)]
    own = (Field(each.name, DataType("int64"), metadata=unit_of(each.name)) for each in told)
    return Table((*map(_key, names), Field(day.name, DataType("date"), nullable=False), *own), (rows,))


# Rows of objects


@table_of.register(RowSequence)
def _rows(answer: RowSequence[Any]) -> Table:
    row, *_ = get_args(get_type_hints(type(answer))[answer._items])
    return _objects(answer, row, list(answer))


@table_of.register
def _inverters(answer: models.InvertersSummary) -> Table:
    pairs = [(envoy.signal_strength, each) for envoy in answer.envoys for each in envoy.micro_inverters]
    strength = Field("signal_strength", DataType("int64")), [strength for strength, _ in pairs]
    return _objects(answer, models.MicroInverter, [each for _, each in pairs], strength)


@table_of.register
def _month(answer: models.MonthlyProduction) -> Table:
    return _objects(answer, models.MonthlyMeterReading, answer.meter_readings)


@table_of.register
def _inventory(answer: models.Inventory) -> Table:
    return _kinds(answer, models.Device)


@table_of.register
def _devices(answer: models.Devices) -> Table:
    return _kinds(answer, models.SystemDevice)


@table_of.register
def _reports(answer: models.LatestTelemetry) -> Table:
    return _kinds(answer, models.LatestReport)


def _kinds(answer: object, row: type) -> Table:
    """Return the rows of an answer that has a list of each kind of device, with the kind."""
    lists = [name for name, hint in get_type_hints(type(answer)).items() if get_args(hint)[:1] == (row,)]
    pairs = [(name, each) for name in lists for each in getattr(answer, name)]
    kind = Field(KIND, DataType("text"), nullable=False), [name for name, _ in pairs]
    return _objects(answer, row, [each for _, each in pairs], kind)


def _objects(
    answer: object, row: type, rows: Sequence[object], *extra: tuple[Field, Sequence[object]]
) -> Table:
    """Return rows of one class as a table.

    Args:
        answer: the answer that has them.
        row: their class.
        rows: the rows.
        extra: further columns, with a value for each row.
    """
    names, own = _identity(type(answer)), leaves(row)
    batch = Batch(
        len(rows),
        (
            *(columns.repeated(getattr(answer, name), len(rows)) for name in names),
            *(columns.column_of(field.type, values) for field, values in extra),
            *(columns.column_of(leaf.field.type, leaf.values(rows)) for leaf in own),
        ),
    )
    described = (*map(_key, names), *(field for field, _ in extra), *(leaf.field for leaf in own))
    return Table(described, (batch,))


# Leaves: the columns of a class of rows, an object within a row as columns of its own


@frozen
class Leaf:
    """A column of rows: its field, and the attributes that lead to its value, one inside the other."""

    field: Field
    path: tuple[str, ...]

    def values(self, rows: Iterable[object]) -> list[object]:
        """Return the value of each row; `None` where an object on the way is null."""
        found = list(rows)
        for name in self.path:
            found = [getattr(each, name, None) for each in found]
        return found


@once_per_class
def leaves(row: type) -> tuple[Leaf, ...]:
    """Return the columns of a class of rows; those of an object within it are named `outer_inner`."""
    return tuple(leaf for name, hint in _attributes(row) for leaf in _leaves_of(name, hint))


def unit_of(name: str) -> Mapping[str, str]:
    """Return the metadata of a field that tells its unit; none without one."""
    return {UNIT: UNITS[name]} if name in UNITS else {}


def _leaves_of(name: str, hint: object) -> Iterable[Leaf]:
    inner = next(iter(_types_in(hint)))
    if not _is_model(inner):
        yield Leaf(_field(name, hint), (name,))
        return
    for leaf in leaves(inner):
        field = leaf.field
        yield Leaf(Field(f"{name}_{field.name}", field.type, metadata=field.metadata), (name, *leaf.path))


def _attributes(model: type) -> list[tuple[str, object]]:
    hints, own = get_type_hints(model), fields(cast("type[AttrsInstance]", model))
    # What tells of an answer as a whole (its cost, when it was fetched) takes no part in equality.
    return [(each.name, hints[each.name]) for each in own if each.eq]


def _field(name: str, hint: object) -> Field:
    return Field(name, _type_of(hint), NoneType in get_args(hint), unit_of(name))


def _type_of(hint: object) -> DataType:
    kinds = _types_in(hint)
    first = next(iter(kinds))
    if get_origin(first) is tuple:
        return DataType("list", (_field("item", get_args(first)[0]),))
    if _is_model(first):
        return DataType("struct", tuple(_field(*each) for each in _attributes(first)))
    return DataType(_TYPES[kinds])


def _types_in(hint: object) -> frozenset[object]:
    """Return the types that a hint allows, but for null."""
    return frozenset(get_args(hint) if isinstance(hint, UnionType) else {hint}) - {NoneType}


def _is_model(kind: object) -> TypeGuard[type[Any]]:
    return isinstance(kind, type) and has(kind)
