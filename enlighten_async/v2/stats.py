"""`/systems/{system_id}/stats`: the microinverters, by 5 minutes, in windows of one day."""

from __future__ import annotations

from enlighten_async.models import stats as model
from enlighten_async.models.intervals import joined
from enlighten_async.v2 import decode_stats
from enlighten_async.v2.intervals import Kind
from enlighten_async.v2.ranges import STATS

MICRO = Kind(STATS, decode_stats.stats, model.nothing, joined)

stats = MICRO.draft
