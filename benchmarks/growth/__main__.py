"""Measure how costs grow with rows and queries: `python -m benchmarks.growth [--smoke] [--write]`."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import httpx
from attrs import evolve

from benchmarks.growth.picture import picture
from benchmarks.machine import machine
from benchmarks.ours import PLENTY, Ours
from benchmarks.payload import GRID, METERS, PHASES, SYSTEM_ID, WEEK, span_until_now, weeks
from benchmarks.payload import body as answer
from enlighten_async import Answered, EnlightenClient, RgmStats, as_completed

README = Path(__file__).with_name("README.md")
PICTURE = Path(__file__).with_name("growth.svg")
OPEN, CLOSE = "<!-- figures -->", "<!-- /figures -->"
PER_INTERVAL = 1 + METERS * len(PHASES)
"""Rows of a quarter of an hour: the system's, and one of each channel of each meter."""
ROWS = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
QUERIES = (1, 10, 100, 1_000, 10_000)
ROUNDS = 3
SETTLED = frozenset({ROWS[3], QUERIES[1]})
"""Rows, and queries, from which on the costs that do not grow are a small part."""
MAX_GROWTH = 2.0
"""Times the CPU of one row, or query, of the smallest settled number, that it may cost among the most."""

Figures = dict[str, dict[int, float]]
"""CPU by job and number: microseconds for each row or query."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all; return 1 if one row or query among many costs much more than among few."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="1,000 rows, ten queries; no bound")
    parser.add_argument(
        "--write", action="store_true", help="put the figures, and their picture, in this folder"
    )
    options = parser.parse_args(arguments)
    rows, queries = (ROWS[:4], QUERIES[:2]) if options.smoke else (ROWS, QUERIES)
    figures: Figures = {}
    for number in rows:
        for job, cpu in of_rows(number).items():
            figures.setdefault(job, {})[number] = cpu
    figures["queries, ten in flight"] = {number: of_queries(number) for number in queries}
    text = "\n".join(table(figures))
    print(text)
    if options.write:
        before, _, rest = README.read_text().partition(OPEN)
        README.write_text(f"{before}{OPEN}\n\n{text}\n\n{CLOSE}{rest.partition(CLOSE)[2]}")
        PICTURE.write_text(picture(figures), encoding="utf-8")
    worst = max(growth(each) for each in figures.values())
    return int(not options.smoke and worst > MAX_GROWTH)


def of_rows(number: int) -> dict[str, float]:
    """Return the CPU for each of so many rows, by job."""
    intervals = max(1, round(number / PER_INTERVAL))
    start, end = span_until_now(intervals * GRID)
    who, rows = Ours(), intervals * PER_INTERVAL
    windows = weeks(start, end)
    bodies = [answer(*window, newest=end) for window in windows]
    parts = [who.decode(*each) for each in zip(bodies, windows, strict=True)]
    year = who.merge(parts)
    assert sum(len(each.intervals) for each in year.meter_intervals) + len(year.intervals) == rows
    text, named = year.to_json(columns=True), evolve(year, timezone="Europe/Berlin")
    jobs: dict[str, Callable[[], object]] = {
        "decode, week by week": lambda: [who.decode(*each) for each in zip(bodies, windows, strict=True)],
        "merge": lambda: who.merge(parts),
        "sums by day": lambda: named.sums("day"),
        "to JSON": year.to_json,
        "from JSON (columns)": lambda: RgmStats.from_json(text),
        "rows, one by one": lambda: [None for each in year.meter_intervals for _ in each.intervals],
    }
    return {job: cpu_of(work, number) / rows for job, work in jobs.items()}


def cpu_of(work: Callable[[], object], number: int) -> float:
    """Return the microseconds of CPU that some work takes, which is repeated if it is short."""
    times, found = max(1, 300 // number), []
    for _ in range(ROUNDS):
        gc.collect()
        began = time.process_time()
        for _ in range(times):
            work()
        found.append(1e6 * (time.process_time() - began) / times)
    return median(found)


def of_queries(number: int) -> float:
    """Return the CPU for each of so many queries of one client, in microseconds."""

    def reply(request: httpx.Request) -> httpx.Response:
        system_id = int(request.url.path.split("/")[-2])
        moment = WEEK * (time.time() // WEEK)
        summary = {"system_id": system_id, "modules": 9, "size_w": 9000, "status": "normal"}
        summary |= {"current_power": 1, "energy_today": 2, "energy_lifetime": 3, "source": "meter"}
        summary |= {"summary_date": "2025-06-15", "operational_at": 1, "last_report_at": int(moment)}
        return httpx.Response(200, content=json.dumps(summary | {"last_interval_end_at": int(moment)}))

    async def run() -> float:
        transport = httpx.MockTransport(reply)
        async with EnlightenClient("key", "4d7a", plan=PLENTY, transport=transport) as client:
            await client.summary(SYSTEM_ID)  # imports at first use
            gc.collect()
            began = time.process_time()
            queries = [client.summary(SYSTEM_ID + 1 + each) for each in range(number)]
            async with as_completed(queries) as outcomes:
                async for outcome in outcomes:
                    assert isinstance(outcome, Answered), outcome
            return 1e6 * (time.process_time() - began) / number

    return median(asyncio.run(run()) for _ in range(ROUNDS if number < QUERIES[-1] else 1))


def growth(figures: dict[int, float]) -> float:
    """Return how many times the CPU of one among the most is that of one among the fewest settled ones."""
    first = max((number for number in figures if number in SETTLED), default=max(figures))
    return figures[max(figures)] / figures[first]


def table(figures: Figures) -> list[str]:
    """Return the figures as Markdown."""
    lines = [f"{machine(ROUNDS)}; microseconds of CPU for each."]
    for unit, jobs in (("row", list(figures)[:-1]), ("query", list(figures)[-1:])):
        numbers = list(figures[jobs[0]])
        lines += ["", f"| {unit}: among | {' | '.join(f'{each:,}' for each in numbers)} | grows |"]
        lines.append("|---" * (len(numbers) + 2) + "|")
        for job in jobs:
            cells = [f"{figures[job][each]:.2f}" for each in numbers]
            lines.append(f"| {job} | {' | '.join(cells)} | {growth(figures[job]):.2f} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
