"""Measure stalls of the event loop: `python -m benchmarks.stall [--smoke] [--write]`."""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Any

from attrs import frozen

from benchmarks.machine import machine
from benchmarks.ours import PLENTY
from benchmarks.payload import SYSTEM_ID, WEEK, YEAR, span_until_now
from benchmarks.server import serving
from enlighten_async import EnlightenClient, RgmStats, as_completed
from enlighten_async.cache import MemoryCache
from enlighten_async.emulator.simulation.system import encode_id
from enlighten_async.export.encoders import CsvEncoder, JsonLinesEncoder

README = Path(__file__).with_name("README.md")
OPEN, CLOSE = "<!-- figures -->", "<!-- /figures -->"
QUERIES, ROUNDS = 20, 7
MAX_STALL_MS = 10.0
"""Milliseconds for which another task may wait, in most rounds."""


@frozen
class Written:
    """A year as JSON, and as plain values."""

    rows: bytes
    columns: bytes
    plain: Mapping[str, object]


@frozen
class Job:
    """The same year, by several users, each of whom pays for it.

    Attributes:
        name: its name.
        queries: number of years.
        durable: whether there is a state file.
    """

    name: str
    queries: int
    durable: bool = False


JOBS = (
    Job("a year, awaited", 1),
    Job(f"{QUERIES} years, `as_completed`", QUERIES),
    Job(f"{QUERIES} years, into a state file", QUERIES, durable=True),
)
AGAIN = f"{QUERIES} years, from the state file"
KEPT, READ = "a year, into memory", "a year, from memory"
PYTHON = "plain Python in a thread"
IN_THREAD: Mapping[str, Callable[[RgmStats, Written], object]] = MappingProxyType(
    {
        PYTHON: lambda *_: [None for _ in range(2_000_000) if not _],
        "`to_json()` of a year": lambda year, _: year.to_json(),
        "`to_json(columns=True)`": lambda year, _: year.to_json(columns=True),
        "`to_dict()`": lambda year, _: year.to_dict(),
        "`from_json()`": lambda _, written: RgmStats.from_json(written.rows),
        "`from_json()` of columns": lambda _, written: RgmStats.from_json(written.columns),
        "`from_dict()`": lambda _, written: RgmStats.from_dict(written.plain),
        "CSV of a year": lambda year, _: CsvEncoder().encode(year._table()),
        "JSON Lines of a year": lambda year, _: JsonLinesEncoder().encode(year._table()),
    }
)
"""What a web backend has a thread do with an answer, beside what any thread costs the others."""


@frozen
class Stall:
    """Milliseconds of a job.

    Attributes:
        took: in all.
        longest: the longest that another task waited.
        own: the longest that the event loop itself computed meanwhile, which other work of the machine does
            not add to.
    """

    took: float
    longest: float
    own: float


Round = dict[str, Stall]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all; return 1 if the event loop computes for more than ten milliseconds without giving way."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stall", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="two weeks, once; no bound on the time")
    parser.add_argument("--write", action="store_true", help="put the figures in this folder's README.md")
    options = parser.parse_args(arguments)
    start, end = span_until_now(2 * WEEK if options.smoke else YEAR)
    with serving(start, end) as url:
        rounds = [asyncio.run(play(url, start, end)) for _ in range(1 if options.smoke else ROUNDS)]
    text = "\n".join(table(rounds))
    print(text)
    if options.write:
        before, _, rest = README.read_text().partition(OPEN)
        README.write_text(f"{before}{OPEN}\n\n{text}\n\n{CLOSE}{rest.partition(CLOSE)[2]}")
    worst = max(median(each[job].own for each in rounds) for job in rounds[0])
    return int(not options.smoke and worst > MAX_STALL_MS)


async def play(url: str, start: int, end: int) -> Round:
    """Do each job once."""
    figures = Round()
    with tempfile.TemporaryDirectory() as folder:
        for job in JOBS:
            async with opened(url, state=Path(folder) / "state.db" if job.durable else None) as client:
                await client.rgm_stats(SYSTEM_ID, start_at=start, end_at=end)  # imports at first use
                figures[job.name] = await timed(fetch(client, job.queries, start, end))
                if job.durable:
                    figures[AGAIN] = await timed(fetch(client, job.queries, start, end))
    async with opened(url, cache=MemoryCache()) as client:
        figures[KEPT] = await timed(fetch(client, 1, start, end))
        figures[READ] = await timed(fetch(client, 1, start, end))
        year = await client.with_options(user_id=encode_id(2)).rgm_stats(
            SYSTEM_ID, start_at=start, end_at=end
        )
    written = Written(year.to_json(), year.to_json(columns=True), year.to_dict())
    for name, work in IN_THREAD.items():
        figures[name] = await timed(asyncio.to_thread(work, year, written))
    return figures


@asynccontextmanager
async def opened(
    url: str, *, state: Path | None = None, cache: MemoryCache | None = None
) -> AsyncIterator[EnlightenClient]:
    """Open a client."""
    more: dict[str, Any] = {} if state is None else {"state": state}
    more |= {} if cache is None else {"interval_cache": cache}
    async with EnlightenClient("key", encode_id(1), plan=PLENTY, base_url=url, **more) as client:
        yield client


async def fetch(client: EnlightenClient, queries: int, start: int, end: int) -> None:
    """Query so many years side by side."""
    users = [client.with_options(user_id=encode_id(2 + number)) for number in range(queries)]
    years = [user.rgm_stats(SYSTEM_ID, start_at=start, end_at=end) for user in users]
    if queries == 1:
        await years[0]
        return
    async with as_completed(years) as outcomes:
        async for _ in outcomes:
            pass


async def timed(work: Coroutine[object, object, object]) -> Stall:
    """Do something; return how long it took, and the longest that another task waited."""
    gc.collect()
    longest = own = 0.0

    async def watch() -> None:
        nonlocal longest, own
        last, last_cpu = time.perf_counter(), time.thread_time()
        while True:
            await asyncio.sleep(0)
            now, cpu = time.perf_counter(), time.thread_time()
            longest, own = max(longest, now - last), max(own, cpu - last_cpu)
            last, last_cpu = now, cpu

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    began = time.perf_counter()
    done = await work
    took = time.perf_counter() - began
    watching.cancel()
    del done  # to give memory back is no part of it
    return Stall(1000 * took, 1000 * longest, 1000 * own)


def table(rounds: Sequence[Round]) -> list[str]:
    """Return the figures as Markdown."""
    title = "| job | ms | longest stall, ms, median | of all rounds | of plain Python's | own CPU, median |"
    lines = [f"{machine(len(rounds))}.", "", title, "|---|---|---|---|---|---|"]
    usual = median(each[PYTHON].longest for each in rounds)
    for job in rounds[0]:
        took, stalls = median(each[job].took for each in rounds), [each[job].longest for each in rounds]
        own = median(each[job].own for each in rounds)
        figures = [median(stalls), max(stalls), median(stalls) / usual, own]
        lines.append(f"| {job} | {took:.0f} | {' | '.join(f'{each:.1f}' for each in figures)} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
