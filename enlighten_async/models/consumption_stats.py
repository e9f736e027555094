"""Energy a system's consumption meters measured, in intervals of 15 minutes."""

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


def nothing(system_id: int, coverage: Coverage) -> ConsumptionStats:
    """Return an answer without rows."""
    return ConsumptionStats(system_id, 0, None, coverage.window, None, consumption_intervals(), coverage)
