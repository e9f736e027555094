"""Leaves: the columns that rows of a class have, an object within a row as columns of its own."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Final, TypeGuard, cast, get_args, get_origin, get_type_hints

from attrs import AttrsInstance, fields, frozen, has

from enlighten_async.export.table import UNIT, DataType, Field, TypeName
from enlighten_async.models.coverage import Reason
from enlighten_async.models.series import once_per_class

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
    inner = next(iter(_kinds(hint)))
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
    kinds = _kinds(hint)
    first = next(iter(kinds))
    if get_origin(first) is tuple:
        return DataType("list", (_field("item", get_args(first)[0]),))
    if _is_model(first):
        return DataType("struct", tuple(_field(*each) for each in _attributes(first)))
    return DataType(_TYPES[kinds])


def _kinds(hint: object) -> frozenset[object]:
    """Return the types that a hint allows, but for null."""
    return frozenset(get_args(hint) if isinstance(hint, UnionType) else {hint}) - {NoneType}


def _is_model(kind: object) -> TypeGuard[type[Any]]:
    return isinstance(kind, type) and has(kind)
