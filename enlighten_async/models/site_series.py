"""Intervals of a whole site: microinverters, consumption, grid import and export, batteries."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, Generic, Literal, Self, TypeVar

from attrs import field, fields, frozen

from enlighten_async.models.coverage import Coverage
from enlighten_async.models.intervals import (
    IntervalStats,
    Sum,
    Unit,
    columns,
    merge_parts_with,
    number,
    whole,
)
from enlighten_async.models.series import Series
from enlighten_async.windows import as_datetime


@frozen
class StatsInterval:
    """What the microinverters of a system produced in 5 minutes.

    Attributes:
        end_at: its end (aware UTC).
        devices_reporting: microinverters that reported; below `total_devices` at dawn, and where reports
            are late, so that the values may still rise.
        powr: average power, W; null if unknown.
        enwh: energy produced, Wh; null if unknown.
    """

    end_at: datetime
    devices_reporting: int | None
    powr: int | float | None
    enwh: int | float | None

    @classmethod
    def from_columns(cls, end_at: int, devices_reporting: float, powr: float, enwh: float) -> Self:
        """Build a row of raw column values."""
        return cls(as_datetime(end_at), whole(devices_reporting), number(powr), number(enwh))


@frozen
class Stats(IntervalStats[StatsInterval]):
    """Power and energy of a system's microinverters over a range of time.

    At night the service has no rows; they are gaps of the coverage with the reason `no_row`.
    `total_devices` counts microinverters. The other attributes are those of all answers in intervals.
    """

    _energy: ClassVar[str] = "enwh"


def stats_intervals(
    end_at: Iterable[int] = (),
    devices_reporting: Iterable[float] = (),
    powr: Iterable[float] = (),
    enwh: Iterable[float] = (),
) -> Series[StatsInterval]:
    """Return columns of raw values (null as NaN) as rows."""
    return columns(
        StatsInterval.from_columns, end_at, devices_reporting=devices_reporting, powr=powr, enwh=enwh
    )


def no_stats(system_id: int, coverage: Coverage) -> Stats:
    """Return an answer without rows."""
    return Stats(system_id, 0, None, coverage.window, None, stats_intervals(), coverage)


@frozen
class ConsumptionInterval:
    """What a system's site consumed in 15 minutes.

    Attributes:
        end_at: its end (aware UTC).
        devices_reporting: meters that reported; below `total_devices` where reports are late, so that
            the value may still change.
        enwh: energy consumed, Wh; null if unknown.
    """

    end_at: datetime
    devices_reporting: int | None
    enwh: int | float | None

    @classmethod
    def from_columns(cls, end_at: int, devices_reporting: float, enwh: float) -> Self:
        """Build a row of raw column values."""
        return cls(as_datetime(end_at), whole(devices_reporting), number(enwh))


@frozen
class ConsumptionStats(IntervalStats[ConsumptionInterval]):
    """Energy a system's site consumed over a range of time.

    `total_devices` counts consumption meters. The other attributes are those of all answers in
    intervals.
    """

    _energy: ClassVar[str] = "enwh"


def consumption_intervals(
    end_at: Iterable[int] = (), devices_reporting: Iterable[float] = (), enwh: Iterable[float] = ()
) -> Series[ConsumptionInterval]:
    """Return columns of raw values (null as NaN) as rows."""
    return columns(ConsumptionInterval.from_columns, end_at, devices_reporting=devices_reporting, enwh=enwh)


def no_consumption(system_id: int, coverage: Coverage) -> ConsumptionStats:
    """Return an answer without rows."""
    return ConsumptionStats(system_id, 0, None, coverage.window, None, consumption_intervals(), coverage)


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


R_co = TypeVar("R_co", covariant=True)


@frozen
class BatteryInterval:
    """What all batteries of a system did in 15 minutes.

    Each figure has its own count of batteries that reported it; below `total_devices` the figure may still
    change.

    Attributes:
        end_at: its end (aware UTC).
        charge: energy that went into them, Wh; null if unknown.
        discharge: energy that came out of them, Wh; null if unknown.
        soc: their common state of charge at its end, percent; null if unknown.
        charge_devices_reporting: batteries that reported `charge`.
        discharge_devices_reporting: batteries that reported `discharge`.
        soc_devices_reporting: batteries that reported `soc`.
    """

    end_at: datetime
    charge: int | float | None
    discharge: int | float | None
    soc: int | float | None
    charge_devices_reporting: int | None
    discharge_devices_reporting: int | None
    soc_devices_reporting: int | None

    @classmethod
    def from_columns(cls, end_at: int, charge: float, discharge: float, soc: float, *counts: float) -> Self:
        """Build a row of raw column values."""
        reporting = (whole(count) for count in counts)
        return cls(as_datetime(end_at), number(charge), number(discharge), number(soc), *reporting)


@frozen
class StorageInterval:
    """What one battery did in 15 minutes.

    Attributes:
        end_at: its end (aware UTC).
        charge: energy that went into it, Wh; null if unknown.
        discharge: energy that came out of it, Wh; null if unknown.
        soc: its state of charge at its end, percent; null if unknown.
    """

    end_at: datetime
    charge: int | float | None
    discharge: int | float | None
    soc: int | float | None

    @classmethod
    def from_columns(cls, end_at: int, charge: float, discharge: float, soc: float) -> Self:
        """Build a row of raw column values."""
        return cls(as_datetime(end_at), number(charge), number(discharge), number(soc))


@frozen
class Storage(IntervalStats[R_co], Generic[R_co]):
    """What batteries took in and gave over a range of time."""

    _energy: ClassVar[str] = "discharge"

    def sums(
        self,
        unit: Unit,
        *,
        timezone: str | None = None,
        of: Literal["charge", "discharge"] = "discharge",
    ) -> list[Sum]:
        """Return the energy of each local hour, day or month of the range.

        Args:
            unit: "hour", "day" or "month".
            timezone: IANA name; by default the system's own, where known.
            of: "discharge" for what came out, "charge" for what went in.

        Raises:
            InputError: the time zone is not known, or the unit is none of the three.
        """
        return self._sums(of, unit, timezone)


@frozen
class Battery(Storage[BatteryInterval]):
    """What all batteries of a system took in and gave over a range of time.

    `total_devices` counts batteries; `meta` is null, as the service does not tell it here. The other
    attributes are those of all answers in intervals.

    Attributes:
        last_reported_aggregate_soc: their common state of charge when they reported last, percent; null if
            unknown.
    """

    last_reported_aggregate_soc: float | None = field(default=None, kw_only=True)


@frozen
class StorageTelemetry(Storage[StorageInterval]):
    """What one battery, an Encharge or an AC Battery, took in and gave over a range of time.

    `total_devices` is 1, or 0 where the service answered nothing. The other attributes are those of all
    answers in intervals.

    Attributes:
        serial_number: the battery.
        last_reported_time: when it reported last (aware UTC); null if unknown.
        last_reported_soc: its state of charge then, percent; null if unknown.
    """

    serial_number: str = field(kw_only=True)
    last_reported_time: datetime | None = field(default=None, kw_only=True)
    last_reported_soc: float | None = field(default=None, kw_only=True)


def battery_intervals(end_at: Iterable[int] = (), **values: Iterable[float]) -> Series[BatteryInterval]:
    """Return columns of raw values (null as NaN), by the names of the rows' attributes, as rows."""
    names = [field.name for field in fields(BatteryInterval)][1:]
    return columns(BatteryInterval.from_columns, end_at, **{name: values.get(name, ()) for name in names})


def storage_intervals(
    end_at: Iterable[int] = (),
    charge: Iterable[float] = (),
    discharge: Iterable[float] = (),
    soc: Iterable[float] = (),
) -> Series[StorageInterval]:
    """Return columns of raw values (null as NaN) as rows."""
    return columns(StorageInterval.from_columns, end_at, charge=charge, discharge=discharge, soc=soc)


def no_battery(system_id: int, coverage: Coverage) -> Battery:
    """Return an answer without rows."""
    return Battery(system_id, 0, None, coverage.window, None, battery_intervals(), coverage)


def no_storage(system_id: int, coverage: Coverage, *, serial: str) -> StorageTelemetry:
    """Return an answer without rows, of this battery."""
    return StorageTelemetry(
        system_id, 0, None, coverage.window, None, storage_intervals(), coverage, serial_number=serial
    )


merge_battery = merge_parts_with("last_reported_aggregate_soc")
merge_storage = merge_parts_with("last_reported_time", "last_reported_soc")
