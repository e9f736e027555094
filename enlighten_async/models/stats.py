"""Power and energy of a system's microinverters, in intervals of 5 minutes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, Self

from attrs import frozen

from enlighten_async.models.coverage import Coverage
from enlighten_async.models.intervals import IntervalStats, columns, number, whole
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

    At night the service has no rows; they are holes of the coverage with the reason `no_row`.
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


def nothing(system_id: int, coverage: Coverage) -> Stats:
    """Return an answer without rows."""
    return Stats(system_id, 0, None, coverage.window, None, stats_intervals(), coverage)
