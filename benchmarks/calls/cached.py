"""Answers that are cached, asked for again: CPU of each call, from the state file and from memory."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Mapping
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

GOALS: Mapping[str, tuple[float, float | None]] = MappingProxyType(
    {"summary": (0.2, None), "a day": (0.5, None), "a week": (0.8, None), "a year": (15.0, 5.0)}
)
"""Milliseconds that a call may take, from the file and from memory."""


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


def measure(url: str, start: int, end: int, times: int) -> dict[str, float]:
    """Return the milliseconds of CPU of each call, of the first of a client and of later ones."""
    with TemporaryDirectory() as folder:
        places: dict[str, dict[str, Any]] = {
            "file": {"state": Path(folder) / "state.db"},
            "memory": {"interval_cache": MemoryCache()},
        }
        figures = [asyncio.run(_play(place, url, start, end, times)) for place in places.items()]
    return {name: cpu for found in figures for name, cpu in found.items()}


async def _play(
    place: tuple[str, dict[str, Any]], url: str, start: int, end: int, times: int
) -> dict[str, float]:
    where, options = place
    figures: dict[str, float] = {}
    for job, call in calls(start, end).items():
        async with EnlightenClient("key", "4d7a", plan=PLENTY, base_url=url, **options) as client:
            await call(client)
        async with EnlightenClient("key", "4d7a", plan=PLENTY, base_url=url, **options) as client:
            view = client.with_options(max_age=DAY)
            gc.collect()
            first = await _cpu(view, call)
            again = [await _cpu(view, call) for _ in range(times if job == "a year" else 10 * times)]
        figures |= {f"{job}, {where}, first": first, f"{job}, {where}": median(again)}
    return figures


async def _cpu(client: EnlightenClient, call: Call) -> float:
    """Return the milliseconds of CPU of one call, which has to be cached."""
    began = time.process_time()
    answer = await call(client)
    took = 1000 * (time.process_time() - began)
    sent = answer.receipt.sent if hasattr(answer, "receipt") else 0
    assert sent == 0, answer
    return took
