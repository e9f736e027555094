"""Changes of an answer's content by the drifts that are on: odd fields, and rows in other shapes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from attrs import frozen

from enlighten_async.emulator.drift import Drift, pick
from enlighten_async.emulator.local_time import local_date

if TYPE_CHECKING:
    from enlighten_async.emulator.messages import Request

Row: TypeAlias = dict[str, Any]
Rows: TypeAlias = list[Row]

NULL_FOR_S = 1800
EARLY_S = 30
ROW_LISTS = {"intervals", "meter_intervals"}
NAMED_BY_DATA = {"evse_power"}
"""Fields with objects whose fields are named by serial numbers: there every name has a meaning."""

ENERGIES = {"enwh", "wh_del", "wh_imported", "wh_exported", "wh_consumed", "consumption"}
MEASURED = {*ENERGIES, "powr", "curr_w", "charge", "discharge", "soc"}
PARTS = {900: 3, 300: 5}
"""Rows in place of one of this many seconds."""

INSTANTS = {
    "last_report_at",
    "last_energy_at",
    "operational_at",
    "last_interval_end_at",
    "last_report_date",
    "plan_start_date",
    "plan_end_date",
}
TEXTS = {
    "attachment_type",
    "city",
    "connection_type",
    "imei",
    "model",
    "name",
    "part_num",
    "part_number",
    "postal_code",
    "product_name",
    "public_name",
    "reference",
    "sku",
    "state",
    "system_name",
    "system_public_name",
}
FIGURES = {
    "battery_capacity_wh",
    "battery_charge_w",
    "battery_discharge_w",
    "current_power",
    "energy_lifetime",
    "energy_today",
    "modules",
    "signal_strength",
    "size_w",
    "system_size",
    "total_devices",
}
ODD_FORMS: tuple[tuple[set[str], type, tuple[Callable[[Any], object], ...]], ...] = (
    (TEXTS, str, (lambda _: 75001, lambda _: "", lambda _: "N/A", lambda text: text.title())),
    (FIGURES, int, (str, float)),
    (INSTANTS, int, (str, float, lambda _: "", lambda _: "N/A", lambda _: 0, lambda _: -1)),
    ({"interconnect_date"}, str, (lambda _: "0000-00-00", lambda _: "", lambda _: "N/A", lambda _: 0)),
)
"""Names of fields, the type that makes sense, and what comes in its place."""


@frozen
class Occasion:
    """The circumstances of an answer: request, time (epoch seconds), the system's time zone if any."""

    request: Request
    now: float
    zone: str | None

    def drifted(self, content: object, drifts: frozenset[Drift]) -> object:
        """Return the content of an answer, changed by the drifts that are on."""
        for drift, change in CHANGES.items():
            if drift in drifts:
                content = change(content, self)
        return content


def _each_object(content: Any, change: Callable[[Row], Row]) -> Any:
    """Return the content with every object changed, the inner ones first."""
    if isinstance(content, list):
        return [_each_object(item, change) for item in content]
    if isinstance(content, dict):
        return change({name: _each_object(value, change) for name, value in content.items()})
    return content


def _each_series(content: object, change: Callable[[Rows, Row], object]) -> object:
    """Return the content with every flat list of rows changed; the change also sees the object it is in."""

    def visit(owner: Row) -> Row:
        found = owner.get("intervals")
        if is_series(found):
            return owner | {"intervals": change(found, owner)}
        if is_nested(found):
            return owner | {"intervals": [change(day, owner) for day in found]}
        return owner

    return _each_object(content, visit)


def is_nested(days: object) -> TypeGuard[list[Rows]]:
    """Return whether this is a list of lists of rows."""
    return isinstance(days, list) and bool(days) and all(map(is_series, days))


def is_series(rows: object) -> TypeGuard[Rows]:
    """Return whether this is a list of rows, each with its end in epoch seconds."""
    return (
        isinstance(rows, list)
        and bool(rows)
        and all(isinstance(row, dict) and isinstance(row.get("end_at"), int) for row in rows)
    )


def _odd_fields(content: object, _: Occasion) -> object:
    def change(row: Row) -> Row:
        owner = row.get("system_id") or row.get("serial_number") or row.get("id") or 0
        return {name: _odd(owner, name, value) for name, value in row.items()}

    return _each_object(content, change)


def _odd(owner: object, name: str, value: object) -> object:
    """Return what comes in place of a field: of each object, some fields are odd, always the same ones."""
    for names, kind, forms in ODD_FORMS:
        if name in names and isinstance(value, kind):
            chosen = pick(len(forms) + 1, owner, name)
            return forms[chosen](value) if chosen < len(forms) else value
    return value


