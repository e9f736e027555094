"""Parts of every type that is cached, and a series to cache them in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from attrs import evolve

from enlighten_async import models
from enlighten_async.cache import SqliteCache
from enlighten_async.cache.pieces import DEVICE_LAG_S, WEEK
from enlighten_async.clock import Clock
from enlighten_async.models import (
    ChannelInterval,
    Coverage,
    Gap,
    Meta,
    MeterIntervals,
    Reason,
    Stats,
    StatsInterval,
)
from enlighten_async.models.coverage import missing
from enlighten_async.models.intervals import IntervalStats, merge_parts
from enlighten_async.models.series import Series
from enlighten_async.state import StateFile
from enlighten_async.windows import Window
from enlighten_async.wire import ReplyKey, Response, SeriesKey, never_final

GRID = 900
MONDAY = 2876 * WEEK
"""When a week of the grid begins, in February 2025."""
NOW = 1_750_000_020.0
SYSTEM = 1765
SCOPE = b"whoever asks"

EMPTY: tuple[Callable[..., IntervalStats[Any]], ...] = (
    models.Stats.empty,
    models.ConsumptionStats.empty,
    models.RgmStats.empty,
    models.ProductionMeter.empty,
    models.EnergyImportTelemetry.empty,
    models.EnergyExportTelemetry.empty,
    models.Battery.empty,
    partial(models.StorageTelemetry.empty, serial_number="1"),
    partial(models.MicroTelemetry.empty, serial_number="1"),
    partial(models.EvseTelemetry.empty, serial_number="1"),
    partial(models.EvChargerTelemetry.empty, serial_number="1"),
    models.HpTelemetry.empty,
)
"""Functions that make an answer without rows, of every type."""


def at(moment: float) -> datetime:
    """Return epoch seconds as a datetime."""
    return datetime.fromtimestamp(moment, UTC)


def filled(series: Series[Any], ends: Sequence[int], figure: Callable[[int, str], float]) -> Series[Any]:
    """Return rows like those of a series without any, with these figures."""
    columns = dict(series._columns)
    for name, column in columns.items():
        columns[name] = type(column)(
            column.typecode,
            ends if name == "end_at" else [figure(end, name) for end in ends],
        )
    return Series(series._row, columns)


def meters(ends: Sequence[int], figure: Callable[[int, str], float]) -> tuple[MeterIntervals, ...]:
    """Return what two meters told, one of them with an unused phase; a third told nothing."""
    first = Series.of(
        ChannelInterval,
        [1] * len(ends) + [2] * len(ends),
        [*ends, *ends],
        [figure(end, "wh_del") for end in ends] + [float("nan")] * len(ends),
        [figure(end, "curr_w") for end in ends] + [float("nan")] * len(ends),
    )
    return (
        MeterIntervals("122", "Λ-1", first),
        MeterIntervals("045", None, first[: len(ends)]),
        MeterIntervals("9", None, Series.of(ChannelInterval)),
    )


def stats_part(
    window: Window,
    value: float = 1.0,
    *,
    ends: Iterable[int] | None = None,
    reported: float | None = None,
    unspoken: Window | None = None,
    empty: Reason = Reason.NO_ROW,
) -> Stats:
    """Return an answer for a window.

    Args:
        window: the window.
        value: of all its rows.
        ends: where it has rows; by default everywhere.
        reported: how far all devices of the system have reported; by default not up to the week of Monday.
        unspoken: what could not be asked.
        empty: why it has no rows elsewhere.
    """
    rows = sorted(range(window.start + GRID, window.end + 1, GRID) if ends is None else ends)
    failed = () if unspoken is None else (Gap(unspoken, Reason.FAILED),)
    rows = [end for end in rows if not failed or not unspoken or not unspoken.start < end <= unspoken.end]
    gaps = [Gap(blank, empty) for blank in missing(window, rows, GRID)] if not failed else []
    coverage = Coverage(
        window,
        GRID,
        (*failed, *gaps),
        as_of=at(NOW),
        reported_until=None if reported is None else at(reported),
    )
    count = len(rows)
    told = MONDAY - WEEK if reported is None else reported + DEVICE_LAG_S
    return evolve(
        Stats.empty(SYSTEM, coverage),
        total_devices=4,
        meta=Meta("normal", at(max(NOW, told)), at(told), at(MONDAY - WEEK)),
        intervals=Series.of(StatsInterval, rows, [4.0] * count, [value] * count, [value / 4] * count),
    )


def join(parts: Sequence[Stats]) -> Stats:
    """Join answers that lie side by side."""
    window = Window(parts[0].window.start, parts[-1].window.end)
    return merge_parts(parts, Stats.empty(SYSTEM, Coverage(window, GRID)))


SERIES: SeriesKey[Stats] = SeriesKey("stats", SYSTEM, grid=GRID, load=lambda: Stats, join=join)
REPLY: ReplyKey[Any] = ReplyKey("inventory", f"/systems/{SYSTEM}/inventory?", never_final)


def response(body: bytes = b"{}", date: float = NOW) -> Response:
    """Return an answer that is no series."""
    return Response(200, body, "application/json", date)


def hours(start: float, end: float) -> Window:
    """Return a window by the hours from Monday on."""
    return Window(MONDAY + int(start * 3600), MONDAY + int(end * 3600))


def open_cache(path: Path, clock: Clock) -> SqliteCache:
    """Return the store as a process of its own has it."""
    return SqliteCache(StateFile(path, durable=False), clock=clock)
