"""Measure single calls: `python -m benchmarks.calls [--smoke] [--write]`."""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import ParamSpec, TypeVar

from benchmarks.calls.cached import GOALS, JOBS, PLACES, Figures, measure
from benchmarks.calls.small import CONTENDERS, PEER, Crowd, cpu_of
from benchmarks.machine import machine
from benchmarks.payload import WEEK, YEAR, span_until_now
from benchmarks.server import serving

P = ParamSpec("P")
T = TypeVar("T")

README = Path(__file__).with_name("README.md")
OPEN, CLOSE = "<!-- figures -->", "<!-- /figures -->"
ROUNDS, TIMES = 5, 12
CROWDS = (Crowd(1, 300), Crowd(10, 500), Crowd(100, 1_000), Crowd(1_000, 2_000))

Small = dict[Crowd, list[dict[str, float]]]
"""Microseconds of CPU for each request, by contender, round by round."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calls", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="two weeks, a few requests, once")
    parser.add_argument("--write", action="store_true", help="put the figures in this folder's README.md")
    options = parser.parse_args(arguments)
    start, end = span_until_now(2 * WEEK if options.smoke else YEAR)
    crowds = [Crowd(each.tasks, each.tasks) for each in CROWDS[:3]] if options.smoke else CROWDS
    with serving(start, end) as url:
        small: Small = {crowd: [] for crowd in crowds}
        for _ in range(1 if options.smoke else ROUNDS):
            for crowd, rounds in small.items():
                rounds.append({name: alone(cpu_of, name, url, crowd) for name in CONTENDERS})
        cached = [
            alone(measure, url, start, end, 1 if options.smoke else TIMES)
            for _ in range(1 if options.smoke else ROUNDS)
        ]
    text = "\n".join([f"{machine(len(cached))}.", "", *small_table(small), "", *cached_table(cached)])
    print(text)
    if options.write:
        before, _, rest = README.read_text().partition(OPEN)
        README.write_text(f"{before}{OPEN}\n\n{text}\n\n{CLOSE}{rest.partition(CLOSE)[2]}")


def alone(work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Do it in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *given, **named).result()


def small_table(small: Small) -> list[str]:
    """Return the figures of small requests as Markdown."""
    lines = ["| small request, CPU | " + " | ".join(f"{each.tasks:,} at once, us" for each in small) + " |"]
    lines.append("|---" * (1 + len(small)) + "|")
    for name in CONTENDERS:
        cells = []
        for rounds in small.values():
            took = median(each[name] for each in rounds)
            cells.append(f"{took:.0f} ({median(each[name] / each[PEER] for each in rounds):.2f})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def cached_table(rounds: Sequence[Figures]) -> list[str]:
    """Return the figures of cached calls as Markdown, with the goals of those that have one."""
    lines = [f"| cached call, CPU, ms | {' | '.join(PLACES)} |", "|---" * (1 + len(PLACES)) + "|"]
    for job in JOBS:
        cells = []
        for place in PLACES:
            goal = GOALS.get((job, place))
            told = "" if goal is None else f" (goal {goal:g})"
            cells.append(f"{median(each[job, place] for each in rounds):.2f}{told}")
        lines.append(f"| {job} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    main()
