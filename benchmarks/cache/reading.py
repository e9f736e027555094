"""Time of a query for a cached year, whole and by its steps, and time to cache a year."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import anyio
from attrs import frozen

from benchmarks.cache.days import ASK, GRID, SYSTEM_ID, Days, joined, numbers
from benchmarks.cache.plain import Plain
from enlighten_async import EnlightenClient, Plan
from enlighten_async.cache import IntervalCache, MemoryCache, SqliteCache
from enlighten_async.clock import SystemClock
from enlighten_async.limiter import MemoryQuotaStore
from enlighten_async.models import Stats
from enlighten_async.state import StateFile
from enlighten_async.windows import DAY, floor

PLENTY = Plan(minute=100_000, month=10_000_000)
SCOPE = b"whoever asks"
WHOLE = "whole query, state file"
"""The job that all others are compared with."""

Round = dict[str, float]
"""Milliseconds, by job."""


@frozen
class Figures:
    """What was measured.

    Attributes:
        rows: of the year.
        rounds: how long each job took, round by round.
        sizes: bytes on the disk, by what holds the year.
    """

    rows: int
    rounds: list[Round]
    sizes: dict[str, int]

    def took(self, job: str) -> float:
        """Return the milliseconds a job took, the median."""
        return median(each[job] for each in self.rounds)

    def ratio(self, job: str) -> float:
        """Return how much longer than the whole query it took; within a round, so that both were slowed."""
        return median(each[job] / each[WHOLE] for each in self.rounds)


def measure(rows: int, rounds: int) -> Figures:
    """Measure; raise `AssertionError` if two ways give different numbers."""
    days = Days.until(floor(time.time(), GRID), rows)
    played: list[Round] = []
    sizes: dict[str, int] = {}
    for _ in range(rounds):
        with TemporaryDirectory() as folder:
            times, sizes = anyio.run(_play, days, Path(folder))
            played.append(times)
    return Figures(rows, played, sizes)


async def _play(days: Days, folder: Path) -> tuple[Round, dict[str, int]]:
    times: Round = {}
    await _whole(days, times, folder)
    await _steps(days, times, folder)
    _decoded(days, times)
    _table(days, times, folder)
    names = {"state file": "steps.db", "row for each interval": "plain.db"}
    sizes = {what: (folder / name).stat().st_size for what, name in names.items()}
    return times, {**sizes, "JSON bodies": sum(map(len, days.answers.values()))}


async def _whole(days: Days, times: Round, folder: Path) -> None:
    """Await the year from a client that was opened just now, after another one has cached it."""
    clock, (start, end) = SystemClock(), (days.window.start, days.window.end)
    stores: dict[str, Callable[[], IntervalCache]] = {
        WHOLE: lambda: SqliteCache(StateFile(folder / "whole.db"), clock=clock),
        "whole query, memory": partial(_same, MemoryCache()),
    }
    for job, store in stores.items():
        for again in (False, True):
            async with _client(days, store()) as client:
                view = client.with_options(max_age=DAY)
                if again:  # what is opened or imported at first use
                    await view.stats(SYSTEM_ID, start_at=start, end_at=start + DAY)
                with _stopwatch(times, job if again else f"{job}, bought"):
                    answer = await view.stats(SYSTEM_ID, start_at=start, end_at=end)
            assert answer.receipt.sent == (0 if again else len(days.answers))
            assert numbers(answer) == numbers(joined(days.parts()))


def _same(store: IntervalCache) -> IntervalCache:
    return store


def _client(days: Days, store: IntervalCache) -> EnlightenClient:
    return EnlightenClient(
        "key",
        "4d7a",
        plan=PLENTY,
        transport=days.transport(),
        quota_store=MemoryQuotaStore(),
        interval_cache=store,
    )


async def _steps(days: Days, times: Round, folder: Path) -> None:
    """Do the steps of a query that is answered from a file, and those of writing the file."""
    store = SqliteCache(StateFile(folder / "steps.db"), clock=SystemClock())
    at_once = SqliteCache(StateFile(folder / "once.db"), clock=SystemClock())
    series, parts, date = ASK.series, days.parts(), float(days.window.end)
    assert series is not None
    with _stopwatch(times, "cache it, each day as it comes"):
        await _cache(store, parts, date, each=True)
    with _stopwatch(times, "cache it, all at once"):
        await _cache(at_once, parts, date, each=False)
    with _stopwatch(times, "step: spans from the file"):
        await store.spans(SCOPE, series)
    with _stopwatch(times, "step: parts from the file"):
        cached = await store.get(SCOPE, series, days.window)
    with _stopwatch(times, "step: parts to an answer"):
        answer = joined([each.part for each in cached])
    assert numbers(answer) == numbers(joined(parts))


async def _cache(store: SqliteCache, parts: list[Stats], date: float, *, each: bool) -> None:
    series = ASK.series
    assert series is not None
    for part in parts:
        store.put(SCOPE, series, part, date)
        if each:
            await store.flush()
    await store.flush()


def _decoded(days: Days, times: Round) -> None:
    with _stopwatch(times, "the JSON bodies, decoded and joined"):
        joined(days.parts())


def _table(days: Days, times: Round, folder: Path) -> None:
    parts, plain, other = days.parts(), Plain(folder / "plain.db"), Plain(folder / "other.db")
    with _stopwatch(times, "row for each interval, write, day by day"):
        for part in parts:
            plain.put([part])
    with _stopwatch(times, "row for each interval, write, all at once"):
        other.put(parts)
    with _stopwatch(times, "row for each interval, read"):
        rows = plain.get(days.window)
    columns = joined(parts).intervals.columns
    assert rows == list(zip(*(map(int, column) for column in columns.values()), strict=True))
    plain.close()
    other.close()


@contextmanager
def _stopwatch(times: Round, job: str) -> Iterator[None]:
    gc.collect()  # nobody pays for the rubbish of the job before
    began = time.perf_counter()
    yield
    times[job] = 1000 * (time.perf_counter() - began)
