"""One contender's round, in a process of its own: how long its jobs take, and what a held year weighs."""

from __future__ import annotations

import asyncio
import gc
import re
import time
import tracemalloc
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from attrs import field, frozen

from benchmarks.contender import Contender, Numbers, contender, numbers, rows
from benchmarks.payload import WEEK

ANSWERS, ANSWER_WEEKS = 200, 4
"""Answers that are held at once, and the weeks of each."""
DECODES = 40  # a week takes a third of a millisecond or more: long enough to be timed together


@frozen
class Task:
    """What a round has to do.

    Attributes:
        name: the contender.
        url: where the server answers.
        start: start of the span to fetch, epoch seconds.
        end: end of it.
        week: the body to decode.
        times: how often each job is done; the median counts.
    """

    name: str
    url: str
    start: int
    end: int
    week: bytes = field(repr=False)
    times: int


@frozen
class Timing:
    """How long a job took, in milliseconds."""

    wall: float
    cpu: float


@frozen
class Weight:
    """What a held year weighs.

    Attributes:
        rows: how many rows it has.
        held: bytes Python has allocated for it.
        resident: MiB by which the process has grown; `None` where it cannot be read.
        peak: MiB by which the process had grown at the worst.
    """

    rows: int
    held: int
    resident: float | None = None
    peak: float | None = None


@frozen
class Held:
    """A process that holds many answers.

    Attributes:
        rows: how many rows they have.
        peak: MiB of the process at the worst; `None` where it cannot be read.
    """

    rows: int
    peak: float | None


class Stopwatch:
    """Collects the timings of jobs by name."""

    def __init__(self) -> None:
        self._timings: dict[str, list[Timing]] = {}

    @contextmanager
    def timed(self, job: str, repeats: int = 1) -> Iterator[None]:
        """Time the body, which does the job so many times."""
        gc.collect()  # nobody pays for the rubbish of the job before
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        self._timings.setdefault(job, []).append(Timing(1000 * wall / repeats, 1000 * cpu / repeats))

    def medians(self) -> dict[str, Timing]:
        """Return the median timing of each job."""
        return {
            job: Timing(median(timing.wall for timing in timings), median(timing.cpu for timing in timings))
            for job, timings in self._timings.items()
        }


def time_jobs(task: Task) -> tuple[dict[str, Timing], list[tuple[str, Numbers]]]:
    """Do every job; return how long each took, and what came out."""
    return asyncio.run(_time_jobs(task, contender(task.name)))


async def _time_jobs(task: Task, who: Contender) -> tuple[dict[str, Timing], list[tuple[str, Numbers]]]:
    watch = Stopwatch()
    async with who.client(task.url) as client:
        # Not timed: it warms up both sides, and its results are compared with everybody's.
        year = await who.year(client, task.start, task.end)
        parts = [part async for part in who.stream(client, task.start, task.end)]
        results = [
            ("week", numbers(who.decode(task.week, (task.start, task.start + WEEK)))),
            ("year", numbers(year)),
            ("year", numbers(who.merge(parts))),  # a stream must not differ from what is awaited
        ]
        for _ in range(task.times):
            with watch.timed("read every row of a held year"):
                deque(rows(year), maxlen=0)
        del year
        for _ in range(task.times):
            with watch.timed("merge a year of parts"):
                merged = who.merge(parts)
            del merged
        del parts
        for _ in range(task.times):
            await _time_fetching(task, who, client, watch)
    for _ in range(task.times):
        with watch.timed("decode one week", DECODES):
            for _ in range(DECODES):
                who.decode(task.week, (task.start, task.start + WEEK))
    return watch.medians(), results


async def _time_fetching(task: Task, who: Contender, client: Any, watch: Stopwatch) -> None:
    with watch.timed("year, awaited"):
        year = await who.year(client, task.start, task.end)
    del year
    with watch.timed("year, streamed"):
        async for _ in who.stream(client, task.start, task.end):
            pass


def weigh_held(task: Task) -> Weight:
    """Return what Python allocates for a held year; slow, as every allocation is noted."""
    who = contender(task.name)

    async def weigh() -> Weight:
        async with who.client(task.url) as client:
            await who.year(client, task.start, task.end)
            gc.collect()
            tracemalloc.start()
            year = await who.year(client, task.start, task.end)
            gc.collect()
            held = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
        return Weight(sum(1 for _ in rows(year)), held)

    return asyncio.run(weigh())


def weigh_process(task: Task) -> Weight:
    """Return by how much the process grows with the first year it holds."""
    who = contender(task.name)

    async def weigh() -> Weight:
        async with who.client(task.url) as client:
            await who.year(client, task.end - 86_400, task.end)  # what is imported or made at first use
            gc.collect()
            before = status("VmRSS")
            year = await who.year(client, task.start, task.end)
            gc.collect()
            after, peak = status("VmRSS"), status("VmHWM")
        grown = None if before is None or after is None else after - before
        most = None if before is None or peak is None else peak - before
        return Weight(sum(1 for _ in rows(year)), 0, grown, most)

    return asyncio.run(weigh())


def weigh_many(task: Task, answers: int) -> Held:
    """Return how big a process gets that holds so many answers of some weeks, fetched one after another."""
    who = contender(task.name)

    async def weigh() -> Held:
        async with who.client(task.url) as client:
            start = max(task.start, task.end - ANSWER_WEEKS * WEEK)
            held = [await who.year(client, start, task.end) for _ in range(answers)]
            peak = status("VmHWM")
        return Held(sum(1 for each in held for _ in rows(each)), peak)

    return asyncio.run(weigh())


def status(name: str) -> float | None:
    """Return a size of this process in MiB, as Linux tells it."""
    try:
        found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    except OSError:
        return None
    return int(found.group(1)) / 1024 if found else None
