"""Answers of `/rgm_stats` to columns.

A real answer is dense: every quarter of an hour of the window, in order, channel by channel. That is
checked by one comparison; only an answer that differs is sorted and sifted.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Protocol, TypeVar

import msgspec

from enlighten_async.errors import as_datetime
from enlighten_async.models.coverage import Coverage, Hole, Reason, join, missing, split_at
from enlighten_async.models.meta import Meta
from enlighten_async.models.rgm_stats import MeterIntervals, RgmStats, channel_intervals, rgm_intervals
from enlighten_async.models.series import NAN
from enlighten_async.v2.decode import failed, parsed
from enlighten_async.windows import Window
from enlighten_async.wire import Response

GRID = 900
"""Seconds of an interval."""


class _Interval(msgspec.Struct, gc=False):
    end_at: int
    devices_reporting: float | None = None
    wh_del: float | None = None


class _ChannelInterval(msgspec.Struct, gc=False):
    channel: int
    end_at: int
    wh_del: float | None = None
    curr_w: float | None = None


class _Meter(msgspec.Struct, gc=False):
    meter_serial_number: str | int
    envoy_serial_number: str | int | None = None
    intervals: list[_ChannelInterval] = []


class _Meta(msgspec.Struct, gc=False):
    status: str | None = None
    last_report_at: float | None = None
    last_energy_at: float | None = None
    operational_at: float | None = None


class _RgmStats(msgspec.Struct, gc=False):
    system_id: int
    total_devices: int | None = 0
    meta: _Meta | None = None
    intervals: list[_Interval] = []
    meter_intervals: list[_Meter] = []


_DECODER = msgspec.json.Decoder(_RgmStats)


class _Timed(Protocol):
    end_at: int


R = TypeVar("R", bound=_Timed)


def rgm_stats(response: Response, system_id: int, window: Window | None) -> RgmStats:
    """Decode `/systems/{system_id}/rgm_stats`.

    Args:
        response: the answer.
        system_id: the system asked about.
        window: the range asked for; `None` takes what the rows span.

    Raises:
        DecodeError: the answer is not what the service documents, or of another system.
    """
    body = parsed(_DECODER, response)
    if body.system_id != system_id:
        raise failed(response, "$.system_id", f"asked for system {system_id}, answered for {body.system_id}")
    window = window or _spanned(body.intervals)
    notes: list[str] = []
    try:
        return _columns(body, window, response.date, notes)
    except OverflowError:
        pass
    raise failed(response, "$", "a number is out of range")


def nothing(
    system_id: int, window: Window, holes: Sequence[Hole], reported_until: float | None = None
) -> RgmStats:
    """Return what a documented refusal stands for: no rows, for these reasons."""
    return RgmStats(
        system_id=system_id,
        total_devices=0,
        meta=None,
        window=window,
        timezone=None,
        intervals=rgm_intervals(),
        meter_intervals=(),
        coverage=Coverage(
            window,
            GRID,
            tuple(holes),
            reported_until=None if reported_until is None else as_datetime(reported_until),
        ),
    )


def _columns(body: _RgmStats, window: Window, date: float | None, notes: list[str]) -> RgmStats:
    rows = _tidy(body.intervals, window, notes)
    ends = [row.end_at for row in rows]
    return RgmStats(
        system_id=body.system_id,
        total_devices=body.total_devices or 0,
        meta=_meta(body.meta),
        window=window,
        timezone=None,
        intervals=rgm_intervals(
            ends,
            [NAN if (value := row.devices_reporting) is None else value for row in rows],
            [NAN if (value := row.wh_del) is None else value for row in rows],
        ),
        meter_intervals=tuple(_meter(meter, window, notes) for meter in body.meter_intervals),
        coverage=_coverage(body, window, ends, date, notes),
    )


def _meter(meter: _Meter, window: Window, notes: list[str]) -> MeterIntervals:
    channels = sorted({row.channel for row in meter.intervals})
    rows: list[_ChannelInterval] = []
    for channel in channels:
        rows += _tidy([row for row in meter.intervals if row.channel == channel], window, notes)
    return MeterIntervals(
        str(meter.meter_serial_number),
        None if meter.envoy_serial_number is None else str(meter.envoy_serial_number),
        channel_intervals(
            [row.channel for row in rows],
            [row.end_at for row in rows],
            [NAN if (value := row.wh_del) is None else value for row in rows],
            [NAN if (value := row.curr_w) is None else value for row in rows],
        ),
    )


def _tidy(rows: list[R], window: Window, notes: list[str]) -> list[R]:
    """Return rows in order, each interval once (its last word), and only what was asked for."""
    if [row.end_at for row in rows] == list(range(window.start + GRID, window.end + 1, GRID)):
        return rows
    inside = [row for row in rows if window.start < row.end_at <= window.end and row.end_at % GRID == 0]
    if len(inside) < len(rows):
        notes.append("rows outside the asked range or off the 15-minute grid were left out")
    once = {row.end_at: row for row in inside}
    if len(once) < len(inside):
        notes.append("intervals that came twice were taken once, the later row of the two")
    return sorted(once.values(), key=attrgetter("end_at"))


def _spanned(rows: Sequence[_Interval]) -> Window:
    ends = [row.end_at for row in rows if row.end_at % GRID == 0]
    return Window(min(ends) - GRID, max(ends)) if ends else Window(0, 0)


def _coverage(
    body: _RgmStats, window: Window, ends: Sequence[int], date: float | None, notes: Sequence[str]
) -> Coverage:
    reports = [*ends[-1:], *([body.meta.last_report_at] if body.meta and body.meta.last_report_at else [])]
    until = max(reports, default=None)
    holes = [Hole(gap, Reason.NO_ROW) for gap in missing(window, ends, GRID)]
    if not body.total_devices and not ends:
        holes = [Hole(hole.window, Reason.NO_DEVICE) for hole in holes]
    else:
        started = body.meta.operational_at if body.meta else None
        holes = [part for hole in holes for part in _reasons(hole.window, started, until)]
    return Coverage(
        window,
        GRID,
        join(holes),
        as_of=None if date is None else as_datetime(date),
        reported_until=None if until is None else as_datetime(until),
        notes=tuple(dict.fromkeys(notes)),
    )


def _reasons(gap: Window, started: float | None, until: float | None) -> list[Hole]:
    """Tell why a stretch has no rows: before operation, after the last report, or neither."""
    first = gap.start if started is None else started
    last = gap.end if until is None else until
    holes = split_at(gap, first // GRID * GRID, Reason.BEFORE_OPERATION, Reason.NO_ROW)
    return [
        part
        for hole in holes
        for part in (
            split_at(hole.window, last // GRID * GRID, Reason.NO_ROW, Reason.NOT_REPORTED_YET)
            if hole.reason is Reason.NO_ROW
            else [hole]
        )
    ]


def _meta(meta: _Meta | None) -> Meta | None:
    if meta is None:
        return None
    moments = (meta.last_report_at, meta.last_energy_at, meta.operational_at)
    return Meta(meta.status, *(None if at is None else as_datetime(at) for at in moments))
