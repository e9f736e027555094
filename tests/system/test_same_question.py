"""Programs on one state that ask for the same at the same time: each answer is paid for once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from enlighten_async import EnlightenClient, Plan
from tests.limiter.stores import ProcessClock
from tests.world import World

DAYS, WINDOWS = 170, 25
SECONDS = 0.7
"""Seconds that a request takes."""


class Programs:
    """Programs on one state file, each with clocks of its own.

    Attributes:
        world: the service.
    """

    def __init__(self, version: str, path: Path) -> None:
        self.world = World(latency=SECONDS)
        self._make = self.world.client if version == "v2" else self.world.v4
        self._state = path / "enlighten.db"

    def open(self, **options: Any) -> EnlightenClient:
        """Open a program's client."""
        return self._make(clock=ProcessClock(self.world.clock), state=self._state, **options)

    @property
    def sent(self) -> int:
        """The requests that the service counts."""
        return self.world.emulator.counts.sent

    def year(self, client: EnlightenClient) -> Any:
        """Return a query of many windows."""
        end = self.world.clock.now() - 9 * 86_400
        return client.rgm_stats(self.world.system, start_at=end - DAYS * 86_400, end_at=end)


@pytest.fixture(params=["v2", "v4"])
def programs(request: pytest.FixtureRequest, tmp_path: Path) -> Programs:
    """Return programs of a version."""
    return Programs(request.param, tmp_path)


async def together(*questions: Any) -> list[Any]:
    """Return the answers of coroutines that run at the same time."""
    answers: dict[int, Any] = {}

    async def put(number: int, question: Any) -> None:
        answers[number] = await question

    async with anyio.create_task_group() as tasks:
        for number, question in enumerate(questions):
            tasks.start_soon(put, number, question)
    return [answer for _, answer in sorted(answers.items())]


async def awaited(query: Any) -> Any:
    """Return the answer."""
    return await query


async def streamed(query: Any) -> Any:
    """Return the last part, after all others."""
    rows = 0
    async for part in query:
        rows += len(part.intervals)
    return rows


@pytest.mark.parametrize("minute", [10, 100_000])
@pytest.mark.parametrize("ask", [awaited, streamed])
async def test_a_range_of_many_windows(programs: Programs, ask: Any, minute: int) -> None:
    """Also where each minute lets several of either program go at the same moment."""
    plan = Plan(minute=minute)
    async with programs.open(plan=plan) as one, programs.open(plan=plan) as other:
        answers = await together(*(ask(programs.year(client)) for client in (one, other)))
    assert answers[0] == answers[1]
    assert programs.sent == WINDOWS


QUESTIONS = {
    "summary": lambda client, system, _: client.summary(system),
    "rgm_stats": lambda client, system, now: client.rgm_stats(system, start_at=now - 80_000, end_at=now),
    "energy_lifetime": lambda client, system, _: client.energy_lifetime(system),
    "systems": lambda client, _, __: client.systems(),
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
async def test_one_request(programs: Programs, question: Any) -> None:
    """Also of what changes from one moment to the next: the answer was on its way when it was wanted."""
    async with programs.open() as one, programs.open() as other:
        for client in (one, other):
            await client.inventory(programs.world.system)
        before, asked = programs.sent, (programs.world.system, programs.world.clock.now())
        answers = await together(*(awaited(question(client, *asked)) for client in (one, other)))
        assert answers[0] == answers[1]
        assert programs.sent == before + 1


async def test_who_wants_no_answer_of_others_sends(programs: Programs) -> None:
    """With `max_age=0`."""
    async with programs.open() as one, programs.open() as other:
        fresh = [client.with_options(max_age=0) for client in (one, other)]
        await together(*(awaited(client.summary(programs.world.system)) for client in fresh))
    assert programs.sent == 2


@pytest.mark.parametrize(("hurry", "seconds"), [(3.0, 1.7), (None, 6.0)])
async def test_an_answer_that_does_not_come(programs: Programs, hurry: float | None, seconds: float) -> None:
    """A program that stands still is waited for some seconds, and by a caller in a hurry for half of them."""
    system, clock, emulator = programs.world.system, programs.world.clock, programs.world.emulator
    emulator.latency = 60.0
    async with (
        programs.open(timeout=100.0) as asleep,
        programs.open() as patient,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(awaited, asleep.summary(system))
        await clock.sleep(0.1)
        emulator.latency, began = 0.0, clock.monotonic()
        await patient.with_options(max_wait=hurry).summary(system)
        assert clock.monotonic() - began < seconds
    assert programs.sent == 2
