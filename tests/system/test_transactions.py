"""How often a query is at the state file: transactions that read, and transactions that write."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import pytest

from enlighten_async import EnlightenClient, Query
from enlighten_async.state import StateFile
from tests.world import World

READ, WRITE = "BEGIN", "BEGIN IMMEDIATE"


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the transactions of all files, by how they begin."""
    counts = Counter[str]()
    attempt = StateFile._attempt

    def counted(self: StateFile, work: Any, begin: str) -> Any:
        counts[begin] += 1
        return attempt(self, work, begin)

    monkeypatch.setattr(StateFile, "_attempt", counted)
    return counts


async def opened(
    world: World, path: Path, begun: Counter[str], **options: Any
) -> tuple[EnlightenClient, list[int]]:
    """Return a client with a state file that has been used, and the numbers of the systems."""
    client = world.client(state=path, **options)
    systems = [each.system_id for each in await client.systems()]
    begun.clear()
    return client, systems


def question(client: EnlightenClient, world: World, name: str, system_id: int) -> Query[Any, Any]:
    """Return a query that takes one request."""
    return (
        client.summary(system_id) if name == "summary" else getattr(client, name)(system_id, **world.days(3))
    )


@pytest.mark.parametrize("name", ["summary", "rgm_stats"])
async def test_a_lone_request(tmp_path: Path, begun: Counter[str], name: str) -> None:
    """One look; the request is counted before it is sent, and its end is written with its answer."""
    world = World(systems=6)
    async with (await opened(world, tmp_path / "s.db", begun))[0] as client:
        for system_id in [each.system_id for each in await client.systems()][:5]:
            before = world.emulator.counts.sent
            begun.clear()
            await question(client, world, name, system_id)
            assert world.emulator.counts.sent == before + 1
            assert begun == {READ: 1, WRITE: 2}


@pytest.mark.parametrize("name", [pytest.param("summary", marks=pytest.mark.slow), "rgm_stats"])
async def test_ten_callers_side_by_side(tmp_path: Path, begun: Counter[str], name: str) -> None:
    """They are looked up, counted and written together: at most two transactions a request."""
    world = World(systems=40)
    client, systems = await opened(world, tmp_path / "s.db", begun)
    before, rest = world.emulator.counts.sent, iter(systems)

    async def ask() -> None:
        for system_id in rest:
            await question(client, world, name, system_id)

    async with client, anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(ask)
    sent = world.emulator.counts.sent - before
    assert sent == len(systems)
    assert sum(begun.values()) <= 2 * sent


async def test_what_was_read_last_is_not_read_again(tmp_path: Path, begun: Counter[str]) -> None:
    """A cached answer that is asked for again takes no transaction, and is another's as soon as it writes."""
    world = World(systems=6)
    client, systems = await opened(world, tmp_path / "s.db", begun)
    async with client:
        view = client.with_options(max_age=3600)
        bought = await client.summary(systems[0])
        assert (await view.summary(systems[0])).energy_today == bought.energy_today
        begun.clear()
        assert await view.summary(systems[0]) == await view.summary(systems[0])
        assert begun == {}
