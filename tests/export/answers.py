"""Answers of every kind that has rows, with a value or a null in each field of a row."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from attrs import NOTHING, fields, has

from enlighten_async import models
from enlighten_async.models.coverage import Coverage
from enlighten_async.models.intervals import IntervalStats
from enlighten_async.models.lifetime import Lifetime
from enlighten_async.models.series import NAN, Series, columns_of, row_class
from enlighten_async.models.tabular import SingleRow, Tabular
from enlighten_async.windows import Window

GRID, START = 900, 1_750_000_500
ZONE = "Europe/Berlin"
HOSTILE = '<script>;=cmd()"\x00\u202eعَ🌞\n'
"""A text that no format may be harmed by."""

_VALUES: dict[object, list[Any]] = {
    bool: [True, False],
    int: [0, 2**53 + 1, 7, -5],
    float: [0.5, 3.0, -1.25],
    str: [HOSTILE, "", "121817030000", "x"],
    models.Reason: [models.Reason.UNAVAILABLE, models.Reason.NO_DEVICE],
    datetime.date: [datetime.date(2026, 3, 29), datetime.date(1971, 1, 1)],
    datetime.datetime: [
        datetime.datetime(2026, 10, 25, 0, 45, tzinfo=datetime.UTC),
        datetime.datetime(1975, 1, 1, 1, 2, 3, 456_789, tzinfo=datetime.UTC),
    ],
}


def value(hint: Any, turn: int) -> Any:
    """Return a value of a type; for some turns null, where the type allows it."""
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if type(None) in kinds and turn % 3 == 2:
        return None
    kind = kinds[0]
    if get_origin(kind) is tuple:
        return tuple(value(get_args(kind)[0], turn + place) for place in range(turn % 3))
    if has(kind):
        return row(kind, turn)
    return _VALUES[kind][turn % len(_VALUES[kind])]


def row(kind: type[Any], turn: int) -> Any:
    """Return a row."""
    hints = get_type_hints(kind)
    return kind(
        **{
            each.alias: value(hints[each.name], turn + place)
            for place, each in enumerate(fields(kind))
            if each.name not in {"as_of", "receipt"}
        }
    )


def series(kind: type[Any], count: int) -> Series[Any]:
    """Return a series of rows, channel by channel if they have one, with nulls where these may be."""
    columns: list[list[float]] = []
    for place, column in enumerate(columns_of(kind)):
        half = -(-count // 2)
        if column.typecode == "q":
            several = any(each.typecode == "h" for each in columns_of(kind))
            columns.append([START + GRID * (1 + (n % half if several else n)) for n in range(count)])
        elif column.typecode == "h":
            columns.append([1 + n // half for n in range(count)])
        else:
            columns.append([NAN if (n + place) % 4 == 3 else float(n * 37 % 900) for n in range(count)])
    return Series.of(kind, *columns)


def intervals(kind: type[Any], count: int, system_id: int = 1765) -> Any:
    """Return an answer in intervals."""
    window = Window(START, START + GRID * count)
    own: dict[str, Any] = {}
    names = {each.name for each in fields(kind)}
    if "serial_number" in names:
        own["serial_number"] = "121817030000"
    if kind is models.RgmStats:
        meters = [("A1", "121817030000"), ("B2", None)]
        own["meter_intervals"] = tuple(
            models.MeterIntervals(serial, envoy, series(models.ChannelInterval, count))
            for serial, envoy in meters
        )
    if kind is models.MicrosTelemetry:
        own["devices"] = tuple(intervals(models.MicroTelemetry, count) for _ in range(min(count, 2)))
    else:
        own["intervals"] = series(row_class(kind), count)
    return kind(system_id, 2, None, window, ZONE, coverage=Coverage(window, GRID), **own)


def lifetime(kind: type[Any], count: int) -> Any:
    """Return an answer in days."""
    own: dict[str, Any] = {
        name: tuple(None if (n + place) % 3 == 2 else n * 1000 for n in range(count - place))
        for place, name in enumerate(kind._columns)
    }
    if "serial_number" in {each.name for each in fields(kind)}:
        own["serial_number"] = "121817030000"
    return kind(1765, datetime.date(2026, 3, 28) if count else None, **own)


def answer(kind: type[Any], count: int = 9) -> Any:
    """Return an answer of a kind with so many rows, or of each of its lists as many."""
    if issubclass(kind, IntervalStats | models.MicrosTelemetry):
        return intervals(kind, count)
    if issubclass(kind, Lifetime):
        return lifetime(kind, count)
    hints, given = get_type_hints(kind), dict[str, Any]()
    for each in fields(kind):
        args = get_args(hints[each.name])
        if get_origin(hints[each.name]) is tuple and has(args[0]):
            given[each.name] = tuple(row(args[0], turn) for turn in range(count))
        elif each.name == "coverage":
            given[each.name] = Coverage(Window(0, 0), 1)
        elif each.default is NOTHING:
            given[each.name] = 1765
    return kind(**given)


def kinds() -> Iterator[type[Any]]:
    """Yield all public kinds of answers that have rows."""
    for name in models.__all__:
        kind = getattr(models, name)
        if issubclass(kind, Tabular) and not issubclass(kind, SingleRow) and kind is not Series:
            yield kind


def objects() -> Iterator[type[Any]]:
    """Yield all public kinds of objects that are one row."""
    for name in models.__all__:
        kind = getattr(models, name)
        if issubclass(kind, SingleRow):
            yield kind
