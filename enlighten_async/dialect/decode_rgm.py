"""Answers of `/rgm_stats` to columns; of a meter, channel by channel, each with the same intervals."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from operator import attrgetter
from typing import Annotated

import msgspec

from enlighten_async.dialect.decode_intervals import Asked, RawBody, RawRow, asked, raw, read
from enlighten_async.dialect.ranges import Endpoint
from enlighten_async.models.rgm_stats import (
    ChannelInterval,
    MeterIntervals,
    RgmStats,
    channel_intervals,
    rgm_intervals,
)
from enlighten_async.models.series import NAN, Series
from enlighten_async.windows import Window
from enlighten_async.wire import Response

Channel = Annotated[int, msgspec.Meta(ge=0, le=32_767)]


class _Interval(RawRow, gc=False):
    devices_reporting: float | None = None
    wh_del: float | None = None


class _ChannelInterval(RawRow, kw_only=True, gc=False):
    channel: Channel
    wh_del: float | None = None
    curr_w: float | None = None


class _Meter(msgspec.Struct, gc=False):
    meter_serial_number: str | int
    envoy_serial_number: str | int | None = None
    intervals: list[_ChannelInterval] | None = None


class _RgmStats(RawBody, gc=False):
    intervals: list[_Interval] | None = None
    meter_intervals: list[_Meter] | None = None


_DECODER = msgspec.json.Decoder(_RgmStats)
_ORDER = attrgetter("channel", "end_at")


def rgm_stats(endpoint: Endpoint, response: Response, system_id: int, window: Window | None) -> RgmStats:
    """Decode `/systems/{system_id}/rgm_stats`.

    Args:
        endpoint: what the service allows.
        response: the answer.
        system_id: the system asked about.
        window: the range asked for; `None` takes what the rows span.

    Raises:
        DecodeError: the answer is not what the service documents, or of another system.
    """
    body = read(_DECODER, response, system_id)
    range_ = asked(endpoint, window, body, body.intervals, response)
    ends, rows = range_.fitted(body.intervals or [])
    intervals = rgm_intervals(
        ends, raw([row.devices_reporting for row in rows]), raw([row.wh_del for row in rows])
    )
    meters = _meters(range_, body.meter_intervals or [])
    return RgmStats(intervals=intervals, meter_intervals=meters, **range_.facts(body, ends, response))


def _meters(range_: Asked, meters: Sequence[_Meter]) -> tuple[MeterIntervals, ...]:
    """Return each meter once, though it may be listed again under another gateway."""
    rows: dict[str, list[_ChannelInterval]] = {}
    envoys: dict[str, str | None] = {}
    for meter in meters:
        serial, envoy = str(meter.meter_serial_number), meter.envoy_serial_number
        rows.setdefault(serial, []).extend(meter.intervals or ())
        envoys[serial] = None if envoy is None else str(envoy)
    return tuple(MeterIntervals(serial, envoys[serial], _channels(range_, rows[serial])) for serial in rows)


def _channels(range_: Asked, rows: list[_ChannelInterval]) -> Series[ChannelInterval]:
    """Return a meter's rows, channel by channel, each in order of time."""
    rows = range_.within(rows)
    channels = array("h", [row.channel for row in rows])
    ends = array("q", [row.end_at for row in rows])
    if not _regular(range_, channels, ends):
        rows = range_.sifted(rows, _ORDER)
        channels = array("h", [row.channel for row in rows])
        ends = array("q", [row.end_at for row in rows])
    return channel_intervals(
        channels,
        ends,
        [NAN if (value := row.wh_del) is None else value for row in rows],
        [NAN if (value := row.curr_w) is None else value for row in rows],
    )


def _regular(range_: Asked, channels: array[int], ends: array[int]) -> bool:
    """Tell whether the channels come one after another, each with the same intervals in order."""
    if not ends:
        return True
    size = channels.count(channels[0])
    numbers = sorted(set(channels[::size]))
    grouped = b"".join(size * array("h", [number]).tobytes() for number in numbers)
    times = ends[:size]
    return channels.tobytes() == grouped and ends == len(numbers) * times and range_.orderly(times)
