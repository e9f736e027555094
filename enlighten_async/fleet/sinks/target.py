"""Targets: sinks by their names in one word, such as "duckdb:solar.duckdb"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from enlighten_async.errors import InputError
from enlighten_async.fleet.sinks.base import Sink
from enlighten_async.fleet.sinks.duckdb import DuckDBSink
from enlighten_async.fleet.sinks.jsonlines import JsonLinesSink

_SINKS: Final[Mapping[str, Callable[[str], Sink]]] = MappingProxyType(
    {"duckdb": DuckDBSink, "jsonl": JsonLinesSink}
)

TARGETS: Final = "duckdb:FILE|jsonl:FILE"
"""The forms of a target."""


def sink_of(target: str) -> Sink:
    """Return a sink by its name.

    Args:
        target: such as "duckdb:solar.duckdb" or "jsonl:rows.jsonl".

    Raises:
        InputError: there is no such kind of sinks, or the path is not one of a file of this user.
    """
    kind, _, place = target.partition(":")
    if kind not in _SINKS or not place:
        raise InputError(f"{target!r:.60} is no target: give {TARGETS}")
    return _SINKS[kind](place)
