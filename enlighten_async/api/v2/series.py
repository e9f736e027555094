"""Series of v2, by intervals and by local days, with their limits in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enlighten_async import models
from enlighten_async.api.daily import DailyEndpoint, DateRange
from enlighten_async.api.ranges import SeriesLimits
from enlighten_async.api.series import SeriesEndpoint
from enlighten_async.errors import APIError
from enlighten_async.lazy import LazyModule
from enlighten_async.models.coverage import Reason
from enlighten_async.windows import DAY

if TYPE_CHECKING:
    from enlighten_async.api import decode_series
else:
    decode_series = LazyModule("enlighten_async.api.decode_series")

RGM_STATS = SeriesEndpoint(
    SeriesLimits("rgm_stats", 900, 7 * DAY, path="/systems/{}/rgm_stats", cut="error"),
    lambda: models.RgmStats,
    lambda: decode_series.rgm_stats,
)
"""Revenue-grade meters, by 15 minutes; longer than 7 days is an error, older than a year an empty list."""

STATS = SeriesEndpoint(
    SeriesLimits("stats", 300, DAY, path="/systems/{}/stats", dense=False),
    lambda: models.Stats,
    lambda: decode_series.stats,
)
"""Microinverters, by 5 minutes; of a longer range the first day is answered; at night there are no rows."""

CONSUMPTION_STATS = SeriesEndpoint(
    SeriesLimits(
        "consumption_stats",
        900,
        28 * DAY,
        path="/systems/{}/consumption_stats",
        no_content=Reason.NO_DEVICE,
    ),
    lambda: models.ConsumptionStats,
    lambda: decode_series.consumption_stats,
)
"""Consumption of the site, by 15 minutes; of a longer range "one month" is answered: 28 days at least."""

CACHED = tuple(endpoint.limits.name for endpoint in (RGM_STATS, STATS, CONSUMPTION_STATS))
"""Names of the series that are cached as such."""

NO_METER_TEXT = "Resource not found"
"""Text of a 404 for a system without an enabled meter of consumption."""


def _no_meter_or_no_days(days: DateRange, error: APIError) -> Reason | None:
    """Return the reason why there are no days of consumption, if an error of the service says so."""
    if error.status == 204 or (error.status == 404 and NO_METER_TEXT in str(error)):
        return Reason.NO_DEVICE
    return days.empty_reason(error)


ENERGY_LIFETIME = DailyEndpoint(lambda: models.EnergyLifetime, "energy_lifetime")
"""Energy produced by a system, by local days."""

CONSUMPTION_LIFETIME = DailyEndpoint(
    lambda: models.ConsumptionLifetime, "consumption_lifetime", empty_reason_of_error=_no_meter_or_no_days
)
"""Energy consumed at a system, by local days."""
