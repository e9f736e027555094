"""Methods that only one version of the API has."""

from __future__ import annotations

import inspect

import pytest

from enlighten_async import (
    NotSupported,
)
from enlighten_async.client.endpoints_v4 import EndpointsV4
from tests.world import World


async def test_what_a_version_does_not_have_says_what_to_use(world: World) -> None:
    """At the call, before anything is sent."""
    async with world.v4() as new, world.client() as old:
        with pytest.raises(
            NotSupported, match=r"v4 of the API has no monthly_production: use energy_lifetime"
        ):
            new.monthly_production(world.system, start_date=None)  # type: ignore[arg-type]
        with pytest.raises(NotSupported, match=r"only v4 of the API has battery: .*EnlightenClient\.v4"):
            old.battery(world.system)
        with pytest.raises(NotSupported, match="no filter installer"):
            new.systems(installer="x")
    assert world.emulator.counts.sent == 0


def test_each_method_of_version_4_is_refused_by_its_name(world: World) -> None:
    """Before its arguments are read."""
    names = [name for name in vars(EndpointsV4) if not name.startswith("_")]
    assert len(names) > 30
    old, given = world.client(), {"start_time": 5, "start_date": 5}
    for name in names:
        needed = inspect.signature(getattr(old, name)).parameters.values()
        args = ["x" for each in needed if each.kind is each.POSITIONAL_OR_KEYWORD]
        kwargs = {each.name: given[each.name] for each in needed if each.name in given}
        with pytest.raises(NotSupported, match=rf"only v4 of the API has {name}: "):
            getattr(old, name)(*args, **kwargs)
