"""Intervals of revenue-grade and production meters."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, Self

from attrs import evolve, field, frozen

from enlighten_async.lazy import LazyModule
from enlighten_async.models.convert import ToDict
from enlighten_async.models.coverage import Coverage
from enlighten_async.models.intervals import IntervalStats, Steps
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.series import Series, changed, concatenated
from enlighten_async.windows import Window

if TYPE_CHECKING:
    from enlighten_async import export
    from enlighten_async.export import Table
else:
    export = LazyModule("enlighten_async.export")


@frozen
class RgmInterval(ToDict):
    """Energy that all meters of a system delivered in 15 minutes."""

    end_at: datetime
    """Its end (aware UTC)."""
    devices_reporting: int | None
    """Meters that reported; below `total_devices` where reports are late, so that the values may still
    change.
    """
    wh_del: int | float | None
    """Energy delivered, Wh; null if unknown."""


@frozen
class ChannelInterval(ToDict):
    """Energy that one channel (phase) of a meter delivered in 15 minutes."""

    channel: int
    """Number of the channel, from 1."""
    end_at: datetime
    """Its end (aware UTC)."""
    wh_del: float | None
    """Energy delivered, Wh; null on a phase that is not in use."""
    curr_w: int | float | None
    """Power at its end, W; may be slightly negative at night; null as `wh_del`."""


@frozen
class MeterIntervals(ToDict):
    """The intervals of one meter."""

    meter_serial_number: str
    """Serial number of the meter; a text."""
    envoy_serial_number: str | None
    """Serial number of the gateway it reports through; a text."""
    intervals: Series[ChannelInterval]
    """Rows of all its channels, grouped by channel, each in order of time."""

    @property
    def channels(self) -> tuple[int, ...]:
        """The numbers of its channels, ascending."""
        return tuple(self._places())

    def channel(self, number: int) -> Series[ChannelInterval]:
        """Return the intervals of one channel in order of time; empty if there is no such channel.

        Args:
            number: the channel's number, from 1.
        """
        return self.intervals[self._places().get(number, slice(0))]

    def within(self, window: Window) -> Self:
        """Return its intervals of a window.

        Args:
            window: the range.
        """
        ends, cuts = self.intervals._columns["end_at"], []
        for place in self._places().values():
            first = bisect_right(ends, window.start, place.start, place.stop)
            cuts.append(slice(first, bisect_right(ends, window.end, first, place.stop)))
        return evolve(
            self, intervals=concatenated([self.intervals] * len(cuts), cuts) if cuts else self.intervals
        )

    def _places(self) -> dict[int, slice]:
        """Return the rows of each channel, by its number, ascending."""
        column, places, at = self.intervals._columns["channel"], dict[int, slice](), 0
        while at < len(column):
            end = bisect_right(column, column[at], at)
            places[int(column[at])] = slice(at, end)
            at = end
        return places


@frozen
class RgmStats(IntervalStats[RgmInterval]):
    """Energy and power of a system's revenue-grade meters over a range of time.

    `total_devices` counts meters, and `intervals` holds all of them together. The other attributes are
    those of all answers in intervals.
    """

    _energy: ClassVar[str] = "wh_del"

    meter_intervals: tuple[MeterIntervals, ...]
    """Each meter by itself."""
    coverage: Coverage = field(eq=False)
    """The part of the range that has rows, and the reasons for gaps."""
    receipt: Receipt = field(factory=Receipt, eq=False)
    """Cost of the query; empty on a part of a stream."""

    def meter_table(self) -> Table:
        """Return the rows of all channels of all meters as one table, meter by meter.

        Its columns are `system_id`, `meter_serial_number`, `envoy_serial_number`, `channel`, `end_at`,
        `wh_del` (Wh) and `curr_w` (W). It has `to_polars()`, `to_pandas()`, `to_arrow()` and
        `__arrow_c_stream__`, as the answer has for the rows of the whole system.
        """
        return export.meter_table(self)

    @classmethod
    def _without_rows(cls) -> dict[str, Any]:
        return {**super()._without_rows(), "meter_intervals": ()}

    def _with_rows_of(self, parts: Sequence[Self]) -> Steps[Self]:
        answer = yield from super()._with_rows_of(parts)
        return evolve(answer, meter_intervals=(yield from _by_meter(parts)))

    def _slice(self, window: Window) -> Self:
        pieces = [(meter, meter.within(window)) for meter in self.meter_intervals]
        # A meter whose rows all lie elsewhere would not be in an answer for this window alone.
        meters = tuple(piece for meter, piece in pieces if piece.intervals or not meter.intervals)
        return evolve(super()._slice(window), meter_intervals=meters)

    def _changed(self, before: Sequence[Self]) -> tuple[Self, Self]:
        rows = super()._changed(before)
        meters = _changed_meters(
            self.meter_intervals, (each for part in before for each in part.meter_intervals)
        )
        new, corrected = (
            evolve(answer, meter_intervals=each) for answer, each in zip(rows, meters, strict=True)
        )
        return new, corrected


def _changed_meters(
    meters: Iterable[MeterIntervals], before: Iterable[MeterIntervals]
) -> tuple[tuple[MeterIntervals, ...], tuple[MeterIntervals, ...]]:
    """Return the meters with those of their rows alone that are new, or that were others."""
    known: dict[str, list[Series[ChannelInterval]]] = {}
    for meter in before:
        known.setdefault(meter.meter_serial_number, []).append(meter.intervals)
    new: list[MeterIntervals] = []
    corrected: list[MeterIntervals] = []
    for meter in meters:
        rows = changed(meter.intervals, known.get(meter.meter_serial_number, ()), ("channel", "end_at"))
        for found, each in zip((new, corrected), rows, strict=True):
            if each:
                found.append(evolve(meter, intervals=each))
    return tuple(new), tuple(corrected)


def _by_meter(parts: Iterable[RgmStats]) -> Steps[tuple[MeterIntervals, ...]]:
    """Join the intervals of each meter, channel by channel."""
    pieces: dict[str, list[MeterIntervals]] = {}
    for meter in (meter for part in parts for meter in part.meter_intervals):
        pieces.setdefault(meter.meter_serial_number, []).append(meter)
    joined = []
    for serial, meters in pieces.items():
        yield
        envoys = [each.envoy_serial_number for each in meters if each.envoy_serial_number]
        joined.append(MeterIntervals(serial, envoys[-1] if envoys else None, _grouped(meters)))
    return tuple(joined)


def _grouped(meters: Sequence[MeterIntervals]) -> Series[ChannelInterval]:
    """Return the rows of a meter's parts, oldest first, channel by channel."""
    cuts = [(number, each, place) for each in meters for number, place in each._places().items()]
    if len(meters) == 1 or not cuts:
        return meters[0].intervals
    cuts.sort(key=itemgetter(0))
    return concatenated([each.intervals for _, each, _ in cuts], [place for *_, place in cuts])


@frozen
class ProductionMeter(IntervalStats[RgmInterval]):
    """Energy a system's production meters delivered over a range of time.

    `total_devices` counts meters; `meta` is null, as the service does not tell it here. The other
    attributes are those of all answers in intervals.
    """

    _energy: ClassVar[str] = "wh_del"
