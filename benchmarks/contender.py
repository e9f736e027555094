"""What is compared: who does the jobs, which jobs, and what must come out of them."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pkgutil import resolve_name
from typing import Any, Protocol, TypeAlias, cast

CONTENDERS = {
    "enlighten_async": "benchmarks.ours:Ours",
    "httpx + json + cattrs": "benchmarks.peers:HttpxCattrs",
    "aiohttp + msgspec": "benchmarks.peers:AiohttpMsgspec",
}
BASELINE = "aiohttp + msgspec"

Numbers: TypeAlias = tuple[tuple[str, int, int, float], ...]
"""For each column: its name, its rows, how many of them are null, the sum of the rest."""


class Contender(Protocol):
    """Somebody who does the jobs; answers have the attributes the API's have."""

    def decode(self, body: bytes, window: tuple[int, int]) -> Any:
        """Turn the answer for one window, from start to end in epoch seconds, into typed values."""
        ...

    def client(self, url: str) -> AbstractAsyncContextManager[Any]:
        """Open what fetches."""
        ...

    async def year(self, client: Any, start: int, end: int) -> Any:
        """Fetch a span and merge it."""
        ...

    def stream(self, client: Any, start: int, end: int) -> AsyncIterator[Any]:
        """Fetch a span and hand out its windows in order of time."""
        ...

    def merge(self, parts: Sequence[Any]) -> Any:
        """Join the windows of a span."""
        ...


def contender(name: str) -> Contender:
    """Return a contender; only now are its libraries imported."""
    return cast("Contender", resolve_name(CONTENDERS[name])())


def rows(stats: Any) -> Iterator[Any]:
    """Read every row there is, the system's own first."""
    yield from stats.intervals
    for meter in stats.meter_intervals:
        yield from meter.intervals


def numbers(stats: Any) -> Numbers:
    """Say what an answer holds, in a way that tells any lost, doubled, moved or changed row."""
    columns: dict[str, list[float | None]] = {}
    for row in stats.intervals:
        _note(columns, "site", row, "wh_del")
    for meter in stats.meter_intervals:
        for row in meter.intervals:
            where = f"{meter.meter_serial_number}/{row.channel}"
            _note(columns, where, row, "wh_del", "curr_w")
    return tuple(_summed(name, column) for name, column in columns.items())


def _note(columns: dict[str, list[float | None]], where: str, row: Any, *names: str) -> None:
    for name in names:
        columns.setdefault(f"{where} {name}", []).append(getattr(row, name))


def _summed(name: str, column: list[float | None]) -> tuple[str, int, int, float]:
    # Weighed by position, so that rows in another order make another sum.
    known = [place * value for place, value in enumerate(column, 1) if value is not None]
    return name, len(column), len(column) - len(known), math.fsum(known)
