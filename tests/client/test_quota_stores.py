"""Quota stores of clients: one for a key in a process, one for a key in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from enlighten_async.errors import InputError
from enlighten_async.limiter import SharedQuotaStore
from enlighten_async.state import StateFile
from tests.world import World


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the file will be."""
    return tmp_path / "state.db"


async def test_clients_of_one_process_share_one_store(path: Path) -> None:
    """One connection, one set of notes; other keys and other services are apart."""
    world = World()
    one, two = world.client(state=path), world.client(state=str(path))
    other = world.client("f" * 32, state=path)
    stores = [client._session.limiter._store for client in (one, two, other)]
    assert isinstance(stores[0], SharedQuotaStore)
    assert stores[0] is stores[1]
    assert stores[0] is not stores[2]
    for client in (one, two, other):
        await client.rgm_stats(world.system)
    async with World(seed=1).client(state=path, base_url="https://elsewhere.example/api/v2") as foreign:
        await foreign.systems()
    for client in (one, two, other):
        await client.aclose()
    rows = StateFile(path).transact(lambda c: c.execute("SELECT count(*) FROM quota").fetchone()[0])
    assert rows == 3


async def test_a_folder_that_does_not_exist_is_said_at_once(path: Path) -> None:
    """Before anything else is done."""
    with pytest.raises(InputError, match="does not exist"):
        World().client(state=path.parent / "no" / "state.db")


async def test_v4_keeps_its_counts_in_the_file_too(path: Path) -> None:
    """Apart from those of v2."""
    world = World()
    async with world.client(state=path) as old, world.v4(state=path) as new:
        await old.rgm_stats(world.system)
        await new.systems()
    rows = StateFile(path).transact(lambda c: c.execute("SELECT count(*) FROM quota").fetchone()[0])
    assert rows == 2