def _milliseconds(content: object, _: Occasion) -> object:
    def change(row: Row) -> Row:
        return {
            name: value * 1000 if name in INSTANTS and isinstance(value, int) and value > 0 else value
            for name, value in row.items()
        }

    return _each_object(content, change)


def _nested(content: object, occasion: Occasion) -> object:
    def change(owner: Row) -> Row:
        rows, zone = owner.get("intervals"), occasion.zone
        if is_nested(rows):
            return owner | {"intervals": [row for day in rows for row in day]}
        if not is_series(rows) or zone is None or "channel" in rows[0]:
            return owner
        days = groupby(rows, key=lambda row: local_date(row["end_at"] - 1, zone))
        return owner | {"intervals": [list(day) for _, day in days]}

    return _each_object(content, change)


def _off_grid(content: object, _: Occasion) -> object:
    return _each_series(content, lambda rows, _: off_grid(rows))


def off_grid(rows: Rows) -> Rows:
    """Return rows; those of every fourth hour end half a minute early, and so stay in their window."""
    return [row | {"end_at": row["end_at"] - EARLY_S * (row["end_at"] // 3600 % 4 == 0)} for row in rows]


def _fine_grid(content: object, _: Occasion) -> object:
    def change(rows: Rows, owner: Row) -> Rows:
        fives = "powr" in rows[0] or owner.get("interval_duration") == "5mins"
        return fine_grid(rows, 300 if fives else 900)

    return _each_series(content, change)


def fine_grid(rows: Rows, step: int) -> Rows:
    """Return several rows in place of each one of so many seconds; their energies add up to its own."""
    parts = PARTS[step]
    return [
        _part(row, part, parts) | {"end_at": row["end_at"] - step + step // parts * (part + 1)}
        for row in rows
        for part in range(parts)
    ]


def _part(row: Row, part: int, parts: int) -> Row:
    """Return one part of a row; powers and states of charge stay as they are."""

    def share(value: Any) -> Any:
        return None if value is None else value * (part + 1) // parts - value * part // parts

    return {
        name: _part(value, part, parts)
        if isinstance(value, dict)
        else share(value)
        if name in ENERGIES
        else value
        for name, value in row.items()
    }


def _duplicates(content: object, _: Occasion) -> object:
    return _each_series(content, lambda rows, _: duplicates(rows))


def duplicates(rows: Rows) -> Rows:
    """Return rows of which every third comes twice: before or after the real one, one without any value."""
    found: Rows = []
    for index, row in enumerate(rows):
        empty = {name: None if name in MEASURED else value for name, value in row.items()}
        found += ([row], [empty, row], [row], [row], [row, empty], [row])[index % 6]
    return found


def _null_lists(content: object, occasion: Occasion) -> object:
    def change(row: Row) -> Row:
        half_hour = occasion.now // NULL_FOR_S
        return {
            name: None
            if name in ROW_LISTS and pick(2, occasion.request.path, occasion.request.query, name, half_hour)
            else value
            for name, value in row.items()
        }

    return _each_object(content, change)


def _cut_lists(content: object, _: Occasion) -> object:
    if not isinstance(content, dict):
        return content
    for name, total in (("systems", "total"), ("devices", "total_devices")):
        items = content.get(name)
        if isinstance(items, list) and len(items) > 1 and total in content:
            shown = {"count": len(items) - 1} if "count" in content else {}
            return content | {name: items[:-1]} | shown
    return content


def _with_unknown_fields(content: object, occasion: Occasion) -> object:
    if isinstance(content, list):
        return [_with_unknown_fields(item, occasion) for item in content]
    if isinstance(content, dict):
        extended = {
            name: value if name in NAMED_BY_DATA else _with_unknown_fields(value, occasion)
            for name, value in content.items()
        }
        return extended | {"not_heard_of": [{}]}
    return content


CHANGES: dict[Drift, Callable[[object, Occasion], object]] = {
    Drift.CUT_LISTS: _cut_lists,
    Drift.FINE_GRID: _fine_grid,
    Drift.OFF_GRID: _off_grid,
    Drift.DUPLICATES: _duplicates,
    Drift.NESTED_SERIES: _nested,
    Drift.NULL_LISTS: _null_lists,
    Drift.MILLISECONDS: _milliseconds,
    Drift.ODD_FIELDS: _odd_fields,
    Drift.UNKNOWN_FIELDS: _with_unknown_fields,
}
"""In the order in which they are made: each one sees what those before it have left."""
