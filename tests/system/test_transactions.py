"""How often a query is at the state file: transactions that read, and transactions that write."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
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


@pytest.mark.parametrize(("name", "looks"), [("summary", 0), ("rgm_stats", 1)])
async def test_who_polls_need_not_look(tmp_path: Path, begun: Counter[str], name: str, looks: int) -> None:
    """The reply, or the spans, were read when they were written; others' writes are looked for."""
    world, path = World(systems=2), tmp_path / "s.db"
    client, systems = await opened(world, path, begun)
    async with client:
        await question(client, world, name, systems[0])
        for written_by_others in (0, 0, 1, 0):
            if written_by_others:
                with closing(sqlite3.connect(path)) as other, other:
                    other.execute("INSERT INTO meta VALUES ('other', x'00')")
            await world.clock.sleep(3600)
            before = world.emulator.counts.sent
            begun.clear()
            await question(client, world, name, systems[0])
            assert world.emulator.counts.sent == before + 1
            assert begun == Counter({READ: looks + written_by_others, WRITE: 2})


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
