"""Energy and power of a system's revenue-grade meters, in intervals of 15 minutes."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Self

from attrs import field, frozen

from enlighten_async.errors import InputError
from enlighten_async.models.convert import unstructure
from enlighten_async.models.coverage import Coverage, Hole, combined
from enlighten_async.models.meta import Meta
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.series import Series, concatenated
from enlighten_async.models.sums import Sum, Unit, sums
from enlighten_async.windows import Window, as_datetime, time_zone


@frozen
class RgmInterval:
    """What all meters of a system delivered in 15 minutes.

    Attributes:
        end_at: its end (aware UTC).
        devices_reporting: meters that reported; below `total_devices` where reports are late, so that
            the values may still change.
        wh_del: energy delivered, Wh; null if unknown.
    """

    end_at: datetime
    devices_reporting: int | None
    wh_del: int | float | None

    @classmethod
    def from_columns(cls, end_at: int, devices_reporting: float, wh_del: float) -> Self:
        """Build a row of raw column values."""
        return cls(as_datetime(end_at), _whole(devices_reporting), _number(wh_del))


@frozen
class ChannelInterval:
    """What one channel (phase) of a meter delivered in 15 minutes.

    Attributes:
        channel: number of the channel, from 1.
        end_at: its end (aware UTC).
        wh_del: energy delivered, Wh; null on a phase that is not in use.
        curr_w: power at its end, W; may be slightly negative at night; null as `wh_del`.
    """

    channel: int
    end_at: datetime
    wh_del: float | None
    curr_w: int | float | None

    @classmethod
    def from_columns(cls, channel: int, end_at: int, wh_del: float, curr_w: float) -> Self:
        """Build a row of raw column values."""
        return cls(channel, as_datetime(end_at), _known(wh_del), _number(curr_w))


@frozen
class MeterIntervals:
    """The intervals of one meter.

    Attributes:
        meter_serial_number: serial number of the meter; a text.
        envoy_serial_number: serial number of the gateway it reports through; a text.
        intervals: rows of all its channels, grouped by channel, each in order of time.
    """

    meter_serial_number: str
    envoy_serial_number: str | None
    intervals: Series[ChannelInterval]

    @property
    def channels(self) -> tuple[int, ...]:
        """The numbers of its channels, ascending."""
        column, numbers, at = self.intervals.columns["channel"], [], 0
        while at < len(column):
            numbers.append(column[at])
            at = bisect_right(column, column[at], at)
        return tuple(numbers)

    def channel(self, number: int) -> Series[ChannelInterval]:
        """Return the intervals of one channel in order of time; empty if there is no such channel."""
        column = self.intervals.columns["channel"]
        return self.intervals[bisect_left(column, number) : bisect_right(column, number)]


@frozen
class RgmStats:
    """Energy and power of a system's revenue-grade meters over a range of time.

    Attributes:
        system_id: the service's number of the system.
        total_devices: how many meters it has.
        meta: the system's state when the newest part was fetched.
        window: the range that was asked for in the end: `(start, end]`, epoch seconds on the grid.
        timezone: IANA name of the system's time zone, where known.
        intervals: all meters together, in order of time.
        meter_intervals: each meter by itself.
        coverage: what of the range is there, and why the rest is not.
        receipt: what the query spent; empty on a part of a stream.
    """

    system_id: int
    total_devices: int
    meta: Meta | None
    window: Window
    timezone: str | None
    intervals: Series[RgmInterval]
    meter_intervals: tuple[MeterIntervals, ...]
    coverage: Coverage = field(eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)

    def sums(self, unit: Unit, *, timezone: str | None = None) -> list[Sum]:
        """Return the energy of each local hour, day or month of the range.

        Args:
            unit: "hour", "day" or "month".
            timezone: IANA name; by default the system's own, where known.

        Raises:
            InputError: the time zone is not known, or the unit is none of the three.
        """
        name = timezone or self.timezone
        if name is None:
            raise InputError(
                f"the time zone of system {self.system_id} is not known yet: pass timezone='Europe/Berlin', "
                f"say, or await client.systems() before, which learns it for all your systems"
            )
        columns = self.intervals.columns
        return sums(
            self.window, self.coverage.grid, columns["end_at"], columns["wh_del"], time_zone(name), unit
        )

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values that `json` can write; instants as ISO 8601 in UTC."""
        return unstructure(self)


