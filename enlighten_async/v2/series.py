"""The endpoints that answer in intervals: what the service allows of each, in one table."""

from __future__ import annotations

from enlighten_async.dialect import decode_rgm, decode_stats
from enlighten_async.dialect.intervals import Kind
from enlighten_async.dialect.ranges import Endpoint
from enlighten_async.models import consumption_stats, rgm_stats, stats
from enlighten_async.models.coverage import Reason
from enlighten_async.models.intervals import joined
from enlighten_async.windows import DAY

RGM_STATS = Kind(
    Endpoint("rgm_stats", 900, 7 * DAY, path="/systems/{}/rgm_stats", cut="error"),
    decode_rgm.rgm_stats,
    rgm_stats.nothing,
    rgm_stats.merge,
)
"""Revenue-grade meters, by 15 minutes; longer than 7 days is an error, older than a year an empty list."""

STATS = Kind(
    Endpoint("stats", 300, DAY, path="/systems/{}/stats", dense=False),
    decode_stats.stats,
    stats.nothing,
    joined,
)
"""Microinverters, by 5 minutes; of a longer range the first day is answered; at night there are no rows."""

CONSUMPTION_STATS = Kind(
    Endpoint(
        "consumption_stats",
        900,
        28 * DAY,
        path="/systems/{}/consumption_stats",
        no_content=Reason.NO_DEVICE,
    ),
    decode_stats.consumption_stats,
    consumption_stats.nothing,
    joined,
)
"""What the site consumed, by 15 minutes; of a longer range "one month" is answered: 28 days at least."""
