"""Energy a system's site drew from the grid and fed into it, in intervals of 15 minutes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, Self

from attrs import frozen

from enlighten_async.models.coverage import Coverage
from enlighten_async.models.intervals import IntervalStats, columns, number
from enlighten_async.models.series import Series
from enlighten_async.windows import as_datetime


@frozen
class EnergyImportInterval:
    """What a site drew from the grid in 15 minutes.

    Attributes:
        end_at: its end (aware UTC).
        wh_imported: energy drawn, Wh; null if unknown.
    """

    end_at: datetime
    wh_imported: int | float | None

    @classmethod
    def from_columns(cls, end_at: int, wh_imported: float) -> Self:
        """Build a row of raw column values."""
        return cls(as_datetime(end_at), number(wh_imported))


@frozen
class EnergyExportInterval:
    """What a site fed into the grid in 15 minutes.

    Attributes:
        end_at: its end (aware UTC).
        wh_exported: energy fed in, Wh; null if unknown.
    """

    end_at: datetime
    wh_exported: int | float | None

    @classmethod
    def from_columns(cls, end_at: int, wh_exported: float) -> Self:
        """Build a row of raw column values."""
        return cls(as_datetime(end_at), number(wh_exported))


@frozen
class EnergyImportTelemetry(IntervalStats[EnergyImportInterval]):
    """Energy a system's site drew from the grid over a range of time.

    `total_devices` is always 0: the service counts none here. The other attributes are those of all
    answers in intervals.
    """

    _energy: ClassVar[str] = "wh_imported"


@frozen
class EnergyExportTelemetry(IntervalStats[EnergyExportInterval]):
    """Energy a system's site fed into the grid over a range of time.

    `total_devices` is always 0: the service counts none here. The other attributes are those of all
    answers in intervals.
    """

    _energy: ClassVar[str] = "wh_exported"


def import_intervals(
    end_at: Iterable[int] = (), wh_imported: Iterable[float] = ()
) -> Series[EnergyImportInterval]:
    """Return columns of raw values (null as NaN) as rows."""
    return columns(EnergyImportInterval.from_columns, end_at, wh_imported=wh_imported)


def export_intervals(
    end_at: Iterable[int] = (), wh_exported: Iterable[float] = ()
) -> Series[EnergyExportInterval]:
    """Return columns of raw values (null as NaN) as rows."""
    return columns(EnergyExportInterval.from_columns, end_at, wh_exported=wh_exported)


def no_import(system_id: int, coverage: Coverage) -> EnergyImportTelemetry:
    """Return an answer without rows."""
    return EnergyImportTelemetry(system_id, 0, None, coverage.window, None, import_intervals(), coverage)


def no_export(system_id: int, coverage: Coverage) -> EnergyExportTelemetry:
    """Return an answer without rows."""
    return EnergyExportTelemetry(system_id, 0, None, coverage.window, None, export_intervals(), coverage)
