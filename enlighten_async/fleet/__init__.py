"""Fleets: many systems, followed as freshly as the quota allows."""

from enlighten_async.fleet.change import Change
from enlighten_async.fleet.fleet import Fleet
from enlighten_async.fleet.metrics import FleetMetrics
from enlighten_async.fleet.plan import FleetPlan
from enlighten_async.fleet.sinks import (
    DuckDBSink,
    FencedSink,
    InfluxSink,
    JsonLinesSink,
    ParquetSink,
    PostgresSink,
    Sink,
    StaleFence,
    sink_of,
)
from enlighten_async.fleet.status import FleetStatus

__all__ = [
    "Change",
    "DuckDBSink",
    "FencedSink",
    "Fleet",
    "FleetMetrics",
    "FleetPlan",
    "FleetStatus",
    "InfluxSink",
    "JsonLinesSink",
    "ParquetSink",
    "PostgresSink",
    "Sink",
    "StaleFence",
    "sink_of",
]
