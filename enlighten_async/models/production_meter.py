"""Energy a system's production meters measured, in intervals of 15 minutes."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from enlighten_async.models.coverage import Coverage
from enlighten_async.models.intervals import IntervalStats
from enlighten_async.models.rgm_stats import RgmInterval, rgm_intervals


@frozen
class ProductionMeter(IntervalStats[RgmInterval]):
    """Energy a system's production meters delivered over a range of time.

    `total_devices` counts meters; `meta` is null, as the service does not tell it here. The other
    attributes are those of all answers in intervals.
    """

    _energy: ClassVar[str] = "wh_del"


def nothing(system_id: int, coverage: Coverage) -> ProductionMeter:
    """Return an answer without rows."""
    return ProductionMeter(system_id, 0, None, coverage.window, None, rgm_intervals(), coverage)
