"""Intervals of single devices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar, Self, TypeVar

from attrs import evolve, field, frozen

from enlighten_async.models.convert import RowSequence
from enlighten_async.models.coverage import Coverage, Gap, Reason, combined, join
from enlighten_async.models.intervals import IntervalStats, SeriesResult, columns, merge_parts, number
from enlighten_async.models.receipt import Receipt
from enlighten_async.models.series import Series
from enlighten_async.windows import Window, as_datetime


@frozen
class MicroInterval:
    """What one microinverter produced in 5 minutes.

    Attributes:
        end_at: its end (aware UTC).
        powr: average power, W; null if unknown.
        enwh: energy produced, Wh; null if unknown.
    """

    end_at: datetime
    powr: int | float | None
    enwh: int | float | None

    @classmethod
    def from_columns(cls, end_at: int, powr: float, enwh: float) -> Self:
        """Build a row of raw column values."""
        return cls(as_datetime(end_at), number(powr), number(enwh))


@frozen
class ConsumedInterval:
    """What one device used in 5 or 15 minutes: the coverage's `grid` tells.

    Attributes:
        end_at: its end (aware UTC).
        wh_consumed: energy, Wh; negative where a car gave more than it took; null if unknown.
    """

    end_at: datetime
    wh_consumed: int | float | None

    @classmethod
    def from_columns(cls, end_at: int, wh_consumed: float) -> Self:
        """Build a row of raw column values."""
        return cls(as_datetime(end_at), number(wh_consumed))


@frozen
class EvChargerInterval:
    """What one charger of cars used in 15 minutes.

    Attributes:
        end_at: its end (aware UTC).
        consumption: energy, Wh; null if unknown.
    """

    end_at: datetime
    consumption: int | float | None

    @classmethod
    def from_columns(cls, end_at: int, consumption: float) -> Self:
        """Build a row of raw column values."""
        return cls(as_datetime(end_at), number(consumption))


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


def micro_intervals(
    end_at: Iterable[int] = (), powr: Iterable[float] = (), enwh: Iterable[float] = ()
) -> Series[MicroInterval]:
    """Return columns of raw values (null as NaN) as rows."""
    return columns(MicroInterval.from_columns, end_at, powr=powr, enwh=enwh)


def consumed_intervals(
    end_at: Iterable[int] = (), wh_consumed: Iterable[float] = ()
) -> Series[ConsumedInterval]:
    """Return columns of raw values (null as NaN) as rows."""
    return columns(ConsumedInterval.from_columns, end_at, wh_consumed=wh_consumed)


def charger_intervals(
    end_at: Iterable[int] = (), consumption: Iterable[float] = ()
) -> Series[EvChargerInterval]:
    """Return columns of raw values (null as NaN) as rows."""
    return columns(EvChargerInterval.from_columns, end_at, consumption=consumption)


def no_micro(system_id: int, coverage: Coverage, *, serial: str) -> MicroTelemetry:
    """Return an answer without rows, of this microinverter."""
    return MicroTelemetry(
        system_id, 0, None, coverage.window, None, micro_intervals(), coverage, serial_number=serial
    )


def no_evse(system_id: int, coverage: Coverage, *, serial: str) -> EvseTelemetry:
    """Return an answer without rows, of this charger."""
    return EvseTelemetry(
        system_id, 0, None, coverage.window, None, consumed_intervals(), coverage, serial_number=serial
    )


def no_heat_pump(system_id: int, coverage: Coverage) -> HpTelemetry:
    """Return an answer without rows."""
    return HpTelemetry(system_id, 0, None, coverage.window, None, consumed_intervals(), coverage)


def no_charger(system_id: int, coverage: Coverage, *, serial: str) -> EvChargerTelemetry:
    """Return an answer without rows, of this charger."""
    return EvChargerTelemetry(
        system_id, 0, None, coverage.window, None, charger_intervals(), coverage, serial_number=serial
    )


S = TypeVar("S", bound=IntervalStats[ConsumedInterval])


def merge_finest(parts: Sequence[S], empty: S, unasked: Iterable[Gap] = ()) -> S:
    """Join parts as `joined` does, on the finest of their grids."""
    grid = min((part.coverage.grid for part in parts), default=empty.coverage.grid)
    return merge_parts(parts, evolve(empty, coverage=evolve(empty.coverage, grid=grid)), unasked)


@frozen
class MicrosTelemetry(SeriesResult, RowSequence[MicroTelemetry]):
    """All microinverters of a system over a range of time: a sequence of their series.

    `total_devices` is how many the service counts; retired ones may be among them.

    Attributes:
        devices: each by itself, with a coverage of its own.
        coverage: what of the range was answered for all of them.
        receipt: what the query spent; empty on a part of a stream, which holds some of the devices.
    """

    devices: tuple[MicroTelemetry, ...]
    coverage: Coverage = field(eq=False)
    receipt: Receipt = field(factory=Receipt, eq=False)

    def __len__(self) -> int:
        return len(self.devices)

    def _row(self, place: int) -> MicroTelemetry:
        return self.devices[place]

    @property
    def _last(self) -> int | None:
        return max((last for each in self.devices if (last := each._last) is not None), default=None)

    def _with_timezone(self, timezone: str | None) -> Self:
        devices = tuple(each._with_timezone(timezone) for each in self.devices)
        return evolve(self, timezone=timezone, devices=devices)


def no_micros(system_id: int, coverage: Coverage) -> MicrosTelemetry:
    """Return an answer without devices."""
    return MicrosTelemetry(system_id, 0, None, coverage.window, None, (), coverage)


def merge_micros(
    parts: Sequence[MicrosTelemetry], empty: MicrosTelemetry, unasked: Iterable[Gap] = ()
) -> MicrosTelemetry:
    """Join parts of one system, device by device; parts may lie side by side, or hold other devices.

    Args:
        parts: in order of time.
        empty: an answer without devices for the whole range, on its grid, to be filled.
        unasked: what of the range parts are missing for, and why.
    """
    told = combined([part.coverage for part in parts], empty.window, empty.coverage.grid, unasked)
    coverage = evolve(told, gaps=_disjoint(told.gaps()))
    pieces: dict[str, list[MicroTelemetry]] = {}
    for each in (each for part in parts for each in part.devices):
        pieces.setdefault(each.serial_number, []).append(each)
    return evolve(
        empty,
        total_devices=next((part.total_devices for part in reversed(parts) if part.total_devices), 0),
        devices=tuple(_whole(each, coverage) for each in pieces.values()),
        coverage=coverage,
    )


def _whole(pieces: list[MicroTelemetry], coverage: Coverage) -> MicroTelemetry:
    """Join the pieces of one device: of two for the same time, as it moved to another page, the first."""
    side_by_side: list[MicroTelemetry] = []
    gaps: list[Gap] = []
    reached = coverage.window.start
    for piece in sorted(pieces, key=lambda piece: piece.window):
        if piece.window.start >= reached:
            gaps += _without(Window(reached, piece.window.start), coverage.gaps())
            side_by_side.append(piece)
            reached = piece.window.end
    gaps += _without(Window(reached, coverage.window.end), coverage.gaps())
    first = pieces[0]
    empty = no_micro(first.system_id, evolve(coverage, gaps=(), notes=()), serial=first.serial_number)
    return merge_parts(side_by_side, empty, gaps)


def _without(window: Window, gaps: Iterable[Gap]) -> list[Gap]:
    """Tell why a device was not listed for a stretch: as nobody was asked, or else there was no row of it."""
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
