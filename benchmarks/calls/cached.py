"""Answers that are cached, asked for again: CPU of each call, from the state file and from memory."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

from benchmarks.ours import PLENTY
from benchmarks.payload import SYSTEM_ID, WEEK
from enlighten_async import EnlightenClient
from enlighten_async.cache import MemoryCache
from enlighten_async.windows import DAY

Call = Callable[[EnlightenClient], Awaitable[Any]]

Figures = dict[tuple[str, str], float]
"""Milliseconds of CPU of a call, by job and place."""

JOBS = ("summary", "a day", "a week", "a year")

CHANGED = "file, written by another"
"""From the file, after another program has written to it: what was read last may not be true any more."""

PLACES = ("file, first", CHANGED, "file", "memory, first", "memory")

GOALS: Mapping[tuple[str, str], float] = MappingProxyType(
    {
        ("summary", CHANGED): 0.4,
        ("summary", "file"): 0.2,
        ("a day", "file"): 0.5,
        ("a week", "file"): 0.8,
        ("a year", "file"): 15.0,
        ("a year", "memory"): 5.0,
    }
)
"""Milliseconds that a call may take, by job and place."""


def calls(start: int, end: int) -> dict[str, Call]:
    """Return the calls: of the newest day, the newest week, and all there is."""

    def series(first: int) -> Call:
        return lambda client: client.rgm_stats(SYSTEM_ID, start_at=first, end_at=end)

    return {
        "summary": lambda client: client.summary(SYSTEM_ID),
        "a day": series(max(start, end - DAY)),
        "a week": series(max(start, end - WEEK)),
        "a year": series(start),
    }


def measure(url: str, start: int, end: int, times: int) -> Figures:
    """Return the milliseconds of CPU of each call, of the first of a client and of later ones."""
    with TemporaryDirectory() as folder:
        places: dict[str, dict[str, Any]] = {
            "file": {"state": Path(folder) / "state.db"},
            "memory": {"interval_cache": MemoryCache()},
        }
        figures = [asyncio.run(_play(place, url, start, end, times)) for place in places.items()]
    return figures[0] | figures[1]


async def _play(place: tuple[str, dict[str, Any]], url: str, start: int, end: int, times: int) -> Figures:
    where, options = place
    figures: Figures = {}
    for job, call in calls(start, end).items():
        async with EnlightenClient("key", "4d7a", plan=PLENTY, base_url=url, **options) as client:
            await call(client)
        async with EnlightenClient("key", "4d7a", plan=PLENTY, base_url=url, **options) as client:
            view = client.with_options(max_age=DAY)
            gc.collect()
            first = await _cpu(view, call)
            turns = range(times if job == "a year" else 10 * times)
            figures |= {
                (job, f"{where}, first"): first,
                (job, where): median([await _cpu(view, call) for _ in turns]),
            }
            if where == "file":
                with closing(sqlite3.connect(options["state"])) as other:
                    figures[job, CHANGED] = median([await _changed(other, view, call) for _ in turns])
    return figures


async def _changed(other: sqlite3.Connection, client: EnlightenClient, call: Call) -> float:
    """Return the milliseconds of CPU of a call before which another program writes to the file."""
    with other:
        other.execute("INSERT OR REPLACE INTO meta VALUES ('benchmark', random())")
    return await _cpu(client, call)


async def _cpu(client: EnlightenClient, call: Call) -> float:
    """Return the milliseconds of CPU of one call, which has to be cached."""
    began = time.process_time()
    answer = await call(client)
    took = 1000 * (time.process_time() - began)
    sent = answer.receipt.sent if hasattr(answer, "receipt") else 0
    assert sent == 0, answer
    return took
