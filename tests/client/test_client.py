"""Clients: made, closed, and seen with other options."""

from __future__ import annotations

from typing import Any

import pytest

from enlighten_async import (
    InputError,
    UsageError,
)
from tests.world import World


@pytest.mark.parametrize(
    "options", [{"key": ""}, {"user": " x"}, {"key": "a\n"}, {"timeout": 0}, {"max_concurrency": 0}]
)
def test_a_bad_client_is_refused_when_it_is_made(world: World, options: dict[str, Any]) -> None:
    """So are empty keys and impossible settings; a key is not shown."""
    with pytest.raises(InputError):
        world.client(**options)


async def test_a_closed_client_says_so(world: World) -> None:
    """Use after closing is our own error, and costs nothing."""
    client = world.client()
    async with client.with_options(max_wait=60):
        pass
    await client.systems()
    await client.aclose()
    with pytest.raises(UsageError, match="closed"):
        await client.rgm_stats(world.system, **world.days(30))
    assert world.emulator.counts.sent == 1


@pytest.mark.parametrize("version", ["v2", "v4"])
async def test_a_client_of_the_parent_process_is_refused(world: World, version: str) -> None:
    """Its connections are the parent's: nothing is sent over them, and none is closed."""
    client = (world.client if version == "v2" else world.v4)()
    async with client:
        await client.rgm_stats(world.system)
        client._session.process += 1
        with pytest.raises(UsageError, match="make one in this process"):
            await client.rgm_stats(world.system, **world.quarter(3))
        await client.aclose()
        client._session.process -= 1
        await client.rgm_stats(world.system, **world.quarter(3))
    assert world.emulator.counts.sent == 2
