"""Answers that are no series: whether they are final is known in the file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

from tests.world import World


async def test_the_file_knows_which_answers_are_final(tmp_path: Path) -> None:
    """What is about past days is; today's is not, nor are the systems, which come and go."""
    world, path = World(systems=16), tmp_path / "state.db"
    async with world.v4(state=path) as client:
        await client.systems()
        await client.summary(world.system)
        await client.summary(world.system, summary_date=date(2025, 6, 1))
        await client.energy_lifetime(world.system, end_date=date(2025, 6, 1))
    with closing(sqlite3.connect(path)) as file:
        found = file.execute("SELECT endpoint, status, final FROM replies ORDER BY 1, 2, 3").fetchall()
    assert found == [
        ("energy_lifetime", 200, 1),
        ("summary", 200, 0),
        ("summary", 200, 1),
        ("systems", 200, 0),
    ]
