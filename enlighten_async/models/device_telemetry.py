"""What single devices made or used over a range of time: microinverters, chargers of cars, heat pumps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar, Self, TypeVar

from attrs import evolve, field, frozen

from enlighten_async.models.coverage import Coverage, Hole
from enlighten_async.models.intervals import IntervalStats, columns, joined, number
from enlighten_async.models.series import Series
from enlighten_async.windows import as_datetime


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


def merge_finest(parts: Sequence[S], empty: S, unasked: Iterable[Hole] = ()) -> S:
    """Join parts as `joined` does, on the finest of their grids."""
    grid = min((part.coverage.grid for part in parts), default=empty.coverage.grid)
    return joined(parts, evolve(empty, coverage=evolve(empty.coverage, grid=grid)), unasked)
