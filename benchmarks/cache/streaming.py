"""Many systems' years handed out part by part: by how much the process grows that asks for them."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import evolve, field, frozen

from benchmarks.measure import status
from enlighten_async import EnlightenClient, Plan
from enlighten_async.emulator import Emulator, Quota
from enlighten_async.windows import DAY

PLENTY = Plan(minute=1_000_000, month=100_000_000)
MAX_GROWTH_MIB = 64.0
"""MiB by which the process may grow."""
PROGRESS_INTERVAL = 10
"""Systems between two lines of progress."""


@frozen(kw_only=True)
class Service:
    """Where the emulator is, and whom it knows."""

    url: str
    user: str
    systems: list[int]


@frozen(kw_only=True)
class Task:
    """What is streamed: from where, into and out of which file, and which days."""

    what: str
    service: Service = field(repr=False)
    path: Path
    start: float
    end: float


@frozen(kw_only=True)
class Growth:
    """What it took.

    Attributes:
        what: from where.
        systems: how many.
        sent: requests.
        rows: of the systems and their meters.
        seconds: all of it.
        grown: MiB by which the process has grown in the end.
        most: the same at the worst.
        file: MiB of the state file.
    """

    what: str
    systems: int = 0
    sent: int = 0
    rows: int = 0
    seconds: float = 0.0
    grown: float = 0.0
    most: float = 0.0
    file: float = 0.0


def stream(systems: int, days: int) -> list[Growth]:
    """Stream the newest days of so many systems, from the service and then from the file."""
    end = time.time() // 900 * 900
    with _serving(systems) as service, TemporaryDirectory() as folder:
        about: dict[str, Any] = {"path": Path(folder, "state.db"), "start": end - days * DAY, "end": end}
        sources = "from the service", "from the state file"
        return [_alone(Task(what=what, service=service, **about)) for what in sources]


def _alone(task: Task) -> Growth:
    """Stream in a process of its own, where nobody else's garbage or imports are about."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_streamed, (task,))


def _streamed(task: Task) -> Growth:
    return asyncio.run(_stream(task))


async def _stream(task: Task) -> Growth:
    service, growth, began = task.service, Growth(what=task.what), time.monotonic()
    async with EnlightenClient(
        "key", service.user, plan=PLENTY, base_url=service.url, state=task.path
    ) as client:
        view = client.with_options(max_age=DAY)
        # What is imported or made at first use.
        await _year(view, service.systems[0], evolve(task, start=task.end - 9 * DAY), growth)
        gc.collect()
        before = _resident("VmRSS")
        for number, system in enumerate(service.systems, 1):
            growth = evolve(await _year(view, system, task, growth), systems=number)
            growth = evolve(growth, grown=_resident("VmRSS") - before)
            if number % PROGRESS_INTERVAL == 0:
                print(f"{number} systems, {growth.sent:,} requests: {growth.grown:+.1f} MiB", file=sys.stderr)
        most = _resident("VmHWM") - before  # not only between two systems
    return evolve(growth, most=most, seconds=time.monotonic() - began, file=task.path.stat().st_size / 2**20)


async def _year(client: EnlightenClient, system: int, task: Task, growth: Growth) -> Growth:
    """Stream the days of one system, and count it in."""
    query, rows = client.rgm_stats(system, start_at=task.start, end_at=task.end), growth.rows
    async for part in query:
        rows += len(part.intervals) + sum(len(meter.intervals) for meter in part.meter_intervals)
    return evolve(growth, sent=growth.sent + query.receipt.sent, rows=rows)


def _resident(name: str) -> float:
    return status(name) or 0.0


@contextmanager
def _serving(systems: int) -> Iterator[Service]:
    """Serve so many systems from another process."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, systems), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        here.send(None)
        process.join()


def _serve(there: Connection, systems: int) -> None:
    emulator = Emulator(systems=systems, quota=Quota.UNLIMITED, concurrent=None)
    with emulator.running() as url:
        known = [system.system_id for system in emulator.truth.systems()]
        there.send(Service(url=url, user=emulator.demo_user, systems=known))
        there.recv()
