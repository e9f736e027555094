"""Measure data frames of twenty systems: `python -m benchmarks.frames [--smoke] [--write]`."""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy
import pandas
import polars
import pyarrow

from benchmarks.machine import machine
from enlighten_async import Coverage, RgmInterval, RgmStats, Series, Window, concat

README = Path(__file__).with_name("README.md")
OPEN, CLOSE = "<!-- figures -->", "<!-- /figures -->"
SYSTEMS, INTERVALS, GRID, START = 20, 24_600, 900, 1_735_689_600
ROUNDS = 9
MIN_ROWS_PER_S = 3_000_000
NAN = float("nan")

Fleet = Sequence[RgmStats]
Round = dict[str, float]
"""Seconds, by job."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all; return 1 if a data frame is made of fewer than three million rows a second."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.frames", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="two systems, once; no bound on the time")
    parser.add_argument("--write", action="store_true", help="put the figures in this folder's README.md")
    options = parser.parse_args(arguments)
    fleet = [system(1765 + number) for number in range(2 if options.smoke else SYSTEMS)]
    rounds = [play(fleet) for _ in range(1 if options.smoke else ROUNDS)]
    rows = sum(len(each.intervals) for each in fleet)
    text = "\n".join(table(rounds, rows))
    print(text)
    if options.write:
        before, _, rest = README.read_text().partition(OPEN)
        README.write_text(f"{before}{OPEN}\n\n{text}\n\n{CLOSE}{rest.partition(CLOSE)[2]}")
    slowest = max(median(each[job] for each in rounds) for job in rounds[0] if job.startswith("ours"))
    return int(not options.smoke and rows / slowest < MIN_ROWS_PER_S)


def system(number: int) -> RgmStats:
    """Return most of a year of a system's quarter-hours; of each hundred one has no figures."""
    window = Window(START, START + GRID * INTERVALS)
    ends = range(START + GRID, window.end + 1, GRID)
    energy = [NAN if place % 100 == 99 else float((place * 37 + number) % 900) for place in range(INTERVALS)]
    reporting = [NAN if each != each else 2.0 for each in energy]  # noqa: PLR0124 - NaN is null
    rows = Series.of(RgmInterval, ends, reporting, energy)
    return RgmStats(number, 2, None, window, None, rows, (), coverage=Coverage(window, GRID))


# By hand: what a user would write


def _by_columns(fleet: Fleet) -> Mapping[str, Any]:
    columns = [each.intervals.columns for each in fleet]
    return {
        "system_id": numpy.repeat(
            [each.system_id for each in fleet], [len(each.intervals) for each in fleet]
        ),
        **{
            name: numpy.concatenate([numpy.asarray(each[name]) for each in columns])
            for name in ("end_at", "devices_reporting", "wh_del")
        },
    }


def polars_by_columns(fleet: Fleet) -> polars.DataFrame:
    """Take the columns by numpy, and mend their types in polars."""
    return polars.DataFrame(_by_columns(fleet)).with_columns(
        polars.from_epoch("end_at", "s").dt.cast_time_unit("us").dt.replace_time_zone("UTC"),
        polars.col("devices_reporting").fill_nan(None).cast(polars.Int64),
        polars.col("wh_del").fill_nan(None),
    )


def pandas_by_columns(fleet: Fleet) -> pandas.DataFrame:
    """Take the columns by numpy, and mend their types in pandas."""
    frame = pandas.DataFrame(_by_columns(fleet))
    frame["end_at"] = pandas.to_datetime(frame["end_at"], unit="s", utc=True)
    frame["devices_reporting"] = frame["devices_reporting"].astype("Int64")
    return frame


def polars_by_rows(fleet: Fleet) -> polars.DataFrame:
    """Take row after row."""
    return polars.DataFrame(
        [
            (each.system_id, row.end_at, row.devices_reporting, row.wh_del)
            for each in fleet
            for row in each.intervals
        ],
        schema=["system_id", "end_at", "devices_reporting", "wh_del"],
        orient="row",
    )


JOBS: Mapping[str, Callable[[Fleet], Any]] = {
    "ours, `to_polars()`": lambda fleet: concat(fleet).to_polars(),
    "by hand, polars, of columns": polars_by_columns,
    "by hand, polars, of rows": polars_by_rows,
    "ours, `to_pandas()`": lambda fleet: concat(fleet).to_pandas(),
    "by hand, pandas, of columns": pandas_by_columns,
    "ours, `to_arrow()`": lambda fleet: concat(fleet).to_arrow(),
}
BASELINE = "ours, `to_polars()`"


def play(fleet: Fleet) -> Round:
    """Time each job once; raise `AssertionError` if two give different numbers."""
    times, sums = Round(), set[tuple[float, float]]()
    for job, make in JOBS.items():
        gc.collect()
        start = time.perf_counter()
        frame = make(fleet)
        times[job] = time.perf_counter() - start
        plain = frame.to_pandas() if isinstance(frame, pyarrow.Table) else frame
        sums.add((float(plain["wh_del"].sum()), float(plain["devices_reporting"].sum())))
    assert len(sums) == 1, sums
    return times


def table(rounds: Sequence[Round], rows: int) -> list[str]:
    """Return the figures as Markdown; a ratio is the median of those within a round."""
    where = machine(len(rounds))
    lines = [f"{where}; {rows:,} rows.", "", "| job | ms | million rows/s | ratio |", "|---|---|---|---|"]
    for job in JOBS:
        took = median(each[job] for each in rounds)
        ratio = median(each[job] / each[BASELINE] for each in rounds)
        lines.append(f"| {job} | {took * 1000:.0f} | {rows / took / 1e6:.1f} | {ratio:.2f} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
