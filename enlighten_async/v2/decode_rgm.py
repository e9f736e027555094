"""Answers of `/rgm_stats` to columns.

A real answer is in order, channel by channel, each with the same intervals. That is seen by comparing
columns of times as a whole; only an answer that differs is sorted and sifted.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from operator import attrgetter, lt
from typing import Annotated, Any, TypeVar

import msgspec
from attrs import define, field

from enlighten_async.models.coverage import Coverage, Hole, Reason, explained, join, missing
from enlighten_async.models.meta import Meta
from enlighten_async.models.rgm_stats import (
    ChannelInterval,
    MeterIntervals,
    RgmInterval,
    RgmStats,
    channel_intervals,
    rgm_intervals,
)
from enlighten_async.models.series import NAN, Series
from enlighten_async.v2.decode import failed, parsed
from enlighten_async.v2.ranges import RGM_STATS
from enlighten_async.windows import Window, as_datetime
from enlighten_async.wire import Response

GRID = RGM_STATS.grid
"""Seconds of an interval."""

Epoch = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799)]
"""Seconds of the years 1970 to 9999."""
Channel = Annotated[int, msgspec.Meta(ge=0, le=32_767)]


class _Interval(msgspec.Struct, gc=False):
    end_at: Epoch
    devices_reporting: float | None = None
    wh_del: float | None = None


class _ChannelInterval(msgspec.Struct, gc=False):
    channel: Channel
    end_at: Epoch
    wh_del: float | None = None
    curr_w: float | None = None


class _Meter(msgspec.Struct, gc=False):
    meter_serial_number: str | int
    envoy_serial_number: str | int | None = None
    intervals: list[_ChannelInterval] | None = None


class _Meta(msgspec.Struct, gc=False):
    status: str | None = None
    last_report_at: float | None = None
    last_energy_at: float | None = None
    operational_at: float | None = None


class _RgmStats(msgspec.Struct, gc=False):
    system_id: int
    total_devices: int | None = None
    meta: _Meta | None = None
    intervals: list[_Interval] | None = None
    meter_intervals: list[_Meter] | None = None


_DECODER = msgspec.json.Decoder(_RgmStats)
_ORDER = attrgetter("end_at")
_CHANNEL_ORDER = attrgetter("channel", "end_at")

R = TypeVar("R", _Interval, _ChannelInterval)


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
    rows = body.intervals or []
    asked = _Asked(_spanned(response, rows) if window is None else window)
    intervals = asked.rows(rows)
    meters = asked.meters(body.meter_intervals or [])
    return RgmStats(
        system_id=system_id,
        total_devices=body.total_devices or 0,
        meta=_meta(body.meta),
        window=asked.window,
        timezone=None,
        intervals=intervals,
        meter_intervals=meters,
        coverage=_coverage(body, asked, intervals.columns["end_at"], response.date),
    )


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


@define
class _Asked:
    """The range that was asked for, and how rows are fitted into it.

    Attributes:
        window: the range.
        ends: where its intervals end.
        notes: what was left out, in words.
    """

    window: Window
    ends: array[int] = field(init=False)
    notes: list[str] = field(init=False, factory=list)

    @ends.default
    def _ends(self) -> array[int]:
        return array("q", range(self.window.start + GRID, self.window.end + 1, GRID))

    def rows(self, rows: list[_Interval]) -> Series[RgmInterval]:
        """Return a system's rows, in order of time."""
        ends = array("q", [row.end_at for row in rows])
        if not self._orderly(ends):
            rows = self._sifted(rows, _ORDER)
            ends = array("q", [row.end_at for row in rows])
        return rgm_intervals(
            ends,
            [NAN if (value := row.devices_reporting) is None else value for row in rows],
            [NAN if (value := row.wh_del) is None else value for row in rows],
        )

    def meters(self, meters: Sequence[_Meter]) -> tuple[MeterIntervals, ...]:
        """Return each meter once, though it may be listed again under another gateway."""
        rows: dict[str, list[_ChannelInterval]] = {}
        envoys: dict[str, str | None] = {}
        for meter in meters:
            serial, envoy = str(meter.meter_serial_number), meter.envoy_serial_number
            rows.setdefault(serial, []).extend(meter.intervals or ())
            envoys[serial] = None if envoy is None else str(envoy)
        return tuple(MeterIntervals(serial, envoys[serial], self._channels(rows[serial])) for serial in rows)

    def _channels(self, rows: list[_ChannelInterval]) -> Series[ChannelInterval]:
        """Return a meter's rows, channel by channel, each in order of time."""
        channels = array("h", [row.channel for row in rows])
        ends = array("q", [row.end_at for row in rows])
        if not self._regular(channels, ends):
            rows = self._sifted(rows, _CHANNEL_ORDER)
            channels = array("h", [row.channel for row in rows])
            ends = array("q", [row.end_at for row in rows])
        return channel_intervals(
            channels,
            ends,
            [NAN if (value := row.wh_del) is None else value for row in rows],
            [NAN if (value := row.curr_w) is None else value for row in rows],
        )

    def _regular(self, channels: array[int], ends: array[int]) -> bool:
        """Tell whether the channels come one after another, each with the same intervals in order."""
        if not ends:
            return True
        size = channels.count(channels[0])
        numbers = sorted(set(channels[::size]))
        grouped = b"".join(size * array("h", [number]).tobytes() for number in numbers)
        times = ends[:size]
        return channels.tobytes() == grouped and ends == len(numbers) * times and self._orderly(times)

    def _orderly(self, ends: array[int]) -> bool:
        """Tell whether rows are in order, each once, and all of them were asked for."""
        return ends == self.ends or (
            all(map(lt, ends, ends[1:]))
            and (not ends or self.window.start < ends[0] <= ends[-1] <= self.window.end)
            and not any(end % GRID for end in ends)
        )

    def _sifted(self, rows: list[R], order: Callable[[R], Any]) -> list[R]:
        """Return rows in order, each once (its last word), and only what was asked for."""
        start, end = self.window.start, self.window.end
        inside = [row for row in rows if start < row.end_at <= end and row.end_at % GRID == 0]
        if len(inside) < len(rows):
            self.notes.append("rows outside the asked range or off the 15-minute grid were left out")
        once = {order(row): row for row in inside}
        if len(once) < len(inside):
            self.notes.append("intervals that came twice were taken once, the later row of the two")
        return [once[key] for key in sorted(once)]


