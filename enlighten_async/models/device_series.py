"""Intervals of single devices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, ClassVar, Self

from attrs import evolve, field, frozen

from enlighten_async.models.convert import RowSequence
from enlighten_async.models.coverage import Coverage, Gap, Reason, join
from enlighten_async.models.intervals import IntervalStats, SeriesResult, merge_parts
from enlighten_async.models.receipt import Receipt
from enlighten_async.windows import Window


@frozen
class MicroInterval:
    """Production of one microinverter in 5 minutes.

    Attributes:
        end_at: its end (aware UTC).
        powr: average power, W; null if unknown.
        enwh: energy produced, Wh; null if unknown.
    """

    end_at: datetime
    powr: int | float | None
    enwh: int | float | None


@frozen
class ConsumedInterval:
    """Consumption of one device in 5 or 15 minutes, as the coverage's `grid` says.

    Attributes:
        end_at: its end (aware UTC).
        wh_consumed: energy, Wh; negative where a car gave more than it took; null if unknown.
    """

    end_at: datetime
    wh_consumed: int | float | None


@frozen
class EvChargerInterval:
    """Consumption of one charger of cars in 15 minutes.

    Attributes:
        end_at: its end (aware UTC).
        consumption: energy, Wh; null if unknown.
    """

    end_at: datetime
    consumption: int | float | None


@frozen
class MicroTelemetry(IntervalStats[MicroInterval]):
    """Power and energy of one microinverter over a range of time; at night there are no rows.

    `total_devices` is 1, or 0 where the service answered nothing. The other attributes are those of all
    answers in intervals.

    Attributes:
        serial_number: the microinverter.
    """

    _energy: ClassVar[str] = "enwh"

    serial_number: str = field(kw_only=True)


@frozen
class EvseTelemetry(IntervalStats[ConsumedInterval]):
    """Energy that one charger of cars (EVSE) used over a range of time.

    `total_devices` is 1, or 0 where the service answered nothing. The charger reports by 5 or by 15
    minutes: so does the coverage, by the finer of the two where parts differ. The other attributes are
    those of all answers in intervals.

    Attributes:
        serial_number: the charger.
    """

    _energy: ClassVar[str] = "wh_consumed"

    serial_number: str = field(kw_only=True)


@frozen
class HpTelemetry(IntervalStats[ConsumedInterval]):
    """Energy that a system's heat pump used over a range of time.

    `total_devices` is 1, or 0 where the service answered nothing. Intervals are of 5 or 15 minutes, as in
    `EvseTelemetry`. The other attributes are those of all answers in intervals.
    """

    _energy: ClassVar[str] = "wh_consumed"


@frozen
class EvChargerTelemetry(IntervalStats[EvChargerInterval]):
    """Energy that one of Enphase's chargers of cars used over a range of time.

    `total_devices` is 1, or 0 where the service answered nothing. The other attributes are those of all
    answers in intervals.

    Attributes:
        serial_number: the charger.
    """

    _energy: ClassVar[str] = "consumption"

    serial_number: str = field(kw_only=True)


@frozen
class MicrosTelemetry(SeriesResult, RowSequence[MicroTelemetry]):
    """All microinverters of a system over a range of time: a sequence of their series.

    `total_devices` is how many the service counts; retired ones may be among them.

    Attributes:
        devices: each by itself, with a coverage of its own.
        coverage: the part of the range that was answered for all of them.
        receipt: cost of the query; empty on a part of a stream, which holds some of the devices.
    """

    _items: ClassVar[str] = "devices"

    devices: tuple[MicroTelemetry, ...]
    coverage: Coverage = field(eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)

    @classmethod
    def empty(cls, system_id: int, coverage: Coverage, **known: Any) -> Self:
        """Return an answer without devices."""
        return super().empty(system_id, coverage, devices=(), **known)

    @property
    def _last(self) -> int | None:
        return max((last for each in self.devices if (last := each._last) is not None), default=None)

    def _with_rows_of(self, parts: Sequence[Self]) -> Self:
        """Return it with the devices of its parts, which may lie side by side or hold other devices."""
        coverage = evolve(self.coverage, gaps=_disjoint(self.coverage.gaps()))
        pieces: dict[str, list[MicroTelemetry]] = {}
        for each in (each for part in parts for each in part.devices):
            pieces.setdefault(each.serial_number, []).append(each)
        devices = tuple(_merge_device(each, coverage) for each in pieces.values())
        return evolve(self, devices=devices, coverage=coverage)

    def _with_timezone(self, timezone: str | None) -> Self:
        devices = tuple(each._with_timezone(timezone) for each in self.devices)
        return evolve(self, timezone=timezone, devices=devices)


def _merge_device(pieces: list[MicroTelemetry], coverage: Coverage) -> MicroTelemetry:
    """Join the pieces of one device: of two for the same time, as it moved to another page, the first."""
    side_by_side: list[MicroTelemetry] = []
    gaps: list[Gap] = []
    reached = coverage.window.start
    for piece in sorted(pieces, key=lambda piece: piece.window):
        if piece.window.start >= reached:
            gaps += _unlisted(Window(reached, piece.window.start), coverage.gaps())
            side_by_side.append(piece)
            reached = piece.window.end
    gaps += _unlisted(Window(reached, coverage.window.end), coverage.gaps())
    first = pieces[0]
    own = evolve(coverage, gaps=(), notes=())
    empty = MicroTelemetry.empty(first.system_id, own, serial_number=first.serial_number)
    return merge_parts(side_by_side, empty, gaps)


def _unlisted(window: Window, gaps: Iterable[Gap]) -> list[Gap]:
    """Return the gaps of a stretch for which a device was not listed: not asked for, or without a row."""
    told, reached = [], window.start
    for gap in gaps:
        piece = gap.window.clip(window)
        if piece.seconds:
            told += [Gap(Window(reached, piece.start), Reason.NO_ROW), Gap(piece, gap.reason)]
            reached = piece.end
    told.append(Gap(Window(reached, window.end), Reason.NO_ROW))
    return [gap for gap in told if gap.window.seconds]


def _disjoint(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """Return gaps that share no time; where several do, the first one's reason is kept."""
    left: list[Gap] = []
    reached = 0
    for gap in sorted(gaps, key=lambda gap: gap.window):
        start = max(gap.window.start, reached)
        if start < gap.window.end:
            left.append(Gap(Window(start, gap.window.end), gap.reason))
            reached = gap.window.end
    return join(left)
