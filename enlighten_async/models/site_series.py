"""Intervals of a whole site: microinverters, consumption, grid import and export, batteries."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final, Generic, Literal, TypeVar

from attrs import field, frozen

from enlighten_async.models.intervals import KEEP_NEWEST, IntervalStats, Sum, Unit
from enlighten_async.models.series import WIRE_PATH


@frozen
class StatsInterval:
    """Production of a system's microinverters in 5 minutes.

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


@frozen
class Stats(IntervalStats[StatsInterval]):
    """Power and energy of a system's microinverters over a range of time.

    At night the service has no rows; they are gaps of the coverage with the reason `no_row`.
    `total_devices` counts microinverters. The other attributes are those of all answers in intervals.
    """

    _energy: ClassVar[str] = "enwh"


@frozen
class ConsumptionInterval:
    """Consumption of a system's site in 15 minutes.

    Attributes:
        end_at: its end (aware UTC).
        devices_reporting: meters that reported; below `total_devices` where reports are late, so that
            the value may still change.
        enwh: energy consumed, Wh; null if unknown.
    """

    end_at: datetime
    devices_reporting: int | None
    enwh: int | float | None


@frozen
class ConsumptionStats(IntervalStats[ConsumptionInterval]):
    """Energy a system's site consumed over a range of time.

    `total_devices` counts consumption meters. The other attributes are those of all answers in
    intervals.
    """

    _energy: ClassVar[str] = "enwh"


@frozen
class EnergyImportInterval:
    """Energy that a site drew from the grid in 15 minutes.

    Attributes:
        end_at: its end (aware UTC).
        wh_imported: energy drawn, Wh; null if unknown.
    """

    end_at: datetime
    wh_imported: int | float | None


@frozen
class EnergyExportInterval:
    """Energy that a site fed into the grid in 15 minutes.

    Attributes:
        end_at: its end (aware UTC).
        wh_exported: energy fed in, Wh; null if unknown.
    """

    end_at: datetime
    wh_exported: int | float | None


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


R_co = TypeVar("R_co", covariant=True)

_CHARGE: Final = {WIRE_PATH: ("charge", "enwh")}
_DISCHARGE: Final = {WIRE_PATH: ("discharge", "enwh")}
_SOC: Final = {WIRE_PATH: ("soc", "percent")}
_NEWEST: Final = {KEEP_NEWEST: True}


@frozen
class BatteryInterval:
    """Charge, discharge and state of charge of a system's batteries in 15 minutes.

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
    charge: int | float | None = field(metadata=_CHARGE)
    discharge: int | float | None = field(metadata=_DISCHARGE)
    soc: int | float | None = field(metadata=_SOC)
    charge_devices_reporting: int | None = field(metadata={WIRE_PATH: ("charge", "devices_reporting")})
    discharge_devices_reporting: int | None = field(metadata={WIRE_PATH: ("discharge", "devices_reporting")})
    soc_devices_reporting: int | None = field(metadata={WIRE_PATH: ("soc", "devices_reporting")})


@frozen
class StorageInterval:
    """Charge, discharge and state of charge of one battery in 15 minutes.

    Attributes:
        end_at: its end (aware UTC).
        charge: energy that went into it, Wh; null if unknown.
        discharge: energy that came out of it, Wh; null if unknown.
        soc: its state of charge at its end, percent; null if unknown.
    """

    end_at: datetime
    charge: int | float | None = field(metadata=_CHARGE)
    discharge: int | float | None = field(metadata=_DISCHARGE)
    soc: int | float | None = field(metadata=_SOC)


@frozen
class Storage(IntervalStats[R_co], Generic[R_co]):
    """Energy that batteries took in and gave over a range of time."""

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
    """Energy that all batteries of a system took in and gave over a range of time.

    `total_devices` counts batteries; `meta` is null, as the service does not tell it here. The other
    attributes are those of all answers in intervals.

    Attributes:
        last_reported_aggregate_soc: their common state of charge when they reported last, percent; null if
            unknown.
    """

    last_reported_aggregate_soc: float | None = field(default=None, kw_only=True, metadata=_NEWEST)


@frozen
class StorageTelemetry(Storage[StorageInterval]):
    """Energy that one battery, an Encharge or an AC Battery, took in and gave over a range of time.

    `total_devices` is 1, or 0 where the service answered nothing. The other attributes are those of all
    answers in intervals.

    Attributes:
        serial_number: the battery.
        last_reported_time: when it reported last (aware UTC); null if unknown.
        last_reported_soc: its state of charge then, percent; null if unknown.
    """

    serial_number: str = field(kw_only=True)
    last_reported_time: datetime | None = field(default=None, kw_only=True, metadata=_NEWEST)
    last_reported_soc: float | None = field(default=None, kw_only=True, metadata=_NEWEST)
