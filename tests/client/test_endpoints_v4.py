"""Methods that only one version of the API has."""

from __future__ import annotations

import pytest

from enlighten_async import (
    NotSupported,
)
from tests.world import World


async def test_what_a_version_does_not_have_says_what_to_use(world: World) -> None:
    """At the call, before anything is sent."""
    async with world.v4() as new, world.client() as old:
        with pytest.raises(
            NotSupported, match=r"v4 of the API has no monthly_production: use energy_lifetime"
        ):
            new.monthly_production(world.system, start_date=None)  # type: ignore[arg-type]
        with pytest.raises(NotSupported, match=r"only v4 of the API has this: .*EnlightenClient\.v4"):
            old.battery(world.system)
        with pytest.raises(NotSupported, match="no filter installer"):
            new.systems(installer="x")
    assert world.emulator.counts.sent == 0
