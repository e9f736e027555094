"""The errors that the methods of the client tell: they come, and where it is told."""

from __future__ import annotations

import inspect
from datetime import date
from typing import Any

import pytest
from attrs import evolve

from enlighten_async import AuthenticationError, EnlightenClient, NotFound, NotSupported, PermissionDenied
from enlighten_async.client.endpoints_v4 import EndpointsV4
from tests.world import World

ONLY_V4 = [name for name in vars(EndpointsV4) if not name.startswith("_")]
OF_A_DEVICE = [
    name
    for name in ONLY_V4
    if {"serial_number", "serial_num"} & inspect.signature(getattr(EnlightenClient, name)).parameters.keys()
]


def told(name: str, error: type[Exception]) -> bool:
    """Tell whether a method tells of an error."""
    return f"\n    {error.__name__}: " in (inspect.getdoc(getattr(EnlightenClient, name)) or "")


def arguments(name: str, serial_number: str) -> dict[str, Any]:
    """Return arguments for those parameters of a method that need one."""
    parameters = inspect.signature(getattr(EnlightenClient, name)).parameters
    known = {"system_id": 1765, "serial_number": serial_number, "serial_num": serial_number}
    days = {"start_date": date(2025, 6, 1), "start_time": 1_749_000_000}
    needed = {
        n for n, each in parameters.items() if each.default is each.empty and each.kind != each.VAR_KEYWORD
    }
    return {
        n: value for n, value in (known | days).items() if n in needed | {"serial_num"} & parameters.keys()
    }


@pytest.mark.parametrize("name", OF_A_DEVICE)
async def test_a_device_that_a_system_does_not_have_is_not_found(name: str) -> None:
    """When the query is awaited, not at the call."""
    world = World()
    async with world.v4() as client:
        query = getattr(client, name)(**arguments(name, "999999999999"))
        with pytest.raises(NotFound):
            await query
    assert told(name, NotFound)


@pytest.mark.parametrize("name", ONLY_V4)
async def test_what_only_v4_has_is_not_supported_by_v2(name: str) -> None:
    """At the call."""
    async with World().client() as client:
        with pytest.raises(NotSupported):
            getattr(client, name)(**arguments(name, "202312100006"))
    assert told(name, NotSupported)


@pytest.mark.parametrize(("version", "error"), [("v2", AuthenticationError), ("v4", PermissionDenied)])
async def test_a_consumption_that_may_not_be_seen_is_refused(version: str, error: type[Exception]) -> None:
    """By another error in each version."""
    world = World(fleet=[evolve(World().emulator.truth.systems()[0], consumption="refused")])
    async with world.client() if version == "v2" else world.v4() as client:
        with pytest.raises(error):
            await client.consumption_stats(world.system)
    assert told("consumption_stats", error)
