"""Outages: what callers who go on asking spend while the service fails, and when they notice its end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType

from attrs import frozen

from benchmarks.quota.contenders import CONTENDERS, Job, Setting
from benchmarks.quota.scenarios import MIDNIGHT
from benchmarks.quota.virtual import LoopClock, run
from enlighten_async.emulator import Emulator, Fault, Quota

CALLERS = 5
"""Callers, each of whom asks once a minute."""
ALWAYS = float("inf")

LENGTHS_S: Mapping[str, float] = MappingProxyType({"hour": 3_600.0, "day": 86_400.0})
"""Seconds that an outage lasts."""


@frozen
class Spent:
    """What one contender made of an outage.

    Attributes:
        sent: requests that reached the service while it failed.
        noticed: seconds from its end to the first answer.
    """

    sent: int
    noticed: float


def endure(name: str, seconds: float) -> Spent:
    """Let the callers of a contender ask through an outage of so many seconds, and beyond it."""
    return run(_outage(name, seconds))


async def _outage(name: str, seconds: float) -> Spent:
    clock = LoopClock(MIDNIGHT)
    emulator = Emulator(clock=clock, quota=Quota.UNLIMITED, concurrent=None, latency=lambda: 0.1)
    job = CONTENDERS[name](Setting(emulator, clock, 10, 1_000_000))
    await job()
    before = emulator.counts.sent
    emulator.inject(Fault.overloaded(times=ALWAYS))
    end, answered = clock.now() + seconds, asyncio.Event()
    callers = [asyncio.create_task(_ask(job, clock, end, answered, 12.0 * n)) for n in range(CALLERS)]
    await asyncio.sleep(seconds)
    emulator.faults.clear()
    sent = emulator.counts.sent - before
    await answered.wait()
    noticed = clock.now() - end
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    return Spent(sent, noticed)


async def _ask(job: Job, clock: LoopClock, end: float, answered: asyncio.Event, first: float) -> None:
    """Ask once a minute, from so many seconds on, until cancelled."""
    await asyncio.sleep(first)
    while True:
        began = clock.now()
        if await job() and clock.now() >= end:
            answered.set()
        await asyncio.sleep(max(0.0, began + 60 - clock.now()))
