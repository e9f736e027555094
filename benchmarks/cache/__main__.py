"""Measure the cache: `python -m benchmarks.cache [--smoke] [--systems N] [--write]`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cache.days import YEAR
from benchmarks.cache.reading import WHOLE, Figures, measure
from benchmarks.cache.streaming import MAX_GROWTH_MIB, Growth, stream
from benchmarks.machine import machine

README = Path(__file__).with_name("README.md")
OPEN, CLOSE = "<!-- figures -->", "<!-- /figures -->"
ROUNDS = 9
MAX_YEAR_MS = 50.0
"""Milliseconds that the query of a cached year may take."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all; return 1 if a cached year takes too long, or a stream of years too much memory."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cache", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="some weeks, once; two systems")
    parser.add_argument("--systems", type=int, default=150, help="how many are streamed")
    parser.add_argument("--write", action="store_true", help="put the figures in this folder's README.md")
    options = parser.parse_args(arguments)
    logging.getLogger("enlighten_async").addHandler(logging.NullHandler())
    figures = measure(6_000, 1) if options.smoke else measure(YEAR, ROUNDS)
    growth = stream(2, 21) if options.smoke else stream(options.systems, 364)
    text = "\n".join([*_times(figures), "", *_sizes(figures), "", *_memory(growth)])
    print(text)
    if options.write:
        _write(text)
    return int(figures.took(WHOLE) > MAX_YEAR_MS or any(each.most > MAX_GROWTH_MIB for each in growth))


def _times(figures: Figures) -> list[str]:
    where = machine(len(figures.rounds))
    lines = [f"{where}; {figures.rows:,} rows.", "", "| job | ms | ratio |", "|---|---|---|"]
    jobs = sorted(figures.rounds[0], key=lambda job: (job != WHOLE, job))
    return lines + [f"| {job} | {figures.took(job):.1f} | {figures.ratio(job):.2f} |" for job in jobs]


def _sizes(figures: Figures) -> list[str]:
    lines = ["| on the disk | MiB | bytes a row |", "|---|---|---|"]
    return lines + [
        f"| {what} | {size / 2**20:.2f} | {size / figures.rows:.1f} |" for what, size in figures.sizes.items()
    ]


def _memory(growth: Sequence[Growth]) -> list[str]:
    lines = [
        "| streamed | systems | requests | rows | seconds | grows by, MiB | at most, MiB | file, MiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in growth:
        counts = f"{each.systems} | {each.sent:,} | {each.rows:,} | {each.seconds:.0f}"
        sizes = f"{each.grown:.1f} | {each.most:.1f} | {each.file:.1f}"
        lines.append(f"| {each.what} | {counts} | {sizes} |")
    return lines


def _write(text: str) -> None:
    before, _, rest = README.read_text().partition(OPEN)
    README.write_text(f"{before}{OPEN}\n\n{text}\n\n{CLOSE}{rest.partition(CLOSE)[2]}")


if __name__ == "__main__":
    sys.exit(main())
