"""The scenarios: a service that counts, and what makes it hard to keep to its count."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from attrs import define, frozen

from benchmarks.quota.contenders import CONTENDERS, Job, Setting
from benchmarks.quota.virtual import LoopClock, run
from enlighten_async.emulator import Emulator, Quota

MIDNIGHT = 1_750_032_000
"""A whole minute: 2025-06-16T00:00Z."""
PHASES = (0.0, 13.0, 31.0, 47.0, 58.0)
"""Seconds after a minute's start at which the jobs begin."""


@frozen
class Scenario:
    """What happens.

    Attributes:
        jobs: requests that are to be answered, all at once.
        limit: requests the service allows in a minute.
        believed: what the user takes it to be.
        month: requests the service allows in a month.
        clients: programs that share the key, each with its own limiter.
        wrong: seconds by which the local clock is wrong.
        others: requests per minute that somebody else takes.
    """

    jobs: int = 60
    limit: int = 10
    believed: int = 10
    month: int = 10_000
    clients: int = 1
    wrong: float = 0.0
    others: int = 0


SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        "60 jobs": Scenario(),
        "3 clients of 20 jobs": Scenario(clients=3),
        "limit 6, believed 10": Scenario(limit=6),
        "someone else takes 4": Scenario(others=4),
        "clock 10 minutes slow": Scenario(wrong=-600.0),
        "clock 10 minutes fast": Scenario(wrong=600.0),
        "30 left of the month": Scenario(month=30),
    }
)


@frozen
class Result:
    """What one contender made of a scenario, on average over the phases.

    Attributes:
        sent: requests that reached the service.
        rejected: of these, how many it refused.
        lost: jobs without an answer.
        windows: minutes it took beyond the least possible.
    """

    sent: float
    rejected: float
    lost: float
    windows: float


def play(name: str, scenario: Scenario, phases: Sequence[float] = PHASES) -> Result:
    """Let a contender play a scenario, begun at several phases of the minute."""
    rounds = [run(_round(name, scenario, phase)) for phase in phases]
    means = [sum(figures) / len(rounds) for figures in zip(*rounds, strict=True)]
    return Result(*means)


async def _round(name: str, scenario: Scenario, phase: float) -> tuple[float, float, float, float]:
    clock = LoopClock(MIDNIGHT + phase)
    draw = random.Random(int(phase)).uniform  # noqa: S311
    emulator = Emulator(
        clock=clock,
        quota=Quota(minute=scenario.limit, month=scenario.month, name="Watt"),
        concurrent=None,
        latency=lambda: draw(0.02, 0.3),
    )
    setting = Setting(
        emulator, LoopClock(MIDNIGHT + phase + scenario.wrong), scenario.believed, scenario.month
    )
    jobs = [CONTENDERS[name](setting) for _ in range(scenario.clients)]
    other = _Other(CONTENDERS["nothing"](setting), scenario.others)
    taking = asyncio.create_task(other.take(clock))
    began = clock.now()
    answered = await asyncio.gather(*(jobs[number % len(jobs)]() for number in range(scenario.jobs)))
    ended = clock.now()
    taking.cancel()
    await asyncio.gather(taking, return_exceptions=True)
    counts = emulator.counts
    done = sum(answered)
    least = -(-done // scenario.limit)
    windows = ended // 60 - began // 60 + 1
    return (
        counts.sent - other.sent,
        counts.rejected - other.rejected,
        scenario.jobs - done,
        windows - least,
    )


@define
class _Other:
    """Somebody else on the key, who takes so many as each minute begins."""

    job: Job
    each: int
    sent: int = 0
    rejected: int = 0

    async def take(self, clock: LoopClock) -> None:
        """Go on until cancelled."""
        while self.each:
            served = await asyncio.gather(*(self.job() for _ in range(self.each)))
            self.sent += self.each
            self.rejected += self.each - sum(served)
            await asyncio.sleep(60 - clock.now() % 60)
