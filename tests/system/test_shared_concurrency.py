"""Requests in flight of all programs on one state file: never more than any that lives allows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from enlighten_async import EnlightenClient
from tests.limiter.stores import ProcessClock
from tests.world import World

SECONDS = 0.5
"""Seconds that a request takes."""


class Gauge(httpx.AsyncBaseTransport):
    """A way to the service that counts the requests in flight.

    Attributes:
        count: those of all programs.
        most: the most there were.
        begun: whose they were, in the order in which they left.
    """

    def __init__(self, world: World) -> None:
        self._inner, self._clock = world.emulator.transport(), world.clock
        self.count = self.most = 0
        self.begun: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on."""
        self.count += 1
        self.most = max(self.most, self.count)
        self.begun.append(request.url.path.split("/")[-2])
        try:
            await self._clock.sleep(SECONDS)
            return await self._inner.handle_async_request(request)
        finally:
            self.count -= 1


class Programs:
    """Programs on one state file, each with clocks of its own.

    Attributes:
        world: the service.
        gauge: counts what is in flight.
    """

    def __init__(self, version: str, path: Path) -> None:
        self.world = World()
        self.gauge = Gauge(self.world)
        self._make = self.world.client if version == "v2" else self.world.v4
        self._state = path / "enlighten.db"

    def open(self, most: int, **options: Any) -> EnlightenClient:
        """Open a program's client."""
        clock = ProcessClock(self.world.clock)
        return self._make(
            clock=clock, transport=self.gauge, state=self._state, max_concurrency=most, timeout=5.0, **options
        )

    async def ask(self, client: EnlightenClient, first: int, jobs: int) -> None:
        """Ask about so many quarters of an hour at once."""
        async with anyio.create_task_group() as tasks:
            for number in range(first, first + jobs):
                ask = client.rgm_stats(self.world.system, **self.world.quarter(number))
                tasks.start_soon(_get, ask)


async def _get(query: Any) -> None:
    await query


@pytest.fixture(params=["v2", "v4"])
def programs(request: pytest.FixtureRequest, tmp_path: Path) -> Programs:
    """Return programs of a version."""
    return Programs(request.param, tmp_path)


@pytest.mark.parametrize(("one", "other"), [(3, 3), (2, 5), (5, 1)])
async def test_all_programs_together_keep_to_the_smallest_limit(
    programs: Programs, one: int, other: int
) -> None:
    """Both get on, and alone each has its own."""
    async with programs.open(one) as first, programs.open(other) as second:
        await first.summary(programs.world.system)
        await second.rgm_stats(programs.world.system, **programs.world.quarter(500))
        programs.gauge.most = 0
        began = programs.world.clock.monotonic()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(programs.ask, first, 0, 15)
            tasks.start_soon(programs.ask, second, 100, 15)
        assert programs.gauge.most == min(one, other)
        seconds = programs.world.clock.monotonic() - began
        assert seconds <= 30 / min(one, other) * (SECONDS + 0.2)


async def test_who_has_closed_leaves_all_places(programs: Programs) -> None:
    """The others go on as if it had never been."""
    async with programs.open(1) as small:
        await small.summary(programs.world.system)
    async with programs.open(4) as client:
        await programs.ask(client, 0, 12)
        assert programs.gauge.most == 4


async def test_a_program_that_waits_for_a_place_gets_its_turn(programs: Programs) -> None:
    """While another has many requests to send: one after the other."""
    async with programs.open(1) as busy, programs.open(1) as patient:
        await busy.summary(programs.world.system)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(programs.ask, busy, 0, 12)
            await programs.world.clock.sleep(0.1)
            began = programs.world.clock.monotonic()
            await programs.ask(patient, 100, 2)
            assert programs.world.clock.monotonic() - began < 6 * SECONDS
