"""Sinks: who keeps the rows of a fleet, and up to when each system is held."""

from enlighten_async.fleet.sinks.base import Sink
from enlighten_async.fleet.sinks.duckdb import DuckDBSink
from enlighten_async.fleet.sinks.jsonlines import JsonLinesSink
from enlighten_async.fleet.sinks.target import TARGETS, sink_of

__all__ = ["TARGETS", "DuckDBSink", "JsonLinesSink", "Sink", "sink_of"]
