"""Targets: sinks by their names in one word, such as "duckdb:solar.duckdb"."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from enlighten_async.client import EnlightenClient
from enlighten_async.errors import InputError
from enlighten_async.fleet.sinks.base import Sink
from enlighten_async.fleet.sinks.duckdb import DuckDBSink
from enlighten_async.fleet.sinks.influx import InfluxSink
from enlighten_async.fleet.sinks.jsonlines import JsonLinesSink
from enlighten_async.fleet.sinks.parquet import ParquetSink
from enlighten_async.fleet.sinks.postgres import PostgresSink
from enlighten_async.fleet.sinks.stream import StreamSink
from enlighten_async.state import is_postgres, is_url

_SINKS: Final[Mapping[str, Callable[[str], Sink]]] = MappingProxyType(
    {"duckdb": DuckDBSink, "influx": InfluxSink, "jsonl": JsonLinesSink, "parquet": ParquetSink}
)

TARGETS: Final = "postgresql://…|duckdb:FILE|parquet:DIR|jsonl:FILE|jsonl:-|influx:FILE"
"""The forms of a target."""


def sink_of(target: str, client: EnlightenClient | None = None) -> Sink:
    """Return a sink by its name.

    Args:
        target: such as "duckdb:solar.duckdb", "jsonl:rows.jsonl" or "postgresql://user@host/database";
            "jsonl:-" is stdout.
        client: the client in whose state the cursors of stdout are.

    Raises:
        InputError: there is no such kind of sinks, the path is not one of a file of this user, the URL is not
            valid, the library is not installed, or there is no state for the cursors of stdout.
    """
    if is_url(target) and is_postgres(target):
        return PostgresSink(target)
    kind, _, place = target.partition(":")
    if kind not in _SINKS or not place:
        named = "this" if is_url(target) else f"{target!r:.60}"  # a URL may hold a password
        raise InputError(f"{named} is no target: give {TARGETS}")
    if place != "-":
        return _SINKS[kind](place)
    if kind != "jsonl" or client is None:
        raise InputError("stdout takes JSON lines, with a client whose state keeps the cursors: give jsonl:-")
    return StreamSink(sys.stdout.buffer, client)
