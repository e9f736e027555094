"""What batteries took in and gave, all of a system or one, in intervals of 15 minutes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, Generic, Literal, Self, TypeVar

from attrs import field, fields, frozen

from enlighten_async.models.coverage import Coverage
from enlighten_async.models.intervals import IntervalStats, columns, joined_with, number, whole
from enlighten_async.models.series import Series
from enlighten_async.models.sums import Sum, Unit
from enlighten_async.windows import as_datetime

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


merge_battery = joined_with("last_reported_aggregate_soc")
merge_storage = joined_with("last_reported_time", "last_reported_soc")