def rgm_intervals(
    end_at: Iterable[int] = (), devices_reporting: Iterable[float] = (), wh_del: Iterable[float] = ()
) -> Series[RgmInterval]:
    """Return columns of raw values (null as NaN) as rows of a system."""
    return Series(
        RgmInterval.from_columns,
        {
            "end_at": array("q", end_at),
            "devices_reporting": array("d", devices_reporting),
            "wh_del": array("d", wh_del),
        },
    )


def channel_intervals(
    channel: Iterable[int] = (),
    end_at: Iterable[int] = (),
    wh_del: Iterable[float] = (),
    curr_w: Iterable[float] = (),
) -> Series[ChannelInterval]:
    """Return columns of raw values (null as NaN), grouped by channel, as rows of a meter."""
    return Series(
        ChannelInterval.from_columns,
        {
            "channel": array("h", channel),
            "end_at": array("q", end_at),
            "wh_del": array("d", wh_del),
            "curr_w": array("d", curr_w),
        },
    )


def merge(
    parts: Sequence[RgmStats],
    *,
    system_id: int,
    window: Window,
    grid: int,
    unasked: Iterable[Hole] = (),
    timezone: str | None = None,
    receipt: Receipt | None = None,
) -> RgmStats:
    """Join parts of one system into one answer.

    Args:
        parts: in order of time; no two share an interval.
        system_id: the service's number of the system.
        window: the range the answer is for.
        grid: seconds from one interval to the next.
        unasked: what of the range no part speaks for, and why.
        timezone: IANA name of the system's time zone, where known.
        receipt: what was spent.
    """
    # A part that stands for a refusal says nothing of the system.
    newest = next((part for part in reversed(parts) if part.meta or part.total_devices), None)
    return RgmStats(
        system_id=system_id,
        total_devices=newest.total_devices if newest else 0,
        meta=newest.meta if newest else None,
        window=window,
        timezone=timezone,
        intervals=concatenated([part.intervals for part in parts]) if parts else rgm_intervals(),
        meter_intervals=_by_meter(parts),
        coverage=combined([part.coverage for part in parts], window, grid, unasked),
        receipt=receipt or Receipt(),
    )


def _by_meter(parts: Iterable[RgmStats]) -> tuple[MeterIntervals, ...]:
    """Join the intervals of each meter, channel by channel."""
    envoys: dict[str, str | None] = {}
    pieces: dict[str, dict[int, list[Series[ChannelInterval]]]] = {}
    for part in parts:
        for meter in part.meter_intervals:
            envoys[meter.meter_serial_number] = meter.envoy_serial_number
            channels = pieces.setdefault(meter.meter_serial_number, {})
            for channel in meter.channels:
                channels.setdefault(channel, []).append(meter.channel(channel))
    return tuple(
        MeterIntervals(serial, envoys[serial], _grouped(channels)) for serial, channels in pieces.items()
    )


def _grouped(channels: Mapping[int, list[Series[ChannelInterval]]]) -> Series[ChannelInterval]:
    """Put the pieces of each channel one after another, channel by channel."""
    ordered = [piece for _, pieces in sorted(channels.items()) for piece in pieces]
    return concatenated(ordered) if ordered else channel_intervals()


def _known(raw: float) -> float | None:
    return None if raw != raw else raw  # noqa: PLR0124 - only NaN, a null, differs from itself


def _whole(raw: float) -> int | None:
    return None if raw != raw else int(raw)  # noqa: PLR0124 - as above


def _number(raw: float) -> int | float | None:
    return int(raw) if raw.is_integer() else _known(raw)
