"""`/systems/{system_id}/rgm_stats`: the revenue-grade meters, by 15 minutes, in windows of 7 days."""

from __future__ import annotations

from enlighten_async.models import rgm_stats as model
from enlighten_async.v2 import decode_rgm
from enlighten_async.v2.intervals import Kind
from enlighten_async.v2.ranges import RGM_STATS

RGM = Kind(RGM_STATS, decode_rgm.rgm_stats, model.nothing, model.merge)

rgm_stats = RGM.draft
