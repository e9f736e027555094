"""Write the day of 1,000 systems to each sink: `python -m benchmarks.fleet.sinks [--smoke] [--write]`."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import anyio

from benchmarks.fleet.figures import put
from benchmarks.machine import machine
from benchmarks.state.places import places
from enlighten_async.fleet import (
    Change,
    DuckDBSink,
    InfluxSink,
    JsonLinesSink,
    ParquetSink,
    PostgresSink,
    Sink,
)
from tests.fleet.sinks.changes import change

SYSTEMS, SMOKE_SYSTEMS, QUARTERS = 1_000, 20, 96
METERS = 2
"""Meters of a system, each with as many rows as the system itself."""

JOBS: Mapping[str, tuple[int, float]] = {
    "the first day": (0, 10.0),
    "the next day": (1, 10.0),
    "the same again": (1, 10.0),
    "corrected": (1, 11.0),
}
"""The day that is written, and the energy of its rows."""


def sinks(folder: Path, url: str | None) -> Iterator[tuple[str, Sink]]:
    """Yield the sinks whose libraries, and server, are installed."""
    yield "JsonLinesSink", JsonLinesSink(folder / "rows.jsonl")
    yield "InfluxSink", InfluxSink(folder / "rows.lp")
    if find_spec("duckdb"):
        yield "DuckDBSink", DuckDBSink(folder / "rows.duckdb")
    if find_spec("pyarrow"):
        yield "ParquetSink", ParquetSink(folder / "rows")
    if url is not None:
        yield "PostgresSink", PostgresSink(url)


async def written(sink: Sink, changes: Sequence[Change]) -> float:
    """Return the seconds that a write takes."""
    began = time.perf_counter()
    await sink.write(changes)
    return time.perf_counter() - began


async def lines(systems: int) -> list[str]:
    """Return the table."""
    rows = systems * QUARTERS * (1 + METERS)
    text = [
        f"{machine()}. A write: the day of {systems:,} systems, {rows:,} rows with those of meters.",
        "",
        f"| sink | {' | '.join(f'{job}, rows/s' for job in JOBS)} |",
        f"|---|{'---|' * len(JOBS)}",
    ]
    with places(servers=True) as found, tempfile.TemporaryDirectory() as folder:
        for name, sink in sinks(Path(folder), found.get("postgres")):
            took = []
            for day, wh in JOBS.values():
                changes = [change(number, day * QUARTERS, QUARTERS, wh) for number in range(1, systems + 1)]
                took.append(await written(sink, changes))
            text.append(f"| {name} | {' | '.join(f'{rows / seconds:,.0f}' for seconds in took)} |")
            with suppress(AttributeError):
                await sink.aclose()  # type: ignore[attr-defined]
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet.sinks", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help=f"{SMOKE_SYSTEMS} systems")
    parser.add_argument("--write", action="store_true", help="put the figures in the README of this folder")
    options = parser.parse_args(arguments)
    text = "\n".join(anyio.run(lines, SMOKE_SYSTEMS if options.smoke else SYSTEMS))
    print(text)
    if options.write:
        put("sinks", text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
