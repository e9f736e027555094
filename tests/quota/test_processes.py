"""Several processes on one state file: as exact as one."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from enlighten_async.quota import Plan, RateLimiter
from enlighten_async.testing import FakeClock
from tests.quota.machine import Local, a_process

Build = Callable[..., tuple[RateLimiter, Any]]
Purchase = Callable[..., Awaitable[Any]]


@pytest.mark.parametrize("apart", [0.0, 4321.5])
@pytest.mark.parametrize("phase", [0.0, 31.0, 57.5])
async def test_three_processes_share_a_key(
    build: Build, purchase: Purchase, tmp_path: Path, phase: float, apart: float
) -> None:
    """60 jobs each, with clocks 1.5 s apart: 180 sent, none rejected, at most 2 windows more."""
    plan, clock = Plan(minute=10, month=10_000), FakeClock()
    _, server = build(clock, phase=phase)
    clocks = [Local(clock, wall, apart * n) for n, wall in enumerate((0.0, 1.5, -1.5))]
    limiters = [a_process(tmp_path / "state.db", local, plan) for local in clocks]
    started = server.time()
    async with anyio.create_task_group() as tasks:
        for number in range(180):
            tasks.start_soon(purchase, limiters[number % 3], server)
    assert (server.used.total(), server.rejected.total()) == (180, 0)
    assert server.windows()[-1] - int(started // 60) + 1 <= math.ceil(180 / 10) + 2
