"""Changes of a made-up fleet, and what a sink has to hold after them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from enlighten_async import StatsInterval
from enlighten_async.fleet import Change
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.rgm_stats import ChannelInterval, MeterIntervals, RgmInterval
from enlighten_async.models.series import NAN, Series
from enlighten_async.windows import as_datetime

START = 1_750_032_000
QUARTER = 900

Key: TypeAlias = tuple[str, int, str, int, int]
"""Series, system, meter (none: ""), channel (none: 0), end in epoch seconds."""

Row: TypeAlias = dict[str, "float | None"]
"""The figures of a row."""


def change(
    system_id: int, first: int, count: int, wh: float = 10.0, *, corrected: int = 0, meters: bool = True
) -> Change:
    """Return so many quarters of an hour of a system, from one on; `wh` in each, null in its first one."""
    ends = [START + QUARTER * number for number in range(first + 1, first + count + 1)]
    values = [NAN, *[wh] * (count - 1)] if count else []
    channels = Series.of(ChannelInterval, [1] * count, ends, values, [wh * 4] * count)
    second = Series.of(ChannelInterval, [2] * count, ends, values, [NAN] * count)
    return Change(
        system_id=system_id,
        account="anna",
        series="rgm_stats",
        rows=Series.of(RgmInterval, ends, [2] * count, values),
        meters=(
            MeterIntervals(meter_serial_number="110", envoy_serial_number="12", intervals=channels),
            MeterIntervals(meter_serial_number="220", envoy_serial_number="12", intervals=second),
        )
        if meters and count
        else (),
        until=as_datetime(START + QUARTER * (first + count)),
        corrected=corrected,
        receipt=Receipt(sent=1),
    )


def stats_change(system_id: int, count: int) -> Change:
    """Return intervals of another series."""
    ends = [START + 300 * number for number in range(1, count + 1)]
    return Change(
        system_id=system_id,
        account="",
        series="stats",
        rows=Series.of(StatsInterval, ends, [5] * count, [100.0] * count, [8.0] * count),
        until=as_datetime(ends[-1]),
        corrected=0,
        receipt=Receipt(sent=1),
    )


def expected(changes: Iterable[Change]) -> dict[Key, Row]:
    """Return what has to be held after changes."""
    held: dict[Key, Row] = {}
    for each in changes:
        held.update(_rows(each, "", each.rows))
        for meter in each.meters:
            held.update(_rows(each, meter.meter_serial_number, meter.intervals))
    return held


def _rows(change: Change, meter: str, rows: Sequence[Any]) -> dict[Key, Row]:
    figures = ("devices_reporting", "wh_del", "curr_w", "powr", "enwh")
    return {
        (change.series, change.system_id, meter, getattr(row, "channel", 0), int(row.end_at.timestamp())): {
            name: getattr(row, name) for name in figures if getattr(row, name, None) is not None
        }
        for row in rows
    }


def cursors(changes: Iterable[Change], series: str = "rgm_stats") -> dict[int, datetime]:
    """Return up to when systems are held after changes."""
    return {each.system_id: each.until for each in changes if each.series == series}