def _spanned(response: Response, rows: Sequence[_Interval]) -> Window:
    """Return what the rows span, where the range was left to the service."""
    ends = [row.end_at for row in rows if row.end_at % GRID == 0]
    window = Window(min(ends) - GRID, max(ends)) if ends else Window(0, 0)
    if window.seconds > RGM_STATS.span:
        raise failed(response, "$.intervals", "the rows of one answer lie more than 7 days apart")
    return window


def _coverage(body: _RgmStats, asked: _Asked, ends: Sequence[int], date: float | None) -> Coverage:
    meta = body.meta or _Meta()
    until = max([*ends[-1:], *([meta.last_report_at] if meta.last_report_at else [])], default=None)
    gaps = missing(asked.window, ends, GRID)
    if body.total_devices == 0 and not ends:
        holes = [Hole(gap, Reason.NO_DEVICE) for gap in gaps]
    else:
        holes = [hole for gap in gaps for hole in explained(gap, GRID, meta.operational_at, until)]
    return Coverage(
        asked.window,
        GRID,
        join(holes),
        as_of=None if date is None else as_datetime(date),
        reported_until=None if until is None else as_datetime(until),
        notes=tuple(dict.fromkeys(asked.notes)),
    )


def _meta(meta: _Meta | None) -> Meta | None:
    if meta is None:
        return None
    moments = (meta.last_report_at, meta.last_energy_at, meta.operational_at)
    return Meta(meta.status, *(None if at is None else as_datetime(at) for at in moments))
