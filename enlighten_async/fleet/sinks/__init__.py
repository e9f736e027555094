"""Sinks: who keeps the rows of a fleet, and up to when each system is held."""

from enlighten_async.fleet.sinks.base import FencedSink, ReaderGone, Sink, StaleFence
from enlighten_async.fleet.sinks.duckdb import DuckDBSink
from enlighten_async.fleet.sinks.influx import InfluxSink
from enlighten_async.fleet.sinks.jsonlines import JsonLinesSink
from enlighten_async.fleet.sinks.parquet import ParquetSink
from enlighten_async.fleet.sinks.postgres import PostgresSink
from enlighten_async.fleet.sinks.target import TARGETS, sink_of

__all__ = [
    "TARGETS",
    "DuckDBSink",
    "FencedSink",
    "InfluxSink",
    "JsonLinesSink",
    "ParquetSink",
    "PostgresSink",
    "ReaderGone",
    "Sink",
    "StaleFence",
    "sink_of",
]
