"""`/systems/{system_id}/consumption_stats`: what the site consumed, by 15 minutes, in windows of 28 days."""

from __future__ import annotations

from enlighten_async.models import consumption_stats as model
from enlighten_async.models.intervals import joined
from enlighten_async.v2 import decode_stats
from enlighten_async.v2.intervals import Kind
from enlighten_async.v2.ranges import CONSUMPTION_STATS

CONSUMPTION = Kind(CONSUMPTION_STATS, decode_stats.consumption_stats, model.nothing, joined)

consumption_stats = CONSUMPTION.draft
