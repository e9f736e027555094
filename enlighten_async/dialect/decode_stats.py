"""Answers in intervals that have the figures of a whole system in each row, to columns."""

from __future__ import annotations

import msgspec

from enlighten_async.dialect.decode_intervals import RawBody, RawRow, asked, raw, read
from enlighten_async.dialect.ranges import Endpoint
from enlighten_async.models.consumption_stats import ConsumptionStats, consumption_intervals
from enlighten_async.models.stats import Stats, stats_intervals
from enlighten_async.windows import Window
from enlighten_async.wire import Response


class _Interval(RawRow, gc=False):
    devices_reporting: float | None = None
    powr: float | None = None
    enwh: float | None = None


class _Body(RawBody, gc=False):
    intervals: list[_Interval] | None = None


_DECODER = msgspec.json.Decoder(_Body)


def stats(endpoint: Endpoint, response: Response, system_id: int, window: Window | None) -> Stats:
    """Decode what the microinverters of a system made.

    Args:
        endpoint: what the service allows.
        response: the answer.
        system_id: the system asked about.
        window: the range asked for; `None` takes what the answer spans.

    Raises:
        DecodeError: the answer is not what the service documents, or of another system.
    """
    body = read(_DECODER, response, system_id)
    range_ = asked(endpoint, window, body, body.intervals, response)
    ends, rows = range_.fitted(body.intervals or [])
    intervals = stats_intervals(
        ends,
        raw([row.devices_reporting for row in rows]),
        raw([row.powr for row in rows]),
        raw([row.enwh for row in rows]),
    )
    return Stats(intervals=intervals, **range_.facts(body, ends, response))


def consumption_stats(
    endpoint: Endpoint, response: Response, system_id: int, window: Window | None
) -> ConsumptionStats:
    """Decode what the site of a system consumed, as `stats` does."""
    body = read(_DECODER, response, system_id)
    range_ = asked(endpoint, window, body, body.intervals, response)
    ends, rows = range_.fitted(body.intervals or [])
    intervals = consumption_intervals(
        ends, raw([row.devices_reporting for row in rows]), raw([row.enwh for row in rows])
    )
    return ConsumptionStats(intervals=intervals, **range_.facts(body, ends, response))
