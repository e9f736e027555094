"""Run the comparison: `python -m benchmarks.run [--smoke] [--repeat N] [--write]`."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

from attrs import evolve

from benchmarks.contender import CONTENDERS, Numbers
from benchmarks.measure import ANSWERS, Task, Timing, Weight, time_jobs, weigh_held, weigh_many, weigh_process
from benchmarks.payload import WEEK, YEAR, body, span_until_now
from benchmarks.report import report, write
from benchmarks.server import serving

P = ParamSpec("P")
T = TypeVar("T")

Round = dict[str, dict[str, Timing]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison; return 1 if the contenders do not agree on the numbers."""
    options = _options(arguments)
    start, end = span_until_now(2 * WEEK + 3_600 if options.smoke else YEAR)
    week = body(start, start + WEEK, newest=end)
    with serving(start, end) as url:
        tasks = [Task(name, url, start, end, week, 1 if options.smoke else 5) for name in CONTENDERS]
        rounds, odd = _play(tasks, 1 if options.smoke else options.repeat)
        if odd:
            print(*odd, sep="\n", file=sys.stderr)
            return 1
        weights = {task.name: _weigh(task) for task in tasks}
        many = {task.name: _alone(weigh_many, task, 2 if options.smoke else ANSWERS) for task in tasks}
    if options.smoke:
        print("all contenders agree:", *(f"{name} {weight.rows:,} rows" for name, weight in weights.items()))
        return 0
    text = report(rounds, weights, many)
    print(text)
    if options.write:
        write(text)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument(
        "--smoke", action="store_true", help="three windows, once: only that it runs and all agree"
    )
    parser.add_argument("--repeat", type=int, default=9, metavar="N", help="rounds (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="put the figures in benchmarks/README.md")
    return parser.parse_args(arguments)


def _play(tasks: Sequence[Task], repeat: int) -> tuple[list[Round], list[str]]:
    """Let everybody play in turn, round after round; return the timings, and who has other numbers."""
    rounds: list[Round] = []
    odd: list[str] = []
    agreed: dict[str, Numbers] = {}
    for number in range(repeat):
        rounds.append({})
        for task in tasks:
            rounds[-1][task.name], results = _alone(time_jobs, task)
            for what, found in results:
                if agreed.setdefault(what, found) != found:
                    odd.append(f"round {number}, {what}: {task.name} has {found}, not {agreed[what]}")
    return rounds, odd


def _weigh(task: Task) -> Weight:
    process = _alone(weigh_process, task)
    return evolve(_alone(weigh_held, task), resident=process.resident, peak=process.peak)


def _alone(work: Callable[Concatenate[Task, P], T], task: Task, *more: P.args, **named: P.kwargs) -> T:
    """Do it in a process of its own, where nobody else's garbage or imports are about."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, task, *more, **named).result()


if __name__ == "__main__":
    sys.exit(main())
